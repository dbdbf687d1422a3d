r"""Answers of the MATH data set: the last box of a solution, and when two answers are the same text."""

import re

from limbeck.data.boxed import last_boxed

_BOX = re.compile(r"\\(?:boxed|fbox)\s*\{")
_SHORT_BOX = re.compile(r"\\(?:boxed|fbox)\s+([^\s{}$\\]+)")
_REMOVED = re.compile(
    r"\\!|\\left(?![a-zA-Z])|\\right(?![a-zA-Z])|\^\{\\circ\}|\^\\circ|\\\$|\\%|\n"
)
_NAMED = re.compile(r"[^=]{1,2}=([^=]*)")
_BARE_ROOT = re.compile(r"\\sqrt\s*([^\s{\[\\])")
_BARE_TOP = re.compile(r"\\frac([^{}\\])")
_BARE_BOTTOM = re.compile(r"(\\frac\{[^{}\\]\})([^{}\\])")
_SLASH = re.compile(r"(-?[0-9]+)/(-?[0-9]+)")
_POINT = re.compile(r"(?:(?<=^)|(?<=[ {]))\.(?=[0-9])")


def last_box(text: str) -> str | None:
    r"""What the last ``\boxed{}`` or ``\fbox{}`` holds whose braces close; None without one."""
    braced = _SHORT_BOX.sub(r"\\boxed{\1}", text)
    found = last_boxed(_BOX.sub(r"\\boxed{", braced))
    return (found.strip() or None) if found is not None else None


def normal_form(answer: str) -> str:
    r"""An answer without what LaTeX leaves to taste, as the data set's authors compare them.

    Without ``\left``, ``\right``, ``\!``, ``\$``, ``\%``, degree signs, spaces, units after
    ``\text{ ``, and a name of one or two characters before ``=``; fractions and roots with all
    their braces, ``a/b`` as a fraction, ``0.5`` as one half.
    """
    text = answer.replace("\\tfrac", "\\frac").replace("\\dfrac", "\\frac")
    text = _REMOVED.sub("", text.replace("\\\\", "\\"))
    text = text.partition("\\text{ ")[0] or text
    text = _POINT.sub("0.", text)
    named = _NAMED.fullmatch(text)
    if named:
        text = named.group(1)
    text = _BARE_ROOT.sub(r"\\sqrt{\1}", text).replace(" ", "")
    text = _BARE_BOTTOM.sub(r"\1{\2}", _BARE_TOP.sub(r"\\frac{\1}", text))
    if text == "0.5":
        return "\\frac{1}{2}"
    return _SLASH.sub(r"\\frac{\1}{\2}", text) if _SLASH.fullmatch(text) else text


def same_answer(found: str, gold: str) -> float:
    """1 where both have the same normal form."""
    return float(normal_form(found) == normal_form(gold))
