"""The reference of chapter 03: equations first, then numbers a person can check, then torch as the oracle."""

import doctest
import re
from itertools import product
from math import prod

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.autograd import gradcheck
from torch.testing import assert_close

import dlcv.dilated_convolution
from dlcv.dilated_convolution import (
    conv2d,
    conv2d_naive,
    coverage,
    dilate_kernel,
    effective_kernel_size,
    is_gridding_free,
    receptive_field,
    reference,
    replace_stride_with_dilation,
    shift_and_stitch,
)
from dlcv.transposed_convolution import conv_transpose2d, convolution_size, insert_zeros


def normal(*shape, seed=0, dtype=torch.float64):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def seen_pixels(net, size):
    """Rows of a single-channel square input that the middle output pixel of a net depends on."""
    x = torch.zeros(1, 1, size, size, dtype=torch.float64, requires_grad=True)
    y = net(x)
    y[0, 0, y.shape[2] // 2, y.shape[3] // 2].backward()
    return (x.grad[0, 0] != 0).any(1).nonzero().flatten()


def positive(net):
    for parameter in net.double().parameters():
        nn.init.constant_(parameter, 0.5)
    return net


# ------------------------------------------------------------------------------------------ equations


@pytest.mark.parametrize(
    ("stride", "padding", "dilation"), list(product((1, 2, (3, 1)), (0, 1, (2, 0)), (1, 2, (1, 3))))
)
def test_loops_equal_vectorised(stride, padding, dilation):
    x, weight = normal(8, 9), normal(3, 2, seed=1)
    vectorised = conv2d(x[None], weight[None, None], None, stride, padding, dilation)[0]
    assert_close(conv2d_naive(x, weight, stride, padding, dilation), vectorised)


@pytest.mark.parametrize("dilation", [1, 2, 3, (2, 1)])
def test_inflating_the_filter_is_dilating(dilation):
    x, weight = normal(2, 4, 9, 10), normal(6, 2, 3, 2, seed=1)
    inflated = conv2d(x, dilate_kernel(weight, dilation), stride=2, padding=1, groups=2)
    assert_close(conv2d(x, weight, stride=2, padding=1, dilation=dilation, groups=2), inflated)


def test_dilated_is_not_fractionally_strided():
    x, weight = normal(1, 1, 6, 6), normal(1, 1, 3, 3, seed=1)
    dilated = conv2d(x, weight, padding=2, dilation=2)
    spread = conv2d(insert_zeros(x, 2), weight.flip(2, 3), padding=1)
    assert dilated.shape[2:] == (6, 6)
    assert spread.shape[2:] == (11, 11)
    assert_close(spread, conv_transpose2d(x, weight, stride=2, padding=1))


@pytest.mark.parametrize(("k", "d"), list(product((1, 3, 5, 7), (1, 2, 3, 6))))
def test_this_padding_keeps_the_size(k, d):
    assert conv2d(normal(1, 1, 9, 11), normal(1, 1, k, k), padding=d * (k - 1) // 2, dilation=d).shape[
        2:
    ] == (9, 11)


@pytest.mark.parametrize(("k", "d"), list(product((1, 2, 3, 5), (1, 2, 3))))
def test_effective_size_is_the_size_of_the_inflated_filter(k, d):
    assert dilate_kernel(torch.ones(k, k), d).shape == (effective_kernel_size(k, d),) * 2
    assert receptive_field([(k, 1, d)])[0] == effective_kernel_size(k, d)


LAYERS = [
    [(3, 1, 1)],
    [(3, 1, 1)] * 4,
    [(3, 1, 1), (3, 1, 2), (3, 1, 4)],
    [(3, 2, 1), (3, 2, 1), (3, 1, 1)],
    [(7, 2, 1), (3, 2, 1), (3, 1, 2)],
    [(5, 3, 2), (1, 2, 1), (3, 1, 3)],
]


@pytest.mark.parametrize("layers", LAYERS)
def test_receptive_field_is_what_the_gradient_of_one_output_touches(layers):
    size, jump = receptive_field(layers)
    net = positive(nn.Sequential(*(nn.Conv2d(1, 1, k, s, dilation=d) for k, s, d in layers)))
    rows = seen_pixels(net, 3 * size + 4 * jump)
    assert int(rows.max() - rows.min()) + 1 == size


@pytest.mark.parametrize("layers", LAYERS)
def test_jump_is_the_step_between_neighbours(layers):
    size, jump = receptive_field(layers)
    assert jump == prod(stride for _, stride, _ in layers)
    net = positive(nn.Sequential(*(nn.Conv2d(1, 1, k, s, dilation=d) for k, s, d in layers)))
    x = torch.zeros(1, 1, size, size + jump, dtype=torch.float64, requires_grad=True)
    y = net(x)
    assert y.shape == (1, 1, 1, 2)
    starts = [
        torch.autograd.grad(y[0, 0, 0, n], x, retain_graph=True)[0][0, 0, 0].nonzero().min() for n in (0, 1)
    ]
    assert int(starts[1] - starts[0]) == jump


RATES = [(), (1,), (2,), (1, 2, 3), (1, 2, 5), (2, 2, 2), (1, 2, 9), (3, 1), (2, 3, 4)]


@pytest.mark.parametrize("rates", RATES)
@pytest.mark.parametrize("kernel_size", [2, 3, 5])
def test_coverage_is_the_gradient_of_a_net_of_ones(rates, kernel_size):
    counts = coverage(rates, kernel_size)
    size, _ = receptive_field([(kernel_size, 1, rate) for rate in rates])
    assert counts.shape == (size, size)
    assert int(counts.sum()) == kernel_size ** (2 * len(rates))
    x = torch.zeros(1, 1, size, size, dtype=torch.float64, requires_grad=True)
    y = x
    for rate in rates:
        y = F.conv2d(y, torch.ones(1, 1, kernel_size, kernel_size).double(), dilation=rate)
    (gradient,) = torch.autograd.grad(y.sum(), x)
    assert_close(gradient[0, 0], counts.double())
    assert is_gridding_free(rates, kernel_size) == bool((gradient > 0).all())


@pytest.mark.parametrize(("rates", "free"), [([1] * 40, True), ([2] * 40, False), ([1, 2] * 32, True)])
def test_deep_stacks_are_judged_without_counting_their_ways(rates, free):
    assert is_gridding_free(rates) is free


def test_order_of_rates_does_not_matter():
    assert torch.equal(coverage((1, 2, 5)), coverage((5, 1, 2)))


@pytest.mark.parametrize("factor", [2, 3])
def test_a_common_factor_always_leaves_holes(factor):
    for rates in product((1, 2, 3), repeat=3):
        assert not is_gridding_free([factor * rate for rate in rates])


# ------------------------------------------------------------------------- strides out, every pixel in


def unpadded(*, pool="max", stride=2):
    torch.manual_seed(0)
    first = nn.MaxPool2d(2, stride) if pool == "max" else nn.AvgPool2d(2, stride)
    if pool == "conv":
        first = nn.Conv2d(4, 4, 3, stride=stride)
    return nn.Sequential(
        nn.Conv2d(2, 4, 3), nn.ReLU(), first, nn.Conv2d(4, 3, 3), nn.ReLU(), nn.Conv2d(3, 2, 2)
    ).double()


@pytest.mark.parametrize("size", [(24, 24), (25, 26), (27, 29)])
@pytest.mark.parametrize("pool", ["max", "average", "conv"])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_stitching_equals_dilation_exactly(size, pool, stride):
    net, x = unpadded(pool=pool, stride=stride), normal(2, 2, *size)
    dense = replace_stride_with_dilation(net)
    assert_close(shift_and_stitch(net, x, stride), dense(x), atol=1e-12, rtol=0)


def test_two_strides_in_one_net():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 3, 3, stride=2), nn.MaxPool2d(2), nn.Conv2d(3, 2, 3)).double()
    dense, x = replace_stride_with_dilation(net), normal(1, 1, 26, 27)
    assert dense[1].dilation == (2, 2) and dense[2].dilation == (4, 4)
    assert_close(shift_and_stitch(net, x, 4), dense(x), atol=1e-12, rtol=0)


