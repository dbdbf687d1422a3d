"""Complaints about a recipe: what, where, and how to mend it."""

import difflib
from typing import Any

from pydantic import BaseModel, ValidationError

from limbeck.errors import RequestError


def nearest(word: str, known: Any) -> str:
    """A mend that names the nearest known word, or all of them."""
    known = list(known)
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    listed = ", ".join(known)
    return f"did you mean {close[0]}? (known: {listed})" if close else f"known: {listed}"


def explain(
    error: ValidationError, where: str, root: type[BaseModel] | None = None, prefix: str = ""
) -> RequestError:
    """The first of pydantic's complaints, in our words.

    Args:
        error: What pydantic says.
        where: The file or call that the request came from.
        root: The model that was validated, to name the keys it knows.
        prefix: Key of the section that was validated.
    """
    first = error.errors()[0]
    # The last part of a place may be a branch of a union, such as "list[int]".
    loc = tuple(p for p in first["loc"] if "[" not in str(p))
    path = ".".join(str(p) for p in ((prefix,) if prefix else ()) + loc)
    key = str(first["loc"][-1]) if first["loc"] else ""
    if first["type"] == "extra_forbidden":
        return RequestError(
            f"unknown key {key!r}",
            where=f"{where}: {path}",
            mend=nearest(key, _fields_at(root, first["loc"])),
        )
    if first["type"] == "missing":
        return RequestError(
            f"the key {key!r} is missing",
            where=f"{where}: {path.rpartition('.')[0]}" if len(loc) > 1 else where,
            mend=f"add {key}:",
        )
    branches = [e["msg"] for e in error.errors() if e["loc"][: len(loc)] == loc]
    words = [b.removeprefix("Value error, ").removeprefix("Assertion failed, ") for b in branches]
    message = ", or ".join(dict.fromkeys(w[:1].lower() + w[1:] for w in words))
    given = "" if isinstance(first["input"], dict) else f" (got {first['input']!r})"
    return RequestError(
        f"{path or where}: {message}{given}",
        where=where,
        mend="correct that value, or leave it out for the default",
    )


def _fields_at(root: type[BaseModel] | None, loc: tuple[Any, ...]) -> list[str]:
    """Names that a section of the recipe knows."""
    section: Any = root
    if section is None:
        return []
    for part in loc[:-1]:
        annotation = section.model_fields[part].annotation if part in section.model_fields else None
        candidates = [annotation, *getattr(annotation, "__args__", ())]
        found = [c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)]
        if not found:
            return []
        section = found[0]
    return list(section.model_fields)


def close_only(word: str, known: Any) -> str:
    """A mend that names near training arguments; there are too many to list."""
    close = difflib.get_close_matches(word, list(known), n=3, cutoff=0.6)
    return (
        f"did you mean {' or '.join(close)}?"
        if close
        else "names are those of transformers.TrainingArguments"
    )
