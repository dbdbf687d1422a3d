"""The loss straight from hidden states, a chunk of rows at a time.

No ``[N, V]`` tensor exists: a chunk's logits are made, its loss and gradient are taken, and both
gradients (of the hidden states and of the head) are accumulated before the next chunk starts. The
gradient is complete when the forward pass ends, so the backward pass only scales it.
"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from limbeck.divergences.head import Head, accumulation_dtype

Divergence = Callable[[Tensor, Tensor], Tensor]
RowLoss = Callable[[Tensor, slice], Tensor]

CHUNK_BYTES = 256 * 2**20  # about what one chunk may hold, all temporaries together
TILES = 8  # chunk-sized tensors alive at the worst moment, measured over the divergences


def linear_divergence(
    teacher_hidden: Tensor,
    teacher_head: Tensor | Head,
    student_hidden: Tensor,
    student_head: Tensor | Head,
    divergence: Divergence,
    *,
    weight: Tensor | None = None,
    temperature: float = 1.0,
    chunk_bytes: int = CHUNK_BYTES,
) -> Tensor:
    """Weighted sum over rows of a divergence between teacher and student.

    Args:
        teacher_hidden: Last hidden states of the teacher, ``[N, Ht]``; gets no gradient.
        teacher_head: Its head, ``[V, Ht]`` or a `Head`.
        student_hidden: Last hidden states of the student, ``[N, Hs]``.
        student_head: Its head, ``[V, Hs]`` or a `Head`.
        divergence: ``f(log_p, log_q) -> [n]``, row-wise; `functools.partial` for parameters. The
            functions of this package bring their gradient in closed form; any other is
            differentiated inside the chunk.
        weight: ``[N]``; rows of weight 0 are dropped before the first product. None is all ones.
        temperature: Divides both sides' logits. No T² is applied: the caller weighs.
        chunk_bytes: Memory a chunk may take.

    Returns:
        A scalar in nats; differentiable with respect to ``student_hidden`` and ``student_head``.

    Raises:
        ValueError: Shapes do not fit together.
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
        kept = weight.nonzero().squeeze(-1)
        teacher_hidden, student_hidden, weight = (
            teacher_hidden[kept],
            student_hidden[kept],
            weight[kept],
        )
    teacher_hidden = teacher_hidden.detach()

    def row_loss(logits: Tensor, rows: slice) -> Tensor:
        with torch.no_grad():
            log_p = (teacher.logits(teacher_hidden[rows]) / temperature).log_softmax(-1)
        value = divergence(log_p.to(logits.dtype), (logits / temperature).log_softmax(-1))
        return value if weight is None else value * weight[rows].to(value.dtype)

    return linear_loss(student_hidden, student, row_loss, chunk_bytes=chunk_bytes)


def linear_loss(
    hidden: Tensor, head: Head, row_loss: RowLoss, *, chunk_bytes: int = CHUNK_BYTES
) -> Tensor:
    """Sum of a row-wise loss over the logits of hidden states.

    Args:
        hidden: ``[N, H]``.
        head: Makes logits of them; its weight and bias get gradients if they require them.
        row_loss: ``(logits [n, V], rows) -> [n]``, called once per chunk in order, where
            ``rows`` is the slice of the N rows that the chunk covers. Row i of its result may
            depend on row i of the logits only.
        chunk_bytes: Memory a chunk may take.

    Returns:
        A scalar of float32 (float64 for float64 hidden states).
    """
    return _LinearLoss.apply(hidden, head.weight, head.bias, head, row_loss, chunk_bytes)


class _LinearLoss(torch.autograd.Function):
    @staticmethod
    def forward(ctx, hidden, weight, bias, head, row_loss, chunk_bytes):  # type: ignore[no-untyped-def]
        dtype = accumulation_dtype(hidden)
        wants = any(ctx.needs_input_grad[:3])
        total = torch.zeros((), dtype=dtype, device=hidden.device)
        # Gradients are kept in the accumulation dtype until the loss scale of mixed precision has
        # been applied in backward; casting them here could flush them to zero.
        d_hidden = torch.zeros_like(hidden, dtype=dtype) if ctx.needs_input_grad[0] else None
        d_weight = torch.zeros_like(weight, dtype=dtype) if ctx.needs_input_grad[1] else None
        d_bias = torch.zeros_like(bias, dtype=dtype) if ctx.needs_input_grad[2] else None
        with torch.autocast(hidden.device.type, enabled=False):
            full = Head(
                weight.to(dtype), None if bias is None else bias.to(dtype), head.scale, head.softcap
            )
            for rows in chunks(len(hidden), weight.shape[0], chunk_bytes, dtype):
                part = hidden[rows].to(dtype)
                raw = full.project(part).requires_grad_(wants)
                with torch.set_grad_enabled(wants):
                    value = row_loss(full.finish(raw), rows).sum()
                total += value.detach()
                if not wants:
                    continue
                (d_raw,) = torch.autograd.grad(value, raw)
                if d_hidden is not None:
                    d_hidden[rows] = d_raw @ full.weight
                if d_weight is not None:
                    d_weight.addmm_(d_raw.T, part)
                if d_bias is not None:
                    d_bias += d_raw.sum(0)
        ctx.save_for_backward(d_hidden, d_weight, d_bias)
        ctx.dtypes = hidden.dtype, weight.dtype, None if bias is None else bias.dtype
        return total

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad):  # type: ignore[no-untyped-def]
        grads = (
            None if d is None else (d * grad).to(dtype)
            for d, dtype in zip(ctx.saved_tensors, ctx.dtypes, strict=True)
        )
        return (*grads, None, None, None)


def chunks(rows: int, vocabulary: int, chunk_bytes: int, dtype: torch.dtype) -> Iterator[slice]:
    """Slices of at most ``chunk_bytes`` each, nearly equal in size, together all the rows.

    No rows are one empty slice: a rank without supervised tokens still computes its (zero) terms,
    because the other ranks wait for them.
    """
    limit = max(1, chunk_bytes // (TILES * vocabulary * dtype.itemsize))
    count = max(1, -(-rows // limit))
    for i in range(count):
        yield slice(i * rows // count, (i + 1) * rows // count)


def _as_head(head: Tensor | Head) -> Head:
    return head if isinstance(head, Head) else Head(head)
