"""``limbeck eval`` of several models, of what they wrote, and before a judge."""

import json

import pyarrow.parquet as pq
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from evaluation.judging import longer, parts
from limbeck.data import character_tokenizer
from run.tiny import MODEL, invoke, request, tree, work
from served.hostile import Hostile

QUESTIONS = [("2+3", "5"), ("4+4", "8"), ("1+1", "2"), ("9-2", "7")]


def save(folder, seed):
    """A model of weights that were drawn."""
    tokenizer = character_tokenizer()
    torch.manual_seed(seed)
    ids = {name: getattr(tokenizer, name) for name in ("bos_token_id", "eos_token_id")}
    settings = {k: v for k, v in MODEL.items() if k != "model_type"}
    settings |= {"max_position_embeddings": 512, "vocab_size": len(tokenizer), "pad_token_id": 0}
    LlamaForCausalLM(LlamaConfig(**settings, **ids)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    return save(folder / "one", 0), save(folder / "other", 1)


@pytest.fixture
def rows(tmp_path):
    own = [{"question": q, "answer": f"It is {a}.\n#### {a}"} for q, a in QUESTIONS]
    lines(tmp_path / "gsm8k.jsonl", own)
    lines(
        tmp_path / "alpaca.jsonl", [{"instruction": f"Say {q}.", "output": a} for q, a in QUESTIONS]
    )
    return tmp_path


def lines(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def evaluate(models, rows, *words, tasks="gsm8k={0}/gsm8k.jsonl"):
    output = rows / "out"
    done = invoke(
        "eval", *models, "--tasks", tasks.format(rows), "-o", output, "--max-new-tokens", 6, *words
    )
    return done, output


def found(output):
    return json.loads((output / "eval.json").read_text())


def test_two_models_are_compared_item_by_item(pair, rows):
    done, output = evaluate(pair, rows, "--no-chat")
    assert done.exit_code == 0, done.output
    task = found(output)["tasks"]["gsm8k"]
    assert set(task["metrics"]) == set(found(output)["models"]) == {"one", "other"}
    (row,) = task["comparisons"]
    right = {
        n: pq.read_table(output / n / "gsm8k.parquet")["correct"].to_pylist()
        for n in ("one", "other")
    }
    assert (row["a"], row["b"], row["n"]) == ("one", "other", 4)
    assert row["difference"] == (sum(right["one"]) - sum(right["other"])) / 4
    assert row["test"] == "exact McNemar" and row["correction"] == "Holm over 1"
    assert "one vs other" in done.output
    again = invoke("report", output)
    assert again.exit_code == 0 and again.output in done.output
    assert json.loads(invoke("report", output, "--json").output) == found(output)


def said(rows, *outputs, **columns):
    """A file of outputs in another order than the rows."""
    table = [
        {"prompt": f"{q}", "output": o, **{k: v[i] for k, v in columns.items()}}
        for i, ((q, _), o) in enumerate(zip(QUESTIONS, outputs, strict=True))
    ]
    return lines(rows / "said.jsonl", table[::-1])


def test_what_a_model_wrote_is_scored(pair, rows):
    _, output = evaluate([pair[0]], rows, "--no-chat")
    first = pq.read_table(output / "gsm8k.parquet")
    done, output = evaluate([output / "gsm8k.parquet"], rows, "--no-chat")
    assert done.exit_code == 0, done.output
    assert pq.read_table(output / "gsm8k.parquet") == first
    file = lines(
        rows / "said.jsonl",
        [{"id": i, "output": f"#### {QUESTIONS[0][1]}"} for i in first["id"].to_pylist()[::-1]],
    )
    done, output = evaluate([file, pair[0]], rows, "--no-chat")
    assert done.exit_code == 0, done.output
    assert found(output)["tasks"]["gsm8k"]["metrics"]["said"]["accuracy"]["value"] == 1 / 4


def test_a_judge_compares_answers_that_nobody_can_mark(pair, rows):
    tasks = "alpaca_eval={0}/alpaca.jsonl"
    with Hostile(
        lambda c: "Hi" if c == "Hello" else longer(*parts(c)), lambda *_: None, models=("j",)
    ) as server:
        done, output = evaluate(pair, rows, "--no-chat", "--judge", f"j@{server.url}", tasks=tasks)
    assert done.exit_code == 0, done.output
    task = found(output)["tasks"]["alpaca_eval"]
    assert task["judged"]["names"] == ["one", "other"] and task["comparisons"] == []
    texts = {
        n: pq.read_table(output / n / "alpaca_eval.parquet")["output"].to_pylist()
        for n in ("one", "other")
    }
    expected = [
        (len(a) > len(b)) + 0.5 * (len(a) == len(b)) for a, b in zip(*texts.values(), strict=True)
    ]
    assert task["judged"]["figures"]["win_rate"]["value"] == pytest.approx(sum(expected) / 4)
    assert "Win rate" in done.output


@pytest.mark.parametrize(
    ("models", "words", "said"),
    [
        (1, ["--judge", "x@http://127.0.0.1:9/v1"], ["compares two models"]),
        (2, ["--judge", "x@http://127.0.0.1:9/v1"], ["right answers", "alpaca_eval"]),
        (2, ["--judge", "http://127.0.0.1:9/v1"], ["names no judge"]),
    ],
)
def test_judges_of_no_use(pair, rows, models, words, said):
    done, output = evaluate(pair[:models], rows, "--no-chat", *words)
    assert done.exit_code == 2 and tree(output) is None
    assert all(word in " ".join(done.output.split()) for word in said), done.output


def test_one_model_twice(pair, rows):
    done, output = evaluate([pair[0], pair[0]], rows)
    assert done.exit_code == 2 and "twice" in done.output and tree(output) is None


def test_outputs_of_other_items(pair, rows):
    file = lines(rows / "said.jsonl", [{"id": "?", "output": "1"}])
    done, output = evaluate([file], rows)
    assert done.exit_code == 2 and "not of the same items" in done.output and tree(output) is None
    done, _ = evaluate([file], rows, tasks="gsm8k={0}/gsm8k.jsonl,evol_instruct={0}/alpaca.jsonl")
    assert done.exit_code == 2 and "answers one task" in done.output


# A recipe's own tasks.


def recipe(tmp_path, rows, **evaluate):
    evaluate = {"max_new_tokens": 8, "samples": 0, "task_items": 3} | evaluate
    return request(
        tmp_path / "run",
        student={"config": {**MODEL, "max_position_embeddings": 256}, "tokenizer": "characters"},
        teacher={"config": {**MODEL, "max_position_embeddings": 256}, "tokenizer": "characters"},
        baseline="sft",
        training__max_steps=2,
        evaluate=evaluate,
    )


def test_a_recipe_asks_tasks_of_every_model(tmp_path, rows, monkeypatch):
    lines(rows / "sums.jsonl", [{"question": q, "answer": a} for q, a in QUESTIONS])
    (rows / "sums.yaml").write_text(
        'prompt: "{question}="\nanswer: answer\nextract: last_number\nscore: number\nmax_new_tokens: 4\n'
    )
    with Hostile(
        lambda c: "Hi" if c == "Hello" else longer(*parts(c)), lambda *_: None, models=("j",)
    ) as server:
        tasks = [f"{rows}/sums.yaml={rows}/sums.jsonl", f"alpaca_eval={rows}/alpaca.jsonl"]
        run = work(recipe(tmp_path, rows, tasks=tasks, judges=[f"j@{server.url}"]))
    own = run.results["tasks"]
    assert set(own) == {"sums", "alpaca_eval"} and own["sums"]["n"] == 3
    assert set(own["sums"]["metrics"]) == {"teacher", "before", "sft", "student"}
    pairs = {(r["a"], r["b"]) for r in own["sums"]["comparisons"]}
    assert ("student", "sft") in pairs and ("student", "teacher") in pairs
    assert own["alpaca_eval"]["judged"]["names"] == ["student", "sft"]
    for arm in own["sums"]["metrics"]:
        assert (run.path / "tasks" / arm / "sums.parquet").exists()
    page = run.report.read_text(encoding="utf-8")
    assert "sums" in page and "alpaca_eval" in page and "Before a judge" in page
    assert "sums" in (run.student / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("evaluate", "said"),
    [
        ({"tasks": ["gsm8kk"]}, "there is no task"),
        ({"tasks": ["gsm8k=nothing.jsonl"]}, "no such file"),
        (
            {"tasks": ["gsm8k={0}/gsm8k.jsonl"], "judges": ["j@http://x/v1"]},
            "judge is of use to open",
        ),
        (["gsm8kk"], "there is no task"),
    ],
)
def test_a_recipe_with_tasks_that_cannot_be_asked(tmp_path, rows, evaluate, said):
    mapping = recipe(tmp_path, rows)
    tasks = evaluate if isinstance(evaluate, list) else evaluate["tasks"]
    tasks = [task.format(rows) for task in tasks]
    mapping["evaluate"] = tasks if isinstance(evaluate, list) else {**evaluate, "tasks": tasks}
    import limbeck

    with pytest.raises(limbeck.RequestError, match=said):
        work(mapping)
    assert tree(tmp_path / "run") is None
