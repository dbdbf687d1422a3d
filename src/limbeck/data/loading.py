"""From a recipe's data to examples in splits."""

import os
from pathlib import Path

from limbeck.data.examples import Example, Examples, Kind
from limbeck.data.formats import examples_of
from limbeck.data.hub import read_hub
from limbeck.data.reading import read_local
from limbeck.data.spec import DataSpec
from limbeck.data.splits import Split, choose, hide, split_of
from limbeck.data.tasks import TASKS, build, generate
from limbeck.data.verify import EXTRACTORS, VERIFIERS
from limbeck.errors import RequestError


def load_examples(spec: DataSpec) -> Examples:
    """Read or generate the rows of a recipe and split them by their prompts.

    Rows that repeat another one entirely are dropped; the same prompt with another completion is
    kept. Where held-out rows come from files, rows with the same prompts are taken out of
    everything else, and test rows out of validation.

    Raises:
        RequestError: The data cannot be read, is empty, or has rows that are not examples (the
            row is named, counted from 1); or the recipe asks for what its format cannot do.
    """
    if spec.origin == "task":
        return generate(build(TASKS[spec.source], spec.source, spec.options), spec)
    source, kind, duplicates = _source(spec)
    _check_format(source[0], kind, spec)

    held: dict[Split, list[Example]] = {}
    taken: set[str] = set()
    leaking = 0
    files: dict[Split, float | str] = {"test": spec.test, "validation": spec.validation}
    for split, file in files.items():
        if isinstance(file, str):
            rows, repeated = _held_out(file, source[0], kind, spec)
            held[split] = [e for e in rows if e.key not in taken]
            leaking += len(rows) - len(held[split])
            taken.update(e.key for e in rows)
            duplicates += repeated

    free = [e for e in source if e.key not in taken]
    leaking += len(source) - len(free)
    splits = _split(free, spec)
    if not splits["train"]:
        raise RequestError(
            f"none of the {len(source)} rows is left to train on",
            where="data.validation, data.test",
            mend="hold out a smaller fraction, or files with other prompts",
        )
    train = choose(splits["train"], spec.rows)
    unused = len(splits["train"]) - len(train)
    train = hide(train, spec.labelled)
    validation = held.get("validation", splits["validation"])
    test = held.get("test", splits["test"])
    verifier = _verifier(train + validation + test, spec)
    return Examples(
        train,
        validation,
        test,
        kind=kind,
        verify=VERIFIERS[verifier] if verifier else None,
        extract=EXTRACTORS[verifier] if verifier else None,
        notes={
            "duplicate_rows": duplicates,
            "leaking_rows": leaking,
            "unused_rows": unused,
            "hidden_completions": sum(e.hidden is not None for e in train),
        },
    )


def read_examples(path: Path) -> list[Example]:
    """All rows of a local file, whose columns have our names.

    Raises:
        RequestError: It cannot be read, or has rows that are not examples.
    """
    return examples_of(read_local(path), {}, str(path))[0]


def _source(spec: DataSpec) -> tuple[list[Example], Kind, int]:
    local = spec.origin == "local"
    rows = read_local(spec.path) if local else read_hub(spec.source, spec.config, spec.split)
    examples, kind = examples_of(rows, spec.columns, spec.source)
    unique, duplicates = _unique(examples)
    return unique, kind, duplicates


def _held_out(file: str, first: Example, kind: Kind, spec: DataSpec) -> tuple[list[Example], int]:
    examples, other = examples_of(read_local(Path(os.path.expanduser(file))), spec.columns, file)
    if other != kind or isinstance(examples[0].prompt, str) != isinstance(first.prompt, str):
        raise RequestError(
            f"mixed formats: the rows of {spec.source} and of this file differ",
            where=file,
            mend="use one format for all files",
        )
    return _unique(examples)


def _unique(examples: list[Example]) -> tuple[list[Example], int]:
    unique = list(dict.fromkeys(examples))
    return unique, len(examples) - len(unique)


def _split(examples: list[Example], spec: DataSpec) -> dict[Split, list[Example]]:
    validation, test = (0.0 if isinstance(v, str) else v for v in (spec.validation, spec.test))
    splits: dict[Split, list[Example]] = {"train": [], "validation": [], "test": []}
    for example in examples:
        splits[split_of(example.key, validation, test)].append(example)
    return splits


def _check_format(first: Example, kind: Kind, spec: DataSpec) -> None:
    """Refuse what the recipe asks of a format that cannot do it."""
    if kind == "text":
        asked = {
            "chat": spec.chat,
            "system": spec.system is not None,
            "labelled": spec.labelled is not None,
        }
        for key, is_asked in asked.items():
            if is_asked:
                raise RequestError(
                    f"rows of running text have no use for {key}",
                    where=f"data.{key}",
                    mend="remove it, or say under data.columns which column is the prompt",
                )
    elif spec.system is not None and isinstance(first.prompt, str) and not spec.chat:
        raise RequestError(
            "a system message needs a conversation and the prompts are text",
            where="data.system",
            mend="set chat: true under data",
        )


def _verifier(examples: list[Example], spec: DataSpec) -> str | None:
    if any(e.answer is not None for e in examples):
        return spec.verifier or "exact"
    if spec.verifier is not None:
        raise RequestError(
            "a verifier compares with gold answers and the data has none",
            where="data.verifier",
            mend="say under data.columns which column is the answer",
        )
    return None
