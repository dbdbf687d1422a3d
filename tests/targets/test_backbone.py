"""Hidden states and head, taken apart, make the model's own logits: for each family of models."""

import pytest
import torch
import transformers as hf
from torch import nn

from limbeck.errors import LimbeckError
from limbeck.targets import causal_lm, check_head, head_of, last_hidden

SMALL = {
    "vocab_size": 32,
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "initializer_range": 0.4,
    "pad_token_id": 0,
    "bos_token_id": None,
    "eos_token_id": 1,
}
# What is special about the head of each family stands behind it.
FAMILIES = {
    "llama": lambda: hf.LlamaConfig(**SMALL),
    "llama_tied": lambda: hf.LlamaConfig(**SMALL | {"tie_word_embeddings": True}),
    "gpt2": lambda: hf.GPT2Config(
        vocab_size=32,
        n_embd=16,
        n_layer=2,
        n_head=2,
        n_positions=64,
        initializer_range=0.4,
        bos_token_id=None,
        eos_token_id=1,
    ),
    "qwen2": lambda: hf.Qwen2Config(**SMALL),
    "gemma2": lambda: hf.Gemma2Config(  # caps its logits
        **SMALL | {"tie_word_embeddings": True}, head_dim=8, final_logit_softcapping=2.0
    ),
    "cohere": lambda: hf.CohereConfig(**SMALL | {"tie_word_embeddings": True}, logit_scale=0.25),
    "granite": lambda: hf.GraniteConfig(**SMALL, logits_scaling=4.0),  # divides its logits
    "opt": lambda: hf.OPTConfig(  # projects from another width, learns positions
        vocab_size=32,
        hidden_size=16,
        word_embed_proj_dim=8,
        ffn_dim=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=64,
        init_std=0.4,
        do_layer_norm_before=True,
    ),
    "phi": lambda: hf.PhiConfig(**SMALL),  # has a bias
}
every_family = pytest.mark.parametrize("family", FAMILIES)


def build(family):
    torch.manual_seed(0)
    model = hf.AutoModelForCausalLM.from_config(FAMILIES[family]()).eval()
    layer = model.get_output_embeddings()
    if layer.bias is not None:
        nn.init.normal_(layer.bias)
    return model


def batch(width=6):
    """Two sequences, the second shorter and padded on the left."""
    ids = torch.randint(2, 32, (2, width), generator=torch.Generator().manual_seed(1))
    mask = torch.ones_like(ids)
    mask[1, :2] = 0
    position_ids = (mask.cumsum(-1) - 1).clamp(min=0)
    return {"input_ids": ids, "attention_mask": mask, "position_ids": position_ids}


@every_family
@torch.no_grad()
def test_hidden_states_and_head_make_the_models_logits(family):
    """The student would be trained towards logits that no model has."""
    model, inputs = build(family), batch()
    real = inputs["attention_mask"].bool()
    ours = head_of(model).logits(last_hidden(model, inputs)[real])
    theirs = model(**inputs).logits[real]
    assert theirs.std() > 0.05, "a family whose logits are all alike shows nothing"
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


@every_family
def test_check_head_accepts(family):
    model = build(family).train()
    check_head(model, "student")
    assert model.training


def test_families_are_what_their_comment_says():
    assert head_of(build("gemma2")).softcap == 2.0
    assert head_of(build("cohere")).scale == 0.25
    assert head_of(build("granite")).scale == 0.25
    assert head_of(build("phi")).bias is not None
    assert head_of(build("opt")).weight.shape == (32, 8)
    tied = build("llama_tied")
    assert head_of(tied).weight is tied.get_input_embeddings().weight


@every_family
def test_gradient_reaches_the_whole_model(family):
    """The head sees a detached copy, and the layers below would never move."""
    model, inputs = build(family), batch()
    real = inputs["attention_mask"].bool()
    head_of(model).logits(last_hidden(model, inputs)[real]).square().sum().backward()
    through_head = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    model(**inputs).logits[real].square().sum().backward()
    for name, p in model.named_parameters():
        if p.grad is None:
            assert name not in through_head
        else:
            scale = p.grad.abs().max().item()
            torch.testing.assert_close(through_head[name], p.grad, rtol=1e-3, atol=1e-4 * scale)


