"""The teacher as an author of worked solutions: asked, verified, asked again, kept."""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from collections.abc import Sequence as Rows
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq

from limbeck.data import Author, Example, Message, Sequence
from limbeck.engines import Request, Response
from limbeck.errors import LimbeckError
from limbeck.files import write_json
from limbeck.methods import Rationale, Rationales
from limbeck.run.exam import Problems
from limbeck.run.learner import TAG_TOKENS, tagged
from limbeck.run.rationales import keep_rationales, read_solutions
from limbeck.run.responses import response
from limbeck.run.window import guarded
from limbeck.sources import Answer, refuse_if_none, vet
from limbeck.tutoring import Attempt, Entry, Lesson, Record, solution_of

if TYPE_CHECKING:
    from limbeck.run.tutored import TutoredLab

SHOWN = 4  # examples of a round in the report

Conversation = tuple[Message, ...]


@dataclass
class Tutor:
    """See `limbeck.methods.Tutor`. What it finds out is kept in the folders of the rounds.

    Of a round's folder, ``teacher.json`` holds the new solutions, ``rationales.parquet`` what is
    trained on, and ``diagnosis.json`` how the student did afterwards.

    Attributes:
        lab: The round.
    """

    lab: "TutoredLab"
    _asked: dict[str, Response] = field(default_factory=dict)

    def solve(self, rows: Rows[int], again: bool = False) -> Rationales:
        """See `limbeck.methods.Tutor.solve`."""
        method = self.lab.method
        asked = [self.lab.solving(e) for e in self._problems(rows)]
        # Numbered through the rounds; a temperature of 0 has only one.
        draws = self.lab.round * (1 + method.retries) if again else 0
        first = method.retry_temperature if again else method.temperature
        return self._written(rows, asked, first, draws, required=not again)

    def earlier(self) -> Rationales:
        """See `limbeck.methods.Tutor.earlier`."""
        return read_solutions(self._before / "rationales.parquet")

    def record(self) -> Record:
        """See `limbeck.methods.Tutor.record`."""
        rounds = [self._diagnosis(t) for t in range(self.lab.round)]
        return tuple(
            Entry(
                e.question,
                tuple(
                    Lesson(t, rows[i]["solution"], Attempt(**rows[i]["attempt"]))
                    for t, rows in enumerate(rounds)
                ),
            )
            for i, e in enumerate(self.lab.exam.diagnosis.examples)
        )

    def attempts(self, rows: Rows[int]) -> dict[int, Attempt]:
        """See `limbeck.methods.Tutor.attempts`."""
        wanted = set(rows)
        own = [s for s in self.lab.prompts() if s.example in wanted]
        problems = Problems([self._train[s.example] for s in own], own)
        what = "attempts at training problems"
        found = self.lab.attempts(problems, self._before / "attempts.jsonl", what)
        return {s.example: a for s, a in zip(own, found, strict=True)}

    def refine(
        self, record: Record, earlier: Rationales, attempts: Mapping[int, Attempt | None]
    ) -> Rationales:
        """See `limbeck.methods.Tutor.refine`."""
        lab, rows = self.lab, list(attempts)
        lessons = self._lessons(lab.round - 1)
        before = [earlier[i].text if i in earlier else "" for i in rows] + lessons
        shown = [*attempts.values()] + [None] * len(lessons)

        def messages(seen: Record, place: int, problem: Example) -> Conversation:
            return lab.wording.refine(
                problem.question, lab.finish, before[place], seen, shown[place]
            )

        problems = self._problems(rows)
        seen = guarded(lab.bench, record, list(enumerate(problems)), messages)
        asked = [messages(seen, place, problem) for place, problem in enumerate(problems)]
        draws = lab.round * (1 + lab.method.retries)  # a prompt without a record may come again
        return self._written(rows, asked, lab.method.temperature, draws)

    def text(self, rationales: Rationales) -> list[Sequence]:
        """See `limbeck.methods.Tutor.text`.

        Raises:
            LimbeckError: There are none, or none fits.
        """
        bench = self.lab.bench
        rows = [s for s in self.lab.prompts() if s.example in rationales]
        texts = [rationales[s.example].text for s in rows]
        done = bench.completed([self._train[s.example] for s in rows], texts)
        own = [
            replace(s, completion=c.completion, author=_author(rationales[s.example]))
            for s, c in zip(rows, done, strict=True)
        ]
        kept = [s for s in own if len(s) <= bench.max_length]
        if not kept:
            raise LimbeckError(
                f"every solution is longer than {bench.max_length} tokens with its problem"
                if rows
                else "no training problem has a solution with the right answer",
                where=str(self.lab.folder),
                mend="raise data.max_length, or lower generation.max_new_tokens"
                if rows
                else "look at the answers with limbeck generate, and at data.verifier",
            )
        path = self.lab.folder / "rationales.parquet"
        if not path.exists():
            earlier = self.earlier() if self.lab.round else {}
            keep_rationales(path, self._train, kept, rationales, earlier)
        return kept

    def diagnose(self) -> tuple[list[Attempt], dict[str, Any]]:
        """What the student that the last round left wrote about the diagnosis problems.

        Returns:
            Its attempts with the kinds of their errors, and what it cost to be told those.
        """
        path = self._before / "diagnosis.json"
        if not path.exists():
            lab, problems = self.lab, self.lab.exam.diagnosis
            found = lab.attempts(problems, self._before / "diagnosis.jsonl", "diagnosis")
            found = tagged(lab.bench, problems.examples, found, self._tags, lab.wording)
            pairs = zip(self._lessons(lab.round - 1), found, strict=True)
            rows = [{"solution": text, "attempt": asdict(a)} for text, a in pairs]
            write_json(path, {"rows": rows, "asked": lab.cost(self._asked)})
        kept = json.loads(path.read_text(encoding="utf-8"))
        return [Attempt(**row["attempt"]) for row in kept["rows"]], kept["asked"]

    def selected(self) -> list[bool]:
        """Which of the selection problems the student that the last round left has right."""
        path = self._before / "selection.jsonl"
        return [a.correct for a in self.lab.attempts(self.lab.exam.selection, path, "selection")]

    def responses(self, rows: Rows[int]) -> list[dict[str, Any]]:
        """What the teacher wrote about these problems; see `limbeck.run.responses`."""
        written, verify = self._teacher(self.lab.round), self.lab.bench.examples.verify
        answers = []
        for i in rows:
            right = written["rows"].get(str(i))
            if right is not None:
                answers.append(Answer(i, right["text"], True, self._train[i].answer))
            elif str(i) in written["failed"]:
                answers.append(Answer(**written["failed"][str(i)] | {"example": i}))
        examples = [self._train[a.example] for a in answers]
        done = self.lab.bench.completed(examples, [a.text for a in answers])
        return [
            response(e, a, len(s.completion), verdict, verify)
            for e, a, s, verdict in zip(examples, answers, done, vet(answers, verify), strict=True)
        ]

    def figures(self) -> dict[str, Any]:
        """What ``results.json`` says of the text of this round."""
        table = pq.read_table(self.lab.folder / "rationales.parquet").to_pydict()
        counts = Counter(table["origin"])
        lengths = [len(tokens) for tokens in table["tokens"]]
        said = {
            "rationales": {
                **{name: counts[name] for name in ("first", "retried", "earlier", "own")},
                "dropped": len(self.lab.prompts()) - len(lengths),
            },
            "rationale_tokens": {"mean": sum(lengths) / len(lengths)},
            "asked": self._teacher(self.lab.round)["asked"],
        }
        return said | ({"examples": self._examples()} if self.lab.round else {})

    def _written(
        self,
        rows: Rows[int],
        asked: list[Conversation],
        temperature: float,
        draws: int,
        required: bool = False,
    ) -> Rationales:
        """What the teacher writes about these rows and the diagnosis problems; asked once."""
        path = self.lab.folder / "teacher.json"
        if not path.exists():
            found, failed = self._verified(
                self._problems(rows), asked, temperature, draws, required
            )
            theirs = [asdict(r) if r else None for r in found[: len(rows)]]
            kept = {
                "rows": dict(zip(map(str, rows), theirs, strict=True)),
                "failed": {rows[i]: asdict(a) for i, a in failed.items() if i < len(rows)},
                "lessons": [r.text if r else "" for r in found[len(rows) :]],
                "asked": self.lab.cost(self._asked),
            }
            write_json(path, kept)
        found_rows = self._teacher(self.lab.round)["rows"].items()
        return {int(i): Rationale(**r) for i, r in found_rows if r is not None}

    def _verified(
        self,
        problems: list[Example],
        asked: list[Conversation],
        temperature: float,
        draws: int,
        required: bool,
    ) -> tuple[list[Rationale | None], dict[int, Answer]]:
        """Ask, verify, and ask again for what is wrong, cut or too long; what was so at last."""
        method, verify = self.lab.method, self.lab.bench.examples.verify
        found: list[Rationale | None] = [None] * len(problems)
        failed: dict[int, Answer] = {}
        for attempt in range(1 + method.retries):
            missing = [i for i, r in enumerate(found) if r is None]
            degree = method.retry_temperature if attempt else temperature
            requests = [self.lab.request(asked[i], degree, draws + attempt) for i in missing]
            again = f", attempt {attempt + 1}" if attempt else ""
            responses = self._ask(requests, f"solutions{again}")
            answers = [
                Answer(i, solution_of(r.text), r.finished, problems[i].answer)
                for i, r in zip(missing, responses, strict=True)
            ]
            verdicts = vet(answers, verify)
            if required and not attempt:
                questions = {i: problems[i].question for i in missing}
                refuse_if_none(answers, verdicts, questions, str(self.lab.folder))
            fits = self._fits([problems[i] for i in missing], answers)
            for answer, verdict, whole in zip(answers, verdicts, fits, strict=True):
                if verdict == "kept" and whole:
                    found[answer.example] = Rationale(
                        answer.text, "retried" if attempt else "first"
                    )
            failed = {a.example: a for a in answers if found[a.example] is None}
        return found, failed

    def _fits(self, problems: list[Example], answers: list[Answer]) -> list[bool]:
        """Whether the student can be trained on these answers as they are."""
        bench = self.lab.bench
        done = bench.completed(problems, [a.text for a in answers])
        return [len(s) <= bench.max_length for s in done]

    def _tags(self, asked: list[Conversation]) -> list[str]:
        requests = [self.lab.request(m, 0.0, 0, TAG_TOKENS) for m in asked]
        return [r.text for r in self._ask(requests, "kinds of errors")]

    def _ask(self, requests: list[Request], what: str) -> list[Response]:
        responses = self.lab.ask(requests, what) if requests else []
        self._asked |= dict(zip((r.key for r in requests), responses, strict=True))
        return responses

    def _examples(self) -> list[dict[str, str]]:
        """Diagnosis problems that the student had wrong: its attempt, old and new solution."""
        before, now = self._diagnosis(self.lab.round - 1), self._lessons(self.lab.round)
        rows = zip(self.lab.exam.diagnosis.examples, before, now, strict=True)
        shown = [
            {
                "question": e.question,
                "answer": e.answer or "",
                "attempt": old["attempt"]["text"],
                "tag": old["attempt"]["tag"],
                "old": old["solution"],
                "new": new,
            }
            for e, old, new in rows
            if not old["attempt"]["correct"] and new
        ]
        return sorted(shown, key=lambda row: row["old"] == row["new"])[:SHOWN]

    def _problems(self, rows: Rows[int]) -> list[Example]:
        """Training problems, and the diagnosis problems, whose solutions go into the record."""
        return [self._train[i] for i in rows] + self.lab.exam.diagnosis.examples

    def _teacher(self, round_: int) -> dict[str, Any]:
        path = self.lab.rounds_at(round_) / "teacher.json"
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return found

    def _lessons(self, round_: int) -> list[str]:
        lessons: list[str] = self._teacher(round_)["lessons"]
        return lessons

    def _diagnosis(self, round_: int) -> list[dict[str, Any]]:
        path = self.lab.rounds_at(round_) / "diagnosis.json"
        found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["rows"]
        return found

    @property
    def _before(self) -> Path:
        """The round whose student is at hand."""
        return self.lab.rounds_at(self.lab.round - 1)

    @property
    def _train(self) -> list[Example]:
        return self.lab.bench.examples.train


def _author(rationale: Rationale) -> Author:
    return Author.STUDENT if rationale.origin == "own" else Author.TEACHER


Ask = Callable[[list[Request], str], list[Response]]
