"""Real data of the tests, from the folder that LIMBECK_DATA names."""

import csv
import json
import os
from pathlib import Path
from typing import Any

import pytest


def path_of(name: str) -> Path:
    path = Path(os.environ.get("LIMBECK_DATA") or "nowhere", name)
    if not path.exists():
        pytest.skip(f"LIMBECK_DATA names no folder with {name}")
    return path


def rows_of(name: str) -> list[dict[str, Any]]:
    path = path_of(name)
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file)) if path.suffix == ".csv" else [*map(json.loads, file)]
