"""The reference of chapter 02: equations first, then numbers a person can check, then torch as the oracle."""

import doctest
import re
from itertools import product

import pytest
import torch
import torch.nn.functional as F
from torch.autograd import gradcheck
from torch.testing import assert_close

from dlcv.transposed_convolution import bilinear_kernel, conv_transpose2d
from dlcv.upsampling import (
    bed_of_nails,
    cubic_kernel,
    cubic_weights,
    max_pool2d,
    max_pool2d_naive,
    max_unpool2d,
    pixel_shuffle,
    reference,
    source_positions,
    upsample_bicubic,
    upsample_bilinear,
    upsample_bilinear_naive,
    upsample_nearest,
)

FOUR = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
INTERPOLATIONS = {"bilinear": upsample_bilinear, "bicubic": upsample_bicubic}
SHAPES = [((4, 5), (4, 5)), ((4, 5), (8, 10)), ((3, 7), (10, 8)), ((7, 6), (3, 5)), ((1, 4), (3, 1)),
          ((5, 1), (1, 6)), ((1, 1), (2, 3)), ((2, 2), (1, 1)), ((6, 3), (31, 2))]  # fmt: skip

interpolations = pytest.mark.parametrize("mode", INTERPOLATIONS)
corners = pytest.mark.parametrize("align_corners", [False, True])


def normal(*shape, seed=0, dtype=torch.float64):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def interpolate(x, size, mode, align_corners):
    return F.interpolate(x, size=size, mode=mode, align_corners=align_corners)


# ------------------------------------------------------------------------------------------ equations


@interpolations
@corners
def test_an_even_image_stays_even(mode, align_corners):
    flat = torch.full((1, 1, 3, 4), 0.7, dtype=torch.float64)
    assert_close(INTERPOLATIONS[mode](flat, (7, 9), align_corners), torch.full((1, 1, 7, 9), 0.7).double())


@interpolations
@corners
def test_the_same_size_changes_nothing(mode, align_corners):
    x = normal(2, 3, 4, 5)
    assert_close(INTERPOLATIONS[mode](x, (4, 5), align_corners), x)


@interpolations
@corners
def test_interpolation_commutes_with_mirroring_and_turning(mode, align_corners):
    x, up = normal(1, 2, 4, 5), INTERPOLATIONS[mode]
    assert_close(up(x.flip(-1), (7, 9), align_corners), up(x, (7, 9), align_corners).flip(-1))
    assert_close(up(x.mT, (9, 7), align_corners), up(x, (7, 9), align_corners).mT)


@corners
def test_a_ramp_stays_a_ramp_inside(align_corners):
    positions = source_positions(6, 15, align_corners)
    inside = (positions >= 1) & (positions <= 4)  # four neighbours within the image
    ramp = torch.arange(6.0).double().expand(1, 1, 2, 6)
    assert_close(upsample_bilinear(ramp, (2, 15), align_corners)[0, 0, 0, inside], positions[inside])
    keys = upsample_bicubic(ramp, (2, 15), align_corners, a=-0.5)
    assert_close(keys[0, 0, 0, inside], positions[inside])


def test_a_parabola_is_met_by_keys_and_missed_by_torchs_choice():
    positions = source_positions(8, 24)
    inside = (positions >= 1) & (positions <= 6)
    parabola = (torch.arange(8.0).double() ** 2).expand(1, 1, 1, 8)
    expected = positions[inside] ** 2
    assert_close(upsample_bicubic(parabola, (1, 24), a=-0.5)[0, 0, 0, inside], expected)
    assert (upsample_bicubic(parabola, (1, 24))[0, 0, 0, inside] - expected).abs().max() > 0.01


@pytest.mark.parametrize("a", [-0.75, -0.5, 0.0, -1.0])
def test_cubic_weights_sum_to_one(a):
    t = torch.linspace(0, 1, 11).double()
    weights = cubic_weights(t, a)
    assert weights.shape == (11, 4)
    assert_close(weights.sum(-1), torch.ones_like(t))
    assert_close(weights, cubic_weights(1 - t, a).flip(-1))


def test_cubic_kernel_is_smooth_where_its_pieces_meet():
    d = torch.tensor([1.0, 2.0], dtype=torch.float64)
    assert_close(cubic_kernel(d - 1e-9), cubic_kernel(d + 1e-9), atol=1e-8, rtol=0)
    slope = torch.func.vmap(torch.func.grad(cubic_kernel))
    assert_close(slope(d - 1e-9), slope(d + 1e-9), atol=1e-7, rtol=0)
    assert_close(slope(d[:1]), torch.tensor([-0.75]).double())


