"""What is asked, and what came of it."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from limbeck.data import Message


@dataclass(frozen=True)
class Question:
    """What a row says, before it has a prompt.

    Attributes:
        fields: What templates can read, ``question`` among them; ``context`` may be cut.
        gold: What a grade compares with: a text, the number of the right choice, or a list; of
            code, what its tests are made of.
        answer: As a worked example shows it.
        choices: The options' texts, where there are some.
        pairs: Of choices that stand inside a text: for each, what comes before, and what is scored.
        example: The whole of a worked example, where that is not the prompt and the answer.
        id: The row's own name; None where it has none.
        document: What several rows may share, so that they are not independent of one another.
    """

    fields: Mapping[str, str]
    gold: Any
    answer: str
    choices: tuple[str, ...] = ()
    pairs: tuple[tuple[str, str], ...] = ()
    example: str | None = None
    id: str | None = None
    document: str | None = None

    @property
    def key(self) -> str:
        """Sixteen hex digits that depend on what is asked and on nothing else."""
        said = [f"{k}={' '.join(v.split())}" for k, v in sorted(self.fields.items())]
        said += [" ".join(choice.split()) for choice in self.choices]
        text = "\x1e".join(said).encode("utf-8", "surrogatepass")
        return hashlib.blake2b(text, digest_size=8).hexdigest()


@dataclass(frozen=True)
class Item:
    """What is put to a model.

    Attributes:
        id: Unique among the items of an evaluation, and the same in the next one.
        prompt: A text to continue, worked examples included.
        messages: The same as a conversation, for a chat template.
        gold: What a grade compares with.
        choices: The options' texts; a chat model's answer is one of them.
        pairs: A prompt and a continuation for each choice, which are scored as they stand: the
            space between them belongs to the continuation.
        document: What items share that are not independent: the cluster to resample by.
        context: The part of the prompt that may be cut to make room; empty where there is none.
        context_cut: Whether it was.
    """

    id: str
    prompt: str
    messages: tuple[Message, ...]
    gold: Any
    choices: tuple[str, ...] = ()
    pairs: tuple[tuple[str, str], ...] = ()
    document: str = ""
    context: str = ""
    context_cut: bool = False

    def cut(self, characters: int) -> "Item":
        """The item with at most so many characters of its context; question and answer stay.

        Raises:
            ValueError: There is no context, or `characters` is negative.
        """
        if not self.context or characters < 0:
            raise ValueError(f"item {self.id}: no context to cut to {characters} characters")
        if len(self.context) <= characters:
            return self
        short = self.context[:characters].rstrip()

        def cut(text: str) -> str:
            # From the right: a worked example may quote the same passage.
            before, found, after = text.rpartition(self.context)
            return before + short + after if found else text

        *earlier, last = self.messages
        return replace(
            self,
            prompt=cut(self.prompt),
            messages=(*earlier, replace(last, content=cut(last.content))),
            pairs=tuple((cut(before), after) for before, after in self.pairs),
            context=short,
            context_cut=True,
        )


@dataclass(frozen=True)
class Scored:
    """One item's result.

    Attributes:
        id: The item's.
        document: The item's.
        gold: The item's.
        extracted: The answer as it was read: a text, the number of a choice, a list; None where
            there is none.
        correct: Whether it is right by the task's first rule; None where only a judge can say.
        invalid: Whether no answer could be read; of an open task, whether there is none.
        truncated: Whether the model was cut off.
        context_cut: Whether the prompt was.
        grades: A number for each rule, by name.
    """

    id: str
    document: str
    gold: Any
    extracted: Any | None
    correct: bool | None
    invalid: bool
    truncated: bool = False
    context_cut: bool = False
    grades: Mapping[str, float] = field(default_factory=dict)
