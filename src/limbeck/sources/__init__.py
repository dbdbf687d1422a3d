"""Where sequences come from."""

from limbeck.sources.answers import answer_all
from limbeck.sources.replay import Replay
from limbeck.sources.rollouts import Sources, Together, seed_for

__all__ = ["Replay", "Sources", "Together", "answer_all", "seed_for"]
