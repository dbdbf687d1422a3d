"""A study from file to report: what is run once, what fails alone, what is said of hypotheses."""

import json
import os
import signal
import time

import pyarrow.parquet as pq
import pytest
import yaml

from limbeck.errors import LimbeckError, RequestError
from limbeck.studies import study as studies
from limbeck.studies.executors import stoppable
from limbeck.studies.spec import load_study
from limbeck.studies.study import run_study
from run.tiny import invoke, tree
from studies.small import Here, study, told, write

CLAIM = {"claim": "distillation improves on SFT", "kind": "improvement", "units": "cells"}


@pytest.fixture
def here(monkeypatch):
    executor = Here()
    monkeypatch.setattr(studies, "executor_of", lambda _: executor)
    return executor


def do(tmp_path, **changes):
    return run_study(study(tmp_path, **changes), name="small", command="limbeck study small.yaml")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        executor = Here()
        patch.setattr(studies, "executor_of", lambda _: executor)
        place = tmp_path_factory.mktemp("study")
        return place, executor, do(place, hypotheses=[CLAIM])


def test_every_run_is_done_and_told(finished):
    _, executor, done = finished
    table = done.table.to_pydict()
    assert len(executor.jobs) == 4 == len(table["run"])
    assert set(zip(table["method"], table["seed"], strict=True)) == {
        (m, s) for m in ("kd", "revkd") for s in (0, 1)
    }
    for column in ("score", "improvement", "teacher_score", "agreement", "fidelity_top1"):
        assert None not in table[column], column
    assert table["improvement"] == [
        a - b for a, b in zip(table["score"], table["sft_score"], strict=True)
    ]


def test_a_teacher_a_seed_and_a_baseline_a_seed(finished):
    """Shared by both methods, and trained by the first that needs it."""
    _, _, done = finished
    made = {"train teacher": 0, "train sft": 0}
    for file in done.path.glob("runs/*/manifest.json"):
        stages = json.loads(file.read_text())["stages"]
        for name in made:
            made[name] += not stages[name].get("shared")
    assert made == {"train teacher": 2, "train sft": 2}


def test_the_row_is_what_the_run_says(finished):
    _, _, done = finished
    row = done.table.to_pylist()[0]
    results = json.loads((done.path / "runs" / row["run"] / "results.json").read_text())
    metrics = results["evaluation"]["metrics"]
    assert row["score"] == metrics["student"]["accuracy"]["value"]
    assert row["teacher_score"] == metrics["teacher"]["accuracy"]["value"]
    near = results["audit"]["tokens"]["student"]["teacher"]
    assert row["fidelity_kl"] == near["kl_teacher_student"]["value"]
    assert row["agreement"] == results["audit"]["agreement"]["student"]["same"]["value"]
    assert pq.read_table(done.path / row["items"]).num_rows == row["n"]


def test_a_finished_study_runs_nothing_again(finished, here):
    place, _, done = finished
    again = do(place, hypotheses=[CLAIM])
    assert not here.jobs and told(again.table) == told(done.table)


def test_a_wider_study_keeps_what_was_done(finished, here):
    place, _, done = finished
    wider = do(place, axes={"method": ["kd", "revkd", "tvd"]}, hypotheses=[CLAIM])
    assert len(here.jobs) == 2 and wider.table.num_rows == 6
    assert do(place, hypotheses=[CLAIM]).table.num_rows == 4
    assert told(done.table) == told(pq.read_table(place / "out/results.parquet"))


def test_a_claim_that_came_after_the_runs_is_marked(finished, here):
    place, _, _ = finished
    late = CLAIM | {"claim": "it is as good as its teacher", "kind": "non_inferior", "margin": 0.1}
    found = do(place, hypotheses=[CLAIM, late]).study["hypotheses"]
    assert "explores" not in (found[0]["note"] or "") and "explores" in found[1]["note"]


def test_a_claim_that_was_taken_out_still_counts(finished, here):
    """Else the family could be cut down to what came out well."""
    place, _, _ = finished
    other = CLAIM | {"claim": "it is as good as its teacher", "kind": "non_inferior", "margin": 0.1}
    done = do(place, hypotheses=[other], correction="bh")
    late, gone = done.study["hypotheses"]
    assert "explores" in late["note"] and gone["claim"] == CLAIM["claim"]
    assert "taken out" in gone["note"] and "over 2" in gone["correction"]
    assert done.study["changes"] == [
        "The correction was holm before runs had finished; it is bh now."
    ]
    page = done.report.read_text(encoding="utf-8")
    assert "The correction was holm" in page and "taken out of the study file" in page


def test_a_claim_in_other_words_is_the_same_claim(finished, here):
    place, _, _ = finished
    found = do(place, hypotheses=[CLAIM | {"claim": "it gains"}]).study["hypotheses"]
    assert [one["claim"] for one in found] == ["it gains"]
    assert "explores" not in (found[0]["note"] or "") and "over 1" in found[0]["correction"]


