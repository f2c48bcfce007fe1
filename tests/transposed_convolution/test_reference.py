"""The reference of chapter 01: equations first, then numbers a person can check, then torch as the oracle."""

import doctest
import re
from itertools import product

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch.autograd import gradcheck
from torch.testing import assert_close

from dlcv.transposed_convolution import (
    bilinear_kernel,
    conv_transpose1d,
    conv_transpose2d,
    conv_transpose2d_naive,
    convolution_matrix,
    convolution_size,
    correlate2d,
    fractionally_strided_convolution,
    insert_zeros,
    output_size,
    overlap_counts,
    reference,
)

SIZES = [(i, k, s, p, d) for i, k, s, p, d in product((1, 2, 5), (1, 2, 3, 4), (1, 2, 3), (0, 1, 2), (1, 2))]


def normal(*shape, seed=0, dtype=torch.float64):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


# ------------------------------------------------------------------------------------------ equations


@pytest.mark.parametrize(("i", "k", "s", "p", "d"), SIZES)
def test_convolution_of_the_output_size_gives_back_the_input_size(i, k, s, p, d):
    for extra in range(s):
        if (i - 1) * s + d * (k - 1) + 1 - 2 * p + extra >= 1:
            assert convolution_size(output_size(i, k, s, p, extra, d), k, s, p, d) == i


@pytest.mark.parametrize(("stride", "padding"), list(product((1, 2, 3), (0, 1, 2))))
def test_adjoint_identity_in_one_dimension(stride, padding):
    weight, a = normal(4), normal(9, seed=1)
    X = convolution_matrix(weight, len(a), stride, padding)
    b = normal(len(X), seed=2)
    assert_close((X @ a) @ b, a @ (X.T @ b))


@pytest.mark.parametrize(("stride", "padding"), list(product((1, 2, 3), (0, 1, (1, 0)))))
def test_adjoint_identity_with_plain_convolution(stride, padding):
    a, weight = normal(7, 8), normal(3, 2, seed=1)
    convolved = correlate2d(a, weight, stride, padding)
    b = normal(*convolved.shape, seed=2)
    smallest = conv_transpose2d_naive(b, weight, stride, padding).shape
    skipped = [big - small for big, small in zip(a.shape, smallest, strict=True)]
    painted = conv_transpose2d(b[None, None], weight[None, None], None, stride, padding, skipped)[0, 0]
    assert_close((convolved * b).sum(), (a * painted).sum())


@pytest.mark.parametrize(("stride", "padding"), list(product((1, 2, 3), (0, 1, 2))))
def test_transposed_matrix_paints(stride, padding):
    weight, b = normal(3), normal(5, seed=1)
    size = output_size(len(b), len(weight), stride, padding)
    painted = conv_transpose1d(b, weight, stride)[padding : padding + size]
    assert_close(convolution_matrix(weight, size, stride, padding).T @ b, painted)


@pytest.mark.parametrize(("stride", "padding"), list(product((1, 2, (3, 2)), (0, 1, (0, 1)))))
def test_transposed_matrix_paints_planes(stride, padding):
    weight, b = normal(3, 4), normal(4, 3, seed=1)
    painted = conv_transpose2d_naive(b, weight, stride, padding)
    X = convolution_matrix(weight, painted.shape, stride, padding)
    assert_close((X.T @ b.flatten()).reshape(painted.shape), painted)


@pytest.mark.parametrize(("stride", "padding"), list(product((1, 2, (3, 2)), (0, 1, (2, 1), (0, 3)))))
def test_sliding_over_spread_zeros_paints(stride, padding):
    x, weight = normal(4, 5), normal(3, 4, seed=1)
    expected = conv_transpose2d_naive(x, weight, stride, padding)
    assert_close(fractionally_strided_convolution(x, weight, stride, padding), expected)


