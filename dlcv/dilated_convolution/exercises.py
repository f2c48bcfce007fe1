"""What chapter 03 asks: cases, forbidden calls, and the slips that learners really make.

Under most exercises stands one right answer in plain steps; a slip is that answer with a line gone wrong.
"""

from __future__ import annotations

import torch
from torch import nn

from dlcv.checking import Case, Exercises
from dlcv.checking.derivation import is_sum_of_products
from dlcv.dilated_convolution import reference

exercises = Exercises("dilated_convolution")
check = exercises.check


# ----------------------------------------------------------------------------------- 1 · what a filter spans

span = exercises.function(
    "effective_kernel_size",
    reference.effective_kernel_size,
    title="How many pixels does a spread filter span?",
    points=1,
    difficulty=1,
    minutes=4,
    hints=(
        "Draw three numbers with one empty pixel between neighbours. How many pixels from the first to the last?",
        "Between `kernel_size` numbers there are `kernel_size - 1` steps of `dilation` pixels.",
        "The steps lead from the first number to the last. Count the first one's own pixel, too.",
    ),
)


@span.cases
def _(draw):
    yield Case(3, 2, words="3 numbers, dilation 2")
    yield Case(3, 1, words="dilation 1: a plain filter", smoke=True)
    yield Case(1, draw.integer(2, 5), words="a single number spans one pixel", smoke=True)
    yield Case(draw.integer(4, 7), draw.integer(3, 6), words="a larger filter")
    for _ in range(draw.count):
        yield Case(draw.integer(2, 9), draw.integer(2, 18), words="random sizes")


def span_of(kernel_size, dilation):
    return dilation * (kernel_size - 1) + 1


span.slip_of(
    span_of,
    "the first pixel forgotten",
    "You count the steps from the first number to the last. The first number's own pixel is missing: add 1.",
    (" + 1", ""),
)
span.slip_of(
    span_of,
    "a step too many",
    "You count a step for each number. Between k numbers there are k - 1 steps.",
    ("dilation * (kernel_size - 1) + 1", "dilation * kernel_size"),
)
span.slip_of(
    span_of,
    "dilation taken for the gap",
    "You take the dilation for the number of empty pixels. It is the distance: dilation 1 leaves no gap.",
    ("dilation * (kernel_size - 1) + 1", "(dilation + 1) * (kernel_size - 1) + 1"),
)


# --------------------------------------------------------------------------------------- 2 · convolve in loops

loops = exercises.function(
    "conv2d_naive",
    reference.conv2d_naive,
    title="A dilated convolution in loops",
    points=3,
    difficulty=2,
    minutes=15,
    loops=True,
    allowed=("effective_kernel_size",),
    hints=(
        "Write the plain convolution first. Where does `weight[k, l]` look, in window `(a, b)`?",
        "It looks at row `a * stride + k * dilation - padding`, columns alike. Rows and columns outside count as zero.",
        "The output has `(h + 2 * padding - span) // stride + 1` rows, where `span` is the effective kernel size.",
    ),
)


@loops.cases
def _(draw):
    def numbers(h, w):
        return draw.integers((h, w), 1, 10)

    yield Case(numbers(5, 5), numbers(3, 3), dilation=2, words="5x5 under 3x3, dilation 2: one output")
    yield Case(numbers(4, 5), numbers(2, 2), words="nothing said: stride 1, padding 0, dilation 1")
    yield Case(numbers(4, 4), numbers(3, 3), 1, 2, 2, words="padding = dilation = 2 keeps 4x4")
    yield Case(
        numbers(6, 7), numbers(2, 3), 2, 1, 2, words="stride 2, padding 1, dilation 2; nothing is square"
    )
    yield Case(numbers(5, 6), numbers(2, 2), 1, 0, 3, words="dilation 3")
    yield Case(
        draw.normal((5, 5)),
        draw.normal((2, 2)),
        2,
        1,
        3,
        gradient=True,
        words="gradients of image and filter",
    )
    for _ in range(draw.count):
        x, weight = (
            draw.normal((draw.integer(6, 8), draw.integer(6, 8))),
            draw.normal((draw.integer(2, 3), 3)),
        )
        yield Case(
            x, weight, draw.integer(1, 2), draw.integer(1, 2), draw.integer(2, 3), words="random everything"
        )


