"""Lists of entities: how one is read, and three F1s of it."""

import ast
import re
from collections.abc import Iterable, Sequence

_ITEM = r"""'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|-?[0-9]+(?:\.[0-9]+)?|None|True|False"""
_LIST = re.compile(rf"\[\s*+(?:(?:{_ITEM})\s*+(?:,\s*+(?:{_ITEM})\s*+)*+(?:,\s*+)?)?\]")
_ITEMS = re.compile(_ITEM)


def entity_list(completion: str) -> list[str] | None:
    """The Python list that a completion is; None where it is anything else.

    A literal is read, nothing evaluated: a list of texts and numbers, which become text.
    """
    whole = completion.strip()
    if not _LIST.fullmatch(whole):
        return None
    return [_text(item) for item in _ITEMS.findall(whole)]


def exact_f1(found: Sequence[str], gold: Sequence[str]) -> float:
    """``2 P R / (P + R)`` over sets, with ``P = |G & F| / |F|`` and ``R = |G & F| / |G|``."""
    answers, wanted = set(found), set(gold)
    common = len(answers & wanted)
    return _f1(common, len(answers), common, len(wanted))


def partial_f1_official(found: Sequence[str], gold: Sequence[str]) -> float:
    """The partial F1 of JMED-LLM's code as it is, for comparison with figures made by it.

    It looks for a gold entity that is in the answer, or any answer that is in the *list* of gold
    entities: so one exact hit marks every gold entity as found, a part of a name never counts, and
    precision, which has that count above it, goes beyond 1. Use `partial_f1` for anything else.
    """
    answers, wanted = set(found), set(gold)
    count = sum(1 for g in wanted if g in answers or any(a in wanted for a in answers))
    return _f1(count, len(answers), count, len(wanted))


def partial_f1(found: Sequence[str], gold: Sequence[str]) -> float:
    """F1 in which an entity counts where it is a part of one on the other side, or has one in it.

    Precision counts answers and recall gold entities, so both stay in [0, 1]. An empty text, which
    is a part of everything, is no part of anything here.
    """
    answers, wanted = set(found), set(gold)
    return _f1(_touching(answers, wanted), len(answers), _touching(wanted, answers), len(wanted))


def _touching(these: Iterable[str], those: Iterable[str]) -> int:
    return sum(1 for a in these if any(a and b and (a in b or b in a) for b in those))


def _f1(hits: int, answers: int, recalled: int, wanted: int) -> float:
    if not answers and not wanted:
        return 1.0
    precision = hits / answers if answers else 0.0
    recall = recalled / wanted if wanted else 0.0
    both = precision + recall
    return 2 * precision * recall / both if both else 0.0


def _text(item: str) -> str:
    if item[0] not in "'\"":
        return item
    try:
        return str(ast.literal_eval(item))
    except (SyntaxError, ValueError):  # an escape that is none
        return item[1:-1]
