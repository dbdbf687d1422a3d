"""Built-in procedural tasks: endless problems with worked solutions, no download."""

from limbeck.data.tasks.base import Task, build
from limbeck.data.tasks.boolean_logic import BooleanLogic
from limbeck.data.tasks.chain_arithmetic import ChainArithmetic
from limbeck.data.tasks.fact_lookup import FactLookup
from limbeck.data.tasks.generate import generate
from limbeck.data.tasks.list_sorting import ListSorting
from limbeck.data.tasks.long_addition import LongAddition
from limbeck.data.tasks.majority_label import MajorityLabel
from limbeck.data.tasks.name_extraction import NameExtraction

TASKS: dict[str, type[Task]] = {
    "boolean_logic": BooleanLogic,
    "chain_arithmetic": ChainArithmetic,
    "fact_lookup": FactLookup,
    "list_sorting": ListSorting,
    "long_addition": LongAddition,
    "majority_label": MajorityLabel,
    "name_extraction": NameExtraction,
}

__all__ = [
    "TASKS",
    "BooleanLogic",
    "ChainArithmetic",
    "FactLookup",
    "ListSorting",
    "LongAddition",
    "MajorityLabel",
    "NameExtraction",
    "Task",
    "build",
    "generate",
]
