"""The trainer: what is supervised, what it is divided by, what is left alone, what is kept."""

import copy
import dataclasses
import math
from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import GPT2Config, GPT2LMHeadModel, TrainerCallback

from limbeck.data import Author, Sequence, collate
from limbeck.divergences import forward_kl
from limbeck.engines import Sampling, Scripted
from limbeck.errors import LimbeckError
from limbeck.methods import GKD, KD, SFT, Method, RevKD, SeqKD
from limbeck.targets import ModelTeacher

from .models import EOS, PAD
from .world import logged, make_rows, make_student, make_teacher, make_trainer, reply, weights


def scripted(trainer, answer=reply):
    """Let the student say what is written down."""
    trainer.sources = dataclasses.replace(trainer.sources, student=Scripted(answer))
    return trainer


def same_weights(first, second, rtol=1e-9, atol=1e-11):
    assert first.keys() == second.keys()
    for name, value in first.items():
        torch.testing.assert_close(value, second[name], rtol=rtol, atol=atol, msg=name)


def moved(before, after):
    return {name for name, value in before.items() if not value.equal(after[name])}


@dataclass(frozen=True)
class OnPolicyKD(Method):
    """A method of a user: forward KL on the student's own text, averaged over tokens."""

    each: int = 1

    paper: ClassVar = KD.paper
    formula: ClassVar = "KL(p || q)"
    choices: ClassVar = KD.choices

    def sequences(self, rows, sources, step):
        answers = sources.from_student(rows, step.sampling_seed)
        return [s for s in answers for _ in range(self.each)]

    def loss(self, tokens, step):
        return {"kl": forward_kl(*tokens.pair())}


# --- one batch is one batch ----------------------------------------------------------------------

METHODS = {
    "sft": SFT(),
    "kd": KD(lmbda=0.4, temperature=2.0),
    "gkd": GKD(lmbda=0.5, beta=0.3),
    "gkd on policy": GKD(lmbda=1.0),
    "kd on policy": OnPolicyKD(),
}


def train(folder, method, side="right", student=None, **args):
    student = student or make_student()
    teacher = make_teacher() if method.imitates else None
    trainer = scripted(make_trainer(folder, method, student, teacher, side=side, **args))
    trainer.train()
    return trainer, weights(student)


@pytest.mark.parametrize("name", METHODS)
def test_accumulation_is_one_big_batch(tmp_path, name):
    """The size of the machine would decide what is learned: short answers count more or less."""
    big, expected = train(tmp_path, METHODS[name])
    assert moved(weights(make_student()), expected) == set(expected)
    for size in (1, 2):
        args = {"per_device_train_batch_size": size, "gradient_accumulation_steps": 8 // size}
        small, actual = train(tmp_path, METHODS[name], **args)
        same_weights(actual, expected)
        names = [k for k in big.state.log_history[0] if k in ("loss", "kl", "nll", "jsd")]
        for a, b in zip(logged(small, *names), logged(big, *names), strict=True):
            assert a == pytest.approx(b, rel=1e-6)
        assert (small.memory.tokens, small.memory.sequences) == (
            big.memory.tokens,
            big.memory.sequences,
        )


@pytest.mark.parametrize("name", METHODS)
def test_the_padding_side_does_not_matter(tmp_path, name):
    """Left-padded tokenizers would train at shifted positions."""
    args = {"per_device_train_batch_size": 4, "gradient_accumulation_steps": 2}
    _, left = train(tmp_path, METHODS[name], side="left", **args)
    _, right = train(tmp_path, METHODS[name], side="right", **args)
    same_weights(left, right)


@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_does_not_move_learned_positions(tmp_path, side):
    """Llama's positions are relative and forgive it; GPT-2's are not."""
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=32, n_embd=8, n_layer=1, n_head=2, n_positions=32, initializer_range=0.4
    )
    student, rows = GPT2LMHeadModel(config).double().eval(), make_rows()
    trainer = make_trainer(tmp_path, SFT(), student, side=side)
    loss = trainer.compute_loss(student, collate(rows, PAD, side)).item()
    assert loss == pytest.approx(token_mean(by_hand(nll, rows, student)), rel=1e-9)


