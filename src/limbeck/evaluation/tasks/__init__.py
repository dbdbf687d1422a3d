"""Evaluation tasks: rows in, prompts, scores and figures out; pure, no model is needed here."""

from limbeck.evaluation.tasks.answers import EXTRACTORS, SCORERS
from limbeck.evaluation.tasks.base import Rule, Task
from limbeck.evaluation.tasks.items import Item, Question, Scored
from limbeck.evaluation.tasks.registry import TASKS, load_task
from limbeck.evaluation.tasks.sources import Hub

__all__ = [
    "EXTRACTORS",
    "SCORERS",
    "TASKS",
    "Hub",
    "Item",
    "Question",
    "Rule",
    "Scored",
    "Task",
    "load_task",
]
