"""What ``limbeck sft`` has made, for people."""

from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from limbeck.run.preparation import Prepared

_WHO = {"teacher": "teacher", "start": "student"}


def show_prepared(prepared: "Prepared") -> None:
    """How each fine-tuning went, the teacher's checkpoints, and how to go on."""
    out, folder = Console(highlight=False), prepared.folder
    for name, log in prepared.trained.items():
        text = f"{_WHO[name]:<8} {log['steps']:,} steps, {log['supervised_tokens']:,} tokens"
        out.print(f"{text}{_validation(log)}\n         {folder / name}", soft_wrap=True)
    if prepared.path is not None:
        rows = prepared.path["rows"]
        on = f", on {rows:,} validation rows" if rows else ""
        out.print(f"checkpoints of the teacher{on}:", soft_wrap=True)
        out.print(_checkpoints(prepared.path))
    recipe = folder / "recipe.yaml"
    out.print(f"next     limbeck distill {recipe}", soft_wrap=True)


def _validation(log: dict[str, Any]) -> str:
    losses = [point["eval_loss"] for point in log["eval_curve"]]
    if not losses:
        return ", no validation rows with completions"
    last = f"{losses[-1]:.4f} nats a token on validation rows"
    return f", {last} ({losses[0]:.4f} at step {log['eval_curve'][0]['step']:,})"


def _checkpoints(path: dict[str, Any]) -> Table:
    rows, nats = path["rows"], path["nats_per_token"]
    table = Table(box=None)
    table.add_column("checkpoint")
    table.add_column("nats a token", justify="right")
    table.add_column("")
    for k, name in enumerate(path["checkpoints"]):
        figure = "" if not nats else "not finite" if nats[k] is None else f"{nats[k]:.4f}"
        best = ("best" if rows else "last: taken as the best") if k == path["best"] else ""
        table.add_row(Text(name), figure, best)
    return table
