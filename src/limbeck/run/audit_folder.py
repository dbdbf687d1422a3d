"""The folder of an audit: whose it is, and what is in the way."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

from limbeck.errors import RequestError
from limbeck.files import writing

_OURS = {"items", "report.html", "results.json"}
_MEND = "give another --output, or --fresh to start over"


def asked_in(folder: Path) -> str | None:
    """What the finished audit of a folder was asked; None where there is none."""
    try:
        found = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found.get("asked") if isinstance(found, dict) else None


def own_folder(folder: Path, asked: str, fresh: bool) -> None:
    """Make the folder of an audit of files; one that holds anything else is left alone.

    Raises:
        RequestError: It is a file, holds something that is no such audit, or another one and is
            not to be begun afresh.
        LimbeckError: It cannot be written.
    """
    above = next(p for p in (folder, *folder.absolute().parents) if p.exists())
    if not above.is_dir():
        raise RequestError(
            "the output is a file", where=str(above), mend="name a folder with --output"
        )
    there = {p.name for p in folder.iterdir() if p.name[0] != "."} if above == folder else set()
    before = asked_in(folder)
    if there - _OURS or ("results.json" in there and before is None):
        raise RequestError(
            "the output folder holds files that are no audit of outputs",
            where=f"{folder}: {', '.join(sorted(there)[:3])}",
            mend="name an empty or new folder with --output",
        )
    if before is not None and before != asked and not fresh:
        raise RequestError(
            "the output folder holds an audit of other files", where=str(folder), mend=_MEND
        )
    with writing(folder):
        shutil.rmtree(folder / "items", ignore_errors=True)
        (folder / "items").mkdir(parents=True)


def same_models(folder: Path, hashes: Mapping[str, str], labels: Mapping[str, str]) -> None:
    """Whether an audit that was begun in a folder is of these models and data.

    Args:
        folder: The audit's.
        hashes: Of models, files and data.
        labels: What a reader calls them.

    Raises:
        RequestError: One is another than it was, or new.
    """
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return
    for name, value in hashes.items():
        known = manifest["hashes"].get(name)
        if known == value:
            continue
        what = labels.get(name, name).lower()
        raise RequestError(
            f"the audit in this folder had {'no' if known is None else 'another'} {what}",
            where=str(folder),
            mend=_MEND,
        )
