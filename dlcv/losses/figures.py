"""The chapter's still pictures. Blue is what is easy and plentiful, orange what is hard and rare."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import matplotlib
import torch
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from torch import Tensor

from dlcv.losses.reference import cross_entropy, focal_loss, giou_loss
from dlcv.plotting import BLANK, EXPECTED, FAINT, INK, STYLE, YOURS, Picture, new_figure

__all__ = [
    "EASY",
    "HARD",
    "asked_figure",
    "boxes_figure",
    "curves_figure",
    "empty_figure",
    "losses_of",
    "precision_figure",
    "votes",
    "votes_figure",
]

EASY, HARD = (10_000, 0.9), (10, 0.1)
"""The lecture's example: how many pixels, and which probability their own class has."""


def losses_of(p: Tensor, gamma: float, alpha: float | None = None, target: int = 1) -> Tensor:
    """Focal loss of each pixel whose own class has probability *p*, as a positive (1) or a negative (0)."""
    logits = p.logit() if target else -p.logit()
    return focal_loss(logits, torch.full_like(p, target), gamma, alpha, reduction="none")


def votes(gamma: float, alpha: float | None = None) -> tuple[float, float]:
    """Sum of the losses of all easy pixels, which are background, and of all hard ones, which are objects."""
    sums = [
        count * float(losses_of(torch.tensor([p], dtype=torch.float64), gamma, alpha, target))
        for (count, p), target in ((EASY, 0), (HARD, 1))
    ]
    return sums[0], sums[1]


def votes_figure(gammas: Sequence[float] = (0, 2)) -> Picture:
    """How many pixels are easy and hard, and how the sum of their losses is shared, for each gamma."""
    figure, axes = new_figure(1, 1 + len(gammas), height=2.9)
    rows = [(EASY[0], HARD[0], "pixels")]
    rows += [(*votes(gamma), f"sum of the losses, γ = {gamma:g}") for gamma in gammas]
    for axis, (easy, hard, title) in zip(axes, rows, strict=True):
        bars = axis.bar(["easy\np = 0.9", "hard\np = 0.1"], [easy, hard], color=[EXPECTED, YOURS], width=0.6)
        texts = [f"{value:,.1f}" if value < 100 and value % 1 else f"{value:,.0f}" for value in (easy, hard)]
        axis.bar_label(bars, texts, padding=2)
        axis.set(title=title, yticks=[], ylim=(0, 1.15 * max(easy, hard)))
        axis.spines["left"].set_visible(False)
    return figure


def precision_figure(largest: int = 140) -> Picture:
    """One wrong pixel: its cross-entropy in float32, in three ways, as the gap between the two logits grows."""
    gap = torch.arange(0.0, largest + 1)
    logits, wrong = torch.stack([gap, torch.zeros_like(gap)], 1), torch.ones(len(gap), dtype=torch.int64)
    ways = {
        "exp, divide, log": -(logits.exp()[:, 1] / logits.exp().sum(1)).log(),
        "softmax, log": -logits.softmax(1)[:, 1].log(),
        "from the logits": cross_entropy(logits, wrong, reduction="none"),
    }
    figure, axes = new_figure(1, 3, height=2.8, sharey=True)
    for axis, (name, loss) in zip(axes, ways.items(), strict=True):
        axis.plot(gap, loss.where(loss.isfinite(), torch.nan), color=EXPECTED)
        axis.set(title=name, xlabel="gap between the logits", ylim=(-5, largest + 5))
        if not loss.isfinite().all():
            end = int(gap[~loss.isfinite()][0])
            kind = "infinite" if loss[end].isinf() else "NaN"
            axis.axvspan(end, largest, color=YOURS, alpha=0.25, linewidth=0)
            axis.text((end + largest) / 2, 20, kind, ha="center", color=INK)
    axes[0].set_ylabel("loss of the pixel")
    return figure


def curves_figure(gammas: Sequence[float] = (0, 0.5, 1, 2, 5)) -> Picture:
    """Focal loss of a positive over its probability; right, for what is right already, on a scale of powers."""
    p = torch.linspace(0.02, 0.998, 490, dtype=torch.float64)
    figure, axes = new_figure(1, 2, height=3.3)
    for gamma in gammas:
        for axis in axes:
            axis.plot(
                p, losses_of(p, gamma), label=f"γ = {gamma:g}" + (" (cross-entropy)" if gamma == 0 else "")
            )
    axes[0].axvspan(0.5, 1, color=BLANK, zorder=0)
    axes[0].text(0.75, 3.4, "right already", ha="center", color=INK)
    axes[0].set(xlim=(0, 1), ylim=(0, 4), ylabel="loss")
    axes[1].set(xlim=(0.5, 1), ylim=(1e-6, 1), yscale="log")
    for axis in axes:
        axis.set_xlabel("p, probability of the pixel's own class")
    with matplotlib.rc_context(STYLE):
        axes[0].legend(loc="upper right", bbox_to_anchor=(1.0, 0.82))
    return figure


