"""Two models at every token, against plain transformers and formulas written out anew."""

import numpy as np
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from limbeck.data import Sequence
from limbeck.evaluation import positions
from limbeck.targets import ModelTeacher
from run.tiny import MODEL

VOCABULARY = 19
TEXTS = [((1, 2, 3), (4, 5)), ((6,), (7, 8, 9, 10, 11)), ((1, 1), (12,)), ((2, 2, 2, 2), (3, 3, 3))]


def quietly(done):
    """Nobody watches."""


def model(seed, vocabulary=VOCABULARY):
    torch.manual_seed(seed)
    settings = {k: v for k, v in MODEL.items() if k != "model_type"}
    return LlamaForCausalLM(LlamaConfig(**settings, vocab_size=vocabulary)).double().eval()


@pytest.fixture(scope="module")
def pair():
    one, other = model(0), model(1)
    with torch.no_grad():
        for network in (one, other):
            network.lm_head.weight *= 40  # far from uniform
    return one, other


def compare(teacher, student, size=2):
    rows = [Sequence(p, c) for p, c in TEXTS]
    return positions(ModelTeacher(teacher, VOCABULARY), student, rows, VOCABULARY, 0, size, quietly)


def by_hand(teacher, student):
    for text, (prompt, completion) in enumerate(TEXTS):
        ids = torch.tensor([prompt + completion])
        with torch.no_grad():
            p, q = (m(ids).logits[0, :, :VOCABULARY].softmax(-1) for m in (teacher, student))
        for place, token in enumerate(completion, 1):
            at = len(prompt) + place - 2
            yield text, place, token, p[at], q[at]


def test_every_column_by_hand(pair):
    found = compare(*pair)
    for i, (text, place, token, p, q) in enumerate(by_hand(*pair)):
        assert (found.text[i], found.position[i], found.token[i]) == (text, place, token)
        m = (p + q) / 2
        expected = {
            "kl_teacher_student": (p * (p / q).log()).sum(),
            "kl_student_teacher": (q * (q / p).log()).sum(),
            "jsd": ((p * (p / m).log()).sum() + (q * (q / m).log()).sum()) / 2,
            "top1": p.argmax() == q.argmax(),
            "top5": len(set(p.topk(5).indices.tolist()) & set(q.topk(5).indices.tolist())) / 5,
            "entropy_teacher": -(p * p.log()).sum(),
            "entropy": -(q * q.log()).sum(),
            "confidence_teacher": p.max(),
            "confidence": q.max(),
            "right_teacher": p.argmax() == token,
            "right": q.argmax() == token,
        }
        assert expected.keys() == found.values.keys()
        for name, value in expected.items():
            assert found.values[name][i] == pytest.approx(float(value), rel=1e-4, abs=1e-5), name
    assert len(found.text) == i + 1 == sum(len(c) for _, c in TEXTS)


def test_batches_change_nothing(pair):
    one, all_at_once = compare(*pair, size=1), compare(*pair, size=4)
    for name, values in one.values.items():
        assert np.allclose(values, all_at_once.values[name], atol=1e-6), name


def test_a_model_beside_itself(pair):
    found = compare(pair[0], pair[0])
    for name in ("kl_teacher_student", "kl_student_teacher", "jsd"):
        assert np.abs(found.values[name]).max() < 1e-6
    assert found.values["top1"].min() == found.values["top5"].min() == 1
    assert np.array_equal(found.values["entropy"], found.values["entropy_teacher"])


def test_sums_are_those_of_the_texts(pair):
    found = compare(*pair)
    assert found.lengths.tolist() == [len(c) for _, c in TEXTS]
    assert found.sums("top1").sum() == found.values["top1"].sum()


def test_ids_beyond_the_tokenizer_have_no_probability(pair):
    wide = model(3, vocabulary=32)
    rows = [Sequence(p, c) for p, c in TEXTS]
    found = positions(ModelTeacher(wide, VOCABULARY), wide, rows, VOCABULARY, 0, 2, quietly)
    assert found.values["entropy"].max() <= np.log(VOCABULARY) + 1e-5
