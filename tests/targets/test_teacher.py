"""A frozen teacher, alone or as an adapter on the student's own base."""

import copy

import pytest
import torch
from peft import LoraConfig, get_peft_model

from limbeck.divergences import Head
from limbeck.targets import Dense, ModelTeacher, Projected

IDS = torch.randint(2, 32, (2, 7), generator=torch.Generator().manual_seed(3))
BATCH = {"input_ids": IDS, "attention_mask": torch.ones_like(IDS)}
WHERE = torch.zeros(2, 6, dtype=torch.bool)
WHERE[0, 2:5] = WHERE[1, 4:] = True
LOGITS = torch.zeros(5, 32)


def distribution(teacher):
    log_p, _ = teacher(BATCH, WHERE).pair(LOGITS, 1.0)
    return log_p


def expected(model):
    with torch.no_grad():
        return model(**BATCH).logits[:, :-1][WHERE].log_softmax(-1)


def lora(seed, **kwargs):
    return LoraConfig(target_modules=["q_proj", "v_proj", "up_proj"], r=3, lora_alpha=9, **kwargs)


def scramble(model, adapter, seed):
    """An adapter as training leaves it: nothing is zero any more."""
    g = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in model.named_parameters():
            if f".{adapter}." in name:
                p.copy_(0.5 * torch.randn(p.shape, generator=g))


@pytest.fixture
def shared(llama):
    """One base; adapter ``default`` is the student in training, ``teacher`` its teacher."""
    model = get_peft_model(llama(0), lora(0, lora_dropout=0.2))
    model.add_adapter("teacher", lora(1))
    scramble(model, "default", 1)
    scramble(model, "teacher", 2)
    model.set_adapter("default")
    return model.train()


def alone(shared, adapter):
    """A stand-alone copy of the teacher, merged to a plain model."""
    copied = copy.deepcopy(shared).eval()
    if adapter == "":
        return copied.unload()
    copied.set_adapter(adapter)
    return copied.merge_and_unload(adapter_names=[adapter])


def test_judges_the_marked_positions(llama):
    """Every position would learn from its neighbour's distribution."""
    model = llama(0)
    torch.testing.assert_close(distribution(ModelTeacher(model)), expected(model))


def test_is_frozen_and_in_evaluation_mode(llama):
    """Dropout would make the teacher's word a matter of luck."""
    model = llama(0, attention_dropout=0.5).train()
    teacher = ModelTeacher(model)
    assert not model.training and not any(p.requires_grad for p in model.parameters())
    torch.testing.assert_close(distribution(teacher), distribution(teacher), rtol=0, atol=0)


def test_reveals_only_the_tokenizers_ids(llama):
    teacher = ModelTeacher(llama(0, vocabulary=40), vocabulary=32)
    log_p, log_q = teacher(BATCH, WHERE).pair(LOGITS, 1.0)
    assert log_p.shape == log_q.shape == (5, 32)
    torch.testing.assert_close(log_p.exp().sum(-1), torch.ones(5))


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_temperature_softens_both_sides(llama, temperature):
    model = llama(0)
    logits = torch.randn(5, 32)
    log_p, log_q = ModelTeacher(model)(BATCH, WHERE).pair(logits, temperature)
    with torch.no_grad():
        theirs = model(**BATCH).logits[:, :-1][WHERE]
    torch.testing.assert_close(log_p, (theirs / temperature).log_softmax(-1))
    torch.testing.assert_close(log_q, (logits / temperature).log_softmax(-1))


@pytest.mark.parametrize("adapter", ["teacher", ""])
def test_a_teacher_on_the_students_base_is_the_teacher_alone(shared, adapter):
    """The student would be taught by a mixture of itself and its teacher."""
    ours = distribution(ModelTeacher(shared, adapter=adapter))
    torch.testing.assert_close(ours, expected(alone(shared, adapter)), rtol=1e-4, atol=1e-4)
    student = expected(alone(shared, "default"))
    assert (ours - student).abs().max() > 0.1, "teacher and student must differ to show anything"


@pytest.mark.parametrize("adapter", ["teacher", ""])
@pytest.mark.parametrize("training", [True, False])
def test_the_student_is_left_as_it_was(shared, adapter, training):
    """After the first step the optimiser would train the teacher, or nothing."""
    shared.train(training)
    teacher = ModelTeacher(shared, adapter=adapter)
    before = {n: (p.requires_grad, p.clone()) for n, p in shared.named_parameters()}
    assert {n for n, (grad, _) in before.items() if grad} == {n for n in before if ".default." in n}
    modes = {n: m.training for n, m in shared.named_modules()}
    target = teacher(BATCH, WHERE)
    target.pair(LOGITS, 1.0)
    assert shared.active_adapter == "default"
    assert {n: m.training for n, m in shared.named_modules()} == modes
    for n, p in shared.named_parameters():
        assert (n, p.requires_grad) == (n, before[n][0])
        assert p.equal(before[n][1])


def test_the_student_is_left_as_it_was_after_an_error(shared):
    teacher = ModelTeacher(shared, adapter="teacher")
    with pytest.raises(IndexError):
        teacher(BATCH | {"input_ids": torch.full_like(IDS, 99)}, WHERE)
    assert shared.active_adapter == "default" and shared.training
    assert {n for n, p in shared.named_parameters() if p.requires_grad} == {
        n for n, _ in shared.named_parameters() if ".default." in n
    }


def test_the_base_alone_does_not_borrow_the_students_head(llama):
    """With modules_to_save the base would speak through the head that the student trains."""
    model = get_peft_model(llama(0), lora(0, modules_to_save=["lm_head"]))
    scramble(model, "default", 1)
    ours = distribution(ModelTeacher(model, adapter=""))
    torch.testing.assert_close(ours, expected(llama(0)), rtol=1e-4, atol=1e-4)


def test_a_teacher_adapter_speaks_through_its_own_head(llama):
    model = get_peft_model(llama(0), lora(0, modules_to_save=["lm_head"]))
    model.add_adapter("teacher", lora(1, modules_to_save=["lm_head"]))
    scramble(model, "default", 1)
    scramble(model, "teacher", 2)
    ours = distribution(ModelTeacher(model, adapter="teacher"))
    model.set_adapter("teacher")
    torch.testing.assert_close(ours, expected(model.eval()), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", ["dense", "projected"])
def test_a_slice_of_a_target_is_the_target_of_a_slice(kind):
    torch.manual_seed(0)
    hidden, head = torch.randn(6, 4), Head(torch.randn(9, 4))
    target = Dense(head.logits(hidden)) if kind == "dense" else Projected(hidden, head)
    logits = torch.randn(6, 9)
    for whole, part in zip(
        target.pair(logits, 2.0), target[2:5].pair(logits[2:5], 2.0), strict=True
    ):
        torch.testing.assert_close(whole[2:5], part)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_pair_has_the_students_dtype(dtype):
    target = Projected(torch.randn(3, 4).bfloat16(), Head(torch.randn(9, 4).bfloat16()))
    for log_probs in target.pair(torch.randn(3, 9, dtype=dtype), 1.0):
        assert log_probs.dtype == dtype
        torch.testing.assert_close(log_probs.exp().sum(-1), torch.ones(3, dtype=dtype))
