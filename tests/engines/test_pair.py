"""Two models, one text: drawn as it should be, and the models left as they were."""

import pytest
import torch

from limbeck.engines import Sampling
from limbeck.engines.pair import Pair
from limbeck.engines.sampler import uniforms
from limbeck.engines.transformers import TransformersEngine
from limbeck.errors import LimbeckError, RequestError
from limbeck.targets import ModelTeacher

from .families import CONFIGS, OTHERS, build
from .one_by_one import (
    EOS,
    PAD,
    PLAIN,
    VOCABULARY,
    WARPED,
    assert_same,
    drawn,
    expected,
    mass_of,
    models,
    next_logits,
    prompts,
    top,
)
from .test_sampler import p_value


def test_the_text_does_not_depend_on_the_batch():
    """A recipe with another batch size, or longer neighbours, would be another experiment."""
    pair, sampling = Pair(*models("qwen2"), PAD, {EOS}), Sampling(8)
    longer = [p if i else p * 9 for i, p in enumerate(prompts())]
    for write, how in ((pair.mixed, {"alpha": 0.3}), (pair.interleaved, {"k": 5, "block": 4})):
        whole = write(prompts(), sampling, 3, **how)
        for size in (1, 3):
            assert_same(write(prompts(), Sampling(8, batch_size=size), 3, **how), whole)
        assert_same(write(longer, sampling, 3, **how)[1:], whole[1:])
        assert_same(write(prompts()[:5], sampling, 3, **how), whole[:5])
        assert [c.tokens for c in write(prompts(), sampling, 4, **how)] != [c.tokens for c in whole]


def test_the_pad_id_is_not_read():
    pair = models("opt")
    one, other = (
        Pair(*pair, pad, {EOS}).interleaved(prompts(), PLAIN, 0, k=5, block=4) for pad in (0, 17)
    )
    assert_same(one, other)


@pytest.mark.parametrize("sampling", [PLAIN, WARPED, Sampling(12, 0.0)])
def test_the_ends_of_the_mixture_are_student_and_teacher(sampling):
    pair = models()
    for alpha, model in enumerate(pair):
        ours = Pair(*pair, PAD, {EOS}).mixed(prompts(), sampling, 5, alpha=alpha)
        alone = TransformersEngine(model, PAD, {EOS}).generate(prompts(), sampling, 5)
        assert [(c.tokens, c.finished) for c in ours] == [(c.tokens, c.finished) for c in alone]
        if sampling == PLAIN:
            assert_same(ours, alone)


N = 20_000
PROMPT = [4, 5]


def counts_of(write, **how):
    done = write([PROMPT] * N, Sampling(1, batch_size=N), 0, **how)
    return torch.bincount(torch.tensor([c.tokens[0] for c in done]), minlength=VOCABULARY).numpy()


def test_tokens_are_drawn_as_often_as_they_should_be():
    """The text would be a sample of nobody."""
    pair = models()
    q, p = (next_logits(model, PROMPT).softmax(0) for model in pair)
    assert 0.5 * (p - q).abs().sum() > 0.3
    both = Pair(*pair, PAD, ())
    assert p_value(counts_of(both.mixed, alpha=0.4), (0.4 * p + 0.6 * q).numpy()) > 1e-3
    assert p_value(counts_of(both.interleaved, k=VOCABULARY, block=5), q.numpy()) > 1e-3
    inside = torch.zeros(VOCABULARY).index_fill(0, torch.tensor(list(top(p, 8))), 1)
    kept = q * inside
    counts = counts_of(both.interleaved, k=8, block=5)
    assert p_value(counts, (kept + (1 - kept.sum()) * p).numpy()) > 1e-3
    assert p_value(counts, q.numpy()) < 1e-3


@pytest.mark.parametrize("sampling", [PLAIN, WARPED])
def test_the_mixtures_log_probs_are_the_mixtures(sampling):
    """Importance weights would divide by something else than what was drawn from."""
    student, teacher = models("gpt2", "llama")
    done = Pair(student, teacher, PAD, {EOS}).mixed(prompts(), sampling, 1, alpha=0.3)
    for prompt, row, c in zip(prompts(), uniforms(len(prompts()), 12, 1), done, strict=True):
        theirs = []
        for i, token in enumerate(c.tokens):
            text = [*prompt, *c.tokens[:i]]
            q, p = (mass_of(next_logits(m, text), sampling) for m in (student, teacher))
            mass = 0.3 * p + 0.7 * q
            assert token == drawn(mass, row[i])
            theirs.append(float(mass[token].log()))
        assert c.log_probs == pytest.approx(theirs, abs=1e-5)


@pytest.mark.parametrize("limit", [1, 2, 5, 6])
def test_no_row_is_longer_than_it_may_be(limit):
    pair = Pair(*models(), PAD, ())
    for done in (
        pair.mixed(prompts(), Sampling(limit), 0, alpha=0.5),
        pair.interleaved(prompts(), Sampling(limit), 0, k=4, block=5),
    ):
        assert {len(c.tokens) for c in done} == {len(c.log_probs) for c in done} == {limit}
        assert not any(c.finished for c in done)


def test_real_ids_only():
    """Heads are padded to different sizes, and their padding rows are the loudest."""
    student, teacher = (
        build(type(CONFIGS["llama"])(**CONFIGS["llama"].to_dict() | {"vocab_size": size}), size)
        for size in (48, 40)
    )
    with torch.no_grad():
        for model in (student, teacher):
            model.lm_head.weight[VOCABULARY:] *= 5
    pair = Pair(student.double(), teacher.double(), PAD, {EOS}, vocabulary=VOCABULARY)
    done = pair.interleaved(prompts(), PLAIN, 0, k=6, block=5)
    assert_same(done, expected((student, teacher), prompts(), 6, {EOS}))
    mixed = pair.mixed(prompts(), PLAIN, 0, alpha=0.5)
    assert max(t for c in [*done, *mixed] for t in c.tokens) < VOCABULARY