def slid_filter(x, weight, stride=1, padding=0, dilation=1):
    (h, w), (kh, kw) = x.shape, weight.shape
    rows = (h + 2 * padding - dilation * (kh - 1) - 1) // stride + 1
    columns = (w + 2 * padding - dilation * (kw - 1) - 1) // stride + 1
    y = torch.zeros(rows, columns)
    for a in range(rows):
        for b in range(columns):
            for k in range(kh):
                for l in range(kw):
                    i = a * stride + k * dilation - padding
                    j = b * stride + l * dilation - padding
                    if 0 <= i < h and 0 <= j < w:
                        y[a, b] += x[i, j] * weight[k, l]
    return y


loops.slip_of(
    slid_filter,
    "dilation forgotten",
    "Your filter looks at neighbouring pixels whatever the dilation. Number k looks k * dilation pixels on.",
    ("dilation * (kh - 1)", "(kh - 1)"),
    ("dilation * (kw - 1)", "(kw - 1)"),
    ("k * dilation", "k"),
    ("l * dilation", "l"),
)
loops.slip_of(
    slid_filter,
    "the input spread instead of the filter",
    "You spread the input's pixels apart and slide a dense filter: that is the fractionally strided convolution of "
    "chapter 01. Here the input stays as it is, and the filter's numbers lie apart.",
    ("    rows = (h + 2 * padding - dilation * (kh - 1) - 1)",
     "    spread = torch.zeros((h - 1) * dilation + 1, (w - 1) * dilation + 1)\n"
     "    spread[::dilation, ::dilation] = x\n"
     "    x, (h, w) = spread, spread.shape\n"
     "    rows = (h + 2 * padding - (kh - 1) - 1)"),
    ("dilation * (kw - 1)", "(kw - 1)"),
    ("k * dilation", "k"),
    ("l * dilation", "l"),
)  # fmt: skip
loops.slip_of(
    slid_filter,
    "windows dilated, too",
    "You move the window by the dilation. The dilation spreads the filter's numbers; the window moves by the stride.",
    ("a * stride", "a * stride * dilation"),
    ("b * stride", "b * stride * dilation"),
)
loops.slip_of(
    slid_filter,
    "filter flipped",
    "You read the filter backwards. Do not flip it: its first number looks at the window's first pixel.",
    ("weight[k, l]", "weight[kh - 1 - k, kw - 1 - l]"),
)
loops.slip_of(
    slid_filter,
    "wrapped round the border",
    "Above and left of the image your row and column numbers are negative, and Python counts those from the other end. "
    "Pixels outside count as zero: skip them.",
    ("0 <= i < h and 0 <= j < w", "i < h and j < w"),
)
loops.slip_of(
    slid_filter,
    "padding at the far ends only",
    "Your windows start on the first pixel, so all the zeros lie at the bottom and on the right. Padding goes around: "
    "the first window starts `padding` pixels before the image.",
    ("k * dilation - padding", "k * dilation"),
    ("l * dilation - padding", "l * dilation"),
)


# ---------------------------------------------------------------------------------------- 3 · receptive field

field = exercises.function(
    "receptive_field",
    reference.receptive_field,
    title="How far does a stack see?",
    points=2,
    difficulty=2,
    minutes=10,
    allowed=("effective_kernel_size",),
    hints=(
        "Keep two numbers on your walk through the layers: how many pixels are seen, and how far apart two neighbours "
        "of the present map lie in the input.",
        "A layer adds `kernel_size - 1` steps. Each is `dilation` neighbours long, and to a neighbour it is `jump` "
        "input pixels.",
        "Add `(kernel_size - 1) * dilation * jump` to `size`; only then multiply `jump` by `stride`.",
    ),
)


