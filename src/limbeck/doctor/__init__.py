"""The doctor: is this pair, on this data, on this machine, ready to be distilled?"""

from pathlib import Path

from limbeck.bench import Bench
from limbeck.doctor import resources, rows, settings, tokens
from limbeck.doctor.finding import Finding, refuse
from limbeck.doctor.headroom import headroom

__all__ = ["Finding", "examine", "headroom", "refuse"]


def examine(bench: Bench, output: Path) -> list[Finding]:
    """All checks that need no weights, in the order in which a user would want them.

    Args:
        bench: What the recipe refers to.
        output: Where the run would be written.
    """
    checks = (
        settings.training,
        tokens.tokenizer,
        tokens.heads,
        tokens.ends,
        tokens.template,
        rows.completions,
        rows.splits,
        rows.lengths,
        resources.memory,
    )
    return [f for check in checks for f in check(bench)] + list(resources.disk(bench, output))
