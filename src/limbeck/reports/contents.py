"""What stands on the page, in which order: what was found, then how it came about."""

from collections.abc import Callable

from . import audit, curves, figures, round_figures, rounds, sections, tasks
from .comparisons import comparisons
from .facts import Results, primary
from .figures import Picture
from .section import Section
from .sections import Table


def findings(results: Results) -> list[Section]:
    """Outcome, comparisons, tasks, rounds and the audit."""
    found = (
        _section(
            sections.outcome(results),
            lambda: _scores(results),
        ),
        _section(comparisons(results)),
        tasks.section(results),
        _section(
            rounds.table(results),
            lambda: [round_figures.accuracy(results), round_figures.errors(results)],
        ),
        *audit.sections(results),
    )
    return [section for section in found if section is not None]


def course(results: Results) -> list[Section]:
    """How each arm was trained."""
    trained = _section(
        sections.training(results), lambda: [*curves.training_curves(results)], small=True
    )
    return [trained] if trained else []


def _scores(results: Results) -> list[Picture | None]:
    metric = primary(results)
    if metric is None:
        return []
    return [figures.scores(results, metric), figures.paired_outcomes(results, metric)]


def _section(
    table: Table | None, draw: Callable[[], list[Picture | None]] = list, small: bool = False
) -> Section | None:
    """A section of one table."""
    if table is None:
        return None
    return Section(table.title, table.caption, (table,), draw, small)