@field.cases
def _(draw):
    yield Case([(3, 1, 1)] * 3, words="three plain 3x3 layers")
    yield Case([(3, 1, 1), (3, 1, 2), (3, 1, 4)], words="rates 1, 2, 4")
    yield Case([(3, 2, 1), (3, 1, 1)], words="a stride, and a layer behind it")
    yield Case(
        [(3, 1, 1), (2, 2, 1), (3, 1, 2), (2, 2, 1), (3, 1, 1)], words="convolutions, poolings, a dilation"
    )
    yield Case([], words="no layer: a pixel sees itself", smoke=True)
    yield Case([(1, 2, 1), (3, 1, 1)], words="a 1x1 layer with a stride")
    for _ in range(draw.count):
        layers = [
            (draw.integer(2, 7), draw.integer(1, 3), draw.integer(1, 4)) for _ in range(draw.integer(2, 5))
        ]
        yield Case([(3, 2, 2), *layers, (3, 1, 2)], words="random layers")


def walked_layers(layers):
    size, jump = 1, 1
    for kernel_size, stride, dilation in layers:
        size = size + (kernel_size - 1) * dilation * jump
        jump = jump * stride
    return size, jump


field.slip_of(
    walked_layers,
    "strides do not count",
    "You add each layer's span as if the map were the image. Behind a stride, neighbours lie further apart in the "
    "input: multiply by the jump.",
    ("dilation * jump", "dilation"),
)
field.slip_of(
    walked_layers,
    "own stride counted at once",
    "You let a layer's own stride widen its own window. The stride moves the window; it widens what comes *behind*: "
    "multiply the jump afterwards.",
    ("dilation * jump", "dilation * jump * stride"),
)
field.slip_of(
    walked_layers,
    "dilation forgotten",
    "You count the filter's numbers, not the pixels that it spans: multiply k - 1 by the dilation.",
    ("(kernel_size - 1) * dilation", "(kernel_size - 1)"),
)
field.slip_of(
    walked_layers,
    "stride and dilation exchanged",
    "You take a layer's second number for its dilation and the third for its stride. A layer is (kernel_size, stride, "
    "dilation).",
    ("for kernel_size, stride, dilation", "for kernel_size, dilation, stride"),
)
field.slip_of(
    walked_layers,
    "walked from the last layer",
    "You walk from the last layer to the first. A stride widens what comes behind it, so begin with the layer at the "
    "image.",
    ("in layers:", "in layers[::-1]:"),
)
field.slip_of(
    walked_layers,
    "starts from nothing",
    "You start from 0. Before any layer, a pixel sees itself: start from 1.",
    ("size, jump = 1, 1", "size, jump = 0, 1"),
)
field.slip_of(
    walked_layers,
    "whole spans added",
    "You add the whole span of each layer. Its first pixel has been counted already: add the steps, k - 1 of them.",
    ("(kernel_size - 1)", "kernel_size"),
)


# --------------------------------------------------------------------------------------- 4 · inflate the filter

inflate = exercises.function(
    "dilate_kernel",
    reference.dilate_kernel,
    title="Write the holes out",
    points=2,
    difficulty=1,
    minutes=6,
    allowed=("effective_kernel_size",),
    hints=(
        "How large is the filter afterwards? You have a function for that.",
        "Make zeros of that size, with the same axes in front.",
        "Every `dilation`-th row and column gets the old numbers: `spread[..., ::dilation, ::dilation] = weight`.",
    ),
)


@inflate.cases
def _(draw):
    yield Case(draw.integers((2, 2), 1, 10), 2, words="2x2, dilation 2")
    yield Case(draw.integers((2, 3), 1, 10), 3, words="2x3, dilation 3")
    yield Case(draw.integers((3, 3), 1, 10), 1, words="dilation 1", smoke=True)
    yield Case(draw.integers((2, 3, 3, 2), 1, 10), 2, words="a bank of filters (C_out, C_in, kH, kW)")
    yield Case(draw.normal((1, 2, 2, 2)), 2, gradient=True, words="gradient with respect to the filter")
    for _ in range(draw.count):
        shape = (draw.integer(1, 2), draw.integer(1, 3), draw.integer(2, 4), draw.integer(2, 4))
        yield Case(draw.normal(shape), draw.integer(2, 4), words="random filters and dilation")


def spread_filter(weight, dilation):
    *front, kh, kw = weight.shape
    spread = torch.zeros(*front, (kh - 1) * dilation + 1, (kw - 1) * dilation + 1)
    spread[..., ::dilation, ::dilation] = weight
    return spread


