"""A teacher that rewrites its solutions: keys that only it reads, and keys that it does not."""

from limbeck.errors import RequestError
from limbeck.methods import Method
from limbeck.recipe.sections import Generation, Recipe

FEEDBACK = ("longer", "resample", "shuffled", "blind")
"""Controls that say whether it was the feedback that helped."""


def check_tutoring(recipe: Recipe, method: Method) -> None:
    """Refuse what nobody reads.

    Raises:
        RequestError: See above.
    """
    name = recipe.method["name"]
    if method.tutors:
        _check_decoding(recipe.generation, name)
        if recipe.data.origin != "task" and recipe.data.verifier in (None, "exact"):
            raise RequestError(
                "the verifier exact compares whole texts, and a worked solution is more than its "
                "answer",
                where="data.verifier",
                mend="say how a solution ends: last_number, after_marker, boxed, choice or yes_no",
            )
        return
    for key in recipe.changed("diagnosis", "prompts"):
        raise RequestError(
            f"with the method {name} the teacher is not told how the student does",
            where=key,
            mend=f"leave {key} out, or use the method undo",
        )
    if isinstance(recipe.controls, list):
        for control in recipe.controls:
            if control in FEEDBACK:
                raise RequestError(
                    f"the control {control} is about a teacher's feedback, and the method {name} "
                    "has none",
                    where="controls",
                    mend="name gold or labelled, or leave controls out",
                )


def _check_decoding(generation: Generation, name: str) -> None:
    for key in generation.changed("temperature", "top_p", "top_k", "num_beams"):
        own = {"temperature": "set method.temperature, or method.retry_temperature"}
        raise RequestError(
            f"the method {name} decodes greedily, and draws where it asks again",
            where=f"generation.{key}",
            mend=own.get(key, f"leave generation.{key} out"),
        )
