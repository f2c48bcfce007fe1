"""What chapter 08 asks: cases, forbidden calls, and the slips that learners really make.

Most slips are one wrong line. They stand beside the right program that they are a line of.
"""

from __future__ import annotations

import torch
from torch import nn

from dlcv import deeplab
from dlcv.checking import INTERPOLATION, POOLING, Case, Exercises, ModuleCase
from dlcv.deeplab import reference

exercises = Exercises("deeplab")
check = exercises.check


# ----------------------------------------------------------------------- 1 · one atrous branch

branch = exercises.module(
    "AtrousBranch",
    reference.AtrousBranch,
    title="One atrous branch",
    points=2,
    difficulty=1,
    minutes=8,
    hints=(
        "Three layers in a row: convolution, batch normalisation, ReLU. `nn.Conv2d` knows `dilation`.",
        "With taps `rate` pixels apart, the filter reaches `rate` pixels beyond its middle. How much padding keeps the "
        "map's size?",
        "`nn.Conv2d(in_channels, out_channels, 3, padding=rate, dilation=rate, bias=False)`: the normalisation behind "
        "it takes any constant away, so a bias would do nothing.",
    ),
)


@branch.cases
def _(draw):
    def case(c, k, rate, size, words, **more):
        return ModuleCase(c, k, rate, inputs=[draw.normal((2, c, *size))], words=words, **more)

    yield case(2, 3, 2, (7, 9), "2 channels to 3, rate 2")
    yield case(1, 2, 1, (5, 5), "rate 1: a plain convolution")
    yield case(2, 2, 3, (8, 7), "as it is in training", training=True)
    yield case(2, 2, 6, (5, 4), "a rate larger than the map: only the middle tap is left")
    yield case(1, 2, 4, (1, 1), "a map of one pixel")
    for _ in range(draw.count):
        size = (draw.integer(3, 9), draw.integer(3, 9))
        yield case(draw.integer(1, 3), draw.integer(1, 3), draw.integer(2, 5), size, "random sizes")


class RightBranch(nn.Module):
    def __init__(self, in_channels, out_channels, rate):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 3, padding=rate, dilation=rate, bias=False)
        self.norm = nn.BatchNorm2d(out_channels)

    def forward(self, x):
        return torch.relu(self.norm(self.conv(x)))


branch.slip_of(
    RightBranch,
    "padding is not the rate",
    "Your maps shrink: padding 1 fits a plain filter. With rate r the outer taps lie r pixels away, so pad by r.",
    ("padding=rate", "padding=1"),
)
branch.slip_of(
    RightBranch,
    "taps side by side",
    "Your filter is a plain one: it has padding for its rate and no `dilation`, so the map even grows.",
    ("dilation=rate", "dilation=1"),
)
branch.slip_of(
    RightBranch,
    "plain filter of the right size",
    "You keep the size, and the taps lie side by side: the rate is never used as `dilation`.",
    ("padding=rate, dilation=rate", "padding=1"),
)
branch.slip_of(
    RightBranch,
    "a bias before the normalisation",
    "Your convolution has a bias. The normalisation behind it subtracts the mean, and any constant with it: "
    "`bias=False`.",
    (", bias=False", ""),
)
branch.slip_of(
    RightBranch,
    "normalised after the ReLU",
    "You normalise what the ReLU has left over. The order is convolution, normalisation, ReLU.",
    ("torch.relu(self.norm(self.conv(x)))", "self.norm(torch.relu(self.conv(x)))"),
)
branch.slip_of(
    RightBranch,
    "no ReLU",
    "The ReLU at the end is missing.",
    ("torch.relu(self.norm(self.conv(x)))", "self.norm(self.conv(x))"),
)


# ----------------------------------------------------------------------- 2 · how much of a filter is on the map

valid = exercises.function(
    "valid_weight_fraction",
    reference.valid_weight_fraction,
    title="How much of a filter is on the map?",
    points=2,
    difficulty=2,
    minutes=10,
    hints=(
        "One axis first. The middle tap is always on the map. At how many of `s` places is the left one?",
        "The left tap falls off at the first `rate` places: `s - rate` are left, or none. The right one loses as many "
        "at the other end.",
        "So `s + 2 * max(s - rate, 0)` of `3 * s` products count along one axis. Rows and columns multiply.",
    ),
)


@valid.cases
def _(draw):
    yield Case((4, 4), 1, words="a map of 4x4, rate 1")
    yield Case((5, 9), 2, words="a map of 5x9, rate 2")
    yield Case((6, 6), 6, words="a rate as large as the map")
    yield Case((65, 65), 18, words="the paper's map of 65x65, rate 18")
    yield Case((3, 20), 7, words="beyond the rows, within the columns")
    yield Case((4, 5), 30, words="a rate far beyond the map")
    for _ in range(draw.count):
        yield Case((draw.integer(2, 70), draw.integer(2, 70)), draw.integer(1, 40), words="random sizes")


def right_fraction(size, rate):
    fraction = 1.0
    for s in size:
        inside = s + 2 * max(s - rate, 0)
        fraction = fraction * inside / (3 * s)
    return fraction


