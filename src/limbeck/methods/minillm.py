"""MiniLLM: Knowledge Distillation of Large Language Models (Gu et al., ICLR 2024)."""

from collections.abc import Sequence as Rows
from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor

from limbeck.data.batch import Author, Scored, Sequence, Tokens
from limbeck.divergences import reverse_kl
from limbeck.methods.about import Choices, Deviation, Paper
from limbeck.methods.base import Method, Step
from limbeck.methods.returns import returns
from limbeck.schedules import highest
from limbeck.sources import Sources, drawn_from


@final
@dataclass(frozen=True)
class MiniLLM(Method):
    r"""Reverse KL between sequence distributions: a policy gradient, its first step exact.

    Text is drawn from :math:`\tilde p = \alpha p + (1 - \alpha) q`, token by token, and weighed by
    :math:`w_t = q(y_t) / \tilde p(y_t)`. With :math:`r_t = \log p(y_t) - \log q(y_t)`,

    .. math:: \nabla L = \sum_t w_t \left[ \nabla KL(q_t \| p_t)
        - R_{t+1} \nabla \log q(y_t) \right], \quad
        R_{t+1} = \frac{1}{T - t} \sum_{s=t+1}^{T} r_s

    The second part goes through PPO's clipped surrogate.

    Attributes:
        alpha: Share of the *teacher* in each token's draw, in [0, 1].
        epsilon: Half-width of the clip around 1.
        gamma: Discount of later rewards, in [0, 1].
        length_norm: Divide the return by the number of tokens ahead.
        whiten: Shift and scale the returns of a micro-batch to mean 0 and variance 1.
        immediate: Let the return begin at t, not t + 1, as the released code does.
        epochs: How many optimiser steps train on the same rollouts. The rows that the data gives
            to the other steps are passed over.
        lm_coef: Weight of the likelihood of the ``corpus``, at least 0.
    """

    alpha: float = 0.2
    epsilon: float = 0.2
    gamma: float = 1.0
    length_norm: bool = True
    whiten: bool = False
    immediate: bool = False
    epochs: int = 4
    lm_coef: float = 0.0

    paper: ClassVar = Paper(
        "MiniLLM: Knowledge Distillation of Large Language Models",
        "https://arxiv.org/abs/2306.08543",
        "GPT-2 1.5B to 120M, ROUGE-L on Dolly, SelfInst, S-NI: 24.6, 13.2, 25.3 (KD 22.8, 10.8, "
        "13.4; SeqKD 22.7, 10.1, 16.4).",
    )
    formula: ClassVar = (
        "w_t KL(q_t || p_t)  -  clip(w_t) R_{t+1} log q(y_t)  +  lm_coef * -log q(corpus)"
    )
    choices: ClassVar = Choices(
        "drawn token by token from a mixture of teacher and student",
        "the teacher's distribution, and its verdict on the rest of the text",
        "reverse KL and a policy gradient",
        weight="importance weights, clipped",
    )
    use: ClassVar = (
        "When long answers drift and the student should avoid what leads there: each token is also "
        "judged by what follows. Start from a fine-tuned student; it is the dearest method here."
    )
    deviations: ClassVar = (
        Deviation(
            "the authors' code",
            "sums the return from t, so that the immediate reward, which the single-step term "
            "has exactly, counts twice",
            "from t + 1, as in the paper",
            "immediate: true",
        ),
        Deviation(
            "the authors' code",
            "multiplies rewards by 2 and clips them at 100",
            "neither",
        ),
        Deviation(
            "the authors' code",
            "computes rewards and returns once for all of the steps that train on a rollout",
            "from the student of each step",
        ),
        Deviation(
            "the paper",
            "divides the return by T - t - 1",
            "by the number of its terms, T - t, which is never 0",
        ),
        Deviation("the authors' code", "discounts by 0.95", "no discount", "gamma: 0.95"),
        Deviation(
            "the authors' code",
            "whitens the returns, padding included",
            "not at all, as in the paper; the option whitens over real tokens",
            "whiten: true",
        ),
        Deviation(
            "the authors' code",
            "mixes word-level KD into the pre-training loss, half and half",
            "the likelihood alone",
        ),
        Deviation(
            "the authors' code",
            "divides by the remaining length whatever its option says",
            "length_norm decides",
        ),
        Deviation(
            "TRL MiniLLMTrainer",
            "has no teacher-mixed sampling, averages padding in, and does not detach the return",
            "all three as in the paper",
        ),
    )
    looks: ClassVar = True
    settled: ClassVar = frozenset({"epochs"})

    def __post_init__(self) -> None:
        for name in ("alpha", "epsilon", "gamma"):
            self.check_range(name, 0.0, 1.0)
        self.check_range("epochs", 1, 1000)
        self.check_range("lm_coef", 0.0, 1e6)

    @property
    def student_writes(self) -> bool:
        """With the teacher."""
        return True

    @property
    def writes_together(self) -> bool:
        """Always."""
        return True

    @property
    def needs_corpus(self) -> bool:
        """For the pre-training loss."""
        return highest(self.lm_coef) > 0

    @property
    def needs_completions(self) -> bool:
        """Both answer."""
        return False

    def sequences(self, rows: Rows[Sequence], sources: Sources, step: Step) -> list[Sequence]:
        """Draw from the mixture, and train on the same draws for some steps."""
        kept = list(sources.replay.rows)
        if step.index % self.epochs == 0 or len(kept) < len(rows):
            kept = drawn_from(sources.mixed(rows, step.sampling_seed, alpha=self.alpha))
            sources.replay.hold(kept)
        chosen = kept[: len(rows)]
        return sources.beside(chosen, step.sampling_seed) if self.needs_corpus else chosen

    def look(self, scored: Scored, step: Step) -> dict[str, Tensor]:
        """What follows each token, R, and its importance weight."""
        reward = scored.log_p - scored.log_q
        ahead, count = returns(reward, scored.row, gamma=self.gamma)
        if self.immediate:
            ahead, count = reward + self.gamma * ahead, count + 1
        if self.length_norm:
            ahead = ahead / count.clamp(min=1)
        drawn = ahead[scored.author != Author.CORPUS]
        if self.whiten and len(drawn) > 1:
            ahead = (ahead - drawn.mean()) / (drawn.std() + 1e-8)
        return {"return": ahead, "importance": (scored.log_q - scored.log_probs).exp()}

    def loss(self, tokens: Tokens, step: Step) -> dict[str, Tensor]:
        """The exact first step, the clipped policy gradient and, with a corpus, its likelihood."""
        ahead, drawn = tokens.given["return"], ~tokens.corpus
        nll = tokens.nll()
        ratio = (-nll - tokens.given["log_probs"]).exp()
        clipped = ratio.clamp(1 - self.epsilon, 1 + self.epsilon)
        long_horizon = torch.maximum(-ahead * ratio, -ahead * clipped)
        single_step = tokens.given["importance"] * reverse_kl(*tokens.pair())
        terms = {
            "single_step": torch.where(drawn, single_step, 0.0),
            "long_horizon": torch.where(drawn, long_horizon, 0.0),
        }
        if self.needs_corpus:
            terms["lm"] = self.lm_coef * torch.where(drawn, 0.0, nll)
        return terms

    def validation_loss(self, tokens: Tokens, step: Step) -> dict[str, Tensor]:
        """The single-step term, on text that nobody has drawn."""
        return {"single_step": reverse_kl(*tokens.pair())}
