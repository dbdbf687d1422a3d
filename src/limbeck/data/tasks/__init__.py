"""Built-in procedural tasks: endless problems with worked solutions, no download."""

from limbeck.data.tasks.base import Task, build
from limbeck.data.tasks.boolean_logic import BooleanLogic
from limbeck.data.tasks.chain_arithmetic import ChainArithmetic
from limbeck.data.tasks.generate import generate
from limbeck.data.tasks.list_sorting import ListSorting
from limbeck.data.tasks.long_addition import LongAddition

TASKS: dict[str, type[Task]] = {
    "boolean_logic": BooleanLogic,
    "chain_arithmetic": ChainArithmetic,
    "list_sorting": ListSorting,
    "long_addition": LongAddition,
}

__all__ = [
    "TASKS",
    "BooleanLogic",
    "ChainArithmetic",
    "ListSorting",
    "LongAddition",
    "Task",
    "build",
    "generate",
]