valid.slip_of(
    right_fraction,
    "less than nothing",
    "Where the rate is larger than the map, you count a negative number of places. An outer tap that is never on the "
    "map counts zero times.",
    ("2 * max(s - rate, 0)", "2 * (s - rate)"),
)
valid.slip_of(
    right_fraction,
    "one outer tap",
    "You count one outer tap an axis. There are two, left and right of the middle, and each falls off at its own end.",
    ("2 * max(s - rate, 0)", "max(s - rate, 0)"),
)
valid.slip_of(
    right_fraction,
    "places without any padding",
    "You count the places where the *whole* filter is on the map. Elsewhere some of its taps still are: count taps.",
    ("inside = s + 2 * max(s - rate, 0)", "inside = 3 * max(s - 2 * rate, 0)"),
)
valid.slip_of(
    right_fraction,
    "averaged over the axes",
    "You average rows and columns. A tap is on the map if its row *and* its column are: multiply.",
    ("fraction = 1.0", "fraction = 0.0"),
    ("fraction = fraction * inside / (3 * s)", "fraction = fraction + inside / (3 * s) / 2"),
)


# ----------------------------------------------------------------------- 3 · ASPP

aspp = exercises.module(
    "ASPP",
    reference.ASPP,
    title="Atrous spatial pyramid pooling",
    points=3,
    difficulty=3,
    minutes=20,
    allowed=("AtrousBranch",),
    hints=(
        "Every branch gets the same `x` and gives `out_channels` maps of the same size. How many channels has the "
        "stack of all? `rates` says how many atrous ones there are.",
        "Image pooling: `x.mean((2, 3), keepdim=True)` leaves one pixel for each channel. After its 1x1 convolution, "
        "`expand(-1, -1, *x.shape[2:])` gives every pixel the same values.",
        "Stack in the order 1x1, atrous branches, image, along axis 1, and project: "
        "`(2 + len(rates)) * out_channels` channels to `out_channels`. All 1x1 convolutions are without bias, with "
        "normalisation and ReLU.",
    ),
)