@pytest.mark.parametrize(("stride", "padding"), list(product((1, 2, (3, 1)), (0, 1, (2, 0)))))
def test_loops_equal_vectorised(stride, padding):
    x, weight = normal(4, 5), normal(3, 4, seed=1)
    vectorised = conv_transpose2d(x[None, None], weight[None, None], None, stride, padding)[0, 0]
    assert_close(conv_transpose2d_naive(x, weight, stride, padding), vectorised)


def test_convolution_matrix_convolves():
    x, weight = normal(6, 5), normal(3, 2, seed=1)
    for stride, padding in product((1, 2, (1, 3)), (0, 1, (0, 2))):
        expected = correlate2d(x, weight, stride, padding)
        assert_close(convolution_matrix(weight, x.shape, stride, padding) @ x.flatten(), expected.flatten())


def test_filter_and_input_change_places_at_stride_one():
    x, weight = normal(4), normal(6, seed=1)
    assert_close(conv_transpose1d(x, weight), conv_transpose1d(weight, x))


def test_spreading_and_taking_every_stride_th_pixel_is_a_round_trip():
    x = normal(2, 3, 4, 5)
    spread = insert_zeros(x, (3, 2))
    assert_close(spread[..., ::3, ::2], x)
    assert spread.count_nonzero() == x.count_nonzero()


def test_transposed_is_not_inverse():
    X = convolution_matrix(normal(3), 6)
    assert (X.T @ X - torch.eye(6)).abs().max() > 0.1


@pytest.mark.parametrize("factor", [1, 2, 3, 4])
@pytest.mark.parametrize("parity", [0, 1])
def test_bilinear_copies_add_up_to_one(factor, parity):
    kernel_size = 2 * factor - parity
    painted = conv_transpose2d_naive(torch.ones(4, 4), bilinear_kernel(kernel_size), stride=factor)
    inside = painted[kernel_size:-kernel_size, kernel_size:-kernel_size]
    assert inside.numel()
    assert_close(inside, torch.ones_like(inside))


@pytest.mark.parametrize(("k", "s"), list(product(range(1, 7), range(1, 5))))
def test_counts_are_even_exactly_where_the_stride_divides_the_kernel(k, s):
    inside = overlap_counts(12, k, s)[k:-k]
    assert (inside.unique().numel() == 1) == (k % s == 0)
    assert overlap_counts(12, k, s).sum() == 12 * k


# ------------------------------------------------------------------------------- the lecture's numbers


def test_two_pixels_and_a_filter_of_three():
    a, b, (x, y, z) = 2, 5, (3, 7, 11)
    painted = conv_transpose1d(torch.tensor([a, b]), torch.tensor([x, y, z]), stride=2)
    assert painted.tolist() == [a * x, a * y, a * z + b * x, b * y, b * z]


def test_plain_convolution_of_one_to_nine():
    x, weight = torch.arange(1, 10).reshape(3, 3), torch.tensor([[1, 2], [3, 4]])
    assert correlate2d(x, weight).tolist() == [[37, 47], [67, 77]]


@pytest.mark.parametrize("paint", [conv_transpose2d_naive, fractionally_strided_convolution])
def test_painting_two_by_two(paint):
    x, weight = torch.tensor([[1, 0], [2, 1]]), torch.tensor([[1, 2], [3, 4]])
    assert paint(x, weight).tolist() == [[1, 2, 0], [5, 9, 2], [6, 11, 4]]


def test_matrices_of_the_lecture():
    x, y, z = 2, 3, 5
    weight = torch.tensor([x, y, z])
    rows = [[x, y, z, 0, 0, 0], [0, x, y, z, 0, 0], [0, 0, x, y, z, 0], [0, 0, 0, x, y, z]]
    assert convolution_matrix(weight, 6).tolist() == rows
    assert convolution_matrix(weight, 4, padding=1).tolist() == [row[1:-1] for row in rows]
    assert convolution_matrix(weight, 6, stride=2).tolist() == rows[::2]
    assert convolution_matrix(weight, 4, stride=2, padding=1).tolist() == [row[1:-1] for row in rows[::2]]

    a, b = 7, 11
    painted = convolution_matrix(weight, 6, stride=2).T @ torch.tensor([a, b])
    assert painted.tolist() == [a * x, a * y, a * z + b * x, b * y, b * z, 0]


