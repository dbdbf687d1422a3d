r"""Mathematics as LaTeX writes it, as a tree of plain lists; nothing is evaluated here.

A tree is ``[kind, ...]``: ``num``, ``sym``, ``const``, ``neg``, ``add``, ``mul``, ``div``, ``pow``,
``root``, ``fn``, ``fact``, ``abs``, ``pm``, ``rel``, ``list``, ``tuple``, ``set``, ``union``,
``matrix``.
"""

import re
from collections.abc import Callable
from typing import Any

Tree = list[Any]

_LONGEST = 400  # characters; answers that a person would box are shorter
_DEEPEST = 30
_TOKEN = re.compile(
    r"\s*(?:([0-9]+(?:\.[0-9]+)?|\.[0-9]+)|(\\[a-zA-Z]+|\\.)|([a-zA-Z])|([-+*/^_=<>(),|!{}\[\]&;:']))"
)
_SPACING = re.compile(
    r"(?<!\\)\\(?:left|right|displaystyle|[bB]igg?[lr]?|quad|qquad|[!,;: ])(?![a-zA-Z])|~|\\\$|\$|\\%|%"
    r"|\^\{?\\circ\}?"
)
_THOUSANDS = re.compile(r"(?<![0-9])([1-9][0-9]{0,2}(?:,[0-9]{3})+)(?![0-9])")
_WORDS = re.compile(r"(?<![a-zA-Z\\])(sqrt|pi|sin|cos|tan|log|ln|exp|infty)(?![a-zA-Z])")
_UNIT = re.compile(r"\\(?:text|mathrm|mbox|textrm)\s*\{[^{}]*\}\s*(?:\^\{?[0-9]\}?)?\.?\s*$")
_MATRIX = re.compile(r"\\begin\{([pbv]?matrix)\}(.*)\\end\{\1\}", re.DOTALL)
_FUNCTIONS = {"sin", "cos", "tan", "cot", "sec", "csc", "arcsin", "arccos", "arctan"}
_FUNCTIONS |= {"sinh", "cosh", "tanh", "log", "ln", "exp"}
_RELATIONS = {"=": "=", "<": "<", ">": ">", "\\le": "<=", "\\leq": "<=", "\\ge": ">="}
_RELATIONS |= {"\\geq": ">=", "\\lt": "<", "\\gt": ">", "\\ne": "!=", "\\neq": "!=", "\\in": "in"}
_TIMES = ("*", "\\cdot", "\\times")
_OVER = ("/", "\\div")
_CLOSERS = {"(": (")", "]"), "[": ("]", ")")}


def tree_of(answer: str) -> Tree | None:
    """The tree of an answer; None where it is not mathematics that is known here."""
    if len(answer) > _LONGEST:
        return None
    text = _SPACING.sub(" ", answer).strip().rstrip(".")
    bare = _UNIT.sub("", text).strip()
    text = (bare or text).replace("\\dfrac", "\\frac").replace("\\tfrac", "\\frac")
    if not text:
        return None
    try:
        matrix = _MATRIX.fullmatch(text)
        return _matrix(matrix.group(2)) if matrix else _Reader(_plain(text)).whole()
    except _Unknown:
        return None


class _Unknown(Exception):
    """The text is not mathematics that is known here."""


def _plain(text: str) -> str:
    text = _THOUSANDS.sub(_thousands, text)
    return _WORDS.sub(r"\\\1 ", text)


def _thousands(found: re.Match[str]) -> str:
    before, after = found.string[: found.start()], found.string[found.end() :]
    if before.endswith(("(", "[", "\\{")) and after.startswith((")", "]", "\\}")):
        return found.group()  # a point, an interval or a set, not one number in brackets
    return found.group().replace(",", "")


def _matrix(body: str) -> Tree:
    rows = [row for row in body.split("\\\\") if row.strip()]
    return ["matrix", [[_Reader(_plain(c)).whole() for c in row.split("&")] for row in rows]]


def _tokens(text: str) -> list[str]:
    tokens, at = [], 0
    text = text.rstrip()
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise _Unknown
        tokens.append(found.group(found.lastindex or 0))
        at = found.end()
    return tokens


