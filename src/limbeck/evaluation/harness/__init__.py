"""Tasks of lm-evaluation-harness on a loaded model, as rows and figures like our own tasks'."""

from limbeck.evaluation.harness.result import PREFIX, HarnessResult
from limbeck.evaluation.harness.run import run_harness

__all__ = ["PREFIX", "HarnessResult", "run_harness"]
