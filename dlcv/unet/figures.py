"""The chapter's still pictures."""

from __future__ import annotations

import torch
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from torch import Tensor

from dlcv.data.scenes import render
from dlcv.diagrams import OWN, arrow
from dlcv.plotting import (
    BLANK,
    EXPECTED,
    FAINT,
    INK,
    YOURS,
    Picture,
    bare,
    instance_map,
    new_figure,
    number_grid,
    show,
)
from dlcv.unet.reference import border_weight_map, elastic_deformation, unet_output_size

__all__ = [
    "bytes_figure",
    "cells",
    "deformation_figure",
    "indices_figure",
    "labels_figure",
    "network_figure",
    "tile_figure",
    "weights_figure",
]

SKIP = "#cfe3f3"


def level_sizes(size: int = 572, depth: int = 4) -> tuple[list[int], list[int]]:
    """Sizes of the maps behind each pair of unpadded convolutions, on the way down and on the way up."""
    down = [size - 4]
    for _ in range(depth):
        down.append(down[-1] // 2 - 4)
    up = [down[-1]]
    for _ in range(depth):
        up.append(2 * up[-1] - 4)
    return down, up[1:]


def network_figure(size: int = 572, base: int = 64, depth: int = 4) -> Picture:
    """The U: width of a box is its channels, height its size; blue is what comes across."""
    down, up = level_sizes(size, depth)
    figure, axis = new_figure(height=4.6)
    for level, side in enumerate(down):
        last = level == depth
        x = level if not last else depth + 0.25
        _map(axis, x, level, side, base * 2**level, BLANK)
        if level == 0:
            axis.text(x - 0.62, level, f"image\n{size}", ha="center", va="center", fontsize=9, color=INK)
            arrow(axis, (x - 0.42, level), (x - 0.22, level))
        if not last:
            target = level + 1 if level + 1 < depth else depth + 0.25
            arrow(axis, (x + 0.1, level + 0.5), (target - 0.12, level + 0.75))
    for step, side in enumerate(up):
        level = depth - 1 - step
        x = 2 * depth + 0.5 - level
        _map(axis, x - 0.16, level, 2 * ([down[-1], *up][step]), base * 2**level, SKIP, label=False)
        _map(axis, x + 0.16, level, side, base * 2**level, OWN)
        before = depth + 0.25 if step == 0 else x - 1 + 0.16
        arrow(axis, (before + 0.1, level + 0.64), (x + 0.05, level + 0.36))
        arrow(axis, (level + 0.3, level), (x - 0.36, level), colour=EXPECTED)
    end = 2 * depth + 0.66
    arrow(axis, (end + 0.12, 0), (end + 0.36, 0))
    axis.text(end + 0.62, 0, f"scores\n{up[-1]}", ha="center", va="center", fontsize=9, color=INK)
    axis.set(xlim=(-1.0, end + 1.0), ylim=(depth + 0.6, -0.62))
    bare(axis)
    return figure


def _map(axis: Axes, x: float, y: float, side: int, channels: int, colour: str, label: bool = True) -> None:
    height, width = 0.12 + 0.5 * (side / 572) ** 0.5, 0.03 + 0.17 * (channels / 1024) ** 0.5
    axis.add_patch(
        Rectangle(
            (x - width / 2, y - height / 2), width, height, facecolor=colour, edgecolor=INK, linewidth=0.8
        )
    )
    if label:
        axis.text(x, y + height / 2 + 0.03, f"{channels}", ha="center", va="top", fontsize=8, color=INK)
        axis.text(x, y - height / 2 - 0.03, f"{side}", ha="center", va="bottom", fontsize=8, color=INK)


def tile_figure() -> Picture:
    """What an unpadded U-Net reads and what it answers for, in a picture of a street; and how tiles are mirrored."""
    image = render([7], size=256, family="street")[0].image
    read, answered = 188, unet_output_size(188, depth=3, padding=0)
    margin = (read - answered) // 2
    figure, axes = new_figure(1, 2, height=3.6)
    show(axes[0], image, "inside: read blue, answer for orange")
    _frame(axes[0], 50, 30, read, EXPECTED)
    _frame(axes[0], 50 + margin, 30 + margin, answered, YOURS)
    mirrored = torch.nn.functional.pad(image[None], (margin,) * 4, mode="reflect")[0]
    show(axes[1], mirrored, "at the border: the image goes on, mirrored")
    _frame(axes[1], 0, 0, read, EXPECTED)
    _frame(axes[1], margin, margin, answered, YOURS)
    axes[1].add_patch(
        Rectangle(
            (margin - 0.5, margin - 0.5), 256, 256, fill=False, edgecolor="white", linewidth=1, linestyle=":"
        )
    )
    return figure


def _frame(axis: Axes, left: int, top: int, side: int, colour: str) -> None:
    axis.add_patch(
        Rectangle((left - 0.5, top - 0.5), side, side, fill=False, edgecolor=colour, linewidth=2.2)
    )


def indices_figure() -> Picture:
    """A map, its maxima, where they stood, and what unpooling makes of them."""
    x = torch.tensor([[1.0, 5, 2, 0], [3, 2, 4, 1], [0, 1, 7, 3], [6, 2, 2, 8]])
    values, indices = torch.nn.functional.max_pool2d(x[None, None], 2, return_indices=True)
    back = torch.nn.functional.max_unpool2d(values, indices, 2)[0, 0]
    places = [divmod(int(i), 4) for i in indices.flatten()]
    figure, axes = new_figure(1, 4, height=2.4, width_ratios=[1.3, 0.8, 0.8, 1.3])
    for axis, numbers, title, mark in (
        (axes[0], x, "a map", places),
        (axes[1], values[0, 0], "maxima", ()),
        (axes[2], indices[0, 0].float(), "where", ()),
        (axes[3], back, "unpooled", places),
    ):
        number_grid(axis, numbers, title, limits=(0, 16), mark=mark, mark_colour=EXPECTED)
    return figure


def bytes_figure(base: int = 64, depth: int = 4, size: int = 256) -> Picture:
    """What a U-Net and a SegNet remember of one image, level by level, in megabytes (counted, not run)."""
    levels = range(depth)
    numbers = [base * 2**level * (size // 2**level) ** 2 for level in levels]
    rows = {
        "U-Net: maps, 4 bytes a number": ([4 * n / 2**20 for n in numbers], EXPECTED),
        "SegNet: indices as torch keeps them, 8 bytes": ([8 * n / 4 / 2**20 for n in numbers], YOURS),
        "SegNet: two bits would do": ([n / 4 / 4 / 2**20 for n in numbers], INK),
    }
    figure, axis = new_figure(width=7.5, height=2.9)
    for row, (name, (sizes, colour)) in enumerate(rows.items()):
        places = [level + 0.27 * (row - 1) for level in levels]
        axis.bar(places, sizes, 0.25, color=colour, label=f"{name}: {sum(sizes):.3g} MB")
    axis.set(xticks=list(levels), xlabel="poolings above", ylabel="MB")
    axis.legend(frameon=False, fontsize=9)
    return figure


def cells(size: int = 96) -> Tensor:
    """Numbered discs, some of which touch: (size, size) int64, 0 between them."""
    y, x = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    places = [(30, 26, 15), (30, 56, 14), (57, 42, 13), (72, 76, 12), (20, 82, 8), (80, 20, 10)]
    drawn = torch.zeros(size, size, dtype=torch.long)
    for number, (row, column, radius) in enumerate(places, 1):
        drawn[(y - row) ** 2 + (x - column) ** 2 < radius**2] = number
    return drawn


def weights_figure() -> Picture:
    """Cells, and the weights around them for two widths of the ridge."""
    drawn = cells()
    figure, axes = new_figure(1, 3, height=3.2)
    show(axes[0], torch.from_numpy(instance_map(drawn).copy()), "cells")
    for axis, sigma in zip(axes[1:], (5.0, 2.0), strict=True):
        show(axis, border_weight_map(drawn, sigma=sigma), f"weights, σ = {sigma:g}", limits=(1, 11))
    return figure


def deformation_figure(seed: int = 3) -> Picture:
    """A grid over cells, deformed by smooth noise of three strengths."""
    drawn = cells()
    image = torch.from_numpy(instance_map(drawn).copy()).permute(2, 0, 1).float()
    image[:, ::12] *= 0.6
    image[:, :, ::12] *= 0.6
    figure, axes = new_figure(1, 4, height=2.6)
    for axis, alpha in zip(axes, (0.0, 100.0, 250.0, 600.0), strict=True):
        moved, _ = elastic_deformation(image, drawn, alpha, 8.0, torch.Generator().manual_seed(seed))
        show(axis, moved, f"α = {alpha:g}")
    return figure


def labels_figure() -> Picture:
    """The same displacement for labels, read at the nearest pixel and mixed like colours."""
    labels = torch.zeros(40, 40, dtype=torch.long)
    y, x = torch.meshgrid(torch.arange(40), torch.arange(40), indexing="ij")
    labels[(y - 20) ** 2 + (x - 20) ** 2 < 150] = 3
    generator = torch.Generator().manual_seed(1)
    mixed, nearest = elastic_deformation(labels[None].float(), labels, 120.0, 4.0, generator)
    figure, axes = new_figure(1, 3, height=3.2)
    show(axes[0], labels, "classes 0 and 3")
    show(axes[1], nearest, "moved: nearest")
    wrong = mixed[0].round().long()
    share = float(((wrong == 1) | (wrong == 2)).float().mean())
    show(axes[2], wrong, f"mixed: {share:.0%} are classes 1 and 2")
    axes[2].title.set_color(FAINT if share == 0 else INK)
    return figure
