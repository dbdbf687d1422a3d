"""The page of a study: claims first, then what the runs show, then how to do it again."""

from collections.abc import Mapping, Sequence
from typing import Any

from limbeck.reports import words
from limbeck.reports.hostile import cut, visible
from limbeck.reports.templates import environment

from . import ablations, by_task, costs, critical, fidelity, heat, hypotheses, sizes
from .leaderboard import Leaderboard
from .part import Part
from .scale import counted
from .tidy import Study, Tidy, chosen_axes, read

MOST_LOG = 2_000  # characters of a failed run's last words


def render_study(study: Study, table: Mapping[str, Sequence[Any]]) -> str:
    """Write the report of a study as one self-contained HTML page.

    The page holds no script and loads nothing; the files behind its figures are in the page.

    Args:
        study: Name, axes, tested hypotheses, failed runs, command and file of the study.
        table: Its tidy table, one row for each run, task and seed, as columns. A figure whose
            columns or axes are missing is left out.
    """
    templates = environment(html=True)
    template = templates.get_template("study/study.html.j2")
    return visible(template.render(_view(study, read(study, table))))


def _view(study: Study, tidy: Tidy) -> dict[str, Any]:
    board = Leaderboard(tidy)
    claim, rest = hypotheses.verdict(study)
    effects = hypotheses.figure(study, tidy.scale)
    parts = [part for part in _parts(study, tidy, board) if part is not None]
    failed = [_failed(found) for found in study.get("failed") or ()]
    view: dict[str, Any] = {
        "name": study["name"],
        "created": str(study.get("created", "")).replace("T", " ")[:16],
        "limbeck": study.get("limbeck"),
        "claim": claim,
        "rest": rest,
        "tiles": _tiles(study, tidy, board),
        "cards": hypotheses.cards(study, tidy.scale),
        "effects": [effects] if effects else [],
        "parts": parts,
        "registered": str(study.get("registered") or "").replace("T", " ")[:16],
        "changes": list(study.get("changes") or ()),
        "failed": failed,
        "chosen": _chosen(study),
        "axes": _axes(study, tidy),
        "command": study.get("command"),
        "study_file": study.get("study_file"),
    }
    return view | {"contents": _contents(view)}


def _parts(study: Study, tidy: Tidy, board: Leaderboard) -> list[Part | None]:
    listing, ranks = board.listing(), critical.figure(tidy, board)
    leaderboard = Part(
        "Leaderboard",
        board.lead,
        (ranks,) if ranks else (),
        (listing,) if listing else (),
    )
    return [
        leaderboard if listing else None,
        sizes.section(tidy, board.cells),
        fidelity.section(tidy),
        heat.section(tidy, board.cells),
        ablations.section(tidy),
        costs.section(tidy),
        by_task.section(study),
    ]


def _tiles(study: Study, tidy: Tidy, board: Leaderboard) -> list[tuple[str, str, str]]:
    tasks = dict.fromkeys(row.get("task") for row in tidy.rows)
    seeds = {row.get("seed") for row in tidy.rows}
    runs = {row.get("run") for row in tidy.rows}
    failed = len(study.get("failed") or ())
    found = [
        (
            "Runs",
            words.count(len(runs)),
            f"{words.count(failed)} more failed" if failed else "all done",
        ),
        ("Cells", words.count(len(tidy.cells)), f"with {counted(len(seeds), 'seed')} each"),
        (
            "Tasks",
            words.count(len(tasks)),
            ", ".join(map(str, tasks)) if len(tasks) < 4 else "each run",
        ),
    ]
    ranked = [line for line in board.lines if line.rank is not None]
    if ranked:
        rank = words.decimal(ranked[0].rank, 2)
        found.append(("Best mean rank", ranked[0].name, f"{rank} of {len(ranked)} methods"))
    return found


def _failed(found: Mapping[str, Any]) -> dict[str, str]:
    error = str(found.get("error") or "")
    text, _ = cut(error[-MOST_LOG:], MOST_LOG)  # the last lines say what went wrong
    return {
        "run": str(found.get("run") or ""),
        "cell": str(found.get("cell") or ""),
        "seed": str(found.get("seed", "")),
        "line": text.strip().rpartition("\n")[2],
        "error": text,
    }


def _chosen(study: Study) -> list[tuple[str, str]]:
    """Each setting that was chosen, with how often each of its values was."""
    counts = (study.get("selected") or {}).get("counts") or {}
    found = []
    for axis in chosen_axes(study):
        often = (f"{label} ({counted(n, 'time')})" for label, n in (counts.get(axis) or {}).items())
        found.append((axis, ", ".join(often) or "for each cell and seed"))
    if lacking := (study.get("selected") or {}).get("lacking"):
        found.append(("with fewer to choose from, because runs failed", counted(lacking, "time")))
    return found


def _axes(study: Study, tidy: Tidy) -> list[tuple[str, str]]:
    declared = study.get("axes") or tidy.labels
    return [(str(axis), ", ".join(map(str, labels))) for axis, labels in declared.items()]


def _contents(view: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Id and title of each section that is there."""
    return [
        *([("hypotheses", "Hypotheses")] if view["cards"] else []),
        *((part.name, part.title) for part in view["parts"]),
        *([("failures", "Failures")] if view["failed"] else []),
        ("the-study", "The study"),
    ]
