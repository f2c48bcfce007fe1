"""Module exercises: built, loaded with the reference's weights, compared in output, parameters and gradient flow."""

import pytest
import torch
from torch import nn

from dlcv.backbones import SmallCNN
from dlcv.checking import Exercises, ModuleCase, made
from dlcv.checking.modules import build, order_of_use, state
from dlcv.checking.testing import assert_right, verdict_of


class OtherNames(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(channels, channels, 3), nn.BatchNorm2d(channels), nn.ReLU())

    def forward(self, x):
        return self.layers(x)


class OtherOrder(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.norm = nn.BatchNorm2d(channels)
        self.conv = nn.Conv2d(channels, channels, 3)

    def forward(self, x):
        return torch.relu(self.norm(self.conv(x)))


class NoBias(OtherNames):
    def __init__(self, channels):
        super().__init__(channels)
        self.layers[0] = nn.Conv2d(channels, channels, 3, bias=False)


class LinearInPlaceOfConvolution(OtherNames):
    def __init__(self, channels):
        super().__init__(channels)
        self.layers[0] = nn.Linear(9 * channels, channels)


class Detached(OtherOrder):
    def forward(self, x):
        return torch.relu(self.norm(self.conv(x).detach()))


class NoRelu(OtherOrder):
    def forward(self, x):
        return self.norm(self.conv(x))


class Crashes(OtherNames):
    def forward(self, x):
        return self.missing(x)


@pytest.mark.parametrize("variant", [OtherNames, OtherOrder])
def test_right_variants_pass(toy, variant):
    assert_right(toy["Block"], toy["Block"].reference)
    assert_right(toy["Block"], variant)


@pytest.mark.parametrize(
    ("variant", "kind", "says"),
    [
        (NoBias, "wrong shape", "87 parameters, expected 90"),
        (LinearInPlaceOfConvolution, "wrong shape", "90 parameters as expected, in other shapes"),
        (Detached, "wrong values", "no gradient flows back to the inputs"),
        (NoRelu, "wrong values", "largest error"),
        (Crashes, "crashed", "AttributeError"),
        (lambda channels: "a string", "wrong shape", "expected an nn.Module"),
    ],
)
def test_wrong_variants_fail(toy, variant, kind, says):
    verdict = verdict_of(toy["Block"], variant)
    assert verdict.kind == kind
    assert says in verdict.text()
    assert verdict.points == 0


def test_order_of_use_is_the_forward_order():
    built = OtherOrder(2)
    shapes = [
        tuple(state(built)[i].shape) for i in order_of_use(built, lambda: built(torch.ones(1, 2, 3, 3)))
    ]
    assert shapes[0] == (2, 2, 3, 3)


def test_biases_are_not_left_at_zero(toy):
    """Else a module that forgets to add its bias would agree."""

    class ForgetsShift(OtherOrder):
        def forward(self, x):
            return torch.relu(self.norm(self.conv(x)) - self.norm.bias[:, None, None])

    assert not verdict_of(toy["Block"], ForgetsShift).right


# Modules that stand on one of ours, and take or return several maps


class TwoHeads(nn.Module):
    def __init__(self, backbone, classes=2):
        super().__init__()
        self.backbone = backbone
        self.heads = nn.ModuleList(nn.Conv2d(n, classes, 1) for n in backbone.channels[:2])

    def forward(self, images, offsets):
        return [head(f) + o for head, f, o in zip(self.heads, self.backbone(images), offsets, strict=False)]


class HeadsFirst(TwoHeads):
    def __init__(self, backbone, classes=2):
        nn.Module.__init__(self)
        self.heads = nn.ModuleList(nn.Conv2d(n, classes, 1) for n in backbone.channels[:2])
        self.backbone = backbone


class Frozen(TwoHeads):
    def forward(self, images, offsets):
        with torch.no_grad():
            features = self.backbone(images)
        return [head(f) + o for head, f, o in zip(self.heads, features, offsets, strict=False)]


class ForgetsTheSecond(TwoHeads):
    def forward(self, images, offsets):
        return [super().forward(images, offsets)[0], offsets[1]]


@pytest.fixture(scope="module")
def two_heads():
    exercise = Exercises("toy").module("TwoHeads", TwoHeads)

    @exercise.cases
    def _(draw):
        offsets = [draw.normal((1, 2, 4, 4)), draw.normal((1, 2, 2, 2))]
        yield ModuleCase(
            made(SmallCNN, channels=(2, 3, 4, 4, 4)), inputs=[draw.uniform((1, 3, 8, 8)), offsets], classes=2
        )

    return exercise


@pytest.mark.parametrize("variant", [TwoHeads, HeadsFirst])
def test_a_module_that_stands_on_a_backbone_passes(two_heads, variant):
    assert_right(two_heads, variant)


@pytest.mark.parametrize("variant", [Frozen, ForgetsTheSecond])
def test_gradients_of_all_maps_are_compared(two_heads, variant):
    assert verdict_of(two_heads, variant).points == 0


def test_a_made_argument_is_named_as_one_writes_it(two_heads):
    verdict = verdict_of(two_heads, lambda backbone, classes: nn.Identity())
    assert "backbone=SmallCNN(channels=(2, 3, 4, 4, 4))" in verdict.text()


def test_objects_are_made_at_any_depth():
    there = build([1, {"net": made(SmallCNN, output_stride=16)}])
    assert there[0] == 1 and there[1]["net"].strides == (2, 4, 8, 16, 16)


def test_only_objects_of_ours_are_made():
    with pytest.raises(LookupError, match="dlcv"):
        build({"made by": "os:getcwd", "args": [], "kwargs": {}})
