"""What the first answer of a process waits for, done in advance: for an interpreter that is going to be forked.

The first request lays the net for each group that is forbidden, imports what torch and sympy import late, and fills
caches. A process that has rehearsed hands all of it on to its copies.
"""

from __future__ import annotations

from typing import Any

import sympy
import torch
from torch import nn

from dlcv.checking import values
from dlcv.checking.answer import Answer, Reply, Request
from dlcv.checking.forbidden import KNOWN, Watch, watch_for
from dlcv.checking.guard import Guard

__all__ = ["rehearse"]


def rehearse() -> None:
    """Answer once what no exercise asks, under a watch for every group, without the hook and with it."""
    watch = watch_for(KNOWN)
    x, weight = torch.arange(6.0), torch.ones(2, 3)
    with Guard(watch, plain=True).active(_steps):
        _steps(x, weight)
    _answer(_steps, watch, "gradient", x, weight)
    _answer(_lines, watch, "call", *sympy.symbols("a b c d"))


def _answer(answer: Any, watch: Watch, probe: str, *args: Any) -> None:
    request = Request(f"dlcv.checking.probes:{probe}", args, {"stride": 1})
    reply = Answer(answer, watch).reply(Request.from_bytes(request.to_bytes()))
    if reply.crash:
        raise RuntimeError(f"the rehearsal failed: {reply.crash.type}: {reply.crash.message}")
    Reply.from_bytes(reply.to_bytes())


def _steps(x: torch.Tensor, weight: torch.Tensor, stride: int = 1) -> torch.Tensor:
    """Steps of the kind that answers are made of: loops over slices, shapes, sums, a layer and its gradients."""
    canvas = x.new_zeros((len(x) - 1) * stride + weight.shape[1])
    for i, value in enumerate(x):
        canvas[i * stride : i * stride + weight.shape[1]] += value * weight[0]
    plane = torch.stack([canvas, canvas.flip(0)]).reshape(1, 2, -1)
    plane = torch.cat([plane, plane.roll(1, -1)], dim=1).transpose(1, 2).contiguous()
    plane = nn.functional.pad(plane, (1, 1)).clamp(min=0.0).sqrt().mean(dim=-1, keepdim=True)
    grid = torch.meshgrid(torch.arange(2), torch.arange(3), indexing="ij")
    inside = (grid[0] == grid[1]) & (grid[0] >= 0)
    picked = (
        weight[inside].sum() + torch.where(inside, weight, torch.zeros(())).max() + weight[:, [0, 1]].min()
    )
    spread = torch.zeros(3, 5)
    spread[::2, 1::2] = torch.ones(2, 2)
    tensor = torch.tensor([[1.0, 2.0]]).expand(2, 2).permute(1, 0).unsqueeze(0).squeeze().double().float()
    with torch.no_grad():
        nn.BatchNorm1d(1)(nn.Linear(1, 1)(torch.zeros(2, 1)))
    whole = plane.sum() + picked + spread.abs().sum() + tensor.prod() + torch.outer(x, x).floor().any().int()
    return whole * torch.linspace(0, 1, 3).exp().log1p().cumsum(0)


def _lines(a: Any, b: Any, c: Any, d: Any, **_: Any) -> list:
    quotient = (a + 2 * b - c - d) / d + 1
    lines = [sympy.Eq(a, quotient), sympy.Eq(a - 1, (b - c) / d), a * (b + c) ** 2 - sympy.Rational(1, 2) * b]
    return [*lines, sympy.expand(lines[-1]), values.plain(lines)]
