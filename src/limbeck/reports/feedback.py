"""Whether rationales that answer the student's errors beat one-shot ones, and whether that is why.

Four controls share parts of the procedure: the one-shot rationales, trained on for as long; new
rationales, sampled without feedback; rewriting after shuffled feedback, each attempt under
another problem; and rewriting that sees none of the attempts.
"""

from dataclasses import dataclass

from . import words
from .facts import Contrast, Metric, Results, ahead, better, contrast, score
from .rounds import kept, played

SUBJECT = "Rewriting the rationales in rounds"


@dataclass(frozen=True)
class _Control:
    """A control of the feedback.

    Attributes:
        arm: Its name in the results.
        name: What it is called in a sentence.
        otherwise: What follows where the student does not beat it.
    """

    arm: str
    name: str
    otherwise: str


# The plainest explanation first: of several controls that are not beaten, the first explains.
_CONTROLS = (
    _Control(
        "control_longer", "longer one-shot training", "longer training alone explains the gain"
    ),
    _Control(
        "control_resample", "resampling without feedback", "the feedback adds nothing measurable"
    ),
    _Control(
        "control_blind",
        "rewriting without sight of the errors",
        "seeing the errors adds nothing measurable",
    ),
    _Control(
        "control_shuffled",
        "shuffled feedback",
        "it does not measurably matter which errors the feedback is about",
    ),
)


def feedback(results: Results, metric: Metric) -> str:
    """A sentence on what the rounds gained over one-shot rationales and why; or nothing.

    Args:
        results: The contents of ``results.json``.
        metric: The metric that decides.
    """
    if len(played(results)) > 1 and kept(results) == 0:
        return (
            "No round of rewritten rationales did better on the selection set than the one-shot "
            "ones, so the student is the one-shot student."
        )
    over = contrast(results, "student", "one_shot", metric)
    if over is None:
        return ""
    mine, theirs = (metric.write(score(results, arm, metric)) for arm in ("student", "one_shot"))
    if not over.tested:
        return f"{SUBJECT} scores {mine}, one-shot rationales {theirs}, not tested item by item."
    if not over.significant:
        return (
            f"{SUBJECT} is within noise of one-shot rationales ({theirs}, "
            f"{over.p_words}): there is no gain to explain."
        )
    if not ahead(over, metric):
        return f"{SUBJECT} does worse than one-shot rationales {_by(metric, over)}."
    return f"{SUBJECT} beats one-shot rationales {_by(metric, over)}{_why(results, metric)}."


def _why(results: Results, metric: Metric) -> str:
    """What the controls say about the gain, as the rest of a sentence that told it."""
    found = [(c, contrast(results, "student", c.arm, metric)) for c in _CONTROLS]
    tested = [(control, over) for control, over in found if over is not None and over.tested]
    if not tested:
        return "; whether the feedback did it is open, for no control was tested"
    beaten = [(control, over) for control, over in tested if better(over, metric)]
    level = [(control, over) for control, over in tested if not better(over, metric)]
    text = ""
    if beaten:
        text = ", and " + words.listed([f"{c.name} {_by(metric, over)}" for c, over in beaten])
    if level:
        names = [
            f"{c.name} ({metric.write(score(results, c.arm, metric))}, {over.p_words})"
            for c, over in level
        ]
        return f"{text}, but not {words.listed(names)}: {level[0][0].otherwise}"
    if all(control.arm == "control_longer" for control, _ in beaten):
        return f"{text}: it is more than longer training, but whether the feedback did it is open"
    return f"{text}: the feedback matters"


def _by(metric: Metric, over: Contrast) -> str:
    size = metric.write_difference(abs(over.difference)).removeprefix("+")
    return f"by {size} {metric.unit} ({over.p_words})"
