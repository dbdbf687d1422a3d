"""Several rounds, seen as one training."""

from typing import Any


def joined(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    """How several rounds went as one training: counts added, curves one behind the other."""
    whole: dict[str, Any] = {"terms": rounds[-1]["terms"]}
    for name in ("steps", "supervised_tokens", "tokens_written", "sequences"):
        whole[name] = sum(r[name] for r in rounds)
    for name in ("curve", "eval_curve"):
        before = 0
        whole[name] = []
        for r in rounds:
            whole[name] += [{**point, "step": point["step"] + before} for point in r[name]]
            before += r["steps"]
    about = ("terms", "curve", "eval_curve", "memory")
    whole["rounds"] = [{k: v for k, v in r.items() if k not in about} for r in rounds]
    return whole


def accuracies(rounds: list[dict[str, Any]]) -> list[float]:
    """On the selection problems, after each round; none where there are no such problems."""
    return [r["selection"]["value"] for r in rounds if "selection" in r]


def best(rounds: list[dict[str, Any]]) -> int:
    """The round after which the student was best.

    On the selection problems, the first of equals; or else by the likelihood of the validation
    text; the last where there is neither.
    """
    if right := accuracies(rounds):
        return right.index(max(right))
    nats = [r["validation_nats_per_token"] for r in rounds]
    if any(x is None for x in nats):
        return len(rounds) - 1
    return min(range(len(nats)), key=lambda i: nats[i])
