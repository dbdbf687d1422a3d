"""Do student and teacher read and end text alike?"""

from collections.abc import Iterator
from typing import Any

from limbeck.bench import Bench
from limbeck.doctor.finding import Finding
from limbeck.methods import METHODS


def tokenizer(bench: Bench) -> Iterator[Finding]:
    """The same ids for the same text, compared by content and not by name."""
    if bench.teacher is None:
        return
    if bench.one_tokenizer:
        yield Finding(
            "tokenizer",
            "ok",
            f"student and teacher share a tokenizer of {len(bench.student.tokenizer):,} ids",
        )
        return
    a, b = bench.student.tokenizer.get_vocab(), bench.teacher.tokenizer.get_vocab()
    shared = sum(1 for token, i in a.items() if b.get(token) == i)
    what = (
        f"the tokenizers differ: {len(a):,} ids for the student, {len(b):,} for the teacher, "
        f"{shared:,} of them the same"
    )
    if bench.method.imitates:
        able = ", ".join(n for n, m in METHODS.items() if not m.imitates and m().teacher_writes)
        yield Finding(
            "tokenizer",
            "fail",
            what,
            "a probability of one vocabulary says nothing about the ids of another",
            f"choose models of one family, or a method that reads text only: {able}",
        )
    else:
        yield Finding(
            "tokenizer",
            "note",
            what,
            "the teacher's text is tokenised anew, and the two cannot be compared token by token",
        )


def heads(bench: Bench) -> Iterator[Finding]:
    """Heads may be padded; they may not be smaller than the tokenizer."""
    for name, side in (("student", bench.student), ("teacher", bench.teacher)):
        if side is None:
            continue
        ids, rows = len(side.tokenizer), side.head
        if rows < ids:
            yield Finding(
                "heads",
                "fail",
                f"the {name}'s head has {rows:,} rows and its tokenizer {ids:,} ids",
                "some tokens could be neither read nor written",
                "use the tokenizer that the model was trained with, or resize the model's embeddings",
            )
        elif rows > ids:
            yield Finding(
                "heads",
                "note",
                f"the {name}'s head is padded: {rows:,} rows for {ids:,} ids",
                "softmaxes over padding are not comparable; both are cut to the tokenizer",
            )


def ends(bench: Bench) -> Iterator[Finding]:
    """Every completion must be able to end, for both models in the same way."""
    for name, side in (("student", bench.student), ("teacher", bench.teacher)):
        if side is not None and not side.ends:
            yield Finding(
                "end of sequence",
                "fail",
                f"the {name} has no end-of-sequence token",
                "a student that never sees an end never learns to stop",
                "set eos_token in the tokenizer's configuration",
            )
    if bench.teacher and bench.one_tokenizer and bench.student.ends != bench.teacher.ends:
        names = [
            sorted(s.tokenizer.convert_ids_to_tokens(sorted(s.ends)))
            for s in (bench.student, bench.teacher)
        ]
        yield Finding(
            "end of sequence",
            "warn",
            f"the student ends with {names[0]}, the teacher with {names[1]}",
            "the student is trained to stop where the teacher does, but may not be stopped there when it writes",
            "use generation_config.json of one family for both",
        )
    elif bench.student.ends:
        tokens = bench.student.tokenizer.convert_ids_to_tokens(sorted(bench.student.ends))
        yield Finding(
            "end of sequence",
            "ok",
            f"completions end with {' or '.join(tokens)}, which is supervised",
        )
    pad = bench.student.tokenizer.pad_token_id
    if pad is None or pad in bench.student.ends:
        yield Finding(
            "padding",
            "ok",
            "no padding token of its own; masks never look at ids, so none is needed",
        )


def template(bench: Bench) -> Iterator[Finding]:
    """Conversations must look the same to both models."""
    conversational = bench.recipe.data.chat or any(
        not isinstance(e.prompt, str) for e in bench.examples.train[:1]
    )
    own = bench.student.tokenizer
    if not conversational:
        if getattr(own, "chat_template", None) and bench.examples.kind == "pairs":
            yield Finding(
                "chat template",
                "note",
                "the data's prompts are plain text and are not put into the chat template",
                "a chat model answers best in the format it was tuned on",
                "data: {chat: true} wraps them in user and assistant turns",
            )
        return
    if bench.teacher is None or bench.teacher.tokenizer is own:
        return
    shown = [_rendered(s.tokenizer) for s in (bench.student, bench.teacher)]
    if shown[0] != shown[1]:
        yield Finding(
            "chat template",
            "warn",
            f"the templates differ: the student reads {shown[0]}, the teacher {shown[1]}",
            "the teacher judges the student's format, which it was not tuned on",
            "give both the same chat template",
        )


def _rendered(tokenizer: Any) -> str:
    """How a model reads a greeting."""
    if not getattr(tokenizer, "chat_template", None):
        return "no conversations (it has no template)"
    turn = [{"role": "user", "content": "Hello"}]
    return repr(tokenizer.apply_chat_template(turn, tokenize=False, add_generation_prompt=True))