inflate.slip_of(
    spread_filter,
    "zeros after the last number",
    "Your filter ends with zeros. They stand between the numbers only: (k - 1) * dilation + 1 pixels.",
    ("(kh - 1) * dilation + 1, (kw - 1) * dilation + 1", "kh * dilation, kw * dilation"),
)
inflate.slip_of(
    spread_filter,
    "one zero too many",
    "You put `dilation` zeros between two numbers. The dilation is their distance: it leaves dilation - 1 zeros.",
    (
        "(kh - 1) * dilation + 1, (kw - 1) * dilation + 1",
        "(kh - 1) * (dilation + 1) + 1, (kw - 1) * (dilation + 1) + 1",
    ),
    ("[..., ::dilation, ::dilation]", "[..., :: dilation + 1, :: dilation + 1]"),
)
inflate.slip_of(
    spread_filter,
    "gaps filled with copies",
    "You repeat the numbers instead of leaving holes. The filter would blur: what lies between its numbers is zero.",
    ("    spread[..., ::dilation, ::dilation] = weight\n    return spread",
     "    rows, columns = torch.arange(spread.shape[-2]), torch.arange(spread.shape[-1])\n"
     "    return weight[..., rows // dilation, :][..., columns // dilation]"),
)  # fmt: skip


# ------------------------------------------------------------------------------------------ 5 · shift and stitch


def _net(layers):
    """A chain from data: ("conv", weight, stride, padding), ("pool", kernel_size, stride, padding), ("relu",)."""
    chain = []
    for kind, *arguments in layers:
        if kind == "relu":
            chain.append(nn.ReLU())
        elif kind == "pool":
            chain.append(nn.MaxPool2d(*arguments))
        else:
            weight, stride, padding = arguments
            conv = nn.Conv2d(weight.shape[1], weight.shape[0], weight.shape[2:], stride, padding, bias=False)
            conv.weight = nn.Parameter(weight)
            chain.append(conv)
    return nn.Sequential(*chain)


def stitch(answer, layers, x, stride):
    """Probe: build the net, and let the answer run it on every shift."""
    with torch.no_grad():
        return answer(_net(layers), x, stride)


stitching = exercises.function(
    "shift_and_stitch",
    reference.shift_and_stitch,
    title="Every pixel from a net with a stride",
    points=3,
    difficulty=3,
    minutes=15,
    hints=(
        "Without its first row, the image makes the net answer for windows that start one row lower. Where do these "
        "answers belong?",
        "The run without the first `i` rows and `j` columns, `net(x[:, :, i:, j:])`, belongs to `y[:, :, i::stride, "
        "j::stride]`.",
        "The height of `y` is the sum of the heights that the runs with `j = 0` gave; the width likewise with `i = 0`.",
    ),
)


@stitching.cases
def _(draw):
    def weight(out, channels, k):
        return draw.normal((out, channels, k, k))

    pool = [("pool", 2, 2, 0)]
    yield Case(
        pool, draw.permutation(25).reshape(1, 1, 5, 5).float(), 2, words="a pooling alone, 5x5", probe=stitch
    )
    yield Case(
        pool, draw.permutation(42).reshape(1, 1, 6, 7).float(), 2, words="a pooling alone, 6x7", probe=stitch
    )
    net = [("conv", weight(2, 1, 3), 1, 0), ("relu",), *pool, ("conv", weight(3, 2, 2), 1, 0)]
    yield Case(
        net,
        draw.normal((2, 1, 9, 10)),
        2,
        words="convolution, pooling, convolution; two images",
        probe=stitch,
    )
    net = [("conv", weight(2, 2, 2), 3, 0)]
    yield Case(net, draw.normal((1, 2, 7, 9)), 3, words="a convolution with stride 3", probe=stitch)
    for _ in range(draw.count):
        stride = draw.integer(2, 3)
        net = [("pool", 2, stride, 0), ("conv", weight(2, 1, 2), 1, 0)]
        x = draw.normal((1, 1, draw.integer(9, 12), draw.integer(9, 12)))
        yield Case(net, x, stride, words="random weights, sizes and stride", probe=stitch)


