"""Settings are chosen on validation rows, and never on the rows that judge them."""

import pytest
from pydantic import ValidationError

from limbeck.errors import RequestError
from limbeck.studies.hypotheses import Improvement
from limbeck.studies.selection import Selection, check_selection, select

AXIS = "method.temperature"


def table(rows):
    names = ("run", "seed", "task", "method", AXIS, "validation_score", "score", "metric", "status")
    return {name: [row[k] for row in rows] for k, name in enumerate(names)}


ROWS = [
    ("a", 0, "held-out", "kd", 1.0, 0.5, 0.9, "accuracy", "done"),
    ("b", 0, "held-out", "kd", 2.0, 0.6, 0.1, "accuracy", "done"),
    ("b", 0, "sums", "kd", 2.0, None, 0.2, "accuracy", "done"),
    ("c", 1, "held-out", "kd", 1.0, 0.7, 0.3, "accuracy", "done"),
    ("d", 1, "held-out", "kd", 2.0, 0.6, 0.8, "accuracy", "done"),
    ("e", 1, "held-out", "kd", 5.0, 0.9, 0.8, "accuracy", "failed"),
    ("f", 0, "held-out", "gkd", None, None, 0.4, "accuracy", "done"),
]


def test_the_best_on_validation_is_kept_for_each_cell_and_seed():
    """The best on the test rows would be a and d."""
    kept, chosen = select(table(ROWS), Selection(axis=AXIS))
    assert list(zip(kept["run"], kept["task"], strict=True)) == [
        ("b", "held-out"),
        ("b", "sums"),
        ("c", "held-out"),
        ("f", "held-out"),
    ]
    assert AXIS not in kept
    assert chosen == {
        "axis": AXIS,
        "by": "validation_score",
        "counts": {AXIS: {"2.0": 1, "1.0": 1}},
        "lacking": 0,
        "runs": ["b", "c", "f"],
    }


def test_bits_of_text_are_better_the_fewer_they_are():
    rows = [(*row[:7], "bits_per_byte", row[8]) for row in ROWS[:2]]
    assert select(table(rows), Selection(axis=AXIS))[1]["runs"] == ["a"]


def test_a_choice_among_fewer_is_counted():
    """A run that failed cannot be chosen, and a reader should know."""
    without = [row for row in ROWS if row[0] != "d"]
    assert select(table(without), Selection(axis=AXIS))[1]["lacking"] == 1


def test_a_tie_goes_to_the_first():
    rows = [(*row[:5], 0.5, *row[6:]) for row in ROWS[:2]]
    assert select(table(rows), Selection(axis=AXIS))[1]["runs"] == ["a"]


@pytest.mark.parametrize("by", ["score", "improvement", "teacher_score"])
def test_choosing_on_test_rows_is_refused(by: str):
    with pytest.raises(ValidationError, match=f"{by}.*the rows that the hypotheses are tested on"):
        Selection(axis=AXIS, by=by)


def test_runs_without_validation_rows_cannot_be_chosen_between():
    rows = [(*row[:5], None, *row[6:]) for row in ROWS[:2]]
    with pytest.raises(RequestError, match="no validation_score to choose by") as refused:
        select(table(rows), Selection(axis=AXIS))
    assert refused.value.where == "run a"


@pytest.mark.parametrize(
    ("axis", "what"),
    [("method.temperatures", "no axis 'method.temperatures'"), ("student", "no setting to choose")],
)
def test_what_is_no_setting_is_refused(axis: str, what: str):
    with pytest.raises(RequestError, match=what) as refused:
        check_selection(Selection(axis=axis), ["student", "method", AXIS])
    assert AXIS in refused.value.mend


def test_a_question_is_not_chosen_away():
    claim = Improvement(claim="hot ones improve", where={AXIS: 5})
    with pytest.raises(RequestError, match="chosen on validation rows") as refused:
        check_selection(Selection(axis=AXIS), ["method", AXIS], [claim])
    assert "hot ones improve" in refused.value.where
