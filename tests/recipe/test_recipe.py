"""A recipe is checked before anything expensive happens, and each mistake has its own message."""

import pytest
import yaml

from limbeck.errors import RequestError
from limbeck.methods import METHODS
from limbeck.methods.gkd import GKD
from limbeck.methods.kd import KD
from limbeck.recipe import Generation, ModelSpec, load_recipe, parse_recipe
from limbeck.recipe.checking import USUAL

FOUR = {"student": "small", "teacher": "large", "data": "chain_arithmetic", "method": "kd"}
SCRATCH = {"config": {"model_type": "llama", "hidden_size": 8}, "tokenizer": "characters"}


def parse(**changes):
    mapping = {**FOUR, "output": "out", **changes}
    return parse_recipe({k: v for k, v in mapping.items() if v is not ...})


def refused(**changes):
    with pytest.raises(RequestError) as caught:
        parse(**changes)
    error = caught.value
    assert error.exit_code == 2 and error.what and error.where and error.mend
    assert "\n" not in error.what + error.where + error.mend
    return error


@pytest.fixture
def load(tmp_path):
    """Write a recipe and read it with overrides."""

    def read(*overrides, content=None, name="my.yaml"):
        path = tmp_path / name
        path.write_bytes(
            content if isinstance(content, bytes) else (content or yaml.safe_dump(FOUR)).encode()
        )
        return load_recipe(path, overrides)

    return read


# What a recipe may leave out


def test_four_keys_are_a_recipe(load):
    recipe = load()
    assert recipe.student.model == "small" and recipe.teacher.model == "large"
    assert recipe.data.source == "chain_arithmetic" and recipe.method == {"name": "kd"}
    assert recipe.output == "runs/my" and recipe.baseline == "sft" and recipe.seed == 0
    assert recipe.build_method() == KD()


def test_each_shorthand_means_its_mapping():
    short = parse(baseline=None)
    long = parse(
        student={"model": "small"},
        teacher={"model": "large"},
        data={"source": "chain_arithmetic"},
        method={"name": "kd"},
        baseline="none",
    )
    assert short == long


def test_the_file_name_names_the_run(load):
    assert load(name="tldr.v2.yaml").output == "runs/tldr.v2"
    assert load("output=elsewhere").output == "elsewhere"


def test_sft_needs_no_teacher():
    assert parse(teacher=..., method="sft").teacher is None


# Overrides


@pytest.mark.parametrize("text", ["5e-5", "5.0e-5", "0.00005", "5E-5", "+5e-5"])
def test_numbers_in_every_spelling(load, text):
    """YAML 1.1 reads 5e-5 as text, and a learning rate of text would be refused."""
    assert load(f"training.learning_rate={text}").training == {"learning_rate": 5e-5}
    content = yaml.safe_dump(FOUR) + f"training: {{learning_rate: {text}}}\n"
    assert load(content=content).training == {"learning_rate": 5e-5}


def test_what_only_looks_like_a_number_stays_text(load):
    assert load("student=1e").student.model == "1e"
    assert load("student=sha/2e5f").student.model == "sha/2e5f"


def test_overrides_reach_into_sections_that_are_not_there(load):
    recipe = load(
        "generation.max_new_tokens=7",
        "method.source=teacher",
        "teacher.sft.training.max_steps=3",
        "data.columns.prompt=question",
        "data.source=./rows.jsonl",
    )
    assert recipe.generation == Generation(max_new_tokens=7)
    assert recipe.method == {"name": "kd", "source": "teacher"}
    assert recipe.teacher.model == "large" and recipe.teacher.sft.training == {"max_steps": 3}
    assert recipe.data.columns == {"prompt": "question"}


def test_an_override_makes_a_shorthand_grow(load):
    recipe = load("student.layers=every_second", "data.rows=5", "method.temperature=2")
    assert recipe.student == ModelSpec(model="small", layers="every_second")
    assert recipe.data.source == "chain_arithmetic" and recipe.data.rows == 5
    assert recipe.build_method() == KD(temperature=2.0)
    nested = load("teacher.sft.data=chain_arithmetic", "teacher.sft.data.rows=9")
    assert nested.teacher.sft.data.source == "chain_arithmetic"
    assert nested.teacher.sft.data.rows == 9