def shifted_runs(net, x, stride):
    runs = {}
    for i in range(stride):
        for j in range(stride):
            runs[i, j] = net(x[:, :, i:, j:])
    n, c = runs[0, 0].shape[:2]
    height = sum(runs[i, 0].shape[2] for i in range(stride))
    width = sum(runs[0, j].shape[3] for j in range(stride))
    y = torch.zeros(n, c, height, width)
    for i in range(stride):
        for j in range(stride):
            y[:, :, i::stride, j::stride] = runs[i, j]
    return y


stitching.slip_of(
    shifted_runs,
    "stitching transposed",
    "You exchange down and across: the run without the first i *rows* belongs to every stride-th *row* from i on.",
    ("net(x[:, :, i:, j:])", "net(x[:, :, j:, i:])"),
    ("runs[i, 0].shape[2]", "runs[0, i].shape[2]"),
    ("runs[0, j].shape[3]", "runs[j, 0].shape[3]"),
)


@stitching.slip(
    "tiles side by side",
    "You lay the runs beside each other as tiles. Their answers interleave: run (i, j) owns every stride-th pixel, "
    "starting at (i, j).",
)
def _(net, x, stride):
    rows = []
    for i in range(stride):
        rows.append(torch.cat([net(x[:, :, i:, j:]) for j in range(stride)], dim=3))
    return torch.cat(rows, dim=2)


@stitching.slip(
    "one run repeated",
    "You run the net once and repeat each answer: that is nearest-neighbour upsampling. Run it on each shifted image.",
)
def _(net, x, stride):
    return net(x).repeat_interleave(stride, 2).repeat_interleave(stride, 3)


stitching.slip_of(
    shifted_runs,
    "all runs as large as the first",
    "You make room as if every run were as large as the first. A shifted image may have one window less: add up the "
    "heights of the runs, and the widths.",
    ("sum(runs[i, 0].shape[2] for i in range(stride))", "stride * runs[0, 0].shape[2]"),
    ("sum(runs[0, j].shape[3] for j in range(stride))", "stride * runs[0, 0].shape[3]"),
)
stitching.slip_of(
    shifted_runs,
    "cut off at the far end",
    "You cut rows and columns off at the end. The windows then start where they did before: cut them off at the front.",
    ("net(x[:, :, i:, j:])", "net(x[:, :, : x.shape[2] - i, : x.shape[3] - j])"),
)
stitching.slip_of(
    shifted_runs,
    "image rolled",
    "You roll the image, so that its first rows come back at the end, and windows see pixels from both ends. Leave the "
    "first rows and columns out.",
    ("net(x[:, :, i:, j:])", "net(x.roll((-i, -j), (2, 3)))"),
)


# ----------------------------------------------------------------------------------- 6 · strides taken out


def densify(answer, layers, x):
    """Probe: build the net, let the answer take its strides out, and run what it returns."""
    dense = answer(_net(layers))
    if dense is None:
        raise TypeError("it is None; wanted is a model: end with `return model`")
    with torch.no_grad():
        return answer.run(dense, x)


dense = exercises.function(
    "replace_stride_with_dilation",
    reference.replace_stride_with_dilation,
    title="Take the strides out of a trained net",
    points=3,
    difficulty=4,
    minutes=20,
    hints=(
        "Walk through the layers in order and keep the product of all strides so far. What must a layer behind a "
        "stride of 2 do to look at the pixels it looked at before?",
        "`nn.Conv2d` and `nn.MaxPool2d` have `stride`, `dilation` and `padding`, which you may assign to.",
        "In this order: multiply `padding` and `dilation` by `rate`, multiply `rate` by the layer's stride, set the "
        "stride to 1. A pooling may hold plain numbers, a convolution holds pairs.",
    ),
)