def test_two_by_two_becomes_five_by_five_or_four_by_four():
    x, weight = normal(1, 1, 2, 2), normal(1, 1, 3, 3, seed=1)
    full = conv_transpose2d(x, weight, stride=2)
    assert full.shape[2:] == (5, 5)
    trimmed_at_top_and_left = conv_transpose2d(x, weight, stride=2, padding=1, output_padding=1)
    assert_close(trimmed_at_top_and_left, full[:, :, 1:, 1:])


def test_bilinear_filters_by_hand():
    assert bilinear_kernel(1).tolist() == [[1]]
    assert bilinear_kernel(2).tolist() == [[0.25, 0.25], [0.25, 0.25]]
    assert bilinear_kernel(3).tolist() == [[0.25, 0.5, 0.25], [0.5, 1, 0.5], [0.25, 0.5, 0.25]]
    assert (16 * bilinear_kernel(4)).tolist() == [[1, 3, 3, 1], [3, 9, 9, 3], [3, 9, 9, 3], [1, 3, 3, 1]]


def test_zeros_go_between_pixels_only():
    assert insert_zeros(torch.tensor([1, 2, 3]), 3).tolist() == [1, 0, 0, 2, 0, 0, 3]
    assert insert_zeros(torch.tensor([[1, 2], [3, 4]]), 2).tolist() == [[1, 0, 2], [0, 0, 0], [3, 0, 4]]
    assert insert_zeros(torch.tensor([[1, 2], [3, 4]]), (1, 2)).tolist() == [[1, 0, 2], [3, 0, 4]]


def test_counts_by_hand():
    assert overlap_counts(3, 3, 2).tolist() == [1, 1, 2, 1, 2, 1, 1]
    assert overlap_counts(3, 3, 2, padding=1).tolist() == [1, 2, 1, 2, 1]
    assert overlap_counts(2, 2, 3).tolist() == [1, 1, 0, 1, 1]


# ------------------------------------------------------------------------------------------- the oracle

ARGUMENTS = [
    dict(stride=stride, padding=padding, output_padding=output_padding, dilation=dilation)
    for stride in (1, 2, 3, (2, 1), 5)
    for padding in (0, 1, (1, 2))
    for dilation in (1, 2, (1, 3))
    for output_padding in (0, 1, (1, 0), 2)
]


@pytest.mark.parametrize(("groups", "kernel"), [(1, (3, 3)), (1, (1, 2)), (2, (3, 2)), (4, (2, 4))])
def test_equals_torch_over_a_grid_of_arguments(groups, kernel):
    x, weight, bias = normal(2, 4, 3, 4), normal(4, 3, *kernel, seed=1), normal(3 * groups, seed=2)
    compared = 0
    for arguments in ARGUMENTS:
        try:
            expected = F.conv_transpose2d(x, weight, bias, groups=groups, **arguments)
        except RuntimeError:
            with pytest.raises(ValueError, match=r"output_padding|trims all"):
                conv_transpose2d(x, weight, bias, groups=groups, **arguments)
            continue
        assert_close(conv_transpose2d(x, weight, bias, groups=groups, **arguments), expected)
        compared += 1
    assert compared > 50


def test_arguments_stand_in_the_order_of_torch():
    x, weight, bias = normal(1, 2, 3, 3), normal(2, 1, 3, 3, seed=1), normal(2, seed=2)
    arguments = (bias, 3, 1, 2, 2, 2)
    assert_close(conv_transpose2d(x, weight, *arguments), F.conv_transpose2d(x, weight, *arguments))


def test_unbatched_and_empty_batches():
    x, weight, bias = normal(2, 3, 4), normal(2, 5, 3, 3, seed=1), normal(5, seed=2)
    assert_close(conv_transpose2d(x, weight, bias, 2), F.conv_transpose2d(x, weight, bias, 2))
    none = x[None][:0]
    assert conv_transpose2d(none, weight, stride=2, groups=2).shape == (0, 10, 7, 9)
    assert F.conv_transpose2d(none, weight, stride=2, groups=2).shape == (0, 10, 7, 9)


