"""The method's part of a recipe: what is refused, with the key and the mend, before anything loads."""

import pytest

from limbeck.methods import METHODS
from limbeck.methods.abkd import ABKD
from limbeck.methods.custom import Custom
from limbeck.schedules import Linear

from .test_recipe import parse, refused

RANGES = [
    ("kd", "lmbda", -0.1),
    ("gkd", "beta", 1.5),
    ("distillm", "alpha", 1.0),
    ("distillm", "phi", 1.2),
    ("distillm", "capacity", 0),
    ("distillm2", "alpha", 0.0),
    ("distillm2", "rounds", 0),
    ("minillm", "alpha", 2),
    ("minillm", "epochs", 0),
    ("minillm", "lm_coef", -1),
    ("skd", "k", 0),
    ("skd", "block", 0),
    ("taid", "t", 1.01),
    ("imitkd", "beta", -1),
    ("akl", "mu", 1),
    ("opd", "gamma", 7),
    ("dpkd", "beta", 0),
    ("cd", "lmbda", 2),
    ("scd", "temperature", 0),
    ("custom", "ce", -1),
]
MOVING = {"schedule": "linear", "from": 0.1, "to": 0.5}


@pytest.mark.parametrize(("name", "key", "value"), RANGES)
def test_a_number_out_of_range(name, key, value):
    error = refused(method={"name": name, key: value})
    assert f"{key} must lie in [" in error.what and f"got {value:g}" in error.what
    assert "method" in error.where


@pytest.mark.parametrize(
    ("wrong", "right"), [("distilm", "distillm"), ("dpkd_token", "dpkd-token")]
)
def test_a_misspelt_method_has_a_nearest_name(wrong, right):
    assert refused(method=wrong).mend.startswith(f"did you mean {right}?")


@pytest.mark.parametrize(
    ("name", "key", "users"),
    [("taid", "beta", "gkd"), ("kd", "k", "skd"), ("skd", "phi", "distillm")],
)
def test_an_option_of_another_method(name, key, users):
    error = refused(method={"name": name, key: 0.5})
    assert f"no option {key!r}" in error.what and users in error.what.split("; ")[1]
    assert error.where == f"method.{key}"


# Schedules


@pytest.mark.parametrize(
    ("section", "where", "words"),
    [
        ({**MOVING, "schedule": "lineer"}, "method.beta.schedule", "did you mean linear?"),
        ({"from": 0, "to": 1}, "method.beta", "add schedule: one of linear"),
        ({"schedule": "linear", "to": 1}, "method.beta", "from: and to:"),
        ({"schedule": "cosine", "from": 1}, "method.beta", "from: and to:"),
        ({**MOVING, "untli": 0.5}, "method.beta.untli", "did you mean until?"),
        ({**MOVING, "until": 0}, "method.beta", "correct"),
        ({**MOVING, "schedule": "exponential", "from": 0}, "method.beta", "correct"),
    ],
)
def test_a_schedule_that_is_none(section, where, words):
    error = refused(method={"name": "gkd", "beta": section})
    assert error.where.startswith(where) and words in error.mend


def test_a_word_where_a_number_belongs():
    """Said with the recipe's own key, not with the field's name."""
    error = refused(method={"name": "gkd", "beta": {**MOVING, "to": "much"}})
    assert error.what.startswith("method.beta.to: ") and "'much'" in error.what


@pytest.mark.parametrize(
    ("name", "key", "end"), [("gkd", "beta", {"to": 1.5}), ("taid", "t", {"from": -0.5})]
)
def test_ends_out_of_range(name, key, end):
    error = refused(method={"name": name, key: {**MOVING, **end}})
    assert f"{key} must lie in [0, 1]" in error.what


@pytest.mark.parametrize(
    ("name", "key"),
    [("distillm2", "rounds"), ("minillm", "epochs"), ("kd", "source"), ("distillm2", "curriculum")],
)
def test_what_cannot_move(name, key):
    error = refused(method={"name": name, key: MOVING})
    assert "cannot change while training goes on" in error.what
    assert error.where == f"method.{key}" and error.mend == "give one value"


def test_several_schedules_at_once():
    method = parse(method={"name": "gkd", "schedule": {"beta": MOVING}}).build_method()
    assert method.beta == Linear(0.1, 0.5)
    assert refused(method={"name": "gkd", "schedule": "linear"}).where == "method.schedule"
    error = refused(method={"name": "kd", "schedule": {"beta": MOVING}})
    assert error.where == "method.beta" and "gkd" in error.what


