"""What a study may claim, before it runs."""

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from limbeck.errors import RequestError
from limbeck.studies.hypotheses import Hypothesis, check

AXES = {
    "student": ["small", "large"],
    "method": ["kd", "gkd"],
    "method.temperature": ["1", "2.0"],
    "teacher.noise": [0, 0.5],
    "task": ["held-out", "sums"],
}


def claim(kind: str, **keys: Any) -> Any:
    return TypeAdapter(Hypothesis).validate_python({"claim": "it is so", "kind": kind, **keys})


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"kind": "improvement", "whereby": {}}, "unknown key 'whereby'; did you mean where?"),
        ({"kind": "better", "a": {"method": "kd"}, "b": {"method": "kd"}}, "the same rows"),
        ({"kind": "better", "a": {}, "b": {"method": "kd"}}, "at least 1"),
        ({"kind": "non_inferior", "margin": -0.1}, "greater than or equal to 0"),
        ({"kind": "correlation", "with": "improvement"}, "correlated with itself"),
        ({"kind": "order", "best_first": [{"method": "kd"}]}, "at least 2"),
        ({"kind": "methods_differ", "among": ["kd"]}, "at least 2"),
        ({"kind": "proof"}, "improvement"),
        ({"kind": "improvement", "task": []}, "name a task"),
    ],
)
def test_what_is_no_hypothesis_is_refused(keys: dict, words: str):
    with pytest.raises(ValidationError, match=words.replace("?", r"\?")):
        claim(**keys)


def test_a_hypothesis_is_written_as_it_is_read():
    """A study's file is kept beside its results; reading it again must give the same study."""
    found = claim("correlation", **{"with": "agreement"}, given=["sft_score"])
    assert found.model_dump(mode="json")["with"] == "agreement"
    assert TypeAdapter(Hypothesis).validate_python(found.model_dump(mode="json")) == found


@pytest.mark.parametrize(
    ("keys", "words", "mend"),
    [
        ({"kind": "improvement", "where": {"methods": "kd"}}, "no axis 'methods'", "method"),
        ({"kind": "improvement", "where": {"method": "gdk"}}, "no value 'gdk'", "gkd"),
        ({"kind": "improvement", "where": {"method": ["kd", "x"]}}, "no value 'x'", "kd, gkd"),
        ({"kind": "improvement", "task": "sum"}, "no task 'sum'", "sums"),
        ({"kind": "methods_differ", "among": ["kd", "opd"]}, "no value 'opd'", "gkd"),
        ({"kind": "methods_differ", "on": "scor"}, "numbers called 'scor'", "score"),
        ({"kind": "correlation", "with": "student"}, "numbers called 'student'", "student_para"),
        (
            {"kind": "order", "best_first": [{"method": "kd"}, {"method.temperature": 3}]},
            "method.temperature has no value 3",
            "1, 2.0",
        ),
        ({"kind": "better", "a": {"teacher": "x"}, "b": {"method": "kd"}}, "no axis 'tea", "teach"),
    ],
)
def test_what_is_not_in_the_study_is_refused_before_it_runs(keys: dict, words: str, mend: str):
    with pytest.raises(RequestError, match=words) as refused:
        check([claim("improvement"), claim(**keys)], AXES)
    assert mend in refused.value.mend
    assert refused.value.where.startswith("hypotheses[1]: it is so")


def test_axes_of_numbers_and_labels_of_any_form_are_known():
    check(
        [
            claim("correlation", **{"with": "teacher.noise"}, of="score", task="sums"),
            claim("improvement", where={"method.temperature": 2, "student": "small"}),
            claim("methods_differ"),
        ],
        AXES,
    )
    with pytest.raises(RequestError, match="no axis 'method'"):
        check([claim("methods_differ")], {"student": ["a", "b"]})
    with pytest.raises(RequestError, match="differs from no other"):
        check([claim("methods_differ")], {"method": ["kd"]})
