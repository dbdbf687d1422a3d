"""The ``limbeck`` command. Nothing heavy is imported until a command needs it."""

import inspect
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from limbeck.cli.arguments import Debug, Fresh, Json, Overrides, Quiet, RecipeFile
from limbeck.cli.auditing import audit
from limbeck.cli.evaluating import evaluate
from limbeck.cli.guard import guarded
from limbeck.cli.refining import refine
from limbeck.cli.studying import study
from limbeck.cli.transfer import transfer
from limbeck.cli.writing import generate
from limbeck.ranks import leave

if TYPE_CHECKING:
    from limbeck.run import Run

app = typer.Typer(
    name="limbeck",
    help="Distil a large language model into a small one, and learn honestly whether it worked.\n\n"
    "Start with [bold]limbeck demo[/]; it needs no downloads and ends with a report. "
    "Then write a recipe of four keys (student, teacher, data, method), "
    "check it with [bold]limbeck doctor RECIPE[/] and run it with [bold]limbeck distill RECIPE[/].",
    epilog="Exit codes: 0 done, 1 the work failed or a check did not hold, 2 the request was wrong.",
    rich_markup_mode="rich",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.command()
def demo(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the run.")] = Path(
        "runs/demo"
    ),
    seed: Annotated[int, typer.Option(help="Seed of data, weights and sampling.")] = 0,
    controls: Annotated[
        bool,
        typer.Option(
            "--controls", help="Also run the two controls that say where the gain comes from."
        ),
    ] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Start over.")] = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Run the quickstart recipe: minutes on a laptop, no downloads, ends with a report.

    A small teacher learns a reasoning task from scratch. A student six times smaller is then
    fine-tuned on the few labelled rows, and, for comparison, distilled on many prompts that only
    the teacher answers. It is an ordinary recipe: the run's folder holds it as recipe.yaml.
    """
    with guarded(debug, quiet):
        from limbeck.console import say
        from limbeck.recipe import load_recipe
        from limbeck.run import distill as run_recipe

        words = [f"output={output}", f"seed={seed}", f"controls={str(controls).lower()}"]
        recipe = load_recipe(Path(__file__).parent / "quickstart.yaml", words)
        say(f"the quickstart: a teacher from scratch, then two students; minutes. Folder: {output}")
        _show(run_recipe(recipe, fresh=fresh, name="quickstart"))


@app.command()
def distill(
    recipe: RecipeFile,
    overrides: Overrides = None,
    fresh: Fresh = False,
    shared: Annotated[
        Path | None,
        typer.Option(
            help="Folder in which runs share what does not depend on their method: a fine-tuned "
            "teacher, its text, the baseline, and their scores."
        ),
    ] = None,
    profile: Annotated[
        bool,
        typer.Option(
            "--profile",
            help="Print where the time and memory of a training step go. For a quick look: "
            "limbeck distill RECIPE --profile training.max_steps=20 output=runs/profile",
        ),
    ] = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Run a recipe: doctor, text, training, evaluation, report.

    An interrupted run goes on where it was when the same command is given again. The student ends
    up in OUTPUT/student, the numbers in OUTPUT/results.json, the report in OUTPUT/report.html.
    """
    with guarded(debug, quiet):
        from limbeck.recipe import load_recipe

        request = load_recipe(recipe, overrides or [])
        from limbeck.run import distill as run_recipe  # not before: it takes seconds

        _show(run_recipe(request, fresh=fresh, profile=profile, shared=shared))


@app.command()
def sft(
    recipe: RecipeFile,
    overrides: Overrides = None,
    fresh: Fresh = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Only fine-tune what a recipe fine-tunes before it distils: its teacher, its student, or both.

    [bold]teacher: {model: ..., sft: {}, keep_checkpoints: 5}[/] makes the teacher, in
    OUTPUT/teacher, and keeps five checkpoints of its way there, in OUTPUT/teacher-path, for
    methods that teach along it. [bold]lora: {}[/] makes them adapters.
    [bold]teacher: {checkpoints: FOLDER}[/] names those of a fine-tuning done elsewhere.

    [bold]student: {model: ..., sft: {}}[/] makes the model that all arms start from, in
    OUTPUT/start. Without [bold]data:[/] of its own, a stage trains on the recipe's rows.

    Prints what each model and each checkpoint costs on the validation rows, in nats a token.
    [bold]limbeck distill RECIPE[/] then goes on from there; interrupted, either goes on where it was.
    """
    with guarded(debug, quiet):
        from limbeck.cli.show_sft import show_prepared
        from limbeck.ranks import rank
        from limbeck.recipe import load_recipe

        request = load_recipe(recipe, overrides or [])
        from limbeck.run.preparation import prepare  # not before: it takes seconds

        prepared = prepare(request, fresh=fresh)
        if rank() == 0:
            show_prepared(prepared)


app.command()(generate)
app.command()(refine)
app.command("eval")(evaluate)
app.command()(audit)
app.command()(transfer)
app.add_typer(study, name="study")


@app.command()
def cache(
    recipe: RecipeFile,
    overrides: Overrides = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder of the cache; by default teacher.cache."),
    ] = None,
    encoding: Annotated[
        str,
        typer.Option(
            help="What is kept: topk, topk-f16, topk-f32, sampled, hidden or hidden-bf16; see above."
        ),
    ] = "topk",
    k: Annotated[int, typer.Option(help="topk: how many of the likeliest tokens.")] = 128,
    samples: Annotated[int, typer.Option(help="sampled: how many draws for a token.")] = 50,
    exact: Annotated[
        int,
        typer.Option(help="sampled: so many of the likeliest tokens exactly, draws of the rest."),
    ] = 0,
    verify: Annotated[
        bool,
        typer.Option(
            "--verify",
            help="Check a finished cache instead: every checksum, and one shard with the teacher.",
        ),
    ] = False,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Delete what is in the folder and start over.")
    ] = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Ask the teacher once about every token of a recipe's text, and keep what it says.

    [bold]limbeck distill RECIPE teacher.cache=FOLDER[/] then trains without the teacher in memory.

    [bold]topk[/]: the K likeliest tokens, 8 bits for each log-probability, and the mass of the
    rest. For every divergence at temperature 1, as a lower bound; topk-f16 and topk-f32 keep
    more bits.

    [bold]sampled[/]: ids drawn from the teacher. Smallest, and unbiased for the forward KL (kd at
    temperature 1, gkd with beta 0); of no use to other divergences.

    [bold]hidden[/]: last hidden states, and the head once. Exact, for every divergence and
    temperature, and large: 2 or 4 bytes for each hidden unit. hidden-bf16 rounds float32 states.

    The size is printed before anything is computed. An interrupted cache goes on where it was when
    the same command is given again.
    """
    with guarded(debug, quiet):
        from limbeck.cli.show import show_cache, show_verified
        from limbeck.recipe import load_recipe
        from limbeck.run.caching import Wish, make_cache, verify_cache

        request = load_recipe(recipe, overrides or [])
        if verify:
            show_verified(*verify_cache(request, output))
        else:
            show_cache(make_cache(request, output, Wish(encoding, k, samples, exact), fresh))


@app.command()
def doctor(
    recipe: RecipeFile,
    overrides: Overrides = None,
    weights: Annotated[
        bool,
        typer.Option("--weights", help="Load both models too, and measure the teacher's lead."),
    ] = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Check models, data and machine before anything expensive; exit code 0 ready, 1 not.

    Loads configurations, tokenizers and data, and no weights unless asked. Writes nothing.
    """
    with guarded(debug, quiet=True):
        from limbeck.cli.show import show_findings
        from limbeck.run import check

        findings = check(recipe, overrides or [], weights)
        show_findings(findings, as_json)
        raise typer.Exit(any(f.status == "fail" for f in findings))


@app.command()
def methods(
    name: Annotated[str | None, typer.Argument(help="Show one method in full.")] = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """List the methods, or show one: formula, options, paper, how released code deviates."""
    with guarded(debug, quiet=True):
        from limbeck.cli.methods import show_method, show_methods

        show_methods(as_json) if name is None else show_method(name, as_json)


@app.command()
def report(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run, audit or evaluation.")],
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Show a finished run's or audit's report again, and rewrite its report.html from results.json.

    Of limbeck eval, the tables are shown again.
    """
    with guarded(debug, quiet=True):
        if (run / "eval.json").exists():
            from limbeck.cli.show_evaluated import show_again

            show_again(run, as_json)
            return
        from limbeck.reports import write_report
        from limbeck.run import read_run

        found = read_run(run)
        if as_json:
            print((run / "results.json").read_text(encoding="utf-8"), end="")
            return
        write_report(found.results, found.report, found.items())
        _show(found)


@app.callback(invoke_without_command=True)
def _version(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True)
    ] = False,
) -> None:
    if version:
        from limbeck import __version__

        print(__version__)
        raise typer.Exit


def _show(run: "Run") -> None:
    """A finished run; what draws its report takes a second to import."""
    from limbeck.cli.show_run import show_run

    show_run(run)


for command in app.registered_commands:
    # Typer keeps the line ends of a docstring, and breaks lines at the terminal's edge besides.
    command.help = re.sub(r"(?<!\n)\n(?!\n)", " ", inspect.getdoc(command.callback) or "")


def main() -> None:
    """Entry point."""
    # With more threads than free cores, OpenMP's spinning barriers slow many small operations down
    # many times over; sleeping ones cost next to nothing. It is read once, when PyTorch loads.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # A piped report keeps its shape in a log file that knows no UTF-8.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        app()
    finally:
        leave()
