"""Tasks put to models, ours and those of lm-evaluation-harness."""

from limbeck.run.tasks.answering import Examinee, put_to
from limbeck.run.tasks.asked import Asked, Outcome, Wish, asked_of, harness_of
from limbeck.run.tasks.harness import put_harness_to
from limbeck.run.tasks.keeping import kept

__all__ = [
    "Asked",
    "Examinee",
    "Outcome",
    "Wish",
    "asked_of",
    "harness_of",
    "kept",
    "put_harness_to",
    "put_to",
]
