"""The released tables of a published study as a finished one: its claims, tested by ours."""

import importlib.metadata
import shlex
import time
from pathlib import Path

from limbeck.errors import RequestError
from limbeck.files import write_json, writing
from limbeck.studies.published import released_study
from limbeck.studies.released import AXES
from limbeck.studies.study import SCHEMA, Done
from limbeck.studies.table import FILE, to_table, write_table

_STATE = "study.json"


def import_released(folder: Path, output: Path) -> Done:
    """Read the tables, test what was published about them, and write table, state and report.

    Args:
        folder: With the released CSV files.
        output: Folder of the study; one that was imported before is written anew.

    Raises:
        RequestError: The tables are not there, or the output holds something else.
        LimbeckError: The output cannot be written.
    """
    from limbeck.reports.study import write_study_report  # matplotlib takes a second

    if output.exists() and not output.is_dir():
        raise RequestError("the output is a file", where=str(output), mend="name a folder")
    if output.is_dir() and any(output.iterdir()) and not _imported(output):
        raise RequestError(
            "the output folder holds files that are no imported study",
            where=str(output),
            mend="name an empty or new folder with --output",
        )
    described, columns = released_study(folder)
    study = {
        "schema": SCHEMA,
        "created": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "limbeck": importlib.metadata.version("limbeck"),
        **described,
        "command": shlex.join(["limbeck", "study", "import", str(folder), "--output", str(output)]),
        "study_file": "",
    }
    rows = [
        dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)
    ]
    table = to_table(rows, [*AXES, "similarity"])
    with writing(output):
        output.mkdir(parents=True, exist_ok=True)
        write_json(output / _STATE, study)
        write_table(table, output / FILE)
        write_study_report(study, table.to_pydict(), output / "report.html")
    return Done(output, study, table)


def _imported(output: Path) -> bool:
    """Whether a folder is such a study: it has results, and no study file that runs made them."""
    return (output / _STATE).exists() and not (output / "resolved.yaml").exists()
