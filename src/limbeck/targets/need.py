"""How much of the teacher's distribution a loss must see."""

from typing import Literal

Need = Literal["nothing", "average", "events", "logits"]
"""``nothing``: no teacher. ``average``: the gradient is linear in p, so anything whose expectation
is p will do. ``events``: p itself, at the likeliest tokens at least. ``logits``: the distribution
over the whole vocabulary, to be taken at another temperature."""
