"""The chapter's still pictures. Orange is asked.

Most pictures need no trained network: the coarse prediction is the share of each class in each cell, the best that a
coarse network could say, and the head looks into the true class map, as a renderer does that casts a ray.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import matplotlib
import torch
import torch.nn.functional as F
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from torch import Tensor

from dlcv.data.scenes import CLASSES, render
from dlcv.diagrams import OWN, SHARED, arrow, station
from dlcv.plotting import (
    EXPECTED,
    FAINT,
    INK,
    PAPER,
    STYLE,
    YOURS,
    Picture,
    boundaries,
    label_map,
    new_figure,
    show,
)
from dlcv.pointrend.network import enlarged
from dlcv.pointrend.reference import (
    pixel_centres,
    points_evaluated,
    sample_training_points,
    subdivision_step,
    uncertain_points_on_grid,
    uncertainty,
)

__all__ = [
    "Rendering",
    "Step",
    "coarse_figure",
    "doubt_figure",
    "head_figure",
    "looks",
    "points_figure",
    "rays_figure",
    "read_first_figure",
    "rendering",
    "steps_figure",
    "subdivide",
    "training_figure",
]

SIDE = 256
SURE = 8.0
"""Logit of a class that fills a cell."""


# --------------------------------------------------------------------------------------- drawing blocks


class Rendering(NamedTuple):
    """A scene and what subdivision needs to draw it.

    Attributes
    ----------
    image : (3, 256, 256)
    labels : (256, 256) int64
    coarse : (1, K, h, w)
        Logits: 8 times the share of each class in each cell.
    features : (1, K, 256, 256)
        1 for the class that is there, 0 for the others.
    """

    image: Tensor
    labels: Tensor
    coarse: Tensor
    features: Tensor


@cache
def rendering(number: int = 4, stride: int = 32) -> Rendering:
    """Scene of this number, with coarse logits at this stride."""
    family = "street" if number % 2 else "room"
    scene = render([number], size=SIDE, family=family, things=(3, 6))[0]
    features = F.one_hot(scene.semantic, len(CLASSES)).permute(2, 0, 1)[None].float()
    return Rendering(scene.image, scene.semantic, SURE * F.avg_pool2d(features, stride), features)


def looks(fine: Tensor, rough: Tensor) -> Tensor:
    """The head of `rendering`: it sees which class is there, and needs no coarse prediction."""
    return SURE * fine


class Step(NamedTuple):
    """One step of subdivision.

    Attributes
    ----------
    doubled : (1, K, H, W)
        Before the head is asked.
    points : (P, 2)
        Where it is asked.
    logits : (1, K, H, W)
        Afterwards.
    """

    doubled: Tensor
    points: Tensor
    logits: Tensor


@torch.no_grad()
def subdivide(coarse: Tensor, features: Tensor, head, steps: int, num_points: int) -> list[Step]:
    """What `subdivision_inference` does for one image, step by step."""
    logits, found = coarse, []
    for _ in range(steps):
        doubled = enlarged(logits, 1)
        _, points = uncertain_points_on_grid(uncertainty(doubled), num_points)
        logits = subdivision_step(logits, coarse, features, head, num_points)
        found.append(Step(doubled, points[0], logits))
    return found


def pale(labels: Tensor) -> Tensor:
    """Label map (H, W) in light colours (H, W, 3), so that points on it can be seen."""
    return torch.from_numpy(0.45 * label_map(labels) + 0.55)


def draw_points(axis: Axes, points: Tensor, side: int, width: float = 3.0) -> None:
    """Mark the pixels of a map of `side` pixels that are asked; `width` is the panel's, in inches."""
    x, y = (points * side - 0.5).unbind(-1)
    size = max(0.7 * width * 72 / side, 1.4)
    edge = 0.5 if size > 4 else 0
    axis.plot(x, y, "o", color=YOURS, markersize=size, markeredgecolor=PAPER, markeredgewidth=edge)


# --------------------------------------------------------------------------------------------- figures


