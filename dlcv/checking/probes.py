"""How an answer is used: a probe takes the answer and a case's arguments, and returns data.

The same probe runs with the reference, with each slip and with the learner's object; what it returns is compared.
A probe runs where the learner's code runs, so nothing that it computes is trusted: it can only hand out numbers.
A chapter adds its own as a top-level function ``probe(answer, *args, **kwargs)`` of its `exercises` module. In it,
``answer(...)`` calls the learner's object and ``answer.run(f, ...)`` calls anything else of the learner's under the
same watch.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import torch


def find(name: str) -> Callable:
    """Return the probe called ``"dlcv.module:function"``; raise `LookupError` for a name outside dlcv."""
    module, _, function = name.partition(":")
    if module.partition(".")[0] != "dlcv" or not function.isidentifier():
        raise LookupError(f"a probe is named 'dlcv.<module>:<function>'; got {name!r}")
    return getattr(importlib.import_module(module), function)


def call(answer: Callable, *args: Any, **kwargs: Any) -> Any:
    """Call the answer and return what it returns."""
    return answer(*args, **kwargs)


def gradient(answer: Callable, *args: Any, **kwargs: Any) -> Any:
    """Return the output, and d(output . cotangent) with respect to each floating-point tensor argument."""
    leaves = [value for value in (*args, *kwargs.values()) if differentiable(value)]
    for leaf in leaves:
        leaf.requires_grad_(True)
    output = answer(*args, **kwargs)
    if not isinstance(output, torch.Tensor):
        return output
    return {"output": output, "gradients of inputs": gradients(output, leaves)}


def differentiable(value: Any) -> bool:
    """True for a floating-point tensor."""
    return isinstance(value, torch.Tensor) and value.is_floating_point()


def gradients(output: torch.Tensor, leaves: list[torch.Tensor]) -> list[torch.Tensor | None]:
    """Return d(output . cotangent)/d(leaf) for a fixed cotangent; None where the output does not depend on it."""
    if not output.requires_grad:
        return [None] * len(leaves)
    # A fixed, uneven cotangent: a sum of ones would not see outputs that have changed places.
    cotangent = torch.cos(torch.arange(output.numel(), dtype=output.dtype) * 0.7 + 0.3).reshape(output.shape)
    return list(torch.autograd.grad((output * cotangent).sum(), leaves, allow_unused=True))
