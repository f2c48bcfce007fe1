"""Every slip dies with its own name, every right answer passes."""

import pytest
import torch
from torch import nn

from dlcv.checking.testing import (
    assert_right,
    assert_slips_die,
    assert_trivial_answers_earn_nothing,
    in_a_cell,
    verdict_of,
)
from dlcv.fcn import exercises as chapter
from dlcv.fcn.exercises import exercises
from dlcv.transposed_convolution import bilinear_kernel

NAMES = list(exercises)


# ---------------------------------------------------------------------------------------- right answers


def pointwise_by_tensordot(features, weight, bias=None):
    scores = torch.tensordot(features, weight, dims=([1], [1])).movedim(-1, 1)
    return scores if bias is None else scores + bias.reshape(1, -1, 1, 1)


def pointwise_by_layer(features, weight, bias=None):
    return nn.functional.linear(features.movedim(1, -1), weight, bias).movedim(-1, 1)


def conv_by_state(linear, in_channels, kernel_size):
    kernel_size = nn.modules.utils._pair(kernel_size)
    conv = nn.Conv2d(in_channels, len(linear.weight), kernel_size, bias=linear.bias is not None)
    state = dict(linear.state_dict())
    state["weight"] = state["weight"].view(conv.weight.shape)
    conv.load_state_dict(state)
    return conv


def windows_in_one_batch(classifier, image, window, stride):
    (h, w), (down, across) = nn.modules.utils._pair(window), nn.modules.utils._pair(stride)
    tops = range(0, image.shape[1] - h + 1, down)
    lefts = range(0, image.shape[2] - w + 1, across)
    batch = torch.stack([image[:, y : y + h, x : x + w] for y in tops for x in lefts])
    return classifier(batch).T.reshape(-1, len(tops), len(lefts))


def cost_by_recursion(layers, size):
    if not layers:
        return 0
    (c, k, side, stride), *rest = layers
    out = len(range(0, size - side + 1, stride))
    return out**2 * c * k * side**2 + cost_by_recursion(rest, out)


def upsampling_by_tents(channels, factor):
    k = 2 * factor - factor % 2
    tent = 1 - (torch.arange(k) - (k - 1) / 2).abs() / factor
    layer = nn.ConvTranspose2d(channels, channels, k, factor, (k - factor) // 2, bias=False)
    layer.weight = nn.Parameter(torch.eye(channels)[:, :, None, None] * torch.outer(tent, tent))
    return layer


def fuse_by_hand(deep, skip, weight, bias=None):
    n, k, h, w = deep.shape
    doubled = torch.zeros(n, k, 2 * h + 2, 2 * w + 2)
    for dy, wy in enumerate((0.25, 0.75, 0.75, 0.25)):
        for dx, wx in enumerate((0.25, 0.75, 0.75, 0.25)):
            doubled[:, :, dy : dy + 2 * h : 2, dx : dx + 2 * w : 2] += wy * wx * deep
    doubled = doubled[:, :, 1 : 1 + skip.shape[2], 1 : 1 + skip.shape[3]]
    scores = nn.functional.conv2d(skip, weight[:, :, None, None], bias)
    return doubled + scores


def fuse_by_functions(deep, skip, weight, bias=None):
    classes = deep.shape[1]
    filters = torch.zeros(classes, classes, 4, 4)
    filters[range(classes), range(classes)] = bilinear_kernel(4)
    doubled = nn.functional.conv_transpose2d(deep, filters, stride=2, padding=1)
    scores = nn.functional.conv2d(skip, weight[:, :, None, None], bias)
    return scores + doubled[:, :, : scores.shape[2], : scores.shape[3]]


RIGHT = [
    ("fuse", fuse_by_functions),
    ("pointwise_linear", chapter.right_pointwise),
    ("pointwise_linear", pointwise_by_tensordot),
    ("pointwise_linear", pointwise_by_layer),
    ("linear_to_conv", chapter.right_to_conv),
    ("linear_to_conv", conv_by_state),
    ("sliding_window", chapter.right_windows),
    ("sliding_window", windows_in_one_batch),
    ("multiply_adds", chapter.right_cost),
    ("multiply_adds", cost_by_recursion),
    ("bilinear_upsampling", chapter.right_upsampling),
    ("bilinear_upsampling", upsampling_by_tents),
    ("fuse", chapter.right_fuse),
    ("fuse", fuse_by_hand),
    ("FCN", chapter.RightFCN),
]


@pytest.mark.parametrize(("name", "answer"), RIGHT, ids=[f"{n}-{a.__name__}" for n, a in RIGHT])
def test_right_variants_earn_all_points(name, answer):
    assert_right(exercises[name], in_a_cell(answer))


@pytest.mark.parametrize("name", NAMES)
def test_every_slip_dies_and_is_named(name):
    assert len(exercises[name].slips) >= 3
    assert_slips_die(exercises[name])


@pytest.mark.parametrize("name", NAMES)
def test_trivial_answers_earn_nothing(name):
    assert_trivial_answers_earn_nothing(exercises[name])


@pytest.mark.parametrize(
    ("name", "answer", "message"),
    [
        ("bilinear_upsampling", lambda channels, factor: nn.Upsample(scale_factor=factor), "yours has: none"),
        (
            "bilinear_upsampling",
            lambda channels, factor: nn.ConvTranspose2d(channels, channels, 3),
            "weight, bias",
        ),
        (
            "linear_to_conv",
            lambda linear, in_channels, kernel_size: linear.weight,
            "you returned a Parameter",
        ),
    ],
)
def test_what_is_no_such_layer_is_said(name, answer, message):
    assert message in verdict_of(exercises[name], answer).text()
