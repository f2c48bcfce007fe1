"""What chapter 04 asks: cases, forbidden calls, and the slips that learners really make.

Most slips are one wrong line. They stand beside the right program that they are a line of.
"""

from __future__ import annotations

import math
from itertools import product

import torch

from dlcv import roi_align as ra
from dlcv.checking import INTERPOLATION, POOLING, ROI, Case, Exercises, Forbidden
from dlcv.checking.probes import gradients
from dlcv.roi_align import reference

exercises = Exercises("roi_align")
check = exercises.check

AUTOGRAD = Forbidden(
    "automatic differentiation", names=("grad", "backward", "vjp", "jvp", "jacobian", "jacrev")
)


def with_gradient_of_features(answer, features, *args, **kwargs):
    """Probe: the output, and the gradient that reaches the features (boxes get none)."""
    features.requires_grad_(True)
    output = answer(features, *args, **kwargs)
    if not isinstance(output, torch.Tensor):
        return output
    return {"output": output, "gradient of the features": gradients(output, [features])[0]}


# ----------------------------------------------------------------------------- 1 · between the cells

sample = exercises.function(
    "bilinear_sample",
    reference.bilinear_sample,
    title="Read between the cells",
    points=3,
    difficulty=2,
    minutes=12,
    forbidden=(INTERPOLATION, ROI),
    numpy=True,
    hints=(
        "Which four cells surround the point? How far is it from the upper left one, down and across?",
        "Mix along the upper row first: the left cell times `1 - dx`, the right one times `dx`. Do the same below. "
        "Then mix the two results with `dy`.",
        "Send far points home first: more than one cell before the first centre, or beyond `height` or `width`, is 0. "
        "Clamp what is left into the range of cell centres, and clamp the lower right cell to the last row and column.",
    ),
)


@sample.cases
def _(draw):
    def maps(c=2, h=5, w=6):
        return draw.integers((c, h, w), 0, 100)

    def within(low, high):
        return round(float(draw.uniform((), low, high)), 2)

    y, x = torch.meshgrid(torch.arange(5.0), torch.arange(6.0), indexing="ij")
    ramp = draw.integer(2, 5) * y[None] - draw.integer(2, 5) * x[None] + draw.integer(20, 40)
    yield Case(maps(1, 8, 8), 5.8, 6.5, words="the point x = 6.5, y = 5.8")
    yield Case(ramp, within(0.6, 0.9) + 1, within(0.1, 0.4) + 3, words="on a ramp, where sampling is exact")
    yield Case(maps(), 3.0, 1.0, words="exactly on a cell")
    yield Case(maps(), within(-0.9, -0.1), within(1.1, 1.4), words="a little above the first row: clamps")
    yield Case(maps(), within(2.1, 2.4), within(5.1, 5.9), words="a little right of the last column: clamps")
    yield Case(maps(), -1.0, 6.0, words="exactly at -1 and at the width: still near")
    yield Case(maps(), -1.25, within(1.1, 2.9), smoke=True, words="farther than one cell above: 0")
    yield Case(maps(), within(1.1, 2.9), 6.25, smoke=True, words="beyond the width: 0")
    yield Case(maps(1, 1, 1), 0.25, 0.75, words="a map of a single cell")
    for _ in range(draw.count):
        h, w = draw.integer(4, 7), draw.integer(4, 7)
        yield Case(draw.normal((3, h, w)), within(0, h - 1), within(0, w - 1), words="random maps and points")


def right_sample(features, y, x):
    height, width = features.shape[-2:]
    if y < -1 or y > height or x < -1 or x > width:
        return torch.zeros(features.shape[0])
    y, x = min(max(y, 0.0), height - 1), min(max(x, 0.0), width - 1)
    y0, x0 = int(y), int(x)
    y1, x1 = min(y0 + 1, height - 1), min(x0 + 1, width - 1)
    dy, dx = y - y0, x - x0
    upper = (1 - dx) * features[:, y0, x0] + dx * features[:, y0, x1]
    lower = (1 - dx) * features[:, y1, x0] + dx * features[:, y1, x1]
    return (1 - dy) * upper + dy * lower


sample.slip_of(
    right_sample,
    "coordinates rounded",
    "You read the one cell that is nearest. Rounding is what RoI Pool does; mix the four cells around the point "
    "instead.",
    ("dy, dx = y - y0, x - x0", "dy, dx = round(y) - y0, round(x) - x0"),
)
sample.slip_of(
    right_sample,
    "x and y swapped",
    "You use x for rows and y for columns. In an array rows come first, and y counts rows: `features[:, y, x]`.",
    ("height, width = features.shape[-2:]", "y, x = x, y\n    height, width = features.shape[-2:]"),
)
sample.slip_of(
    right_sample,
    "weights swapped",
    "Your nearer cell gets the smaller weight. The weight of a cell is one minus its distance.",
    ("dy, dx = y - y0, x - x0", "dy, dx = 1 - (y - y0), 1 - (x - x0)"),
)
sample.slip_of(
    right_sample,
    "rows not mixed",
    "You mix along x only and read the upper row. The point also lies between two rows: mix upper and lower with dy.",
    ("return (1 - dy) * upper + dy * lower", "return upper"),
)
sample.slip_of(
    right_sample,
    "zero as soon as it is outside",
    "You give 0 to every point outside the cell centres. Up to one cell out, the border cell's value goes on: clamp, "
    "and give 0 only beyond that.",
    (
        "if y < -1 or y > height or x < -1 or x > width:",
        "if y < 0 or y > height - 1 or x < 0 or x > width - 1:",
    ),
)
sample.slip_of(
    right_sample,
    "zeros beyond the border",
    "You mix the border cell with zeros beyond it, so the value fades. Up to one cell out it stays: clamp the "
    "coordinate before you look for the four cells.",
    (
        "if y < -1 or y > height or x < -1 or x > width:",
        "fade = (1 - max(-y, y - height + 1, 0)) * (1 - max(-x, x - width + 1, 0))\n"
        "    features = features * max(fade, 0)\n"
        "    if y < -1 or y > height or x < -1 or x > width:",
    ),
)
sample.slip_of(
    right_sample,
    "half a cell taken away",
    "You take half a cell away. Here cell n stands at coordinate n, so a whole coordinate reads one cell alone.",
    ("y, x = min(max(y, 0.0)", "y, x = y - 0.5, x - 0.5\n    y, x = min(max(y, 0.0)"),
)
sample.slip_of(
    right_sample,
    "far points clamped",
    "You clamp every point, however far it is. More than one cell before the first centre, or beyond the height or "
    "width, the value is 0.",
    ("if y < -1 or y > height or x < -1 or x > width:", "if False:"),
)


