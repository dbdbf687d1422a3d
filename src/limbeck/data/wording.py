"""What error messages share: the nearest right name."""

import difflib
from collections.abc import Iterable


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A sentence that names the nearest right name and lists the others.

    Args:
        name: What was written.
        known: What could have been written.

    Returns:
        For example ``did you mean 'terms'? known: carry, terms``; without the question where
        nothing is near.
    """
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    question = f"did you mean {near[0]!r}? " if near else ""
    return f"{question}known: {', '.join(names) or 'none'}"
