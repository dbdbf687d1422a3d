"""Anything that continues a prompt. The transformers engine is imported where it is needed."""

from limbeck.engines.base import Completion, Engine, Sampling
from limbeck.engines.scripted import Scripted

__all__ = ["Completion", "Engine", "Sampling", "Scripted"]
