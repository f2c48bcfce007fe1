"""The probe for `nn.Module` exercises: build, load the reference's weights, run, hand out shapes and gradients.

Weights are matched by order and shape, so a learner names layers freely. Layers defined in another order than the
reference's are matched by the order in which the forward pass first uses them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from dlcv.checking.probes import find, floating, gradients


def module(
    answer: Callable,
    init_args: list,
    init_kwargs: dict,
    inputs: list,
    weights: dict | None,
    training: bool,
    with_gradient: bool,
) -> Any:
    """Return what the built module has and does; only its parameters' shapes where `weights` do not fit them."""
    torch.manual_seed(0)
    init_args, init_kwargs = build(init_args), build(init_kwargs)
    built = answer(*init_args, **init_kwargs)
    if not isinstance(built, nn.Module):
        return built
    built.train(training)
    found = {
        "parameters": [tuple(parameter.shape) for parameter in built.parameters()],
        "count": sum(parameter.numel() for parameter in built.parameters()),
    }
    sources = assignment(weights, built, lambda: answer.run(built, *inputs))
    if sources is None:
        return found
    own = state(built)
    with torch.no_grad():
        for tensor, source in zip(own, sources, strict=True):
            tensor.copy_(weights["tensors"][source])
    leaves = list(floating(inputs))
    for leaf in leaves:
        leaf.requires_grad_(with_gradient)
    found["output"] = output = answer.run(built, *inputs)
    if with_gradient and any(tensor.requires_grad for tensor in floating(output)):
        count = len(list(built.parameters()))
        ranked = [own[i] for i in sorted(range(count), key=lambda i: sources[i])]  # in the reference's order
        every = gradients(output, [*leaves, *ranked])
        found["gradients of inputs"], found["gradients of parameters"] = (
            every[: len(leaves)],
            every[len(leaves) :],
        )
    return found


def made(maker: Callable, *args: Any, **kwargs: Any) -> dict:
    """Return an object of ours as data, for a case's arguments: both sides make it, `maker` stands in dlcv."""
    return {"made by": f"{maker.__module__}:{maker.__qualname__}", "args": list(args), "kwargs": kwargs}


def build(value: Any) -> Any:
    """Return `value` with the objects that `made` describes in it, each made anew."""
    if isinstance(value, dict):
        if set(value) == {"made by", "args", "kwargs"}:
            return find(value["made by"])(*build(value["args"]), **build(value["kwargs"]))
        return {key: build(item) for key, item in value.items()}
    return type(value)(map(build, value)) if isinstance(value, (list, tuple)) else value


def state(built: nn.Module) -> list[torch.Tensor]:
    """Return parameters, then floating-point buffers, in order of definition: what a weight list fills."""
    return [*built.parameters(), *(buffer for buffer in built.buffers() if buffer.is_floating_point())]


def weights_of(built: nn.Module, inputs: list, fill: Callable[[torch.Tensor], torch.Tensor]) -> dict:
    """Return a reference's weights as data: the tensors of its `state` after `fill`, and their order of use."""
    order = order_of_use(built, lambda: built(*inputs))
    return {"tensors": [fill(tensor.detach().clone()) for tensor in state(built)], "by_use": order}


def assignment(weights: dict, built: nn.Module, run: Callable[[], Any]) -> list[int] | None:
    """Return for each tensor of `state(built)` the weight that fills it; None where shapes do not pair up."""
    given = [tuple(tensor.shape) for tensor in weights["tensors"]]
    wanted = [tuple(tensor.shape) for tensor in state(built)]
    if sorted(given) != sorted(wanted):
        return None
    if given == wanted:
        return list(range(len(wanted)))
    mine, theirs = order_of_use(built, run), weights["by_use"]
    if [wanted[i] for i in mine] == [given[i] for i in theirs]:
        pairs = dict(zip(mine, theirs, strict=True))
        return [pairs[i] for i in range(len(wanted))]
    waiting: dict[tuple, list[int]] = {}
    for position, shape in enumerate(given):
        waiting.setdefault(shape, []).append(position)
    return [waiting[shape].pop(0) for shape in wanted]


def order_of_use(built: nn.Module, run: Callable[[], Any]) -> list[int]:
    """Return the positions in `state(built)` in the order in which a forward pass reaches the modules that own them."""
    reached: list[nn.Module] = []
    hooks = [part.register_forward_pre_hook(lambda part, _: reached.append(part)) for part in built.modules()]
    training = built.training
    built.eval()  # a trial run must leave running statistics alone
    try:
        with torch.no_grad():
            run()
    finally:
        built.train(training)
        for hook in hooks:
            hook.remove()
    tensors = state(built)
    used = [
        id(t)
        for part in [*reached, *built.modules()]
        for t in (*part.parameters(False), *part.buffers(False))
    ]
    rank = {key: place for place, key in reversed(list(enumerate(used)))}
    return sorted(range(len(tensors)), key=lambda i: rank[id(tensors[i])])
