"""A tokenizer that needs no download: one id per character."""

from typing import Any

CHARACTERS = "".join(chr(code) for code in range(32, 127)) + "\n"
_ROLES = ("<system>", "<user>", "<assistant>")
_TEMPLATE = (
    "<bos>"
    "{% for message in messages %}"
    "{% if message['role'] == 'assistant' %}"
    "<assistant>{% generation %}{{ message['content'] }}<eos>{% endgeneration %}"
    "{% elif message['role'] in ('system', 'user') %}"
    "<{{ message['role'] }}>{{ message['content'] }}"
    "{% else %}"
    "{{ raise_exception('this template knows the roles system, user and assistant') }}"
    "{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)


def character_tokenizer() -> Any:
    """A fast tokenizer over printable ASCII and the newline, with a chat template.

    It adds no special tokens by itself, so that ``decode(encode(text)) == text`` for any text
    over its alphabet; the chat template writes ``<bos>``, the roles and ``<eos>`` where they
    belong. Any other character becomes ``<unk>``.

    Returns:
        A `transformers.PreTrainedTokenizerFast` that pads on the left; saved and loaded again
        it gives the same ids.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    special = ["<pad>", "<bos>", "<eos>", "<unk>", *_ROLES]
    vocabulary = {token: i for i, token in enumerate([*special, *CHARACTERS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    tokenizer.decoder = decoders.Fuse()
    tokenizer.add_special_tokens(special)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        bos_token="<bos>",
        eos_token="<eos>",
        unk_token="<unk>",
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )
    fast.chat_template = _TEMPLATE
    return fast
