"""Tasks put to a model: greedy answers, programs, and likelihoods of choices."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from limbeck.console import progress
from limbeck.data import Example, tokenise
from limbeck.engines import Sampling
from limbeck.engines.special_tokens import end_ids, pad_id
from limbeck.engines.transformers import TransformersEngine
from limbeck.errors import RequestError
from limbeck.evaluation.tasks import Item
from limbeck.files import digest, write_json
from limbeck.run.tasks.asked import Asked, Outcome, Wish
from limbeck.run.tasks.keeping import kept
from limbeck.sources import answer_all


@dataclass(frozen=True)
class Examinee:
    """A model that tasks are put to.

    Attributes:
        model: Its weights, where they are to run.
        tokenizer: Its tokenizer.
        identity: Tells it from others; answers are kept under it.
        context: Longest text, in tokens; None where nobody knows.
    """

    model: Any
    tokenizer: Any
    identity: str
    context: int | None

    @property
    def engine(self) -> TransformersEngine:
        """The model as something that writes and scores."""
        tokenizer, ends = self.tokenizer, end_ids(self.tokenizer, self.model)
        return TransformersEngine(self.model, pad_id(tokenizer), ends, len(tokenizer))


def put_to(
    examinee: Examinee, asked: Sequence[Asked], folder: Path, wish: Wish
) -> dict[str, Outcome]:
    """Ask a model everything; interrupted, the same call goes on where it was.

    Args:
        examinee: Who is asked.
        asked: The tasks.
        folder: ``TASK.parquet`` has a row for each item.
        wish: How they are asked.

    Raises:
        RequestError: A prompt has no room in the model's context.
    """
    prompts = {a.task.name: [_ids(item, a, examinee.tokenizer) for item in a.items] for a in asked}
    for a in asked:
        _check_room(a, prompts[a.task.name], examinee.context)
    found = {}
    for a in asked:
        say = _SAY.get(a.task.kind, _answers)
        outputs = say(a, prompts[a.task.name], examinee, folder, wish)
        found[a.task.name] = kept(a, outputs, folder, unsafe=wish.unsafe)
    return found


def _ids(item: Item, asked: Asked, tokenizer: Any, text: str | None = None) -> tuple[int, ...]:
    """The prompt, or a text in its place, as the model reads it."""
    prompt = item.messages if asked.chat else item.prompt
    done = tokenise(
        [Example(prompt if text is None else text)],
        tokenizer,
        kind="pairs",
        max_length=None,
        truncation="drop",
        eos=end_ids(tokenizer),
    )
    return done.sequences[0].prompt


def _check_room(asked: Asked, prompts: list[tuple[int, ...]], context: int | None) -> None:
    for item, ids in zip(asked.items, prompts, strict=True):
        if context is not None and len(ids) >= context:
            raise RequestError(
                f"an item of {asked.task.name} has {len(ids):,} tokens, and the model reads and "
                f"writes {context:,}",
                where=f"item {item.id}",
                mend="take fewer --shots, or a model with a longer context",
            )


def _answers(
    asked: Asked, prompts: list[tuple[int, ...]], examinee: Examinee, folder: Path, wish: Wish
) -> list[tuple[str, bool]]:
    """Greedy answers and whether they were cut, through a journal."""
    name = asked.task.name
    sampling = Sampling(_room(asked, prompts, examinee, wish), 0.0, batch_size=wish.batch_size)
    done = answer_all(
        folder / f"{name}.jsonl",
        digest(examinee.identity, prompts, asdict(sampling)),
        prompts,
        lambda: examinee.engine,
        sampling,
        0,
        f"answers, {name}",
    )
    decode = examinee.tokenizer.decode
    texts = (decode(a["tokens"], skip_special_tokens=True) for a in done)
    return [(text, not a["finished"]) for text, a in zip(texts, done, strict=True)]


def _programs(
    asked: Asked, prompts: list[tuple[int, ...]], examinee: Examinee, folder: Path, wish: Wish
) -> list[list[tuple[str, bool]]]:
    """To each item as many texts as are wished for, and whether each was cut.

    Each has a seed and a journal of its own: who asks for more goes on from those that there are.
    Nucleus and temperature are those of Chen et al. (2021) for many samples.
    """
    name, greedy = asked.task.name, wish.samples == 1 and not wish.temperature
    sampling = Sampling(
        _room(asked, prompts, examinee, wish),
        temperature=0.0 if greedy else wish.temperature or 0.8,
        top_p=1.0 if greedy else 0.95,
        batch_size=wish.batch_size,
    )
    drawn = [
        answer_all(
            folder / (f"{name}.jsonl" if greedy else f"{name}.{number}.jsonl"),
            digest(examinee.identity, prompts, asdict(sampling), number),
            prompts,
            lambda: examinee.engine,
            sampling,
            number,
            f"programs, {name}" + (f", {number} of {wish.samples}" if wish.samples > 1 else ""),
        )
        for number in range(1, wish.samples + 1)
    ]
    tokenizer = examinee.tokenizer
    return [
        [
            (_continuation(tokenizer, prompt, answer["tokens"]), not answer["finished"])
            for answer in answers
        ]
        for prompt, answers in zip(prompts, zip(*drawn, strict=True), strict=True)
    ]


def _continuation(tokenizer: Any, prompt: Sequence[int], tokens: Sequence[int]) -> str:
    """A completion's text to the letter: some tokenizers drop the space that a text begins with.

    A program that lost the first space of its indentation is none.
    """
    before, whole = (
        tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        for ids in (list(prompt), [*prompt, *tokens])
    )
    if not whole.startswith(before):
        return str(tokenizer.decode(tokens, skip_special_tokens=True))
    return str(whole[len(before) :])


def _room(asked: Asked, prompts: list[tuple[int, ...]], examinee: Examinee, wish: Wish) -> int:
    """Longest answer in tokens."""
    longest, context = wish.max_new_tokens or asked.task.max_new_tokens, examinee.context
    return longest if context is None else min(longest, context - max(map(len, prompts)))


def _choices(
    asked: Asked, prompts: list[tuple[int, ...]], examinee: Examinee, folder: Path, wish: Wish
) -> list[list[list[float]]]:
    """Log-probabilities of the tokens of each choice.

    A choice's tokens are those that the prompt with the choice has beyond the prompt's own.
    """
    del prompts
    tokenizer, engine = examinee.tokenizer, examinee.engine
    path = folder / f"{asked.task.name}.choices.json"
    key = digest(examinee.identity, [item.pairs for item in asked.items])
    if path.exists():
        known = json.loads(path.read_text(encoding="utf-8"))
        if known["key"] == key:
            return list(known["log_probs"])
    found: list[list[list[float]]] = []
    with progress(f"choices, {asked.task.name}", len(asked.items), "items") as advance:
        for start in range(0, len(asked.items), wish.batch_size):
            batch = asked.items[start : start + wish.batch_size]
            pairs = [
                (before := _ids(item, asked, tokenizer, text), whole[len(before) :])
                for item in batch
                for text, choice in item.pairs
                for whole in [_ids(item, asked, tokenizer, text + choice)]
            ]
            scores = iter(engine.score(pairs))
            found += [[list(next(scores)) for _ in item.pairs] for item in batch]
            advance(len(batch))
    write_json(path, {"key": key, "log_probs": found})
    return found


_SAY: dict[str, Callable[..., list[Any]]] = {"choices": _choices, "code": _programs}