def test_an_override_replaces_a_whole_section(load):
    assert load("method={name: gkd, beta: 0.1}").build_method() == GKD(beta=0.1)
    assert load("baseline=none").baseline == "none" and load("baseline=null").baseline == "none"
    assert load("data.chat=yes").data.chat is True
    assert load("student={model: a=b}").student.model == "a=b"


def test_an_override_of_a_section_leaves_its_alias_alone(load):
    content = "student: &m {config: {model_type: llama}}\nteacher: *m\ndata: x\nmethod: kd\n"
    recipe = load("teacher.config.hidden_size=8", "teacher.tokenizer=t", content=content)
    assert recipe.student.config == {"model_type": "llama"} and recipe.student.tokenizer is None
    assert recipe.teacher.config == {"model_type": "llama", "hidden_size": 8}


def test_the_last_override_wins(load):
    assert load("seed=1", "seed=2").seed == 2


@pytest.mark.parametrize(
    ("item", "what"),
    [
        ("seed", "an override is KEY=VALUE"),
        ("=1", "an override is KEY=VALUE"),
        ("student={model: [", "the value of student is not YAML"),
        ("seed.of.what=1", "seed is no section"),
    ],
)
def test_overrides_that_cannot_be_meant(load, item, what):
    content = yaml.safe_dump({**FOUR, "seed": 3})
    with pytest.raises(RequestError) as caught:
        load(item, content=content)
    assert what in caught.value.what and caught.value.where == "command line" and caught.value.mend


def test_an_override_of_an_unknown_key_is_refused_like_one_in_the_file(load):
    with pytest.raises(RequestError, match="unknown key 'tempratur'"):
        load("generation.tempratur=1", "method.source=teacher")


# Wrong keys


@pytest.mark.parametrize(
    ("changes", "where", "nearest"),
    [
        ({"methd": "kd"}, "methd", "method"),
        ({"student": {"modle": "x"}}, "student.modle", "model"),
        ({"teacher": {"model": "x", "sfft": {}}}, "teacher.sfft", "sft"),
        ({"teacher": {"model": "x", "sft": {"trainig": {}}}}, "teacher.sft.trainig", "training"),
        (
            {"teacher": {"model": "x", "sft": {"data": {"source": "a", "tset": 0.1}}}},
            "teacher.sft.data.tset",
            "test",
        ),
        ({"student": {"model": "x", "lora": {"rr": 3}}}, "student.lora.rr", "r"),
        ({"data": {"source": "chain_arithmetic", "sed": 1}}, "data.sed", "seed"),
        ({"generation": {"temprature": 1}}, "generation.temprature", "temperature"),
        ({"evaluate": {"max_itms": 1}}, "evaluate.max_itms", "max_items"),
    ],
)
def test_an_unknown_key_names_the_nearest(changes, where, nearest):
    error = refused(**changes)
    assert error.what == f"unknown key {where.split('.')[-1]!r}"
    assert error.where == f"recipe: {where}"
    assert error.mend.startswith(f"did you mean {nearest}?") and "known: " in error.mend


@pytest.mark.parametrize("key", ["student", "data", "method"])
def test_a_missing_key(key):
    error = refused(**{key: ...})
    assert error.what == f"the key {key!r} is missing" and f"add {key}:" in error.mend


def test_a_missing_key_below():
    error = refused(data={"rows": 3})
    assert error.what == "the key 'source' is missing" and error.where == "recipe: data"


@pytest.mark.parametrize("method", ["kd", "revkd", "gkd", "seqkd", {"name": "kd", "lmbda": 1}])
def test_a_missing_teacher(method):
    error = refused(method=method, teacher=...)
    assert "needs a teacher" in error.what and error.where == "teacher"


@pytest.mark.parametrize(
    ("wrong", "right"), [("kdd", "kd"), ("seqdk", "seqkd"), ("rev_kd", "revkd"), ("GKD", "gkd")]
)
def test_a_misspelt_method(wrong, right):
    for method in (wrong, {"name": wrong}):
        error = refused(method=method)
        assert error.what == f"there is no method {wrong!r}" and error.where == "method"
        assert f"did you mean {right}?" in error.mend or right in error.mend
        assert all(name in error.mend for name in METHODS)


