"""The exercises of chapter 03: slips fail and are named, right variants pass, trivial ones earn nothing."""

import pytest
import sympy
import torch
from torch import nn

from dlcv.checking.testing import (
    assert_right,
    assert_slips_die,
    assert_trivial_answers_earn_nothing,
    in_a_cell,
    verdict_of,
)
from dlcv.dilated_convolution import coverage, effective_kernel_size
from dlcv.dilated_convolution import exercises as chapter
from dlcv.dilated_convolution.exercises import exercises

names = pytest.mark.parametrize("name", list(exercises))
STEPS = {
    "effective_kernel_size": chapter.span_of,
    "conv2d_naive": chapter.slid_filter,
    "receptive_field": chapter.walked_layers,
    "dilate_kernel": chapter.spread_filter,
    "shift_and_stitch": chapter.shifted_runs,
    "replace_stride_with_dilation": chapter.strides_taken_out,
    "two_layers": chapter._ways_lines,
    "coverage": chapter.painted_ways,
    "is_gridding_free": chapter.no_hole,
}


@names
def test_slips_fail_and_are_told_apart(name):
    assert_slips_die(exercises[name])


@names
def test_trivial_answers_earn_nothing(name):
    assert_trivial_answers_earn_nothing(exercises[name])


@names
def test_plain_steps_are_right(name):
    assert_right(exercises[name], in_a_cell(STEPS[name]))


# ------------------------------------------------------------------- other ways to write a right answer


