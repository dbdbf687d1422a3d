"""Two models, one text: whose token stands where, and how often."""

import pytest
import torch
from transformers import GPT2Config

from limbeck.engines import Completion, Interleaved, Sampling
from limbeck.engines.interleave import check
from limbeck.engines.pair import TEACHER, Pair
from limbeck.engines.sampler import filtered, uniforms
from limbeck.engines.transformers import TransformersEngine
from limbeck.errors import LimbeckError
from limbeck.targets import ModelTeacher

from .families import CONFIGS, OTHERS, build
from .test_sampler import p_value

PAD, EOS, VOCABULARY = 0, 1, 32
PLAIN = Sampling(12)
WARPED = Sampling(12, 0.7, 0.8, 20)
LENGTHS = (2, 7, 1, 4, 12, 3, 3, 9)


def prompts(lengths=LENGTHS, seed=0):
    g = torch.Generator().manual_seed(seed)
    return [torch.randint(2, VOCABULARY, (n,), generator=g).tolist() for n in lengths]


def models(family="llama", other=None, scale=0.5):
    """A student and a teacher in float64 that differ, and neither is sure of itself."""
    built = [build(CONFIGS[name], seed) for seed, name in enumerate((family, other or family))]
    for model in built:
        if "gemma2" not in model.config.model_type:  # its mask overflows in float64
            model.double()
        with torch.no_grad():
            model.get_output_embeddings().weight.mul_(scale)
    return built


@torch.no_grad()
def next_logits(model, ids):
    return model(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1, :VOCABULARY]


def mass_of(logits, sampling):
    """Temperature, top-k, top-p, in float64."""
    if sampling.temperature == 0:
        return torch.nn.functional.one_hot(logits.argmax(), len(logits)).double()
    scores = filtered(logits[None] / sampling.temperature, sampling.top_k, sampling.top_p)
    return scores.softmax(-1)[0]


def drawn(mass, uniform):
    return int(torch.searchsorted(mass.cumsum(0), uniform * mass.sum(), right=True))


def top(logits, k):
    return set(logits.argsort(descending=True)[:k].tolist())


def one_by_one(student, teacher, prompt, numbers, limit, k, ends, sampling, teacher_sampling):
    """The algorithm without blocks, batches or caches: the whole text through both for a token."""
    tokens, log_probs, by_student = [], [], []
    for u, v in zip(*numbers, strict=True):
        text = [*prompt, *tokens]
        raw = next_logits(teacher, text)
        q, p = mass_of(next_logits(student, text), sampling), mass_of(raw, teacher_sampling)
        proposal, inside = drawn(q, u), top(raw, k)
        by_student.append(proposal in inside)
        tokens.append(proposal if by_student[-1] else drawn(p, v))
        likely = q[tokens[-1]] if tokens[-1] in inside else 0
        missing = sum(mass for i, mass in enumerate(q) if i not in inside)
        log_probs.append(float((likely + missing * p[tokens[-1]]).log()))
        if tokens[-1] in ends or len(tokens) == limit:
            break
    return Interleaved(
        tuple(tokens), tuple(log_probs), tokens[-1] in ends, by_student=tuple(by_student)
    )


def expected(pair, batch, k, ends, seed=0, sampling=PLAIN, teacher_sampling=None):
    """What `one_by_one` makes of all prompts."""
    limit = sampling.max_new_tokens
    numbers = [uniforms(len(batch), limit, s) for s in (seed, seed ^ TEACHER)]
    rest = (limit, k, ends, sampling, teacher_sampling or sampling)
    return [
        one_by_one(*pair, prompt, [u[i] for u in numbers], *rest) for i, prompt in enumerate(batch)
    ]


def assert_same(ours, theirs):
    assert [c.tokens for c in ours] == [c.tokens for c in theirs]
    assert [c.finished for c in ours] == [c.finished for c in theirs]
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(
            torch.tensor(one.log_probs), torch.tensor(other.log_probs), rtol=1e-4, atol=1e-4
        )
        if isinstance(one, Interleaved):
            assert one.by_student == other.by_student


@pytest.mark.parametrize(
    ("student", "teacher"),
    [(family, family) for family in CONFIGS if family != "llama, eager"]
    + [("mistral, sliding", "gpt2"), ("opt", "gemma2, capped and sliding")],
)
def test_a_block_at_a_time_is_a_token_at_a_time(student, teacher):
    """Rows of which different numbers are accepted would read each other's leftovers."""
    pair, ends = models(student, teacher), {EOS, 7}
    theirs = expected(pair, prompts(), 6, ends)
    assert_same(Pair(*pair, PAD, ends).interleaved(prompts(), PLAIN, 0, k=6, block=5), theirs)
    accepted = [c.accepted for c in theirs]
    assert 0 < sum(accepted) < sum(c.proposed for c in theirs) and len(set(accepted)) > 2
    assert {c.finished for c in theirs} == {True, False}


