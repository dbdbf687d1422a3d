"""The arena asks every method, fairly, and counts right."""

import argparse

import pytest
from benchmarks.arena import CONTESTANTS, ELSEWHERE, VARIANTS, contest, preparation, table

from limbeck.methods import METHODS
from limbeck.recipe import parse_recipe


def test_no_method_is_left_out():
    asked = {method["name"] for method in CONTESTANTS.values()}
    assert asked == set(METHODS) - set(ELSEWHERE) and set(VARIANTS) < set(CONTESTANTS)


@pytest.mark.parametrize("name", CONTESTANTS)
def test_every_recipe_is_valid_and_starts_from_the_same_models(name, tmp_path):
    found = parse_recipe(contest(CONTESTANTS[name], 1, tmp_path / "run", tmp_path / "made", 200))
    made = parse_recipe(preparation(1, tmp_path / "made"))
    assert found.student.model == str(tmp_path / "made" / "start")
    assert found.data == made.data and found.seed == made.seed
    assert found.training["max_steps"] == 200


def result(accuracy, teacher=0.9):
    def metric(value):
        return {"accuracy": {"value": value}}

    return {
        "evaluation": {
            "metrics": {
                "teacher": metric(teacher),
                "before": metric(0.3),
                "student": metric(accuracy),
            }
        },
        "audit": {"tokens": {"student": {"data": {"top1": {"value": 0.8}}}}},
        "costs": {
            "wall_seconds": {"text": 2.0, "train student": 8.0, "evaluate student": 99.0},
            "tokens_generated": 1000,
        },
    }


def test_the_gap_is_that_of_the_means():
    args = argparse.Namespace(steps=200)
    found = {"sft": [result(0.4), result(0.6)], "kd": [result(0.7), result(0.7)]}
    rows = table(found, args).rows
    assert [row[0] for row in rows] == ["kd", "sft"]  # best first
    assert rows[0][1:] == ("0.700", "0.700, 0.700", "+0.50", "0.800", "10", "1,000")
    assert rows[1][3] == "+0.00"
