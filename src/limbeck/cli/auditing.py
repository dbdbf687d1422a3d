"""``limbeck audit``: did the student learn the teacher's way, or only its answers?"""

from pathlib import Path
from typing import Annotated

import typer

from limbeck.cli.arguments import Debug, Overrides, Quiet
from limbeck.cli.guard import guarded


def audit(
    teacher: Annotated[
        str, typer.Option(help="Hub id, folder, folder of a run, or file of saved outputs.")
    ],
    student: Annotated[str, typer.Option(help="Likewise.")],
    overrides: Overrides = None,
    baseline: Annotated[
        str | None,
        typer.Option(help="A student that was trained without this teacher; likewise."),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="Prompts with answers or completions; by default the run's own test rows."
        ),
    ] = None,
    losses: Annotated[
        str | None,
        typer.Option(
            help="File with losses of baseline and teacher (columns id, student, teacher), out of "
            "fold, say: part the items by these.",
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder; by default runs/audit/STUDENT.")
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Delete an earlier audit of this folder and start over.")
    ] = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Compare a student with its teacher, item by item and token by token, and write a report.

    [bold]limbeck audit --teacher runs/big --student runs/small --data test.jsonl[/]

    Scores with paired tests; both distributions on the data's, the teacher's and the student's own
    text; calibration; the same answers, also where they are wrong; the same steps; diversity; what
    the teacher agrees on with itself; and, with --baseline, where a student can win. Every run of
    limbeck distill ends with the same.

    KEY=VALUE changes data, evaluate, student, teacher and seed as in a recipe:
    [bold]data.columns.answer=gold data.verifier=last_number evaluate.max_items=200[/]. All rows of
    the data are compared on, or those of data.test where that is given. Where the student is the
    folder of a run, its test rows need not be named.

    In a model's place may stand what it wrote: a .jsonl, .parquet, .json or .csv file with the
    columns output, prompt and, without --data, id and correct. The TASK.parquet of
    [bold]limbeck eval[/] is such a file.

    OUTPUT/report.html is the report, OUTPUT/results.json every figure, OUTPUT/items the tables.
    Interrupted, the same command goes on where it was.
    """
    with guarded(debug, quiet):
        from limbeck.run.auditing import Audit
        from limbeck.run.auditing import audit as compare

        folder = output or Path("runs/audit") / Path(student).stem
        wish = Audit(teacher, student, folder, baseline, data, losses, overrides or [])
        done = compare(wish, fresh=fresh)
        from limbeck.cli.show_run import show_run

        show_run(done)
