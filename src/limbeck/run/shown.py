"""A cache of what a teacher behind an API shows: its likeliest tokens, asked once and kept."""

import tempfile
from collections.abc import Sequence as Rows
from pathlib import Path
from typing import Any, cast

from numpy.typing import NDArray

from limbeck.caching import (
    Cache,
    Encoding,
    Origin,
    TopKEncoding,
    Verified,
    a_shard,
    compare_shown,
    write_said,
)
from limbeck.data import Sequence
from limbeck.errors import LimbeckError
from limbeck.run.folder import ANSWERS
from limbeck.run.served import ServedTeacher
from limbeck.sources import Store, ask_all


def write_shown(
    folder: Path,
    rows: Rows[Sequence],
    served: ServedTeacher,
    encoding: TopKEncoding,
    origin: Origin,
) -> Cache:
    """Ask the server about every supervised token, and keep what it shows.

    Every response is kept beside the cache, in the store of the folder's answers, so that a kill
    costs only what was in flight.

    Raises:
        LimbeckError: The server fails, or the budget is spent; what was answered is kept.
    """

    def said(chosen: Rows[Sequence]) -> list[dict[str, NDArray[Any]]]:
        shown = _ask(folder / ANSWERS, served, chosen, encoding.k)
        for ids, _ in shown:
            if (ids >= encoding.vocabulary).any():
                raise LimbeckError(
                    f"the teacher finds token {int(ids.max())} likely, and the tokenizer has "
                    f"{encoding.vocabulary:,}",
                    where=served.spec.server or "",
                    mend="take fewer tokens with --k, or a teacher with the student's vocabulary",
                )
        return [encoding.shown(ids, log_p) for ids, log_p in shown]

    return write_said(folder, rows, said, cast(Encoding, encoding), origin)


def ask_again(cache: Cache, served: ServedTeacher, seed: int) -> Verified:
    """Ask the server afresh about one shard, and compare."""
    rows = a_shard(cache, seed)
    encoding = cache.encoding
    assert isinstance(encoding, TopKEncoding)
    with tempfile.TemporaryDirectory() as elsewhere:
        shown = _ask(Path(elsewhere) / ANSWERS, served, [cache.text[i] for i in rows], encoding.k)
    return compare_shown(cache, rows, shown)


def _ask(store: Path, served: ServedTeacher, rows: Rows[Sequence], k: int) -> list[Any]:
    from limbeck.engines.likeliest import Likeliest, of_completion, shown_in  # takes a second

    spec = served.spec
    url, name = spec.server or "", spec.model or ""
    with Store(store) as answers:
        found = ask_all(
            answers,
            lambda: Likeliest(url, spec.timeout_seconds or 60.0),
            [of_completion(name, s.prompt, s.completion, k) for s in rows],
            where=url,
            what="the teacher's likeliest",
            concurrency=spec.concurrency or 1,
            budget=served.budget,
        )
    return [shown_in(response) for response in found]
