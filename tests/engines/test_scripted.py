"""The double that other tests rely on, and the small print about special tokens."""

from types import SimpleNamespace

import pytest

from limbeck.engines import Completion, Sampling, Scripted
from limbeck.engines.special_tokens import end_ids, pad_id


def test_answers_each_prompt_in_order():
    engine = Scripted(lambda prompt: [*prompt, 1])
    done = engine.generate([[5], [6, 7], []], Sampling(), seed=0)
    assert done == [Completion((5, 1)), Completion((6, 7, 1)), Completion((1,))]
    assert done == engine.generate([[5], [6, 7], []], Sampling(), seed=1)


def test_is_cut_where_a_model_would_be():
    engine = Scripted(lambda prompt: [2, 3, 1])
    assert engine.generate([[5]], Sampling(max_new_tokens=3), 0) == [Completion((2, 3, 1))]
    (cut,) = engine.generate([[5]], Sampling(max_new_tokens=2), 0)
    assert cut == Completion((2, 3), None, finished=False)


def tokenizer(eos, pad):
    return SimpleNamespace(eos_token_id=eos, pad_token_id=pad)


def model(listed):
    return SimpleNamespace(generation_config=SimpleNamespace(eos_token_id=listed))


@pytest.mark.parametrize(
    ("eos", "listed", "ends"),
    [
        (1, None, {1}),
        (1, 7, {1, 7}),
        (1, [7, 8], {1, 7, 8}),
        (None, [7], {7}),
        (0, 0, {0}),
        (None, None, set()),
    ],
)
def test_a_chat_model_may_end_with_another_token(eos, listed, ends):
    """A turn that ends with <|im_end|> would run on to the limit."""
    assert end_ids(tokenizer(eos, 0), model(listed)) == ends


def test_end_without_a_model():
    assert end_ids(tokenizer(3, 0)) == {3}


@pytest.mark.parametrize(("eos", "pad", "expected"), [(1, 0, 0), (1, None, 1), (None, None, 0)])
def test_padding_may_be_any_token(eos, pad, expected):
    assert pad_id(tokenizer(eos, pad)) == expected
