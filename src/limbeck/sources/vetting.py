"""Which of a teacher's answers are learned from, and why the others are not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from limbeck.data import Verify
from limbeck.errors import LimbeckError

Verdict = Literal["kept", "unfinished", "wrong", "duplicate"]

_SHOWN, _LONGEST = 3, 200


@dataclass(frozen=True, slots=True)
class Answer:
    """What a teacher wrote, as far as it matters for keeping it.

    Attributes:
        example: Which prompt it answers.
        text: The answer.
        finished: Whether the teacher ended by itself.
        gold: What a verifier compares with; None where nobody knows.
    """

    example: int
    text: str
    finished: bool
    gold: str | None = None


def vet(answers: Sequence[Answer], verify: Verify | None) -> list[Verdict]:
    """Say of each answer whether it is kept, by the first of three tests that it fails.

    It must have come to an end, the verifier must accept it, and no answer to the same prompt that
    was kept before may have the same text up to white space.

    Args:
        answers: In the order in which the first of several equal ones is kept.
        verify: None lets wrong answers pass, as does an answer without gold.
    """
    said: set[tuple[int, str]] = set()
    verdicts: list[Verdict] = []
    for answer in answers:
        words = answer.example, " ".join(answer.text.split())
        if not answer.finished:
            verdicts.append("unfinished")
        elif (
            verify is not None and answer.gold is not None and not verify(answer.text, answer.gold)
        ):
            verdicts.append("wrong")
        elif words in said:
            verdicts.append("duplicate")
        else:
            said.add(words)
            verdicts.append("kept")
    return verdicts


def refuse_if_none(
    answers: Sequence[Answer], verdicts: Sequence[Verdict], questions: Mapping[int, str], where: str
) -> None:
    """Stop where no answer is left to learn from, and show why.

    Args:
        answers: All of them.
        verdicts: What `vet` said of each.
        questions: What the examples ask, as a person would read it.
        where: The place of the answers, for messages.

    Raises:
        LimbeckError: Every answer that came to an end was rejected by the verifier, or none did.
    """
    if "kept" in verdicts:
        return
    wrong = [i for i, verdict in enumerate(verdicts) if verdict == "wrong"]
    if not wrong:
        raise LimbeckError(
            "no answer of the teacher came to an end",
            where=where,
            mend="raise generation.max_new_tokens, or check the teacher's end-of-sequence token",
        )
    shown = [
        f"\n  question {_cut(questions[answers[i].example])}"
        f"\n  answer   {_cut(answers[i].text)}"
        f"\n  gold     {_cut(answers[i].gold or '')}"
        for i in wrong[:_SHOWN]
    ]
    raise LimbeckError(
        "the verifier rejects every answer of the teacher",
        where=f"{where}, {len(wrong):,} that came to an end, such as{''.join(shown)}",
        mend="choose data.verifier to fit how answers end, or ask for that form in the prompt; if "
        "the answers are wrong indeed, take a better teacher",
    )


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}\N{HORIZONTAL ELLIPSIS}"
