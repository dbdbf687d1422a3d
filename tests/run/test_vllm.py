"""``generation.engine: vllm``: who writes the teacher's text, and where that cannot be."""

import importlib.util

import pytest

from caching.tiny import TEACHER
from engines import fake_vllm
from limbeck.bench import open_bench
from limbeck.engines.vllm import VLLMEngine
from limbeck.errors import RequestError
from limbeck.recipe import parse_recipe
from limbeck.run.folder import RunFolder
from limbeck.run.teacher import TeacherStage
from limbeck.run.text import RoundLab
from run.tiny import request

TUNED = {**TEACHER, "sft": {"training": {"max_steps": 3}}}


def recipe(output, engine="vllm", **changes):
    generation = {"engine": engine, "max_new_tokens": 12, "temperature": 0.0}
    changes = {"method": "seqkd", "generation": generation, "data__rows": 24, **changes}
    return request(output, **{"teacher": TUNED} | changes)


def answers(folder, engine):
    bench = open_bench(parse_recipe(recipe(folder, engine)))
    stage = TeacherStage(RunFolder(folder), bench)
    return stage, RoundLab(bench, folder / engine, stage).teacher_answers()


def test_the_text_is_that_of_the_fine_tuned_teacher(tmp_path, monkeypatch):
    """And its memory is given back before the teacher is loaded to be imitated."""
    started = fake_vllm.install(monkeypatch)
    folder = RunFolder(tmp_path / "run")
    bench = open_bench(parse_recipe(recipe(folder.path)))
    with folder.open(bench.recipe, {}, False):
        TeacherStage(folder, bench).prepare()
    _, expected = answers(folder.path, "transformers")
    stage, found = answers(folder.path, "vllm")
    assert found == expected and len(found) == 24
    assert isinstance(stage.engine, VLLMEngine) and "model" not in stage.__dict__
    (llm,) = started
    assert llm.model.dtype == stage.model.dtype and llm.closed
    assert "engine" not in stage.__dict__


def refused(tmp_path, **changes):
    with pytest.raises(RequestError) as error:
        parse_recipe(recipe(tmp_path / "run", **changes))
    assert error.value.mend
    return f"{error.value.what} {error.value.where}"


def test_where_it_cannot_write(tmp_path, monkeypatch):
    assert (importlib.util.find_spec("vllm") is None) == (
        "not installed" in refused(tmp_path, generation={"engine": "vllm", "num_beams": 1})
    )
    fake_vllm.install(monkeypatch)
    parse_recipe(recipe(tmp_path / "run"))
    assert "began with" in refused(tmp_path, method="gkd", generation={"engine": "vllm"})
    assert "teacher.config" in refused(tmp_path, teacher=TEACHER)
    assert "beams" in refused(tmp_path, generation={"engine": "vllm", "num_beams": 2})
    served = {"server": "http://localhost:1/v1", "model": "x"}
    assert "generation.engine" in refused(tmp_path, teacher=served)
