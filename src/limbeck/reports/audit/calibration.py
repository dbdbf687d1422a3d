"""Are models as sure as they are right? Next-token predictions by confidence."""

from typing import Any

from limbeck.reports import words
from limbeck.reports.facts import Results
from limbeck.reports.figures import COLOURS, WIDTH, Picture
from limbeck.reports.section import Section
from limbeck.reports.sections import MODEL, Column, Table
from limbeck.reports.svg import INK, canvas, in_style, inline_svg

from .plots import legend, percent_axis
from .reading import ends, interval, number, of_arms, part, points, shown
from .tokens import TEXTS

DRAWN = ("teacher", "sft", "student")


def section(results: Results) -> Section | None:
    """The table of all arms, and the reliability diagram of the three that matter."""
    found = part(results, "calibration")
    gaps = part(results, "calibration_gap")
    rows = tuple(
        (
            name,
            shown(here, "ece", words.decimal),
            words.signed(gaps.get(arm), 3),
            shown(here, "brier", words.decimal),
            interval(here, "brier", words.decimal),
            shown(here, "overconfidence", points),
            interval(here, "overconfidence", points),
            TEXTS.get(str(here.get("text")), words.DASH),
            words.count(here.get("n")),
        )
        for arm, name, here in of_arms(results, found)
    )
    if not rows:
        return None
    columns = (
        MODEL,
        Column("ECE", "Expected calibration error: mean distance of confidence from accuracy."),
        Column("Gap", "Calibration error of the model minus the teacher's."),
        Column("Brier", "Mean squared error of the probability of the likeliest token."),
        Column("95% interval", "Where the true score plausibly lies.", detail=True),
        Column("Too sure by", "Mean confidence minus accuracy, points; negative is too modest."),
        Column("95% interval", "Where the true difference plausibly lies.", detail=True),
        Column("Text", "Whose answers were read.", text=True),
        Column("Tokens", "Predictions.", detail=True),
    )
    lead = (
        "How often the likeliest next token is the right one, beside the probability it was given. "
        "A student can take over its teacher's answers without knowing how sure to be."
    )
    table = Table("Calibration", lead, columns, rows, detail=True)
    return Section("Calibration", lead, (table,), lambda: (diagram(results),))


@in_style
def diagram(results: Results) -> Picture | None:
    """Accuracy over confidence for teacher, SFT and student; the diagonal is perfect."""
    drawn: list[tuple[str, str, list[Any]]] = []
    for arm, name, here in of_arms(results, part(results, "calibration")):
        bins = [
            b
            for b in here.get("bins") or ()
            if number(b, "confidence") is not None and number(b, "accuracy") is not None
        ]
        if arm in DRAWN and bins:
            drawn.append((arm, name, bins))
    if not drawn:
        return None
    figure = canvas(WIDTH, 330)
    axes = figure.subplots()
    axes.plot((0, 1), (0, 1), color=INK, linewidth=1, linestyle=":", alpha=0.6)
    for arm, name, bins in drawn:
        colour = COLOURS.get(arm, INK)
        for b in bins:
            if limits := ends(b, "accuracy"):
                x = b["confidence"]
                axes.plot((x, x), limits, color=colour, linewidth=2.5, alpha=0.35)
        axes.plot(
            [b["confidence"] for b in bins],
            [b["accuracy"]["value"] for b in bins],
            color=colour,
            marker={"teacher": "s", "sft": "^"}.get(arm, "o"),
            markersize=6,
            linewidth=2.4 if arm == "student" else 1.4,
            label=name,
        )
    for axis in (axes.xaxis, axes.yaxis):
        percent_axis(axis)
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    axes.set_xlabel("confidence", color=INK)
    axes.set_ylabel("accuracy", color=INK)
    axes.grid()
    legend(figure, axes)
    title = "As sure as right?"
    caption = (
        "Accuracy over confidence; on the dotted line a model is as sure as it is right, below it "
        "too sure."
    )
    columns = (MODEL, Column("Confidence"), Column("Accuracy"), Column("95% interval"), Column("n"))
    rows = tuple(
        (
            name,
            words.percent(b["confidence"]),
            shown(b, "accuracy", words.percent),
            interval(b, "accuracy", words.percent),
            words.count(b["accuracy"].get("n") if isinstance(b["accuracy"], dict) else None),
        )
        for _, name, bins in drawn
        for b in bins
    )
    return Picture(
        inline_svg(figure, "figure-calibration", title, caption),
        caption,
        Table(title, "", columns, rows),
    )
