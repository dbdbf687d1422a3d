"""What was published about the released tables, and what is left with a temperature fixed in advance.

The paper takes each cell's best temperature *on the test rows*, counts cells as independent and
corrects nothing. `published` does the same through our hypotheses and so finds its t, F and rho;
`fixed_in_advance` asks the same of one temperature for all cells, of cells or of students.
"""

from pathlib import Path
from typing import Any, Literal

from limbeck.errors import RequestError
from limbeck.studies.hypotheses import (
    Correlation,
    Hypothesis,
    Improvement,
    MethodsDiffer,
    Result,
    test,
)
from limbeck.studies.hypotheses.checking import matches
from limbeck.studies.released import (
    AVERAGE,
    AXES,
    DOMAINS,
    Released,
    Table,
    read_released,
    released_axes,
)
from limbeck.studies.selection import reduced

_FIXED = tuple(axis for axis in AXES if axis != "method.temperature")


def best_on_test(table: Table) -> Table:
    """Each cell's best temperature on the test rows, as the paper took it, on these tasks' mean.

    A study of ours refuses this choice: the rows choose what they then judge, and cells with three
    temperatures to choose from gain more by it than cells with one.
    """
    return reduced(table, ("method.temperature",), "score", AXES)[0]


def published(tables: Released, domain: str, task: str = AVERAGE) -> list[Result]:
    """The paper's statistics of one task, or of a domain's average.

    Args:
        tables: Of `limbeck.studies.released.read_released`.
        domain: ``maths`` or ``commonsense``.
        task: One of its tasks.

    Returns:
        Improvement, methods, student size, teacher score; for a task also agreement and, in maths,
        the similarity of the explanations.
    """
    some = _rows(tables.averages if task == AVERAGE else tables.table, domain, {"task": task})
    return test(_claims(domain, task, "cells"), best_on_test(some), axes=_FIXED)


def fixed_in_advance(
    tables: Released,
    domain: str,
    temperature: float = 1.0,
    units: Literal["cells", "clusters"] = "cells",
) -> list[Result]:
    """The claims about a domain's average, with one temperature for all cells.

    Args:
        tables: Of `limbeck.studies.released.read_released`.
        domain: ``maths`` or ``commonsense``.
        temperature: It.
        units: ``clusters`` counts students, which share baselines, and not cells.
    """
    some = _rows(tables.averages, domain, {"method.temperature": temperature})
    return test(_claims(domain, AVERAGE, units), some, axes=_FIXED)


def released_study(folder: str | Path) -> tuple[dict[str, Any], Table]:
    """The released tables as a finished study: its description and its table.

    Each claim about a domain's average stands three times: as published; at temperature 1, fixed in
    advance; and so again, with students counted instead of cells. Each of these is a family of its
    own for the correction.

    Args:
        folder: See `limbeck.studies.released.read_released`.

    Raises:
        RequestError: See there.
    """
    tables = read_released(folder)
    results = []
    for domain in DOMAINS:
        for how, found in (
            ("best temperature on the test rows, as published", published(tables, domain)),
            ("temperature 1, fixed in advance", fixed_in_advance(tables, domain)),
            (
                "temperature 1, students counted",
                fixed_in_advance(tables, domain, units="clusters"),
            ),
        ):
            results += [{**one.as_dict(), "claim": f"{one.claim} ({how})"} for one in found]
    study = {
        "schema": "limbeck.study/1",
        "name": "generalization vs fidelity: released tables",
        "axes": {
            name: list(map(str, labels)) for name, labels in released_axes(tables.table).items()
        },
        "hypotheses": results,
        "by_task": by_task(tables),
        "selected": None,
        "failed": [],
    }
    return study, _as_measured(tables.table)


def by_task(tables: Released) -> list[dict[str, Any]]:
    """The paper's statistics of every task: of each test its number and p.

    p of the gain and of the size is one-sided, as claimed; the others' is two-sided.
    """
    found = []
    for domain in DOMAINS:
        known = _rows(tables.table, domain, {})["task"]
        for task in dict.fromkeys(known):
            results = published(tables, domain, task)
            own = best_on_test(_rows(tables.table, domain, {"task": task}))
            headroom = Correlation(claim="-", with_="sft_score", units="cells")
            names = ("gain", "methods", "size", "teacher", "agreement", "similarity")
            of = dict(zip(names, results, strict=False))
            of["baseline"] = test([headroom], own, axes=_FIXED)[0]
            row: dict[str, Any] = {"domain": domain, "task": task, "cells": results[0].n}
            for name, one in of.items():
                row |= {name: one.statistic, f"{name}_p": one.p}
            found.append(row)
    return found


def _as_measured(table: Table) -> Table:
    """Agreement and similarity where they were measured.

    The released files have one value for a pair of models. It is that of the reverse KL at
    temperature 1; the paper's tests use it for all methods, and so does `published`.
    """
    its = [
        method == "revkd" and temperature == 1
        for method, temperature in zip(table["method"], table["method.temperature"], strict=True)
    ]
    found = dict(table)
    for column in ("agreement", "similarity"):
        pairs = zip(found[column], its, strict=True)
        found[column] = [value if there else None for value, there in pairs]
    return found


def _claims(domain: str, task: str, units: Literal["cells", "clusters"]) -> list[Hypothesis]:
    common: dict[str, Any] = {"units": units}
    about = f"{domain}, {task}:"
    claims: list[Hypothesis] = [
        Improvement(claim=f"{about} distillation improves on fine-tuning", **common),
        MethodsDiffer(claim=f"{about} methods differ", **common),
        Correlation(
            claim=f"{about} small students gain more",
            with_="student_parameters",
            direction="negative",
            **common,
        ),
        Correlation(
            claim=f"{about} gain goes with the teacher's score", with_="teacher_score", **common
        ),
    ]
    beside = {"agreement": "agreement", "similarity": "similar explanations"}
    if task == AVERAGE:
        beside = {}
    elif domain != "maths":
        del beside["similarity"]
    return claims + [
        Correlation(claim=f"{about} gain goes with {words}", with_=column, **common)
        for column, words in beside.items()
    ]


def _rows(table: Table, domain: str, where: dict[str, Any]) -> Table:
    """Rows of students of fine-tuned teachers in a domain."""
    if domain not in DOMAINS:
        raise RequestError(
            f"the released tables have no {domain!r}",
            where="domain",
            mend=f"known: {', '.join(DOMAINS)}",
        )
    wanted = {"data": domain, "teacher.sft": "task", **where}
    rows = [dict(zip(table, values, strict=True)) for values in zip(*table.values(), strict=True)]
    kept = [row for row in rows if matches(row, wanted)]
    if not kept:
        raise RequestError(
            f"the released tables have no {where}", where=domain, mend="name one of its tasks"
        )
    return {column: [row[column] for row in kept] for column in table}
