"""How this chapter's answers are used: heads are made where the answer runs, and only numbers come back."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["with_head"]


def with_head(
    answer, coarse: Tensor, features: Tensor, weight: Tensor, bias: Tensor, steps: int, num_points: int
):
    """Give the answer a head: one linear layer on fine and coarse features, stacked in this order."""
    channels, classes = features.shape[1], coarse.shape[1]

    def head(fine: Tensor, rough: Tensor) -> Tensor:
        if fine.dim() != 3 or rough.dim() != 3 or (fine.shape[1], rough.shape[1]) != (channels, classes):
            given = f"{tuple(fine.shape)} and {tuple(rough.shape)}"
            raise ValueError(
                f"the head takes (N, {channels}, P) fine and (N, {classes}, P) coarse features; got {given}"
            )
        return torch.einsum("kc,ncp->nkp", weight, torch.cat([fine, rough], 1)) + bias[:, None]

    return answer(coarse, features, head, steps, num_points)
