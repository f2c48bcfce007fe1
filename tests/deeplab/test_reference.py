"""DeepLab and PSPNet: equations first, then torch, torchvision and a mean field in plain loops as oracles."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.spatial.distance import cdist
from torch import nn

from dlcv import deeplab
from dlcv.backbones import SmallCNN


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(8)


def awake(module, seed=0):
    """The module in eval mode with random weights and random statistics, so that nothing is one or zero by chance."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for tensor in [*module.parameters(), *module.buffers()]:
            if tensor.is_floating_point():
                tensor.copy_(torch.rand(tensor.shape, generator=generator) * 0.8 + 0.1)
    return module.eval()


# ------------------------------------------------------------------------------- atrous branches


@pytest.mark.parametrize("rate", [1, 2, 6, 18])
@pytest.mark.parametrize("size", [(1, 1), (7, 12), (33, 33)])
def test_a_branch_keeps_the_size_whatever_its_rate(rate, size):
    assert deeplab.AtrousBranch(2, 3, rate).eval()(torch.rand(1, 2, *size)).shape == (1, 3, *size)


@pytest.mark.parametrize("size", [(5, 5), (6, 4)])
def test_a_rate_as_large_as_the_map_is_a_1x1_convolution(size, generator):
    branch = awake(deeplab.AtrousBranch(3, 4, max(size)))
    conv, norm, _ = branch.layers
    x = torch.randn(2, 3, *size, generator=generator)
    middle = F.conv2d(x, conv.weight[:, :, 1:2, 1:2])
    torch.testing.assert_close(branch(x), norm(middle).relu())


def test_a_branch_looks_rate_pixels_away():
    conv = awake(deeplab.AtrousBranch(1, 1, 3)).layers[0]
    x = torch.zeros(1, 1, 9, 9)
    x[..., 4, 4] = 1.0
    seen = conv(x)[0, 0].nonzero()
    assert {tuple(place) for place in seen.tolist()} == {(y, x) for y in (1, 4, 7) for x in (1, 4, 7)}


# ------------------------------------------------------------------------------- ASPP


@pytest.mark.parametrize("rates", [(6, 12, 18), (1, 2), (12, 24, 36)])
def test_aspp_is_torchvisions(rates, generator):
    segmentation = pytest.importorskip("torchvision.models.segmentation.deeplabv3", exc_type=ImportError)
    ours, theirs = (
        awake(deeplab.ASPP(6, 5, rates)),
        segmentation.ASPP(6, list(rates), out_channels=5).eval(),
    )
    values = [tensor for tensor in ours.state_dict().values()]
    names = theirs.state_dict()
    assert [tuple(v.shape) for v in values] == [tuple(v.shape) for v in names.values()]
    theirs.load_state_dict(dict(zip(names, values, strict=True)))
    x = torch.randn(2, 6, 13, 17, generator=generator)
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-4, atol=1e-5)


def test_aspp_spelled_out(generator):
    aspp = awake(deeplab.ASPP(4, 3, (2, 5)))
    x = torch.randn(2, 4, 7, 9, generator=generator)

    def layer(sequence, y, **how):
        conv, norm, _ = sequence
        y = F.conv2d(y, conv.weight, **how)
        return (
            F.batch_norm(y, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps)
            .clamp(0)
            .double()
        )

    whole = layer(aspp.image, x.mean((2, 3))[..., None, None])
    parts = [
        layer(aspp.pixel, x),
        layer(aspp.atrous[0].layers, x, padding=2, dilation=2),
        layer(aspp.atrous[1].layers, x, padding=5, dilation=5),
        F.interpolate(whole, size=(7, 9), mode="bilinear"),
    ]
    wanted = layer(aspp.project, torch.cat(parts, 1).float())
    torch.testing.assert_close(aspp(x).double(), wanted, rtol=1e-4, atol=1e-5)


