"""PubMedQA, and the tasks of JMED-LLM with the figures that its authors report."""

import re
from collections.abc import Mapping
from typing import Any

from limbeck.errors import RequestError
from limbeck.evaluation.tasks.answers import first_letter, yes_no_maybe
from limbeck.evaluation.tasks.base import Rule, Task
from limbeck.evaluation.tasks.entities import (
    entity_list,
    exact_f1,
    partial_f1,
    partial_f1_official,
)
from limbeck.evaluation.tasks.items import Question
from limbeck.evaluation.tasks.labels import kappa, linear_kappa, macro_f1
from limbeck.evaluation.tasks.sources import Hub, one_of, optional, text, value

_DECISIONS = ("yes", "no", "maybe")
_QUOTED = re.compile(r"\n「(.*)」", re.DOTALL)
_ONE_LETTER = "最も適切な選択肢を一つ選び、そのアルファベット一文字だけを答えてください。"
_ONE_LIST = "該当する表現をすべて、Pythonのリストの形だけで答えてください。例: ['表現1', '表現2']"


def _pubmedqa(row: Mapping[str, Any]) -> Question:
    contexts = value(row, "contexts", "context")
    if isinstance(contexts, Mapping):
        contexts = contexts["contexts"]
    passages = [contexts] if isinstance(contexts, str) else map(str, contexts)
    gold = one_of(_DECISIONS, text(row, "final_decision", "answer").lower())
    name = optional(row, "pmid", "pubid")
    fields = {"question": text(row, "question"), "context": "\n".join(passages)}
    return Question(fields, gold, gold, id=name, document=name)


def _options(row: Mapping[str, Any]) -> Question:
    said = value(row, "options")
    if not isinstance(said, Mapping):
        raise RequestError("the options are no mapping of letters to texts", where=str(said)[:80])
    options = {k: v for k, v in said.items() if v is not None}
    listed = "\n".join(f"{letter}. {option}" for letter, option in options.items())
    question, gold = text(row, "question"), one_of(tuple(options), text(row, "answer"))
    fields = {"question": question, "options": listed}
    return Question(fields, gold, gold, document=_document(question))


def _entities(row: Mapping[str, Any]) -> Question:
    question, answer = text(row, "question"), value(row, "answer")
    if isinstance(answer, str):  # the published tables have the list as Python writes it
        answer = entity_list(answer)
        if answer is None:
            raise RequestError("the entities are no list", where=text(row, "answer")[:80])
    gold = tuple(map(str, answer))
    return Question({"question": question}, gold, str(list(gold)), document=_document(question))


def _document(question: str) -> str | None:
    """The report or post that a question quotes: several questions are asked of one."""
    quoted = _QUOTED.search(question)
    return " ".join(quoted.group(1).split()) if quoted else None


def _choice(name: str, corpus: Mapping[str, Any], labels: str = "ABCD") -> Task:
    return Task(
        name,
        _options,
        prompt=f"{_ONE_LETTER}\n\n{{question}}\n{{options}}\n答え:",
        chat="{question}\n{options}",
        system=_ONE_LETTER,
        rules=(Rule("first_letter", first_letter, lambda found, gold: float(found == gold)),),
        corpus=corpus,
        labels=tuple(labels),
    )


MEDICAL = (
    Task(
        "pubmedqa",
        _pubmedqa,
        prompt="Abstract: {context}\nQuestion: {question}\nAnswer (yes, no or maybe):",
        chat="{context}\n\nQuestion: {question}\nAnswer with yes, no or maybe only.",
        rules=(Rule("decision", yes_no_maybe, lambda found, gold: float(found == gold)),),
        corpus={"macro_f1": macro_f1},
        labels=_DECISIONS,
        # All 1,000 labelled questions; which 500 are the official test only its own file says.
        hub=Hub("qiaojin/PubMedQA", "pqa_labeled", "train"),
        stop=("\n\n",),
        max_new_tokens=32,
    ),
    _choice("jmmlu_med", {"kappa": kappa}),
    _choice("crade", {"kappa": kappa, "linear_kappa": linear_kappa}),
    _choice("rrtnm", {"kappa": kappa}, "ABCDE"),
    _choice("smdis", {"kappa": kappa}, "AB"),
    Task(
        "nrner",
        _entities,
        prompt=f"{_ONE_LIST}\n\n{{question}}\n答え:",
        chat="{question}",
        system=_ONE_LIST,
        rules=(
            Rule("exact_f1", entity_list, exact_f1),
            Rule("partial_f1_official", entity_list, partial_f1_official),
            Rule("partial_f1", entity_list, partial_f1),
        ),
        stop=("\n\n",),
    ),
)
