"""``limbeck eval``: a model on tasks, against what is computed by hand."""

import json

import pyarrow.parquet as pq
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from limbeck.data import character_tokenizer
from limbeck.engines.transformers import TransformersEngine
from run.tiny import MODEL, invoke, tree

QUESTIONS = [("2+3", "5"), ("4+4", "8"), ("1+1", "2"), ("9-2", "7")]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A folder of weights that were drawn."""
    folder = tmp_path_factory.mktemp("model") / "weights"
    tokenizer = character_tokenizer()
    torch.manual_seed(0)
    ids = {name: getattr(tokenizer, name) for name in ("bos_token_id", "eos_token_id")}
    settings = {k: v for k, v in MODEL.items() if k != "model_type"} | {
        "max_position_embeddings": 512
    }
    config = LlamaConfig(**settings, vocab_size=len(tokenizer), **ids, pad_token_id=0)
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def rows(tmp_path):
    """Files of GSM8K's and ARC's form."""
    own = [{"question": q, "answer": f"It is {a}.\n#### {a}"} for q, a in QUESTIONS]
    (tmp_path / "gsm8k.jsonl").write_text("".join(json.dumps(r) + "\n" for r in own))
    choices = [
        {"question": f"What is {q}?", "choices": [a, "many", "none of all these"], "answer": 0}
        for q, a in QUESTIONS
    ]
    (tmp_path / "arc.jsonl").write_text("".join(json.dumps(r) + "\n" for r in choices))
    return tmp_path


def evaluate(model, rows, *words, tasks="gsm8k={0}/gsm8k.jsonl,arc_easy={0}/arc.jsonl"):
    output = rows / "out"
    done = invoke("eval", model, "--tasks", tasks.format(rows), "-o", output, "--no-chat", *words)
    return done, output


def table(output, name):
    return pq.read_table(output / f"{name}.parquet").to_pydict()


def test_both_kinds_of_task(model, rows):
    done, output = evaluate(model, rows, "--max-new-tokens", 12)
    assert done.exit_code == 0, done.output
    found = json.loads((output / "eval.json").read_text())
    assert found["schema"] == "limbeck.eval/1" and set(found["tasks"]) == {"gsm8k", "arc_easy"}
    for name in ("gsm8k", "arc_easy"):
        own, figures = table(output, name), found["tasks"][name]["metrics"]["weights"]
        assert found["tasks"][name]["n"] == 4 == figures["accuracy"]["n"]
        assert figures["accuracy"]["value"] == sum(own["correct"]) / 4
        assert figures["truncation_rate"]["value"] == sum(own["truncated"]) / 4
    assert "gsm8k" in done.output and "arc_easy" in done.output and "eval.json" in done.output


def test_choices_are_compared_by_their_likelihood(model, rows):
    _, output = evaluate(model, rows, tasks="arc_easy={0}/arc.jsonl")
    own, tokenizer = table(output, "arc_easy"), character_tokenizer()
    network = LlamaForCausalLM.from_pretrained(model).eval()
    kept = json.loads((output / "arc_easy.choices.json").read_text())["log_probs"]
    for prompt, sums, lists in zip(own["prompt"], own["output"], kept, strict=True):
        answer = dict(QUESTIONS)[prompt.split("What is ")[1].split("?")[0]]
        for choice, total, parts in zip(
            (answer, "many", "none of all these"), json.loads(sums), lists, strict=True
        ):
            before = tokenizer(prompt)["input_ids"]
            ids = tokenizer(f"{prompt} {choice}")["input_ids"]
            log_p = network(torch.tensor([ids])).logits.log_softmax(-1)[0]
            each = [log_p[i - 1, ids[i]].item() for i in range(len(before), len(ids))]
            assert parts == pytest.approx(each, abs=1e-4) and total == pytest.approx(
                sum(each), abs=1e-3
            )


def test_interrupted_it_goes_on_and_another_wish_is_asked_anew(model, rows, monkeypatch):
    done, output = evaluate(model, rows, "--max-new-tokens", 8, tasks="gsm8k={0}/gsm8k.jsonl")
    assert done.exit_code == 0, done.output
    first = table(output, "gsm8k")
    calls = []
    generate = TransformersEngine.generate
    monkeypatch.setattr(
        TransformersEngine, "generate", lambda *a, **k: calls.append(1) or generate(*a, **k)
    )
    (output / "eval.json").unlink()
    evaluate(model, rows, "--max-new-tokens", 8, tasks="gsm8k={0}/gsm8k.jsonl")
    assert table(output, "gsm8k") == first and not calls
    evaluate(model, rows, "--max-new-tokens", 9, tasks="gsm8k={0}/gsm8k.jsonl")
    assert calls


def test_the_chosen_items_do_not_depend_on_the_order(model, rows):
    _, output = evaluate(model, rows, "--limit", 2, tasks="arc_easy={0}/arc.jsonl")
    first = set(table(output, "arc_easy")["prompt"])
    lines = (rows / "arc.jsonl").read_text().splitlines()
    (rows / "arc.jsonl").write_text("\n".join(reversed(lines)) + "\n")
    _, output = evaluate(model, rows, "--limit", 2, tasks="arc_easy={0}/arc.jsonl")
    assert set(table(output, "arc_easy")["prompt"]) == first and len(first) == 2


def test_worked_examples_come_from_other_rows(model, rows):
    shown = [{"question": "6+1", "answer": "It is 7.\n#### 7"}]
    (rows / "shots.jsonl").write_text(json.dumps(shown[0]) + "\n")
    words = ["--shots", 1, "--shots-from", f"gsm8k={rows}/shots.jsonl", "--max-new-tokens", 4]
    _, output = evaluate(model, rows, *words, tasks="gsm8k={0}/gsm8k.jsonl")
    assert all(
        "6+1" in prompt and "#### 7" in prompt for prompt in table(output, "gsm8k")["prompt"]
    )
    leaking = ["--shots", 4, "--shots-from", f"gsm8k={rows}/gsm8k.jsonl"]
    done, _ = evaluate(model, rows, *leaking, tasks="gsm8k={0}/gsm8k.jsonl")
    assert done.exit_code == 2 and "worked example" in done.output


def test_in_conversations_choices_are_letters(model, rows):
    done = invoke(
        "eval", model, "--tasks", f"arc_easy={rows}/arc.jsonl", "-o", rows / "out", "--chat",
        "--max-new-tokens", 4,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    ((name, found),) = json.loads((rows / "out/eval.json").read_text())["tasks"].items()
    assert name.startswith("arc_easy") and found["kind"] == "generate" and found["chat"]
    assert all("A" in prompt for prompt in table(rows / "out", name)["prompt"])


def test_a_task_of_ones_own(model, rows):
    (rows / "sums.yaml").write_text(
        'prompt: "{question}="\nanswer: answer\nanswer_extract: last_number\n'
        "extract: last_number\nscore: number\nmax_new_tokens: 5\n"
    )
    done, output = evaluate(model, rows, tasks="{0}/sums.yaml={0}/gsm8k.jsonl")
    assert done.exit_code == 0, done.output
    own = table(output, "sums")
    assert own["prompt"] == [f"{q}=" for q, _ in QUESTIONS]


@pytest.mark.parametrize(
    ("tasks", "words"),
    [
        ("gsm8kk", ["there is no task 'gsm8kk'", "gsm8k"]),
        ("gsm8k={0}/nothing.jsonl", ["no such file"]),
        ("gsm8k={0}/gsm8k.jsonl,gsm8k={0}/gsm8k.jsonl", ["asked for twice"]),
    ],
)
def test_requests_that_cannot_be_met(model, rows, tasks, words):
    done, output = evaluate(model, rows, tasks=tasks)
    assert done.exit_code == 2 and tree(output) is None
    assert all(word in done.output for word in words), done.output


def test_a_prompt_without_room_for_an_answer(model, rows):
    row = {"question": "1" * 600, "answer": "#### 1"}
    (rows / "gsm8k.jsonl").write_text(json.dumps(row) + "\n")
    done, output = evaluate(model, rows, tasks="gsm8k={0}/gsm8k.jsonl")
    assert done.exit_code == 2 and "reads and" in done.output and tree(output) is None