@pytest.mark.parametrize("size", [(20, 21), (23, 22)])
def test_average_poolings_behind_a_stride_are_dilated_too(size):
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(2, 4, 3), nn.AvgPool2d(2), nn.Conv2d(4, 3, 2), nn.AvgPool2d((3, 2), stride=(2, 2)), nn.Conv2d(3, 1, 2)
    ).double()  # fmt: skip
    dense, x = replace_stride_with_dilation(net), normal(2, 2, *size)
    assert_close(shift_and_stitch(net, x, 4), dense(x), atol=1e-12, rtol=0)


def test_a_padded_average_behind_a_stride_keeps_its_outputs():
    net = nn.Sequential(nn.AvgPool2d(2), nn.AvgPool2d(3, 2, padding=1, divisor_override=5))
    x = normal(1, 2, 16, 24)
    assert_close(replace_stride_with_dilation(net)(x)[..., ::4, ::4][..., :4, :6], net(x))


@pytest.mark.parametrize("size", [(12, 16), (13, 11)])
def test_with_padding_the_old_outputs_stand_among_the_new(size):
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(2, 4, 3, stride=2, padding=1), nn.BatchNorm2d(4), nn.ReLU(),
        nn.Sequential(nn.MaxPool2d(3, 2, padding=1), nn.Conv2d(4, 4, 5, padding=2, groups=2)),
        nn.Conv2d(4, 2, 3, padding="same"), nn.Conv2d(2, 1, 1),
    ).double().eval()  # fmt: skip
    x = normal(1, 2, *size)
    dense = replace_stride_with_dilation(net)(x)
    assert dense.shape[2:] == size
    assert_close(dense[..., ::4, ::4], net(x))


