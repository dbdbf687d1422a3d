"""A recipe file, and what the command line changes in it."""

import difflib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from limbeck.errors import RequestError
from limbeck.recipe.checking import parse_recipe
from limbeck.recipe.sections import Recipe


def load_recipe(path: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe file and apply ``key.key=value`` overrides.

    Raises:
        RequestError: The file cannot be read, or the recipe is wrong; names key and mend.
    """
    path = Path(path)
    loaded = read_yaml(path, overrides, "recipe", "it needs student, teacher, data and method")
    loaded.setdefault("output", f"runs/{path.stem}")
    return parse_recipe(loaded, where=str(path))


def read_yaml(path: Path, overrides: Sequence[str], what: str, needs: str) -> dict[str, Any]:
    """The keys of a YAML file, with overrides applied.

    Args:
        path: The file.
        overrides: ``key.key=value`` words.
        what: What it should be, for messages: ``recipe``.
        needs: What one needs, for messages.

    Raises:
        RequestError: The file cannot be read, or holds no keys.
    """
    try:
        loaded = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
    except FileNotFoundError:
        raise RequestError(
            f"there is no such {what}", where=str(path), mend=_near_files(path)
        ) from None
    except IsADirectoryError:
        raise RequestError(
            f"a {what} is a YAML file, and this is a folder",
            where=str(path),
            mend=f"try {path / f'{what}.yaml'}",
        ) from None
    except OSError as error:
        raise RequestError(
            f"the {what} cannot be read: {error.strerror}",
            where=str(path),
            mend="give the path of a .yaml file",
        ) from None
    except UnicodeDecodeError as error:
        raise RequestError(
            f"the {what} is not UTF-8 text",
            where=f"{path}, byte {error.start}",
            mend="save it as UTF-8",
        ) from None
    except yaml.YAMLError as error:
        raise RequestError(
            f"the {what} is not YAML: {_one_line(error)}",
            where=str(path),
            mend="check indentation, colons and quotes near that line",
        ) from None
    if not isinstance(loaded, dict):
        raise RequestError(f"the {what} holds no keys", where=str(path), mend=needs)
    for item in overrides:
        override(loaded, item)
    return loaded


def override(request: dict[str, Any], item: str) -> None:
    """Apply ``training.learning_rate=1e-4`` to a mapping; the value is YAML.

    Raises:
        RequestError: It is no ``KEY=VALUE``, or the key goes through something that is no section.
    """
    dotted, equals, text = item.partition("=")
    if not equals or not dotted:
        raise RequestError(
            f"an override is KEY=VALUE, got {item!r}",
            where="command line",
            mend="for example training.learning_rate=1e-4",
        )
    try:
        value = yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise RequestError(
            f"the value of {dotted} is not YAML: {_one_line(error)}",
            where="command line",
            mend="quote it",
        ) from None
    put(request, dotted, value, "command line")


def put(request: dict[str, Any], dotted: str, value: Any, where: str) -> None:
    """Set ``training.learning_rate`` in a mapping; sections on the way grow where they have to.

    Args:
        request: What a recipe says.
        dotted: The key, with those of its sections before it.
        value: Of the key.
        where: Who asks, for messages.

    Raises:
        RequestError: The key goes through something that is no section.
    """
    *sections, key = dotted.split(".")
    node = request
    for depth, name in enumerate(sections):
        inner = node.get(name)
        if isinstance(inner, str):  # the shorthand of a section that is growing
            main = {"method": "name", "data": "source"}.get(name, "model")
            inner = {main: inner}
        if inner is not None and not isinstance(inner, dict):
            path = ".".join(sections[: depth + 1])
            raise RequestError(
                f"{path} is no section, so {dotted} cannot be set",
                where=where,
                mend=f"set {path}= as a whole",
            )
        # A copy: with a YAML alias, another section may be the same object.
        node[name] = node = dict(inner or {})
    node[key] = value


class _Loader(yaml.SafeLoader):
    """YAML as people mean it.

    ``5e-5`` is a number (PyYAML reads it as text), a key that stands twice is an error (PyYAML
    keeps the last one), and the key ``on`` is a word (PyYAML takes it for ``true``).
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [k.value for k, _ in node.value if isinstance(k, yaml.ScalarNode)]
        for key in keys:
            if key != "<<" and keys.count(key) > 1:
                raise yaml.MarkedYAMLError(
                    problem=f"the key {key!r} stands twice", problem_mark=node.start_mark
                )
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:bool":
                key_node.tag = "tag:yaml.org,2002:str"
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:[0-9][0-9_]*)(?:\.[0-9_]*)?(?:[eE][-+]?[0-9]+)$"),
    list("-+0123456789"),
)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:160]


def _near_files(path: Path) -> str:
    folder = path.parent
    names = sorted(p.name for p in folder.glob("*.y*ml")) if folder.is_dir() else []
    close = difflib.get_close_matches(path.name, names, n=1, cutoff=0.4)
    return f"did you mean {folder / close[0]}?" if close else "give the path of a .yaml file"
