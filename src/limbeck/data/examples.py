"""What a data set is made of before any tokenizer: prompts, completions and their splits."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["pairs", "text"]
Verify = Callable[[str, str], bool]
Extract = Callable[[str], str | None]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation.

    Attributes:
        role: ``system``, ``user``, ``assistant``, or another that the chat template knows.
        content: What was said.
    """

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Example:
    """A prompt with what the data says about it.

    Attributes:
        prompt: Text, or the turns of a conversation; empty for rows of running text.
        completion: The answer to learn from; None where nobody has answered yet. For rows of
            running text, that text.
        answer: The short gold answer that a verifier compares with; None where there is none.
        difficulty: How hard the problem is, on the scale of the task that made it.
        hidden: A completion that the data has and the student may not see, kept for controls.
    """

    prompt: str | tuple[Message, ...]
    completion: str | None = None
    answer: str | None = None
    difficulty: int | None = None
    hidden: str | None = None

    @property
    def question(self) -> str:
        """The prompt as a person reads it; of a conversation of several turns, who said what."""
        if isinstance(self.prompt, str):
            return self.prompt
        if len(self.prompt) == 1:
            return self.prompt[0].content
        return "\n".join(f"{m.role}: {m.content}" for m in self.prompt)

    @property
    def key(self) -> str:
        """Sixteen hex digits that depend on the prompt only; on the text where there is no prompt.

        Runs of white space count as one space and a lone user turn counts as its text, so that
        the same question in another format does not pass for another question.
        """
        return hashlib.blake2b(
            self._canonical().encode("utf-8", "surrogatepass"), digest_size=8
        ).hexdigest()

    def _canonical(self) -> str:
        if isinstance(self.prompt, str):
            return " ".join((self.prompt or self.completion or "").split())
        turns = [(m.role, " ".join(m.content.split())) for m in self.prompt]
        if len(turns) == 1 and turns[0][0] == "user":
            return turns[0][1]
        return "\x1e".join(f"{role}\x1f{content}" for role, content in turns)


@dataclass(frozen=True)
class Examples:
    """The rows of a recipe's data, split so that no prompt stands in two splits.

    Attributes:
        train: Rows to learn from; never empty.
        validation: Rows to choose by.
        test: Rows to report on.
        kind: ``pairs`` of prompt and completion, or running ``text``.
        verify: ``(completion, answer) -> right?``; None where no row has an answer.
        extract: ``completion -> the answer that it gives``, or None where none can be read; None
            itself where `verify` is.
        notes: What was done to the rows on the way, as counts: ``duplicate_rows`` and
            ``leaking_rows`` removed, ``unused_rows`` beyond the number asked for, and
            ``hidden_completions``.
    """

    train: list[Example]
    validation: list[Example]
    test: list[Example]
    kind: Kind
    verify: Verify | None = None
    extract: Extract | None = None
    notes: dict[str, int] = field(default_factory=dict)
