"""The chapter's still pictures: a real scene as disparity, as depth and as points, and the bins of a metric head."""

from __future__ import annotations

from functools import cache
from math import cos, radians, sin

import matplotlib
import torch
import torch.nn.functional as F
from matplotlib.axes import Axes
from torch import Tensor

from dlcv.data.samples import StereoPair, motorcycle
from dlcv.depth.reference import (
    align_scale_and_shift,
    backproject,
    depth_metrics,
    disparity_to_depth,
    log_binomial,
)
from dlcv.plotting import EXPECTED, FAINT, INK, STYLE, YOURS, Picture, as_image, new_figure, show

__all__ = [
    "align_figure",
    "align_in",
    "bins_figure",
    "cloud_figure",
    "guess",
    "scene_figure",
    "small",
    "turned",
]

STEP = 4
"""Every fourth row and column of the photograph is drawn: enough for a picture, and quick."""


@cache
def small() -> StereoPair:
    """The motorcycle, every fourth pixel each way: image, disparity and camera belong together.

    Disparity, focal length and offset are still in pixels of the whole photograph, so that depth is the same. Only the
    camera matrix is that of the small map.
    """
    pair = motorcycle()
    K = pair.intrinsics.clone()
    K[:2] /= STEP  # pixel 0 stays pixel 0
    return StereoPair(
        left=pair.left[:, ::STEP, ::STEP],
        right=pair.right[:, ::STEP, ::STEP],
        disparity=pair.disparity[::STEP, ::STEP],
        valid=pair.valid[::STEP, ::STEP],
        baseline=pair.baseline,
        focal=pair.focal,
        offset=pair.offset,
        intrinsics=K,
    )


@cache
def guess(scale: float = 60.0, shift: float = 45.0) -> Tensor:
    """A relative disparity (H, W), such as a network gives: smooth, a little wrong, without scale and shift.

    Made from the truth, so that what it has lost is known: `scale` times the guess plus `shift` is the disparity, but
    for the errors.
    """
    pair = small()
    weight = pair.valid.float()[None, None]
    blur = [F.avg_pool2d(x, 3, 1, 1) for x in (weight * pair.disparity, weight)]
    smooth = (blur[0] / blur[1].clamp(min=1e-3))[0, 0]
    rows, columns = (torch.linspace(-1, 1, side) for side in smooth.shape)
    wrong = 2.0 * torch.sin(3 * columns)[None] * torch.cos(2 * rows)[:, None]
    return (smooth + wrong - shift) / scale


def align_in(space: str) -> tuple[Tensor, dict[str, Tensor]]:
    """Bring `guess` to metres: fitted to the true disparity, or, which bends it, as a depth to the true depth.

    Parameters
    ----------
    space : {"disparity", "depth"}

    Returns
    -------
    depth, scores
        Metres (H, W), and `depth_metrics` over the valid pixels.
    """
    pair, relative = small(), guess()
    target = {"disparity": pair.disparity + pair.offset, "depth": pair.depth}[space]
    relative = relative if space == "disparity" else 1 / (relative - relative[pair.valid].min() + 0.1)
    scale, shift = align_scale_and_shift(relative[None], target[None], pair.valid[None])
    fitted = scale * relative + shift
    depth = disparity_to_depth(fitted, pair.baseline, pair.focal) if space == "disparity" else fitted
    return depth, depth_metrics(depth, pair.depth, pair.valid)


def scene_figure() -> Picture:
    """Photograph, disparity and depth of the motorcycle, with a scale each; grey where nothing is known."""
    pair = small()
    figure, axes = new_figure(1, 3, height=2.4)
    show(axes[0], pair.left, "photograph")
    show(axes[1], pair.disparity.where(pair.valid, torch.nan), "disparity in pixels")
    show(axes[2], pair.depth.where(pair.valid, torch.nan), "depth in metres")
    return figure