def test_bilinear_stays_within_the_range_and_bicubic_does_not():
    step = torch.tensor([0.0, 0, 0, 1, 1, 1]).expand(1, 1, 6, 6)
    bilinear, bicubic = upsample_bilinear(step, (24, 24)), upsample_bicubic(step, (24, 24))
    assert bilinear.min() == 0 and bilinear.max() == 1
    assert bicubic.min() < -0.05 and bicubic.max() > 1.05


def test_bilinear_is_a_transposed_convolution_away_from_the_border():
    x = normal(1, 1, 5, 4, dtype=torch.float32)
    painted = conv_transpose2d(x, bilinear_kernel(4)[None, None], stride=2, padding=1)
    assert_close(painted[:, :, 1:-1, 1:-1], upsample_bilinear(x, (10, 8))[:, :, 1:-1, 1:-1])


def test_nearest_and_nails_are_transposed_convolutions():
    x = normal(1, 1, 3, 4)
    ones, corner = torch.ones(1, 1, 3, 3).double(), torch.zeros(1, 1, 3, 3).double()
    corner[..., 0, 0] = 1
    assert_close(conv_transpose2d(x, ones, stride=3), upsample_nearest(x, 3))
    assert_close(conv_transpose2d(x, corner, stride=3), bed_of_nails(x, 3))


@pytest.mark.parametrize("scale", [1, 2, 3, (2, 1), (1, 4)])
def test_pooling_undoes_nearest_and_nails(scale):
    x = normal(2, 3, 4, 5)
    assert_close(max_pool2d(upsample_nearest(x, scale), scale)[0], x)
    assert_close(max_pool2d(bed_of_nails(x.abs(), scale), scale)[0], x.abs())


@pytest.mark.parametrize(("size", "kernel"), [((6, 8), 2), ((7, 5), 2), ((9, 9), 3), ((6, 8), (3, 2))])
def test_pooling_again_after_unpooling_gives_the_same_values_and_places(size, kernel):
    x = normal(2, 3, *size).abs() + 0.1
    values, indices = max_pool2d(x, kernel)
    unpooled = max_unpool2d(values, indices, size)
    assert unpooled.count_nonzero() == values.numel()
    assert torch.equal(unpooled[unpooled != 0], x[unpooled != 0])
    again = max_pool2d(unpooled, kernel)
    assert torch.equal(again[0], values) and torch.equal(again[1], indices)


def test_values_stand_at_their_indices():
    x = normal(2, 3, 7, 9)
    values, indices = max_pool2d(x, 3, stride=2, padding=1)
    assert_close(x.flatten(2).gather(2, indices.flatten(2)).reshape(values.shape), values)


def test_shuffling_moves_and_changes_nothing():
    x = normal(2, 12, 3, 4)
    shuffled = pixel_shuffle(x, 2)
    assert_close(F.pixel_unshuffle(shuffled, 2), x)
    assert_close(shuffled[:, 1, 1::2, 0::2], x[:, 1 * 4 + 1 * 2 + 0])


def test_a_convolution_with_a_shuffle_is_a_transposed_convolution():
    x, weight = normal(1, 2, 4, 5), normal(2, 3, 2, 2, seed=1)
    convolved = F.conv2d(x, weight.permute(1, 2, 3, 0).reshape(12, 2, 1, 1))
    assert_close(pixel_shuffle(convolved, 2), conv_transpose2d(x, weight, stride=2))


# ------------------------------------------------------------------------------- the lecture's numbers


def test_nearest_and_nails_of_one_to_four():
    assert upsample_nearest(FOUR, 2)[0, 0].tolist() == [[1, 1, 2, 2]] * 2 + [[3, 3, 4, 4]] * 2
    nails = [[1, 0, 2, 0], [0, 0, 0, 0], [3, 0, 4, 0], [0, 0, 0, 0]]
    assert bed_of_nails(FOUR, 2)[0, 0].tolist() == nails