# --------------------------------------------------------------------------------------- 2 · RoI Pool

pool = exercises.function(
    "roi_pool",
    reference.roi_pool,
    title="RoI Pool, and where it rounds twice",
    points=3,
    difficulty=3,
    minutes=18,
    forbidden=(POOLING, ROI),
    allowed=("round_half_away",),
    numpy=True,
    hints=(
        "First snap: multiply the box by `spatial_scale` and round its corners with `round_half_away`. The last row "
        "and column belong to the box.",
        "Second snap: a bin of `bottom - top + 1` rows divided by `bins_y` starts at a fraction of a row. Round its "
        "start down and its end up, with `math.floor` and `math.ceil`, and only then add `top`.",
        "Clip each bin to the map. A bin that has no cell left stays 0; from any other take `amax` over its rows and "
        "columns.",
    ),
)


@pool.cases
def _(draw):
    def maps(n=1, c=1, h=6, w=8):
        return draw.integers((n, c, h, w), -50, 50)

    def rois(*rows):
        return torch.tensor(rows, dtype=torch.float32)

    yield Case(maps(), rois([0, 1, 1, 4, 4]), (2, 2), words="a box on whole cells, two cells a bin")
    yield Case(maps(), rois([0, 16, 32, 96, 64]), (2, 2), 1 / 16, words="stride 16")
    yield Case(maps(), rois([0, 1, 1, 3, 5]), (2, 2), words="three columns in two bins: bins share a column")
    yield Case(maps(), rois([0, 1, 2, 2, 3]), (3, 4), words="more bins than cells")
    yield Case(maps(), rois([0, 8, 24, 40, 72]), (2, 2), 1 / 16, words="corners on halves: away from zero")
    yield Case(
        maps(), rois([0, -24, -40, 56, 40]), (2, 2), 1 / 16, words="half outside, with negative halves"
    )
    yield Case(
        maps() - 60,
        rois([0, 5, 3, 12, 10]),
        (3, 3),
        words="half outside, all negative: empty bins are 0",
    )
    yield Case(maps(), rois([0, 20, 1, 25, 4]), (2, 2), smoke=True, words="wholly outside: 0")
    yield Case(maps(), rois([0, 4, 4, 1, 1]), (2, 2), words="corners have changed places: one cell")
    yield Case(
        draw.normal((2, 2, 6, 8)), rois([1, 0, 1, 5, 4], [0, 2, 0, 7, 5]), (2, 3),
        probe=with_gradient_of_features, words="two images, and the gradient of the features",
    )  # fmt: skip
    for _ in range(draw.count):
        count, scale = draw.integer(1, 3), draw.choice((1 / 2, 1 / 4))
        corner, size = draw.integers((count, 2), -12, 10), draw.integers((count, 2), 14, 40)
        boxes = torch.cat([draw.integers((count, 1), 0, 2), corner, corner + size], 1)
        output_size = (draw.integer(1, 3), draw.integer(1, 3))
        yield Case(draw.normal((2, 2, 7, 9)), boxes, output_size, scale, words="random boxes")


def right_pool(features, rois, output_size, spatial_scale=1.0):
    (height, width), (bins_y, bins_x) = features.shape[2:], output_size
    out = torch.zeros(len(rois), features.shape[1], bins_y, bins_x)
    for k, (batch, *corners) in enumerate(rois):
        left, top, right, bottom = (int(ra.round_half_away(c * spatial_scale)) for c in corners)
        bin_h, bin_w = max(bottom - top + 1, 1) / bins_y, max(right - left + 1, 1) / bins_x
        for i in range(bins_y):
            for j in range(bins_x):
                y0, y1 = top + math.floor(i * bin_h), top + math.ceil((i + 1) * bin_h)
                x0, x1 = left + math.floor(j * bin_w), left + math.ceil((j + 1) * bin_w)
                y0, y1 = (min(max(y, 0), height) for y in (y0, y1))
                x0, x1 = (min(max(x, 0), width) for x in (x0, x1))
                if y1 > y0 and x1 > x0:
                    out[k, :, i, j] = features[int(batch), :, y0:y1, x0:x1].amax((1, 2))
    return out


