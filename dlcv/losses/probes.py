"""How the chapter's answers are used: a loss is asked for its value and for what it tells each logit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from dlcv.checking.probes import floating, gradients

__all__ = ["to_the_logits"]


def to_the_logits(answer: Callable, logits: Tensor, *args: Any, **kwargs: Any) -> Any:
    """Return the loss and its gradient with respect to the logits; targets and weights are taken as they are."""
    logits.requires_grad_(True)
    loss = answer(logits, *args, **kwargs)
    if not any(True for _ in floating(loss)):
        return loss
    return {"output": loss, "gradients of inputs": gradients(loss, [logits])}
