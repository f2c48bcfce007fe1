"""What chapter 07 asks: cases, forbidden calls, and the slips that learners really make.

Most slips are one wrong line. They stand beside the right program that they are a line of.
"""

from __future__ import annotations

import torch
from torch import nn

from dlcv import unet
from dlcv.checking import INTERPOLATION, Case, Exercises, ModuleCase
from dlcv.unet import reference

exercises = Exercises("unet")
check = exercises.check


def strong(draw, *shape):
    """Inputs that outweigh the biases, so that they are still seen behind a chain of ReLUs."""
    return 10 * draw.normal(shape)


# ----------------------------------------------------------------------- 1 · two convolutions

double = exercises.module(
    "DoubleConv",
    reference.DoubleConv,
    title="Two convolutions",
    points=2,
    difficulty=1,
    minutes=8,
    hints=(
        "Four layers in a row: convolution, ReLU, convolution, ReLU.",
        "The first convolution goes from `in_channels` to `out_channels`, the second from `out_channels` to "
        "`out_channels`. Both have a bias and `padding`.",
    ),
)


@double.cases
def _(draw):
    yield ModuleCase(1, 6, inputs=[strong(draw, 1, 1, 6, 7)], words="1 channel to 6; the map keeps its size")
    yield ModuleCase(2, 6, 0, inputs=[strong(draw, 2, 2, 7, 6)], words="no padding: four pixels less")
    yield ModuleCase(3, 9, 0, inputs=[strong(draw, 1, 3, 5, 5)], words="a single pixel is left")
    for _ in range(draw.count):
        a, b, padding = draw.integer(1, 3), draw.integer(4, 6), draw.integer(0, 1)
        x = strong(draw, 1, a, draw.integer(5, 8), draw.integer(5, 8))
        yield ModuleCase(a, b, padding, inputs=[x], words="random sizes")


class RightDoubleConv(nn.Module):
    def __init__(self, in_channels, out_channels, padding=1):
        super().__init__()
        self.first = nn.Conv2d(in_channels, out_channels, 3, padding=padding)
        self.second = nn.Conv2d(out_channels, out_channels, 3, padding=padding)

    def forward(self, x):
        x = torch.relu(self.first(x))
        return torch.relu(self.second(x))


double.slip_of(
    RightDoubleConv,
    "last ReLU missing",
    "Your last convolution has no ReLU behind it. Each of the two has one.",
    ("return torch.relu(self.second(x))", "return self.second(x)"),
)
double.slip_of(
    RightDoubleConv,
    "first ReLU missing",
    "There is no ReLU between your convolutions. Two linear layers in a row are one linear layer.",
    ("x = torch.relu(self.first(x))", "x = self.first(x)"),
)
double.slip_of(
    RightDoubleConv,
    "no biases",
    "Your convolutions have no bias. With batch normalisation behind them they would not need one; here there is none.",
    (
        "self.first = nn.Conv2d(in_channels, out_channels, 3, padding=padding)",
        "self.first = nn.Conv2d(in_channels, out_channels, 3, padding=padding, bias=False)",
    ),
    (
        "self.second = nn.Conv2d(out_channels, out_channels, 3, padding=padding)",
        "self.second = nn.Conv2d(out_channels, out_channels, 3, padding=padding, bias=False)",
    ),
)
double.slip_of(
    RightDoubleConv,
    "always padded",
    "You pad whatever `padding` says. The paper's network does not: its maps lose four pixels here.",
    (
        "self.first = nn.Conv2d(in_channels, out_channels, 3, padding=padding)",
        "self.first = nn.Conv2d(in_channels, out_channels, 3, padding=1)",
    ),
    (
        "self.second = nn.Conv2d(out_channels, out_channels, 3, padding=padding)",
        "self.second = nn.Conv2d(out_channels, out_channels, 3, padding=1)",
    ),
)
double.slip_of(
    RightDoubleConv,
    "channels changed by the second",
    "Your first convolution keeps the channels and your second changes them. The first one changes them.",
    (
        "self.first = nn.Conv2d(in_channels, out_channels, 3, padding=padding)",
        "self.first = nn.Conv2d(in_channels, in_channels, 3, padding=padding)",
    ),
    (
        "self.second = nn.Conv2d(out_channels, out_channels, 3, padding=padding)",
        "self.second = nn.Conv2d(in_channels, out_channels, 3, padding=padding)",
    ),
)
double.slip_of(
    RightDoubleConv,
    "batch normalisation",
    "You normalise each batch. Many later U-Nets do; this one, the paper's, does not.",
    (
        "self.second = nn",
        "self.norms = nn.ModuleList([nn.BatchNorm2d(out_channels), nn.BatchNorm2d(out_channels)])\n"
        "        self.second = nn",
    ),
    ("torch.relu(self.first(x))", "torch.relu(self.norms[0](self.first(x)))"),
    ("torch.relu(self.second(x))", "torch.relu(self.norms[1](self.second(x)))"),
)
double.slip_of(
    RightDoubleConv,
    "normalised",
    "You normalise. Many later U-Nets do; this one, the paper's, does not.",
    ("x = torch.relu(self.first(x))", "x = torch.relu(nn.functional.instance_norm(self.first(x)))"),
)


