"""Where sequences come from."""

from limbeck.sources.answers import answer_all
from limbeck.sources.asking import ask_all, told_apart
from limbeck.sources.budget import Budget, Spent
from limbeck.sources.replay import Replay
from limbeck.sources.rollouts import Sources, Together, drawn_from, seed_for
from limbeck.sources.store import Store

__all__ = [
    "Budget",
    "Replay",
    "Sources",
    "Spent",
    "Store",
    "Together",
    "answer_all",
    "ask_all",
    "drawn_from",
    "seed_for",
    "told_apart",
]
