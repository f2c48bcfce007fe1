"""The chapter's still pictures. Orange is where a filter looks, blue is what it looks at, red hatching is a hole."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from dlcv.dilated_convolution.reference import coverage, dilate_kernel, is_gridding_free, receptive_field
from dlcv.plotting import BLANK, FAINT, INK, PAPER, YOURS, Picture, bare, new_figure, number_grid
from dlcv.transposed_convolution.reference import insert_zeros

__all__ = [
    "draw_coverage",
    "fields_figure",
    "gridding_figure",
    "spreads_figure",
    "stitch_figure",
    "taps_figure",
]

TAP, SPAN = "#f3a26d", "#fdebdf"
RUNS = ("#cfe3f3", "#fbd3b4", "#cdeedd", "#efd6e6")
"""One pale colour for each of four runs."""


def taps_figure(dilations: Sequence[int] = (1, 2, 3)) -> Picture:
    """The nine pixels that a 3x3 filter looks at, by dilation, in a plane of 9x9."""
    figure, axes = new_figure(1, len(dilations), height=3.2)
    for axis, dilation in zip(axes, dilations, strict=True):
        for row, column in np.ndindex(9, 9):
            down, across = row - 4, column - 4
            inside = max(abs(down), abs(across)) <= dilation
            tap = inside and down % dilation == 0 and across % dilation == 0
            _cell(axis, column, row, TAP if tap else SPAN if inside else PAPER)
        side = 2 * dilation + 1
        axis.set(xlim=(-0.6, 8.6), ylim=(8.6, -0.6), aspect="equal")
        bare(axis, f"dilation {dilation}: 9 numbers, {side} × {side} pixels")
    return figure


def _cell(axis: Axes, x: float, y: float, colour: str, text: str = "") -> None:
    axis.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=colour, edgecolor=FAINT))
    axis.text(x, y, text, ha="center", va="center", fontsize=10, color=INK)


def spreads_figure() -> Picture:
    """Left, dilation spreads the filter. Right, the transposed convolution of chapter 01 spreads the input."""
    figure, axes = new_figure(1, 4, height=2.6, width_ratios=[2, 4, 2, 4])
    weight, x = torch.arange(1, 5).reshape(2, 2), torch.arange(1, 5).reshape(2, 2)
    number_grid(axes[0], weight, "filter", cmap="Oranges", limits=(0, 8))
    number_grid(axes[1], dilate_kernel(weight, 2), "dilated: filter spread", cmap="Oranges", limits=(0, 8))
    number_grid(axes[2], x, "input", limits=(0, 8))
    number_grid(axes[3], insert_zeros(x, 2), "transposed: input spread", limits=(0, 8))
    return figure


def fields_figure(layers: int = 6) -> Picture:
    """Receptive field over depth: plain, with a stride of 2 after every second layer, and with doubling rates."""
    stacks = {
        "3×3, plain": [(3, 1, 1)] * layers,
        "every second with stride 2": [(3, 1 + n % 2, 1) for n in range(layers)],
        "dilation 1, 2, 4, 8, …": [(3, 1, 2**n) for n in range(layers)],
    }
    figure, axis = new_figure(width=6.5, height=3.0)
    for (name, stack), marker in zip(stacks.items(), "os^", strict=True):
        sizes = [receptive_field(stack[:depth])[0] for depth in range(layers + 1)]
        axis.plot(range(layers + 1), sizes, marker=marker, label=name)
    axis.set(xlabel="layers", ylabel="receptive field in pixels", xticks=range(layers + 1))
    axis.legend()
    return figure


def stitch_figure(size: int = 6) -> Picture:
    """Four runs of a net with stride 2, one for each shift, and how their answers interleave."""
    figure, axes = new_figure(1, 5, height=2.7, width_ratios=[3, 3, 3, 3, 6])
    for run, axis in enumerate(axes[:4]):
        i, j = divmod(run, 2)
        for row, column in np.ndindex(size // 2, size // 2):
            _cell(axis, column, row, RUNS[run], str(row * (size // 2) + column + 1))
        axis.set(xlim=(-0.6, size / 2 - 0.4), ylim=(size / 2 - 0.4, -0.6), aspect="equal")
        bare(axis, f"shift ({i}, {j})")
    for row, column in np.ndindex(size, size):
        number = row // 2 * (size // 2) + column // 2 + 1
        _cell(axes[4], column, row, RUNS[row % 2 * 2 + column % 2], str(number))
    axes[4].set(xlim=(-0.6, size - 0.4), ylim=(size - 0.4, -0.6), aspect="equal")
    bare(axes[4], "stitched")
    return figure


def draw_coverage(axis: Axes, rates: Sequence[int], kernel_size: int = 3) -> None:
    """Ways from each input pixel to the output pixel above the middle; holes hatched."""
    counts = coverage(rates, kernel_size)
    size = len(counts)
    axis.imshow(counts.double().sqrt().numpy(), cmap="Blues", vmin=0, extent=(0, size, size, 0))
    row = counts[size // 2] if counts[size // 2].any() else counts[0]
    seen = (row > 0).tolist()
    for (y, down), (x, across) in ((a, b) for a in enumerate(seen) for b in enumerate(seen)):
        if not (down and across):
            axis.add_patch(
                Rectangle((x, y), 1, 1, facecolor=BLANK, edgecolor=YOURS, linewidth=0.4, hatch="///")
            )
    holes = size**2 - sum(seen) ** 2
    words = "no holes" if is_gridding_free(rates, kernel_size) else f"{100 * holes / size**2:.0f}% holes"
    bare(axis, f"rates {', '.join(map(str, rates))}: {size} × {size}, {words}")


def gridding_figure(stacks: Sequence[Sequence[int]] = ((2, 2, 2), (1, 2, 3), (1, 2, 9))) -> Picture:
    """Coverage maps of three stacks of rates."""
    figure, axes = new_figure(1, len(stacks), height=3.3)
    for axis, rates in zip(axes, stacks, strict=True):
        draw_coverage(axis, rates)
    return figure


def rows_seen(rates: Sequence[int], kernel_size: int = 3) -> list[set[int]]:
    """For each layer, from the output down, the places on one axis that the output pixel depends on."""
    seen = [{0}]
    for rate in reversed(rates):
        reach = range(-(kernel_size // 2) * rate, kernel_size // 2 * rate + 1, rate)
        seen.append({place + step for place in seen[-1] for step in reach})
    return seen


def stack_axis(axis: Axes, rates: Sequence[int]) -> None:
    """One row of pixels a layer, the output on top; lines lead from each used pixel to those it looks at."""
    seen = rows_seen(rates)
    reach = sum(rates)
    for depth, places in enumerate(seen):
        for x in range(-reach, reach + 1):
            _cell(axis, x, depth * 3, TAP if x in places else PAPER)
    for depth, (above, below) in enumerate(pairwise(seen)):
        rate = rates[len(rates) - 1 - depth]
        for x in above:
            for step in (-rate, 0, rate):
                if x + step in below:
                    axis.plot([x, x + step], [depth * 3 + 0.5, depth * 3 + 2.5], color=FAINT, linewidth=1)
    axis.set(xlim=(-reach - 0.6, reach + 0.6), ylim=(len(rates) * 3 + 0.6, -0.6), aspect="equal")
    bare(axis, f"rates {', '.join(map(str, rates))}, output on top")
