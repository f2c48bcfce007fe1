"""What chapter 06 asks: cases, forbidden calls, and the slips that learners really make.

Most slips are one wrong line. They stand beside the right program that they are a line of.
"""

from __future__ import annotations

import torch
from torch import nn

from dlcv import fcn
from dlcv.backbones import SmallCNN
from dlcv.checking import CONVOLUTION, INTERPOLATION, UNFOLD, Case, Exercises, ModuleCase, made
from dlcv.fcn import probes, reference
from dlcv.transposed_convolution import bilinear_kernel

exercises = Exercises("fcn")
check = exercises.check


# ----------------------------------------------------------------------- 1 · one linear layer a pixel

pointwise = exercises.function(
    "pointwise_linear",
    reference.pointwise_linear,
    title="A classifier at every pixel",
    points=2,
    difficulty=1,
    minutes=8,
    forbidden=(CONVOLUTION,),
    hints=(
        "A product `weight @ ...` sums over the last but one axis of what stands on its right. Which axis of "
        "`features` has the channels?",
        "`features.flatten(2)` has the shape (N, C, H x W). A matrix (K, C) times that has the shape (N, K, H x W).",
        "Give the pixels their rows back with `unflatten`, and the bias two empty axes: `bias[:, None, None]`.",
    ),
)


@pointwise.cases
def _(draw):
    def whole(*shape):
        return draw.integers(shape, -4, 5)

    yield Case(whole(1, 3, 2, 2), whole(2, 3), whole(2), words="3 channels to 2 classes, 2x2 pixels")
    yield Case(whole(2, 2, 2, 3), whole(3, 2), words="two images, no bias")
    yield Case(whole(1, 3, 3, 3), whole(3, 3), whole(3), words="as many classes as channels")
    yield Case(whole(1, 4, 1, 1), whole(2, 4), whole(2), words="a single pixel")
    for _ in range(draw.count):
        n, c, k = draw.integer(1, 3), draw.integer(2, 5), draw.integer(2, 5)
        features = draw.normal((n, c, draw.integer(2, 5), draw.integer(2, 5)))
        yield Case(features, draw.normal((k, c)), draw.normal((k,)), words="random sizes", gradient=True)


def right_pointwise(features, weight, bias=None):
    n, h, w = features.shape[0], features.shape[2], features.shape[3]
    scores = weight @ features.flatten(2)
    if bias is not None:
        scores = scores + bias[:, None]
    return scores.reshape(n, -1, h, w)


pointwise.slip_of(
    right_pointwise,
    "pixels and channels mixed up",
    "You reshape where axes have to be exchanged. `reshape` keeps the order of the numbers in memory, so channels and "
    "pixels get mixed.",
    (
        "scores = weight @ features.flatten(2)",
        "scores = (features.reshape(n, h * w, -1) @ weight.T).transpose(1, 2)",
    ),
)
pointwise.slip_of(
    right_pointwise,
    "scores in the last axis",
    "Your scores stand in the last axis while you name the shape: the numbers are there, at the wrong pixels. Bring "
    "the classes to axis 1 before you give the pixels their rows back.",
    ("scores.reshape(n, -1, h, w)", "scores.transpose(1, 2).reshape(n, -1, h, w)"),
)
pointwise.slip_of(
    right_pointwise,
    "no bias",
    "The bias is missing: one number a class, added at every pixel.",
    ("scores = scores + bias[:, None]", "scores = scores + 0 * bias[:, None]"),
)
pointwise.slip_of(
    right_pointwise,
    "softmax already here",
    "You turn scores into probabilities. Scores stay as they are until the loss or the argmax: later layers add them.",
    ("return scores.reshape(n, -1, h, w)", "return scores.reshape(n, -1, h, w).softmax(1)"),
)


# ----------------------------------------------------------------------- 2 · fully connected is convolution

