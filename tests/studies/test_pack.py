"""The study files that people get, in studies/ and in the docs: each plans, and can be decided."""

import re
from pathlib import Path

import pytest

from limbeck.studies.checking import check_claims
from limbeck.studies.plan import plan
from limbeck.studies.spec import load_study

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/studies.md").read_text(encoding="utf-8")
RECIPE = "{student: small, teacher: large, data: rows.jsonl, method: kd, generation: {max_new_tokens: 64}}"


@pytest.mark.parametrize("path", sorted((ROOT / "studies").glob("*.yaml")), ids=lambda p: p.stem)
def test_a_study_of_the_pack_can_be_decided(path):
    study = load_study(path)
    runs = plan(study)
    check_claims(study, runs)
    assert study.output in (f"studies/runs/{path.stem}", f"studies/{path.stem}")
    assert path.stem == "first" or len(study.seeds) >= 5


def test_the_first_study_of_the_docs_is_the_file():
    (shown,) = re.findall(r'```yaml title="first.yaml"\n(.*?)```', PAGE, re.DOTALL)
    assert shown == (ROOT / "studies/first.yaml").read_text(encoding="utf-8")
    assert len(shown.splitlines()) <= 12


def test_the_study_of_the_docs_can_be_decided(tmp_path):
    (shown,) = re.findall(r'```yaml title="study.yaml"\n(.*?)```', PAGE, re.DOTALL)
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    (tmp_path / "study.yaml").write_text(shown)
    study = load_study(tmp_path / "study.yaml")
    check_claims(study, plan(study))


def test_the_page_has_the_outcomes_that_were_measured():
    """Every claim of every study that was run, whatever became of it."""
    from benchmarks.replication import PAGE as page
    from benchmarks.replication import RESULTS, with_claims

    written = page.read_text(encoding="utf-8")
    assert written == with_claims(written, RESULTS), (
        "python -m benchmarks.replication studies/*.yaml"
    )
    run = {path.stem for path in RESULTS.glob("*.json")}
    assert set(re.findall(r"<!-- claims of (.*?) -->", written)) >= run
