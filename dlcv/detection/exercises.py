"""What chapter 09 asks: cases, forbidden calls, and the slips that learners really make.

Most slips are one wrong line. They stand beside the right program that they are a line of.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

from dlcv import detection as det
from dlcv.checking import Case, Exercises, Forbidden
from dlcv.checking.probes import gradients
from dlcv.detection import reference

exercises = Exercises("detection")
check = exercises.check

BOXES = Forbidden(
    "a ready-made box operation",
    aten=("nms*", "box_iou*"),
    names=("box_iou", "*_box_iou", "*_box_iou_loss", "nms", "batched_nms", "AnchorGenerator", "BoxCoder", "Matcher",
           "fastrcnn_loss"),
)  # fmt: skip


def some_boxes(draw, count, side=12, largest=9):
    """Boxes on whole pixels, at least one pixel wide and high."""
    corner, size = draw.integers((count, 2), 0, side), draw.integers((count, 2), 1, largest)
    return torch.cat([corner, corner + size], 1)


def boxes_of(*rows):
    return torch.tensor(rows, dtype=torch.float32).reshape(-1, 4)


# ------------------------------------------------------------------------------------------- 1 · IoU

iou = exercises.function(
    "box_iou",
    reference.box_iou,
    title="Intersection over union",
    points=3,
    difficulty=2,
    minutes=12,
    forbidden=(BOXES,),
    hints=(
        "Where does the intersection of two boxes begin, from the left? Where does it end? Compare the two boxes' `x1` "
        "for the one, their `x2` for the other.",
        "`a[:, None, 0]` is a column, `b[None, :, 0]` a row; `torch.maximum` of both is the table of all pairs.",
        "Width and height each become at least 0 with `clamp(min=0)`, before they are multiplied. The union is the sum "
        "of both areas minus the intersection. Where it is 0, the result is 0: `torch.where`.",
    ),
)


@iou.cases
def _(draw):
    square = boxes_of([0, 0, 4, 4])
    yield Case(square, boxes_of([2, 2, 6, 6]), words="two squares of 4 x 4 that share 2 x 2 pixels: 4 / 28")
    yield Case(square, boxes_of([1, 1, 3, 3]), words="a box inside another one")
    yield Case(square, boxes_of([2, 0, 8, 4], [-2, 1, 2, 3], [0, 0, 4, 4]), words="one box with three others")
    yield Case(square, boxes_of([6, 6, 9, 9], [2, 1, 4, 9], [6, 1, 8, 3]), words="some disjoint boxes: IoU 0")
    yield Case(square, boxes_of([4, 0, 8, 4], [4, 4, 6, 6]), smoke=True, words="boxes that only touch: 0")
    yield Case(
        boxes_of([1, 1, 1, 1], [0, 0, 2, 2]),
        boxes_of([1, 1, 1, 1], [0, 1, 2, 2]),
        words="a box without area: 0, not NaN",
        share=2.0,
    )
    yield Case(some_boxes(draw, 2), torch.zeros(0, 4), smoke=True, words="no box in the second list")
    for _ in range(draw.count):
        a, b = (some_boxes(draw, draw.integer(2, 4)) for _ in range(2))
        b = torch.cat([b, a[:1] - 0.25])  # one pair overlaps whatever is drawn
        yield Case(a + 0.5, b + draw.uniform((len(b), 4), 0, 0.5), words="random boxes")


def right_iou(a, b):
    x1 = torch.maximum(a[:, None, 0], b[None, :, 0])
    y1 = torch.maximum(a[:, None, 1], b[None, :, 1])
    x2 = torch.minimum(a[:, None, 2], b[None, :, 2])
    y2 = torch.minimum(a[:, None, 3], b[None, :, 3])
    intersection = (x2 - x1).clamp(min=0) * (y2 - y1).clamp(min=0)
    area_a = (a[:, 2] - a[:, 0]) * (a[:, 3] - a[:, 1])
    area_b = (b[:, 2] - b[:, 0]) * (b[:, 3] - b[:, 1])
    union = area_a[:, None] + area_b[None, :] - intersection
    return torch.where(union > 0, intersection / union, 0.0)


iou.slip_of(
    right_iou,
    "one added to widths",
    "You add 1 to widths and heights. These boxes are pixel borders, not pixel numbers: the width is x2 - x1.",
    ("(x2 - x1).clamp(min=0) * (y2 - y1).clamp(min=0)", "(x2 - x1 + 1).clamp(min=0) * (y2 - y1 + 1).clamp(min=0)"),
    ("(a[:, 2] - a[:, 0]) * (a[:, 3] - a[:, 1])", "(a[:, 2] - a[:, 0] + 1) * (a[:, 3] - a[:, 1] + 1)"),
    ("(b[:, 2] - b[:, 0]) * (b[:, 3] - b[:, 1])", "(b[:, 2] - b[:, 0] + 1) * (b[:, 3] - b[:, 1] + 1)"),
)  # fmt: skip
iou.slip_of(
    right_iou,
    "disjoint boxes overlap",
    "Two boxes that are apart in both directions get a negative width times a negative height, which is positive. Make "
    "each of them at least 0 first.",
    ("(x2 - x1).clamp(min=0) * (y2 - y1).clamp(min=0)", "(x2 - x1) * (y2 - y1)"),
)
iou.slip_of(
    right_iou,
    "clamped after the product",
    "You clamp the area, not its sides. A negative width times a negative height is positive: clamp both before you "
    "multiply.",
    ("(x2 - x1).clamp(min=0) * (y2 - y1).clamp(min=0)", "((x2 - x1) * (y2 - y1)).clamp(min=0)"),
)
iou.slip_of(
    right_iou,
    "intersection counted twice",
    "Your union is the sum of both areas. The intersection is in both of them: take it away once.",
    ("area_b[None, :] - intersection", "area_b[None, :]"),
)
iou.slip_of(
    right_iou,
    "divided by the first area",
    "You divide by the area of the first box: that is the share of it that is covered. Divide by the union.",
    ("torch.where(union > 0, intersection / union, 0.0)", "intersection / area_a[:, None]"),
)
iou.slip_of(
    right_iou,
    "NaN without area",
    "Two boxes without area have a union of 0, and 0 / 0 is NaN. Return 0 there.",
    ("torch.where(union > 0, intersection / union, 0.0)", "intersection / union"),
)


# ------------------------------------------------------------------------------------------ 2 · GIoU

giou = exercises.function(
    "generalized_box_iou",
    reference.generalized_box_iou,
    title="Generalised IoU",
    points=2,
    difficulty=2,
    minutes=10,
    forbidden=(BOXES,),
    allowed=("box_iou",),
    hints=(
        "The smallest box around two boxes starts at the smaller `x1` and ends at the larger `x2`.",
        "You need the union itself, not only the IoU: intersection and areas once more.",
        "`iou - (enclosing - union) / enclosing`; where `enclosing` is 0, nothing is taken away.",
    ),
)


@giou.cases
def _(draw):
    square = boxes_of([0, 0, 4, 4])
    yield Case(square, boxes_of([6, 0, 10, 4]), words="two squares side by side, two pixels apart")
    yield Case(square, boxes_of([2, 2, 6, 6]), words="two squares that overlap: 4 / 28 - 8 / 36")
    yield Case(square, boxes_of([6, 6, 8, 8], [60, 60, 62, 62]), words="a near box and a far one")
    yield Case(
        square, boxes_of([1, 1, 3, 3], [0, 0, 4, 4]), words="a box inside, and the same box: as the IoU"
    )
    yield Case(
        boxes_of([1, 1, 1, 1], [0, 1, 5, 1]), boxes_of([1, 1, 1, 1], [0, 0, 2, 2]),
        words="boxes without area: no NaN", share=2.0,
    )  # fmt: skip
    yield Case(torch.zeros(0, 4), some_boxes(draw, 2), smoke=True, words="no box in the first list")
    for _ in range(draw.count):
        a, b = (some_boxes(draw, draw.integer(2, 4)) for _ in range(2))
        b = torch.cat([b, a[:1] - 0.25])  # one pair overlaps whatever is drawn
        yield Case(a + 0.5, b + draw.uniform((len(b), 4), 0, 0.5), words="random boxes")


def right_giou(a, b):
    x1 = torch.maximum(a[:, None, 0], b[None, :, 0])
    y1 = torch.maximum(a[:, None, 1], b[None, :, 1])
    x2 = torch.minimum(a[:, None, 2], b[None, :, 2])
    y2 = torch.minimum(a[:, None, 3], b[None, :, 3])
    intersection = (x2 - x1).clamp(min=0) * (y2 - y1).clamp(min=0)
    area_a = (a[:, 2] - a[:, 0]) * (a[:, 3] - a[:, 1])
    area_b = (b[:, 2] - b[:, 0]) * (b[:, 3] - b[:, 1])
    union = area_a[:, None] + area_b[None, :] - intersection
    left = torch.minimum(a[:, None, 0], b[None, :, 0])
    top = torch.minimum(a[:, None, 1], b[None, :, 1])
    right = torch.maximum(a[:, None, 2], b[None, :, 2])
    bottom = torch.maximum(a[:, None, 3], b[None, :, 3])
    enclosing = (right - left) * (bottom - top)
    iou = torch.where(union > 0, intersection / union, 0.0)
    empty = torch.where(enclosing > 0, (enclosing - union) / enclosing, 0.0)
    return iou - empty


giou.slip_of(
    right_giou,
    "union for the enclosing box",
    "You take the union for the enclosing area, so nothing is empty and you get the IoU. The enclosing box is the "
    "smallest one around both, with the gap between them.",
    ("(right - left) * (bottom - top)", "union"),
)
giou.slip_of(
    right_giou,
    "empty share of the union",
    "You divide the empty area by the union. It is a share of the enclosing box: divide by that.",
    ("(enclosing - union) / enclosing", "(enclosing - union) / union"),
)
giou.slip_of(
    right_giou,
    "empty share added",
    "You add the empty share. It is a penalty: take it away.",
    ("iou - empty", "iou + empty"),
)
giou.slip_of(
    right_giou,
    "loss instead of overlap",
    "You return 1 - GIoU, the loss. Here the overlap itself is wanted: 1 for equal boxes.",
    ("return iou - empty", "return 1 - (iou - empty)"),
)
giou.slip_of(
    right_giou,
    "disjoint boxes overlap",
    "Two boxes that are apart in both directions get a negative width times a negative height, which is positive. Make "
    "each of them at least 0 first.",
    ("(x2 - x1).clamp(min=0) * (y2 - y1).clamp(min=0)", "(x2 - x1) * (y2 - y1)"),
)
giou.slip_of(
    right_giou,
    "NaN without area",
    "Boxes without area make a union, or an enclosing box, of 0, and 0 / 0 is NaN. Both quotients are 0 there.",
    ("torch.where(union > 0, intersection / union, 0.0)", "intersection / union"),
    ("torch.where(enclosing > 0, (enclosing - union) / enclosing, 0.0)", "(enclosing - union) / enclosing"),
)


# --------------------------------------------------------------------------------------- 3 · anchors

anchors = exercises.function(
    "make_anchors",
    reference.make_anchors,
    title="Anchors",
    points=3,
    difficulty=2,
    minutes=15,
    forbidden=(BOXES,),
    hints=(
        "Four loops: rows of cells, columns of cells, `sizes`, `aspect_ratios`, in this order.",
        "Area and ratio are given: `w * h = size**2` and `h / w = ratio`. Solve for `w` and `h`.",
        "The centre of cell (i, j) is at `x = (j + offset) * stride`, `y = (i + offset) * stride`. The box "
        "reaches half of `w` and half of `h` to each side.",
    ),
)


@anchors.cases
def _(draw):
    yield Case((1, 1), 8, [16], [1], words="one cell, one square: centred on the corner of the image")
    yield Case((1, 1), 8, [8], [0.25, 1, 4], words="three shapes of the same area; ratio is height by width")
    yield Case((1, 3), 8, [4], [1], words="three cells in a row")
    yield Case((3, 2), 16, [8], [1], words="three rows and two columns, row by row")
    yield Case((1, 1), 16, [8, 16], [1, 4], words="two sizes with two ratios each")
    yield Case((2, 2), 8, [8], [1], 0.5, words="offset 0.5: in the middle of the cell")
    yield Case((0, 3), 8, [8], [1], smoke=True, words="a map without cells")
    for _ in range(draw.count):
        sizes = [draw.integer(4, 40) for _ in range(draw.integer(1, 3))]
        ratios = [draw.integer(1, 16) / 4 for _ in range(draw.integer(2, 3))]
        size = (draw.integer(2, 3), draw.integer(3, 4))
        yield Case(
            size, draw.choice((4, 8, 16)), sizes, ratios, draw.choice((0.0, 0.5)), words="random anchors"
        )


def right_anchors(feature_size, stride, sizes, aspect_ratios, offset=0.0):
    height, width = feature_size
    anchors = []
    for i in range(height):
        for j in range(width):
            x, y = (j + offset) * stride, (i + offset) * stride
            for size in sizes:
                for ratio in aspect_ratios:
                    w, h = size / ratio**0.5, size * ratio**0.5
                    anchors.append([x - w / 2, y - h / 2, x + w / 2, y + h / 2])
    return torch.tensor(anchors).reshape(-1, 4)


anchors.slip_of(
    right_anchors,
    "width by height",
    "Your anchors lie where they should stand upright: here the ratio is height divided by width.",
    ("w, h = size / ratio**0.5, size * ratio**0.5", "w, h = size * ratio**0.5, size / ratio**0.5"),
)
anchors.slip_of(
    right_anchors,
    "area not kept",
    "You stretch the height by the whole ratio, so the area changes. Both sides share it: multiply one by the square "
    "root of the ratio, divide the other by it.",
    ("w, h = size / ratio**0.5, size * ratio**0.5", "w, h = size, size * ratio"),
)
anchors.slip_of(
    right_anchors,
    "column by column",
    "You go through the map column by column. The order is row by row, as the network's output is flattened.",
    ("for i in range(height):\n        for j in range(width):",
     "for j in range(width):\n        for i in range(height):"),
)  # fmt: skip
anchors.slip_of(
    right_anchors,
    "ratios before sizes",
    "In each cell you go through ratios first and sizes second. Take a size, and all its ratios, then the next size.",
    (
        "for size in sizes:\n                for ratio in aspect_ratios:",
        "for ratio in aspect_ratios:\n                for size in sizes:",
    ),
)
anchors.slip_of(
    right_anchors,
    "cells instead of pixels",
    "Your centres are cell numbers. Anchors are boxes in the image: multiply by the stride.",
    ("(j + offset) * stride, (i + offset) * stride", "j + offset, i + offset"),
)
anchors.slip_of(
    right_anchors,
    "offset in pixels",
    "You add the offset after the stride, so it is half a pixel. It is a share of a cell: add it before you multiply.",
    ("(j + offset) * stride, (i + offset) * stride", "j * stride + offset, i * stride + offset"),
)
anchors.slip_of(
    right_anchors,
    "sides not halved",
    "Your boxes are twice as wide and high as they should be: half of each side lies on each side of the centre.",
    ("[x - w / 2, y - h / 2, x + w / 2, y + h / 2]", "[x - w, y - h, x + w, y + h]"),
)
anchors.slip_of(
    right_anchors,
    "x and y exchanged",
    "You take x from the row and y from the column. Columns lie side by side: x = j, y = i.",
    ("(j + offset) * stride, (i + offset) * stride", "(i + offset) * stride, (j + offset) * stride"),
)
anchors.slip_of(
    right_anchors,
    "corner at the centre",
    "Your boxes begin where their centre should be. Go half of the width to the left and half of the height up.",
    ("[x - w / 2, y - h / 2, x + w / 2, y + h / 2]", "[x, y, x + w, y + h]"),
)


# ------------------------------------------------------------------------------- 4 · encode, 5 · decode

encode = exercises.function(
    "encode_boxes",
    reference.encode_boxes,
    title="From box to deltas",
    points=2,
    difficulty=2,
    minutes=10,
    forbidden=(BOXES,),
    hints=(
        "First sizes and centres of both: the width `w` is the difference of two corners, the centre `x` lies half of "
        "it further.",
        "How far must the anchor's centre move, in units of the anchor's own width? And what must its width be "
        "multiplied by, as a logarithm?",
    ),
)


@encode.cases
def _(draw):
    anchor = boxes_of([0, 0, 8, 4])
    yield Case(boxes_of([4, 1, 12, 5]), anchor, words="moved by half a width and a quarter of a height")
    yield Case(boxes_of([-4, -2, 12, 6]), anchor, words="twice as large, same centre: log 2")
    yield Case(boxes_of([3, 1, 5, 3]), anchor, words="smaller than its anchor")
    yield Case(boxes_of([4, 0, 8, 8]), anchor, (10.0, 10.0, 5.0, 5.0), words="with weights 10, 10, 5, 5")
    yield Case(torch.zeros(0, 4), torch.zeros(0, 4), smoke=True, words="no boxes")
    for _ in range(draw.count):
        count = draw.integer(2, 4)
        boxes, priors = some_boxes(draw, count), some_boxes(draw, count)
        yield Case(
            boxes, priors, draw.choice(((1.0, 1.0, 1.0, 1.0), (10.0, 10.0, 5.0, 5.0))), words="random boxes"
        )


def right_encode(boxes, anchors, weights=(1, 1, 1, 1)):
    w, h = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    wa, ha = anchors[:, 2] - anchors[:, 0], anchors[:, 3] - anchors[:, 1]
    x, y = boxes[:, 0] + w / 2, boxes[:, 1] + h / 2
    xa, ya = anchors[:, 0] + wa / 2, anchors[:, 1] + ha / 2
    dx, dy = (x - xa) / wa, (y - ya) / ha
    dw, dh = torch.log(w / wa), torch.log(h / ha)
    return torch.stack([dx, dy, dw, dh], 1) * torch.tensor(weights)


encode.slip_of(
    right_encode,
    "not divided by the size",
    "Your moves are pixels. Divide by the anchor's width and height, so that they mean the same for small and large "
    "anchors.",
    ("dx, dy = (x - xa) / wa, (y - ya) / ha", "dx, dy = x - xa, y - ya"),
)
encode.slip_of(
    right_encode,
    "divided by the box's size",
    "You divide by the size of the true box. When you decode, only the anchor is known: divide by its size.",
    ("dx, dy = (x - xa) / wa, (y - ya) / ha", "dx, dy = (x - xa) / w, (y - ya) / h"),
)
encode.slip_of(
    right_encode,
    "corners instead of centres",
    "You compare the upper left corners. The move is from centre to centre, else stretching a box would move it.",
    ("x, y = boxes[:, 0] + w / 2, boxes[:, 1] + h / 2", "x, y = boxes[:, 0], boxes[:, 1]"),
    ("xa, ya = anchors[:, 0] + wa / 2, anchors[:, 1] + ha / 2", "xa, ya = anchors[:, 0], anchors[:, 1]"),
)
encode.slip_of(
    right_encode,
    "no logarithm",
    "Your factors are not logarithms. With log, half and double are equally far from 0, and no factor is negative.",
    ("torch.log(w / wa), torch.log(h / ha)", "w / wa, h / ha"),
)
encode.slip_of(
    right_encode,
    "stretched the other way",
    "Your factors have the wrong sign: you stretch the box to fit the anchor. It is log(box / anchor).",
    ("torch.log(w / wa), torch.log(h / ha)", "torch.log(wa / w), torch.log(ha / h)"),
)
encode.slip_of(
    right_encode,
    "weights forgotten",
    "You do not use `weights`. They multiply the four numbers.",
    (" * torch.tensor(weights)", ""),
)
encode.slip_of(
    right_encode,
    "divided by the weights",
    "You divide by the weights. They make the targets larger: multiply here, divide when you decode.",
    ("* torch.tensor(weights)", "/ torch.tensor(weights)"),
)

decode = exercises.function(
    "decode_boxes",
    reference.decode_boxes,
    title="From deltas to box",
    points=2,
    difficulty=2,
    minutes=10,
    forbidden=(BOXES,),
    hints=(
        "Go back step by step: divide by the weights, move the anchor's centre, stretch its size, then find the "
        "corners.",
        "`dw` and `dh` become at most `clip`, after the weights and before `exp`. Small ones stay.",
    ),
)


@decode.cases
def _(draw):
    def deltas(*rows):
        return torch.tensor(rows, dtype=torch.float32)

    anchor = boxes_of([0, 0, 8, 4])
    yield Case(deltas([0.5, 0.25, 0, 0]), anchor, words="moved by half a width and a quarter of a height")
    yield Case(deltas([0, 0, math.log(2), -math.log(2)]), anchor, words="twice as wide, half as high")
    yield Case(deltas([0, 0, 9.0, 3.0]), anchor, words="dw of 9: clipped at log(1000 / 16)", share=2.0)
    yield Case(deltas([0, 0, -9.0, -5.0]), anchor, words="a very small box: nothing is clipped from below")
    weights = (10.0, 10.0, 5.0, 5.0)
    yield Case(deltas([5.0, -10.0, 5.0, -2.5]), anchor, weights, words="with weights 10, 10, 5, 5")
    yield Case(
        deltas([0, 0, 12.0, 4.0]), anchor, weights, 1.0, words="clip 1 with weights: 12 / 5 is clipped"
    )
    yield Case(torch.zeros(0, 4), torch.zeros(0, 4), smoke=True, words="no boxes")
    for _ in range(draw.count):
        count = draw.integer(2, 4)
        scale = draw.choice(((1.0, 1.0, 1.0, 1.0), weights))
        yield Case(
            draw.normal((count, 4)) * torch.tensor(scale),
            some_boxes(draw, count),
            scale,
            0.75,
            words="random deltas, clip 0.75",
        )


def right_decode(deltas, anchors, weights=(1, 1, 1, 1), clip=4.135166556742356):
    dx, dy, dw, dh = (deltas / torch.tensor(weights)).unbind(1)
    wa, ha = anchors[:, 2] - anchors[:, 0], anchors[:, 3] - anchors[:, 1]
    x, y = anchors[:, 0] + wa / 2 + dx * wa, anchors[:, 1] + ha / 2 + dy * ha
    w, h = wa * dw.clamp(max=clip).exp(), ha * dh.clamp(max=clip).exp()
    return torch.stack([x - w / 2, y - h / 2, x + w / 2, y + h / 2], 1)


decode.slip_of(
    right_decode,
    "moved by pixels",
    "You add dx and dy as pixels. They are in units of the anchor's width and height: multiply first.",
    ("+ dx * wa", "+ dx"),
    ("+ dy * ha", "+ dy"),
)
decode.slip_of(
    right_decode,
    "not clipped",
    "A wild dw of 9 makes a box 8000 times as wide. Clip dw and dh from above before `exp`.",
    ("dw.clamp(max=clip)", "dw"),
    ("dh.clamp(max=clip)", "dh"),
)
decode.slip_of(
    right_decode,
    "clipped from below, too",
    "You clip very small boxes as well. Only growth runs away; `exp` of a negative number is harmless.",
    ("dw.clamp(max=clip)", "dw.clamp(-clip, clip)"),
    ("dh.clamp(max=clip)", "dh.clamp(-clip, clip)"),
)
decode.slip_of(
    right_decode,
    "clipped before the weights",
    "You clip before you divide by the weights, so boxes with weights are clipped far too early.",
    ("deltas / torch", "torch.cat([deltas[:, :2], deltas[:, 2:].clamp(max=clip)], 1) / torch"),
    ("dw.clamp(max=clip)", "dw"),
    ("dh.clamp(max=clip)", "dh"),
)  # fmt: skip
decode.slip_of(
    right_decode,
    "multiplied by the weights",
    "You multiply by the weights. Encoding multiplied; decoding divides.",
    ("deltas / torch.tensor(weights)", "deltas * torch.tensor(weights)"),
)
decode.slip_of(
    right_decode,
    "corner stretched from",
    "You keep the anchor's corner and stretch to the right and down. A box is stretched around its centre.",
    ("torch.stack([x - w / 2, y - h / 2, x + w / 2, y + h / 2], 1)",
     "torch.stack([x - wa / 2, y - ha / 2, x - wa / 2 + w, y - ha / 2 + h], 1)"),
)  # fmt: skip


# -------------------------------------------------------------------------------------- 6 · matching

match = exercises.function(
    "match_anchors",
    reference.match_anchors,
    title="Positive, negative, neutral",
    points=4,
    difficulty=4,
    minutes=20,
    forbidden=(BOXES,),
    hints=(
        "`iou.max(0)` gives for each anchor its largest IoU and whose it is.",
        "Start with the owner everywhere. Where the largest IoU is below `high`, write -2; where it is below `low`, "
        "write -1.",
        "Then row by row: the anchors whose IoU equals the row's maximum get their owner back, if that maximum is "
        "above 0. Their owner is the ground truth that *they* overlap most.",
    ),
)


@match.cases
def _(draw):
    def table(*rows):
        return torch.tensor(rows, dtype=torch.float32)

    def no_rescue(rows, words, share=1.0):
        return Case(table(*rows), 0.75, 0.25, False, words=words, share=share)

    yield no_rescue([[0.875, 0.5, 0.125], [0.25, 0.125, 0.0]], "an anchor of each kind")
    yield no_rescue([[0.75, 0.25, 0.5, 0.125]], "exactly at high: positive; exactly at low: neutral", 2.0)
    yield no_rescue([[0.875, 0.75], [0.75, 1.0], [0.0, 0.5]], "each anchor goes to the one it overlaps most")
    yield no_rescue([[0.875, 0.125], [0.0, 0.5]], "`low_quality` is False: nothing is rescued")
    yield Case(
        table([0.8, 0.1, 0.0], [0.0, 0.2, 0.1]), words="the second one's best anchor has an IoU of 0.2"
    )
    yield Case(table([0.8, 0.1, 0.2], [0.0, 0.6, 0.5]), words="a neutral anchor is rescued")
    yield Case(
        table([0.2, 0.1, 0.2], [0.0, 0.8, 0.0]),
        words="two anchors are equally good: both are rescued",
        share=2.0,
    )
    yield Case(
        table([0.9, 0.0, 0.0], [0.0, 0.0, 0.0]),
        words="nothing touches the second one: nothing is rescued",
        share=2.0,
    )
    yield Case(
        table([0.6, 0.8, 0.2], [0.5, 0.1, 0.0]),
        words="a rescued anchor goes to the one that it overlaps most",
    )
    yield Case(
        table([0.4, 0.0, 0.2], [0.5, 0.6, 0.0]),
        words="who has got an anchor through the other one still makes sure of its own best",
    )
    yield Case(torch.zeros(0, 4), smoke=True, words="no ground truth: all negative")
    for _ in range(draw.count):
        iou = draw.integers((draw.integer(2, 4), draw.integer(6, 9)), 0, 9) / 8
        iou = iou * draw.integers(iou.shape, 0, 2)
        iou[:, 0], iou[0, 1] = 0, 1  # an anchor that touches nothing, and one that fits
        yield Case(iou, 0.75, 0.25, draw.boolean(), words="random IoU in eighths")


def right_match(iou, high=0.7, low=0.3, low_quality=True):
    if len(iou) == 0:
        return torch.full((iou.shape[1],), -1)
    best, owner = iou.max(0)
    matches = owner.clone()
    matches[best < high] = -2
    matches[best < low] = -1
    if low_quality:
        for row in iou:
            if row.max() > 0:
                wanted = row == row.max()
                matches[wanted] = owner[wanted]
    return matches


match.slip_of(
    right_match,
    "low is negative",
    "An IoU of exactly `low` is neutral: negative is what lies below.",
    ("best < low", "best <= low"),
)
match.slip_of(
    right_match,
    "high is neutral",
    "An IoU of exactly `high` is positive: neutral is what lies below.",
    ("best < high", "best <= high"),
)
match.slip_of(
    right_match,
    "rescued anchor by anchor",
    "You give every anchor that overlaps anything to its ground truth. The rule goes the other way: each ground truth "
    "makes sure of *its* best anchor.",
    ("        for row in iou:\n            if row.max() > 0:\n                wanted = row == row.max()\n"
     "                matches[wanted] = owner[wanted]", "        matches[best > 0] = owner[best > 0]"),
)  # fmt: skip
match.slip_of(
    right_match,
    "rescued without overlap",
    "A ground truth that no anchor touches has a best IoU of 0, with all anchors. You make them all positive; rescue "
    "only where the best IoU is above 0.",
    ("if row.max() > 0:", "if True:"),
)
match.slip_of(
    right_match,
    "one rescued",
    "Of several equally good anchors you rescue the first. All that reach the maximum are rescued.",
    ("wanted = row == row.max()", "wanted = row.argmax()[None]"),
)
match.slip_of(
    right_match,
    "rescued for the one who asks",
    "You give a rescued anchor to the ground truth that asked for it. It goes to the one that the anchor overlaps "
    "most, as every anchor does.",
    ("for row in iou:", "for number, row in enumerate(iou):"),
    ("matches[wanted] = owner[wanted]", "matches[wanted] = number"),
)
match.slip_of(
    right_match,
    "nothing rescued",
    "You leave out the last rule. Without it a small object may have no positive anchor, and nobody looks for it.",
    ("if low_quality:", "if False:"),
)
match.slip_of(
    right_match,
    "always rescued",
    "You rescue anchors whatever `low_quality` says. The second stage sets it to False.",
    ("if low_quality:", "if True:"),
)
match.slip_of(
    right_match,
    "only negatives rescued",
    "You rescue negative anchors only. A neutral one that is a ground truth's best becomes positive, too.",
    ("wanted = row == row.max()", "wanted = (row == row.max()) & (matches == -1)"),
)
match.slip_of(
    right_match,
    "rescued from low on",
    "You rescue only where the best IoU is at least `low`. The rule is there for small objects: any IoU above 0 is "
    "enough.",
    ("if row.max() > 0:", "if row.max() >= low:"),
)
match.slip_of(
    right_match,
    "served already",
    "You leave out a ground truth that has got some anchor already. Each makes sure of its own best ones.",
    ("for row in iou:", "for number, row in enumerate(iou):"),
    ("if row.max() > 0:", "if row.max() > 0 and not (matches == number).any():"),
)
match.slip_of(
    right_match,
    "neutral is negative",
    "You call anchors between the thresholds negative. Nobody should be asked about them: they are -2.",
    ("matches[best < high] = -2", "matches[best < high] = -1"),
)


# ------------------------------------------------------------------------------------------- 7 · NMS

suppress = exercises.function(
    "nms",
    reference.nms,
    title="Non-maximum suppression",
    points=3,
    difficulty=3,
    minutes=15,
    forbidden=(BOXES,),
    allowed=("box_iou",),
    hints=(
        "Sort once: `scores.argsort(descending=True, stable=True)`. Take the first, keep it, drop some of the others, "
        "and begin again with what is left.",
        "`box_iou` of the kept box with those that wait is one row of numbers. Boxes stay where it is not above the "
        "threshold.",
        "A box that was dropped drops nobody: compare with kept boxes only.",
    ),
)


@suppress.cases
def _(draw):
    heap = boxes_of([0, 0, 8, 8], [0, 0, 8, 6], [20, 20, 24, 24])
    yield Case(heap, torch.tensor([0.8, 0.9, 0.7]), 0.5, words="two boxes on one object, one elsewhere")
    yield Case(
        boxes_of([0, 0, 8, 8], [0, 0, 8, 4], [0, 0, 8, 2]), torch.tensor([0.6, 0.9, 0.8]), 0.5,
        words="IoU exactly at the threshold: both stay", share=2.0,
    )  # fmt: skip
    chain = boxes_of([0, 0, 8, 8], [3, 0, 11, 8], [6, 0, 14, 8], [9, 0, 17, 8])
    yield Case(chain, torch.tensor([0.9, 0.8, 0.7, 0.6]), 0.3, words="a chain: a dropped box drops nobody")
    yield Case(chain, torch.tensor([0.6, 0.9, 0.7, 0.8]), 0.3, words="a chain whose best box is inside")
    far = boxes_of([40, 0, 44, 4], [20, 0, 24, 4], [0, 0, 4, 4])
    yield Case(far, torch.tensor([0.5, 0.9, 0.7]), 0.5, words="three boxes apart: best score first")
    yield Case(far, torch.tensor([0.5, 0.5, 0.9]), 0.5, words="equal scores: the earlier one first")
    twice = boxes_of([0, 0, 8, 8], [30, 0, 38, 8], [0, 0, 8, 8])
    yield Case(twice, torch.tensor([0.5, 0.7, 0.5]), 0.5, words="the same box and score twice")
    yield Case(torch.zeros(0, 4), torch.zeros(0), 0.5, smoke=True, words="no boxes")
    for _ in range(draw.count):
        count = draw.integer(8, 12)
        scores = draw.permutation(count) / count
        yield Case(
            some_boxes(draw, count, side=5) + draw.uniform((count, 4), 0, 0.4), scores, draw.choice((0.2, 0.4)),
            words="random boxes",
        )  # fmt: skip


def right_nms(boxes, scores, iou_threshold):
    waiting = scores.argsort(descending=True, stable=True)
    kept = []
    while len(waiting) > 0:
        best, waiting = waiting[0], waiting[1:]
        kept.append(best)
        iou = det.box_iou(boxes[best][None], boxes[waiting])[0]
        waiting = waiting[iou <= iou_threshold]
    return torch.tensor(kept, dtype=torch.int64)


suppress.slip_of(
    right_nms,
    "dropped at the threshold",
    "You drop a box whose IoU is exactly the threshold. It is dropped where the IoU is above.",
    ("iou <= iou_threshold", "iou < iou_threshold"),
)
suppress.slip_of(
    right_nms,
    "worst first",
    "You begin with the lowest score, so the worst box of each heap stays. Sort descending.",
    ("descending=True, ", ""),
)
suppress.slip_of(
    right_nms,
    "later one of equals",
    "Of equal scores you take the later one. Sort stably: `argsort(descending=True, stable=True)`.",
    ("scores.argsort(descending=True, stable=True)", "scores.argsort(stable=True).flip(0)"),
)
suppress.slip_of(
    right_nms,
    "places in order",
    "You return the places in the order of the boxes. The best score comes first.",
    (
        "torch.tensor(kept, dtype=torch.int64)",
        "torch.tensor(sorted(int(k) for k in kept), dtype=torch.int64)",
    ),
)
suppress.slip_of(
    right_nms,
    "places in the sorted list",
    "Your places count in the list sorted by score. Wanted are places in `boxes`: look them up in the order.",
    ("waiting = scores.argsort(descending=True, stable=True)",
     "order = scores.argsort(descending=True, stable=True)\n"
     "    boxes, waiting = boxes[order], torch.arange(len(order))"),
)  # fmt: skip
suppress.slip_of(
    right_nms,
    "wrong side kept",
    "You keep what overlaps and drop what does not. Boxes stay where the IoU is not above the threshold.",
    ("iou <= iou_threshold", "iou > iou_threshold"),
)


@suppress.slip(
    "dropped boxes drop others",
    "You compare each box with every better one, also with those that were dropped. A dropped box is gone: it drops "
    "nobody.",
)
def _(boxes, scores, iou_threshold):
    order = scores.argsort(descending=True, stable=True)
    over = (det.box_iou(boxes[order], boxes[order]) > iou_threshold).triu(1)
    return order[~over.any(0)]


# -------------------------------------------------------------------------------------- 8 · RPN loss


def losses_with_gradients(answer, objectness, deltas, labels, targets):
    """Probe: both losses, and what their sum sends back to the network's two outputs."""
    objectness.requires_grad_(True)
    deltas.requires_grad_(True)
    losses = answer(objectness, deltas, labels, targets)
    if not (isinstance(losses, (tuple, list)) and all(isinstance(loss, torch.Tensor) for loss in losses)):
        raise TypeError("two tensors are wanted, through which gradients flow back; numbers have none")
    return {"losses": losses, "gradients": gradients(list(losses), [objectness, deltas])}


