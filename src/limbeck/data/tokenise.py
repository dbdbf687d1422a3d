"""From examples to token ids: where a prompt ends, where a completion ends, what is cut."""

from collections.abc import Collection
from collections.abc import Sequence as Rows
from dataclasses import dataclass
from typing import Any, Literal

from limbeck.data.batch import Sequence
from limbeck.data.chat import render, require_template
from limbeck.data.examples import Example, Kind
from limbeck.errors import RequestError

Truncation = Literal["cut_completion", "cut_prompt", "drop"]
Ids = tuple[int, ...]


@dataclass(frozen=True)
class Tokenised:
    """Sequences and what it took to make them.

    Attributes:
        sequences: In the order of the examples; ``example`` is the position among them.
        counts: ``rows`` given, ``truncated_prompts``, ``truncated_completions`` and ``dropped``
            among them, and, in tokens after cutting, ``longest_prompt`` and ``longest``.
    """

    sequences: list[Sequence]
    counts: dict[str, int]


def tokenise(
    examples: Rows[Example],
    tokenizer: Any,
    *,
    kind: Kind,
    max_length: int | None,
    truncation: Truncation,
    eos: Collection[int],
    chat: bool = False,
    system: str | None = None,
) -> Tokenised:
    """Token ids of every example, prompt and completion apart.

    The prompt has at least one token and the completion ends with an end-of-sequence id unless
    it was cut, so every token of an answer, its first and its end included, is supervised.

    Args:
        examples: All with text prompts or all with conversations.
        tokenizer: A fast or slow `transformers` tokenizer.
        kind: ``text`` rows are all completion, behind one token that begins a sequence.
        max_length: Most tokens of prompt and completion together; None is no limit.
        truncation: ``cut_completion`` shortens completions from the right, ``cut_prompt`` prompts
            from the left (keeping a leading beginning-of-sequence id); a row that cannot be cut
            to fit, or any row that is too long under ``drop``, is dropped. A prompt that nobody
            has answered needs room for one token of an answer.
        eos: Ids that end a completion.
        chat: Take text prompts as user turns and write them with the chat template.
        system: A system message to put before conversations that bring none.

    Raises:
        RequestError: The tokenizer has no chat template or no end-of-sequence id where one is
            needed, or its template cannot be split into prompt and completion.
    """
    special = _Special.of(tokenizer, eos)
    conversations = bool(examples) and not isinstance(examples[0].prompt, str)
    if kind == "text":
        pairs = _text(examples, tokenizer, special)
    elif chat or conversations:
        pairs = _conversations(examples, tokenizer, special, system)
    else:
        if system is not None:
            raise RequestError(
                "a system message needs a conversation and the prompts are text",
                where="data.system",
                mend="set chat: true under data",
            )
        pairs = _strings(examples, tokenizer, special)

    sequences: list[Sequence] = []
    cut_prompts = cut_completions = 0
    for i, (prompt, completion) in enumerate(pairs):
        fitted = _fit(prompt, completion, max_length, truncation, tokenizer.bos_token_id)
        if fitted is None:
            continue
        sequences.append(Sequence(*fitted, example=i))
        cut_prompts += len(fitted[0]) < len(prompt)
        cut_completions += len(fitted[1]) < len(completion)
    counts = {
        "rows": len(examples),
        "truncated_prompts": cut_prompts,
        "truncated_completions": cut_completions,
        "dropped": len(examples) - len(sequences),
        "longest_prompt": max((len(s.prompt) for s in sequences), default=0),
        "longest": max(map(len, sequences), default=0),
    }
    return Tokenised(sequences, counts)


@dataclass(frozen=True)
class _Special:
    """The ids that begin and end sequences."""

    start: int
    end: int
    ends: frozenset[int]

    @classmethod
    def of(cls, tokenizer: Any, eos: Collection[int]) -> "_Special":
        ends = frozenset(eos)
        if not ends:
            raise RequestError(
                "the tokenizer has no end-of-sequence token, so no answer could ever end",
                where=getattr(tokenizer, "name_or_path", "") or type(tokenizer).__name__,
                mend="set eos_token in the tokenizer's configuration",
            )
        end = tokenizer.eos_token_id if tokenizer.eos_token_id in ends else min(ends)
        start = end if tokenizer.bos_token_id is None else tokenizer.bos_token_id
        return cls(start, end, ends)

    def ended(self, ids: Ids) -> Ids:
        return ids if ids and ids[-1] in self.ends else (*ids, self.end)


def _strings(examples: Rows[Example], tokenizer: Any, special: _Special) -> list[tuple[Ids, Ids]]:
    prompts = _encode(tokenizer, [str(e.prompt) for e in examples], specials=True)
    # Some tokenizers close every text; a prompt goes on.
    closed = _encode(tokenizer, ["a"], specials=True)[0][-1:]
    if closed and closed[0] in special.ends:
        prompts = [p[:-1] for p in prompts]
    completions = _completions(examples, tokenizer, special)
    return [(p or (special.start,), c) for p, c in zip(prompts, completions, strict=True)]


def _text(examples: Rows[Example], tokenizer: Any, special: _Special) -> list[tuple[Ids, Ids]]:
    return [((special.start,), c) for c in _completions(examples, tokenizer, special)]


def _completions(examples: Rows[Example], tokenizer: Any, special: _Special) -> list[Ids]:
    encoded = _encode(tokenizer, [e.completion or "" for e in examples], specials=False)
    return [
        () if e.completion is None else special.ended(ids)
        for e, ids in zip(examples, encoded, strict=True)
    ]


def _conversations(
    examples: Rows[Example], tokenizer: Any, special: _Special, system: str | None
) -> list[tuple[Ids, Ids]]:
    require_template(tokenizer)
    rendered = [
        render(e, tokenizer, system, f"example {i + 1}, {e.key}") for i, e in enumerate(examples)
    ]
    # The template has written the special tokens itself.
    prompts = _encode(tokenizer, [prompt for prompt, _ in rendered], specials=False)
    rests = _encode(tokenizer, [rest or "" for _, rest in rendered], specials=False)
    return [
        (prompt or (special.start,), () if rest is None else _closed(ids, tokenizer, special))
        for prompt, ids, (_, rest) in zip(prompts, rests, rendered, strict=True)
    ]


def _closed(ids: Ids, tokenizer: Any, special: _Special) -> Ids:
    """The completion up to its end-of-turn token.

    Templates write a line break after it, which a model that stops there never produces.
    """
    last = max((i for i, token in enumerate(ids) if token in special.ends), default=-1)
    if last >= 0 and not tokenizer.decode(ids[last + 1 :]).strip():
        return ids[: last + 1]
    return special.ended(ids)


def _encode(tokenizer: Any, texts: list[str], *, specials: bool) -> list[Ids]:
    if not texts:
        return []
    encoded = tokenizer(texts, add_special_tokens=specials, return_attention_mask=False)
    return [tuple(ids) for ids in encoded["input_ids"]]


def _fit(
    prompt: Ids, completion: Ids, limit: int | None, truncation: Truncation, bos: int | None
) -> tuple[Ids, Ids] | None:
    """Prompt and completion cut to fit, None where they cannot be."""
    needed = max(len(completion), 1)
    if limit is None or len(prompt) + needed <= limit:
        return prompt, completion
    if truncation == "cut_completion" and len(prompt) < limit:
        return prompt, completion[: limit - len(prompt)]
    if truncation == "cut_prompt" and needed < limit:
        head = prompt[:1] if prompt[0] == bos else ()
        rest = limit - needed - len(head)
        return head + prompt[len(prompt) - rest :], completion
    return None