@dense.cases
def _(draw):
    def conv(out, channels, k, stride=1, padding=0):
        return ("conv", draw.normal((out, channels, k, k)), stride, padding)

    pool, relu = ("pool", 2, 2, 0), ("relu",)
    yield Case(
        [pool, conv(1, 1, 3)], draw.normal((1, 1, 9, 9)), words="a pooling and a convolution", probe=densify
    )
    net = [conv(2, 1, 3, 2, 1), relu, conv(1, 2, 3, 1, 1)]
    yield Case(
        net, draw.normal((1, 1, 8, 7)), words="a strided convolution; padding keeps the size", probe=densify
    )
    net = [conv(2, 1, 3), relu, pool, conv(2, 2, 3, 1, 1), pool, conv(1, 2, 3)]
    yield Case(
        net, draw.normal((1, 1, 18, 19)), words="two strides: the last layer is dilated by 4", probe=densify
    )
    net = [conv(2, 1, 3, 3, 1), conv(2, 2, 3, 1, 1), conv(1, 2, 1)]
    yield Case(
        net, draw.normal((2, 1, 9, 10)), words="a stride of 3, and a 1x1 layer at the end", probe=densify
    )
    for _ in range(draw.count):
        first, second = draw.integer(1, 2), draw.integer(2, 3)
        net = [conv(2, 1, 3, first, 1), ("pool", 2, second, 0), relu, conv(2, 2, 2), conv(1, 2, 3, 1, 1)]
        x = draw.normal((1, 1, draw.integer(14, 18), draw.integer(14, 18)))
        yield Case(net, x, words="random strides, weights and sizes", probe=densify)


def strides_taken_out(model):
    rate = 1
    for layer in model.modules():
        if isinstance(layer, (torch.nn.Conv2d, torch.nn.MaxPool2d)):
            stride, padding = layer.stride, layer.padding
            stride = stride if isinstance(stride, int) else stride[0]
            padding = padding if isinstance(padding, int) else padding[0]
            layer.padding = (padding * rate, padding * rate)
            layer.dilation = (rate, rate)
            layer.stride = (1, 1)
            rate = rate * stride
    return model


dense.slip_of(
    strides_taken_out,
    "strides removed, nothing dilated",
    "You set the strides to 1 and leave the rest. The layers behind then look at pixels that are too close together: "
    "dilate them by the product of the strides before.",
    ("layer.dilation = (rate, rate)", "layer.dilation = (1, 1)"),
    ("(padding * rate, padding * rate)", "(padding, padding)"),
)
dense.slip_of(
    strides_taken_out,
    "own stride counted at once",
    "You dilate the layer that had the stride. It sees what it always saw; only the layers *behind* it are dilated.",
    ("            layer.padding =", "            rate = rate * stride\n            layer.padding ="),
    (
        "            layer.stride = (1, 1)\n            rate = rate * stride\n",
        "            layer.stride = (1, 1)\n",
    ),
)
dense.slip_of(
    strides_taken_out,
    "strides not multiplied",
    "You dilate by the latest stride only. Strides multiply: behind two strides of 2, a step is 4 pixels.",
    ("rate = rate * stride", "rate = stride if stride > 1 else rate"),
)
dense.slip_of(
    strides_taken_out,
    "poolings not dilated",
    "You dilate the convolutions only. A pooling behind a stride looks at pixels that have moved apart, too: it has a "
    "`dilation` as well.",
    (
        "layer.dilation = (rate, rate)",
        "layer.dilation = (rate, rate) if isinstance(layer, torch.nn.Conv2d) else (1, 1)",
    ),
)
dense.slip_of(
    strides_taken_out,
    "padding left as it was",
    "You spread the filters but not their padding, so the map shrinks. Multiply the padding by the same rate.",
    ("(padding * rate, padding * rate)", "(padding, padding)"),
)


# ------------------------------------------------------------------- derivation · what two layers see together


def _ways_lines(z, first, second):
    from sympy import expand

    (a, b, c), (p, q, r) = first, second
    question = (a + b * z + c * z**2) * (p + q * z**2 + r * z**4)
    sorted_by_place = (
        a * p
        + b * p * z
        + (c * p + a * q) * z**2
        + b * q * z**3
        + (c * q + a * r) * z**4
        + b * r * z**5
        + c * r * z**6
    )
    return [question, expand(question), sorted_by_place]


def _each_place_once(line, z, first, second):
    """A sum of brackets without z, each times another power of z."""
    places = []
    for term in line.as_ordered_terms():
        place = term.as_independent(z, as_Add=False)[1]
        base, exponent = place.as_base_exp()
        if place != 1 and (base != z or not exponent.is_Integer):
            return False
        places.append(0 if place == 1 else int(exponent))
    return len(places) > 1 and len(set(places)) == len(places)


