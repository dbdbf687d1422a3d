"""A teacher behind an API: what it is asked, what it answered, and what that cost."""

import json
from collections.abc import Sequence as Rows
from dataclasses import dataclass
from typing import Any

from limbeck.bench import Bench
from limbeck.data import Example, turns
from limbeck.engines import Request, Response, Sampling, TextEngine
from limbeck.files import digest, write_json
from limbeck.recipe import ModelSpec
from limbeck.run.arms import arms_of
from limbeck.run.folder import ANSWERS, RunFolder
from limbeck.run.text import RoundLab
from limbeck.sources import Budget, Store, ask_all, told_apart


@dataclass
class ServedTeacher:
    """Asks a server, through the run's store of answers.

    Attributes:
        folder: The run's.
        bench: The prompts, and who is asked.
    """

    folder: RunFolder
    bench: Bench

    @classmethod
    def of(cls, folder: RunFolder, bench: Bench) -> "ServedTeacher | None":
        """The recipe's teacher, where it is behind a server."""
        spec = bench.recipe.teacher
        return cls(folder, bench) if spec is not None and spec.server is not None else None

    @property
    def spec(self) -> ModelSpec:
        """The teacher of the recipe."""
        spec = self.bench.recipe.teacher
        assert spec is not None and spec.server is not None and spec.model is not None
        return spec

    @property
    def budget(self) -> Budget:
        """Limits and prices of the recipe."""
        limits, prices = self.spec.budget, self.spec.prices
        return Budget(
            limits.tokens if limits else None,
            limits.money if limits else None,
            prices.input if prices else None,
            prices.output if prices else None,
        )

    def requests(self, examples: list[Example], sampling: Sampling, seed: int) -> list[Request]:
        """What the server is asked about these examples: their prompts, never their answers."""
        data = self.bench.recipe.data
        conversations = data.chat or any(not isinstance(e.prompt, str) for e in examples)
        return told_apart(
            Request(
                self.spec.model or "",
                turns(e, data.system) if conversations else str(e.prompt),
                sampling.max_new_tokens,
                sampling.temperature,
                sampling.top_p,
                seed,
            )
            for e in examples
        )

    def answers(self, requests: list[Request], what: str) -> list[Response]:
        """An answer to each, of today or of an earlier day.

        Raises:
            LimbeckError: The server fails, or the budget is spent; what was answered is kept.
        """
        with Store(self.folder / ANSWERS) as store:
            return ask_all(
                store,
                self._engine,
                requests,
                where=self.spec.server or "",
                what=what,
                concurrency=self.spec.concurrency or 1,
                budget=self.budget,
            )

    def costs(self) -> dict[str, Any]:
        """What ``results.json`` says of it: answers, tokens, and money where prices are known."""
        with Store(self.folder / ANSWERS) as store:
            spent = store.spent()
        return self.budget.bill(spent)

    def all_written(self) -> bool:
        """Whether the text of training is there; the run's folder need not be held."""
        return any(self._done(stage) for stage in ("generate", "text"))

    def all_answered(self) -> bool:
        """Whether the run will not ask any more; its folder need not be held."""
        measured = not self.bench.has_answers or self._done("evaluate teacher")
        taught = not self.bench.method.tutors or all(
            self._done(f"train {arm.name}") for arm in arms_of(self.bench)
        )
        return self.all_written() and measured and taught

    def _done(self, stage: str) -> bool:
        begun = (self.folder / "manifest.json").exists()
        return begun and self.folder.done(stage) is not None

    def _engine(self) -> TextEngine:
        from limbeck.engines.openai_compatible import OpenAICompatible  # takes a second

        return OpenAICompatible(self.spec.server or "", self.spec.timeout_seconds or 60.0)


class ServedLab(RoundLab):
    """A lab whose teacher answers in text, which the student's tokenizer turns into ids."""

    def teacher_answers(self) -> list[dict[str, Any]]:
        """See `RoundLab.teacher_answers`; the ids are the student's, and the text is with them."""
        rows = self._several(self.prompts())
        examples = [self.bench.examples.train[s.example] for s in rows]
        sampling = self.bench.recipe.generation.sampling()
        served = ServedTeacher(self.teacher.folder, self.bench)
        requests = served.requests(examples, sampling, self._seed("teacher text"))
        # Every process reads the answers, and only one may hold the store.
        path, key = self.folder / "teacher.json", digest([r.key for r in requests])
        if path.exists():
            kept = json.loads(path.read_text(encoding="utf-8"))
            if kept["key"] == key:
                found: list[dict[str, Any]] = kept["answers"]
                return found
        responses = served.answers(requests, "teacher answers")
        # The student's ids, as of data with these completions.
        own = self.bench.completed(examples, [r.text for r in responses])
        answers = [
            {
                "example": s.example,
                "text": r.text,
                "tokens": list(done.completion),
                "finished": r.finished,
            }
            for s, r, done in zip(rows, responses, own, strict=True)
        ]
        write_json(path, {"key": key, "answers": answers})
        return answers

    def texts_of(self, answers: Rows[dict[str, Any]]) -> list[str]:
        """See `RoundLab.texts_of`; what the server said, not what its ids spell."""
        return [answer["text"] for answer in answers]