pool.slip_of(
    right_pool,
    "last row and column left out",
    "Your box ends before its last cell. RoI Pool's rounded corners are both inside: a box from 1 to 4 has four "
    "cells, so add 1.",
    (
        "max(bottom - top + 1, 1) / bins_y, max(right - left + 1, 1) / bins_x",
        "max(bottom - top, 1) / bins_y, max(right - left, 1) / bins_x",
    ),
)
pool.slip_of(
    right_pool,
    "halves to the even side",
    "Python and torch round a half to the even neighbour. The operator rounds as C does, away from zero: use "
    "`round_half_away`.",
    ("int(ra.round_half_away(c * spatial_scale))", "round(float(c * spatial_scale))"),
)
pool.slip_of(
    right_pool,
    "corners cut off",
    "You cut the corners' fractions off. They are rounded to the nearest cell, and a half goes away from zero.",
    ("int(ra.round_half_away(c * spatial_scale))", "math.floor(c * spatial_scale)"),
)
pool.slip_of(
    right_pool,
    "bins do not overlap",
    "You round a bin's end down, like its start. It is rounded up, so that no cell of the box is lost; neighbouring "
    "bins then share a row or column.",
    ("math.ceil((i + 1) * bin_h)", "math.floor((i + 1) * bin_h)"),
    ("math.ceil((j + 1) * bin_w)", "math.floor((j + 1) * bin_w)"),
)
pool.slip_of(
    right_pool,
    "mean instead of maximum",
    "You take the mean of a bin. That is RoI Align's way; RoI Pool keeps the largest value.",
    ("amax((1, 2))", "mean((1, 2))"),
)
pool.slip_of(
    right_pool,
    "box clipped before it is divided",
    "You clip the box to the map and divide what is left into bins. Divide the whole box first: a bin that lies "
    "outside is empty, and gives 0.",
    (
        "        bin_h, bin_w",
        "        top, left = min(max(top, 0), height - 1), min(max(left, 0), width - 1)\n"
        "        bottom, right = min(max(bottom, 0), height - 1), min(max(right, 0), width - 1)\n"
        "        bin_h, bin_w",
    ),
)
pool.slip_of(
    right_pool,
    "scale forgotten",
    "You take image pixels for cells. Multiply the corners by `spatial_scale` before you round.",
    ("c * spatial_scale", "c"),
)
pool.slip_of(
    right_pool,
    "rounded before it is scaled",
    "You round the corners in pixels, and cut their fractions off on the map. Multiply by `spatial_scale` first, then "
    "round.",
    ("int(ra.round_half_away(c * spatial_scale))", "int(ra.round_half_away(c) * spatial_scale)"),
)
pool.slip_of(
    right_pool,
    "a half added and floored",
    "You add a half and round down, so -1.5 becomes -1. Halves go away from zero on both sides: `round_half_away`.",
    ("int(ra.round_half_away(c * spatial_scale))", "math.floor(c * spatial_scale + 0.5)"),
)
pool.slip_of(
    right_pool,
    "maximum starts at zero",
    "Your maximum starts at 0, so a bin of negative cells gives 0. Start from its first cell, and keep 0 for bins "
    "without a cell.",
    (".amax((1, 2))", ".amax((1, 2)).clamp(min=0)"),
)
pool.slip_of(
    right_pool,
    "batch index ignored",
    "You read every box from the first image. The first number of a RoI says which image of the batch it belongs to.",
    ("features[int(batch)", "features[0"),
)
pool.slip_of(
    right_pool,
    "empty bins start at minus infinity",
    "Where a bin has no cell, your minus infinity stays. An empty bin gives 0.",
    (
        "torch.zeros(len(rois), features.shape[1], bins_y, bins_x)",
        "torch.full((len(rois), features.shape[1], bins_y, bins_x), -torch.inf)",
    ),
)


# --------------------------------------------------------------------------- 3 · where RoI Align reads

points = exercises.function(
    "sample_points",
    reference.sample_points,
    title="Sample points of a bin",
    points=3,
    difficulty=2,
    minutes=10,
    forbidden=(INTERPOLATION, ROI),
    numpy=True,
    hints=(
        "Divide the box into bins, and each bin into sub-cells. Draw one bin with two by two sub-cells: where are "
        "their middles?",
        "A sub-cell is `(x2 - x1) / bins_x / across` wide. Its middle lies half of that to the right of its left edge.",
        "Point `b` of bin `j` is at `x1 + (j + (b + 0.5) / across) * bin_w`, and down alike. Store it as (x, y).",
    ),
)


@points.cases
def _(draw):
    def box(*corners):
        return torch.tensor(corners, dtype=torch.float32)

    def some_box():
        corner, size = draw.uniform((2,), -2, 6), draw.uniform((2,), 1.5, 6)
        return torch.cat([corner, corner + size])

    yield Case(box(1, 2, 5, 4), (2, 2), (2, 2), words="box (1.0, 2.0, 5.0, 4.0), 2x2 bins, 2x2 points a bin")
    yield Case(box(1, 2, 5, 4), (2, 2), (1, 1), words="one point a bin: its middle")
    yield Case(box(0.5, 1.25, 3.75, 6.5), (1, 1), (2, 2), words="one bin, a box between the cells")
    yield Case(box(2, 1, 8, 5), (2, 3), (2, 2), words="more bins across than down")
    yield Case(box(2, 1, 8, 5), (2, 2), (2, 3), words="more points across than down")
    yield Case(box(-3, -1, 1, 3), (2, 2), (2, 2), words="a box that starts outside the map")
    for _ in range(draw.count):
        output_size, grid = (draw.integer(1, 3), draw.integer(1, 3)), (draw.integer(1, 3), draw.integer(2, 3))
        yield Case(some_box(), output_size, grid, words="random box, bins and points")


def right_points(box, output_size, sampling_ratio):
    (bins_y, bins_x), (down, across) = output_size, sampling_ratio
    x1, y1, x2, y2 = box
    bin_w, bin_h = (x2 - x1) / bins_x, (y2 - y1) / bins_y
    points = torch.zeros(bins_y, bins_x, down, across, 2)
    for i in range(bins_y):
        for j in range(bins_x):
            for a in range(down):
                for b in range(across):
                    x = x1 + (j + (b + 0.5) / across) * bin_w
                    y = y1 + (i + (a + 0.5) / down) * bin_h
                    points[i, j, a, b] = torch.stack([x, y])
    return points


