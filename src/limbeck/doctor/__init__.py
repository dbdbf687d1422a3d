"""The doctor: is this pair, on this data, on this machine, ready to be distilled?"""

from pathlib import Path

from limbeck.bench import Bench
from limbeck.doctor import resources, rows, settings, tokens
from limbeck.doctor.finding import Finding, refuse, say_finding
from limbeck.doctor.server import log_probs, server

__all__ = ["Finding", "examine", "log_probs", "refuse", "say_finding", "server"]


def examine(bench: Bench, output: Path, *, quick: bool = False) -> list[Finding]:
    """All checks that need no weights and talk to nobody, in the order in which a user would want them.

    Args:
        bench: What the recipe refers to.
        output: Where the run would be written.
        quick: Leave out the checks that take seconds where another one has failed already.
    """
    checks = (
        tokens.tokenizer,
        tokens.heads,
        tokens.ends,
        tokens.template,
        rows.completions,
        rows.splits,
        rows.validation,
        rows.lengths,
    )
    findings = [f for check in checks for f in check(bench)]
    if quick and any(f.status == "fail" for f in findings):
        return findings
    return [
        *findings,
        *settings.training(bench),
        *settings.precision(bench),
        *settings.kernels(bench),
        *resources.memory(bench),
        *resources.disk(bench, output),
    ]
