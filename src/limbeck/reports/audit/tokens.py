"""Token by token: does a model spread its probability as its teacher does, and where not?"""

from typing import Any

from limbeck.reports import words
from limbeck.reports.facts import Results
from limbeck.reports.figures import COLOURS, Picture
from limbeck.reports.section import Section
from limbeck.reports.sections import MODEL, Column, Table
from limbeck.reports.svg import INK, canvas, in_style, inline_svg

from .plots import legend, percent_axis, step_names
from .reading import Found, interval, nats, number, of_arms, part, shown

TEXTS = {"teacher": "teacher's", "data": "data's", "student": "its own"}
_AXES = (
    ("by_position", "by place in the answer", "Places in the answer"),
    ("by_rarity", "by rarity of the token", "Rarity of the text's token"),
)
_METRICS = (
    ("kl_teacher_student", "KL(teacher, model)", "nats per token", words.decimal),
    ("top1", "Same top token", "share of positions", words.percent),
)


def section(results: Results) -> Section | None:
    """Distances from the teacher's distribution on each text, and how they move along it."""
    found = part(results, "tokens")
    table = _table(results, found)
    if table is None:
        return None
    lead = (
        "Token by token on held-out text: what would each model say next? A model can be accurate "
        "without following its teacher, and the other way round."
    )
    return Section("Fidelity to the teacher", lead, (table,), lambda: curves(results), small=True)


def main_text(found: Found) -> str | None:
    """The text on which all models are compared: the teacher's where there is one."""
    return next(
        (t for t in ("teacher", "data") if any(t in texts for texts in found.values())), None
    )


def _table(results: Results, found: Found) -> Table | None:
    rows = []
    for _, name, texts in of_arms(results, found):
        for text in (*TEXTS, *(t for t in texts if t not in TEXTS)):
            here = texts.get(text)
            if not here:
                continue
            rows.append(
                (
                    name,
                    TEXTS.get(text, text),
                    shown(here, "top1", words.percent),
                    interval(here, "top1", words.percent),
                    shown(here, "top5", words.percent),
                    shown(here, "kl_teacher_student", words.decimal),
                    interval(here, "kl_teacher_student", words.decimal),
                    shown(here, "kl_student_teacher", words.decimal),
                    interval(here, "kl_student_teacher", words.decimal),
                    shown(here, "jsd", words.decimal),
                    shown(here, "entropy_gap", nats),
                    interval(here, "entropy_gap", nats),
                    words.count(here.get("tokens")),
                )
            )
    if not rows:
        return None
    columns = (
        MODEL,
        Column("Text", "Whose answers were read.", text=True),
        Column("Same top token", "Positions where model and teacher would choose the same token."),
        Column("95% interval", "Where the true agreement plausibly lies.", detail=True),
        Column(
            "Top five",
            "Share of the teacher's five likeliest tokens that are among the model's five.",
            detail=True,
        ),
        Column(
            "KL(teacher, model)",
            "Nats per token; large where the model misses what the teacher does.",
        ),
        Column("95% interval", "Where the true divergence plausibly lies.", detail=True),
        Column(
            "KL(model, teacher)",
            "Nats per token; large where the model does what the teacher avoids.",
        ),
        Column("95% interval", "Where the true divergence plausibly lies.", detail=True),
        Column("JSD", "Jensen-Shannon divergence, nats per token: 0 to 0.693.", detail=True),
        Column(
            "Entropy gap",
            "Entropy of the model minus the teacher's, nats; negative is more certain.",
        ),
        Column("95% interval", "Where the true gap plausibly lies.", detail=True),
        Column("Tokens", "Positions of the text that were compared."),
    )
    return Table("Fidelity to the teacher", "", columns, tuple(rows)).without_empty()


@in_style
def curves(results: Results) -> list[Picture | None]:
    """Distance and agreement by place and by rarity, and the distance on a model's own text."""
    found = part(results, "tokens")
    text = main_text(found)
    pictures: list[Picture | None] = []
    if text is not None:
        for axis, words_of, _ in _AXES:
            for metric, name, unit, _ in _METRICS:
                caption = f"{name}, {unit}, on the {TEXTS[text]} text."
                pictures.append(
                    _curve(results, found, (text, axis, metric), f"{name} {words_of}", caption)
                )
    caption = (
        "Nats per token on the text that each model wrote itself; a line that climbs shows errors "
        "that lead to more errors."
    )
    title = "KL(model, teacher) on its own text"
    own = ("student", "by_position", "kl_student_teacher")
    pictures.append(_curve(results, found, own, title, caption))
    return pictures


def _curve(
    results: Results, found: Found, where: tuple[str, str, str], title: str, caption: str
) -> Picture | None:
    """A line an arm over the bins of one text."""
    text, axis, metric = where
    lines = {}
    for arm, name, texts in of_arms(results, found):
        bins = [b for b in (texts.get(text) or {}).get(axis) or () if _has(b, metric)]
        if arm != "before" and len(bins) > 1:  # untrained, it would flatten all others
            lines[arm] = (name, bins)
    if not lines:
        return None
    names = list(dict.fromkeys(str(b["name"]) for _, bins in lines.values() for b in bins))
    write = next((w for key, _, _, w in _METRICS if key == metric), words.decimal)
    figure = canvas(300, 200 + 18 * len(lines))
    axes = figure.subplots()
    for arm, (name, bins) in lines.items():
        axes.plot(
            [names.index(str(b["name"])) for b in bins],
            [b[metric] for b in bins],
            color=COLOURS.get(arm, INK),
            marker="o",
            markersize=4.5,
            linewidth=2.2 if arm == "student" else 1.3,
            label=name,
        )
    step_names(axes, names)
    if write is words.percent:
        percent_axis(axes.yaxis)
    axes.grid(axis="y")
    legend(figure, axes)
    ident = "-".join(("figure", *where)).replace("_", "-")
    return Picture(
        inline_svg(figure, ident, title, caption), caption, _numbers(lines, names, metric, title)
    )


def _numbers(lines: dict[str, Any], names: list[str], metric: str, title: str) -> Table:
    write = words.percent if metric == "top1" else words.decimal
    rows = []
    for place in names:
        row = [place]
        for _, bins in lines.values():
            row.append(write(next((b[metric] for b in bins if str(b["name"]) == place), None)))
        rows.append(tuple(row))
    columns = (Column("Where", text=True), *(Column(name) for name, _ in lines.values()))
    return Table(title, "", columns, tuple(rows))


def _has(bin_: Found, metric: str) -> bool:
    return number(bin_, metric) is not None and bin_.get("name") is not None