def rows_at_once(x, weight, stride=1, padding=0, dilation=1):
    padded = torch.zeros(x.shape[0] + 2 * padding, x.shape[1] + 2 * padding)
    padded[padding : padding + x.shape[0], padding : padding + x.shape[1]] = x
    span = [dilation * (k - 1) + 1 for k in weight.shape]
    out = [(size - wide) // stride + 1 for size, wide in zip(padded.shape, span, strict=True)]
    y = torch.zeros(out)
    for a in range(out[0]):
        for b in range(out[1]):
            window = padded[a * stride :, b * stride :][: span[0] : dilation, : span[1] : dilation]
            y[a, b] = (window * weight).sum()
    return y


def from_the_last_layer(layers):
    size, jump = 1, 1
    for kernel_size, stride, dilation in reversed(layers):
        size = (size - 1) * stride + dilation * (kernel_size - 1) + 1
        jump *= stride
    return [size, jump]


def by_kronecker(weight, dilation):
    corner = torch.zeros(dilation, dilation)
    corner[0, 0] = 1
    *front, kh, kw = weight.shape
    spread = torch.kron(weight.reshape(-1, kw), corner).reshape(*front, kh * dilation, kw * dilation)
    return spread[..., : (kh - 1) * dilation + 1, : (kw - 1) * dilation + 1]


def stitched_with_minus_infinity(net, x, stride):
    runs = [[net(x[..., i:, j:]) for j in range(stride)] for i in range(stride)]
    h, w = runs[0][0].shape[2:]
    full = runs[0][0].new_full((*runs[0][0].shape[:2], h * stride, w * stride), -torch.inf)
    for i, row in enumerate(runs):
        for j, run in enumerate(row):
            full[:, :, i : i + run.shape[2] * stride : stride, j : j + run.shape[3] * stride : stride] = run
    height, width = sum(row[0].shape[2] for row in runs), sum(run.shape[3] for run in runs[0])
    return full[:, :, :height, :width]


def built_anew(model):
    layers, rate = [], 1
    for layer in model:
        if isinstance(layer, nn.Conv2d):
            weight, padding = layer.weight, layer.padding[0] * rate
            new = nn.Conv2d(
                *weight.shape[1::-1], weight.shape[2:], padding=padding, dilation=rate, bias=False
            )
            new.load_state_dict(layer.state_dict())
            rate *= layer.stride[0]
        elif isinstance(layer, nn.MaxPool2d):
            new = nn.MaxPool2d(layer.kernel_size, 1, layer.padding, rate)
            rate *= layer.stride
        else:
            new = layer
        layers.append(new)
    return nn.Sequential(*layers)


def by_gradient(rates, kernel_size=3):
    x = torch.zeros(1, 1, *(2 * [1 + (kernel_size - 1) * sum(rates)]), requires_grad=True)
    y = x
    for rate in rates:
        y = torch.nn.functional.conv2d(y, torch.ones(1, 1, kernel_size, kernel_size), dilation=rate)
    y.sum().backward()
    return x.grad[0, 0].long()


def sorted_at_once(z, first, second):
    (a, b, c), (p, q, r) = first, second
    question = (a + b * z + c * z**2) * (p + q * z**2 + r * z**4)
    even = a * p + a * q * z**2 + a * r * z**4 + c * p * z**2 + c * q * z**4 + c * r * z**6
    odd = b * p * z + b * q * z**3 + b * r * z**5
    places = [a * p, b * p, a * q + c * p, b * q, a * r + c * q, b * r, c * r]
    return [question, even + odd, sum(ways * z**place for place, ways in enumerate(places))]


def sorted_without_multiplying_out(z, first, second):
    model = in_a_cell(exercises["two_layers"].reference)
    lines = model(z, first, second)
    return [lines[0], lines[-1]]


def with_the_size_of_the_course(weight, dilation):
    sizes = [effective_kernel_size(size, dilation) for size in weight.shape[-2:]]
    spread = torch.zeros(*weight.shape[:-2], *sizes)
    spread[..., ::dilation, ::dilation] = weight
    return spread


def collected_by_sympy(z, first, second):
    (a, b, c), (p, q, r) = first, second
    question = (a + b * z + c * z**2) * (p + q * z**2 + r * z**4)
    return [question, sympy.expand(question), sympy.collect(sympy.expand(question), z)]


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        (
            "effective_kernel_size",
            lambda kernel_size, dilation: kernel_size + (kernel_size - 1) * (dilation - 1),
        ),
        ("conv2d_naive", rows_at_once),
        ("receptive_field", from_the_last_layer),
        ("dilate_kernel", by_kronecker),
        ("dilate_kernel", with_the_size_of_the_course),
        ("shift_and_stitch", stitched_with_minus_infinity),
        ("replace_stride_with_dilation", built_anew),
        ("two_layers", sorted_at_once),
        ("two_layers", collected_by_sympy),
        ("two_layers", sorted_without_multiplying_out),
        ("coverage", by_gradient),
        ("is_gridding_free", lambda rates, kernel_size=3: bool((coverage(rates, kernel_size) > 0).all())),
        ("is_gridding_free", lambda rates, kernel_size=3: coverage(rates, kernel_size).min() > 0),
    ],
)
def test_other_ways_are_right(name, answer):
    assert_right(exercises[name], answer)


def test_a_model_that_is_not_returned_is_missed():
    verdict = verdict_of(exercises["replace_stride_with_dilation"], lambda model: None)
    assert "wanted is a model: end with `return model`" in verdict.text()


def test_runs_taken_to_be_of_one_size_are_not_called_transposed():
    def as_large_as_the_first(net, x, stride):
        n, c, h, w = net(x).shape
        y = torch.zeros(n, c, h * stride, w * stride)
        for i in range(stride):
            for j in range(stride):
                y[:, :, i::stride, j::stride] = net(x[:, :, i:, j:])
        return y

    assert (
        verdict_of(exercises["shift_and_stitch"], as_large_as_the_first).slip
        == "all runs as large as the first"
    )


def test_a_ready_made_convolution_is_not_counted():
    def shortcut(x, weight, stride=1, padding=0, dilation=1):
        y = torch.nn.functional.conv2d(x[None, None], weight[None, None], None, stride, padding, dilation)
        return y[0, 0]

    assert verdict_of(exercises["conv2d_naive"], shortcut).kind == "forbidden call"


def test_points_of_the_chapter():
    assert exercises.points == 20