def coarse_figure(number: int = 4, stride: int = 16) -> Picture:
    """A scene, the best answer at stride 16, the same enlarged, and its wrong pixels."""
    drawn = rendering(number, stride)
    smooth = F.interpolate(drawn.coarse, scale_factor=stride, mode="bilinear", align_corners=False)[0].argmax(
        0
    )
    wrong = smooth != drawn.labels
    outline = torch.from_numpy(boundaries(drawn.labels))[None, None].float()
    near = F.max_pool2d(outline, 17, stride=1, padding=8)[0, 0] > 0
    figure, axes = new_figure(1, 4, height=2.9)
    show(axes[0], drawn.image, f"{SIDE} × {SIDE}")
    show(axes[1], drawn.coarse[0].argmax(0), f"coarse: {SIDE // stride} × {SIDE // stride}")
    show(axes[2], smooth, "enlarged, bilinear")
    share = float((wrong & near).sum() / wrong.sum())
    show(axes[3], wrong, f"wrong: {float(wrong.float().mean()):.1%}")
    axes[3].set_xlabel(f"{share:.0%} of them within 8 pixels\nof an outline", fontsize=9)
    return figure


def points_figure() -> Picture:
    """One point on two maps of one image: the same place, other neighbours, other weights."""
    point = (0.44, 0.40)
    figure, axes = new_figure(1, 2, height=3.4)
    for axis, (rows, columns) in zip(axes, ((2, 3), (4, 6)), strict=True):
        for i in range(rows):
            for j in range(columns):
                axis.add_patch(
                    Rectangle(
                        (j / columns, i / rows), 1 / columns, 1 / rows, facecolor=PAPER, edgecolor=FAINT
                    )
                )
        centres = pixel_centres(rows, columns)
        axis.plot(*centres.T, "o", color=FAINT, markersize=6)
        for x, y in centres.tolist():
            weight = max(0, 1 - abs(point[0] - x) * columns) * max(0, 1 - abs(point[1] - y) * rows)
            if weight > 0:
                axis.plot([point[0], x], [point[1], y], color=EXPECTED, linewidth=1)
                axis.plot(x, y, "o", color=EXPECTED, markersize=6)
                below = y > point[1]
                axis.text(
                    x, y + (0.055 if below else -0.05), f"{weight:.2f}", color=EXPECTED, fontsize=9,
                    ha="center", va="top" if below else "bottom",
                )  # fmt: skip
        axis.plot(*point, "o", color=YOURS, markersize=9)
        axis.set(xlim=(-0.02, 1.02), ylim=(1.03, -0.03), aspect=2 / 3)
        axis.set(xticks=[0, 0.5, 1], yticks=[0, 0.5, 1])
        axis.spines[:].set_visible(False)
        axis.set_title(f"a map of {rows} × {columns}")
    return figure


def doubt_figure(number: int = 4) -> Picture:
    """A coarse prediction enlarged, how much each pixel is in doubt, and the 200 pixels most in doubt."""
    doubled = enlarged(rendering(number).coarse, 3)
    doubt = uncertainty(doubled)
    _, points = uncertain_points_on_grid(doubt, 200)
    side = doubled.shape[-1]
    figure, axes = new_figure(1, 3, height=3.2)
    show(axes[0], doubled[0].argmax(0), f"enlarged to {side} × {side}")
    show(axes[1], doubt[0, 0], "uncertainty", limits=(-SURE, 0))
    show(axes[2], pale(doubled[0].argmax(0)), f"the 200 of {side**2} most in doubt")
    draw_points(axes[2], points[0], side)
    return figure


def read_first_figure() -> Picture:
    """Between a sure yes and a sure no: doubt of what is read, and doubt that is read."""
    x = torch.linspace(0.25, 0.75, 101)
    logit = 4 - 8 * (x - 0.25) / 0.5
    figure, (left, right) = new_figure(1, 2, height=2.7, sharey=True)
    for axis, (words, doubt) in zip(
        (left, right),
        (("first read, then doubt", -logit.abs()), ("first doubt, then read", torch.full_like(x, -4.0))),
        strict=True,
    ):
        axis.axhline(0, color=FAINT, linewidth=1)
        axis.plot(x, logit, color=EXPECTED, label="logit")
        axis.plot([0.25, 0.75], [4, -4], "o", color=EXPECTED)
        axis.plot(x, doubt, color=YOURS, label="uncertainty")
        axis.plot([0.25, 0.75], [-4, -4], "o", color=YOURS)
        axis.set(title=words, xlabel="x", xticks=[0.25, 0.5, 0.75], yticks=[-4, 0, 4])
    with matplotlib.rc_context(STYLE):
        left.legend(loc="upper right")
    return figure


