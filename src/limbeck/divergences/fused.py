"""The loss straight from hidden states, a chunk of rows at a time.

No ``[N, V]`` tensor exists. A chunk's logits are made by one product; its loss and the gradient
for its logits are taken block by block, each block small enough for the processor's cache, and
the gradient overwrites the logits; two more products turn it into gradients of the hidden states
and of the head. Nothing is computed twice, and the backward pass only scales what is there.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping

import torch
from torch import Tensor

from limbeck.divergences.chunks import chunks, run_blocks
from limbeck.divergences.head import Head, Products, accumulation_dtype
from limbeck.divergences.lazy import log_probs

Divergence = Callable[[Tensor, Tensor], Tensor]
RowLoss = Callable[[Tensor, slice], Mapping[str, Tensor]]
RowLosses = Callable[[Iterable[slice]], Iterator[RowLoss]]


def linear_divergence(
    teacher_hidden: Tensor,
    teacher_head: Tensor | Head,
    student_hidden: Tensor,
    student_head: Tensor | Head,
    divergence: Divergence,
    *,
    weight: Tensor | None = None,
    temperature: float = 1.0,
    chunk_bytes: int | None = None,
    native: bool = False,
) -> Tensor:
    """Weighted sum over rows of a divergence between teacher and student.

    Args:
        teacher_hidden: Last hidden states of the teacher, ``[N, Ht]``; gets no gradient.
        teacher_head: Its head, ``[V, Ht]`` or a `Head`.
        student_hidden: Last hidden states of the student, ``[N, Hs]``.
        student_head: Its head, ``[V, Hs]`` or a `Head`.
        divergence: ``f(log_p, log_q) -> [n]``, row-wise; `functools.partial` for parameters that
            are the same for all rows (`linear_loss` is told which rows it gets). The functions of
            this package bring their gradient in closed form; any other is differentiated inside
            the block.
        weight: ``[N]``; rows of weight 0 are dropped before the first product. None is all ones.
        temperature: Divides both sides' logits. No T² is applied: the caller weighs.
        chunk_bytes: Memory that the logits of a chunk may take; by default as much as is useful.
        native: See `linear_loss`.

    Returns:
        A scalar in nats; differentiable with respect to ``student_hidden`` and ``student_head``.

    Raises:
        ValueError: Shapes do not fit together, or the divergence is not one value a row.
    """
    teacher, student = _as_head(teacher_head), _as_head(student_head)
    if len(teacher_hidden) != len(student_hidden):
        raise ValueError(
            f"{len(teacher_hidden)} teacher rows against {len(student_hidden)} student rows"
        )
    if teacher.weight.shape[0] != student.weight.shape[0]:
        raise ValueError(
            f"heads of {teacher.weight.shape[0]} and {student.weight.shape[0]} tokens; "
            "Head.narrow cuts padded heads to the tokenizer"
        )
    if weight is not None:
        if weight.shape != (len(student_hidden),):
            raise ValueError(
                f"a weight of shape {list(weight.shape)} for {len(student_hidden)} rows"
            )
        weight = weight.detach()
        kept = weight.nonzero().squeeze(-1)
        teacher_hidden, student_hidden, weight = (
            teacher_hidden[kept],
            student_hidden[kept],
            weight[kept],
        )
    teacher_hidden = teacher_hidden.detach()

    def losses(slices: Iterable[slice]) -> Iterator[RowLoss]:
        for logits in teacher.tiles(teacher_hidden, slices, native=native):

            def row_loss(own: Tensor, block: slice, logits: Tensor = logits) -> dict[str, Tensor]:
                log_p = log_probs(teacher.finish(logits[block].to(own.dtype)), temperature)
                return {"divergence": divergence(log_p, log_probs(own, temperature))}

            yield row_loss

    return linear_loss(
        student_hidden, student, losses, weight=weight, chunk_bytes=chunk_bytes, native=native
    )[0]


def linear_loss(
    hidden: Tensor,
    head: Head,
    losses: RowLosses,
    *,
    weight: Tensor | None = None,
    chunk_bytes: int | None = None,
    native: bool = False,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Weighted sum of a row-wise loss over the logits of hidden states.

    Args:
        hidden: ``[N, H]``.
        head: Makes logits of them; its weight and bias get gradients if they require them.
        losses: Called once with the slices of rows that are chunks; yields for each chunk, in
            order, a function ``(logits [n, V], block) -> {name: [n]}``, where ``block`` is a slice
            of the chunk. Its terms are summed; row i of a term may depend on row i of the logits
            only. Blocks of a chunk may run in parallel threads.
        weight: ``[N]``, or None for all ones.
        chunk_bytes: Memory that the logits of a chunk may take; by default as much as is useful.
        native: For half-precision hidden states: keep logits and their gradients in that
            precision, as the models themselves do, instead of float32. Faster, and rounds logits
            to 8 bits (bfloat16).

    Returns:
        A scalar of float32 (float64 for float64 hidden states), and each term of each row
        ``{name: [N]}``, not weighted and without gradient.
    """
    terms: dict[str, Tensor] = {}
    parameters: tuple[Tensor | None, ...] = hidden, head.weight, head.bias
    if not torch.is_grad_enabled():  # an autograd.Function cannot tell
        parameters = tuple(None if p is None else p.detach() for p in parameters)
    loss = _LinearLoss.apply(*parameters, head, losses, weight, chunk_bytes, native, terms)
    return loss, terms


