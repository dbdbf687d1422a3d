"""A distillation from its recipe to its report."""

from limbeck.run.distill import Run, check, distill, read_run

__all__ = ["Run", "check", "distill", "read_run"]
