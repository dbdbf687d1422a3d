import pytest
from hypothesis import given
from hypothesis import strategies as st

from limbeck.data import IGNORE, Example, Message, character_tokenizer, collate, tokenise
from limbeck.data.batch import supervised
from limbeck.data.tokenizers import CHARACTERS
from limbeck.errors import RequestError

TOKENIZER = character_tokenizer()
EOS, BOS = TOKENIZER.eos_token_id, TOKENIZER.bos_token_id
texts = st.text(alphabet=CHARACTERS.replace("<", ""), min_size=1, max_size=12)


def run(examples, tokenizer=TOKENIZER, **keys):
    keys = {
        "kind": "pairs",
        "max_length": None,
        "truncation": "cut_completion",
        "eos": {tokenizer.eos_token_id},
        **keys,
    }
    return tokenise(examples, tokenizer, **keys)


def one(example, **keys):
    (sequence,) = run([example], **keys).sequences
    return sequence


def ids(text):
    return tuple(TOKENIZER.encode(text))


@given(texts, texts)
def test_ids_decode_to_the_texts_they_were_made_from(prompt, completion):
    plain = one(Example(prompt, completion))
    assert TOKENIZER.decode(plain.prompt) == prompt
    assert TOKENIZER.decode(plain.completion) == completion + "<eos>"
    chat = one(Example(prompt, completion), chat=True)
    assert TOKENIZER.decode(chat.prompt) == f"<bos><user>{prompt}<assistant>"
    assert chat.completion == plain.completion
    text = one(Example("", completion), kind="text")
    assert (text.prompt, text.completion) == ((BOS,), plain.completion)


@given(
    st.lists(st.tuples(texts, texts), min_size=1, max_size=5), st.sampled_from(["left", "right"])
)
def test_every_completion_token_is_supervised_from_the_first_to_the_end(pairs, side):
    sequences = run([Example(p, c) for p, c in pairs]).sequences
    batch = collate(sequences, pad=EOS, side=side)
    predicts = supervised(batch["labels"])
    for i, s in enumerate(sequences):
        following = batch["input_ids"][i, 1:][predicts[i]]
        assert tuple(following.tolist()) == s.completion
        first = int(predicts[i].nonzero()[0])
        assert batch["input_ids"][i, first] == s.prompt[-1]  # it is predicted from the prompt
        assert (batch["labels"][i] != IGNORE).sum() == len(s.completion)


def test_a_conversation_is_what_the_template_writes():
    turns = (Message("system", "s"), Message("user", "q"), Message("assistant", "a"))
    example = Example((*turns, Message("user", "r")), "b")
    s = one(example)
    messages = [{"role": m.role, "content": m.content} for m in example.prompt]
    assert (
        list(s.prompt)
        == TOKENIZER.apply_chat_template(
            messages, add_generation_prompt=True, tokenize=True, return_dict=True
        )["input_ids"]
    )
    whole = [*messages, {"role": "assistant", "content": "b"}]
    assert (
        list(s.prompt + s.completion)
        == TOKENIZER.apply_chat_template(whole, tokenize=True, return_dict=True)["input_ids"]
    )


def test_a_system_message_goes_first_unless_the_row_has_one():
    assert one(Example("q", "a"), chat=True, system="s").prompt == ids(
        "<bos><system>s<user>q<assistant>"
    )
    own = Example((Message("system", "own"), Message("user", "q")), "a")
    assert one(own, system="s").prompt == ids("<bos><system>own<user>q<assistant>")


@pytest.mark.parametrize("chat", [False, True])
def test_a_prompt_that_nobody_answered_has_no_completion(chat):
    assert one(Example("q"), chat=chat).completion == ()


def test_an_end_that_is_there_is_not_doubled():
    assert one(Example("q", "a<eos>")).completion == ids("a<eos>")
    assert one(Example("q", "a<pad>"), eos={EOS, TOKENIZER.pad_token_id}).completion == ids(
        "a<pad>"
    )


def test_the_end_is_one_that_was_asked_for():
    assert one(Example("q", "a"), eos={TOKENIZER.pad_token_id}).completion == ids("a<pad>")


def test_an_empty_completion_is_an_end():
    assert one(Example("q", "")).completion == (EOS,)


def variant(**attributes):
    tokenizer = character_tokenizer()
    for name, value in attributes.items():
        setattr(tokenizer, name, value)
    return tokenizer


BASE = TOKENIZER.chat_template


