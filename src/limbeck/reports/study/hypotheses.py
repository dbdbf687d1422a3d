"""What was claimed before anything ran, and what became of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from limbeck.reports import words
from limbeck.reports.audit.plots import short
from limbeck.reports.figures import WIDTH, Picture
from limbeck.reports.sections import Column, Table
from limbeck.reports.svg import INK, canvas, in_style, inline_svg

from .download import Figure, of_rows
from .scale import PLAIN, POINTS, Scale
from .tidy import Study, is_number

# A sign, a word and a colour: any one of them is enough.
SIGNS = {"supported": "\N{CHECK MARK}", "refuted": "\N{BALLOT X}", "undecided": "?"}
_COLOURS = {"supported": "#009E73", "refuted": "#D55E00", "undecided": "#808080"}
_MARKS = {"supported": "o", "refuted": "X", "undecided": "D"}
# What effects are, by kind; those that are not named are differences of a column, by default the score.
_UNITS = {"correlation": "rank correlation", "methods_differ": "share of the variance"}
_SCORES = ("score", "improvement")
_SHARES = (
    *("recovered", "validation_score", "agreement", "excess_agreement", "fidelity_top1"),
    *("agreement_gain", "fidelity_gain"),
    *("equation_jaccard", "unfaithful", "invalid_rate", "truncation_rate", "advantage", "deficit"),
    *("retention", "repair"),
)
_CORRECTIONS = {"holm": "Holm", "bh": "Benjamini-Hochberg"}
_COLUMNS = (
    "claim kind state effect low high p p_corrected correction n unit test words needed_n note"
)


@dataclass(frozen=True)
class Card:
    """A hypothesis in words.

    Attributes:
        number: Its place in the study file.
        state: ``supported``, ``refuted`` or ``undecided``.
        sign: The state as a sign.
        claim: What was claimed.
        facts: What was found, as pairs of a name and a number.
        compared: What was compared, in a sentence.
        needed: What would decide it, or nothing.
        note: What a reader has to know besides.
    """

    number: int
    state: str
    sign: str
    claim: str
    facts: tuple[tuple[str, str], ...]
    compared: str
    needed: str
    note: str


def cards(study: Study, scores: Scale) -> list[Card]:
    """Every hypothesis, in the order of the study file."""
    return [
        _card(place, found, scale_of(found, scores))
        for place, found in enumerate(declared(study), start=1)
    ]


def declared(study: Study) -> Sequence[Mapping[str, Any]]:
    """The hypotheses as the study holds them."""
    return study.get("hypotheses") or ()


def verdict(study: Study) -> tuple[str, str]:
    """How many hypotheses ended how, in a sentence, and what else is to be said of that."""
    states = [found["state"] for found in declared(study)]
    if not states:
        return (
            "No hypothesis was declared.",
            "What follows describes the runs; a pattern in it is a question for the next study.",
        )
    if len(states) == 1:
        return f"The hypothesis is {states[0]}:", str(declared(study)[0]["claim"])
    counts = [(states.count(state), state) for state in SIGNS if state in states]
    said = [f"{n} {'is' if n == 1 else 'are'} {state}" for n, state in counts]
    return f"Of {len(states)} hypotheses, {words.listed(said)}.", ""


def scale_of(found: Mapping[str, Any], scores: Scale) -> Scale:
    """What an effect is measured in.

    Args:
        found: A tested hypothesis.
        scores: What the study's scores are measured in.
    """
    kind, column = str(found.get("kind")), str(found.get("on") or "score")
    if kind in _UNITS:
        return Scale("", _UNITS[kind], shares=False)
    return scores if column in _SCORES else POINTS if column in _SHARES else PLAIN


def effect(found: Mapping[str, Any], scale: Scale, key: str = "effect") -> str:
    """An effect, or an end of its interval."""
    number, kind = found.get(key), found.get("kind")
    if kind in _UNITS:
        return words.signed(number, 2) if kind == "correlation" else words.decimal(number, 2)
    return scale.difference(number)


def interval(found: Mapping[str, Any], scale: Scale) -> str:
    """The 95 % interval in words."""
    low, high = (effect(found, scale, end) for end in ("low", "high"))
    return words.DASH if words.DASH in (low, high) else f"{low} to {high}"


def decides(found: Mapping[str, Any]) -> str:
    """The p that decides, and how it was corrected: ``p = 0.012 (Holm over 5)``."""
    p = found.get("p_corrected")
    if not words.known(p):
        return words.p_value(found.get("p")) if words.known(found.get("p")) else ""
    name = str(found.get("correction") or "")
    return f"{words.p_value(p)}, {_CORRECTIONS.get(name, name)}".removesuffix(", ")


def needed(found: Mapping[str, Any]) -> str:
    """How many units would decide an open claim, in a sentence; else nothing."""
    n = found.get("needed_n")
    if found["state"] != "undecided" or not words.known(n):
        return ""
    units = found.get("unit") or "units"
    return (
        f"About {words.count(n)} {units} would decide it with 80% power, if the effect is as large "
        f"as it looks; there are {words.count(found.get('n'))}."
    )


def _card(number: int, found: Mapping[str, Any], scale: Scale) -> Card:
    size = f"{effect(found, scale)} {scale.unit}".strip()
    facts = (
        ("Effect", size if is_number(found.get("effect")) else ""),
        ("95% interval", interval(found, scale)),
        ("Corrected" if words.known(found.get("p_corrected")) else "Test alone", decides(found)),
        ("Units", f"{words.count(found.get('n'))} {found.get('unit') or ''}".strip()),
        ("Test", str(found.get("test") or "")),
    )
    return Card(
        number,
        found["state"],
        SIGNS.get(found["state"], SIGNS["undecided"]),
        str(found["claim"]),
        tuple((name, text) for name, text in facts if text and text != words.DASH),
        words.unbroken(str(found.get("words") or "")),
        needed(found),
        str(found.get("note") or ""),
    )


@in_style
def figure(study: Study, scores: Scale) -> Figure | None:
    """Effects on scores with their intervals, numbered as the cards are."""
    rows = [
        (place, found)
        for place, found in enumerate(declared(study), start=1)
        if scale_of(found, scores) is scores
        and all(is_number(found.get(key)) for key in ("effect", "low", "high"))
    ]
    if not rows:
        return None
    drawing = canvas(WIDTH, 54 + 36 * len(rows))
    axes = drawing.subplots()
    axes.axvline(0, color=INK, linewidth=1, alpha=0.6)
    for row, (_, found) in enumerate(rows):
        state = found["state"]
        colour = _COLOURS.get(state, INK)
        axes.plot(
            (found["low"], found["high"]),
            (row, row),
            color=colour,
            linewidth=3,
            solid_capstyle="round",
            alpha=0.55,
        )
        axes.plot(found["effect"], row, _MARKS.get(state, "D"), color=colour, markersize=8)
    named = [
        f"{SIGNS.get(f['state'], '?')} {place}. {short(str(f['claim']), 20, 2)}"
        for place, f in rows
    ]
    axes.set_yticks(range(len(rows)), named)
    axes.set_ylim(len(rows) - 0.5, -0.6)
    scores.mark_differences(axes.xaxis)
    axes.set_xlabel(scores.unit, color=INK)
    axes.margins(x=0.08)
    axes.grid(axis="x")
    title = "Effects"
    caption = (
        f"The claims about differences of scores, in {scores.unit}, with 95% intervals. An interval "
        "on one side of 0 is not yet a supported claim: the corrected p, and for margins the margin, "
        "decide."
    )
    columns = (
        Column("Claim", text=True),
        Column("State", text=True),
        Column("Effect"),
        Column("95% interval"),
    )
    numbers = tuple(
        (
            f"{place}. {found['claim']}",
            found["state"],
            effect(found, scores),
            interval(found, scores),
        )
        for place, found in rows
    )
    picture = Picture(
        inline_svg(drawing, "figure-effects", title, caption),
        caption,
        Table(title, "", columns, numbers),
    )
    return Figure(picture, of_rows("hypotheses", declared(study), _COLUMNS.split()))
