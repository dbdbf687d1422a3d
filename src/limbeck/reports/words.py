"""Numbers as a reader sees them; one that is missing or not finite is a dash."""

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeGuard

DASH = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"

Number = float | int | None
ENDS = ("value", "low", "high")


def known(number: Number) -> TypeGuard[float]:
    """Whether there is a number to show."""
    return number is not None and math.isfinite(number)


def _shown(number: Number, write: Callable[[float], str]) -> str:
    if number is None or not math.isfinite(number):
        return DASH
    return write(number).replace("-", MINUS)


def percent(share: Number) -> str:
    """0.898 -> ``89.8%``."""
    return _shown(share, lambda x: f"{100 * x:.1f}%")


def decimal(number: Number, digits: int = 3) -> str:
    """0.91234 -> ``0.912``; digits that a large number does not need are dropped."""
    return _shown(number, lambda x: f"{x:,.{digits if abs(x) < 100 else 1}f}")


def signed(number: Number, digits: int) -> str:
    """0.5 -> ``+0.50``; what rounds to nothing carries no sign."""

    def write(x: float) -> str:
        text = f"{x:+.{digits}f}"
        return text[1:] if float(text) == 0 else text

    return _shown(number, write)


def count(number: Number) -> str:
    """12345 -> ``12,345``."""
    return _shown(number, lambda x: f"{x:,.0f}")


def p_value(p: Number) -> str:
    """0.0421 -> ``p = 0.042``; below a thousandth only that is said."""
    if p is None or not known(p):
        return "not tested"
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}" if p < 0.1 else f"p = {p:.2f}"


def parameters(number: Number) -> str:
    """2_360_000 -> ``2.36 M``."""
    return _scaled(number, 1000, ("", " K", " M", " B", " T"))


def memory(number: Number) -> str:
    """1_288_490_189 -> ``1.2 GiB``."""
    return _scaled(number, 1024, (" B", " KiB", " MiB", " GiB", " TiB"))


def _scaled(number: Number, step: int, units: tuple[str, ...]) -> str:
    def write(x: float) -> str:
        unit = 0
        while abs(x) >= step and unit < len(units) - 1:
            x, unit = x / step, unit + 1
        digits = 0 if x == int(x) or abs(x) >= 100 else 1 if abs(x) >= 10 else 2
        return f"{x:.{digits}f}{units[unit]}"

    return _shown(number, write)


def duration(seconds: Number) -> str:
    """276 -> ``4 min 36 s``."""

    def write(x: float) -> str:
        if x < 10:
            return f"{x:.1f} s"
        whole = round(x)
        if whole < 60:
            return f"{whole} s"
        if whole < 3600:
            return f"{whole // 60} min {whole % 60:02d} s"
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"

    return _shown(seconds, write)


def unbroken(text: str) -> str:
    """The text with ``p = 0.04`` and ``86% [83, 90]`` each on one line."""
    space = "\N{NO-BREAK SPACE}"
    for sign in "<=":
        text = text.replace(f"p {sign} ", f"p{space}{sign}{space}")
    inside = re.compile(r"\[\S+, \S+\]")
    return inside.sub(lambda found: found.group().replace(" ", space), text)


def is_share(metric: str) -> bool:
    """Whether a figure of that name is a share of items; kappa and F1 are not."""
    return not any(part in metric.lower() for part in ("kappa", "f1"))


def listed(parts: list[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    *most, last = parts
    return f"{', '.join(most)} and {last}" if most else last


def share_of(found: Mapping[str, Any]) -> str:
    """A share and its interval, ``71% [63, 79]``."""
    value, low, high = (_shown(found.get(k), lambda x: f"{100 * x:.0f}") for k in ENDS)
    return f"{value}% [{low}, {high}]" if DASH not in (low, high) else f"{value}%"


def span(low: Number, high: Number, write: Callable[[Number], str]) -> str:
    """An interval in words, ``85.1 to 90.7%``: a dash would read as a minus."""
    if not (known(low) and known(high)):
        return DASH
    return f"{write(low).removesuffix('%')} to {write(high)}"
