"""A judge: which of two outputs is better, asked of any text engine in both orders."""

from limbeck.evaluation.judge.comparing import Asked, Compared, Judge, Pair, Settings
from limbeck.evaluation.judge.prompt import broken, conversation, prompt_hash
from limbeck.evaluation.judge.verdict import verdict

__all__ = [
    "Asked",
    "Compared",
    "Judge",
    "Pair",
    "Settings",
    "broken",
    "conversation",
    "prompt_hash",
    "verdict",
]