# ----------------------------------------------------------------------- 2 · one step up

step = exercises.module(
    "UpStep",
    reference.UpStep,
    title="One step up",
    points=3,
    difficulty=2,
    minutes=15,
    allowed=("DoubleConv", "center_crop"),
    hints=(
        "`nn.ConvTranspose2d(2 * channels, channels, 2, stride=2)` doubles the size and halves the channels at once.",
        "Without padding the skip is larger than the map from below: `unet.center_crop(skip, x.shape[-2:])`.",
        "`torch.cat([skip, x], 1)` has `2 * channels` channels again; `unet.DoubleConv` brings them down.",
    ),
)


@step.cases
def _(draw):
    def case(channels, padding, below, skip, words):
        inputs = [strong(draw, 1, 2 * channels, *below), strong(draw, 1, channels, *skip)]
        return ModuleCase(channels, padding, inputs=inputs, words=words)

    yield case(4, 1, (2, 3), (4, 6), "4 channels, padded: sizes fit")
    yield case(4, 0, (4, 4), (10, 10), "not padded: the skip is cropped by one pixel on each side")
    yield case(5, 0, (3, 5), (9, 15), "an odd number of pixels too many")
    yield case(4, 1, (1, 1), (2, 2), "from a single pixel")
    for _ in range(draw.count):
        h, w, padding = draw.integer(3, 4), draw.integer(3, 4), draw.integer(0, 1)
        more = (0, 0) if padding else (draw.integer(0, 6), draw.integer(0, 6))
        skip = (2 * h + more[0], 2 * w + more[1])
        yield case(draw.integer(4, 6), padding, (h, w), skip, "random sizes")


class RightUpStep(nn.Module):
    def __init__(self, channels, padding=1):
        super().__init__()
        self.up = nn.ConvTranspose2d(2 * channels, channels, 2, stride=2)
        self.mix = unet.DoubleConv(2 * channels, channels, padding)

    def forward(self, x, skip):
        x = self.up(x)
        skip = unet.center_crop(skip, x.shape[-2:])
        return self.mix(torch.cat([skip, x], 1))


step.slip_of(
    RightUpStep,
    "added, not concatenated",
    "Your double convolution takes the channels of one map, as if the skip were added, or left out. A ResNet and an "
    "FCN add. A U-Net stacks both maps, so the next layer gets twice the channels and may weigh them itself.",
    ("unet.DoubleConv(2 * channels, channels, padding)", "unet.DoubleConv(channels, channels, padding)"),
    ("torch.cat([skip, x], 1)", "skip + x"),
)
step.slip_of(
    RightUpStep,
    "map first, skip second",
    "You put the map from below first. The paper's figure, and everyone's weights, have the skip first.",
    ("torch.cat([skip, x], 1)", "torch.cat([x, skip], 1)"),
)
step.slip_of(
    RightUpStep,
    "channels not halved",
    "Your upsampling keeps its channels: the stack then has three times as many as the skip. Halve them while you "
    "double the size.",
    (
        "nn.ConvTranspose2d(2 * channels, channels, 2, stride=2)",
        "nn.ConvTranspose2d(2 * channels, 2 * channels, 2, stride=2)",
    ),
    ("unet.DoubleConv(2 * channels, channels, padding)", "unet.DoubleConv(3 * channels, channels, padding)"),
)
step.slip_of(
    RightUpStep,
    "cropped at the corner",
    "You keep the skip's upper left corner. Convolutions without padding lose pixels on all sides: keep the middle.",
    ("unet.center_crop(skip, x.shape[-2:])", "skip[..., : x.shape[-2], : x.shape[-1]]"),
)
step.slip_of(
    RightUpStep,
    "map padded to the skip's size",
    "You pad the map from below until it is as large as the skip. The paper crops the skip: a border of zeros is no "
    "evidence.",
    ("x = self.up(x)\n", "x = nn.functional.pad(self.up(x), _margins(x, skip))\n"),
    (
        "    def forward(self, x, skip):",
        "    def forward(self, x, skip):\n"
        "        def _margins(x, skip):\n"
        "            h, w = skip.shape[2] - 2 * x.shape[2], skip.shape[3] - 2 * x.shape[3]\n"
        "            return (w // 2, w - w // 2, h // 2, h - h // 2)\n",
    ),
)
step.slip_of(
    RightUpStep,
    "padding not handed on",
    "Your double convolution pads whatever `padding` says. Hand it on.",
    ("unet.DoubleConv(2 * channels, channels, padding)", "unet.DoubleConv(2 * channels, channels)"),
)
step.slip_of(
    RightUpStep,
    "ReLU behind the upsampling",
    "You cut the upsampled map off at zero. Only the two convolutions have a ReLU behind them.",
    ("x = self.up(x)\n", "x = torch.relu(self.up(x))\n"),
)
step.slip_of(
    RightUpStep,
    "interpolated and mixed",
    "You double by interpolation and halve the channels by a 1x1 convolution. Many later U-Nets do; the paper's step "
    "up is a transposed convolution of 2x2 that does both.",
    ("nn.ConvTranspose2d(2 * channels, channels, 2, stride=2)", "nn.Conv2d(2 * channels, channels, 1)"),
    ("x = self.up(x)\n", "x = nn.functional.interpolate(self.up(x), scale_factor=2.0, mode='bilinear')\n"),
)
step.slip_of(
    RightUpStep,
    "skip resized",
    "You shrink the skip to the map's size. Then its pixels no longer lie over the same pixels: crop it.",
    (
        "unet.center_crop(skip, x.shape[-2:])",
        "nn.functional.adaptive_avg_pool2d(skip, x.shape[-2:])",
    ),
)


