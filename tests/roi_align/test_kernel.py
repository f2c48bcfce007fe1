"""The references against RoI Align and RoI Pool number by number, as torchvision's compiled operators do it.

The slow operators here are written for the tests alone, from what the C++ does (conversion to `int` cuts off, `round`
takes halves away from zero, all arithmetic in the features' precision). They share no line with the reference. Where
torchvision itself is installed, both are compared with it, too.
"""

import math
from itertools import product

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from dlcv.roi_align import roi_align, roi_align_naive, roi_pool, roi_pool_naive


def c_round(value):
    """Round as C: halves away from zero."""
    below = math.floor(value)
    rest = value - below  # exact
    if rest != 0.5:
        return below + (rest > 0.5)
    return below + 1 if value > 0 else below


def read(plane, y, x):
    height, width = plane.shape
    T = plane.dtype.type
    if y < -1.0 or y > height or x < -1.0 or x > width:
        return T(0)
    y, x = (T(0) if value <= 0 else value for value in (y, x))
    y_low, x_low = int(y), int(x)
    if y_low >= height - 1:
        y_low = y_high = height - 1
        y = T(y_low)
    else:
        y_high = y_low + 1
    if x_low >= width - 1:
        x_low = x_high = width - 1
        x = T(x_low)
    else:
        x_high = x_low + 1
    ly, lx = y - T(y_low), x - T(x_low)
    hy, hx = T(1) - ly, T(1) - lx
    return (
        hy * hx * plane[y_low, x_low]
        + hy * lx * plane[y_low, x_high]
        + ly * hx * plane[y_high, x_low]
        + ly * lx * plane[y_high, x_high]
    )


def slow_align(features, rois, pooled, scale, sampling_ratio, aligned):
    T = features.dtype.type
    channels, out = features.shape[1], np.zeros((len(rois), features.shape[1], *pooled), features.dtype)
    for n, roi in enumerate(rois):
        offset = T(0.5) if aligned else T(0)
        start_w, start_h, end_w, end_h = (T(v) * T(scale) - offset for v in roi[1:])
        width, height = end_w - start_w, end_h - start_h
        if not aligned:
            width, height = max(width, T(1)), max(height, T(1))
        bin_h, bin_w = height / T(pooled[0]), width / T(pooled[1])
        grid_h = sampling_ratio if sampling_ratio > 0 else math.ceil(bin_h)
        grid_w = sampling_ratio if sampling_ratio > 0 else math.ceil(bin_w)
        count = max(grid_h * grid_w, 1)
        for c in range(channels):
            plane = features[int(roi[0]), c]
            for ph in range(pooled[0]):
                for pw in range(pooled[1]):
                    total = T(0)
                    for iy in range(grid_h):
                        y = start_h + T(ph) * bin_h + T(iy + 0.5) * bin_h / T(grid_h)
                        for ix in range(grid_w):
                            x = start_w + T(pw) * bin_w + T(ix + 0.5) * bin_w / T(grid_w)
                            total += read(plane, y, x)
                    out[n, c, ph, pw] = total / T(count)
    return out


def slow_pool(features, rois, pooled, scale):
    T = features.dtype.type
    _, channels, height, width = features.shape
    out = np.zeros((len(rois), channels, *pooled), features.dtype)
    for n, roi in enumerate(rois):
        start_w, start_h, end_w, end_h = (c_round(T(v) * T(scale)) for v in roi[1:])
        bin_h = T(max(end_h - start_h + 1, 1)) / T(pooled[0])
        bin_w = T(max(end_w - start_w + 1, 1)) / T(pooled[1])
        for ph in range(pooled[0]):
            for pw in range(pooled[1]):
                h0 = min(max(math.floor(T(ph) * bin_h) + start_h, 0), height)
                h1 = min(max(math.ceil(T(ph + 1) * bin_h) + start_h, 0), height)
                w0 = min(max(math.floor(T(pw) * bin_w) + start_w, 0), width)
                w1 = min(max(math.ceil(T(pw + 1) * bin_w) + start_w, 0), width)
                for c in range(channels):
                    best = None
                    for h in range(h0, h1):
                        for w in range(w0, w1):
                            value = features[int(roi[0]), c, h, w]
                            best = value if best is None or value > best else best
                    out[n, c, ph, pw] = T(0) if best is None else best
    return out


