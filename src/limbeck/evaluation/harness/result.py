"""What the adapter hands back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from limbeck.analysis import Estimate

PREFIX = "harness:"
"""Before a name, it says that lm-evaluation-harness has the task."""

COLUMNS = (
    "id",
    "document",
    "prompt",
    "output",
    "gold",
    "extracted",
    "correct",
    "invalid",
    "truncated",
)


@dataclass(frozen=True)
class HarnessResult:
    """One task of the harness, or a group of tasks.

    Attributes:
        name: The harness's name of it.
        version: Of its definition, as the harness gives it; empty where it gives none.
        main: The metric that says what is correct: ``acc_norm``, else ``acc``, else
            ``exact_match``, else the first that is 0 or 1 for each item; behind a comma the filter,
            ``flexible-extract`` where there are several and that is one of them, else the first.
        rows: A column of each of `COLUMNS`, a value for each item; empty for a group. ``gold`` and
            ``extracted`` are JSON; ``correct`` is None where no metric is 0 or 1.
        metrics: ``accuracy`` (share of correct items), ``invalid_rate``, ``truncation_rate`` and
            ``context_cut_rate`` as our tasks have them, and each metric of the harness under the
            harness's name; None where a figure is not defined.
        n: Items.
        shots: Worked examples before each question; None for a group whose tasks differ.
        source: Where the rows come from, as the harness names it.
        tasks: Of a group, the tasks in it.
    """

    name: str
    version: str
    main: str
    rows: Mapping[str, list[Any]]
    metrics: Mapping[str, Estimate | None]
    n: int
    shots: int | None
    source: str = ""
    tasks: tuple[str, ...] = field(default=())
