"""Figures of a whole evaluation, from what each item came to."""

from collections.abc import Mapping, Sequence

from limbeck.analysis import Estimate, clustered_mean, proportion
from limbeck.evaluation.tasks.items import Scored
from limbeck.evaluation.tasks.labels import Corpus, label


def of_items(
    name: str,
    scored: Sequence[Scored],
    corpus: Mapping[str, Corpus],
    labels: Sequence[str],
    seed: int,
    *,
    is_open: bool,
) -> dict[str, Estimate | None]:
    """What `Task.metrics` says.

    Raises:
        ValueError: Nothing was scored, or an item twice.
    """
    if not scored:
        raise ValueError(f"{name}: nothing was scored")
    if len({s.id for s in scored}) < len(scored):
        raise ValueError(f"{name}: an item was scored twice")
    documents = [s.document for s in scored]
    found: dict[str, Estimate | None] = {}
    if not is_open:
        found["accuracy"] = share([bool(s.correct) for s in scored], documents, seed)
    unread = "empty_rate" if is_open else "invalid_rate"
    found |= {
        unread: share([s.invalid for s in scored], documents, seed),
        "truncation_rate": share([s.truncated for s in scored], documents, seed),
        "context_cut_rate": share([s.context_cut for s in scored], documents, seed),
    }
    for grade in scored[0].grades:
        grades = [s.grades[grade] for s in scored]
        all_or_nothing = set(grades) <= {0.0, 1.0}
        found[grade] = (share if all_or_nothing else mean)(grades, documents, seed)
    gold = [label(s.gold) for s in scored]
    answers = [label(s.extracted) for s in scored]
    for figure, metric in corpus.items():
        found[figure] = metric(gold, answers, tuple(labels) or tuple(sorted(set(gold))))
    return found


def share(values: Sequence[float], documents: Sequence[str], seed: int) -> Estimate:
    """How many are 1; resampled by document where values share one."""
    # Values that are all the same leave a bootstrap nothing to vary; an interval they have.
    if len(set(documents)) < len(documents) and len(set(values)) > 1:
        return mean(values, documents, seed)
    return proportion([bool(value) for value in values])


def mean(values: Sequence[float], documents: Sequence[str], seed: int) -> Estimate:
    """Their mean, resampled by document."""
    return clustered_mean([float(value) for value in values], documents, seed)
