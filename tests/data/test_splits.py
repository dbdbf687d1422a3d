from hypothesis import given
from hypothesis import strategies as st

from limbeck.data import Example, Message, split_of
from limbeck.data.splits import choose, hide

prompts = st.lists(st.text(min_size=1, max_size=8).filter(str.strip), unique=True, max_size=40)
fractions = st.tuples(st.floats(0, 0.45), st.floats(0, 0.45))


def rows(texts):
    return [Example(text, "answer to " + text) for text in texts]


@given(prompts, st.data(), fractions)
def test_adding_removing_and_reordering_rows_moves_no_row(texts, data, held_out):
    before = {e: split_of(e.key, *held_out) for e in rows(texts)}
    changed = data.draw(st.permutations(texts)) + data.draw(prompts)
    after = {e: split_of(e.key, *held_out) for e in rows(changed)}
    assert all(after[e] == split for e, split in before.items())


@given(st.text(min_size=1), fractions, st.floats(0, 0.45))
def test_changing_one_fraction_leaves_the_other_split_alone(text, held_out, other):
    validation, test = held_out
    key = Example(text).key
    was = split_of(key, validation, test)
    assert (split_of(key, other, test) == "test") == (was == "test")
    assert (split_of(key, validation, other) == "validation") == (was == "validation")


def test_fractions_are_met_and_zero_means_none():
    keys = [Example(f"question {i}").key for i in range(20_000)]
    share = [split_of(key, 0.05, 0.1) for key in keys]
    assert abs(share.count("test") / 20_000 - 0.1) < 0.01
    assert abs(share.count("validation") / 20_000 - 0.05) < 0.01
    assert {split_of(key, 0, 0) for key in keys} == {"train"}


@given(prompts, st.integers(1, 20), st.data())
def test_the_chosen_rows_do_not_depend_on_the_order(texts, count, data):
    order = data.draw(st.permutations(texts))
    chosen = choose(rows(texts), count)
    assert len(chosen) == min(count, len(texts))
    assert set(choose(rows(order), count)) == set(chosen)
    assert chosen == [e for e in rows(texts) if e in set(chosen)]


@given(prompts, st.integers(0, 20), st.integers(0, 20))
def test_more_labels_keep_the_labels_there_were(texts, few, more):
    few, more = sorted((few, more))

    def labelled(n):
        return {e.prompt for e in hide(rows(texts), n) if e.completion is not None}

    assert len(labelled(few)) == min(few, len(texts))
    assert labelled(few) <= labelled(more)


def test_a_hidden_completion_is_kept_for_controls():
    (example,) = hide([Example("2+2=", "4", answer="4")], 0)
    assert example == Example("2+2=", None, answer="4", hidden="4")


def test_the_choice_of_labels_is_not_the_choice_of_rows():
    data = rows(map(str, range(400)))
    kept = {e.prompt for e in choose(data, 200)}
    labelled = {e.prompt for e in hide(data, 200) if e.completion is not None}
    assert 60 < len(kept & labelled) < 140


def test_the_same_question_has_the_same_key_in_every_format():
    question = Example("What is  2+2?\n")
    assert question.key == Example((Message("user", "What is 2+2?"),)).key
    assert question.key == Example("What is 2+2?", "another answer").key
    assert question.key != Example((Message("system", "Hi"), Message("user", "What is 2+2?"))).key
    assert len(question.key) == 16 and int(question.key, 16) >= 0


def test_turns_do_not_run_into_one_another():
    one = Example((Message("user", "a"), Message("assistant", "b"), Message("user", "c")))
    two = Example((Message("user", "a"), Message("assistant", "b c"), Message("user", "")))
    assert one.key != two.key


def test_a_row_of_text_is_keyed_by_its_text():
    assert Example("", "one").key != Example("", "two").key
