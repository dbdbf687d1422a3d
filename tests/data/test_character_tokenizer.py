import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer

from limbeck.data import TASKS, character_tokenizer
from limbeck.data.tokenizers import CHARACTERS

TOKENIZER = character_tokenizer()
CHAT = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "1+1="},
    {"role": "assistant", "content": "2"},
]


@given(st.text(alphabet=CHARACTERS))
def test_what_is_encoded_comes_back(text):
    assert TOKENIZER.decode(TOKENIZER.encode(text)) == text


@given(st.text(alphabet=CHARACTERS.replace("<", "")))
def test_every_character_is_one_id(text):
    assert len(TOKENIZER.encode(text)) == len(text)
    assert TOKENIZER.unk_token_id not in TOKENIZER.encode(text)


def test_a_foreign_character_is_unknown():
    assert TOKENIZER.encode("\N{SNOWMAN}") == [TOKENIZER.unk_token_id]


def test_special_ids_are_there_and_differ():
    special = [
        TOKENIZER.pad_token_id,
        TOKENIZER.bos_token_id,
        TOKENIZER.eos_token_id,
        TOKENIZER.unk_token_id,
    ]
    assert len(set(special)) == 4 and None not in special
    assert TOKENIZER.is_fast and TOKENIZER.padding_side == "left"


def test_saved_and_loaded_it_is_the_same(tmp_path):
    TOKENIZER.save_pretrained(tmp_path)
    again = AutoTokenizer.from_pretrained(tmp_path)
    assert again.get_vocab() == TOKENIZER.get_vocab()
    text = "it 's  a .\n<eos>"
    assert again.encode(text) == TOKENIZER.encode(text)
    assert again.decode(again.encode(text)) == text
    assert again.padding_side == "left" and again.pad_token_id == TOKENIZER.pad_token_id
    render = {"tokenize": True, "return_dict": True, "add_generation_prompt": True}
    assert again.apply_chat_template(CHAT[:2], **render) == TOKENIZER.apply_chat_template(
        CHAT[:2], **render
    )


def test_the_template_marks_what_the_assistant_says():
    out = TOKENIZER.apply_chat_template(
        CHAT, tokenize=True, return_dict=True, return_assistant_tokens_mask=True
    )
    said = [i for i, mask in zip(out["input_ids"], out["assistant_masks"], strict=True) if mask]
    assert TOKENIZER.decode(said) == "2<eos>"
    text = TOKENIZER.apply_chat_template(CHAT, tokenize=False)
    assert text == "<bos><system>Be brief.<user>1+1=<assistant>2<eos>"


def test_the_template_refuses_a_role_it_does_not_know():
    with pytest.raises(Exception, match="roles system, user and assistant"):
        TOKENIZER.apply_chat_template([{"role": "tool", "content": "x"}], tokenize=False)


@pytest.mark.parametrize("name", TASKS)
def test_it_knows_the_characters_of_every_task(name):
    assert TOKENIZER.unk_token_id not in TOKENIZER.encode(TASKS[name].alphabet)
