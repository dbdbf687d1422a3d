"""How much of a learner's record a teacher can be shown."""

from collections.abc import Callable
from typing import Any

from limbeck.bench import Bench
from limbeck.data import Example, Message
from limbeck.errors import RequestError
from limbeck.methods import UNDO
from limbeck.run.exam import Exam
from limbeck.tutoring import CUT_TOKENS, Attempt, Entry, Lesson, Prompts, Record, fitted

SERVED = 8192
"""Tokens that a server's model is taken to read and write, where the recipe says nothing."""
SHARE = 0.6
"""Of the window, for the prompt; the rest is for the answer, and for tokenizers that differ."""

Write = Callable[[Record, int, Example], tuple[Message, ...]]


def guarded(
    bench: Bench, record: Record, problems: list[tuple[int, Example]], write: Write
) -> Record:
    """The part of a record that fits beside the longest of these problems.

    Args:
        bench: The tokenizers; of a server, nobody knows it, and the student's counts.
        record: What the teacher should see.
        problems: What it is to solve, each with its place.
        write: The conversation that it is shown.

    Raises:
        RequestError: Not even one entry fits.
    """
    if not record:
        return record
    longest = max(problems, key=lambda p: _length(bench, write((), *p)))
    limit = _limit(bench)
    return fitted(
        record,
        lambda part: _length(bench, write(part, *longest)),
        limit,
        lambda text: _cut(bench, text),
    )


def check_window(bench: Bench, exam: Exam, prompts: Prompts, finish: str) -> None:
    """Refuse a window in which the shortest record has no place beside the longest problem.

    Raises:
        RequestError: It is too small.
    """
    shortest = min(exam.diagnosis.examples, key=lambda e: len(e.question))
    nothing = Lesson(0, "", Attempt("", correct=False))
    record = (Entry(shortest.question, (nothing,)),)
    everything = [*bench.examples.train, *exam.diagnosis.examples]
    longest = max(everything, key=lambda e: len(e.question))
    messages = prompts.refine(longest.question, finish, "", record, None)
    needed, answer = _length(bench, messages), bench.recipe.generation.max_new_tokens
    if needed > _limit(bench):
        least = max(int(needed / SHARE) + 1, needed + answer)
        raise RequestError(
            f"the teacher's context of {window(bench):,} tokens is too small for one record of the "
            f"learner: the shortest prompt has {needed:,} tokens, and {_limit(bench):,} are left for "
            f"it beside an answer of {answer:,}",
            where="method.context, generation.max_new_tokens",
            mend=f"use a teacher with a window of {least:,} tokens or more (and say method.context), "
            "shorter answers, problems or prompts",
        )


def window(bench: Bench) -> int:
    """What the teacher can read and write, in tokens."""
    method = bench.method
    assert isinstance(method, UNDO)
    own = bench.teacher.context if bench.teacher is not None else None
    if method.context is not None and own is not None and method.context > own:
        raise RequestError(
            f"the teacher reads {own:,} tokens, and not {method.context:,}",
            where="method.context",
            mend="leave it out for what the teacher's configuration says",
        )
    return method.context or own or SERVED


def _limit(bench: Bench) -> int:
    """Most tokens of a prompt: a share of the window, and what an answer leaves of it."""
    whole = window(bench)
    return min(int(SHARE * whole), whole - bench.recipe.generation.max_new_tokens)


def _tokenizer(bench: Bench) -> Any:
    return (bench.teacher or bench.student).tokenizer


def _length(bench: Bench, messages: tuple[Message, ...]) -> int:
    text = "\n".join(m.content for m in messages)
    return len(_tokenizer(bench)(text, add_special_tokens=False)["input_ids"])


def _cut(bench: Bench, text: str) -> str:
    tokenizer = _tokenizer(bench)
    tokens = tokenizer(text, add_special_tokens=False)["input_ids"]
    if len(tokens) <= CUT_TOKENS:
        return text
    return f"{tokenizer.decode(tokens[:CUT_TOKENS])} ..."
