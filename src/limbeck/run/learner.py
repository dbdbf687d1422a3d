"""What a student writes between rounds: its attempts, marked, and where they go wrong."""

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from limbeck.bench import Bench
from limbeck.data import Example
from limbeck.engines import Engine, Sampling
from limbeck.files import digest
from limbeck.run.exam import Problems
from limbeck.sources import answer_all
from limbeck.tutoring import Attempt, Prompts, by_rule, read_tag

TAG_TOKENS = 16
"""Longest answer to the question which kind of error an attempt shows: one word."""


def attempts_of(
    bench: Bench, problems: Problems, engine: Callable[[], Engine], path: Path, what: str
) -> list[Attempt]:
    """A student's greedy answers, marked; through a journal.

    Args:
        bench: The tokenizer, and how an answer is verified.
        problems: What is asked.
        engine: The student as something that writes, when it is needed.
        path: The journal.
        what: The work, in a few words.
    """
    recipe, side = bench.recipe, bench.student
    longest = recipe.evaluate.max_new_tokens or recipe.generation.max_new_tokens
    sampling = Sampling(longest, temperature=0.0, batch_size=recipe.evaluate.batch_size)
    prompts = [s.prompt for s in problems.sequences]

    key = digest(prompts, asdict(sampling), what)
    done = answer_all(path, key, prompts, engine, sampling, 0, what)
    texts = [side.tokenizer.decode(a["tokens"], skip_special_tokens=True) for a in done]
    return marked(bench, problems.examples, texts, [a["finished"] for a in done])


def marked(
    bench: Bench, examples: list[Example], texts: list[str], finished: list[bool]
) -> list[Attempt]:
    """Whether each text has the right answer, and ended."""
    verify = bench.examples.verify
    assert verify is not None
    return [
        Attempt(text, verify(text, e.answer or ""), finished=ended)
        for e, text, ended in zip(examples, texts, finished, strict=True)
    ]


def tagged(
    bench: Bench,
    examples: list[Example],
    attempts: list[Attempt],
    ask: Callable[[list[tuple[Any, ...]]], list[str]],
    prompts: Prompts,
) -> list[Attempt]:
    """The attempts with the kind of their error: by rule where there is one, else by the teacher.

    Args:
        bench: How an answer is read from a text.
        examples: The problems.
        attempts: The attempts at them.
        ask: Asks the teacher conversations, for an answer of `TAG_TOKENS` tokens each.
        prompts: How it is asked.
    """
    extract = bench.examples.extract
    assert extract is not None
    tags = [
        by_rule(a.text, correct=a.correct, finished=a.finished, extracted=extract(a.text))
        for a in attempts
    ]
    unclear = [i for i, tag in enumerate(tags) if tag is None]
    asked = [
        prompts.tag(examples[i].question, examples[i].answer or "", attempts[i].text)
        for i in unclear
    ]
    told = dict(zip(unclear, map(read_tag, ask(asked)), strict=True)) if asked else {}
    return [
        replace(a, tag=told[i] if tag is None else tag)
        for i, (a, tag) in enumerate(zip(attempts, tags, strict=True))
    ]
