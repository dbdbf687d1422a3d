"""What a teacher is told of a learner: attempts and their errors, the record, the prompts."""

from limbeck.tutoring.arithmetic import false_equalities
from limbeck.tutoring.prompts import FINISH, Prompts, folder, show
from limbeck.tutoring.record import (
    CUT_TOKENS,
    Attempt,
    Entry,
    Lesson,
    Record,
    blinded,
    fitted,
    shuffled,
)
from limbeck.tutoring.solutions import solution_of
from limbeck.tutoring.tags import TAGS, by_rule, read_tag

__all__ = [
    "CUT_TOKENS",
    "FINISH",
    "TAGS",
    "Attempt",
    "Entry",
    "Lesson",
    "Prompts",
    "Record",
    "blinded",
    "by_rule",
    "false_equalities",
    "fitted",
    "folder",
    "read_tag",
    "show",
    "shuffled",
    "solution_of",
]
