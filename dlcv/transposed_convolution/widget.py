"""The interactive figure: one input pixel after the other paints its copy, and the sum builds up."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib
import numpy as np
import torch
from ipywidgets import IntSlider
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from torch import Tensor

from dlcv.interactive import explore
from dlcv.plotting import FAINT, INK, STYLE, YOURS, Picture, number_grid, short_number
from dlcv.transposed_convolution.reference import conv_transpose2d_naive, overlap_counts

__all__ = ["make", "painting_widget"]

INPUT = torch.tensor([[1.0, 2, 1], [2, 3, 1], [1, 4, 2]])
LARGEST_KERNEL, LARGEST_STRIDE = 5, 4


def filter_of(kernel_size: int) -> Tensor:
    """Small whole numbers that grow to the right and downwards, so that a flip would show."""
    return torch.arange(1.0, kernel_size + 1)[:, None] + torch.arange(kernel_size)[None, :]


def make(step: int = 5, kernel_size: int = 3, stride: int = 2, padding: int = 0) -> Picture:
    """Draw the canvas after `step` of the nine input pixels have painted, the last copy in orange.

    Parameters
    ----------
    step : int
        0 is the empty canvas, 9 the finished one.
    kernel_size, stride, padding : int
        Of the transposed convolution. Trimmed pixels are hatched.

    Returns
    -------
    Picture
        Above, the pixel, the filter and the copy. Below, the sum so far, and how many copies reach each pixel in
        the end.
    """
    x, weight = INPUT, filter_of(kernel_size)
    step = min(max(step, 0), x.numel())
    painted = torch.where(torch.arange(x.numel()) < step, x.flatten(), 0).reshape(x.shape)
    canvas = conv_transpose2d_naive(painted, weight, stride)
    padding = min(padding, (len(canvas) - 1) // 2)
    i, j = divmod(step - 1, x.shape[1])
    value = x[i, j] if step else torch.tensor(float("nan"))

    full = conv_transpose2d_naive(x, weight, stride)
    small = 9 if kernel_size == LARGEST_KERNEL else 11

    with matplotlib.rc_context(STYLE):
        figure = Picture(figsize=(9, 7.2))
        upper = figure.add_gridspec(1, 3, left=0.02, right=0.98, top=0.96, bottom=0.69)
        lower = figure.add_gridspec(1, 2, left=0.01, right=0.99, top=0.63, bottom=0.01, wspace=0.04)
        pixel, taps, copy = (figure.add_subplot(place) for place in upper)
        total, counts = (figure.add_subplot(place) for place in lower)
        number_grid(pixel, x, "input", limits=(0, 8), mark=[(i, j)] if step else ())
        number_grid(taps, weight, "filter", limits=(0, 2 * float(weight.max())), size=small)
        words = f"copy: {short_number(float(value))} × filter" if step else "no copy yet"
        number_grid(
            copy, value * weight, words, limits=(0, 5 * float(weight.max())), cmap="Oranges", size=small
        )
        for axis, sign in ((taps, "×"), (copy, "=")):
            axis.text(-0.2, 0.5, sign, transform=axis.transAxes, fontsize=18, ha="center", va="center")
        _draw_canvas(
            total, canvas, value * weight, (i * stride, j * stride) if step else None, 1.4 * full.max()
        )
        total.set_title(_title(step, i, j, stride))
        _draw_counts(counts, len(x), kernel_size, stride)
        for axis in (total, counts):
            _hatch_trimmed(axis, len(canvas), padding)
    return figure


def _title(step: int, i: int, j: int, stride: int) -> str:
    if not step:
        return "output: an empty canvas"
    return f"step {step}: pixel ({i}, {j}) paints at ({i * stride}, {j * stride})"


def _draw_canvas(
    axis: Axes, canvas: Tensor, copy: Tensor, corner: tuple[int, int] | None, limit: float
) -> None:
    """The sum so far; where the copy landed in orange, with what was there before plus what came."""
    size = len(canvas)
    number_grid(axis, canvas, limits=(0, float(limit)), size=_font(size))
    if corner is None:
        return
    top, left = corner
    for (k, l), added in np.ndenumerate(copy.numpy()):
        row, column = top + k, left + l
        now = float(canvas[row, column])
        colour = matplotlib.colormaps["Oranges"](0.15 + 0.45 * now / float(limit))
        axis.add_patch(
            Rectangle((column - 0.5, row - 0.5), 1, 1, facecolor=colour, edgecolor=FAINT, zorder=2)
        )
        if size <= 9 and now != added:
            words = f"{short_number(now - float(added))}+{short_number(float(added))}"
            axis.text(column, row + 0.34, words, ha="center", va="center", fontsize=7, color=INK)
    height, width = copy.shape
    outline = dict(fill=False, edgecolor=YOURS, linewidth=3, zorder=3)
    axis.add_patch(Rectangle((left - 0.5, top - 0.5), width, height, **outline))


def _draw_counts(axis: Axes, size: int, kernel_size: int, stride: int) -> None:
    counts = overlap_counts(size, kernel_size, stride)
    plane = torch.outer(counts, counts)
    if kernel_size % stride == 0:
        words = "all alike inside"
    else:
        words = "some get none" if kernel_size < stride else "a checkerboard"
    title = f"copies that reach each pixel: {words}"
    number_grid(axis, plane, title, limits=(0, 9), cmap="Purples", size=_font(len(plane)))


def _hatch_trimmed(axis: Axes, size: int, padding: int) -> None:
    """Hatch the pixels that padding trims, and frame those that stay."""
    if not padding:
        return
    style = dict(fill=False, hatch="/////", edgecolor=INK, alpha=0.35, linewidth=0, zorder=4)
    for start in (-0.5, size - padding - 0.5):
        axis.add_patch(Rectangle((-0.5, start), size, padding, **style))
        axis.add_patch(Rectangle((start, padding - 0.5), padding, size - 2 * padding, **style))
    kept = size - 2 * padding
    axis.add_patch(
        Rectangle(
            (padding - 0.5, padding - 0.5), kept, kept, fill=False, edgecolor=INK, linewidth=2, zorder=4
        )
    )


def _font(size: int) -> float:
    return 11 if size <= 8 else 9 if size <= 11 else 7


def painting_widget() -> None:
    """Sliders for step, filter size, stride and padding; the picture below them follows."""
    ranges: dict[str, Sequence[int]] = {
        "step": (5, 0, INPUT.numel()),
        "kernel_size": (3, 1, LARGEST_KERNEL),
        "stride": (2, 1, LARGEST_STRIDE),
        "padding": (0, 0, 2),
    }
    sliders = {
        name: IntSlider(value, low, high, description=name.replace("_", " "), continuous_update=False)
        for name, (value, low, high) in ranges.items()
    }
    explore(sliders.values(), lambda: make(**{name: slider.value for name, slider in sliders.items()}))
