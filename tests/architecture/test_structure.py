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


def offenders(wrong):
    """Files of the source of which ``wrong(text)`` is true."""
    return [str(p.relative_to(ROOT)) for p in FILES if wrong(p.read_text(encoding="utf-8"))]


def test_there_is_a_source():
    assert len(FILES) > 40 and len(PACKAGES) > 8


def test_no_file_grows_beyond_a_sitting():
    assert not offenders(lambda text: len(text.splitlines()) > 320)


def test_every_file_says_what_it_is_for():
    assert not offenders(lambda text: not (ast.get_docstring(ast.parse(text)) or "").strip())


def test_the_source_names_no_ticket():
    """A reader without our tracker must understand it."""
    assert not offenders(lambda text: re.search(r"\bissue #", text, re.IGNORECASE))


def test_the_source_names_no_machine():
    """A path of the author's machine exists on no other."""
    roots = r"(?<![\w.:/<{}*])/(home|work|root|Users|mnt|tmp)/\w|\b[A-Z]:\\\\?Users"
    assert not offenders(lambda text: re.search(roots, text))


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
        assert hasattr(module, each), each


def test_what_limbeck_offers_is_real_and_sorted():
    offered = limbeck.__all__
    assert offered == sorted(offered, key=lambda n: (not n.isupper(), not n[0].isupper(), n))
    for name in offered:
        assert hasattr(limbeck, name), name
    assert set(offered) <= set(dir(limbeck))
    with pytest.raises(AttributeError):
        limbeck.no_such_thing  # noqa: B018


def loaded_by(code):
    """Names of the heavy packages that a fresh interpreter has loaded after ``code``."""
    heavy = ("torch", "transformers", "peft", "datasets", "pandas", "matplotlib", "scipy", "trl")
    heavy += ("openai",)
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
