"""What is computed in every comparison: the mean divergence and its two gradients."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

IGNORE = -100


@dataclass(frozen=True)
class Size:
    """Tokens N, vocabulary V, widths of student and teacher."""

    tokens: int
    vocabulary: int
    student: int
    teacher: int

    def __str__(self) -> str:
        thousands = f"{self.vocabulary / 1000:.0f}k" if self.vocabulary > 9999 else self.vocabulary
        return f"{self.tokens} x {thousands}, {self.student}/{self.teacher}"

    @property
    def flop(self) -> int:
        """Of the four products that no exact method avoids."""
        return 2 * self.tokens * self.vocabulary * (3 * self.student + self.teacher)


@dataclass(frozen=True)
class Problem:
    """Last hidden states ``[N, H]``, heads ``[V, H]``, and labels ``[N]`` of which some are masked."""

    teacher_hidden: Tensor
    teacher_head: Tensor
    student_hidden: Tensor
    student_head: Tensor
    labels: Tensor

    @staticmethod
    def draw(size: Size, dtype: torch.dtype = torch.float32, masked: float = 0.0) -> "Problem":
        """Random ones; logits with a standard deviation of 2 on both sides."""
        g = torch.Generator().manual_seed(0)

        def side(width: int) -> tuple[Tensor, Tensor]:
            hidden = torch.randn(size.tokens, width, generator=g).to(dtype)
            head = torch.randn(size.vocabulary, width, generator=g).mul_(2 / width**0.5)
            return hidden, head.to(dtype)

        labels = torch.randint(size.vocabulary, (size.tokens,), generator=g)
        labels[torch.randperm(size.tokens, generator=g)[: int(masked * size.tokens)]] = IGNORE
        teacher, student = side(size.teacher), side(size.student)
        return Problem(*teacher, *(t.requires_grad_() for t in student), labels)

    @property
    def kept(self) -> Tensor:
        """Which tokens are supervised, ``[N]``."""
        return self.labels != IGNORE

    def to(self, dtype: torch.dtype) -> "Problem":
        """The same numbers in another precision."""
        return Problem(
            self.teacher_hidden.to(dtype),
            self.teacher_head.to(dtype),
            self.student_hidden.detach().to(dtype).requires_grad_(),
            self.student_head.detach().to(dtype).requires_grad_(),
            self.labels,
        )

    def first(self, rows: int) -> "Problem":
        """The first tokens only."""
        return replace(
            self,
            teacher_hidden=self.teacher_hidden[:rows],
            student_hidden=self.student_hidden.detach()[:rows].requires_grad_(),
            labels=self.labels[:rows],
        )

    def gradients(self, loss: Tensor) -> "Result":
        """Differentiate, for what trains."""
        return Result(
            loss.detach(), *torch.autograd.grad(loss, (self.student_hidden, self.student_head))
        )


class Result(NamedTuple):
    """Mean loss over the supervised tokens, and its gradients."""

    loss: Tensor
    d_hidden: Tensor
    d_head: Tensor

    def errors(self, other: "Result") -> tuple[float, float]:
        """Largest difference of each gradient from another's, relative to its largest entry."""
        (hidden, head), (true_hidden, true_head) = self[1:], other[1:]
        return _error(hidden, true_hidden), _error(head, true_head)


def _error(found: Tensor, true: Tensor) -> float:
    return float((found.to(true.dtype) - true).abs().max() / true.abs().max())


class Floor:
    """The four products alone, all rows at once, into memory that is there already."""

    def __init__(self, problem: Problem):
        self.p = problem
        rows, vocabulary = len(self.p.student_hidden), len(self.p.student_head)
        self.own, self.target = self.p.student_hidden.new_zeros(2, rows, vocabulary)
        self.d_hidden = torch.zeros_like(self.p.student_hidden)
        self.d_head = torch.zeros_like(self.p.student_head)

    @torch.no_grad()
    def __call__(self) -> None:
        """Logits of both, and two gradients of the student's."""
        p = self.p
        torch.mm(p.teacher_hidden, p.teacher_head.T, out=self.target)
        torch.mm(p.student_hidden, p.student_head.T, out=self.own)
        torch.mm(self.own, p.student_head, out=self.d_hidden)
        torch.mm(self.own.T, p.student_hidden, out=self.d_head)
