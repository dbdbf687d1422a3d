"""The same loss by different programs: hidden states and heads in, loss and gradients out.

Each adapter averages over the supervised tokens and imports its program from the package it comes
in. ``beta`` is the weight of the *target* in all of them: 0 is the forward KL, 1 the reverse KL,
and `check` refuses a figure where two programs do not compute the same.
"""

import importlib.util
import os
from collections.abc import Callable, Sequence

import torch

from benchmarks.problem import Problem, Result
from benchmarks.textbook import Divergence, Function
from limbeck.divergences import linear_divergence

os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")


def limbeck(
    p: Problem, d: Divergence, function: Function | None = None, native: bool = False
) -> Result:
    """`linear_divergence`, with the divergence's closed form unless another function is given."""
    weight = None if bool(p.kept.all()) else p.kept.to(torch.float32)
    total = linear_divergence(
        p.teacher_hidden,
        p.teacher_head,
        p.student_hidden,
        p.student_head,
        function or d.ours,
        weight=weight,
        native=native,
    )
    return p.gradients(total / p.kept.sum())


def limbeck_native(p: Problem, d: Divergence) -> Result:
    """`limbeck` with logits kept in half precision."""
    return limbeck(p, d, native=True)


def by_autograd(p: Problem, d: Divergence) -> Result:
    """`linear_divergence` with a function that it does not know: the textbook's formula."""
    return limbeck(p, d, function=d.textbook)


def full(p: Problem, d: Divergence) -> Result:
    """All logits at once, then the package's dense function."""
    log_p = (p.teacher_hidden @ p.teacher_head.T).log_softmax(-1)
    log_q = (p.student_hidden @ p.student_head.T).log_softmax(-1)
    return p.gradients(d.ours(log_p, log_q)[p.kept].sum() / p.kept.sum())


def trl_gkd(p: Problem, d: Divergence) -> Result:
    """TRL's ``GKDTrainer``: the loss on all logits of the whole batch."""
    from trl.experimental.gkd import GKDTrainer

    with torch.no_grad():
        target = p.teacher_hidden @ p.teacher_head.T
    own = p.student_hidden @ p.student_head.T
    loss = GKDTrainer.generalized_jsd_loss(
        own[None], target[None], p.labels[None], beta=d.beta, num_items_in_batch=p.kept.sum()
    )
    return p.gradients(loss)


def trl_chunked(p: Problem, d: Divergence) -> Result:
    """TRL's ``DistillationTrainer``: tiles, projected again for every pass."""
    from trl.trainer.distillation_trainer import _chunked_divergence_loss

    loss, _, _ = _chunked_divergence_loss(
        p.student_hidden[None],
        p.teacher_hidden[None],
        p.student_head,
        p.teacher_head,
        p.kept[None].long(),
        d.beta,
        num_items_in_batch=p.kept.sum(),
    )
    return p.gradients(loss)


def liger(p: Problem, d: Divergence, compiled: bool = False) -> Result:
    """Liger's chunked loss, 1024 rows at a time, without its cross-entropy."""
    from liger_kernel.chunked_loss import LigerFusedLinearJSDLoss

    loss = LigerFusedLinearJSDLoss(
        weight_hard_loss=0.0, weight_soft_loss=1.0, beta=d.beta, compiled=compiled, chunk_size=1024
    )
    value = loss(p.student_hidden, p.student_head, p.teacher_hidden, p.teacher_head, p.labels)
    return p.gradients(value)


def liger_compiled(p: Problem, d: Divergence) -> Result:
    """The same through ``torch.compile``, which is its default."""
    return liger(p, d, compiled=True)


Program = Callable[[Problem, Divergence], Result]
OWN: dict[str, Program] = {
    "limbeck": limbeck,
    "limbeck native": limbeck_native,
    "by autograd": by_autograd,
    "full logits": full,
}
PEERS: dict[str, Program] = {}  # those that are installed
if importlib.util.find_spec("liger_kernel"):
    PEERS |= {"liger compiled": liger_compiled, "liger": liger}
if importlib.util.find_spec("trl"):
    PEERS |= {"trl chunked": trl_chunked, "trl gkd": trl_gkd}
METHODS = OWN | PEERS


def warm_up(methods: Sequence[str], p: Problem, d: Divergence) -> None:
    """Load what is loaded late; compiled code is compiled for the shapes it will meet."""
    for name in methods:
        if "compiled" in name:
            torch._dynamo.reset()
            METHODS[name](p, d)
        else:
            METHODS[name](p.first(8), d)


def reference(p: Problem, d: Divergence) -> Result:
    """All logits in float64, and the textbook's formula through autograd."""
    p = p.to(torch.float64)
    log_p = (p.teacher_hidden @ p.teacher_head.T).log_softmax(-1)
    log_q = (p.student_hidden @ p.student_head.T).log_softmax(-1)
    return p.gradients(d.textbook(log_p, log_q)[p.kept].sum() / p.kept.sum())


def check(name: str, found: Result, expected: Result, tolerance: float = 1e-4) -> float:
    """The larger error of loss and gradients.

    Raises:
        AssertionError: It is above the tolerance, so that a time would say nothing.
    """
    loss = abs(float(found.loss) / float(expected.loss) - 1)
    error = max(loss, *found.errors(expected))
    if not error <= tolerance:
        raise AssertionError(f"{name} computes something else: error {error:.2g} > {tolerance:g}")
    return error
