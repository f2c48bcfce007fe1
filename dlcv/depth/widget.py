"""The interactive figures: scale and shift by hand against the best ones, and a cloud that can be turned."""

from __future__ import annotations

from functools import cache

import torch
from ipywidgets import FloatSlider
from torch import Tensor

from dlcv.depth.figures import cloud_figure, guess, small
from dlcv.depth.reference import align_scale_and_shift
from dlcv.interactive import explore
from dlcv.plotting import DIVERGING, EXPECTED, FAINT, YOURS, Picture, new_figure, show

__all__ = ["align_widget", "best", "cloud_widget", "error", "make"]


@cache
def best() -> tuple[float, float]:
    """Scale and shift that fit the relative prediction best to the motorcycle's disparity."""
    pair = small()
    scale, shift = align_scale_and_shift(guess()[None], pair.disparity[None], pair.valid[None])
    return float(scale), float(shift)


def error(scale: float, shift: float) -> float:
    """Root of the mean square of what is left, in pixels of disparity."""
    return float(_left(scale, shift)[small().valid].square().mean().sqrt())


def _left(scale: float, shift: float) -> Tensor:
    pair = small()
    return (scale * guess() + shift - pair.disparity).where(pair.valid, torch.nan)


def make(scale: float = 30.0, shift: float = 20.0) -> Picture:
    """Draw the line of a scale and a shift through the pixels, and what it leaves of each.

    Parameters
    ----------
    scale, shift : float
        In pixels of disparity.
    """
    pair = small()
    d, true = guess()[pair.valid], pair.disparity[pair.valid]
    figure, (line, left) = new_figure(1, 2, height=3.0, width_ratios=[1, 1.3])
    line.plot(d[::10], true[::10], ".", color=FAINT, markersize=2)
    ends = torch.stack([d.min(), d.max()])
    for (s, t), colour, style in ((best(), EXPECTED, "--"), ((scale, shift), YOURS, "-")):
        line.plot(ends, s * ends + t, style, color=colour, label=f"error {error(s, t):.2f} px")
    line.set(xlabel="relative prediction d", ylabel="true disparity, pixels", ylim=(-5, 75))
    line.legend(loc="upper left", frameon=False)
    show(left, _left(scale, shift), "s d + t minus the truth, pixels", cmap=DIVERGING, limits=(-30, 30))
    return figure


def align_widget() -> None:
    """Sliders for scale and shift; the picture below them follows."""
    scale = FloatSlider(30.0, min=-20.0, max=100.0, step=1.0, description="scale s", continuous_update=False)
    shift = FloatSlider(20.0, min=0.0, max=80.0, step=1.0, description="shift t", continuous_update=False)
    explore([scale, shift], lambda: make(scale.value, shift.value))


def cloud_widget() -> None:
    """Sliders that turn the motorcycle's points; the picture below them follows."""
    turn = FloatSlider(
        25.0, min=-60.0, max=60.0, step=1.0, description="to the right", continuous_update=False
    )
    tilt = FloatSlider(10.0, min=-20.0, max=60.0, step=1.0, description="up", continuous_update=False)
    explore([turn, tilt], lambda: cloud_figure(turn.value, tilt.value))