def test_what_is_varied_and_where_it_begins_are_registered(finished, here):
    """Else the value that speaks against a claim could be left out, and nobody would be told."""
    place, _, _ = finished
    less = do(place, axes={"method": ["revkd", "jsd"]}, hypotheses=[CLAIM])
    assert less.study["changes"] == [
        "method jsd came after runs had finished.",
        "method kd was taken out after runs had finished.",
    ]
    other = yaml.safe_load(write(place).read_text())["base"]
    other["evaluate"] = {**other["evaluate"], "max_new_tokens": 9}
    changed = do(place, base=other, hypotheses=[CLAIM])
    assert changed.study["changes"] == [
        "The base recipe was changed after runs had finished: evaluate.max_new_tokens."
    ]
    assert len(here.jobs) == 2 + 4, "of another base they are other runs"
    do(place, hypotheses=[CLAIM])


def test_a_seed_that_was_added_is_said(finished, here):
    place, _, _ = finished
    wider = do(place, hypotheses=[CLAIM], seeds=[0, 1, 2])
    assert len(here.jobs) == 2 and "Seeds 2 came after" in wider.study["changes"][0]
    do(place, hypotheses=[CLAIM])


def test_one_failure_takes_no_other_run_with_it(tmp_path, monkeypatch):
    executor = Here(fails=lambda job: "revkd" in job.name and "seed 1" in job.name)
    monkeypatch.setattr(studies, "executor_of", lambda _: executor)
    done = do(tmp_path)
    assert done.table.num_rows == 3
    (failed,) = done.study["failed"]
    assert failed["seed"] == 1 and "revkd" in failed["cell"] and "it broke" in failed["error"]
    assert "it broke" in done.report.read_text(encoding="utf-8")
    executor.fails, executor.jobs = lambda job: False, []
    assert do(tmp_path).table.num_rows == 4 and len(executor.jobs) == 1


def test_nothing_finished_is_an_error_with_the_log(tmp_path, monkeypatch):
    monkeypatch.setattr(studies, "executor_of", lambda _: Here(fails=lambda job: True))
    with pytest.raises(LimbeckError, match="none of the 4 runs") as caught:
        do(tmp_path)
    assert "it broke" in str(caught.value)


def test_a_setting_is_chosen_on_validation_rows(tmp_path, here):
    axes = {"method": ["kd"], "method.temperature": [1, 4]}
    done = do(tmp_path, axes=axes, seeds=[0], select={"axis": "method.temperature"})
    assert None not in done.table["validation_score"].to_pylist()
    assert done.table.num_rows == 2 and done.study["selected"]["axis"] == "method.temperature"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"hypotheses": [CLAIM | {"where": {"methods": "kd"}}]}, "methods"),
        ({"hypotheses": [CLAIM | {"where": {"method": "taid"}}]}, "taid"),
        ({"hypotheses": [{"claim": "x", "kind": "improves"}]}, "improv"),
        ({"select": {"axis": "method.temperature"}}, "method.temperature"),
        ({"hypotheses": [CLAIM | {"units": "clusters"}]}, "2 seeds"),
        (
            {"hypotheses": [{"claim": "x", "kind": "correlation", "with": "teacher_parameters"}]},
            "same",
        ),
    ],
)
def test_claims_about_what_the_study_does_not_have(tmp_path, here, changes, words):
    with pytest.raises(RequestError, match=words):
        do(tmp_path, **changes)
    assert tree(tmp_path / "out") is None


def test_a_disk_that_is_too_small_is_refused_with_the_figure(tmp_path, here, monkeypatch):
    import shutil

    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(RequestError, match=r"4 runs take .* MiB"):
        do(tmp_path)
    assert tree(tmp_path / "out") is None


def test_folders_of_others_are_left_alone(tmp_path, here):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/thesis.tex").write_text("x")
    with pytest.raises(RequestError, match="no study of Limbeck's"):
        do(tmp_path)


def test_a_study_of_this_folder_is_not_written_over(tmp_path, here):
    """Somebody's own study.yaml makes a folder no study of ours."""
    path = write(tmp_path)
    before = path.read_text()
    with pytest.raises(RequestError, match=r"no study of Limbeck's"):
        run_study(load_study(path, [f"output={tmp_path}"]), name="", command="")
    assert path.read_text() == before


def test_a_run_of_its_own_is_no_study(finished, tmp_path, here):
    """Both have a lock; the study's report would be written over the run's."""
    _, _, done = finished
    run = next((done.path / "runs").iterdir())
    before = tree(run)
    with pytest.raises(RequestError, match=r"no study of Limbeck's"):
        run_study(load_study(write(tmp_path), [f"output={run}"]), name="", command="")
    assert tree(run) == before


