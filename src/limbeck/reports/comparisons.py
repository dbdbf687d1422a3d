"""Paired tests of two models as a table: effect, interval, p, corrected p, n."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from . import words
from .facts import METRICS, Results, label
from .sections import Column, Table

CAPTION = (
    "Paired tests on the same items. p of 0.05 or more is within noise; where several tests were "
    "made together, the corrected p decides."
)


def comparisons(results: Results) -> Table | None:
    """Paired tests of two arms on the test items, in the order of the file."""
    return compared(results, "Comparisons", (("", r) for r in results.get("comparisons") or ()))


def compared(
    results: Results, title: str, tests: Iterable[tuple[str, Mapping[str, Any]]]
) -> Table | None:
    """A row for each test.

    Args:
        results: The contents of ``results.json``.
        title: Of the table.
        tests: What stands before the names of the pair, and the test as the results hold it.
    """
    tests = list(tests)
    if not tests:
        return None
    corrected = any(words.known(row.get("p_corrected")) for _, row in tests)
    columns: tuple[Column, ...] = (
        Column("Pair", "First model minus second model.", text=True),
        Column("Difference", "Shares in percentage points, or bits per byte (lower is better)."),
        Column("95% interval", "Where the true difference plausibly lies, by paired bootstrap."),
        Column(
            "p",
            "How often a difference this large would appear if there were none.",
            detail=corrected,
        ),
        Column("Corrected p", "The same, corrected for the tests that were made together."),
        Column("Items", "Items that both models answered.", detail=True),
        Column("Only first / second", "Items that only one of the two has right.", detail=True),
        Column("Test", "The paired test that gave p.", text=True, detail=True),
    )
    rows = [_row(results, prefix, row) for prefix, row in tests]
    if not corrected:
        kept = [i for i, column in enumerate(columns) if "orrect" not in column.name]
        columns = tuple(columns[i] for i in kept)
        rows = [tuple(row[i] for i in kept) for row in rows]
    names = dict.fromkeys(row["correction"] for _, row in tests if row.get("correction"))
    how = f" Corrected after {words.listed([_correction(n) for n in names])}." if names else ""
    return Table(title, CAPTION + how, columns, tuple(rows))


def _row(results: Results, prefix: str, row: Mapping[str, Any]) -> tuple[str, ...]:
    write, unit = _written(str(row["metric"]))
    outcomes = row.get("n10") is not None and row.get("n01") is not None
    p = row.get("p_corrected")
    return (
        f"{prefix}{label(results, row['a'])} vs {label(results, row['b'])}",
        f"{write(row['difference'])} {unit}".strip(),
        words.span(row.get("low"), row.get("high"), write),
        words.p_value(row.get("p")),
        words.p_value(p) if words.known(p) else words.DASH,
        words.count(row.get("n")),
        f"{row['n10']} / {row['n01']}" if outcomes else words.DASH,
        str(row.get("test", words.DASH)),
    )


def _written(metric: str) -> tuple[Callable[[words.Number], str], str]:
    """How a difference of that metric is written, and its unit."""
    for known in METRICS:
        if known.key == metric:
            return known.write_difference, known.unit
    if words.is_share(metric):
        return METRICS[0].write_difference, METRICS[0].unit
    return METRICS[1].write_difference, ""


def _correction(name: str) -> str:
    return {"holm": "Holm", "bh": "Benjamini-Hochberg"}.get(name, name)