@pytest.mark.parametrize("k", [1, 4, 12])
def test_the_text_does_not_depend_on_the_block(k):
    """A setting for speed would be another method; 50 is more than there is left to write."""
    pair = models()
    theirs = expected(pair, prompts(), k, {EOS})
    for block in (1, 2, 7, 12, 50):
        ours = Pair(*pair, PAD, {EOS}).interleaved(prompts(), PLAIN, 0, k=k, block=block)
        assert_same(ours, theirs)


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
def test_with_all_of_the_vocabulary_the_student_writes_alone(sampling):
    """SKD with k = V is on-policy distillation, and the ablation between them needs it exactly."""
    student, teacher = models()
    ours = Pair(student, teacher, PAD, {EOS}).interleaved(
        prompts(), sampling, 5, k=VOCABULARY, block=5
    )
    alone = TransformersEngine(student, PAD, {EOS}).generate(prompts(), sampling, 5)
    assert [c.tokens for c in ours] == [c.tokens for c in alone]
    assert all(all(c.by_student) and c.accepted == c.proposed == len(c.tokens) for c in ours)


@pytest.mark.parametrize("sampling", [PLAIN, WARPED, Sampling(12, 0.0)])
def test_the_ends_of_the_mixture_are_student_and_teacher(sampling):
    pair = models()
    for alpha, model in enumerate(pair):
        ours = Pair(*pair, PAD, {EOS}).mixed(prompts(), sampling, 5, alpha=alpha)
        alone = TransformersEngine(model, PAD, {EOS}).generate(prompts(), sampling, 5)
        assert [(c.tokens, c.finished) for c in ours] == [(c.tokens, c.finished) for c in alone]
        if sampling == PLAIN:
            assert_same(ours, alone)


def test_one_likeliest_token_of_a_greedy_teacher_is_its_greedy_text():
    student, teacher = models()
    ours = Pair(student, teacher, PAD, {EOS}).interleaved(
        prompts(), PLAIN, 0, k=1, block=5, teacher_sampling=Sampling(temperature=0.0)
    )
    greedy = TransformersEngine(teacher, PAD, {EOS}).generate(prompts(), Sampling(12, 0.0), 0)
    assert [c.tokens for c in ours] == [c.tokens for c in greedy]
    assert 0 < sum(c.accepted for c in ours) < sum(c.proposed for c in ours)


@pytest.mark.parametrize(
    "teacher_sampling", [None, Sampling(3, 0.2, 0.5)], ids=["same", "own, a nucleus below k"]
)
def test_who_wrote_what_can_be_recounted(teacher_sampling):
    """The acceptance rate is reported, and the rule is the raw logits' (the nucleus has 1 or 2)."""
    student, teacher = models()
    k, sampling = 8, Sampling(12, 0.9, 0.9)
    ours = Pair(student, teacher, PAD, {EOS}).interleaved(
        prompts(), sampling, 2, k=k, block=4, teacher_sampling=teacher_sampling
    )
    numbers = uniforms(len(prompts()), 12, 2)
    outside_nucleus = 0
    for prompt, row, c in zip(prompts(), numbers, ours, strict=True):
        accepted = 0
        for i, (token, own) in enumerate(zip(c.tokens, c.by_student, strict=True)):
            text = [*prompt, *c.tokens[:i]]
            raw = next_logits(teacher, text)
            proposal = drawn(mass_of(next_logits(student, text), sampling), row[i])
            p = mass_of(raw, teacher_sampling or sampling)
            assert own == (proposal in top(raw, k))
            assert token == proposal if own else p[token] > 0
            outside_nucleus += own and p[token] == 0
            accepted += own
        assert (c.accepted, c.proposed) == (accepted, len(c.tokens))
    assert outside_nucleus > 5 or teacher_sampling is None
    theirs = expected((student, teacher), prompts(), k, {EOS}, 2, sampling, teacher_sampling)
    assert_same(ours, theirs)


