"""Files that are whole or not there, and journals that survive a kill."""

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from limbeck.errors import LimbeckError, RequestError


@contextlib.contextmanager
def holding(folder: Path, what: str) -> Iterator[None]:
    """Be the only process that works in a folder, which is made where it is not there.

    Args:
        folder: It; a file ``.lock`` in it is held.
        what: What is worked at, for the message.

    Raises:
        RequestError: Another process holds it.
        LimbeckError: It cannot be made.
    """
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / ".lock").open("w")
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise RequestError(
                f"another process is working on this {what}",
                where=str(folder),
                mend="wait for it, or give another output=",
            ) from None
        yield


def is_held(folder: Path) -> bool:
    """Whether a process holds a folder now."""
    try:
        with (folder / ".lock").open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn a full or read-only disk into a message.

    Raises:
        LimbeckError: The operating system refused.
    """
    try:
        yield
    except LimbeckError:
        raise
    except Exception as error:
        full = _is_full(error, path)
        if not full and not (isinstance(error, OSError) and error.errno in _REFUSED):
            raise
        raise LimbeckError(
            "the disk is full" if full else f"this cannot be written: {os.strerror(error.errno)}",  # type: ignore[attr-defined]
            where=str(path),
            mend="free space and run the same command again: it goes on where it was"
            if full
            else "give another output folder",
        ) from error


_FULL = (errno.ENOSPC, errno.EDQUOT)
_REFUSED = (errno.EROFS, errno.EACCES, errno.EPERM, errno.EFBIG)


def _is_full(error: Exception, path: Path) -> bool:
    """Whether a full disk is behind an error.

    safetensors raises an error of its own kind with the system's words in it, and PyTorch one
    that says nothing; there the disk itself is asked.
    """
    if isinstance(error, OSError):
        return error.errno in _FULL
    if any(os.strerror(number) in str(error) for number in _FULL):
        return True
    if not isinstance(error, RuntimeError):
        return False
    folder = next((p for p in (path, *path.absolute().parents) if p.exists()), None)
    return folder is not None and shutil.disk_usage(folder).free < 2**20


def write_text(path: Path, text: str) -> None:
    """Write a file so that a reader sees the old one or the new one, whole.

    Raises:
        LimbeckError: The disk is full or not writable; an old file is untouched.
    """
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            # A model can emit half a surrogate pair, which UTF-8 has no bytes for; escaped, it is
            # valid JSON and readable HTML.
            with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as stream:
                stream.write(text)
                stream.flush()
                os.fsync(stream.fileno())
            os.chmod(name, 0o644)
            os.replace(name, path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


def write_json(path: Path, value: Any) -> None:
    """Write JSON like `write_text`; NaN and infinity are errors, not invalid JSON."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


@contextlib.contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """A file to write, which takes its name only when it is complete."""
    partial = path.with_name(f".{path.name}.partial")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        os.chmod(partial, 0o644)  # safetensors writes for its owner alone
        os.replace(partial, path)


@contextlib.contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A folder to fill, which takes its name only when it is complete."""
    partial = path.with_name(f".{path.name}.partial")
    with writing(path):
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        yield partial
        shutil.rmtree(path, ignore_errors=True)
        os.replace(partial, path)


def digest(*parts: Any) -> str:
    """A short hash of plain values."""
    return hashlib.blake2b(repr(parts).encode(), digest_size=16).hexdigest()


class Journal:
    """An append-only JSON-lines file of finished pieces of work.

    The first line holds a key that says what the work was; a journal of other work is started
    anew. A torn last line, as a kill leaves it, is cut off.

    Args:
        path: The file.
        key: Identifies the work: everything its results depend on.
    """

    def __init__(self, path: Path, key: str):
        self.path = path
        lines, whole = self._read()
        if not lines or lines[0] != {"key": key}:
            lines, whole = [{"key": key}], 0
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._stream = path.open("r+b" if path.exists() else "w+b")
            self._stream.truncate(whole)
            self._stream.seek(whole)
        self.entries: list[dict[str, Any]] = lines[1:]
        if whole == 0:
            self._append([lines[0]])

    def append(self, entries: list[dict[str, Any]]) -> None:
        """Add finished pieces; they are on the disk when this returns."""
        self._append(entries)
        self.entries += entries

    def close(self) -> None:
        """No more entries will come."""
        self._stream.close()

    def _append(self, entries: list[dict[str, Any]]) -> None:
        with writing(self.path):
            text = "".join(json.dumps(e, ensure_ascii=False) + "\n" for e in entries)
            self._stream.write(text.encode())
            self._stream.flush()
            os.fsync(self._stream.fileno())

    def _read(self) -> tuple[list[dict[str, Any]], int]:
        """The complete lines, and how many bytes they take."""
        lines: list[dict[str, Any]] = []
        whole = 0
        if self.path.exists():
            with self.path.open("rb") as stream:
                for line in stream:
                    if not line.endswith(b"\n"):
                        break
                    try:
                        lines.append(json.loads(line))
                    except ValueError:
                        break
                    whole += len(line)
        return lines, whole
