"""Every slip dies with its own name, every right answer passes."""

import pytest
import torch
from torch import nn

from dlcv import deeplab
from dlcv.checking.testing import (
    assert_right,
    assert_slips_die,
    assert_trivial_answers_earn_nothing,
    in_a_cell,
    verdict_of,
)
from dlcv.deeplab import exercises as chapter
from dlcv.deeplab.exercises import exercises

NAMES = list(exercises)


# ---------------------------------------------------------------------------------------- right answers


class BranchInOneRow(nn.Sequential):
    def __init__(self, in_channels, out_channels, rate):
        conv = nn.Conv2d(in_channels, out_channels, 3, bias=False, dilation=(rate, rate), padding="same")
        nn.Sequential.__init__(self, conv, nn.BatchNorm2d(out_channels), nn.ReLU(inplace=True))


def fraction_by_counting(size, rate):
    seen = 0
    for i in range(size[0]):
        for a in (-rate, 0, rate):
            if 0 <= i + a < size[0]:
                seen += sum(0 <= j + b < size[1] for j in range(size[1]) for b in (-rate, 0, rate))
    return seen / (9 * size[0] * size[1])


class ASPPByInterpolation(nn.Module):
    def __init__(self, in_channels, out_channels=256, rates=(6, 12, 18)):
        nn.Module.__init__(self)
        sizes = [1, *[3] * len(rates), 1]
        self.convs = nn.ModuleList(
            nn.Conv2d(in_channels, out_channels, k, padding="same", dilation=r, bias=False)
            for k, r in zip(sizes, [1, *rates, 1], strict=True)
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(out_channels) for _ in sizes)
        self.last = nn.Conv2d(len(sizes) * out_channels, out_channels, 1, bias=False)
        self.last_norm = nn.BatchNorm2d(out_channels)

    def forward(self, x):
        inputs = [x] * (len(self.convs) - 1) + [nn.functional.adaptive_avg_pool2d(x, 1)]
        maps = []
        for conv, norm, y in zip(self.convs, self.norms, inputs, strict=True):
            y = norm(conv(y)).relu()
            maps.append(nn.functional.interpolate(y, size=x.shape[2:], mode="bilinear"))
        return self.last_norm(self.last(torch.cat(maps, dim=1))).relu()


def pool_by_matrices(x, bins):
    def weights(n):
        rows = []
        for i in range(bins):
            row = [float(p < (i + 1) * n / bins and p + 1 > i * n / bins) for p in range(n)]
            rows.append([value / sum(row) for value in row])
        return torch.tensor(rows, dtype=x.dtype)

    return torch.einsum("ih,nchw,jw->ncij", weights(x.shape[2]), x, weights(x.shape[3]))


class PyramidWithFreeFunctions(nn.Module):
    def __init__(self, in_channels, bins=(1, 2, 3, 6)):
        nn.Module.__init__(self)
        self.bins = list(bins)
        share = in_channels // len(self.bins)
        self.convs = nn.ModuleList([nn.Conv2d(in_channels, share, 1, bias=False) for _ in self.bins])
        self.norms = nn.ModuleList([nn.BatchNorm2d(share) for _ in self.bins])

    def forward(self, x):
        out = x
        for b, conv, norm in zip(self.bins, self.convs, self.norms, strict=True):
            y = nn.functional.adaptive_avg_pool2d(x, b)
            y = nn.functional.relu(norm(conv(y)))
            y = nn.functional.interpolate(y, x.shape[-2:], mode="bilinear", align_corners=False)
            out = torch.cat((out, y), 1)
        return out


class SeparableInOneRow(nn.Sequential):
    def __init__(
        self, in_channels, out_channels, kernel_size=3, stride=1, padding=None, dilation=1, bias=False
    ):
        how = {"stride": stride, "dilation": dilation, "groups": in_channels, "bias": False}
        how["padding"] = (kernel_size - 1) * dilation // 2 if padding is None else padding
        nn.Sequential.__init__(
            self,
            nn.Conv2d(in_channels, in_channels, kernel_size, **how),
            nn.Conv2d(in_channels, out_channels, 1, bias=bias),
        )


