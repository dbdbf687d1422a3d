"""Every model of a run on the same held-out rows, item by item."""

from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass, replace
from typing import Any

from limbeck.bench import Bench
from limbeck.console import progress
from limbeck.data import Author, Example, Sequence
from limbeck.engines import Engine, Response, Sampling
from limbeck.engines.special_tokens import pad_id
from limbeck.engines.transformers import TransformersEngine
from limbeck.evaluation import likelihood, positions
from limbeck.files import digest
from limbeck.models import device
from limbeck.run import common
from limbeck.run.folder import RunFolder
from limbeck.run.measured import Measured
from limbeck.sources import answer_all, seed_for
from limbeck.targets import ModelTeacher

DEFAULT_NEW_TOKENS = 256
_AUTHORS = {Author.DATA: "data", Author.TEACHER: "teacher"}


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

    def among(self, kept: Collection[int], limit: int) -> "HeldOut":
        """The first of the rows whose example, by its place in the split, is one of these."""
        at = [i for i, s in enumerate(self.own) if s.example in kept][:limit]
        return HeldOut(
            [self.examples[i] for i in at],
            [self.own[i] for i in at],
            [self.teachers[i] for i in at],
        )


def held_out(bench: Bench, split: str = "test", limit: int | None = None) -> HeldOut:
    """Choose the rows; the choice depends on the prompts only."""
    examples = getattr(bench.examples, split)
    own = bench.sequences[split]  # type: ignore[index]
    teachers = bench.for_teacher(split)  # type: ignore[arg-type]
    theirs = {s.example: s for s in teachers}
    rows = sorted((s for s in own if s.example in theirs), key=lambda s: examples[s.example].key)
    rows = rows[: limit or bench.recipe.evaluate.max_items]
    return HeldOut([examples[s.example] for s in rows], rows, [theirs[s.example] for s in rows])


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

    def _once(self, arm: str, work: Callable[[], Measured]) -> Measured:
        place = self.folder / "items"

        def keep() -> dict[str, Any]:
            work().write(place, arm)
            return {"items": len(self.rows.examples)}

        shared = common.measured(self.folder, self.bench, arm, self.max_new_tokens)
        self.folder.once(f"evaluate {arm}", keep, common=shared)
        return Measured.read(place, arm)

    def _measure(
        self, arm: str, load: Callable[[], Any], teacher: Callable[[], ModelTeacher] | None
    ) -> Measured:
        is_teacher = arm == "teacher"
        side = self.bench.teacher if is_teacher and self.bench.teacher else self.bench.student
        sequences = self.rows.teachers if is_teacher else self.rows.own
        model = load().eval().to(device())
        tokenizer, pad = side.tokenizer, pad_id(side.tokenizer)
        size = self.bench.recipe.evaluate.batch_size
        items, samples = self._about_rows(), {}
        engine = TransformersEngine(model, pad, side.ends, len(tokenizer))
        if self.bench.has_answers:
            items |= self._answers(arm, engine, sequences, tokenizer)
            if arm != "validation":
                samples = self._samples(arm, engine, sequences, tokenizer)
        reading = self._to_read(sequences)
        if reading:
            with progress(f"reading {arm}", len(reading), "rows") as advance:
                read = likelihood(model, reading, tokenizer, pad, size, advance)
            items |= {
                "nats": read.nats.tolist(),
                "nats_tokens": read.tokens.tolist(),
                "bytes": read.bytes.tolist(),
                # A text that was not cut ends with an end-of-sequence id.
                "whole": [bool({*s.completion[-1:]} & side.ends) for s in reading],
                "read": [_AUTHORS[s.author] for s in reading],
            }
        found = {}
        if teacher is not None:
            for name, text in self._texts(arm, engine, reading).items():
                with progress(f"comparing {arm}, {name} text", len(text), "rows") as advance:
                    found[name] = positions(
                        teacher(), model, text, len(tokenizer), pad, size, advance
                    )
        return Measured(items, samples, found)

    def _texts(
        self, arm: str, engine: Engine, reading: list[Sequence]
    ) -> dict[str, list[Sequence]]:
        """What both models are compared on: the rows' own text, the teacher's, and this model's."""
        texts = {_AUTHORS[reading[0].author]: reading} if reading else {}
        if self.bench.examples.kind == "pairs":
            wish = self.bench.recipe.evaluate
            # Without answers to score, nothing is written but for this.
            some = None if self.bench.has_answers else wish.sampled_items if wish.samples else 0
            if "teacher" not in texts:
                texts["teacher"] = self._written("teacher", self.teacher, self.rows.teachers[:some])
            texts["student"] = self._written(arm, lambda: engine, self.rows.own[:some])
        return {n: kept for n, rows in texts.items() if (kept := [s for s in rows if s.completion])}

    def _written(
        self, arm: str, engine: Callable[[], Engine], sequences: list[Sequence]
    ) -> list[Sequence]:
        """The rows with a model's greedy answers as completions."""
        author = Author.TEACHER if arm == "teacher" else Author.STUDENT
        return [
            replace(s, completion=tuple(a["tokens"]), author=author)
            for s, a in zip(sequences, self._write(arm, engine, sequences), strict=True)
        ]

    def _samples(
        self, arm: str, engine: Engine, sequences: list[Sequence], tokenizer: Any
    ) -> dict[str, list[Any]]:
        """Further answers to some of the rows, drawn from the model itself."""
        wish = self.bench.recipe.evaluate
        places = [
            i for i in range(min(wish.sampled_items, len(sequences))) for _ in range(wish.samples)
        ]
        if not places:
            return {}
        sampling = Sampling(self.max_new_tokens, temperature=1.0, batch_size=wish.batch_size)
        prompts = [sequences[i].prompt for i in places]
        journal = self.folder / "items" / f"{arm}.samples.jsonl"
        key = digest(arm, prompts, asdict(sampling))
        seed = seed_for(self.bench.recipe.seed, arm == "teacher")
        done = answer_all(
            journal, key, prompts, lambda: engine, sampling, seed, f"further answers of {arm}"
        )
        texts = [tokenizer.decode(a["tokens"], skip_special_tokens=True) for a in done]
        scored = self._scored(texts, [self.rows.examples[i] for i in places])
        return {"item": places, "text": scored.pop("output"), **scored}

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
        bench = self.bench
        if bench.teacher is None or not bench.one_tokenizer:
            return []
        written = self._written("teacher", self.teacher, self.rows.teachers)
        return [
            replace(s, completion=w.completion, author=w.author)
            for s, w in zip(sequences, written, strict=True)
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
            **self._scored(texts, self.rows.examples),
            "finished": [a["finished"] for a in answers],
            "tokens": [len(a["tokens"]) for a in answers],
        }

    def _served(self, ask: Callable[[list[Example], Sampling], list[Response]]) -> Measured:
        responses = ask(self.rows.examples, Sampling(self.max_new_tokens, temperature=0.0))
        return Measured(
            {
                **self._about_rows(),
                **self._scored([r.text for r in responses], self.rows.examples),
                "finished": [r.finished for r in responses],
            }
        )

    def _scored(self, texts: list[str], examples: list[Example]) -> dict[str, list[Any]]:
        verify, extract = self.bench.examples.verify, self.bench.examples.extract
        assert verify is not None and extract is not None
        correct = [
            e.answer is not None and verify(text, e.answer)
            for text, e in zip(texts, examples, strict=True)
        ]
        return {"output": texts, "extracted": [extract(t) for t in texts], "correct": correct}
