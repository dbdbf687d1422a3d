"""The tasks of a recipe (``evaluate.tasks``): every model of a run on the same benchmarks."""

import gc
from dataclasses import dataclass
from typing import Any

from limbeck.bench import Bench, Side
from limbeck.errors import RequestError
from limbeck.models import device
from limbeck.run import common
from limbeck.run.arms import Arm
from limbeck.run.comparing import Comparing, in_order
from limbeck.run.evaluating import judged
from limbeck.run.judges import judge_spec
from limbeck.run.paired import of_tasks
from limbeck.run.results import PAIRS
from limbeck.run.tasks import (
    Asked,
    Examinee,
    Outcome,
    Wish,
    asked_of,
    harness_of,
    put_harness_to,
    put_to,
)

_JUDGED = (("student", "sft"), ("student", "teacher"), ("student", "before"))
"""Pairs that a judge is shown, the first that there is."""


def check_tasks(bench: Bench) -> None:
    """Read the recipe's tasks and their rows, long before anything is asked.

    Raises:
        RequestError: There is no such task, or its rows are not there.
    """
    recipe = bench.recipe
    tasks, judges = recipe.evaluate.tasks, recipe.evaluate.judges
    asked = asked_of(tasks, _chat(bench.student), _wish(bench))
    if harness_of(tasks):
        from limbeck.evaluation.harness.finding import require

        require()
    has_open = any(a.task.kind == "open" for a in asked)
    if judges and not has_open:
        raise RequestError(
            "a judge is of use to open tasks only, and there is none",
            where="evaluate.judges",
            mend="leave it out, or add evaluate.tasks: [alpaca_eval]",
        )
    for words in judges:
        judge_spec(words)


@dataclass(frozen=True)
class Benchmarked:
    """Puts the recipe's tasks to the models of a run.

    Attributes:
        comparing: Knows the models.
    """

    comparing: Comparing

    def run(self, arms: list[Arm]) -> dict[str, Any]:
        """Figures of every task, as ``results.json`` holds them; empty without tasks."""
        bench = self._bench
        tasks = bench.recipe.evaluate.tasks
        if not tasks:
            return {}
        found: dict[str, dict[str, Outcome]] = {}
        if bench.teacher is not None:
            found["teacher"] = self._asked("teacher", bench.teacher)
        found["before"] = self._asked("before", bench.student)
        for arm in in_order(arms):
            found[arm.name] = self._asked(arm.name, bench.student, arm)
        results = of_tasks(found, PAIRS)
        for a in asked_of(tasks, _chat(bench.student), _wish(bench)):
            if a.task.kind == "open" and bench.recipe.evaluate.judges:
                results[a.task.name]["judged"] = self._judged(a, found)
        return results

    def _asked(self, name: str, side: Side, arm: Arm | None = None) -> dict[str, Outcome]:
        wish, tasks = _wish(self._bench), self._bench.recipe.evaluate.tasks
        model = self._load(name, arm)
        examinee = Examinee(model, side.tokenizer, f"{name} of this run", side.context)
        run = self.comparing.measuring.folder
        folder = run / "tasks" / name
        with run.lending(common.asked(run, self._bench, name), [folder]):
            found = put_to(examinee, asked_of(tasks, _chat(side), wish), folder, wish)
            found |= put_harness_to(examinee, harness_of(tasks), folder, wish)
        del model, examinee
        gc.collect()
        return found

    def _load(self, name: str, arm: Arm | None) -> Any:
        comparing = self.comparing
        if name == "teacher":
            return comparing.stage.model
        model = comparing.trainings.new_student() if arm is None else comparing.load(arm)
        return model.eval().to(device())

    def _judged(self, asked: Asked, found: dict[str, dict[str, Outcome]]) -> dict[str, Any]:
        a, b = next(pair for pair in _JUDGED if set(pair) <= set(found))
        both = {name: found[name][asked.task.name] for name in (a, b)}
        judges = [judge_spec(words) for words in self._bench.recipe.evaluate.judges]
        folder = self.comparing.measuring.folder / "tasks" / f"{asked.task.name}-judged"
        return judged(asked, both, judges, folder, _wish(self._bench))

    @property
    def _bench(self) -> Bench:
        return self.comparing.measuring.bench


def _wish(bench: Bench) -> Wish:
    said = bench.recipe.evaluate
    return Wish(
        limit=said.task_items,
        shots=said.shots,
        max_new_tokens=None,
        batch_size=said.batch_size,
        seed=bench.recipe.seed,
    )


def _chat(side: Side) -> bool:
    return bool(side.tokenizer.chat_template)
