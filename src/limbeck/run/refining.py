"""One round of a rewriting teacher without any training: what ``limbeck refine`` does."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from limbeck.bench import Bench
from limbeck.console import say
from limbeck.data import Example, read_examples
from limbeck.errors import RequestError
from limbeck.files import digest, new_file
from limbeck.methods import Rationale, Rationales
from limbeck.models import file_hash, matmul_precision
from limbeck.recipe import Recipe
from limbeck.run.exam import Problems, open_exam
from limbeck.run.folder import RunFolder
from limbeck.run.learner import marked
from limbeck.run.opening import hashes_of, opened
from limbeck.run.teacher import TeacherStage
from limbeck.run.tutored import TutoredLab
from limbeck.sources import Answer, vet
from limbeck.tutoring import Attempt

FILE = "refined.parquet"
_NAMED = 3


@dataclass(frozen=True)
class Refined:
    """Training text that a teacher rewrote for one student.

    Attributes:
        path: The table: ``example, key, question, answer, rationale, origin, earlier, tokens``.
        figures: Of the round, as in ``results.json``.
        tags: Of the student's attempts at the diagnosis problems; ``right`` where nothing is wrong.
    """

    path: Path
    figures: Mapping[str, Any]
    tags: Mapping[str, int]


@dataclass
class GivenLab(TutoredLab):
    """A lab whose student is known by what it wrote.

    Attributes:
        written: Its answers, by the key of the problem; empty where the student itself is asked.
    """

    written: Mapping[str, str] = field(default_factory=dict)

    def attempts(self, problems: Problems, path: Path, what: str) -> list[Attempt]:
        """See `TutoredLab.attempts`."""
        if not self.written:
            return super().attempts(problems, path, what)
        texts = [self.written[e.key] for e in problems.examples]
        return marked(self.bench, problems.examples, texts, [True] * len(texts))


def refine(
    recipe: Recipe,
    *,
    attempts: Path | None = None,
    earlier: Path | None = None,
    fresh: bool = False,
) -> Refined:
    """Have the teacher rewrite the solutions of the training problems for a student.

    Interrupted, it goes on where it was when it is called again; no request is paid for twice.

    Args:
        recipe: As for `distill`, with a method whose teacher explains (``undo``).
        attempts: What the student wrote about the diagnosis problems (and, in the modes ``failed``
            and ``mixed``, about the training problems): rows of ``prompt`` and ``completion``.
            Without it the recipe's student is loaded and asked.
        earlier: A table of an earlier round to improve on; by default the teacher solves first.
        fresh: Delete an earlier run in the same folder first.

    Raises:
        RequestError: The request is wrong; nothing has been written.
        LimbeckError: The work failed; what was answered is kept.
    """
    if not recipe.build_method().tutors:
        raise RequestError(
            f"with the method {recipe.method['name']} the teacher rewrites nothing",
            where="method",
            mend="use method: undo",
        )
    folder = RunFolder(recipe.output)
    folder.check(recipe, fresh)
    bench, _, _ = opened(recipe, folder, lambda served: True)
    written = {} if attempts is None else _attempts(attempts, bench)
    known = None if earlier is None else _earlier(earlier, bench)
    from limbeck.run.start import prepare_start  # takes seconds, as does what it needs
    from limbeck.run.trainings import Trainings

    with folder.open(recipe, hashes_of(bench), fresh), matmul_precision(recipe.matmul_precision):
        stage = TeacherStage(folder, bench)
        stage.prepare()
        if attempts is None:
            prepare_start(folder, bench)
        trainings = Trainings(folder, bench, stage)
        given = [None if f is None else file_hash(f) for f in (attempts, earlier)]
        place = folder / "refine" / digest(given)[:8]

        def lab(index: int) -> GivenLab:
            at = place / f"{index:03}"
            rest = (trainings.new_student, trainings.new_student, index, False)
            return GivenLab(
                bench, at, stage, *rest, rounds_at=lambda i: place / f"{i:03}", written=written
            )

        if known is None:
            bench.method.prepare(lab(0))
        else:
            lab(0).tutor.solve([])  # the diagnosis problems alone: they stand in the record
            lab(0).tutor.text(known)
        tags = Counter(a.tag or "right" for a in lab(1).tutor.diagnose()[0])
        bench.method.prepare(lab(1))
        with new_file(folder / FILE) as partial:
            pq.write_table(pq.read_table(place / "001" / "rationales.parquet"), partial)
        return Refined(folder / FILE, lab(1).tutor.figures(), dict(tags))


def _attempts(path: Path, bench: Bench) -> dict[str, str]:
    """The student's answers by key; all that will be asked for are there."""
    rows = [e for e in read_examples(path) if e.completion is not None]
    found = {e.key: e.completion for e in rows if e.completion is not None}
    twice = [e for e in rows if found[e.key] != e.completion]
    if twice:
        raise RequestError(
            f"{len(twice):,} problems have two different attempts",
            where=f"{path}: {'; '.join(repr(e.question[:60]) for e in twice[:_NAMED])}",
            mend="give one attempt for each problem",
        )
    needed: list[Example] = list(open_exam(bench).diagnosis.examples)
    if getattr(bench.method, "mode", "all") != "all":
        needed += bench.examples.train
    missing = [e for e in needed if e.key not in found]
    if missing:
        shown = "; ".join(repr(e.question[:60]) for e in missing[:_NAMED])
        raise RequestError(
            f"{len(missing):,} of {len(needed):,} problems have no attempt of the student",
            where=f"{path}: {shown}",
            mend="add rows with that prompt and the student's completion, or leave --attempts out to "
            "have the recipe's student answer",
        )
    return found


def _earlier(path: Path, bench: Bench) -> Rationales:
    """The right ones of a table's solutions, of problems that are training rows."""
    try:
        table = pq.read_table(path, columns=["key", "rationale"]).to_pydict()
    except (OSError, ValueError, KeyError) as error:
        raise RequestError(
            f"this is no table of solutions: {error}",
            where=str(path),
            mend=f"give a {FILE} of an earlier limbeck refine, or a rationales.parquet of a run",
        ) from None
    texts = dict(zip(table["key"], table["rationale"], strict=True))
    train = bench.examples.train
    known = [
        Answer(i, texts[e.key], True, e.answer)
        for i, e in enumerate(train)
        if isinstance(texts.get(e.key), str)
    ]
    verdicts = vet(known, bench.examples.verify)
    right = [a for a, verdict in zip(known, verdicts, strict=True) if verdict == "kept"]
    if not right:
        raise RequestError(
            "none of these solutions is a right one of a training row",
            where=str(path),
            mend="give solutions of the recipe's own data",
        )
    if len(right) < len(known):
        say(f"{len(known) - len(right):,} of {len(known):,} earlier solutions are wrong: left out")
    return {a.example: Rationale(a.text, "earlier") for a in right}
