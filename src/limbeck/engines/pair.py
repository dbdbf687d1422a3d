"""Student and teacher that write one text together."""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from torch import Tensor, nn

from limbeck.engines.base import Completion, Interleaved, Sampling
from limbeck.engines.batches import in_batches
from limbeck.engines.decode import can_decode, cut, write
from limbeck.engines.forward import Forward
from limbeck.engines.interleave import Side, interleave
from limbeck.engines.sampler import distribution, inverse_cdf, uniforms
from limbeck.engines.weights import Weights, evaluating, weights_of, whole
from limbeck.errors import LimbeckError, RequestError
from limbeck.targets import causal_lm

TEACHER = 0x7EAC4E2
"""Tells the teacher's random numbers from the student's of the same seed."""


class Pair:
    """Both models in this process, and with the same ids; neither is ever stale.

    The random numbers of a token depend on the seed, on its prompt's place among the prompts, and
    on its own place in the completion: not on the batch that it falls into. They are those of
    `TransformersEngine`, so a student that is let alone writes what it writes there.

    ``log_probs`` are those of the distribution that a token was drawn from, with temperature and
    filters, given the text before it: what an importance weight is divided by.

    Args:
        student: A transformers causal language model, or a context manager factory that yields one.
            It is entered once for a call.
        teacher: Another one. A factory is entered for each forward pass, so that it may be the
            student with another adapter or none (`ModelTeacher.active`); it yields the same module
            each time.
        pad: Id to fill with.
        eos: Ids that end a completion.
        vocabulary: Number of real token ids. It must be given where the heads differ in size.
    """

    def __init__(
        self,
        student: nn.Module | Weights,
        teacher: nn.Module | Weights,
        pad: int,
        eos: Iterable[int],
        vocabulary: int | None = None,
    ):
        self.student, self.teacher = weights_of(student), weights_of(teacher)
        self.pad, self.eos, self.vocabulary = pad, sorted(eos), vocabulary

    def mixed(
        self, prompts: Sequence[Sequence[int]], sampling: Sampling, seed: int, *, alpha: float
    ) -> list[Completion]:
        """Each token from ``alpha * p + (1 - alpha) * q`` (MiniLLM's teacher-mixed sampling).

        Temperature and filters shape the teacher's p and the student's q before they are mixed.

        Args:
            prompts: Ids; none is empty.
            sampling: How both choose, and how many tokens a text may have.
            seed: Decides about the tokens.
            alpha: The teacher's share, in [0, 1].

        Raises:
            LimbeckError: A model cannot be driven token by token, or its logits are not numbers.
            RequestError: ``sampling`` searches with beams.
        """
        if not 0 <= alpha <= 1:
            raise ValueError(f"alpha is a share, not {alpha}")
        numbers = uniforms(len(prompts), sampling.max_new_tokens, seed)
        with self._ready(sampling) as model:

            def continued(chunk: list[int]) -> Iterator[Completion]:
                student, teacher = self._forwards(model, [prompts[i] for i in chunk])

                def draw(uniform: Tensor) -> tuple[Tensor, Tensor]:
                    p = distribution(teacher.logits()[:, 0], sampling).to(student.device)
                    q = distribution(student.logits()[:, 0], sampling)
                    mass = alpha * p + (1 - alpha) * q
                    token = inverse_cdf(mass, uniform)
                    return token, mass.gather(1, token[:, None])[:, 0].log()

                done = write(draw, [student, teacher], numbers[chunk], self.pad, self.eos)
                return (cut(*row, self.eos) for row in zip(*done, strict=True))

            return in_batches(prompts, sampling.batch_size, continued)

    def interleaved(
        self,
        prompts: Sequence[Sequence[int]],
        sampling: Sampling,
        seed: int,
        *,
        k: int,
        block: int,
        teacher_sampling: Sampling | None = None,
    ) -> list[Interleaved]:
        """The student's tokens, and the teacher's where it would not say them (speculative KD).

        The student proposes a block of tokens. The first that is not among the k largest of the
        teacher's logits is discarded with the rest of the block, and a token drawn from the
        teacher stands there instead. The logits are compared before temperature and filters; what
        ties with the k-th is inside. Where all are accepted, the teacher adds nothing.

        Args:
            prompts: Ids; none is empty.
            sampling: How the student chooses, and how many tokens a text may have.
            seed: Decides about the tokens of both.
            k: At least 1; the vocabulary's size lets the student alone.
            block: How many tokens are proposed at once: a matter of speed, not of the text.
            teacher_sampling: Temperature and filters of the teacher; by default the student's.

        Raises:
            LimbeckError: A model cannot be driven token by token, or its logits are not numbers.
            RequestError: ``sampling`` searches with beams.
        """
        if k < 1 or block < 1:
            raise ValueError(f"k and block are at least 1, not {k} and {block}")
        limit = sampling.max_new_tokens
        own, others = (uniforms(len(prompts), limit, s) for s in (seed, seed ^ TEACHER))
        with self._ready(sampling) as model:

            def continued(chunk: list[int]) -> list[Interleaved]:
                texts = [prompts[i] for i in chunk]
                # A row that is full is fed on with the others; no table is looked up beyond it.
                last = [len(text) + limit - 2 for text in texts]
                student, teacher = self._forwards(model, texts, last=last, rewinds=True)
                device = student.device
                first = Side(student, sampling, own[chunk].to(device))
                second = Side(teacher, teacher_sampling or sampling, others[chunk].to(device))
                return interleave(first, second, k, block, self.eos).texts(self.eos)

            return in_batches(prompts, sampling.batch_size, continued)

    @contextlib.contextmanager
    def _ready(self, sampling: Sampling) -> Iterator[nn.Module]:
        """The student in place, and both fit to write."""
        if sampling.num_beams > 1:
            raise RequestError(
                "student and teacher that write one text draw its tokens; they cannot search",
                where="generation.num_beams",
                mend="leave num_beams out, or take a method in which one of them writes alone",
            )
        with self.student() as student, evaluating(student):
            _check(student)
            with self.teacher() as teacher:
                _check(teacher)
            yield student

    def _forwards(
        self, student: nn.Module, prompts: Sequence[Sequence[int]], **how: Any
    ) -> tuple[Forward, Forward]:
        rest = (prompts, self.pad, self.vocabulary)
        return Forward(causal_lm(student), *rest, **how), _Entered(self.teacher, *rest, **how)


class _Entered(Forward):
    """Of a model whose weights are put in place for each forward pass."""

    def __init__(self, weights: Weights, *args: Any, **how: Any):
        self.weights = weights
        with weights() as model:
            super().__init__(causal_lm(model), *args, **how)

    def logits(self, count: int = 1) -> Tensor:
        with self.weights() as model, evaluating(model):
            return super().logits(count)


def _check(model: nn.Module) -> None:
    if not can_decode(whole(model)):
        raise LimbeckError(
            "a model of this family cannot write together with another, token by token",
            where=type(causal_lm(model)).__name__,
            mend="take two decoders with a plain key-value cache, or a method in which student "
            "or teacher writes alone",
        )