def test_a_last_incomplete_window_is_divided_by_what_it_holds(tmp_path):
    """10 rows in windows of 8: the last step of each epoch would be too small."""
    args = {"rows": make_rows(10), "num_train_epochs": 2, "max_steps": -1}
    _, expected = train(tmp_path, KD(), **args)
    split = {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 4}
    trainer, actual = train(tmp_path, KD(), **args, **split)
    assert trainer.state.global_step == 4
    same_weights(actual, expected)


@pytest.mark.parametrize("name", ["kd", "gkd on policy"])
def test_gradient_checkpointing_changes_nothing(tmp_path, name):
    """The layers run twice, and the head's shortcut must not get lost in between."""
    _, expected = train(tmp_path, METHODS[name])
    _, actual = train(tmp_path, METHODS[name], gradient_checkpointing=True)
    same_weights(actual, expected)


# --- what the sum is divided by ------------------------------------------------------------------


def spied(trainer):
    """Notes (count, labels) of every call of compute_loss."""
    calls, original = [], trainer.compute_loss

    def compute_loss(model, inputs, return_outputs=False, num_items_in_batch=None):
        calls.append((num_items_in_batch, inputs["labels"].clone()))
        return original(model, inputs, return_outputs, num_items_in_batch)

    trainer.compute_loss = compute_loss
    return calls


def supervised_tokens(labels):
    """Counted from the outside: labels that are no -100 and have a token before them."""
    return sum(1 for row in labels.tolist() for label in row[1:] if label != -100)


@pytest.mark.parametrize("each", [1, 3])
def test_the_count_is_of_the_tokens_trained_on(tmp_path, each):
    """TRL's GKD divides by the tokens of the text that was loaded, and then replaced."""
    args = {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 4}
    trainer = make_trainer(tmp_path, OnPolicyKD(each), make_student(), make_teacher(), **args)
    calls = spied(scripted(trainer))
    trainer.train()
    written = each * sum(len(reply(r.prompt)) for r in make_rows())
    loaded = each * sum(len(r.completion) for r in make_rows())
    assert written != loaded, "or the test could not tell"
    assert len(calls) == 12
    for step in range(3):
        window = calls[4 * step : 4 * step + 4]
        assert {float(count) for count, _ in window} == {written}
        assert sum(supervised_tokens(labels) for _, labels in window) == written
    assert trainer.memory.tokens == 3 * written and trainer.memory.sequences == 24 * each


def test_the_count_of_a_sequence_average_is_of_sequences_that_have_tokens(tmp_path):
    trainer = make_trainer(tmp_path, GKD(lmbda=1.0), make_student(), make_teacher())
    calls = spied(scripted(trainer))
    trainer.train()
    answered = sum(1 for r in make_rows() if reply(r.prompt))
    assert 0 < answered < 8
    assert {float(count) for count, _ in calls} == {answered}


def test_prompts_without_answers_can_be_trained_on_policy(tmp_path):
    """The loaded rows have no supervised token at all, and the loss would be a sum."""
    bare = [dataclasses.replace(r, completion=()) for r in make_rows()]
    results = []
    for rows in (bare, make_rows()):
        _, after = train(tmp_path, OnPolicyKD(), rows=rows)
        results.append(after)
    same_weights(*results, rtol=0, atol=0)


def test_a_step_without_any_token_changes_nothing(tmp_path):
    student = make_student()
    before = weights(student)
    trainer = make_trainer(tmp_path, GKD(lmbda=1.0), student, make_teacher())
    scripted(trainer, lambda prompt: ()).train()
    assert not moved(before, weights(student))
    assert logged(trainer, "loss") == [[0.0]] * 3


# --- what is supervised --------------------------------------------------------------------------


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("method", [SFT(), KD(), GKD(lmbda=0.0)], ids=lambda m: type(m).__name__)
def test_exactly_the_positions_before_completion_tokens_learn(tmp_path, method, side):
    """Four published repositories never train the first token of an answer, or its end."""
    student, rows = make_student(), make_rows()
    teacher = make_teacher() if method.imitates else None
    trainer = make_trainer(tmp_path, method, student, teacher, side=side)
    seen = []

    def keep(_module, _args, out):
        out[0].retain_grad()
        seen.append(out[0])

    student.model.register_forward_hook(keep)
    batch = collate(rows, PAD, side)
    trainer.compute_loss(student, batch).backward()
    (hidden,) = seen
    width = max(map(len, rows))
    for i, row in enumerate(rows):
        start = width - len(row) if side == "left" else 0
        first, end = start + len(row.prompt) - 1, start + len(row) - 1
        # The last position to learn predicts the end of the sequence.
        assert int(batch["input_ids"][i, end]) == EOS
        learns = hidden.grad[i].ne(0).any(-1).nonzero().squeeze(-1).tolist()
        assert learns == list(range(first, end))


