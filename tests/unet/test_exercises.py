"""Every slip dies with its own name, every right answer passes."""

import itertools

import numpy as np
import pytest
import torch
from torch import nn

from dlcv import unet
from dlcv.checking.judge import Judge
from dlcv.checking.testing import (
    SEEDS,
    assert_right,
    assert_slips_die,
    assert_trivial_answers_earn_nothing,
    in_a_cell,
    verdict_of,
)
from dlcv.unet import exercises as chapter
from dlcv.unet import reference
from dlcv.unet.exercises import exercises

NAMES = list(exercises)


# ---------------------------------------------------------------------------------------- right answers


class DoubleConvInOneRow(nn.Sequential):
    def __init__(self, in_channels, out_channels, padding=1):
        layers = []
        for before in (in_channels, out_channels):
            layers += [
                nn.Conv2d(before, out_channels, (3, 3), padding=(padding, padding)),
                nn.ReLU(inplace=True),
            ]
        nn.Sequential.__init__(self, *layers)


class UpStepMixedFirst(nn.Module):
    def __init__(self, channels, padding=1):
        nn.Module.__init__(self)
        self.conv1 = nn.Conv2d(2 * channels, channels, 3, padding=padding)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=padding)
        self.doubled = nn.ConvTranspose2d(2 * channels, channels, kernel_size=2, stride=2)

    def forward(self, x, skip):
        x = self.doubled(x)
        top, left = (skip.shape[2] - x.shape[2]) // 2, (skip.shape[3] - x.shape[3]) // 2
        skip = skip[:, :, top : top + x.shape[2], left : left + x.shape[3]]
        return self.conv2(self.conv1(torch.cat((skip, x), dim=1)).relu()).relu()


class UNetByRecursion(nn.Module):
    def __init__(self, in_channels, num_classes, base_channels=64, depth=4, padding=1):
        nn.Module.__init__(self)
        self.score = nn.Conv2d(base_channels, num_classes, 1)
        self.levels = nn.ModuleList()
        channels = [in_channels] + [base_channels * 2**i for i in range(depth + 1)]
        for before, after in itertools.pairwise(channels):
            self.levels.append(unet.DoubleConv(before, after, padding))
        self.steps = nn.ModuleList(unet.UpStep(c, padding) for c in channels[1:-1])

    def forward(self, images):
        def level(x, n):
            x = self.levels[n](x)
            if n == len(self.steps):
                return x
            return self.steps[n](level(nn.functional.max_pool2d(x, 2), n + 1), x)

        return self.score(level(images, 0))


def count_by_building(in_channels, num_classes, base_channels=64, depth=4):
    with torch.device("meta"):
        network = nn.ModuleList([nn.Conv2d(base_channels, num_classes, 1)])
        before = in_channels
        for n in range(depth + 1):
            c = base_channels * 2**n
            network += [nn.Conv2d(before, c, 3), nn.Conv2d(c, c, 3)]
            if n < depth:
                network += [nn.ConvTranspose2d(2 * c, c, 2), nn.Conv2d(2 * c, c, 3), nn.Conv2d(c, c, 3)]
            before = c
    return sum(parameter.numel() for parameter in network.parameters())


def weights_by_scipy(instances, w0=10.0, sigma=5.0):
    from scipy import ndimage

    cells = [instances.numpy() == label for label in instances.unique().tolist() if label]
    weights = torch.ones(instances.shape)
    if len(cells) > 1:
        d = torch.stack([torch.from_numpy(ndimage.distance_transform_edt(~cell)) for cell in cells])
        first, second = d.topk(2, dim=0, largest=False).values
        weights[instances == 0] += (w0 * (-((first + second) ** 2) / (2 * sigma**2)).exp())[
            instances == 0
        ].float()
    return weights


