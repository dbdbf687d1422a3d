"""``limbeck eval``: any model on any tasks."""

from pathlib import Path
from typing import Annotated

import typer

from limbeck.cli.arguments import Debug, Quiet
from limbeck.cli.guard import guarded


def evaluate(
    models: Annotated[
        list[str],
        typer.Argument(
            metavar="MODEL...",
            help="Hub id, folder, folder of a finished run, or file of saved outputs.",
        ),
    ],
    tasks: Annotated[
        str,
        typer.Option(help="Names with commas between them, each with =PATH for rows of a file."),
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder; by default runs/eval/MODELS.")
    ] = None,
    limit: Annotated[int | None, typer.Option(help="At most so many items of each task.")] = None,
    shots: Annotated[int, typer.Option(help="Worked examples before each question.")] = 0,
    shots_from: Annotated[
        str, typer.Option(help="Files to take them from: TASK=PATH with commas between.")
    ] = "",
    chat: Annotated[
        bool | None,
        typer.Option(help="Ask in conversations; by default where there is a chat template."),
    ] = None,
    max_new_tokens: Annotated[
        int | None, typer.Option(help="Longest answer; by default the task's own.")
    ] = None,
    batch_size: Annotated[int, typer.Option(help="Prompts at once.")] = 32,
    samples: Annotated[
        int,
        typer.Option(
            help="Programs written to each problem of a code task; more than one are drawn at "
            "--temperature."
        ),
    ] = 1,
    temperature: Annotated[
        float | None,
        typer.Option(
            help="Of programs that are drawn; by default one is greedy and several are drawn at 0.8."
        ),
    ] = None,
    unsafe: Annotated[
        bool,
        typer.Option(
            "--unsafe",
            help="Run programs of code tasks without protection where there is no sandbox.",
        ),
    ] = False,
    judge: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MODEL@URL",
            help="Who compares two models' answers to an open task: a model behind a server, hub id "
            "or folder. A second one sees a sample.",
        ),
    ] = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Score models on tasks: accuracy with its interval, answers that none could read, cut ones.

    [bold]limbeck eval runs/tldr --tasks gsm8k,arc_easy --limit 200[/]

    Several models are compared item by item, with paired tests. In a model's place may stand what
    it wrote to one task: a .jsonl, .parquet, .json or .csv file with the columns output and id (or
    prompt).

    Rows come from the hub, or from a file: [bold]--tasks gsm8k=test.jsonl[/]. A task of your own is
    a .yaml file (prompt template, answer field, extractor, scorer) or FILE.py:NAME. Anything else
    is asked by lm-evaluation-harness: [bold]--tasks harness:mmlu[/]. Answers are greedy. Choices are
    compared by their likelihood, or, in conversations, asked for as letters.

    Open tasks (alpaca_eval, evol_instruct, ultrafeedback) have no right answers: two models'
    answers are compared by a judge, in both orders.

    Code tasks (humaneval, mbpp, mbpp_sanitized) run the programs that a model writes, in a sandbox;
    --samples 10 gives pass@1 to pass@10.

    OUTPUT/eval.json has every figure, TASK.parquet a row for each item. Interrupted, the same
    command goes on where it was.
    """
    with guarded(debug, quiet):
        from limbeck.cli.show_evaluated import show_evaluated
        from limbeck.errors import RequestError
        from limbeck.run.evaluating import evaluate as run_tasks
        from limbeck.run.tasks import Wish

        pairs = [word.partition("=") for word in shots_from.split(",") if word]
        if any(not path for _, _, path in pairs):
            raise RequestError(
                "--shots-from names tasks and files",
                where=f"--shots-from {shots_from}",
                mend="write TASK=PATH, with commas between several",
            )
        folder = output or Path("runs/eval") / "-".join(Path(m).stem for m in models)
        wish = Wish(
            limit=limit,
            shots=shots,
            shots_from={name: path for name, _, path in pairs},
            chat=chat,
            max_new_tokens=max_new_tokens,
            batch_size=batch_size,
            samples=samples,
            temperature=temperature,
            unsafe=unsafe,
        )
        words = [word.strip() for word in tasks.split(",") if word.strip()]
        show_evaluated(run_tasks(models, words, folder, wish, judge or []), folder)