to_conv = exercises.function(
    "linear_to_conv",
    reference.linear_to_conv,
    title="A fully connected layer is a convolution",
    points=3,
    difficulty=2,
    minutes=12,
    hints=(
        "One unit of the layer looks at every number of the map. How large is a filter that does the same?",
        "Row number k of `linear.weight` is filter number k, flattened: channels first, then rows, then columns. "
        "`reshape` puts it back.",
        "`conv.weight.data = linear.weight.data.reshape(units, in_channels, *kernel_size)`; the bias is copied "
        "as it is, if there is one.",
    ),
)


@to_conv.cases
def _(draw):
    def case(k, c, size, shape, words, bias=True, make=None):
        make = make or (lambda *s: draw.integers(s, -3, 4))
        height, width = (size, size) if isinstance(size, int) else size
        weight = make(k, c * height * width)
        x = make(shape[0], c, *shape[1:])
        return Case(weight, make(k) if bias else None, c, size, x, words=words, probe=probes.as_filters)

    yield case(2, 1, 2, (1, 2, 2), "2 units on a 1x2x2 map, on a map of that size")
    yield case(2, 2, 2, (1, 2, 2), "2 units on a 2x2x2 map, on a map of that size")
    yield case(3, 2, 2, (1, 4, 5), "3 units on a 2x2x2 map, on a larger map")
    yield case(2, 2, (2, 3), (2, 3, 5), "a map that is not square")
    yield case(2, 3, 1, (1, 2, 3), "a map of one pixel: a 1x1 convolution")
    yield case(2, 2, 2, (1, 3, 3), "a layer without bias", bias=False)
    for _ in range(draw.count):
        k, c, h, w = (draw.integer(1, 4) for _ in range(4))
        shape = (draw.integer(1, 2), h + draw.integer(0, 3), w + draw.integer(0, 3))
        yield case(k, c, (h, w), shape, "random sizes", make=lambda *s: draw.normal(s))


def right_to_conv(linear, in_channels, kernel_size):
    if isinstance(kernel_size, int):
        kernel_size = (kernel_size, kernel_size)
    units = linear.out_features
    conv = nn.Conv2d(in_channels, units, kernel_size, bias=linear.bias is not None)
    conv.weight.data = linear.weight.data.reshape(units, in_channels, *kernel_size)
    if linear.bias is not None:
        conv.bias.data = linear.bias.data
    return conv


to_conv.slip_of(
    right_to_conv,
    "channels last",
    "You read the row as rows, columns, channels. `flatten` of a `(C, H, W)` map puts the channels first.",
    (
        "linear.weight.data.reshape(units, in_channels, *kernel_size)",
        "linear.weight.data.reshape(units, *kernel_size, in_channels).permute(0, 3, 1, 2)",
    ),
)
to_conv.slip_of(
    right_to_conv,
    "filters transposed",
    "Your filters have rows and columns exchanged. The flattened map runs along its rows: width is the fastest axis.",
    (
        "linear.weight.data.reshape(units, in_channels, *kernel_size)",
        "linear.weight.data.reshape(units, in_channels, *kernel_size[::-1]).transpose(2, 3)",
    ),
)
to_conv.slip_of(
    right_to_conv,
    "filters flipped",
    "You turn the filters over. A convolution layer of torch does not flip, so the filter is the row as it stands.",
    (
        "linear.weight.data.reshape(units, in_channels, *kernel_size)",
        "linear.weight.data.reshape(units, in_channels, *kernel_size).flip(2, 3)",
    ),
)
to_conv.slip_of(
    right_to_conv,
    "bias left behind",
    "The weights are the layer's; the bias is a new one, drawn at random. Copy it, too.",
    ("conv.bias.data = linear.bias.data", "conv.bias.data = 0 * linear.bias.data"),
)
to_conv.slip_of(
    right_to_conv,
    "padded",
    "Your convolution pads its input. The layer never saw a padded map: a map of the filter's size has one answer.",
    ("bias=linear.bias is not None)\n", "bias=linear.bias is not None, padding='same')\n"),
)


# ----------------------------------------------------------------------- 3 · the slow way

