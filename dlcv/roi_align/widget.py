"""The interactive figure: drag a box over a feature map, see what each operator reads and what comes out."""

from __future__ import annotations

import matplotlib
import torch
from ipywidgets import FloatSlider, IntSlider
from matplotlib.axes import Axes
from torch import Tensor

from dlcv.interactive import explore
from dlcv.plotting import EXPECTED, PAPER, STYLE, YOURS, Picture, number_grid
from dlcv.roi_align.figures import divide, outline
from dlcv.roi_align.reference import roi_align, roi_pool, sample_points, snapped_boxes

__all__ = ["box_widget", "feature_map", "make"]

HEIGHT, WIDTH = 8, 10
STEP = 1 / 16


def feature_map() -> Tensor:
    """A bright blob on a dark map, (1, 1, 8, 10): whole numbers from 0 to 9."""
    y, x = torch.arange(HEIGHT)[:, None], torch.arange(WIDTH)[None, :]
    blob = 9 * torch.exp(-((y - 3.4) ** 2 + (0.8 * (x - 4.7)) ** 2) / 7)
    return blob.round()[None, None]


def make(
    x: float = 2.3, y: float = 1.6, width: float = 4.6, height: float = 3.8, bins: int = 2, points: int = 2
) -> Picture:
    """Draw the box on the map twice, and below each map the operator's output.

    Parameters
    ----------
    x, y : float
        Upper left corner in cells; the middle of cell 0 is at 0.
    width, height : float
        Size of the box in cells.
    bins, points : int
        Bins in each direction, and RoI Align's points a bin and direction.
    """
    features, box = feature_map(), torch.tensor([x, y, x + width, y + height])
    roi = torch.cat([torch.zeros(1), box])[None]
    pooled, aligned = roi_pool(features, roi, bins), roi_align(features, roi, bins, 1.0, points)
    with matplotlib.rc_context(STYLE):
        figure = Picture(figsize=(9, 6.6), layout="constrained")
        (left, right), below = figure.subplots(2, 2, height_ratios=[1.7, 1])
    _draw_map(left, features, "RoI Pool reads whole cells")
    _draw_map(right, features, "RoI Align reads at points")
    outline(left, box, EXPECTED, linewidth=1.5)
    snapped = snapped_boxes(roi)[0] - 0.5  # a cell reaches half a cell beyond its middle
    outline(left, snapped, YOURS)
    divide(left, snapped, bins, bins, YOURS)
    outline(right, box, EXPECTED)
    divide(right, box, bins, bins, EXPECTED)
    right.plot(
        *sample_points(box, bins, points).reshape(-1, 2).T,
        "o",
        color=EXPECTED,
        markersize=6,
        markeredgecolor=PAPER,
        zorder=4,
    )
    for axis, output, name in zip(below, (pooled, aligned), ("RoI Pool", "RoI Align"), strict=True):
        number_grid(axis, output[0, 0], f"output of {name}", limits=(0, 9), cmap="Greys", size=10)
    return figure


def _draw_map(axis: Axes, features: Tensor, title: str) -> None:
    number_grid(axis, features[0, 0], title, limits=(0, 14), cmap="Greys", size=8)
    axis.set(xlim=(-0.7, WIDTH - 0.3), ylim=(HEIGHT - 0.3, -0.7))


def box_widget() -> None:
    """Sliders for the box in steps of a sixteenth of a cell, and for bins and points; the picture follows."""
    moves = {"x": (2.3, -2, 8), "y": (1.6, -2, 6), "width": (4.6, 0.25, 8), "height": (3.8, 0.25, 6)}
    counts = {"bins": (2, 1, 4), "points": (2, 1, 4)}
    sliders = {
        name: FloatSlider(value, min=low, max=high, step=STEP, description=name, readout_format=".3f")
        for name, (value, low, high) in moves.items()
    }
    sliders |= {
        name: IntSlider(value, low, high, description=name) for name, (value, low, high) in counts.items()
    }
    explore(sliders.values(), lambda: make(**{name: slider.value for name, slider in sliders.items()}))
