"""Where the rows of each built-in task lie, and rows in the forms that they are published in."""

import os
from pathlib import Path

import pytest

from limbeck.evaluation.tasks import load_task

FILES = {
    "gsm8k": "gsm8k/test",
    "math500": "math500/test",
    "aqua": "aqua/test",
    "svamp": "svamp/test",
    "multiarith": "arith/multiarith.test",
    "addsub": "arith/addsub.test",
    "singleeq": "arith/singleeq.test",
    "strategyqa": "strategyqa/dev",
    "commonsenseqa": "commonsenseqa/dev",
    "arc_easy": "arc_easy/test",
    "arc_challenge": "arc_challenge/test",
    "openbookqa": "openbookqa/test",
    "boolq": "boolq/test",
    "piqa": "piqa/validation",
    "social_iqa": "social_iqa/test",
    "winogrande": "winogrande/test",
    "hellaswag": "hellaswag/validation_1000",
    "pubmedqa": "pubmedqa/test",
    "humaneval": "humaneval/test",
    "mbpp": "mbpp/test",
    "mbpp_sanitized": "mbpp/sanitized",
    "alpaca_eval": "instruct_eval/alpaca_eval.test",
    "evol_instruct": "instruct_eval/evol_instruct.test",
    "ultrafeedback": "instruct_eval/ultrafeedback.test",
} | {n: f"jmed_llm/{n}.test" for n in ("jmmlu_med", "crade", "rrtnm", "smdis", "nrner")}


def data_file(name):
    path = Path(os.environ.get("LIMBECK_DATA") or "nowhere", f"{name}.jsonl")
    if not path.exists():
        pytest.skip(f"LIMBECK_DATA names no folder with {name}.jsonl")
    return path


def rows_and_items(name, *files):
    task = load_task(name)
    rows = [row for file in files or [FILES[name]] for row in task.load(data_file(file))]
    return task, rows, task.items(rows)


# As the hub has them (made up, in the columns of the published sets).
HUB_ROWS = {
    "arc_easy": {
        "id": "Q1",
        "question": "What melts?",
        "choices": {"text": ["ice", "fire"], "label": ["1", "2"]},
        "answerKey": "1",
    },
    "openbookqa": {
        "id": "Q2",
        "question_stem": "Ice is",
        "choices": {"text": ["cold", "hot"], "label": ["A", "B"]},
        "answerKey": "A",
    },
    "commonsenseqa": {
        "id": "Q3",
        "question": "Where is ice?",
        "choices": {"text": ["desert", "pole"], "label": ["A", "B"]},
        "answerKey": "B",
    },
    "boolq": {"question": "is ice cold", "answer": True, "passage": "Ice is cold."},
    "piqa": {"goal": "cool tea", "sol1": "add ice", "sol2": "add fire ", "label": 0},
    "social_iqa": {
        "context": "Ada slipped.",
        "question": "Why?",
        "answerA": "ice",
        "answerB": "fire",
        "answerC": "fun",
        "label": "1",
    },
    "winogrande": {
        "qID": "X-1",
        "sentence": "The ice beat the fire because the _ was cold.",
        "option1": "ice",
        "option2": "fire",
        "answer": "1",
    },
    "hellaswag": {
        "ind": 4,
        "activity_label": "Ice [header] melting",
        "ctx_a": "Ice lies in the sun.",
        "ctx_b": "it",
        "ctx": "Ice lies in the sun. it",
        "endings": ["melts.", "burns."],
        "label": "0",
        "source_id": "w~1",
    },
    "pubmedqa": {
        "pubid": 7,
        "question": "Does ice melt?",
        "context": {"contexts": ["We saw ice.", "It melted."]},
        "final_decision": "yes",
    },
    "multiarith": {"question": "1 ice and 1 ice?", "final_ans": "2"},
    "strategyqa": {"qid": "s", "question": "Is ice cold?", "answer": True, "facts": ["It is."]},
}