# ------------------------------------------------------------------------------------------ the cases

SCALE = 1 / 4
BOXES = {  # in image pixels; the map is 6 cells high and 8 wide, 24 x 32 pixels
    "inside": [4, 4, 20, 16],
    "inside, at fractions": [5.3, 2.9, 27.1, 18.6],
    "the whole map": [0, 0, 32, 24],
    "half outside at the top left": [-9.5, -7.25, 11, 9],
    "half outside at the bottom right": [20, 13, 45, 33],
    "larger than the map": [-20, -16, 60, 50],
    "outside at the left": [-60, 3, -21, 15],
    "outside at the bottom": [3, 50, 15, 80],
    "within one cell beyond the border": [-4, -4, 0, 0],
    "samples at exactly -1 and at exactly the far end": [-6, -6, 34, 26],
    "smaller than a cell": [9, 9, 10, 10.5],
    "empty": [8, 8, 8, 8],
    "empty in one direction": [8, 4, 8, 20],
    "corners changed places": [20, 16, 4, 4],
    "one direction changed places": [20, 4, 4, 16],
    "corners on halves of a cell": [2, 6, 14, 18],
    "negative halves": [-2, -6, 10, 14],
    "long and thin": [1, 10, 31, 11],
}


def problem(dtype=torch.float64, seed=0):
    features = normal_map(2, 3, 6, 8, seed=seed)
    rois = torch.tensor([[k % 2, *box] for k, box in enumerate(BOXES.values())], dtype=torch.float64)
    return features.to(dtype), rois.to(dtype)


def normal_map(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def random_rois(count, seed=0):
    generator = torch.Generator().manual_seed(seed)
    corners = torch.rand(count, 4, generator=generator, dtype=torch.float64) * 60 - 14
    batch = torch.randint(0, 2, (count, 1), generator=generator)
    return torch.cat(
        [batch, corners[:, :2].minimum(corners[:, 2:]), corners[:, :2].maximum(corners[:, 2:])], 1
    )


ALIGN_OPTIONS = list(product([(2, 2), (3, 2), (1, 4)], [-1, 0, 1, 2, 3], [False, True]))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("pooled", "ratio", "aligned"), ALIGN_OPTIONS)
def test_align_equals_the_kernel(pooled, ratio, aligned, dtype):
    features, rois = problem(dtype)
    expected = torch.from_numpy(slow_align(features.numpy(), rois.numpy(), pooled, SCALE, ratio, aligned))
    for align in (roi_align, roi_align_naive):
        found = align(features, rois, pooled, SCALE, ratio, aligned)
        for name, yours, wanted in zip(BOXES, found, expected, strict=True):
            assert_close(yours, wanted, msg=lambda text, name=name: f"{name}: {text}")


@pytest.mark.parametrize("aligned", [False, True])
@pytest.mark.parametrize("ratio", [-1, 2])
def test_align_equals_the_kernel_on_random_boxes(ratio, aligned):
    features, rois = problem()[0], random_rois(60)
    expected = slow_align(features.numpy(), rois.numpy(), (3, 2), SCALE, ratio, aligned)
    assert_close(roi_align(features, rois, (3, 2), SCALE, ratio, aligned), torch.from_numpy(expected))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("pooled", [(1, 1), (2, 2), (3, 2), (7, 7)])