def warp_in_loops(image, labels, flow):
    moved, there = torch.zeros_like(image), torch.zeros_like(labels)
    h, w = labels.shape
    for i in range(h):
        for j in range(w):
            y = min(max(i + float(flow[0, i, j]), 0.0), h - 1.0)
            x = min(max(j + float(flow[1, i, j]), 0.0), w - 1.0)
            there[i, j] = labels[int(y + 0.5), int(x + 0.5)]
            for a in range(h):
                for b in range(w):
                    moved[:, i, j] += max(0.0, 1 - abs(a - y)) * max(0.0, 1 - abs(b - x)) * image[:, a, b]
    return moved, there


class DoubleConvDefinedBackwards(nn.Module):
    def __init__(self, in_channels, out_channels, padding=1):
        super().__init__()
        self.second = nn.Conv2d(out_channels, out_channels, 3, padding=padding)
        self.first = nn.Conv2d(in_channels, out_channels, 3, padding=padding)

    def forward(self, x):
        return self.second(self.first(x).relu()).relu()


def warp_in_numpy(image, labels, flow):
    image, labels, flow = image.numpy(), labels.numpy(), flow.numpy()
    height, width = labels.shape
    rows, columns = np.mgrid[:height, :width]
    y, x = np.clip(rows + flow[0], 0, height - 1), np.clip(columns + flow[1], 0, width - 1)
    (top, left), (bottom, right) = (np.array(f([y, x]), int) for f in (np.floor, np.ceil))
    dy, dx = y - top, x - left
    upper = image[:, top, left] * (1 - dx) + image[:, top, right] * dx
    lower = image[:, bottom, left] * (1 - dx) + image[:, bottom, right] * dx
    nearest = labels[np.where(dy < 0.5, top, bottom), np.where(dx < 0.5, left, right)]
    return upper * (1 - dy) + lower * dy, nearest


RIGHT = [
    ("DoubleConv", DoubleConvDefinedBackwards),
    ("warp", warp_in_numpy),
    ("DoubleConv", chapter.RightDoubleConv),
    ("DoubleConv", DoubleConvInOneRow),
    ("UpStep", chapter.RightUpStep),
    ("UpStep", UpStepMixedFirst),
    ("UNet", chapter.RightUNet),
    ("UNet", UNetByRecursion),
    ("unet_parameters", chapter.right_count),
    ("unet_parameters", count_by_building),
    ("SegNet", chapter.RightSegNet),
    ("border_weight_map", chapter.right_weights),
    ("border_weight_map", weights_by_scipy),
    ("warp", chapter.right_warp),
    ("warp", warp_in_loops),
]


@pytest.mark.parametrize(("name", "answer"), RIGHT, ids=[f"{n}-{a.__name__}" for n, a in RIGHT])
def test_right_variants_earn_all_points(name, answer):
    assert_right(exercises[name], in_a_cell(answer))


# ---------------------------------------------------------------------------------------- wrong ones


@pytest.mark.parametrize("name", NAMES)
def test_every_slip_dies_and_is_named(name):
    assert_slips_die(exercises[name])


@pytest.mark.parametrize("name", NAMES)
def test_trivial_answers_earn_nothing(name):
    assert_trivial_answers_earn_nothing(exercises[name])


def test_sizes_of_the_chapter():
    assert len(exercises) == 7
    assert exercises.points == 21  # and two for the essay


def test_the_reference_may_not_be_handed_in():
    def answer(in_channels, num_classes, base_channels=64, depth=4, padding=1):
        return reference.UNet(in_channels, num_classes, base_channels, depth, padding)

    assert verdict_of(exercises["UNet"], answer).kind == "forbidden call"


def test_grid_sample_is_a_ready_made_interpolation():
    def answer(image, labels, flow):
        grid = flow.movedim(0, -1)[None]
        return torch.nn.functional.grid_sample(image[None], grid)[0], labels

    assert verdict_of(exercises["warp"], answer).kind == "forbidden call"


@pytest.mark.parametrize("name", ["DoubleConv", "UpStep", "UNet", "SegNet"])
@pytest.mark.parametrize("seed", SEEDS)
def test_no_case_is_dead(name, seed):
    """Behind ReLUs that are all shut, every program gives the same."""
    for expected in Judge(exercises[name], seed).expected:
        output = expected["output"]
        assert output.unique().numel() >= 2
