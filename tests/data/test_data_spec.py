import pytest
from pydantic import ValidationError

from limbeck.data import DataSpec


def test_a_string_is_shorthand_for_the_source():
    assert DataSpec.model_validate("trl-lib/tldr") == DataSpec(source="trl-lib/tldr")


@pytest.mark.parametrize(
    ("source", "origin"),
    [
        ("trl-lib/tldr", "hub"),
        ("squad", "hub"),
        ("chain_arithmetic", "task"),
        ("rows.jsonl", "local"),
        ("ROWS.CSV", "local"),
        ("./rows", "local"),
        ("../rows", "local"),
        ("/rows", "local"),
        ("~/rows", "local"),
    ],
)
def test_origin(source, origin):
    assert DataSpec(source=source).origin == origin


def test_an_existing_folder_is_local_and_a_task_still_wins(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine" / "data").mkdir(parents=True)
    (tmp_path / "chain_arithmetic").mkdir()
    assert DataSpec(source="mine/data").origin == "local"
    assert DataSpec(source="chain_arithmetic").origin == "task"


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"sorce": "x"}, "sorce"),
        ({"validation": 1.0}, "fractions"),
        ({"test": -0.1}, "fractions"),
        ({"validation": 0.5, "test": 0.5}, "less than 1"),
        ({"test": float("nan")}, "fractions"),
        ({"rows": 0}, "rows"),
        ({"columns": {"promt": "x"}}, "promt"),
        ({"truncation": "left"}, "truncation"),
        ({"verifier": "judge"}, "verifier"),
        ({"options": {"terms": [3, 5]}}, "options means nothing for a hub id"),
        ({"source": "r.csv", "config": "main"}, "config means nothing for a local path"),
        ({"source": "r.csv", "test_rows": 5}, "test_rows means nothing"),
        ({"source": "chain_arithmetic", "columns": {"prompt": "q"}}, "columns means nothing"),
        ({"source": "chain_arithmetic", "test": "rows.jsonl"}, "generates its own"),
        ({"source": "chain_arithmetic", "system": "Hi"}, "chat: true"),
    ],
)
def test_what_cannot_be_meant_is_refused(keys, message):
    with pytest.raises(ValidationError, match=message):
        DataSpec.model_validate({"source": "some/data", **keys})


@pytest.mark.parametrize("source", ["some/data", "rows.csv", "list_sorting"])
def test_a_fully_written_out_spec_can_be_read_again(source):
    spec = DataSpec(source=source, rows=7)
    assert DataSpec.model_validate(spec.model_dump()) == spec
