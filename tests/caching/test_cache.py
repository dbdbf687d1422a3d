"""A cache on the disk: the same training as with the teacher, and no damage that goes unnoticed."""

import copy
import json
import shutil

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from limbeck.caching import (
    Cache,
    CachedTeacher,
    HiddenEncoding,
    Origin,
    SampledEncoding,
    TopKEncoding,
    check_files,
    recompute,
    write_cache,
)
from limbeck.caching.verifier import refuse
from limbeck.console import console
from limbeck.data import collate, supervised
from limbeck.errors import LimbeckError
from limbeck.methods import GKD, KD
from limbeck.targets import ModelTeacher
from training.models import PAD, VOCABULARY
from training.world import make_rows, make_student, make_teacher, make_trainer, weights

ORIGIN = Origin({}, {}, {}, {}, {}, 0)
FULL = TopKEncoding(VOCABULARY, VOCABULARY, "f32")
ENCODINGS = {
    "topk": TopKEncoding(VOCABULARY, 8),
    "topk-f16": TopKEncoding(VOCABULARY, 8, "f16"),
    "full": FULL,
    "sampled": SampledEncoding(VOCABULARY, 20),
    "exact and sampled": SampledEncoding(VOCABULARY, 20, 4),
    "hidden": HiddenEncoding(VOCABULARY, 16, "float32"),
    "hidden-bf16": HiddenEncoding(VOCABULARY, 16, "bfloat16"),
}
ROWS = make_rows(24)


@pytest.fixture(autouse=True)
def _quiet(monkeypatch):
    monkeypatch.setattr(console, "quiet", True)


@pytest.fixture(scope="module")
def teacher():
    return ModelTeacher(make_teacher(dtype=torch.float32), VOCABULARY)


def make(folder, teacher, encoding=FULL, rows=ROWS, size=2000):
    return write_cache(folder, rows, teacher, encoding, ORIGIN, PAD, shard_bytes=size)


@pytest.fixture(scope="module")
def caches(teacher, tmp_path_factory):
    console.quiet = True
    folder = tmp_path_factory.mktemp("caches")
    return {name: make(folder / name, teacher, e) for name, e in ENCODINGS.items()}


def trained(folder, method, teacher, **args):
    student = make_student(dtype=torch.float32)
    make_trainer(folder, method, student, teacher, rows=ROWS, max_steps=6, **args).train()
    return weights(student)


@pytest.mark.parametrize("name", ["full", "hidden"])
@pytest.mark.parametrize("method", [KD(), KD(lmbda=0.4), GKD(lmbda=0.0, beta=0.3)], ids=repr)
def test_the_same_training_as_with_the_teacher(caches, teacher, tmp_path, name, method):
    ours = trained(tmp_path / "a", method, CachedTeacher(caches[name]))
    theirs = trained(tmp_path / "b", method, teacher)
    for key, value in theirs.items():
        torch.testing.assert_close(ours[key], value, atol=1e-5, rtol=0)
    start = weights(make_student(dtype=torch.float32))
    assert any((start[k] - theirs[k]).abs().max() > 1e-3 for k in theirs)


def test_hidden_states_serve_another_temperature(caches, teacher, tmp_path):
    ours = trained(tmp_path / "a", KD(temperature=2.0), CachedTeacher(caches["hidden"]))
    theirs = trained(tmp_path / "b", KD(temperature=2.0), teacher)
    for key, value in theirs.items():
        torch.testing.assert_close(ours[key], value, atol=1e-5, rtol=0)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("order", [[3, 1, 2], [23, 0], [5, 5]])
