"""Every request and its answer, kept for good: what was paid for once is not asked again."""

import contextlib
import sqlite3
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

from limbeck.engines import Request, Response
from limbeck.errors import LimbeckError
from limbeck.sources.budget import Spent

_VERSION = 1
_SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS answers (
    key TEXT PRIMARY KEY,
    request TEXT NOT NULL,
    text TEXT NOT NULL,
    finish_reason TEXT,
    tokens_in INTEGER,
    tokens_out INTEGER,
    answered TEXT NOT NULL
) STRICT;
CREATE TRIGGER IF NOT EXISTS never_changed BEFORE UPDATE ON answers
BEGIN SELECT RAISE(ABORT, 'answers are never changed'); END;
CREATE TRIGGER IF NOT EXISTS never_deleted BEFORE DELETE ON answers
BEGIN SELECT RAISE(ABORT, 'answers are never deleted'); END;
PRAGMA user_version = {_VERSION};
COMMIT;
"""


class Store:
    """Answers by the content of their request, in one SQLite file.

    An answer is on the disk when `add` returns: each is a transaction of its own in the
    write-ahead log, whose records carry checksums, so one that a crash has torn counts as absent.
    ``synchronous=FULL`` waits for the disk, which takes milliseconds where the answer took seconds
    and money. The lock is exclusive (one process writes text), which also spares SQLite the shared
    memory that network file systems do not have.

    Args:
        path: The file; it need not exist.
    """

    def __init__(self, path: Path):
        self.path = path
        with self._messages():
            path.parent.mkdir(parents=True, exist_ok=True)
            # Work in a notebook is done in a second thread, while the first one waits.
            self._connection = sqlite3.connect(
                path, timeout=1.0, isolation_level=None, check_same_thread=False
            )
            with contextlib.ExitStack() as undo:
                undo.callback(self._connection.close)
                self._connection.execute("PRAGMA locking_mode = EXCLUSIVE")
                self._connection.execute("PRAGMA journal_mode = WAL")
                self._connection.execute("PRAGMA synchronous = FULL")
                (version,) = self._connection.execute("PRAGMA user_version").fetchone()
                if version > _VERSION:
                    raise LimbeckError(
                        "these answers were kept by a later version",
                        where=str(path),
                        mend="use that version of Limbeck, or give another output:",
                    )
                if version < _VERSION:
                    self._connection.executescript(_SCHEMA)
                undo.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def find(self, requests: Sequence[Request]) -> dict[str, Response]:
        """The answers that are there, by the keys of their requests."""
        found = {}
        with self._messages():
            for key in dict.fromkeys(r.key for r in requests):
                row = self._connection.execute(
                    "SELECT text, finish_reason, tokens_in, tokens_out FROM answers WHERE key = ?",
                    (key,),
                ).fetchone()
                if row is not None:
                    found[key] = Response(*row)
        return found

    def add(self, request: Request, response: Response) -> None:
        """Keep an answer; it is safe when this returns.

        Raises:
            LimbeckError: The file cannot be written, or knows the request already.
        """
        now = time.strftime("%Y-%m-%dT%H:%M:%S%z")
        answer = (response.text, response.finish_reason, response.tokens_in, response.tokens_out)
        with self._messages():
            self._connection.execute(
                "INSERT INTO answers VALUES (?, ?, ?, ?, ?, ?, ?)",
                (request.key, request.canonical, *answer, now),
            )

    def spent(self) -> Spent:
        """What all answers have cost, in tokens."""
        with self._messages():
            row = self._connection.execute(
                "SELECT count(*), total(tokens_in), total(tokens_out) FROM answers"
            ).fetchone()
        return Spent(*map(int, row))

    @contextlib.contextmanager
    def _messages(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise LimbeckError(
                f"the teacher's answers cannot be kept: {error}",
                where=str(self.path),
                mend="free space or mend the file, and run the same command again: it goes on there",
            ) from error
