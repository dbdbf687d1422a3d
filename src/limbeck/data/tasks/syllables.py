"""Made-up words, for problems that nobody has seen."""

import random

CONSONANTS, VOWELS = "bdfgklmnprstvz", "aeiou"
ALPHABET = CONSONANTS + VOWELS


def word(rng: random.Random, syllables: int) -> str:
    """A word of so many syllables, such as ``tibo``."""
    return "".join(rng.choice(CONSONANTS) + rng.choice(VOWELS) for _ in range(syllables))


def distinct(rng: random.Random, count: int, syllables: int) -> list[str]:
    """So many words, none twice."""
    found: dict[str, None] = {}
    while len(found) < count:
        found[word(rng, syllables)] = None
    return list(found)