class DecoderSpelledOut(nn.Module):
    def __init__(self, low_channels, high_channels, num_classes, channels=256):
        nn.Module.__init__(self)
        self.conv1 = nn.Conv2d(low_channels, 48, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(48)
        self.conv2 = nn.Conv2d(48 + high_channels, channels, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels)
        self.conv3 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.norm3 = nn.BatchNorm2d(channels)
        self.conv4 = nn.Conv2d(channels, num_classes, 1)

    def forward(self, low, high):
        low = self.norm1(self.conv1(low)).relu()
        y = torch.cat([nn.functional.interpolate(high, low.shape[-2:], mode="bilinear"), low], 1)
        y = self.norm2(self.conv2(y)).relu()
        return self.conv4(self.norm3(self.conv3(y)).relu())


def columns_by_chapter_02(features, size):
    stack = []
    for f in features:
        up = nn.Upsample(size=size, mode="bilinear", align_corners=False)
        stack.append(up(f))
    return torch.concatenate(stack, dim=1)


def kernel_by_expansion(features, normalization="symmetric"):
    norm = features.square().sum(0)
    k = (features.T @ features - norm[:, None] / 2 - norm / 2).exp()
    k = k - torch.diag(k.diagonal())
    if normalization == "symmetric":
        root = k.sum(0).rsqrt()
        k = root[:, None] * k * root
    return k


def step_with_the_potts_penalty(q, unary, kernel):
    different = 1 - torch.eye(len(q))
    energy = unary + different @ (q @ kernel)
    p = (-energy).exp()
    return p / p.sum(0, keepdim=True)


def field_kernel_by_kernel(unary, features, weights, iterations, normalization="symmetric"):
    kernels = [deeplab.pairwise_kernel(f, normalization) for f in features]
    q = torch.softmax(-unary, 0)
    while iterations > 0:
        votes = 0
        for k, w in zip(kernels, weights, strict=True):
            votes = votes + w * (k @ q.T).T
        q = torch.softmax(votes - unary, 0)
        iterations -= 1
    return q


RIGHT = [
    ("AtrousBranch", chapter.RightBranch),
    ("AtrousBranch", BranchInOneRow),
    ("valid_weight_fraction", chapter.right_fraction),
    ("valid_weight_fraction", fraction_by_counting),
    ("ASPP", chapter.RightASPP),
    ("ASPP", ASPPByInterpolation),
    ("adaptive_average_pool", chapter.right_pool),
    ("adaptive_average_pool", pool_by_matrices),
    ("PyramidPooling", chapter.RightPyramid),
    ("PyramidPooling", PyramidWithFreeFunctions),
    ("SeparableConv", chapter.RightSeparable),
    ("SeparableConv", SeparableInOneRow),
    ("Decoder", chapter.RightDecoder),
    ("Decoder", DecoderSpelledOut),
    ("hypercolumns", chapter.right_columns),
    ("hypercolumns", columns_by_chapter_02),
    ("pairwise_kernel", chapter.right_kernel),
    ("pairwise_kernel", kernel_by_expansion),
    ("mean_field_step", chapter.right_step),
    ("mean_field_step", step_with_the_potts_penalty),
    ("dense_crf", chapter.right_field),
    ("dense_crf", field_kernel_by_kernel),
]


@pytest.mark.parametrize(("name", "answer"), RIGHT, ids=[f"{n}-{a.__name__}" for n, a in RIGHT])
def test_right_variants_earn_all_points(name, answer):
    assert_right(exercises[name], in_a_cell(answer))


# ---------------------------------------------------------------------------------------- wrong ones


@pytest.mark.parametrize("name", NAMES)
def test_every_slip_dies_and_is_named(name):
    assert_slips_die(exercises[name])


@pytest.mark.parametrize("name", NAMES)
def test_trivial_answers_earn_nothing(name):
    assert_trivial_answers_earn_nothing(exercises[name])


def test_sizes_of_the_chapter():
    assert len(exercises) == 11
    assert exercises.points == 28  # and two for the essay


def test_ready_made_pooling_is_no_answer():
    def answer(x, bins):
        return torch.nn.functional.adaptive_avg_pool2d(x, bins)

    assert verdict_of(exercises["adaptive_average_pool"], answer).kind == "forbidden call"


def test_the_reference_may_not_be_handed_in():
    def answer(unary, features, weights, iterations, normalization="symmetric"):
        return deeplab.dense_crf(unary, features, weights, iterations, normalization)

    assert verdict_of(exercises["dense_crf"], answer).kind == "forbidden call"