points.slip_of(
    right_points,
    "corners of the sub-cells",
    "Your points lie on the corners of the sub-cells. A sample stands in the middle of its sub-cell: move it by half "
    "of a sub-cell, right and down.",
    ("(b + 0.5)", "b"),
    ("(a + 0.5)", "a"),
)
points.slip_of(
    right_points,
    "spread from edge to edge",
    "Your points run from one edge of the bin to the other, so neighbouring bins read the same place. Keep half of a "
    "sub-cell away from both edges.",
    ("(b + 0.5) / across", "(b / (across - 1) if across > 1 else 0.5)"),
    ("(a + 0.5) / down", "(a / (down - 1) if down > 1 else 0.5)"),
)
points.slip_of(
    right_points,
    "evenly between the bin's edges",
    "You divide a bin by its points plus one, so two points stand at its thirds. Each point has a sub-cell of its "
    "own and stands in the middle of it: at a quarter and at three quarters.",
    ("(b + 0.5) / across", "(b + 1) / (across + 1)"),
    ("(a + 0.5) / down", "(a + 1) / (down + 1)"),
)
points.slip_of(
    right_points,
    "half a cell instead of half a sub-cell",
    "You move by half a cell of the map. Move by half of a sub-cell: a bin's size, over its points, over 2.",
    ("x1 + (j + (b + 0.5) / across) * bin_w", "x1 + (j + b / across) * bin_w + 0.5"),
    ("y1 + (i + (a + 0.5) / down) * bin_h", "y1 + (i + a / down) * bin_h + 0.5"),
)
points.slip_of(
    right_points,
    "stored as (y, x)",
    "Your points hold y first. Points are (x, y), as boxes are x1, y1, x2, y2.",
    ("torch.stack([x, y])", "torch.stack([y, x])"),
)
points.slip_of(
    right_points,
    "box rounded to cells",
    "You round the box before you divide it. That is what RoI Align avoids: keep the fractions.",
    ("x1, y1, x2, y2 = box", "x1, y1, x2, y2 = box.round()"),
)
points.slip_of(
    right_points,
    "measured from the box's corner",
    "Your points are counted from the corner of the box. Add `x1` and `y1` to have them on the map.",
    ("x1 + (j", "(j"),
    ("y1 + (i", "(i"),
)
points.slip_of(
    right_points,
    "last row and column included",
    "You add 1 to the box's size, as RoI Pool does with whole cells. A box of float coordinates is as wide as x2 - x1.",
    ("(x2 - x1) / bins_x, (y2 - y1) / bins_y", "(x2 - x1 + 1) / bins_x, (y2 - y1 + 1) / bins_y"),
)


# -------------------------------------------------------------------------------------- 4 · RoI Align

align = exercises.function(
    "roi_align",
    reference.roi_align,
    title="RoI Align",
    points=5,
    difficulty=4,
    minutes=25,
    forbidden=(INTERPOLATION, POOLING, ROI),
    allowed=("bilinear_sample", "sample_points"),
    numpy=True,
    hints=(
        "Four steps a box: place it on the map, decide how many points a bin has, ask `sample_points` where they are, "
        "read with `bilinear_sample` and take the mean.",
        "Place: multiply by `spatial_scale`, and only then take away half a cell if `aligned`. If not `aligned`, the "
        "width and the height are at least 1. Points: `sampling_ratio`, or if that is not positive, the bin's size "
        "rounded up, `math.ceil`, down and across apart.",
        "`bilinear_sample(features[batch], y, x)` takes all points of a box at once and gives (C, bins down, bins "
        "across, points down, points across). The mean goes over the last two; far points are 0 in it and stay.",
    ),
)


def _boxes_off_the_edges(draw, count, scale, bins, size):
    """Random RoIs none of whose sample points lies at the far edge, where rounding decides between a value and 0."""
    rows = []
    while len(rows) < count:
        corner = draw.integers((2,), -24, 72) / 4
        roi = torch.cat([draw.integers((1,), 0, 2), corner, corner + draw.integers((2,), 32, 120) / 4])
        clear = True
        for ratio, aligned in product((1, 2, 3, -1), (False, True)):
            boxes, grids = reference._placed(roi[None].double(), bins, scale, ratio, aligned)
            if grids.min() > 0:
                x, y = ra.sample_points(boxes[0], bins, grids[0].tolist()).unbind(-1)
                for values, limit in ((y, size[0]), (x, size[1])):
                    clear &= min(float((values + 1).abs().min()), float((values - limit).abs().min())) > 1e-3
        if clear:
            rows.append(roi)
    return torch.stack(rows)


@align.cases
def _(draw):
    def maps(n=1, c=2, h=6, w=8):
        return draw.integers((n, c, h, w), 0, 100)

    def rois(*rows):
        return torch.tensor(rows, dtype=torch.float32)

    y, x = torch.meshgrid(torch.arange(6.0), torch.arange(8.0), indexing="ij")
    ramp = (draw.integer(2, 5) * y + draw.integer(6, 9) * x)[None, None]
    inside = rois([0, 5.3, 4.7, 22.1, 17.9])
    yield Case(
        ramp,
        rois([0, 1.3, 1.2, 6.1, 4.4]),
        (2, 2),
        1.0,
        2,
        words="a ramp, four points a bin: values at bin centres",
    )
    yield Case(maps(), inside, (2, 3), 1 / 4, 2, words="a box wholly inside, stride 4")
    yield Case(maps(), inside, (2, 2), 1 / 4, 2, True, words="the same, aligned: half a cell after scaling")
    yield Case(maps(), inside, (2, 2), 1 / 4, words="points a bin from the box's size, rounded up")
    yield Case(maps(), rois([0, 1.2, 0.4, 6.9, 3.3]), (2, 2), words="more points across than down")
    yield Case(maps(), inside, (2, 2), 1 / 4, 0, words="a sampling_ratio of 0 adapts, too")
    yield Case(
        maps() + 20,
        rois([0, -14, -10, 13, 11]),
        (2, 2),
        1 / 4,
        3,
        words="half outside: far points stay in",
    )
    yield Case(maps(), rois([0, 44, 8, 60, 20]), (2, 2), 1 / 4, 2, smoke=True, words="wholly outside: 0")
    yield Case(
        maps(),
        rois([0, 9, 9.5, 10, 10]),
        (2, 2),
        1 / 4,
        2,
        words="smaller than a cell, not aligned: one cell",
    )
    yield Case(
        maps(),
        rois([0, 9, 9.5, 10, 10]),
        (2, 2),
        1 / 4,
        2,
        True,
        words="smaller than a cell, aligned",
    )
    yield Case(maps(), rois([0, 8, 8, 8, 8]), (2, 2), 1 / 4, words="an empty box, not aligned: one cell")
    yield Case(
        maps(),
        rois([0, 8, 8, 8, 8]),
        (2, 2),
        1 / 4,
        -1,
        True,
        smoke=True,
        words="empty, aligned: no points, 0",
    )
    yield Case(
        draw.normal((2, 2, 6, 8)), rois([1, 1.1, 0.7, 6.3, 4.9], [0, 2.2, -2.3, 9.7, 3.1]), (2, 2), 1.0, 2, True,
        probe=with_gradient_of_features, words="two images, and the gradient of the features",
    )  # fmt: skip
    for number in range(draw.count):
        bins = (draw.integer(1, 3), draw.integer(1, 3))
        boxes = _boxes_off_the_edges(draw, draw.integer(1, 3), 1 / 4, bins, (6, 8))
        ratio, aligned = draw.choice((-1, 0, 1, 2, 3)), number % 2 == 0
        yield Case(draw.normal((2, 2, 6, 8)), boxes, bins, 1 / 4, ratio, aligned, words="random boxes")


