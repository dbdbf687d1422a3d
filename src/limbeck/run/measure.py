"""Every model of a run on the same held-out rows, item by item."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from limbeck.bench import Bench
from limbeck.console import progress
from limbeck.data import Author, Example, Sequence
from limbeck.engines import Engine, Response, Sampling
from limbeck.engines.special_tokens import pad_id
from limbeck.engines.transformers import TransformersEngine
from limbeck.evaluation import fidelity, likelihood
from limbeck.files import new_file
from limbeck.models import device
from limbeck.run.folder import RunFolder
from limbeck.run.text import digest
from limbeck.sources import answer_all
from limbeck.targets import ModelTeacher

DEFAULT_NEW_TOKENS = 256


@dataclass(frozen=True)
class HeldOut:
    """The rows that all models are measured on.

    Attributes:
        examples: Of the test split, those with the smallest prompt hash.
        own: Their ids for the student's tokenizer.
        teachers: Their ids for the teacher's.
    """

    examples: list[Example]
    own: list[Sequence]
    teachers: list[Sequence]


def held_out(bench: Bench, split: str = "test", limit: int | None = None) -> HeldOut:
    """Choose the rows; the choice depends on the prompts only."""
    examples = getattr(bench.examples, split)
    own = bench.sequences[split]  # type: ignore[index]
    teachers = bench.for_teacher(split)  # type: ignore[arg-type]
    theirs = {s.example: s for s in teachers}
    rows = sorted((s for s in own if s.example in theirs), key=lambda s: examples[s.example].key)
    rows = rows[: limit or bench.recipe.evaluate.max_items]
    return HeldOut([examples[s.example] for s in rows], rows, [theirs[s.example] for s in rows])


@dataclass(frozen=True)
class Measured:
    """One model on the held-out rows, an entry per row.

    Attributes:
        items: Column name to values: ``key, prompt, answer, output, correct, finished, tokens,
            nats, nats_tokens, bytes`` and, beside a teacher with the same tokenizer,
            ``kl_teacher_student, kl_student_teacher, agree, positions``. Absent where it could
            not be measured.
    """

    items: dict[str, list[Any]]

    def array(self, name: str) -> np.ndarray | None:
        """A column as an array, or None."""
        return np.array(self.items[name], dtype=np.float64) if name in self.items else None


class Measuring:
    """Measures models, each once; a finished one is read back from ``items/``.

    Args:
        folder: The run's.
        bench: Where the rows come from.
        rows: The rows.
        teacher: Writes the text to read where the rows have no completions of their own.
    """

    def __init__(
        self, folder: RunFolder, bench: Bench, rows: HeldOut, teacher: Callable[[], Engine]
    ):
        self.folder, self.bench, self.rows, self.teacher = folder, bench, rows, teacher

    @property
    def max_new_tokens(self) -> int:
        """Longest answer."""
        recipe = self.bench.recipe
        if recipe.evaluate.max_new_tokens is not None:
            return recipe.evaluate.max_new_tokens
        writes = self.bench.method.teacher_writes or self.bench.method.student_writes
        return recipe.generation.max_new_tokens if writes else DEFAULT_NEW_TOKENS

    def measure(
        self, arm: str, model: Callable[[], Any], teacher: Callable[[], ModelTeacher] | None
    ) -> Measured:
        """Measure a model.

        Args:
            arm: Its name.
            model: Loads it, when it is needed.
            teacher: To compare it with, token by token; None where there is none.
        """
        return self._once(arm, lambda: self._measure(arm, model, teacher))

    def measure_served(self, ask: Callable[[list[Example], Sampling], list[Response]]) -> Measured:
        """Score the greedy answers of a teacher of which nothing else is known.

        Args:
            ask: Answers the prompts of examples.
        """
        return self._once("teacher", lambda: self._served(ask))

    def _once(self, arm: str, work: Callable[[], dict[str, list[Any]]]) -> Measured:
        path = self.folder / "items" / f"{arm}.parquet"

        def keep() -> dict[str, Any]:
            items = work()
            with new_file(path) as partial:
                pq.write_table(pa.table(items), partial)
            return {"items": len(self.rows.examples)}

        self.folder.once(f"evaluate {arm}", keep)
        return Measured(pq.read_table(path).to_pydict())

    def _measure(
        self, arm: str, load: Callable[[], Any], teacher: Callable[[], ModelTeacher] | None
    ) -> dict[str, list[Any]]:
        is_teacher = arm == "teacher"
        side = self.bench.teacher if is_teacher and self.bench.teacher else self.bench.student
        sequences = self.rows.teachers if is_teacher else self.rows.own
        model = load().eval().to(device())
        tokenizer, pad = side.tokenizer, pad_id(side.tokenizer)
        size = self.bench.recipe.evaluate.batch_size
        items = self._about_rows()
        if self.bench.has_answers:
            engine = TransformersEngine(model, pad, side.ends, len(tokenizer))
            items |= self._answers(arm, engine, sequences, tokenizer)
        sequences = self._to_read(sequences)
        if sequences:
            with progress(f"reading {arm}", len(sequences), "rows") as advance:
                read = likelihood(model, sequences, tokenizer, pad, size, advance)
            items |= {
                "nats": read.nats.tolist(),
                "nats_tokens": read.tokens.tolist(),
                "bytes": read.bytes.tolist(),
            }
            if teacher is not None:
                with progress(f"comparing {arm}", len(sequences), "rows") as advance:
                    near = fidelity(teacher(), model, sequences, len(tokenizer), pad, size, advance)
                items |= {
                    "kl_teacher_student": near.kl_teacher_student.tolist(),
                    "kl_student_teacher": near.kl_student_teacher.tolist(),
                    "agree": near.agree.tolist(),
                    "positions": near.tokens.tolist(),
                }
        return items

    def _about_rows(self) -> dict[str, list[Any]]:
        examples = self.rows.examples
        return {
            "key": [e.key for e in examples],
            "prompt": [e.question for e in examples],
            "answer": [e.answer for e in examples],
        }

    def _to_read(self, sequences: list[Sequence]) -> list[Sequence]:
        """Text for likelihood and fidelity: the rows' completions, or else the teacher's answers."""
        if all(s.completion for s in sequences):
            return sequences
        if not reads_teacher(self.bench):
            return []
        answers = self._write("teacher", self.teacher, self.rows.teachers)
        return [
            replace(s, completion=tuple(a["tokens"]), author=Author.TEACHER)
            for s, a in zip(sequences, answers, strict=True)
        ]

    def _write(
        self, arm: str, engine: Callable[[], Engine], sequences: list[Sequence]
    ) -> list[dict[str, Any]]:
        """A model's greedy answers, through a journal that lives as long as the run."""
        size = self.bench.recipe.evaluate.batch_size
        sampling = Sampling(self.max_new_tokens, temperature=0.0, batch_size=size)
        prompts = [s.prompt for s in sequences]
        journal = self.folder / "items" / f"{arm}.jsonl"
        key = digest(arm, prompts, asdict(sampling))
        return answer_all(journal, key, prompts, engine, sampling, 0, f"answers of {arm}")

    def _answers(
        self, arm: str, engine: Engine, sequences: list[Sequence], tokenizer: Any
    ) -> dict[str, list[Any]]:
        answers = self._write(arm, lambda: engine, sequences)
        texts = [tokenizer.decode(a["tokens"], skip_special_tokens=True) for a in answers]
        return {
            **self._scored(texts),
            "finished": [a["finished"] for a in answers],
            "tokens": [len(a["tokens"]) for a in answers],
        }

    def _served(
        self, ask: Callable[[list[Example], Sampling], list[Response]]
    ) -> dict[str, list[Any]]:
        responses = ask(self.rows.examples, Sampling(self.max_new_tokens, temperature=0.0))
        return {
            **self._about_rows(),
            **self._scored([r.text for r in responses]),
            "finished": [r.finished for r in responses],
        }

    def _scored(self, texts: list[str]) -> dict[str, list[Any]]:
        verify = self.bench.examples.verify
        assert verify is not None
        correct = [
            e.answer is not None and verify(text, e.answer)
            for text, e in zip(texts, self.rows.examples, strict=True)
        ]
        return {"output": texts, "correct": correct}


def reads_teacher(bench: Bench) -> bool:
    """Whether the teacher's answers stand in for completions that held-out rows do not have."""
    incomplete = any(not s.completion for s in bench.sequences["test"])
    return incomplete and bench.teacher is not None and bench.one_tokenizer
