"""``limbeck refine``: a rewriting teacher alone."""

from pathlib import Path
from typing import Annotated

import typer

from limbeck.cli.arguments import Debug, Fresh, Overrides, Quiet
from limbeck.cli.guard import guarded


def refine(
    recipe: Annotated[
        Path | None, typer.Argument(metavar="RECIPE", help="A YAML file with method: undo.")
    ] = None,
    overrides: Overrides = None,
    attempts: Annotated[
        Path | None,
        typer.Option(
            help="What the student wrote: .jsonl or .parquet with prompt and completion. Without "
            "it, the recipe's student is loaded and asked."
        ),
    ] = None,
    earlier: Annotated[
        Path | None,
        typer.Option(help="refined.parquet of the round before; else the teacher solves first."),
    ] = None,
    show_prompts: Annotated[
        bool, typer.Option("--show-prompts", help="Print what the teacher is told, and stop.")
    ] = False,
    fresh: Fresh = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Have the teacher rewrite its solutions for a student's errors; train nothing.

    For your own training code, or to look before you train: answers of the student in, training
    text out. The teacher solves the training problems ([bold]--earlier FILE[/] takes the solutions
    of a round before), is shown the student's attempts at the diagnosis problems, and rewrites
    what the student is to learn. Only solutions with the right answer count. The text ends up in
    OUTPUT/refined.parquet, with the earlier solution beside the new one.

    In the modes [bold]failed[/] and [bold]mixed[/] the attempts hold the training problems as well.

    An interrupted command goes on where it was, and pays for no request twice.

    [bold]--show-prompts[/] prints the templates of both built-in sets, or of the recipe's. Copy
    their folder, edit it, and name it in the recipe: [bold]prompts: my-folder/[/].
    """
    with guarded(debug, quiet):
        from limbeck.errors import RequestError
        from limbeck.recipe import load_recipe

        request = None if recipe is None else load_recipe(recipe, overrides or [])
        if show_prompts:
            from limbeck.tutoring import show

            for name in ("maths", "commonsense") if request is None else (request.prompts,):
                print(show(name))
            return
        if request is None:
            raise RequestError(
                "there is no recipe",
                where="command line",
                mend="limbeck refine RECIPE, or limbeck refine --show-prompts",
            )
        from limbeck.cli.show_refined import show_refined
        from limbeck.ranks import rank
        from limbeck.run.refining import refine as run_refine

        done = run_refine(request, attempts=attempts, earlier=earlier, fresh=fresh)
        if rank() == 0:
            show_refined(done)
