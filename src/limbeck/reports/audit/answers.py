"""Do student and teacher give the same answers, also where both are wrong?"""

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from limbeck.reports import words
from limbeck.reports.facts import Results, label
from limbeck.reports.figures import COLOURS, WIDTH, Picture
from limbeck.reports.section import Section
from limbeck.reports.sections import MODEL, Column, Table
from limbeck.reports.svg import INK, canvas, in_style, inline_svg

from .plots import short
from .reading import Found, interval, of_arms, part, points, shown

_GAP = 0.008  # of the whole, so that neighbours have an edge on any background


def section(results: Results) -> Section | None:
    """Agreement of each arm with the teacher, split by who is right; the mosaic of student and SFT."""
    found, excess = part(results, "agreement"), part(results, "excess_agreement")
    rows = tuple(
        (
            name,
            shown(here, "same", words.percent),
            interval(here, "same", words.percent),
            shown(here, "kappa", words.decimal),
            interval(here, "kappa", words.decimal),
            shown(excess, arm, points),
            interval(excess, arm, points),
            words.count(here.get("both_right")),
            words.count(here.get("only_a")),
            words.count(here.get("only_b")),
            words.count(here.get("both_wrong")),
            words.count(here.get("same_wrong")),
            shown(here, "error_agreement", words.percent),
            interval(here, "error_agreement", words.percent),
            words.count(here.get("unanswered_b")),
        )
        for arm, name, here in of_arms(results, found)
    )
    if not rows:
        return None
    columns = (
        MODEL,
        Column("Same answer", "Items with the same answer as the teacher; no answer is never one."),
        Column("95% interval", "Where the true share plausibly lies.", detail=True),
        Column("Beyond chance", "Cohen's kappa of the answers: 0 is chance, 1 is always the same."),
        Column("95% interval", "Where the true kappa plausibly lies.", detail=True),
        Column(
            "Excess",
            "Same answers beyond what two models so often right would share if unrelated, points.",
            detail=True,
        ),
        Column("95% interval", "Where the true excess plausibly lies.", detail=True),
        Column("Both right", "Items that teacher and model have right.", detail=True),
        Column("Only teacher", "Items that only the teacher has right.", detail=True),
        Column("Only model", "Items that only the model has right.", detail=True),
        Column("Both wrong", "Items that both have wrong."),
        Column("Same wrong", "Items on which both give the same wrong answer."),
        Column("Errors alike", "Same wrong answers, as a share of the items both have wrong."),
        Column("95% interval", "Where the true share plausibly lies.", detail=True),
        Column("No answer", "Items without an answer of the model.", detail=True),
    )
    lead = (
        "Two models that are often right agree often without knowing of one another; the same "
        "wrong answer is what gives an imitator away."
    )
    table = Table("Answers beside the teacher's", lead, columns, rows).without_empty()
    return Section("Answers beside the teacher's", lead, (table,), lambda: mosaics(results))


@in_style
def mosaics(results: Results) -> list[Picture]:
    """Teacher right or wrong across, the arm right or wrong up, for the student and SFT."""
    found = part(results, "agreement")
    both = ((arm, found.get(arm) or {}) for arm in ("student", "sft"))
    return [_mosaic(results, arm, here) for arm, here in both if _total(here)]


def _total(found: Found) -> int:
    return sum(found.get(key) or 0 for key in ("both_right", "only_a", "only_b", "both_wrong"))


def _mosaic(results: Results, arm: str, found: Found) -> Picture:
    total, same = _total(found), found.get("same_wrong") or 0
    model, teacher = label(results, arm), label(results, "teacher")
    colour, wrong = COLOURS[arm], found["both_wrong"]
    figure = canvas(WIDTH, 300)
    axes = figure.subplots()
    left = 0.0
    rows = []
    # Columns: the teacher right, wrong; from the bottom: the model right, wrong.
    for teacher_right, parts in (
        (True, (("both_right", colour, 0.75), ("only_a", INK, 0.2))),
        (False, (("only_b", colour, 0.75), ("both_wrong", INK, 0.2))),
    ):
        height_of = sum(found[key] for key, _, _ in parts)
        width, bottom = height_of / total, 0.0
        for key, fill, alpha in parts:
            height = found[key] / height_of if height_of else 0.0
            _tile(axes, left, bottom, width, height, fill, alpha)
            marked = key == "both_wrong" and same > 0
            if marked:
                _marked(axes, left, bottom, width, height, same / wrong)
            _count(axes, left, bottom, width, height, found[key])
            bottom += height
            rows.append(
                (*_NAMES[key](teacher, model), found[key], words.percent(found[key] / total))
            )
        side = f"{short(teacher, 24)} right" if teacher_right else "wrong"
        if width > 0.04:
            edge, place = (left, "left") if teacher_right else (left + width, "right")
            axes.text(edge, -0.03, side, ha=place, va="top", color=INK)
        left += width
    axes.text(
        -0.02, 0.02, f"{short(model, 24)} right", rotation=90, ha="right", va="bottom", color=INK
    )
    axes.text(-0.02, 0.98, "wrong", rotation=90, ha="right", va="top", color=INK)
    axes.set_xlim(-0.08, 1.0)
    axes.set_ylim(-0.1, 1.0)
    axes.axis("off")
    title = f"{teacher} and {model}, answer by answer"
    caption = f"{words.count(total)} items; areas are numbers of items. Filled: {model} is right."
    if same:
        caption += (
            f" Hatched: the {words.count(same)} items on which both give the same wrong answer."
        )
    rows.append(("Same wrong answer", same, words.percent(same / total)))
    columns = (Column("Outcome", text=True), Column("Items"), Column("Share"))
    numbers = Table(title, "", columns, tuple((n, words.count(k), s) for n, k, s in rows))
    return Picture(inline_svg(figure, f"figure-mosaic-{arm}", title, caption), caption, numbers)


_NAMES = {
    "both_right": lambda teacher, model: ("Both right",),
    "only_a": lambda teacher, model: (f"Only {teacher} right",),
    "only_b": lambda teacher, model: (f"Only {model} right",),
    "both_wrong": lambda teacher, model: ("Both wrong",),
}


def _tile(
    axes: Axes, x: float, y: float, width: float, height: float, fill: str, alpha: float
) -> None:
    box = (max(width - _GAP, 0), max(height - _GAP, 0))
    axes.add_patch(Rectangle((x, y), *box, facecolor=fill, alpha=alpha, edgecolor="none"))


def _marked(axes: Axes, x: float, y: float, width: float, height: float, share: float) -> None:
    """Hatch the upper part of a tile."""
    tall = max(height - _GAP, 0) * share
    corner = (x, y + max(height - _GAP, 0) - tall)
    axes.add_patch(
        Rectangle(
            corner,
            max(width - _GAP, 0),
            tall,
            facecolor="none",
            edgecolor=COLOURS["teacher"],
            hatch="///",
            linewidth=1.5,
        )
    )


def _count(axes: Axes, x: float, y: float, width: float, height: float, number: int) -> None:
    """Write a number into a tile with room for it; others are in the table below."""
    text = words.count(number)
    if width > 0.03 + 0.018 * len(text) and height > 0.07:
        axes.text(
            x + width / 2 - _GAP / 2,
            y + height / 2 - _GAP / 2,
            text,
            ha="center",
            va="center",
            weight="bold",
        )
