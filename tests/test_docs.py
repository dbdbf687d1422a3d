"""What README, docs and examples say is what the code does."""

import dataclasses
import re
from pathlib import Path

import pytest
import yaml

from limbeck.cli.guide import pages, with_table
from limbeck.cli.methods import describe
from limbeck.data import TASKS, DataSpec
from limbeck.methods import METHODS
from limbeck.recipe import (
    Evaluate,
    Generation,
    Limits,
    Lora,
    ModelSpec,
    Prices,
    Recipe,
    load_recipe,
    parse_recipe,
)

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.yaml")), ids=lambda p: p.name)
def test_every_example_is_a_valid_recipe(path):
    assert load_recipe(path).output == f"runs/{path.stem}"


def test_the_quickstart_is_an_ordinary_recipe():
    load_recipe(ROOT / "src/limbeck/cli/quickstart.yaml")


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_recipes_in_the_docs_are_valid(page):
    """A user copies them first."""
    for block in re.findall(r"```yaml\n(.*?)```", page.read_text(), re.DOTALL):
        parse_recipe({"output": "runs/x"} | yaml.safe_load(block))


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_between_pages_lead_somewhere(page):
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", text):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("name", METHODS)
def test_every_option_of_a_method_is_described(name):
    for option in describe(name)["options"]:
        assert option["meaning"], f"{name}.{option['name']} has no description"


def test_the_guide_says_what_the_registry_says():
    """`make guide` writes it; a page of a method that is gone would stay."""
    folder = ROOT / "docs/methods"
    written = {p.name: p.read_text() for p in folder.glob("*.md")}
    assert written == pages(), "run make guide"


def test_the_readme_lists_the_registry():
    text = (ROOT / "README.md").read_text()
    assert text == with_table(text), "run make guide"
    assert all(f"[`{name}`](docs/methods/{name}.md)" in text for name in METHODS)
    nav = (ROOT / "mkdocs.yml").read_text()
    assert all(f"- {name}: methods/{name}.md\n" in nav for name in METHODS)


@pytest.mark.parametrize(
    "section", [Recipe, ModelSpec, Limits, Prices, Lora, DataSpec, Generation, Evaluate]
)
def test_every_key_of_a_recipe_is_documented(section):
    page = (ROOT / "docs/recipe.md").read_text()
    missing = [name for name in section.model_fields if not re.search(rf"\b{name}\b", page)]
    assert not missing
    assert all(task in page for task in TASKS)


def test_methods_are_their_own_configuration():
    for cls in METHODS.values():
        assert all(f.default is not dataclasses.MISSING for f in dataclasses.fields(cls))
