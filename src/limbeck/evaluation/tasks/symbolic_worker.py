"""A process of its own that says whether two trees are the same mathematics: it may be killed.

It is run as a file, alone, and imports SymPy and nothing of ours. Each line that comes in is two
trees and how many seconds they are worth, as JSON; each line that goes out ``true`` or ``false``;
the first one says that it is ready.
"""

import json
import math
import operator
import signal
import sys
from typing import Any

import sympy  # type: ignore[import-untyped]

Tree = list[Any]

_GIB = 2**30
_FUNCTIONS: dict[str, Any] = {"ln": sympy.log, "log": lambda x: sympy.log(x, 10), "exp": sympy.exp}
_FUNCTIONS |= {"arcsin": sympy.asin, "arccos": sympy.acos, "arctan": sympy.atan}
_OPERATIONS = {
    "abs": sympy.Abs,
    "add": operator.add,
    "div": operator.truediv,
    "fact": sympy.factorial,
    "mul": operator.mul,
    "neg": operator.neg,
    "pow": operator.pow,
    "root": lambda n, x: sympy.sqrt(x) if n == 2 else sympy.real_root(x, n),
}
_CONSTANTS = {"pi": sympy.pi, "e": sympy.E, "i": sympy.I, "infty": sympy.oo}


def same(a: Tree, b: Tree) -> bool:
    """Whether two trees are equal, part by part."""
    a, b = _value(a, b), _value(b, a)
    if _is_plain(a) and _is_plain(b) and not (_has_pm(a) or _has_pm(b)):
        return _equal(a, b)
    if "union" in (a[0], b[0]):
        return a[0] == b[0] and _matched(a[1], b[1])
    if _is_several(a) or _is_several(b):
        return _matched(_members(a), _members(b))
    if a[0] != b[0]:
        return False
    if a[0] == "tuple":
        return a[1:3] == b[1:3] and _pairwise(a[3], b[3])
    if a[0] == "matrix":
        return len(a[1]) == len(b[1]) and all(map(_pairwise, a[1], b[1]))
    return _related(a, b)


def _value(tree: Tree, other: Tree) -> Tree:
    """What ``x = ...`` says that x is, where the other side is no relation."""
    if tree[0] == "rel" and tree[1] in ("=", "in") and tree[2][0] == "sym" and other[0] != "rel":
        return tree[3]
    return tree


def _related(a: Tree, b: Tree) -> bool:
    flipped = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "=": "=", "!=": "!="}
    (_, sign_a, *sides_a), (_, sign_b, *sides_b) = a, b
    if sign_a == sign_b and _pairwise(sides_a, sides_b):
        return True
    if flipped.get(sign_a) == sign_b and _pairwise(sides_a, sides_b[::-1]):
        return True
    if sign_a == sign_b == "=" and all(map(_is_plain, sides_a + sides_b)):
        left, right = (_build(["add", s[0], ["neg", s[1]]]) for s in (sides_a, sides_b))
        ratio = sympy.simplify(left / right) if right != 0 else sympy.nan
        return bool(ratio.is_number and ratio.is_finite and ratio != 0)
    return False


def _pairwise(these: list[Tree], those: list[Tree]) -> bool:
    return len(these) == len(those) and all(map(same, these, those))


def _members(tree: Tree) -> list[Tree]:
    parts = tree[1] if tree[0] in ("list", "set") else [tree]
    return [variant for p in parts for variant in (_signs(p) if _is_plain(p) else [p])]


def _matched(these: list[Tree], those: list[Tree]) -> bool:
    """Whether each one has its own equal on the other side, in any order."""
    left = list(those)
    for one in these:
        found = next((i for i, other in enumerate(left) if same(one, other)), None)
        if found is None:
            return False
        del left[found]
    return not left


def _is_plain(tree: Tree) -> bool:
    return tree[0] not in ("rel", "tuple", "matrix", "list", "set", "union")


def _is_several(tree: Tree) -> bool:
    """Several answers: braces around them are a matter of taste."""
    return tree[0] in ("list", "set") or (_is_plain(tree) and _has_pm(tree))


def _has_pm(tree: Any) -> bool:
    return isinstance(tree, list) and (tree[:1] == ["pm"] or any(map(_has_pm, tree)))


def _signs(tree: Tree) -> list[Tree]:
    """The tree with every plus-or-minus as plus, and as minus."""
    return [_signed(tree, "add"), _signed(tree, "sub")] if _has_pm(tree) else [tree]


def _signed(tree: Any, sign: str) -> Any:
    if not isinstance(tree, list):
        return tree
    if tree[:1] == ["pm"]:
        left, right = (_signed(part, sign) for part in tree[1:])
        return ["add", left, right if sign == "add" else ["neg", right]]
    return [_signed(part, sign) for part in tree]


def _equal(a: Tree, b: Tree) -> bool:
    first, second = _build(a), _build(b)
    if first == second:
        return True
    if sympy.oo in (first, second) or -sympy.oo in (first, second):
        return False
    difference = first - second
    if difference.free_symbols and _differs_somewhere(difference):
        return False
    answer = difference.equals(0)
    return bool(answer) if answer is not None else sympy.simplify(difference) == 0


def _differs_somewhere(difference: Any) -> bool:
    """Whether the difference is far from 0 at a point where it can be computed."""
    symbols = sorted(difference.free_symbols, key=str)
    point = {s: sympy.Rational(7 + 3 * i, 5 + i) for i, s in enumerate(symbols)}
    try:
        return abs(complex(difference.subs(point).evalf(15))) > 1e-6
    except (TypeError, ValueError, ArithmeticError):
        return False


def _build(tree: Tree) -> Any:
    kind, *parts = tree
    if kind == "num":
        return sympy.Rational(parts[0])
    if kind == "sym":
        return sympy.Symbol(parts[0], real=True)
    if kind == "const":
        return _CONSTANTS[parts[0]]
    if kind == "fn":
        return (_FUNCTIONS.get(parts[0]) or getattr(sympy, parts[0]))(_build(parts[1]))
    return _OPERATIONS[kind](*(_build(part) for part in parts))


def main() -> None:
    """Answer until nothing more is asked."""
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (2 * _GIB, 2 * _GIB))
    except (ImportError, ValueError, OSError):
        pass  # no such limits here; the time limit holds
    print("true", flush=True)
    for line in sys.stdin:
        try:
            *trees, seconds = json.loads(line)
            # Whoever asked ends this process in time, but may itself have been killed.
            _end_in(math.ceil(seconds) + 1)
            answer = same(*trees)
        except Exception:  # whatever SymPy makes of a strange expression, it is not equal
            answer = False
        _end_in(0)
        print(json.dumps(bool(answer)), flush=True)


def _end_in(seconds: int) -> None:
    """Be killed after so many seconds, where there are such signals; 0 is never."""
    if hasattr(signal, "alarm"):
        signal.alarm(seconds)


if __name__ == "__main__":
    main()
