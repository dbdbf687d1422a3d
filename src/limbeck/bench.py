"""The workbench: what a recipe refers to, opened and tokenised, before any weight is loaded."""

import sys
from dataclasses import dataclass, replace
from typing import Any, Literal

from limbeck.data import DataSpec, Example, Examples, Kind, Sequence, load_examples, tokenise
from limbeck.engines.special_tokens import end_ids
from limbeck.errors import RequestError
from limbeck.methods import Method
from limbeck.models import load_config, load_tokenizer
from limbeck.recipe import Recipe

Split = Literal["train", "validation", "test"]


@dataclass(frozen=True)
class Side:
    """A model as far as its configuration and tokenizer tell.

    Attributes:
        config: Its transformers configuration.
        tokenizer: Its tokenizer.
        ends: Ids that end a completion.
    """

    config: Any
    tokenizer: Any
    ends: frozenset[int]

    @property
    def context(self) -> int | None:
        """Longest sequence the model was made for, in tokens."""
        return getattr(self.config.get_text_config(), "max_position_embeddings", None)

    @property
    def head(self) -> int:
        """Rows of its head, padding included."""
        return int(self.config.get_text_config().vocab_size)


@dataclass(frozen=True, eq=False)  # a bench is equal to itself only, and can be a key
class Bench:
    """Everything that is known before a model is loaded.

    Attributes:
        recipe: The request.
        method: Its method.
        examples: The data's rows, split.
        student: The student's side.
        teacher: The teacher's, if there is one (and not only a cache of it).
        max_length: Longest sequence that is trained on.
        sequences: The student's token ids of each split.
        counts: What tokenising each split did (truncated, dropped, longest).
    """

    recipe: Recipe
    method: Method
    examples: Examples
    student: Side
    teacher: Side | None
    max_length: int
    sequences: dict[Split, list[Sequence]]
    counts: dict[Split, dict[str, int]]

    @property
    def one_tokenizer(self) -> bool:
        """Whether student and teacher read the same ids, by content and not by name."""
        return self.teacher is None or same_tokenizer(
            self.student.tokenizer, self.teacher.tokenizer
        )

    @property
    def has_answers(self) -> bool:
        """Whether held-out rows can be scored by their answer."""
        return self.examples.kind == "pairs" and self.examples.verify is not None

    def completed(self, rows: list[Example], texts: list[str]) -> list[Sequence]:
        """Rows as data with these completions would have them, end of sequence included.

        Without a limit on their length: an answer that is too long is left out, not cut.
        """
        done = [replace(e, completion=text) for e, text in zip(rows, texts, strict=True)]
        kind, data = self.examples.kind, self.recipe.data
        return ids(done, kind, data, self.student, sys.maxsize)[0]

    def for_teacher(self, split: Split) -> list[Sequence]:
        """A split in the teacher's own ids."""
        if self.one_tokenizer:
            return self.sequences[split]
        assert self.teacher is not None
        return ids(
            getattr(self.examples, split),
            self.examples.kind,
            self.recipe.data,
            self.teacher,
            self.max_length,
        )[0]


def open_bench(recipe: Recipe) -> Bench:
    """Read data, tokenizers and configurations.

    Raises:
        RequestError: Something that the recipe names is missing or broken.
    """
    method = recipe.build_method()
    examples = load_examples(recipe.data)
    if recipe.generation.only_correct:
        _refuse_unverifiable(examples.train)
    own = load_tokenizer(recipe.student, "student")
    there = recipe.teacher if recipe.teacher and recipe.teacher.has_weights else None
    its = load_tokenizer(there, "teacher") if there else None
    if own is None and its is None:
        raise RequestError(
            "neither model brings a tokenizer",
            where="student.tokenizer",
            mend="say tokenizer: characters, or name a model that has one",
        )
    student = _side(recipe.student, "student", own if own is not None else its)
    teacher = _side(there, "teacher", its if its is not None else own) if there else None
    contexts = [c for c in (student.context, teacher.context if teacher else None) if c]
    # Without a wish, 2,048 tokens: a context of 128k would promise memory that nobody has.
    max_length = recipe.data.max_length or min([*contexts, 2048])
    sequences: dict[Split, list[Sequence]] = {}
    counts: dict[Split, dict[str, int]] = {}
    splits: tuple[Split, ...] = ("train", "validation", "test")
    for split in splits:
        sequences[split], counts[split] = ids(
            getattr(examples, split), examples.kind, recipe.data, student, max_length
        )
    return Bench(recipe, method, examples, student, teacher, max_length, sequences, counts)


def _refuse_unverifiable(train: list[Example]) -> None:
    """Where nothing can be said of an answer, it should not be paid for."""
    missing = sum(e.answer is None for e in train)
    if missing:
        raise RequestError(
            f"{missing:,} of {len(train):,} training rows have no answer that the teacher's could be "
            "compared with",
            where="generation.only_correct",
            mend="give rows with an answer (data.columns says which column that is), or leave "
            "only_correct out",
        )


def same_tokenizer(a: Any, b: Any) -> bool:
    """Whether two tokenizers map text to the same ids, whatever their names."""
    if a is b:
        return True
    if a.get_vocab() != b.get_vocab():
        return False
    probe = "The 12 cats' naïve café,\n\tif x != 3.14: 日本語 <|end|>  done"
    return bool(a(probe)["input_ids"] == b(probe)["input_ids"] and a.eos_token_id == b.eos_token_id)


def _side(spec: Any, name: str, tokenizer: Any) -> Side:
    config = load_config(spec, name, tokenizer)
    return Side(config, tokenizer, frozenset(end_ids(tokenizer) | _listed_ends(spec)))


def _listed_ends(spec: Any) -> set[int]:
    """End-of-sequence ids of the model's generation configuration."""
    from transformers import GenerationConfig

    from limbeck.models import place

    source = place(spec)
    if source is None:
        return set()
    try:
        listed = GenerationConfig.from_pretrained(source).eos_token_id
    except OSError:  # many models come without one
        return set()
    return set(listed) if isinstance(listed, list) else {listed} - {None}


def ids(
    rows: list[Example], kind: Kind, data: DataSpec, side: Side, max_length: int
) -> tuple[list[Sequence], dict[str, int]]:
    """Rows as a model reads them, and what that took (rows truncated, dropped, longest)."""
    done = tokenise(
        rows,
        side.tokenizer,
        kind=kind,
        max_length=max_length,
        truncation=data.truncation,
        eos=set(side.ends),
        chat=data.chat,
        system=data.system,
    )
    return done.sequences, done.counts