loss = exercises.function(
    "rpn_loss",
    reference.rpn_loss,
    title="The two losses of the region proposal network",
    points=3,
    difficulty=3,
    minutes=15,
    hints=(
        "Two masks: `labels >= 0` for the objectness, `labels == 1` for the boxes.",
        "`F.binary_cross_entropy_with_logits` and `F.smooth_l1_loss` both take `reduction='sum'`; the latter also "
        "takes `beta`.",
        "Divide both sums by the number of anchors that were drawn, and by 1 if there were none.",
    ),
)


@loss.cases
def _(draw):
    def case(labels, words, spread=1.0, **options):
        count = len(labels)
        return Case(
            draw.normal((count,)),
            spread * draw.normal((count, 4)),
            torch.tensor(labels, dtype=torch.float32),
            spread * draw.normal((count, 4)),
            words=words,
            **options,
        )

    yield case([1, 0], "one positive, one negative")
    yield case([1, 0, 0, 0, 1], "more negatives than positives: both sums by five")
    yield case([1, -1, 0, -1, -1, 0], "anchors that were not drawn count nowhere")
    yield case([0, 0, -1], "no positives: the box loss is 0")
    yield case([1, 0, 1], "small errors: smooth L1 is a parabola up to 1/9", spread=0.04)
    yield case([-1, -1], "nothing was drawn: both are 0, not NaN", smoke=True)
    yield case([1, 0, -1, 0, 1], "gradients to the network's outputs", probe=losses_with_gradients)
    for _ in range(draw.count):
        labels = (draw.integers((draw.integer(6, 9),), -1, 2)).tolist()
        yield case([1, 0, 0, *labels], "random labels", spread=draw.choice((0.05, 1.0)))