@pytest.mark.parametrize("tail", ["\n", "\n\n", " "])
def test_white_space_behind_the_end_of_a_turn_is_cut(tail):
    template = BASE.replace(
        "<eos>{% endgen", "<eos>" + tail.replace("\n", "{{ '\\n' }}") + "{% endgen"
    )
    tokenizer = variant(chat_template=template)
    rendered = tokenizer.apply_chat_template(
        [{"role": "assistant", "content": "a"}], tokenize=False
    )
    assert rendered.endswith("<eos>" + tail)
    assert one(Example("q", "a"), tokenizer=tokenizer, chat=True).completion == ids("a<eos>")


def test_a_template_without_an_end_gets_one():
    tokenizer = variant(chat_template=BASE.replace("<eos>", ""))
    assert one(Example("q", "a"), tokenizer=tokenizer, chat=True).completion == ids("a<eos>")


def test_an_end_inside_a_completion_does_not_cut_it():
    tokenizer = variant(chat_template=BASE.replace("<eos>", ""))
    s = one(Example("q", "a<eos>b"), tokenizer=tokenizer, chat=True)
    assert s.completion == ids("a<eos>b<eos>")


def test_a_default_system_turn_stays_in_the_prompt():
    default = "{% if messages[0]['role'] != 'system' %}<system>be good{% endif %}"
    tokenizer = variant(chat_template=BASE.replace("<bos>", "<bos>" + default, 1))
    s = one(Example("q", "a"), tokenizer=tokenizer, chat=True)
    assert s.prompt == ids("<bos><system>be good<user>q<assistant>")
    assert s.completion == ids("a<eos>")


def test_a_template_that_rewrites_the_prompt_is_refused():
    tokenizer = variant(chat_template="{{ messages | length }} turns" + BASE)
    with pytest.raises(RequestError, match="differently once it is answered: '1 turns") as caught:
        run([Example("q", "a")], tokenizer=tokenizer, chat=True)
    assert caught.value.where.startswith("example 1")


def test_a_turn_the_template_refuses():
    example = Example((Message("tool", "x"),), "a")
    with pytest.raises(RequestError, match="refuses the conversation: this template knows"):
        run([example])


def test_a_tokenizer_without_template_is_refused():
    with pytest.raises(RequestError, match="no chat template") as caught:
        run([Example("q", "a")], tokenizer=variant(chat_template=None), chat=True)
    assert "chat: false" in caught.value.mend


def test_a_system_message_for_plain_text_is_refused():
    with pytest.raises(RequestError, match="needs a conversation"):
        run([Example("q", "a")], system="s")


def test_a_tokenizer_without_an_end_is_refused():
    with pytest.raises(RequestError, match="no answer could ever end"):
        run([Example("q", "a")], eos=set())


def test_a_tokenizer_without_a_beginning_begins_with_the_end():
    tokenizer = variant(bos_token=None)
    assert one(Example("", "a"), tokenizer=tokenizer, kind="text").prompt == (EOS,)


def with_specials(single):
    from tokenizers.processors import TemplateProcessing

    tokenizer = character_tokenizer()
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single=single, special_tokens=[("<bos>", BOS), ("<eos>", EOS)]
    )
    return tokenizer


@pytest.mark.parametrize("single", ["<bos> $A", "<bos> $A <eos>"])
def test_a_prompt_begins_as_its_tokenizer_begins_texts_and_never_ends(single):
    s = one(Example("q", "a"), tokenizer=with_specials(single))
    assert (s.prompt, s.completion) == (ids("<bos>q"), ids("a<eos>"))


# ------------------------------------------------------------------ cutting

LONG = [Example("12345678", "abcd"), Example("12", "abcdefghij"), Example("12", "ab")]


def cut(examples=LONG, **keys):
    done = run(examples, **keys)
    shown = [
        (s.example, TOKENIZER.decode(s.prompt), TOKENIZER.decode(s.completion))
        for s in done.sequences
    ]
    return shown, done.counts


def test_without_a_limit_nothing_is_cut():
    shown, counts = cut()
    assert [row[0] for row in shown] == [0, 1, 2]
    assert counts == {
        "rows": 3,
        "truncated_prompts": 0,
        "truncated_completions": 0,
        "dropped": 0,
        "longest_prompt": 8,
        "longest": 13,
    }


def test_drop():
    shown, counts = cut(max_length=8, truncation="drop")
    assert shown == [(2, "12", "ab<eos>")]
    assert counts["dropped"] == 2 and counts["rows"] == 3 and counts["longest"] == 5


def test_cut_completion_leaves_no_end_and_drops_what_has_no_room():
    shown, counts = cut(max_length=8)
    assert shown == [(1, "12", "abcdef"), (2, "12", "ab<eos>")]
    assert (counts["truncated_completions"], counts["dropped"]) == (1, 1)
    shown, counts = cut(max_length=9)
    assert shown[0] == (0, "12345678", "a")
    assert (counts["truncated_completions"], counts["dropped"]) == (2, 0)