def test_options_that_need_one_another_may_move():
    """The place of an interpolated target is a number that must be given; so is a moving one."""
    options = {"name": "custom", "target": "interpolated", "t": MOVING}
    assert parse(method=options).build_method() == Custom(target="interpolated", t=Linear(0.1, 0.5))
    options = {"name": "custom", "divergence": "alpha_beta", "alpha": MOVING, "beta": 0.5}
    assert parse(method=options).build_method().alpha == Linear(0.1, 0.5)
    assert parse(method={"name": "abkd", "alpha": MOVING}).build_method() == ABKD(
        alpha=Linear(0.1, 0.5)
    )


# Custom


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"divergence": "forward_kll"}, "divergence must be one of forward_kl"),
        ({"beta": 0.5}, "forward_kl takes no beta; jensen_shannon, alpha_beta would"),
        ({"t": 0.5}, "give both or neither"),
        ({"target": "interpolated"}, "give both or neither"),
        ({"divergence": "alpha_beta", "alpha": 0.5}, "needs alpha and beta"),
        ({"lmbda": 0.5}, "lmbda mixes in text of the student"),
        ({"divergence": "contrastive"}, "source: paired"),
        ({"source": "paired"}, "divergence: contrastive"),
        ({"target": "label"}, "divergence: cross_entropy"),
        ({"target": "label", "divergence": "cross_entropy", "source": "student"}, "argmax"),
        ({"target": "label", "divergence": "cross_entropy", "ce": 1}, "ce and temperature"),
        (
            {"target": "label", "divergence": "cross_entropy", "weight": "disagreement"},
            "asks a teacher",
        ),
        ({"weight": "heavy"}, "weight must be one of"),
    ],
)
def test_combinations_without_sense(options, words):
    error = refused(method={"name": "custom", **options})
    assert words in error.what and error.where.startswith("method")


# What a method needs elsewhere in the recipe


@pytest.mark.parametrize("name", ["cd", "scd"])
def test_a_path_that_is_not_there(name):
    for teacher in ("large", {"model": "large", "sft": {}}):
        error = refused(method=name, teacher=teacher)
        assert "checkpoints" in error.what and "teacher.keep_checkpoints" in error.where
        assert "FOLDER" in error.mend
    kept = {"model": "large", "sft": {}, "keep_checkpoints": 3}
    for teacher in (kept, {"checkpoints": "folder"}):
        assert parse(method=name, teacher=teacher).build_method().needs_path
    assert refused(method=name, teacher={**kept, "keep_checkpoints": 1}).where


def test_a_path_in_a_cache():
    error = refused(method="cd", teacher={"model": "large", "cache": "folder"})
    assert "several checkpoints" in error.what and error.where.startswith("teacher.cache")


@pytest.mark.parametrize("name", ["minillm", "skd", "opd", "dpkd", "distillm2", "distillm"])
def test_a_cache_of_what_nobody_has_written_yet(name):
    error = refused(method=name, teacher={"model": "large", "cache": "folder"})
    assert "text that the student writes" in error.what
    assert error.mend == "leave teacher.cache out", "these methods have no lmbda"


def test_a_cache_beside_a_share_of_the_students_text():
    error = refused(method="gkd", teacher={"model": "large", "cache": "folder"})
    assert "method.lmbda=0" in error.mend


PATH = {"model": "large", "sft": {}, "keep_checkpoints": 3}


def test_adaptive_weights_without_a_student_to_compare_with():
    method = {"name": "scd", "adaptive_weight": True}
    error = refused(method=method, teacher=PATH, baseline="none")
    assert error.where == "method.adaptive_weight" and "student.sft" in error.mend
    assert parse(method=method, teacher=PATH).baseline == "sft"
    assert parse(method=method, teacher=PATH, baseline="none", student={"model": "x", "sft": {}})


def test_settings_of_adaptive_weights_without_them():
    error = refused(method={"name": "scd", "control": "shuffled"}, teacher=PATH)
    assert "adaptive_weight: true" in error.what


def test_losses_out_of_fold_of_a_teacher_tuned_elsewhere():
    method = {"name": "scd", "adaptive_weight": True, "loss_source": "oof"}
    error = refused(method=method, teacher={"checkpoints": "folder"})
    assert error.where == "method.loss_source" and "loss_source: train" in error.mend
    assert parse(method=method, teacher=PATH)


