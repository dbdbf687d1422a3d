"""The few numbers that a verdict turns on, large."""

from . import words
from .facts import Results, better, contrast, primary, recovered, rival, score

Tile = tuple[str, str, str]


def tiles(results: Results) -> list[Tile]:
    """The few numbers that the verdict turns on: name, number, what it means."""
    found: list[Tile] = []
    metric = primary(results)
    if metric:
        found.append(
            ("Student", metric.write(score(results, "student", metric)), metric.name.lower())
        )
        over = contrast(results, "student", "sft", metric)
        if over:
            text = f"{metric.unit}, {over.p_words}"
            found.append(
                (f"Against {rival(results)}", metric.write_difference(over.difference), text)
            )
        over_one_shot = contrast(results, "student", "one_shot", metric)
        if over_one_shot:
            text = f"{metric.unit}, {over_one_shot.p_words}"
            difference = metric.write_difference(over_one_shot.difference)
            found.append(("Against one-shot", difference, text))
        share = recovered(results, metric)
        if share is not None and over and better(over, metric):
            written, _, interval = words.share_of(share).partition(" ")
            text = f"{interval} of the way from {rival(results)} to teacher"
            found.append(("Gap recovered", written, text))
    teacher, student = (
        results["models"].get(arm, {}).get("parameters") for arm in ("teacher", "student")
    )
    if teacher and student:
        text = f"{words.parameters(student)} of {words.parameters(teacher)} parameters"
        found.append(("Size", f"{teacher / student:.1f}\N{MULTIPLICATION SIGN} smaller", text))
    return found
