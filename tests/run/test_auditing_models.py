"""``limbeck audit`` on models that differ: in what they can read, and from one audit to the next."""

import json

import numpy as np
import pytest
from transformers import LlamaConfig, LlamaForCausalLM

from limbeck.data.tokenizers import character_tokenizer
from limbeck.run import read_run
from limbeck.run.bits import bits, reservations
from limbeck.run.measured import Measured
from limbeck.run.results import comparisons
from run.test_auditing import audit
from run.tiny import MODEL

WORDS = ("data.verifier=last_number", "evaluate.max_new_tokens=4", "evaluate.samples=0")


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Untrained ones; the student and its like can read half as much as the teacher."""
    import torch

    found = {}
    for seed, (name, context) in enumerate((("big", 96), ("small", 48), ("other", 48))):
        torch.manual_seed(seed)
        tokenizer = character_tokenizer()
        shape = {k: v for k, v in MODEL.items() if k != "model_type"}
        shape |= {"max_position_embeddings": context, "vocab_size": len(tokenizer)}
        ends = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
        found[name] = tmp_path_factory.mktemp("models") / name
        LlamaForCausalLM(LlamaConfig(**shape, **ends)).save_pretrained(found[name])
        tokenizer.save_pretrained(found[name])
    return found


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Two rows of twelve are too long for a student, and one completion has to be cut for it."""
    rows = [
        {"prompt": f"{a}+{a}=", "completion": str(2 * a), "answer": str(2 * a)} for a in range(9)
    ]
    rows += [{"prompt": "1+" * 30 + f"{a}=", "completion": "9", "answer": "9"} for a in range(2)]
    rows += [{"prompt": "say a lot: ", "completion": "12" * 30, "answer": "12"}]
    path = tmp_path_factory.mktemp("data") / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize("words", [(), ("evaluate.max_items=6",)])
def test_all_models_are_compared_on_the_same_rows_and_text(models, data, tmp_path, words):
    """A row that one cannot read would shift all others' rows, silently where as many are left."""
    sides = {"teacher": models["big"], "student": models["small"]}
    done = audit(tmp_path / "out", *WORDS, *words, data=data, **sides)
    assert done.exit_code == 0, done.output
    tables = [Measured.read(tmp_path / "out/items", arm).items for arm in sides]
    for column in ("key", "prompt", "bytes", "nats_tokens"):
        assert tables[0][column] == tables[1][column]
    assert len(tables[0]["key"]) == (6 if words else 10)


def test_what_is_asked_anew_is_not_answered_with_an_earlier_report(models, data, tmp_path):
    sides = {"teacher": models["big"], "student": models["small"]}
    assert audit(tmp_path / "out", *WORDS, data=data, **sides).exit_code == 0
    done = audit(tmp_path / "out", *WORDS, data=data, baseline=models["other"], **sides)
    assert done.exit_code == 2 and "had no baseline" in done.output and "--fresh" in done.output
    done = audit(tmp_path / "out", "--fresh", *WORDS, data=data, baseline=models["other"], **sides)
    assert done.exit_code == 0 and "sft" in read_run(tmp_path / "out").results["models"]
    losses = tmp_path / "losses.jsonl"
    keys = Measured.read(tmp_path / "out/items", "student").items["key"]
    lines = [{"id": k, "student": i % 3, "teacher": 1.5} for i, k in enumerate(keys)]
    losses.write_text("".join(json.dumps(line) + "\n" for line in lines))
    sides |= {"baseline": models["other"], "losses": losses}
    assert audit(tmp_path / "out", *WORDS, data=data, **sides).exit_code == 0
    parting = read_run(tmp_path / "out").results["audit"]["subdomains"]["loss"]
    assert parting["mass_sfs"] == np.mean([i % 3 < 1.5 for i in range(len(keys))])


def test_another_file_of_outputs_is_another_audit(models, data, tmp_path):
    rows = [json.loads(line) for line in data.read_text().splitlines()]
    file = tmp_path / "said.jsonl"
    for answer, code in (("9", 0), ("8", 2)):
        lines = [{"prompt": r["prompt"], "output": answer} for r in rows]
        file.write_text("".join(json.dumps(line) + "\n" for line in lines))
        done = audit(tmp_path / "out", *WORDS, data=data, teacher=file, student=models["small"])
        assert done.exit_code == code, done.output
    assert "another teacher" in done.output


def table(nats, sizes, whole, **more):
    rows = len(nats)
    return Measured(
        {"key": list(range(rows)), "nats": nats, "nats_tokens": [1] * rows, "bytes": sizes}
        | {"whole": whole, **more}
    )


def test_bits_are_of_the_text_that_all_models_read():
    """Cut by tokens, two tokenizers stop at different words: such rows compare nothing."""
    log2 = np.log(2)
    measured = {
        "student": table([log2, 2 * log2, 8 * log2], [4, 5, 9], [True, True, False]),
        "sft": table([log2, log2, 90 * log2], [4, 4, 99], [True, True, False]),
    }
    found = bits(measured)
    assert found.rows.tolist() == [True, True, False]
    assert found.bytes.tolist() == [4, 5], "one tokenizer loses the space in front"
    (row,) = comparisons(measured)
    assert row["difference"] == pytest.approx(3 / 9 - 2 / 9) and row["n"] == 2
    assert "1 of 3 rows" in reservations(measured)[0]


def test_bits_where_all_are_cut_at_the_same_byte():
    measured = {arm: table([1.0, 2.0], [7, 8], [False, True]) for arm in ("student", "teacher")}
    assert bits(measured).rows.all() and not reservations(measured)


def test_bits_of_a_model_that_gives_no_numbers():
    measured = {
        "student": table([float("nan"), 1.0], [7, 8], [True, True]),
        "teacher": table([2.0, 1.0], [7, 8], [True, True]),
    }
    assert list(bits(measured).of) == ["teacher"] and not comparisons(measured)
    assert "student" in reservations(measured)[0]
    del measured["teacher"]
    assert bits(measured) is None and len(reservations(measured)) == 1


def test_a_teacher_is_not_compared_by_its_own_text():
    own = {"read": ["teacher", "teacher"]}
    measured = {
        arm: table([1.0, 2.0], [7, 8], [True, True], **own) for arm in ("teacher", "sft", "student")
    }
    assert [(r["a"], r["b"]) for r in comparisons(measured)] == [("student", "sft")]


def test_losses_compare_across_tokenizers():
    """The same completion as one token or as eight: nats of all of it, not nats a token."""
    rows = {"answer": ["1"], "output": ["1"], "extracted": ["1"], "correct": [True]}
    one = table([4.0], [8], [True], **rows)
    assert one.answers.losses.tolist() == [4.0]
    one.items["nats_tokens"] = [8]
    assert one.answers.losses.tolist() == [4.0]
