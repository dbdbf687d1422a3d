"""The folder of a run: its recipe, its manifest, and what has been finished."""

import contextlib
import importlib.metadata
import json
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from limbeck.errors import RequestError
from limbeck.files import holding, write_json, write_text
from limbeck.ranks import rank, wait_for_everyone
from limbeck.recipe import ModelSpec, Recipe
from limbeck.run.shared import Shared

SCHEMA = "limbeck.manifest/1"
ANSWERS = "answers.sqlite"
_FREE = {"output", "evaluate.judges", *(f"teacher.{key}" for key in ModelSpec.ASKING)}
"""Keys that may change between two starts of a run: they change nothing in its results."""


@dataclass(frozen=True)
class Common:
    """A stage that does not depend on everything in a recipe.

    Attributes:
        key: A hash of all that it depends on.
        names: The files and folders that it makes, below the run's folder.
    """

    key: str
    names: Sequence[str]


class RunFolder:
    """A run on the disk. What it says is finished stays finished, whatever happens.

    Args:
        path: The folder; it need not exist.
        shared: Where stages are that other runs have in common with this one.
    """

    def __init__(self, path: str | Path, shared: Path | None = None):
        self.path = Path(path)
        self.shared = Shared(shared) if shared is not None else None
        self.manifest: dict[str, Any] = {}

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    def check(self, recipe: Recipe, fresh: bool) -> None:
        """Refuse a folder that belongs to something else; writes nothing.

        Raises:
            RequestError: Another recipe's run is there, or files that are no run.
        """
        above = next(p for p in (self.path, *self.path.absolute().parents) if p.exists())
        if not above.is_dir():
            raise RequestError(
                "the output is a file", where=str(above), mend="name a folder with output:"
            )
        if above != self.path or (fresh and self._ours()):
            return
        # A kill can leave the half-written first file of a run, and --fresh what was paid for.
        strangers = [
            p.name
            for p in self.path.iterdir()
            if p.name != ".lock" and not p.name.startswith((".recipe.yaml.", ANSWERS))
        ]
        other = self._recipe() if "recipe.yaml" in strangers else None
        if other is None:
            if strangers:
                raise RequestError(
                    "the output folder holds files that are no run of Limbeck's",
                    where=f"{self.path}: {', '.join(sorted(strangers)[:3])}",
                    mend="name an empty or new folder with output=",
                )
            return
        ours = yaml.safe_load(recipe.to_yaml())
        difference = _first_difference(other, ours)
        if difference:
            key, was, now = difference
            raise RequestError(
                "this output folder belongs to another recipe",
                where=f"{self.path}: {key} was {was!r} and is now {now!r}",
                mend="give another output=, or --fresh to delete that run and start over",
            )

    @contextlib.contextmanager
    def open(self, recipe: Recipe, hashes: dict[str, str], fresh: bool) -> Iterator[None]:
        """Hold the folder for this process, and take up or begin its manifest.

        Args:
            recipe: What is being run.
            hashes: Of everything the results depend on.
            fresh: Delete what is there.

        Raises:
            RequestError: Another process works here, or models or data have changed.
        """
        with contextlib.ExitStack() as held:
            if rank() == 0:
                held.enter_context(holding(self.path, "run"))
                if fresh:
                    self._clear()
                self._take_up(recipe, hashes)
            wait_for_everyone()
            self.manifest = self._read()
            yield

    @property
    def finished(self) -> bool:
        """Whether everything is done."""
        return (self / "results.json").exists() and (self / "report.html").exists()

    def done(self, stage: str) -> dict[str, Any] | None:
        """What a finished stage left in the manifest, or None; a folder need not be held for it."""
        manifest = self.manifest or self._read()
        return manifest["stages"].get(stage, {}).get("result")

    def once(
        self,
        stage: str,
        work: Callable[[], dict[str, Any]],
        everywhere: bool = False,
        common: Common | None = None,
    ) -> dict[str, Any]:
        """Do a stage unless it has been done; what it returns is kept in the manifest.

        Args:
            stage: Its name.
            work: Does it. Interrupted, it is called again by the next run and must go on there.
            everywhere: Whether all processes take part; otherwise the others wait for the first.
            common: What other runs would do in the same way, and take from this one.

        Returns:
            The result, of now or then.
        """
        known = self.done(stage)
        if common is not None and self.shared is not None:
            return self._once_for_all(stage, work, everywhere, common, known)
        return self._do(stage, work, everywhere) if known is None else known

    def _once_for_all(
        self,
        stage: str,
        work: Callable[[], dict[str, Any]],
        everywhere: bool,
        common: Common,
        known: dict[str, Any] | None,
    ) -> dict[str, Any]:
        """Do a stage, or take it from the run that did it; others wait meanwhile."""
        shared = self.shared
        assert shared is not None
        with contextlib.ExitStack() as held:
            if rank() == 0:
                held.enter_context(shared.holding(common.key))
                if known is None and (found := shared.take(common.key, self.path)) is not None:
                    entry = {"result": found, "seconds": 0.0, "shared": True}
                    self.manifest["stages"][stage] = entry
                    self._write()
            wait_for_everyone()
            self.manifest = self._read()
            result = self.done(stage)
            if result is None:
                result = self._do(stage, work, everywhere)
            if rank() == 0 and not shared.has(common.key):
                shared.give(common.key, self.path, common.names, result)
        return result

    def _do(
        self, stage: str, work: Callable[[], dict[str, Any]], everywhere: bool
    ) -> dict[str, Any]:
        began, result = time.monotonic(), None
        try:
            if everywhere or rank() == 0:
                result = work()
        finally:
            # Not before: a stage within this one has read the manifest anew.
            entry = self.manifest["stages"].setdefault(stage, {})
            if result is not None:
                entry["result"] = result
            entry["seconds"] = round(entry.get("seconds", 0.0) + time.monotonic() - began, 2)
            if rank() == 0:
                self._write()
        wait_for_everyone()
        self.manifest = self._read()
        return self.manifest["stages"][stage]["result"]

    @contextlib.contextmanager
    def lending(self, key: str | None, paths: Sequence[Path]) -> Iterator[None]:
        """Files of this run that others may take, and that this run takes where others made them.

        Args:
            key: A hash of all that they depend on; None where nobody else can use them.
            paths: Where they are.
        """
        if key is None or self.shared is None or rank() != 0:
            yield
            return
        with self.shared.holding(key):
            if not any(path.exists() for path in paths):
                self.shared.take(key, self.path)
            yield
            if not self.shared.has(key):
                names = [str(path.relative_to(self.path)) for path in paths]
                self.shared.give(key, self.path, names, {})

    def seconds(self) -> dict[str, float]:
        """Wall time of each stage, interrupted attempts included as far as they could tell."""
        return {name: entry.get("seconds", 0.0) for name, entry in self.manifest["stages"].items()}

    def _take_up(self, recipe: Recipe, hashes: dict[str, str]) -> None:
        if not (self / "manifest.json").exists():
            write_text(self / "recipe.yaml", recipe.to_yaml())
            self.manifest = {
                "schema": SCHEMA,
                "limbeck": importlib.metadata.version("limbeck"),
                "began": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
                "hashes": hashes,
                "stages": {},
            }
            self._write()
        elif (self / "recipe.yaml").read_text(encoding="utf-8") != recipe.to_yaml():
            write_text(self / "recipe.yaml", recipe.to_yaml())
        for name, value in hashes.items():
            if self._read()["hashes"].get(name) != value:
                raise RequestError(
                    f"the {name} changed since this run began",
                    where=str(self.path),
                    mend="give another output=, or --fresh to start over",
                )

    def _ours(self) -> bool:
        """Whether there is a manifest, and Limbeck wrote it: many programs have a manifest.json."""
        try:
            return bool(self._read()["schema"] == SCHEMA)
        except (OSError, ValueError, KeyError, TypeError):
            return False

    def _recipe(self) -> dict[str, Any] | None:
        """The recipe of the run that is there, or None where it is no recipe."""
        try:
            found = yaml.safe_load((self / "recipe.yaml").read_text(encoding="utf-8"))
        except (OSError, ValueError, yaml.YAMLError):
            return None
        return found if isinstance(found, dict) else None

    def _read(self) -> dict[str, Any]:
        return json.loads((self / "manifest.json").read_text(encoding="utf-8"))

    def _write(self) -> None:
        write_json(self / "manifest.json", self.manifest)

    def _clear(self) -> None:
        for entry in self.path.iterdir():
            # Answers that were paid for are found by what was asked, so they are never wrong.
            if entry.name == ".lock" or entry.name.startswith(ANSWERS):
                continue
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()


def _first_difference(was: Any, now: Any, key: str = "") -> tuple[str, Any, Any] | None:
    """Where two resolved recipes first differ, in what changes the results."""
    if isinstance(was, dict) and isinstance(now, dict):
        for name in [*now, *(k for k in was if k not in now)]:
            inner = f"{key}.{name}" if key else name
            if inner in _FREE:
                continue
            found = _first_difference(was.get(name), now.get(name), inner)
            if found:
                return found
        return None
    return None if was == now else (key, was, now)