# ----------------------------------------------------------------------- 3 · the network

network = exercises.module(
    "UNet",
    reference.UNet,
    title="The U-Net",
    points=4,
    difficulty=3,
    minutes=25,
    allowed=("DoubleConv", "UpStep", "center_crop"),
    limit=10.0,
    hints=(
        "With `depth` 2 and `base_channels` 8 the maps on the way down have 8, 16 and 32 channels. There are "
        "`depth + 1` double convolutions and `depth` steps up.",
        "On the way down keep each map *before* it is pooled: that is its skip. The last one is no skip.",
        "On the way up take the skips from the last to the first: `unet.UpStep(16, padding)`, then 8.",
    ),
)


@network.cases
def _(draw):
    def case(*settings, size, words):
        return ModuleCase(*settings, inputs=[strong(draw, 1, settings[0], *size)], words=words)

    yield case(1, 2, 4, 1, size=(4, 6), words="depth 1, padded")
    yield case(1, 2, 4, 2, size=(8, 12), words="depth 2, padded")
    yield case(1, 2, 4, 1, 0, size=(24, 22), words="depth 1, not padded")
    yield case(2, 3, 4, 2, 0, size=(44, 48), words="depth 2, not padded; 2 channels in, 3 classes")
    yield case(3, 1, 4, 3, size=(8, 16), words="depth 3, one class")
    for _ in range(max(1, draw.count // 2)):
        depth = draw.integer(1, 3)
        size = (2**depth * draw.integer(1, 2), 2**depth * draw.integer(1, 2))
        channels = (draw.integer(1, 3), draw.integer(1, 3), draw.integer(4, 6))
        yield case(*channels, depth, size=size, words="random sizes, padded")


class RightUNet(nn.Module):
    def __init__(self, in_channels, num_classes, base_channels=64, depth=4, padding=1):
        super().__init__()
        self.down = nn.ModuleList()
        before, after = in_channels, base_channels
        for _ in range(depth + 1):
            self.down.append(unet.DoubleConv(before, after, padding))
            before, after = after, 2 * after
        self.up = nn.ModuleList()
        for level in range(depth - 1, -1, -1):
            self.up.append(unet.UpStep(base_channels * 2**level, padding))
        self.score = nn.Conv2d(base_channels, num_classes, 1)

    def forward(self, images):
        skips, x = [], images
        for layer in self.down[:-1]:
            x = layer(x)
            skips.append(x)
            x = nn.functional.max_pool2d(x, 2)
        x = self.down[-1](x)
        for layer in self.up:
            x = layer(x, skips.pop())
        return self.score(x)


network.slip_of(
    RightUNet,
    "skips in the wrong order",
    "You hand out the skips from the first to the last. The deepest step up needs the deepest skip: last one first.",
    ("skips.pop()", "skips.pop(0)[:, :1].expand(-1, x.shape[1] // 2, -1, -1)"),
)
network.slip_of(
    RightUNet,
    "layers in a Python list",
    "You keep layers in a Python list. PyTorch does not see them there: their weights are neither trained nor saved. "
    "Use `nn.ModuleList`.",
    ("self.down = nn.ModuleList()", "self.down = []"),
    ("self.up = nn.ModuleList()", "self.up = []"),
)
network.slip_of(
    RightUNet,
    "padding not handed on",
    "Your network pads whatever `padding` says. Hand it on to every step, down and up.",
    ("unet.DoubleConv(before, after, padding)", "unet.DoubleConv(before, after)"),
    ("unet.UpStep(base_channels * 2**level, padding)", "unet.UpStep(base_channels * 2**level)"),
)
network.slip_of(
    RightUNet,
    "one level too few",
    "Your network halves the map once less than `depth` says. There are `depth` poolings, and one double convolution "
    "more than that.",
    ("        self.down = nn", "        depth = depth - 1\n        self.down = nn"),
)
network.slip_of(
    RightUNet,
    "softmax at the end",
    "You return probabilities. The network returns scores; the loss takes care of the softmax.",
    ("return self.score(x)", "return self.score(x).softmax(1)"),
)
network.slip_of(
    RightUNet,
    "ReLU on the scores",
    "You cut the scores off at zero. A score may be negative: no ReLU behind the last layer.",
    ("return self.score(x)", "return self.score(x).relu()"),
)
network.slip_of(
    RightUNet,
    "last layer 3x3",
    "Your last layer looks at 3x3 pixels. The paper's looks at one: it is a classifier for each pixel.",
    ("nn.Conv2d(base_channels, num_classes, 1)", "nn.Conv2d(base_channels, num_classes, 3, padding=1)"),
)
network.slip_of(
    RightUNet,
    "no gradient into the skips",
    "You detach the skips, so the encoder's fine maps do not learn from the outlines that they should draw.",
    ("skips.append(x)", "skips.append(x.detach())"),
)
network.slip_of(
    RightUNet,
    "averaged on the way down",
    "You halve maps by averages. The paper takes the maximum of each 2x2 window.",
    ("nn.functional.max_pool2d(x, 2)", "nn.functional.avg_pool2d(x, 2)"),
)


# ----------------------------------------------------------------------- 4 · counting

count = exercises.function(
    "unet_parameters",
    reference.unet_parameters,
    title="Count its parameters",
    points=2,
    difficulty=2,
    minutes=12,
    hints=(
        "A layer has `before * after * side * side` weights and `after` biases: channels in, channels out, filters of "
        "`side` x `side`.",
        "Down: `depth + 1` pairs of 3x3 layers. Up: `depth` times a 2x2 layer that halves the channels, a 3x3 layer "
        "that halves those of the stack, and a 3x3 layer. At the end one 1x1 layer.",
    ),
)


@count.cases
def _(draw):
    yield Case(1, 2, 1, 1, words="the smallest: base 1, depth 1")
    yield Case(1, 2, 64, 4, words="the paper's network")
    yield Case(3, 21, 32, 4, words="3 channels in, 21 classes, base 32")
    yield Case(1, 1, draw.integer(2, 9), 2, words="depth 2")
    for _ in range(draw.count):
        yield Case(
            draw.integer(1, 4), draw.integer(1, 20), draw.integer(4, 48), draw.integer(1, 5), words="random"
        )


def right_count(in_channels, num_classes, base_channels=64, depth=4):
    def layer(before, after, side):
        return before * after * side * side + after

    total = 0
    before, after = in_channels, base_channels
    for _ in range(depth + 1):
        total += layer(before, after, 3) + layer(after, after, 3)
        before, after = after, 2 * after
    for level in range(depth):
        c = base_channels * 2**level
        total += layer(2 * c, c, 2)
        total += layer(2 * c, c, 3) + layer(c, c, 3)
    return total + layer(base_channels, num_classes, 1)


count.slip_of(
    right_count,
    "biases forgotten",
    "You count the weights alone. Each output channel has a bias, too.",
    ("before * after * side * side + after", "before * after * side * side"),
)
count.slip_of(
    right_count,
    "a bias for each input",
    "You count a bias for each channel that goes in. There is one for each that comes out.",
    ("before * after * side * side + after", "before * after * side * side + before"),
)
count.slip_of(
    right_count,
    "one convolution a level",
    "You count one 3x3 layer a level. Each level has two, on the way down and on the way up.",
    ("layer(before, after, 3) + layer(after, after, 3)", "layer(before, after, 3)"),
    ("layer(2 * c, c, 3) + layer(c, c, 3)", "layer(2 * c, c, 3)"),
)
count.slip_of(
    right_count,
    "last layer forgotten",
    "The last layer is missing: a 1x1 convolution from `base_channels` to `num_classes`.",
    ("return total + layer(base_channels, num_classes, 1)", "return total"),
)
count.slip_of(
    right_count,
    "upsampling keeps its channels",
    "Your upsampling keeps its channels, so the stack has three times as many as the skip. It halves them.",
    ("layer(2 * c, c, 2)", "layer(2 * c, 2 * c, 2)"),
    ("layer(2 * c, c, 3)", "layer(3 * c, c, 3)"),
)
count.slip_of(
    right_count,
    "stack forgotten",
    "Your layers on the way up take as many channels as the skip alone. The stack of skip and map has twice as many.",
    ("layer(2 * c, c, 3) + layer(c, c, 3)", "layer(c, c, 3) + layer(c, c, 3)"),
)
count.slip_of(
    right_count,
    "upsampling without weights",
    "You count no weights for the upsampling. It is a transposed convolution of 2x2, and learns.",
    ("        total += layer(2 * c, c, 2)\n", ""),
)
count.slip_of(
    right_count,
    "upsampling as 3x3",
    "You count nine weights for each pair of channels of the upsampling. Its filters are 2x2.",
    ("layer(2 * c, c, 2)", "layer(2 * c, c, 3)"),
)
count.slip_of(
    right_count,
    "bottom forgotten",
    "One pair of convolutions is missing: below the last pooling there is one more than there are poolings.",
    ("range(depth + 1)", "range(depth)"),
)


# ----------------------------------------------------------------------- 5 · SegNet

segnet = exercises.module(
    "SegNet",
    reference.SegNet,
    title="SegNet: where each maximum was",
    points=4,
    difficulty=3,
    minutes=20,
    allowed=("DoubleConv",),
    limit=10.0,
    hints=(
        "`nn.functional.max_pool2d(x, 2, ceil_mode=True, return_indices=True)` gives values and indices. Keep the "
        "indices, and the size that `x` had.",
        "`nn.functional.max_unpool2d(x, indices, 2, output_size=size)` puts the values back; the last indices come "
        "first.",
        "On the way up channels go down *after* the unpooling: a level with 16 channels unpools 16, and its double "
        "convolution brings them to the 8 of the level above. The uppermost keeps its number.",
    ),
)


@segnet.cases
def _(draw):
    def case(*settings, size, words):
        return ModuleCase(*settings, inputs=[strong(draw, 1, settings[0], *size)], words=words)

    yield case(1, 2, 8, 1, size=(4, 6), words="depth 1")
    yield case(3, 2, 8, 2, size=(8, 8), words="depth 2")
    yield case(2, 3, 8, 2, size=(7, 9), words="depth 2, odd sizes")
    yield case(1, 2, 8, 3, size=(9, 12), words="depth 3")
    for _ in range(max(1, draw.count // 2)):
        size = (draw.integer(5, 12), draw.integer(5, 12))
        yield case(
            draw.integer(1, 3), draw.integer(1, 3), 8, draw.integer(1, 2), size=size, words="random sizes"
        )


class RightSegNet(nn.Module):
    def __init__(self, in_channels, num_classes, base_channels=64, depth=4):
        super().__init__()
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        before, after = in_channels, base_channels
        for level in range(depth):
            self.down.append(unet.DoubleConv(before, after, norm=True))
            self.up.append(unet.DoubleConv(after, before if level else base_channels, norm=True))
            before, after = after, 2 * after
        self.score = nn.Conv2d(base_channels, num_classes, 1)

    def forward(self, images):
        x, remembered = images, []
        for layer in self.down:
            x = layer(x)
            size = x.shape[-2:]
            x, indices = nn.functional.max_pool2d(x, 2, ceil_mode=True, return_indices=True)
            remembered.append((indices, size))
        for layer in self.up[::-1]:
            indices, size = remembered.pop()
            x = nn.functional.max_unpool2d(x, indices, 2, output_size=size)
            x = layer(x)
        return self.score(x)


segnet.slip_of(
    RightSegNet,
    "bed of nails",
    "You put every value into the upper left corner of its window. The indices say where the maximum really was.",
    (
        "x = nn.functional.max_unpool2d(x, indices, 2, output_size=size)",
        "y = x.new_zeros(*x.shape[:2], *size)\n            y[..., ::2, ::2] = x\n            x = y",
    ),
)
segnet.slip_of(
    RightSegNet,
    "nearest instead of unpooled",
    "You repeat each value over its window. Unpooling puts it at one place and leaves zeros around it.",
    (
        "x = nn.functional.max_unpool2d(x, indices, 2, output_size=size)",
        "x = x.repeat_interleave(2, 2).repeat_interleave(2, 3)[..., : size[0], : size[1]]",
    ),
)
segnet.slip_of(
    RightSegNet,
    "last row and column not pooled",
    "Where a size is odd, your pooling leaves the last row and column out. With `ceil_mode=True` they make a window of "
    "their own.",
    ("max_pool2d(x, 2, ceil_mode=True, return_indices=True)", "max_pool2d(x, 2, return_indices=True)"),
)
segnet.slip_of(
    RightSegNet,
    "interpolated on the way up",
    "You enlarge maps by interpolation. A SegNet puts each maximum back to where it was: `max_unpool2d` with the "
    "indices of the pooling.",
    (
        "x = nn.functional.max_unpool2d(x, indices, 2, output_size=size)",
        "x = nn.functional.interpolate(x, size, mode='bilinear')",
    ),
)
segnet.slip_of(
    RightSegNet,
    "last layer 3x3",
    "Your last layer looks at 3x3 pixels. It is a classifier for each pixel: 1x1.",
    ("nn.Conv2d(base_channels, num_classes, 1)", "nn.Conv2d(base_channels, num_classes, 3, padding=1)"),
)
segnet.slip_of(
    RightSegNet,
    "not normalised",
    "Your double convolutions have no batch normalisation. SegNet's do: `norm=True`.",
    ("unet.DoubleConv(before, after, norm=True)", "unet.DoubleConv(before, after)"),
    (
        "unet.DoubleConv(after, before if level else base_channels, norm=True)",
        "unet.DoubleConv(after, before if level else base_channels)",
    ),
)
segnet.slip_of(
    RightSegNet,
    "skips of maps",
    "You add the encoder's maps on the way up. SegNet keeps only the indices: that is what makes it small.",
    ("remembered.append((indices, size))", "remembered.append((indices, size, before))"),
    ("x = layer(x)\n            size", "x = before = layer(x)\n            size"),
    ("indices, size = remembered.pop()", "indices, size, before = remembered.pop()"),
    ("output_size=size)\n            x = layer(x)", "output_size=size) + before\n            x = layer(x)"),
)


# ----------------------------------------------------------------------- 6 · border weights

weights = exercises.function(
    "border_weight_map",
    reference.border_weight_map,
    title="Weights that keep cells apart",
    points=3,
    difficulty=3,
    minutes=18,
    numpy=True,
    hints=(
        "For one cell: the distance from every pixel to its nearest pixel of the cell. With `nonzero` and a "
        "broadcast you get all distances at once; take the smallest.",
        "Stack the distances to all cells, cells first. The two that you want are the smallest along the first axis: "
        "`sort` it.",
        "Only background pixels get the second term. With fewer than two cells nobody does.",
    ),
)


@weights.cases
def _(draw):
    def cells(rows):
        return torch.tensor([[int(c) for c in row] for row in rows.split()])

    yield Case(cells("11022 11022"), 10.0, 1.0, words="two cells, one pixel apart")
    yield Case(cells("1100022 1100022 1100000"), 10.0, 2.0, words="two cells, three pixels apart")
    yield Case(cells("110330 110330 000000 220000"), 5.0, 2.0, words="three cells: the two nearest count")
    yield Case(cells("300 000 007"), 10.0, 1.5, words="numbers with gaps, corner to corner")
    yield Case(cells("0110 0110 0000"), 10.0, 5.0, smoke=True, words="one cell: 1 everywhere")
    yield Case(cells("12 12"), 10.0, 5.0, smoke=True, words="touching, no background between: 1 everywhere")
    for _ in range(draw.count):
        h, w = draw.integer(6, 9), draw.integer(6, 9)
        there = torch.zeros(h, w, dtype=torch.long)
        for label in range(1, draw.integer(3, 5)):
            y, x = draw.integer(0, h - 2), draw.integer(0, w - 2)
            there[y : y + 2, x : x + 2] = label
        yield Case(there, float(draw.integer(5, 12)), float(draw.integer(1, 3)), words="random cells")


def right_weights(instances, w0=10.0, sigma=5.0):
    height, width = instances.shape
    pixels = torch.stack(torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij"), -1).float()
    distances = []
    for label in instances.unique():
        if label == 0:
            continue
        cell = (instances == label).nonzero().float()
        distances.append((pixels[:, :, None] - cell).square().sum(-1).sqrt().amin(-1))
    weights = torch.ones(height, width)
    if len(distances) >= 2:
        d = torch.stack(distances).sort(0).values
        ridge = w0 * torch.exp(-((d[0] + d[1]) ** 2) / (2 * sigma**2))
        weights = weights + torch.where(instances == 0, ridge, 0.0)
    return weights


weights.slip_of(
    right_weights,
    "nearest cell only",
    "You use the distance to the nearest cell twice: every cell gets a halo, alone or not. The second distance is to "
    "the second nearest *cell*.",
    ("d[0] + d[1]", "d[0] + d[0]"),
)
weights.slip_of(
    right_weights,
    "distance to all cells as one",
    "You measure the second distance to the farthest cell. Between two neighbours a third, far away, must not matter.",
    ("d[0] + d[1]", "d[0] + d[-1]"),
)
weights.slip_of(
    right_weights,
    "cells weighted, too",
    "You raise the weights within the cells as well: a cell's pixel is at distance 0 from itself. Only background "
    "between cells needs it.",
    ("torch.where(instances == 0, ridge, 0.0)", "ridge"),
)
weights.slip_of(
    right_weights,
    "two nearest pixels",
    "You take the two nearest pixels of any cell, which are mostly pixels of the same one. Measure to each cell by "
    "itself, then take the two smallest.",
    ("d[0] + d[1]", "nearest[0] + nearest[1]"),
    (
        "        ridge =",
        "        cells = instances.nonzero().float()\n"
        "        nearest = (pixels[:, :, None] - cells).square().sum(-1).sqrt().sort(-1).values.movedim(-1, 0)\n"
        "        ridge =",
    ),
)
weights.slip_of(
    right_weights,
    "to the cells' centres",
    "You measure to the centres of the cells. Large cells are then far away even where they touch: measure to their "
    "nearest pixel.",
    ("(pixels[:, :, None] - cell).square()", "(pixels[:, :, None] - cell.mean(0)).square()"),
)
weights.slip_of(
    right_weights,
    "background as a cell",
    "You count the background as a cell. It is at distance 0 everywhere between the cells, so every border becomes a "
    "ridge.",
    ("if label == 0:", "if label < 0:"),
)
weights.slip_of(
    right_weights,
    "twice sigma forgotten",
    "You divide by the square of sigma. A Gaussian has twice that below its exponent.",
    ("(2 * sigma**2)", "sigma**2"),
)
weights.slip_of(
    right_weights,
    "squares summed",
    "You add the squares of both distances. The paper squares their sum: `(d1 + d2) ** 2`.",
    ("((d[0] + d[1]) ** 2)", "(d[0] ** 2 + d[1] ** 2)"),
)
weights.slip_of(
    right_weights,
    "one missing",
    "Far from all cells your weight is 0: such pixels would not be learned at all. The ridge is added to 1.",
    (
        "weights = weights + torch.where(instances == 0, ridge, 0.0)",
        "weights = torch.where(instances == 0, ridge, 1.0)",
    ),
)
weights.slip_of(
    right_weights,
    "distance in steps",
    "You count steps along rows and columns. The distance is the straight line: the root of the sum of squares.",
    (".square().sum(-1).sqrt()", ".abs().sum(-1)"),
)


# ----------------------------------------------------------------------- 7 · elastic deformation

moving = exercises.function(
    "warp",
    reference.warp,
    title="Move an image and its labels",
    points=3,
    difficulty=3,
    minutes=15,
    forbidden=(INTERPOLATION,),
    numpy=True,
    hints=(
        "A pixel of the result comes from its own row plus `flow[0]` there, and its own column plus `flow[1]`.",
        "Clamp these positions into the image first. Then read the image between its four pixels, as in chapter 04.",
        "For the labels round the position: `floor` of the position plus a half. No mixing.",
    ),
)


@moving.cases
def _(draw):
    def case(c, h, w, flow, words, make=None):
        image = (make or (lambda s: draw.integers(s, 0, 50)))((c, h, w))
        labels = draw.integers((h, w), 0, 6).long() * 3
        return Case(image, labels, flow, words=words)

    def flow(h, w, down=0.0, across=0.0):
        return torch.stack([torch.full((h, w), down), torch.full((h, w), across)])

    yield case(1, 4, 5, flow(4, 5, 1.0, 0.0), "everything fetched from one row below")
    yield case(1, 4, 5, flow(4, 5, 0.0, -2.0), "from two columns to the left")
    yield case(2, 4, 4, flow(4, 4, 0.25, 0.75), "from between the pixels")
    yield case(1, 3, 4, flow(3, 4, 0.5, 0.0), "from half a row below: the nearest is the lower one")
    yield case(1, 4, 4, flow(4, 4, 9.0, -9.0), "from far outside: the corner")
    yield case(1, 3, 3, flow(3, 3), "no displacement")
    for _ in range(draw.count):
        h, w = draw.integer(4, 7), draw.integer(4, 7)
        moved = draw.uniform((2, h, w), -2.0, 2.0)
        yield case(draw.integer(1, 3), h, w, moved, "random displacements", make=draw.normal)


def right_warp(image, labels, flow):
    height, width = labels.shape
    y = (torch.arange(height)[:, None] + flow[0]).clamp(0, height - 1)
    x = (torch.arange(width)[None, :] + flow[1]).clamp(0, width - 1)
    y0, x0 = y.long(), x.long()
    y1, x1 = (y0 + 1).clamp(max=height - 1), (x0 + 1).clamp(max=width - 1)
    dy, dx = y - y0, x - x0
    upper = (1 - dx) * image[:, y0, x0] + dx * image[:, y0, x1]
    lower = (1 - dx) * image[:, y1, x0] + dx * image[:, y1, x1]
    moved = (1 - dy) * upper + dy * lower
    nearest = labels[(y + 0.5).long(), (x + 0.5).long()]
    return moved, nearest


moving.slip_of(
    right_warp,
    "labels mixed",
    "You mix labels like colours. Between classes 1 and 3 lies no class 2: labels take the nearest pixel.",
    (
        "nearest = labels[(y + 0.5).long(), (x + 0.5).long()]",
        "upper = (1 - dx) * labels[y0, x0] + dx * labels[y0, x1]\n"
        "    lower = (1 - dx) * labels[y1, x0] + dx * labels[y1, x1]\n"
        "    nearest = ((1 - dy) * upper + dy * lower + 0.5).long()",
    ),
)
moving.slip_of(
    right_warp,
    "labels cut off",
    "Your labels come from the pixel above and to the left, not from the nearest: you drop the fraction. Add a half "
    "first.",
    ("labels[(y + 0.5).long(), (x + 0.5).long()]", "labels[y0, x0]"),
)
moving.slip_of(
    right_warp,
    "halves to the even side",
    "Python and torch round a half to the even neighbour, so labels of one boundary go two ways. Take the `floor` of "
    "the position plus a half.",
    ("labels[(y + 0.5).long(), (x + 0.5).long()]", "labels[y.round().long(), x.round().long()]"),
)
moving.slip_of(
    right_warp,
    "image not mixed",
    "You take the image's nearest pixel, too. Only labels need that; colours are mixed from the four pixels around the "
    "position.",
    ("dy, dx = y - y0, x - x0", "dy, dx = (y - y0 >= 0.5).float(), (x - x0 >= 0.5).float()"),
)
moving.slip_of(
    right_warp,
    "zeros beyond the border",
    "What comes from outside is black in yours, with label 0. Beyond the border the border's pixels go on: clamp the "
    "position.",
    (
        "    y0, x0 = y.long(), x.long()",
        "    beyond = (y != torch.arange(height)[:, None] + flow[0]) | (x != torch.arange(width) + flow[1])\n"
        "    y0, x0 = y.long(), x.long()",
    ),
    ("return moved, nearest", "return moved * ~beyond, nearest * ~beyond"),
)
moving.slip_of(
    right_warp,
    "wrapped around",
    "What leaves the image on one side comes in on the other. Beyond the border the border's pixels go on: clamp the "
    "position.",
    (
        "(torch.arange(height)[:, None] + flow[0]).clamp(0, height - 1)",
        "(torch.arange(height)[:, None] + flow[0]) % (height - 1)",
    ),
    (
        "(torch.arange(width)[None, :] + flow[1]).clamp(0, width - 1)",
        "(torch.arange(width)[None, :] + flow[1]) % (width - 1)",
    ),
)
moving.slip_of(
    right_warp,
    "labels left behind",
    "You move the image and leave the labels where they were: they no longer belong to its pixels.",
    ("labels[(y + 0.5).long(), (x + 0.5).long()]", "labels.clone()"),
)
moving.slip_of(
    right_warp,
    "pushed instead of fetched",
    "You move by the flow's opposite. A pixel of the result *fetches*: its source is where it is plus the flow.",
    ("torch.arange(height)[:, None] + flow[0]", "torch.arange(height)[:, None] - flow[0]"),
    ("torch.arange(width)[None, :] + flow[1]", "torch.arange(width)[None, :] - flow[1]"),
)
moving.slip_of(
    right_warp,
    "down and across exchanged",
    "You use the flow's first map for columns. It is the displacement down, so it belongs to rows.",
    ("[:, None] + flow[0]", "[:, None] + flow[1]"),
    ("[None, :] + flow[1]", "[None, :] + flow[0]"),
)