def right_align(features, rois, output_size, spatial_scale=1.0, sampling_ratio=-1, aligned=False):
    bins_y, bins_x = output_size
    out = torch.zeros(len(rois), features.shape[1], bins_y, bins_x)
    for k, roi in enumerate(rois):
        x1, y1, x2, y2 = roi[1:] * spatial_scale - (0.5 if aligned else 0.0)
        w, h = x2 - x1, y2 - y1
        if not aligned:
            w, h = w.clamp(min=1), h.clamp(min=1)
        down = sampling_ratio if sampling_ratio > 0 else math.ceil(h / bins_y)
        across = sampling_ratio if sampling_ratio > 0 else math.ceil(w / bins_x)
        if down < 1 or across < 1:
            continue
        box = torch.stack([x1, y1, x1 + w, y1 + h])
        x, y = ra.sample_points(box, output_size, (down, across)).unbind(-1)
        values = ra.bilinear_sample(features[int(roi[0])], y, x)
        out[k] = values.mean((-2, -1))
    return out


align.slip_of(
    right_align,
    "box rounded to cells",
    "You round the box on the map. That is RoI Pool's first snap; RoI Align keeps the fractions.",
    (
        "x1, y1, x2, y2 = roi[1:] * spatial_scale - (0.5 if aligned else 0.0)",
        "x1, y1, x2, y2 = torch.round(roi[1:] * spatial_scale - (0.5 if aligned else 0.0))",
    ),
)
align.slip_of(
    right_align,
    "x and y swapped",
    "You hand x to `bilinear_sample` where it wants y. It takes rows first: features, y, x.",
    ("features[int(roi[0])], y, x)", "features[int(roi[0])], x, y)"),
)
align.slip_of(
    right_align,
    "no half-cell shift",
    "With `aligned=True` your box does not move. Take half a cell away after scaling, so that pixel centres fall on "
    "cell centres.",
    ("(0.5 if aligned else 0.0)", "0.0"),
)
align.slip_of(
    right_align,
    "shift before scaling",
    "You take the half away before you scale, so it is half a pixel, not half a cell. Scale first, then shift.",
    (
        "roi[1:] * spatial_scale - (0.5 if aligned else 0.0)",
        "(roi[1:] - (0.5 if aligned else 0.0)) * spatial_scale",
    ),
)
align.slip_of(
    right_align,
    "one sample at the bin's corner",
    "You read each bin at its upper left corner. Read at the sample points inside the bin, and take their mean.",
    (
        "ra.sample_points(box, output_size, (down, across)).unbind(-1)",
        "(ra.sample_points(box, output_size, (1, 1)) - torch.stack([w / bins_x, h / bins_y]) / 2).unbind(-1)",
    ),
)
align.slip_of(
    right_align,
    "one sample in the middle",
    "You read each bin once, in its middle. Use `sampling_ratio` points in each direction; a mean over several sees "
    "the whole bin.",
    ("sample_points(box, output_size, (down, across))", "sample_points(box, output_size, (1, 1))"),
)
align.slip_of(
    right_align,
    "maximum instead of mean",
    "You keep the largest sample of a bin, as RoI Pool does. RoI Align takes the mean.",
    ("values.mean((-2, -1))", "values.amax((-2, -1))"),
)
align.slip_of(
    right_align,
    "far points left out of the mean",
    "You divide by the points that are near the map. Far points count as 0 and stay in the mean: divide by all points.",
    (
        "out[k] = values.mean((-2, -1))",
        "near = (y >= -1) & (y <= features.shape[2]) & (x >= -1) & (x <= features.shape[3])\n"
        "        out[k] = values.sum((-2, -1)) / near.sum((-2, -1)).clamp(min=1)",
    ),
)
align.slip_of(
    right_align,
    "small boxes stay small",
    "Without `aligned`, a box smaller than a cell is made one cell large. Yours keeps its size.",
    ("if not aligned:", "if False:"),
)
align.slip_of(
    right_align,
    "small boxes grow when aligned, too",
    "You make small boxes one cell large in both forms. With `aligned=True` a box keeps its size.",
    ("if not aligned:", "if True:"),
)
align.slip_of(
    right_align,
    "two points where the number adapts",
    "A `sampling_ratio` that is not positive means: as many points as the bin is cells large, rounded up. You always "
    "take two.",
    ("else math.ceil(h / bins_y)", "else 2"),
    ("else math.ceil(w / bins_x)", "else 2"),
)
align.slip_of(
    right_align,
    "only -1 adapts",
    "Your number of points adapts for -1 alone. Every `sampling_ratio` that is not positive means that, 0 as well.",
    ("down = sampling_ratio if sampling_ratio > 0", "down = sampling_ratio if sampling_ratio != -1"),
    ("across = sampling_ratio if sampling_ratio > 0", "across = sampling_ratio if sampling_ratio != -1"),
)
align.slip_of(
    right_align,
    "number of points rounded down",
    "You round the number of points down. It is rounded up, so that no cell of a bin lies between two points.",
    ("else math.ceil(h / bins_y)", "else int(h / bins_y) or math.ceil(h)"),
    ("else math.ceil(w / bins_x)", "else int(w / bins_x) or math.ceil(w)"),
)
align.slip_of(
    right_align,
    "as many points as the box has cells",
    "You take as many points a bin as the whole box is cells large. Divide its size by the number of bins first.",
    ("else math.ceil(h / bins_y)", "else math.ceil(h)"),
    ("else math.ceil(w / bins_x)", "else math.ceil(w)"),
)
align.slip_of(
    right_align,
    "the same number down and across",
    "You take the larger number of points for both directions. Height and width have a number of their own.",
    ("else math.ceil(h / bins_y)", "else math.ceil(max(h / bins_y, w / bins_x))"),
    ("else math.ceil(w / bins_x)", "else math.ceil(max(h / bins_y, w / bins_x))"),
)
align.slip_of(
    right_align,
    "box clipped to the map",
    "You clip the box to the map, so its bins shrink. The box stays as it is; points that fall outside are "
    "`bilinear_sample`'s business.",
    (
        "        w, h = x2 - x1, y2 - y1",
        "        x1, x2 = (x.clamp(0, features.shape[3] - 1) for x in (x1, x2))\n"
        "        y1, y2 = (y.clamp(0, features.shape[2] - 1) for y in (y1, y2))\n"
        "        w, h = x2 - x1, y2 - y1",
    ),
)
align.slip_of(
    right_align,
    "moved the wrong way",
    "You add half a cell when `aligned`. The centre of cell 0 lies half a cell inside the map and has coordinate 0: "
    "take the half away.",
    ("- (0.5 if aligned else 0.0)", "+ (0.5 if aligned else 0.0)"),
)
align.slip_of(
    right_align,
    "batch index ignored",
    "You read every box from the first image. The first number of a RoI says which image of the batch it belongs to.",
    ("features[int(roi[0])]", "features[0]"),
)