@pytest.mark.parametrize("adapter", ["", "other"])
def test_one_base_may_serve_both(adapter):
    """With the teacher's weights left in place, the student's proposals were the teacher's."""
    peft = pytest.importorskip("peft")
    lora = peft.LoraConfig(target_modules=["q_proj", "down_proj"], r=2, lora_dropout=0.5)
    shared = peft.get_peft_model(build(CONFIGS["llama"]).double(), lora)
    shared.add_adapter("other", lora)
    g = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, p in shared.named_parameters():
            if "lora_B" in name:
                p.copy_(0.5 * torch.randn(p.shape, generator=g))
    shared.train()
    trained = [name for name, p in shared.named_parameters() if p.requires_grad]
    teacher = ModelTeacher(shared, adapter=adapter)
    pair = Pair(shared, teacher.active, PAD, {EOS})
    done = pair.interleaved(prompts(), PLAIN, 0, k=6, block=5)
    mixed = pair.mixed(prompts(), PLAIN, 0, alpha=0.3)
    assert shared.training and shared.active_adapter == "default"
    assert [name for name, p in shared.named_parameters() if p.requires_grad] == trained

    def alone(name):
        single = peft.get_peft_model(build(CONFIGS["llama"]).double(), lora)
        if name:
            state = peft.get_peft_model_state_dict(shared, adapter_name=name)
            peft.set_peft_model_state_dict(single, state)
        return single.merge_and_unload().eval()  # a fresh adapter changes nothing

    apart = alone("default"), alone(adapter)
    theirs = expected(apart, prompts(), 6, {EOS})
    assert_same(done, theirs)
    assert_same(mixed, Pair(*apart, PAD, {EOS}).mixed(prompts(), PLAIN, 0, alpha=0.3))
    assert {own for c in theirs for own in c.by_student} == {True, False}


def test_training_is_left_as_it_was():
    """Dropout in the text, or none in the training after it."""
    student, teacher = models("gpt2")
    student.train()
    student.transformer.h[1].eval()  # a part that its owner keeps out of training
    torch.manual_seed(11)
    state = torch.get_rng_state()
    pair = Pair(student, teacher, PAD, {EOS})
    done = pair.interleaved(prompts(), PLAIN, 0, k=6, block=5)
    mixed = pair.mixed(prompts(), PLAIN, 0, alpha=0.5)
    assert torch.get_rng_state().equal(state)
    assert student.training and student.transformer.h[0].training and not teacher.training
    assert not student.transformer.h[1].training
    assert all(p.requires_grad and p.grad is None for p in student.parameters())
    student.eval()
    assert done == pair.interleaved(prompts(), PLAIN, 0, k=6, block=5)
    assert mixed == pair.mixed(prompts(), PLAIN, 0, alpha=0.5)


@pytest.mark.parametrize("family", OTHERS)
@pytest.mark.parametrize("place", [0, 1])
def test_families_that_cannot_be_taken_back_are_refused(family, place):
    """Their state would hold what was discarded."""
    both = [build(CONFIGS["llama"]), build(CONFIGS["llama"])]
    both[place] = build(OTHERS[family])
    pair = Pair(*both, PAD, {EOS})
    for write, how in ((pair.mixed, {"alpha": 0.3}), (pair.interleaved, {"k": 5, "block": 4})):
        with pytest.raises(LimbeckError) as told:
            write(prompts(), PLAIN, 0, **how)
        assert told.value.where == type(both[place]).__name__ and "decoders" in told.value.mend


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize("sampling", [PLAIN, Sampling(4, 0.0)])
def test_weights_that_have_diverged_are_told(place, sampling):
    both = models()
    with torch.no_grad():
        both[place].lm_head.weight[5, 0] = torch.nan
    pair = Pair(*both, PAD, {EOS})
    for write, how in ((pair.mixed, {"alpha": 0.3}), (pair.interleaved, {"k": 5, "block": 4})):
        with pytest.raises(LimbeckError, match="NaN"):
            write(prompts(), sampling, 0, **how)


def test_settings_that_mean_nothing_are_refused():
    pair = Pair(*models(), PAD, {EOS})
    for k, block in ((0, 5), (5, 0)):
        with pytest.raises(ValueError, match="at least 1"):
            pair.interleaved(prompts(), PLAIN, 0, k=k, block=block)
    with pytest.raises(ValueError, match="share"):
        pair.mixed(prompts(), PLAIN, 0, alpha=1.5)


def test_two_cannot_search_with_beams():
    """The setting would be passed over in silence."""
    pair, beams = Pair(*models(), PAD, {EOS}), Sampling(4, num_beams=3)
    for write, how in ((pair.mixed, {"alpha": 0.3}), (pair.interleaved, {"k": 5, "block": 4})):
        with pytest.raises(RequestError) as told:
            write(prompts(), beams, 0, **how)
        assert told.value.where == "generation.num_beams"


def test_no_prompts_no_text():
    pair = Pair(*models(), PAD, {EOS})
    assert pair.mixed([], PLAIN, 0, alpha=0.5) == []
    assert pair.interleaved([], PLAIN, 0, k=5, block=5) == []