def test_a_method_without_a_name():
    assert refused(method={"beta": 0.1}).where.startswith("method")
    assert refused(method={"name": ["kd"]}).where.startswith("method")
    assert refused(method=3).mend


def test_an_option_that_another_method_has():
    error = refused(method={"name": "kd", "beta": 0.1})
    assert "no option 'beta'" in error.what and "would use it" in error.what
    assert " gkd," in error.what
    assert error.where == "method.beta"


def test_a_misspelt_option():
    error = refused(method={"name": "kd", "temprature": 2})
    assert error.mend.startswith("did you mean temperature?")


def test_a_method_without_options():
    assert "has no options" in refused(method={"name": "sft", "beta": 1}, teacher=...).mend


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"lmbda": 1.5}, "lmbda must lie in [0, 1]"),
        ({"lmbda": "much"}, "lmbda"),
        ({"source": "student"}, "source"),
        ({"temperature": 0}, "temperature must lie in"),
    ],
)
def test_options_out_of_range(options, text):
    error = refused(method={"name": "kd", **options})
    assert text in error.what and error.where


# Training arguments


def test_the_usual_training_arguments_are_training_arguments():
    """They are taken on trust, because asking transformers takes seconds."""
    from transformers import TrainingArguments

    assert set(TrainingArguments.__dataclass_fields__) >= USUAL


def test_a_misspelt_training_argument():
    error = refused(training={"learning_rte": 1e-4})
    assert error.where == "training.learning_rte" and "learning_rate" in error.mend
    error = refused(teacher={"model": "x", "sft": {"training": {"max_step": 3}}})
    assert error.where == "teacher.sft.training.max_step" and "max_steps" in error.mend


@pytest.mark.parametrize(
    "rate", [0, -1e-5, 0.0, "fast", "1e-5x", None, True, float("nan"), float("inf")]
)
def test_a_learning_rate_that_learns_nothing(rate):
    error = refused(training={"learning_rate": rate})
    assert error.where == "training.learning_rate" and "must be a number above 0" in error.what
    assert "5.0e-5" in error.mend
    error = refused(teacher={"model": "x", "sft": {"training": {"learning_rate": rate}}})
    assert error.where == "teacher.sft.training.learning_rate"


@pytest.mark.parametrize(
    "key", ["num_train_epochs", "per_device_train_batch_size", "gradient_accumulation_steps"]
)
@pytest.mark.parametrize("value", [0, -1, "many"])
def test_counts_must_be_positive(key, value):
    assert refused(training={key: value}).where == f"training.{key}"


@pytest.mark.parametrize(
    ("key", "elsewhere"),
    [("output_dir", "output"), ("seed", "seed"), ("resume_from_checkpoint", "resumes by itself")],
)
def test_training_arguments_that_the_recipe_says_elsewhere(key, elsewhere):
    error = refused(training={key: "x"})
    assert error.where == f"training.{key}" and elsewhere in error.mend


# Keys that nothing would read


@pytest.mark.parametrize("method", ["kd", "revkd", {"name": "gkd", "lmbda": 0}])
def test_generation_where_nobody_writes(method):
    error = refused(method=method, generation={"temperature": 0.5})
    assert error.where == "generation" and "nobody writes" in error.what


def test_generation_where_somebody_writes():
    for method in ("seqkd", "gkd", {"name": "kd", "source": "teacher"}):
        assert parse(method=method, generation={"top_k": 3}).generation.sampling().top_k == 3


def test_controls_of_sft():
    assert refused(method="sft", teacher=..., controls=True).where == "controls"


@pytest.mark.parametrize(
    ("key", "value"),
    [("adapter", "y"), ("cache", "y"), ("checkpoints", "y"), ("keep_checkpoints", 3)],
)
def test_what_only_teachers_have(key, value):
    assert refused(student={"model": "x", key: value}).where == f"student.{key}"


def test_a_student_may_be_fine_tuned_first():
    student = parse(student={"model": "x", "sft": {"training": {"max_steps": 3}}}).student
    assert student.sft.training == {"max_steps": 3} and student.sft.data is None
    error = refused(student={"model": "x", "sft": {"training": {"max_step": 3}}})
    assert error.where == "student.sft.training.max_step"


