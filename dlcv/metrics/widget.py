"""The interactive figure: move and scale a predicted disc against the true one, watch four scores."""

from __future__ import annotations

import matplotlib
from ipywidgets import IntSlider

from dlcv.interactive import explore
from dlcv.metrics.figures import agreement_map, disc, draw_scores, scores
from dlcv.metrics.reference import boundary_band
from dlcv.plotting import STYLE, Picture, show

__all__ = ["disc_widget", "make"]

RANGES = {"shift": (6, -60, 60), "radius": (24, 1, 44), "true_radius": (24, 2, 44), "distance": (2, 1, 12)}


def make(shift: int = 6, radius: int = 24, true_radius: int = 24, distance: int = 2) -> Picture:
    """Draw both discs, their boundary bands, and the scores.

    Parameters
    ----------
    shift : int
        Pixels by which the prediction lies too far to the right.
    radius, true_radius : int
        Of the predicted and the true disc, in pixels.
    distance : int
        Width of the boundary bands.
    """
    target, prediction = disc(radius=true_radius), disc(x=48 + shift, radius=radius)
    with matplotlib.rc_context(STYLE):
        figure = Picture(figsize=(9, 3.1), layout="constrained")
        masks, bands, bars = figure.subplots(1, 3, width_ratios=[1, 1, 1.2])
    show(masks, agreement_map(prediction, target), "blue true, orange predicted")
    show(
        bands,
        agreement_map(boundary_band(prediction, distance), boundary_band(target, distance)),
        "their boundaries",
    )
    for axis in (masks, bands):
        axis.spines[:].set(visible=True)
    draw_scores(bars, scores(prediction, target, distance))
    return figure


def disc_widget() -> None:
    """Sliders for both discs and the width of the bands; the picture below them follows."""
    sliders = {
        name: IntSlider(value, low, high, description=name.replace("_", " "), continuous_update=False)
        for name, (value, low, high) in RANGES.items()
    }
    explore(sliders.values(), lambda: make(**{name: slider.value for name, slider in sliders.items()}))
