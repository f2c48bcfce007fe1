"""What chapter 11 asks: cases, forbidden calls, and the slips that learners really make.

Most slips are one wrong line. They stand beside the right program that they are a line of.
"""

from __future__ import annotations

import torch
from torch import nn

from dlcv import pointrend
from dlcv.checking import INTERPOLATION, Case, Exercises, ModuleCase
from dlcv.pointrend import probes, reference

exercises = Exercises("pointrend")
check = exercises.check


# ----------------------------------------------------------------------- 1 · reading a map at points

sample = exercises.function(
    "point_sample",
    reference.point_sample,
    title="Read a map at points",
    points=4,
    difficulty=3,
    minutes=25,
    forbidden=(INTERPOLATION,),
    hints=(
        "The centre of column $j$ of $W$ is at $x = (j + 1/2) / W$. Turn that round: which column, as a number with a "
        "fraction, is at $x$?",
        "Let that number be `x`. Its left neighbour is `x.floor()`, with weight `1 - (x - x.floor())`; the right one "
        "has the rest. Four neighbours have products of such weights.",
        "A neighbour that is not on the map counts 0: make its weight 0, and its index anything that exists.",
    ),
)


@sample.cases
def _(draw):
    ramp = torch.tensor([[[[0.0, 1.0, 2.0], [10.0, 11.0, 12.0]]]])
    yield Case(
        ramp, torch.tensor([[[1 / 6, 0.25], [5 / 6, 0.75]]]), words="the centres of the first and last pixel"
    )
    yield Case(
        ramp, torch.tensor([[[1 / 3, 0.5], [2 / 3, 0.25]]]), words="between four pixels, and between two"
    )
    yield Case(
        ramp + 1, torch.tensor([[[0.0, 0.0], [1.0, 1.0], [1.0, 0.5]]]), words="corners: beyond the map is 0"
    )
    yield Case(
        draw.normal((2, 3, 4, 6)), draw.uniform((2, 5, 2), 0.2, 0.8), words="two maps with three channels"
    )
    yield Case(
        draw.normal((1, 2, 3, 4)), draw.uniform((1, 4, 2), 0.2, 0.8), gradient=True,
        words="gradients with respect to map and points",
    )  # fmt: skip
    for _ in range(draw.count):
        shape = (draw.integer(1, 2), draw.integer(1, 3), draw.integer(2, 6), draw.integer(2, 6))
        yield Case(draw.normal(shape), draw.uniform((shape[0], 7, 2)), words="random maps and points")


def right_sample(features, points):
    height, width = features.shape[-2:]
    x = points[..., 0] * width - 0.5
    y = points[..., 1] * height - 0.5
    left, top = x.floor().detach(), y.floor().detach()
    total = 0
    for i, weight_y in ((top, top + 1 - y), (top + 1, y - top)):
        for j, weight_x in ((left, left + 1 - x), (left + 1, x - left)):
            inside = (i >= 0) & (i < height) & (j >= 0) & (j < width)
            rows, columns = i.long().clamp(0, height - 1), j.long().clamp(0, width - 1)
            values = torch.stack([m[:, r, c] for m, r, c in zip(features, rows, columns, strict=True)])
            total = total + values * (weight_y * weight_x * inside)[:, None]
    return total


sample.slip_of(
    right_sample,
    "y, x",
    "You read the points as y, x. They are x, y: across first.",
    ("points[..., 0] * width", "points[..., 1] * width"),
    ("points[..., 1] * height", "points[..., 0] * height"),
)
sample.slip_of(
    right_sample,
    "corners aligned",
    "You put 0 and 1 on the *centres* of the outermost pixels, as `align_corners=True` does. They are the edges of the "
    "map; only so a point is the same place on maps of any size.",
    ("points[..., 0] * width - 0.5", "points[..., 0] * (width - 1)"),
    ("points[..., 1] * height - 0.5", "points[..., 1] * (height - 1)"),
)
sample.slip_of(
    right_sample,
    "half a pixel off",
    "You forget the half pixel: pixel 0 has its centre at 0.5, not at 0.",
    ("width - 0.5", "width"),
    ("height - 0.5", "height"),
)
sample.slip_of(
    right_sample,
    "border repeated",
    "Beyond the map you go on with the border's pixels. There is 0, as in `grid_sample`: leave out neighbours that are "
    "not on the map.",
    ("(weight_y * weight_x * inside)", "(weight_y * weight_x)"),
)


