"""Generation in this process: the right tokens, from the right distribution, every time."""

import contextlib

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from limbeck.engines import Completion, Sampling
from limbeck.engines.transformers import TransformersEngine

PAD, EOS = 0, 1
GREEDY = Sampling(max_new_tokens=8, temperature=0.0, batch_size=3)
SAMPLED = Sampling(max_new_tokens=8, batch_size=3)


def prompts(lengths=(2, 7, 1, 4, 9, 3, 3), seed=0):
    g = torch.Generator().manual_seed(seed)
    return [torch.randint(2, 32, (n,), generator=g).tolist() for n in lengths]


@torch.no_grad()
def naive(model, prompt, limit, ends=(EOS,), vocabulary=None):
    """Greedy decoding, one prompt at a time, the whole text through the model at each step."""
    ids = list(prompt)
    while len(ids) < len(prompt) + limit:
        logits = model(input_ids=torch.tensor([ids])).logits[0, -1, :vocabulary]
        ids.append(int(logits.argmax()))
        if ids[-1] in ends:
            break
    return tuple(ids[len(prompt) :])


@torch.no_grad()
def teacher_forced(model, prompt, tokens, vocabulary=None):
    """Log-probability of each token given what stands before it."""
    ids = torch.tensor([[*prompt, *tokens]])
    log_q = model(input_ids=ids).logits[0, len(prompt) - 1 : -1, :vocabulary].log_softmax(-1)
    return log_q.gather(1, torch.tensor(tokens)[:, None]).squeeze(1)


@pytest.mark.parametrize("seed", range(3))
def test_greedy_equals_decoding_one_by_one_without_a_cache(llama, seed):
    """Padding or the cache would leak into the text, and more so for shorter prompts."""
    model = llama(seed)
    done = TransformersEngine(model, PAD, {EOS}).generate(prompts(), GREEDY, seed=0)
    assert [c.tokens for c in done] == [naive(model, p, 8) for p in prompts()]
    assert len({c.tokens for c in done}) > 3


def test_padding_does_not_move_learned_positions():
    """Llama's positions are relative and forgive it; GPT-2's are not."""
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=32, n_embd=16, n_layer=2, n_head=2, n_positions=32, initializer_range=0.4
    )
    model = GPT2LMHeadModel(config).eval()
    done = TransformersEngine(model, PAD, {EOS}).generate(prompts(), GREEDY, seed=0)
    assert [c.tokens for c in done] == [naive(model, p, 8) for p in prompts()]


def test_the_model_sees_no_padding_whatever_stands_there(llama):
    """A pad id that is a real token must not be read."""
    model = llama(0)
    one, other = (
        TransformersEngine(model, p, {EOS}).generate(prompts(), GREEDY, 0) for p in (0, 17)
    )
    assert one == other


@pytest.mark.parametrize("sampling", [GREEDY, SAMPLED, Sampling(8, 0.7, 0.8, 5, 3)])
def test_log_probs_are_the_models_own(llama, sampling):
    """Importance weights and filters would be computed for another distribution."""
    model = llama(1)
    done = TransformersEngine(model, PAD, {EOS}).generate(prompts(), sampling, seed=3)
    for prompt, c in zip(prompts(), done, strict=True):
        assert len(c.log_probs) == len(c.tokens)
        expected = teacher_forced(model, prompt, c.tokens)
        torch.testing.assert_close(torch.tensor(c.log_probs), expected, rtol=1e-4, atol=1e-4)


def ending(llama, ends):
    """Sampled long enough that some end and some do not."""
    engine = TransformersEngine(llama(2, initializer_range=0.1), PAD, ends)
    done = engine.generate(prompts((3,) * 40), Sampling(max_new_tokens=12), seed=1)
    finished = [c for c in done if c.finished]
    assert 0 < len(finished) < len(done)
    return done


@pytest.mark.parametrize("ends", [{EOS}, {1, 7}, {5, 9, 13}])
def test_any_end_token_ends_and_is_kept(llama, ends):
    """A student that never sees an end never stops."""
    for c in ending(llama, ends):
        assert c.finished == (c.tokens[-1] in ends)
        assert not ends & set(c.tokens[:-1])
        assert len(c.tokens) == 12 or c.finished
    assert {c.tokens[-1] for c in ending(llama, ends) if c.finished} == ends


def test_an_end_at_the_last_moment_is_an_end(llama):
    model = llama(0)
    first = naive(model, prompts()[0], 1)[0]
    (c,) = TransformersEngine(model, PAD, {first}).generate(
        prompts()[:1], Sampling(max_new_tokens=1, temperature=0.0), 0
    )
    assert c == Completion((first,), c.log_probs, finished=True)


