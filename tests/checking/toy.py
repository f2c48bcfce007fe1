"""A small chapter for the engine's own tests: one exercise of each kind."""

import sympy
import torch
from torch import nn

from dlcv.checking import CONVOLUTION, MATMUL, Case, Exercises, ModuleCase
from dlcv.checking.derivation import is_solved_for, is_sum_of_products, occurrences


def paint(x: torch.Tensor, weight: torch.Tensor, stride: int = 1) -> torch.Tensor:
    out = x.new_zeros((len(x) - 1) * stride + len(weight))
    for i, value in enumerate(x):
        out[i * stride : i * stride + len(weight)] += value * weight
    return out


class Block(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm(self.conv(x)).relu()


def expand(x, y):
    return [(x + y) ** 2, (x + y) * (x + y), x * x + 2 * x * y + y * y]


def solve(i, o, s, k):
    return [sympy.Eq(i, (o - k) / s + 1), sympy.Eq(i - 1, (o - k) / s), sympy.Eq(o, (i - 1) * s + k)]


def make() -> Exercises:
    """Return a fresh toy chapter, so that a test may change it."""
    toy = Exercises("toy")
    painting = toy.function(
        "paint",
        paint,
        points=3,
        forbidden=(CONVOLUTION, MATMUL),
        hints=("start with `out`", "use `+=`"),
        limit=1.0,
    )

    @painting.cases
    def _(draw):
        yield Case(draw.integers((2,), 1, 9), draw.integers((3,), 1, 9), stride=2, words="overlap")
        yield Case(
            draw.integers((3,), 1, 9), draw.integers((2,), 1, 9), stride=3, gradient=True, words="gaps"
        )
        yield Case(torch.zeros(2), draw.integers((2,), 1, 9), smoke=True, words="a silent input")
        for _ in range(draw.count):
            yield Case(
                draw.normal((draw.integer(2, 6),)), draw.normal((draw.integer(2, 4),)), draw.integer(1, 4)
            )

    painting.slip_of(paint, "overwrites", "Overlapping copies are added: `+=`.", ("] += value", "] = value"))

    @painting.slip("flipped", "The filter is not flipped.")
    def _(x, weight, stride=1):
        return paint(x, weight.flip(0), stride)

    block = toy.module("Block", Block, points=2)

    @block.cases
    def _(draw):
        yield ModuleCase(3, inputs=[draw.normal((2, 3, 5, 5))], training=True, words="training")
        yield ModuleCase(2, inputs=[draw.normal((1, 2, 6, 4))], words="evaluation")

    square = toy.derivation(
        "expand",
        expand,
        symbols=("x", "y"),
        milestones=[("no brackets left", lambda line, x, y: is_sum_of_products(line) and line.has(y))],
        points=2,
    )

    @square.slip("no mixed term", "The square of a sum has a mixed term 2xy.")
    def _(x, y):
        return [(x + y) ** 2, x**2 + y**2]

    toy.derivation(
        "solve",
        solve,
        symbols=("i", "o", "s", "k"),
        unknown="o",
        milestones=[
            ("o written once", lambda line, i, o, s, k: occurrences(line, o) == 1 and line.lhs != i),
            ("solved for o", lambda line, i, o, s, k: is_solved_for(line, o)),
        ],
        points=2,
    )
    return toy