def test_padding_and_prompts_do_not_reach_the_loss(tmp_path):
    """Even a pad id that equals the end, or a prompt full of ends."""
    trainer = make_trainer(tmp_path, KD(lmbda=0.5), make_student(), make_teacher())
    rows = [Sequence((EOS, 4, EOS), (5, EOS)), Sequence((6,), (7, 8, 9, 10, 11, EOS))]
    losses = [trainer.compute_loss(trainer.model, collate(rows, pad)) for pad in (0, EOS, 9)]
    assert losses[0].equal(losses[1]) and losses[0].equal(losses[2])


def test_each_term_is_labelled_with_its_own_sequence_and_author(tmp_path):
    """A per-sequence weight would fall on the neighbour."""
    seen = []

    @dataclass(frozen=True)
    class Watcher(OnPolicyKD):
        def sequences(self, rows, sources, step):
            answers = sources.from_student(rows, step.sampling_seed)
            return [a if i % 2 else r for i, (r, a) in enumerate(zip(rows, answers, strict=True))]

        def loss(self, tokens, step):
            seen.append(tokens)
            return super().loss(tokens, step)

    rows = [Sequence((2,), (3, EOS)), Sequence((4,), (5, EOS)), Sequence((6,), (7, 8, EOS))]
    trainer = make_trainer(
        tmp_path,
        Watcher(),
        make_student(),
        make_teacher(),
        rows=rows,
        max_steps=1,
        train_sampling_strategy="sequential",
    )
    scripted(trainer, lambda prompt: (20, 21, 22, EOS)).train()
    (tokens,) = seen
    assert tokens.row.tolist() == [0] * 2 + [1] * 4 + [2] * 3
    assert tokens.label.tolist() == [3, EOS, 20, 21, 22, EOS, 7, 8, EOS]
    authors = [Author.DATA] * 2 + [Author.STUDENT] * 4 + [Author.DATA] * 3
    assert tokens.author.tolist() == [int(a) for a in authors]


# --- the loss, by hand ---------------------------------------------------------------------------


@torch.no_grad()
def by_hand(term, rows, student, teacher=None):
    """``term(log p, log q, label)`` at each completion token, one sequence at a time, no padding."""
    out = []
    for row in rows:
        ids = torch.tensor([[*row.prompt, *row.completion]])
        log_q = student(input_ids=ids).logits[0].double().log_softmax(-1)
        log_p = log_q if teacher is None else teacher(input_ids=ids).logits[0].double()
        log_p = log_p.log_softmax(-1)
        here = range(len(row.prompt), len(row))
        out.append([float(term(log_p[t - 1], log_q[t - 1], int(ids[0, t]))) for t in here])
    return out


def kl(log_p, log_q, label):
    return sum(math.exp(a) * (a - b) for a, b in zip(log_p.tolist(), log_q.tolist(), strict=True))


def nll(log_p, log_q, label):
    return -log_q[label]


def token_mean(values):
    return sum(map(sum, values)) / sum(map(len, values))


def sequence_mean(values):
    return sum(sum(v) / len(v) for v in values) / len(values)


def test_kd_by_hand(tmp_path):
    """The number in the log is the formula of the paper over the tokens of the batch."""
    student, teacher, rows = make_student(), make_teacher(), make_rows()
    expected = [token_mean(by_hand(f, rows, student, teacher)) for f in (kl, nll)]
    trainer = make_trainer(tmp_path, KD(lmbda=0.25), student, teacher, max_steps=1)
    trainer.train()
    (actual,) = logged(trainer, "kl", "nll", "loss")
    weighted = [0.25 * expected[0], 0.75 * expected[1]]
    assert actual == pytest.approx([*weighted, sum(weighted)], rel=1e-6)


def test_gkd_by_hand_averages_sequences_first(tmp_path):
    student, teacher, rows = make_student(), make_teacher(), make_rows()
    values = by_hand(kl, rows, student, teacher)
    assert abs(sequence_mean(values) - token_mean(values)) > 0.01
    method = GKD(lmbda=0.0, beta=0.0)
    trainer = make_trainer(tmp_path, method, student, teacher, max_steps=1)
    trainer.train()
    assert logged(trainer, "loss")[0] == pytest.approx([sequence_mean(values)], rel=1e-6)