@pytest.mark.parametrize("changed", ["data", "teacher.sft.data", "tasks"])
def test_files_that_changed_under_finished_runs_are_refused(tmp_path, here, changed):
    rows = [
        {"prompt": f"{k}+1=", "completion": f"{k + 1}", "answer": str(k + 1)} for k in range(10, 90)
    ]
    file = tmp_path / "rows.jsonl"
    base = yaml.safe_load(write(tmp_path).read_text())["base"]
    its = {"source": str(file), "verifier": "exact", "validation": 0.1, "test": 0.2}
    if changed == "data":
        base["data"] = its
    elif changed == "teacher.sft.data":
        base["teacher"]["sft"]["data"] = its
    else:
        (tmp_path / "sums.yaml").write_text(
            'prompt: "{prompt}"\nanswer: answer\nextract: last_number\nscore: number\nmax_new_tokens: 4\n'
        )
        base["evaluate"] |= {"tasks": [f"{tmp_path}/sums.yaml={file}"], "task_items": 4}
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    asked = {"base": base, "axes": {"method": ["kd"]}}
    do(tmp_path, **asked, seeds=[0])
    file.write_text("".join(json.dumps(row) + "\n" for row in rows[:-10]))
    with pytest.raises(RequestError, match=f"^{changed} changed after a run was finished"):
        do(tmp_path, **asked, seeds=[0, 1])
    assert len(here.jobs) == 1


def test_the_table_is_there_as_far_as_the_study_is(tmp_path, monkeypatch):
    class Stopped(Here):
        def run(self, jobs, told):
            super().run(jobs[:1], told)
            raise KeyboardInterrupt

    monkeypatch.setattr(studies, "executor_of", lambda _: Stopped())
    with pytest.raises(KeyboardInterrupt):
        do(tmp_path)
    shown = invoke("study", "results", tmp_path / "out")
    assert shown.exit_code == 0 and shown.output.count("method=kd") == 1


def test_a_study_with_failures_says_so_to_scripts(tmp_path, monkeypatch):
    executor = Here(fails=lambda job: "revkd" in job.name)
    monkeypatch.setattr(studies, "executor_of", lambda _: executor)
    assert invoke("study", write(tmp_path, seeds=[0])).exit_code == 1


def test_a_closed_terminal_that_is_ignored_stays_so(monkeypatch):
    """nohup limbeck study ... goes on."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stoppable():
            os.kill(os.getpid(), signal.SIGHUP)
            with pytest.raises(KeyboardInterrupt):
                os.kill(os.getpid(), signal.SIGTERM)
                time.sleep(1)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_options_may_come_first(tmp_path, here):
    assert invoke("study", "--dry-run", write(tmp_path)).exit_code == 0


def test_teachers_count_on_the_disk(tmp_path, here, monkeypatch):
    """Each once for all the runs that share it."""
    import shutil

    from limbeck.studies import checking

    monkeypatch.setattr(checking, "parameters_of", lambda config: 10**9)
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    kept = 4 + 2 + 2  # students, baselines, teachers
    with pytest.raises(RequestError, match=f"{(kept * 4e9 + 16e9) / 2**30:.1f} GiB"):
        do(tmp_path)


def test_the_command_line(finished, here):
    place, _, _ = finished
    done = invoke("study", write(place, hypotheses=[CLAIM]))
    assert done.exit_code == 0 and "distillation improves on SFT" in " ".join(done.output.split())
    for form, word in (("md", "| cell |"), ("csv", '"score"'), ("parquet", "results.parquet")):
        shown = invoke("study", "results", place / "out", "--format", form)
        assert shown.exit_code == 0 and word in shown.output, shown.output
    assert invoke("study", "results", place / "out", "--format", "xls").exit_code == 2
    assert invoke("study", "results", place / "nowhere").exit_code == 2
    checked = invoke("study", write(place), "--dry-run")
    assert checked.exit_code == 0 and "2 cells checked, 2 ready" in checked.output


def test_the_estimate_counts_what_is_shared(tmp_path, monkeypatch):
    """With a trial of each cell in this process instead of others."""
    from limbeck.studies import estimate as estimates

    class Trial(Here):
        processes = 2

        def __init__(self, *_):
            super().__init__()

    monkeypatch.setattr(estimates, "LocalExecutor", Trial)
    found = estimates.estimate(study(tmp_path))
    assert (found.runs, found.finished, found.processes) == (4, 0, 2)
    assert found.shared["train teacher"] == (2, 4) and found.shared["train sft"] == (2, 4)
    assert {c.name: c.runs for c in found.cells} == {"method=kd": 2, "method=revkd": 2}
    assert found.seconds > 0 and found.disk_bytes > 100_000 and found.memory_bytes > 10**8
    assert tree(tmp_path / "out") is None
