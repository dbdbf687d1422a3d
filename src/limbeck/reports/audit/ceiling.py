"""How much agreement is there to have? The teacher beside itself under another seed."""

from limbeck.reports import words
from limbeck.reports.facts import Results, as_contrast
from limbeck.reports.section import Section
from limbeck.reports.sections import MODEL, Column, Table

from .reading import interval, of_arms, part, points, shown


def section(results: Results) -> Section | None:
    """Agreement of each arm with two runs of the teacher, and of those with one another."""
    rows = []
    for _, name, here in of_arms(results, part(results, "ceiling")):
        short = here.get("shortfall") or {}
        rows.append(
            (
                name,
                shown(here, "agreement", words.percent),
                interval(here, "agreement", words.percent),
                shown(here, "ceiling", words.percent),
                interval(here, "ceiling", words.percent),
                points(short.get("difference")),
                words.span(short.get("low"), short.get("high"), points),
                as_contrast({"difference": 0.0} | dict(short)).p_words,
            )
        )
    if not rows:
        return None
    columns = (
        MODEL,
        Column("Model and teacher", "Same answers, mean over both runs of the teacher."),
        Column("95% interval", "Where the true agreement plausibly lies.", detail=True),
        Column("Teacher and itself", "Same answers of the teacher under two seeds."),
        Column("95% interval", "Where the true agreement plausibly lies.", detail=True),
        Column("Short by", "The first minus the second, points."),
        Column("95% interval", "Where the true difference plausibly lies."),
        Column("p", "How often a difference this large would appear if there were none."),
    )
    lead = (
        "A teacher that is sampled twice does not agree with itself on everything, and no student "
        "can be asked to agree with it more."
    )
    return Section(
        "Noise ceiling", lead, (Table("Noise ceiling", lead, columns, tuple(rows), detail=True),)
    )
