"""Rounds in which a teacher answers its student's errors: how they went, what was rewritten."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from . import words
from .facts import Results
from .sections import Column, Table

RIGHT = "right"  # the tag of an attempt without an error


def played(results: Results, arm: str = "student") -> list[Mapping[str, Any]]:
    """The rounds after which an arm was scored on the selection set; most methods have none."""
    rounds: Sequence[Mapping[str, Any]] = _training(results, arm).get("rounds") or ()
    numbered = ({"round": i, **r} for i, r in enumerate(rounds))
    return [r for r in numbered if words.known((r.get("selection") or {}).get("value"))]


def kept(results: Results) -> int | None:
    """The number of the round whose student was kept."""
    return _training(results, "student").get("kept_round")


def table(results: Results) -> Table | None:
    """One row a round: the student's score, where its rationales came from, what they cost."""
    rounds = played(results)
    if not rounds:
        return None
    chosen = kept(results)
    columns = [Column("Round", "Round 0 trains on one-shot rationales.", text=True)]
    cells = [[f"{r['round']}, kept" if r["round"] == chosen else f"{r['round']}" for r in rounds]]
    for column, read in _COLUMNS:
        texts = [read(r) for r in rounds]
        if any(text != words.DASH for text in texts):
            columns.append(column)
            cells.append(texts)
    return Table(
        "Rounds", _caption(results, rounds), tuple(columns), tuple(zip(*cells, strict=True))
    )


def examples(results: Results) -> list[dict[str, Any]]:
    """Rewritten rationales by round; those of the kept round, or else of the last, lie open.

    Every field of an example is text or None, whatever the results lack.
    """
    rounds = [r for r in played(results) if r.get("examples")]
    chosen = kept(results)
    numbers = [r["round"] for r in rounds]
    shown = chosen if chosen in numbers else max(numbers, default=None)
    return [
        {
            "round": r["round"],
            "kept": r["round"] == chosen,
            "open": r["round"] == shown,
            "examples": [_example(example) for example in r["examples"]],
        }
        for r in rounds
    ]


def tag_name(tag: str) -> str:
    """A tag as it is read: ``missing_step`` is ``missing step``."""
    return tag.replace("_", " ")


def _training(results: Results, arm: str) -> Mapping[str, Any]:
    return (results.get("training") or {}).get(arm) or {}


def _example(example: Mapping[str, Any]) -> dict[str, str | None]:
    fields = ("question", "answer", "attempt", "tag", "old", "new")
    texts = {key: None if example.get(key) is None else str(example[key]) for key in fields}
    return texts | {"tag_name": texts["tag"] and tag_name(texts["tag"])}


def _caption(results: Results, rounds: list[Mapping[str, Any]]) -> str:
    """What a round is, why the last was the last, what the teacher was asked for in all."""
    chosen, stopped = kept(results), _training(results, "student").get("stopped")
    sentences = [
        "After each round the student is examined twice: attempts at the diagnosis set show what "
        "it gets wrong, accuracy on the selection set which round is best."
    ]
    if chosen is not None:
        sentences.append(
            f"Round {chosen} was kept; its accuracy here is a little too good, because it was "
            "chosen by it, and the outcome above is of other items."
        )
    if stopped:
        sentences.append(f"It stopped after round {rounds[-1]['round']}: {stopped}.")
    asked = {
        key: sum(n for r in rounds if (n := _asked(r, key)) is not None and words.known(n))
        for key in ("answers", "tokens_in", "tokens_out", "money")
    }
    if asked["answers"]:
        cost = (
            f"; by the recipe's prices they cost {_money(asked['money'])}" if asked["money"] else ""
        )
        sentences.append(
            f"The teacher gave {words.count(asked['answers'])} answers in all, for "
            f"{words.count(asked['tokens_in'])} tokens of prompts and "
            f"{words.count(asked['tokens_out'])} of its own{cost}."
        )
    return " ".join(sentences)


def _asked(this: Mapping[str, Any], key: str) -> words.Number:
    return (this.get("asked") or {}).get(key)


def _tokens(this: Mapping[str, Any]) -> words.Number:
    """Tokens of prompts and answers together, where both are known."""
    read, written = _asked(this, "tokens_in"), _asked(this, "tokens_out")
    return None if read is None or written is None else read + written


def _money(amount: words.Number) -> str:
    return words.decimal(amount, 4)


def _rationales(key: str) -> Callable[[Mapping[str, Any]], str]:
    return lambda this: words.count((this.get("rationales") or {}).get(key))


def _interval(this: Mapping[str, Any]) -> str:
    return words.span(this["selection"].get("low"), this["selection"].get("high"), words.percent)


# A column that no round fills is left out: without prices there is no money.
_COLUMNS: tuple[tuple[Column, Callable[[Mapping[str, Any]], str]], ...] = (
    (
        Column(
            "Accuracy", "Share of the selection set that the student has right after the round."
        ),
        lambda this: words.percent(this["selection"]["value"]),
    ),
    (Column("95% interval", "Where the true accuracy plausibly lies."), _interval),
    (
        Column("First try", "Rationales of the teacher whose answer was right at the first try."),
        _rationales("first"),
    ),
    (
        Column("Retried", "Rationales that were right at a retry.", detail=True),
        _rationales("retried"),
    ),
    (
        Column("Earlier", "Rows that kept the rationale of an earlier round."),
        _rationales("earlier"),
    ),
    (
        Column("Own", "Rows trained on the student's own right text.", detail=True),
        _rationales("own"),
    ),
    (
        Column("Dropped", "Rows without any rationale that is right.", detail=True),
        _rationales("dropped"),
    ),
    (
        Column("Length", "Mean tokens of the rationales that were trained on.", detail=True),
        lambda this: words.decimal((this.get("rationale_tokens") or {}).get("mean"), 1),
    ),
    (
        Column("Answers", "Answers of the teacher in this round, retries included.", detail=True),
        lambda this: words.count(_asked(this, "answers")),
    ),
    (
        Column("Tokens", "Tokens the teacher was asked with and answered, together."),
        lambda this: words.count(_tokens(this)),
    ),
    (
        Column("Written", "Those of them that the teacher wrote.", detail=True),
        lambda this: words.count(_asked(this, "tokens_out")),
    ),
    (
        Column("Money", "What the teacher's answers cost, by the recipe's prices."),
        lambda this: _money(_asked(this, "money")),
    ),
)
