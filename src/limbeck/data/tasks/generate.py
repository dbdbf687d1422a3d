"""Rows of a built-in task, drawn from a seed and split by the hash of their prompts."""

import random
from typing import TYPE_CHECKING

from limbeck.data.examples import Example, Examples
from limbeck.data.splits import Split, hide, split_of
from limbeck.data.tasks.base import Task
from limbeck.errors import RequestError

if TYPE_CHECKING:
    from limbeck.data.spec import DataSpec

TASK_ROWS = 2000


def generate(task: Task, spec: "DataSpec") -> Examples:
    """Generate the rows that `spec` asks for, every prompt once.

    Problems are drawn one after another from the seed and each goes where `split_of` puts it, so
    asking for more rows adds rows and moves none.

    Raises:
        RequestError: The task does not have that many distinct prompts.
    """
    fractions = (float(spec.validation), float(spec.test))
    wanted: dict[Split, int] = {
        "train": spec.rows or TASK_ROWS,
        "validation": spec.validation_rows if fractions[0] else 0,
        "test": spec.test_rows if fractions[1] else 0,
    }
    drawn = _draw(task, spec.source, wanted, fractions, random.Random(spec.seed))
    train = hide(drawn["train"], spec.labelled)
    return Examples(
        train,
        drawn["validation"],
        drawn["test"],
        kind="pairs",
        verify=task.verify,
        extract=task.extract,
        notes={"hidden_completions": sum(e.hidden is not None for e in train)},
    )


def _draw(
    task: Task,
    name: str,
    wanted: dict[Split, int],
    fractions: tuple[float, float],
    rng: random.Random,
) -> dict[Split, list[Example]]:
    """Draw until every split is full, or until nothing new has come for far too long."""
    drawn: dict[Split, list[Example]] = {split: [] for split in wanted}
    seen: set[str] = set()
    # The rarest split gets one prompt in 1 / share; two hundred times that in vain is no accident.
    rarest = min(1 - sum(fractions), *(f or 1.0 for f in fractions))
    patience, in_vain = 1000 + int(200 / rarest), 0
    while any(len(drawn[split]) < count for split, count in wanted.items()):
        example = task.problem(rng)
        split = split_of(example.key, *fractions)
        if example.key not in seen and len(drawn[split]) < wanted[split]:
            seen.add(example.key)
            drawn[split].append(example)
            in_vain = 0
            continue
        in_vain += 1
        if in_vain > patience:
            found = ", ".join(f"{len(drawn[s])} of {n} {s}" for s, n in wanted.items())
            raise RequestError(
                f"{name} does not have enough distinct prompts: found {found} rows",
                where="data.rows, data.validation_rows, data.test_rows",
                mend=f"ask for fewer rows, or make the problems larger (options: {task})",
            )
    return drawn