def test_a_padded_head_is_narrowed():
    """Ids that no tokenizer has would hold probability, and two softmaxes not be comparable."""
    model, inputs = build("llama"), batch()
    head = head_of(model, vocabulary=29)
    with torch.no_grad():
        logits = head.logits(last_hidden(model, inputs))
        torch.testing.assert_close(logits, model(**inputs).logits[..., :29])
    assert head_of(model, vocabulary=32).weight is model.lm_head.weight


def test_the_hook_is_removed():
    """Every step would keep the hidden states of all before it."""
    model = build("llama")
    for _ in range(3):
        last_hidden(model, batch())
    assert not model.base_model._forward_hooks
    with pytest.raises(IndexError):
        last_hidden(model, batch() | {"input_ids": torch.full((2, 6), 99)})
    assert not model.base_model._forward_hooks


@pytest.mark.parametrize("spoil", ["scale", "softcap", "twice"])
def test_check_head_refuses_a_head_it_does_not_know(spoil):
    """A new family would be distilled towards the wrong distribution in silence."""
    model = build("llama")
    if spoil == "scale":
        model.config.logit_scale = 0.5  # Llama does not look at it
    elif spoil == "softcap":
        model.config.final_logit_softcapping = 1.0
    else:
        forward = model.forward

        def twice(**kwargs):
            out = forward(**kwargs)
            out.logits = 2 * out.logits
            return out

        model.forward = twice
    with pytest.raises(LimbeckError, match="teacher"):
        check_head(model, "teacher")


def test_check_head_accepts_half_precision():
    for dtype in (torch.bfloat16, torch.float64):
        check_head(build("llama").to(dtype), "student")


def test_a_head_that_is_no_linear_layer_is_refused():
    """A LoRA on lm_head would be left out of the loss."""
    peft = pytest.importorskip("peft")
    config = peft.LoraConfig(target_modules=["q_proj", "lm_head"], r=2)
    model = peft.get_peft_model(build("llama"), config)
    with pytest.raises(LimbeckError, match="head") as error:
        head_of(model)
    assert "modules_to_save" in error.value.mend


def test_a_head_saved_beside_an_adapter_is_the_trained_copy():
    peft = pytest.importorskip("peft")
    config = peft.LoraConfig(target_modules=["q_proj"], modules_to_save=["lm_head"], r=2)
    model = peft.get_peft_model(build("llama"), config)
    head = head_of(model)
    assert head.weight.requires_grad
    with torch.no_grad():
        head.weight.mul_(1.5)
        theirs = model(**batch()).logits
        torch.testing.assert_close(head_of(model).logits(last_hidden(model, batch())), theirs)


def test_wrappers_are_looked_through():
    peft = pytest.importorskip("peft")
    inner = build("llama")
    assert causal_lm(nn.DataParallel(inner)) is inner
    wrapped = peft.get_peft_model(inner, peft.LoraConfig(target_modules=["q_proj"], r=2))
    assert causal_lm(nn.DataParallel(wrapped)) is inner
    assert causal_lm(inner) is inner


def test_under_autocast_the_head_gets_what_the_model_would_give_it():
    """In float32, its products would cost a GPU ten times as much as the model's own."""
    model = hf.LlamaForCausalLM(hf.LlamaConfig(**SMALL)).eval()
    batch = {"input_ids": torch.tensor([[3, 4, 5]]), "attention_mask": torch.ones(1, 3).long()}
    with torch.autocast("cpu", torch.bfloat16):
        hidden = last_hidden(model, batch)
        expected = model(**batch).logits
    assert hidden.dtype == torch.bfloat16
    assert last_hidden(model, batch).dtype == torch.float32
    torch.testing.assert_close(
        head_of(model).logits(hidden), expected.float(), rtol=2e-2, atol=2e-2
    )
