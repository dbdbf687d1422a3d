"""The closed forms of ``rows.py`` through ``torch.compile``, softmaxes included.

For accelerators without Triton's kernels: a compiler makes two or three trips through memory
where the operations one by one make ten. Compiled at the first call, for any number of rows;
parameters go in as tensors, so that a schedule which moves them compiles nothing anew.
"""

import functools
import types
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from limbeck.divergences import rows

Function = Callable[..., rows.Result]


def can(function: Function) -> bool:
    """Whether it compiles to one graph: the adaptive KL's bisection asks the host how far to go."""
    return function is not rows.adaptive_kl


def evaluate(
    function: Function, target: Tensor, own: Tensor, parameters: dict[str, Any]
) -> rows.Result:
    """Value and gradient of a divergence between softmaxes.

    Args:
        function: Of ``rows.py``; one that `can` be compiled.
        target: Tempered logits ``[n, V]``.
        own: The student's.
        parameters: Of the function.

    Returns:
        ``[n]``, and ``[n, V]`` with respect to the tempered student logits.
    """
    moving = {
        name: own.new_full((), value) if isinstance(value, int | float) else value
        for name, value in parameters.items()
        if not isinstance(value, bool)
    }
    fixed = {name: value for name, value in parameters.items() if isinstance(value, bool)}
    # Detached, a slice is a tensor of its own; its base would be one more shape to compile for.
    return _compiled(function)(target.detach(), own.detach(), moving, fixed)


@functools.cache
def _compiled(function: Function) -> Callable[..., rows.Result]:
    def whole(
        target: Tensor, own: Tensor, moving: dict[str, Tensor], fixed: dict[str, bool]
    ) -> rows.Result:
        return function(rows.Side.of(target), rows.Side.of(own), **moving, **fixed)

    # PyTorch counts compilations by code object, and gives up on one that has had eight.
    code = whole.__code__.replace(co_name=function.__name__)
    own = types.FunctionType(code, globals(), function.__name__, None, whole.__closure__)
    return torch.compile(own, dynamic=True)