@aspp.cases
def _(draw):
    def case(c, k, rates, size, words, n=1, **more):
        return ModuleCase(c, k, rates, inputs=[draw.normal((n, c, *size))], words=words, **more)

    yield case(2, 3, (1, 2), (6, 7), "two rates")
    yield case(3, 2, (2, 3, 5), (7, 5), "three rates, and two images", n=2)
    yield case(2, 2, (6, 12, 18), (5, 5), "the paper's rates on a small map")
    yield case(2, 2, (2,), (1, 1), "a single image of one pixel")
    yield case(2, 2, (1, 3), (4, 6), "as it is in training", n=3, training=True)
    for _ in range(max(1, draw.count // 2)):
        rates = [draw.integer(1, 4) for _ in range(draw.integer(1, 3))]
        size = (draw.integer(3, 7), draw.integer(3, 7))
        yield case(draw.integer(1, 3), draw.integer(1, 3), rates, size, "random sizes", n=draw.integer(1, 2))


class RightASPP(nn.Module):
    def __init__(self, in_channels, out_channels=256, rates=(6, 12, 18)):
        super().__init__()

        def pixelwise(channels):
            conv = nn.Conv2d(channels, out_channels, 1, bias=False)
            return nn.Sequential(conv, nn.BatchNorm2d(out_channels), nn.ReLU())

        self.pixel = pixelwise(in_channels)
        self.atrous = nn.ModuleList([deeplab.AtrousBranch(in_channels, out_channels, rate) for rate in rates])
        self.image = pixelwise(in_channels)
        self.project = pixelwise((2 + len(rates)) * out_channels)

    def forward(self, x):
        maps = [self.pixel(x)]
        for branch in self.atrous:
            maps.append(branch(x))
        whole = self.image(x.mean((2, 3), keepdim=True))
        maps.append(whole.expand(-1, -1, x.shape[2], x.shape[3]))
        return self.project(torch.cat(maps, 1))


aspp.slip_of(
    RightASPP,
    "branches summed",
    "You add the branches up. Then the projection cannot weigh one rate against another: concatenate their channels.",
    ("pixelwise((2 + len(rates)) * out_channels)", "pixelwise(out_channels)"),
    ("torch.cat(maps, 1)", "sum(maps)"),
)
aspp.slip_of(
    RightASPP,
    "branches in a row",
    "Each of your branches gets what the one before it gave. They stand side by side: all see the same `x`.",
    ("maps.append(branch(x))", "maps.append(branch(maps[-1][:, :1].expand_as(x)))"),
)
aspp.slip_of(
    RightASPP,
    "pooled features not spread",
    "The image branch ends in a map of one pixel. Give its values to every pixel before you stack: `expand`, or an "
    "interpolation to the size of `x`.",
    ("whole.expand(-1, -1, x.shape[2], x.shape[3])", "whole"),
)
aspp.slip_of(
    RightASPP,
    "no image pooling",
    "Your image branch looks at single pixels: it never takes the mean over the map.",
    (
        "whole = self.image(x.mean((2, 3), keepdim=True))",
        "whole = self.image(x)",
    ),
)
aspp.slip_of(
    RightASPP,
    "mean after the ReLU",
    "You take the mean of what the 1x1 convolution gave. First the mean over the map, then the convolution: a ReLU "
    "before the mean would only let the bright parts speak.",
    (
        "whole = self.image(x.mean((2, 3), keepdim=True))",
        "whole = self.image(x).mean((2, 3), keepdim=True)",
    ),
)
aspp.slip_of(
    RightASPP,
    "image branch first",
    "You stack the image branch before the others. The order is 1x1, atrous, image; weights that are passed on "
    "depend on it.",
    (
        "torch.cat(maps, 1)",
        "torch.cat(maps[-1:] + maps[:-1], 1)",
    ),
)
aspp.slip_of(
    RightASPP,
    "maximum of the map",
    "You take the largest value of each channel. Image pooling is the mean.",
    ("x.mean((2, 3), keepdim=True)", "x.amax((2, 3), keepdim=True)"),
)


# ----------------------------------------------------------------------- 4 · bins

pool = exercises.function(
    "adaptive_average_pool",
    reference.adaptive_average_pool,
    title="Averages over a fixed number of bins",
    points=3,
    difficulty=3,
    minutes=15,
    forbidden=(POOLING, INTERPOLATION),
    hints=(
        "Seven rows in three bins: each should be 7/3 rows high. The first covers rows 0 to 2.33, so it touches rows "
        "0, 1 and 2. Which rows does the second touch?",
        "Bin `i` begins at `i * h / bins`, rounded down, and ends at `(i + 1) * h / bins`, rounded up. Whole numbers "
        "only: `//` rounds down, and minus the quotient of minus the number rounds up.",
        "Take `x[..., top:bottom, left:right].mean((-2, -1))` for each bin, and stack what you get.",
    ),
)


@pool.cases
def _(draw):
    def whole(*shape):
        return draw.integers(shape, 0, 10)

    yield Case(whole(1, 1, 4, 4), 2, words="4x4 pixels in 2x2 bins")
    yield Case(whole(1, 1, 7, 7), 3, words="7x7 pixels in 3x3 bins: they share pixels")
    yield Case(whole(1, 2, 5, 8), 6, words="more bins than rows")
    yield Case(whole(2, 1, 3, 5), 1, words="one bin: the mean of the map")
    yield Case(whole(1, 1, 10, 7), 6, words="6 bins on 10 rows and 7 columns")
    yield Case(draw.normal((1, 2, 7, 5)), 3, words="the gradient reaches every pixel", gradient=True)
    for _ in range(draw.count):
        x = draw.normal((draw.integer(1, 2), draw.integer(1, 3), draw.integer(2, 13), draw.integer(2, 13)))
        yield Case(x, draw.choice([1, 2, 3, 4, 6]), words="random sizes")


def right_pool(x, bins):
    h, w = x.shape[2], x.shape[3]
    rows = []
    for i in range(bins):
        top, bottom = i * h // bins, -(-(i + 1) * h // bins)
        row = []
        for j in range(bins):
            left, right = j * w // bins, -(-(j + 1) * w // bins)
            row.append(x[:, :, top:bottom, left:right].mean((2, 3)))
        rows.append(torch.stack(row, 2))
    return torch.stack(rows, 2)


pool.slip_of(
    right_pool,
    "bins do not overlap",
    "You round both ends down, so the bins part the map. A bin that ends within a pixel takes it, too: round its end "
    "up.",
    ("-(-(i + 1) * h // bins)", "max((i + 1) * h // bins, i * h // bins + 1)"),
    ("-(-(j + 1) * w // bins)", "max((j + 1) * w // bins, j * w // bins + 1)"),
)
pool.slip_of(
    right_pool,
    "one pixel too many",
    "Your bins end one pixel further than their rounded-down end. Where a bin ends between two pixels, that is a "
    "bin too large: it should only be rounded up.",
    ("-(-(i + 1) * h // bins)", "(i + 1) * h // bins + 1"),
    ("-(-(j + 1) * w // bins)", "(j + 1) * w // bins + 1"),
)
pool.slip_of(
    right_pool,
    "pixels left over",
    "You make all bins `h // bins` pixels high. Where that does not come out even, the last rows and columns belong "
    "to no bin.",
    (
        "top, bottom = i * h // bins, -(-(i + 1) * h // bins)",
        "top, bottom = i * max(h // bins, 1), (i + 1) * max(h // bins, 1)",
    ),
    (
        "left, right = j * w // bins, -(-(j + 1) * w // bins)",
        "left, right = j * max(w // bins, 1), (j + 1) * max(w // bins, 1)",
    ),
)
pool.slip_of(
    right_pool,
    "maximum",
    "You take the largest value of each bin. This pooling averages.",
    (".mean((2, 3))", ".amax((2, 3))"),
)
pool.slip_of(
    right_pool,
    "rows and columns exchanged",
    "Your result lies on its side: bins that lie next to each other in the map stand below each other.",
    ("return torch.stack(rows, 2)", "return torch.stack(rows, 3)"),
)
pool.slip_of(
    right_pool,
    "divided by an average size",
    "You divide every sum by the same number of pixels. Bins differ in size: divide each by its own.",
    (".mean((2, 3))", ".sum((2, 3)) * bins * bins / (h * w)"),
)


# ----------------------------------------------------------------------- 5 · pyramid pooling

pyramid = exercises.module(
    "PyramidPooling",
    reference.PyramidPooling,
    title="Pyramid pooling",
    points=3,
    difficulty=3,
    minutes=15,
    allowed=("adaptive_average_pool",),
    hints=(
        "A level: average `x` into its `bins`, bring the channels down with a 1x1 convolution (no bias, normalisation, "
        "ReLU), and enlarge to the size of `x`.",
        "Four levels of a quarter of the channels each, and `x` itself: twice as many channels as before.",
        '`nn.functional.interpolate(y, size=x.shape[2:], mode="bilinear")` enlarges; `torch.cat([x, ...], 1)` stacks '
        "with `x` in front.",
    ),
)


@pyramid.cases
def _(draw):
    def case(c, bins, size, words, n=1, **more):
        return ModuleCase(c, bins, inputs=[draw.normal((n, c, *size))], words=words, **more)

    yield case(4, (1, 2), (6, 7), "two levels")
    yield case(4, (1, 2, 3, 6), (8, 8), "PSPNet's four levels")
    yield case(4, (1, 3), (1, 1), "a single image of one pixel")
    yield case(4, (2, 3), (7, 10), "as it is in training", n=2, training=True)
    yield case(6, (1, 2, 6), (13, 9), "three levels of a third of the channels")
    for _ in range(max(1, draw.count // 2)):
        size = (draw.integer(3, 9), draw.integer(3, 9))
        bins = draw.choice([(1, 2), (2, 4), (1, 3), (3, 6)])
        yield case(2 * draw.integer(1, 3), bins, size, "random sizes", n=draw.integer(1, 2))


class RightPyramid(nn.Module):
    def __init__(self, in_channels, bins=(1, 2, 3, 6)):
        super().__init__()
        self.bins = bins
        self.levels = nn.ModuleList()
        for _ in bins:
            channels = in_channels // len(bins)
            conv = nn.Conv2d(in_channels, channels, 1, bias=False)
            self.levels.append(nn.Sequential(conv, nn.BatchNorm2d(channels), nn.ReLU()))

    def forward(self, x):
        maps = [x]
        for bins, level in zip(self.bins, self.levels, strict=True):
            y = level(deeplab.adaptive_average_pool(x, bins))
            maps.append(nn.functional.interpolate(y, size=x.shape[2:], mode="bilinear"))
        return torch.cat(maps, 1)


pyramid.slip_of(
    RightPyramid,
    "channels not reduced",
    "Every level keeps all channels, so the pooled maps outweigh the map itself. Each gets its share: "
    "`in_channels // len(bins)`.",
    ("channels = in_channels // len(bins)", "channels = in_channels"),
)
pyramid.slip_of(
    RightPyramid,
    "the map itself forgotten",
    "You stack the levels alone. Then nothing of the map's own resolution is left: `x` stands in front.",
    ("maps = [x]", "maps = []"),
)
pyramid.slip_of(
    RightPyramid,
    "pooled features not enlarged",
    "Your levels still have the size of their bins. Enlarge each to the size of `x` before you stack.",
    ('nn.functional.interpolate(y, size=x.shape[2:], mode="bilinear")', "y"),
)
pyramid.slip_of(
    RightPyramid,
    "enlarged in blocks",
    "You repeat values. The levels are enlarged bilinearly, so that no edges of bins are left.",
    ('mode="bilinear"', 'mode="nearest"'),
)
pyramid.slip_of(
    RightPyramid,
    "corners aligned",
    "You align corner pixels. Bins are areas: their middles lie at half pixels, `align_corners=False`.",
    ('mode="bilinear"', 'mode="bilinear", align_corners=True'),
)
pyramid.slip_of(
    RightPyramid,
    "map last",
    "You put the map behind the levels. It stands in front.",
    ("torch.cat(maps, 1)", "torch.cat([*maps[1:], x], 1)"),
)


# ----------------------------------------------------------------------- 6 · separable convolution

separable = exercises.module(
    "SeparableConv",
    reference.SeparableConv,
    title="A convolution in two steps",
    points=2,
    difficulty=2,
    minutes=10,
    hints=(
        "First step: each channel gets a filter of its own. `nn.Conv2d` with `groups=in_channels` does that.",
        "Second step: a 1x1 convolution mixes the channels. Neither step has a bias, and nothing lies between them.",
        "Stride, padding and dilation belong to the first step. Without `padding`, take what keeps the size: "
        "`dilation * (kernel_size // 2)`.",
    ),
)


@separable.cases
def _(draw):
    def case(c, k, size, words, *settings, **how):
        return ModuleCase(c, k, *settings, inputs=[draw.normal((1, c, *size))], words=words, **how)

    yield case(2, 3, (6, 7), "2 channels to 3")
    yield case(3, 2, (8, 8), "dilation 2", dilation=2)
    yield case(2, 2, (7, 6), "filters of 5x5", 5)
    yield case(2, 4, (7, 8), "stride 2", 3, 2)
    yield case(2, 2, (6, 6), "no padding", padding=0)
    for _ in range(draw.count):
        size = (draw.integer(5, 8), draw.integer(5, 8))
        how = {"dilation": draw.integer(1, 3), "stride": draw.integer(1, 2)}
        yield case(draw.integer(2, 4), draw.integer(1, 4), size, "random sizes", **how)


class RightSeparable(nn.Module):
    def __init__(self, in_channels, out_channels, kernel_size=3, stride=1, padding=None, dilation=1):
        super().__init__()
        if padding is None:
            padding = dilation * (kernel_size // 2)
        self.depthwise = nn.Conv2d(
            in_channels, in_channels, kernel_size, stride, padding, dilation, groups=in_channels, bias=False
        )
        self.pointwise = nn.Conv2d(in_channels, out_channels, 1, bias=False)

    def forward(self, x):
        return self.pointwise(self.depthwise(x))


separable.slip_of(
    RightSeparable,
    "not separated",
    "Your first step mixes the channels already: `groups=in_channels` is missing, and with it what is saved.",
    (", groups=in_channels, bias=False", ", bias=False"),
)
separable.slip_of(
    RightSeparable,
    "the other order",
    "You mix first and filter then. Then the filters are as many as the channels *out*; this one filters first.",
    (
        "in_channels, in_channels, kernel_size, stride, padding, dilation, groups=in_channels, bias=False",
        "out_channels, out_channels, kernel_size, stride, padding, dilation, groups=out_channels, bias=False",
    ),
    ("self.pointwise(self.depthwise(x))", "self.depthwise(self.pointwise(x))"),
)
separable.slip_of(
    RightSeparable,
    "a ReLU between the steps",
    "You put a ReLU between the steps. Both together are one linear convolution here; the ReLU comes behind it.",
    ("self.depthwise(x)", "self.depthwise(x).relu()"),
)
separable.slip_of(
    RightSeparable,
    "dilation forgotten",
    "Your filters ignore `dilation`: their taps lie side by side, and the padding no longer fits.",
    ("stride, padding, dilation, groups", "stride, padding, groups"),
)
separable.slip_of(
    RightSeparable,
    "padding of a filter side by side",
    "With `dilation` your maps shrink: the taps reach `dilation` times as far, and so must the padding.",
    ("padding = dilation * (kernel_size // 2)", "padding = kernel_size // 2"),
)
separable.slip_of(
    RightSeparable,
    "stride in both steps",
    "Both of your steps take the stride, so the map shrinks twice. It belongs to the first one.",
    ("out_channels, 1, bias=False", "out_channels, 1, stride, bias=False"),
)
separable.slip_of(
    RightSeparable,
    "biases",
    "Both of your steps have a bias. A normalisation follows, which takes constants away.",
    ("groups=in_channels, bias=False", "groups=in_channels"),
    ("out_channels, 1, bias=False", "out_channels, 1"),
)


# ----------------------------------------------------------------------- 7 · decoder

decoder = exercises.module(
    "Decoder",
    reference.Decoder,
    title="The decoder of DeepLabv3+",
    points=3,
    difficulty=3,
    minutes=15,
    limit=10.0,
    hints=(
        "Two maps come in. `low` is fine and has few layers behind it; `high` is coarse and has seen a lot. Only one "
        "of them has to change its size.",
        "Before they meet, a 1x1 convolution with normalisation and ReLU brings `low` to 48 channels, so that it does "
        "not outweigh `high`.",
        "`torch.cat([high, low], 1)` with `high` enlarged; two 3x3 convolutions without bias, each with normalisation "
        "and ReLU, both giving `channels`; at the end `nn.Conv2d(channels, num_classes, 1)` with a bias.",
    ),
)


@decoder.cases
def _(draw):
    def case(low, high, k, c, fine, coarse, words, n=1, **more):
        inputs = [draw.normal((n, low, *fine)), draw.normal((n, high, *coarse))]
        return ModuleCase(low, high, k, c, inputs=inputs, words=words, **more)

    yield case(2, 3, 3, 2, (8, 8), (2, 2), "four times as fine")
    yield case(3, 2, 2, 3, (9, 11), (3, 3), "sizes that are no multiples")
    yield case(2, 2, 4, 2, (4, 6), (4, 6), "maps of the same size")
    yield case(2, 4, 2, 2, (5, 7), (1, 1), "a coarse map of one pixel")
    yield case(2, 2, 2, 2, (6, 6), (2, 3), "as it is in training", n=2, training=True)
    for _ in range(max(1, draw.count // 2)):
        fine, coarse = (draw.integer(4, 9), draw.integer(4, 9)), (draw.integer(1, 3), draw.integer(1, 3))
        channels = [draw.integer(2, 4) for _ in range(4)]
        yield case(*channels, fine, coarse, "random sizes")


class RightDecoder(nn.Module):
    def __init__(self, low_channels, high_channels, num_classes, channels=256):
        super().__init__()

        def layer(before, after, side):
            conv = nn.Conv2d(before, after, side, padding=side // 2, bias=False)
            return nn.Sequential(conv, nn.BatchNorm2d(after), nn.ReLU())

        self.reduce = layer(low_channels, 48, 1)
        self.first = layer(high_channels + 48, channels, 3)
        self.second = layer(channels, channels, 3)
        self.score = nn.Conv2d(channels, num_classes, 1)

    def forward(self, low, high):
        wide = nn.functional.interpolate(high, size=low.shape[2:], mode="bilinear")
        both = torch.cat([wide, self.reduce(low)], 1)
        return self.score(self.second(self.first(both)))


decoder.slip_of(
    RightDecoder,
    "fine map not reduced",
    "You stack the fine map with all of its channels. In a large backbone it has hundreds, and outweighs the coarse "
    "one: 48 are left of them.",
    ("layer(low_channels, 48, 1)", "nn.Identity()"),
    ("layer(high_channels + 48, channels, 3)", "layer(high_channels + low_channels, channels, 3)"),
)
decoder.slip_of(
    RightDecoder,
    "fine map shrunk",
    "You shrink the fine map to the size of the coarse one. Then its outlines are gone: enlarge the coarse one.",
    (
        'wide = nn.functional.interpolate(high, size=low.shape[2:], mode="bilinear")',
        'wide, low = high, nn.functional.interpolate(low, size=high.shape[2:], mode="bilinear")',
    ),
)
decoder.slip_of(
    RightDecoder,
    "fine map first",
    "You put the fine map first. The coarse one comes first; weights that are passed on depend on it.",
    ("torch.cat([wide, self.reduce(low)], 1)", "torch.cat([self.reduce(low), wide], 1)"),
)
decoder.slip_of(
    RightDecoder,
    "one convolution",
    "There is one 3x3 convolution behind the stack. It takes two to straighten an outline.",
    ("self.score(self.second(self.first(both)))", "self.score(self.first(both))"),
    ("        self.second = layer(channels, channels, 3)\n", ""),
)
decoder.slip_of(
    RightDecoder,
    "enlarged in blocks",
    "You repeat the coarse values. Enlarge them bilinearly, or the outlines get steps.",
    ('mode="bilinear"', 'mode="nearest"'),
)
decoder.slip_of(
    RightDecoder,
    "corners aligned",
    "You align corner pixels. Backbone and decoder agree on half-pixel centres: `align_corners=False`.",
    ('mode="bilinear"', 'mode="bilinear", align_corners=True'),
)


# ----------------------------------------------------------------------- 8 · hypercolumns

columns = exercises.function(
    "hypercolumns",
    reference.hypercolumns,
    title="Hypercolumns",
    points=2,
    difficulty=2,
    minutes=8,
    hints=(
        "Each map of the list has another size and other channels. What must agree before they can be stacked?",
        '`nn.functional.interpolate(f, size=size, mode="bilinear")` brings one to `size`; axis 1 takes the stack.',
    ),
)


@columns.cases
def _(draw):
    def maps(*shapes, n=1):
        return [draw.integers((n, *shape), -4, 5) for shape in shapes]

    yield Case(maps((1, 4, 4), (1, 2, 2)), (4, 4), words="two maps, to the size of the first")
    yield Case(maps((2, 3, 3), (1, 2, 2), (3, 1, 1)), (6, 6), words="three maps, to a larger size")
    yield Case(maps((1, 2, 3), (2, 4, 5)), (4, 6), words="a map that is not square", smoke=False)
    yield Case(maps((1, 9, 7), (1, 3, 3)), (4, 3), words="a map that is larger than `size`")
    yield Case(maps((2, 3, 4), n=2), (6, 8), words="a single map, two images")
    for _ in range(draw.count):
        n = draw.integer(1, 2)
        given = [
            draw.normal((n, draw.integer(1, 3), draw.integer(1, 5), draw.integer(1, 5)))
            for _ in range(draw.integer(2, 3))
        ]
        yield Case(given, (draw.integer(4, 8), draw.integer(4, 8)), words="random sizes", gradient=True)


def right_columns(features, size):
    maps = [nn.functional.interpolate(f, size=size, mode="bilinear") for f in features]
    return torch.cat(maps, 1)


columns.slip_of(
    right_columns,
    "enlarged in blocks",
    "You repeat values. Hypercolumns are interpolated bilinearly: a pixel between two coarse ones gets some of each.",
    ('mode="bilinear"', 'mode="nearest"'),
)
columns.slip_of(
    right_columns,
    "corners aligned",
    "You align corner pixels. A coarse pixel covers an area, and its middle stays where it was: `align_corners=False`.",
    ('mode="bilinear"', 'mode="bilinear", align_corners=True'),
)
columns.slip_of(
    right_columns,
    "stacked the other way round",
    "Your columns begin with the last map. They keep the order of the list.",
    ("torch.cat(maps, 1)", "torch.cat(maps[::-1], 1)"),
)
columns.slip_of(
    right_columns,
    "summed",
    "You add maps up, which needs as many channels in each. A hypercolumn is a stack: all channels of all layers.",
    ("torch.cat(maps, 1)", "sum(m.mean(1, keepdim=True) for m in maps)"),
)


# ----------------------------------------------------------------------- 9 · who listens to whom

kernel = exercises.function(
    "pairwise_kernel",
    reference.pairwise_kernel,
    title="Who listens to whom",
    points=3,
    difficulty=3,
    minutes=15,
    hints=(
        "`features[:, :, None] - features[:, None, :]` has all differences: one for each feature and each pair of "
        "pixels. Square, add over the features.",
        "`torch.exp` of minus half the *squared* distance; then nobody listens to himself: multiply by "
        "`1 - torch.eye(len(k))`.",
        "Row sums `s` come after the diagonal has gone. Divide by `(s[:, None] * s[None, :]).sqrt()`.",
    ),
)


@kernel.cases
def _(draw):
    yield Case(torch.tensor([[0.0, 1.0, 3.0]]), "none", words="three pixels in a row, not normalised")
    yield Case(torch.tensor([[0.0, 1.0, 3.0]]), words="three pixels in a row")
    yield Case(draw.integers((2, 4), 0, 3), "none", words="four pixels, two features")
    yield Case(draw.integers((3, 5), 0, 3) / 2, words="five pixels, three features")
    yield Case(draw.normal((2, 6)), words="the gradient reaches the features", gradient=True)
    for _ in range(draw.count):
        features = draw.normal((draw.integer(1, 5), draw.integer(3, 12)))
        yield Case(features, draw.choice(["symmetric", "none"]), words="random features")


def right_kernel(features, normalization="symmetric"):
    difference = features[:, :, None] - features[:, None, :]
    k = torch.exp(-0.5 * (difference**2).sum(0))
    k = k * (1 - torch.eye(len(k)))
    if normalization == "none":
        return k
    s = k.sum(1)
    return k / (s[:, None] * s[None, :]).sqrt()


kernel.slip_of(
    right_kernel,
    "self-message kept",
    "Every pixel listens to itself, louder than to anybody else. The sum of the mean field leaves it out: zeros on the "
    "diagonal.",
    ("    k = k * (1 - torch.eye(len(k)))\n", ""),
)
kernel.slip_of(
    right_kernel,
    "normalised before the diagonal has gone",
    "Your row sums count the pixel itself. Set the diagonal to zero first, then add up.",
    ("    k = k * (1 - torch.eye(len(k)))\n", ""),
    (
        '    if normalization == "none":\n        return k\n    s = k.sum(1)\n'
        "    return k / (s[:, None] * s[None, :]).sqrt()",
        '    s = k.sum(1)\n    k = k * (1 - torch.eye(len(k)))\n    if normalization == "none":\n        return k\n'
        "    return k / (s[:, None] * s[None, :]).sqrt()",
    ),
)
kernel.slip_of(
    right_kernel,
    "rows sum to one",
    "You divide each row by its sum, so i listens to j other than j to i. Share it: `1 / sqrt(s_i s_j)`.",
    ("k / (s[:, None] * s[None, :]).sqrt()", "k / s[:, None]"),
)
kernel.slip_of(
    right_kernel,
    "always normalised",
    'You divide by the row sums in any case. With `normalization` "none" the kernel stays as it is.',
    ('    if normalization == "none":\n        return k\n', ""),
)
kernel.slip_of(
    right_kernel,
    "never normalised",
    "You leave the kernel as it is in any case. Divide by the root of both row sums, unless `normalization` is "
    '"none".',
    ('    if normalization == "none":\n        return k\n', ""),
    ("k / (s[:, None] * s[None, :]).sqrt()", "k"),
)
kernel.slip_of(
    right_kernel,
    "root forgotten",
    "You divide by the product of both sums. It is its root: a sum for each side would count twice.",
    ("(s[:, None] * s[None, :]).sqrt()", "(s[:, None] * s[None, :])"),
)
kernel.slip_of(
    right_kernel,
    "half forgotten",
    "The half in the exponent is missing: with it a sigma is a standard deviation.",
    ("-0.5 * (difference**2).sum(0)", "-(difference**2).sum(0)"),
)
kernel.slip_of(
    right_kernel,
    "distance not squared",
    "You take the distance itself. A Gaussian takes its square.",
    ("(difference**2).sum(0)", "((difference**2).sum(0) + 1e-12).sqrt()"),
)


# ----------------------------------------------------------------------- 10 · one step

step = exercises.function(
    "mean_field_step",
    reference.mean_field_step,
    title="One step of the mean field",
    points=2,
    difficulty=3,
    minutes=12,
    hints=(
        "A row of `q` says how much each pixel believes in one label. A pixel gets the sum of that row, each times "
        "what stands in its own row of `kernel`: one matrix product for all labels and pixels.",
        "The votes stand in the exponent with plus, `unary` with minus: it is a cost.",
        "`(q @ kernel.T - unary).softmax(0)`: each pixel's labels stand in a column.",
    ),
)


@step.cases
def _(draw):
    def case(labels, pixels, words):
        q = draw.normal((labels, pixels)).softmax(0)
        unary = -draw.normal((labels, pixels)).log_softmax(0)
        k = draw.uniform((pixels, pixels))
        return Case(q, unary, (k + k.T) * (1 - torch.eye(pixels)), words=words)

    q = torch.tensor([[0.5, 1.0], [0.5, 0.0]])
    yield Case(
        q, torch.zeros(2, 2), torch.tensor([[0.0, 2.0], [2.0, 0.0]]), words="two pixels, nothing known"
    )
    yield case(2, 3, "two labels, three pixels")
    yield case(4, 3, "more labels than pixels")
    yield case(3, 3, "as many labels as pixels")
    yield case(3, 1, "a single pixel: nobody to ask")
    for _ in range(draw.count):
        yield case(draw.integer(2, 5), draw.integer(2, 9), "random numbers")


def right_step(q, unary, kernel):
    votes = q @ kernel.T
    return (votes - unary).softmax(0)


step.slip_of(
    right_step,
    "softmax over space",
    "Your softmax runs over the pixels: they compete for a label. Each pixel's labels compete: axis 0.",
    (".softmax(0)", ".softmax(1)"),
)
step.slip_of(
    right_step,
    "agreement punished",
    "Pixels that are alike repel each other: your votes have a minus. A vote for a label makes it likelier.",
    ("votes - unary", "-votes - unary"),
)
step.slip_of(
    right_step,
    "cost taken for a score",
    "You add `unary`. It is a cost, minus the log of a probability: it goes into the exponent with a minus.",
    ("votes - unary", "votes + unary"),
)
step.slip_of(
    right_step,
    "network forgotten",
    "You count votes alone, and forget what the network has seen at the pixel itself: `unary`.",
    ("votes - unary", "votes"),
)
step.slip_of(
    right_step,
    "not normalised",
    "Your labels do not sum to one at a pixel: exp is not yet a probability. Take the softmax.",
    (".softmax(0)", ".exp()"),
)


# ----------------------------------------------------------------------- 11 · the whole field

field = exercises.function(
    "dense_crf",
    reference.dense_crf,
    title="A dense random field",
    points=3,
    difficulty=3,
    minutes=15,
    allowed=("pairwise_kernel", "mean_field_step"),
    hints=(
        "Kernels do not change from step to step: add them up first, each `deeplab.pairwise_kernel(f, normalization)` "
        "times its weight.",
        "Begin with what the network says alone, `(-unary).softmax(0)`.",
        "Each step takes the `q` of the step before, and always the same `unary`.",
    ),
)


@field.cases
def _(draw):
    def case(labels, pixels, kernels, iterations, words, *more):
        unary = -draw.normal((labels, pixels)).mul(2).log_softmax(0)
        features = [draw.normal((draw.integer(1, 4), pixels)) for _ in range(kernels)]
        weights = [draw.integer(2, 9) / 4 for _ in range(kernels)]
        return Case(unary, features, weights, iterations, *more, words=words)

    yield case(2, 5, 1, 1, "one kernel, one step")
    yield case(3, 6, 1, 3, "one kernel, three steps")
    yield case(3, 6, 2, 2, "two kernels of different weight")
    yield case(2, 7, 2, 4, "not normalised", "none")
    yield case(3, 5, 1, 0, "no step: what the network says")
    for _ in range(draw.count):
        yield case(
            draw.integer(2, 4),
            draw.integer(3, 9),
            draw.integer(1, 2),
            draw.integer(2, 5),
            "random numbers",
            draw.choice(["symmetric", "none"]),
        )


def right_field(unary, features, weights, iterations, normalization="symmetric"):
    kernel = torch.zeros(unary.shape[1], unary.shape[1])
    for f, weight in zip(features, weights, strict=True):
        kernel = kernel + weight * deeplab.pairwise_kernel(f, normalization)
    q = (-unary).softmax(0)
    for _ in range(iterations):
        q = deeplab.mean_field_step(q, unary, kernel)
    return q


field.slip_of(
    right_field,
    "self-message kept",
    "Your kernel has ones on its diagonal: each pixel confirms what it says already. Nobody votes for himself.",
    (
        "weight * deeplab.pairwise_kernel(f, normalization)",
        "weight * (deeplab.pairwise_kernel(f, normalization) + torch.eye(unary.shape[1]))",
    ),
)
field.slip_of(
    right_field,
    "unary replaced by the last answer",
    "From the second step on you forget the network: each answer becomes the cost of the next step. `unary` stays what "
    "it was.",
    (
        "q = deeplab.mean_field_step(q, unary, kernel)",
        "q = deeplab.mean_field_step(q, unary, kernel)\n        unary = -q.clamp(min=1e-12).log()",
    ),
)
field.slip_of(
    right_field,
    "every step begins anew",
    "All of your steps start from the network's word, so five of them are one. Each takes the `q` of the one before.",
    (
        "q = deeplab.mean_field_step(q, unary, kernel)",
        "q = deeplab.mean_field_step((-unary).softmax(0), unary, kernel)",
    ),
)
field.slip_of(
    right_field,
    "begins with all labels alike",
    "You begin with equal probabilities for all labels. Begin with what the network says: `(-unary).softmax(0)`.",
    ("q = (-unary).softmax(0)", "q = torch.full_like(unary, 1 / len(unary))"),
)
field.slip_of(
    right_field,
    "weights forgotten",
    "All of your kernels count alike. Each has its weight.",
    ("weight * deeplab.pairwise_kernel(f, normalization)", "deeplab.pairwise_kernel(f, normalization)"),
)
field.slip_of(
    right_field,
    "normalised after the sum",
    "You add the kernels up and normalise the sum. Each kernel is normalised by itself, then weighed: else a weight of "
    "2 would do nothing where there is one kernel.",
    ("weight * deeplab.pairwise_kernel(f, normalization)", 'weight * deeplab.pairwise_kernel(f, "none")'),
    ("    q = (-unary)", '    if normalization == "symmetric":\n        s = kernel.sum(1)\n'
     "        kernel = kernel / (s[:, None] * s[None, :]).sqrt()\n    q = (-unary)"),
)  # fmt: skip
field.slip_of(
    right_field,
    "always normalised",
    "You do not pass `normalization` on to `pairwise_kernel`, so it always takes its default.",
    ("deeplab.pairwise_kernel(f, normalization)", "deeplab.pairwise_kernel(f)"),
)
field.slip_of(
    right_field,
    "one step too few",
    "You take one step less than asked for.",
    ("range(iterations)", "range(iterations - 1)"),
)