two_layers = exercises.derivation(
    "two_layers",
    _ways_lines,
    symbols=("z", "a b c", "p q r"),
    milestones=(
        (
            "all brackets multiplied out",
            lambda line, *symbols: is_sum_of_products(line) or _each_place_once(line, *symbols),
        ),
        ("each power of `z` written once", _each_place_once),
    ),
    title="Two layers are one filter",
    points=2,
    difficulty=2,
    minutes=10,
    hints=(
        "Three numbers meet three numbers: nine products. Where does each stand? `z * z**2` is `z**3`: places add up.",
        "Sort the nine by their power of `z`. Two places get two products each: which?",
        "At `z**2` stand `c * p` and `a * q`, at `z**4` stand `c * q` and `a * r`. Write `(c*p + a*q) * z**2`.",
    ),
)
two_layers.slip_of(
    _ways_lines,
    "second layer not dilated",
    "You multiply as if both filters were plain. The second one's numbers stand 2 apart: at 1, z**2 and z**4.",
    ("expand(question), sorted_by_place", "expand((a + b * z + c * z**2) * (p + q * z + r * z**2))"),
)
two_layers.slip_of(
    _ways_lines,
    "one way of two lost",
    "Two ways lead to z**2, by c and p and by a and q, and two lead to z**4. You kept one of each: add what meets.",
    ("(c * p + a * q)", "c * p"),
    ("(c * q + a * r)", "c * q"),
)
two_layers.slip_of(
    _ways_lines,
    "places multiplied",
    "You multiply the exponents. Places add up: a step of 1 and a step of 2 lead to place 3, and z * z**2 is z**3.",
    ("b * q * z**3", "b * q * z**2"),
    ("(c * q + a * r) * z**4", "a * r * z**4 + c * q * z**4"),
    ("b * r * z**5", "b * r * z**4"),
    ("c * r * z**6", "c * r * z**8"),
)


# --------------------------------------------------------------------------------------------- 7 · gridding

holes = exercises.function(
    "coverage",
    reference.coverage,
    title="Who is seen, and how often?",
    points=2,
    difficulty=3,
    minutes=12,
    hints=(
        "Walk backwards: the one output pixel looks at `kernel_size` pixels, each of these at `kernel_size` again.",
        "On one axis, a layer hands the count at a place on to `kernel_size` places, `rate` apart. Add them up.",
        "Rows and columns are independent: the plane of counts is `torch.outer` of the row's counts with themselves.",
    ),
)


@holes.cases
def _(draw):
    yield Case((2,), words="one layer, rate 2")
    yield Case((1, 1), words="two plain layers")
    yield Case((2, 2, 2), words="rates 2, 2, 2: holes")
    yield Case((1, 2, 3), words="rates 1, 2, 3: none")
    yield Case((1, 3), kernel_size=2, words="filters of 2")
    yield Case((2, 1), kernel_size=5, words="filters of 5")
    for _ in range(draw.count):
        rates = tuple(draw.integer(1, 5) for _ in range(draw.integer(2, 3)))
        yield Case((2, *rates), words="random rates")


def painted_ways(rates, kernel_size=3):
    ways = torch.ones(1, dtype=torch.int64)
    for rate in rates:
        wider = torch.zeros(len(ways) + (kernel_size - 1) * rate, dtype=torch.int64)
        for k in range(kernel_size):
            wider[k * rate : k * rate + len(ways)] += ways
        ways = wider
    return torch.outer(ways, ways)


