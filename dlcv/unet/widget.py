"""The interactive figure: switch the skips of a trained U-Net on and off, and look at the outlines."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

import torch
from ipywidgets import Checkbox, IntSlider
from torch import Tensor

from dlcv.data.scenes import VOID
from dlcv.interactive import explore
from dlcv.plotting import Picture, new_figure, overlay, show
from dlcv.trials import Score, predict, score, unseen_scenes
from dlcv.unet.reference import UNet

__all__ = ["make", "skips_widget", "without_skips"]

SCENES = 8


def without_skips(network: UNet, images: Tensor, on: Sequence[bool]) -> Tensor:
    """Class maps (N, H, W) of a U-Net some of whose skips are switched off.

    Parameters
    ----------
    network : UNet
        Trained.
    images : Tensor of shape (N, C, H, W)
    on : sequence of bool
        One for each skip, finest first. A skip that is off brings the mean of each of its channels to every pixel: the
        layers behind it get numbers of the usual size, but no places.
    """
    if len(on) != len(network.up):
        raise ValueError(f"on must say yes or no for each of {len(network.up)} skips; got {len(on)}")
    with ExitStack() as hooks:
        for step, kept in zip(reversed(network.up), on, strict=True):
            if not kept:
                hooks.enter_context(step.register_forward_pre_hook(_blur_skip))
        return predict(network, images)


def _blur_skip(step: object, inputs: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    x, skip = inputs
    return x, skip.mean((-2, -1), keepdim=True).expand_as(skip)


def make(network: UNet, number: int = 0, on: Sequence[bool] | None = None) -> Picture:
    """Draw a scene, what the network says with these skips, and its wrong pixels; the score is that of eight scenes.

    Parameters
    ----------
    network : UNet
    number : int
        Which unseen scene.
    on : sequence of bool
        Skips that are on, finest first; by default all.
    """
    on = [True] * len(network.up) if on is None else list(on)
    images, labels = (part[:SCENES] for part in unseen_scenes())
    predicted = without_skips(network, images, on)
    all_scenes: Score = score(predicted, labels)
    figure, axes = new_figure(1, 3, height=3.1)
    show(axes[0], overlay(images[number], labels[number]), "scene and true classes")
    title = f"{sum(on)} of {len(on)} skips: boundary IoU {all_scenes.boundary_iou:.2f}"
    show(axes[1], predicted[number], title)
    wrong = (predicted[number] != labels[number]) & (labels[number] != VOID)
    show(axes[2], wrong.float(), "wrong pixels", limits=(0, 1), bar=False)
    return figure


def skips_widget(network: torch.nn.Module) -> None:
    """A box to tick for each skip and a slider for the scene; the picture below follows."""
    boxes = [Checkbox(True, description=f"skip at stride {2**level}") for level in range(len(network.up))]
    number = IntSlider(0, 0, SCENES - 1, description="scene", continuous_update=False)
    controls = (*boxes, number)
    explore(controls, lambda: make(network, number.value, [box.value for box in boxes]))
