"""The released tables as a finished study: the published statistics, through our hypotheses."""

import json
import os
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from limbeck.errors import RequestError
from limbeck.reports.study import render_study
from limbeck.studies.hypotheses import MEASURED, Correlation, check
from limbeck.studies.importing import import_released
from limbeck.studies.published import fixed_in_advance, published, released_study
from limbeck.studies.released import Released, read_released, released_axes


@pytest.fixture(scope="module")
def folder() -> Path:
    found = Path(os.environ.get("LIMBECK_DATA") or "nowhere", "kd_generalization_results")
    if not found.exists():
        pytest.skip(f"LIMBECK_DATA names no folder with {found.name}")
    return found


@pytest.fixture(scope="module")
def tables(folder: Path) -> Released:
    return read_released(folder)


# t of improvement; F of methods; rho with size; rho with the teacher's score; as printed.
PRINTED = {
    ("maths", "Average"): ("8.47", "2.27", "-0.66", "-0.01"),
    ("maths", "gsm8k"): ("8.87", "5.62", "-0.51", None),
    ("maths", "SVAMP"): ("7.39", "4.73", "-0.43", None),
    ("maths", "MultiArith"): ("7.09", None, "-0.83", None),
    ("maths", "SingleEq"): ("8.31", None, "-0.59", "0.35"),
    ("maths", "AddSub"): ("5.57", None, "-0.64", None),
    ("maths", "AQuA"): ("4.07", None, "-0.23", None),
    ("commonsense", "Average"): (None, None, "-0.54", None),
    ("commonsense", "openbookqa"): ("7.59", None, None, "-0.41"),
    ("commonsense", "social_i_qa"): ("7.92", None, None, None),
    ("commonsense", "winogrande"): ("7.24", None, None, None),
    ("commonsense", "ARC-Challenge"): ("5.43", None, "-0.63", "-0.41"),
    ("commonsense", "ARC-Easy"): ("5.30", None, "-0.78", None),
    ("commonsense", "piqa"): ("4.77", None, "-0.67", None),
    ("commonsense", "boolq"): ("1.40", None, None, None),
    ("commonsense", "hellaswag"): ("0.66", None, None, None),
}


@pytest.mark.parametrize(("domain", "task"), PRINTED, ids=lambda part: part)
def test_published_statistics_are_found_again(tables: Released, domain: str, task: str):
    found = published(tables, domain, task)
    for one, printed in zip(found, PRINTED[domain, task], strict=False):
        assert one.n == 33 and one.unit == "cells"
        assert printed is None or f"{one.statistic:.2f}" == printed, one.claim


def test_published_agreement_and_similarity_are_found_again(tables: Released):
    found = {task: published(tables, "maths", task)[4:] for task in ("MultiArith", "SVAMP")}
    assert [f"{one.statistic:.2f}" for one in found["MultiArith"]] == ["-0.63", "-0.46"]
    assert f"{found['SVAMP'][0].statistic:.2f} {found['SVAMP'][0].p:.2f}" == "-0.37 0.03"


def test_with_a_temperature_fixed_in_advance_the_gain_in_commonsense_is_gone(tables: Released):
    """The best temperature per cell was taken on the test rows; that alone made +3.24 of -2.33."""
    selected = published(tables, "commonsense")[0]
    fixed = fixed_in_advance(tables, "commonsense")
    assert (f"{100 * selected.effect:+.2f}", selected.state) == ("+3.24", "supported")
    assert (f"{100 * fixed[0].effect:+.2f}", fixed[0].state) == ("-2.33", "undecided")
    assert f"{fixed[0].statistic:.2f} {fixed[2].statistic:.2f}" == "-0.76 -0.31"
    assert (
        fixed[2].state == "undecided" and published(tables, "commonsense")[2].state == "supported"
    )
    maths = fixed_in_advance(tables, "maths")
    assert f"{100 * maths[0].effect:+.2f} {maths[0].statistic:.2f}" == "+4.39 7.64"
    assert f"{maths[2].statistic:.2f}" == "-0.57"