def test_the_model_is_left_alone_and_keeps_its_weights():
    net = unpadded()
    dense = replace_stride_with_dilation(net)
    assert net[2].stride == 2 and dense[2].stride == (1, 1)
    assert net[3].dilation == (1, 1) and dense[3].dilation == (2, 2)
    assert_close(dict(dense.state_dict()), dict(net.state_dict()))
    assert (
        receptive_field([(3, 1, 1), (2, 2, 1), (3, 1, 1), (2, 1, 1)])[0]
        == receptive_field([(3, 1, 1), (2, 1, 1), (3, 1, 2), (2, 1, 2)])[0]
    )


def test_a_layer_that_stands_in_two_places_has_a_rate_in_each():
    convolution, pool = nn.Conv2d(2, 2, 3), nn.MaxPool2d(2)
    block = nn.Sequential(convolution, nn.ReLU(), pool)
    x = normal(1, 2, 40, 41)
    for model in (
        nn.Sequential(convolution, pool, convolution, pool, nn.Conv2d(2, 1, 3)),
        nn.Sequential(block, block),
    ):
        model = model.double()
        dense = replace_stride_with_dilation(model)
        assert_close(dense(x)[..., ::4, ::4], model(x))
        assert len(list(dense.parameters())) == len(list(model.parameters()))
    assert convolution.dilation == (1, 1)
    assert pool.stride == 2


def test_strides_that_differ_down_and_across():
    torch.manual_seed(0)
    net = nn.Sequential(nn.MaxPool2d((2, 1)), nn.Conv2d(1, 1, 3, padding=1)).double()
    dense = replace_stride_with_dilation(net)
    assert dense[1].dilation == dense[1].padding == (2, 1)


# ------------------------------------------------------------------------------- numbers to check by hand


def test_stacked_three_by_three():
    for layers in range(6):
        assert receptive_field([(3, 1, 1)] * layers) == (1 + 2 * layers, 1)


def test_doubling_rates_see_exponentially_far():
    for layers in range(1, 7):
        assert receptive_field([(3, 1, 2**layer) for layer in range(layers)])[0] == 2 ** (layers + 1) - 1


