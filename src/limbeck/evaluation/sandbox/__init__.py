"""Running generated programs where they can do no harm, and cannot grade themselves."""

from limbeck.evaluation.sandbox.limits import Limits, Outcome
from limbeck.evaluation.sandbox.many import run_many
from limbeck.evaluation.sandbox.run import run_python
from limbeck.evaluation.sandbox.ways import isolation

__all__ = ["Limits", "Outcome", "isolation", "run_many", "run_python"]
