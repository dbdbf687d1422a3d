"""Does a trainer get what its method needs?"""

from collections.abc import Iterable
from collections.abc import Sequence as Rows
from typing import Any

from limbeck.data import Sequence
from limbeck.methods import Method
from limbeck.schedules import ValidationDriven


def check_request(
    method: Method, teacher: Any, corpus: Rows[Sequence], eval_dataset: Iterable[Any] | None
) -> None:
    """Refuse what would train on something else than the method's loss.

    Raises:
        ValueError: A teacher, plain text or validation text is missing.
    """
    name = type(method).__name__
    if (method.imitates or method.writes_together) and teacher is None:
        raise ValueError(f"{name} imitates a teacher: pass teacher=")
    if method.needs_corpus and not corpus:
        raise ValueError(f"{name}(lm_coef=) reads plain text: pass corpus=")
    if listens(method) and eval_dataset is None:
        raise ValueError(
            f"{name} follows the validation loss: pass eval_dataset=, or give the field that is "
            "scheduled by it a number"
        )


def check_weights(method: Method, rows: Iterable[Sequence]) -> None:
    """Refuse rows that nobody has weighed, where the loss is by weights.

    Raises:
        ValueError: All weights are 1.
    """
    if method.needs_start and all(s.weight == 1.0 for s in rows):
        raise ValueError("adaptive weights stand in the `weight` of each Sequence; all are 1 here")


def listens(method: Method) -> bool:
    """Whether a schedule of the method follows the validation loss."""
    return any(isinstance(s, ValidationDriven) for s in method.schedules.values())
