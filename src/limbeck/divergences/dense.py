r"""Divergences between two categorical distributions, given as log-probabilities.

One convention holds everywhere: ``log_p`` is the target (teacher) and ``log_q`` the model in
training (student); both are normalised over the last axis, the only axis that is reduced; values
are in nats. Nothing here masks, averages or applies a temperature: the caller does, once.

Each divergence is one kernel that returns its value and its *slope* :math:`\partial D / \partial
\log q` in closed form. Autograd never differentiates the formula: it keeps one tensor instead of a
dozen, and a probability that underflows to zero cannot turn into ``0 * inf``. Behind a
log-softmax the slope s becomes the familiar logit gradient :math:`s - q \sum_v s_v`.

A mixture with a weight of 0 or 1 is legal, ``-inf`` log-probabilities (masked vocabularies) are
legal on the target's side, and the target never receives a gradient.
"""

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from limbeck.divergences import kernels
from limbeck.divergences.lazy import LogProbs
from limbeck.divergences.softmax import behind_softmax

Kernel = Callable[..., tuple[Tensor, Tensor]]


class _ClosedForm(torch.autograd.Function):
    """Value forward, slope backward."""

    @staticmethod
    def forward(ctx, log_p: Tensor, log_q: Tensor, kernel: Kernel) -> Tensor:  # type: ignore[no-untyped-def]
        value, slope = kernel(log_p, log_q)
        ctx.save_for_backward(slope)
        return value

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[None, Tensor, None]:  # type: ignore[no-untyped-def]
        (slope,) = ctx.saved_tensors
        return None, grad.unsqueeze(-1) * slope, None


def _evaluate(kernel: Kernel, log_p: Tensor, log_q: Tensor, **parameters: Any) -> Tensor:
    if log_p.requires_grad:
        raise ValueError("log_p is the target and gets no gradient here: pass log_p.detach()")
    kernel = functools.partial(kernel, **parameters)
    if isinstance(log_q, LogProbs):
        return behind_softmax(kernel, log_p, log_q)
    return _ClosedForm.apply(log_p, log_q, kernel)


def forward_kl(log_p: Tensor, log_q: Tensor) -> Tensor:
    r"""Forward Kullback-Leibler divergence, :math:`\sum_v p_v (\log p_v - \log q_v)`.

    Args:
        log_p: Target log-probabilities, ``[..., events]``, float32 or float64.
        log_q: Student log-probabilities, same shape; carries the gradient.

    Returns:
        Nats, ``[...]``, at least 0, and 0 where p equals q; ``inf`` where q misses an event of p.

    Raises:
        ValueError: ``log_p`` requires a gradient.

    References:
        Hinton et al. 2015, arXiv:1503.02531. DistiLLM's and MiniLLM's released code minimise the
        cross-entropy instead: the same gradient, a value larger by the teacher's entropy.
    """
    return _evaluate(kernels.forward_kl, log_p, log_q)


def reverse_kl(log_p: Tensor, log_q: Tensor) -> Tensor:
    r"""Reverse Kullback-Leibler divergence, :math:`\sum_v q_v (\log q_v - \log p_v)`.

    Both factors q carry the gradient. Arguments, result and errors as `forward_kl`; ``inf`` where
    the target rules out (``-inf``) what the student may say.

    References:
        Gu et al. 2023, arXiv:2306.08543 (its single-step term). The unused "reverse kl" branch of
        DistiLLM-2's released trainer has the opposite sign.
    """
    return _evaluate(kernels.reverse_kl, log_p, log_q)


def jensen_shannon(log_p: Tensor, log_q: Tensor, *, beta: float | Tensor) -> Tensor:
    r"""Generalised Jensen-Shannon divergence.

    :math:`\beta KL(p \| m) + (1 - \beta) KL(q \| m)` with :math:`m = \beta p + (1 - \beta) q`.

    Args:
        log_p: Target log-probabilities, ``[..., events]``.
        log_q: Student log-probabilities, same shape; carries the gradient.
        beta: Weight of the *target*, inside (0, 1); a tensor broadcasts over positions.

    Returns:
        Nats, ``[...]``, at most the binary entropy of ``beta``.

    Raises:
        ValueError: ``beta`` is not inside (0, 1). The divergence is 0 at both ends; the limits of
            ``jsd / beta`` and ``jsd / (1 - beta)`` are `forward_kl` and `reverse_kl`.

    References:
        Agarwal et al. 2023, arXiv:2306.13649, eq. 1; TRL since March 2025. Beware: DistiLLM's
        ``js_distance(lam)`` and KDFlow's ``jsd_beta`` are ``beta = 1 - lam``.
    """
    _check("beta", beta, closed_left=False)
    return _evaluate(kernels.jensen_shannon, log_p, log_q, beta=beta)


