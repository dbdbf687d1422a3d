"""Is the teacher better than the student at all?"""

import math
from typing import Any

from limbeck.analysis import paired_ratio_bootstrap
from limbeck.bench import Bench
from limbeck.console import progress
from limbeck.doctor.finding import Finding
from limbeck.engines.special_tokens import pad_id
from limbeck.evaluation import likelihood
from limbeck.models import device, load_model

ITEMS = 200


def load_and_compare(bench: Bench) -> Finding:
    """Load both models, for a doctor who is asked before the run, and compare them."""
    recipe = bench.recipe
    models = (recipe.student, recipe.teacher)
    if recipe.teacher is None or bench.teacher is None or any(m and m.sft for m in models):
        return Finding(
            "headroom",
            "note",
            "there is no pair yet: there is no teacher, or the run will fine-tune one of the two",
            "the teacher's lead over the student can only be measured once both are there",
            "the run measures it after the fine-tuning",
        )
    if recipe.teacher.checkpoints is not None:
        return Finding(
            "headroom",
            "note",
            "the teacher is the best of several checkpoints, which is not known yet",
            "its lead over the student can only be measured once it has been found",
            "limbeck sft RECIPE finds it, and limbeck distill measures its lead",
        )
    tokenizer = bench.student.tokenizer
    student = load_model(recipe.student, "student", tokenizer, recipe.seed, "float32")
    teacher = load_model(recipe.teacher, "teacher", bench.teacher.tokenizer, recipe.seed, "auto")
    return headroom(bench, teacher, student)


def headroom(bench: Bench, teacher: Any, student: Any) -> Finding:
    """Compare both models' bits per byte on validation rows (test rows are not looked at).

    Args:
        bench: Where the rows come from.
        teacher: Its model.
        student: Its model, before training.
    """
    own = [s for s in bench.sequences["validation"] if s.completion]
    assert bench.teacher is not None
    theirs = {s.example: s for s in bench.for_teacher("validation")}
    own = [s for s in own if s.example in theirs][:ITEMS]
    if len(own) < 2:
        return Finding(
            "headroom",
            "note",
            "no validation rows with completions, so the teacher's lead is not known",
            "a teacher that knows no more than its student has nothing to teach",
            "set data.validation",
        )
    nats = {}
    with progress("headroom", 2 * len(own), "rows") as advance:
        for name, model, side, rows in (
            ("student", student, bench.student, own),
            ("teacher", teacher, bench.teacher, [theirs[s.example] for s in own]),
        ):
            nats[name] = likelihood(
                model.eval().to(device()), rows, side.tokenizer, pad_id(side.tokenizer), 32, advance
            )
    size = nats["student"].bytes * math.log(2)
    lead = paired_ratio_bootstrap(nats["student"].nats, nats["teacher"].nats, size)
    bits = {name: read.nats.sum() / size.sum() for name, read in nats.items()}
    what = (
        f"on {len(own)} validation rows the teacher needs {bits['teacher']:.3f} bits per byte, "
        f"the student before training {bits['student']:.3f}"
    )
    if lead.low > 0:
        return Finding("headroom", "ok", what)
    return Finding(
        "headroom",
        "warn",
        f"{what}: the teacher is not clearly better",
        "a student cannot gain from a teacher that knows no more",
        "fine-tune the teacher on this data first: teacher: {model: ..., sft: {}}",
    )