def test_what_ties_is_inside_and_what_is_impossible_is_not():
    """A teacher with fewer than k possible tokens would let anything through."""
    inf = torch.inf
    logits = torch.tensor([[2.0, 1.0, 1.0, 0.0], [2.0, -inf, -inf, -inf]]).repeat_interleave(4, 0)
    proposals = torch.arange(4).repeat(2)
    q = torch.full((8, 4), 0.25)
    tokens, log_probs, accepted = check(
        logits[:, None], q[:, None], proposals[:, None], 2, Sampling(), torch.zeros(8, 1).double()
    )
    assert accepted.tolist() == [True, True, True, False, True, False, False, False]
    assert tokens.tolist() == [0, 1, 2, 0, 0, 0, 0, 0]
    p = logits[0].softmax(0)
    alike = (0.25 + 0.25 * p[[0, 1, 2, 0]]).log()
    torch.testing.assert_close(log_probs, torch.cat([alike, torch.zeros(4)]))


N = 20_000
PROMPT = [4, 5]


def share_of(write, **how):
    done = write([PROMPT] * N, Sampling(1, batch_size=N), 0, **how)
    return torch.bincount(torch.tensor([c.tokens[0] for c in done]), minlength=VOCABULARY).numpy()


def test_tokens_are_drawn_as_often_as_they_should_be():
    """The text would be a sample of nobody."""
    pair = models()
    q, p = (next_logits(model, PROMPT).softmax(0) for model in pair)
    assert 0.5 * (p - q).abs().sum() > 0.3
    both = Pair(*pair, PAD, ())
    assert p_value(share_of(both.mixed, alpha=0.4), (0.4 * p + 0.6 * q).numpy()) > 1e-3
    assert p_value(share_of(both.interleaved, k=VOCABULARY, block=5), q.numpy()) > 1e-3
    inside = torch.zeros(VOCABULARY).index_fill(0, torch.tensor(list(top(p, 8))), 1)
    kept = q * inside
    assert (
        p_value(share_of(both.interleaved, k=8, block=5), (kept + (1 - kept.sum()) * p).numpy())
        > 1e-3
    )
    assert p_value(share_of(both.interleaved, k=8, block=5), q.numpy()) < 1e-3


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


def test_an_end_inside_a_block_is_the_end():
    """What the student proposed behind its own end would become text."""
    pair = models()
    free = expected(pair, prompts(), VOCABULARY, ())
    ends = {row.tokens[i % 4] for i, row in enumerate(free[:4])}  # one ends at once, the next later
    done = Pair(*pair, PAD, ends).interleaved(prompts(), PLAIN, 0, k=VOCABULARY, block=8)
    for c, row in zip(done, free, strict=True):
        stop = next((i + 1 for i, t in enumerate(row.tokens) if t in ends), 12)
        assert c.tokens == row.tokens[:stop] and c.finished == (c.tokens[-1] in ends)
    assert len({len(c.tokens) for c in done}) > 3


def test_a_table_of_positions_is_not_left():
    """A row that is full is fed on with the others, beyond the last position that GPT-2 knows."""
    config = GPT2Config(
        vocab_size=32, n_embd=16, n_layer=1, n_head=2, n_positions=16, initializer_range=0.4
    )
    pair, batch = (build(config, 0).double(), build(config, 1).double()), prompts((4,) * 6)
    done = Pair(*pair, PAD, ()).interleaved(batch, PLAIN, 0, k=6, block=5)
    assert_same(done, expected(pair, batch, 6, ()))


def test_the_teacher_looks_once_at_a_block_and_nothing_is_read_twice():
    """It is the larger of the two; token by token it would cost as much as its own text."""
    student, teacher = models()
    read = {student: [], teacher: []}
    for model in read:
        model.register_forward_pre_hook(
            lambda m, args, kwargs: read[m].append(kwargs["input_ids"].shape[1]), with_kwargs=True
        )
    Pair(student, teacher, PAD, ()).interleaved(
        prompts((7, 7)), Sampling(20), 0, k=VOCABULARY, block=5
    )
    assert read[teacher] == [7 + 4, 5, 5, 5]
    assert read[student] == [7] + [1] * 19


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


def test_no_prompts_no_text():
    pair = Pair(*models(), PAD, {EOS})
    assert pair.mixed([], PLAIN, 0, alpha=0.5) == []
    assert pair.interleaved([], PLAIN, 0, k=5, block=5) == []


def test_a_text_knows_how_much_of_it_was_accepted():
    text = Interleaved((5, 6, 7), None, True, (True, False, True))
    assert (text.proposed, text.accepted) == (3, 2)
    assert isinstance(text, Completion)
