"""Commands that write text and train nobody."""

from limbeck.cli.arguments import Debug, Fresh, Overrides, Quiet, RecipeFile
from limbeck.cli.guard import guarded


def generate(
    recipe: RecipeFile,
    overrides: Overrides = None,
    fresh: Fresh = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Only write the teacher's text of a recipe: look at it before anything is trained on it.

    The teacher is made ready, locally or behind an API, and answers every training prompt.
    [bold]generation.num_return_sequences=4[/] asks for four answers to each;
    [bold]generation.only_correct=true[/] keeps those that the data's verifier accepts. Answers that
    were cut at the length limit, and repeated ones, are left out in any case.

    OUTPUT/responses.parquet has a row for each answer: example, key, prompt, response, tokens,
    finished, correct, and verdict (kept, unfinished, wrong or duplicate). Printed are these counts,
    the lengths of what is kept, and what a server has cost.

    Interrupted, or stopped by [bold]teacher.budget[/], the same command goes on where it was.
    [bold]limbeck distill RECIPE[/] trains on this text, and asks nobody for it again.
    """
    with guarded(debug, quiet):
        from limbeck.cli.show_generated import show_generated
        from limbeck.ranks import rank
        from limbeck.recipe import load_recipe

        request = load_recipe(recipe, overrides or [])
        from limbeck.run.generating import generate as write  # not before: it takes seconds

        generated = write(request, fresh=fresh)
        if rank() == 0:
            show_generated(generated)
