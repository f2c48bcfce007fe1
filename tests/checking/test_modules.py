"""Module exercises: built, loaded with the reference's weights, compared in output, parameters and gradient flow."""

import pytest
import torch
from torch import nn

from dlcv.checking.modules import order_of_use, state
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
