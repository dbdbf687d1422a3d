# ruff: noqa: RUF001 (these signs look alike, and people type them all)
"""What the text of a worked solution is made of, for somebody who looks for sums in it."""

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

Kind = Literal["number", "word", "operator", "open", "close", "equals", "stop", "odd"]

_PATTERN = re.compile(
    r"""
    (?P<number> [$£€]? (?: (?: [0-9]{1,3} (?:,[0-9]{3})+ (?![0-9]) | [0-9]+ ) (?:\.[0-9]+)?
                         | \.[0-9]+ ) (?:\ ?%)? )
  | (?P<word> [^\W\d_]+ (?: ['’][^\W\d_]+ )* | [$£€¢%°] | /(?=\ ?[^\W\d_]) )
  | (?P<odd> \*\*|// | [<>!~:]=[=>]? | =[=<>~]+ | (?<=[0-9])[,.](?=[0-9])
           | (?<=[0-9]):(?=[0-9]{2}(?![0-9])) )
  | (?P<equals> = )
  | (?P<operator> [-+*/×·⋅∗÷−–] )
  | (?P<open> [(\[] ) | (?P<close> [)\]] )
  | (?P<stop> [\n.,;:!?"'“”‘’#`<>≥≤≈~|…—] )
  | (?P<other> \S )
    """,
    re.VERBOSE,
)
_LONGEST_NUMBER = 24
_SPELLINGS = {"∗": "*", "×": "*", "·": "*", "⋅": "*", "÷": "/", "−": "-", "–": "-"}
_LATEX = re.compile(r"\\(times|cdot|div|\$|%|,|!|;|\s)")
_LATEX_MEANS = {"times": "×", "cdot": "·", "div": "÷", "$": "$", "%": "%"}
_FRACTION = re.compile(r"\\[dt]?frac\{([0-9.]{1,20})\}\{([0-9.]{1,20})\}")
_BOLD = re.compile(r"(?<![\w)\]])\*\*|\*\*(?![\w(\[$])")


@dataclass(frozen=True, slots=True)
class Lexeme:
    """A number, word, sign or stop, and where it stands.

    Attributes:
        kind: ``stop`` ends a phrase; ``odd`` is what makes numbers beside it mean something else.
        text: As it is written; of operators, one of ``+ - * /``.
        start: Of its first character.
        end: After its last one.
        value: Of a number, without regard to ``%``.
        places: Of a number: digits after the point.
    """

    kind: Kind
    text: str
    start: int
    end: int
    value: Fraction = Fraction(0)
    places: int = 0

    @property
    def percent(self) -> bool:
        """Whether this is a percentage."""
        return self.kind == "number" and self.text.endswith("%")


def plain(text: str) -> str:
    """The text with LaTeX's signs and fractions as people type them, and nothing bold."""
    text = _FRACTION.sub(r"(\1/\2)", text)
    text = _LATEX.sub(lambda found: _LATEX_MEANS.get(found[1], " "), text)
    return _BOLD.sub("", text)


def lexemes(text: str) -> list[Lexeme]:
    """Split a text; white space other than line ends is left out."""
    found: list[Lexeme] = []
    for match in _PATTERN.finditer(text):
        kind, written = match.lastgroup, match.group()
        if kind == "number":
            found.append(_number(match))
        elif kind == "word" and written in ("x", "X") and _multiplies(match, found):
            found.append(Lexeme("operator", "*", *match.span()))
        elif kind == "word" and _is_unknown(match, found):
            found.append(Lexeme("odd", written, *match.span()))
        elif kind == "operator":
            found.append(Lexeme("operator", _SPELLINGS.get(written, written), *match.span()))
        else:
            known: Kind = "odd" if kind == "other" else kind  # type: ignore[assignment]
            found.append(Lexeme(known, written, *match.span()))
    return found


def _number(match: re.Match[str]) -> Lexeme:
    written = match.group()
    digits = written.strip("$£€% ").replace(",", "")
    clock = len(digits) > 2 and digits[:1] == "0" and digits.isdigit()  # 0900
    if clock or len(digits) > _LONGEST_NUMBER:
        return Lexeme("odd", written, *match.span())
    places = len(digits.partition(".")[2])
    return Lexeme("number", written, *match.span(), Fraction(digits), places)


def _is_unknown(match: re.Match[str], before: list[Lexeme]) -> bool:
    """Whether a letter or a name is stuck to a number, as in ``2a``, ``20k`` or ``3Anna``."""
    name = match.group().isalpha() and (len(match.group()) == 1 or match.group()[0].isupper())
    return name and bool(before) and before[-1].kind == "number" and before[-1].end == match.start()


def _multiplies(match: re.Match[str], before: list[Lexeme]) -> bool:
    """Whether an ``x`` stands between two quantities."""
    after = match.string[match.end() : match.end() + 2].lstrip(" ")
    if not before or not (after[:1].isdigit() or after[:1] in tuple("$£€(.")):
        return False
    last = before[-1]
    return last.kind in ("number", "close") or (last.kind == "word" and last.end < match.start())
