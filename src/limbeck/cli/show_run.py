"""A finished run or audit: its report as tables, and where everything is."""

from rich.console import Console

from limbeck.ranks import rank
from limbeck.reports import print_report
from limbeck.run import Run


def show_run(run: Run) -> None:
    """Print it, once where several processes ran."""
    if rank() != 0:
        return
    out = Console(highlight=False)
    print_report(run.results, out)
    places = {"report": run.report, "numbers": run.path / "results.json"}
    if run.student.exists():
        places["student"] = run.student
    out.print("\n" + "\n".join(f"{n:<8} {p}" for n, p in places.items()), soft_wrap=True)
