"""What every method says of itself: names, papers, deviations, fields."""

import ast
import dataclasses
import inspect
import re
from pathlib import Path
from typing import get_args

import pytest
import yaml

from limbeck import methods
from limbeck.methods import METHODS
from limbeck.methods.base import Cost
from limbeck.recipe.method import build_method

every_method = pytest.mark.parametrize("name", METHODS)


@every_method
def test_stands_in_the_registry_under_its_own_name(name):
    cls = METHODS[name]
    assert name.replace("-", "") == cls.__name__.lower() and name == name.lower()
    assert getattr(methods, cls.__name__) is cls
    assert len(set(METHODS.values())) == len(METHODS)
    assert Path(inspect.getfile(cls)).stem == name.replace("-", "_")


@every_method
def test_is_a_frozen_final_dataclass(name):
    """A method that changes while it runs cannot be what the recipe says."""
    cls = METHODS[name]
    assert dataclasses.is_dataclass(cls) and cls.__dataclass_params__.frozen
    assert getattr(cls, "__final__", False)
    assert cls.__bases__ == (methods.Method,)
    method = METHODS[name]()
    assert method == METHODS[name]() and hash(method) == hash(METHODS[name]())
    for field in dataclasses.fields(cls):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(method, field.name, getattr(method, field.name))


@every_method
def test_names_its_paper_formula_choices_and_use(name):
    cls = METHODS[name]
    assert cls.paper.title and re.fullmatch(r"https://\S+", cls.paper.url)
    assert "q" in cls.formula and cls.use.strip().endswith(".")
    for field in dataclasses.fields(cls.choices):
        assert getattr(cls.choices, field.name).strip()
    assert METHODS[name]().reduction in ("tokens", "sequences")
    assert METHODS[name]().cost in get_args(Cost)


@every_method
def test_says_how_released_code_differs(name):
    """Who compares with published figures has to know of what."""
    assert isinstance(METHODS[name].deviations, tuple)
    for deviation in METHODS[name].deviations:
        assert isinstance(deviation, methods.Deviation)
        for text in (deviation.code, deviation.does, deviation.here):
            assert text.strip() and not text.endswith(".")


@every_method
def test_the_options_that_reproduce_released_code_exist(name):
    """The table of deviations would name a key that the recipe refuses."""
    fields = {f.name for f in dataclasses.fields(METHODS[name])}
    for deviation in METHODS[name].deviations:
        words = re.sub(r" \(the paper\)| with corpus:", "", deviation.option)
        if not words or "theirs" in words:
            continue
        option = yaml.safe_load("{" + words + "}")
        method = option.pop("method", None)
        if isinstance(method, str):
            assert method in METHODS
        elif method is not None:
            build_method(method)
        own = {k: v for k, v in option.items() if k != "generation"}
        assert set(own) <= fields, deviation.option
        build_method({"name": name, **{k: v for k, v in own.items() if v is not None}})


@every_method
def test_documents_each_of_its_fields(name):
    """A recipe's key would mean something that only the source knows."""
    cls = METHODS[name]
    documented = re.findall(r"^ +(\w+): ", inspect.getdoc(cls).partition("Attributes:")[2], re.M)
    assert documented == [f.name for f in dataclasses.fields(cls)]
    assert all(f.default is not dataclasses.MISSING for f in dataclasses.fields(cls))


@every_method
def test_imports_no_other_method(name):
    source = Path(inspect.getfile(METHODS[name])).read_text()
    own = name.replace("-", "_")
    others = {Path(inspect.getfile(c)).stem for c in METHODS.values()} - {own}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("limbeck.methods"):
            assert node.module.rpartition(".")[2] not in others
            assert node.module != "limbeck.methods"