sliding = exercises.function(
    "sliding_window",
    reference.sliding_window,
    title="Classify every window",
    points=3,
    difficulty=2,
    minutes=12,
    forbidden=(CONVOLUTION, UNFOLD),
    hints=(
        "How many windows of height 3 fit into 7 rows in steps of 2? They start at rows 0, 2, 4.",
        "Row `i` and column `j` of the result are the scores of "
        "`image[:, i * stride : i * stride + window, j * stride : j * stride + window]`.",
        "The classifier wants a batch: give it `part[None]` and take its first row of scores.",
    ),
)


@sliding.cases
def _(draw):
    def case(k, shape, window, stride, words, make=None):
        make = make or (lambda *s: draw.integers(s, -3, 4))
        height, width = (window, window) if isinstance(window, int) else window
        weight = make(k, shape[0] * height * width)
        args = (weight, make(k), make(*shape), window, stride)
        return Case(*args, words=words, probe=probes.on_windows)

    yield case(2, (1, 4, 4), 2, 1, "2x2 windows on 4x4 pixels, one pixel apart")
    yield case(2, (2, 5, 7), 3, 2, "3x3 windows, two pixels apart")
    yield case(3, (1, 6, 5), 2, 2, "windows side by side; the last column fits none")
    yield case(2, (2, 3, 3), 3, 1, "one window: the whole image")
    yield case(2, (1, 7, 8), (2, 3), (3, 2), "windows of 2x3, steps of 3 down and 2 across")
    for _ in range(draw.count):
        window, stride = draw.integer(2, 3), draw.integer(1, 3)
        shape = (draw.integer(1, 3), draw.integer(4, 9), draw.integer(4, 9))
        yield case(draw.integer(2, 4), shape, window, stride, "random sizes", make=lambda *s: draw.normal(s))


def right_windows(classifier, image, window, stride):
    height, width = (window, window) if isinstance(window, int) else window
    down, across = (stride, stride) if isinstance(stride, int) else stride
    rows = (image.shape[1] - height) // down + 1
    columns = (image.shape[2] - width) // across + 1
    lines = []
    for i in range(rows):
        line = []
        for j in range(columns):
            part = image[:, i * down : i * down + height, j * across : j * across + width]
            line.append(classifier(part[None])[0])
        lines.append(torch.stack(line, 1))
    return torch.stack(lines, 1)


sliding.slip_of(
    right_windows,
    "last windows forgotten",
    "One row and one column of windows are missing: count the first window, too. Between first and last there are "
    "`(H - window) // stride` steps, so one window more.",
    ("// down + 1", "// down"),
    ("// across + 1", "// across"),
)
sliding.slip_of(
    right_windows,
    "step of one",
    "Your windows are one pixel apart whatever the stride. The window in row `i` starts at pixel `i * stride`.",
    ("i * down : i * down + height", "i : i + height"),
    ("j * across : j * across + width", "j : j + width"),
)


@sliding.slip(
    "scores and places mixed up",
    "You reshape rows of scores into maps. One row holds the scores of one window; `reshape` reads it as part of a "
    "map. Transpose first.",
)
def _(classifier, image, window, stride):
    height, width = (window, window) if isinstance(window, int) else window
    down, across = (stride, stride) if isinstance(stride, int) else stride
    rows = range(0, image.shape[1] - height + 1, down)
    columns = range(0, image.shape[2] - width + 1, across)
    parts = [image[:, y : y + height, x : x + width] for y in rows for x in columns]
    return classifier(torch.stack(parts)).reshape(-1, len(rows), len(columns))


sliding.slip_of(
    right_windows,
    "steps exchanged",
    "You step down by the second number of `stride`. Height comes first: (down, across).",
    ("down, across = (stride", "across, down = (stride"),
)
sliding.slip_of(
    right_windows,
    "map transposed",
    "Your map lies on its side: windows of one image row stand in one column. Rows first, then columns.",
    ("return torch.stack(lines, 1)", "return torch.stack(lines, 2)"),
)


# ----------------------------------------------------------------------- 4 · what it costs

