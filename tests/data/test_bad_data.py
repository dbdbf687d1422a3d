"""Each way in which data can be wrong has its own message, with the place."""

import json
from pathlib import Path

import pytest

from limbeck.data import DataSpec, load_examples
from limbeck.errors import RequestError

GOOD = {"prompt": "q", "completion": "a"}
USER = {"role": "user", "content": "q"}
ASSISTANT = {"role": "assistant", "content": "a"}


def refused(path, **keys):
    keys = {"validation": 0, "test": 0, **keys}
    with pytest.raises(RequestError) as caught:
        load_examples(DataSpec(source=str(path), **keys))
    return caught.value


def written(tmp_path, content, name="rows.jsonl"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_a_missing_file_names_the_nearest(tmp_path):
    written(tmp_path, "", "train.jsonl")
    written(tmp_path, "", "notes.txt")
    error = refused(tmp_path / "trian.jsonl")
    assert error.what == "no such file: trian.jsonl" and error.where == str(tmp_path)
    assert error.mend == "did you mean 'train.jsonl'? known: train.jsonl"
    assert error.exit_code == 2


def test_a_missing_folder(tmp_path):
    assert "no such folder" in refused(tmp_path / "no" / "rows.jsonl").what


def test_a_file_of_another_kind(tmp_path):
    assert ".parquet" in refused(written(tmp_path, "x", "rows.txt")).mend


def test_a_file_that_cannot_be_opened(tmp_path, monkeypatch):
    def open_(*args):
        raise PermissionError(13, "Permission denied")

    path = written(tmp_path, "")
    monkeypatch.setattr(Path, "open", open_)
    error = refused(path)
    assert error.what == "the file cannot be read: Permission denied"
    assert error.where == str(path)


def test_a_folder_without_data(tmp_path):
    assert "no data files" in refused(tmp_path).what


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("rows.jsonl", "\n \n"),
        ("rows.json", " "),
        ("rows.json", "[]"),
        ("rows.csv", ""),
        ("rows.csv", "prompt,completion\n"),
    ],
)
def test_no_rows(tmp_path, name, content):
    assert refused(written(tmp_path, content, name)).what == "the data has no rows"


@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("name", ["rows.jsonl", "rows.json", "rows.csv"])
def test_bytes_that_are_not_utf8(tmp_path, name, start):
    content = start + b'{"prompt": "q"}\n{"prompt": "caf\xe9"}\n'
    error = refused(written(tmp_path, content, name))
    assert error.where.endswith(f"{name}, line 2")
    assert f"byte 0xe9 cannot stand at byte offset {content.index(0xE9)}" in error.what


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.json"])
def test_a_broken_line_of_json(tmp_path, name):
    error = refused(written(tmp_path, json.dumps(GOOD) + '\n\n{"prompt": "q",}\n', name))
    assert error.where.endswith("line 3") and "not JSON" in error.what


def test_a_broken_json_list(tmp_path):
    error = refused(written(tmp_path, '[\n{"prompt": "q"},\n{"prompt": }]', "rows.json"))
    assert error.where.endswith("line 3")


def test_json_that_is_nested_without_end(tmp_path):
    assert "not JSON" in refused(written(tmp_path, "[" * 200_000)).what


@pytest.mark.parametrize(("name", "place"), [("r.jsonl", "line 1"), ("r.json", "row 1")])
def test_a_row_that_is_no_object(tmp_path, name, place):
    error = refused(written(tmp_path, '["q", "a"]', name))
    assert error.where.endswith(place) and "object" in error.what


def test_json_that_is_no_list(tmp_path):
    assert "holds str" in refused(written(tmp_path, '"q"', "rows.json")).what


def test_a_csv_row_with_another_number_of_cells(tmp_path):
    error = refused(written(tmp_path, "prompt,completion\nq,a\nq,a,b\n", "rows.csv"))
    assert error.where.endswith("line 3") and "which has 2" in error.what


def test_a_csv_quote_that_never_closes(tmp_path):
    assert "not CSV" in refused(written(tmp_path, 'prompt\n"q\n', "rows.csv")).what


def test_a_broken_parquet_file(tmp_path):
    assert "parquet" in refused(written(tmp_path, "PAR1 not really", "rows.parquet")).what


@pytest.mark.parametrize("value", [None, "", "  ", []])
def test_a_row_without_prompt(jsonl, value):
    error = refused(jsonl([GOOD, {**GOOD, "prompt": value}]))
    assert error.what == "the row has no prompt" and error.where.endswith("line 2")


