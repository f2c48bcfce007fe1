"""The chapter's still pictures. Blue is true, orange is guessed, green is a positive anchor."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import matplotlib
import torch
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, Rectangle
from torch import Tensor

from dlcv.data.scenes import CLASSES, Scene, render
from dlcv.detection.reference import (
    NEGATIVE,
    NEUTRAL,
    box_iou,
    decode_boxes,
    encode_boxes,
    generalized_box_iou,
    make_anchors,
    match_anchors,
    nms,
)
from dlcv.diagrams import LOSS, OWN, SHARED, arrow, station
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
    as_image,
    bare,
    new_figure,
)

__all__ = [
    "anchors_figure",
    "arrow",
    "deltas_figure",
    "draw_boxes",
    "draw_matches",
    "draw_scene",
    "family_figure",
    "guesses",
    "matches_figure",
    "nms_figure",
    "other_ways_figure",
    "outline",
    "overlap_figure",
    "pipeline_figure",
    "scene",
    "scene_figure",
    "station",
]

POSITIVE = "#009e73"
SIDE = 128


# --------------------------------------------------------------------------------------- drawing blocks


@cache
def scene(number: int = 7) -> Scene:
    """One rendered room or street, 128 x 128, with a few things in it."""
    return render([number], size=SIDE, things=(4, 6), supersample=2)[0]


def outline(axis: Axes, box: Tensor | Sequence[float], colour: str, **style) -> None:
    """A box x1, y1, x2, y2 without filling."""
    x1, y1, x2, y2 = (float(corner) for corner in box)
    look = dict(fill=False, edgecolor=colour, linewidth=2.0, zorder=3) | style
    axis.add_patch(Rectangle((x1, y1), x2 - x1, y2 - y1, **look))


def tag(axis: Axes, box: Tensor | Sequence[float], words: str, colour: str) -> None:
    """Words on a coloured plate above a box's upper left corner, or inside it where there is no room.

    Near the picture's right border they end at the box's right corner instead, or the border would cut them off.
    """
    x1, y1, x2 = (float(corner) for corner in box[:3])
    width = max(axis.get_xlim())
    place = (max(x1, 0.5), "left") if x1 < 0.7 * width else (min(x2, width - 0.5), "right")
    plate = dict(facecolor=colour, edgecolor="none", pad=1.2)
    below = y1 < 6
    axis.text(
        place[0], y1 + (1 if below else -1), words, color=PAPER, fontsize=7.5, zorder=5, bbox=plate,
        ha=place[1], va="top" if below else "bottom", clip_on=True,
    )  # fmt: skip


def draw_scene(axis: Axes, image: Tensor, title: str = "") -> None:
    """An image whose pixel borders are at whole numbers, as boxes have it."""
    height, width = image.shape[-2:]
    axis.imshow(as_image(image), extent=(0, width, height, 0), interpolation="nearest")
    axis.set(xlim=(0, width), ylim=(height, 0))
    bare(axis, title)


def draw_boxes(
    axis: Axes, boxes: Tensor, labels: Tensor | None = None, scores: Tensor | None = None, colour: str = EXPECTED
) -> None:  # fmt: skip
    """Boxes with the names of their classes (numbers of `CLASSES`) and their scores."""
    for n, box in enumerate(boxes):
        outline(axis, box, colour)
        words = [CLASSES[int(labels[n])]] if labels is not None else []
        words += [f"{float(scores[n]):.2f}"] if scores is not None else []
        if words:
            tag(axis, box, " ".join(words), colour)


def draw_matches(
    axis: Axes, anchors: Tensor, boxes: Tensor, matches: Tensor, cells: Sequence[float] | None = None
) -> None:
    """Anchors by kind: positives as green boxes, neutral ones as yellow dots, negatives as grey dots; truth in blue."""
    x, y = ((anchors[:, :2] + anchors[:, 2:]) / 2).T
    for kind, colour, size in ((NEGATIVE, FAINT, 2.4), (NEUTRAL, THINGS[2], 5.5)):
        there = matches == kind
        axis.plot(x[there], y[there], "o", color=colour, markersize=size, zorder=2, markeredgewidth=0)
    for anchor in anchors[matches >= 0]:
        outline(axis, anchor, POSITIVE, linewidth=1.8)
    for box in boxes:
        outline(axis, box, EXPECTED, linewidth=2.2, zorder=4, linestyle=":")


# --------------------------------------------------------------------------------------------- figures


def scene_figure() -> Picture:
    """A scene, and what is wanted: a box and a class for each thing."""
    shown = scene()
    figure, (left, right) = new_figure(1, 2, height=4.0, width=8)
    draw_scene(left, shown.image, "given")
    draw_scene(right, shown.image, "wanted: boxes and classes")
    draw_boxes(right, shown.boxes, shown.labels)
    return figure


def overlap_figure() -> Picture:
    """Four pairs of boxes with their IoU and GIoU."""
    true = torch.tensor([2.0, 2.0, 8.0, 8.0])
    guesses = torch.tensor([[2.6, 2.4, 8.6, 8.4], [3, 4, 11, 8], [5, 5, 11, 11], [9, 9, 12, 12]])
    figure, axes = new_figure(1, 4, height=2.5)
    for axis, guess in zip(axes, guesses, strict=True):
        around = torch.cat([torch.minimum(true, guess)[:2], torch.maximum(true, guess)[2:]])
        x1, y1, x2, y2 = around.tolist()
        axis.add_patch(Rectangle((x1, y1), x2 - x1, y2 - y1, facecolor=BLANK, edgecolor="none"))
        for box, colour in ((true, EXPECTED), (guess, YOURS)):
            x1, y1, x2, y2 = box.tolist()
            axis.add_patch(
                Rectangle((x1, y1), x2 - x1, y2 - y1, facecolor=colour, alpha=0.35, edgecolor="none")
            )
            outline(axis, box, colour)
        iou, giou = (float(f(true[None], guess[None])) for f in (box_iou, generalized_box_iou))
        axis.set(xlim=(1.0, 13.0), ylim=(13.0, 1.0), aspect="equal")
        bare(axis, f"IoU {iou:.2f} · GIoU {giou:.2f}".replace("-", "−"))
    return figure


def anchors_figure(row: int = 4, column: int = 4, stride: int = 16) -> Picture:
    """The nine anchors of one cell, three sizes times three ratios, over a scene with the cells' centres."""
    shown = scene()
    sizes, ratios = (16, 32, 56), (0.5, 1, 2)
    cells = SIDE // stride
    anchors = make_anchors((cells, cells), stride, sizes, ratios, offset=0.5)
    here = anchors.view(cells, cells, -1, 4)[row, column]
    figure, axis = new_figure(width=4.6, height=4.6)
    draw_scene(
        axis, shown.image, f"{len(here)} anchors at one of {cells * cells} cells: {len(anchors)} in all"
    )
    centres = (torch.arange(cells) + 0.5) * stride
    for y in centres:
        axis.plot(centres, [float(y)] * cells, "o", color=PAPER, markersize=3.5, markeredgecolor=INK)
    for n, box in enumerate(here):
        outline(axis, box, (THINGS[0], THINGS[2], POSITIVE)[n // len(ratios)], linewidth=2)
    return figure


def deltas_figure() -> Picture:
    """An anchor, the box that it is to become, and the four numbers between them."""
    anchor, box = torch.tensor([[2.0, 3.0, 8.0, 7.0]]), torch.tensor([[4.0, 1.5, 14.0, 8.5]])
    dx, dy, dw, dh = encode_boxes(box, anchor)[0].tolist()
    figure, (left, right) = new_figure(1, 2, height=2.9, width_ratios=[1, 1])
    for axis in (left, right):
        axis.set(xlim=(0, 16), ylim=(10, 0), aspect="equal")
    centre, wanted = ((b[0, :2] + b[0, 2:]) / 2 for b in (anchor, box))
    outline(left, anchor[0], YOURS)
    outline(left, box[0], EXPECTED, linestyle="--")
    arrow = dict(arrowstyle="-|>", mutation_scale=14, color=INK, zorder=5)
    left.add_patch(FancyArrowPatch(centre.tolist(), wanted.tolist(), **arrow))
    bare(left, f"move: dx = {dx:.2f} widths, dy = {dy:.2f}")
    moved = decode_boxes(torch.tensor([[dx, dy, 0, 0]]), anchor)
    outline(right, moved[0], YOURS)
    outline(right, box[0], EXPECTED, linestyle="--")
    y = float(wanted[1])
    for start, end in ((moved[0, 0], box[0, 0]), (moved[0, 2], box[0, 2])):
        right.add_patch(FancyArrowPatch((float(start), y), (float(end), y), **arrow))
    bare(right, f"stretch: width × exp({dw:.2f}), height × exp({dh:.2f})")
    return figure


def matches_figure(stride: int = 8, sizes: Sequence[float] = (16, 32)) -> Picture:
    """Positive, neutral and negative anchors of a scene: with the two thresholds only, and with the rescue."""
    shown = scene()
    cells = SIDE // stride
    anchors = make_anchors((cells, cells), stride, sizes, (0.5, 1, 2), offset=0.5)
    iou = box_iou(shown.boxes, anchors)
    figure, axes = new_figure(1, 2, height=4.4, width=8.6)
    for axis, rescue in zip(axes, (False, True), strict=True):
        matches = match_anchors(iou, low_quality=rescue)
        found = len(set(matches[matches >= 0].tolist()))
        draw_scene(axis, shown.image)
        draw_matches(axis, anchors, shown.boxes, matches)
        words = "and each object's best anchor" if rescue else "thresholds 0.7 and 0.3 only"
        axis.set_title(f"{words}: {found} of {len(shown.boxes)} objects")
    return figure


def guesses(number: int = 7, a_thing: int = 6, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Boxes as a detector would give them, several on each thing of a scene: (K, 4) and scores (K,).

    A guess that fits better tends to have a higher score.
    """
    generator = torch.Generator().manual_seed(seed)
    true = scene(number).boxes.repeat_interleave(a_thing, 0)
    deltas = 0.085 * torch.randn(len(true), 4, generator=generator)
    boxes = decode_boxes(deltas, true)
    fit = box_iou(boxes, true).diagonal()
    return boxes, (0.25 + 0.7 * fit + 0.06 * torch.randn(len(true), generator=generator)).clamp(0.05, 0.99)


def nms_figure(threshold: float = 0.5) -> Picture:
    """Many boxes on each thing, and the ones that suppression keeps."""
    shown = scene()
    boxes, scores = guesses()
    kept = nms(boxes, scores, threshold)
    figure, (left, right) = new_figure(1, 2, height=4.2, width=8.2)
    draw_scene(left, shown.image, f"before: {len(boxes)} boxes")
    draw_scene(right, shown.image, f"after, at IoU {threshold:g}: {len(kept)}")
    for box in boxes:
        outline(left, box, YOURS, linewidth=1)
    draw_boxes(right, boxes[kept], scores=scores[kept], colour=YOURS)
    return figure


# -------------------------------------------------------------------------------------------- diagrams


def pipeline_figure() -> Picture:
    """Faster R-CNN from image to detections, with the places of its four losses."""
    figure, axis = new_figure(width=9, height=3.1)
    station(axis, 0.9, 2, "image")
    station(axis, 3.1, 2, "backbone", SHARED)
    station(axis, 5.4, 3.1, "RPN", OWN)
    station(axis, 7.9, 3.1, "proposals:\ndecode, clip, NMS")
    station(axis, 7.9, 1.3, "RoI Align", w=1.7)
    station(axis, 10.2, 1.3, "box head", OWN)
    station(axis, 12.5, 1.3, "decode,\nNMS a class")
    for start, end in (
        ((1.8, 2), (2.2, 2)), ((4.0, 2.2), (4.5, 2.9)), ((6.3, 3.1), (7.0, 3.1)), ((7.9, 2.65), (7.9, 1.75)),
        ((4.0, 1.8), (7.0, 1.35)), ((8.8, 1.3), (9.3, 1.3)), ((11.1, 1.3), (11.6, 1.3)),
    ):  # fmt: skip
        arrow(axis, start, end)
    for x, y, words, source in (
        (4.7, 4.4, "1 object or not?", (5.2, 3.55)), (6.9, 4.4, "2 RPN's box", (5.7, 3.55)),
        (9.3, 0.0, "3 which class?", (10.0, 0.85)), (11.4, 0.0, "4 its box", (10.5, 0.85)),
    ):  # fmt: skip
        station(axis, x, y, words, LOSS, h=0.6, w=1.9)
        arrow(axis, source, (x, y + (0.35 if y < 1 else -0.35)), "#833da3")
    axis.set(xlim=(-0.1, 13.5), ylim=(-0.45, 4.85))
    return _plain(figure, axis)


def _plain(figure: Picture, axis: Axes, title: str = "") -> Picture:
    axis.set_axis_off()
    if title:
        axis.set_title(title)
    return figure


def family_figure() -> Picture:
    """R-CNN, Fast and Faster: what runs once an image (blue) and what runs for each of 2000 boxes (orange)."""
    figure, axes = new_figure(3, 1, width=9, height=2.9)
    rows = {
        "R-CNN, 2014": [
            ("image", BLANK), ("selective search", BLANK), ("crop and resize", OWN), ("CNN", OWN),
            ("SVMs, regression", OWN),
        ],
        "Fast R-CNN, 2015": [
            ("image", BLANK), ("CNN", SHARED), ("selective search", BLANK), ("RoI Pool", OWN), ("small head", OWN),
        ],
        "Faster R-CNN, 2015": [
            ("image", BLANK), ("CNN", SHARED), ("RPN proposes", SHARED), ("RoI Pool", OWN), ("small head", OWN),
        ],
    }  # fmt: skip
    for axis, (name, stations) in zip(axes, rows.items(), strict=True):
        for n, (words, colour) in enumerate(stations):
            station(axis, 2.5 * n + 3.2, 0, words, colour, w=2.0, h=0.9)
            if n:
                arrow(axis, (2.5 * n + 1.78, 0), (2.5 * n + 2.15, 0))
        axis.text(-0.9, 0, name, va="center", fontsize=9.5)
        axis.set(xlim=(-1, 14.5), ylim=(-0.65, 0.65))
        axis.set_axis_off()
    handles = [Rectangle((0, 0), 1, 1, facecolor=c, edgecolor=INK) for c in (SHARED, OWN, BLANK)]
    words = ["once an image, trained", "once a box", "fixed"]
    with matplotlib.rc_context(STYLE):
        figure.legend(handles, words, loc="outside lower center", ncols=3, handlelength=1.2)
    return figure


def other_ways_figure() -> Picture:
    """Three detectors without proposals: YOLO's grid, CornerNet's paired corners, DETR's one-to-one matching."""
    shown = scene()
    figure, (grid, corners, sets) = new_figure(1, 3, height=3.5)
    draw_scene(grid, shown.image, "YOLO: the centre's cell answers")
    cells = 7
    for n in range(1, cells):
        at = n * SIDE / cells
        grid.plot([at, at], [0, SIDE], color=PAPER, linewidth=0.7, alpha=0.8)
        grid.plot([0, SIDE], [at, at], color=PAPER, linewidth=0.7, alpha=0.8)
    for box in shown.boxes:
        x, y = ((box[:2] + box[2:]) / 2).tolist()
        column, row = int(x * cells / SIDE), int(y * cells / SIDE)
        grid.add_patch(
            Rectangle(
                (column * SIDE / cells, row * SIDE / cells),
                SIDE / cells,
                SIDE / cells,
                color=YOURS,
                alpha=0.35,
            )
        )
        outline(grid, box, EXPECTED, linewidth=1.6)
        grid.plot(x, y, "o", color=EXPECTED, markersize=5)
    draw_scene(corners, shown.image, "CornerNet: like embeddings pair up")
    for n, box in enumerate(shown.boxes):
        colour = THINGS[n % len(THINGS)]
        x1, y1, x2, y2 = box.tolist()
        corners.plot([x1, x1, x1 + 7], [y1 + 7, y1, y1], color=colour, linewidth=3)
        corners.plot([x2, x2, x2 - 7], [y2 - 7, y2, y2], color=colour, linewidth=3)
    _draw_set_matching(sets, len(shown.boxes))
    return figure


def _draw_set_matching(axis: Axes, objects: int, queries: int = 9) -> None:
    order = [6, 1, 4, 8, 2, 0, 5, 3, 7][:objects]
    for n in range(queries):
        busy = n in order
        axis.plot(0, n, "o", markersize=13, color=YOURS if busy else FAINT)
        axis.text(-0.09, n, f"query {n + 1}", ha="right", va="center", fontsize=8.5)
        if not busy:
            plate = dict(facecolor=PAPER, edgecolor="none", pad=1)
            axis.text(0.08, n, "no object", va="center", fontsize=8, color=INK, bbox=plate, zorder=4)
    for n, query in enumerate(order):
        y = n * (queries - 1) / max(objects - 1, 1)
        axis.plot(1, y, "s", markersize=13, color=EXPECTED)
        axis.text(1.09, y, f"object {n + 1}", va="center", fontsize=8.5)
        axis.plot([0.06, 0.94], [query, y], color=INK, linewidth=1)
    axis.set(xlim=(-0.5, 1.5), ylim=(queries - 0.4, -0.6))
    bare(axis, "DETR: one query, one object")
