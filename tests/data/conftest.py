import json
import os
from pathlib import Path

import pytest

from limbeck.data import character_tokenizer


@pytest.fixture(scope="session")
def characters():
    return character_tokenizer()


@pytest.fixture
def jsonl(tmp_path):
    """Write rows to a JSON lines file and give its path."""

    def write(rows, name="rows.jsonl"):
        path = tmp_path / name
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return str(path)

    return write


@pytest.fixture(scope="session")
def real_tokenizer():
    """A tokenizer of a published model, where a copy of it is at hand."""
    folder = os.environ.get("LIMBECK_DATA")
    if not folder:
        pytest.skip("LIMBECK_DATA names no folder with tokenizers")
    from transformers import AutoTokenizer

    loaded = {}

    def load(name):
        if name not in loaded:
            path = Path(folder, "_tokenizers", name)
            if not path.is_dir():
                pytest.skip(f"no tokenizer {name}")
            loaded[name] = AutoTokenizer.from_pretrained(path)
        return loaded[name]

    return load
