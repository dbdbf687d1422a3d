"""Questions with options: the likeliest is taken."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from limbeck.data import EXTRACTORS
from limbeck.errors import RequestError
from limbeck.evaluation.tasks.base import Rule, Task
from limbeck.evaluation.tasks.choosing import LETTERS, listed
from limbeck.evaluation.tasks.items import Question
from limbeck.evaluation.tasks.sources import Hub, optional, text, value

_ASKED = "Question: {question}\nAnswer:"
_LAST_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[^.!?]*[.!?]*\Z)")
_HEADING = re.compile(r"\[[^\]\n]*\]")
_YES_NO = ("no", "yes")


def _options(row: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Labels and texts of a row's options, in any of the forms that they are published in."""
    choices = value(row, "choices", "options")
    if isinstance(choices, Mapping) and "text" in choices:
        return tuple(map(str, choices["label"])), tuple(map(str, choices["text"]))
    if isinstance(choices, Mapping):
        kept = {str(k): str(v) for k, v in choices.items() if v is not None}
        return tuple(kept), tuple(kept.values())
    return tuple(LETTERS[: len(choices)]), tuple(map(str, choices))


def _place(gold: Any, labels: Sequence[str], first: int | None = None) -> int:
    """The number of the right option.

    Where `first` is given, gold is a number, and `first` that of the first option; else it is a
    label, or a number from 0.
    """
    if first is None and str(gold) in labels:
        return labels.index(str(gold))
    if str(gold).isdecimal() and 0 <= int(gold) - (first or 0) < len(labels):
        return int(gold) - (first or 0)
    raise RequestError(
        f"the answer {gold!r} is none of the options {', '.join(labels)}", where="the row's answer"
    )


def _choices(row: Mapping[str, Any]) -> Question:
    labels, options = _options(row)
    gold = _place(value(row, "answer", "answerKey"), labels)
    fields = {"question": text(row, "question", "question_stem")}
    return Question(fields, gold, options[gold], options, id=optional(row, "id"))


def _lettered(row: Mapping[str, Any]) -> Question:
    labels, options = _options(row)
    gold = _place(value(row, "answer", "answerKey"), labels)
    fields = {"question": text(row, "question"), "options": listed(options)}
    letters = tuple(LETTERS[: len(options)])
    return Question(fields, gold, letters[gold], letters, id=optional(row, "id"))


def _boolq(row: Mapping[str, Any]) -> Question:
    gold = int(_truth(value(row, "answer")))
    question = text(row, "question").rstrip("?") + "?"
    passage = optional(row, "passage")
    fields = {"question": question, "passage": f"{passage}\n" if passage else ""}
    fields["context"] = passage or ""
    return Question(fields, gold, _YES_NO[gold], _YES_NO, document=passage)


def _piqa(row: Mapping[str, Any]) -> Question:
    options = str(value(row, "sol1")), str(value(row, "sol2"))
    gold = _place(value(row, "label"), options, first=0)
    return Question({"question": text(row, "goal")}, gold, options[gold].strip(), options)


def _social(row: Mapping[str, Any]) -> Question:
    if "answerA" in row:
        options = tuple(text(row, f"answer{x}") for x in "ABC")
        gold = _place(value(row, "label"), options, first=1)
        context = text(row, "context")
        asked = f"{context} {text(row, 'question')}"
    else:
        options = _options(row)[1]
        gold = _place(value(row, "answer"), options, first=0)
        asked = text(row, "question")
        context = _LAST_SENTENCE.split(asked, maxsplit=1)[0]
    return Question({"question": asked}, gold, options[gold], options, document=context)


def _winogrande(row: Mapping[str, Any]) -> Question:
    sentence = text(row, "sentence", "question")
    if sentence.count("_") != 1:
        raise RequestError("the sentence needs one blank, written _", where=sentence[:80])
    published = "option1" in row
    options = (text(row, "option1"), text(row, "option2")) if published else _options(row)[1]
    gold = _place(value(row, "answer"), options, first=int(published))
    before, _, after = sentence.partition("_")
    # What follows the blank is scored under each filling: the options differ in length, it does not.
    pairs = tuple((before + option, " " + after.strip()) for option in options)
    return Question(
        {"question": sentence},
        gold,
        options[gold],
        options,
        pairs,
        example=before + options[gold] + after,
        id=optional(row, "qID"),
        document=" / ".join(sorted(options)),  # twin sentences share their options
    )