def test_cut_prompt_keeps_the_completion_whole():
    shown, counts = cut(max_length=8, truncation="cut_prompt")
    assert shown == [(0, "678", "abcd<eos>"), (2, "12", "ab<eos>")]
    assert (counts["truncated_prompts"], counts["dropped"]) == (1, 1)


def test_cut_prompt_keeps_a_leading_beginning():
    tokenizer = with_specials("<bos> $A")
    assert one(LONG[0], tokenizer=tokenizer, max_length=8, truncation="cut_prompt").prompt == ids(
        "<bos>78"
    )
    assert one(LONG[0], tokenizer=tokenizer, max_length=6, truncation="cut_prompt").prompt == (BOS,)


def test_a_prompt_that_nobody_answered_needs_room_for_an_answer():
    rows = [Example("1234"), Example("123")]
    assert [row[0] for row in cut(rows, max_length=4)[0]] == [1]
    assert [row[1] for row in cut(rows, max_length=4, truncation="cut_prompt")[0]] == ["234", "123"]


@given(
    st.lists(st.tuples(texts, st.none() | texts), max_size=8),
    st.integers(2, 20),
    st.sampled_from(["cut_completion", "cut_prompt", "drop"]),
)
def test_whatever_is_cut_fits_and_is_counted(pairs, limit, truncation):
    examples = [Example(p, c) for p, c in pairs]
    whole = run(examples).sequences
    done = run(examples, max_length=limit, truncation=truncation)
    cut_prompts = cut_completions = 0
    for s in done.sequences:
        was = whole[s.example]
        assert len(s.prompt) > 0 and len(s) <= limit
        assert was.prompt[len(was.prompt) - len(s.prompt) :] == s.prompt
        assert was.completion[: len(s.completion)] == s.completion
        assert bool(s.completion) == bool(was.completion)
        cut_prompts += s.prompt != was.prompt
        cut_completions += s.completion != was.completion
    assert done.counts["truncated_prompts"] == cut_prompts
    assert done.counts["truncated_completions"] == cut_completions
    assert done.counts["dropped"] == len(examples) - len(done.sequences)
    assert done.counts["longest"] == max(map(len, done.sequences), default=0)


# ------------------------------------------------------------------ published tokenizers


def test_qwen_cuts_the_line_break_behind_a_turn(real_tokenizer):
    qwen = real_tokenizer("qwen2.5")
    end = qwen.convert_tokens_to_ids("<|im_end|>")
    s = one(Example("What is 2+2?", "It is\n4."), tokenizer=qwen, chat=True, eos={end})
    assert qwen.decode(s.completion) == "It is\n4.<|im_end|>"
    prompt = qwen.decode(s.prompt)
    assert prompt.startswith("<|im_start|>system\nYou are Qwen")
    assert prompt.endswith("<|im_start|>user\nWhat is 2+2?<|im_end|>\n<|im_start|>assistant\n")
    plain = one(Example("What is 2+2?", " 4."), tokenizer=qwen)
    assert qwen.decode(plain.prompt + plain.completion) == "What is 2+2? 4." + qwen.eos_token


def test_qwen_takes_the_given_system_message(real_tokenizer):
    qwen = real_tokenizer("qwen2.5")
    s = one(Example("Hi", "Ho"), tokenizer=qwen, chat=True, system="Sing.")
    assert "You are Qwen" not in qwen.decode(s.prompt)
    assert qwen.decode(s.prompt).startswith("<|im_start|>system\nSing.<|im_end|>\n")


def test_qwen_has_no_beginning_and_text_begins_with_its_end(real_tokenizer):
    qwen = real_tokenizer("qwen2.5")
    s = one(Example("", "Once."), tokenizer=qwen, kind="text")
    assert s.prompt == (qwen.eos_token_id,)
    assert s.completion[-1] == qwen.eos_token_id


def test_llama_begins_prompts_and_ends_completions(real_tokenizer):
    llama = real_tokenizer("llama2")
    s = one(Example("What is 2+2?", "It is 4."), tokenizer=llama)
    assert s.prompt[0] == llama.bos_token_id
    assert s.completion[-1] == llama.eos_token_id
    assert llama.bos_token_id not in s.completion
    assert llama.decode(s.completion, skip_special_tokens=True).strip() == "It is 4."
    short = one(
        Example("What is 2+2?", "4"), tokenizer=llama, max_length=6, truncation="cut_prompt"
    )
    assert short.prompt[0] == llama.bos_token_id and len(short) == 6


def test_llama_without_template_cannot_chat(real_tokenizer):
    with pytest.raises(RequestError, match="no chat template"):
        run([Example("q", "a")], tokenizer=real_tokenizer("llama2"), chat=True)
