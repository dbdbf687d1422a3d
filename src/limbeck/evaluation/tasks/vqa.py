"""Accuracy of answers to questions about pictures: how many of ten people said the same."""

import re
from collections.abc import Sequence

_NUMBERS = {"none": "0", "zero": "0", "one": "1", "two": "2", "three": "3", "four": "4"}
_NUMBERS |= {"five": "5", "six": "6", "seven": "7", "eight": "8", "nine": "9", "ten": "10"}
_ARTICLES = {"a", "an", "the"}
_CONTRACTED = re.findall(
    r"\S+",
    "ain't aren't can't couldn't didn't doesn't don't hadn't hasn't haven't isn't mightn't mustn't "
    "needn't shan't shouldn't wasn't weren't won't wouldn't could've might've must've should've "
    "would've he'd he's how'd how'll how's i'm i've it'd it'll let's ma'am o'clock she's somebody's "
    "someone's that's there's they'd they'll they're they've we've what'll what're what's what've "
    "where's who'd who'll who's who've why's y'all you'd you'll you're you've",
)
_CONTRACTIONS = {word.replace("'", ""): word for word in _CONTRACTED}
_PUNCTUATION = ';/[]"{}()=+\\_-><@`,?!'
_THOUSANDS = re.compile(r"[0-9],[0-9]")
_FULL_STOP = re.compile(r"\.(?![0-9])")


def vqa_accuracy(found: str, people: Sequence[str]) -> float:
    """How well an answer agrees with what people said.

    For each of them in turn ``min(1, n / 3)``, with n of the *others* who said the same; then the
    mean. With ten people and n of them in agreement: 0, .3, .6, .9, and 1 from four on.

    Answers are compared as they are, without white space around them, where the people all say the
    same; else in the plain form of `plain_answer`, as the data set's own code has it.
    """
    if not people:
        return 0.0
    answer, said = _spaced(found), [_spaced(p) for p in people]
    if len(set(said)) > 1:
        answer, said = plain_answer(answer), [plain_answer(p) for p in said]
    same = [s == answer for s in said]
    agreeing = sum(same)
    return sum(min(1.0, (agreeing - own) / 3) for own in same) / len(same)


def plain_answer(answer: str) -> str:
    """An answer in small letters, without articles and punctuation, numbers as digits.

    A mark of punctuation becomes nothing where a space stands beside it, or where the answer has a
    number with thousands commas; else a space.
    """
    text = _spaced(answer)
    goes = _THOUSANDS.search(text) is not None
    original = text
    for mark in _PUNCTUATION:
        beside_space = f"{mark} " in original or f" {mark}" in original
        text = text.replace(mark, "" if goes or beside_space else " ")
    words = _FULL_STOP.sub("", text).lower().split()
    words = [_NUMBERS.get(word, word) for word in words if word not in _ARTICLES]
    return " ".join(_CONTRACTIONS.get(word, word) for word in words)


def _spaced(answer: str) -> str:
    return answer.replace("\n", " ").replace("\t", " ").strip()