def test_rates_of_the_lecture():
    assert not is_gridding_free((2, 2, 2))
    assert is_gridding_free((1, 2, 5))
    assert is_gridding_free((1, 2, 3))
    assert is_gridding_free(())
    assert coverage((2, 2, 2))[6].tolist() == [7 * n for n in (1, 0, 3, 0, 6, 0, 7, 0, 6, 0, 3, 0, 1)]


def test_dilated_filter_by_hand():
    x = torch.arange(1, 26).reshape(5, 5).T
    assert x[0].tolist() == [1, 6, 11, 16, 21]
    assert conv2d_naive(x, torch.ones(3, 3).long()).tolist()[0][0] == 1 + 2 + 3 + 6 + 7 + 8 + 11 + 12 + 13
    assert conv2d_naive(x, torch.ones(3, 3).long(), dilation=2).tolist() == [
        [1 + 3 + 5 + 11 + 13 + 15 + 21 + 23 + 25]
    ]


# ------------------------------------------------------------------------------------------- the oracle

ARGUMENTS = [
    dict(stride=stride, padding=padding, dilation=dilation)
    for stride in (1, 2, 3, (2, 1))
    for padding in (0, 1, 4, (1, 2))
    for dilation in (1, 2, 3, (1, 3))
]


@pytest.mark.parametrize(("groups", "kernel"), [(1, (3, 3)), (1, (1, 1)), (2, (3, 2)), (4, (2, 4))])
def test_equals_torch_over_a_grid_of_arguments(groups, kernel):
    x, weight, bias = normal(2, 4, 7, 8), normal(8, 4 // groups, *kernel, seed=1), normal(8, seed=2)
    compared = 0
    for arguments in ARGUMENTS:
        try:
            expected = F.conv2d(x, weight, bias, groups=groups, **arguments)
        except RuntimeError:
            with pytest.raises(ValueError, match="the filter spans"):
                conv2d(x, weight, bias, groups=groups, **arguments)
            continue
        assert_close(conv2d(x, weight, bias, groups=groups, **arguments), expected)
        compared += 1
    assert compared > 30


def test_arguments_stand_in_the_order_of_torch():
    x, weight, bias = normal(1, 4, 9, 9), normal(4, 2, 3, 3, seed=1), normal(4, seed=2)
    arguments = (bias, 2, 1, 3, 2)
    assert_close(conv2d(x, weight, *arguments), F.conv2d(x, weight, *arguments))


@pytest.mark.filterwarnings("ignore:Using padding='same'")  # torch says that it copies; so does the reference
@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize(("kernel", "dilation"), [((3, 3), 1), ((2, 4), 1), ((4, 3), (3, 2)), ((1, 2), 2)])
def test_a_padding_by_name_is_torchs(padding, kernel, dilation):
    x, weight = normal(2, 2, 10, 9), normal(3, 2, *kernel, seed=1)
    expected = F.conv2d(x, weight, padding=padding, dilation=dilation)
    assert_close(conv2d(x, weight, padding=padding, dilation=dilation), expected)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_rounded_once(dtype):
    x, weight, bias = (normal(*shape).to(dtype) for shape in ((1, 16, 6, 6), (4, 16, 3, 3), (4,)))
    exact = F.conv2d(x.double(), weight.double(), bias.double(), padding=2, dilation=2)
    once = exact.to(dtype)
    ours = conv2d(x, weight, bias, padding=2, dilation=2)
    assert (
        ours != once
    ).float().mean() < 0.01  # a sum next to the middle of two neighbours may fall either way
    assert_close(ours, once, rtol=torch.finfo(dtype).eps, atol=1e-6)


def test_unbatched_and_empty_batches():
    x, weight = normal(2, 5, 6), normal(3, 2, 3, 3, seed=1)
    assert_close(conv2d(x, weight, padding=1), F.conv2d(x, weight, padding=1))
    assert (
        conv2d(x[None][:0], weight, stride=2).shape
        == F.conv2d(x[None][:0], weight, stride=2).shape
        == (0, 3, 2, 2)
    )


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
def test_dtype_is_kept(dtype):
    x, weight, bias = (normal(*shape).to(dtype) for shape in ((2, 3, 6, 6), (4, 3, 3, 3), (4,)))
    y = conv2d(x, weight, bias, dilation=2)
    assert y.dtype == dtype
    tolerance = {"rtol": 2e-2, "atol": 2e-1} if dtype == torch.bfloat16 else {}
    assert_close(y, F.conv2d(x, weight, bias, dilation=2), **tolerance)


@pytest.mark.parametrize(("k", "s", "p", "d"), list(product((1, 2, 3), (1, 2), (0, 1, 2), (1, 2))))
def test_loops_equal_torch(k, s, p, d):
    x, weight = normal(6, 5), normal(k, k, seed=1)
    expected = F.conv2d(x[None, None], weight[None, None], None, s, p, d)[0, 0]
    assert_close(conv2d_naive(x, weight, s, p, d), expected)
    assert expected.shape == (convolution_size(6, k, s, p, d), convolution_size(5, k, s, p, d))


# ------------------------------------------------------------------------------------------- gradients


def test_gradients_of_the_batched_version():
    x, weight, bias = (normal(*shape).requires_grad_() for shape in ((2, 4, 5, 4), (4, 2, 2, 3), (4,)))
    assert gradcheck(lambda *t: conv2d(*t, (2, 1), (1, 2), (1, 2), 2), (x, weight, bias))


def test_gradients_of_the_others():
    x, weight = normal(4, 5).requires_grad_(), normal(2, 2, seed=1).requires_grad_()
    assert gradcheck(lambda x, w: conv2d_naive(x, w, 1, 1, 2), (x, weight))
    assert gradcheck(lambda w: dilate_kernel(w, 3), (weight,))
    image = normal(1, 1, 5, 5, seed=2).requires_grad_()
    assert gradcheck(lambda x: shift_and_stitch(nn.AvgPool2d(2), x, 2), (image,))


# -------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(x=(2, 3)), "x must be (N, C_in, H, W) or (C_in, H, W)"),
        (dict(x=(1, 2, 0, 3)), "got (1, 2, 0, 3)"),
        (dict(x=(1, 3, 4, 4)), "x must have 2 channels for weight (3, 2, 3, 3) in 1 group; got (1, 3, 4, 4)"),
        (dict(weight=(2, 3, 3)), "weight must be (C_out, C_in / groups, kH, kW)"),
        (dict(bias=(2,)), "bias must be (3,)"),
        (dict(groups=2), "groups must divide the 3 output channels; got 2"),
        (dict(groups=0), "groups must divide the 3 output channels; got 0"),
        (dict(stride=0), "stride must be at least 1; got 0"),
        (dict(dilation=0), "dilation must be at least 1; got 0"),
        (dict(padding=-1), "padding must be at least 0; got -1"),
        (dict(dilation=2), "the filter spans 5 pixels; the padded axis has only 4"),
        (dict(stride=(1, 2, 3)), "stride must be an int or a pair of ints; got (1, 2, 3)"),
        (dict(padding=1.0), "padding must be an int"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    arguments = dict(x=(1, 2, 4, 4), weight=(3, 2, 3, 3), bias=(3,)) | arguments
    arguments |= {name: torch.zeros(arguments[name]) for name in ("x", "weight", "bias")}
    with pytest.raises(ValueError, match=re.escape(message)):
        conv2d(**arguments)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: effective_kernel_size(3, 0), "dilation must be at least 1; got 0"),
        (
            lambda: receptive_field([(3, 1)]),
            r"a layer must be \(kernel_size, stride, dilation\); got \(3, 1\)",
        ),
        (lambda: receptive_field([(3, 0, 1)]), "stride must be at least 1; got 0"),
        (lambda: conv2d_naive(torch.zeros(3), torch.zeros(3, 3)), "x must be"),
        (lambda: conv2d_naive(torch.zeros(3, 3), torch.zeros(3, 3), dilation=2), "the filter spans 5 pixels"),
        (lambda: conv2d(torch.zeros(1, 3, 3), torch.zeros(1, 1, 3, 3).double()), "one dtype"),
        (lambda: dilate_kernel(torch.zeros(3), 2), r"weight must be \(\.\.\., kH, kW\); got \(3,\)"),
        (lambda: coverage((1, 0)), r"rates\[1\] must be at least 1; got 0"),
        (lambda: is_gridding_free((1, 2.5)), r"rates\[1\] must be an int; got 2\.5"),
        (lambda: coverage([1] * 30), "30 layers are too many to count in int64"),
        (lambda: coverage([1] * 64), "64 layers are too many to count in int64"),
        (lambda: receptive_field([3]), r"a layer must be \(kernel_size, stride, dilation\); got 3"),
        (lambda: receptive_field([(3, 1.5, 1)]), r"stride must be an int; got 1\.5"),
        (lambda: conv2d_naive(torch.zeros(3, 3), torch.zeros(2, 2).double()), "one dtype"),
        (
            lambda: conv2d(torch.zeros(1, 3, 3), torch.zeros(1, 1, 3, 3), torch.zeros(1).double()),
            "bias must have the dtype of x, torch.float32; got torch.float64",
        ),
        (lambda: conv2d(torch.zeros(1, 3, 3), torch.zeros(1, 1, 3, 3), padding="full"), "got 'full'"),
        (
            lambda: conv2d(torch.zeros(1, 3, 3), torch.zeros(1, 1, 3, 3), stride=2, padding="same"),
            "stride must be 1; got 2",
        ),
        (lambda: dilate_kernel(torch.zeros(3, 3), 0), "dilation must be at least 1; got 0"),
        (lambda: replace_stride_with_dilation(nn.MaxPool2d(2, ceil_mode=True)), "ceil_mode=True"),
        (lambda: replace_stride_with_dilation(nn.AvgPool2d(2, ceil_mode=True)), "ceil_mode=True"),
        (lambda: replace_stride_with_dilation(nn.Upsample(scale_factor=2)), "an? Upsample cannot be dilated"),
        (lambda: replace_stride_with_dilation(nn.LPPool2d(2, 2)), "an? LPPool2d cannot be dilated"),
        (lambda: shift_and_stitch(nn.MaxPool2d(2), torch.zeros(4, 4), 2), r"x must be \(N, C, H, W\)"),
        (
            lambda: shift_and_stitch(nn.MaxPool2d(3, 1), torch.zeros(1, 1, 9, 9), 3),
            "do not interleave with stride 3",
        ),
        (
            lambda: replace_stride_with_dilation(nn.ConvTranspose2d(1, 1, 2)),
            "a ConvTranspose2d cannot be dilated",
        ),
        (
            lambda: replace_stride_with_dilation(
                nn.Sequential(nn.MaxPool2d(2), nn.AvgPool2d(2, padding=1, count_include_pad=False))
            ),
            "an AvgPool2d that leaves its padding out of the mean",
        ),
        (
            lambda: replace_stride_with_dilation(nn.Conv2d(1, 1, 3, padding=1, padding_mode="reflect")),
            "of zeros",
        ),
    ],
)
def test_bad_input_stops_at_the_door(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: conv2d_naive([[1]], torch.ones(1, 1)), "x must be a torch.Tensor; got list"),
        (lambda: conv2d(torch.ones(1, 1, 2, 2), 3), "weight must be a torch.Tensor; got int"),
        (lambda: dilate_kernel([[1]], 2), "weight must be a torch.Tensor; got list"),
        (lambda: shift_and_stitch(nn.MaxPool2d(2), [[1]], 2), "x must be a torch.Tensor; got list"),
    ],
)
def test_what_is_no_tensor_is_named(call, message):
    with pytest.raises(TypeError, match=message):
        call()


def test_every_public_name_is_on_the_face():
    assert set(reference.__all__) == set(dlcv.dilated_convolution.__all__)


def test_examples_in_docstrings():
    failed, tried = doctest.testmod(reference)
    assert tried >= 9
    assert failed == 0
