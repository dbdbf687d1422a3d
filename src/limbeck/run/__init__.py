"""A distillation from its recipe to its report."""

from limbeck.run.distill import Run, check, check_recipe, distill, read_run

__all__ = ["Run", "check", "check_recipe", "distill", "read_run"]