# The path of a teacher


def test_a_teacher_with_a_path():
    kept = parse(teacher={"model": "x", "sft": {}, "lora": {"r": 4}, "keep_checkpoints": 2}).teacher
    assert kept.has_path and kept.keep_checkpoints == 2 and kept.lora.r == 4
    named = parse(teacher={"checkpoints": "runs/x"}).teacher
    assert named.has_path and named.has_weights and named.model is None
    assert parse(teacher={"model": "x", "checkpoints": "runs/x"}).teacher.has_path
    assert not parse().teacher.has_path


@pytest.mark.parametrize(
    ("teacher", "where"),
    [
        ({"model": "x", "keep_checkpoints": 3}, "teacher.keep_checkpoints"),
        ({"model": "x", "lora": {}}, "teacher.lora"),
        (
            {"model": "x", "sft": {"training": {"max_steps": 2}}, "keep_checkpoints": 3},
            "teacher.keep_checkpoints",
        ),
        ({"checkpoints": "p", "sft": {}, "keep_checkpoints": 3}, "teacher.keep_checkpoints"),
        ({"checkpoints": "p", "sft": {}}, "teacher.sft"),
        ({"checkpoints": "p", "model": "x", "lora": {}}, "teacher.lora"),
        ({"checkpoints": "p", "model": "x", "adapter": "y"}, "teacher.adapter"),
        ({"checkpoints": "p", "model": "x", "layers": [0]}, "teacher.layers"),
        ({"checkpoints": "p", "model": "x", "fresh": True}, "teacher.fresh"),
        ({"checkpoints": "p", "cache": "c"}, "teacher.cache"),
    ],
)
def test_paths_that_cannot_be_meant(teacher, where):
    assert refused(teacher=teacher).where == where


@pytest.mark.parametrize("count", [1, 0, -3])
def test_a_path_of_one_checkpoint(count):
    error = refused(teacher={"model": "x", "sft": {}, "keep_checkpoints": count})
    assert "teacher.keep_checkpoints" in error.what and "2" in error.what


# Models


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ({}, "give model"),
        ({"config": {"hidden_size": 3}}, "give model"),
        ({"model": "x", "config": {"hidden_size": 3}}, "needs fresh: true"),
        ({"fresh": True, **SCRATCH}, "fresh: true takes the architecture"),
        ({"model": "x", "fresh": True, "layers": "every_second"}, "no fresh"),
        ({"layers": [1], **SCRATCH}, "needs model"),
        ({"model": "x", "layers": "every_third"}, "every_second"),
        ({"model": "x", "dtype": "int8"}, "float32"),
        ({"model": 3}, "string"),
        ({"model": "x", "lora": {"r": 0}}, "greater than 0"),
    ],
)
def test_models_that_cannot_be_meant(spec, text):
    error = refused(student=spec)
    assert text in f"{error.what}"
    assert "student" in error.what + error.where


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": "x"},
        {"controls": "perhaps"},
        {"baseline": "kd"},
        {"generation": {"temperature": -1}},
        {"generation": {"engine": "vllm"}},
        {"evaluate": {"max_items": 0}},
        {"data": {"source": "chain_arithmetic", "test": 1.5}},
        {"data": {"source": "chain_arithmetic", "truncation": "cut"}},
        {"data": []},
        {"student": None},
        {"output": 3},
        {"output": ""},
        {"training": [1]},
    ],
)
def test_values_that_cannot_be_meant(changes):
    (key,) = changes
    error = refused(**changes)
    assert key in error.what + error.where


# Files


def test_a_missing_file_names_the_near_one(tmp_path):
    (tmp_path / "quickstart.yaml").write_text("")
    with pytest.raises(RequestError) as caught:
        load_recipe(tmp_path / "quikstart.yaml")
    assert caught.value.what == "there is no such recipe"
    assert caught.value.mend == f"did you mean {tmp_path / 'quickstart.yaml'}?"
    with pytest.raises(RequestError) as caught:
        load_recipe(tmp_path / "no" / "such.yaml")
    assert "no such recipe" in caught.value.what and ".yaml" in caught.value.mend


