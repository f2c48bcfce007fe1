"""How an answer is used: a probe takes the answer and a case's arguments, and returns data.

The same probe runs with the reference, with each slip and with the learner's object; what it returns is compared.
A probe runs where the learner's code runs, so nothing that it computes is trusted: it can only hand out numbers.
A chapter adds its own as a top-level function ``probe(answer, *args, **kwargs)`` of its `exercises` module. In it,
``answer(...)`` calls the learner's object and ``answer.run(f, ...)`` calls anything else of the learner's under the
same watch.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from typing import Any

import torch

from dlcv.checking.withheld import granted


def find(name: str) -> Callable:
    """Return the probe called ``"dlcv.module:function"``; raise `LookupError` for a name outside dlcv."""
    module, _, function = name.partition(":")
    if module.partition(".")[0] != "dlcv" or not function.isidentifier():
        raise LookupError(f"a probe is named 'dlcv.<module>:<function>'; got {name!r}")
    return granted(module, function) or getattr(importlib.import_module(module), function)


def call(answer: Callable, *args: Any, **kwargs: Any) -> Any:
    """Call the answer and return what it returns."""
    return answer(*args, **kwargs)


def gradient(answer: Callable, *args: Any, **kwargs: Any) -> Any:
    """Return the output, and d(output . cotangent) with respect to each floating-point tensor among the arguments."""
    leaves = list(floating((args, kwargs)))
    for leaf in leaves:
        leaf.requires_grad_(True)
    output = answer(*args, **kwargs)
    if not any(True for _ in floating(output)):
        return output
    return {"output": output, "gradients of inputs": gradients(output, leaves)}


def floating(value: Any) -> Iterator[torch.Tensor]:
    """Yield the floating-point tensors of a value, those in its lists, tuples and dicts too."""
    if isinstance(value, torch.Tensor) and value.is_floating_point():
        yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from floating(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from floating(item)


def gradients(output: Any, leaves: list[torch.Tensor]) -> list[torch.Tensor | None]:
    """Return d(output . cotangent)/d(leaf) for a fixed cotangent.

    None for a leaf that the output does not depend on, or that wants no gradient: a frozen weight.
    """
    outputs = [tensor for tensor in floating(output) if tensor.requires_grad]
    wanted = [leaf for leaf in leaves if leaf.requires_grad]
    if not outputs or not wanted:
        return [None] * len(leaves)
    total = sum((tensor * _cotangent(tensor)).sum() for tensor in outputs)
    found = iter(torch.autograd.grad(total, wanted, allow_unused=True))
    return [next(found) if leaf.requires_grad else None for leaf in leaves]


def _cotangent(output: torch.Tensor) -> torch.Tensor:
    # Fixed and uneven: a sum of ones would not see outputs that have changed places.
    places = torch.arange(output.numel(), dtype=output.dtype)
    return torch.cos(places * 0.7 + 0.3).reshape(output.shape)
