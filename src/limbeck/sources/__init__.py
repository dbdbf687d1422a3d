"""Where sequences come from."""

from limbeck.sources.answers import answer_all
from limbeck.sources.replay import Replay
from limbeck.sources.rollouts import Sources, Together, drawn_from, seed_for

__all__ = ["Replay", "Sources", "Together", "answer_all", "drawn_from", "seed_for"]
