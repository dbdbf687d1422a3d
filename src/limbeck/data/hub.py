"""Rows from the Hugging Face hub."""

import re
from typing import Any

from limbeck.data.files import Rows
from limbeck.data.tasks import TASKS
from limbeck.data.wording import did_you_mean
from limbeck.errors import RequestError

_HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")


def read_hub(source: str, config: str | None, split: str) -> Rows:
    """Rows of one split of a data set on the hub, read as they are needed.

    Args:
        source: For example ``trl-lib/tldr``.
        config: The data set's configuration; None where it has only one.
        split: The split, or a slice of one such as ``train[:1000]``.

    Yields:
        Where the row stands, counted from 1, and its values by column.

    Raises:
        RequestError: No such data set, configuration or split, or no way to reach the hub.
    """
    if not _HUB_ID.fullmatch(source):
        raise RequestError(
            f"{source!r} is neither a file, a folder, a hub id nor a built-in task",
            where="data.source",
            mend=f"for a built-in task, {did_you_mean(source, TASKS)}",
        )
    try:
        table = _load(source, config, split)
    except Exception as error:  # the library raises a dozen kinds, its own and others'
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise RequestError(
            f"could not load {source} from the hub: {reason}",
            where=f"data.source, config {config or 'default'}, split {split}",
            mend="check the id, data.config and data.split, or give a local .jsonl or .parquet "
            "path" + ("" if "/" in source else f"; built-in tasks: {did_you_mean(source, TASKS)}"),
        ) from error
    for number, row in enumerate(table, 1):
        yield f"{source} ({split}), row {number}", row


def _load(source: str, config: str | None, split: str) -> Any:
    import datasets

    try:
        return datasets.load_dataset(source, config, split=split)
    except RuntimeError as error:
        if "scripts are no longer supported" not in str(error):
            raise
        # The hub keeps the rows of such data sets as files, too, and a program need not be run.
        return datasets.load_dataset(source, config, split=split, revision="refs/convert/parquet")