@sample.slip(
    "nearest pixel",
    "You take the nearest pixel. Read between the four around the point.",
)
def _(features, points):
    height, width = features.shape[-2:]
    columns = (points[..., 0] * width).long().clamp(0, width - 1)
    rows = (points[..., 1] * height).long().clamp(0, height - 1)
    return torch.stack([m[:, r, c] for m, r, c in zip(features, rows, columns, strict=True)])


# ----------------------------------------------------------------------- 2 · doubt

doubt = exercises.function(
    "uncertainty",
    reference.uncertainty,
    title="Where is it in doubt?",
    points=2,
    difficulty=1,
    minutes=8,
    hints=(
        "One channel: the boundary is where the logit is 0. The further away from it, the less doubt.",
        "Several: `topk(2, dim=1)` gives the best two. How much better is the first? Less doubt means a smaller "
        "number.",
        "The result has one channel.",
    ),
)


@doubt.cases
def _(draw):
    yield Case(torch.tensor([[[-3.0, 0.5, 2.0]]]), words="one channel: logits -3, 0.5 and 2")
    yield Case(torch.tensor([[[4.0, -1.0], [1.0, -1.5], [3.0, -9.0]]]), words="three classes at two points")
    yield Case(torch.tensor([[[30.0, 40.0, -50.0]]]), words="one channel, all very sure")
    yield Case(torch.tensor([[[60.0, 70.0], [25.0, 20.0]]]), words="two classes, very sure")
    for _ in range(draw.count):
        classes = draw.choice([1, 3, 4])
        yield Case(5 * draw.normal((2, classes, 3, 4)), words=f"random logits in {classes} channels")


def right_doubt(logits):
    if logits.shape[1] == 1:
        return -logits.abs()
    best = logits.topk(2, dim=1).values
    return best[:, 1:2] - best[:, 0:1]


doubt.slip_of(
    right_doubt,
    "the most certain",
    "Your numbers grow with certainty. The largest must be where the doubt is.",
    ("return -logits.abs()", "return logits.abs()"),
    ("best[:, 1:2] - best[:, 0:1]", "best[:, 0:1] - best[:, 1:2]"),
)
doubt.slip_of(
    right_doubt,
    "probabilities",
    "You compare probabilities. Where the network is sure, all of them are 1 to the last digit, and nothing can be "
    "ordered. Stay with logits.",
    ("return -logits.abs()", "return -(logits.sigmoid() - 0.5).abs()"),
    ("logits.topk", "logits.softmax(1).topk"),
)
doubt.slip_of(
    right_doubt,
    "absolute value missing",
    "With one channel you take the logit as it is. A logit of -3 is as sure as one of 3.",
    ("return -logits.abs()", "return -logits"),
)
doubt.slip_of(
    right_doubt,
    "best score alone",
    "With several classes you look at the best score alone. It says nothing without the second: only differences "
    "matter.",
    ("best[:, 1:2] - best[:, 0:1]", "-best[:, 0:1]"),
)
doubt.slip_of(
    right_doubt,
    "against the worst",
    "You compare the best class with the worst. The doubt is between the best two.",
    ("best[:, 1:2] - best[:, 0:1]", "logits.amin(1, keepdim=True) - best[:, 0:1]"),
)


# ----------------------------------------------------------------------- 3 · which pixels

