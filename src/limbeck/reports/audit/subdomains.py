"""Where the student is better than its teacher, and where the teacher is: SFS and TFS."""

from limbeck.reports import words
from limbeck.reports.facts import Results, label, rival
from limbeck.reports.figures import COLOURS, WIDTH, Picture
from limbeck.reports.section import Section
from limbeck.reports.sections import MODEL, Column, Table
from limbeck.reports.svg import INK, canvas, in_style, inline_svg

from .plots import percent_axis, short
from .reading import Found, ends, interval, number, of_arms, part, points, shown

BASES = {"correctness": "by answers", "loss": "by losses"}


def section(results: Results) -> Section | None:
    """Advantage and deficit of each arm, what distillation kept and repaired, and the prospect."""
    found = part(results, "subdomains")
    tables = []
    for basis, here in found.items():
        if table := _parted(results, basis, here):
            tables.append(table)
        if table := _recovered(results, basis, here):
            tables.append(table)
    prospect = (results.get("audit") or {}).get("prospect") or ""
    if not tables and not prospect:
        return None
    lead = (
        "The items were parted before distillation: SFS, where the student's baseline was better "
        "than the teacher, and TFS, the rest. A student beats its teacher when what it gains on "
        f"the first outweighs what it lacks on the second. {prospect}"
    ).strip()
    return Section(
        "Where the student can win",
        lead,
        tuple(tables),
        lambda: [bars(results, basis) for basis in found],
    )


def _parted(results: Results, basis: str, found: Found) -> Table | None:
    rows = []
    for _, name, here in of_arms(results, found.get("arms") or {}):
        margin = here.get("margin") or {}
        rows.append(
            (
                name,
                shown(here, "advantage", _points),
                interval(here, "advantage", _points),
                shown(here, "deficit", _points),
                interval(here, "deficit", _points),
                points(margin.get("difference")),
                words.span(margin.get("low"), margin.get("high"), points),
            )
        )
    if not rows:
        return None
    columns = (
        MODEL,
        Column("Advantage", "Mass of SFS times the model's lead there, points."),
        Column("95% interval", "Where the true advantage plausibly lies.", detail=True),
        Column("Deficit", "Mass of TFS times the teacher's lead there, points."),
        Column("95% interval", "Where the true deficit plausibly lies.", detail=True),
        Column(
            "Margin",
            "Advantage minus deficit: the difference to the teacher, points; Comparisons tests it.",
        ),
        Column("95% interval", "Where the true margin plausibly lies."),
    )
    masses = [
        f"{name} {words.percent(found.get(key))}"
        for key, name in (("mass_sfs", "SFS"), ("mass_tfs", "TFS"), ("mass_ties", "of it ties"))
        if words.known(found.get(key))
    ]
    fixed = f"Fixed from teacher and {label(results, str(found.get('fixed_from', 'sft')))}"
    caption = f"{fixed}; {', '.join(masses)} of the items." if masses else f"{fixed}."
    title = f"Advantage and deficit, {_name(basis)}"
    return Table(title, caption, columns, tuple(rows), detail=basis != "correctness")


def _recovered(results: Results, basis: str, found: Found) -> Table | None:
    rows = tuple(
        (
            name,
            shown(here, "retention", words.percent),
            interval(here, "retention", words.percent),
            shown(here, "repair", words.percent),
            interval(here, "repair", words.percent),
        )
        for _, name, here in of_arms(results, found.get("recovery") or {})
        if number(here, "retention") is not None or number(here, "repair") is not None
    )
    if not rows:
        return None
    columns = (
        MODEL,
        Column("Retention", f"Advantage over that of {rival(results)}: 100% keeps all of it."),
        Column("95% interval", "Where the true retention plausibly lies."),
        Column("Repair", "Share of the deficit that was closed: 100% closes the teacher's lead."),
        Column("95% interval", "Where the true repair plausibly lies."),
    )
    return Table(f"Kept and repaired, {_name(basis)}", "", columns, rows, detail=True)


@in_style
def bars(results: Results, basis: str) -> Picture | None:
    """Deficit to the left, advantage to the right, the margin as a dot between them."""
    found = part(results, "subdomains").get(basis) or {}
    rows = [
        (arm, name, here, advantage, deficit)
        for arm, name, here in of_arms(results, found.get("arms") or {})
        if (advantage := number(here, "advantage")) is not None
        and (deficit := number(here, "deficit")) is not None
    ]
    if not rows:
        return None
    figure = canvas(WIDTH, 70 + 40 * len(rows))
    axes = figure.subplots()
    for row, (arm, _, here, advantage, deficit) in enumerate(rows):
        colour = COLOURS.get(arm, INK)
        axes.barh(row, advantage, height=0.5, color=colour)
        axes.barh(row, -deficit, height=0.5, color=colour, alpha=0.3)
        for key, sign in (("advantage", 1), ("deficit", -1)):
            if limits := ends(here, key):
                span = [sign * end for end in limits]
                axes.plot(span, (row, row), color=INK, linewidth=1.4, alpha=0.7)
        margin = (here.get("margin") or {}).get("difference")
        if words.known(margin):
            axes.plot(margin, row, "D", color=INK, markersize=5.5)
    axes.axvline(0, color=INK, linewidth=1, alpha=0.6)
    names = [short(name, 18, 2) for _, name, *_ in rows]
    axes.set_yticks(range(len(rows)), names)
    axes.set_ylim(len(rows) - 0.5, -0.6)
    axes.margins(x=0.06)
    percent_axis(axes.xaxis)
    axes.grid(axis="x")
    title = f"Lost and won against the teacher, {_name(basis)}"
    caption = (
        "Pale, to the left: the teacher's lead on TFS (deficit). Full, to the right: the model's lead "
        "on SFS (advantage). The diamond is their sum, the difference to the teacher."
    )
    columns = (MODEL, Column("Advantage"), Column("Deficit"), Column("Margin"))
    numbers = tuple(
        (name, _points(won), _points(lost), points((here.get("margin") or {}).get("difference")))
        for _, name, here, won, lost in rows
    )
    ident = "".join(c if c.isalnum() else "-" for c in f"figure-subdomains-{basis}")
    return Picture(
        inline_svg(figure, ident, title, caption), caption, Table(title, "", columns, numbers)
    )


def _name(basis: str) -> str:
    return BASES.get(basis, basis)


def _points(share: words.Number) -> str:
    return words.decimal(None if share is None else 100 * share, 1)