# ------------------------------------------------------------------------------------ 5 · the way back

scatter = exercises.function(
    "bilinear_scatter",
    reference.bilinear_scatter,
    title="The gradient to the features",
    points=3,
    difficulty=3,
    minutes=15,
    forbidden=(AUTOGRAD, INTERPOLATION, ROI),
    numpy=True,
    hints=(
        "A value was read from four cells with four weights. How much does it grow when one of these cells grows by 1?",
        "By that cell's weight. So the cell receives `gradient` times its weight, and cells that were read several "
        "times receive a sum.",
        "Walk over the points as in your `bilinear_sample`: skip far ones, clamp near ones, find the four cells. Then "
        "`out[y0, x0] += g * (1 - dy) * (1 - dx)`, and the other three cells alike.",
    ),
)


@scatter.cases
def _(draw):
    def numbers(n):
        return draw.integers((n,), 1, 10)

    def at(*values):
        return torch.tensor(values, dtype=torch.float32)

    def fractions(n, low, high):
        return (draw.integers((n,), low, high) + draw.uniform((n,), 0.1, 0.45)).round(decimals=2)

    yield Case(numbers(1), (4, 5), at(1.25), at(2.25), words="one point: four cells, four weights")
    yield Case(numbers(1), (4, 5), at(2.0), at(3.0), words="one point, exactly on a cell")
    yield Case(numbers(2), (4, 5), at(1.25, 1.25), at(1.25, 2.25), words="two points that share two cells")
    yield Case(
        numbers(3), (4, 5), at(1.25, 1.25, 1.25), at(1.25, 1.25, 1.25), words="the same point three times"
    )
    yield Case(
        numbers(2), (4, 5), at(-0.75, 3.75), at(1.25, 4.25), words="a little outside: lands on border cells"
    )
    yield Case(
        numbers(3),
        (4, 5),
        at(-1.25, 1.25, 4.5),
        at(1.25, 3.25, 1.25),
        words="two of three are too far",
    )
    for _ in range(draw.count):
        h, w, n = draw.integer(3, 5), draw.integer(3, 5), draw.integer(6, 9)
        y, x = fractions(n, -2, h + 1), fractions(n, -2, w + 1)
        yield Case(draw.normal((n,)), (h, w), y, x, words="random points, inside and outside")


def right_scatter(gradient, size, y, x):
    height, width = size
    out = torch.zeros(height, width)
    for g, v, u in zip(gradient, y.tolist(), x.tolist(), strict=True):
        if v < -1 or v > height or u < -1 or u > width:
            continue
        v, u = min(max(v, 0.0), height - 1), min(max(u, 0.0), width - 1)
        y0, x0 = int(v), int(u)
        y1, x1 = min(y0 + 1, height - 1), min(x0 + 1, width - 1)
        dy, dx = v - y0, u - x0
        out[y0, x0] += g * (1 - dy) * (1 - dx)
        out[y0, x1] += g * (1 - dy) * dx
        out[y1, x0] += g * dy * (1 - dx)
        out[y1, x1] += g * dy * dx
    return out


scatter.slip_of(
    right_scatter,
    "shared cells overwritten",
    "Where two points share a cell, you keep the later gradient. Gradients add up: use `+=`.",
    ("out[y0, x0] +=", "out[y0, x0] ="),
    ("out[y0, x1] +=", "out[y0, x1] ="),
    ("out[y1, x0] +=", "out[y1, x0] ="),
    ("out[y1, x1] +=", "out[y1, x1] ="),
)


@scatter.slip(
    "repeated indices counted once",
    "`out[y0, x0] += ...` with arrays of indices writes each cell once, however often it is listed. Add in a loop, or "
    "with `index_put_(..., accumulate=True)`.",
)
def _(gradient, size, y, x):
    height, width = size
    near = (y >= -1) & (y <= height) & (x >= -1) & (x <= width)
    g, v, u = gradient[near], y[near].clamp(0, height - 1), x[near].clamp(0, width - 1)
    y0, x0 = v.long(), u.long()
    y1, x1 = (y0 + 1).clamp(max=height - 1), (x0 + 1).clamp(max=width - 1)
    dy, dx = v - y0, u - x0
    out = torch.zeros(height, width)
    out[y0, x0] += g * (1 - dy) * (1 - dx)
    out[y0, x1] += g * (1 - dy) * dx
    out[y1, x0] += g * dy * (1 - dx)
    out[y1, x1] += g * dy * dx
    return out


