"""Sums of what lies ahead of each token."""

import torch
from torch import Tensor


def returns(rewards: Tensor, row: Tensor, *, gamma: float = 1.0) -> tuple[Tensor, Tensor]:
    r"""Discounted rewards of the tokens *after* each one, :math:`\sum_{s>t} \gamma^{s-t-1} r_s`.

    Args:
        rewards: ``[N]``.
        row: Index of each token's sequence, ``[N]``, non-decreasing.
        gamma: Discount, in [0, 1].

    Returns:
        The sums ``[N]``, 0 at the last token of each sequence, and how many tokens lie ahead.
    """
    if not len(rewards):
        return rewards, rewards
    _, lengths = row.unique_consecutive(return_counts=True)
    place = torch.arange(len(row), device=row.device)
    start = (lengths.cumsum(0) - lengths).repeat_interleave(lengths)
    which = torch.arange(len(lengths), device=row.device).repeat_interleave(lengths)
    column = place - start
    grid = rewards.new_zeros(len(lengths), int(lengths.max()) + 1)
    grid[which, column] = rewards
    ahead = torch.zeros_like(grid)
    for t in range(grid.shape[1] - 2, -1, -1):
        ahead[:, t] = grid[:, t + 1] + gamma * ahead[:, t + 1]
    return ahead[which, column], (lengths[which] - column - 1).to(rewards.dtype)