def test_empty_batch_reaches_the_weight_with_zero_gradient():
    weight = normal(2, 5, 3, 3).requires_grad_()
    conv_transpose2d(normal(0, 2, 3, 4), weight).sum().backward()
    assert_close(weight.grad, torch.zeros_like(weight))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_dtype_is_kept(dtype):
    x, weight, bias = (normal(*shape).to(dtype) for shape in ((2, 3, 4, 4), (3, 2, 3, 3), (2,)))
    painted = conv_transpose2d(x, weight, bias, stride=2)
    assert painted.dtype == dtype
    tolerance = {} if dtype in (torch.float32, torch.float64) else {"rtol": 2e-2, "atol": 5e-2}
    assert_close(painted, F.conv_transpose2d(x, weight, bias, stride=2), **tolerance)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_rounded_once(dtype):
    x, weight, bias = (normal(*shape).to(dtype) for shape in ((1, 16, 6, 6), (16, 4, 4, 4), (4,)))
    once = F.conv_transpose2d(x.double(), weight.double(), bias.double(), 2, 1).to(dtype)
    ours = conv_transpose2d(x, weight, bias, 2, 1)
    assert (
        ours != once
    ).float().mean() < 0.01  # a sum next to the middle of two neighbours may fall either way
    assert_close(ours, once, rtol=torch.finfo(dtype).eps, atol=1e-6)


def test_a_bias_of_another_dtype_does_not_change_the_output_dtype():
    x, weight, bias = normal(1, 2, 3, 3).float(), normal(2, 1, 2, 2).float(), normal(1)
    assert F.conv_transpose2d(x, weight, bias).dtype == torch.float32
    assert conv_transpose2d(x, weight, bias).dtype == torch.float32


def test_whole_numbers_of_numpy_are_whole_numbers():
    x, weight = normal(1, 2, 3, 3), normal(2, 1, 2, 2)
    settings = dict(stride=np.int64(2), padding=[np.int64(1), 0])
    assert_close(conv_transpose2d(x, weight, **settings), F.conv_transpose2d(x, weight, **settings))


@pytest.mark.parametrize(("stride", "padding"), list(product((1, 2, 4), (0, 1))))
def test_one_dimension_equals_torch(stride, padding):
    x, weight = normal(5), normal(3, seed=1)
    full = conv_transpose1d(x, weight, stride)
    expected = F.conv_transpose1d(x[None, None], weight[None, None], stride=stride, padding=padding)[0, 0]
    assert_close(full[padding : len(full) - padding], expected)


@pytest.mark.parametrize(("stride", "padding"), list(product((1, 2, (1, 3)), (0, 1, (2, 0)))))
def test_plain_convolution_equals_torch(stride, padding):
    x, weight = normal(5, 6), normal(3, 2, seed=1)
    expected = F.conv2d(x[None, None], weight[None, None], stride=stride, padding=padding)[0, 0]
    assert_close(correlate2d(x, weight, stride, padding), expected)


@pytest.mark.parametrize("factor", [1, 2, 3, 4])
def test_odd_bilinear_filter_interpolates_between_kept_pixels(factor):
    x = normal(1, 1, 5, 4, dtype=torch.float32)
    weight = bilinear_kernel(2 * factor - 1)[None, None]
    size = (4 * factor + 1, 3 * factor + 1)
    expected = F.interpolate(x, size=size, mode="bilinear", align_corners=True)
    assert_close(conv_transpose2d(x, weight, stride=factor, padding=factor - 1), expected)


