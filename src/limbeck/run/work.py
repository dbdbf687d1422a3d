"""A run's stages, from the teacher to the report; each is done once."""

from dataclasses import asdict
from typing import Any

from limbeck.bench import Bench
from limbeck.caching import Cache
from limbeck.console import say
from limbeck.doctor import Finding, say_finding
from limbeck.doctor.headroom import headroom
from limbeck.engines.special_tokens import pad_id
from limbeck.errors import RequestError
from limbeck.models import parameters_of
from limbeck.recipe import ModelSpec
from limbeck.run import results as put
from limbeck.run.arms import (
    Arm,
    arms_of,
    gold_possible,
    labelled_possible,
    peak_memory_bytes,
    student_of,
)
from limbeck.run.benchmarked import Benchmarked
from limbeck.run.cached import sample_again
from limbeck.run.comparing import Comparing, in_order
from limbeck.run.folder import RunFolder
from limbeck.run.folds import losses_out_of_fold
from limbeck.run.measure import Measuring, held_out
from limbeck.run.responses import figures
from limbeck.run.served import ServedTeacher
from limbeck.run.start import prepare_start
from limbeck.run.teacher import TeacherStage
from limbeck.run.text import RoundLab, keep_text
from limbeck.run.trainings import Trainings


def work(
    folder: RunFolder,
    bench: Bench,
    findings: list[Finding],
    name: str,
    profile: bool = False,
    cache: Cache | None = None,
) -> None:
    """Do what is not done yet, and write the report.

    Args:
        folder: The run's, held by this process.
        bench: What the recipe refers to.
        findings: What the doctor said.
        name: What the report calls the run.
        profile: Measure the trainings part by part.
        cache: What the teacher said, instead of asking it in the loss.
    """
    recipe = bench.recipe
    teacher = TeacherStage(folder, bench, cache)
    prepared = {"teacher": teacher.prepare(), "start": prepare_start(folder, bench)}
    trained = {name: log for name, log in prepared.items() if log is not None}
    trainings = Trainings(folder, bench, teacher, profile)
    served = ServedTeacher.of(folder, bench)
    if bench.teacher is None and served is None and cache is not None:
        say("the teacher is a cache alone, so the evaluation leaves it out (teacher.model adds it)")
    elif served is not None and not bench.has_answers:
        say("a server tells no likelihoods and no row has an answer: the teacher is not evaluated")
    elif served is None and (bench.method.imitates or bench.method.teacher_writes):
        findings = [*findings, _headroom(folder, bench, teacher, trainings)]

    if cache is not None and bench.teacher is not None:
        pad = pad_id(bench.student.tokenizer)
        folder.once("check cache", lambda: sample_again(cache, teacher.judge, pad, recipe.seed))
    arms = arms_of(bench)
    student = student_of(arms)
    lab = trainings.lab(student, 0)
    if bench.method.needs_start and recipe.student.sft is None:
        # The weights of its samples come from the baseline, which is trained first then.
        trainings.train(arms[0], trainings.steps(len(lab.labelled())))
    if bench.method.needs_folds:
        losses_out_of_fold(folder, bench, "student")  # all processes: later, one comes alone
        if teacher.knows_the_rows:
            losses_out_of_fold(folder, bench, "teacher")
    text = folder.once("text", lambda: _prepare_text(bench, lab, student))
    measuring = Measuring(folder, bench, held_out(bench), lambda: teacher.engine)
    comparing = Comparing(measuring, teacher, trainings, served, lab)
    if served is not None:
        comparing.teacher()  # before training: a server may not stay
    steps = trainings.steps(text["sequences"])
    for arm in arms:
        if arm.name == "student" and (hope := comparing.prospect(arms)) is not None:
            say(hope)
        rounds = len(trained[arm.as_long_as]["rounds"]) if arm.as_long_as else 1
        trained[arm.name] = trainings.train(arm, steps * rounds)
    trainings.forget_rounds()
    measured = comparing.models(arms)
    chosen_by = None
    if recipe.evaluate.validation:
        validation = Measuring(folder, bench, held_out(bench, "validation"), lambda: teacher.engine)
        rows = {"student": comparing.on(validation).validated(student)}
        chosen_by = put.evaluation(rows, bench.examples.kind, None)["metrics"]["student"]
    tasks = folder.once("tasks", lambda: Benchmarked(comparing).run(arms))

    seconds = folder.seconds()
    written = trained["student"]["tokens_written"]
    later = sum(r["tokens_generated"] for r in trained["student"].get("rounds", [])[1:])
    found = {
        "schema": put.SCHEMA,
        "name": name,
        "created": put.now(),
        "limbeck": folder.manifest["limbeck"],
        "seed": recipe.seed,
        "models": _models(folder, bench, arms),
        "evaluation": put.evaluation(
            measured,
            bench.examples.kind,
            measuring.max_new_tokens if bench.has_answers else None,
        ),
        **put.compared(measured),
        "tasks": tasks,
        "validation": chosen_by,
        "training": {
            arm: {**log, "seconds": seconds.get(f"train {arm}", 0.0)}
            for arm, log in trained.items()
        },
        "text": {**text, "on_policy_tokens": written},
        "data": put.data_section(bench),
        "controls": _controls(bench, arms),
        "method": put.method_section(bench),
        "doctor": [asdict(f) for f in findings],
        "costs": {
            # A round is a part of its training, and a fold of the losses out of fold.
            "wall_seconds": {
                k: v for k, v in seconds.items() if ", round " not in k and "fold-" not in k
            },
            "peak_memory_bytes": peak_memory_bytes(),
            "tokens_generated": text["tokens_generated"] + written + later,
            **({} if served is None else {"teacher": served.costs()}),
        },
        "environment": put.environment(),
        "recipe": recipe.model_dump(mode="json", exclude_none=True),
        "command": f"limbeck distill {folder / 'recipe.yaml'}",
    }
    folder.once("report", lambda: _report(folder, found, put.browsed(measured)))


