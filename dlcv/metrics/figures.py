"""The chapter's still pictures and its sweep. Blue is the truth, orange the prediction, dark where both agree."""

from __future__ import annotations

import matplotlib
import numpy as np
import torch
from matplotlib.axes import Axes
from torch import Tensor

from dlcv.metrics.reference import (
    background_everywhere,
    boundary_band,
    boundary_iou,
    class_iou,
    confusion_matrix,
    dice,
    dice_from_iou,
    mask_iou,
    mean_iou,
    pixel_accuracy,
)
from dlcv.plotting import (
    BLANK,
    EXPECTED,
    FAINT,
    INK,
    PAPER,
    STYLE,
    THINGS,
    YOURS,
    Picture,
    label_map,
    new_figure,
    number_grid,
    show,
)

__all__ = [
    "agreement_map",
    "bands_figure",
    "counting_figure",
    "disc",
    "imbalance_figure",
    "ranking_figure",
    "scores",
    "thin_figure",
    "trap_figure",
]

SIZE = 96
CLASSES = (BLANK, THINGS[1], THINGS[2])


def disc(x: float = 48, y: float = 48, radius: float = 24, size: int = SIZE) -> Tensor:
    """A mask (size, size) of the pixels whose centres lie within a disc."""
    centre = torch.arange(size) + 0.5
    return (centre[:, None] - y) ** 2 + (centre - x) ** 2 < radius**2


def agreement_map(prediction: Tensor, target: Tensor) -> np.ndarray:
    """Colours (H, W, 3): both dark, only the truth blue, only the prediction orange."""
    return label_map((target.int() + 2 * prediction.int()).numpy(), (PAPER, EXPECTED, YOURS, INK), void=None)


def scores(prediction: Tensor, target: Tensor, distance: int) -> dict[str, float]:
    """Four scores of a foreground mask; IoU, Dice and boundary IoU are those of the foreground."""
    confusion = confusion_matrix(prediction.long(), target.long(), 2)
    return {
        "pixel accuracy": float(pixel_accuracy(confusion)),
        "IoU": float(class_iou(confusion)[1]),
        "Dice": float(dice(confusion)[1]),
        "boundary IoU": float(boundary_iou(prediction, target, distance)),
    }


def draw_scores(axis: Axes, values: dict[str, float]) -> None:
    """Bars from 0 to 1 with their numbers; a score that is not defined has no bar."""
    for place, value in enumerate(values.values()):
        known = not np.isnan(value)
        axis.barh(place, value if known else 0, color=EXPECTED, height=0.6)
        axis.text(1.02, place, f"{value:.3f}" if known else "not defined", va="center")
    axis.set(xlim=(0, 1), ylim=(len(values) - 0.5, -0.5), yticks=range(len(values)), yticklabels=list(values))


def counting_figure() -> Picture:
    """A truth with an ignored corner, a prediction, and the counts of their pairs."""
    target = torch.zeros(6, 8, dtype=torch.long)
    target[1:5, 1:4], target[2:6, 5:8], target[0, 5:] = 1, 2, 255
    prediction = torch.zeros(6, 8, dtype=torch.long)
    prediction[1:5, 2:5], prediction[1:6, 5:8], prediction[4:, 1:3] = 1, 2, 2
    figure, axes = new_figure(1, 3, height=2.9, width_ratios=[1.3, 1.3, 1])
    for axis, labels, title in (
        (axes[0], target, "true (grey: ignored)"),
        (axes[1], prediction, "predicted"),
    ):
        show(axis, label_map(labels, CLASSES), title)
        axis.set(xticks=np.arange(-0.5, 8), yticks=np.arange(-0.5, 6), xticklabels=[], yticklabels=[])
        axis.tick_params(length=0)
        axis.grid(color=FAINT, linewidth=0.8)
    confusion = confusion_matrix(prediction, target, 3)
    number_grid(
        axes[2], confusion, "counts", limits=(0, 30), mark=[(c, c) for c in range(3)], mark_colour=EXPECTED
    )
    axes[2].set(ylabel="true class", xlabel="predicted class")
    return figure


def trap_figure() -> Picture:
    """One small object, two maps of it: nothing at all, and a little too large. Accuracy prefers the first."""
    target = disc(60, 40, 12)
    guesses = {
        "background everywhere": torch.zeros_like(target),
        "found, a little too large": disc(61, 41, 17),
    }
    figure, axes = new_figure(1, 3, height=3.1)
    show(axes[0], agreement_map(target & False, target), "truth")
    for axis, (name, guess) in zip(axes[1:], guesses.items(), strict=True):
        confusion = confusion_matrix(guess.long(), target.long(), 2)
        accuracy, mean = float(pixel_accuracy(confusion)), float(mean_iou(confusion))
        show(axis, agreement_map(guess, target), f"{name}\naccuracy {accuracy:.3f} · mIoU {mean:.3f}")
    for axis in axes:
        axis.spines[:].set(visible=True)
    return figure


