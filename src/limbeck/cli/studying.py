"""``limbeck study``: many runs, and claims tested on them."""

import shlex
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from limbeck.cli.arguments import Debug, Overrides, Quiet
from limbeck.cli.guard import guarded


class _OrRun(TyperGroup):
    """A group whose first word may also be a study's file."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """See click: what is left of the words."""
        if args and args[0] not in (*self.commands, "--help"):
            args = ["run", *args]
        return super().parse_args(ctx, args)


study = typer.Typer(
    cls=_OrRun,
    help="Run a grid of recipes, and test what was claimed of it.\n\n"
    "[bold]limbeck study STUDY.yaml[/] runs what is missing, [bold]limbeck study results[/] gives the "
    "table, [bold]limbeck study import[/] takes the released tables of a published study.",
    rich_markup_mode="rich",
    no_args_is_help=True,
)


@study.command()
def run(
    file: Annotated[Path, typer.Argument(metavar="STUDY", help="A YAML file; see studies/.")],
    overrides: Overrides = None,
    plan: Annotated[
        bool,
        typer.Option(
            "--plan",
            help="Only say what would run, what is shared, and what it would take, from a short "
            "trial of each cell.",
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only check every recipe, as the doctor does.")
    ] = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Run what is missing of a study, test its hypotheses, write its report.

    A study is a recipe (base), what is varied (axes, seeds), and what is claimed (hypotheses). A
    teacher that is fine-tuned, its text, the baseline and their scores are made once for all runs
    that have them in common.

    Runs that were finished are never repeated; those that failed or were stopped go on when the
    same command is given again. OUTPUT/results.parquet is the table, OUTPUT/report.html the report.
    """
    with guarded(debug, quiet):
        from limbeck.cli.show_study import show_checked, show_plan, show_study
        from limbeck.studies.spec import load_study

        request = load_study(file, overrides or [])
        if plan:
            from limbeck.studies.estimate import estimate

            show_plan(estimate(request))
            return
        if dry_run:
            from limbeck.studies.checking import check_study

            findings = check_study(request)
            show_checked(findings)
            raise typer.Exit(any(f.status == "fail" for _, f in findings))
        from limbeck.studies.study import run_study

        words = shlex.join(["limbeck", "study", str(file), *(overrides or [])])
        done = run_study(request, name=file.stem, command=words)
        show_study(done)
        raise typer.Exit(bool(done.study["failed"]))


@study.command()
def results(
    folder: Annotated[Path, typer.Argument(help="Folder of a study.")],
    form: Annotated[str, typer.Option("--format", help="csv, md or parquet.")] = "md",
    debug: Debug = False,
) -> None:
    """Print a study's table as far as it is: a row a run and task. parquet prints where it is."""
    with guarded(debug, quiet=True):
        from limbeck.cli.show_study import show_table

        show_table(folder, form)


@study.command("import")
def import_(
    folder: Annotated[Path, typer.Argument(help="Folder with the released CSV files.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the study.")] = Path(
        "studies/released"
    ),
    debug: Debug = False,
) -> None:
    """Take the released tables of the generalisation-versus-fidelity study as a finished study."""
    with guarded(debug, quiet=True):
        from limbeck.cli.show_study import show_study
        from limbeck.studies.importing import import_released

        show_study(import_released(folder, output))