def test_bilinear_of_one_to_four():
    rows = [
        [1.00, 1.25, 1.75, 2.00],
        [1.50, 1.75, 2.25, 2.50],
        [2.50, 2.75, 3.25, 3.50],
        [3.00, 3.25, 3.75, 4.00],
    ]
    assert upsample_bilinear(FOUR, (4, 4))[0, 0].tolist() == rows
    assert upsample_bilinear_naive(FOUR[0, 0], (4, 4)).tolist() == rows


def test_bicubic_of_one_to_four():
    rows = [
        [0.68, 1.02, 1.56, 1.89],
        [1.35, 1.68, 2.23, 2.56],
        [2.44, 2.77, 3.32, 3.65],
        [3.11, 3.44, 3.98, 4.32],
    ]
    assert_close(upsample_bicubic(FOUR, (4, 4))[0, 0], torch.tensor(rows), atol=0.0051, rtol=0)


@pytest.mark.parametrize("pool", [lambda x, k: tuple(y[0, 0] for y in max_pool2d(x, k)),
                                  lambda x, k: max_pool2d_naive(x[0, 0], k)])  # fmt: skip
def test_pooling_and_unpooling_of_the_lecture(pool):
    x = torch.tensor([[[[1, 2, 6, 3], [3, 5, 2, 1], [1, 2, 2, 1], [7, 3, 4, 8]]]])
    values, indices = pool(x, 2)
    assert values.tolist() == [[5, 6], [7, 8]]
    assert indices.tolist() == [[5, 2], [12, 15]]
    unpooled = max_unpool2d(torch.tensor([[[1, 2], [3, 4]]]), indices[None], (4, 4))[0]
    assert unpooled.tolist() == [[0, 0, 2, 0], [0, 1, 0, 0], [0, 0, 0, 0], [3, 0, 0, 4]]


def test_positions_by_hand():
    assert source_positions(2, 4).tolist() == [-0.25, 0.25, 0.75, 1.25]
    assert source_positions(4, 2).tolist() == [0.5, 2.5]
    assert source_positions(4, 2, align_corners=True).tolist() == [0, 3]
    assert source_positions(4, 1, align_corners=True).tolist() == [0]
    assert source_positions(1, 3).tolist() == pytest.approx([-1 / 3, 0, 1 / 3])


def test_cubic_kernel_takes_a_number():
    assert float(cubic_kernel(0.5)) == float(cubic_kernel(torch.tensor(-0.5))) == 0.59375


def test_cubic_weights_by_hand():
    assert cubic_weights(0.5).tolist() == [-0.09375, 0.59375, 0.59375, -0.09375]
    assert cubic_weights(0).tolist() == [0, 1, 0, 0]
    assert cubic_weights(0.5, a=-0.5).tolist() == [-0.0625, 0.5625, 0.5625, -0.0625]


def test_bilinear_weights_of_a_quarter():
    nails = torch.zeros(1, 1, 2, 2)
    nails[..., 0, 0] = 16
    assert upsample_bilinear(nails, (4, 4))[0, 0, 1, 1] == 9
    assert upsample_bilinear(nails, (4, 4))[0, 0, 1, 2] == 3
    assert upsample_bilinear(nails, (4, 4))[0, 0, 2, 2] == 1


# ------------------------------------------------------------------------------------------ edge cases


def test_the_first_of_equal_values_wins():
    x = torch.tensor([[[[2.0, 2.0, 0.0], [2.0, 2.0, 0.0], [0.0, 0.0, 0.0]]]])
    assert max_pool2d(x, 2, stride=1)[1].flatten().tolist() == [0, 1, 3, 4]
    assert max_pool2d_naive(x[0, 0], 2, stride=1)[1].flatten().tolist() == [0, 1, 3, 4]


def test_padding_never_wins():
    x = -1 - torch.rand(1, 1, 4, 4)
    values, indices = max_pool2d(x, 3, stride=2, padding=1)
    assert values.max() < 0
    assert indices.min() >= 0


@pytest.mark.parametrize(
    ("kernel", "stride", "padding"), [(2, None, 0), (3, 2, 1), (2, 1, 1), ((2, 4), 3, (1, 2))]
)
def test_nothing_but_minus_infinity(kernel, stride, padding):
    x = torch.full((1, 1, 5, 6), -torch.inf)
    expected = F.max_pool2d(x, kernel, stride, padding, return_indices=True)
    assert_close(max_pool2d(x, kernel, stride, padding), expected)


