"""Methods are compared over what they share, and the diagram says what the numbers say."""

from xml.etree import ElementTree

import pytest

from limbeck.reports.study import critical
from limbeck.reports.study.costs import front
from limbeck.reports.study.leaderboard import Leaderboard
from limbeck.reports.study.tidy import read

from .sample import columns, study, table


def _rows(methods: dict[str, dict[str, float]], **more: object) -> dict[str, list]:
    return columns(
        [
            {"method": m, "student": s, "task": "t", "seed": 0, "score": x, **more}
            for m, scores in methods.items()
            for s, x in scores.items()
        ]
    )


def test_the_best_stands_first_and_references_have_no_rank():
    board = Leaderboard(read(study(), table()))
    names = [line.name for line in board.lines]
    assert names[0] == "distillm2" and names[3:] == [
        *("kd", "Teacher", "SFT, the baseline", "Before training")
    ]
    assert [line.rank is None for line in board.lines] == [False] * 4 + [True] * 3
    assert sum(line.rank for line in board.lines[:4]) == pytest.approx(1 + 2 + 3 + 4)
    best = board.lines[0]
    assert best.gain[0] == pytest.approx(best.score[0] - board.lines[5].score[0])
    assert best.blocks == board.ranks.blocks == 18


def test_a_cell_that_a_method_lacks_is_left_out_for_all():
    """Without the hard student, a method would seem better than those that were tried on it."""
    whole = {"easy": 0.9, "hard": 0.1, "other": 0.5}
    board = Leaderboard(
        read({}, _rows({"kd": whole, "lucky": {"easy": 0.8, "other": 0.45}, "gkd": whole}))
    )
    assert {line.name: line.score[0] for line in board.lines} == pytest.approx(
        {"kd": 0.7, "lucky": 0.625, "gkd": 0.7}
    )
    assert board.left_out == 1 and "1 block that not all methods have" in board.lead


def test_a_setting_of_one_method_is_averaged_over():
    rows = _rows({"sft": {"s": 0.5, "r": 0.5}}, **{"method.t": None})
    for heat, score in ((1.0, 0.4), (2.0, 0.8)):
        more = _rows({"kd": {"s": score, "r": score}}, **{"method.t": heat})
        rows = {name: [*values, *more[name]] for name, values in rows.items()}
    board = Leaderboard(read({"axes": {"method.t": [1.0, 2.0]}}, rows))
    assert board.averaged == ("method.t",) and board.lines[0].score[0] == pytest.approx(0.6)
    assert "Averaged over method.t" in board.lead


def test_of_a_setting_with_common_values_only_those_count():
    """One method at temperature 1, another at 1 and 5: only 1 is the same question."""
    rows = _rows({"gkd": {"s": 0.5, "r": 0.6}}, **{"method.t": 1.0})
    for heat, score in ((1.0, 0.4), (5.0, 0.9)):
        more = _rows({"kd": {"s": score, "r": score}}, **{"method.t": heat})
        rows = {name: [*values, *more[name]] for name, values in rows.items()}
    board = Leaderboard(read({"axes": {"method.t": [1.0, 5.0]}}, rows))
    assert {line.name: line.score[0] for line in board.lines} == pytest.approx(
        {"gkd": 0.55, "kd": 0.4}
    )


def test_a_method_without_a_teacher_is_measured_beside_those_with_one():
    rows = _rows({"sft": {"s": 0.5, "r": 0.4}}, teacher=None)
    for teacher, score in (("t1", 0.6), ("t2", 0.8)):
        more = _rows({"kd": {"s": score, "r": score}}, teacher=teacher)
        rows = {name: [*values, *more[name]] for name, values in rows.items()}
    board = Leaderboard(read({}, rows))
    assert board.averaged == ("teacher",) and board.ranks.blocks == 2
    assert [line.score[0] for line in board.lines] == pytest.approx([0.7, 0.45])


def test_methods_without_a_common_cell_are_not_ranked():
    board = Leaderboard(read({}, _rows({"kd": {"s": 0.5}, "gkd": {"r": 0.6}})))
    assert board.ranks is None and [line.rank for line in board.lines] == [None, None]
    assert critical.figure(read({}, {}), board) is None and "share no cells" in board.lead


def test_less_is_better_where_it_is():
    values = _rows({"a": {"s": 1.3, "r": 1.5}, "b": {"s": 1.2, "r": 1.4}}, metric="bits_per_byte")
    assert [line.name for line in Leaderboard(read({}, values)).lines] == ["b", "a"]


def test_a_bar_stands_over_each_group_of_the_ranks():
    tidy = read(study(), table())
    board = Leaderboard(tidy)
    figure = critical.figure(tidy, board)
    bars = figure.picture.svg.count("stroke-width: 4.5")
    assert bars == len(board.ranks.groups) == 1
    written = "".join(ElementTree.fromstring(figure.picture.svg).itertext())
    for name, rank in zip(board.ranks.names, board.ranks.ranks, strict=True):
        assert name in written and f"{rank:.2f}" in written
    assert len(figure.picture.numbers.rows) == 6 and len(figure.data.rows) == 18 * 4


def test_too_few_blocks_are_said_to_be_too_few():
    values = _rows({m: {"s": x, "r": x + 0.1} for m, x in (("a", 0.3), ("b", 0.5), ("c", 0.7))})
    tidy = read({}, values)
    assert (
        "With 2 of them no pair could" in critical.figure(tidy, Leaderboard(tidy)).picture.caption
    )


def test_the_front_holds_what_no_other_beats():
    rows = [
        {"train_seconds": s, "score": x}
        for s, x in ((1, 0.2), (2, 0.5), (2, 0.4), (3, 0.5), (9, 0.6))
    ]
    assert front(rows) == [rows[0], rows[1], rows[4]]
    assert front(rows, higher_is_better=False) == [rows[0]]


def test_methods_of_one_cell_are_ranked_over_its_seeds():
    scores = {"a": (0.5, 0.6, 0.7), "b": (0.4, 0.5, 0.75), "c": (0.1, 0.2, 0.3)}
    rows = [
        {"method": m, "student": "s", "task": "t", "seed": seed, "score": x}
        for m, values in scores.items()
        for seed, x in enumerate(values)
    ]
    tidy = read({}, columns([*rows, {**rows[0], "seed": 9}]))
    board = Leaderboard(tidy)
    assert board.of_seeds and board.ranks.blocks == 3, "seed 9 has one method only"
    assert {line.name: line.rank for line in board.lines} == pytest.approx(
        {"a": 4 / 3, "b": 5 / 3, "c": 3}
    )
    found = critical.figure(tidy, board)
    assert "the 3 seeds of one cell" in found.picture.caption
    assert len(found.data.rows) == 9 and "seed" in found.data.columns