def right_loss(objectness, deltas, labels, targets):
    drawn, positive = labels >= 0, labels == 1
    count = max(int(drawn.sum()), 1)
    objectness_loss = F.binary_cross_entropy_with_logits(objectness[drawn], labels[drawn], reduction="sum")
    box_loss = F.smooth_l1_loss(deltas[positive], targets[positive], beta=1 / 9, reduction="sum")
    return objectness_loss / count, box_loss / count  # fmt: skip


loss.slip_of(
    right_loss,
    "box loss by positives",
    "You divide the box loss by the number of positives. Divide by all that were drawn, so that an image with many "
    "objects weighs more.",
    ("box_loss / count", "box_loss / max(int(positive.sum()), 1)"),
)
loss.slip_of(
    right_loss,
    "neutral ones counted",
    "You ask about every anchor and take those labelled -1 for background. They were not drawn: leave them out.",
    ("drawn, positive = labels >= 0, labels == 1", "drawn, positive = labels >= -1, labels == 1"),
    ("labels[drawn], reduction", "labels[drawn].clamp(min=0), reduction"),
)
loss.slip_of(
    right_loss,
    "boxes of negatives",
    "You correct the boxes of negatives, too. There is no box that they should become: only positives count.",
    ("labels >= 0, labels == 1", "labels >= 0, labels >= 0"),
)
loss.slip_of(
    right_loss,
    "beta of 1",
    "Your smooth L1 is a parabola up to 1. Here it turns into a line at 1/9: `beta=1 / 9`.",
    ("beta=1 / 9", "beta=1.0"),
)
loss.slip_of(
    right_loss,
    "divided by four more",
    "You take the mean over the four numbers of a box. They are summed; only the number of samples divides.",
    ("box_loss / count", "box_loss / count / 4"),
)
loss.slip_of(
    right_loss,
    "divided by all anchors",
    "You divide by all anchors, also by those that were not drawn. Divide by the number of those that were.",
    ("count = max(int(drawn.sum()), 1)", "count = len(labels)"),
)
loss.slip_of(
    right_loss,
    "sums",
    "You return sums. Divide both by the number of anchors that were drawn.",
    ("objectness_loss / count, box_loss / count", "objectness_loss, box_loss"),
)


