"""Anything that continues a prompt, in token ids or in text.

The transformers engine and the client of a server are imported where they are needed.
"""

from limbeck.engines.base import (
    Capabilities,
    Completion,
    Engine,
    Interleaved,
    Sampling,
    Scored,
    Seed,
)
from limbeck.engines.patience import Patience
from limbeck.engines.scripted import Scripted
from limbeck.engines.text import Request, Response, TextEngine, Unanswered

__all__ = [
    "Capabilities",
    "Completion",
    "Engine",
    "Interleaved",
    "Patience",
    "Request",
    "Response",
    "Sampling",
    "Scored",
    "Scripted",
    "Seed",
    "TextEngine",
    "Unanswered",
]