def align_figure() -> Picture:
    """The guess over the true disparity and the line that fits best; and depths after fitting in either space."""
    pair, relative = small(), guess()
    scale, shift = align_scale_and_shift(relative[None], pair.disparity[None], pair.valid[None])
    d = relative[pair.valid]
    figure, (fit, result) = new_figure(1, 2, height=3.4)
    fit.plot(d[::10], pair.disparity[pair.valid][::10], ".", color=FAINT, markersize=2)
    ends = torch.stack([d.min(), d.max()])
    line = f"{float(scale):.1f} d {'+' if shift > 0 else '-'} {abs(float(shift)):.1f}"
    fit.plot(ends, scale * ends + shift, color=EXPECTED, label=line)
    fit.set(xlabel="relative prediction d", ylabel="true disparity, pixels")
    true = pair.depth[pair.valid][::10]
    for space, colour in (("depth", YOURS), ("disparity", EXPECTED)):
        depth, scores = align_in(space)
        label = f"fitted in {space}: AbsRel {100 * float(scores['abs_rel']):.1f} %"
        result.plot(true, depth[pair.valid][::10], ".", color=colour, markersize=2, label=label)
    result.plot([2, 5.1], [2, 5.1], ":", color=INK, linewidth=1)
    result.set(xlabel="true depth, m", ylabel="depth, m")
    with matplotlib.rc_context(STYLE):
        fit.legend(loc="upper left")
        result.legend(loc="upper left", markerscale=5)
    return figure


def bins_figure(num_bins: int = 16) -> Picture:
    """Rows of bins with one peak: where it stands, how many bins there are, and how hot it is."""
    figure, axes = new_figure(1, 2, height=2.8, sharey=True)
    bins = torch.arange(num_bins)
    for p, colour in ((0.1, EXPECTED), (0.5, "#009e73"), (0.9, YOURS)):
        axes[0].plot(
            bins, log_binomial(torch.tensor(p), num_bins).exp(), "o-", color=colour, label=f"p = {p:g}"
        )
    for temperature, style in ((0.2, "-"), (1.0, "--"), (8.0, ":")):
        likely = log_binomial(torch.tensor(0.5), num_bins, temperature).exp()
        axes[1].plot(bins, likely, style, color="#009e73", label=f"temperature {temperature:g}")
    for axis in axes:
        axis.set(xlabel="bin, from near to far", ylim=(0, None))
        with matplotlib.rc_context(STYLE):
            axis.legend(loc="upper center" if axis is axes[0] else "upper right")
    axes[0].set_ylabel("probability")
    return figure


# ------------------------------------------------------------------------------------- points in space


def turned(points: Tensor, turn: float, tilt: float, around: Tensor) -> Tensor:
    """Points (..., 3), seen by a camera that walks round the point `around`.

    Parameters
    ----------
    turn, tilt : float
        Degrees to the right and up.
    """
    a, b = radians(turn), radians(tilt)
    across = torch.tensor([[cos(a), 0, sin(a)], [0, 1, 0], [-sin(a), 0, cos(a)]])
    up = torch.tensor([[1, 0, 0], [0, cos(b), -sin(b)], [0, sin(b), cos(b)]])
    return (points - around) @ (up @ across).T + around


def cloud_figure(turn: float = 25.0, tilt: float = 10.0) -> Picture:
    """The motorcycle as points in space, from its own camera and from one that has moved aside."""
    figure, axes = new_figure(1, 2, height=3.6)
    draw_cloud(axes[0], 0, 0)
    draw_cloud(axes[1], turn, tilt)
    axes[0].set_title("the camera's view")
    axes[1].set_title(f"{turn:g}° to the right, {tilt:g}° up")
    return figure


def draw_cloud(axis: Axes, turn: float, tilt: float) -> None:
    """Draw each known point in its colour, far ones first."""
    pair = small()
    points = backproject(pair.depth, pair.intrinsics)[pair.valid]
    colours = torch.from_numpy(as_image(pair.left))[pair.valid]
    seen = turned(points, turn, tilt, around=torch.tensor([0.0, 0.0, 3.0]))
    order = seen[:, 2].argsort(descending=True)
    x, y, z = seen[order].T
    axis.scatter(x / z, y / z, c=colours[order].numpy(), s=2.5, linewidths=0)
    axis.set(xlim=(-0.42, 0.5), ylim=(0.36, -0.36), aspect="equal", xticks=[], yticks=[])
    axis.spines[:].set_visible(False)
