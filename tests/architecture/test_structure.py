"""What keeps the source readable, and the command line quick."""

import ast
import importlib
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import limbeck

ROOT = Path(limbeck.__path__[0])
FILES = sorted(ROOT.rglob("*.py"))
PACKAGES = sorted(p.parent for p in FILES if p.name == "__init__.py" and p.parent != ROOT)
every_file = pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))


@every_file
def test_no_file_grows_beyond_a_sitting(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 320


@every_file
def test_every_file_says_what_it_is_for(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert (ast.get_docstring(tree) or "").strip()


@every_file
def test_the_source_stands_on_its_own(path):
    """A reader without our tracker, or our machine, must understand it."""
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"\bissue #?\d|\bissue #", text, re.I)
    assert not re.search(r"(?<![\w.:/])/(home|work|root|Users|mnt|tmp|data)/\w", text)
    assert not re.search(r"\b[A-Z]:\\\\?Users", text)
    assert not re.search(r"\b(TODO|FIXME|XXX)\b", text)


@every_file
def test_the_ascii_of_names(path):
    """Names that look alike and are not cannot be searched for."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        for name in (getattr(node, "id", ""), getattr(node, "arg", ""), getattr(node, "attr", "")):
            assert (name or "").isascii()


@pytest.mark.parametrize("package", PACKAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_what_a_package_offers_is_real_and_sorted(package):
    name = ".".join(("limbeck", *package.relative_to(ROOT).parts))
    module = importlib.import_module(name)
    offered = getattr(module, "__all__", None)
    defined = [
        n
        for n in ast.parse((package / "__init__.py").read_text(encoding="utf-8")).body
        if isinstance(n, ast.ImportFrom | ast.FunctionDef | ast.ClassDef | ast.Assign)
    ]
    if offered is None:
        assert not defined, f"{name} offers something without saying what"
        return
    # ruff's order: CONSTANTS, Classes, functions.
    assert offered == sorted(offered, key=lambda n: (not n.isupper(), not n[0].isupper(), n))
    assert len(set(offered)) == len(offered)
    for each in offered:
        assert getattr(module, each) is not None or each in vars(module)


def test_what_limbeck_offers_is_real_and_sorted():
    offered = limbeck.__all__
    assert offered == sorted(offered, key=lambda n: (not n.isupper(), not n[0].isupper(), n))
    for name in offered:
        assert getattr(limbeck, name) is not None
    assert set(offered) <= set(dir(limbeck))
    with pytest.raises(AttributeError):
        limbeck.no_such_thing  # noqa: B018


def loaded_by(code):
    """Names of the heavy packages that a fresh interpreter has loaded after ``code``."""
    heavy = ("torch", "transformers", "peft", "datasets", "pandas", "matplotlib", "scipy", "trl")
    code += f"\nimport sys; print(*(m for m in {heavy!r} if m in sys.modules))"
    env_root = str(ROOT.parent)
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {env_root!r})\n{code}"],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_importing_limbeck_loads_nothing_heavy():
    """`limbeck --help` would take ten seconds."""
    assert loaded_by("import limbeck") == []


def test_the_command_line_loads_nothing_heavy():
    if not (ROOT / "cli" / "app.py").exists():
        pytest.skip("there is no command line yet")
    assert loaded_by("import limbeck.cli.app") == []


def test_arrays_need_no_torch():
    """The statistics are useful alone, on a laptop that only reads results."""
    assert not {"torch", "transformers"} & set(loaded_by("import limbeck.analysis"))


def test_every_module_can_be_imported():
    names = [m.name for m in pkgutil.walk_packages([str(ROOT)], "limbeck.")]
    assert len(names) > 40
    for name in names:
        if not name.endswith("__main__"):
            importlib.import_module(name)