class _Reader:
    """Reads tokens from left to right, the loosest binding first."""

    def __init__(self, text: str):
        self.tokens = _tokens(text)
        self.at = 0
        self.depth = 0

    def whole(self) -> Tree:
        tree = self.listed()
        if self.at < len(self.tokens):
            raise _Unknown
        return tree

    def peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self, *wanted: str) -> str:
        token = self.peek()
        if not token or (wanted and token not in wanted):
            raise _Unknown
        self.at += 1
        return token

    def listed(self) -> Tree:
        parts = self.parts()
        return parts[0] if len(parts) == 1 else ["list", parts]

    def parts(self) -> list[Tree]:
        found = [self.related()]
        while self.peek() in (",", ";"):
            self.take()
            found.append(self.related())
        return found

    def deeper(self, read: Callable[[], Tree]) -> Tree:
        """What `read` reads: all that nests comes by here, so that nothing nests without end."""
        self.depth += 1
        if self.depth > _DEEPEST:
            raise _Unknown
        tree = read()
        self.depth -= 1
        return tree

    def related(self) -> Tree:
        left = self.union()
        while self.peek() in _RELATIONS:
            sign = _RELATIONS[self.take()]
            left = ["rel", sign, left, self.union()]
        return left

    def union(self) -> Tree:
        parts = [self.sum()]
        while self.peek() == "\\cup":
            self.take()
            parts.append(self.sum())
        return parts[0] if len(parts) == 1 else ["union", parts]

    def sum(self) -> Tree:
        left = self.product()
        while self.peek() in ("+", "-", "\\pm"):
            sign = self.take()
            right = self.product()
            right = ["neg", right] if sign == "-" else right
            left = ["pm" if sign == "\\pm" else "add", left, right]
        return left

    def product(self) -> Tree:
        left = self.signed()
        while True:
            token = self.peek()
            if token in _TIMES:
                self.take()
                left = ["mul", left, self.signed()]
            elif token in _OVER:
                self.take()
                left = ["div", left, self.signed()]
            elif self.begins_factor(token):
                # "2 1/2" and "3 4" are no products: nobody writes one so.
                if token[0].isdigit() and left[0] == "num":
                    raise _Unknown
                left = ["mul", left, self.power()]
            else:
                return left

    def begins_factor(self, token: str) -> bool:
        if not token or token in _RELATIONS or token in ("\\cup", "\\pm", "\\}", "\\\\"):
            return False
        return token[0].isalnum() or token[0] in "\\({" or token[0] == "."

    def signed(self) -> Tree:
        if self.peek() not in ("-", "+", "\\pm"):
            return self.power()
        sign = self.take()
        inner = self.deeper(self.signed)
        if sign == "\\pm":
            return ["pm", ["num", "0"], inner]
        return ["neg", inner] if sign == "-" else inner

    def power(self) -> Tree:
        base = self.deeper(self.atom)
        if base[0] == "num" and self.peek() == "\\frac":
            return self.mixed(base)
        while self.peek() in ("^", "!", "_"):
            mark = self.take()
            if mark == "!":
                base = ["fact", base]
            elif mark == "^":
                base = ["pow", base, self.deeper(self.script)]
            else:
                base = self.subscript(base)
        return base

    def mixed(self, whole: Tree) -> Tree:
        """A number before a fraction: of plain numbers, it is added and not multiplied."""
        fraction = self.deeper(self.atom)
        top, bottom = fraction[1:]
        if (top[0], bottom[0]) != ("num", "num"):
            return ["mul", whole, fraction]
        digits = whole[1] + top[1] + bottom[1]
        if not digits.isdecimal() or int(top[1]) >= int(bottom[1]):
            raise _Unknown
        return ["add", whole, fraction]

    def subscript(self, base: Tree) -> Tree:
        below = self.deeper(self.script)
        if base[0] not in ("num", "sym") or below[0] not in ("num", "sym"):
            raise _Unknown
        return ["sym", f"{base[1]}_{below[1]}"]  # also a number to another base

    def script(self) -> Tree:
        if self.peek() == "{":
            return self.braced()
        token = self.peek()
        if token and token[0].isdigit() and len(token) > 1:  # x^12 is x^1 times 2
            self.tokens[self.at : self.at + 1] = [token[0], token[1:]]
        return self.signed() if token == "-" else self.atom()

    def braced(self) -> Tree:
        self.take("{")
        inner = self.listed()
        self.take("}")
        return inner

    def argument(self) -> Tree:
        """What a fraction or a root takes: a group, or the next digit or letter."""
        return self.deeper(self.script)

    def atom(self) -> Tree:
        token = self.take()
        if token[0].isdigit() or token[0] == ".":
            return ["num", token]
        if token.isalpha():
            return ["const", token] if token in ("e", "i") else ["sym", token]
        if token == "{":
            self.at -= 1
            return self.braced()
        if token in _CLOSERS:
            return self.bracketed(token)
        if token == "|":
            inner = self.related()
            self.take("|")
            return ["abs", inner]
        return self.command(token.removeprefix("\\")) if token[0] == "\\" else self.refuse()

    def bracketed(self, opening: str) -> Tree:
        parts = self.parts()
        closing = self.take(*_CLOSERS[opening])
        if len(parts) == 1 and (opening, closing) == ("(", ")"):
            return parts[0]
        return ["tuple", opening, closing, parts]

    def command(self, name: str) -> Tree:
        if name == "frac":
            return ["div", self.argument(), self.argument()]
        if name == "sqrt":
            degree: Tree = ["num", "2"]
            if self.peek() == "[":
                self.take()
                degree = self.listed()
                self.take("]")
            return ["root", degree, self.argument()]
        if name == "{":
            parts = self.parts()
            self.take("\\}")
            return ["set", parts]
        if name in ("pi", "infty"):
            return ["const", name]
        if name in _FUNCTIONS:
            return self.function(name)
        if name in ("text", "mathrm", "mbox", "begin", "end", "boxed") or not name.isalpha():
            return self.refuse()
        return ["sym", name]

    def function(self, name: str) -> Tree:
        power = base = None
        while self.peek() in ("^", "_"):
            if self.take() == "^":
                power = self.script()
            else:
                base = self.script()
        inner = self.signed()
        bare = inner[0] == "num" and self.begins_factor(self.peek())
        if bare or (power and power[0] == "neg"):
            raise _Unknown  # sin 2x is not sin(2) x, nor sin^{-1} one over the sine
        tree = (
            ["fn", name, inner]
            if base is None
            else ["div", ["fn", "ln", inner], ["fn", "ln", base]]
        )
        return tree if power is None else ["pow", tree, power]

    def refuse(self) -> Tree:
        raise _Unknown
