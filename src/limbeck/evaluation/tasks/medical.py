"""PubMedQA, and the tasks of JMED-LLM with the figures that its authors report."""

import re
from collections.abc import Mapping
from typing import Any

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
from limbeck.evaluation.tasks.sources import Hub, optional, text, value

_QUOTED = re.compile(r"\n「(.*)」", re.DOTALL)
_ONE_LETTER = "最も適切な選択肢を一つ選び、そのアルファベット一文字だけを答えてください。"
_ONE_LIST = "該当する表現をすべて、Pythonのリストの形だけで答えてください。例: ['表現1', '表現2']"


def _pubmedqa(row: Mapping[str, Any]) -> Question:
    contexts = value(row, "contexts", "context")
    if isinstance(contexts, Mapping):
        contexts = contexts["contexts"]
    gold = text(row, "final_decision", "answer")
    name = optional(row, "pmid", "pubid")
    fields = {"question": text(row, "question"), "context": "\n".join(map(str, contexts))}
    return Question(fields, gold, gold, id=name, document=name)


def _options(row: Mapping[str, Any]) -> Question:
    options = {k: v for k, v in value(row, "options").items() if v is not None}
    listed = "\n".join(f"{letter}. {said}" for letter, said in options.items())
    question, gold = text(row, "question"), text(row, "answer")
    fields = {"question": question, "options": listed}
    return Question(fields, gold, gold, document=_document(question))


def _entities(row: Mapping[str, Any]) -> Question:
    question, gold = text(row, "question"), tuple(map(str, value(row, "answer")))
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
        stop=("\n\n",),
    )


MEDICAL = (
    Task(
        "pubmedqa",
        _pubmedqa,
        prompt="Abstract: {context}\nQuestion: {question}\nAnswer (yes, no or maybe):",
        chat="{context}\n\nQuestion: {question}\nAnswer with yes, no or maybe only.",
        rules=(Rule("decision", yes_no_maybe, lambda found, gold: float(found == gold)),),
        corpus={"macro_f1": macro_f1},
        labels=("yes", "no", "maybe"),
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