def test_not_a_number_wins():
    x = normal(1, 2, 6, 6)
    x[0, 0, 1, 1] = x[0, 0, 1, 2] = x[0, 1, 3, 0] = torch.nan
    for arguments in ((2,), (3, 2, 1), (2, 1)):
        expected = F.max_pool2d(x, *arguments, return_indices=True)
        assert_close(max_pool2d(x, *arguments), expected, equal_nan=True)


def test_odd_sizes_are_told_apart_by_output_size():
    for size in (4, 5):
        x = torch.arange(float(size * size)).reshape(1, 1, size, size) + 1
        values, indices = max_pool2d(x, 2)
        assert values.shape == (1, 1, 2, 2)
        assert max_unpool2d(values, indices, (size, size)).shape == x.shape


def test_empty_batches():
    x = torch.zeros(0, 4, 5, 6)
    assert upsample_nearest(x, 2).shape == bed_of_nails(x, 2).shape == (0, 4, 10, 12)
    assert upsample_bilinear(x, 7).shape == upsample_bicubic(x, (7, 7)).shape == (0, 4, 7, 7)
    values, indices = max_pool2d(x, 2)
    assert values.shape == indices.shape == (0, 4, 2, 3)
    assert max_unpool2d(values, indices, (5, 6)).shape == (0, 4, 5, 6)
    assert pixel_shuffle(x, 2).shape == (0, 1, 10, 12)


def test_inputs_are_left_alone():
    x = normal(1, 4, 3, 3)
    kept = x.clone()
    for y in (upsample_nearest(x, 1), bed_of_nails(x, 1), upsample_bilinear(x, 3), upsample_bicubic(x, 3),
              max_pool2d(x, 1)[0]):  # fmt: skip
        y.add_(1)
    assert_close(x, kept)


# ------------------------------------------------------------------------------------------ the oracle


@interpolations
@corners
@pytest.mark.parametrize(("before", "after"), SHAPES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_interpolation_equals_torch(mode, align_corners, before, after, dtype):
    x = normal(2, 3, *before, dtype=dtype)
    expected = interpolate(x, after, mode, align_corners)
    assert_close(INTERPOLATIONS[mode](x, after, align_corners), expected, atol=2e-5, rtol=1e-5)


@interpolations
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_kept(mode, dtype):
    x = normal(1, 2, 5, 6).to(dtype)
    ours = INTERPOLATIONS[mode](x, (9, 13))
    assert ours.dtype == dtype
    assert_close(ours, interpolate(x.float(), (9, 13), mode, False).to(dtype))


@corners
@pytest.mark.parametrize(("before", "after"), SHAPES)
def test_loops_equal_vectorised(align_corners, before, after):
    x = normal(*before)
    vectorised = upsample_bilinear(x[None, None], after, align_corners)[0, 0]
    assert_close(upsample_bilinear_naive(x, after, align_corners), vectorised)


@pytest.mark.parametrize("scale", [1, 2, 3, 7, (2, 3), 1.5, 0.5, 2.3, (0.7, 1.1), 1 / 3, 10 / 3])
@pytest.mark.parametrize("size", [(3, 4), (5, 7), (10, 31)])
def test_nearest_equals_torch(scale, size):
    x = normal(2, 3, *size)
    assert torch.equal(upsample_nearest(x, scale), F.interpolate(x, scale_factor=scale, mode="nearest"))


def test_nearest_keeps_labels():
    labels = torch.tensor([[[[0, 255], [7, 3]]]])
    assert upsample_nearest(labels, 2).dtype == torch.int64


POOLINGS = [
    dict(kernel_size=kernel, stride=stride, padding=padding)
    for kernel in (1, 2, 3, (2, 3), (4, 1))
    for stride in (None, 1, 2, (3, 1))
    for padding in (0, 1, (1, 0), (0, 1), 2)
]


@pytest.mark.parametrize("levels", [2, 5, 10_000])
def test_pooling_equals_torch_with_few_and_many_ties(levels):
    x = torch.randint(-levels, levels, (2, 3, 7, 6), generator=torch.Generator().manual_seed(0)).double()
    compared = 0
    for arguments in POOLINGS:
        try:
            expected = F.max_pool2d(x, **arguments, return_indices=True)
        except RuntimeError:
            with pytest.raises(ValueError, match="padding must be at most half"):
                max_pool2d(x, **arguments)
            continue
        ours = max_pool2d(x, **arguments)
        assert_close(ours, expected)
        plane = max_pool2d_naive(x[1, 2], **arguments)
        assert_close(plane, tuple(part[1, 2] for part in expected))
        compared += 1
    assert compared > 40


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.int64, torch.uint8])
def test_pooling_keeps_the_dtype(dtype):
    x = torch.randint(0, 9, (1, 2, 6, 5), generator=torch.Generator().manual_seed(0)).to(dtype)
    values, indices = max_pool2d(x, 3, 2, 1)
    assert values.dtype == dtype
    assert_close(values.double(), F.max_pool2d(x.double(), 3, 2, 1))
    assert indices.dtype == torch.int64


