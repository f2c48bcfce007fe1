"""The interactive figure: shrink a photograph, make it large again, and see where it is wrong."""

from __future__ import annotations

from functools import cache

import torch
from ipywidgets import SelectionSlider
from torch import Tensor

from dlcv.interactive import explore
from dlcv.plotting import Picture, new_figure, show
from dlcv.upsampling.reference import bed_of_nails, upsample_bicubic, upsample_bilinear, upsample_nearest

__all__ = ["METHODS", "ZOOMS", "enlarge", "make", "shrink", "zoom_widget"]

METHODS = ("bed of nails", "nearest", "bilinear", "corners aligned", "bicubic")
ZOOMS = (2, 3, 4, 6, 8, 12)
SIDE = 144


@cache
def photograph() -> Tensor:
    """A face of 144 by 144 pixels, (3, H, W) in [0, 1]: from NASA's portrait of Eileen Collins, in scikit-image."""
    from skimage import data

    return torch.from_numpy(data.astronaut()[28 : 28 + SIDE, 150 : 150 + SIDE]).permute(2, 0, 1) / 255


def shrink(image: Tensor, zoom: int) -> Tensor:
    """Average blocks of `zoom` by `zoom` pixels of (C, H, W)."""
    return image.unflatten(1, (-1, zoom)).unflatten(3, (-1, zoom)).mean((2, 4))


def enlarge(small: Tensor, zoom: int, method: str) -> Tensor:
    """Make (C, H, W) `zoom` times as large by one of `METHODS`."""
    x, size = small[None], (small.shape[1] * zoom, small.shape[2] * zoom)
    if method == "bed of nails":
        return bed_of_nails(x, zoom)[0]
    if method == "nearest":
        return upsample_nearest(x, zoom)[0]
    if method == "bicubic":
        return upsample_bicubic(x, size)[0]
    return upsample_bilinear(x, size, align_corners="aligned" in method)[0]


def make(zoom: int = 6, method: str = "bilinear") -> Picture:
    """Draw the shrunken photograph, the enlarged one, and how far each of its pixels is off."""
    truth = photograph()
    small = shrink(truth, zoom)
    large = enlarge(small, zoom, method)
    error = (large - truth).abs().mean(0)
    figure, axes = new_figure(1, 3, height=3.0)
    show(axes[0], small, f"{small.shape[1]} × {small.shape[2]} pixels")
    show(axes[1], large, f"{method}, {zoom} times as large")
    show(axes[2], error, f"error, {float(error.mean()):.3f} on average", limits=(0, 0.3))
    return figure


def zoom_widget() -> None:
    """A slider for the zoom and one for the method; the picture below them follows."""
    zoom = SelectionSlider(options=ZOOMS, value=6, description="zoom", continuous_update=False)
    # No menu: JupyterLab takes its arrow keys for itself.
    method = SelectionSlider(options=METHODS, value="bilinear", description="method", continuous_update=False)
    explore((zoom, method), lambda: make(zoom.value, method.value))
