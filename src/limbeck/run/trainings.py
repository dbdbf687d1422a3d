"""The trainings of a run: each arm once, round by round, from wherever it was interrupted."""

import contextlib
import functools
import shutil
from pathlib import Path
from typing import Any

from limbeck.bench import Bench
from limbeck.console import progress
from limbeck.errors import RequestError
from limbeck.models import add_lora, load_model
from limbeck.ranks import rank
from limbeck.run.arms import Arm, corpus_rows, validation_rows
from limbeck.run.cached import CachedLab
from limbeck.run.folder import RunFolder
from limbeck.run.probe import nats_of_each
from limbeck.run.profiling import profiled
from limbeck.run.saving import as_result, finite, plain, save
from limbeck.run.served import ServedLab
from limbeck.run.start import start_of
from limbeck.run.teacher import TeacherStage
from limbeck.run.text import RoundLab, keep_text
from limbeck.sources import seed_for
from limbeck.targets import check_head
from limbeck.training import Round, arguments, fit


class Trainings:
    """Trains arms, each once; a finished one is read back from the run's folder.

    Args:
        folder: The run's.
        bench: What is trained on.
        teacher: For methods that imitate.
        profile: Measure where the time and memory of each training go.
    """

    def __init__(
        self,
        folder: RunFolder,
        bench: Bench,
        teacher: TeacherStage,
        profile: bool = False,
    ):
        self.folder, self.bench, self.teacher, self.profile = folder, bench, teacher, profile

    def new_student(self) -> Any:
        """The student before its distillation, the same for every arm."""
        recipe = self.bench.recipe
        spec = start_of(self.folder, recipe.student)
        model = load_model(spec, "student", self.bench.student.tokenizer, recipe.seed, "float32")
        check_head(model, "student")
        return model

    def steps(self, rows: int) -> int:
        """Optimiser steps of every arm: what the recipe means for the distilled student's text."""
        recipe = self.bench.recipe
        return arguments(recipe.training, self.folder / "checkpoints", recipe.seed, rows).max_steps

    def lab(self, arm: Arm, index: int) -> RoundLab:
        """Text and measurements of a round of an arm."""
        folder = self.folder.path if arm.name == "student" else self.folder / "arms" / arm.name
        return self._kind_of_lab(
            self.bench,
            folder / "rounds" / f"{index:03}",
            self.teacher,
            lambda: self._student_before(arm, index),
            self._fine_tuned_student,
            index,
            arm.only_labelled,
        )

    @property
    def _kind_of_lab(self) -> type[RoundLab]:
        """By how the teacher can be asked."""
        spec = self.bench.recipe.teacher
        if spec is not None and spec.server is not None:
            return ServedLab
        return RoundLab if self.teacher.cache is None else CachedLab

    def rounds_of(self, arm: Arm) -> int:
        """How many trainings an arm is made of."""
        return arm.method.number_of_rounds(self.lab(arm, 0).checkpoints)

    def train(self, arm: Arm, steps: int) -> dict[str, Any]:
        """Train an arm, or read how its training went.

        Args:
            arm: Which.
            steps: Optimiser steps, shared among its rounds.

        Returns:
            What ``results.json`` says of it under ``training``.
        """
        result = self.folder.once(
            f"train {arm.name}", lambda: self._train(arm, steps), everywhere=True
        )
        if rank() == 0:
            shutil.rmtree(self.folder / "checkpoints" / arm.name, ignore_errors=True)
        return result

    def _train(self, arm: Arm, steps: int) -> dict[str, Any]:
        rounds = self.rounds_of(arm)
        if rounds == 1:
            return self._fit(arm, None, steps, Round())[0]
        if steps < rounds:
            raise RequestError(
                f"{steps} optimiser steps cannot be shared among {rounds} rounds",
                where="training",
                mend="train for more steps or epochs; they are those of all rounds together",
            )
        done: list[dict[str, Any]] = []
        for index in range(rounds):
            this = Round(index, rounds, done[-1]["memory"] if done else None)
            share = steps * (index + 1) // rounds - steps * index // rounds
            work = functools.partial(self._round, arm, share, this)
            stage = f"train {arm.name}, round {index + 1}"
            done.append(self.folder.once(stage, work, everywhere=True))
        kept = _best(done) if arm.method.keeps_best else rounds - 1
        model = plain(self._student_before(arm, kept + 1))
        save(model, self.bench.student.tokenizer, self.folder / arm.folder)
        return {**joined(done), "kept_round": kept}

    def _round(self, arm: Arm, steps: int, this: Round) -> dict[str, Any]:
        stage = f"text of {arm.name}, round {this.index + 1}"
        found = {"round": this.index, **self.folder.once(stage, lambda: self._text(arm, this))}
        checkpoint = found.get("checkpoint")
        result, memory, model = self._fit(arm, checkpoint, steps, this)
        rows = validation_rows(self.bench)
        nats = nats_of_each(self.bench, model, rows, "validation") if rows else []
        mean = sum(n * len(s.completion) for n, s in zip(nats, rows, strict=True))
        tokens = sum(len(s.completion) for s in rows)
        found["validation_nats_per_token"] = finite([mean / tokens])[0] if rows else None
        return {**result, **found, "memory": memory}

    def _text(self, arm: Arm, this: Round) -> dict[str, Any]:
        """Prepare a round: its text and, on a teacher's path, the checkpoint that it imitates."""
        lab = self.lab(arm, this.index)
        rows = arm.rows(lab)
        keep_text(rows, lab.folder / "text.parquet")
        checkpoint = arm.method.teacher_checkpoint(lab)
        generated = sum(len(s.rejected) for s in rows)
        if arm.method.teacher_writes and not arm.only_labelled:
            generated += sum(len(a["tokens"]) for a in lab.teacher_answers())
        found: dict[str, Any] = {"rows": len(rows), "tokens_generated": generated}
        if checkpoint is None:
            return found
        path = self.teacher.trajectory
        return found | {
            "checkpoint": checkpoint,
            "checkpoints": path.names,
            "best": path.best,
            "kl_from_best": finite(lab.kl_from_best()),
            "kl_from_student": finite(lab.kl_from_student()),
        }

    def _fit(
        self, arm: Arm, checkpoint: int | None, steps: int, this: Round
    ) -> tuple[dict[str, Any], dict[str, Any], Any]:
        """Train one round; how it went, what the method remembers, and the student."""
        recipe, bench = self.bench.recipe, self.bench
        rows = arm.rows(self.lab(arm, this.index))
        model = self._student_before(arm, this.index)
        if recipe.student.lora is not None and this.index == 0:
            model = add_lora(model, recipe.student.lora, recipe.seed)
        teacher: Any = None
        if checkpoint is not None:
            teacher = self.teacher.trajectory.teacher(checkpoint)
        elif arm.method.imitates or arm.method.writes_together:
            model, teacher = self.teacher.beside(model)
        seed = seed_for("round", recipe.seed, this.index) if this.index else recipe.seed
        name = arm.name if this.total == 1 else f"{arm.name} {this.index + 1} of {this.total}"
        args = arguments(recipe.training, self._work(arm, this), seed, len(rows), steps)
        measured = profiled(self.folder, name) if self.profile else contextlib.nullcontext()
        with measured, progress(f"training {name}", steps, "steps") as advance:
            done = fit(
                model,
                arm.method,
                args,
                rows,
                validation_rows(bench),
                bench.student.tokenizer,
                teacher,
                recipe.generation.sampling(),
                advance,
                corpus=corpus_rows(bench) if arm.method.needs_corpus else (),
                round_=this,
            )
        if this.total == 1:
            save(plain(model), bench.student.tokenizer, self.folder / arm.folder)
        else:
            save(model, bench.student.tokenizer, self._after(arm, this.index))
        return as_result(done), done.memory, model

    def _work(self, arm: Arm, this: Round) -> Path:
        """Where the Trainer keeps its checkpoints."""
        folder = self.folder / "checkpoints" / arm.name
        return folder if this.total == 1 else folder / f"{this.index:03}"

    def _after(self, arm: Arm, index: int) -> Path:
        """Where the student, or its adapter, is kept between rounds."""
        return self.folder / "checkpoints" / arm.name / f"after-{index:03}"

    def _student_before(self, arm: Arm, index: int) -> Any:
        """The student as a round finds it; from the disk, so that a resumed run finds the same."""
        recipe = self.bench.recipe
        if index == 0:
            return self.new_student()
        folder = self._after(arm, index - 1)
        if recipe.student.lora is not None:
            from peft import PeftModel

            return PeftModel.from_pretrained(self.new_student(), folder, is_trainable=True)
        tokenizer = self.bench.student.tokenizer
        return load_model(recipe.student.saved(folder), arm.name, tokenizer, 0, "float32")

    def _fine_tuned_student(self) -> Any:
        """The student that adaptive weights compare with: where it starts, or the SFT baseline."""
        if self.bench.recipe.student.sft is not None:
            return self.new_student()
        spec = self.bench.recipe.student.saved(self.folder / "arms" / "sft")
        return load_model(spec, "sft", self.bench.student.tokenizer, 0, "float32")


def joined(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    """How several rounds went as one training: counts added, curves one behind the other."""
    whole: dict[str, Any] = {"terms": rounds[-1]["terms"]}
    for name in ("steps", "supervised_tokens", "tokens_written", "sequences"):
        whole[name] = sum(r[name] for r in rounds)
    for name in ("curve", "eval_curve"):
        before = 0
        whole[name] = []
        for r in rounds:
            whole[name] += [{**point, "step": point["step"] + before} for point in r[name]]
            before += r["steps"]
    about = ("terms", "curve", "eval_curve", "memory")
    whole["rounds"] = [{k: v for k, v in r.items() if k not in about} for r in rounds]
    return whole


def _best(rounds: list[dict[str, Any]]) -> int:
    """The round after which the validation text was likeliest; the last where there is none."""
    nats = [r["validation_nats_per_token"] for r in rounds]
    if any(x is None for x in nats):
        return len(rounds) - 1
    return min(range(len(nats)), key=lambda i: nats[i])
