"""The chapter's still pictures. Blue is true, orange is guessed, grey is void."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

import matplotlib
import torch
import torch.nn.functional as F
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from torch import Tensor

from dlcv.data.scenes import CLASSES, STUFF, VOID, Scene, render
from dlcv.diagrams import LOSS, OWN, SHARED, arrow, station
from dlcv.panoptic.fusion import fuse_efficientps, fuse_panoptic
from dlcv.panoptic.reference import encode_panoptic, mean_quality
from dlcv.plotting import CLASSES as COLOURS
from dlcv.plotting import (
    EXPECTED,
    FAINT,
    INK,
    PAPER,
    STYLE,
    THINGS,
    YOURS,
    Picture,
    as_array,
    bare,
    instance_map,
    legend,
    new_figure,
    number_grid,
    panoptic_map,
    show,
)
from dlcv.plotting import VOID as GREY

__all__ = [
    "CATEGORIES",
    "NAMES",
    "conflict_figure",
    "draw_result",
    "draw_row",
    "efficientps_figure",
    "form_figure",
    "heads",
    "number_segments",
    "numbers_figure",
    "pyramid_figure",
    "scene",
    "summed_figure",
    "three_answers_figure",
    "unique_figure",
    "void_figure",
]

CATEGORIES = {number: number > len(STUFF) for number in range(1, len(CLASSES) + 1)}
"""Categories of a scene: class *c* is category *c* + 1, and the first four are stuff."""

NAMES = dict(enumerate(CLASSES, start=1))


# --------------------------------------------------------------------------------------- drawing blocks


@cache
def scene(number: int = 44) -> Scene:
    """One rendered street with things that hide one another."""
    options = dict(family="street", things=(6, 8), crowding=0.5, foreground=0.22, supersample=2)
    return render([number], size=128, **options)[0]


def draw_result(axis: Axes, ids: Tensor, segments: Sequence[dict], title: str = "") -> None:
    """A panoptic result of a scene in the course's colours: things in shades of their class, void in grey."""
    category, thing = torch.full_like(ids, VOID), torch.zeros_like(ids)
    for segment in segments:
        pixels = ids == segment["id"]
        category[pixels] = segment["category_id"] - 1
        if CATEGORIES[segment["category_id"]]:
            thing[pixels] = segment["id"]
    height, width = ids.shape
    fine = max(1, 240 // width)  # so that the dark lines between segments are thin in a coarse map, too
    category, thing = (m.repeat_interleave(fine, 0).repeat_interleave(fine, 1) for m in (category, thing))
    painted = panoptic_map(as_array(category), as_array(thing))
    axis.imshow(painted, interpolation="nearest", extent=(-0.5, width - 0.5, height - 0.5, -0.5))
    bare(axis, title)


def draw_truth(axis: Axes, shown: Scene, title: str = "") -> None:
    """A scene's panoptic truth."""
    ids, segments = shown.panoptic()
    draw_result(axis, ids, [s | {"category_id": s["category_id"] + 1} for s in segments], title)


def number_segments(
    axis: Axes, ids: Tensor, words: Mapping[int, str], colour: str = INK, size: float = 9
) -> None:
    """Words on each segment: of its pixels that are not near its rim, on the one nearest to its middle."""
    step = max(1, max(ids.shape) // 128)
    for number, text in words.items():
        mask = (ids == number)[::step, ::step]
        if mask.any():
            depth = _steps_from_the_rim(mask)
            pixels = (depth >= 0.6 * depth.max()).nonzero().float()
            middle = mask.nonzero().float().mean(0)
            y, x = (step * pixels[(pixels - middle).square().sum(1).argmin()]).tolist()
            plate = dict(facecolor=PAPER, edgecolor="none", pad=1.2, alpha=0.85)
            axis.text(x, y, text, color=colour, fontsize=size, ha="center", va="center", bbox=plate)


def _steps_from_the_rim(mask: Tensor) -> Tensor:
    """How often a mask can lose its rim before each pixel is gone, (H, W); 0 outside."""
    left, depth = mask.float()[None], torch.zeros(mask.shape)
    while left.any():
        depth += left[0]
        left = (F.avg_pool2d(left, 3, 1, 1) > 0.999).float()
    return depth


# --------------------------------------------------------------------------------------------- figures


def three_answers_figure() -> Picture:
    """One image, and what three tasks say of it."""
    shown = scene()
    figure, axes = new_figure(1, 4, height=2.7)
    show(axes[0], shown.image, "image")
    show(axes[1], shown.semantic, "semantic: no counting")
    axes[2].imshow(instance_map(shown.instance), interpolation="nearest")
    bare(axes[2], "instance: no stuff")
    draw_truth(axes[3], shown, "panoptic: both")
    seen = shown.semantic.unique().tolist()
    legend(figure, {CLASSES[label]: COLOURS[label] for label in seen})
    return figure


def numbers_figure() -> Picture:
    """Two label maps, and the one that holds both."""
    semantic = torch.tensor([[0, 0, 0, 0, 0], [0, 7, 7, 0, 7], [1, 7, 7, 1, 7], [1, 1, 1, 1, 1]])
    instance = torch.tensor([[0, 0, 0, 0, 0], [0, 1, 1, 0, 2], [0, 1, 1, 0, 2], [0, 0, 0, 0, 0]])
    figure, axes = new_figure(1, 3, height=2.5, width_ratios=[1, 1, 1])
    number_grid(axes[0], semantic, "class c: 7 is cone", limits=(0, 12))
    number_grid(axes[1], instance, "instance i", limits=(0, 4))
    number_grid(axes[2], encode_panoptic(semantic, instance), "1000 c + i", limits=(0, 12000), size=9)
    return figure


def form_figure() -> Picture:
    """A panoptic truth in COCO's form: a map of ids, and a list."""
    shown = scene()
    ids, segments = shown.panoptic()
    figure, (left, right) = new_figure(1, 2, height=3.7, width=8.6, width_ratios=[1, 1.1])
    draw_truth(left, shown, "ids (H, W)")
    number_segments(left, ids, {s["id"]: str(s["id"]) for s in segments})
    right.set(xlim=(0, 1), ylim=(len(segments) + 0.5, -1))
    bare(right, "segments")
    for row, segment in enumerate(segments):
        category = segment["category_id"]
        words = f'{{"id": {segment["id"]}, "category_id": {category + 1}}}'
        colour = COLOURS[category]
        right.add_patch(Rectangle((0.0, row - 0.36), 0.05, 0.72, facecolor=colour, edgecolor=FAINT))
        right.text(0.08, row, words, va="center", family="monospace", fontsize=9)
        kind = "stuff" if category < len(STUFF) else "thing"
        right.text(0.74, row, f"{CLASSES[category]}, {kind}", va="center", fontsize=9)
    return figure


def draw_row(axis: Axes, y: float, cells: Sequence[int | None], colours: dict[int, str], words: str) -> None:
    """A label map of one row, as coloured squares with their ids; 0 is void, None nothing at all."""
    for x, number in enumerate(cells):
        colour = GREY if number == 0 else colours.get(number, PAPER)
        axis.add_patch(Rectangle((x, y), 1, 1, facecolor=colour, edgecolor=INK, linewidth=0.8))
        if number:
            axis.text(x + 0.5, y + 0.5, str(number), ha="center", va="center", fontsize=10)
    axis.text(-0.3, y + 0.5, words, ha="right", va="center", fontsize=9.5)


TRUE, FOUND, ALSO = "#a9cdea", "#f7c59f", "#f3a6c8"


def unique_figure() -> Picture:
    """At exactly one half two segments could match the same third; above it there is no room for a second one."""
    figure, (left, right) = new_figure(1, 2, height=1.9)
    colours = {1: TRUE, 4: FOUND, 5: ALSO}
    draw_row(left, 0, [1, 1, 1, 1, 1, 1], colours, "true")
    draw_row(left, 1.4, [4, 4, 4, 5, 5, 5], colours, "found")
    bare(left, "IoU 3/6 and 3/6: two candidates at one half")
    draw_row(right, 0, [1, 1, 1, 1, 1, 1], colours, "true")
    draw_row(right, 1.4, [4, 4, 4, 4, 5, 5], colours, "found")
    bare(right, "IoU 4/6 and 2/6: over one half leaves less than half")
    for axis in (left, right):
        axis.set(xlim=(-1.6, 6.2), ylim=(2.6, -0.2), aspect="equal")
    return figure


def void_figure() -> Picture:
    """Void leaves the union; and a segment that is mostly on void is no error."""
    figure, (left, right) = new_figure(1, 2, height=2.1)
    colours = {2: TRUE, 3: FOUND}
    draw_row(left, 0, [0, 0, 2, 2, 2, 2], colours, "true")
    draw_row(left, 1.4, [3, 3, 3, 3, 3, None], colours, "found")
    bare(left, "IoU 3/4, not 3/6: grey is void")
    draw_row(right, 0, [0, 0, 0, 2, 2, 2], colours, "true")
    draw_row(right, 1.4, [3, 3, 3, 3, None, None], colours, "found")
    bare(right, "no match, and no false positive: 3/4 on void")
    for axis in (left, right):
        axis.set(xlim=(-1.6, 6.2), ylim=(2.6, -0.2), aspect="equal")
    return figure


def summed_figure() -> Picture:
    """Nine things found in one image, one missed in another: two ways to average."""
    images = [{7: (9.0, 9, 0, 0)}, {7: (0.0, 0, 0, 1)}]
    figure, (left, right) = new_figure(1, 2, height=2.3, width_ratios=[1.2, 1])
    for row, (found, missed) in enumerate(((9, 0), (0, 1))):
        for n in range(found + missed):
            colour = EXPECTED if n < found else YOURS
            left.plot(n, row, "o", color=colour, markersize=13)
    left.set(xlim=(-2.4, 9), ylim=(1.7, -0.7))
    for row in (0, 1):
        left.text(-0.8, row, f"image {row + 1}", ha="right", va="center")
    bare(left, "blue found, orange missed")
    each = [mean_quality([image]).rq for image in images]
    bars = {"mean of the images": sum(each) / 2, "counts summed": mean_quality(images).rq}
    right.barh(list(bars), list(bars.values()), color=[YOURS, EXPECTED])
    for place, value in enumerate(bars.values()):
        right.text(value, place, f" {value:.2f}", va="center")
    right.set(xlim=(0, 1.15), title="recognition quality", xticks=[])
    right.invert_yaxis()
    return figure


# ------------------------------------------------------------------------------------------ two heads


def heads() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Two masks that overlap, their scores and labels, and a class map (24, 32), as two heads would give them."""
    y, x = torch.meshgrid(torch.arange(24.0), torch.arange(32.0), indexing="ij")
    first = ((x - 12) / 8) ** 2 + ((y - 13) / 7) ** 2 < 1
    second = ((x - 20) / 7) ** 2 + ((y - 14) / 6) ** 2 < 1
    third = ((x - 13) / 6) ** 2 + ((y - 14) / 6) ** 2 < 1
    semantic = torch.where(y < 11, 1, 2)
    semantic[first | second] = 0
    semantic[(x > 26) & (y < 3)] = 3
    return (
        torch.stack([first, second, third]),
        torch.tensor([0.9, 0.8, 0.7]),
        torch.tensor([6, 6, 5]),
        semantic,
    )


def conflict_figure() -> Picture:
    """Masks that overlap and a class map, and the panoptic result that they become."""
    masks, scores, labels, semantic = heads()
    ids, segments = fuse_panoptic(masks, scores, labels, semantic, stuff_area_limit=30)
    figure, axes = new_figure(1, 3, height=2.5)
    show(axes[0], torch.where(semantic == 0, VOID, semantic - 1), "class map, grey: some thing")
    show(axes[1], torch.full_like(semantic, VOID), "three masks with scores")
    for mask, score, colour in zip(masks, scores.tolist(), (EXPECTED, YOURS, THINGS[4]), strict=True):
        axes[1].contour(mask.float(), levels=[0.5], colors=colour, linewidths=2.5)
        rows, columns = mask.nonzero(as_tuple=True)
        axes[1].text(
            float(columns[rows == rows.min()].float().mean()), int(rows.min()) - 1.2, f"{score:g}",
            color=INK, ha="center", fontsize=9,
        )  # fmt: skip
    draw_result(axes[2], ids, segments, "fused: 0.7 dropped, grey void")
    number_segments(axes[2], ids, {s["id"]: str(s["id"]) for s in segments})
    return figure


def efficientps_figure() -> Picture:
    """The fused logit over both heads' logits, beside their plain sum."""
    a, b = torch.meshgrid(torch.linspace(-5, 5, 101), torch.linspace(-5, 5, 101), indexing="xy")
    figure, axes = new_figure(1, 3, height=3.0, width_ratios=[1, 1, 1.1])
    maps = {"a + b": a + b, "(σ(a) + σ(b)) (a + b)": fuse_efficientps(a, b)}
    a, b = as_array(a), as_array(b)
    for axis, (title, values) in zip(axes, maps.items(), strict=False):
        values = as_array(values)
        axis.imshow(values, extent=(-5, 5, -5, 5), origin="lower", cmap="PuOr", vmin=-20, vmax=20)
        lines = axis.contour(a, b, values, levels=[-5, -1, 0, 5, 10, 15], colors=INK, linewidths=0.8)
        axis.clabel(lines, fontsize=7.5, fmt="%g")
        axis.set(xlabel="mask logit a", title=title)
    axes[0].set_ylabel("class map's logit b")
    line = torch.linspace(-5, 5, 101)
    for other, colour in ((4.0, EXPECTED), (0.0, INK), (-4.0, YOURS)):
        values = fuse_efficientps(line, torch.full_like(line, other))
        axes[2].plot(as_array(line), as_array(values), color=colour, label=f"b = {other:g}".replace("-", "−"))
    axes[2].axhline(0, color=FAINT, linewidth=1, zorder=0)
    axes[2].set(xlabel="mask logit a", title="three cuts")
    with matplotlib.rc_context(STYLE):
        axes[2].legend(loc="upper left")
    return figure


# -------------------------------------------------------------------------------------------- diagrams


def pyramid_figure() -> Picture:
    """A panoptic FPN: backbone, pyramid, and two heads that read from it."""
    figure, axis = new_figure(width=9, height=3.7)
    rows = {0: ("4", 2.0), 1: ("8", 1.6), 2: ("16", 1.2), 3: ("32", 0.9)}
    for row, (stride, width) in rows.items():
        station(axis, 1.0, row, f"1/{stride}", SHARED, w=width, h=0.7)
        station(axis, 3.9, row, "+" if row < 3 else "=", PAPER, w=0.5, h=0.5)
        station(axis, 6.3, row, f"1/{stride}", SHARED, w=width, h=0.7)
        arrow(axis, (1.0 + width / 2 + 0.1, row), (3.55, row))
        arrow(axis, (4.25, row), (6.2 - width / 2, row))
        axis.text(2.75, row - 0.06, "1 × 1", ha="center", fontsize=8)
        axis.text(4.75, row - 0.06, "3 × 3", ha="center", fontsize=8)
        arrow(axis, (6.4 + width / 2, row), (8.55, 2.75 + 0.1 * row), "#833da3")
        if row:
            arrow(axis, (1.0, row - 0.6), (1.0, row - 0.4))
            arrow(axis, (3.9, row - 0.3), (3.9, row - 0.7))
            axis.text(4.0, row - 0.5, "×2", fontsize=8, va="center")
    arrow(axis, (7.4, 0), (8.55, 0.45), YOURS)
    station(axis, 9.9, 0.5, "Mask R-CNN's heads:\nboxes, classes, masks", OWN, w=2.6, h=0.9)
    station(axis, 9.9, 2.9, "semantic head:\na class map", LOSS, w=2.6, h=0.9)
    station(axis, 12.6, 1.7, "fusion", w=1.5, h=0.7)
    arrow(axis, (11.3, 0.7), (12.1, 1.3))
    arrow(axis, (11.3, 2.7), (12.1, 2.1))
    for x, words in ((1.0, "backbone"), (3.9, "top-down"), (6.3, "pyramid")):
        axis.text(x, 3.65, words, ha="center", fontsize=9.5)
    axis.set(xlim=(-0.2, 13.5), ylim=(3.95, -0.55))
    axis.set_axis_off()
    return figure