pick = exercises.function(
    "uncertain_points_on_grid",
    reference.uncertain_points_on_grid,
    title="The pixels most in doubt",
    points=3,
    difficulty=2,
    minutes=15,
    hints=(
        "Flatten each map to H x W numbers and sort: `argsort` with `descending=True` and `stable=True`, so that of "
        "equal ones the first goes first. Then cut off.",
        "A flat index counts row by row: divided by `width` it gives the row (`//`), and the rest (`%`) is the column.",
        "The point is the pixel's centre: half a pixel from its corner. x comes first.",
    ),
)


@pick.cases
def _(draw):
    def distinct(n, h, w):
        ranks = torch.stack([draw.permutation(h * w) for _ in range(n)])
        return -ranks.reshape(n, 1, h, w).float() / 4

    yield Case(torch.tensor([[[[-3.0, -1.0, -7.0], [-2.0, -5.0, -4.0]]]]), 2, words="two of six")
    yield Case(
        -torch.tensor([[[[2.0, 1.0, 1.0], [1.0, 2.0, 0.0]]]]), 3, words="equal ones: the first goes first"
    )
    yield Case(distinct(2, 2, 3), 100, words="more points than pixels: all pixels")
    yield Case(distinct(3, 4, 5), 6, words="three maps")
    for _ in range(draw.count):
        n, h, w = draw.integer(1, 3), draw.integer(2, 6), draw.integer(2, 6)
        yield Case(distinct(n, h, w), draw.integer(1, h * w), words="random maps")


