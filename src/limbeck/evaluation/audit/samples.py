"""Several answers to one item: how varied a model is, and how much it agrees with itself."""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from limbeck.analysis import distinct_n, mean_pass_at_k, noise_ceiling, self_bleu
from limbeck.evaluation.audit.answers import Answers, Sample

COLLAPSED = 0.5
"""A model with less than this share of the teacher's distinct bigrams has collapsed."""

# Words of an alphabet, numbers, and any other sign alone: texts without spaces have words, too.
_WORD = re.compile(r"\d+|[^\W\d_\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+|\S")

Samples = Mapping[int, tuple[Sample, ...]]


def diversity(samples: Samples) -> dict[str, Any]:
    """How different the answers of one model to the same prompts are, and how often one is right.

    ``distinct_1`` and ``distinct_2`` over the answers to each prompt, ``self_bleu`` of each prompt's
    answers among themselves, means over prompts; ``pass_at_k`` unbiased.
    """
    written = [[w for s in drawn if (w := words_of(s.text))] for drawn in samples.values()]
    found: dict[str, Any] = {"n": len(samples), "samples": len(next(iter(samples.values())))}
    for n in (1, 2):
        shares = [distinct_n(t, n) for t in written if any(len(words) >= n for words in t)]
        # The few prompts that were answered at such length do not stand for the others.
        found[f"distinct_{n}"] = float(np.mean(shares)) if 2 * len(shares) > len(samples) else None
    alike = [self_bleu(texts) for texts in written if len(texts) > 1]
    found["self_bleu"] = float(np.mean(alike)) if alike else None
    right = [sum(s.correct for s in drawn) for drawn in samples.values()]
    tries = [len(drawn) for drawn in samples.values()]
    ks = [k for k in (1, 2, 4, 8, 16, 32, 64) if k <= min(tries)]
    found["pass_at_k"] = {str(k): mean_pass_at_k(tries, right, k).value for k in ks}
    return found


def words_of(text: str) -> tuple[str, ...]:
    """A text as words, numbers and signs; of scripts without spaces, each character."""
    return tuple(_WORD.findall(text))


def collapsed(found: Mapping[str, Any], teacher: Mapping[str, Any]) -> bool:
    """Whether a model writes the same again and again where its teacher does not."""
    own, its = found["distinct_2"], teacher["distinct_2"]
    return own is not None and its is not None and own < COLLAPSED * its


def ceiling(teacher: Answers, other: Answers) -> dict[str, Any] | None:
    """The teacher's agreement with itself between two draws, and the other model's with it.

    None where there are no two draws of the teacher.
    """
    if not teacher.samples or not other.samples or len(next(iter(teacher.samples.values()))) < 2:
        return None
    places = [i for i in teacher.samples if i in other.samples]
    if not places:
        return None
    once, again = ([teacher.samples[i][draw].extracted for i in places] for draw in (0, 1))
    its = [other.samples[i][0].extracted for i in places]
    clusters = None if teacher.documents is None else [teacher.documents[i] for i in places]
    found = noise_ceiling(once, again, its, clusters)
    return {
        "ceiling": found.ceiling.as_dict(),
        "agreement": found.agreement.as_dict(),
        "shortfall": found.shortfall.as_dict(),
    }
