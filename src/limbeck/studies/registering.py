"""What a study said before its first run was finished: kept once, and held against what it says now."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from limbeck.files import write_json
from limbeck.studies.hypotheses import Hypothesis
from limbeck.studies.selection import Selection
from limbeck.studies.spec import Axis, Study

_LATE = "written down after runs had finished: it explores, and confirms nothing"
_GONE = "taken out of the study file after runs had finished; it is tested all the same"


class Registered(BaseModel):
    """What is claimed, and what decides how sure it can be.

    Attributes:
        when: It was kept.
        hypotheses: What is claimed.
        base: What every run begins with.
        axes: What is varied.
        seeds: Of the runs.
        correction: Of p.
        select: The settings that are chosen.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    when: str
    hypotheses: list[Hypothesis]
    base: dict[str, Any]
    axes: dict[str, Axis]
    seeds: list[int]
    correction: str
    select: Selection | None = None


@dataclass(frozen=True)
class Family:
    """The hypotheses that are tested together.

    Attributes:
        hypotheses: Those of the study file, then those that were taken out of it.
        notes: Of each, what a reader has to know of when it was written; or nothing.
        changes: What else is not as it was before runs had finished, in sentences.
    """

    hypotheses: list[Hypothesis]
    notes: list[str | None]
    changes: list[str]


def register(folder: Path, study: Study) -> Registered:
    """What the study said before its first run was finished: this, where none is.

    Args:
        folder: The study's.
        study: As its file says now.
    """
    path = folder / "registered.json"
    if not path.exists() or not any((folder / "runs").glob("*/results.json")):
        said = study.model_dump(mode="json", exclude={"executor", "output"})
        write_json(path, {"when": time.strftime("%Y-%m-%dT%H:%M:%S%z"), **said})
    return Registered.model_validate_json(path.read_text(encoding="utf-8"))


def family(registered: Registered, study: Study) -> Family:
    """Nothing that was registered can leave the family, and what comes later is marked."""
    before, now = registered.hypotheses, study.hypotheses
    # The same claim in other words is the same claim.
    told, tells = ([_test_of(one) for one in some] for some in (before, now))
    gone = [one for one, its in zip(before, told, strict=True) if its not in tells]
    late = [None if its in told else _LATE for its in tells]
    return Family([*now, *gone], [*late, *(_GONE for _ in gone)], _changes(registered, study))


def _test_of(hypothesis: Hypothesis) -> dict[str, Any]:
    return hypothesis.model_dump(exclude={"claim"})


def _changes(registered: Registered, study: Study) -> list[str]:
    found = []
    if changed := sorted(_differing(registered.base, study.base)):
        found.append(f"The base recipe was changed after runs had finished: {', '.join(changed)}.")
    for axis in dict.fromkeys([*registered.axes, *study.axes]):
        found += _of_axis(axis, registered.axes.get(axis, {}), study.axes.get(axis, {}))
    if added := [seed for seed in study.seeds if seed not in registered.seeds]:
        found.append(
            f"Seeds {_listed(added)} came after runs had finished. Who adds seeds until something is "
            "found finds something: these p values are too small."
        )
    if gone := [seed for seed in registered.seeds if seed not in study.seeds]:
        found.append(f"Seeds {_listed(gone)} were taken out after runs had finished.")
    if registered.correction != study.correction:
        found.append(
            f"The correction was {registered.correction} before runs had finished; it is "
            f"{study.correction} now."
        )
    if registered.select != study.select:
        found.append("What is chosen on validation rows was changed after runs had finished.")
    return found


def _of_axis(axis: str, before: Axis, now: Axis) -> list[str]:
    words = {
        "came after runs had finished": [label for label in now if label not in before],
        "was taken out after runs had finished": [label for label in before if label not in now],
        "means something else than before runs had finished": [
            label for label in now if label in before and now[label] != before[label]
        ],
    }
    return [f"{axis} {_listed(labels)} {what}." for what, labels in words.items() if labels]


def _differing(before: Any, now: Any, key: str = "") -> list[str]:
    """Keys, with dots, whose values are not the same."""
    if not isinstance(before, dict) or not isinstance(now, dict):
        return [] if before == now else [key]
    return [
        found
        for name in dict.fromkeys([*before, *now])
        for found in _differing(before.get(name), now.get(name), f"{key}.{name}".strip("."))
    ]


def _listed(seeds: Sequence[Any]) -> str:
    return ", ".join(map(str, seeds))
