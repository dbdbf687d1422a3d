"""The text of a round, and what its method wants to know of the models: each made once, and kept."""

import functools
import json
import math
from collections.abc import Callable
from collections.abc import Sequence as Rows
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from limbeck.bench import Bench
from limbeck.data import Author, Sequence
from limbeck.engines import Engine
from limbeck.engines.special_tokens import pad_id
from limbeck.engines.transformers import TransformersEngine
from limbeck.errors import LimbeckError
from limbeck.files import digest, new_file, write_json
from limbeck.methods.lab import LossSource, Tutor
from limbeck.models import device
from limbeck.run.folds import losses_out_of_fold
from limbeck.run.probe import kl_to_each, nats_of_each
from limbeck.run.responses import response
from limbeck.run.saving import finite
from limbeck.run.teacher import TeacherStage
from limbeck.sources import Answer, Verdict, answer_all, refuse_if_none, seed_for, vet


def _nobody() -> Any:
    raise AssertionError("this lab only reads what has been written")


@dataclass
class RoundLab:
    """What a method may ask for; see `limbeck.methods.Lab`.

    Attributes:
        bench: The tokenised data.
        folder: Of this round; what is written and measured is kept there.
        teacher: The run's teacher.
        student: Loads the student as the last round left it.
        start: Loads the fine-tuned student that adaptive weights compare with.
        round: Rounds done before this one.
        only_labelled: Whether the rows without a completion are to be left out (a control).
    """

    bench: Bench
    folder: Path
    teacher: TeacherStage
    student: Callable[[], Any] = _nobody
    start: Callable[[], Any] = _nobody
    round: int = 0
    only_labelled: bool = False

    @property
    def seed(self) -> int:
        """Of draws in this round."""
        return seed_for("lab", self.bench.recipe.seed, self.round)

    @property
    def run_seed(self) -> int:
        """Of draws that are the same in all rounds."""
        return self.bench.recipe.seed

    @property
    def checkpoints(self) -> int:
        """How many the teacher's path has."""
        spec = self.bench.recipe.teacher
        return len(self.teacher.trajectory) if spec is not None and spec.has_path else 0

    @property
    def tutor(self) -> Tutor:
        """Only a lab whose teacher explains has one."""
        raise ValueError("this teacher does not explain")

    def labelled(self) -> list[Sequence]:
        """Training rows that came with a completion."""
        return [s for s in self.bench.sequences["train"] if s.completion]

    def prompts(self) -> list[Sequence]:
        """All training rows, answered or not."""
        return self.labelled() if self.only_labelled else list(self.bench.sequences["train"])

    def answered_by_student(self, rows: Rows[Sequence]) -> list[Sequence]:
        """These rows with the student's own completions beside theirs."""
        seed = self._seed("student text")
        sampling = self.bench.recipe.generation.sampling()
        prompts = [s.prompt for s in rows]
        key = digest(prompts, asdict(sampling), seed, self.folder.name)
        path = self.folder / "student.jsonl"
        engine = functools.cache(self._student)
        done = answer_all(path, key, prompts, engine, sampling, seed, "student answers")
        pairs = zip(rows, done, strict=True)
        return [replace(s, rejected=tuple(answer["tokens"])) for s, answer in pairs]

    def kl_from_best(self) -> list[float]:
        """KL(best || k) for each checkpoint k; the same in every round."""
        path = self.teacher.trajectory

        def work() -> list[float]:
            with path.teacher(path.best).active() as model:
                return kl_to_each(self.bench, path, model, "best teacher and its path")

        return self._kept(self.folder.parent / "kl_from_best.json", work)

    def kl_from_student(self) -> list[float]:
        """KL(student || k) for each checkpoint k."""
        path = self.teacher.trajectory
        return self._kept(
            self.folder / "kl_from_student.json",
            lambda: kl_to_each(self.bench, path, self.student(), "student and the teacher's path"),
        )

    def losses_of_start(self, rows: Rows[Sequence], source: LossSource) -> list[float]:
        """Of the fine-tuned student, nats a token for each row."""
        if source == "oof":
            return losses_out_of_fold(self.teacher.folder, self.bench, "student")[0]
        return self._kept(
            self.folder.parent / "losses_of_start.json",
            lambda: nats_of_each(self.bench, self.start(), list(rows), "losses of the student"),
        )

    def losses_of_checkpoint(
        self, checkpoint: int, rows: Rows[Sequence], source: LossSource
    ) -> list[float]:
        """Of a checkpoint of the teacher, nats a token for each row."""
        if source == "oof" and self.teacher.knows_the_rows:
            return losses_out_of_fold(self.teacher.folder, self.bench, "teacher")[checkpoint]

        def work() -> list[float]:
            with self.teacher.trajectory.teacher(checkpoint).active() as model:
                return nats_of_each(self.bench, model, list(rows), "losses of the checkpoint")

        return self._kept(self.folder.parent / f"losses_of_checkpoint_{checkpoint}.json", work)

    def answered_by_teacher(self) -> list[Sequence]:
        """The training prompts with the teacher's completions, as far as they are kept; see `vet`."""
        if self.only_labelled:
            return self.labelled()
        answers = self.teacher_answers()
        judged, verdicts = self._vetted(answers)
        train = self.bench.examples.train
        questions = {a.example: train[a.example].question for a in judged}
        refuse_if_none(judged, verdicts, questions, str(self.folder))
        rows = {s.example: s for s in self.prompts()}
        whole = [
            replace(
                rows[answer["example"]],
                completion=self._in_students_ids(answer["tokens"]),
                author=Author.TEACHER,
            )
            for answer, verdict in zip(answers, verdicts, strict=True)
            if verdict == "kept"
        ]
        kept = [s for s in whole if len(s) <= self.bench.max_length]
        if not kept:
            raise LimbeckError(
                f"every answer of the teacher is longer than {self.bench.max_length} tokens with its prompt",
                where=str(self.folder),
                mend="raise data.max_length, or lower generation.max_new_tokens",
            )
        return kept

    def teacher_answers(self) -> list[dict[str, Any]]:
        """The teacher's answers to each training prompt, in order: written once, then read.

        Returns:
            ``{"example": position in the split, "tokens": teacher's ids, "finished": bool}``; the
            ``generation.num_return_sequences`` answers to a prompt stand side by side.
        """
        own = {s.example for s in self.prompts()}
        known = [s for s in self.bench.for_teacher("train") if s.example in own]
        asked = self._several(known)
        prompts = [s.prompt for s in asked]
        sampling = self.bench.recipe.generation.sampling()
        seed = self._seed("teacher text")
        key = digest(prompts, asdict(sampling), seed, self.teacher.hash)
        path, engine = self.folder / "teacher.jsonl", lambda: self.teacher.engine
        with self.teacher.folder.lending(key, [path]):
            answers = answer_all(path, key, prompts, engine, sampling, seed, "teacher answers")
        return [{**a, "example": s.example} for s, a in zip(asked, answers, strict=True)]

    def responses(self) -> list[dict[str, Any]]:
        """Every answer of the teacher as text, and what becomes of it: rows of `limbeck.run.responses`."""
        examples, answers = self.bench.examples, self.teacher_answers()
        judged, verdicts = self._vetted(answers)
        return [
            response(
                examples.train[one.example], one, len(answer["tokens"]), verdict, examples.verify
            )
            for answer, one, verdict in zip(answers, judged, verdicts, strict=True)
        ]

    def texts_of(self, answers: Rows[dict[str, Any]]) -> list[str]:
        """Answers of `teacher_answers` as text."""
        # A cache alone brings no tokenizer, and was made by models that share the student's.
        side = self.bench.teacher or self.bench.student
        return [side.tokenizer.decode(a["tokens"], skip_special_tokens=True) for a in answers]

    def _vetted(self, answers: list[dict[str, Any]]) -> tuple[list[Answer], list[Verdict]]:
        train = self.bench.examples.train
        judged = [
            Answer(a["example"], text, a["finished"], train[a["example"]].answer)
            for a, text in zip(answers, self.texts_of(answers), strict=True)
        ]
        only_correct = self.bench.recipe.generation.only_correct
        return judged, vet(judged, self.bench.examples.verify if only_correct else None)

    def _several(self, rows: list[Sequence]) -> list[Sequence]:
        """Each as often as it is to be answered."""
        copies = self.bench.recipe.generation.num_return_sequences
        return [s for s in rows for _ in range(copies)]

    def _seed(self, what: str) -> int:
        """Both write other text in each round."""
        seed = self.bench.recipe.seed
        return seed_for(what, seed, self.round) if self.round else seed_for(what, seed)

    def _student(self) -> Engine:
        side = self.bench.student
        model, tokenizer = self.student().to(device()), side.tokenizer
        return TransformersEngine(model, pad_id(tokenizer), side.ends, len(tokenizer))

    def _kept(self, path: Path, work: Callable[[], list[float]]) -> list[float]:
        if not path.exists():
            write_json(path, finite(work()))
        found = json.loads(path.read_text(encoding="utf-8"))
        return [math.inf if value is None else value for value in found]

    def _in_students_ids(self, tokens: list[int]) -> tuple[int, ...]:
        if self.bench.one_tokenizer:
            return tuple(tokens)
        assert self.bench.teacher is not None
        text = self.bench.teacher.tokenizer.decode(tokens, skip_special_tokens=True)
        own = self.bench.student.tokenizer
        return (*own(text, add_special_tokens=False)["input_ids"], own.eos_token_id)


def keep_text(rows: list[Sequence], path: Path) -> None:
    """The round's text as token ids, as it goes into training."""
    columns = {
        "example": [s.example for s in rows],
        "author": [s.author.name.lower() for s in rows],
        "prompt": [list(s.prompt) for s in rows],
        "completion": [list(s.completion) for s in rows],
        "rejected": [list(s.rejected) for s in rows],
        "weight": [s.weight for s in rows],
    }
    with new_file(path) as partial:
        pq.write_table(pa.table(columns), partial)