def right_pick(uncertainty, num_points):
    height, width = uncertainty.shape[-2:]
    order = uncertainty.flatten(1).argsort(dim=1, descending=True, stable=True)
    indices = order[:, :num_points]
    x = (indices % width + 0.5) / width
    y = (indices // width + 0.5) / height
    return indices, torch.stack([x, y], -1)


pick.slip_of(
    right_pick,
    "the most certain",
    "You pick the pixels with the smallest uncertainty. Sort in descending order.",
    ("descending=True, ", ""),
)
pick.slip_of(
    right_pick,
    "y, x",
    "Your points are y, x. Across comes first.",
    ("torch.stack([x, y], -1)", "torch.stack([y, x], -1)"),
)
pick.slip_of(
    right_pick,
    "corners, not centres",
    "Your points are the pixels' upper left corners. Their centres lie half a pixel further.",
    ("(indices % width + 0.5)", "(indices % width)"),
    ("(indices // width + 0.5)", "(indices // width)"),
)
pick.slip_of(
    right_pick,
    "pixels, not shares",
    "Your points are in pixels. They go from 0 to 1: divide by width and height.",
    ("(indices % width + 0.5) / width", "indices % width + 0.5"),
    ("(indices // width + 0.5) / height", "indices // width + 0.5"),
)
pick.slip_of(
    right_pick,
    "width for both",
    "You divide y by the width. Rows are shares of the height.",
    ("(indices // width + 0.5) / height", "(indices // width + 0.5) / width"),
)
pick.slip_of(
    right_pick,
    "corners aligned",
    "You spread the centres from 0 to 1, as `align_corners=True` does. The first is half a pixel from 0.",
    ("(indices % width + 0.5) / width", "(indices % width) / (width - 1)"),
    ("(indices // width + 0.5) / height", "(indices // width) / (height - 1)"),
)
pick.slip_of(
    right_pick,
    "height for width",
    "You split the flat index by the height. A row has `W` pixels: `k // W` and `k % W`.",
    ("indices % width", "indices % height"),
    ("indices // width", "indices // height"),
)


# ----------------------------------------------------------------------- 4 · points to learn from

biased = exercises.function(
    "biased_points",
    reference.biased_points,
    title="Points to learn from",
    points=3,
    difficulty=2,
    minutes=18,
    allowed=("point_sample", "uncertainty"),
    hints=(
        "Read the *logits* at the candidates: `pointrend.point_sample(logits, candidates)`. Then "
        "`pointrend.uncertainty` of what you read.",
        "Keep `int(importance * num_points)` of the candidates, by decreasing uncertainty. `gather` wants the order "
        "with one index for x and one for y: `order[..., None].expand(-1, -1, 2)`.",
        "Fill up with the first of `uniform`, and put them behind.",
    ),
)


@biased.cases
def _(draw):
    edge = torch.tensor([[[[4.0, -4.0]]]])
    spots = torch.tensor([[[0.25, 0.5], [0.5, 0.5], [0.7, 0.5], [0.4, 0.5]]])
    uniform = torch.tensor([[[0.1, 0.9], [0.7, 0.2], [0.3, 0.3], [0.9, 0.6]]])
    yield Case(edge, spots, uniform, 2, 0.5, words="a sure yes beside a sure no: the boundary is in between")
    yield Case(edge, spots, uniform, 4, words="three quarters are chosen")
    yield Case(edge, spots, uniform, 3, 0.5, words="half of three is one")
    yield Case(edge, spots, uniform, 2, 1.0, words="all are chosen")
    yield Case(edge, spots, uniform, 3, 0.0, words="none is chosen", smoke=True)
    pair, places = torch.cat([edge, edge.flip(3) + 2]), torch.cat([spots, spots.flip(1)])
    yield Case(
        pair, places, uniform.expand(2, -1, -1).clone(), 3, words="two images, each with its own order"
    )
    for _ in range(draw.count):
        n, classes = draw.integer(1, 2), draw.integer(1, 3)
        logits = 3 * draw.normal((n, classes, 4, 5))
        candidates, others = draw.uniform((n, 24, 2), 0.05, 0.95), draw.uniform((n, 8, 2))
        yield Case(logits, candidates, others, draw.integer(4, 8), words="random logits and points")


def right_biased(logits, candidates, uniform, num_points, importance=0.75):
    chosen = int(importance * num_points)
    doubt = pointrend.uncertainty(pointrend.point_sample(logits, candidates))[:, 0]
    order = doubt.argsort(dim=1, descending=True, stable=True)[:, :chosen]
    kept = candidates.gather(1, order[..., None].expand(-1, -1, 2))
    return torch.cat([kept, uniform[:, : num_points - chosen]], 1)


biased.slip_of(
    right_biased,
    "uncertainty read from a map",
    "You make a map of the uncertainty and read that. Between a sure yes and a sure no it is sure of itself, though "
    "the boundary is there. Read logits first, then take their uncertainty.",
    (
        "pointrend.uncertainty(pointrend.point_sample(logits, candidates))",
        "pointrend.point_sample(pointrend.uncertainty(logits), candidates)",
    ),
)
biased.slip_of(
    right_biased,
    "the most certain",
    "You keep the candidates with the least doubt. Sort in descending order.",
    ("descending=True, ", ""),
)
biased.slip_of(
    right_biased,
    "candidates instead of uniform points",
    "You fill up with candidates. The rest are uniform points: without them the head never sees the inside.",
    ("uniform[:, : num_points - chosen]", "candidates[:, : num_points - chosen]"),
)
biased.slip_of(
    right_biased,
    "shares exchanged",
    "You choose the small share and draw the large one. `importance` is the share that is chosen.",
    ("chosen = int(importance * num_points)", "chosen = num_points - int(importance * num_points)"),
)
biased.slip_of(
    right_biased,
    "rounded up",
    "You round the number of chosen points up. It is `int(importance * num_points)`, rounded down.",
    ("int(importance * num_points)", "-int(-importance * num_points // 1)"),
)


# ----------------------------------------------------------------------- 5 · the head

head = exercises.module(
    "PointHead",
    reference.PointHead,
    title="The point head",
    points=3,
    difficulty=2,
    minutes=18,
    hints=(
        "A linear layer for every point is an `nn.Conv1d` with filters of 1 over (N, C, P).",
        "Before each layer, the last too, stack the coarse prediction behind what you have: "
        "`torch.cat([x, coarse], 1)`. So every layer has `num_classes` more inputs.",
        "A ReLU after each hidden layer, none after the last. Define the layers in the order of their use.",
    ),
)


@head.cases
def _(draw):
    def case(channels, classes, hidden, layers, words, points=5):
        inputs = [draw.normal((2, channels, points)), draw.normal((2, classes, points))]
        return ModuleCase(channels, classes, hidden, layers, inputs=inputs, words=words)

    yield case(4, 3, 8, 3, "three hidden layers")
    yield case(4, 2, 6, 1, "one hidden layer")
    yield case(3, 1, 5, 2, "a mask: one class")
    for _ in range(draw.count):
        yield case(
            draw.integer(2, 5), draw.integer(1, 4), draw.integer(3, 8), draw.integer(1, 4), "random sizes",
            draw.integer(1, 6),
        )  # fmt: skip


class RightPointHead(nn.Module):
    def __init__(self, in_channels, num_classes, hidden_channels=256, num_layers=3):
        super().__init__()
        self.layers = nn.ModuleList()
        before = in_channels
        for _ in range(num_layers):
            self.layers.append(nn.Conv1d(before + num_classes, hidden_channels, 1))
            before = hidden_channels
        self.score = nn.Conv1d(hidden_channels + num_classes, num_classes, 1)

    def forward(self, fine, coarse):
        x = fine
        for layer in self.layers:
            x = torch.relu(layer(torch.cat([x, coarse], 1)))
        return self.score(torch.cat([x, coarse], 1))


head.slip_of(
    RightPointHead,
    "coarse features first alone",
    "You give the coarse prediction to the first layer only. Every layer gets it again.",
    ("            before = hidden_channels", "            before = hidden_channels - num_classes"),
    (
        "nn.Conv1d(hidden_channels + num_classes, num_classes, 1)",
        "nn.Conv1d(hidden_channels, num_classes, 1)",
    ),
    (
        "        for layer in self.layers:\n            x = torch.relu(layer(torch.cat([x, coarse], 1)))",
        "        x = torch.cat([x, coarse], 1)\n        for layer in self.layers:\n            x = "
        "torch.relu(layer(x))",
    ),
    ("return self.score(torch.cat([x, coarse], 1))", "return self.score(x)"),
)
head.slip_of(
    RightPointHead,
    "last layer without coarse features",
    "Your last layer does not get the coarse prediction. Every layer does, that one too.",
    (
        "nn.Conv1d(hidden_channels + num_classes, num_classes, 1)",
        "nn.Conv1d(hidden_channels, num_classes, 1)",
    ),
    ("return self.score(torch.cat([x, coarse], 1))", "return self.score(x)"),
)
head.slip_of(
    RightPointHead,
    "coarse before fine",
    "You stack the coarse prediction before the fine features. Fine comes first, as in the arguments.",
    ("x = torch.relu(layer(torch.cat([x, coarse], 1)))", "x = torch.relu(layer(torch.cat([coarse, x], 1)))"),
    ("return self.score(torch.cat([x, coarse], 1))", "return self.score(torch.cat([coarse, x], 1))"),
)
head.slip_of(
    RightPointHead,
    "last layer counted in",
    "You make one hidden layer too few: `num_layers` counts the hidden ones, and the scores come on top.",
    ("for _ in range(num_layers):", "for _ in range(num_layers - 1):"),
    (
        "nn.Conv1d(hidden_channels + num_classes, num_classes, 1)",
        "nn.Conv1d(before + num_classes, num_classes, 1)",
    ),
)
head.slip_of(
    RightPointHead,
    "ReLU missing",
    "There is no ReLU between your layers. Linear layers in a row are one linear layer.",
    ("x = torch.relu(layer(torch.cat([x, coarse], 1)))", "x = layer(torch.cat([x, coarse], 1))"),
)
head.slip_of(
    RightPointHead,
    "ReLU on the scores",
    "You cut the logits off at zero. A logit may be negative: no ReLU behind the last layer.",
    (
        "return self.score(torch.cat([x, coarse], 1))",
        "return torch.relu(self.score(torch.cat([x, coarse], 1)))",
    ),
)
head.slip_of(
    RightPointHead,
    "neighbours mixed in",
    "Your filters look at three points at once. The points of a row have nothing to do with each other: filters of 1.",
    (
        "nn.Conv1d(before + num_classes, hidden_channels, 1)",
        "nn.Conv1d(before + num_classes, hidden_channels, 3, padding=1)",
    ),
)


# ----------------------------------------------------------------------- 6 · subdivision

subdivide = exercises.function(
    "subdivision_inference",
    reference.subdivision_inference,
    title="Subdivide",
    points=5,
    difficulty=3,
    minutes=30,
    allowed=("point_sample", "uncertainty", "uncertain_points_on_grid"),
    hints=(
        "A step: double the size (`torch.nn.functional.interpolate`, bilinear, `align_corners=False`), find the pixels "
        "most in doubt, ask the head there, write what it says into the map.",
        "The head wants two things at the points: the fine features, and the *first* prediction, `coarse`, at every "
        "step.",
        "`indices[:, None].expand(-1, classes, -1)` has the shape of what the head returned; `scatter` along the "
        "flattened pixels writes it.",
    ),
)


@subdivide.cases
def _(draw):
    def case(classes, channels, size, fine, steps, num_points, words, **more):
        return Case(
            draw.normal((2, classes, *size)), draw.normal((2, channels, *fine)),
            draw.normal((classes, channels + classes)), draw.normal((classes,)), steps, num_points,
            words=words, probe=probes.with_head, **more,
        )  # fmt: skip

    yield case(3, 2, (3, 4), (6, 8), 1, 5, "one step, three classes")
    yield case(1, 2, (4, 3), (8, 6), 2, 6, "two steps, a mask of one channel")
    yield case(2, 3, (2, 3), (8, 12), 2, 10**4, "more points than pixels: all are asked")
    yield case(3, 2, (3, 3), (6, 6), 3, 12, "three steps")
    yield case(3, 2, (3, 3), (6, 6), 0, 12, "no step: the coarse prediction", smoke=True)
    for _ in range(draw.count):
        size = (draw.integer(2, 4), draw.integer(2, 4))
        fine = (2 * size[0], 2 * size[1])
        yield case(draw.integer(1, 3), draw.integer(1, 3), size, fine, 2, draw.integer(3, 15), "random maps")


def right_subdivide(coarse, features, head, steps, num_points):
    logits = coarse
    for _ in range(steps):
        logits = nn.functional.interpolate(logits, scale_factor=2, mode="bilinear", align_corners=False)
        doubt = pointrend.uncertainty(logits)
        indices, points = pointrend.uncertain_points_on_grid(doubt, num_points)
        rough = pointrend.point_sample(coarse, points)
        again = head(pointrend.point_sample(features, points), rough)
        places = indices[:, None].expand(-1, logits.shape[1], -1)
        logits = logits.flatten(2).scatter(2, places, again).unflatten(2, logits.shape[-2:])
    return logits


subdivide.slip_of(
    right_subdivide,
    "refined map as coarse features",
    "You read the coarse features from the refined map. The head was trained on the first prediction, and would hear "
    "its own words again: read `coarse` at every step.",
    ("pointrend.point_sample(coarse, points)", "pointrend.point_sample(logits, points)"),
)
subdivide.slip_of(
    right_subdivide,
    "corners aligned",
    "You enlarge with `align_corners=True`. Then pixels shift against the points at which the head is asked.",
    ("align_corners=False", "align_corners=True"),
)
subdivide.slip_of(
    right_subdivide,
    "nearest pixel",
    "You enlarge by repeating pixels. Between two logits the answer changes gradually: bilinear.",
    ('mode="bilinear", align_corners=False', 'mode="nearest"'),
)
subdivide.slip_of(
    right_subdivide,
    "the most certain",
    "You ask the head where the answer is least in doubt.",
    ("doubt = pointrend.uncertainty(logits)", "doubt = -pointrend.uncertainty(logits)"),
)
subdivide.slip_of(
    right_subdivide,
    "doubled after asking",
    "You ask the head first and double afterwards, so what it said is smeared. Double, then ask.",
    (
        '        logits = nn.functional.interpolate(logits, scale_factor=2, mode="bilinear", align_corners=False)\n',
        "",
    ),
    (
        "unflatten(2, logits.shape[-2:])",
        "unflatten(2, logits.shape[-2:])\n"
        '        logits = nn.functional.interpolate(logits, scale_factor=2, mode="bilinear", align_corners=False)',
    ),
)
subdivide.slip_of(
    right_subdivide,
    "begins anew",
    "Each of your steps enlarges the coarse prediction again, and what the head said in the step before is lost. "
    "Enlarge what the last step gave.",
    (
        "for _ in range(steps):\n        logits = nn.functional.interpolate(logits, scale_factor=2,",
        "for step in range(steps):\n        logits = nn.functional.interpolate(coarse, scale_factor=2 ** (step + 1),",
    ),
)
subdivide.slip_of(
    right_subdivide,
    "added",
    "You add what the head says to the old logits. It replaces them.",
    ("scatter(2, places, again)", "scatter_add(2, places, again)"),
)
subdivide.slip_of(
    right_subdivide,
    "everything replaced by the interpolation",
    "You return the interpolated map; what the head says is lost. `scatter` returns a new map: keep it.",
    (
        "logits = logits.flatten(2).scatter(2, places, again).unflatten(2, logits.shape[-2:])",
        "logits.flatten(2).scatter(2, places, again).unflatten(2, logits.shape[-2:])",
    ),
)


# ----------------------------------------------------------------------- 7 · what it saves

cost = exercises.function(
    "points_evaluated",
    reference.points_evaluated,
    title="What it saves",
    points=2,
    difficulty=1,
    minutes=10,
    hints=(
        "After $s$ steps a map of $h \\times w$ pixels has $4^s$ times as many.",
        "A step asks at most as often as there are pixels. The first step is already on a doubled map.",
    ),
)


@cost.cases
def _(draw):
    yield Case(7, 5, 28**2, words="the paper's masks: 7 x 7 to 224 x 224, 784 points a step")
    yield Case((4, 6), 2, 10, words="height and width differ")
    yield Case((2, 3), 3, 10**6, words="all pixels at every step")
    yield Case(5, 0, 10, words="no step")
    for _ in range(draw.count):
        size = (draw.integer(2, 9), draw.integer(2, 9))
        yield Case(size, draw.integer(2, 5), draw.integer(20, 400), words="random sizes")


def right_cost(size, steps, num_points):
    height, width = (size, size) if isinstance(size, int) else size
    points, pixels = 0, height * width
    for _ in range(steps):
        pixels *= 4
        points += min(num_points, pixels)
    return points, pixels


cost.slip_of(
    right_cost,
    "more points than pixels",
    "You count more points than a map has pixels. The first maps are small: all of their pixels are asked, and no "
    "more.",
    ("min(num_points, pixels)", "num_points"),
)
cost.slip_of(
    right_cost,
    "counted before doubling",
    "You count the points on the map before it is doubled. The step doubles first, then asks.",
    ("        pixels *= 4\n        points += min(num_points, pixels)",
     "        points += min(num_points, pixels)\n        pixels *= 4"),
)  # fmt: skip
cost.slip_of(
    right_cost,
    "coarse pixels counted",
    "You count the pixels of the coarse map, too. They are the base's work; nobody asks the head there.",
    ("points, pixels = 0, height * width", "points, pixels = height * width, height * width"),
)
cost.slip_of(
    right_cost,
    "doubled once",
    "Your map has twice the pixels after a step. Height *and* width double: four times.",
    ("pixels *= 4", "pixels *= 2"),
)
cost.slip_of(
    right_cost,
    "last step alone",
    "You count the last step alone. Every step asks the head.",
    ("points += min", "points = min"),
)