@pytest.mark.parametrize("factor", [2, 4, 6])
def test_even_bilinear_filter_interpolates_between_half_pixel_centres(factor):
    x = normal(1, 1, 5, 4, dtype=torch.float32)
    painted = conv_transpose2d(x, bilinear_kernel(2 * factor)[None, None], stride=factor, padding=factor // 2)
    expected = F.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=False)
    assert painted.shape == expected.shape
    # At the border torch repeats the edge and painting fades out.
    inside = (..., slice(factor, -factor), slice(factor, -factor))
    assert_close(painted[inside], expected[inside])


# ------------------------------------------------------------------------------------------- gradients


def test_gradients_of_the_batched_version():
    x, weight, bias = (normal(*shape).requires_grad_() for shape in ((2, 4, 2, 3), (4, 1, 2, 3), (2,)))
    assert gradcheck(lambda *t: conv_transpose2d(*t, (2, 1), 1, (1, 0), 2, (1, 2)), (x, weight, bias))


@pytest.mark.parametrize(
    ("function", "shapes"),
    [
        (lambda x, w: conv_transpose1d(x, w, 2), ((3,), (3,))),
        (lambda x, w: conv_transpose2d_naive(x, w, 2, 1), ((2, 2), (3, 3))),
        (lambda x, w: fractionally_strided_convolution(x, w, 2, 1), ((2, 2), (3, 3))),
        (lambda x, w: correlate2d(x, w, 2, 1), ((4, 4), (3, 3))),
        (lambda x, w: convolution_matrix(w, x.shape, 2, 1) @ x.flatten(), ((4, 4), (3, 3))),
    ],
    ids=("1-D", "loops", "zeros", "plain", "matrix"),
)
def test_gradients(function, shapes):
    assert gradcheck(function, tuple(normal(*shape, seed=len(shape)).requires_grad_() for shape in shapes))


def test_gradient_of_a_convolution_is_the_transposed_convolution():
    x, weight = normal(1, 2, 6, 6).requires_grad_(), normal(3, 2, 3, 3, seed=1)
    y = F.conv2d(x, weight, stride=2, padding=1)
    b = normal(*y.shape, seed=2)
    (gradient,) = torch.autograd.grad(y, x, b)
    assert_close(conv_transpose2d(b, weight, stride=2, padding=1, output_padding=1), gradient)


