"""The guide to the methods, written from the registry: ``python -m limbeck.cli.guide docs/methods``.

A page for each method, the list of them, and the table in the README beside the folder of the docs.
"""

import inspect
import re
import sys
import textwrap
from pathlib import Path
from typing import Any

from limbeck.cli.methods import describe, shown
from limbeck.files import write_text
from limbeck.methods import METHODS, Method

# What a reader wants to see of a method's code, in the order in which a step runs it.
HOOKS = ("teacher_checkpoint", "prepare", "sequences", "look", "loss", "update")
MARKS = "<!-- methods -->", "<!-- /methods -->"
INTRODUCTION = """\
# Methods

`limbeck methods` lists them, `limbeck methods NAME` shows one in full, `--json` is for machines. p is the teacher's
distribution, q the student's; a reduction over tokens is over the supervised tokens of the global batch. Every number
that a step reads may also be a [schedule](../recipe.md#schedules), `beta: {schedule: linear, from: 0.5, to: 0.75}`.

These pages are written from the code by `make guide`; the tests check that they are up to date.
[Every method on one pair](../arena.md) compares them.

"""


def page(name: str) -> str:
    """The page of one method, in Markdown."""
    found = describe(name)
    parts = [
        f"# {name}",
        found["summary"],
        f"```text\n{found['formula']}\n```",
        f"[{found['paper']['title']}]({found['paper']['url']})",
        f"**When to use it.** {found['use']}",
        f"**Cost.** {found['cost'].capitalize()}.",
    ]
    parts += [f"**Needs {what}**: {how}." for what, how in found["needs"].items()]
    if found["paper"]["measured"]:
        parts.append(f"**What was measured.** {found['paper']['measured']}")
    parts.append(_table(("choice", ""), found["choices"].items()))
    if found["options"]:
        rows = [
            (f"`{o['name']}`", f"`{shown(o['default'])}`", o["meaning"]) for o in found["options"]
        ]
        parts.append("## Options\n\n" + _table(("option", "default", "meaning"), rows))
    parts.append("## The algorithm, as it runs\n\n" + _algorithm(METHODS[name]))
    if found["deviations"]:
        does = [
            (d["code"], d["does"], d["here"], f"`{d['option']}`" if d["option"] else "")
            for d in found["deviations"]
        ]
        head = ("whose", "does", "here", "the option")
        parts.append("## What released code does\n\n" + _table(head, does))
    return "\n\n".join(parts) + "\n"


def overview(folder: str) -> str:
    """All methods in a table, with links to their pages in a folder."""
    rows = [
        (f"[`{name}`]({folder}{name}.md)", c["source"], c["divergence"], c["cost"])
        for name, c in (
            (n, describe(n)["choices"] | {"cost": describe(n)["cost"]}) for n in METHODS
        )
    ]
    return _table(("method", "whose text", "divergence", "cost"), rows)


def pages() -> dict[str, str]:
    """File name to content."""
    index = INTRODUCTION + overview("") + "\n"
    return {"index.md": index} | {f"{name}.md": page(name) for name in METHODS}


def with_table(readme: str) -> str:
    """A README with the table of methods between its marks."""
    begin, end = MARKS
    inside = re.escape(begin) + ".*?" + re.escape(end)
    table = f"{begin}\n{overview('docs/methods/')}\n{end}"
    return re.sub(inside, lambda _: table, readme, flags=re.DOTALL)


def _algorithm(cls: type[Method]) -> str:
    """The hooks that a method has of its own, and the functions of its file that they call."""
    source = inspect.getsourcefile(cls)
    assert source is not None
    module = inspect.getmodule(cls)
    own = {n: f for n, f in vars(module).items() if getattr(f, "__module__", "") == cls.__module__}
    helpers = {
        name: function
        for name, function in {**vars(cls), **own}.items()
        if inspect.isfunction(function) and name not in HOOKS and not name.startswith("__")
    }
    blocks = [_code(vars(cls)[name]) for name in HOOKS if name in vars(cls)]
    for block in blocks:  # it grows: a helper may call another one
        for name in [n for n in helpers if f"{n}(" in block]:
            blocks.append(_code(helpers.pop(name)))
    where = f"`src/limbeck/methods/{Path(source).name}`"
    code = "\n\n\n".join(blocks)
    return f"From {where}; whatever is not there is as in every method.\n\n```python\n{code}\n```"


def _code(function: Any) -> str:
    return textwrap.dedent(inspect.getsource(function)).rstrip()


def _table(head: tuple[str, ...], rows: Any) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += [
        "| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |" for row in rows
    ]
    return "\n".join(lines)


def main() -> None:
    """Write the pages into a folder, and the table into the README two folders above them."""
    folder = Path(sys.argv[1])
    for old in folder.glob("*.md"):
        if old.name not in pages():
            old.unlink()
    for name, text in pages().items():
        write_text(folder / name, text)
    readme = folder.parents[1] / "README.md"
    write_text(readme, with_table(readme.read_text(encoding="utf-8")))


if __name__ == "__main__":
    main()