def _hellaswag(row: Mapping[str, Any]) -> Question:
    context = optional(row, "ctx_a")
    begun = (optional(row, "ctx_b") or "").capitalize()
    start = f"{context} {begun}" if context else text(row, "ctx")
    endings = tuple(_clean(str(o)) for o in value(row, "endings"))
    options = tuple(ending.strip() for ending in endings)
    gold = _place(value(row, "label"), options)
    question = _clean(f"{text(row, 'activity_label')}: {start}")
    # An ending that began with a heading keeps the space behind it: so it is usually scored.
    pairs = tuple((question, f" {ending}") for ending in endings)
    return Question(
        {"question": question},
        gold,
        options[gold],
        options,
        pairs,
        example="".join(pairs[gold]),
        id=optional(row, "ind"),
        document=optional(row, "source_id"),
    )


def _clean(said: str) -> str:
    """Without the headings in brackets that the articles of some rows were cut from."""
    without = _HEADING.sub("", said.strip().replace(" [title]", ". "))
    return without.replace("  ", " ")


def _strategy(row: Mapping[str, Any]) -> Question:
    gold = _YES_NO[_truth(value(row, "answer"))]
    facts = row.get("facts")
    shown = " ".join([*(facts if isinstance(facts, list) else []), f"So the answer is {gold}."])
    return Question({"question": text(row, "question")}, gold, shown, id=optional(row, "qid"))


def _truth(gold: Any) -> bool:
    if str(gold).lower() in ("true", "yes", "1"):
        return True
    if str(gold).lower() in ("false", "no", "0"):
        return False
    raise RequestError(f"{gold!r} is neither true nor false", where="the row's answer")


def _likeliest(name: str, read: Any, hub: Hub, normalise: str, prompt: str = _ASKED) -> Task:
    chat = prompt.removeprefix("Question: ").removesuffix("\nAnswer:")
    return Task(name, read, prompt, kind="choices", chat=chat, normalise=normalise, hub=hub)


COMMONSENSE = (
    Task(
        "strategyqa",
        _strategy,
        prompt=_ASKED,
        chat="{question}\n\nThink step by step, and end with 'The answer is yes.' or 'The answer is no.'",
        rules=(Rule("yes_no", EXTRACTORS["yes_no"], lambda found, gold: float(found == gold)),),
        labels=_YES_NO,
        hub=Hub("ChilleD/StrategyQA"),
        stop=("Question:",),
    ),
    _likeliest(
        "commonsenseqa",
        _lettered,
        Hub("tau/commonsense_qa", split="validation"),
        "none",
        "Question: {question}\n{options}\nAnswer:",
    ),
    _likeliest("arc_easy", _choices, Hub("allenai/ai2_arc", "ARC-Easy"), "characters"),
    _likeliest("arc_challenge", _choices, Hub("allenai/ai2_arc", "ARC-Challenge"), "characters"),
    _likeliest(
        "openbookqa", _choices, Hub("allenai/openbookqa", "main"), "characters", "{question}"
    ),
    _likeliest(
        "boolq",
        _boolq,
        Hub("google/boolq", split="validation"),
        "none",
        "{passage}Question: {question}\nAnswer:",
    ),
    _likeliest("piqa", _piqa, Hub("ybisk/piqa", split="validation"), "characters"),
    _likeliest("social_iqa", _social, Hub("allenai/social_i_qa", split="validation"), "none"),
    _likeliest(
        "winogrande",
        _winogrande,
        Hub("allenai/winogrande", "winogrande_xl", "validation"),
        "none",
        "{question}",
    ),
    _likeliest(
        "hellaswag",
        _hellaswag,
        Hub("Rowan/hellaswag", split="validation"),
        "characters",
        "{question}",
    ),
)
