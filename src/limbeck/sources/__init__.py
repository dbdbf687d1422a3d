"""Where sequences come from."""

from limbeck.sources.answers import answer_all
from limbeck.sources.rollouts import Sources, seed_for

__all__ = ["Sources", "answer_all", "seed_for"]