cost = exercises.function(
    "multiply_adds",
    reference.multiply_adds,
    title="Count the multiplications",
    points=2,
    difficulty=2,
    minutes=10,
    hints=(
        "How large is the output of an unpadded convolution? Chapter 03 had the formula.",
        "Each of its `size * size * out_channels` numbers is a sum of `in_channels * kernel_size ** 2` products.",
        "Go through the layers with the output's size as the next layer's input.",
    ),
)


@cost.cases
def _(draw):
    yield Case([(1, 1, 3, 1)], 5, words="one 3x3 filter on 5x5 pixels")
    yield Case([(3, 8, 3, 1)], draw.integer(6, 9), words="3 channels to 8")
    yield Case([(1, 2, 3, 2)], 8, words="stride 2, where the last pixel is left over")
    yield Case([(1, 4, 3, 1), (4, 2, 1, 1)], draw.integer(6, 9), words="a 1x1 layer behind it")
    yield Case([(3, 4, 3, 2), (4, 6, 3, 1), (6, 5, 2, 1)], draw.integer(12, 16), words="three layers")
    yield Case([(2, 3, 4, 1)], 4, words="a filter as large as the image")
    for _ in range(draw.count):
        a, b, c = (draw.integer(1, 6) for _ in range(3))
        layers = [(a, b, draw.integer(1, 4), draw.integer(1, 3)), (b, c, draw.integer(1, 3), 1)]
        yield Case(layers, draw.integer(12, 30), words="random layers")


def right_cost(layers, size):
    total = 0
    for in_channels, out_channels, kernel_size, stride in layers:
        size = (size - kernel_size) // stride + 1
        total = total + size * size * out_channels * in_channels * kernel_size**2
    return total


cost.slip_of(
    right_cost,
    "counted at the input's size",
    "You count one product for each pixel of the *input*. A layer computes its output: count its pixels.",
    (
        "        size = (size - kernel_size) // stride + 1\n"
        "        total = total + size * size * out_channels * in_channels * kernel_size**2\n",
        "        total = total + size * size * out_channels * in_channels * kernel_size**2\n"
        "        size = (size - kernel_size) // stride + 1\n",
    ),
)
cost.slip_of(
    right_cost,
    "every layer at the image's size",
    "You compute each layer from the size of the image. The next layer gets what the last one gave: hand `size` on.",
    (
        "        size = (size - kernel_size) // stride + 1\n",
        "        side = (size - kernel_size) // stride + 1\n",
    ),
    ("size * size * out_channels", "side * side * out_channels"),
)
cost.slip_of(
    right_cost,
    "one row of the map",
    "You count one row of the output. It has `size` rows of `size` pixels.",
    ("size * size * out_channels", "size * out_channels"),
)
cost.slip_of(
    right_cost,
    "additions counted, too",
    "You count each multiplication twice, perhaps with its addition. Count multiplications alone.",
    ("total + size * size", "total + 2 * size * size"),
)
cost.slip_of(
    right_cost,
    "the last layer alone",
    "You keep the count of the last layer. The sum goes over all of them.",
    ("total = total + size", "total = size"),
)
cost.slip_of(
    right_cost,
    "last step rounded up",
    "You round the number of steps up, so the last filter hangs over the edge. Only whole filters count: round down.",
    ("(size - kernel_size) // stride + 1", "-((kernel_size - size) // stride) + 1"),
)
cost.slip_of(
    right_cost,
    "weights, not products",
    "You count the weights of a layer. Each of them is used once for every pixel of its output.",
    ("size * size * out_channels", "out_channels"),
)
cost.slip_of(
    right_cost,
    "side of the filter",
    "A filter of 3x3 has nine weights: `kernel_size` counts twice.",
    ("kernel_size**2", "kernel_size"),
)
cost.slip_of(
    right_cost,
    "input channels forgotten",
    "Each number of the output is a sum over *all* channels of the input.",
    ("out_channels * in_channels *", "out_channels *"),
)


# ----------------------------------------------------------------------- 5 · starts as bilinear