def test_thirty_three_cells_know_six_students(tables: Released):
    """Small students gain more: a claim about students, of which there are six."""
    gain, _, size, teacher = fixed_in_advance(tables, "maths", units="clusters")
    assert (gain.n, gain.unit, gain.state) == (6, "students", "supported")
    assert (size.n, size.unit, size.state) == (6, "students", "undecided")
    assert size.needed_n > 6
    assert (teacher.n, teacher.unit) == (4, "teachers")


def test_the_tables_are_a_study(folder: Path):
    study, table = released_study(folder)
    assert {len(column) for column in table.values()} == {812}
    assert set(MEASURED) <= set(table)
    assert [one["state"] for one in study["hypotheses"][:4]] == [
        "supported",
        "undecided",
        "supported",
        "undecided",
    ]
    assert len({one["claim"] for one in study["hypotheses"]}) == 24
    assert study["axes"]["method"] == ["kd", "revkd", "gkd"]
    for score, sft, gain in zip(
        table["score"], table["sft_score"], table["improvement"], strict=True
    ):
        assert gain == pytest.approx(score - sft, abs=1e-12) and 0 <= score <= 1


def test_hypotheses_of_ones_own_can_be_asked(tables: Released):
    claim = Correlation.model_validate({"claim": "x", "with": "similarity", "task": "gsm8k"})
    check([claim], released_axes(tables.table), (*MEASURED, "similarity"))
    with pytest.raises(RequestError, match="no numbers called 'similarity'"):
        check([claim], released_axes(tables.table))


def test_a_folder_without_the_tables_is_refused(folder: Path, tmp_path: Path):
    with pytest.raises(RequestError, match=r"math_results_main\.csv is missing"):
        read_released(tmp_path)
    for file in folder.glob("*.csv"):
        shutil.copy(file, tmp_path / file.name)
        (tmp_path / file.name).chmod(0o644)
    (tmp_path / "EM1.csv").write_text("a,b\n1,2\n")
    with pytest.raises(RequestError, match=r"EM1\.csv has no columns"):
        read_released(tmp_path)


def test_an_unknown_domain_or_task_is_refused(tables: Released):
    with pytest.raises(RequestError, match="no 'history'"):
        published(tables, "history")
    with pytest.raises(RequestError, match=r"no .*boolq"):
        published(tables, "maths", "boolq")


def test_an_import_is_a_study_on_the_disk(folder: Path, tmp_path: Path):
    done = import_released(folder, tmp_path / "study")
    assert pq.read_table(done.path / "results.parquet").num_rows == 812
    state = json.loads((done.path / "study.json").read_text(encoding="utf-8"))
    assert state["schema"] == "limbeck.study/1" and len(state["hypotheses"]) == 24
    assert "fixed in advance" in done.report.read_text(encoding="utf-8")
    import_released(folder, tmp_path / "study")  # written anew
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine.txt").write_text("keep")
    with pytest.raises(RequestError, match="no imported study"):
        import_released(folder, tmp_path / "other")


def test_the_page_has_the_published_statistics_of_every_task(folder: Path):
    study, table = released_study(folder)
    of = {(row["domain"], row["task"]): row for row in study["by_task"]}
    assert len(of) == 14
    gains = {"SVAMP": 7.39, "MultiArith": 7.09, "SingleEq": 8.31, "AddSub": 5.57, "AQuA": 4.07}
    for task, t in gains.items():
        assert of["maths", task]["gain"] == pytest.approx(t, abs=0.006)
    assert of["maths", "MultiArith"]["agreement"] == pytest.approx(-0.63, abs=0.006)
    assert of["maths", "MultiArith"]["similarity"] == pytest.approx(-0.46, abs=0.006)
    page = render_study({**study, "command": "", "study_file": ""}, table)
    assert "By task, as published" in page and "7.39" in page and "Written in the study" not in page


def test_agreement_stands_where_it_was_measured(folder: Path):
    """One method's agreement beside another's score is a point that cannot be."""
    _, table = released_study(folder)
    names = ("method", "method.temperature", "agreement")
    for method, temperature, agreement in zip(*(table[n] for n in names), strict=True):
        if agreement is not None:
            assert (method, temperature) == ("revkd", 1)
