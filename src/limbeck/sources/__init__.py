"""Where sequences come from."""

from limbeck.sources.answers import answer_all
from limbeck.sources.asking import ask_all, told_apart
from limbeck.sources.budget import Budget, Spent
from limbeck.sources.replay import Replay
from limbeck.sources.rollouts import Sources, Together, drawn_from, seed_for
from limbeck.sources.store import Store
from limbeck.sources.vetting import Answer, Verdict, refuse_if_none, vet

__all__ = [
    "Answer",
    "Budget",
    "Replay",
    "Sources",
    "Spent",
    "Store",
    "Together",
    "Verdict",
    "answer_all",
    "ask_all",
    "drawn_from",
    "refuse_if_none",
    "seed_for",
    "told_apart",
    "vet",
]
