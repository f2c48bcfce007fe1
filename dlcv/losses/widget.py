"""The interactive figure: gamma and alpha, the loss and its gradient, and who holds how much of the sum."""

from __future__ import annotations

import matplotlib
import torch
from ipywidgets import FloatSlider

from dlcv.interactive import explore
from dlcv.losses.figures import EASY, HARD, losses_of, votes
from dlcv.plotting import EXPECTED, FAINT, INK, STYLE, YOURS, Picture, new_figure

__all__ = ["focal_widget", "make"]


def make(gamma: float = 2.0, alpha: float = 0.5) -> Picture:
    """Draw loss and gradient over the probability of the pixel's own class, and the share of the easy pixels.

    Parameters
    ----------
    gamma : float
    alpha : float
        Weight of positives, which are the hard pixels here; the easy ones, background, have 1 - alpha.
    """
    p = torch.linspace(0.01, 0.99, 197, dtype=torch.float64)
    figure, (loss, slope, sums) = new_figure(1, 3, height=3.2, width_ratios=[1.2, 1.2, 1])
    for target, colour, style, name in ((0, EXPECTED, "-", "background"), (1, YOURS, "--", "object")):
        weight = alpha if target else 1 - alpha
        loss.plot(p, losses_of(p, gamma, alpha, target), style, color=colour, label=name)
        slope.plot(p, weight * _slope(p, gamma), style, color=colour)
    loss.plot(p, 0.5 * losses_of(p, 0), ":", color=INK, linewidth=1, label="half of\ncross-entropy")
    slope.plot(p, 0.5 * _slope(p, 0), ":", color=INK, linewidth=1)
    loss.set(title="loss", ylim=(0, 2.4))
    slope.set(title="pull on the logit", ylim=(0, 1.0))
    for axis in (loss, slope):
        axis.set(xlabel="p of the own class", xlim=(0, 1))
        for x in (EASY[1], HARD[1]):
            axis.axvline(x, color=FAINT, linewidth=1, zorder=0)
    easy, hard = votes(gamma, alpha)
    share = easy / (easy + hard) if easy + hard else float("nan")
    names = [f"{EASY[0]:,} easy", f"{HARD[0]} hard"]
    bars = sums.bar(names, [share, 1 - share], color=[EXPECTED, YOURS], width=0.6)
    sums.bar_label(bars, [f"{100 * value:.1f}%" for value in (share, 1 - share)], padding=2)
    sums.set(title="share of the whole loss", ylim=(0, 1.1), yticks=[])
    sums.spines["left"].set_visible(False)
    with matplotlib.rc_context(STYLE):
        loss.legend(loc="upper right")
    return figure


def _slope(p: torch.Tensor, gamma: float) -> torch.Tensor:
    """How hard a pixel pulls its logit towards its class: minus the derivative of its loss."""
    return (1 - p) ** gamma * (1 - p - gamma * p * p.log())


def focal_widget() -> None:
    """Sliders for gamma and alpha; the picture below them follows."""
    gamma = FloatSlider(2.0, min=0.0, max=5.0, step=0.1, description="γ", continuous_update=False)
    alpha = FloatSlider(
        0.5, min=0.05, max=0.95, step=0.05, description="α (objects)", continuous_update=False
    )
    explore([gamma, alpha], lambda: make(gamma.value, alpha.value))
