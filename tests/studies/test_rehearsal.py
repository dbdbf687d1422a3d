"""What no outcome could decide is refused before hours of running."""

import pytest

from limbeck.errors import RequestError
from limbeck.studies.checking import check_claims
from limbeck.studies.plan import plan
from studies.small import study

SIZES = {str(k): k for k in (16, 24, 32, 48)}
GRID = {
    "axes": {"method": ["kd", "revkd"], "student.config.hidden_size": SIZES},
    "seeds": [0, 1, 2],
}
SIZE = {"kind": "correlation", "with": "student_parameters", "direction": "negative"}
KD, REVKD = {"method": "kd"}, {"method": "revkd"}


def checked(tmp_path, claim, **changes):
    asked = study(tmp_path, **{**GRID, **changes}, hypotheses=[{"claim": "so it is", **claim}])
    check_claims(asked, plan(asked))


@pytest.mark.parametrize(
    "claim",
    [
        SIZE,
        {"kind": "correlation", "with": "agreement"},
        {"kind": "improvement", "where": KD},
        {"kind": "better", "a": KD, "b": REVKD},
        {"kind": "methods_differ"},
        {"kind": "non_inferior", "margin": 0},
    ],
)
def test_what_can_be_decided_is_taken(tmp_path, claim):
    checked(tmp_path, claim)


@pytest.mark.parametrize(
    ("claim", "changes", "words"),
    [
        (SIZE, {"axes": {"method": ["kd"], "student.config.hidden_size": [16, 32]}}, "too few"),
        (SIZE, {"axes": {"method": ["kd", "revkd", "tvd", "jsd"]}}, "the same"),
        ({"kind": "better", "a": KD, "b": REVKD, "where": KD}, {}, "no run has"),
        ({"kind": "improvement"}, {"seeds": [0, 1]}, "give 3 seeds"),
        ({"kind": "better", "a": KD, "b": REVKD}, {"seeds": [0]}, "give 3 seeds"),
    ],
)
def test_what_cannot_be_decided_is_refused(tmp_path, claim, changes, words):
    with pytest.raises(RequestError, match=words) as caught:
        checked(tmp_path, claim, **changes)
    assert "so it is" in (caught.value.where or "")


def test_a_gain_over_a_baseline_that_is_not_trained(tmp_path):
    asked = study(tmp_path, **GRID, hypotheses=[{"claim": "it gains", "kind": "improvement"}])
    bare = asked.model_copy(update={"base": {**asked.base, "baseline": "none"}})
    with pytest.raises(RequestError, match="numbers that are compared"):
        check_claims(bare, plan(bare))