def test_pooling_and_unpooling_without_a_batch():
    x = normal(3, 6, 5)
    ours, expected = max_pool2d(x, 2), F.max_pool2d(x, 2, return_indices=True)
    assert_close(ours, expected)
    assert_close(max_unpool2d(*ours, (6, 5)), F.max_unpool2d(*expected, 2, output_size=(6, 5)))


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding"),
    [((6, 8), 2, 2, 0), ((7, 9), 2, 2, 0), ((9, 7), 3, 2, 1), ((8, 8), (2, 4), (2, 4), 0), ((7, 7), 2, 3, 1)],
)
def test_unpooling_equals_torch(size, kernel, stride, padding):
    values, indices = F.max_pool2d(normal(2, 3, *size), kernel, stride, padding, return_indices=True)
    other = values if stride != 2 else normal(*values.shape, seed=1)
    if kernel == 3:
        other = values  # overlapping windows name a place twice; equal values make the answer unique
    expected = F.max_unpool2d(other, indices, kernel, stride, padding, output_size=size)
    assert_close(max_unpool2d(other, indices, size), expected)


@pytest.mark.parametrize("factor", [1, 2, 3])
def test_shuffle_equals_torch(factor):
    x = normal(2, 2 * factor**2, 3, 4)
    assert torch.equal(pixel_shuffle(x, factor), F.pixel_shuffle(x, factor))
    assert torch.equal(pixel_shuffle(x[0], factor), F.pixel_shuffle(x[0], factor))
    assert torch.equal(pixel_shuffle(x[None], factor), F.pixel_shuffle(x[None], factor))


# ------------------------------------------------------------------------------------------- gradients


@pytest.mark.parametrize(
    "function",
    [
        lambda x: upsample_nearest(x, (2, 1.5)),
        lambda x: bed_of_nails(x, 2),
        lambda x: upsample_bilinear(x, (5, 4)),
        lambda x: upsample_bilinear(x, (5, 4), True),
        lambda x: upsample_bicubic(x, (5, 4)),
        lambda x: upsample_bicubic(x, (5, 4), True),
        lambda x: max_pool2d(x, 2, 1)[0],
        lambda x: max_unpool2d(x, torch.arange(24).reshape(1, 4, 2, 3) % 6, (3, 4)),
        lambda x: pixel_shuffle(x, 2),
        lambda x: upsample_bilinear_naive(x[0, 0], (3, 4)),
        lambda x: cubic_weights(x.sigmoid()),
    ],
    ids=("nearest", "nails", "bilinear", "aligned", "bicubic", "aligned bicubic", "pool", "unpool", "shuffle",
         "loops", "weights"),
)  # fmt: skip
def test_gradients(function):
    assert gradcheck(function, (normal(1, 4, 2, 3).requires_grad_(),))


def test_gradient_of_pooling_goes_to_the_first_of_equal_values():
    x = torch.ones(1, 1, 4, 4, requires_grad=True)
    max_pool2d(x, 2)[0].sum().backward()
    assert torch.equal(x.grad, bed_of_nails(torch.ones(1, 1, 2, 2), 2))


