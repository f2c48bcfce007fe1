"""Fully convolutional networks: equations first, then torch as the oracle."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from dlcv import fcn
from dlcv.backbones import SmallCNN


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(6)


def small_backbone():
    torch.manual_seed(0)
    return SmallCNN((4, 6, 8, 6, 10)).eval()


# ------------------------------------------------------------------------------- classifiers as filters


@pytest.mark.parametrize("size", [(1, 1), (3, 5)])
@pytest.mark.parametrize("bias", [True, False])
def test_pointwise_linear_is_a_1x1_convolution(generator, size, bias):
    x = torch.randn(2, 4, *size, generator=generator)
    weight = torch.randn(3, 4, generator=generator)
    b = torch.randn(3, generator=generator) if bias else None
    torch.testing.assert_close(fcn.pointwise_linear(x, weight, b), F.conv2d(x, weight[:, :, None, None], b))


def test_pointwise_linear_names_what_does_not_fit():
    with pytest.raises(ValueError, match=r"same C; got \(1, 3, 2, 2\) and \(2, 4\)"):
        fcn.pointwise_linear(torch.zeros(1, 3, 2, 2), torch.zeros(2, 4))


@pytest.mark.parametrize("size", [1, 3, (2, 4)])
def test_linear_to_conv_equals_the_layer_at_every_place(generator, size):
    height, width = (size, size) if isinstance(size, int) else size
    linear = nn.Linear(3 * height * width, 5)
    conv = fcn.linear_to_conv(linear, 3, size)
    x = torch.randn(2, 3, height + 3, width + 2, generator=generator)
    y = conv(x)
    assert y.shape == (2, 5, 4, 3)
    for i in range(4):
        for j in range(3):
            part = x[:, :, i : i + height, j : j + width]
            torch.testing.assert_close(y[:, :, i, j], linear(part.flatten(1)), rtol=1e-4, atol=1e-5)


def test_linear_to_conv_copies(generator):
    linear = nn.Linear(8, 2, bias=False).double()
    conv = fcn.linear_to_conv(linear, 2, 2)
    assert conv.bias is None and conv.weight.dtype == torch.float64
    with torch.no_grad():
        conv.weight.zero_()
    assert linear.weight.abs().sum() > 0


def test_linear_to_conv_counts():
    with pytest.raises(ValueError, match="a map of 2 x 3 x 3 has 18 numbers; linear takes 20"):
        fcn.linear_to_conv(nn.Linear(20, 2), 2, 3)


def classifier():
    torch.manual_seed(1)
    features = nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2))
    head = nn.Sequential(nn.Flatten(), nn.Linear(4 * 3 * 4, 6), nn.ReLU(), nn.Dropout(), nn.Linear(6, 3))
    return nn.Sequential(features, head).eval()


def test_a_convolutionalized_classifier_equals_the_sliding_window(generator):
    net = classifier()
    dense = fcn.convolutionalize(net, (2, 8, 10)).eval()
    image = torch.randn(2, 19, 23, generator=generator)
    with torch.no_grad():
        slow, fast = fcn.sliding_window(net, image, (8, 10), 2), dense(image[None])[0]
    assert slow.shape == (3, 6, 7)
    torch.testing.assert_close(fast, slow, rtol=1e-4, atol=1e-5)
    assert dense(image[None, :, :8, :10]).shape == (1, 3, 1, 1)


def test_convolutionalize_leaves_the_classifier_as_it_was():
    net = classifier().train()
    before = {key: value.clone() for key, value in net.state_dict().items()}
    fcn.convolutionalize(net, (2, 8, 10))
    assert all(module.training for module in net.modules())
    for key, value in net.state_dict().items():
        assert torch.equal(value, before[key]), key


def test_convolutionalize_wants_a_flattened_map():
    with pytest.raises(ValueError, match=r"no nn\.Flatten before it"):
        fcn.convolutionalize(nn.Sequential(nn.Conv2d(1, 2, 3), nn.Linear(4, 2)), (1, 6, 6))


def test_sliding_window_stops_where_no_window_fits(generator):
    image = torch.randn(1, 7, 9, generator=generator)

    def mean(windows):
        return windows.mean((1, 2, 3))[:, None]

    torch.testing.assert_close(
        fcn.sliding_window(mean, image, (3, 4), (2, 3)), F.avg_pool2d(image, (3, 4), (2, 3))
    )
    with pytest.raises(ValueError, match="at least 8 x 4; got"):
        fcn.sliding_window(mean, image, (8, 4), 1)


def test_multiply_adds_are_counted():
    layers = [(3, 4, 3, 2), (4, 6, 3, 1), (6, 5, 1, 1)]
    size, total = 17, 0
    for c, k, side, stride in layers:
        out = F.conv2d(torch.zeros(1, c, size, size), torch.zeros(k, c, side, side), stride=stride)
        total += out.numel() * c * side * side
        size = out.shape[-1]
    assert fcn.multiply_adds(layers, 17) == total
    with pytest.raises(ValueError, match="smaller than a filter of 3"):
        fcn.multiply_adds(layers, 2)


# ------------------------------------------------------------------------------- back to the image's size


@pytest.mark.parametrize(("size", "wanted"), [((5, 6), (5, 6)), ((6, 7), (3, 4)), ((4, 9), (1, 8))])
def test_crop_like_cuts_the_middle_out(size, wanted):
    x = torch.arange(size[0] * size[1]).reshape(1, 1, *size)
    cropped = fcn.crop_like(x, torch.zeros(2, 3, *wanted))
    top, left = (size[0] - wanted[0]) // 2, (size[1] - wanted[1]) // 2
    assert torch.equal(cropped, x[..., top : top + wanted[0], left : left + wanted[1]])


def test_crop_like_cannot_enlarge():
    with pytest.raises(ValueError, match="at least as large as the reference, 5 x 3; got 4 x 4"):
        fcn.crop_like(torch.zeros(4, 4), torch.zeros(5, 3))


@pytest.mark.parametrize("factor", [1, 2, 3, 4, 5, 8])
def test_bilinear_upsampling_is_interpolation_inside(generator, factor):
    x = torch.randn(2, 3, 5, 6, generator=generator)
    y = fcn.bilinear_upsampling(3, factor)(x)
    wanted = F.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=False)
    assert y.shape == wanted.shape
    inside = (..., slice(factor, -factor), slice(factor, -factor))
    torch.testing.assert_close(y[inside], wanted[inside], rtol=1e-4, atol=1e-5)


def test_fuse_is_crop_of_the_doubled_plus_scores(generator):
    deep, skip = torch.randn(2, 3, 2, 3, generator=generator), torch.randn(2, 4, 3, 6, generator=generator)
    weight, bias = torch.randn(3, 4, generator=generator), torch.randn(3, generator=generator)
    inner = fcn.fuse(deep, skip, weight, bias) - F.conv2d(skip, weight[:, :, None, None], bias)
    wanted = F.interpolate(deep, scale_factor=2, mode="bilinear")[:, :, :3, :]
    torch.testing.assert_close(inner[:, :, 1:, 1:-1], wanted[:, :, 1:, 1:-1], rtol=1e-4, atol=1e-5)


# ------------------------------------------------------------------------------- the network


@pytest.mark.parametrize("variant", ["32s", "16s", "8s"])
@pytest.mark.parametrize("size", [(64, 64), (33, 47), (65, 96), (1, 1)])
def test_scores_have_the_images_size(variant, size):
    network = fcn.FCN(small_backbone(), 5, variant).eval()
    assert network(torch.rand(2, 3, *size)).shape == (2, 5, *size)


@pytest.mark.parametrize("size", [(64, 64), (65, 97)])
def test_8s_starts_as_32s(size):
    backbone = small_backbone()
    networks = {v: fcn.FCN(backbone, 4, v).eval() for v in ("32s", "16s", "8s")}
    for variant in ("16s", "8s"):
        networks[variant].score.load_state_dict(networks["32s"].score.state_dict())
    images = torch.rand(1, 3, *size)
    for variant in ("16s", "8s"):
        assert torch.equal(networks[variant](images), networks["32s"](images))


@pytest.mark.parametrize(("variant", "scored"), [("32s", {32}), ("16s", {32, 16}), ("8s", {32, 16, 8})])
def test_gradient_reaches_every_map_that_is_scored(variant, scored):
    class Maps(nn.Module):
        channels = (1, 1, 2, 3, 4)

        def forward(self, images):
            return self.maps

    backbone = Maps()
    backbone.maps = [
        torch.randn(1, c, 64 // s, 64 // s, requires_grad=True)
        for c, s in zip(backbone.channels, (2, 4, 8, 16, 32), strict=True)
    ]
    network = fcn.FCN(backbone, 3, variant)
    for skip in network.score_skips.values():
        nn.init.ones_(skip.weight)
    network(torch.zeros(1, 3, 64, 64)).square().sum().backward()
    reached = {64 // f.shape[-1] for f in backbone.maps if f.grad is not None and f.grad.abs().sum() > 0}
    assert reached == scored


def test_only_the_last_step_is_fixed():
    network = fcn.FCN(small_backbone(), 3, "8s")
    frozen = [name for name, parameter in network.named_parameters() if not parameter.requires_grad]
    assert frozen == ["enlarge.weight"]


def test_unknown_variants_are_named():
    with pytest.raises(ValueError, match="variant must be one of 32s, 16s, 8s; got '4s'"):
        fcn.FCN(small_backbone(), 3, "4s")


# ------------------------------------------------------------------------------- the door

DEEP, SKIP, WEIGHT = torch.zeros(1, 2, 2, 2), torch.zeros(1, 3, 4, 3), torch.zeros(2, 3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: fcn.pointwise_linear(SKIP, WEIGHT, torch.zeros(1)),
            r"bias must be \(K,\) with K = 2; got \(1,\)",
        ),
        (lambda: fcn.linear_to_conv(nn.Linear(18, 4), 2.0, 3), "in_channels must be an int; got 2.0"),
        (lambda: fcn.sliding_window(lambda x: x, torch.zeros(1, 3, 3), 2, 1), r"gave \(1, 1, 2, 2\)"),
        (lambda: fcn.multiply_adds([(1, 1, 3, 0)], 5), "stride must be at least 1; got 0"),
        (lambda: fcn.multiply_adds([(1, 1, 3)], 5), r"kernel_size, stride\); got \(1, 1, 3\)"),
        (
            lambda: fcn.crop_like(torch.zeros(3), torch.zeros(2)),
            r"a height and a width; got \(3,\) and \(2,\)",
        ),
        (lambda: fcn.bilinear_upsampling(1, 2.5), "factor must be an int; got 2.5"),
        (lambda: fcn.fuse(DEEP, SKIP, WEIGHT[:1]), r"deep must be \(1, 1, 2, 2\).*got \(1, 2, 2, 2\)"),
        (lambda: fcn.fuse(DEEP, SKIP[..., 1:], WEIGHT), r"deep must be \(1, 2, 2, 1\).*got \(1, 2, 2, 2\)"),
        (lambda: fcn.fuse(DEEP, SKIP.repeat(2, 1, 1, 1), WEIGHT), r"deep must be \(2, 2, 2, 2\)"),
        (lambda: fcn.FCN(nn.Conv2d(3, 3, 3), 2), r"channels of five maps.*Conv2d has \(\)"),
    ],
)
def test_what_does_not_fit_is_said(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_only_a_linear_layer_becomes_filters():
    with pytest.raises(TypeError, match=r"linear must be an nn\.Linear; got Conv2d"):
        fcn.linear_to_conv(nn.Conv2d(1, 1, 1), 1, 1)


def test_a_classifier_in_double_precision(generator):
    classifier = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(18, 4)).double()
    image = torch.randn(1, 1, 5, 5, generator=generator).double()
    scores = fcn.convolutionalize(classifier, (1, 5, 5))(image)
    torch.testing.assert_close(scores.flatten(1), classifier(image))
