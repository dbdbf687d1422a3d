"""The problems that a student is examined on between rounds."""

from dataclasses import dataclass

from limbeck.bench import Bench, ids
from limbeck.data import DataSpec, Example, Sequence, load_examples
from limbeck.errors import RequestError
from limbeck.methods import UNDO

_NAMED = 3  # rows in a message


@dataclass(frozen=True)
class Problems:
    """Rows with answers, as text and as the student reads them."""

    examples: list[Example]
    sequences: list[Sequence]


@dataclass(frozen=True)
class Exam:
    """Two sets without a problem in common with each other, the training rows or the test rows.

    Attributes:
        diagnosis: Whose attempts the teacher is shown.
        selection: Whose accuracy decides which round is kept, and when rounds end.
    """

    diagnosis: Problems
    selection: Problems


def open_exam(bench: Bench) -> Exam:
    """Find both sets, before anything expensive.

    Without ``diagnosis:`` in the recipe, the validation rows with the smallest prompt hashes are
    the diagnosis set, and the others the selection set.

    Raises:
        RequestError: A set is empty, rows have no answer, or a diagnosis problem is also a row of
            the training, validation or test split.
    """
    method, recipe = bench.method, bench.recipe
    assert isinstance(method, UNDO)
    _check_answers(bench)
    validation = _once(bench.examples.validation)
    if recipe.diagnosis is not None:
        chosen, selection = _read(recipe.diagnosis, bench), validation
    else:
        chosen, selection = validation[: method.diagnosis], validation[method.diagnosis :]
    if not chosen:
        raise RequestError(
            "the diagnosis set is empty: the teacher could see no attempt of the student",
            where="diagnosis, data.validation",
            mend="hold out more rows with data.validation, or give diagnosis: a file with answers",
        )
    if not selection:
        raise RequestError(
            f"all {len(chosen)} validation rows are for the diagnosis, and none is left to choose "
            "the best round by",
            where="data.validation",
            mend="hold out more rows (200 tell 7 points apart), or lower method.diagnosis",
        )
    return Exam(_problems(chosen, bench, "diagnosis"), _problems(selection, bench, "validation"))


def _check_answers(bench: Bench) -> None:
    if not bench.has_answers:
        raise RequestError(
            "solutions are verified by their answers, and the data has none",
            where="data.columns",
            mend="say which column is the answer: columns: {answer: NAME}, and how to compare: verifier:",
        )
    for split in ("train", "validation"):
        missing = [i for i, e in enumerate(getattr(bench.examples, split), 1) if e.answer is None]
        if missing:
            raise RequestError(
                f"{len(missing):,} {split} rows have no answer, so their solutions cannot be verified",
                where=f"{split} rows {', '.join(map(str, missing[:_NAMED]))}",
                mend="give each row an answer, or leave those rows out",
            )


def _read(spec: DataSpec, bench: Bench) -> list[Example]:
    """The rows of the recipe's ``diagnosis``, at most as many as the method asks for."""
    found = load_examples(spec)
    held_out = [] if spec.origin == "task" else [*found.validation, *found.test]
    rows = _once([*found.train, *held_out])
    unanswered = [e for e in rows if e.answer is None]
    if unanswered:
        raise RequestError(
            f"{len(unanswered)} diagnosis rows have no answer, so attempts cannot be marked",
            where=f"diagnosis: {spec.source}",
            mend="say which column is the answer: diagnosis: {source: ..., columns: {answer: NAME}}",
        )
    own = {e.key: e for e in rows}
    for split in ("train", "validation", "test"):
        shared = [
            f"{split} row {i}: {e.question[:60]!r}"
            for i, e in enumerate(getattr(bench.examples, split), 1)
            if e.key in own
        ]
        if shared:
            raise RequestError(
                f"{len(shared)} diagnosis problems are also {split} rows",
                where="; ".join(shared[:_NAMED]),
                mend="the teacher would be shown what is trained or scored on: take them out of "
                f"{spec.source}, or out of the data",
            )
    assert isinstance(bench.method, UNDO)
    return rows[: bench.method.diagnosis]


def _once(rows: list[Example]) -> list[Example]:
    """Each problem once, by the hash of its prompt."""
    return sorted({e.key: e for e in rows}.values(), key=lambda e: e.key)


def _problems(rows: list[Example], bench: Bench, name: str) -> Problems:
    recipe = bench.recipe
    kind = bench.examples.kind
    sequences, _ = ids(rows, kind, recipe.data, bench.student, bench.max_length)
    kept = [rows[s.example] for s in sequences]
    if not kept:
        raise RequestError(
            f"no {name} problem fits into {bench.max_length} tokens",
            where="data.max_length",
            mend="raise it",
        )
    return Problems(kept, sequences)