def test_the_papers_aspp_has_as_many_weights_as_counted_by_hand():
    count = sum(p.numel() for p in deeplab.ASPP(2048).parameters())
    convolutions = 2048 * 256 + 3 * 9 * 2048 * 256 + 2048 * 256 + 5 * 256 * 256
    assert count == convolutions + 6 * 2 * 256  # and scale and shift of six normalisations


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (5, 3)])
def test_image_pooling_takes_a_single_image_of_any_size_in_eval_mode(size):
    x = torch.rand(1, 4, *size)
    assert deeplab.ASPP(4, 3).eval()(x).shape == (1, 3, *size)
    assert deeplab.PyramidPooling(4).eval()(x).shape == (1, 8, *size)


def test_the_image_branch_alone_sees_everything(generator):
    aspp = awake(deeplab.ASPP(2, 3, (1,)))
    x = torch.rand(1, 2, 11, 11, generator=generator, requires_grad=True)
    aspp(x)[0, :, 0, 0].sum().backward()
    far = x.grad[0, :, 5:, 5:]
    assert far.abs().min() > 0  # the atrous branch of rate 1 does not reach there
    assert torch.allclose(far, far[:, :1, :1].expand_as(far))  # the mean treats all pixels alike


# ------------------------------------------------------------------------------- valid weights


@pytest.mark.parametrize("size", [1, 5, (4, 9)])
@pytest.mark.parametrize("rate", [1, 2, 4, 11])
def test_valid_taps_are_counted_by_a_convolution_of_ones(size, rate):
    height, width = (size, size) if isinstance(size, int) else size
    ones = torch.ones(1, 1, height, width)
    counted = F.conv2d(ones, torch.ones(1, 1, 3, 3), padding=rate, dilation=rate)[0, 0]
    assert deeplab.valid_taps(size, rate).tolist() == counted.tolist()
    assert deeplab.valid_weight_fraction(size, rate) == pytest.approx(float(counted.mean()) / 9)


@pytest.mark.parametrize("size", [6, 65])
def test_the_fraction_has_the_closed_form_of_the_chapter(size):
    for rate in range(1, 2 * size):
        wanted = (1 - 2 * min(rate, size) / (3 * size)) ** 2
        assert deeplab.valid_weight_fraction(size, rate) == pytest.approx(wanted)


def test_larger_filters():
    counted = F.conv2d(torch.ones(1, 1, 8, 8), torch.ones(1, 1, 5, 5), padding=6, dilation=3)[0, 0]
    assert deeplab.valid_taps(8, 3, kernel_size=5).tolist() == counted.tolist()


def test_even_filters_have_no_middle():
    with pytest.raises(ValueError, match="kernel_size must be odd; got 4"):
        deeplab.valid_taps(8, 1, kernel_size=4)


# ------------------------------------------------------------------------------- pyramid pooling