# ------------------------------------------------------------------------------- 9 · training targets

targets = exercises.function(
    "box_head_targets",
    reference.box_head_targets,
    title="Training targets of the second stage",
    points=4,
    difficulty=4,
    minutes=20,
    forbidden=(BOXES,),
    allowed=("box_iou", "match_anchors", "encode_boxes"),
    hints=(
        "Three steps: join the boxes to the proposals, match them, write down what each is to learn.",
        "`match_anchors` with `iou_threshold` for both thresholds and with `low_quality=False` gives the number of a "
        "ground truth, or -1.",
        "`labels[matches[positive]]` and `encode_boxes(boxes[matches[positive]], rois[positive], weights)` fill the "
        "rows of positives; all other rows stay 0.",
    ),
)


@targets.cases
def _(draw):
    def classes(*numbers):
        return torch.tensor(numbers, dtype=torch.int64)

    one = boxes_of([0, 0, 8, 8])
    yield Case(
        boxes_of([0, 0, 8, 6], [20, 20, 30, 30]), one, classes(3), words="one proposal fits, one does not"
    )
    yield Case(boxes_of([0, 0, 8, 4], [0, 0, 8, 3]), one, classes(2), words="IoU exactly 0.5: an object")
    two = boxes_of([0, 0, 8, 8], [6, 0, 14, 8])
    yield Case(boxes_of([5, 0, 13, 8], [1, 0, 8, 8]), two, classes(4, 1), words="two objects side by side")
    yield Case(boxes_of([4, 4, 12, 12]), one, classes(5), words="nothing fits: only the true box itself")
    yield Case(
        some_boxes(draw, 3), torch.zeros(0, 4), classes(), smoke=True, words="nothing there: background"
    )
    yield Case(torch.zeros(0, 4), two, classes(2, 6), words="no proposals: the true boxes are there")
    yield Case(boxes_of([1, 1, 8, 9]), one, classes(1), 0.5, (1.0, 1.0, 1.0, 1.0), words="weights of 1")
    for _ in range(draw.count):
        boxes = some_boxes(draw, 3, side=20)
        proposals = boxes.repeat(2, 1) + draw.integers((6, 4), -1, 2) * 0.75
        proposals[:, 2:] = torch.maximum(proposals[:, 2:], proposals[:, :2] + 0.5)
        labels = draw.integers((3,), 1, 7, dtype=torch.int64)
        yield Case(proposals, boxes, labels, draw.choice((0.5, 0.6)), words="random boxes")


