"""A recipe: the whole request, checked before anything expensive happens."""

from limbeck.recipe.checking import parse_recipe
from limbeck.recipe.method import build_method
from limbeck.recipe.reading import load_recipe, override, put, read_yaml
from limbeck.recipe.sections import (
    Evaluate,
    FineTuning,
    Generation,
    Limits,
    Lora,
    ModelSpec,
    Prices,
    Recipe,
)
from limbeck.recipe.wording import explain, nearest

__all__ = [
    "Evaluate",
    "FineTuning",
    "Generation",
    "Limits",
    "Lora",
    "ModelSpec",
    "Prices",
    "Recipe",
    "build_method",
    "explain",
    "load_recipe",
    "nearest",
    "override",
    "parse_recipe",
    "put",
    "read_yaml",
]
