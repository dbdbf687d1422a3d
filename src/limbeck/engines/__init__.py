"""Anything that continues a prompt. The transformers engine is imported where it is needed."""

from limbeck.engines.base import Completion, Engine, Interleaved, Sampling
from limbeck.engines.scripted import Scripted

__all__ = ["Completion", "Engine", "Interleaved", "Sampling", "Scripted"]
