"""Student and teacher without blocks, batches or caches: what `Pair` is compared with."""

import torch

from limbeck.engines import Interleaved, Sampling
from limbeck.engines.pair import TEACHER
from limbeck.engines.sampler import filtered, uniforms

from .families import CONFIGS, build

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