def test_an_unknown_column_names_the_nearest(jsonl):
    path = jsonl([{"question": "q", "reply": "a"}])
    error = refused(path, columns={"prompt": "qestion"})
    assert error.what == "the data has no column 'qestion'"
    assert error.mend == "did you mean 'question'? known: question, reply"
    error = refused(path, columns={"prompt": "question", "completion": "repply"})
    assert "did you mean 'reply'" in error.mend
    error = refused(path, columns={"prompt": "Q: {qestion}"})
    assert "did you mean 'question'" in error.mend


def test_no_column_makes_a_prompt(jsonl):
    assert "columns: {prompt: NAME}" in refused(jsonl([{"question": "q"}])).mend


@pytest.mark.parametrize(
    ("columns", "text"),
    [
        ({"prompt": "q", "messages": "m"}, "no use for prompt"),
        ({"text": "q", "answer": "a"}, "no use for answer"),
        ({"prompt": "{q"}, "not a template"),
        ({"prompt": "Q: {m}"}, "is list"),
        ({"prompt": "Q: {empty}"}, "is empty"),
    ],
)
def test_columns_that_cannot_be_meant(jsonl, columns, text):
    path = jsonl([{"q": "q", "a": "a", "m": [USER], "empty": None}])
    assert text in refused(path, columns=columns).what


@pytest.mark.parametrize(
    "second",
    [
        {"prompt": [USER]},
        {"messages": [USER, ASSISTANT]},
        {"text": "once"},
        {"prompt": "q", "completion": [ASSISTANT]},
    ],
)
def test_mixed_formats(jsonl, second):
    error = refused(jsonl([GOOD, second]))
    assert error.what.startswith("mixed formats") and error.where.endswith("line 2")


def test_messages_with_a_completion_as_text_are_mixed_too(jsonl):
    assert "mixed formats" in refused(jsonl([{"prompt": [USER], "completion": "a"}])).what


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ({"prompt": 5}, "prompt is int"),
        ({"prompt": "q", "completion": 5}, "completion is int"),
        ({"prompt": "q", "answer": ["a"]}, "answer is list"),
        ({"text": 5}, "text is int"),
        ({"messages": "hello"}, "not a list of messages"),
        ({"messages": ["hello"]}, "messages[0] is not a message"),
        ({"messages": [{"from": "human", "value": "q"}]}, "messages[0] is not a message"),
        ({"messages": [{"role": "user", "content": None}]}, "messages[0].content is NoneType"),
        ({"messages": [USER, {**ASSISTANT, "tool_calls": [1]}]}, "messages[1] calls tools"),
        ({"messages": [ASSISTANT]}, "nothing stands before"),
        ({"messages": [{"role": "system", "content": "s"}]}, "not with system"),
        ({"prompt": [USER, ASSISTANT]}, "not with assistant"),
        ({"prompt": [USER], "completion": [USER]}, "one message of the assistant"),
        ({"prompt": "half \ud800 pair"}, "surrogate pair at character 5"),
    ],
)
def test_values_of_the_wrong_type(jsonl, row, what):
    error = refused(jsonl([row]))
    assert what in error.what and error.where.endswith("line 1")


def test_held_out_files_in_another_format(jsonl):
    path, other = jsonl([GOOD]), jsonl([{"text": "once"}], "other.jsonl")
    error = refused(path, test=other)
    assert "mixed formats" in error.what and error.where == other


def test_nothing_left_to_train_on(jsonl):
    path = jsonl([GOOD])
    assert "none of the 1 rows" in refused(path, test=path).what


def test_a_held_out_file_that_is_missing(jsonl):
    assert "no such file" in refused(jsonl([GOOD]), test="./no.jsonl").what
    assert not Path("no.jsonl").exists()


@pytest.mark.parametrize(
    "keys", [{"chat": True}, {"labelled": 0}, {"labelled": 5}, {"system": "Hi"}]
)
def test_text_rows_have_no_use_for_turns_and_labels(jsonl, keys):
    (key,) = keys
    assert refused(jsonl([{"text": "once"}]), **keys).where == f"data.{key}"


def test_a_system_message_needs_a_conversation(jsonl):
    assert "chat: true" in refused(jsonl([GOOD]), system="Hi").mend


def test_a_verifier_needs_answers(jsonl):
    assert refused(jsonl([GOOD]), verifier="exact").where == "data.verifier"