upsampling = exercises.function(
    "bilinear_upsampling",
    reference.bilinear_upsampling,
    title="An upsampling layer that starts as bilinear",
    points=3,
    difficulty=3,
    minutes=12,
    forbidden=(INTERPOLATION,),
    allowed=("dlcv.transposed_convolution.bilinear_kernel",),
    hints=(
        "Chapter 01: the filter has `2 * factor - factor % 2` taps. `bilinear_kernel` gives it.",
        "`nn.ConvTranspose2d` has a weight for each channel in, channel out, row and column. Which of these "
        "filters are bilinear, and what are the others?",
        "From n pixels come (n - 1) x stride + taps - 2 x padding, and n x `factor` is wanted: solve for `padding`.",
    ),
)


@upsampling.cases
def _(draw):
    def case(channels, factor, shape, words, make=None):
        x = (make or (lambda s: draw.integers(s, 0, 9)))((1, channels, *shape))
        return Case(channels, factor, x, words=words, probe=probes.as_layer)

    yield case(1, 2, (2, 3), "one channel, twice as large")
    yield case(2, 2, (2, 2), "two channels: each by itself")
    yield case(1, 3, (2, 2), "three times as large: an odd filter")
    yield case(3, 4, (2, 3), "three channels, four times as large")
    yield case(1, 1, (3, 3), "factor 1 changes nothing", make=lambda s: draw.integers(s, 0, 9))
    yield case(2, 8, (1, 2), "eight times as large, from two pixels")
    for _ in range(draw.count):
        shape = (draw.integer(1, 4), draw.integer(1, 4))
        yield case(draw.integer(1, 4), draw.integer(2, 6), shape, "random sizes", make=draw.normal)