@pytest.mark.parametrize("ends", [(), {31}])
def test_only_the_given_ends_end(llama, ends):
    """Where the model's own end is none of ours, the rest of the answer would be padding."""
    model = llama(0)
    model.generation_config.eos_token_id = [naive(model, p, 1)[0] for p in prompts()]
    done = TransformersEngine(model, PAD, ends).generate(prompts(), GREEDY, 0)
    assert [c.tokens for c in done] == [naive(model, p, 8, ends) for p in prompts()]
    assert all(c.finished == (c.tokens[-1] in ends) for c in done)


def test_same_seed_same_tokens_and_other_seed_others(llama):
    engine = TransformersEngine(llama(3), PAD, {EOS})
    first = engine.generate(prompts(), SAMPLED, seed=5)
    assert engine.generate(prompts(), SAMPLED, seed=5) == first
    assert engine.generate(prompts(), SAMPLED, seed=6) != first


def test_the_training_keeps_its_random_numbers(llama):
    """Dropout would depend on how much text was generated, and no run could be repeated."""
    engine = TransformersEngine(llama(3), PAD, {EOS})
    torch.manual_seed(11)
    expected = torch.rand(4)
    torch.manual_seed(11)
    engine.generate(prompts(), SAMPLED, seed=5)
    assert torch.rand(4).equal(expected)
    torch.manual_seed(99)  # and what was drawn before does not reach the samples
    assert engine.generate(prompts(), SAMPLED, 5) == engine.generate(prompts(), SAMPLED, 5)


def test_samples_follow_the_model(llama):
    """The student's text would not be a sample of the student."""
    model = llama(4, initializer_range=0.2)
    n, prompt = 3000, [4, 5]
    engine = TransformersEngine(model, PAD, ())
    done = engine.generate([prompt] * n, Sampling(max_new_tokens=1, batch_size=n), seed=0)
    share = torch.bincount(torch.tensor([c.tokens[0] for c in done]), minlength=32) / n
    with torch.no_grad():
        q = model(input_ids=torch.tensor([prompt])).logits[0, -1].softmax(-1)
    assert q.max() < 0.9
    assert (n * (share - q).square() / q).sum() < 66  # chi-square, 31 degrees, p = 0.0003


def test_top_k_and_top_p_cut_the_tail(llama):
    model = llama(4, initializer_range=0.2)
    with torch.no_grad():
        order = model(input_ids=torch.tensor([[4, 5]])).logits[0, -1].argsort(descending=True)
    engine = TransformersEngine(model, PAD, ())
    for sampling in (Sampling(1, top_k=3, batch_size=300), Sampling(1, top_p=1e-6, batch_size=300)):
        done = engine.generate([[4, 5]] * 300, sampling, seed=0)
        kept = sampling.top_k or 1
        assert {c.tokens[0] for c in done} <= set(order[:kept].tolist())


def test_ids_beyond_the_tokenizer_are_never_sampled(llama):
    """They cannot be decoded, and the student would be trained on them."""
    model = llama(5, vocabulary=48, initializer_range=0.1)
    with torch.no_grad():
        model.lm_head.weight[32:] *= 5  # the padding rows are the loudest
    for sampling in (GREEDY, SAMPLED):
        done = TransformersEngine(model, PAD, {EOS}, vocabulary=32).generate(prompts(), sampling, 0)
        assert max(t for c in done for t in c.tokens) < 32
        for prompt, c in zip(prompts(), done, strict=True):
            expected = teacher_forced(model, prompt, c.tokens, vocabulary=32)
            torch.testing.assert_close(torch.tensor(c.log_probs), expected, rtol=1e-4, atol=1e-4)
    greedy = TransformersEngine(model, PAD, {EOS}, vocabulary=32).generate(prompts(), GREEDY, 0)
    assert [c.tokens for c in greedy] == [naive(model, p, 8, vocabulary=32) for p in prompts()]


@pytest.mark.parametrize("batch_size", [1, 2, 100])
def test_order_and_batches_do_not_matter_to_greedy(llama, batch_size):
    """Answers would come back under other prompts."""
    model = llama(6)
    engine = TransformersEngine(model, PAD, {EOS})
    sampling = Sampling(max_new_tokens=5, temperature=0.0, batch_size=batch_size)
    forward = [c.tokens for c in engine.generate(prompts(), sampling, 0)]
    backward = [c.tokens for c in engine.generate(prompts()[::-1], sampling, 0)]
    assert forward == backward[::-1] == [naive(model, p, 5) for p in prompts()]


@pytest.mark.parametrize(
    "setting",
    [
        {"repetition_penalty": 1.8},
        {"no_repeat_ngram_size": 1},
        {"min_new_tokens": 6},
        {"suppress_tokens": list(range(2, 20))},
        {"bad_words_ids": [[t] for t in range(2, 20)]},
        {"forced_eos_token_id": EOS},
        {"exponential_decay_length_penalty": (1, 3.0)},
        {"eos_token_id": [EOS, 5, 6, 7, 8, 9]},
        {"num_beams": 3},
        {"max_length": 4},
    ],
    ids=lambda s: next(iter(s)),
)
@pytest.mark.parametrize("sampling", [GREEDY, SAMPLED], ids=["greedy", "sampled"])
def test_the_models_own_generation_settings_stay_out(llama, setting, sampling):
    """Qwen ships a repetition penalty: its text would be no sample of the model that is scored."""
    model = llama(7)
    plain = TransformersEngine(model, PAD, {EOS}).generate(prompts(), sampling, 4)
    for key, value in setting.items():
        setattr(model.generation_config, key, value)
    assert TransformersEngine(model, PAD, {EOS}).generate(prompts(), sampling, 4) == plain


