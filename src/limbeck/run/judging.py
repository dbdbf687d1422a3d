"""Two models' outputs before one judge or several: figures, and a row for each item."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from limbeck.analysis import Judged, aligned, judge_agreement, judged, preferences, proportion
from limbeck.errors import RequestError
from limbeck.evaluation.judge import Compared, Judge, Pair, Settings, broken, prompt_hash
from limbeck.files import digest, new_file, write_json
from limbeck.models import fingerprint
from limbeck.recipe import ModelSpec
from limbeck.run.judges import open_judge
from limbeck.sources import Budget

SCHEMA = "limbeck.judged/1"
FILE, TABLE = "judged.json", "judged.parquet"


@dataclass(frozen=True)
class _Seen:
    """What one judge said.

    Attributes:
        about: Who it is, how well it answered and what that cost, as ``judged.json`` says.
        compared: The pairs that it was given.
    """

    about: dict[str, Any]
    compared: list[Compared]

    @property
    def preferences(self) -> dict[str, float]:
        """Preference for a, 0 to 1, of the items that have a verdict in both orders."""
        scores = {c.pair.id: c.scores for c in self.compared}
        known = {name: pair for name, pair in scores.items() if pair is not None}
        if not known:
            return {}
        found = preferences(*zip(*known.values(), strict=True))
        return dict(zip(known, found.tolist(), strict=True))


def judge_outputs(
    prompts: Mapping[str, str],
    a: Mapping[str, str],
    b: Mapping[str, str],
    judges: Sequence[ModelSpec],
    folder: Path,
    *,
    sample_for_second: int = 50,
    names: tuple[str, str] = ("a", "b"),
    tokens: tuple[Mapping[str, int], Mapping[str, int]] | None = None,
    settings: Settings | None = None,
    batch_size: int = 8,
    seed: int = 0,
) -> dict[str, Any]:
    """Ask judges which of two outputs is better, of each item in both orders.

    The first judge sees every item, and gives the win rate. The others see a sample, which tells
    how far the result is that of the judge. Interrupted, the same call goes on where it was, and
    nothing is asked twice.

    Args:
        prompts: What both models answered, by item.
        a: One model's outputs.
        b: The other's, on the same items.
        judges: Models behind a server, or loaded here; see `judge_spec`.
        folder: Of ``judged.json``, ``judged.parquet`` and the judges' answers.
        sample_for_second: Items that further judges see: those with the smallest hash of the id.
        names: What the two models are called.
        tokens: Tokens of a's and of b's outputs, where they are known.
        settings: How the judges are asked.
        batch_size: Requests at once to a judge that is loaded here.
        seed: Of the resampling.

    Returns:
        What ``judged.json`` holds: ``figures`` (see `limbeck.analysis.Judged`; None where no item
        has a verdict in both orders), ``dropped``, ``judges`` and ``agreement``.

    Raises:
        RequestError: Items are missing on one side, there is no judge or one comes twice, or one
            cannot be loaded; nothing has been asked.
        LimbeckError: A judge fails, or its budget is spent; what was answered is kept.
    """
    _check(prompts, {"a": a, "b": b}, judges, sample_for_second)
    if tokens is not None:
        _same_items(prompts, {"tokens of a": tokens[0], "tokens of b": tokens[1]})
    pairs = [Pair(name, *map(_clean, (prompts[name], a[name], b[name]))) for name in prompts]
    chosen = {p.id for p in sorted(pairs, key=lambda p: digest(p.id))[:sample_for_second]}
    sample = [p for p in pairs if p.id in chosen]
    settings = settings or Settings()
    shown = [sample if number else pairs for number in range(len(judges))]
    opened = [
        open_judge(spec, folder, its, settings, batch_size)
        for spec, its in zip(judges, shown, strict=True)
    ]
    seen: list[_Seen] = []
    for its in shown:
        judge, about = opened.pop(0)  # the weights of the one before are let go of
        compared = judge.compare(its)
        seen.append(_Seen({**about, **_conduct(judge, compared)}, compared))
    with new_file(folder / TABLE) as partial:
        pq.write_table(_table(seen), partial)
    results = {
        "schema": SCHEMA,
        "names": list(names),
        "prompt_hash": prompt_hash(),
        "items_hash": digest([(p.id, p.prompt, p.a, p.b) for p in pairs]),
        "settings": asdict(settings),
        "n": len(pairs),
        **_figures(seen[0], tokens, seed),
        "judges": [one.about for one in seen],
        "agreement": [_agreement(seen[0], other) for other in seen[1:]],
    }
    write_json(folder / FILE, results)
    return results


def _check(
    prompts: Mapping[str, str],
    sides: Mapping[str, Mapping[str, str]],
    judges: Sequence[ModelSpec],
    sample: int,
) -> None:
    if not prompts:
        raise RequestError("there is nothing to judge", where="prompts", mend="give some items")
    if not judges:
        raise RequestError("there is no judge", where="judges", mend="name at least one")
    if len(judges) > 1 and sample < 1:
        raise RequestError(
            "a second judge needs items to see",
            where="sample_for_second",
            mend="give it at least 1, or leave out the second judge",
        )
    known = [fingerprint(one) for one in judges]
    twice = [one.model for i, one in enumerate(judges) if known[i] in known[:i]]
    if twice:
        raise RequestError(
            f"the judge {twice[0]} comes twice, and would agree with itself",
            where="judges",
            mend="name each judge once",
        )
    _same_items(prompts, sides)


def _same_items(prompts: Mapping[str, Any], sides: Mapping[str, Mapping[str, Any]]) -> None:
    for name, side in sides.items():
        try:
            aligned(list(prompts), list(side))
        except ValueError as error:
            told = str(error).replace(" in a:", " in prompts:").replace(" in b:", f" in {name}:")
            raise RequestError(
                told, where=f"outputs of {name}", mend="evaluate both models on the same items"
            ) from None


def _clean(text: str) -> str:
    """Half a surrogate pair can neither be sent nor kept."""
    return text.encode("utf-8", "replace").decode()


def _figures(
    first: _Seen, tokens: tuple[Mapping[str, int], Mapping[str, int]] | None, seed: int
) -> dict[str, Any]:
    kept = [(c, c.scores) for c in first.compared if c.scores is not None]
    dropped = [c.pair.id for c in first.compared if c.scores is None]
    found: Judged | None = None
    if kept:
        ids = [c.pair.id for c, _ in kept]
        counts = tokens or ({}, {})
        found = judged(
            [scores[0] for _, scores in kept],
            [scores[1] for _, scores in kept],
            [len(c.pair.a) for c, _ in kept],
            [len(c.pair.b) for c, _ in kept],
            tokens_a=[counts[0][name] for name in ids] if tokens else None,
            tokens_b=[counts[1][name] for name in ids] if tokens else None,
            shown=[c.shown for c, _ in kept],
            seed=seed,
        )
    return {
        "figures": found.as_dict() if found else None,
        "dropped": dropped,
        "same_text": sum(not c.shown for c in first.compared),
    }


def _conduct(judge: Judge, compared: Sequence[Compared]) -> dict[str, Any]:
    """How well a judge answered, and what that cost."""
    orders = [o for c in compared for o in (c.a_first, c.b_first) if o is not None]
    outputs = [text for c in compared for text in (c.pair.a, c.pair.b)]
    invalid = [o.verdict is None for o in orders]
    return {
        "items": len(compared),
        "dropped": sum(c.scores is None for c in compared),
        "invalid_rate": proportion(invalid).as_dict() if invalid else None,
        "asked_again": sum(o.attempts > 1 for o in orders),
        "outputs_with_marks": sum(broken(text, judge.marks) != text for text in outputs),
        "costs": (judge.budget or Budget()).bill(judge.spent()),
    }


def _agreement(first: _Seen, other: _Seen) -> dict[str, Any]:
    """Further judges against the first, on what both have a verdict on."""
    one, two = first.preferences, other.preferences
    both = [name for name in two if name in one]
    found = judge_agreement([one[i] for i in both], [two[i] for i in both]) if both else None
    return {
        "judge": other.about["model"],
        "sample": len(other.compared),
        "figures": found.as_dict() if found else None,
    }


def _table(seen: Sequence[_Seen]) -> pa.Table:
    """A row for each item and judge."""
    rows = []
    for number, one in enumerate(seen):
        found = one.preferences
        for c in one.compared:
            row = {
                "judge": number,
                "id": c.pair.id,
                "prompt": c.pair.prompt,
                "output_a": c.pair.a,
                "output_b": c.pair.b,
                "preference": found.get(c.pair.id),
            }
            for order, asked in (("a_first", c.a_first), ("b_first", c.b_first)):
                row |= {
                    f"verdict_{order}": asked.verdict if asked else None,
                    f"answer_{order}": asked.answer if asked else None,
                    f"attempts_{order}": asked.attempts if asked else 0,
                }
            rows.append(row)
    return pa.Table.from_pylist(rows, _COLUMNS)


_COLUMNS = pa.schema(
    [
        ("judge", pa.int32()),
        ("id", pa.string()),
        ("prompt", pa.string()),
        ("output_a", pa.string()),
        ("output_b", pa.string()),
        ("preference", pa.float64()),
        *(
            (f"{what}_{order}", kind)
            for order in ("a_first", "b_first")
            for what, kind in (
                ("verdict", pa.string()),
                ("answer", pa.string()),
                ("attempts", pa.int32()),
            )
        ),
    ]
)