scatter.slip_of(
    right_scatter,
    "all of it to the nearest cell",
    "You give the whole gradient to one cell. The value was a mix of four; each receives its share.",
    ("dy, dx = v - y0, u - x0", "dy, dx = round(v) - y0, round(u) - x0"),
)
scatter.slip_of(
    right_scatter,
    "weights swapped",
    "The farther cell receives more in yours. The shares are the weights that were used for reading: one minus the "
    "distance.",
    ("dy, dx = v - y0, u - x0", "dy, dx = 1 - (v - y0), 1 - (u - x0)"),
)
scatter.slip_of(
    right_scatter,
    "every cell receives the whole gradient",
    "You add the gradient itself to all four cells. Multiply it by each cell's weight; the four weights sum to 1.",
    ("g * (1 - dy) * (1 - dx)", "g"),
    ("g * (1 - dy) * dx", "g"),
    ("g * dy * (1 - dx)", "g"),
    ("g * dy * dx", "g"),
)
scatter.slip_of(
    right_scatter,
    "shares beyond the border lost",
    "A point a little outside gives you only part of its gradient; the rest falls off the map. It was clamped when it "
    "was read, so the border cells receive all of it.",
    (
        "        v, u = min(max(v, 0.0)",
        "        g = g * (1 - max(-v, v - height + 1, 0)) * (1 - max(-u, u - width + 1, 0))\n"
        "        v, u = min(max(v, 0.0)",
    ),
)
scatter.slip_of(
    right_scatter,
    "far points clamped",
    "You send gradients of far points to the border. Their value was 0 whatever the map held, so they give nothing.",
    ("if v < -1 or v > height or u < -1 or u > width:", "if False:"),
)
scatter.slip_of(
    right_scatter,
    "x and y swapped",
    "You use x for rows and y for columns. y counts rows, and rows come first.",
    ("height, width = size\n", "height, width = size\n    y, x = x, y\n"),
)


# --------------------------------------------------------------------------- 6 · a box on the move

shift = exercises.function(
    "shift_errors",
    reference.shift_errors,
    title="Move a box by a fraction of a cell",
    points=3,
    difficulty=3,
    minutes=15,
    allowed=("roi_pool", "roi_align"),
    numpy=True,
    hints=(
        "An operator is a function of one box here. Call it for the box where it is, and again for the moved box.",
        "The moved box has `d` added to x1 and x2. Compare `moved - start` with `d`.",
        "Take the absolute value of `moved - start - d` in every bin, and only then the mean over the bins.",
    ),
)


@shift.cases
def _(draw):
    def box(*corners):
        return torch.tensor(corners, dtype=torch.float32)

    grid = reference.position_map(12, 1 / 16)
    shifts = torch.arange(5) * 4.0
    yield Case(
        grid, box(40, 44, 100, 92), shifts, 1 / 16, (2, 2), words="stride 16, up to one cell in steps of 4 px"
    )
    yield Case(grid, box(32, 32, 96, 96), shifts + 3, 1 / 16, (2, 2), words="a box that starts on the grid")
    yield Case(
        grid,
        box(40, 44, 100, 92),
        torch.tensor([16.0, 32]),
        1 / 16,
        (2, 3),
        words="whole cells",
        smoke=True,
    )
    yield Case(grid, box(36, 44, 100, 92), -shifts, 1 / 16, (3, 3), words="to the left")
    yield Case(
        reference.position_map(24, 1 / 4), box(11, 13, 31, 43), shifts / 4, 1 / 4, (2, 2),
        words="stride 4: a smaller error",
    )  # fmt: skip
    for _ in range(draw.count):
        corner, size = draw.integers((2,), 33, 60), draw.integers((2,), 30, 70)
        moves = draw.integers((3,), 1, 60) / 4
        bins = (draw.integer(1, 3), draw.integer(2, 3))
        yield Case(
            grid,
            torch.cat([corner, corner + size]) + 0.125,
            moves,
            1 / 16,
            bins,
            words="random box and shifts",
        )


def right_shift(features, box, shifts, spatial_scale, output_size):
    def pooled(moved):
        rois = torch.cat([torch.zeros(1), moved])[None]
        return ra.roi_pool(features, rois, output_size, spatial_scale)

    def aligned(moved):
        rois = torch.cat([torch.zeros(1), moved])[None]
        return ra.roi_align(features, rois, output_size, spatial_scale, sampling_ratio=2, aligned=True)

    errors = torch.zeros(2, len(shifts))
    for row, operator in enumerate((pooled, aligned)):
        start = operator(box)
        for n, d in enumerate(shifts):
            step = torch.stack([d, 0 * d, d, 0 * d])
            errors[row, n] = (operator(box + step) - start - d).abs().mean()
    return errors


shift.slip_of(
    right_shift,
    "movement instead of error",
    "You measure how far the output moved. The error is what is missing to the box's own movement: subtract d, too.",
    ("- start - d)", "- start)"),
)
shift.slip_of(
    right_shift,
    "errors cancel between bins",
    "You take the mean first and the absolute value last, so bins that are too far left cancel others that are too "
    "far right.",
    ("(operator(box + step) - start - d).abs().mean()", "(operator(box + step) - start - d).mean().abs()"),
)
shift.slip_of(
    right_shift,
    "sign kept",
    "Your errors have a sign. An error of -4 pixels is as large as one of 4: take absolute values.",
    (".abs().mean()", ".mean()"),
)
shift.slip_of(
    right_shift,
    "only one side of the box moved",
    "You move x1 and leave x2, so the box is stretched. Add the shift to both.",
    ("torch.stack([d, 0 * d, d, 0 * d])", "torch.stack([d, 0 * d, 0 * d, 0 * d])"),
)
shift.slip_of(
    right_shift,
    "moved down instead of to the right",
    "You add the shift to y1 and y2. To the right is x: the first and the third number of a box.",
    ("torch.stack([d, 0 * d, d, 0 * d])", "torch.stack([0 * d, d, 0 * d, d])"),
)
shift.slip_of(
    right_shift,
    "shift counted in cells",
    "You scale the shift before you move the box. Boxes and shifts are both in pixels here; the operators do the "
    "scaling.",
    ("torch.stack([d, 0 * d, d, 0 * d])", "torch.stack([d, 0 * d, d, 0 * d]) * spatial_scale"),
)


