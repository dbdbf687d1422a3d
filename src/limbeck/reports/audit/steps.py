"""Does a model reach its answers by the teacher's steps? Equations in rationales, side by side."""

from limbeck.reports import words
from limbeck.reports.facts import Results
from limbeck.reports.section import Section
from limbeck.reports.sections import MODEL, Column, Table

from .reading import interval, of_arms, part, shown


def section(results: Results) -> Section | None:
    """Likeness of the steps, and right answers that came by other ones."""
    rows = tuple(
        (
            name,
            shown(here, "equation_jaccard", words.decimal),
            interval(here, "equation_jaccard", words.decimal),
            shown(here, "operator_similarity", words.decimal),
            interval(here, "operator_similarity", words.decimal),
            shown(here, "step_ratio", _two),
            interval(here, "step_ratio", _two),
            shown(here, "unfaithful", words.percent),
            interval(here, "unfaithful", words.percent),
            words.count(here.get("n")),
        )
        for _, name, here in of_arms(results, part(results, "steps"))
    )
    if not rows:
        return None
    columns = (
        MODEL,
        Column("Shared equations", "Equations in both texts over equations in either, 0 to 1."),
        Column("95% interval", "Where the true mean plausibly lies.", detail=True),
        Column("Same operators", "Likeness of the two sequences of operators, 0 to 1."),
        Column("95% interval", "Where the true mean plausibly lies.", detail=True),
        Column("Steps", "Steps of the model for one of the teacher's."),
        Column("95% interval", "Where the true ratio plausibly lies.", detail=True),
        Column(
            "Unfaithful success",
            "Right answers of the model whose equations overlap the teacher's by less than 0.3.",
        ),
        Column("95% interval", "Where the true share plausibly lies."),
        Column("Items", "Items whose rationales were compared.", detail=True),
    )
    lead = (
        "Equations read from the rationales, model beside teacher. A right answer by other steps "
        "is a success, but not one that was learnt from the teacher's reasoning."
    )
    return Section("Reasoning steps", lead, (Table("Reasoning steps", lead, columns, rows),))


def _two(number: words.Number) -> str:
    return words.decimal(number, 2)
