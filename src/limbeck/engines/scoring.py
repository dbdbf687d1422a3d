"""How likely a model finds completions that are there already."""

import inspect
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from limbeck.engines.base import Scored
from limbeck.targets import causal_lm

_LOGITS = 2**28  # of a batch: 1 GiB in float32


@torch.no_grad()
def score(
    model: nn.Module, sequences: Sequence[Scored], pad: int, vocabulary: int | None = None
) -> list[tuple[float, ...]]:
    """Log-probability of each token of each completion, in nats, at temperature 1.

    Sequences of like lengths share a batch; logits of what is prompt in all of it are not made.

    Args:
        model: A transformers causal language model in evaluation mode.
        sequences: Prompts, none of them empty, and completions.
        pad: Id to fill with; it is never looked at.
        vocabulary: Ids from here on have no probability.
    """
    width = vocabulary or causal_lm(model).config.get_text_config().vocab_size
    found: dict[int, tuple[float, ...]] = {i: () for i, (_, own) in enumerate(sequences) if not own}
    order = [i for i in range(len(sequences)) if i not in found]
    order.sort(key=lambda i: len(sequences[i][0]) + len(sequences[i][1]), reverse=True)
    while order:
        longest = sum(map(len, sequences[order[0]]))
        size = max(1, _LOGITS // (longest * width))
        chosen, order = order[:size], order[size:]
        rows = _score([sequences[i] for i in chosen], model, pad, vocabulary)
        found.update(zip(chosen, rows, strict=True))
    return [found[i] for i in range(len(sequences))]


def _score(
    batch: Sequence[Scored], model: nn.Module, pad: int, vocabulary: int | None
) -> list[tuple[float, ...]]:
    # Padding stands at the right, where a causal model cannot look, so it need not be masked. Masked,
    # a window of nothing but padding is NaN in some families and precisions, and spreads.
    texts = [[*prompt, *completion] for prompt, completion in batch]
    width = max(map(len, texts))
    device = next(model.parameters()).device
    ids = torch.tensor([t + [pad] * (width - len(t)) for t in texts], device=device)
    first = min(len(prompt) for prompt, _ in batch) - 1
    optional = {"logits_to_keep": width - first, "use_cache": False}
    accepted = inspect.signature(causal_lm(model).forward).parameters
    out = model(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        return_dict=True,
        **{name: value for name, value in optional.items() if name in accepted},
    )
    logits: Tensor = out.logits[:, first - width :, :vocabulary]
    found = []
    for row, text, (prompt, completion) in zip(logits, ids, batch, strict=True):
        start = len(prompt)
        stop = start + len(completion)
        found.append(_gathered(row[start - 1 - first : stop - 1 - first], text[start:stop]))
    return found


def _gathered(logits: Tensor, tokens: Tensor) -> tuple[float, ...]:
    logits = logits if logits.dtype == torch.float64 else logits.float()
    chosen = logits.gather(1, tokens[:, None]).squeeze(1)
    return tuple((chosen - logits.logsumexp(-1)).tolist())
