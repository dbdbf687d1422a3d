"""``limbeck eval``: any model on any tasks."""

from pathlib import Path
from typing import Annotated

import typer

from limbeck.cli.arguments import Debug, Quiet
from limbeck.cli.guard import guarded


def evaluate(
    model: Annotated[str, typer.Argument(help="Hub id, folder, or the folder of a finished run.")],
    tasks: Annotated[
        str,
        typer.Option(help="Names with commas between them, each with =PATH for rows of a file."),
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder; by default runs/eval/MODEL.")
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
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Score a model on tasks: accuracy with its interval, answers that none could read, cut ones.

    [bold]limbeck eval runs/tldr --tasks gsm8k,arc_easy --limit 200[/]

    Rows come from the hub, or from a file: [bold]--tasks gsm8k=test.jsonl[/]. A task of your own is
    a .yaml file (prompt template, answer field, extractor, scorer) or FILE.py:NAME. Answers are
    greedy. Choices are compared by their likelihood, or, in conversations, asked for as letters.

    OUTPUT/eval.json has every figure, OUTPUT/TASK.parquet a row for each item. Interrupted, the same
    command goes on where it was.
    """
    with guarded(debug, quiet):
        from limbeck.cli.show_evaluated import show_evaluated
        from limbeck.errors import RequestError
        from limbeck.recipe import ModelSpec
        from limbeck.run.evaluating import Wish
        from limbeck.run.evaluating import evaluate as run_tasks

        pairs = [word.partition("=") for word in shots_from.split(",") if word]
        if any(not path for _, _, path in pairs):
            raise RequestError(
                "--shots-from names tasks and files",
                where=f"--shots-from {shots_from}",
                mend="write TASK=PATH, with commas between several",
            )
        folder = output or Path("runs/eval") / Path(model).name
        wish = Wish(
            limit=limit,
            shots=shots,
            shots_from={name: path for name, _, path in pairs},
            chat=chat,
            max_new_tokens=max_new_tokens,
            batch_size=batch_size,
        )
        words = [word.strip() for word in tasks.split(",") if word.strip()]
        show_evaluated(run_tasks(ModelSpec(model=model), words, folder, wish), folder)
