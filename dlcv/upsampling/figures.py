"""The chapter's still pictures. Blue is the input, orange is what is made from it."""

from __future__ import annotations

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from dlcv.plotting import EXPECTED, FAINT, INK, YOURS, Picture, bare, new_figure, number_grid
from dlcv.upsampling.reference import (
    bed_of_nails,
    cubic_kernel,
    max_pool2d,
    max_unpool2d,
    source_positions,
    upsample_bicubic,
    upsample_bilinear,
    upsample_nearest,
)

__all__ = [
    "centres_figure",
    "curves_figure",
    "kernels_figure",
    "pooling_figure",
    "repeat_figure",
    "rules_figure",
]

FOUR = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
LECTURE = torch.tensor([[[[1, 2, 6, 3], [3, 5, 2, 1], [1, 2, 2, 1], [7, 3, 4, 8]]]])
LIGHT_BLUE, LIGHT_ORANGE = "#cfe3f3", "#fbd3b4"


def repeat_figure() -> Picture:
    """2x2 becomes 4x4 by two rules that invent nothing."""
    figure, axes = new_figure(1, 3, height=3.0, width_ratios=[1, 2, 2])
    number_grid(axes[0], FOUR[0, 0], "input", limits=(0, 5))
    number_grid(axes[1], upsample_nearest(FOUR, 2)[0, 0], "nearest neighbour", limits=(0, 5))
    number_grid(axes[2], bed_of_nails(FOUR, 2)[0, 0], "bed of nails", limits=(0, 5))
    return figure


def rules_figure() -> Picture:
    """2x2 becomes 4x4 by two rules that mix neighbours."""
    figure, axes = new_figure(1, 2, height=3.6)
    number_grid(axes[0], upsample_bilinear(FOUR, 4)[0, 0], "bilinear", limits=(0, 5))
    number_grid(axes[1], upsample_bicubic(FOUR, 4)[0, 0], "bicubic", limits=(0, 5))
    return figure


def centres_figure(size: int = 2, out_size: int = 4) -> Picture:
    """Two pixels above four: where the four centres lie, by each of the two conventions."""
    figure, axes = new_figure(1, 2, height=3.1)
    for axis, align_corners in zip(axes, (False, True), strict=True):
        _draw_centres(axis, size, out_size, align_corners)
    axes[0].set_title("edges coincide: align_corners=False")
    axes[1].set_title("outer centres coincide: align_corners=True")
    return figure


def _draw_centres(axis: Axes, size: int, out_size: int, align_corners: bool) -> None:
    positions = source_positions(size, out_size, align_corners).tolist()
    width = (size - 1) / (out_size - 1) if align_corners else size / out_size
    for x in range(size):
        axis.add_patch(Rectangle((x - 0.5, 0), 1, 0.5, facecolor=LIGHT_BLUE, edgecolor=FAINT))
        axis.plot(x, 0.25, "o", color=EXPECTED, markersize=8)
    for p in positions:
        axis.add_patch(Rectangle((p - width / 2, -1.1), width, 0.5, facecolor=LIGHT_ORANGE, edgecolor=FAINT))
        axis.plot([p, p], [-0.85, 0.25], color=YOURS, linewidth=1, linestyle=":")
        axis.plot(p, -0.85, "o", color=YOURS, markersize=6)
        text = f"{p:.2f}".rstrip("0").rstrip(".").replace("-", "−")
        axis.text(p, -1.25, text, ha="center", va="top", fontsize=10, color=INK)
    for x in range(size):
        axis.text(x, 0.6, str(x), ha="center", va="bottom", fontsize=10, color=INK)
    axis.set(xlim=(-0.85, size - 0.15), ylim=(-1.7, 1.0))
    bare(axis)


def kernels_figure() -> Picture:
    """The weight of a pixel by its distance: box, tent, and the cubic for two values of a."""
    figure, axes = new_figure(1, 3, height=2.6, sharey=True)
    d = torch.linspace(-2.4, 2.4, 481)
    axes[0].plot(d, (d.abs() < 0.5).float())
    axes[1].plot(d, (1 - d.abs()).clamp(min=0))
    axes[2].plot(d, cubic_kernel(d), label="a = −3/4")
    axes[2].plot(d, cubic_kernel(d, -0.5), color=YOURS, linewidth=1.2, label="a = −1/2")
    axes[2].legend(fontsize=8, handlelength=1, loc="upper right", borderaxespad=0)
    for axis, title in zip(axes, ("nearest: 1 pixel", "linear: 2 pixels", "cubic: 4 pixels"), strict=True):
        axis.axhline(0, color=FAINT, linewidth=1, zorder=0)
        axis.set(title=title, xticks=range(-2, 3), xlabel="distance", ylim=(-0.25, 1.1))
    axes[0].set_ylabel("weight")
    return figure


def curves_figure(factor: int = 40) -> Picture:
    """A row with a step and a bump, and the curves that the three rules draw through it."""
    row = torch.tensor([0.0, 0, 0, 1, 1, 1, 1, 0.4, 0.8, 0.8])
    x = row[None, None, None]
    size = (1, len(row) * factor)
    curves = {
        "nearest": upsample_nearest(x, (1, factor)),
        "linear": upsample_bilinear(x, size),
        "cubic": upsample_bicubic(x, size),
    }
    positions = source_positions(len(row), size[1])
    figure, axes = new_figure(1, 3, height=2.6, sharey=True)
    for axis, (title, curve) in zip(axes, curves.items(), strict=True):
        values = curve.flatten()
        axis.axhspan(0, 1, color=LIGHT_BLUE, alpha=0.4, zorder=0)
        axis.plot(positions, values, color=INK, linewidth=1.4)
        outside = np.where((values < 0) | (values > 1), values, np.nan)
        axis.plot(positions, outside, color=YOURS, linewidth=3)
        axis.plot(range(len(row)), row, "o", color=EXPECTED, markersize=5)
        axis.set(title=title, xticks=[], ylim=(-0.25, 1.25))
    return figure


def pooling_figure() -> Picture:
    """The lecture's 4x4 example: pool, remember, let a network work, put back."""
    values, indices = max_pool2d(LECTURE, 2)
    back = max_unpool2d(torch.tensor([[[[1, 2], [3, 4]]]]), indices, (4, 4))
    winners = [divmod(int(place), 4) for place in indices.flatten()]
    figure, axes = new_figure(1, 5, height=2.9, width_ratios=[2, 1, 1, 1, 2])
    number_grid(axes[0], LECTURE[0, 0], "input", limits=(0, 12), mark=winners)
    number_grid(axes[1], values[0, 0], "values", limits=(0, 12))
    number_grid(axes[2], indices[0, 0], "indices", limits=(0, 40), cmap="Greys")
    number_grid(axes[3], [[1, 2], [3, 4]], "new values", limits=(0, 6), cmap="Oranges")
    number_grid(axes[4], back[0, 0], "unpooled", limits=(0, 6), cmap="Oranges", mark=winners)
    for axis in (axes[0], axes[4]):
        axis.plot([1.5, 1.5], [-0.5, 3.5], color=INK, linewidth=1.5)
        axis.plot([-0.5, 3.5], [1.5, 1.5], color=INK, linewidth=1.5)
    for axis in (axes[0], axes[4]):
        for row, column in np.ndindex(4, 4):
            place = str(row * 4 + column)
            axis.text(column - 0.42, row - 0.42, place, fontsize=6, color=INK, ha="left", va="top")
    return figure
