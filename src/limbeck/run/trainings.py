"""The trainings of a run: each arm once, round by round, from wherever it was interrupted."""

import contextlib
import functools
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from limbeck.analysis import proportion
from limbeck.bench import Bench
from limbeck.console import progress
from limbeck.errors import RequestError
from limbeck.models import add_lora, load_model
from limbeck.ranks import rank
from limbeck.run import common
from limbeck.run.arms import ONE_SHOT, Arm, corpus_rows, validation_rows
from limbeck.run.cached import CachedLab
from limbeck.run.folder import RunFolder
from limbeck.run.probe import nats_of_each
from limbeck.run.profiling import profiled
from limbeck.run.rounds import accuracies, best, joined
from limbeck.run.saving import as_result, finite, plain, save
from limbeck.run.served import ServedLab, ServedTeacher
from limbeck.run.start import start_of
from limbeck.run.teacher import TeacherStage
from limbeck.run.text import RoundLab, keep_text
from limbeck.run.tutored import TutoredLab
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
        known: dict[str, Any] = {
            "bench": self.bench,
            "folder": self._text_of(arm, index),
            "teacher": self.teacher,
            "student": lambda: self._student_after(arm, index - 1),
            "start": self._fine_tuned_student,
            "round": index,
            "only_labelled": arm.only_labelled,
        }
        if arm.method.tutors:
            return TutoredLab(**known, rounds_at=functools.partial(self._text_of, arm))
        return self._kind_of_lab(**known)

    def _text_of(self, arm: Arm, index: int) -> Path:
        """Where the text of a round is."""
        name = _owner(arm, index)
        folder = self.folder.path if name == "student" else self.folder / "arms" / name
        return folder / "rounds" / f"{index:03}"

    @property
    def _kind_of_lab(self) -> type[RoundLab]:
        """By how the teacher can be asked."""
        if self.teacher.cache is not None:
            return CachedLab
        served = ServedTeacher.of(self.folder, self.bench)
        return RoundLab if served is None else ServedLab

    def rounds_of(self, arm: Arm) -> int:
        """How many trainings an arm is made of, at most; of a control, as many as of its model."""
        if arm.begins_like is not None:
            model = self.folder.done(f"train {arm.begins_like}")
            assert model is not None, "its model is trained first"
            return len(model["rounds"])
        return arm.method.number_of_rounds(self.lab(arm, 0).checkpoints)

    def train(self, arm: Arm, steps: int) -> dict[str, Any]:
        """Train an arm, or read how its training went.

        Args:
            arm: Which.
            steps: Optimiser steps, shared among its rounds.

        Returns:
            What ``results.json`` says of it under ``training``.
        """
        shared = common.baseline(self.folder, self.bench, steps) if arm.name == "sft" else None
        result = self.folder.once(
            f"train {arm.name}", lambda: self._train(arm, steps), True, shared
        )
        if rank() == 0 and not arm.method.tutors:
            shutil.rmtree(self.folder / "checkpoints" / arm.name, ignore_errors=True)
        return result

    def forget_rounds(self) -> None:
        """Delete the students between rounds, once no arm begins with another's."""
        if rank() == 0:
            shutil.rmtree(self.folder / "checkpoints", ignore_errors=True)

    def _train(self, arm: Arm, steps: int) -> dict[str, Any]:
        rounds = self.rounds_of(arm)
        if rounds == 1 and not arm.method.tutors:
            return self._fit(arm, None, steps, Round())[0]
        if steps < rounds and not arm.method.tutors:
            raise RequestError(
                f"{steps} optimiser steps cannot be shared among {rounds} rounds",
                where="training",
                mend="train for more steps or epochs; they are those of all rounds together",
            )
        done: list[dict[str, Any]] = []
        for index in range(rounds):
            this = Round(index, rounds, done[-1]["memory"] if done else None)
            share = steps * (index + 1) // rounds - steps * index // rounds
            if arm.method.tutors:  # each round is a training of its own
                this, share = Round(), steps
            work = functools.partial(self._round, arm, index, share, this)
            stage = f"train {_owner(arm, index)}, round {index + 1}"
            done.append(self.folder.once(stage, work, everywhere=True))
            if rank() == 0:
                shutil.rmtree(self._work(arm, index), ignore_errors=True)
            if not arm.begins_like and not arm.method.goes_on(accuracies(done)):
                break
        kept = best(done) if arm.method.keeps_best else len(done) - 1
        model = plain(self._student_after(arm, kept))
        save(model, self.bench.student.tokenizer, self.folder / arm.folder)
        ended = {"stopped": "last round" if len(done) == rounds else "no gain"}
        return {**joined(done), "kept_round": kept, **(ended if arm.method.tutors else {})}

    def _round(self, arm: Arm, index: int, steps: int, this: Round) -> dict[str, Any]:
        stage = f"text of {arm.name}, round {index + 1}"
        found = {"round": index, **self.folder.once(stage, lambda: self._text(arm, index))}
        checkpoint = found.get("checkpoint")
        result, memory, model = self._fit(arm, checkpoint, steps, this, index)
        rows = validation_rows(self.bench)
        nats = nats_of_each(self.bench, model, rows, "validation") if rows else []
        mean = sum(n * len(s.completion) for n, s in zip(nats, rows, strict=True))
        tokens = sum(len(s.completion) for s in rows)
        found["validation_nats_per_token"] = finite([mean / tokens])[0] if rows else None
        if arm.method.tutors:
            if arm.name == "student" and index == 0 and self.rounds_of(arm) > 1:
                first = plain(self._student_after(arm, 0))
                save(first, self.bench.student.tokenizer, self.folder / "arms" / ONE_SHOT)
            stage = f"examination of {arm.name}, round {index + 1}"
            examined = self.folder.once(stage, lambda: self._examined(arm, index))
            costs = {k: v + examined["asked"].get(k, 0) for k, v in found["asked"].items()}
            found |= {**examined, "asked": costs}
        return {**result, **found, "memory": memory}

    def _examined(self, arm: Arm, index: int) -> dict[str, Any]:
        """How the student of a round does on the problems between rounds."""
        tutor = self._tutored(arm, index + 1).tutor
        attempts, asked = tutor.diagnose()
        return {
            "tags": dict(Counter(a.tag or "right" for a in attempts)),
            "selection": proportion(np.array(tutor.selected())).as_dict(),
            "asked": asked,
        }

    def _tutored(self, arm: Arm, index: int) -> TutoredLab:
        lab = self.lab(arm, index)
        assert isinstance(lab, TutoredLab)
        return lab

    def _text(self, arm: Arm, index: int) -> dict[str, Any]:
        """Prepare a round: its text and, on a teacher's path, the checkpoint that it imitates."""
        lab = self.lab(arm, index)
        rows = arm.rows(lab)
        keep_text(rows, lab.folder / "text.parquet")
        if arm.method.tutors:
            told = self._tutored(arm, index).tutor.figures()
            return {"rows": len(rows), "tokens_generated": told["asked"]["tokens_out"], **told}
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
        self, arm: Arm, checkpoint: int | None, steps: int, this: Round, index: int = 0
    ) -> tuple[dict[str, Any], dict[str, Any], Any]:
        """Train one round; how it went, what the method remembers, and the student."""
        recipe, bench = self.bench.recipe, self.bench
        self.teacher.rest()
        rows = arm.rows(self.lab(arm, index))
        first = index == 0 or arm.method.starts_afresh
        model = self.new_student() if first else self._student_after(arm, index - 1)
        if recipe.student.lora is not None and first:
            model = add_lora(model, recipe.student.lora, recipe.seed)
        teacher: Any = None
        if checkpoint is not None:
            teacher = self.teacher.trajectory.teacher(checkpoint)
        elif arm.method.imitates or arm.method.writes_together:
            model, teacher = self.teacher.beside(model)
        seed = seed_for("round", recipe.seed, index) if index else recipe.seed
        total = self.rounds_of(arm)
        name = arm.name if total == 1 else f"{arm.name} {index + 1} of {total}"
        args = arguments(recipe.training, self._work(arm, index), seed, len(rows), steps)
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
        if total == 1 and not arm.method.tutors:
            save(plain(model), bench.student.tokenizer, self.folder / arm.folder)
        else:
            save(model, bench.student.tokenizer, self._after(arm, index))
        return as_result(done), done.memory, model

    def _work(self, arm: Arm, index: int) -> Path:
        """Where the Trainer keeps its checkpoints."""
        folder = self.folder / "checkpoints" / arm.name
        return folder / f"{index:03}" if arm.method.tutors or self.rounds_of(arm) > 1 else folder

    def _after(self, arm: Arm, index: int) -> Path:
        """Where the student, or its adapter, is kept between rounds."""
        return self.folder / "checkpoints" / _owner(arm, index) / f"after-{index:03}"

    def _student_after(self, arm: Arm, index: int) -> Any:
        """The student as a round left it, or before any.

        From the disk, so that a resumed run finds the same.
        """
        recipe = self.bench.recipe
        if index < 0:
            return self.new_student()
        folder = self._after(arm, index)
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


def _owner(arm: Arm, index: int) -> str:
    """The arm whose round this is: several may share the first one."""
    return arm.begins_like or arm.name if index == 0 else arm.name
