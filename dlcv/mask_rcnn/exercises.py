"""What chapter 10 asks: cases, forbidden calls, and the slips that learners really make.

Most slips are one wrong line. They stand beside the right program that they are a line of.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from dlcv import mask_rcnn as mr
from dlcv import roi_align as ra
from dlcv.checking import Case, Exercises, Forbidden, ModuleCase
from dlcv.mask_rcnn import heads, reference

exercises = Exercises("mask_rcnn")
check = exercises.check

PASTING = Forbidden("ready-made pasting of masks", names=("paste_mask*", "_do_paste_mask*"))
KEYPOINTS = Forbidden(
    "ready-made keypoint heat maps", names=("keypoint*", "keypoints_to_heatmap", "keypointrcnn_*")
)
TIE = 2e-3
"""No number that a case compares with a threshold comes nearer to it than this, unless it is meant to be equal."""


def boxes_of(*rows):
    return torch.tensor(rows, dtype=torch.float32).reshape(-1, 4)


def whole(*numbers):
    return torch.tensor(numbers, dtype=torch.int64)


def blob(draw, count, height, width):
    """Masks with a ragged rectangle each: never empty, never full."""
    masks = torch.zeros(count, height, width, dtype=torch.bool)
    for mask in masks:
        y, x = draw.integer(0, height // 3), draw.integer(0, width // 3)
        mask[y : y + height // 2, x : x + width // 2] = True
    return masks ^ (draw.uniform(tuple(masks.shape)) < 0.12)


# -------------------------------------------------------------------------------------- 1 · mask head

head = exercises.module(
    "MaskHead",
    heads.MaskHead,
    title="The mask head",
    points=3,
    difficulty=2,
    minutes=15,
    limit=10.0,
    hints=(
        "Three parts: some convolutions that keep 14 x 14, one transposed convolution that makes 28 x 28 of it, and a "
        "1 x 1 convolution that says K numbers at each cell.",
        "The first convolution goes from `in_channels` to `hidden`, the others from `hidden` to `hidden`; each has a "
        "`padding` of 1 and a `ReLU` behind it. Collect them in a list, then `nn.Sequential`.",
        "`nn.ConvTranspose2d(hidden, hidden, 2, stride=2)`, a ReLU, then `nn.Conv2d(hidden, num_classes, 1)` with "
        "nothing behind it: the loss wants logits.",
    ),
)


@head.cases
def _(draw):
    def case(in_channels, num_classes, hidden, layers, bins=4, rois=2, words="", **options):
        return ModuleCase(
            in_channels, num_classes, hidden=hidden, layers=layers,
            inputs=[draw.normal((rois, in_channels, bins, bins))], words=words, **options,
        )  # fmt: skip

    yield case(3, 5, 4, 4, words="four convolutions, five classes, windows of 4 x 4")
    yield case(3, 2, 4, 1, words="one convolution only")
    yield case(4, 1, 4, 2, words="one class: one channel, and none for background")
    yield case(2, 3, 5, 3, bins=14, rois=1, words="a window of 14 x 14: masks of 28 x 28")
    for _ in range(max(1, draw.count // 2)):
        yield case(
            draw.integer(1, 4), draw.integer(2, 6), draw.integer(2, 5), draw.integer(2, 4), draw.integer(2, 6),
            words="a random head",
        )  # fmt: skip


class RightMaskHead(nn.Module):
    def __init__(self, in_channels, num_classes, hidden=256, layers=4):
        super().__init__()
        steps = []
        for number in range(layers):
            steps.append(nn.Conv2d(in_channels if number == 0 else hidden, hidden, 3, padding=1))
            steps.append(nn.ReLU())
        self.convolutions = nn.Sequential(*steps)
        self.up = nn.ConvTranspose2d(hidden, hidden, 2, stride=2)
        self.logits = nn.Conv2d(hidden, num_classes, 1)

    def forward(self, features):
        x = self.convolutions(features)
        x = torch.relu(self.up(x))
        return self.logits(x)


head.slip_of(
    RightMaskHead,
    "a channel for background",
    "You make one channel more than there are classes. Only boxes with an object have a mask: there is no mask of "
    "background.",
    ("nn.Conv2d(hidden, num_classes, 1)", "nn.Conv2d(hidden, num_classes + 1, 1)"),
)
head.slip_of(
    RightMaskHead,
    "one mask for all classes",
    "You make one mask a box. Here each class has a mask of its own, and the box head says which one counts.",
    ("nn.Conv2d(hidden, num_classes, 1)", "nn.Conv2d(hidden, 1, 1)"),
)
head.slip_of(
    RightMaskHead,
    "no ReLU after doubling",
    "Nothing stands between the transposed convolution and the last one, so both together are a single linear step. "
    "Put a ReLU between them.",
    ("torch.relu(self.up(x))", "self.up(x)"),
)
head.slip_of(
    RightMaskHead,
    "a ReLU on the logits",
    "You cut the logits off at zero, so no cell can be less likely than a half. No ReLU belongs behind the last layer.",
    ("return self.logits(x)", "return torch.relu(self.logits(x))"),
)
head.slip_of(
    RightMaskHead,
    "probabilities",
    "You return probabilities. The loss, and `select_masks`, apply the sigmoid themselves: return logits.",
    ("return self.logits(x)", "return self.logits(x).sigmoid()"),
)
head.slip_of(
    RightMaskHead,
    "one layer too few",
    "You make one 3 x 3 convolution too few: there are to be `layers` of them before the transposed one.",
    ("for number in range(layers):", "for number in range(max(layers - 1, 1)):"),
)
head.slip_of(
    RightMaskHead,
    "filters that overlap",
    "Your transposed convolution has a filter of 4 x 4, whose copies overlap. In Mask R-CNN it is 2 x 2 with stride 2: "
    "each cell becomes four.",
    ("nn.ConvTranspose2d(hidden, hidden, 2, stride=2)", "nn.ConvTranspose2d(hidden, hidden, 4, stride=2, padding=1)"),
)  # fmt: skip


# ----------------------------------------------------------------------------------- 2 · mask targets

targets = exercises.function(
    "mask_targets",
    reference.mask_targets,
    title="What a box's mask should be",
    points=3,
    difficulty=3,
    minutes=15,
    allowed=("dlcv.roi_align.roi_align",),
    hints=(
        "RoI Align reads feature maps. A mask is a feature map with one channel: what are the RoIs, and which map is "
        "each of them to be read from?",
        "`masks[:, None].float()` are G maps of one channel. A RoI is (number of the map, x1, y1, x2, y2): put "
        "`matched` in front of the boxes with `torch.cat`.",
        "`ra.roi_align(..., size, aligned=True)` without a sampling ratio takes as many samples as a cell has pixels. "
        "Then compare with 0.5; a half is enough.",
    ),
)


def near_a_half(masks, boxes, matched, size):
    """Would rounding decide whether some cell is on?"""
    rois = torch.cat([matched[:, None].double(), boxes.double()], 1)
    shares = ra.roi_align(masks[:, None].double(), rois, size, aligned=True)
    return bool(((shares - 0.5).abs() < TIE).any())


@targets.cases
def _(draw):
    def case(count, size, rois, words, share=1.0):
        for _ in range(200):
            masks = blob(draw, count, 10, 12)
            corner = draw.integers((rois, 2), 0, 20) / 4 + draw.uniform((rois, 2), 0, 0.2)
            boxes = torch.cat([corner, corner + draw.uniform((rois, 2), 4, 7)], 1)
            matched = draw.integers((rois,), 0, count, torch.int64)
            matched[0] = count - 1
            if not near_a_half(masks, boxes, matched, size):
                break
        return Case(masks, boxes, matched, size, words=words, share=share)

    left = torch.zeros(1, 8, 8, dtype=torch.bool)
    left[:, :, :4] = True
    yield Case(
        left,
        boxes_of([0, 0, 8, 8], [2, 2, 6, 6]),
        whole(0, 0),
        4,
        words="the left half of the image is object",
    )
    stripes = torch.zeros(1, 8, 8, dtype=torch.bool)
    stripes[:, ::2] = True
    stripes[:, 4:] = False
    yield Case(
        stripes,
        boxes_of([0, 0, 8, 8]),
        whole(0),
        4,
        words="stripes: exactly half of a cell is object",
        share=2.0,
    )
    thin = torch.zeros(1, 16, 16, dtype=torch.bool)
    thin[0, 3:5] = True
    thin[0, 9:16, 6:16] = True
    yield Case(
        thin,
        boxes_of([0, 0, 16, 16]),
        whole(0),
        4,
        words="cells of 4 x 4 pixels: a line that misses their middle",
    )
    yield case(1, 3, 2, "one object, boxes between the pixels")
    yield case(3, 4, 3, "three objects: each box reads the mask that it found")
    inside = torch.ones(2, 6, 6, dtype=torch.bool)
    inside[1, 2:] = False
    yield Case(
        inside,
        boxes_of([-4, 0, 4, 8], [2, -2, 10, 6]),
        whole(0, 1),
        4,
        words="boxes that reach beyond the image",
    )
    yield Case(blob(draw, 2, 6, 6), torch.zeros(0, 4), whole(), 5, smoke=True, words="no boxes")
    for _ in range(draw.count):
        yield case(draw.integer(2, 3), draw.integer(3, 6), draw.integer(2, 3), "random masks and boxes")


def right_targets(masks, boxes, matched, size):
    rois = torch.cat([matched[:, None].float(), boxes], 1)
    shares = ra.roi_align(masks[:, None].float(), rois, size, aligned=True)
    return shares[:, 0] >= 0.5


targets.slip_of(
    right_targets,
    "not aligned",
    "You read without `aligned=True`, so each mask is shifted by half a pixel against its box.",
    (", aligned=True", ""),
)
targets.slip_of(
    right_targets,
    "boxes rounded",
    "You round the boxes to whole pixels first, as RoI Pool does. The target must show what the features show: keep "
    "the box as it is.",
    ("boxes], 1)", "boxes.round()], 1)"),
)
targets.slip_of(
    right_targets,
    "more than half",
    "A cell of which exactly half is object is on: `>=`.",
    (">= 0.5", "> 0.5"),
)
targets.slip_of(
    right_targets,
    "one sample a cell",
    "You read one point a cell. A cell is larger than a pixel here, and what lies beside its middle is missed: leave "
    "the sampling ratio out, then there is a sample for each pixel.",
    (", aligned=True", ", sampling_ratio=1, aligned=True"),
)
targets.slip_of(
    right_targets,
    "shares instead of on and off",
    "You return how much of each cell is object. A target is on or off: compare with a half.",
    ("shares[:, 0] >= 0.5", "shares[:, 0]"),
)
targets.slip_of(
    right_targets,
    "always the first mask",
    "All of your boxes read the first mask. Each has found an object of its own: `matched` says which.",
    ("matched[:, None].float()", "torch.zeros(len(boxes), 1)"),
)
targets.slip_of(
    right_targets,
    "x and y exchanged",
    "You put y before x in the boxes. They come as x1, y1, x2, y2, and RoI Align wants them so.",
    ("boxes], 1)", "boxes[:, [1, 0, 3, 2]]], 1)"),
)


@targets.slip(
    "the whole mask",
    "You shrink the mask of the whole image. The head sees only what is in the box: read the mask through the box.",
)
def _(masks, boxes, matched, size):
    small = F.interpolate(masks[matched][:, None].float(), (size, size), mode="bilinear", antialias=True)
    return small[:, 0] >= 0.5


# -------------------------------------------------------------------------------------- 3 · mask loss

loss = exercises.function(
    "mask_loss",
    reference.mask_loss,
    title="A loss on one channel",
    points=3,
    difficulty=2,
    minutes=12,
    hints=(
        "Pick one channel of each box first: of box 0 channel `labels[0]`, of box 1 channel `labels[1]`.",
        "`logits[torch.arange(len(labels)), labels]` does that; then `F.binary_cross_entropy_with_logits`.",
        "With `reduction='sum'` a batch without boxes gives 0. Divide by the number of cells, at least 1.",
    ),
)


@loss.cases
def _(draw):
    def case(rois, classes, side, words, labels=None, **options):
        labels = draw.integers((rois,), 0, classes, torch.int64) if labels is None else whole(*labels)
        return Case(
            2 * draw.normal((rois, classes, side, side)), labels, draw.uniform((rois, side, side)) < 0.5, words=words,
            **options,
        )  # fmt: skip

    yield case(1, 3, 2, "one box of class 1", labels=[1])
    yield case(2, 4, 3, "two boxes of two classes", labels=[3, 0])
    yield case(3, 3, 2, "three boxes of one class", labels=[2, 2, 2])
    yield case(3, 5, 2, "gradients: none for other channels", gradient=True, share=2.0)
    yield case(0, 3, 4, "no box: 0 with a gradient, not NaN", labels=[], gradient=True, smoke=True, share=2.0)
    for _ in range(draw.count):
        yield case(draw.integer(2, 4), draw.integer(2, 5), draw.integer(2, 4), "random masks")


def right_loss(logits, labels, targets):
    chosen = logits[torch.arange(len(labels)), labels]
    total = F.binary_cross_entropy_with_logits(chosen, targets.float(), reduction="sum")
    return total / max(chosen.numel(), 1)


loss.slip_of(
    right_loss,
    "softmax over classes",
    "You let the classes compete at each cell. Which class it is the box head says; a mask is right or wrong by "
    "itself: a sigmoid on its own channel.",
    ("chosen = logits[", "chosen = logits.softmax(1)["),
    ("F.binary_cross_entropy_with_logits", "F.binary_cross_entropy"),
)
loss.slip_of(
    right_loss,
    "all channels learn the mask",
    "You ask every channel for this object's mask. Only the channel of the true class is asked; the others get no "
    "gradient.",
    ("logits[torch.arange(len(labels)), labels]", "logits"),
    ("targets.float()", "targets[:, None].float().expand_as(logits)"),
)
loss.slip_of(
    right_loss,
    "other channels learn to be empty",
    "You ask the channels of other classes for an empty mask. They are not asked at all: pick the true class's channel "
    "first.",
    ("chosen = logits[torch.arange(len(labels)), labels]",
     "chosen, here = logits, F.one_hot(labels, logits.shape[1])[:, :, None, None]"),
    ("targets.float()", "targets[:, None].float() * here"),
)  # fmt: skip
loss.slip_of(
    right_loss,
    "divided by all channels",
    "You pick the right channel and divide by the cells of all of them. Divide by the cells that were asked.",
    ("max(chosen.numel(), 1)", "max(logits.numel(), 1)"),
)
loss.slip_of(
    right_loss,
    "labels counted from 1",
    "You take 1 away from the labels. Here a label is already the number of its channel.",
    ("len(labels)), labels]", "len(labels)), labels - 1]"),
)
loss.slip_of(
    right_loss,
    "sigmoid twice",
    "You apply a sigmoid, and `binary_cross_entropy_with_logits` another one. It takes logits.",
    ("with_logits(chosen,", "with_logits(chosen.sigmoid(),"),
)
loss.slip_of(
    right_loss,
    "a sum",
    "You return the sum over cells. It is the mean over boxes and cells.",
    ("total / max(chosen.numel(), 1)", "total"),
)
loss.slip_of(
    right_loss,
    "NaN without boxes",
    "A batch without any object has nothing to divide by: 0 / 0 is NaN, and one NaN spoils all weights. Divide by at "
    "least 1.",
    ("max(chosen.numel(), 1)", "chosen.numel()"),
)


# --------------------------------------------------------------------------------- 4 · which mask to show

select = exercises.function(
    "select_masks",
    reference.select_masks,
    title="Which of the K masks",
    points=2,
    difficulty=1,
    minutes=6,
    hints=(
        "The box head has chosen a class. Which channel is that of box 0, of box 1?",
        "`logits[torch.arange(len(labels)), labels]`, then `sigmoid`.",
    ),
)


@select.cases
def _(draw):
    def case(rois, classes, side, words, labels=None, **options):
        labels = draw.integers((rois,), 0, classes, torch.int64) if labels is None else whole(*labels)
        return Case(2 * draw.normal((rois, classes, side, side)), labels, words=words, **options)

    yield case(1, 3, 2, "one box of class 1", labels=[1])
    yield case(3, 4, 3, "three boxes of three classes", labels=[3, 0, 2])
    loud = draw.normal((2, 3, 2, 2))
    loud[:, 2] += 9
    yield Case(loud, whole(0, 1), words="the mask of another class is louder: it does not matter", share=2.0)
    yield case(0, 3, 4, "no box", labels=[], smoke=True)
    for _ in range(draw.count):
        yield case(draw.integer(2, 4), draw.integer(2, 5), draw.integer(2, 4), "random masks")


def right_select(logits, labels):
    chosen = logits[torch.arange(len(labels)), labels]
    return chosen.sigmoid()


select.slip_of(
    right_select,
    "the loudest mask",
    "You take, at each cell, whichever class is loudest. The box head has decided already: show the mask of its class.",
    ("logits[torch.arange(len(labels)), labels]", "logits.amax(1)"),
)
select.slip_of(
    right_select,
    "softmax over classes",
    "You let the classes compete at each cell. The masks were trained with a sigmoid each, so read them with one.",
    ("logits[torch.arange(len(labels)), labels]", "logits.softmax(1)[torch.arange(len(labels)), labels]"),
    ("chosen.sigmoid()", "chosen"),
)
select.slip_of(
    right_select,
    "logits",
    "You return logits. Wanted are probabilities: a sigmoid.",
    ("chosen.sigmoid()", "chosen"),
)
select.slip_of(
    right_select,
    "every box with every label",
    "`logits[:, labels]` takes the channels of all labels from every box. Box 0 has label 0, box 1 label 1: index the "
    "rows, too, with `torch.arange`.",
    ("logits[torch.arange(len(labels)), labels]", "logits[:, labels]"),
)
select.slip_of(
    right_select,
    "on and off",
    "You return on and off. Wanted are probabilities; pasting comes first, and only then the threshold.",
    ("chosen.sigmoid()", "(chosen.sigmoid() >= 0.5).float()"),
)


# ------------------------------------------------------------------------------------------ 5 · paste

paste = exercises.function(
    "paste_masks",
    reference.paste_masks,
    title="Paste",
    points=4,
    difficulty=4,
    minutes=25,
    forbidden=(PASTING,),
    hints=(
        "Do not resize the small mask; ask it. For each pixel of the image: where in the box does its centre lie?",
        "`F.grid_sample` counts from -1 at the first border to 1 at the last one, so take `x1` away from the centre, "
        "divide by `x2 - x1`, double, and take 1 away. It wants (x, y) in the last axis. Make x for all columns, y for "
        "all rows, then `torch.meshgrid` or `torch.broadcast_tensors`.",
        "With `align_corners=False` the borders of the window are -1 and 1, and what lies outside is 0. Boxes without "
        "area would divide by 0: leave them out. At the end, `threshold` None leaves probabilities.",
    ),
)


def near_the_threshold(masks, boxes, image_size, threshold):
    pasted = reference.paste_masks(masks.double(), boxes.double(), image_size, None)
    return threshold is not None and bool(((pasted - threshold).abs() < TIE).any())


@paste.cases
def _(draw):
    def case(rois, side, image_size, threshold, words, share=1.0):
        for _ in range(200):
            corner = draw.uniform((rois, 2), -2, 3)
            boxes = torch.cat([corner, corner + draw.uniform((rois, 2), 3, 7)], 1)
            masks = draw.uniform((rois, side, side), 0.02, 1)
            if not near_the_threshold(masks, boxes, image_size, threshold):
                break
        return Case(masks, boxes, image_size, threshold, words=words, share=share)

    def steps(side):
        return (draw.permutation(side * side).reshape(1, side, side) + 1) / (side * side)

    yield Case(
        steps(4), boxes_of([1, 2, 5, 6]), (8, 7), None, words="a cell for each pixel: the mask itself, moved"
    )
    yield Case(
        steps(2), boxes_of([2, 0, 6, 4]), (5, 8), None, words="two pixels a cell: mixed between the cells"
    )
    yield Case(
        steps(3), boxes_of([0.5, 1.25, 5.0, 6.5]), (7, 6), None, words="a box between the pixels", share=2.0
    )
    yield Case(steps(4), boxes_of([-2, -1, 4, 7]), (5, 6), None, words="a box that reaches beyond the image")
    half = torch.tensor([[[0.5, 0.25, 0.5, 1], [0, 0.5, 1, 0.75], [1, 0.5, 0, 0], [0.5, 0.5, 0.25, 0]]])
    yield Case(half, boxes_of([2, 1, 6, 5]), (6, 8), words="exactly at the threshold: object", share=2.0)
    yield case(2, 4, (7, 8), 0.3, "a threshold of 0.3")
    flat = torch.cat([steps(3), steps(3)])
    yield Case(flat, boxes_of([3, 2, 3, 6], [1, 1, 4, 5]), (6, 6), None, words="a box without area: nothing")
    yield Case(torch.zeros(0, 4, 4), torch.zeros(0, 4), (5, 6), smoke=True, words="no masks")
    for _ in range(draw.count):
        size = (draw.integer(5, 7), draw.integer(8, 9))
        yield case(
            draw.integer(1, 3), draw.integer(3, 6), size, draw.choice((None, 0.5)), "random masks and boxes"
        )


def right_paste(masks, boxes, image_size, threshold=0.5):
    height, width = image_size
    pasted = torch.zeros(len(masks), height, width)
    for number, (x1, y1, x2, y2) in enumerate(boxes.tolist()):
        if x2 <= x1 or y2 <= y1:
            continue
        y = (torch.arange(height) + 0.5 - y1) / (y2 - y1) * 2 - 1
        x = (torch.arange(width) + 0.5 - x1) / (x2 - x1) * 2 - 1
        grid = torch.stack(torch.broadcast_tensors(x[None, :], y[:, None]), -1)
        pasted[number] = F.grid_sample(masks[number][None, None], grid[None], align_corners=False)[0, 0]
    return pasted if threshold is None else pasted >= threshold


paste.slip_of(
    right_paste,
    "box rounded",
    "You round the box to whole pixels before you paste. The mask moves by up to half a pixel, which costs small "
    "objects most: keep the box as it is.",
    ("enumerate(boxes.tolist())", "enumerate(boxes.round().tolist())"),
)
paste.slip_of(
    right_paste,
    "half a pixel forgotten",
    "You ask at the corners of the pixels. The centre of pixel i is at i + 1/2.",
    ("torch.arange(height) + 0.5 - y1", "torch.arange(height) - y1"),
    ("torch.arange(width) + 0.5 - x1", "torch.arange(width) - x1"),
)
paste.slip_of(
    right_paste,
    "corners aligned",
    "With `align_corners=True` -1 and 1 are the *centres* of the first and last cell, so your mask is stretched by a "
    "cell. Here they are the window's borders: False.",
    ("align_corners=False", "align_corners=True"),
)
paste.slip_of(
    right_paste,
    "x and y exchanged",
    "`grid_sample` wants x first, then y. Yours is the mask with rows and columns exchanged.",
    ("x[None, :], y[:, None]", "y[:, None], x[None, :]"),
)
paste.slip_of(
    right_paste,
    "border goes on",
    "You repeat the mask's border outside of its box, over the whole image. Outside is nothing: `padding_mode` stays "
    "'zeros'.",
    ("align_corners=False", "align_corners=False, padding_mode='border'"),
)
paste.slip_of(
    right_paste,
    "above the threshold",
    "A pixel exactly at the threshold is object: `>=`.",
    ("pasted >= threshold", "pasted > threshold"),
)
paste.slip_of(
    right_paste,
    "threshold before pasting",
    "You set the threshold in the small mask and paste the result. Its cells are large: paste the probabilities, and "
    "set the threshold at the pixels.",
    ("pasted = torch.zeros(len(masks), height, width)",
     "pasted = torch.zeros(len(masks), height, width)\n"
     "    masks = masks if threshold is None else (masks >= threshold).float()"),
    ("pasted >= threshold", "pasted >= 0.5"),
)  # fmt: skip
paste.slip_of(
    right_paste,
    "None overlooked",
    "With a `threshold` of None the probabilities themselves are wanted; you return on and off.",
    ("pasted if threshold is None else pasted >= threshold", "pasted >= (threshold or 0.5)"),
)
paste.slip_of(
    right_paste,
    "height and width exchanged",
    "You take `image_size` as (width, height). It is (height, width), as everywhere.",
    ("height, width = image_size", "width, height = image_size"),
)


# ------------------------------------------------------------------------------ 6 · keypoint targets

points = exercises.function(
    "keypoint_targets",
    reference.keypoint_targets,
    title="One cell is on",
    points=2,
    difficulty=2,
    minutes=10,
    forbidden=(KEYPOINTS,),
    hints=(
        "How far across the box is the point, from 0 to 1? Times `size`, rounded down, that is its column.",
        "Column and row become one number as in a flattened array: `row * size + column`.",
        "A point counts where row and column lie in 0 ... `size` - 1 and its visibility is above 0. First move points "
        "that lie exactly on the right or lower border into the last cell; at the end put 0 where none counts.",
    ),
)


@points.cases
def _(draw):
    def case(rois, count, size, words, box=(8.0, 8.0), spread=0.0, **options):
        cells = draw.integers((rois, count, 2), 0, size) + draw.uniform((rois, count, 2), 0.2, 0.8)
        away = draw.uniform((rois, count, 1)) < spread
        away[0, 0] = False
        cells = cells + away * draw.integers((rois, count, 2), -1, 2) * size
        first = draw.integers((rois, 1, 2), 0, 9)
        extent = torch.tensor(box)
        places = first + cells / size * extent
        seen = draw.integers((rois, count, 1), 0 if spread else 1, 3)
        seen[0, 0] = 1
        boxes = torch.cat([first[:, 0], first[:, 0] + extent], 1)
        return Case(torch.cat([places, seen], 2), boxes, size, words=words, **options)

    yield Case(
        torch.tensor([[[2.5, 1, 2], [6.5, 3.5, 2], [7.5, 0.5, 2]]]), boxes_of([0, 0, 8, 4]), 4,
        words="three points in a box of 8 x 4",
    )  # fmt: skip
    yield case(2, 3, 7, "boxes anywhere in the image", box=(10.0, 14.0))
    yield Case(
        torch.tensor([[[12.0, 7, 2], [9, 10, 2], [12, 10, 1]]]), boxes_of([4, 2, 12, 10]), 4,
        words="on the right and the lower border: the last cell", share=2.0,
    )  # fmt: skip
    yield Case(
        torch.tensor([[[3.0, 5, 2], [13, 5, 2], [5, 1, 2], [9, 4.5, 2]]]), boxes_of([4, 2, 12, 10]), 4,
        words="outside of the box: does not count",
    )  # fmt: skip
    yield Case(
        torch.tensor([[[5.0, 5, 0], [9, 5, 1], [5, 8.5, 2]]]), boxes_of([4, 2, 12, 10]), 4,
        words="visibility 0: does not count",
    )  # fmt: skip
    yield Case(torch.zeros(0, 3, 3), torch.zeros(0, 4), 4, smoke=True, words="no boxes")
    for _ in range(draw.count):
        yield case(
            draw.integer(2, 3), draw.integer(4, 6), draw.integer(4, 9), "random points, some outside",
            box=(float(draw.integer(4, 9)), float(draw.integer(10, 14))), spread=0.5,
        )  # fmt: skip


def right_points(keypoints, boxes, size):
    x, y, visibility = keypoints.unbind(2)
    x1, y1, x2, y2 = boxes[:, :, None].unbind(1)
    column = ((x - x1) / (x2 - x1) * size).floor()
    row = ((y - y1) / (y2 - y1) * size).floor()
    column = torch.where(x == x2, size - 1, column)
    row = torch.where(y == y2, size - 1, row)
    valid = (column >= 0) & (column < size) & (row >= 0) & (row < size) & (visibility > 0)
    return torch.where(valid, row * size + column, 0).long(), valid


points.slip_of(
    right_points,
    "rounded to the nearest",
    "You round to the nearest number. Cell 0 reaches from 0 to 1: round down.",
    ("(x2 - x1) * size).floor()", "(x2 - x1) * size).round()"),
    ("(y2 - y1) * size).floor()", "(y2 - y1) * size).round()"),
)
points.slip_of(
    right_points,
    "one cell too few",
    "You multiply by `size` - 1. The box has `size` cells, and the last one is as wide as the others.",
    ("(x2 - x1) * size).floor()", "(x2 - x1) * (size - 1)).floor()"),
    ("(y2 - y1) * size).floor()", "(y2 - y1) * (size - 1)).floor()"),
)
points.slip_of(
    right_points,
    "rounded towards zero",
    "You cut off the fraction, which rounds negative numbers up: a point just outside on the left falls into cell 0. "
    "Round down: `floor`.",
    ("(x2 - x1) * size).floor()", "(x2 - x1) * size).trunc()"),
    ("(y2 - y1) * size).floor()", "(y2 - y1) * size).trunc()"),
)
points.slip_of(
    right_points,
    "column by column",
    "You count the cells column by column. Flattened, the map goes row by row: row times size, plus column.",
    ("row * size + column", "column * size + row"),
)
points.slip_of(
    right_points,
    "outside pulled in",
    "You pull points from outside into the nearest cell. A point that is not in the box cannot be found there: it does "
    "not count.",
    ("valid = (column >= 0) & (column < size) & (row >= 0) & (row < size) & (visibility > 0)",
     "column, row = column.clamp(0, size - 1), row.clamp(0, size - 1)\n    valid = visibility > 0"),
)  # fmt: skip
points.slip_of(
    right_points,
    "invisible points counted",
    "You count points of visibility 0. Nobody knows where they are; their coordinates mean nothing.",
    (" & (visibility > 0)", ""),
)
points.slip_of(
    right_points,
    "last border lost",
    "A point exactly on the right or lower border falls into a cell that does not exist. It belongs to the last one.",
    ("torch.where(x == x2, size - 1, column)", "column"),
    ("torch.where(y == y2, size - 1, row)", "row"),
)
points.slip_of(
    right_points,
    "only fully visible ones",
    "You count points of visibility 2 only. 1 means hidden but known, and it counts: above 0.",
    ("visibility > 0", "visibility > 1"),
)
points.slip_of(
    right_points,
    "cells of those that do not count",
    "Where a point does not count the target is 0: a negative or too large number would break the cross-entropy.",
    ("torch.where(valid, row * size + column, 0).long()", "(row * size + column).long()"),
)


# ---------------------------------------------------------------------------------- 7 · keypoint loss

keypoint = exercises.function(
    "keypoint_loss",
    reference.keypoint_loss,
    title="Positions compete",
    points=2,
    difficulty=2,
    minutes=10,
    hints=(
        "Flatten the two axes of each map: S * S positions, of which one is right. That is a classification.",
        "`logits.flatten(2)[valid]` and `targets[valid]` are what `F.cross_entropy` wants.",
        "With `reduction='sum'` nothing at all gives 0. Divide by how many count, at least 1.",
    ),
)


@keypoint.cases
def _(draw):
    def case(rois, count, side, words, valid=None, **options):
        shape = (rois, count)
        targets = draw.integers(shape, 0, side * side, torch.int64)
        valid = draw.uniform(shape) < 0.6 if valid is None else torch.tensor(valid).reshape(shape)
        if options.pop("some", False):
            valid[0, 0], valid[0, 1] = True, False
        return Case(2 * draw.normal((*shape, side, side)), targets, valid, words=words, **options)

    yield case(1, 1, 3, "one keypoint", valid=[[True]])
    yield case(2, 3, 2, "two boxes, three keypoints, all known", valid=[[True] * 3] * 2)
    yield case(2, 3, 3, "some are not known", valid=[[True, False, True], [False, True, False]])
    yield case(2, 2, 3, "gradients", valid=[[True, True], [False, True]], gradient=True)
    yield case(
        2,
        2,
        3,
        "none is known: 0 with a gradient, not NaN",
        valid=[[False] * 2] * 2,
        gradient=True,
        smoke=True,
        share=2.0,
    )
    for _ in range(draw.count):
        yield case(draw.integer(2, 4), draw.integer(2, 5), draw.integer(2, 5), "random keypoints", some=True)


def right_keypoint(logits, targets, valid):
    positions = logits.flatten(2)[valid]
    total = F.cross_entropy(positions, targets[valid], reduction="sum")
    return total / max(int(valid.sum()), 1)


keypoint.slip_of(
    right_keypoint,
    "a sigmoid at each position",
    "You ask each position by itself, as for a mask. A keypoint is in one place only: positions compete, by a softmax "
    "over all of them.",
    ("F.cross_entropy(positions, targets[valid], reduction=\"sum\")",
     "F.binary_cross_entropy_with_logits(positions, F.one_hot(targets[valid], positions.shape[1]).float(), "
     "reduction=\"sum\")"),
)  # fmt: skip
keypoint.slip_of(
    right_keypoint,
    "keypoints compete",
    "Your softmax goes over the keypoints. Two keypoints may lie in one cell; it is the positions of one map that "
    "compete.",
    ("positions = logits.flatten(2)[valid]", "positions = logits.flatten(2).log_softmax(1)[valid]"),
    ("F.cross_entropy(", "F.nll_loss("),
)
keypoint.slip_of(
    right_keypoint,
    "unknown ones counted",
    "You count keypoints that nobody knows. Their target is 0, the upper left corner, and means nothing: take the "
    "valid ones.",
    ("logits.flatten(2)[valid]", "logits.flatten(2).flatten(0, 1)"),
    ("targets[valid]", "targets.flatten()"),
    ("max(int(valid.sum()), 1)", "max(targets.numel(), 1)"),
)
keypoint.slip_of(
    right_keypoint,
    "divided by all",
    "You divide by all keypoints. Divide by those that count, so that boxes with few known points do not weigh less.",
    ("max(int(valid.sum()), 1)", "max(valid.numel(), 1)"),
)
keypoint.slip_of(
    right_keypoint,
    "divided by the boxes",
    "You divide by the number of boxes. It is the mean over keypoints.",
    ("max(int(valid.sum()), 1)", "max(len(logits), 1)"),
)
keypoint.slip_of(
    right_keypoint,
    "NaN when none counts",
    "Where no keypoint counts you divide 0 by 0. Divide by at least 1.",
    ("max(int(valid.sum()), 1)", "int(valid.sum())"),
)


# -------------------------------------------------------------------------------- 8 · who found what

match = exercises.function(
    "match_detections",
    mr.match_detections,
    title="Who found what",
    points=3,
    difficulty=4,
    minutes=20,
    hints=(
        "Go through the rows. Among the objects that are still free and fit well enough, which one fits best?",
        "Keep a bool tensor `free`, at first `~crowd`. `torch.where(fits & free, row, -1.0).argmax()` is the best of "
        "them.",
        "If there is no such object, look at crowds: one that covers enough of the detection makes it -1, and stays as "
        "it is for the next. Else it is 0.",
    ),
)


@match.cases
def _(draw):
    def case(rows, crowd, threshold, words, share=1.0, **options):
        iou = torch.tensor(rows, dtype=torch.float32).reshape(-1, len(crowd))
        return Case(
            iou, torch.tensor(crowd, dtype=torch.bool), threshold, words=words, share=share, **options
        )

    yield case([[0.875, 0], [0, 0.625], [0.125, 0.25]], [False] * 2, 0.5, "two hits and a false alarm")
    yield case(
        [[0.875, 0.25], [0.75, 0.125]], [False] * 2, 0.5, "an object found twice: the second is a false alarm"
    )
    yield case(
        [[0.625, 0.75], [0, 0.875]], [False] * 2, 0.5, "the better score chooses first, and takes its best"
    )
    yield case(
        [[0.75, 0.625], [0.875, 0.625], [0, 0.125]],
        [False] * 2,
        0.5,
        "its best is taken: it gets the next best",
        2.0,
    )
    yield case([[0.5, 0], [0, 0.75], [0, 0.375]], [False] * 2, 0.5, "exactly at the threshold: a hit")
    yield case(
        [[0, 0.875], [0.75, 0.5], [0, 0.625], [0.25, 0.25]], [False, True], 0.5,
        "what lies in a crowd is ignored, as often as you like", 2.0,
    )  # fmt: skip
    yield case([[0.625, 1], [0.625, 1], [0, 0.25]], [False, True], 0.5, "an object goes before a crowd", 2.0)
    yield case([[0.875], [0.75]], [True], 0.5, "a crowd only")
    yield case([[0.625, 0], [0.125, 0.875]], [False] * 2, 0.75, "a threshold of 0.75")
    yield Case(torch.zeros(0, 2), torch.tensor([False, True]), 0.5, smoke=True, words="no detections")
    yield Case(torch.zeros(2, 0), torch.zeros(0, dtype=torch.bool), 0.5, smoke=True, words="nothing there")
    for _ in range(draw.count):
        objects, detections = draw.integer(3, 4), draw.integer(5, 7)
        iou = torch.stack([draw.permutation(8)[:objects] for _ in range(detections)]) / 8
        crowd = draw.uniform((objects,)) < 0.3
        crowd[0] = False
        yield Case(iou, crowd, draw.choice((0.375, 0.5)), words="random overlaps in eighths")


def right_match(iou, crowd, threshold):
    free = ~crowd
    verdicts = []
    for row in iou:
        fits = row >= threshold
        if (fits & free).any():
            best = torch.where(fits & free, row, -1.0).argmax()
            free[best] = False
            verdicts.append(1)
        elif (fits & crowd).any():
            verdicts.append(-1)
        else:
            verdicts.append(0)
    return torch.tensor(verdicts, dtype=torch.int64)


match.slip_of(
    right_match,
    "found twice",
    "You let several detections find the same object. The first one takes it; the next one is a false alarm.",
    ("free[best] = False", "pass"),
)
match.slip_of(
    right_match,
    "a taken object blocks",
    "You look at the best object of all, and give up when it is taken. That was PASCAL's rule; COCO goes on to the "
    "best that is still free.",
    ("if (fits & free).any():", "best = torch.where(fits & ~crowd, row, -1.0).argmax() if len(row) else None\n"
     "        if best is not None and fits[best] and free[best]:"),
    ("            best = torch.where(fits & free, row, -1.0).argmax()\n", ""),
)  # fmt: skip
match.slip_of(
    right_match,
    "the first that fits",
    "You take the first object that fits well enough. Take the one that fits best.",
    ("torch.where(fits & free, row, -1.0).argmax()", "(fits & free).int().argmax()"),
)
match.slip_of(
    right_match,
    "above the threshold",
    "An IoU of exactly the threshold is enough: `>=`.",
    ("row >= threshold", "row > threshold"),
)
match.slip_of(
    right_match,
    "a crowd is an object",
    "You treat a crowd as one object to be found. It is neither to be found nor used up: what falls to it is ignored.",
    ("free = ~crowd", "free = torch.ones_like(crowd)"),
)
match.slip_of(
    right_match,
    "crowds overlooked",
    "You count a detection inside a crowd as a false alarm. Nobody has outlined the objects in there: ignore it.",
    ("verdicts.append(-1)", "verdicts.append(0)"),
)
match.slip_of(
    right_match,
    "a crowd used up",
    "You let a crowd swallow one detection only. It is many objects: it is never used up.",
    ("elif (fits & crowd).any():", "elif (fits & crowd & ~swallowed).any():\n"
     "            swallowed |= fits & crowd"),
    ("verdicts = []", "verdicts, swallowed = [], torch.zeros_like(crowd)"),
)  # fmt: skip
match.slip_of(
    right_match,
    "crowds first",
    "You look at crowds before objects. A detection that fits a free object has found it, even inside of a crowd.",
    ("if (fits & free).any():",
     "if (fits & crowd).any():\n            verdicts.append(-1)\n        elif (fits & free).any():"),
    ("        elif (fits & crowd).any():\n            verdicts.append(-1)\n        else", "        else"),
)  # fmt: skip


# ------------------------------------------------------------------------------------------ 9 · mask AP

precision = exercises.function(
    "mask_ap",
    mr.mask_ap,
    title="Mask AP",
    points=4,
    difficulty=5,
    minutes=30,
    allowed=("match_detections",),
    hints=(
        "Image by image: sort by score, the IoU of all masks with all masks, `mr.match_detections`. Keep scores and "
        "verdicts, and count the objects that are no crowds.",
        "Flattened to (D, H * W) and (G, H * W) floats, one matrix product is the table of intersections. For a crowd "
        "divide by the detection's own area: `torch.where`.",
        "All images' verdicts in one row, best score first: `cumsum` of hits and of false alarms gives precision and "
        "recall after each. For each of 101 recalls take the largest precision at that recall or more, 0 where there "
        "is none, then the mean.",
    ),
)

SIDE = 6


def pixels(*places):
    """Masks of one pixel each, of an image of 6 x 6."""
    masks = torch.zeros(len(places), SIDE * SIDE, dtype=torch.bool)
    masks[torch.arange(len(places)), list(places)] = True
    return masks.view(-1, SIDE, SIDE)


def seen(masks, *scores):
    return {"masks": masks, "scores": torch.tensor(scores, dtype=torch.float32)}


def there(masks, *crowds):
    flags = torch.zeros(len(masks), dtype=torch.int64)
    flags[list(crowds)] = 1
    return {"masks": masks, "iscrowd": flags}


def some_scene(draw, objects, found):
    """An image with objects of some pixels, one of them perhaps a crowd, and detections that more or less fit."""
    masks = torch.zeros(objects, SIDE, SIDE, dtype=torch.bool)
    for mask in masks:
        y, x = draw.integer(0, 2), draw.integer(0, 2)
        mask[y : y + draw.integer(2, 4), x : x + draw.integer(2, 4)] = True
    guesses = masks[draw.integers((found,), 0, objects, torch.int64)] if objects else pixels(*range(found))
    guesses = guesses ^ (draw.uniform(tuple(guesses.shape)) < 0.06)
    scores = draw.permutation(40)[:found] / 40 + draw.uniform((found,), 0, 0.02)
    crowds = [objects - 1] if objects > 2 and draw.boolean() else []
    return seen(guesses, *scores.tolist()), there(masks, *crowds)


@precision.cases
def _(draw):
    one = there(pixels(0, 7, 14))
    yield Case(
        [seen(pixels(0, 30, 7), 0.9, 0.8, 0.7)],
        [one],
        words="three objects: found, false alarm, found; one is missed",
    )
    yield Case(
        [seen(pixels(30, 0, 7), 0.9, 0.8, 0.7)], [there(pixels(0, 7, 14))],
        words="a false alarm first: precision rises again, and the envelope with it", share=2.0,
    )  # fmt: skip
    yield Case(
        [seen(pixels(7, 30, 0), 0.3, 0.6, 0.9)],
        [one],
        0.75,
        words="detections in another order than their scores",
    )
    yield Case(
        [seen(pixels(0, 30), 0.9, 0.3), seen(pixels(7, 14), 0.8, 0.7)], [there(pixels(0)), there(pixels(7, 20))],
        words="two images: scores decide across images", share=2.0,
    )  # fmt: skip
    yield Case(
        [seen(pixels(30, 31), 0.9, 0.2), seen(pixels(7), 0.8)], [there(pixels()), there(pixels(7, 14, 21))],
        words="false alarms in an image without objects count",
    )  # fmt: skip
    region = pixels(0, 7, 0)
    region[2, 3:] = True
    yield Case(
        [seen(pixels(20, 0, 30, 12, 7), 0.9, 0.8, 0.7, 0.6, 0.5)], [there(region, 2)],
        words="a crowd: what lies in it is ignored, and it need not be found", share=2.0,
    )  # fmt: skip
    square, more = pixels(0, 1, 6, 7).any(0)[None], pixels(0, 1, 6, 7, 2).any(0)[None]
    other = pixels(21, 22, 27, 28).any(0)[None]
    yield Case(
        [seen(torch.cat([more, other]), 0.9, 0.4)],
        [there(torch.cat([square, pixels(21, 22).any(0)[None], pixels(35)]))],
        0.75, words="IoU of 4 / 5 and 2 / 4 at a threshold of 0.75",
    )  # fmt: skip
    many = pixels(0, *[30] * 99, 7)
    yield Case(
        [seen(many, *[1 - k / 200 for k in range(101)])],
        [there(pixels(0, 7, 14))],
        words="only the hundred best count",
    )
    half = [seen(pixels(*[30] * 59, place), *[1 - (k + shift) / 200 for k in range(60)])
            for place, shift in ((0, 0), (7, 0.5))]  # fmt: skip
    yield Case(half, [there(pixels(0)), there(pixels(7))], words="two images of sixty each: all count")
    yield Case([seen(pixels())], [there(pixels(0))], smoke=True, words="no detections: 0")
    yield Case([seen(pixels(0), 0.5)], [there(pixels(0), 0)], smoke=True, words="no object but a crowd: NaN")
    for _ in range(draw.count):
        images = [some_scene(draw, 3, draw.integer(3, 5)), some_scene(draw, 2, draw.integer(2, 4))]
        images.append(some_scene(draw, draw.choice((0, 4)), 2))
        predictions, truths = map(list, zip(*images, strict=True))
        yield Case(predictions, truths, draw.choice((0.5, 0.6)), words="random images")


def right_ap(predictions, targets, iou_threshold=0.5):
    scores, verdicts, count = [], [], 0
    for found, true in zip(predictions, targets, strict=True):
        order = found["scores"].argsort(descending=True, stable=True)[:100]
        masks, objects = found["masks"][order].flatten(1).float(), true["masks"].flatten(1).float()
        crowd = true["iscrowd"].bool()
        intersection = masks @ objects.T
        area = masks.sum(1)[:, None]
        union = torch.where(crowd, area, area + objects.sum(1) - intersection)
        iou = torch.where(union > 0, intersection / union, 0.0)
        verdicts.append(mr.match_detections(iou, crowd, iou_threshold))
        scores.append(found["scores"][order])
        count += int((~crowd).sum())
    if count == 0:
        return float("nan")
    ranked = torch.cat(verdicts)[torch.cat(scores).argsort(descending=True, stable=True)]
    hits, alarms = (ranked == 1).cumsum(0), (ranked == 0).cumsum(0)
    precision = hits / (hits + alarms).clamp(min=1)
    recall = hits / count
    readings = []
    for wanted in torch.arange(101) / 100:
        reached = precision[recall >= wanted]
        readings.append(float(reached.max()) if len(reached) else 0.0)
    return sum(readings) / 101


precision.slip_of(
    right_ap,
    "no envelope",
    "You read precision where a recall is first reached. It may rise again later: take the largest precision at that "
    "recall *or more*.",
    ("float(reached.max())", "float(reached[0])"),
)
precision.slip_of(
    right_ap,
    "missing recalls left out",
    "You take the mean over the recalls that were reached. Where recall never comes, precision is 0, and counts.",
    ("readings.append(float(reached.max()) if len(reached) else 0.0)",
     "readings += [float(reached.max())] if len(reached) else []"),
    ("sum(readings) / 101", "sum(readings) / max(len(readings), 1)"),
)  # fmt: skip
precision.slip_of(
    right_ap,
    "images one after the other",
    "You keep the detections image by image. All images' detections stand in one row, best score first.",
    ("torch.cat(verdicts)[torch.cat(scores).argsort(descending=True, stable=True)]", "torch.cat(verdicts)"),
)
precision.slip_of(
    right_ap,
    "worst first",
    "You begin with the lowest score. The best detection comes first, in each image and over all of them.",
    ('found["scores"].argsort(descending=True, stable=True)', 'found["scores"].argsort(stable=True)'),
    ("torch.cat(scores).argsort(descending=True, stable=True)", "torch.cat(scores).argsort(stable=True)"),
)
precision.slip_of(
    right_ap,
    "crowds must be found",
    "You count crowds among the objects to be found, so recall never comes to 1. Leave them out.",
    ("int((~crowd).sum())", "len(crowd)"),
)
precision.slip_of(
    right_ap,
    "ignored ones are alarms",
    "You count ignored detections, -1, as false alarms. They are neither hits nor alarms.",
    ("(ranked == 0).cumsum(0)", "(ranked != 1).cumsum(0)"),
)
precision.slip_of(
    right_ap,
    "union with a crowd",
    "You divide by the union with the whole crowd, which is far larger than any detection. For a crowd, divide by the "
    "detection's own area.",
    (
        "torch.where(crowd, area, area + objects.sum(1) - intersection)",
        "area + objects.sum(1) - intersection",
    ),
)
precision.slip_of(
    right_ap,
    "more than a hundred",
    "You count all detections of an image. COCO looks at the hundred best only, of each class.",
    ("stable=True)[:100]", "stable=True)"),
)
precision.slip_of(
    right_ap,
    "a hundred of all images",
    "You keep the hundred best of all images together. It is the hundred best of each image.",
    ("stable=True)[:100]", "stable=True)"),
    (
        "torch.cat(verdicts)[torch.cat(scores).argsort(descending=True, stable=True)]",
        "torch.cat(verdicts)[torch.cat(scores).argsort(descending=True, stable=True)][:100]",
    ),
)
precision.slip_of(
    right_ap,
    "beyond the recall",
    "You read precision only beyond a recall. A recall that is just reached counts: `>=`.",
    ("recall >= wanted", "recall > wanted"),
)
precision.slip_of(
    right_ap,
    "eleven recalls",
    "You read at eleven recalls, as PASCAL did in its early years. COCO reads at 101: 0, 0.01 ... 1.",
    ("torch.arange(101) / 100", "torch.arange(11) / 10"),
    ("sum(readings) / 101", "sum(readings) / 11"),
)
precision.slip_of(
    right_ap,
    "0 for nothing to find",
    "Where there is no object at all, nothing can be said: NaN. A 0 would count as a failure.",
    ('    if count == 0:\n        return float("nan")\n', ""),
    ("recall = hits / count", "recall = hits / max(count, 1)"),
)
precision.slip_of(
    right_ap,
    "one reading a hit",
    "You take the mean of precision at each hit. COCO reads it at 101 recalls, with the envelope.",
    ("return sum(readings) / 101", "return float(precision[ranked == 1].sum()) / count"),
)