@shift.slip(
    "shifts pile up",
    "Each of your shifts starts where the last one ended: `moved = box` is the same tensor, and `+=` changes it. Start "
    "from `box.clone()`, or add without `+=`.",
)
def _(features, box, shifts, spatial_scale, output_size):
    errors = torch.zeros(2, len(shifts))
    for row, (operator, more) in enumerate(((ra.roi_pool, ()), (ra.roi_align, (2, True)))):
        start = None
        moved = box.clone()
        for n, d in enumerate(torch.cat([torch.zeros(1), shifts])):
            moved[[0, 2]] += d
            output = operator(
                features, torch.cat([torch.zeros(1), moved])[None], output_size, spatial_scale, *more
            )
            if start is None:
                start = output
            else:
                errors[row, n - 1] = (output - start - d).abs().mean()
    return errors


shift.slip_of(
    right_shift,
    "root of the mean square",
    "You take the root of the mean square, which weighs large errors more. The formula has the mean of the absolute "
    "values.",
    (".abs().mean()", ".square().mean().sqrt()"),
)
shift.slip_of(
    right_shift,
    "rows exchanged",
    "Your first row belongs to RoI Align. RoI Pool comes first.",
    ("(pooled, aligned)", "(aligned, pooled)"),
)


# ------------------------------------------------------------------------------ 7 · which level of a pyramid

level = exercises.function(
    "fpn_level",
    reference.fpn_level,
    title="Which level of the pyramid?",
    points=2,
    difficulty=1,
    minutes=8,
    numpy=True,
    hints=(
        "A box of 224 x 224 pixels reads from level `k0`. A box of half that side reads one level lower.",
        "The side of a box that is not square is the root of its area. One level is a factor of two: `torch.log2`.",
        "Round down with `floor`, `clamp` into the levels that there are, and return whole numbers.",
    ),
)


@level.cases
def _(draw):
    def squares(*sides):
        return torch.tensor([[8.0, 16.0, 8.0 + side, 16.0 + side] for side in sides])

    def random_boxes(n):
        corner, size = draw.uniform((n, 2), 0, 300), 2 ** draw.uniform((n, 2), 3.5, 9.5)
        return torch.cat([corner, corner + size], 1)

    yield Case(squares(224, 112, 448), words="224, 112 and 448 pixels: levels 4, 3 and 5")
    yield Case(squares(220, 230, 110, 120, 440, 460), words="a little below and above the steps")
    yield Case(
        torch.tensor([[288.1, 288.1, 512.1, 512.1], [8.0, 16, 240, 240]]),
        words="512.1 - 288.1 pixels: 224, but for the last bit",
    )
    yield Case(squares(10, 40, 1500), words="smaller and larger than all levels: clamped")
    yield Case(torch.tensor([[0.0, 0, 448, 112], [0, 0, 60, 500]]), words="boxes that are not square")
    yield Case(
        squares(100, 200, 300, 800), 5, 256.0, 3, 7, words="another pyramid: k0 5, s0 256, levels 3 to 7"
    )
    for _ in range(draw.count):
        yield Case(random_boxes(6), words="random boxes")


def right_level(boxes, k0=4, s0=224, k_min=2, k_max=5):
    w, h = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    k = k0 + torch.log2(torch.sqrt(w * h) / s0)
    return torch.floor(k + 1e-6).clamp(k_min, k_max).long()


level.slip_of(
    right_level,
    "area instead of side",
    "You compare the area with s0. The side counts: take the root of w times h first.",
    ("torch.sqrt(w * h) / s0", "w * h / s0**2"),
)
level.slip_of(
    right_level,
    "the last bit decides",
    "A box of 512.1 - 288.1 pixels falls a level because of its last bit. Add `1e-6` before you round down.",
    ("torch.floor(k + 1e-6)", "torch.floor(k)"),
)
level.slip_of(
    right_level,
    "longer side",
    "You take the longer side. The formula has the side of a square of the same area: the root of w times h.",
    ("torch.sqrt(w * h)", "torch.maximum(w, h)"),
)
level.slip_of(
    right_level,
    "corner taken for size",
    "You take x2 and y2 for width and height. A box holds two corners: subtract them.",
    ("boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]", "boxes[:, 2], boxes[:, 3]"),
)
level.slip_of(
    right_level,
    "natural logarithm",
    "You take the natural logarithm. From level to level the stride doubles, so the base is 2.",
    ("torch.log2", "torch.log"),
)
level.slip_of(
    right_level,
    "rounded to the nearest level",
    "You round to the nearest level. The formula rounds down: a box climbs only when it has doubled.",
    ("torch.floor(k + 1e-6)", "torch.round(k)"),
)
level.slip_of(
    right_level,
    "levels not clamped",
    "You return levels that the pyramid does not have. Clamp into k_min to k_max.",
    (".clamp(k_min, k_max)", ""),
)
level.slip_of(
    right_level,
    "upside down",
    "Your large boxes read from fine maps. Large boxes read from coarse maps: the level grows with the size.",
    ("k0 + torch.log2", "k0 - torch.log2"),
)
level.slip_of(
    right_level,
    "counted from the first level",
    "You count from 0. The level itself is asked for, k_min is the first.",
    (".clamp(k_min, k_max).long()", ".clamp(k_min, k_max).long() - k_min"),
)
