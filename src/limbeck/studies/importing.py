"""The released tables of a published study as a finished one: its claims, tested by ours."""

from pathlib import Path

from limbeck.errors import RequestError
from limbeck.studies.study import Done


def import_released(folder: Path, output: Path) -> Done:
    """Not here yet."""
    raise RequestError("not here yet", where=str(folder), mend=str(output))
