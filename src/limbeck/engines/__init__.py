"""Anything that continues a prompt, in token ids or in text.

The transformers engine and the client of a server are imported where they are needed.
"""

from limbeck.engines.base import Completion, Engine, Interleaved, Sampling
from limbeck.engines.patience import Patience
from limbeck.engines.scripted import Scripted
from limbeck.engines.text import SERVED, Capabilities, Request, Response, TextEngine, Unanswered

__all__ = [
    "SERVED",
    "Capabilities",
    "Completion",
    "Engine",
    "Interleaved",
    "Patience",
    "Request",
    "Response",
    "Sampling",
    "Scripted",
    "TextEngine",
    "Unanswered",
]
