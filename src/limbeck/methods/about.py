"""What a method says of itself: for readers of the guide, and of a report."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Paper:
    """Where a method comes from, and what was measured there."""

    title: str
    url: str
    measured: str = ""


@dataclass(frozen=True)
class Choices:
    """The five choices a method makes, and what moves them, in plain words."""

    source: str
    target: str
    divergence: str
    weight: str = "1"
    reduction: str = "tokens of the global batch"
    schedule: str = "none"


@dataclass(frozen=True)
class Deviation:
    """One thing that released code does otherwise than the paper.

    Attributes:
        code: Whose.
        does: What it does.
        here: What is done here.
        option: The option that reproduces the code, where there is one.
    """

    code: str
    does: str
    here: str
    option: str = ""