def _report(
    folder: RunFolder, found: dict[str, Any], items: list[dict[str, Any]]
) -> dict[str, Any]:
    put.report(found, items, folder.path)
    return {}


def _headroom(
    folder: RunFolder, bench: Bench, teacher: TeacherStage, trainings: Trainings
) -> Finding:
    """Is there anything to learn from this teacher? Measured on validation rows, before training."""
    known = folder.once(
        "headroom", lambda: asdict(headroom(bench, teacher.model, trainings.new_student()))
    )
    finding = Finding(**known)
    if finding.status != "ok":
        say_finding(finding)
    return finding


def _prepare_text(bench: Bench, lab: RoundLab, arm: Arm) -> dict[str, Any]:
    """Write the round's text, and say in numbers what it is."""
    rows, train = arm.rows(lab), bench.sequences["train"]
    if not rows:
        raise RequestError(
            "there is no text to train on",
            where="data",
            mend="give rows with completions, or let the teacher write: method: {source: teacher}",
        )
    keep_text(rows, lab.folder / "text.parquet")
    said = {
        "sequences": len(rows),
        "prompts": len(train),
        "labelled": sum(bool(s.completion) for s in train),
        "tokens_generated": sum(len(s.rejected) for s in rows),
    }
    if not arm.method.teacher_writes:
        return said
    responses = lab.responses()
    written = said["tokens_generated"] + sum(r["tokens"] for r in responses)
    return said | figures(responses) | {"tokens_generated": written}


def _models(folder: RunFolder, bench: Bench, arms: list[Arm]) -> dict[str, Any]:
    recipe = bench.recipe
    size = parameters_of(bench.student.config)
    models: dict[str, Any] = {}
    if recipe.teacher is not None and bench.teacher is not None:
        models["teacher"] = {
            "label": "Teacher",
            "source": _source(recipe.teacher),
            "parameters": parameters_of(bench.teacher.config),
        }
    elif recipe.teacher is not None and recipe.teacher.server is not None:
        source = f"{recipe.teacher.model} at {recipe.teacher.server}"
        models["teacher"] = {"label": "Teacher", "source": source}
    models["before"] = {
        "label": "Student before training",
        "source": _source(recipe.student),
        "parameters": size,
    }
    for arm in in_order(arms):
        models[arm.name] = {"label": arm.label, "source": arm.folder, "parameters": size}
    return models


def _source(spec: ModelSpec) -> str:
    origin = spec.model or f"{(spec.config or {}).get('model_type')} from scratch"
    if spec.checkpoints is not None:
        origin = f"the best checkpoint of {spec.checkpoints}"
    return (
        origin + (", new weights" if spec.fresh else "") + (", fine-tuned here" if spec.sft else "")
    )


def _controls(bench: Bench, arms: list[Arm]) -> dict[str, str]:
    ran = {arm.name for arm in arms}
    possible = {"gold": gold_possible(bench), "labelled": labelled_possible(bench)}
    if bench.method.tutors:
        possible |= dict.fromkeys(("longer", "resample", "shuffled", "blind"), True)
    return {
        name: "run" if f"control_{name}" in ran else "not run" if can else "not possible"
        for name, can in possible.items()
    }
