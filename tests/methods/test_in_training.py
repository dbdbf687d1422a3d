"""Every method through the real trainer: how a batch is cut, where it is padded, what it supervises."""

from dataclasses import replace

import pytest
import torch
from tests.training.models import EOS, build_tokenizer
from tests.training.world import make_args, make_rows, make_student, make_teacher, weights

from limbeck.data import Author, Sequence
from limbeck.engines import Completion, Interleaved, Scripted
from limbeck.methods import (
    ABKD,
    AKL,
    CD,
    DKD,
    DPKD,
    GKD,
    JSD,
    KD,
    METHODS,
    OPD,
    SCD,
    SFT,
    SKD,
    TAID,
    TVD,
    UNDO,
    DistiLLM,
    DistiLLM2,
    DPKDToken,
    ImitKD,
    MiniLLM,
    RevKD,
    SeqKD,
)
from limbeck.training import DistillTrainer
from limbeck.training.memory import Round

SECOND = Round(1, 3, {"value": {"m_teacher": 0.02, "m_student": 0.015}, "moving": {"beta": {}}})
# Name: the method, with the schedules held where every part of it takes part; and the round.
CASES = {
    "sft": SFT(),
    "seqkd": SeqKD(),
    "undo": UNDO(),
    "kd": KD(lmbda=0.4, temperature=2.0),
    "revkd": RevKD(),
    "jsd": JSD(beta=0.3),
    "tvd": TVD(),
    "akl": AKL(),
    "abkd": ABKD(),
    "dkd": DKD(lmbda=0.5),
    "imitkd": ImitKD(beta=0.5),
    "gkd": GKD(lmbda=1.0, beta=0.3),
    "minillm": MiniLLM(),
    "minillm + corpus": MiniLLM(lm_coef=0.5),
    "distillm": DistiLLM(phi=1.0),
    "distillm + corpus": DistiLLM(phi=1.0, divergence="skew_reverse_kl", lm_coef=0.5),
    "distillm2": DistiLLM2(),
    "skd": SKD(),
    "dpkd": DPKD(beta=2.0),
    "dpkd + corpus": DPKD(beta=2.0, lm_coef=0.5),
    "dpkd-token": DPKDToken(beta=2.0),
    "taid": TAID(t=0.4),
    "cd": CD(),
    "scd": SCD(adaptive_weight=True),
    "opd": OPD(),
    "opd sampled": OPD(estimator="sampled", gamma=0.9),
}
every_case = pytest.mark.parametrize("name", CASES)
ROWS = [
    replace(
        row,
        author=Author.TEACHER,
        rejected=(*((7 * k + row.prompt[0]) % 30 + 2 for k in range(i % 4)), EOS),
        weight=0.1 + 0.1 * i,
    )
    for i, row in enumerate(make_rows())
]
CORPUS = [
    Sequence((2 + i,), tuple((5 * i + k) % 30 + 2 for k in range(2 + i)), Author.CORPUS)
    for i in range(3)
]


def written(prompt):
    """Of another length than the data, never empty."""
    length = 1 + (3 * sum(prompt)) % 6
    return (*((prompt[0] * k) % 30 + 2 for k in range(1, length)), EOS)


def drawn(prompt):
    """The text, and log-probabilities under which it might have been drawn."""
    tokens = written(prompt)
    return tokens, tuple(-3.0 - ((7 * t + i) % 5) / 4 for i, t in enumerate(tokens))


class Student(Scripted):
    """Always says the same, so that two trainings see the same text."""

    def __init__(self):
        super().__init__(written)

    def generate(self, prompts, sampling, seed):
        return [Completion(*drawn(p)) for p in prompts]


class Both:
    def mixed(self, prompts, sampling, seed, *, alpha):
        return [Completion(*drawn(p)) for p in prompts]

    def interleaved(self, prompts, sampling, seed, *, k, block, teacher_sampling=None):
        return [Interleaved(written(p), by_student=(True,) * len(written(p))) for p in prompts]


def trainer_of(folder, name, side="right", micro=8, **args):
    method = CASES[name]
    trainer = DistillTrainer(
        make_student(),
        method=method,
        args=make_args(
            folder,
            per_device_train_batch_size=micro,
            gradient_accumulation_steps=8 // micro,
            max_steps=1,
            learning_rate=1.0,
            **args,
        ),
        train_dataset=ROWS,
        processing_class=build_tokenizer(side),
        teacher=make_teacher() if method.imitates else None,
        corpus=CORPUS if method.needs_corpus else (),
        round=SECOND if name == "distillm2" else Round(),
    )
    trainer.sources = replace(trainer.sources, student=Student(), together=Both())
    return trainer


def gradient(folder, name, **how):
    """Of one optimiser step of plain SGD at learning rate 1, and its loss."""
    trainer = trainer_of(folder, name, **how)
    before = weights(trainer.model)
    trainer.train()
    after = weights(trainer.model)
    return {n: before[n] - w for n, w in after.items()}, trainer.state.log_history[0]["loss"]


def agree(first, second):
    for name, value in first[0].items():
        scale = float(value.abs().max())
        torch.testing.assert_close(
            second[0][name], value, rtol=1e-9, atol=1e-12 * max(scale, 1.0), msg=name
        )
    assert second[1] == pytest.approx(first[1], rel=1e-6)


def test_every_method_is_here():
    assert {name.split()[0] for name in CASES} == set(METHODS) - {"custom"}
    for name, method in CASES.items():
        assert type(method) is METHODS[name.split()[0]]


@every_case
def test_one_batch_padded_right_or_eight_padded_left(tmp_path, name):
    """The size of the machine, or the tokenizer's side, would decide what is learned."""
    whole = gradient(tmp_path, name)
    assert any(v.abs().max() > 1e-4 for v in whole[0].values())
    agree(whole, gradient(tmp_path, name, micro=1, side="left"))


