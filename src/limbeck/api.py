"""The Python form of a recipe."""

from typing import Any

from limbeck.recipe import parse_recipe
from limbeck.run import Run
from limbeck.run import distill as run_recipe


def distill(*, fresh: bool = False, profile: bool = False, **recipe: Any) -> Run:
    """Distil a student from a teacher; the keys of a recipe as arguments.

    An interrupted run goes on where it was when the same call is made again.

    Args:
        fresh: Delete an earlier run in ``output`` first.
        profile: Print where the time and memory of a training step go.
        recipe: ``student``, ``teacher``, ``data``, ``method``, ``output``, and the optional keys
            of a recipe; mappings where a recipe has mappings.

    Returns:
        The finished run: ``run.results`` is what ``results.json`` holds, ``run.student`` the
        folder of the student, ``run.report`` the HTML file.

    Raises:
        RequestError: The request is wrong; nothing has been written.
        LimbeckError: The work failed; what was finished is kept.

    Example:
        >>> run = limbeck.distill(student="Qwen/Qwen2.5-0.5B-Instruct",
        ...     teacher="Qwen/Qwen2.5-7B-Instruct", data="trl-lib/tldr", method="kd",
        ...     output="runs/tldr")  # doctest: +SKIP
    """
    recipe.setdefault("output", "runs/python")
    return run_recipe(
        parse_recipe(recipe, where="limbeck.distill(...)"), fresh=fresh, profile=profile
    )
