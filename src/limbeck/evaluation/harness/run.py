"""Tasks of lm-evaluation-harness on a model that is loaded already."""

from collections.abc import Sequence
from typing import Any

from limbeck.errors import LimbeckError, RequestError
from limbeck.evaluation.harness.figures import group_metrics, task_metrics
from limbeck.evaluation.harness.finding import Found, find, require
from limbeck.evaluation.harness.result import PREFIX, HarnessResult
from limbeck.evaluation.harness.rows import main_metric, metric_name, to_rows


def run_harness(
    names: Sequence[str],
    model: Any,
    tokenizer: Any,
    *,
    chat: bool,
    shots: int | None,
    limit: int | None,
    batch_size: int,
    seed: int,
) -> list[HarnessResult]:
    """Ask a model what the harness asks, by the harness's own definitions.

    Args:
        names: Tasks, groups or tags of the harness, or paths of its ``.yaml`` files; ``harness:``
            before them or not.
        model: A causal language model of transformers, where it is to run.
        tokenizer: Its tokenizer.
        chat: Put the questions through the tokenizer's chat template.
        shots: Worked examples before each question; None is what each task says.
        limit: At most so many items of each task, the first ones, as the harness counts them.
        batch_size: Texts at once.
        seed: Of the choice of worked examples, of what a task draws itself, and of intervals.

    Returns:
        For each name its groups that the harness gives a mean of, and its tasks.

    Raises:
        RequestError: The harness is not installed, or the request is wrong.
        LimbeckError: The rows of a task cannot be had, or the harness fails.
    """
    require()
    from limbeck.evaluation.harness.quiet import quiet, seeded

    if chat and not tokenizer.chat_template:
        raise RequestError(
            "the tokenizer has no chat template", where="chat", mend="ask in plain text"
        )
    with quiet(), seeded(seed):
        found = [find(name.removeprefix(PREFIX)) for name in names]
        tasks = _together(found)
        for name, task in tasks.items():
            _set_shots(name, task, shots)
            task.set_fewshot_seed(seed=seed)
        from limbeck.evaluation.harness.model import WatchedModel

        training = model.training
        try:
            watched = WatchedModel(model, tokenizer, batch_size)
            _check_room(tasks, watched)
            results = _evaluate(watched, tasks, found, limit, chat)
        finally:
            model.train(training)
        made = {
            name: _task_result(name, task, results, watched, seed) for name, task in tasks.items()
        }
    return [
        result
        for each in found
        for result in (
            *_group_results(each, results, made),
            *(made[name] for name in each.tasks),
        )
    ]


def _together(found: Sequence[Found]) -> dict[str, Any]:
    tasks: dict[str, Any] = {}
    for each in found:
        for name, task in each.tasks.items():
            if name in tasks:
                raise RequestError(
                    f"{name} is asked for twice", where="tasks", mend="name each task once"
                )
            tasks[name] = task
    return tasks


def _set_shots(name: str, task: Any, shots: int | None) -> None:
    own = task.get_config("num_fewshot")
    if shots is None:
        shots = own or 0
    elif shots and own == 0:
        # The harness would pass over the wish in silence.
        raise RequestError(
            f"{name} is defined without worked examples, and {shots} are asked for",
            where=f"{PREFIX}{name}",
            mend="leave out the number of worked examples for it",
        )
    task.set_config(key="num_fewshot", value=shots)


def _check_room(tasks: dict[str, Any], watched: Any) -> None:
    from lm_eval.models.utils import normalize_gen_kwargs

    for name, task in tasks.items():
        if task.OUTPUT_TYPE != "generate_until":
            continue
        settings = task.get_config("generation_kwargs") or {}
        writes = normalize_gen_kwargs(settings, watched.max_gen_toks)["max_gen_toks"]
        if writes >= watched.max_length:
            raise RequestError(
                f"{name} lets the model write {writes:,} tokens, and it reads and writes "
                f"{watched.max_length:,} in all",
                where=f"{PREFIX}{name}",
                mend="take a model with a longer context, or a harness .yaml of your own with a "
                "smaller max_gen_toks",
            )


def _evaluate(
    watched: Any, tasks: dict[str, Any], found: Sequence[Found], limit: int | None, chat: bool
) -> Any:
    from lm_eval.evaluator import evaluate

    groups = {name: group for each in found for name, group in each.groups.items()}
    try:
        return evaluate(
            lm=watched,
            task_dict={"tasks": tasks, "groups": groups},
            limit=limit,
            bootstrap_iters=0,  # its standard errors; the intervals are ours
            log_samples=True,
            apply_chat_template=chat,
            fewshot_as_multiturn=chat,
        )
    except (AssertionError, AttributeError, LookupError, TypeError, ValueError) as error:
        reason = (str(error).strip() or "no reason given").splitlines()[0]
        raise LimbeckError(
            f"lm-evaluation-harness failed: {type(error).__name__}: {reason}",
            where=", ".join(tasks),
            mend="check the task's definition; --debug shows where",
        ) from error


def _task_result(name: str, task: Any, results: Any, watched: Any, seed: int) -> HarnessResult:
    from limbeck.evaluation.harness.model import request_key

    samples = results["samples"][name]
    main = main_metric(samples)
    rows = to_rows(task, samples, main, lambda request: request_key(request) in watched.answer_cut)
    context_cut = [
        any(request_key(request) in watched.context_cut for request in sample["arguments"])
        for sample in samples
        if sample["filter"] == main[1]
    ]
    return HarnessResult(
        name=name,
        version=_text(results["versions"].get(name)),
        main=metric_name(*main),
        rows=rows,
        metrics=task_metrics(task, samples, rows, context_cut, seed),
        n=len(rows["id"]),
        shots=task.get_config("num_fewshot"),
        source=_text(task.get_config("dataset_path")),
    )


def _group_results(
    found: Found, results: Any, made: dict[str, HarnessResult]
) -> list[HarnessResult]:
    groups = []
    for name, group in found.groups.items():
        aggregated = results.get("groups", {}).get(name)
        members = [made[task.task_name] for task in group.get_all_tasks()]
        if aggregated is None or not members:
            continue
        first = group.aggregate_metric_list[0]
        keys = [k for k in aggregated if k.startswith(f"{first.metric},")]
        main = metric_name(*keys[0].split(",", 1)) if keys else first.metric
        shots = {member.shots for member in members}
        groups.append(
            HarnessResult(
                name=name,
                version=_text(results["versions"].get(name)),
                main=main,
                rows={},
                metrics=group_metrics(
                    aggregated,
                    [member.metrics for member in members],
                    main,
                    {a.metric: a.weight_by_size for a in group.aggregate_metric_list},
                ),
                n=sum(member.n for member in members),
                shots=shots.pop() if len(shots) == 1 else None,
                tasks=tuple(member.name for member in members),
            )
        )
    return groups


def _text(value: Any) -> str:
    return "" if value in (None, "N/A") else str(value)
