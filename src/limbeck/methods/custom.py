"""Any sensible combination of the five choices, from a recipe."""

from collections.abc import Callable
from collections.abc import Sequence as Rows
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, final

import torch
from torch import Tensor

from limbeck import divergences as d
from limbeck.data.batch import Author, Sequence, Tokens
from limbeck.methods.about import Choices, Paper
from limbeck.methods.base import Method, Step, need_at
from limbeck.schedules import highest, lowest
from limbeck.sources import Sources
from limbeck.targets import Need
from limbeck.weights import WEIGHTS

# Divergence -> the parameters it takes.
TAKES: dict[str, tuple[str, ...]] = {
    "forward_kl": (),
    "reverse_kl": (),
    "jensen_shannon": ("beta",),
    "skew_kl": ("alpha",),
    "skew_reverse_kl": ("alpha",),
    "total_variation": (),
    "adaptive_kl": ("mu",),
    "alpha_beta": ("alpha", "beta"),
    "contrastive": ("alpha",),
    "cross_entropy": (),
}
_DEFAULTS = {"alpha": 0.1, "beta": 0.5, "mu": 0.5}
_OFFLINE = ("data", "teacher")


@final
@dataclass(frozen=True)
class Custom(Method):
    r"""Choose the source, target, divergence, weight and reduction yourself.

    Attributes:
        source: ``data``, ``teacher`` (writes once), ``student`` (each step), ``paired`` (the
            student's answer beside the given one), ``mixed`` (each token of a mixture, half and
            half), or ``interleaved`` (the student proposes, the teacher's top 25 decide).
        lmbda: Fraction of steps on that text where the student takes part; the others are on the
            data's. In [0, 1].
        target: ``teacher``, ``interpolated`` (a fraction t from the student to the teacher),
            ``argmax`` (the teacher's likeliest token), or ``label`` (the next token).
        t: Share of the teacher in an interpolated target, in [0, 1].
        divergence: A divergence of `limbeck.divergences`; ``contrastive`` is the skew KL on the
            given text and the skew reverse KL on the student's; ``cross_entropy`` goes with the
            targets that are a token.
        alpha: Of skew_kl, skew_reverse_kl, contrastive (0.1) and alpha_beta.
        beta: Of jensen_shannon (0.5) and alpha_beta.
        mu: Of adaptive_kl (0.5).
        temperature: Softens both sides; T² keeps gradients comparable.
        weight: Of each token: ``uniform``, ``teacher_confidence``, ``teacher_entropy`` or
            ``disagreement``.
        ce: Weight of the likelihood of the text beside it, at least 0.
        average: Over ``tokens`` of the global batch, or ``sequences`` first.
    """

    source: Literal["data", "teacher", "student", "paired", "mixed", "interleaved"] = "data"
    lmbda: float = 1.0
    target: Literal["teacher", "interpolated", "argmax", "label"] = "teacher"
    t: float | None = None
    divergence: str = "forward_kl"
    alpha: float | None = None
    beta: float | None = None
    mu: float | None = None
    temperature: float = 1.0
    weight: str = "uniform"
    ce: float = 0.0
    average: Literal["tokens", "sequences"] = "tokens"

    paper: ClassVar = Paper(
        "Your own; to choose text and divergence apart from one another is GKD's idea",
        "https://arxiv.org/abs/2306.13649",
    )
    formula: ClassVar = "sum of weight * T^2 * divergence(target, q)  +  ce * -log q(y_t)"
    choices: ClassVar = Choices(
        "any of the six that source names",
        "the teacher, between student and teacher, or a token",
        "any of the package's, or contrastive",
        weight="by the teacher's confidence, entropy, or disagreement with the student",
        reduction="tokens of the global batch, or each sequence first",
        schedule="any number may be one",
    )
    use: ClassVar = (
        "For a combination that no paper has named yet, without writing a file; what makes no "
        "sense is refused with the reason."
    )

    def __post_init__(self) -> None:
        self.check_choice("source", (*_OFFLINE, "student", "paired", "mixed", "interleaved"))
        self.check_choice("target", ("teacher", "interpolated", "argmax", "label"))
        self.check_choice("divergence", tuple(TAKES))
        self.check_choice("weight", tuple(WEIGHTS))
        self.check_choice("average", ("tokens", "sequences"))
        self.check_range("lmbda", 0.0, 1.0)
        self.check_range("temperature", 0.01, 100.0)
        self.check_range("ce", 0.0, 1e6)
        self._refuse_unused()
        self._refuse_senseless()

    def _refuse_unused(self) -> None:
        takes = TAKES[self.divergence]
        for name in _DEFAULTS:
            if getattr(self, name) is not None and name not in takes:
                able = ", ".join(n for n, parameters in TAKES.items() if name in parameters)
                raise ValueError(f"{self.divergence} takes no {name}; {able} would")
        if (self.t is not None) != (self.target == "interpolated"):
            raise ValueError("t is the place of an interpolated target: give both or neither")
        if self.t is not None:
            self.check_range("t", 0.0, 1.0)
        if self.divergence == "alpha_beta" and (self.alpha is None or self.beta is None):
            raise ValueError("alpha_beta needs alpha and beta")
        for name, high in (("alpha", 1 - 1e-6), ("beta", 1 - 1e-6), ("mu", 1 - 1e-6)):
            if getattr(self, name) is not None and self.divergence != "alpha_beta":
                self.check_range(name, 0.0 if name == "alpha" else 1e-6, high)
        if self.source in _OFFLINE and lowest(self.lmbda) < 1:
            raise ValueError("lmbda mixes in text of the student, and source has none of it")

    def _refuse_senseless(self) -> None:
        if self.divergence == "contrastive" and self.source != "paired":
            raise ValueError(
                "contrastive sets two texts of one prompt against each other: source: paired"
            )
        if self.source == "paired" and self.divergence != "contrastive":
            raise ValueError(
                f"{self.divergence} treats both texts of a pair alike, which source: student with "
                "lmbda: 0.5 does as well; paired goes with divergence: contrastive"
            )
        if self.source == "paired" and lowest(self.lmbda) < 1:
            raise ValueError("a pair always has both sides: leave lmbda at 1")
        token = self.target in ("argmax", "label")
        if token != (self.divergence == "cross_entropy"):
            raise ValueError(
                "a target that is one token goes with divergence: cross_entropy, and one that is a "
                f"distribution with all others, not target {self.target} with {self.divergence}"
            )
        if self.target == "label" and self.source not in _OFFLINE:
            raise ValueError(
                "the likelihood of text that the student wrote only teaches it to go on as it is; "
                "target: argmax imitates the teacher there"
            )
        if token and (self.ce != 0 or self.temperature != 1):
            raise ValueError("ce and temperature go with a target that is a distribution")
        if self.target == "label" and self.weight != "uniform":
            raise ValueError(f"{self.weight} asks a teacher, and target: label has none")

    @property
    def reduction(self) -> Literal["tokens", "sequences"]:  # type: ignore[override]
        """As chosen."""
        return self.average

    @property
    def imitates(self) -> bool:  # type: ignore[override]
        """Unless the target is the text itself."""
        return self.target != "label"

    @property
    def teacher_writes(self) -> bool:
        """Before training."""
        return self.source in ("teacher", "paired")

    @property
    def student_writes(self) -> bool:
        """Unless the text is given, or its share stays at 0."""
        return self.source not in _OFFLINE and highest(self.lmbda) > 0

    @property
    def writes_together(self) -> bool:
        """Token by token."""
        return self.source in ("mixed", "interleaved") and self.student_writes

    @property
    def needs(self) -> Need:
        """A token that is likeliest, a weight or another temperature ask for all of p."""
        if not self.imitates:
            return "nothing"
        whole = self.target == "argmax" or self.weight != "uniform"
        return "logits" if whole or need_at(self.temperature) == "logits" else "events"

    @property
    def needs_completions(self) -> bool:
        """Unless the student takes part in every text."""
        alone = self.student_writes and lowest(self.lmbda) == 1
        return not alone and not self.teacher_writes

    def sequences(self, rows: Rows[Sequence], sources: Sources, step: Step) -> list[Sequence]:
        """One coin for a step where only a share is on the student's text."""
        seed = step.sampling_seed
        if self.source in _OFFLINE or not step.coin(self.lmbda):
            return list(rows)
        if self.source == "mixed":
            return sources.mixed(rows, seed, alpha=0.5)
        if self.source == "interleaved":
            return sources.interleaved(rows, seed, k=25, block=5)
        own = sources.from_student(rows, seed)
        if self.source == "student":
            return own
        return [s for pair in zip(rows, own, strict=True) for s in pair]

    def loss(self, tokens: Tokens, step: Step) -> dict[str, Tensor]:
        """Weight times divergence and, where it has any weight, the likelihood."""
        if self.target == "label":
            return {"nll": tokens.nll()}
        log_p, log_q = tokens.pair(self.temperature)
        weight = WEIGHTS[self.weight](log_p, log_q)
        if self.target == "argmax":
            return {"nll": weight * tokens.nll(log_p.argmax(-1))}
        if self.target == "interpolated":
            assert self.t is not None
            log_p = d.interpolate(log_p, log_q, self.t)
        divergence = self._divergence(log_p, log_q, tokens.author)
        terms = {self.divergence: weight * self.temperature**2 * divergence}
        if self.ce > 0:
            terms["nll"] = self.ce * tokens.nll()
        return terms

    def _divergence(self, log_p: Tensor, log_q: Tensor, author: Tensor) -> Tensor:
        given = {n: getattr(self, n) for n in TAKES[self.divergence]}
        parameters: dict[str, Any] = {n: _DEFAULTS[n] if v is None else v for n, v in given.items()}
        if self.divergence == "contrastive":
            pull = d.skew_kl(log_p, log_q, **parameters)
            push = d.skew_reverse_kl(log_p, log_q, **parameters)
            return torch.where(author == Author.STUDENT, push, pull)
        function: Callable[..., Tensor] = getattr(d, self.divergence)
        return function(log_p, log_q, **parameters)
