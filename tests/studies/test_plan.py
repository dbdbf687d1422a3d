"""From a study's file to its runs: which, with what recipes, and what is refused."""

import pytest
import yaml

from limbeck.errors import RequestError
from limbeck.studies.plan import plan
from limbeck.studies.spec import load_study
from run.tiny import request

STUDENTS = {"small": 16, "large": 32}


def study(tmp_path, **changes):
    base = request("unused", baseline="sft", generation={"max_new_tokens": 12})
    del base["output"], base["method"]
    found = {
        "base": base,
        "axes": {"method": ["kd", "seqkd"], "student.config.hidden_size": STUDENTS},
        "seeds": [0, 1],
        "output": str(tmp_path / "study"),
    } | changes
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump(found, sort_keys=False))
    return path


def runs_of(tmp_path, **changes):
    return plan(load_study(study(tmp_path, **changes)))


def test_every_cell_with_every_seed(tmp_path):
    runs = runs_of(tmp_path)
    cells = {(r.labels["method"], r.labels["student.config.hidden_size"], r.seed) for r in runs}
    assert len(runs) == 8 == len(cells) == len({r.id for r in runs})
    for run in runs:
        size = STUDENTS[run.labels["student.config.hidden_size"]]
        assert run.recipe.student.config["hidden_size"] == size
        assert (run.recipe.method["name"], run.recipe.seed) == (run.labels["method"], run.seed)
        assert run.folder == tmp_path / "study/runs" / run.id
    assert runs[0].recipe.student.config["num_hidden_layers"] == 2, "the rest is the base's"


def test_a_runs_name_does_not_depend_on_the_others_or_on_the_place(tmp_path):
    before = {(r.cell, r.seed): r.id for r in runs_of(tmp_path)}
    wider = runs_of(
        tmp_path,
        axes={"method": ["revkd", "seqkd", "kd"], "student.config.hidden_size": STUDENTS},
        output=str(tmp_path / "elsewhere"),
    )
    after = {(r.cell, r.seed): r.id for r in wider}
    assert before.items() <= after.items()


def test_the_base_speaks_for_all_methods(tmp_path):
    """What writes has generation, what does not has none; answers are as long for all."""
    for run in runs_of(tmp_path):
        writes = run.labels["method"] == "seqkd"
        assert run.recipe.generation.max_new_tokens == (12 if writes else 256)
        assert run.recipe.evaluate.max_new_tokens == 16, "the base says it"


def test_an_axis_of_several_keys(tmp_path):
    signals = {"plain": {}, "hot": {"method": {"name": "kd", "temperature": 2.0}}}
    runs = runs_of(tmp_path, axes={"method": ["kd"], "signal": signals})
    found = {r.labels["signal"]: r.recipe.build_method().temperature for r in runs}
    assert found == {"plain": 1.0, "hot": 2.0}


def test_a_student_with_settings_of_its_own(tmp_path):
    """What makes another student is called so, because tests hold students fixed by that name."""
    small, large = (
        {"student.config.hidden_size": size, "training.max_steps": steps}
        for size, steps in ((16, 3), (32, 5))
    )
    runs = runs_of(tmp_path, axes={"method": ["kd"], "student": {"small": small, "large": large}})
    found = {
        r.labels["student"]: (
            r.recipe.student.config["hidden_size"],
            r.recipe.training["max_steps"],
        )
        for r in runs
    }
    assert found == {"small": (16, 3), "large": (32, 5)}
    with pytest.raises(
        RequestError, match=r"the axis size makes other students[\s\S]*call it student"
    ):
        runs_of(tmp_path, axes={"size": {"small": small, "large": large}})


def test_a_section_is_set_before_what_is_in_it(tmp_path):
    axes = {"method.temperature": [1, 2], "method": ["kd", "dkd"]}
    for run in runs_of(tmp_path, axes=axes):
        method = run.recipe.build_method()
        assert method.temperature == float(run.labels["method.temperature"])
        assert run.recipe.method["name"] == run.labels["method"]


def test_runs_with_nothing_in_common_come_first(tmp_path):
    """Runs that wait for one teacher should not all begin together."""
    runs = runs_of(tmp_path, seeds=[0, 1, 2])
    assert {r.seed for r in runs[:3]} == {0, 1, 2}


def test_a_base_in_a_file_of_its_own(tmp_path):
    whole = yaml.safe_load(study(tmp_path).read_text())
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(whole["base"]))
    assert [r.id for r in runs_of(tmp_path, base="recipe.yaml")] == [
        r.id for r in runs_of(tmp_path)
    ]


def test_a_base_in_a_file_may_be_changed_on_the_command_line(tmp_path):
    whole = yaml.safe_load(study(tmp_path).read_text())
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(whole["base"]))
    path = study(tmp_path, base="recipe.yaml")
    runs = plan(load_study(path, ["base.training.max_steps=7"]))
    assert {r.recipe.training["max_steps"] for r in runs} == {7}


def test_an_axis_with_a_dot_may_be_changed_on_the_command_line(tmp_path):
    path = study(tmp_path)
    given = "axes.student.config.hidden_size={tiny: 8}"
    assert {r.recipe.student.config["hidden_size"] for r in plan(load_study(path, [given]))} == {8}


def test_a_key_of_the_recipe_is_changed_in_the_base(tmp_path):
    with pytest.raises(RequestError, match=r"base\.training\.max_steps="):
        load_study(study(tmp_path), ["training.max_steps=7"])


@pytest.mark.parametrize("said", ["local", {"processes": 5}, None])
def test_an_executor_is_a_local_one_where_nothing_else_is_said(tmp_path, said):
    path = study(tmp_path, **({} if said is None else {"executor": said}))
    executor = load_study(path, ["executor.processes=1"]).executor
    assert (executor.kind, executor.processes) == ("local", 1)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"axes": {"method": []}}, ["axis method is empty"]),
        ({"axes": {"method": ["kd", "kd"]}}, ["two values called 'kd'"]),
        ({"axes": {"method": {"a": "kd", "b": {"name": "kd"}}}}, ["two runs", "are the same"]),
        ({"axes": {"method": ["kdd"]}}, ["kdd", "kd"]),
        ({"axes": {"method": [{"name": "kd", "bta": 1}]}}, ["bta"]),
        ({"axes": {"method": ["revkd", "kd"], "method.temperature": [1, 2]}}, ["temperature"]),
        ({"axes": {"methods": ["kd"]}}, ["methods", "method"]),
        ({"axes": {"seed": [1]}}, ["no axis", "seeds"]),
        ({"axes": {"task": {"a": {"data": "x"}}}}, ["task is a column", "data.source"]),
        ({"axes": {"score": {"a": {"data": "x"}}}}, ["score is a column"]),
        ({"axes": {"method": ["kd"], "method.betta": [1]}}, ["betta", "method.betta=1"]),
        (
            {"axes": {"method": ["kd"], "how": {"a": {"generation.temperature": 0.5}}}},
            ["generation", "how=a"],
        ),
        ({"seeds": [1, 2, 1]}, ["seed 1 stands twice"]),
        ({"seeds": []}, ["seeds"]),
        ({"sedes": [1]}, ["sedes", "seeds"]),
        ({"executor": {"kind": "slurm"}}, ["executor"]),
        ({"base": "missing.yaml"}, ["no such recipe"]),
        ({"select": {"axis": "method.temperature", "by": "score"}}, ["validation_score"]),
    ],
)
def test_what_is_refused(tmp_path, changes, words):
    with pytest.raises(RequestError) as caught:
        runs_of(tmp_path, **changes)
    assert all(word in str(caught.value) for word in words), str(caught.value)
