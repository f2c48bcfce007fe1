"""The chapter's still pictures. Orange is where a filter looks; what falls off the map is hatched."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import torch.nn.functional as F
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from torch import Tensor

from dlcv.data.scenes import CLASSES, VOID, render
from dlcv.deeplab.reference import (
    adaptive_average_pool,
    bilateral_features,
    dense_crf,
    enlarge,
    gaussian_features,
    pairwise_kernel,
    valid_weight_fraction,
)
from dlcv.diagrams import OWN, SHARED, arrow
from dlcv.plotting import BLANK, FAINT, INK, YOURS, Picture, bare, new_figure, overlay, show

__all__ = [
    "aspp_figure",
    "bins_figure",
    "coarse_probabilities",
    "decoder_figure",
    "draw_filter",
    "fractions_figure",
    "kernel_figure",
    "patches_figure",
    "pyramid_figure",
    "scene",
    "sharpened_figure",
    "taps_figure",
]

TAP, MAP, COARSE, FINE, GLOBAL = "#f3a26d", "#eef3f7", SHARED, OWN, "#cdeedd"
SIDE = 64


@cache
def scene(number: int = 13, side: int = SIDE) -> tuple[Tensor, Tensor]:
    """Image (3, side, side) and class map (side, side) of one scene."""
    drawn = render([number], size=side, supersample=2)[0]
    return drawn.image, drawn.semantic


# ------------------------------------------------------------------------------- context


def patches_figure(number: int = 13, reach: int = 12) -> Picture:
    """Three windows of one scene: alone, and where they come from."""
    image, _ = scene(number, 192)
    places = ((150, 60), (40, 40), (95, 120))
    figure, axes = new_figure(1, 4, height=2.7, width_ratios=[1, 1, 1, 1.6])
    for axis, letter, (y, x) in zip(axes, "ABC", places, strict=False):
        show(axis, image[:, y - reach : y + reach, x - reach : x + reach], letter)
    show(axes[3], image, "where they are")
    for letter, (y, x) in zip("ABC", places, strict=True):
        corner, side = (x - reach - 0.5, y - reach - 0.5), 2 * reach
        axes[3].add_patch(Rectangle(corner, side, side, fill=False, edgecolor=YOURS, linewidth=1.6))
        label = dict(facecolor="white", edgecolor="none", pad=1.5)
        axes[3].text(
            x, y - reach - 5, letter, ha="center", va="bottom", color=YOURS, weight="bold", bbox=label
        )
    return figure


# ------------------------------------------------------------------------------- rates


def draw_filter(axis: Axes, side: int, rate: int, centre: tuple[int, int] | None = None) -> int:
    """Draw a map of side x side with the nine taps of a filter; return how many of them are on it."""
    row, column = (side // 2, side // 2) if centre is None else centre
    axis.add_patch(Rectangle((-0.5, -0.5), side, side, facecolor=MAP, edgecolor=INK, linewidth=1))
    tap, on_map = max(1.0, side / 24), 0
    for down in (-rate, 0, rate):
        for across in (-rate, 0, rate):
            y, x = row + down, column + across
            inside = 0 <= y < side and 0 <= x < side
            on_map += inside
            box = Rectangle((x - tap / 2, y - tap / 2), tap, tap, edgecolor=INK, linewidth=0.8)
            box.set(facecolor=YOURS if inside else "white", hatch=None if inside else "/////")
            axis.add_patch(box)
    low, high = min(0, row - rate, column - rate) - 2, max(side, row + rate + 1, column + rate + 1) + 2
    axis.set(xlim=(low, high), ylim=(high, low), aspect="equal")
    bare(axis)
    return on_map


def taps_figure(side: int = 33, rates: Sequence[int] = (6, 12, 18)) -> Picture:
    """The nine taps of each rate in the middle of a map, and at a place nearer to its corner."""
    figure, axes = new_figure(2, len(rates), width=8, height=5.4)
    for column, rate in enumerate(rates):
        for axis, centre, where in (
            (axes[0, column], None, "in the middle"),
            (axes[1, column], (8, 8), "aside"),
        ):
            found = draw_filter(axis, side, rate, centre)
            axis.set_title(f"rate {rate}, {where}: {found} of 9")
    return figure


def fractions_figure(sides: Sequence[int] = (8, 16, 33, 65)) -> Picture:
    """Share of valid weights over the rate, for maps of several sizes."""
    figure, axis = new_figure(width=7.2, height=3.2)
    rates = range(1, 37)
    for side in sides:
        values = [valid_weight_fraction(side, rate) for rate in rates]
        (line,) = axis.plot(rates, values)
        near = min(len(values) - 1, 3 + side // 3)
        place = (rates[near] + 0.5, values[near] + 0.02)
        axis.annotate(f"{side} × {side}", place, color=line.get_color(), fontsize=10)
    axis.axhline(1 / 9, color=INK, linewidth=1, linestyle=":")
    axis.text(36, 1 / 9 - 0.02, "1/9: a 1×1 filter", ha="right", va="top", fontsize=9)
    axis.set(xlabel="rate", ylabel="share of valid weights", ylim=(0, 1.02), xlim=(1, 36))
    axis.set_xticks([1, 6, 12, 18, 24, 36])
    return figure


# ------------------------------------------------------------------------------- diagrams


def _box(
    axis: Axes, x: float, y: float, text: str, colour: str, width: float = 1.5, height: float = 0.5
) -> None:
    corner = (x - width / 2, y - height / 2)
    axis.add_patch(Rectangle(corner, width, height, facecolor=colour, edgecolor=INK, linewidth=0.8))
    axis.text(x, y, text, ha="center", va="center", fontsize=9.5, color=INK)


def aspp_figure() -> Picture:
    """ASPP: five branches see the same map, their channels are stacked and projected."""
    figure, axis = new_figure(height=3.4)
    _box(axis, 0.7, 2.0, "features\nH × W × C", BLANK, height=0.9)
    names = [("1×1", COARSE), ("3×3, rate 6", FINE), ("3×3, rate 12", FINE), ("3×3, rate 18", FINE)]
    names.append(("mean, 1×1, spread", GLOBAL))
    for y, (name, colour) in zip((4, 3, 2, 1, 0), names, strict=True):
        _box(axis, 3.5, y, name, colour, width=2.3)
        arrow(axis, (1.5, 2.0), (2.3, y))
        _box(axis, 5.75, y, "256", colour, width=0.8, height=0.98)
        arrow(axis, (4.7, y), (5.3, y))
    _box(axis, 8.0, 2.0, "1×1\n1280 → 256", COARSE, height=0.9)
    arrow(axis, (6.2, 2.0), (7.2, 2.0))
    arrow(axis, (8.8, 2.0), (9.3, 2.0))
    axis.text(5.75, 4.65, "stacked", ha="center", fontsize=10, color=INK)
    axis.text(9.4, 2.0, "H × W × 256", va="center", fontsize=10, color=INK)
    axis.set(xlim=(-0.2, 10.9), ylim=(-0.6, 5.0))
    bare(axis)
    return figure


def decoder_figure() -> Picture:
    """DeepLabv3+: the coarse path through ASPP, the fine path with 48 channels, and where they meet."""
    figure, axis = new_figure(height=3.2)
    _box(axis, 0.6, 2.4, "image", BLANK, width=1.1)
    _box(axis, 2.3, 2.4, "backbone\nto stride 4", BLANK)
    _box(axis, 4.5, 2.4, "to stride 16,\ndilated", BLANK)
    _box(axis, 6.5, 2.4, "ASPP\n256", COARSE, width=1.2)
    _box(axis, 8.3, 2.4, "enlarged 4×", COARSE, width=1.6)
    _box(axis, 4.5, 0.6, "1×1: 48 channels", FINE, width=2.2)
    _box(axis, 8.3, 0.6, "stacked: 304", GLOBAL, width=1.7)
    _box(axis, 10.6, 0.6, "3×3, 3×3, 1×1", COARSE, width=2.0)
    _box(axis, 12.9, 0.6, "enlarged 4×", COARSE, width=1.6)
    for start, end in (
        ((1.15, 2.4), (1.55, 2.4)), ((3.05, 2.4), (3.75, 2.4)), ((5.25, 2.4), (5.9, 2.4)),
        ((7.1, 2.4), (7.5, 2.4)), ((8.3, 2.15), (8.3, 0.87)), ((2.3, 2.15), (3.4, 0.65)),
        ((5.62, 0.6), (7.43, 0.6)), ((9.17, 0.6), (9.58, 0.6)), ((11.62, 0.6), (12.1, 0.6)),
    ):  # fmt: skip
        arrow(axis, start, end)
    axis.text(2.65, 1.15, "fine", ha="right", fontsize=10, color=INK)
    axis.text(8.45, 1.5, "coarse", fontsize=10, color=INK)
    axis.set(xlim=(-0.1, 13.8), ylim=(0.1, 2.9))
    bare(axis)
    return figure


# ------------------------------------------------------------------------------- pyramid pooling


def bins_figure(size: int = 7, counts: Sequence[int] = (2, 3, 6)) -> Picture:
    """Which pixels of an axis each bin averages: neighbours share pixels where bins do not divide the axis."""
    figure, axis = new_figure(width=7, height=2.9)
    colours = ("#cfe3f3", "#fbd3b4", "#cdeedd")
    y = 0.0
    for count, colour in zip(counts, colours, strict=True):
        axis.text(-0.9, y + 0.3, f"{count} bins", ha="right", va="center", fontsize=10, color=INK)
        for i in range(count):
            start, end = i * size // count, -(-(i + 1) * size // count)
            level = y + (0.32 if i % 2 else 0.0)
            axis.add_patch(
                Rectangle((start - 0.46, level), end - start - 0.08, 0.28, facecolor=colour, edgecolor=INK)
            )
        y -= 1.0
    for pixel in range(size):
        axis.add_patch(Rectangle((pixel - 0.5, 1.0), 1, 0.45, facecolor=BLANK, edgecolor=INK))
        axis.text(pixel, 1.22, str(pixel), ha="center", va="center", fontsize=10, color=INK)
        axis.plot([pixel + 0.5] * 2, [y + 0.9, 1.0], color=FAINT, linewidth=0.6, zorder=0)
    axis.set(xlim=(-2.2, size - 0.3), ylim=(y + 0.8, 1.6))
    bare(axis)
    return figure


def pyramid_figure(number: int = 13, bins: Sequence[int] = (1, 2, 3, 6)) -> Picture:
    """One scene, averaged into each of the grids, and enlarged again bilinearly."""
    image, _ = scene(number)
    figure, axes = new_figure(2, len(bins) + 1, height=3.9)
    show(axes[0, 0], image, "map")
    axes[1, 0].set_axis_off()
    for (above, below), count in zip(axes[:, 1:].T, bins, strict=True):
        pooled = adaptive_average_pool(image, count)
        show(above, pooled.movedim(0, -1), f"{count} × {count}")
        show(below, enlarge(pooled[None], image.shape[1:])[0], "enlarged")
    return figure


# ------------------------------------------------------------------------------- dense random field


def kernel_figure(number: int = 13, sigma: float = 5.0, colour: float = 0.08) -> Picture:
    """To whom one pixel listens: to its neighbours, or to those among them that look like it."""
    image, _ = scene(number)
    place = (34, 36)
    index = place[0] * SIDE + place[1]
    near = pairwise_kernel(gaussian_features((SIDE, SIDE), sigma), "none")[index].reshape(SIDE, SIDE)
    alike = pairwise_kernel(bilateral_features(image, 3 * sigma, colour), "none")[index].reshape(SIDE, SIDE)
    figure, axes = new_figure(1, 3, height=3.1)
    show(axes[0], image, "a pixel")
    show(axes[1], near, f"near: {sigma:g} pixels", limits=(0, 1))
    show(axes[2], alike, f"near, {3 * sigma:g} pixels, and alike, {colour:g}", limits=(0, 1))
    for axis in axes:
        axis.plot([place[1]], [place[0]], "+", color=YOURS, markersize=12, markeredgewidth=2)
    return figure


def coarse_probabilities(labels: Tensor, stride: int = 8) -> Tensor:
    """What a network of this stride could say at best: the share of each class around each pixel, (classes, H, W)."""
    one_hot = F.one_hot(labels.where(labels != VOID, 0), len(CLASSES)).permute(2, 0, 1)[None].float()
    return enlarge(F.avg_pool2d(one_hot, stride), labels.shape)[0]


def sharpened_figure(
    number: int = 13, sigma_colour: float = 0.08, weight: float = 6.0, iterations: int = 5
) -> Picture:
    """A scene, coarse probabilities' best classes, and what the random field makes of them."""
    image, labels = scene(number)
    p = coarse_probabilities(labels).clamp(min=1e-4)
    features = [gaussian_features(labels.shape, 1.5), bilateral_features(image, 12.0, sigma_colour)]
    q = dense_crf(-p.log().flatten(1), features, [1.0, weight], iterations).reshape(p.shape)
    figure, axes = new_figure(1, 4, height=2.7)
    show(axes[0], image, "image")
    show(axes[1], overlay(image, labels), "true classes")
    for axis, name, answer in ((axes[2], "before", p), (axes[3], "after", q)):
        wrong = float((answer.argmax(0) != labels).float().mean())
        show(axis, answer.argmax(0), f"{name}: {wrong:.1%} wrong")
    return figure