def training_figure(number: int = 4, num_points: int = 200) -> Picture:
    """Points to learn from on a coarse prediction: uniform, mildly biased, heavily biased."""
    coarse = rendering(number, 16).coarse
    shown = pale(enlarged(coarse, 4)[0].argmax(0))
    figure, axes = new_figure(1, 3, height=3.3)
    for axis, (oversample, importance) in zip(axes, ((1, 0.0), (3, 0.75), (10, 1.0)), strict=True):
        generator = torch.Generator().manual_seed(0)
        points = sample_training_points(coarse, num_points, oversample, importance, generator)[0]
        show(axis, shown, f"k = {oversample}, β = {importance:g}")
        draw_points(axis, points, SIDE, width=10)
    return figure


def steps_figure(number: int = 4, num_points: int = 64, steps: int = 4) -> Picture:
    """Subdivision: above, each doubled map with the pixels that are asked; below, the map afterwards."""
    drawn = rendering(number)
    figure, axes = new_figure(2, steps, height=4.9)
    for (above, below), step in zip(
        axes.T, subdivide(drawn.coarse, drawn.features, looks, steps, num_points), strict=True
    ):
        side = step.doubled.shape[-1]
        show(above, pale(step.doubled[0].argmax(0)), f"doubled: {side} × {side}")
        draw_points(above, step.points, side, width=2.0)
        show(below, step.logits[0].argmax(0), f"{len(step.points)} asked: {len(step.points) / side**2:.1%}")
    return figure


def rays_figure(number: int = 4, num_points: int = 256) -> Picture:
    """Where rays were cast in all steps, and how pixels, outlines and points grow with resolution."""
    drawn = rendering(number)
    figure, (picture, axis) = new_figure(1, 2, height=3.7, width_ratios=[1, 1.25])
    found = subdivide(drawn.coarse, drawn.features, looks, 5, num_points)
    show(picture, pale(found[-1].logits[0].argmax(0)))
    for step in found:
        draw_points(picture, step.points, SIDE, width=4)
    asked, pixels = points_evaluated(8, 5, num_points)
    picture.set_title(f"{asked} of {pixels:,} pixels asked")
    sides = [8 * 2**s for s in range(1, 6)]
    crossed = [int(boundaries(drawn.labels[SIDE // s // 2 :: SIDE // s, SIDE // s // 2 :: SIDE // s]).sum())
               for s in sides]  # fmt: skip
    lines = {
        "all pixels": ([s * s for s in sides], INK, "-"),
        "pixels on an outline": (crossed, EXPECTED, "-"),
        f"asked so far, {num_points} a step": (
            [points_evaluated(8, n, num_points)[0] for n in range(1, 6)], YOURS, "-",
        ),
    }  # fmt: skip
    for name, (values, colour, line) in lines.items():
        axis.plot(sides, values, line, marker="o", markersize=4, color=colour, label=name)
    axis.set(xscale="log", yscale="log", xlabel="height and width of the map", ylabel="pixels")
    axis.set_xticks(sides, [str(s) for s in sides])
    axis.minorticks_off()
    axis.grid(axis="y", color=FAINT, linewidth=0.6)
    with matplotlib.rc_context(STYLE):
        axis.legend(loc="upper left")
    return figure


# -------------------------------------------------------------------------------------------- diagrams


def head_figure(layers: int = 3) -> Picture:
    """The point head: fine features go through it, the coarse prediction is put in again before every layer."""
    figure, axis = new_figure(width=9, height=2.7)
    station(axis, 0.0, 1.6, "fine features\nof the point", SHARED)
    station(axis, 0.0, 0.2, "coarse logits\nof the point", OWN)
    x = 0.0
    for n in range(layers + 1):
        before, x = x, 2.4 + 2.1 * n
        last = n == layers
        station(axis, x, 1.6, "linear" if last else "linear,\nReLU", w=1.1)
        arrow(axis, (before + (0.87 if n == 0 else 0.57), 1.6), (x - 0.57, 1.6))
        axis.plot([x - 0.8, x - 0.8], [0.2, 1.2], color=YOURS, linewidth=1.2)
        arrow(axis, (x - 0.8, 1.2), (x - 0.57, 1.4), YOURS)
    axis.plot([0.87, x - 0.8], [0.2, 0.2], color=YOURS, linewidth=1.2)
    arrow(axis, (x + 0.57, 1.6), (x + 1.05, 1.6))
    station(axis, x + 1.75, 1.6, "logits\nof the point", w=1.35)
    axis.set(xlim=(-1.0, x + 2.5), ylim=(-0.3, 2.2))
    axis.set_axis_off()
    return figure
