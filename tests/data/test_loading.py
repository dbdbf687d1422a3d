import csv
import json

import datasets
import pyarrow
import pyarrow.parquet
import pytest

from limbeck.data import DataSpec, Example, Message, load_examples
from limbeck.errors import RequestError

ALL = {"validation": 0, "test": 0}
PAIRS = [{"prompt": f"question {i}", "completion": f"answer {i}"} for i in range(40)]


def load(source, **keys):
    return load_examples(DataSpec(source=str(source), **{**ALL, **keys}))


def user(*contents):
    return [{"role": "user", "content": c} for c in contents]


def assistant(content):
    return [{"role": "assistant", "content": content}]


# ------------------------------------------------------------------ files


def test_every_kind_of_file_gives_the_same_rows(tmp_path, jsonl):
    jsonl(PAIRS, "a.jsonl")
    (tmp_path / "b.json").write_text(json.dumps(PAIRS, indent=1))
    jsonl(PAIRS, "c.json")
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(PAIRS), tmp_path / "d.parquet")
    with (tmp_path / "e.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["prompt", "completion"])
        writer.writeheader()
        writer.writerows(PAIRS)
    datasets.Dataset.from_list(PAIRS).save_to_disk(tmp_path / "saved")
    expected = [Example(**row) for row in PAIRS]
    for name in ("a.jsonl", "b.json", "c.json", "d.parquet", "e.csv", "saved"):
        assert load(tmp_path / name).train == expected, name


def test_one_object_alone_is_one_row(tmp_path):
    (tmp_path / "one.json").write_text('{\n "prompt": "q",\n "completion": "a"\n}')
    assert load(tmp_path / "one.json").train == [Example("q", "a")]


def test_a_folder_is_read_in_the_order_of_its_names(tmp_path, jsonl):
    jsonl(PAIRS[20:], "part-2.jsonl")
    jsonl(PAIRS[:20], "part-1.jsonl")
    (tmp_path / "README.md").write_text("not data")
    assert load(tmp_path).train == [Example(**row) for row in PAIRS]


def test_a_folder_with_held_out_files_is_not_trained_on_as_a_whole(tmp_path, jsonl):
    jsonl(PAIRS[20:], "test.jsonl")
    jsonl(PAIRS[:20], "train.jsonl")
    with pytest.raises(RequestError, match=r"held-out rows \(test.jsonl\)") as caught:
        load(tmp_path)
    assert "train.jsonl, test: " in caught.value.mend


def test_a_byte_order_mark_and_blank_lines_do_not_matter(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"prompt": "q", "completion": "a"}\n\n')
    assert load(path).train == [Example("q", "a")]


def test_an_empty_cell_is_nothing(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text('prompt,completion\nq1,\nq2,"a, and\nb"\n')
    assert load(path).train == [Example("q1"), Example("q2", "a, and\nb")]


# ------------------------------------------------------------------ formats


@pytest.mark.parametrize(
    ("row", "example"),
    [
        ({"prompt": "q"}, Example("q")),
        ({"prompt": "q", "completion": None}, Example("q")),
        ({"prompt": "q", "completion": "a", "answer": 4}, Example("q", "a", "4")),
        ({"text": "once"}, Example("", "once")),
        ({"prompt": user("q")}, Example((Message("user", "q"),))),
        (
            {"prompt": user("q"), "completion": assistant("a")},
            Example((Message("user", "q"),), "a"),
        ),
        (
            {"messages": user("q") + assistant("a"), "prompt": "q"},
            Example((Message("user", "q"),), "a"),
        ),
        (
            {"messages": user("q") + assistant("a") + user("r")},
            Example((Message("user", "q"), Message("assistant", "a"), Message("user", "r"))),
        ),
        (
            {"messages": user("q") + assistant("a") + user("r") + assistant("b")},
            Example((Message("user", "q"), Message("assistant", "a"), Message("user", "r")), "b"),
        ),
    ],
)
def test_formats(jsonl, row, example):
    data = load(jsonl([row]))
    assert data.train == [example]
    assert data.kind == ("text" if "text" in row else "pairs")


def test_columns_rename_and_templates_write(jsonl):
    rows = [{"question": "1+1?", "level": 2, "answer": "It is 2\n#### 2"}]
    columns = {"prompt": "{{{level}}} {question}\nAnswer:", "completion": "answer"}
    (example,) = load(jsonl(rows), columns=columns).train
    assert example == Example("{2} 1+1?\nAnswer:", "It is 2\n#### 2")


def test_a_column_read_as_completion_is_gold_only_where_that_is_said(jsonl):
    rows = [{"question": "1+1?", "answer": "It is 2\n#### 2"}]
    columns = {"prompt": "question", "completion": "answer"}
    assert load(jsonl(rows), columns=columns).verify is None
    data = load(jsonl(rows), columns={**columns, "answer": "answer"}, verifier="after_marker")
    assert data.verify("so #### 2", data.train[0].answer)
    assert not data.verify("so #### 3", data.train[0].answer)


def test_a_template_cannot_reach_into_values(jsonl):
    with pytest.raises(RequestError, match=r"no column 'q\.__class__'"):
        load(jsonl([{"q": "x"}]), columns={"prompt": "{q.__class__}"})


def test_columns_of_the_recipe_decide_between_formats(jsonl):
    rows = [{"messages": user("no") + assistant("no"), "q": "yes", "completion": "a"}]
    assert load(jsonl(rows), columns={"prompt": "q"}).train == [Example("yes", "a")]


def test_a_column_that_only_later_rows_have_is_read(jsonl):
    rows = [{"prompt": "p"}, {"prompt": "q", "reply": "a"}]
    assert load(jsonl(rows), columns={"completion": "reply"}).train == [
        Example("p"),
        Example("q", "a"),
    ]


def test_verify_is_exact_where_nothing_is_said(jsonl):
    data = load(jsonl([{"prompt": "q", "answer": "New York"}]))
    assert data.verify(" New  York\n", "New York") and not data.verify("York", "New York")
    assert load(jsonl([{"prompt": "q"}])).verify is None


# ------------------------------------------------------------------ splits


def test_splits_follow_the_prompts(jsonl):
    keys = {"validation": 0.2, "test": 0.3}
    data = load(jsonl(PAIRS), **keys)
    again = load(jsonl([*reversed(PAIRS), {"prompt": "new"}]), **keys)
    for split in ("train", "validation", "test"):
        assert getattr(data, split)
        assert set(getattr(data, split)) <= set(getattr(again, split))
    assert sum(map(len, (data.train, data.validation, data.test))) == 40


def test_repeated_rows_go_and_other_answers_stay(jsonl):
    row = {"prompt": "q", "completion": "a"}
    data = load(jsonl([row, {**row, "completion": "b"}, row]))
    assert data.train == [Example("q", "a"), Example("q", "b")]
    assert data.notes["duplicate_rows"] == 1


def test_prompts_of_held_out_files_leave_everything_else(jsonl):
    source = jsonl(PAIRS[:30])
    test = jsonl([{"prompt": p["prompt"], "completion": "x"} for p in PAIRS[:5]], "t.jsonl")
    validation = jsonl(PAIRS[4:8], "v.jsonl")
    data = load(source, validation=validation, test=test)
    assert [e.prompt for e in data.test] == [p["prompt"] for p in PAIRS[:5]]
    assert [e.prompt for e in data.validation] == [p["prompt"] for p in PAIRS[5:8]]
    assert [e.prompt for e in data.train] == [p["prompt"] for p in PAIRS[8:30]]
    assert data.notes["leaking_rows"] == 8 + 1


def test_rows_and_labels_are_chosen_by_hash(jsonl):
    data = load(jsonl(PAIRS), rows=10, labelled=4)
    again = load(jsonl(list(reversed(PAIRS))), rows=10, labelled=4)
    assert set(data.train) == set(again.train)
    assert [e.completion is None for e in data.train].count(True) == 6
    assert data.notes["unused_rows"] == 30 and data.notes["hidden_completions"] == 6


# ------------------------------------------------------------------ the hub


def test_the_hub_is_asked_for_configuration_and_split(monkeypatch):
    asked = []

    def load_dataset(*args, **kwargs):
        asked.append((args, kwargs))
        return datasets.Dataset.from_list(PAIRS)

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    data = load("trl-lib/tldr", config="main", split="train[:40]")
    assert data.train == [Example(**row) for row in PAIRS]
    assert asked == [(("trl-lib/tldr", "main"), {"split": "train[:40]"})]


def test_a_data_set_that_is_a_program_is_read_from_its_files(monkeypatch):
    asked = []

    def load_dataset(*_, **kwargs):
        asked.append(kwargs.get("revision"))
        if asked[-1] is None:
            raise RuntimeError("Dataset scripts are no longer supported, but found piqa.py")
        return datasets.Dataset.from_list(PAIRS)

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    assert len(load("ybisk/piqa").train) == len(PAIRS)
    assert asked == [None, "refs/convert/parquet"]


def test_a_hub_out_of_reach_is_an_error_that_points_home(monkeypatch):
    def load_dataset(*args, **kwargs):
        raise ConnectionError("Couldn't reach the Hub\nlong trace")

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    with pytest.raises(RequestError, match="Couldn't reach the Hub") as caught:
        load("chain_arithmatic")
    assert "local .jsonl" in caught.value.mend
    assert "did you mean 'chain_arithmetic'?" in caught.value.mend
    assert "long trace" not in str(caught.value)


def test_a_source_that_is_nothing():
    with pytest.raises(RequestError, match="neither a file"):
        load("what is this")
