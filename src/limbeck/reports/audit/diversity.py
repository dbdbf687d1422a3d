"""How varied are a model's texts? The alarm for a student that has collapsed onto few of them."""

from limbeck.reports import words
from limbeck.reports.facts import Results, label
from limbeck.reports.figures import COLOURS, WIDTH, Picture
from limbeck.reports.remarks import collapsed
from limbeck.reports.section import Section
from limbeck.reports.sections import MODEL, Column, Table
from limbeck.reports.svg import INK, canvas, in_style, inline_svg

from .plots import legend, percent_axis
from .reading import Found, of_arms, part


def section(results: Results) -> Section | None:
    """Variety of each arm's texts, the teacher's beside it, and pass@k where it was sampled."""
    found = of_arms(results, part(results, "diversity"))
    if not found:
        return None
    ks = sorted({k for _, _, here in found for k in _passes(here)})
    shown_ks = ks if len(ks) < 3 else [ks[0], ks[-1]]
    rows = tuple(
        (
            name,
            words.percent(here.get("distinct_1")),
            words.percent(here.get("distinct_2")),
            words.decimal(here.get("self_bleu")),
            *(words.percent(_passes(here).get(k)) for k in shown_ks),
            "collapse" if here.get("collapse") else words.DASH,
            words.count(here.get("n")),
        )
        for _, name, here in found
    )
    columns = (
        MODEL,
        Column(
            "Distinct words",
            "Different words over all words of the answers to a prompt (distinct-1), mean over prompts.",
        ),
        Column(
            "Distinct pairs",
            "Different pairs of neighbouring words over all such pairs (distinct-2), likewise.",
        ),
        Column(
            "Self-BLEU", "Likeness of each answer to the others to its prompt; 1 is all the same."
        ),
        *(Column(f"pass@{k}", f"Chance that one of {k} samples is right.") for k in shown_ks),
        Column("Alarm", "Less than half of the teacher's distinct pairs.", text=True),
        Column("Prompts", "Prompts that were answered several times.", detail=True),
    )
    lead = (
        "Several answers to the same prompt. A student that has collapsed writes the same again and "
        "again; its first answer may still be right, its second is no other."
    )
    alarms = [
        f"{label(results, arm)} {said}." for arm, _, _ in found if (said := collapsed(results, arm))
    ]
    return Section(
        "Diversity",
        lead,
        (Table("Diversity", lead, columns, rows, detail=True).without_empty(),),
        lambda: (curve(results),),
        alarm=" ".join(alarms),
    )


@in_style
def curve(results: Results) -> Picture | None:
    """pass@k over k; a line that lies flat has nothing else to say."""
    lines = [
        (arm, name, _passes(here))
        for arm, name, here in of_arms(results, part(results, "diversity"))
    ]
    lines = [(arm, name, passes) for arm, name, passes in lines if len(passes) > 1]
    if not lines:
        return None
    figure = canvas(WIDTH, 240)
    axes = figure.subplots()
    for arm, name, passes in lines:
        axes.plot(
            list(passes),
            list(passes.values()),
            color=COLOURS.get(arm, INK),
            marker="o",
            markersize=5,
            linewidth=2.4 if arm == "student" else 1.4,
            label=name,
        )
    ks = sorted({k for _, _, passes in lines for k in passes})
    axes.set_xscale("log", base=2)
    axes.set_xticks(ks, [str(k) for k in ks])
    axes.minorticks_off()
    axes.set_xlabel("samples", color=INK)
    percent_axis(axes.yaxis)
    axes.grid()
    legend(figure, axes)
    title = "pass@k"
    caption = "Chance that at least one of k samples is right; a flat line has no second idea."
    columns = (Column("Samples"), *(Column(name) for _, name, _ in lines))
    rows = tuple(
        (words.count(k), *(words.percent(passes.get(k)) for _, _, passes in lines)) for k in ks
    )
    svg = inline_svg(figure, "figure-pass-at-k", title, caption)
    return Picture(svg, caption, Table(title, "", columns, rows))


def _passes(found: Found) -> dict[int, float]:
    """pass@k by k, ascending."""
    every = {int(k): value for k, value in (found.get("pass_at_k") or {}).items()}
    return {k: float(every[k]) for k in sorted(every) if words.known(every[k])}