@pytest.mark.parametrize("name", [n for n, m in METHODS.items() if hasattr(m, "lm_coef")])
def test_a_corpus_and_its_weight(name):
    assert name in ("minillm", "distillm", "dpkd", "dpkd-token")
    error = refused(method={"name": name, "lm_coef": 1})
    assert error.where == "corpus" and "lm_coef=0" in error.mend
    error = refused(method={"name": name, "lm_coef": 0}, corpus="text.jsonl")
    assert error.where == "corpus" and "set method.lm_coef" in error.mend
    assert parse(method={"name": name, "lm_coef": 1}, corpus="text.jsonl").corpus


def test_a_corpus_that_nobody_reads():
    error = refused(corpus="text.jsonl")
    assert error.what == "the method kd reads no plain text" and error.mend == "leave corpus out"


@pytest.mark.parametrize("name", ["gkd", "opd", "minillm", "skd", "imitkd", "distillm", "dpkd"])
def test_beams_where_the_student_samples(name):
    error = refused(method=name, generation={"num_beams": 4})
    assert error.where == "generation.num_beams" and "beams do not sample" in error.what


@pytest.mark.parametrize("key", ["temperature", "top_p", "top_k"])
def test_beams_with_what_they_do_not_use(key):
    value = {"temperature": 0.7, "top_p": 0.9, "top_k": 5}[key]
    error = refused(method="seqkd", generation={"num_beams": 4, key: value})
    assert error.where == f"generation.{key}" and "num_beams" in error.mend
    assert parse(method="seqkd", generation={"num_beams": 4}).generation.num_beams == 4


def test_a_share_that_follows_an_evaluation_that_is_off():
    error = refused(method="distillm", training={"eval_strategy": "no"})
    assert error.where == "training.eval_strategy" and "method.phi" in error.mend
    assert parse(method={"name": "distillm", "phi": 0.5}, training={"eval_strategy": "no"})


@pytest.mark.parametrize("end", [float("nan"), float("inf")])
def test_a_schedule_to_nowhere(end):
    """NaN is neither below nor above a range, and would stop the training at its first step."""
    error = refused(method={"name": "gkd", "beta": {**MOVING, "to": end}})
    assert "between numbers" in error.what


def test_a_number_and_a_schedule_of_one_option():
    error = refused(method={"name": "gkd", "beta": 0.5, "schedule": {"beta": MOVING}})
    assert error.what == "beta is given twice" and error.where == "method.beta"


@pytest.mark.parametrize("key", ["temperature", "top_p", "top_k"])
def test_samples_of_another_policy(key):
    """The ratio of the sampled form would be to a distribution that nobody sampled from."""
    value = {"temperature": 0.5, "top_p": 0.9, "top_k": 5}[key]
    section = {"name": "opd", "estimator": "sampled"}
    assert "samples of the student itself" in refused(method=section, generation={key: value}).what
    assert parse(method="opd", generation={key: value})


@pytest.mark.parametrize("method", [{"name": "distillm2", "rounds": 4}, {"name": "cd"}])
def test_more_rounds_than_steps(method):
    """Found only after the teacher had been fine-tuned or had written."""
    teacher = {"model": "teacher", "sft": {}, "keep_checkpoints": 4}
    error = refused(method=method, teacher=teacher, training={"max_steps": 3})
    assert "3 optimiser steps cannot be shared among 4 rounds" in error.what


def test_a_misspelt_word_has_a_nearest_one():
    error = refused(method={"name": "custom", "divergence": "forwardkl"})
    assert "did you mean forward_kl?" in error.what


@pytest.mark.parametrize("method", [3, ["kd"]])
def test_a_method_that_is_no_word(method):
    assert "give the name of a method" in refused(method=method).what


@pytest.mark.parametrize(
    ("method", "need"),
    [
        (Custom(target="argmax", divergence="cross_entropy"), "logits"),
        (Custom(weight="teacher_entropy"), "logits"),
        (Custom(temperature=2.0), "logits"),
        (Custom(), "events"),
        (METHODS["dpkd-token"](), "logits"),
        (METHODS["imitkd"](), "logits"),
        (METHODS["kd"](), "average"),
    ],
)
def test_a_cache_of_a_few_tokens_does_not_tell_the_likeliest(method, need):
    """The index of an event is no id: the student would be trained towards token 0."""
    assert method.needs == need


def test_a_schedule_by_its_name_alone():
    error = refused(method={"name": "gkd", "beta": "linear"})
    assert "write beta: {schedule: linear, from: ..., to: ...}" in error.mend