@pytest.mark.parametrize("side", ["left", "right"])
@every_case
def test_completions_learn_and_nothing_else(tmp_path, name, side):
    """Prompts and padding get exactly nothing; the first token of an answer and its end do learn."""
    trainer = trainer_of(tmp_path, name, side)
    student = trainer.model
    trainer.create_optimizer_and_scheduler(1)
    seen = []

    def keep(_module, _args, out):
        out[0].retain_grad()
        seen.append(out[0])

    trainer.state.max_steps = 1
    (batch,), count = trainer.get_batch_samples(iter([ROWS]), 1, torch.device("cpu"))
    student.model.register_forward_hook(keep)
    student.train()
    trainer.compute_loss(student, batch, num_items_in_batch=count).backward()
    (hidden,) = seen
    prompts = {r.example: r.prompt for r in ROWS}
    real = batch["attention_mask"].sum(-1).tolist()
    width = batch["input_ids"].shape[1]
    authors = set()
    for i, length in enumerate(real):
        start = width - length if side == "left" else 0
        example, author = int(batch["example"][i]), int(batch["author"][i])
        authors.add(author)
        read = 1 if author == Author.CORPUS else len(prompts[example])
        ids = batch["input_ids"][i, start : start + length].tolist()
        if author != Author.CORPUS:
            assert tuple(ids[:read]) == prompts[example] and ids[-1] == EOS
        learns = hidden.grad[i].ne(0).any(-1).nonzero().squeeze(-1).tolist()
        assert learns == list(range(start + read - 1, start + length - 1))
    assert (Author.CORPUS in authors) == ("corpus" in name)


# --- what the trainer divides by, against whole formulas -------------------------------------------


def log_softmax(model, sequence):
    """Log-probabilities before each completion token; one sequence, no padding."""
    ids = torch.tensor([[*sequence.prompt, *sequence.completion]])
    logits = model(input_ids=ids).logits[0, len(sequence.prompt) - 1 : -1]
    return logits.log_softmax(-1), torch.tensor(sequence.completion)


def of_labels(model, sequence):
    log_probs, label = log_softmax(model, sequence)
    return log_probs.gather(1, label[:, None])[:, 0]


def by_hand(loss):
    """Gradient of a function of the student, through full logits and autograd alone."""
    student = make_student()
    value = loss(student)
    value.backward()
    return {n: p.grad for n, p in student.named_parameters()}, float(value.detach())


def same(actual, expected):
    for name, value in expected[0].items():
        torch.testing.assert_close(actual[0][name], value, rtol=2e-6, atol=1e-6, msg=name)
    assert actual[1] == pytest.approx(expected[1], rel=1e-5)


def test_dpkd_is_the_mean_over_pairs_of_whole_answers(tmp_path):
    """Equation 9: a token of a long answer counts less, and the loss is no sum of tokens."""
    teacher = make_teacher()

    def ratio(student, row, completion):
        sequence = replace(row, completion=completion)
        return (of_labels(student, sequence) - of_labels(teacher, sequence).detach()).mean()

    def loss(student):
        h = torch.stack(
            [
                2.0 * ratio(student, r, r.completion) - 2.0 * ratio(student, r, written(r.prompt))
                for r in ROWS
            ]
        )
        return -torch.sigmoid(h).log().mean()

    same(gradient(tmp_path, "dpkd"), by_hand(loss))


def test_distillm2_is_half_the_mean_over_pairs(tmp_path):
    """Equation 2 with the alphas of equation 7, in its second round."""
    teacher, base, beta = make_teacher(), 0.1, 0.5 + 0.25 * (1 / 3) / 0.5

    def side(student, row, completion, m, sign):
        sequence = replace(row, completion=completion)
        (log_q, label), (log_p, _) = (log_softmax(x, sequence) for x in (student, teacher))
        p, q = log_p.detach().exp(), log_q.exp()
        own = [x.gather(1, label[:, None]).log().mean().exp() for x in (p, q)]
        d = sign * float((own[0] - own[1]).detach())
        alpha = 0.01 if d <= 0 else min(max(1 - (1 - base) * m / d, 0.01), base)
        if sign > 0:
            return (1 - beta) * (p * (p / (alpha * p + (1 - alpha) * q)).log()).sum(-1).mean()
        return beta * (q * (q / ((1 - alpha) * p + alpha * q)).log()).sum(-1).mean()

    def loss(student):
        both = [
            side(student, r, r.completion, 0.02, 1) + side(student, r, r.rejected, 0.015, -1)
            for r in ROWS
        ]
        return torch.stack(both).mean() / 2

    same(gradient(tmp_path, "distillm2"), by_hand(loss))


def test_plain_text_is_averaged_over_its_own_tokens(tmp_path):
    """A corpus with longer texts than the answers would weigh more than lm_coef says."""
    trainer = trainer_of(tmp_path, "distillm + corpus")
    start = trainer.step().sampling_seed
    teacher = make_teacher()

    def loss(student):
        parts = []
        for row in ROWS:
            sequence = replace(row, completion=written(row.prompt))
            p = log_softmax(teacher, sequence)[0].detach().exp()
            q = log_softmax(student, sequence)[0].exp()
            parts.append((q * (q / (0.9 * p + 0.1 * q)).log()).sum(-1))
        texts = [CORPUS[(start + i) % 3] for i in range(8)]
        likelihood = torch.cat([-of_labels(student, t) for t in texts])
        return torch.cat(parts).mean() + 0.5 * likelihood.mean()

    same(gradient(tmp_path, "distillm + corpus"), by_hand(loss))
