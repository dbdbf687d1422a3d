"""Is the data fit to learn from and to judge by?"""

from collections.abc import Iterator

from limbeck.bench import Bench
from limbeck.doctor.finding import Finding
from limbeck.schedules import ValidationDriven

FEW_ITEMS = 100  # below this, a difference of ten points is within noise


def splits(bench: Bench) -> Iterator[Finding]:
    """Rows to train on and rows to judge by, without a prompt in common."""
    e = bench.examples
    sizes = f"{len(e.train):,} rows to train on, {len(e.validation):,} to validate, {len(e.test):,} to test"
    if not bench.sequences["test"]:
        yield Finding(
            "splits",
            "fail",
            f"no rows to test on ({sizes})",
            "without them nobody can say whether it worked",
            "set data.test to a fraction such as 0.1, or to a file",
        )
    elif len(bench.sequences["test"]) < FEW_ITEMS:
        yield Finding(
            "splits",
            "warn",
            f"only {len(bench.sequences['test'])} rows to test on",
            "differences below ten points will be within noise",
            "raise data.test, or give more rows",
        )
    else:
        yield Finding("splits", "ok", f"{sizes}; divided by a hash of the prompt")
    incomplete = sum(not s.completion for s in bench.sequences["test"])
    if incomplete and bench.teacher is not None:
        yield Finding(
            "splits",
            "note",
            f"{incomplete:,} test rows have no completion: all models read the teacher's own answers",
            "bits per byte then say how well a model predicts the teacher, not how good either is",
            "give test rows with completions, or with an answer to verify",
        )
    for name, text in (
        ("duplicate_rows", "duplicate rows were removed"),
        ("leaking_rows", "training rows were removed because their prompt is held out"),
    ):
        if e.notes.get(name):
            yield Finding(
                "splits",
                "note",
                f"{e.notes[name]:,} {text}",
                "a row seen twice counts twice, and one seen in training proves nothing in the test",
            )


def completions(bench: Bench) -> Iterator[Finding]:
    """Whose text is there to train on?"""
    train = bench.sequences["train"]
    answered = sum(bool(s.completion) for s in train)
    method, name = bench.method, bench.recipe.method["name"]
    if method.teacher_writes:
        yield Finding(
            "text",
            "ok",
            f"the teacher answers all {len(train):,} prompts "
            f"({answered:,} also have a completion in the data)",
        )
    elif not method.needs_completions:
        who = "student and teacher answer" if method.writes_together else "the student answers"
        yield Finding("text", "ok", f"{who} all {len(train):,} prompts during training")
    elif answered == 0:
        writer = f"let the teacher answer: method: {{name: {name}, source: teacher}}"
        yield Finding(
            "text",
            "fail",
            f"{name} trains on the data's completions, and no row has one",
            "there is nothing to learn from",
            writer if hasattr(method, "source") else "give rows with completions, or use seqkd",
        )
    elif answered < len(train):
        yield Finding(
            "text",
            "note",
            f"{len(train) - answered:,} of {len(train):,} prompts have no completion and are not trained on",
            "a teacher can answer them",
            "method: {source: teacher}, or method: seqkd",
        )
    sft = bench.recipe.student.sft
    if answered == 0 and sft is not None and sft.data is None:
        yield Finding(
            "text",
            "fail",
            "student.sft trains on the data's completions, and no row has one",
            "there is nothing to fine-tune the student on",
            "name other data with student.sft.data, or leave student.sft out",
        )
    if answered == 0 and bench.recipe.baseline == "sft":
        yield Finding(
            "baseline",
            "note",
            "no SFT baseline: no row has a completion",
            "without it the report cannot say what distillation added",
            "add a few labelled rows",
        )


def validation(bench: Bench) -> Iterator[Finding]:
    """Has a schedule that follows the validation loss anything to follow?"""
    listening = [n for n, s in bench.method.schedules.items() if isinstance(s, ValidationDriven)]
    if listening and not any(s.completion for s in bench.sequences["validation"]):
        yield Finding(
            "validation",
            "fail",
            f"{listening[0]} follows the validation loss, and no validation row has a completion",
            f"{listening[0]} would never move",
            f"set data.validation to a fraction such as 0.05, or give method.{listening[0]} a number",
        )


def lengths(bench: Bench) -> Iterator[Finding]:
    """Do prompts and completions fit?"""
    longest = bench.counts["train"].get("longest", 0)
    contexts = {
        n: s.context
        for n, s in (("student", bench.student), ("teacher", bench.teacher))
        if s and s.context
    }
    for name, context in contexts.items():
        if bench.max_length > context:
            yield Finding(
                "context",
                "fail",
                f"data.max_length is {bench.max_length:,}, and the {name}'s context is {context:,} tokens",
                "beyond its context a model was never trained",
                f"set data.max_length to at most {context}",
            )
    writes = bench.method.teacher_writes or bench.method.student_writes
    room = min(contexts.values(), default=bench.max_length) - bench.counts["train"].get(
        "longest_prompt", 0
    )
    wanted = bench.recipe.generation.max_new_tokens
    if writes and room < 1:
        yield Finding(
            "context",
            "fail",
            "the longest prompt leaves no room for an answer",
            "generation would fail there",
            "set data.max_length lower, with truncation: cut_prompt or drop",
        )
    elif writes and room < wanted:
        yield Finding(
            "context",
            "warn",
            f"beside the longest prompt {room:,} tokens are left, and generation.max_new_tokens is {wanted:,}",
            "answers to the longest prompts run past the context",
            f"set generation.max_new_tokens to {room}",
        )
    total = bench.counts["train"].get("rows", len(bench.examples.train))
    cut = sum(
        bench.counts["train"].get(k, 0) for k in ("truncated_prompts", "truncated_completions")
    )
    dropped = bench.counts["train"].get("dropped", 0)
    if not bench.sequences["train"]:
        yield Finding(
            "lengths",
            "fail",
            f"no training row fits into {bench.max_length:,} tokens",
            "nothing is left to train on",
            "raise data.max_length, or use models with a longer context",
        )
    elif cut + dropped:
        share = (cut + dropped) / max(total, 1)
        yield Finding(
            "lengths",
            "warn" if share > 0.01 else "note",
            f"{cut:,} rows are cut and {dropped:,} dropped to fit {bench.max_length:,} tokens "
            f"({share:.1%}, data.truncation: {bench.recipe.data.truncation})",
            "a cut completion has no end, and a cut prompt may lack its question",
            "raise data.max_length if the models allow it",
        )
    else:
        yield Finding(
            "lengths",
            "ok",
            f"the longest of {total:,} rows has {longest:,} tokens; {bench.max_length:,} fit",
        )