def right_targets(proposals, boxes, labels, iou_threshold=0.5, weights=(10, 10, 5, 5)):
    rois = torch.cat([proposals, boxes])
    iou = det.box_iou(boxes, rois)
    matches = det.match_anchors(iou, iou_threshold, iou_threshold, low_quality=False)
    positive = matches >= 0
    owner = matches[positive]
    classes = torch.zeros(len(rois), dtype=torch.int64)
    classes[positive] = labels[owner]
    targets = torch.zeros(len(rois), 4)
    targets[positive] = det.encode_boxes(boxes[owner], rois[positive], weights)
    return rois, classes, targets, matches


targets.slip_of(
    right_targets,
    "true boxes left out",
    "You leave the true boxes out of the RoIs. In the first steps no proposal fits: without them there is nothing to "
    "learn classes from.",
    ("torch.cat([proposals, boxes])", "proposals.clone()"),
)
targets.slip_of(
    right_targets,
    "best proposal rescued",
    "You let each object make sure of its best proposals. That is for the first stage; here a box that hardly overlaps "
    "is background: `low_quality=False`.",
    ("det.box_iou(boxes, rois)", "det.box_iou(boxes, proposals)"),
    ("det.match_anchors(iou, iou_threshold, iou_threshold, low_quality=False)",
     "torch.cat([det.match_anchors(iou, iou_threshold, iou_threshold), torch.arange(len(boxes))])"),
)  # fmt: skip
targets.slip_of(
    right_targets,
    "neutral left",
    "You leave the lower threshold at its default, so some RoIs are neutral, -2. The second stage knows none: the same "
    "`iou_threshold` for both.",
    ("iou_threshold, iou_threshold, low_quality=False", "iou_threshold, low_quality=False"),
)
targets.slip_of(
    right_targets,
    "place instead of class",
    "You write down which object it is, not its class. Look the class up: `labels[matches]`.",
    ("classes[positive] = labels[owner]", "classes[positive] = owner"),
)
targets.slip_of(
    right_targets,
    "classes counted from background",
    "You add 1 to the classes. They start at 1 already; 0 is left for background.",
    ("labels[owner]", "labels[owner] + 1"),
)
targets.slip_of(
    right_targets,
    "encoded the other way",
    "You encode the proposal as seen from the true box. The proposal is what will be moved: it stands in the anchor's "
    "place.",
    ("det.encode_boxes(boxes[owner], rois[positive], weights)",
     "det.encode_boxes(rois[positive], boxes[owner], weights)"),
)  # fmt: skip
targets.slip_of(
    right_targets,
    "weights forgotten",
    "You encode without the weights. These targets are small: 10, 10, 5, 5 bring them to the size of the others.",
    ("rois[positive], weights)", "rois[positive])"),
)
targets.slip_of(
    right_targets,
    "background has a class",
    "You give background the class of the last object: index -1 counts from the end. Write only where the match is not "
    "negative.",
    ("classes[positive] = labels[owner]", "classes = labels[matches] if len(labels) else classes"),
)
