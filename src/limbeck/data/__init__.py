"""From files, the hub or built-in tasks to batches: examples, splits, token ids, labels."""

from limbeck.data.batch import (
    IGNORE,
    Author,
    Batch,
    Scored,
    Sequence,
    Tokens,
    collate,
    supervised,
)
from limbeck.data.chat import turns
from limbeck.data.examples import Example, Examples, Extract, Kind, Message, Verify
from limbeck.data.formats import examples_of
from limbeck.data.loading import load_examples, read_examples
from limbeck.data.spec import DataSpec
from limbeck.data.splits import Split, split_of
from limbeck.data.tasks import TASKS, Task, generate
from limbeck.data.tokenise import Tokenised, Truncation, tokenise
from limbeck.data.tokenizers import character_tokenizer
from limbeck.data.verify import (
    EXTRACTORS,
    VERIFIERS,
    after_marker,
    boxed,
    choice,
    exact,
    last_number,
    yes_no,
)

__all__ = [
    "EXTRACTORS",
    "IGNORE",
    "TASKS",
    "VERIFIERS",
    "Author",
    "Batch",
    "DataSpec",
    "Example",
    "Examples",
    "Extract",
    "Kind",
    "Message",
    "Scored",
    "Sequence",
    "Split",
    "Task",
    "Tokenised",
    "Tokens",
    "Truncation",
    "Verify",
    "after_marker",
    "boxed",
    "character_tokenizer",
    "choice",
    "collate",
    "exact",
    "examples_of",
    "generate",
    "last_number",
    "load_examples",
    "read_examples",
    "split_of",
    "supervised",
    "tokenise",
    "turns",
    "yes_no",
]
