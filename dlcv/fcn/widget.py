"""The interactive figure: the best that scores of one stride can do, on a scene, and where they are wrong."""

from __future__ import annotations

from functools import cache

import torch
import torch.nn.functional as F
from ipywidgets import IntSlider, SelectionSlider
from torch import Tensor

from dlcv.data.scenes import CLASSES, VOID, render
from dlcv.fcn.reference import bilinear_upsampling
from dlcv.interactive import explore
from dlcv.metrics.reference import boundary_iou
from dlcv.plotting import Picture, new_figure, overlay, show

__all__ = ["VARIANTS", "best_scores", "make", "stride_widget"]

VARIANTS = {"32s": 32, "16s": 16, "8s": 8}
SIDE, SCENES, BAND = 128, 6, 2


@cache
def scene(number: int) -> tuple[Tensor, Tensor]:
    """Image (3, 128, 128) and class map (128, 128) of one scene."""
    drawn = render([40 + number], size=SIDE, family="street" if number % 2 else "room", crowding=0.6)[0]
    return drawn.image, drawn.semantic


def best_scores(labels: Tensor, stride: int) -> Tensor:
    """What a perfect network of this stride could say: the share of each class in each cell, (1, classes, h, w)."""
    one_hot = F.one_hot(labels.where(labels != VOID, 0), len(CLASSES)).permute(2, 0, 1)[None].float()
    return F.avg_pool2d(one_hot, stride)


def make(variant: str = "32s", number: int = 0) -> Picture:
    """Draw the scene, the class map that the variant can reach at best, and its wrong pixels.

    Parameters
    ----------
    variant : str
        "32s", "16s" or "8s".
    number : int
        Which scene.
    """
    image, labels = scene(number)
    stride = VARIANTS[variant]
    with torch.no_grad():
        scores = bilinear_upsampling(len(CLASSES), stride)(best_scores(labels, stride))
    predicted = scores[0].argmax(0)
    wrong = (predicted != labels) & (labels != VOID)
    right = 1 - float(wrong.sum() / (labels != VOID).sum())
    outlines = [
        float(boundary_iou(predicted == label, labels == label, BAND))
        for label in labels.unique()
        if label != VOID
    ]
    figure, axes = new_figure(1, 3, height=3.1)
    show(axes[0], overlay(image, labels), "scene and true classes")
    show(axes[1], predicted, f"FCN-{variant} at its best: {right:.1%} of the pixels")
    title = f"wrong; boundary IoU {sum(outlines) / len(outlines):.2f}"
    show(axes[2], wrong.float(), title, limits=(0, 1), bar=False)
    return figure


def stride_widget() -> None:
    """A slider for the variant and one for the scene; the picture below follows."""
    variant = SelectionSlider(options=list(VARIANTS), value="32s", description="FCN-")
    number = IntSlider(0, 0, SCENES - 1, description="scene", continuous_update=False)
    explore((variant, number), lambda: make(variant.value, number.value))