def right_upsampling(channels, factor):
    k = 2 * factor - factor % 2
    layer = nn.ConvTranspose2d(channels, channels, k, stride=factor, padding=(k - factor) // 2, bias=False)
    weight = torch.zeros(channels, channels, k, k)
    for c in range(channels):
        weight[c, c] = bilinear_kernel(k)
    layer.weight.data = weight
    return layer


upsampling.slip_of(
    right_upsampling,
    "every channel into every channel",
    "Each of your output channels is the sum of all input channels. Only the filters from a channel to itself are "
    "bilinear; all others start at zero.",
    ("weight[c, c] = bilinear_kernel(k)", "weight[c] = bilinear_kernel(k)"),
)
upsampling.slip_of(
    right_upsampling,
    "filter not centred",
    "Your output has the right size, but the picture is shifted: trim the same number of pixels on each side, "
    "`padding = (k - factor) / 2`.",
    (
        "padding=(k - factor) // 2, bias=False)",
        "padding=0, bias=False)\n    layer.register_forward_hook("
        "lambda module, x, y: y[..., : x[0].shape[2] * factor, : x[0].shape[3] * factor])",
    ),
)
upsampling.slip_of(
    right_upsampling,
    "taps added up to one",
    "Your filter sums to one, so the output gets darker with every step: only one in `factor * factor` pixels of the "
    "spread input is not zero. Bilinear weights reach one at the middle and sum to `factor * factor`.",
    ("bilinear_kernel(k)", "bilinear_kernel(k) / bilinear_kernel(k).sum()"),
)
upsampling.slip_of(
    right_upsampling,
    "channels that can never mix",
    "With `groups=channels` your layer cannot learn to mix channels. It has a filter from every channel to every "
    "channel; those between different ones start at zero.",
    ("bias=False)", "bias=False, groups=channels)"),
    ("torch.zeros(channels, channels, k, k)", "torch.zeros(channels, 1, k, k)"),
    ("weight[c, c] = ", "weight[c, 0] = "),
)
upsampling.slip_of(
    right_upsampling,
    "always an even filter",
    "Your filter has `2 * factor` taps for odd factors, too. Those need one tap less, or the filter has no middle that "
    "falls on a pixel.",
    ("k = 2 * factor - factor % 2", "k = 2 * factor"),
)
upsampling.slip_of(
    right_upsampling,
    "layer cannot learn",
    "Your layer's weights take no gradient. Bilinear is where it starts, not where it has to stay.",
    ("    return layer", "    layer.weight.requires_grad_(False)\n    return layer"),
)
upsampling.slip_of(
    right_upsampling,
    "a filter of ones",
    "Your layer repeats each pixel and adds where copies meet. A bilinear filter falls off from its middle.",
    ("bilinear_kernel(k)", "torch.ones(k, k)"),
)


# ----------------------------------------------------------------------- 6 · score, crop, sum

fusing = exercises.function(
    "fuse",
    reference.fuse,
    title="Score, crop, sum",
    points=3,
    difficulty=3,
    minutes=15,
    allowed=(
        "pointwise_linear",
        "bilinear_upsampling",
        "crop_like",
        "dlcv.transposed_convolution.bilinear_kernel",
    ),
    hints=(
        "Three steps: `fcn.bilinear_upsampling(deep.shape[1], 2)` doubles the deep scores, `fcn.crop_like` cuts them, "
        "`fcn.pointwise_linear` scores the skip.",
        "`deep` has one channel a class already; `skip` has features. Only `skip` needs `weight` and `bias`.",
        "An odd size: 5 pixels became 3 on the way down, and 6 on the way up. Crop before you add.",
    ),
)


@fusing.cases
def _(draw):
    def case(k, c, deep, skip, words, make=None, bias=True, **more):
        make = make or (lambda *s: draw.integers(s, -4, 5))
        args = (make(1, k, *deep), make(1, c, *skip), make(k, c), make(k) if bias else None)
        return Case(*args, words=words, **more)

    yield case(2, 3, (2, 2), (4, 4), "2 classes, 3 channels of features")
    yield case(2, 3, (2, 3), (3, 5), "odd sizes: one row and one column too many")
    yield case(3, 3, (2, 2), (4, 3), "as many channels as classes")
    yield case(2, 2, (1, 1), (1, 1), "a single pixel")
    yield case(2, 4, (2, 2), (4, 4), "no bias", bias=False)
    yield case(
        2, 3, (2, 2), (4, 3), "the gradient reaches both", make=lambda *s: draw.normal(s), gradient=True
    )
    for _ in range(draw.count):
        h, w = draw.integer(1, 4), draw.integer(1, 4)
        skip = (2 * h - draw.integer(0, 1), 2 * w - draw.integer(0, 1))
        yield case(
            draw.integer(2, 4), draw.integer(2, 5), (h, w), skip, "random sizes", lambda *s: draw.normal(s)
        )


def right_fuse(deep, skip, weight, bias=None):
    doubled = fcn.bilinear_upsampling(deep.shape[1], 2)(deep)
    return fcn.crop_like(doubled, skip) + fcn.pointwise_linear(skip, weight, bias)


fusing.slip_of(
    right_fuse,
    "probabilities summed",
    "You turn scores into probabilities before you add them. Scores are summed; the softmax comes once, at the end.",
    (
        "fcn.crop_like(doubled, skip) + fcn.pointwise_linear(skip, weight, bias)",
        "fcn.crop_like(doubled, skip).softmax(1) + fcn.pointwise_linear(skip, weight, bias).softmax(1)",
    ),
)
fusing.slip_of(
    right_fuse,
    "concatenated",
    "You stack both maps. That is U-Net's skip, and chapter 07's; an FCN adds scores of the same classes.",
    (
        "return fcn.crop_like(doubled, skip) + fcn.pointwise_linear(skip, weight, bias)",
        "return torch.cat([fcn.crop_like(doubled, skip), fcn.pointwise_linear(skip, weight, bias)], 1)",
    ),
)
fusing.slip_of(
    right_fuse,
    "nearest instead of bilinear",
    "You repeat each deep score. Blocks of equal scores give staircase outlines; double them by the bilinear layer.",
    (
        "fcn.bilinear_upsampling(deep.shape[1], 2)(deep)",
        "deep.repeat_interleave(2, 2).repeat_interleave(2, 3)",
    ),
)
fusing.slip_of(
    right_fuse,
    "interpolated",
    "You double by interpolation, which continues the border's scores. A transposed convolution sees zeros beyond the "
    "border; and it can learn. Use `fcn.bilinear_upsampling`.",
    (
        "fcn.bilinear_upsampling(deep.shape[1], 2)(deep)",
        "torch.nn.functional.interpolate(deep, scale_factor=2.0, mode='bilinear')",
    ),
)
fusing.slip_of(
    right_fuse,
    "stretched to the skip's size",
    "You stretch the deep scores to the size of the skip. With an odd size they no longer lie over their pixels: "
    "double them exactly, then crop.",
    (
        "fcn.bilinear_upsampling(deep.shape[1], 2)(deep)",
        "torch.nn.functional.interpolate(deep, skip.shape[2:], mode='bilinear')",
    ),
)
fusing.slip_of(
    right_fuse,
    "bias forgotten",
    "You score the skip without `bias`.",
    ("fcn.pointwise_linear(skip, weight, bias)", "fcn.pointwise_linear(skip, weight)"),
)
fusing.slip_of(
    right_fuse,
    "mean of both",
    "You take the mean of both maps. They are added: each says how much it speaks for a class.",
    (
        "return fcn.crop_like(doubled, skip) + fcn.pointwise_linear(skip, weight, bias)",
        "return (fcn.crop_like(doubled, skip) + fcn.pointwise_linear(skip, weight, bias)) / 2",
    ),
)
fusing.slip_of(
    right_fuse,
    "skip not scored",
    "You add features and scores. Features have no class: score the skip first, with `weight` and `bias`.",
    ("fcn.pointwise_linear(skip, weight, bias)", "skip[:, : deep.shape[1]]"),
)
fusing.slip_of(
    right_fuse,
    "cropped at the front",
    "You keep the last rows and columns. The row too many is at the bottom: `fcn.crop_like` knows.",
    ("fcn.crop_like(doubled, skip)", "doubled[..., -skip.shape[2] :, -skip.shape[3] :]"),
)


# ----------------------------------------------------------------------- 7 · the whole network

network = exercises.module(
    "FCN",
    reference.FCN,
    title="FCN-32s, 16s and 8s",
    points=5,
    difficulty=4,
    minutes=30,
    allowed=("bilinear_upsampling", "crop_like", "dlcv.transposed_convolution.bilinear_kernel"),
    limit=10.0,
    hints=(
        "`backbone(images)` gives five maps; the last three have strides 8, 16 and 32, and `backbone.channels` says "
        "how many channels each has.",
        "Write 32s first: score the deepest map, double it, crop it to the map at stride 16, double it, crop it to "
        "the map at stride 8, enlarge it eight times, crop it to the images.",
        "16s adds the scores of the map at stride 16 after the first crop. 8s adds those at stride 8 after the second, "
        "too. A variant makes only the layers that it uses for scoring.",
    ),
)


@network.cases
def _(draw):
    def case(variant, size, words, classes=3, gradient=True):
        backbone = made(SmallCNN, channels=(2, 3, 4, 3, 5))
        images = [draw.uniform((1, 3, *size))]
        return ModuleCase(
            backbone, classes, variant, inputs=images, words=f"FCN-{variant}, {words}", gradient=gradient
        )

    yield case("32s", (32, 64), "images of 32x64")
    yield case("16s", (32, 64), "images of 32x64")
    yield case("8s", (32, 64), "images of 32x64")
    yield case("8s", (33, 47), "images of 33x47: nothing divides", classes=4)
    yield case("16s", (65, 40), "images of 65x40", classes=2)
    for _ in range(max(1, draw.count // 2)):
        variant = draw.choice(["32s", "16s", "8s"])
        size = (draw.integer(20, 70), draw.integer(20, 70))
        yield case(variant, size, "a random size", classes=draw.integer(2, 5))


class RightFCN(nn.Module):
    def __init__(self, backbone, num_classes, variant="8s"):
        super().__init__()
        self.backbone = backbone
        self.variant = variant
        channels = backbone.channels
        self.score = nn.Conv2d(channels[4], num_classes, 1)
        if variant != "32s":
            self.score16 = nn.Conv2d(channels[3], num_classes, 1)
        if variant == "8s":
            self.score8 = nn.Conv2d(channels[2], num_classes, 1)
        self.double16 = fcn.bilinear_upsampling(num_classes, 2)
        self.double8 = fcn.bilinear_upsampling(num_classes, 2)
        self.enlarge = fcn.bilinear_upsampling(num_classes, 8).requires_grad_(False)

    def forward(self, images):
        maps = self.backbone(images)
        scores = self.score(maps[4])
        scores = fcn.crop_like(self.double16(scores), maps[3])
        if self.variant != "32s":
            scores = scores + self.score16(maps[3])
        scores = fcn.crop_like(self.double8(scores), maps[2])
        if self.variant == "8s":
            scores = scores + self.score8(maps[2])
        return fcn.crop_like(self.enlarge(scores), images)


network.slip_of(
    RightFCN,
    "softmax before summing",
    "You turn the deep scores into probabilities before you add the skip. Scores are summed; the softmax belongs to "
    "the loss.",
    ("scores = self.score(maps[4])", "scores = self.score(maps[4]).softmax(1)"),
)
network.slip_of(
    RightFCN,
    "last step learns",
    "Your last upsampling layer takes a gradient. In the paper only the doublings learn; the last step stays bilinear: "
    "`requires_grad_(False)`.",
    (
        "fcn.bilinear_upsampling(num_classes, 8).requires_grad_(False)",
        "fcn.bilinear_upsampling(num_classes, 8)",
    ),
)
network.slip_of(
    RightFCN,
    "softmax at the end",
    "You return probabilities. The network returns scores; the loss takes care of the softmax.",
    (
        "return fcn.crop_like(self.enlarge(scores), images)",
        "return fcn.crop_like(self.enlarge(scores), images).softmax(1)",
    ),
)
network.slip_of(
    RightFCN,
    "every skip in every variant",
    "You make all scoring layers whatever the variant, so FCN-32s carries weights that it never uses. A variant makes "
    "only the layers that it needs.",
    ('        if variant != "32s":\n            self.score16', "        if True:\n            self.score16"),
    ('        if variant == "8s":\n            self.score8', "        if True:\n            self.score8"),
)
network.slip_of(
    RightFCN,
    "one layer for both doublings",
    "You double twice with the same layer. Scores at stride 32 and at stride 16 are not alike: each doubling has "
    "weights of its own.",
    ("        self.double8 = fcn.bilinear_upsampling(num_classes, 2)\n", ""),
    ("self.double8(scores)", "self.double16(scores)"),
)
network.slip_of(
    RightFCN,
    "one skip for all",
    "FCN-16s has one skip, FCN-8s has both. You leave out the scores of stride 16 in FCN-8s.",
    (
        '        if self.variant != "32s":\n            scores = scores + self.score16(maps[3])\n',
        '        if self.variant == "16s":\n            scores = scores + self.score16(maps[3])\n',
    ),
)
network.slip_of(
    RightFCN,
    "cropped at the corner",
    "You crop the last map at its upper left corner. The pixels too many lie on both sides: cut the middle out.",
    (
        "return fcn.crop_like(self.enlarge(scores), images)",
        "return self.enlarge(scores)[..., : images.shape[2], : images.shape[3]]",
    ),
)
network.slip_of(
    RightFCN,
    "interpolated at the end",
    "You resize the scores to the image by interpolation that stretches them. Enlarge them exactly eight times, then "
    "crop: a score must stay over its pixels.",
    (
        "return fcn.crop_like(self.enlarge(scores), images)",
        "self.enlarge(scores)\n        return F.interpolate(scores, images.shape[2:], mode='bilinear')",
    ),
)
network.slip_of(
    RightFCN,
    "no gradient through the deep path",
    "You detach the deep scores, so nothing below learns from the fused map.",
    (
        "scores = fcn.crop_like(self.double8(scores), maps[2])",
        "scores = fcn.crop_like(self.double8(scores.detach()), maps[2])",
    ),
)
