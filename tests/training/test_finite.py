"""NaN and infinity stop a training before the optimiser sees them, and leave the batch behind."""

import json

import pytest
import torch
from safetensors.torch import load_file

from limbeck.errors import LimbeckError
from limbeck.methods import KD, SFT
from limbeck.training.lengths import ByLength, longest_first

from .world import make_rows, make_student, make_teacher, make_trainer, weights


def poison(model, row, step, value=float("nan")):
    """From the given call on, the hidden states of one row of the batch are ruined."""
    calls = iter(range(10**6))

    def hook(_module, _args, out):
        if next(calls) >= step:
            hidden = out[0].clone()
            hidden[row] = value
            out.last_hidden_state = hidden
        return out

    model.get_decoder().register_forward_hook(hook)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("side", ["student", "teacher"])
def test_ruined_hidden_states(tmp_path, side, value):
    student, teacher = make_student(), make_teacher()
    trainer = make_trainer(tmp_path, KD(), student, teacher, max_steps=3)
    poison({"student": student, "teacher": teacher}[side], row=2, step=1, value=value)
    seen = []
    original = trainer.create_optimizer

    def create_optimizer():
        optimizer = original()
        optimizer.register_step_post_hook(lambda *_: seen.append(weights(student)))
        return optimizer

    trainer.create_optimizer = create_optimizer
    with pytest.raises(LimbeckError, match=f"{side}'s hidden states") as error:
        trainer.train()
    assert len(seen) == 1, "the first step was sound, the second must not happen"
    for name, now in weights(student).items():
        assert torch.equal(now, seen[0][name])
    kept = tmp_path / "not_finite" / "step-2-rank-0"
    about = json.loads((kept / "about.json").read_text())
    batch = load_file(kept / "batch.safetensors")
    (row,) = about["rows_of_the_training_data"]
    assert about["when"] == "optimiser step 2"
    assert about["sequences_of_the_batch"] == [2]
    assert batch["example"][2] == row
    ids = [*make_rows()[row].prompt, *make_rows()[row].completion]
    assert batch["input_ids"][2][batch["attention_mask"][2].bool()].tolist() == ids
    assert f"rows {row} " in error.value.where and str(kept) in error.value.where


def test_a_loss_that_is_infinite_while_all_else_is_sound(tmp_path):
    class Divides(SFT):
        def loss(self, tokens, step):
            return {"nll": tokens.nll() / (tokens.label != 1)}

    trainer = make_trainer(tmp_path, Divides(), make_student())
    with pytest.raises(LimbeckError, match="loss 'nll'"):
        trainer.train()


def test_each_row_once_an_epoch_and_batches_of_one_length():
    lengths = torch.randint(1, 100, (403,), generator=torch.Generator().manual_seed(0)).tolist()
    sampler = ByLength(lengths, batch=8, seed=1)
    first = list(sampler)
    assert sorted(first) == list(range(403))
    assert first == list(sampler), "an epoch that is begun again is the same"
    sampler.set_epoch(1)
    assert first != list(sampler)
    spread = [
        max(lengths[i] for i in first[b : b + 8]) - min(lengths[i] for i in first[b : b + 8])
        for b in range(0, 400, 8)
    ]
    assert sum(spread) / len(spread) < 5
    longest = [max(lengths[i] for i in first[b : b + 8]) for b in range(0, 400, 8)]
    assert longest != sorted(longest) and longest != sorted(longest, reverse=True)


def test_the_longest_come_first_and_pairs_stay_together():
    rows = make_rows(12)
    ordered = longest_first(rows, each=2)
    pairs = [ordered[i : i + 2] for i in range(0, 12, 2)]
    assert sorted(tuple(s.example for s in p) for p in pairs) == [
        (i, i + 1) for i in range(0, 12, 2)
    ]
    sizes = [max(map(len, p)) for p in pairs]
    assert sizes == sorted(sizes, reverse=True)


def test_infinity_behind_a_soft_capped_head(tmp_path, monkeypatch):
    """The cap makes a number of it, and the loss looks sound; the gradient is not."""
    student = make_student()
    monkeypatch.setattr(student.config, "final_logit_softcapping", 5.0, raising=False)
    monkeypatch.setattr("limbeck.training.trainer.check_head", lambda *_: None)
    trainer = make_trainer(tmp_path, SFT(), student)
    poison(student, row=1, step=0, value=float("inf"))
    with pytest.raises(LimbeckError, match="student's hidden states"):
        trainer.train()


def test_nan_in_an_evaluation_names_the_validation_data(tmp_path):
    student = make_student()
    trainer = make_trainer(tmp_path, SFT(), student, eval_dataset=make_rows(3, seed=1))
    poison(student, row=0, step=0)
    with pytest.raises(LimbeckError) as error:
        trainer.evaluate()
    assert "validation data" in error.value.where and "after step 0" in error.value.where