def test_sft_is_the_models_own_loss(tmp_path):
    """The plain baseline would not be what everybody calls SFT."""
    student = make_student()
    batch = collate(make_rows(), PAD)
    trainer = make_trainer(tmp_path, SFT(), student)
    ours = trainer.compute_loss(student, batch)
    ours.backward()
    gradient = {n: p.grad.clone() for n, p in student.named_parameters()}
    student.zero_grad()
    inputs = {k: batch[k] for k in ("input_ids", "attention_mask", "position_ids", "labels")}
    theirs = student(**inputs).loss
    theirs.backward()
    assert float(ours.detach()) == pytest.approx(float(theirs.detach()), rel=1e-6)
    same_weights(gradient, {n: p.grad for n, p in student.named_parameters()}, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("method", [KD(), RevKD(), GKD(lmbda=0.0)], ids=lambda m: type(m).__name__)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_student_that_is_its_teacher_stands_still(tmp_path, method, dtype):
    student, teacher = make_student(5, dtype), make_student(5, dtype)
    loss = make_trainer(tmp_path, method, student, teacher).compute_loss(
        student, collate(make_rows(), PAD)
    )
    loss.backward()
    tiny = 1e-5 if dtype == torch.float32 else 1e-13
    assert abs(float(loss.detach())) < tiny
    assert all(p.grad.abs().max() < tiny for p in student.parameters())


def test_a_padded_vocabulary_does_not_matter(tmp_path):
    """Qwen's 7B and 0.5B have heads of different sizes and the same tokenizer."""
    exact = train(tmp_path, KD())[1]
    wide = make_student(vocabulary=40)
    with torch.no_grad():
        for layer in (wide.get_input_embeddings(), wide.get_output_embeddings()):
            layer.weight.normal_()
        for name, p in make_student().named_parameters():
            wide.get_parameter(name)[: len(p)].copy_(p)
    after = train(tmp_path, KD(), student=wide)[1]
    cut = {n: w[: len(exact[n])] for n, w in after.items()}
    same_weights(cut, exact)


# --- the log and the state -----------------------------------------------------------------------


def test_every_term_is_logged_and_they_add_up(tmp_path):
    """A curve that cannot be told apart into its terms explains nothing."""
    args = {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 4}
    trainer, _ = train(tmp_path, KD(lmbda=0.5), max_steps=4, logging_steps=2, **args)
    values = logged(trainer, "kl", "nll", "loss")
    assert len(values) == 2
    for kl_term, nll_term, loss in values:
        assert kl_term > 0 and nll_term > 0
        assert kl_term + nll_term == pytest.approx(loss, rel=1e-4)


def test_logging_less_often_logs_the_mean(tmp_path):
    often, _ = train(tmp_path, KD(), max_steps=4, logging_steps=1)
    seldom, _ = train(tmp_path, KD(), max_steps=4, logging_steps=4)
    means = [sum(column) / 4 for column in zip(*logged(often, "kl", "loss"), strict=True)]
    assert logged(seldom, "kl", "loss")[0] == pytest.approx(means, rel=1e-4)


@dataclass(frozen=True)
class Counting(Method):
    """Notes what its schedule is told and what its loss is given."""

    paper: ClassVar = KD.paper
    formula: ClassVar = "t KL(p || q)"
    choices: ClassVar = KD.choices

    def init(self):
        return {"t": 1.0}

    def update(self, means, step):
        assert set(means) == {"kl"}
        return {"t": step.state["t"] + 1.0, "told": means["kl"]}

    def loss(self, tokens, step):
        return {"kl": step.state["t"] * forward_kl(*tokens.pair())}


def test_a_schedule_moves_once_for_each_optimiser_step(tmp_path):
    """TAID and its kin would run through their schedule once for each micro-batch."""
    args = {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 4}
    trainer, accumulated = train(tmp_path, Counting(), **args, eval_dataset=make_rows(3))
    before = dict(trainer.memory.value)
    assert before["t"] == 4.0
    assert [h["t"] for h in trainer.state.log_history if "loss" in h] == [2.0, 3.0, 4.0]
    for told, term in logged(trainer, "told", "kl"):
        assert told == pytest.approx(term)
    trainer.evaluate()
    assert trainer.memory.value == before, "an evaluation is no step"
    same_weights(train(tmp_path, Counting())[1], accumulated)


def test_a_loss_that_is_no_number_ends_the_training(tmp_path):
    """Days of training go on with NaN, while the log says the last finite loss."""
    student = make_student()
    trainer = make_trainer(tmp_path, SFT(), student, learning_rate=1e200, max_steps=9)
    with pytest.raises(LimbeckError, match="NaN or infinity") as error:
        trainer.train()
    assert "learning_rate" in error.value.mend and "step" in error.value.where
    assert trainer.state.global_step < 5


@pytest.mark.parametrize("method", [KD(), GKD()], ids=lambda m: type(m).__name__)
def test_a_method_that_imitates_needs_a_teacher(tmp_path, method):
    with pytest.raises(ValueError, match="teacher"):
        make_trainer(tmp_path, method, make_student())


def test_a_method_that_imitates_nobody_asks_no_teacher(tmp_path):
    def teacher(batch, where):
        raise AssertionError("asked")

    for method in (SFT(), SeqKD()):
        make_trainer(tmp_path, method, make_student(), teacher, max_steps=1).train()


def test_the_teacher_does_not_move(tmp_path):
    teacher = make_teacher()
    before = weights(teacher)
    make_trainer(tmp_path, KD(), make_student(), teacher).train()
    assert not moved(before, weights(teacher)) and not teacher.training


# --- evaluation ----------------------------------------------------------------------------------


@pytest.mark.parametrize("batch_size", [1, 3, 8])
@pytest.mark.parametrize("average", [token_mean, sequence_mean], ids=["tokens", "sequences"])
def test_evaluation_is_the_training_loss_on_that_text(tmp_path, batch_size, average):
    """The Trainer's mean of batch means depends on the batch size, and so does what is chosen."""
    student, teacher, rows = make_student(), make_teacher(), make_rows(11, seed=4)
    method = KD() if average is token_mean else GKD(lmbda=0.5, beta=0.0)
    trainer = scripted(
        make_trainer(
            tmp_path,
            method,
            student,
            teacher,
            eval_dataset=rows,
            per_device_eval_batch_size=batch_size,
        )
    )
    metrics = trainer.evaluate()
    expected = average(by_hand(kl, rows, student, teacher))
    assert metrics["eval_loss"] == pytest.approx(expected, rel=1e-6)
    assert metrics["eval_kl"] == metrics["eval_loss"]


def test_evaluation_equals_a_training_step_on_the_same_rows(tmp_path):
    method = KD(lmbda=0.3, temperature=2.0)
    student, teacher = make_student(), make_teacher()
    trainer = make_trainer(
        tmp_path, method, student, teacher, eval_dataset=make_rows(), max_steps=1
    )
    metrics = trainer.evaluate()
    trainer.train()
    (terms,) = logged(trainer, "loss", "kl", "nll")
    assert [metrics[f"eval_{n}"] for n in ("loss", "kl", "nll")] == pytest.approx(terms, rel=1e-6)


def test_evaluation_during_training_changes_nothing(tmp_path):
    args = {"eval_dataset": make_rows(5, seed=9), "max_steps": 4}
    _, expected = train(tmp_path, GKD(), max_steps=4)
    trainer, actual = train(tmp_path, GKD(), eval_strategy="steps", eval_steps=1, **args)
    same_weights(actual, expected, rtol=0, atol=0)
    losses = [h["eval_loss"] for h in trainer.state.log_history if "eval_loss" in h]
    assert len(losses) == 4 and len(set(losses)) == 4
    assert trainer.memory.sequences == 32


# --- adapters ------------------------------------------------------------------------------------


def adapted(model, seed=0, **kwargs):
    torch.manual_seed(seed)
    config = LoraConfig(target_modules=["q_proj", "v_proj", "down_proj"], r=3, **kwargs)
    return get_peft_model(model, config)


def test_a_lora_student_trains_its_adapter_and_nothing_else(tmp_path):
    student = adapted(make_student(dtype=torch.float32))
    before = weights(student)
    make_trainer(tmp_path, KD(), student, make_teacher(dtype=torch.float32)).train()
    changed = moved(before, weights(student))
    assert changed and all("lora_" in name for name in changed)
    assert {n.split(".lora_")[0] for n in changed} == {
        n.split(".lora_")[0] for n in before if "lora_" in n
    }


def test_a_lora_student_learns_the_loss_of_its_merged_self(tmp_path):
    """The adapter would be trained on the base model's distribution."""
    student, teacher = adapted(make_student()), make_teacher()
    with torch.no_grad():
        for name, p in student.named_parameters():
            if "lora_B" in name:
                p.normal_()
    rows = make_rows()
    expected = token_mean(by_hand(kl, rows, student, teacher))
    trainer = make_trainer(tmp_path, KD(), student, teacher, max_steps=1)
    trainer.train()
    assert logged(trainer, "loss")[0] == pytest.approx([expected], rel=1e-5)


@pytest.mark.parametrize("adapter", ["teacher", ""])
def test_teacher_and_student_on_one_base(tmp_path, adapter):
    """Two adapters would be mixed up: the teacher trained, or the student taught by itself."""
    student = adapted(make_student(), lora_dropout=0.0)
    student.add_adapter("teacher", LoraConfig(target_modules=["q_proj", "up_proj"], r=2))
    with torch.no_grad():
        for name, p in student.named_parameters():
            if "lora_" in name:
                p.normal_(generator=torch.Generator().manual_seed(len(name)))
    student.set_adapter("default")
    before = weights(student)
    alone = copy.deepcopy(student).eval()
    if adapter:
        alone.set_adapter(adapter)
    else:
        alone = alone.unload()
    rows, teacher = make_rows(), ModelTeacher(student, vocabulary=32, adapter=adapter)
    expected = token_mean(by_hand(kl, rows, student, alone))
    trainer = make_trainer(tmp_path, KD(), student, teacher, rows=rows)
    trainer.train()
    assert logged(trainer, "loss")[0] == pytest.approx([expected], rel=1e-5)
    changed = moved(before, weights(student))
    assert changed and all(".default." in name for name in changed)
    assert expected > 0.1 and logged(trainer, "loss")[-1][0] < expected


# --- resume --------------------------------------------------------------------------------------


class Stop(TrainerCallback):
    """Pulls the plug after a step."""

    def __init__(self, after):
        self.after = after

    def on_step_end(self, args, state, control, **kwargs):
        control.should_training_stop = state.global_step == self.after


@pytest.mark.parametrize("name", ["gkd", "counting", "lora", "by length"])
def test_stopped_and_resumed_is_straight_through(tmp_path, name):
    """The second half would see other data, other text, another schedule, another optimiser."""
    method = {"gkd": GKD(lmbda=0.6, beta=0.5), "counting": Counting()}.get(name, KD())

    def start(folder):
        student = make_student(dtype=torch.float32, attention_dropout=0.2)
        student = adapted(student, lora_dropout=0.1) if name == "lora" else student
        return make_trainer(
            tmp_path / folder,
            method,
            student,
            make_teacher(dtype=torch.float32),
            rows=make_rows(13),
            generation=Sampling(max_new_tokens=6),
            max_steps=6,
            per_device_train_batch_size=2,
            gradient_accumulation_steps=2,
            save_strategy="steps",
            save_steps=3,
            logging_steps=2,
            optim="adamw_torch",
            lr_scheduler_type="linear",
            learning_rate=0.01,
            max_grad_norm=1.0,
            train_sampling_strategy="group_by_length" if name == "by length" else "random",
        )

    straight = start("straight")
    straight.train()
    first = start("stopped")
    first.add_callback(Stop(3))
    first.train()
    assert first.state.global_step == 3
    second = start("stopped")
    second.train(resume_from_checkpoint=str(tmp_path / "stopped" / "checkpoint-3"))
    assert second.state.global_step == 6
    same_weights(weights(second.model), weights(straight.model), rtol=0, atol=0)
    assert second.memory.state() == straight.memory.state()
    names = set(straight.state.log_history[0]) - {"loss"}  # the Trainer's mean forgets step 3
    assert len(names) > 4
    assert logged(second, *names) == logged(straight, *names)


def test_a_run_repeats(tmp_path):
    args = {"max_steps": 4, "generation": Sampling(max_new_tokens=6)}
    runs = []
    for seed in (1, 1, 2):
        student = make_student()
        method = GKD(lmbda=0.5)
        make_trainer(tmp_path, method, student, make_teacher(), seed=seed, **args).train()
        runs.append(weights(student))
    assert not moved(runs[0], runs[1]) and moved(runs[0], runs[2])