@pytest.mark.parametrize(
    "setting",
    [{"temperature": 0.3}, {"top_k": 2}, {"top_p": 0.3}, {"min_p": 0.5}, {"typical_p": 0.3}],
    ids=lambda s: next(iter(s)),
)
def test_the_models_own_filters_stay_out(llama, setting):
    model = llama(7, initializer_range=0.2)
    plain = TransformersEngine(model, PAD, {EOS}).generate(prompts(), SAMPLED, 4)
    for key, value in setting.items():
        setattr(model.generation_config, key, value)
    assert TransformersEngine(model, PAD, {EOS}).generate(prompts(), SAMPLED, 4) == plain


@pytest.mark.parametrize("training", [True, False])
def test_the_model_is_left_as_it_was(llama, training):
    """A student left in evaluation mode trains without its dropout."""
    model = llama(0, attention_dropout=0.5).train(training)
    before = model.generation_config.to_dict()
    first = TransformersEngine(model, PAD, {EOS}).generate(prompts(), GREEDY, 0)
    assert model.training is training and all(p.requires_grad for p in model.parameters())
    assert model.generation_config.to_dict() == before
    assert [c.tokens for c in first] == [naive(model.eval(), p, 8) for p in prompts()]


def test_generation_is_never_stale(llama):
    """On-policy means the policy as it is now."""
    model = llama(0)
    engine = TransformersEngine(model, PAD, {EOS})
    engine.generate(prompts(), GREEDY, 0)
    with torch.no_grad():
        model.lm_head.weight.copy_(llama(8).lm_head.weight)
    assert [c.tokens for c in engine.generate(prompts(), GREEDY, 0)] == [
        naive(model, p, 8) for p in prompts()
    ]


def test_weights_may_come_from_a_context(llama):
    """A teacher that is an adapter is in place only while it writes."""
    model, entered = llama(0), []

    @contextlib.contextmanager
    def weights():
        entered.append("in")
        yield model
        entered.append("out")

    done = TransformersEngine(weights, PAD, {EOS}).generate(prompts(), GREEDY, 0)
    assert entered == ["in", "out"]
    assert [c.tokens for c in done] == [naive(model, p, 8) for p in prompts()]


def test_a_student_with_an_adapter_writes_with_it(llama):
    """On-policy text would come from the base model, the policy of the day before."""
    peft = pytest.importorskip("peft")
    model = peft.get_peft_model(llama(0), peft.LoraConfig(target_modules=["q_proj"], r=2))
    base = [naive(model, p, 8) for p in prompts()]
    with torch.no_grad():
        for name, p in model.named_parameters():
            if "lora_B" in name:
                p.copy_(torch.randn(p.shape, generator=torch.Generator().manual_seed(0)))
    model.get_base_model().generation_config.repetition_penalty = 1.8
    done = TransformersEngine(model, PAD, {EOS}).generate(prompts(), GREEDY, 0)
    assert [c.tokens for c in done] == [naive(model, p, 8) for p in prompts()] != base
    assert model.get_base_model().generation_config.repetition_penalty == 1.8


def test_no_prompts_no_completions(llama):
    assert TransformersEngine(llama(0), PAD, {EOS}).generate([], SAMPLED, 0) == []


def test_a_beam_search_finds_the_likeliest_text(llama):
    """With as many beams as tokens, two steps are searched exhaustively."""
    model = llama(0).double()
    engine = TransformersEngine(model, pad=0, eos=[], vocabulary=32)
    prompts = [(3, 4, 5), (7,), (9, 2)]
    found = engine.generate(prompts, Sampling(max_new_tokens=2, num_beams=32), seed=0)
    for prompt, completion in zip(prompts, found, strict=True):
        first = model(torch.tensor([prompt])).logits[0, -1].log_softmax(-1)
        each = torch.tensor([[*prompt, token] for token in range(32)])
        second = model(each).logits[:, -1].log_softmax(-1)
        best = int((first[:, None] + second).argmax())
        assert completion.tokens == (best // 32, best % 32)
        assert completion.log_probs is None


def test_beams_never_leave_the_tokenizer(llama):
    """A padded head has rows that are no tokens."""
    engine = TransformersEngine(llama(0), pad=0, eos=[1], vocabulary=20)
    done = engine.generate([(3, 4), (5,)], Sampling(max_new_tokens=6, num_beams=4), seed=0)
    assert all(token < 20 for c in done for token in c.tokens)