# ------------------------------------------------------------------------ what a loss wants to be told


def _best(loss: Callable[[Tensor], Tensor], shares: Tensor) -> Tensor:
    """For each share of things, the probability with the smallest mean loss, of a thousand that are tried."""
    p = torch.linspace(0.0005, 0.9995, 1000, dtype=torch.float64)
    return p[torch.stack([loss(p, share) for share in shares]).argmin(1)]


def asked_figure(rare: float = 0.01, overlap: float = 0.6) -> Picture:
    """Pixels that look alike, of which a share are things: the probability that each loss wants for all of them.

    Parameters
    ----------
    rare : float
        Share of things in the whole data, which balanced weights make up for.
    overlap : float
        The Dice coefficient that the other pixels have reached; each of these is but one more.
    """

    def entropy(p: Tensor, share: Tensor, heavier: float = 1.0) -> Tensor:
        return -heavier * share * p.log() - (1 - share) * (1 - p).log()

    def focal(p: Tensor, share: Tensor) -> Tensor:
        return share * losses_of(p, 2) + (1 - share) * losses_of(1 - p, 2, target=0)

    def dice(p: Tensor, share: Tensor, area: float = 1e4) -> Tensor:
        return 1 - (overlap * 2 * area + 2 * p * share) / (2 * area + p + share)

    share = torch.linspace(0, 1, 201, dtype=torch.float64)
    curves = {
        "cross-entropy": entropy,
        f"balanced (things are {100 * rare:.0f}%)": lambda p, s: entropy(p, s, (1 - rare) / rare),
        "focal, γ = 2": focal,
        f"Dice (at {overlap:g})": dice,
    }
    figure, axis = new_figure(width=6.2, height=3.8)
    for (name, loss), style in zip(curves.items(), ("-", "--", "-", "-."), strict=True):
        axis.plot(share, _best(loss, share), style, label=name)
    axis.set(xlabel="share of them that are things", ylabel="probability that the loss asks for")
    axis.set(xlim=(0, 1), ylim=(-0.01, 1.01))
    with matplotlib.rc_context(STYLE):
        axis.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def empty_figure(pixels: int = 4096) -> Picture:
    """An image without the class: how steeply the loss rises with one pixel's probability, over all predicted."""
    predicted = torch.logspace(-1, 3.4, 200, dtype=torch.float64)
    figure, axis = new_figure(width=6.2, height=3.4)
    for smooth, colour in ((100, "#009e73"), (1, EXPECTED), (0.01, "#cc79a7")):
        axis.plot(predicted, smooth / (predicted + smooth) ** 2, color=colour, label=f"Dice, s = {smooth:g}")
    axis.axhline(1 / pixels, color=YOURS, linestyle="--", label="cross-entropy, at least")
    axis.set(xscale="log", yscale="log", xlabel="pixels predicted, in sum", ylabel="slope", ylim=(1e-9, 200))
    with matplotlib.rc_context(STYLE):
        axis.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


# ------------------------------------------------------------------------------------------------ boxes


def boxes_figure(side: float = 10.0, farthest: float = 40.0) -> Picture:
    """A box that is shifted away from the true one: 1 - IoU stays at 1, GIoU goes on."""
    shift = torch.linspace(0, farthest, 161, dtype=torch.float64)
    true = torch.tensor([0, 0, side, side], dtype=torch.float64).expand(len(shift), 4)
    moved = true + shift[:, None] * torch.tensor([1.0, 0, 1, 0], dtype=torch.float64)
    inter = (side - shift).clamp(min=0) * side
    figure, (top, axis) = new_figure(2, 1, width=6.5, height=4.4, height_ratios=[1, 1.7], sharex=True)
    for left in (4.0, 16.0, 28.0):
        _box(top, left, side, YOURS)
        top.add_patch(Rectangle((0, 0), left + side, side, fill=False, edgecolor=FAINT, linestyle=":"))
    _box(top, 0, side, EXPECTED)
    top.set(xlim=(-1, farthest), ylim=(-1, side + 1))
    top.set_axis_off()
    axis.plot(shift, 1 - inter / (2 * side * side - inter), "--", color=INK, label="1 - IoU")
    axis.plot(shift, giou_loss(true, moved), color=EXPECTED, label="1 - GIoU")
    axis.set(xlabel="left side of the orange box", ylabel="loss", ylim=(0, 2))
    axis.axhline(2, color=FAINT, linewidth=1)
    with matplotlib.rc_context(STYLE):
        axis.legend(loc="lower right")
    return figure


def _box(axis: Axes, left: float, side: float, colour: str) -> None:
    axis.add_patch(Rectangle((left, 0), side, side, facecolor=colour, alpha=0.25, edgecolor="none"))
    axis.add_patch(Rectangle((left, 0), side, side, fill=False, edgecolor=colour, linewidth=2))
