"""Kinds of errors: what a rule can tell, and what the teacher is asked."""

import re

from limbeck.tutoring.arithmetic import false_equalities

TAGS: dict[str, str] = {
    "misread": "The problem was misunderstood: a wrong quantity, condition or question.",
    "wrong_method": "The approach cannot lead to the answer.",
    "arithmetic": "A calculation has a wrong result.",
    "missing_step": "A step that the answer needs was left out.",
    "incoherent": "The steps do not follow from one another.",
    "format": "No answer can be read from the text.",
    "truncated": "The text was cut at the length limit.",
    "lucky": "The answer is right although a calculation is wrong.",
    "unclear": "The teacher could not say what went wrong.",
}
"""What each tag means, in the order of reports."""

ASKED = ("misread", "wrong_method", "arithmetic", "missing_step", "incoherent")
"""The tags among which the teacher chooses."""

_WORDS = re.compile(r"[a-z]+(?:[_\s-]+(?:method|step))?")


def by_rule(
    attempt_text: str, *, correct: bool, finished: bool, extracted: str | None
) -> str | None:
    """The tag that needs no teacher.

    Args:
        attempt_text: What the learner wrote.
        correct: Whether its answer is right.
        finished: Whether it came to an end before the length limit.
        extracted: The answer that can be read from it; None where there is none.

    Returns:
        ``truncated``, ``format``, ``arithmetic``, ``lucky``, empty where nothing is wrong, or
        None where the teacher has to be asked.
    """
    if not finished:
        return "truncated"
    if extracted is None:
        return "format"
    slips = false_equalities(attempt_text)
    if correct:
        return "lucky" if slips else ""
    return "arithmetic" if slips else None


def read_tag(reply: str) -> str:
    """The first tag that a teacher's reply names; ``unclear`` where it names none."""
    for word in _WORDS.findall(reply.lower()):
        tag = re.sub(r"[\s-]+", "_", word)
        if tag in ASKED:
            return tag
        if tag.partition("_")[0] in ASKED:  # "arithmetic step"
            return tag.partition("_")[0]
    return "unclear"
