"""How near models are to one another, and how well they know the rows: numbers for a round."""

from typing import Any

import torch

from limbeck.bench import Bench
from limbeck.console import progress
from limbeck.data import Sequence
from limbeck.engines.special_tokens import pad_id
from limbeck.evaluation import likelihood, positions
from limbeck.models import device
from limbeck.run.trajectory import Trajectory

PROBE = 512
BATCH = 32


def probe_rows(bench: Bench) -> list[Sequence]:
    """Up to 512 labelled training rows, those with the smallest prompt hash; never test rows."""
    rows = [s for s in bench.sequences["train"] if s.completion]
    return sorted(rows, key=lambda s: bench.examples.train[s.example].key)[:PROBE]


def kl_to_each(bench: Bench, path: Trajectory, model: Any, what: str) -> list[float]:
    """KL(model || k) for each checkpoint k, nats a token.

    The mean over a row's completion, then over rows, so that long answers do not decide alone.
    """
    rows, tokenizer = probe_rows(bench), bench.student.tokenizer
    model = model.to(device()).eval()
    found = []
    with progress(what, len(rows) * len(path), "rows") as advance:
        for k in range(len(path)):
            near = positions(
                path.teacher(k), model, rows, len(tokenizer), pad_id(tokenizer), BATCH, advance
            )
            found.append(float((near.sums("kl_student_teacher") / near.lengths).mean()))
    return found


@torch.no_grad()
def nats_of_each(bench: Bench, model: Any, rows: list[Sequence], what: str) -> list[float]:
    """Mean negative log-likelihood of a token, for each row."""
    tokenizer = bench.student.tokenizer
    model = model.to(device()).eval()
    with progress(what, len(rows), "rows") as advance:
        read = likelihood(model, rows, tokenizer, pad_id(tokenizer), BATCH, advance)
    return [float(x) for x in read.nats / read.tokens]