class _LinearLoss(torch.autograd.Function):
    @staticmethod
    def forward(  # type: ignore[no-untyped-def]
        ctx, hidden, weight, bias, head, losses, row_weight, chunk_bytes, native, terms
    ):
        dtype = accumulation_dtype(hidden.dtype)
        wants = any(ctx.needs_input_grad[:3])
        # Gradients are kept in the accumulation dtype until the loss scale of mixed precision has
        # been applied in backward; casting them here could flush them to zero.
        d_hidden = torch.zeros_like(hidden, dtype=dtype) if ctx.needs_input_grad[0] else None
        d_weight = torch.empty_like(weight, dtype=dtype) if ctx.needs_input_grad[1] else None
        d_bias = torch.zeros_like(bias, dtype=dtype) if ctx.needs_input_grad[2] else None
        slices = chunks(len(hidden), weight.shape[0], hidden, chunk_bytes)
        products = Products(weight, hidden.dtype, native)
        with torch.no_grad(), torch.autocast(hidden.device.type, enabled=False):
            tiles = products.tiles(hidden, bias, slices)
            parts: list[dict[str, Tensor]] = []
            for rows, tile, row_loss in zip(slices, tiles, losses(slices), strict=True):
                part = hidden[rows].to(dtype)
                w = None if row_weight is None else row_weight[rows, None].to(dtype)
                terms_of_chunk, gradient = run_blocks(tile, head.finish, row_loss, wants)
                parts.append(terms_of_chunk)
                if not wants:
                    continue
                if d_bias is not None:
                    d_bias += (gradient if w is None else gradient * w).sum(0)
                # Row weights multiply the narrow side of both products.
                gradient = gradient.to(products.operand_dtype)
                if d_hidden is not None:
                    d_part = products.into_hidden(gradient)
                    d_hidden[rows] = d_part if w is None else d_part.mul_(w)
                if d_weight is not None:
                    part = part if w is None else part * w
                    products.into_weight(gradient, part, d_weight, first=rows.start == 0)
        ctx.save_for_backward(d_hidden, d_weight, d_bias)
        ctx.dtypes = hidden.dtype, weight.dtype, None if bias is None else bias.dtype
        terms.update((name, torch.cat([part[name] for part in parts])) for name in parts[0])
        total = torch.stack([value.to(dtype) for value in terms.values()]).sum(0)
        return (total if row_weight is None else total * row_weight).sum()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad):  # type: ignore[no-untyped-def]
        # In place where nobody will ask again: the gradient of a head is as large as the head.
        again = torch._C._autograd._get_current_graph_task_keep_graph()
        grads = (
            None if d is None else (d * grad if again else d.mul_(grad)).to(dtype)
            for d, dtype in zip(ctx.saved_tensors, ctx.dtypes, strict=True)
        )
        return (*grads, None, None, None, None, None, None)


def _as_head(head: Tensor | Head) -> Head:
    return head if isinstance(head, Head) else Head(head)