# -------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(x=(2, 3)), "x must be (N, C_in, H, W) or (C_in, H, W)"),
        (dict(x=(1, 2, 0, 3)), "got (1, 2, 0, 3)"),
        (dict(x=(1, 3, 4, 4)), "x must have the 2 input channels"),
        (dict(weight=(2, 3, 3)), "weight must be (C_in, C_out / groups, kH, kW)"),
        (dict(weight=(2, 0, 3, 3)), "got (2, 0, 3, 3)"),
        (dict(bias=(2,)), "bias must be (3,)"),
        (dict(groups=3), "groups must divide the 2 input channels; got 3"),
        (dict(groups=0), "groups must divide the 2 input channels; got 0"),
        (dict(stride=0), "stride must be at least 1; got 0"),
        (dict(dilation=0), "dilation must be at least 1; got 0"),
        (dict(padding=-1), "padding must be at least 0; got -1"),
        (dict(padding=3), "trims all of the 6 painted pixels"),
        (dict(output_padding=1), "output_padding must be smaller than stride or dilation; got 1"),
        (dict(output_padding=-1), "output_padding must be at least 0"),
        (dict(stride=(1, 2, 3)), "stride must be an int or a pair of ints; got (1, 2, 3)"),
        (dict(stride=2.0), "stride must be an int"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    arguments = dict(x=(1, 2, 4, 4), weight=(2, 3, 3, 3), bias=(3,)) | arguments
    arguments |= {name: torch.zeros(arguments[name]) for name in ("x", "weight", "bias")}
    with pytest.raises(ValueError, match=re.escape(message)):
        conv_transpose2d(**arguments)
    with pytest.raises((RuntimeError, TypeError)):
        F.conv_transpose2d(input=arguments.pop("x"), **arguments)


def test_two_dtypes_are_refused():
    with pytest.raises(ValueError, match="one dtype"):
        conv_transpose2d(torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 2, 2, dtype=torch.float64))
    with pytest.raises(ValueError, match="one dtype"):
        conv_transpose1d(torch.tensor([1]), torch.tensor([1.0]))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: conv_transpose1d(torch.zeros(2, 2), torch.zeros(3)), r"x must be \(length,\).*got \(2, 2\)"),
        (lambda: conv_transpose1d(torch.zeros(0), torch.zeros(3)), "not empty"),
        (lambda: conv_transpose1d(torch.zeros(2), torch.zeros(3), 0), "stride must be at least 1"),
        (lambda: conv_transpose2d_naive(torch.zeros(2), torch.zeros(3, 3)), r"x must be \(height, width\)"),
        (lambda: conv_transpose2d_naive(torch.zeros(1, 1), torch.zeros(3, 3), padding=2), "trims all"),
        (lambda: fractionally_strided_convolution(torch.zeros(1, 1), torch.zeros(2, 2), 1, 1), "trims all"),
        (lambda: correlate2d(torch.zeros(2, 2), torch.zeros(3, 3)), "spans 3 pixels"),
        (lambda: correlate2d(torch.zeros(3, 3), torch.zeros(2, 2), 0), "stride must be at least 1; got 0"),
        (lambda: convolution_size(4, 3, 0), "stride must be at least 1; got 0"),
        (lambda: convolution_size(4, 3, padding=-1), "padding must be at least 0; got -1"),
        (lambda: convolution_size(4.0, 3), r"size must be an int; got 4\.0"),
        (lambda: output_size(4, 3, 1.5), r"stride must be an int; got 1\.5"),
        (lambda: output_size("4", 3), "size must be an int; got '4'"),
        (lambda: convolution_matrix(torch.zeros(3), 4, 0), "stride must be at least 1; got 0"),
        (lambda: convolution_matrix(torch.zeros(0), 4), r"not empty; got \(0,\)"),
        (lambda: bilinear_kernel(2.5), r"kernel_size must be an int; got 2\.5"),
        (lambda: convolution_matrix(torch.zeros(1, 1, 1), 4), "weight must be"),
        (lambda: convolution_matrix(torch.zeros(3), (4, 4)), r"input_shape must be an int; got \(4, 4\)"),
        (lambda: convolution_matrix(torch.zeros(3), 2), "spans 3 pixels"),
        (lambda: insert_zeros(torch.zeros(()), 2), "x must be"),
        (lambda: insert_zeros(torch.zeros(2, 0), 2), "x must be"),
        (lambda: insert_zeros(torch.zeros(2), 0), "stride must be at least 1"),
        (lambda: bilinear_kernel(0), "kernel_size must be at least 1"),
        (lambda: overlap_counts(0, 3, 2), "size must be at least 1"),
    ],
)
def test_bad_input_stops_at_the_door(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: conv_transpose1d([1, 2], torch.ones(2)), "x must be a torch.Tensor; got list"),
        (
            lambda: conv_transpose2d_naive(np.ones((2, 2)), torch.ones(2, 2)),
            "x must be a torch.Tensor; got ndarray",
        ),
        (lambda: conv_transpose2d(torch.ones(1, 1, 2, 2), [[1]]), "weight must be a torch.Tensor; got list"),
        (lambda: convolution_matrix([1, 2], 4), "weight must be a torch.Tensor; got list"),
        (lambda: insert_zeros([1, 2], 2), "x must be a torch.Tensor; got list"),
    ],
)
def test_what_is_no_tensor_is_named(call, message):
    with pytest.raises(TypeError, match=message):
        call()


def test_inputs_are_left_alone():
    x, weight = normal(1, 2, 3, 3), normal(2, 2, 3, 3, seed=1)
    kept = x.clone(), weight.clone()
    conv_transpose2d(x, weight, stride=2)
    insert_zeros(x, 2).add_(1)
    assert_close((x, weight), kept)


def test_examples_in_docstrings():
    failed, tried = doctest.testmod(reference)
    assert tried >= 10
    assert failed == 0