def skew_kl(log_p: Tensor, log_q: Tensor, *, alpha: float | Tensor) -> Tensor:
    r"""Skew KL, :math:`KL(p \| \alpha p + (1 - \alpha) q)`.

    Args:
        log_p: Target log-probabilities, ``[..., events]``.
        log_q: Student log-probabilities, same shape; carries the gradient.
        alpha: Weight of the *target* in the mixture, in [0, 1); a tensor broadcasts over positions.

    Returns:
        Nats, ``[...]``, at least 0, and at most ``-log(alpha)``.

    Raises:
        ValueError: ``alpha`` is outside [0, 1).

    References:
        Ko et al. 2024, arXiv:2402.03898. ``alpha = 0`` is the forward KL. Released code: the same.
    """
    _check("alpha", alpha)
    return _evaluate(kernels.skew_kl, log_p, log_q, alpha=alpha)


def skew_reverse_kl(
    log_p: Tensor, log_q: Tensor, *, alpha: float | Tensor, detach_mixture: bool = False
) -> Tensor:
    r"""Skew reverse KL, :math:`KL(q \| \alpha q + (1 - \alpha) p)`.

    Args:
        log_p: Target log-probabilities, ``[..., events]``.
        log_q: Student log-probabilities, same shape; carries the gradient.
        alpha: Weight of the *student* in the mixture, in [0, 1); a tensor broadcasts.
        detach_mixture: Let no gradient through the mixture, which pushes harder where q exceeds
            p. This is what DistiLLM-2's released code does; the papers' formula does not.

    Returns:
        Nats, ``[...]``, at least 0, and at most ``-log(alpha)``.

    Raises:
        ValueError: ``alpha`` is outside [0, 1).

    References:
        Ko et al. 2024, arXiv:2402.03898; Ko et al. 2025, arXiv:2503.07067.
    """
    _check("alpha", alpha)
    return _evaluate(
        kernels.skew_reverse_kl, log_p, log_q, alpha=alpha, detach_mixture=detach_mixture
    )


def total_variation(log_p: Tensor, log_q: Tensor) -> Tensor:
    r"""Total variation distance, :math:`\tfrac12 \sum_v |p_v - q_v|`.

    Arguments and errors as `forward_kl`. The gradient is 0 where p equals q.

    Returns:
        A probability in [0, 1] (not nats), ``[...]``.

    References:
        Wen et al. 2023, arXiv:2307.15190.
    """
    return _evaluate(kernels.total_variation, log_p, log_q)


def adaptive_kl(log_p: Tensor, log_q: Tensor, *, mu: float = 0.5) -> Tensor:
    r"""Adaptive KL: forward KL for the head of the target, reverse KL for its tail.

    Sort the events by p. The head is the top event and whatever follows while the cumulative
    probability stays within ``mu``; with gaps :math:`\epsilon_v = |p_v - q_v|`,
    :math:`w = \sum_{head} \epsilon / \sum \epsilon` and
    :math:`D = w \, KL(p \| q) + (1 - w) \, KL(q \| p)`. No gradient flows through w.

    Args:
        log_p: Target log-probabilities, ``[..., events]``.
        log_q: Student log-probabilities, same shape; carries the gradient.
        mu: Cumulative probability that bounds the head, inside (0, 1).

    Returns:
        Nats, ``[...]``; w is 1/2 where p equals q exactly.

    Raises:
        ValueError: ``mu`` is not inside (0, 1).

    References:
        Wu et al. 2024, arXiv:2404.02657. TAID's re-implementation applies the head mask of the
        sorted order to gaps in vocabulary order, which makes it nearly pure reverse KL.
    """
    _check("mu", mu, closed_left=False)
    return _evaluate(kernels.adaptive_kl, log_p, log_q, mu=mu)


def alpha_beta(log_p: Tensor, log_q: Tensor, *, alpha: float, beta: float) -> Tensor:
    r"""Alpha-beta divergence.

    :math:`-\frac{1}{\alpha\beta} \sum_v \left[ p_v^\alpha q_v^\beta - \frac{\alpha}{\alpha+\beta}
    p_v^{\alpha+\beta} - \frac{\beta}{\alpha+\beta} q_v^{\alpha+\beta} \right]`, and its limits
    where alpha, beta or their sum is 0.

    Args:
        log_p: Target log-probabilities, ``[..., events]``.
        log_q: Student log-probabilities, same shape; carries the gradient.
        alpha: Exponent of the target: how strongly large errors count.
        beta: Exponent of the student: how strongly its own confident events count.

    Returns:
        ``[...]``, at least 0, and 0 where p equals q. (1, 0) is the forward KL, (0, 1) the
        reverse KL, (1, 1) half the squared distance, (1/2, 1/2) twice the sum of
        :math:`(\sqrt p - \sqrt q)^2`.

    References:
        Wang et al. 2025, arXiv:2505.04560, eq. 4. Limits re-derived: at ``alpha = -beta`` the
        released code has 1/alpha where 1/alpha**2 belongs.
    """
    return _evaluate(kernels.alpha_beta, log_p, log_q, alpha=alpha, beta=beta)


def _check(name: str, value: float | Tensor, closed_left: bool = True) -> None:
    low = torch.as_tensor(value, dtype=None if isinstance(value, Tensor) else torch.float64)
    if not bool(((low >= 0 if closed_left else low > 0) & (low < 1)).all()):
        raise ValueError(f"{name} must lie in {'[' if closed_left else '('}0, 1), got {value}")
