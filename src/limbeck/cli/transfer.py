"""``limbeck transfer``: what was rewritten for one student, given to another."""

from pathlib import Path
from typing import Annotated

import typer

from limbeck.cli.arguments import Debug, Quiet
from limbeck.cli.guard import guarded


def transfer(
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN RUN... [KEY=VALUE]...",
            help="Folders of finished runs with method: undo; then keys to change in the training "
            "of every student, e.g. training.max_steps=100",
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder of the matrix and of its runs.")
    ] = Path("runs/transfer"),
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Train each student on the data that was refined for the others: does refinement transfer?

    Takes two or more runs of [bold]undo[/] with different students on the same data. Every student
    is trained anew, as in its own run, on the first solutions and on the refined solutions of each
    run: those of the round that the run kept. Only problems that have a solution in all of these
    tables are used, so that the texts differ in their words and not in their problems.

    Prints a matrix, student by data: what refining adds in points of accuracy, paired by test row,
    with a student's own data on the diagonal. It is in OUTPUT/transfer.md and, with all numbers, in
    OUTPUT/transfer.json.

    N students need N x 2N trainings, fewer where the same teacher gave all of them the same first
    solutions. Each is an ordinary run in OUTPUT/runs, with its report; the same command given again
    goes on where it was. The teacher is not asked.

    [bold]limbeck transfer runs/small runs/large -o runs/transfer[/]
    """
    with guarded(debug, quiet):
        from rich.console import Console

        from limbeck.ranks import rank
        from limbeck.reports.matrix import print_matrix
        from limbeck.run.transfer import transfer as run_transfer

        changes = [word for word in words if "=" in word and not Path(word).exists()]
        runs = [Path(word) for word in words if word not in changes]
        found = run_transfer(runs, output, changes)
        if rank() == 0:
            out = Console(highlight=False)
            print_matrix(found, out)
            out.print(
                f"\nmatrix   {output / 'transfer.md'}\nnumbers  {output / 'transfer.json'}",
                soft_wrap=True,
            )