holes.slip_of(
    painted_ways,
    "yes or no",
    "You only note whether a pixel is seen. Count the ways that lead to it: add them where they meet.",
    ("ways = wider", "ways = (wider > 0).long()"),
)
holes.slip_of(
    painted_ways,
    "rows and columns added",
    "You add the counts of row and column. A way is any step down combined with any step across: multiply.",
    ("torch.outer(ways, ways)", "ways[:, None] + ways"),
)
holes.slip_of(
    painted_ways,
    "layers side by side",
    "You add what each layer sees of the output pixel. The layers lie behind each other: each starts where the one "
    "before it arrived.",
    ("            wider[k * rate : k * rate + len(ways)] += ways",
     "            wider[k * rate + len(ways) // 2] += 1\n"
     "        middle = (kernel_size - 1) * rate / 2\n"
     "        wider[int(middle) : int(middle) + len(ways)] += ways"),
)  # fmt: skip
holes.slip_of(
    painted_ways,
    "filters of three only",
    "You count as if every filter had three numbers. Its size is `kernel_size`.",
    ("    ways = torch.ones", "    kernel_size = 3\n    ways = torch.ones"),
)
holes.slip_of(
    painted_ways,
    "rates ignored",
    "You count as if all rates were 1. A layer's places lie `rate` pixels apart.",
    ("(kernel_size - 1) * rate", "(kernel_size - 1)"),
    ("k * rate : k * rate + len(ways)", "k : k + len(ways)"),
)


free = exercises.function(
    "is_gridding_free",
    reference.is_gridding_free,
    title="Do these rates leave holes?",
    points=2,
    difficulty=2,
    minutes=6,
    allowed=("coverage",),
    hints=(
        "The course's `coverage` counts the ways to each pixel. What is a hole in it?",
        "A hole is a zero. A common factor of the rates makes some, but it is not the only way to get them.",
        "`(coverage > 0).all()` as a `bool`, with the counts in place of the name.",
    ),
)


def each(answer, groups, **options):
    """Probe: ask about several sets of rates at once, so that a guess does not earn half of the points."""
    return [answer(rates, **options) for rates in groups]


@free.cases
def _(draw):
    yield Case([(2, 2, 2), (1, 2, 5)], words="rates (2, 2, 2), then (1, 2, 5)", probe=each)
    yield Case([(1,), (3,)], words="a single layer, of rate 1, then 3", probe=each)
    words = "rates (1, 2, 2), neighbours with a common factor and no hole; then (2, 4, 2)"
    yield Case([(1, 2, 2), (2, 4, 2)], words=words, probe=each)
    yield Case([(1, 2, 5), (1, 2, 9)], words="rates (1, 2, 5), then (1, 2, 9): no common factor", probe=each)
    yield Case([(3, 1, 2), (2, 3, 5)], words="rates (3, 1, 2), then (2, 3, 5)", probe=each)
    yield Case([(1, 2, 4), (1, 2, 5)], kernel_size=2, words="filters of 2", probe=each)
    for _ in range(draw.count):
        rates = tuple(draw.integer(1, 9) for _ in range(3))
        full, holed = draw.choice(((3, 1, 2), (2, 1, 5), (5, 2, 1))), (1, 2, draw.integer(8, 12))
        yield Case([full, rates, holed], words="random rates between two known sets", probe=each)


def no_hole(rates, kernel_size=3):
    seen = {0}
    for rate in rates:
        seen = {place + k * rate for place in seen for k in range(kernel_size)}
    return len(seen) == 1 + (kernel_size - 1) * sum(rates)


free.slip_of(
    no_hole,
    "common factor of neighbours",
    "You look for a common factor of neighbouring rates. (1, 2, 2) has one and no hole: ask which pixels the whole "
    "stack sees.",
    ("    return len(seen) == 1 + (kernel_size - 1) * sum(rates)",
     "    import math\n"
     "    return all(math.gcd(a, b) == 1 for a, b in zip(rates, rates[1:], strict=False))"),
)  # fmt: skip
free.slip_of(
    no_hole,
    "common factor of all",
    "You look for a common factor of all rates. (1, 2, 9) has none, and yet leaves holes: its last jump is too long "
    "for the others to fill.",
    ("    return len(seen) == 1 + (kernel_size - 1) * sum(rates)",
     "    import math\n"
     "    return math.gcd(*rates) == 1"),
)  # fmt: skip
free.slip_of(
    no_hole,
    "filters of three only",
    "You judge every stack as if its filters had three numbers. Hand `kernel_size` on.",
    ("    seen = {0}", "    kernel_size = 3\n    seen = {0}"),
)
free.slip_of(
    no_hole,
    "any 1 will do",
    "You look for a rate of 1. One plain layer fills gaps of its own width only: (1, 2, 9) leaves holes.",
    ("    return len(seen) == 1 + (kernel_size - 1) * sum(rates)", "    return 1 in rates"),
)
