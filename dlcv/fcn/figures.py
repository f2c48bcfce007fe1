"""The chapter's still pictures."""

from __future__ import annotations

from functools import cache

import torch
import torch.nn.functional as F
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from torch import Tensor, nn

from dlcv.backbones import EfficientNetLite0
from dlcv.diagrams import OWN, SHARED, arrow
from dlcv.fcn.reference import linear_to_conv, multiply_adds
from dlcv.plotting import BLANK, EXPECTED, FAINT, INK, YOURS, Picture, bare, new_figure, show

__all__ = ["cost_figure", "heat_map_figure", "sizes_figure", "skips_figure"]

CATS = (281, 282, 285)
"""ImageNet's tabby, tiger cat and Egyptian cat."""
SMALL_CLASSIFIER = [(1, 8, 5, 1), (8, 16, 4, 2), (16, 32, 4, 2), (32, 10, 4, 1)]
"""Layers of a classifier for windows of 28 x 28 pixels: its last filter is as large as its last map."""


def sizes_figure() -> Picture:
    """VGG-16 as a fully convolutional network: how large the map is after each stage, for two image sizes."""
    figure, axes = new_figure(2, 1, height=3.4)
    rows = ([224, 112, 56, 28, 14, 7, 1], [500, 250, 125, 63, 32, 16, 10])
    names = ["image", "pool 1", "pool 2", "pool 3", "pool 4", "pool 5", "7×7 filters"]
    for axis, sizes in zip(axes, rows, strict=True):
        for place, (name, side) in enumerate(zip(names, sizes, strict=True)):
            height = 0.25 + 0.75 * (side / 500) ** 0.5
            last = place == len(names) - 1
            axis.add_patch(
                Rectangle(
                    (place + 0.5 - height / 2, 0.5 - height / 2),
                    height,
                    height,
                    facecolor=EXPECTED if last else BLANK,
                    edgecolor=INK,
                    linewidth=0.8,
                )
            )
            axis.text(place + 0.5, -0.14, f"{side} × {side}", ha="center", va="top", fontsize=10, color=INK)
            axis.text(place + 0.5, 1.12, name, ha="center", va="bottom", fontsize=10, color=INK)
        axis.set(xlim=(0, len(names)), ylim=(-0.45, 1.4), aspect="equal")
        bare(axis)
    return figure


def cost_figure(size: int = 96) -> Picture:
    """How many times as many multiplications windows need as one pass over the image, by the step between windows."""
    once = multiply_adds(SMALL_CLASSIFIER, size)
    window = multiply_adds(SMALL_CLASSIFIER, 28)
    steps = [4, 6, 8, 10, 12, 14, 16]
    ratios = [window * ((size - 28) // step + 1) ** 2 / once for step in steps]
    figure, axis = new_figure(width=6.5, height=2.8)
    axis.bar([str(step) for step in steps], ratios, color=[YOURS] + [FAINT] * (len(steps) - 1))
    axis.axhline(1, color=EXPECTED)
    axis.text(len(steps) - 0.6, 2.4, "blue: one pass", color=EXPECTED, ha="right")
    axis.set(xlabel="pixels from one window to the next", ylabel="times as many products")
    for place, ratio in enumerate(ratios):
        axis.text(place, ratio + 0.15, f"{ratio:.1f}", ha="center", fontsize=9)
    return figure


@cache
def cat_map(side: int) -> tuple[Tensor, Tensor]:
    """A photograph of a cat in a wide frame, and the share of "cat" that each place of it gets.

    Returns
    -------
    image (3, side, 1.5 side), probabilities (side / 32, 1.5 side / 32)
    """
    from skimage import data

    photograph = torch.from_numpy(data.chelsea().copy()).permute(2, 0, 1)[None] / 255
    image = F.interpolate(photograph, size=(side, side * 3 // 2), mode="bicubic", antialias=True).clamp(0, 1)
    with torch.no_grad():
        network = EfficientNetLite0().eval()
        dense = nn.Sequential(network.head, linear_to_conv(network.fc, 1280, 1))
        scores = dense(network(image)[-1])[0]
    return image[0], scores.softmax(0)[list(CATS)].sum(0)


def heat_map_figure(side: int = 448) -> Picture:
    """A classifier that was trained on whole images, run as a fully convolutional network: where does it see a cat?"""
    image, probability = cat_map(side)
    figure, axes = new_figure(1, 2, height=3.0)
    show(axes[0], image, f"{image.shape[1]} × {image.shape[2]} pixels")
    rows, columns = probability.shape
    show(axes[1], probability, f"“cat”, at {rows} × {columns} places", limits=(0, 1))
    return figure


def skips_figure() -> Picture:
    """The three variants: which maps are scored, where their scores are added, and how far each is enlarged."""
    figure, axis = new_figure(height=3.9)
    _box(axis, 0.0, 4.2, "image")
    for x, name in ((2.0, "pool 3\nstride 8"), (4.0, "pool 4\nstride 16"), (6.0, "pool 5\nstride 32")):
        _box(axis, x, 4.2, name)
        _box(axis, x, 3.0, "1×1 scores", SHARED)
        arrow(axis, (x - 1.3, 4.2), (x - 0.7, 4.2))
        arrow(axis, (x, 3.85), (x, 3.3))
    for x, y in ((4.0, 1.8), (2.0, 0.6)):
        _sum(axis, x, y)
        arrow(axis, (x, 2.7), (x, y + 0.25))
    arrow(axis, (6.0, 2.7), (4.25, 1.95))
    arrow(axis, (3.8, 1.65), (2.25, 0.75))
    for x, y in ((5.1, 2.47), (3.0, 1.32)):
        axis.text(x, y, "2×", ha="center", fontsize=10, color=INK)
    for x, y, away, name in (
        (6.9, 3.0, 0.2, "32×  FCN-32s"),
        (4.9, 1.8, 0.65, "16×  FCN-16s"),
        (2.9, 0.6, 0.65, "8×  FCN-8s"),
    ):
        arrow(axis, (x - away, y), (x + 0.25, y))
        axis.text(x + 0.35, y, name, va="center", fontsize=11, color=INK)
    axis.set(xlim=(-0.8, 8.6), ylim=(0.2, 4.7))
    bare(axis)
    return figure


def _box(axis: Axes, x: float, y: float, text: str, colour: str = BLANK) -> None:
    axis.add_patch(Rectangle((x - 0.65, y - 0.28), 1.3, 0.56, facecolor=colour, edgecolor=INK, linewidth=0.8))
    axis.text(x, y, text, ha="center", va="center", fontsize=10, color=INK)


def _sum(axis: Axes, x: float, y: float) -> None:
    axis.plot([x], [y], "o", markersize=17, markerfacecolor=OWN, markeredgecolor=INK)
    axis.text(x, y - 0.015, "+", ha="center", va="center", fontsize=14, color=INK)