def test_sequences_are_found_wherever_they_are(caches, teacher, side, order):
    """Other batches, padding, order: the row of a token follows its content."""
    batch = collate([ROWS[i] for i in order], PAD, side)
    where = supervised(batch["labels"])
    student = torch.randn(int(where.sum()), VOCABULARY)
    ours, _ = CachedTeacher(caches["hidden"])(batch, where).pair(student, 1.0)
    theirs, _ = teacher(batch, where).pair(student, 1.0)
    torch.testing.assert_close(ours.dense(), theirs.dense(), atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", ENCODINGS)
def test_a_batch_without_supervised_tokens(caches, name):
    """A rank that has run out of rows still takes part in the step."""
    batch = collate(ROWS[:2], PAD)
    where = torch.zeros_like(supervised(batch["labels"]))
    target = CachedTeacher(caches[name])(batch, where)
    assert target.pair(torch.zeros(0, VOCABULARY), 1.0)[1].shape[0] == 0


def test_a_sequence_of_other_data(caches):
    batch = collate(make_rows(2, seed=9), PAD)
    with pytest.raises(LimbeckError, match="not in the cache"):
        CachedTeacher(caches["full"])(batch, supervised(batch["labels"]))


@pytest.mark.parametrize("name", ENCODINGS)
def test_every_encoding_is_the_teacher(caches, teacher, name):
    for seed in range(6):
        found = recompute(caches[name], teacher, PAD, seed=seed)
        refuse(found, caches[name])
        assert found.tokens > 0 and 0.1 < found.covered <= 1 + 1e-6
    assert len(caches[name].manifest.shards) > 1


@pytest.mark.parametrize("name", ENCODINGS)
def test_another_teacher_is_noticed(caches, name):
    other = ModelTeacher(make_teacher(seed=5, dtype=torch.float32), VOCABULARY)
    found = recompute(caches[name], other, PAD)
    with pytest.raises(LimbeckError, match="does not say what the teacher says"):
        refuse(found, caches[name])


@given(data=st.data())
def test_any_flipped_bit_is_noticed(caches, tmp_path, data):
    name = data.draw(st.sampled_from(sorted(ENCODINGS)))
    folder = tmp_path / name
    shutil.copytree(caches[name].folder, folder, dirs_exist_ok=True)
    cache = Cache(folder)
    check_files(cache)
    files = [*cache.manifest.shards, *cache.manifest.files]
    path = folder / data.draw(st.sampled_from(files)).file
    whole = bytearray(path.read_bytes())
    position = data.draw(st.integers(0, 8 * len(whole) - 1))
    whole[position // 8] ^= 1 << position % 8
    path.write_bytes(whole)
    with pytest.raises(LimbeckError, match="has changed since it was written"):
        check_files(cache)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda p: p.unlink(), "is missing"),
        (lambda p: p.write_bytes(p.read_bytes()[:-1]), "bytes, and"),
    ],
)
def test_a_damaged_shard_is_written_again(teacher, tmp_path, damage, words):
    cache = make(tmp_path / "a", teacher)
    before = {p.name: p.read_bytes() for p in cache.folder.glob("*.safetensors")}
    damage(cache.folder / "00001.safetensors")
    with pytest.raises(LimbeckError, match=words) as error:
        check_files(cache)
    assert error.value.exit_code == 1 and "00001" in error.value.where
    check_files(make(tmp_path / "a", teacher))
    assert {p.name: p.read_bytes() for p in cache.folder.glob("*.safetensors")} == before


def test_another_encoding_leaves_nothing_behind(teacher, tmp_path):
    many = make(tmp_path / "a", teacher)
    few = make(tmp_path / "a", teacher, ENCODINGS["topk"])
    shards = {s.file for s in few.manifest.shards}
    assert len(shards) < len(many.manifest.shards)
    assert {p.name for p in few.folder.glob("0*")} == shards
    check_files(few)


def test_size_is_as_announced(caches):
    for name in ("topk", "topk-f16", "full", "hidden"):
        m = caches[name].manifest
        tokens = sum(len(r.completion) for r in ROWS)
        assert m.tokens == tokens and m.sequences == len(ROWS)
        content = m.bytes - sum(_overhead(caches[name].folder / s.file) for s in m.shards)
        assert content == tokens * caches[name].encoding.bytes_per_token


def test_the_manifest_is_plain(caches):
    found = json.loads((caches["topk"].folder / "cache.json").read_text())
    assert found["schema"] == "limbeck.cache/1" and found["encoding"]["k"] == 8
    assert found["tokens"] == sum(s["tokens"] for s in found["shards"])


def test_a_cache_cannot_be_changed_through_its_views(caches):
    """Processes share it."""
    column = caches["full"].columns(3)["log_p"]
    with pytest.raises(ValueError, match="read-only"):
        column[0] = 0
    ours = caches["full"].target([3], torch.device("cpu"))
    again = copy.deepcopy(ours)
    ours.log_p.zero_()
    torch.testing.assert_close(caches["full"].target([3], torch.device("cpu")).log_p, again.log_p)


def _overhead(path):
    """Header and offsets."""
    whole = path.read_bytes()
    length = int.from_bytes(whole[:8], "little")
    header = json.loads(whole[8 : 8 + length])
    start = header["start.token"]["data_offsets"]
    return 8 + length + start[1] - start[0]