def ranking_figure() -> Picture:
    """Dice over IoU: always larger in between, and never a step back."""
    iou = torch.linspace(0, 1, 101)
    figure, axis = new_figure(width=4.6, height=3.6)
    axis.plot(iou, dice_from_iou(iou), color=EXPECTED)
    axis.plot([0, 1], [0, 1], ":", color=INK, linewidth=1)
    for value in (1 / 3, 1 / 2, 0.8):
        axis.plot(
            [value, value, 0],
            [0, dice_from_iou(value), dice_from_iou(value)],
            color=FAINT,
            linewidth=1,
            zorder=0,
        )
        words = f"{value:.2f} → {dice_from_iou(value):.2f}"
        axis.text(value - 0.02, dice_from_iou(value) + 0.015, words, fontsize=9, ha="right")
    axis.set(xlabel="IoU", ylabel="Dice", xlim=(0, 1), ylim=(0, 1), aspect="equal")
    return figure


def bands_figure(distance: int = 3) -> Picture:
    """A small and a large disc, both predicted two pixels too large: masks and boundary bands."""
    figure, axes = new_figure(1, 4, height=2.7)
    for pair, radius in zip((axes[:2], axes[2:]), (10, 38), strict=True):
        target, prediction = disc(radius=radius), disc(radius=radius + 2)
        show(pair[0], agreement_map(prediction, target), f"IoU {float(mask_iou(prediction, target)):.2f}")
        bands = boundary_band(prediction, distance), boundary_band(target, distance)
        score = float(boundary_iou(prediction, target, distance))
        show(pair[1], agreement_map(*bands), f"boundary IoU {score:.2f}")
    for axis in axes:
        axis.spines[:].set(visible=True)
    return figure


def thin_figure(distance: int = 2) -> Picture:
    """A lamp post with its lamp: one prediction loses the post, the other is ragged. Which one is better?"""
    target = disc(48, 24, 20)
    target[44:92, 46:50] = True
    lost, ragged = disc(48, 24, 20), target.clone()
    generator = torch.Generator().manual_seed(2)
    rim = boundary_band(target, 3) & (torch.rand(SIZE, SIZE, generator=generator) < 0.30)
    rim[40:] = False
    ragged[rim] = False
    figure, axes = new_figure(1, 3, height=3.2)
    show(axes[0], agreement_map(target & False, target), "truth")
    for axis, guess, name in ((axes[1], lost, "post lost"), (axes[2], ragged, "outline ragged")):
        iou, edge = float(mask_iou(guess, target)), float(boundary_iou(guess, target, distance))
        show(axis, agreement_map(guess, target), f"{name}\nIoU {iou:.2f} · boundary IoU {edge:.2f}")
    for axis in axes:
        axis.spines[:].set(visible=True)
    return figure


def imbalance_figure(size: int = 512) -> Picture:
    """Scores of two maps while the object shrinks from half of the image to a thousandth.

    One map says background everywhere; the other finds the object, with a radius that is 10% too large.
    """
    shares = np.concatenate([np.linspace(0.5, 0.9, 9), 1 - np.geomspace(0.1, 0.001, 14)[1:]])
    found = []
    for share in shares:
        radius = float(np.sqrt((1 - share) / np.pi)) * size
        target, guess = disc(size / 2, size / 2, radius, size), disc(size / 2, size / 2, 1.1 * radius, size)
        confusion = confusion_matrix(guess.long(), target.long(), 2)
        found.append((float(pixel_accuracy(confusion)), float(mean_iou(confusion))))
    nothing = [background_everywhere(share) for share in shares]
    figure, axes = new_figure(1, 2, height=3.2, sharey=True)
    for axis, index, name in ((axes[0], 0, "pixel accuracy"), (axes[1], 1, "mean IoU")):
        axis.plot(1 - shares, [pair[index] for pair in nothing], color=YOURS, label="background everywhere")
        axis.plot(
            1 - shares, [pair[index] for pair in found], color=EXPECTED, label="found, radius 10% too large"
        )
        axis.set(xscale="log", xlim=(0.5, 0.001), ylim=(0, 1.02), title=name, xlabel="share of the object")
        axis.set(xticks=[0.5, 0.1, 0.01, 0.001], xticklabels=["50%", "10%", "1%", "0.1%"])
        axis.minorticks_off()
    with matplotlib.rc_context(STYLE):
        axes[1].legend(loc="lower left")
    return figure