def test_pool_equals_the_kernel(pooled, dtype):
    features, rois = problem(dtype)
    expected = torch.from_numpy(slow_pool(features.numpy(), rois.numpy(), pooled, SCALE))
    for pool in (roi_pool, roi_pool_naive):
        found = pool(features, rois, pooled, SCALE)
        for name, yours, wanted in zip(BOXES, found, expected, strict=True):
            assert torch.equal(yours, wanted), name


def test_pool_equals_the_kernel_on_random_boxes():
    features, rois = problem()[0], random_rois(60)
    expected = slow_pool(features.numpy(), rois.numpy(), (3, 2), SCALE)
    assert torch.equal(roi_pool(features, rois, (3, 2), SCALE), torch.from_numpy(expected))


@pytest.mark.parametrize("size", [(1, 1), (1, 8), (6, 1)])
def test_maps_of_a_single_row_or_column(size):
    features, rois = normal_map(2, 3, *size), random_rois(40)
    for ratio, aligned in product([-1, 2], [False, True]):
        expected = slow_align(features.numpy(), rois.numpy(), (3, 2), SCALE, ratio, aligned)
        found = roi_align(features, rois, (3, 2), SCALE, ratio, aligned)
        assert_close(found, torch.from_numpy(expected))
    expected = slow_pool(features.numpy(), rois.numpy(), (3, 2), SCALE)
    assert torch.equal(roi_pool(features, rois, (3, 2), SCALE), torch.from_numpy(expected))


@pytest.mark.parametrize(
    "view",
    [lambda x: x.transpose(2, 3), lambda x: x[:, :1].expand(-1, 3, -1, -1), lambda x: x[:, :, ::2, 1::2]],
    ids=["transposed", "expanded", "every second cell"],
)
def test_views_are_read_as_their_copies(view):
    features, rois = view(problem()[0]), random_rois(20)
    for operator in (roi_align, roi_pool):
        assert torch.equal(
            operator(features, rois, 2, SCALE), operator(features.contiguous(), rois, 2, SCALE)
        )


def test_no_channel():
    for operator in (roi_align, roi_pool):
        assert operator(torch.zeros(2, 0, 4, 4), random_rois(5).float(), (3, 2)).shape == (5, 0, 3, 2)


# ------------------------------------------------------------------------------- torchvision, if there


@pytest.fixture
def torchvision_ops():
    try:
        from torchvision import ops
    except Exception as error:  # a wheel for another torch raises what it likes
        pytest.skip(f"torchvision cannot be imported: {type(error).__name__}")
    return ops


@pytest.mark.parametrize(("pooled", "ratio", "aligned"), ALIGN_OPTIONS)
def test_align_equals_torchvision(torchvision_ops, pooled, ratio, aligned):
    features, rois = problem()
    if aligned and ratio <= 0:  # torchvision fails where one direction alone has a negative number of points
        rois = rois[[name != "one direction changed places" for name in BOXES]]
    rois = torch.cat([rois, random_rois(40)])
    leaves = [features.clone().requires_grad_() for _ in range(2)]
    expected = torchvision_ops.roi_align(leaves[0], rois, pooled, SCALE, ratio, aligned)
    found = roi_align(leaves[1], rois, pooled, SCALE, ratio, aligned)
    assert_close(found, expected)
    expected.cos().sum().backward()
    found.cos().sum().backward()
    assert_close(leaves[1].grad, leaves[0].grad)


@pytest.mark.parametrize("pooled", [(1, 1), (2, 2), (3, 2), (7, 7)])
def test_pool_equals_torchvision(torchvision_ops, pooled):
    features, rois = problem()
    rois = torch.cat([rois, random_rois(40)])
    leaves = [features.clone().requires_grad_() for _ in range(2)]
    expected = torchvision_ops.roi_pool(leaves[0], rois, pooled, SCALE)
    found = roi_pool(leaves[1], rois, pooled, SCALE)
    assert_close(found, expected)
    expected.cos().sum().backward()
    found.cos().sum().backward()
    assert_close(leaves[1].grad, leaves[0].grad)