@pytest.mark.parametrize("bins", [1, 2, 3, 6, (2, 5), (1, 7)])
@pytest.mark.parametrize("size", [(6, 6), (7, 10), (1, 1), (13, 4)])
def test_adaptive_average_pool_is_torchs(size, bins, generator):
    x = torch.randn(2, 3, *size, generator=generator, dtype=torch.float64, requires_grad=True)
    ours, theirs = deeplab.adaptive_average_pool(x, bins), F.adaptive_avg_pool2d(x, bins)
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)  # to the last digits of double precision
    cotangent = torch.randn(ours.shape, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(
        torch.autograd.grad(ours, x, cotangent)[0], torch.autograd.grad(theirs, x, cotangent)[0]
    )


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_adaptive_average_pool_adds_half_precision_up_as_torch_does(dtype, generator):
    x = torch.randn(2, 3, 19, 14, generator=generator).to(dtype)
    torch.testing.assert_close(deeplab.adaptive_average_pool(x, (5, 3)), F.adaptive_avg_pool2d(x, (5, 3)))


@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_one_wild_pixel_spoils_its_own_bins_only(value):
    x = torch.ones(1, 1, 7, 9)
    x[..., 3, 4] = value
    for bins in (3, (2, 12)):
        ours, theirs = deeplab.adaptive_average_pool(x, bins), F.adaptive_avg_pool2d(x, bins)
        torch.testing.assert_close(ours, theirs, equal_nan=True)
        assert ours.isfinite().any()


def test_bins_share_pixels_where_they_do_not_divide():
    # Seven pixels, three bins: 0..2, 2..4, 4..6.
    x = torch.arange(7.0)[None]
    assert deeplab.adaptive_average_pool(x, (1, 3)).tolist() == [[1.0, 3.0, 5.0]]
    x = torch.tensor([[0.0, 0, 9, 0, 0, 0, 0]])
    assert deeplab.adaptive_average_pool(x, (1, 3)).tolist() == [[3.0, 3.0, 0.0]]


def test_a_constant_stays(generator):
    x = torch.full((2, 5, 9), 0.3)
    torch.testing.assert_close(deeplab.adaptive_average_pool(x, (4, 4)), torch.full((2, 4, 4), 0.3))


def test_pyramid_pooling_spelled_out(generator):
    module = awake(deeplab.PyramidPooling(8, (1, 3)))
    x = torch.randn(2, 8, 7, 10, generator=generator)
    parts = [x]
    for bins, (conv, norm, _) in zip((1, 3), module.levels, strict=True):
        level = norm(F.conv2d(F.adaptive_avg_pool2d(x, bins), conv.weight)).relu()
        parts.append(F.interpolate(level, size=(7, 10), mode="bilinear", align_corners=False))
    torch.testing.assert_close(module(x), torch.cat(parts, 1))
    assert module.out_channels == 16


def test_pspnets_module_doubles_the_channels():
    module = deeplab.PyramidPooling(2048)
    assert module.out_channels == 4096
    assert sum(p.numel() for p in module.parameters()) == 4 * (2048 * 512 + 2 * 512)


# ------------------------------------------------------------------------------- hypercolumns, separable


def test_hypercolumns_stack_what_interpolate_gives(generator):
    sizes = [(9, 13), (5, 7), (1, 1)]
    maps = [torch.randn(2, c, *size, generator=generator) for c, size in zip((3, 4, 2), sizes, strict=True)]
    stacked = deeplab.hypercolumns(maps, (18, 26))
    assert stacked.shape == (2, 9, 18, 26)
    for part, given in zip(stacked.split([3, 4, 2], 1), maps, strict=True):
        torch.testing.assert_close(part, F.interpolate(given, size=(18, 26), mode="bilinear"))


def test_a_map_of_the_right_size_is_not_touched(generator):
    x = torch.randn(1, 3, 6, 6, generator=generator)
    torch.testing.assert_close(deeplab.hypercolumns([x], 6), x)


def test_a_separable_convolution_is_a_convolution_of_rank_one(generator):
    conv = deeplab.SeparableConv(3, 5, dilation=2)
    nn.init.normal_(conv.depthwise.weight, generator=generator)
    x = torch.randn(2, 3, 9, 8, generator=generator)
    full = conv.pointwise.weight * conv.depthwise.weight[:, 0]  # (5, 3, 1, 1) * (3, 3, 3)
    torch.testing.assert_close(conv(x), F.conv2d(x, full, padding=2, dilation=2), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("how", "size"), [({}, (9, 8)), ({"stride": 2}, (5, 4)), ({"padding": 0}, (7, 6))])
def test_sizes_of_a_separable_convolution(how, size):
    assert deeplab.SeparableConv(3, 4, **how)(torch.rand(1, 3, 9, 8)).shape[2:] == size


# ------------------------------------------------------------------------------- DeepLabv3+


def test_the_decoder_spelled_out(generator):
    decoder = awake(deeplab.Decoder(6, 5, 3, channels=4))
    low, high = torch.randn(1, 6, 9, 11, generator=generator), torch.randn(1, 5, 3, 4, generator=generator)

    def layer(sequence, y, padding=0):
        conv, norm, _ = sequence
        return norm(F.conv2d(y, conv.weight, padding=padding)).relu()

    wide = F.interpolate(high, size=(9, 11), mode="bilinear")
    y = torch.cat([wide, layer(decoder.reduce, low)], 1)
    assert y.shape[1] == 5 + 48
    y = layer(decoder.mix[1], layer(decoder.mix[0], y, 1), 1)
    torch.testing.assert_close(
        decoder(low, high), F.conv2d(y, decoder.score.weight, decoder.score.bias), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("output_stride", [8, 16])
@pytest.mark.parametrize("size", [(64, 96), (33, 47)])
def test_scores_have_the_images_size(output_stride, size):
    torch.manual_seed(0)
    network = deeplab.DeepLabV3Plus(SmallCNN(), 7, output_stride, channels=8).eval()
    assert network.backbone.strides[-1] == output_stride
    assert network(torch.rand(1, 3, *size)).shape == (1, 7, *size)
    rates = [branch.layers[0].dilation[0] for branch in network.aspp.atrous]
    assert rates == [96 // output_stride * k for k in (1, 2, 3)]


def test_a_backbone_that_is_dilated_already_stays():
    class Fixed(SmallCNN):
        set_output_stride = None

    assert deeplab.DeepLabV3Plus(Fixed(output_stride=16), 3, channels=8).backbone.strides[-1] == 16


def test_every_parameter_learns():
    network = deeplab.DeepLabV3Plus(SmallCNN((4, 6, 8, 6, 10)), 3, channels=8)
    network(torch.rand(2, 3, 32, 48)).square().sum().backward()
    idle = [
        name for name, p in network.named_parameters() if p.grad is None or not torch.isfinite(p.grad).all()
    ]
    assert not idle


def test_other_output_strides_have_no_rates():
    with pytest.raises(ValueError, match="output_stride must be 8 or 16; got 32"):
        deeplab.DeepLabV3Plus(SmallCNN(), 3, output_stride=32)


# ------------------------------------------------------------------------------- dense random field


def mean_field_in_loops(unary, features, weights, iterations, normalization):
    """Chen's and Krähenbühl's update with the Potts penalty spelled out, a pixel and a label at a time."""
    labels, pixels = unary.shape
    kernels = []
    for f in features:
        kernel = np.exp(-0.5 * cdist(f.T, f.T, "sqeuclidean"))
        np.fill_diagonal(kernel, 0)
        if normalization == "symmetric":
            sums = kernel.sum(1)
            kernel = np.array(
                [
                    [
                        kernel[i, j] / math.sqrt(sums[i] * sums[j]) if sums[i] * sums[j] else 0
                        for j in range(pixels)
                    ]
                    for i in range(pixels)
                ]
            )
        kernels.append(kernel)
    q = np.exp(-unary) / np.exp(-unary).sum(0)
    for _ in range(iterations):
        after = np.zeros_like(q)
        for i in range(pixels):
            for label in range(labels):
                energy = unary[label, i]
                for weight, kernel in zip(weights, kernels, strict=True):
                    for j in range(pixels):
                        if j != i:
                            disagree = sum(q[other, j] for other in range(labels) if other != label)
                            energy += weight * kernel[i, j] * disagree
                after[label, i] = math.exp(-energy)
            after[:, i] /= after[:, i].sum()
        q = after
    return q


@pytest.mark.parametrize("normalization", ["symmetric", "none"])
@pytest.mark.parametrize("iterations", [0, 1, 2, 5])
def test_mean_field_is_the_update_in_loops(iterations, normalization, generator):
    image = torch.rand(3, 3, 4, generator=generator, dtype=torch.float64)
    unary = 3 * torch.rand(3, 12, generator=generator, dtype=torch.float64)
    features = [deeplab.gaussian_features((3, 4), 1.5), deeplab.bilateral_features(image, 4.0, 0.3)]
    weights = [0.7, 1.9]
    found = deeplab.dense_crf(unary, features, weights, iterations, normalization)
    wanted = mean_field_in_loops(
        unary.numpy(), [f.double().numpy() for f in features], weights, iterations, normalization
    )
    np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-6, atol=1e-9)


def test_no_pixel_listens_to_itself():
    # A single pixel, and two that are infinitely far apart: nobody to ask, so the network's word stands.
    unary = torch.tensor([[0.2, 1.5], [1.7, 0.1]])
    alone = deeplab.dense_crf(unary[:, :1], [torch.zeros(2, 1)], [5.0], 10)
    torch.testing.assert_close(alone, (-unary[:, :1]).softmax(0))
    apart = deeplab.dense_crf(unary, [torch.tensor([[0.0, 1e4]])], [5.0], 10)
    torch.testing.assert_close(apart, (-unary).softmax(0))


def test_two_equal_pixels_by_hand():
    # k = 1 either way: one step gives pixel 0 the vote of pixel 1.
    p = torch.tensor([[0.9, 0.5], [0.1, 0.5]])
    q = deeplab.dense_crf(-p.log(), torch.zeros(1, 2), 1.0, 1)
    wanted = torch.tensor(
        [[0.9 * math.exp(0.5), 0.5 * math.exp(0.9)], [0.1 * math.exp(0.5), 0.5 * math.exp(0.1)]]
    )
    torch.testing.assert_close(q, wanted / wanted.sum(0))


def test_rows_sum_to_one_and_constants_do_not_matter(generator):
    unary = 4 * torch.rand(5, 20, generator=generator)
    features = [torch.randn(3, 20, generator=generator)]
    q = deeplab.dense_crf(unary, features, [3.0], 4)
    torch.testing.assert_close(q.sum(0), torch.ones(20))
    shifted = deeplab.dense_crf(unary + 7 * torch.rand(20, generator=generator), features, [3.0], 4)
    torch.testing.assert_close(q, shifted, rtol=1e-4, atol=1e-5)


def test_relabelling_and_reordering_commute_with_it(generator):
    unary = 4 * torch.rand(3, 15, generator=generator)
    features = torch.randn(2, 15, generator=generator)
    labels, pixels = torch.randperm(3, generator=generator), torch.randperm(15, generator=generator)
    q = deeplab.dense_crf(unary, features, 2.0, 3)
    other = deeplab.dense_crf(unary[labels][:, pixels], features[:, pixels], 2.0, 3)
    torch.testing.assert_close(other, q[labels][:, pixels])


def test_no_weight_no_change(generator):
    unary = torch.rand(3, 9, generator=generator)
    q = deeplab.dense_crf(unary, [torch.rand(2, 9, generator=generator)] * 2, [0.0, 0.0], 3)
    torch.testing.assert_close(q, (-unary).softmax(0))


def test_the_kernel_is_symmetric_and_normalised(generator):
    features = torch.randn(3, 10, generator=generator)
    raw = deeplab.pairwise_kernel(features, "none")
    np.testing.assert_allclose(
        raw.numpy() + np.eye(10), np.exp(-0.5 * cdist(features.T, features.T, "sqeuclidean")), atol=1e-6
    )
    kernel = deeplab.pairwise_kernel(features)
    torch.testing.assert_close(kernel, kernel.T)
    assert torch.linalg.eigvalsh(kernel.double()).abs().max() == pytest.approx(1.0, abs=1e-5)
    assert kernel.diagonal().abs().max() == 0


@pytest.mark.parametrize("gap", [5.0, 13.0, 14.0, 40.0])
def test_pixels_far_from_all_others_leave_numbers_finite(gap):
    # At 14 sigma exp underflows so far that one over the product of both row sums would be infinite.
    features = torch.tensor([[0.0, gap]])
    kernel = deeplab.pairwise_kernel(features)
    assert kernel[0, 1].item() == pytest.approx(1.0 if gap < 15 else 0.0, abs=1e-6)
    assert kernel.diagonal().tolist() == [0, 0]
    q = deeplab.dense_crf(torch.tensor([[0.0, 1.0], [1.0, 0.0]]), features, 1.0, 3)
    torch.testing.assert_close(q.sum(0), torch.ones(2))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_the_field_takes_half_precision(dtype, generator):
    unary = torch.rand(3, 6, generator=generator).to(dtype)
    features = torch.randn(2, 6, generator=generator).to(dtype)
    exact = deeplab.dense_crf(unary.double(), features.double(), 2.0, 3)
    found = deeplab.dense_crf(unary, features, 2.0, 3)
    assert found.dtype == dtype
    torch.testing.assert_close(found.double(), exact, rtol=1e-2, atol=1e-2)


def test_one_pixel_has_nobody_to_ask(generator):
    unary = torch.randn(3, 1, generator=generator)
    q = deeplab.dense_crf(unary, [torch.randn(2, 1, generator=generator)], [3.0], 4)
    torch.testing.assert_close(q, (-unary).softmax(0))


def test_features_of_a_double_image_are_double_to_the_last_digit():
    place = deeplab.bilateral_features(torch.zeros(1, 2, 8, dtype=torch.float64), 3.0, 0.1)[1, :8]
    assert place.tolist() == [x / 3.0 for x in range(8)]


def test_features_are_in_units_of_their_sigma():
    image = torch.rand(3, 4, 5)
    f = deeplab.bilateral_features(image, (2.0, 4.0), (0.1, 0.2, 0.5))
    assert f.shape == (5, 20)
    y, x = 3, 2
    wanted = torch.tensor(
        [y / 2.0, x / 4.0, image[0, y, x] / 0.1, image[1, y, x] / 0.2, image[2, y, x] / 0.5]
    )
    torch.testing.assert_close(f[:, y * 5 + x], wanted)
    assert deeplab.gaussian_features((4, 5), 3.0)[:, y * 5 + x].tolist() == pytest.approx([1.0, 2 / 3])


def test_an_outline_snaps_to_the_colours():
    # Left half dark, right half bright; the network's outline is two columns off and not sure there.
    image = torch.zeros(1, 8, 12)
    image[..., 6:] = 1.0
    p = torch.full((2, 8, 12), 0.1)
    p[0, :, :6], p[1, :, 6:] = 0.9, 0.9
    p[:, :, 6:8] = torch.tensor([0.55, 0.45])[:, None, None]
    q = deeplab.dense_crf(
        -p.log().flatten(1), [deeplab.bilateral_features(image, 6.0, 0.1)], [4.0], 5
    ).reshape(2, 8, 12)
    assert (q.argmax(0) == (image[0] > 0.5)).all()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: deeplab.dense_crf(torch.rand(3, 4, 4), [torch.rand(2, 16)], [1.0], 1), r"\(labels, pixels\)"),
        (lambda: deeplab.dense_crf(torch.rand(3, 16), [torch.rand(2, 16)], [1.0, 2.0], 1), "a kernel: 1; got 2"),
        (lambda: deeplab.dense_crf(torch.rand(3, 16), [torch.rand(2, 15)], [1.0], 1), "16 columns"),
        (lambda: deeplab.dense_crf(torch.rand(3, 16), torch.rand(2, 16), 1.0, -1), "iterations must be at least 0"),
        (lambda: deeplab.pairwise_kernel(torch.rand(2, 4), "rows"), "normalization must be"),
        (lambda: deeplab.gaussian_features((4, 4), 0.0), "sigma must be positive"),
        (lambda: deeplab.bilateral_features(torch.rand(3, 4, 4), 1.0, (0.1, 0.2)), "or 3 of them"),
        (lambda: deeplab.bilateral_features(torch.rand(4, 4), 1.0, 0.1), r"floats \(C, H, W\)"),
        (lambda: deeplab.adaptive_average_pool(torch.rand(4, 4), 0), "bins must be at least 1"),
        (lambda: deeplab.adaptive_average_pool(torch.ones(4, 4).long(), 2), "x must be floating; got torch.int64"),
        (lambda: deeplab.mean_field_step(torch.rand(2, 3), torch.rand(1, 3), torch.rand(3, 3)), r"\(1, 3\)"),
        (lambda: deeplab.mean_field_step(torch.rand(2, 3), torch.rand(2, 3), torch.rand(4, 4)), r"\(4, 4\)"),
        (lambda: deeplab.hypercolumns(torch.rand(1, 2, 3, 3), 4), "a list of maps; got one tensor"),
        (lambda: deeplab.hypercolumns([torch.rand(1, 2, 3, 3), torch.rand(2, 2, 3, 3)], 4), "same images"),
        (lambda: deeplab.PyramidPooling(3), "in_channels must be at least 4; got 3"),
        (lambda: deeplab.ASPP(4, 4, (6, 0)), "rates must be at least 1; got 0"),
        (lambda: deeplab.ASPP(4, 4, 6), "rates must be a sequence of ints; got 6"),
        (lambda: deeplab.PyramidPooling(4, ()), r"bins must be a sequence of ints; got \(\)"),
    ],
)  # fmt: skip
def test_bad_arguments_are_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()