# -------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: upsample_nearest(x[0], 2), "x must be (N, C, H, W), empty in N at most; got (4, 3, 3)"),
        (lambda x: upsample_nearest(x, 0.1), "size * scale must be at least 1; got 0"),
        (
            lambda x: upsample_nearest(x, (1, 2, 3)),
            "scale must be a number or a pair of numbers; got (1, 2, 3)",
        ),
        (lambda x: upsample_nearest(x, -1), "scale must be at least 0; got -1"),
        (lambda x: upsample_nearest(x, float("inf")), "scale must be a number or a pair of numbers; got inf"),
        (lambda x: bed_of_nails(x, 1.5), "scale must be an int or a pair of ints; got 1.5"),
        (lambda x: bed_of_nails(x, 0), "scale must be at least 1; got 0"),
        (lambda x: upsample_bilinear(x, (0, 3)), "out_size must be at least 1; got 0"),
        (lambda x: upsample_bilinear(x.long(), 3), "x must be of floating point"),
        (lambda x: upsample_bilinear(x[:, :, :0], 3), "got (1, 4, 0, 3)"),
        (lambda x: upsample_bicubic(x[0], 3), "got (4, 3, 3)"),
        (lambda x: upsample_bilinear_naive(x, 3), "x must be (H, W)"),
        (lambda x: source_positions(0, 3), "size must be at least 1; got 0"),
        (lambda x: source_positions(2.5, 3), "size must be an int; got 2.5"),
        (lambda x: upsample_bilinear_naive(x[0, 0].long(), 3), "x must be of floating point"),
        (lambda x: max_pool2d(x.bool(), 2), "x must be of real numbers; got torch.bool"),
        (lambda x: max_unpool2d(x, x, (4, 4)), "indices must be int64; got torch.float32"),
        (lambda x: pixel_shuffle(x, 1.5), "factor must be an int; got 1.5"),
        (
            lambda x: max_pool2d(x, 2, padding=2),
            "padding must be at most half of the kernel size (2, 2); got (2, 2)",
        ),
        (lambda x: max_pool2d(x, 2, padding=-1), "padding must be at least 0; got -1"),
        (lambda x: max_pool2d(x, 4), "the window spans 4 pixels; the padded axis has only 3"),
        (lambda x: max_pool2d(x, 2, 0), "stride must be at least 1; got 0"),
        (lambda x: max_pool2d(x[0, 0], 2), "x must be (N, C, H, W) or (C, H, W)"),
        (lambda x: max_pool2d_naive(x, 2), "x must be (H, W)"),
        (lambda x: max_unpool2d(x, x[..., :2].long(), (4, 4)), "x and indices must have one shape"),
        (lambda x: max_unpool2d(x, torch.full_like(x, 16).long(), (4, 4)), "indices must lie in 0 ... 15"),
        (lambda x: max_unpool2d(x, torch.full_like(x, -1).long(), (4, 4)), "got -1 ... -1"),
        (lambda x: max_unpool2d(x, x.long(), (4, -4)), "output_size must be at least 0; got -4"),
        (lambda x: pixel_shuffle(x, 3), "x must be (..., C * 9, H, W) for a factor of 3; got (1, 4, 3, 3)"),
        (lambda x: pixel_shuffle(x, 0), "factor must be at least 1; got 0"),
    ],
)
def test_bad_input_stops_at_the_door(call, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        call(torch.zeros(1, 4, 3, 3))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: upsample_nearest(x.numpy(), 2), "x must be a torch.Tensor; got ndarray"),
        (lambda x: upsample_bicubic(x.tolist(), 2), "x must be a torch.Tensor; got list"),
        (lambda x: upsample_bilinear_naive(x[0, 0].tolist(), 2), "x must be a torch.Tensor; got list"),
        (lambda x: max_pool2d(x.numpy(), 2), "x must be a torch.Tensor; got ndarray"),
        (lambda x: max_unpool2d(x, x.tolist(), (4, 4)), "indices must be a torch.Tensor; got list"),
        (lambda x: pixel_shuffle(x.numpy(), 2), "x must be a torch.Tensor; got ndarray"),
    ],
)
def test_what_is_no_tensor_is_named(call, message):
    with pytest.raises(TypeError, match=message):
        call(torch.zeros(1, 4, 3, 3))


def test_every_public_name_is_on_the_face():
    import dlcv.upsampling

    assert set(reference.__all__) == set(dlcv.upsampling.__all__)


def test_examples_in_docstrings():
    failed, tried = doctest.testmod(reference)
    assert tried >= 12
    assert failed == 0


@pytest.mark.parametrize(("kernel", "stride"), list(product((2, 3), (1, 2))))
def test_pooling_is_monotonic(kernel, stride):
    x = normal(1, 2, 7, 7)
    lower = max_pool2d(x, kernel, stride)[0]
    assert (max_pool2d(x + normal(1, 2, 7, 7, seed=1).abs(), kernel, stride)[0] >= lower).all()
