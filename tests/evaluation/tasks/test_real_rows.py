import json

import pytest

from evaluation.tasks.rows import FILES, data_file, rows_and_items
from limbeck.evaluation.tasks import TASKS


def evaluated(name, outputs, *files):
    task, rows, items = rows_and_items(name, *files)
    scored = [task.score(i, o) for i, o in zip(items, map(outputs, items, rows), strict=True)]
    return task.metrics(scored), scored


def value(metrics, name):
    return pytest.approx(metrics[name].value, abs=5e-4)


def test_every_task_is_covered():
    assert set(FILES) == set(TASKS)


@pytest.mark.parametrize(
    "name", sorted(n for n, t in TASKS.items() if t.kind in ("generate", "choices"))
)
def test_gold_answers_score_everything_and_others_nothing(name):
    task, rows, items = rows_and_items(name)
    assert len(rows) == len(items) == len({item.id for item in items})
    for item, row in zip(items, rows, strict=True):
        if task.kind == "choices":
            likely = [[0.0] if n == item.gold else [-1e4] for n in range(len(item.choices))]
            right, wrong = likely, [[-1e4 - tokens[0]] for tokens in likely]
        else:
            right, wrong = task.read(row).answer, "I cannot say."
        best, worst = task.score(item, right), task.score(item, wrong)
        assert best.correct and not best.invalid and set(best.grades.values()) == {1.0}, item
        assert not worst.correct and set(worst.grades.values()) == {0.0}, item
        assert worst.invalid is (task.kind == "generate")


@pytest.mark.parametrize("name", [n for n, t in TASKS.items() if t.kind == "choices"])
def test_letters_of_gold_answers(name):
    task, rows, items = rows_and_items(name)
    lettered = task.letters()
    for item, row, own in zip(items, rows, lettered.items(rows), strict=True):
        assert own.gold == "ABCDE"[item.gold]
        assert lettered.score(own, f"\n\nThe answer is {own.gold}.\n\nQuestion: A?").correct
        assert lettered.score(own, "J").invalid
        options = lettered.read(row).fields["options"].split("\n")
        assert len(options) == len(item.choices) and options[0].startswith("A. ")
        assert all(option in own.messages[-1].content for option in options)


def test_marks_of_published_answers():
    """Four systems on 1,319 questions, with the marks that ship with them: none differs."""
    task, seen = TASKS["gsm8k"], 0
    with open(data_file("gsm8k/model_solutions"), encoding="utf-8", newline="\n") as lines:
        for row in map(json.loads, lines):
            gold = row["ground_truth"].replace("\nA: ", "\n#### ")
            (item,) = task.items([{"question": row["question"], "answer": gold}])
            for system in (
                "6b_finetuning",
                "6b_verification",
                "175b_finetuning",
                "175b_verification",
            ):
                said, mark = row[system]["solution"], row[system]["is_correct"]
                assert task.score(item, said).correct is mark, said
                marked = task.score(item, said.replace("\nA: ", "\n#### "))
                assert (marked.grades["strict"] == 1) is mark, said
                seen += 1
    assert seen == 5276


@pytest.mark.parametrize(
    ("column", "accuracy", "f1"),
    [("reasoning_required_pred", 0.780, 0.722), ("reasoning_free_pred", 0.904, 0.842)],
)
def test_people_on_pubmedqa(column, accuracy, f1):
    metrics, _ = evaluated("pubmedqa", lambda item, row: f"{row[column].capitalize()}.")
    assert value(metrics, "accuracy") == accuracy
    assert value(metrics, "macro_f1") == f1


@pytest.mark.parametrize(
    ("name", "answer", "share", "n"),
    [
        ("jmmlu_med", "D", 0.319, 681),
        ("crade", "A", 0.810, 1630),
        ("rrtnm", "A", 0.358, 324),
        ("smdis", "A", 0.500, 100),
        ("pubmedqa", "yes", 0.552, 1000),
    ],
)
def test_the_majority(name, answer, share, n):
    other = FILES[name].replace("test", "train")
    files = [FILES[name]] if name == "smdis" else [FILES[name], other]
    metrics, _ = evaluated(name, lambda item, row: answer, *files)
    assert value(metrics, "accuracy") == share and metrics["accuracy"].n == n
    if "kappa" in metrics:
        assert metrics["kappa"].value == pytest.approx(0)


def test_one_right_entity_and_three_f1s():
    """The official partial F1 of a model that always names one entity is beyond 1."""
    files = [FILES["nrner"], FILES["nrner"].replace("test", "train")]
    metrics, scored = evaluated("nrner", lambda item, row: str([row["answer"][0]]), *files)
    assert len(scored) == 1539
    assert value(metrics, "exact_f1") == 0.671
    assert metrics["partial_f1_official"].value == pytest.approx(1.33, abs=0.005)
    assert metrics["partial_f1"].value < 1


def test_documents_of_many_questions():
    for name, at_most in (("crade", 60), ("rrtnm", 80), ("winogrande", 900), ("hellaswag", 750)):
        _, _, items = rows_and_items(name)
        assert 10 < len({item.document for item in items}) < at_most


def test_shots_of_training_rows():
    task, rows, _ = rows_and_items("gsm8k")
    training = task.load(data_file("gsm8k/train"))
    shown = task.with_shots(training, n=3, seed=1)
    assert shown.shots == task.with_shots(training[::-1], n=3, seed=1).shots
    assert shown.shots != task.with_shots(training, n=3, seed=2).shots
    item = shown.items(rows[:1])[0]
    assert item.prompt.count("Question:") == 4 and "<<" not in item.prompt
    assert [m.role for m in item.messages] == ["user", "assistant"] * 3 + ["user"]
    assert item.messages[1].content.splitlines()[-1].startswith("#### ")
    assert item.id == task.items(rows[:1])[0].id
