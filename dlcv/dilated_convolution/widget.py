"""The interactive figure: three rates, the pixels that one output sees, and the holes between them."""

from __future__ import annotations

from ipywidgets import IntSlider

from dlcv.dilated_convolution.figures import draw_coverage, stack_axis
from dlcv.interactive import explore
from dlcv.plotting import Picture, new_figure

__all__ = ["make", "rates_widget"]

LARGEST_RATE = 9


def make(first: int = 2, second: int = 2, third: int = 2) -> Picture:
    """Draw, for three 3x3 layers with these rates, one row of each layer and the coverage of the input."""
    rates = (first, second, third)
    figure, (left, right) = new_figure(1, 2, height=3.8, width_ratios=[1.25, 1])
    stack_axis(left, rates)
    draw_coverage(right, rates)
    return figure


def rates_widget() -> None:
    """A slider for the rate of each of three layers; the picture below them follows."""
    sliders = [
        IntSlider(2, 1, LARGEST_RATE, description=f"rate {n}", continuous_update=False) for n in (1, 2, 3)
    ]
    explore(sliders, lambda: make(*(slider.value for slider in sliders)))