def test_a_folder_instead_of_a_file(tmp_path):
    with pytest.raises(RequestError) as caught:
        load_recipe(tmp_path)
    assert "this is a folder" in caught.value.what and "recipe.yaml" in caught.value.mend


def test_a_file_below_a_file(tmp_path):
    (tmp_path / "a.yaml").write_text("x: 1")
    with pytest.raises(RequestError):
        load_recipe(tmp_path / "a.yaml" / "b.yaml")


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("student: [", "not YAML"),
        ("student: a: b", "not YAML"),
        ("\tstudent: a", "not YAML"),
        ("!!python/object/apply:os.system [echo]", "not YAML"),
        (b"student: caf\xe9\n", "not UTF-8"),
        (b"\x00\x01", "not YAML"),
        ("", "holds no keys"),
        ("- student", "holds no keys"),
        ("just words", "holds no keys"),
    ],
)
def test_a_file_that_is_no_recipe(load, content, what):
    with pytest.raises(RequestError) as caught:
        load(content=content if isinstance(content, bytes) else f"{content}\n")
    error = caught.value
    assert what in error.what and "my.yaml" in error.where and error.mend
    assert "\n" not in error.what


def test_the_place_of_a_wrong_byte(load):
    with pytest.raises(RequestError) as caught:
        load(content=b"student: caf\xe9\n")
    assert "byte 12" in caught.value.where and "UTF-8" in caught.value.mend


def test_a_byte_order_mark_is_no_mistake(load):
    assert load(content=b"\xef\xbb\xbf" + yaml.safe_dump(FOUR).encode()).seed == 0


@pytest.mark.parametrize("more", ["seed: 1\nseed: 2\n", "training: {seed: 1, seed: 2}\n"])
def test_a_key_given_twice_is_refused(load, more):
    """PyYAML keeps the last one without a word."""
    with pytest.raises(RequestError, match="'seed' stands twice"):
        load(content=yaml.safe_dump(FOUR) + more)


def test_a_key_that_is_no_word(load):
    with pytest.raises(RequestError) as caught:
        load(content=yaml.safe_dump(FOUR) + "1: x\n")
    assert "1" in caught.value.what + caught.value.where


# The resolved recipe


PATH = {"model": "large", "sft": {}, "keep_checkpoints": 3}
RECIPES = {
    **{
        name: {"method": name, "teacher": PATH if name in ("cd", "scd") else "large"}
        for name in METHODS
    },
    "options": {
        "method": {"name": "gkd", "beta": 0.1, "source": "teacher"},
        "generation": {"max_new_tokens": 9, "temperature": 0.0, "top_p": 0.9},
        "controls": True,
        "seed": 3,
        "baseline": None,
    },
    "models": {
        "student": {"model": "x", "layers": [0, 3], "lora": {"r": 4, "target_modules": ["q"]}},
        "teacher": {
            **SCRATCH,
            "sft": {
                "data": {"source": "boolean_logic", "rows": 5},
                "training": {"learning_rate": 5e-5},
            },
        },
    },
    "prepared": {
        "student": {"model": "x", "sft": {}},
        "teacher": {"model": "y", "sft": {}, "lora": {"r": 2}, "keep_checkpoints": 5},
    },
    "checkpoints": {"teacher": {"checkpoints": "./runs/teacher-path"}},
    "data": {
        "data": {
            "source": "./rows.jsonl",
            "columns": {"prompt": "Q: {q}\n", "completion": "ä ö: #1"},
            "test": "./test.jsonl",
            "truncation": "drop",
            "verifier": "last_number",
        },
        "training": {"learning_rate": 1e-9, "num_train_epochs": 0.5, "report_to": "none"},
        "evaluate": {"max_items": 3, "max_new_tokens": 4},
    },
}


@pytest.mark.parametrize("name", RECIPES)
def test_the_resolved_recipe_is_read_as_itself(tmp_path, name):
    recipe = parse(**RECIPES[name])
    file = tmp_path / "recipe.yaml"
    file.write_text(recipe.to_yaml(), encoding="utf-8")
    again = load_recipe(file)
    assert again == recipe
    assert again.to_yaml() == recipe.to_yaml()
    assert again.build_method() == recipe.build_method()


def test_a_recipe_cannot_be_changed():
    with pytest.raises(ValueError):
        parse().seed = 1
