"""Chapter 04's references: equations first, then numbers that a person can check, then gradients and the door."""

import pytest
import torch
from torch.testing import assert_close

from dlcv.roi_align import (
    bilinear_sample,
    bilinear_scatter,
    fpn_level,
    position_map,
    roi_align,
    roi_align_naive,
    roi_pool,
    roi_pool_naive,
    round_half_away,
    sample_points,
    shift_errors,
    snapped_boxes,
)


def normal(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def uniform(*shape, low, high, seed=0):
    unit = torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return low + (high - low) * unit


def ramp(height, width, slope_y, slope_x):
    y, x = torch.arange(height, dtype=torch.float64), torch.arange(width, dtype=torch.float64)
    return slope_y * y[:, None] + slope_x * x[None, :] + 1


# ------------------------------------------------------------------------------------------- equations


def test_sampling_is_exact_on_a_ramp():
    y, x = uniform(50, low=0, high=4, seed=1), uniform(50, low=0, high=6, seed=2)
    assert_close(bilinear_sample(ramp(5, 7, 2.0, -3.0), y, x), 2 * y - 3 * x + 1)


def test_sampling_at_whole_coordinates_reads_the_cells():
    features = normal(3, 4, 5)
    y, x = torch.meshgrid(torch.arange(4), torch.arange(5), indexing="ij")
    assert torch.equal(bilinear_sample(features, y, x), features)


def test_sampling_equals_grid_sample_inside():
    features, y, x = normal(2, 3, 5, 6), uniform(4, 9, low=0, high=4), uniform(4, 9, low=0, high=5, seed=1)
    grid = torch.stack([2 * x / 5 - 1, 2 * y / 4 - 1], -1).expand(2, 4, 9, 2)
    expected = torch.nn.functional.grid_sample(features, grid, align_corners=True)
    assert_close(bilinear_sample(features, y, x), expected)


def test_sampling_is_the_sum_of_tents():
    features, y, x = normal(5, 6), uniform(40, low=0, high=4), uniform(40, low=0, high=5, seed=1)
    down = (1 - (y[:, None] - torch.arange(5)).abs()).clamp(min=0)
    across = (1 - (x[:, None] - torch.arange(6)).abs()).clamp(min=0)
    assert_close(bilinear_sample(features, y, x), torch.einsum("pi,ij,pj->p", down, features, across))


def test_reading_and_scattering_are_adjoint():
    features, gradient = normal(5, 6), normal(80, seed=1)
    y, x = uniform(80, low=-2, high=7, seed=2), uniform(80, low=-2, high=8, seed=3)
    left = (bilinear_sample(features, y, x) * gradient).sum()
    assert_close(left, (features * bilinear_scatter(gradient, (5, 6), y, x)).sum())


def test_scattering_is_the_gradient_of_reading():
    features = normal(5, 6).requires_grad_()
    y, x = uniform(80, low=-2, high=7, seed=2), uniform(80, low=-2, high=8, seed=3)
    gradient = normal(80, seed=1)
    (expected,) = torch.autograd.grad(bilinear_sample(features, y, x), features, gradient)
    assert_close(bilinear_scatter(gradient, (5, 6), y, x), expected)


@pytest.mark.parametrize("aligned", [False, True])
@pytest.mark.parametrize("ratio", [-1, 1, 2, 5])
def test_align_gives_the_bin_centres_of_a_ramp(ratio, aligned):
    features = ramp(12, 12, 2.0, -3.0)[None, None]
    x1, y1, x2, y2 = 2.3, 3.1, 8.9, 7.4
    offset = 0.5 if aligned else 0.0
    y = y1 + (y2 - y1) * (torch.arange(3, dtype=torch.float64) + 0.5) / 3 - offset
    x = x1 + (x2 - x1) * (torch.arange(4, dtype=torch.float64) + 0.5) / 4 - offset
    rois = torch.tensor([[0, x1, y1, x2, y2]], dtype=torch.float64)
    found = roi_align(features, rois, (3, 4), 1.0, ratio, aligned)
    assert_close(found[0, 0], 2 * y[:, None] - 3 * x[None, :] + 1)


def test_align_follows_a_map_that_moves_by_whole_cells():
    features, rois = normal(1, 2, 12, 12), torch.tensor([[0, 2.2, 3.3, 6.1, 7.7]], dtype=torch.float64)
    moved = rois + torch.tensor([0, 2, 1, 2, 1])
    assert_close(roi_align(features.roll((1, 2), (2, 3)), moved, 3), roi_align(features, rois, 3))


def test_aligned_is_the_old_form_of_a_box_moved_by_half_a_cell():
    features = normal(1, 2, 12, 12)
    rois = torch.tensor([[0, 9.0, 10, 30, 33]], dtype=torch.float64)
    moved = rois - torch.tensor([0, 2, 2, 2, 2])  # half of a cell of four pixels
    assert_close(roi_align(features, rois, 3, 1 / 4, 2, True), roi_align(features, moved, 3, 1 / 4, 2, False))


def test_flipping_image_and_box_flips_the_aligned_output():
    features = normal(1, 2, 9, 9)
    box = torch.tensor([2.2, 1.3, 6.9, 7.1], dtype=torch.float64)
    flipped = torch.stack([9 - box[2], box[1], 9 - box[0], box[3]])
    rois = [torch.cat([box.new_zeros(1), corners])[None] for corners in (box, flipped)]
    mirrored = roi_align(features.flip(3), rois[1], (2, 3), aligned=True)
    assert_close(mirrored, roi_align(features, rois[0], (2, 3), aligned=True).flip(3))


def test_align_is_linear_and_pool_is_monotone():
    a, b = normal(1, 2, 8, 8), normal(1, 2, 8, 8, seed=1)
    rois = torch.tensor([[0, 0.7, 1.4, 6.2, 5.9], [0, -3, -2, 4, 4]], dtype=torch.float64)
    assert_close(roi_align(2 * a - b, rois, 3), 2 * roi_align(a, rois, 3) - roi_align(b, rois, 3))
    assert (roi_pool(a.maximum(b), rois, 3) >= roi_pool(a, rois, 3)).all()


def test_the_mean_of_the_sample_points_is_the_output():
    features, box = normal(1, 1, 9, 9), torch.tensor([1.2, 2.1, 6.7, 7.9], dtype=torch.float64)
    x, y = sample_points(box, (3, 2), 2).unbind(-1)
    expected = bilinear_sample(features[0, 0], y, x).mean((-2, -1))
    found = roi_align(features, torch.cat([box.new_zeros(1), box])[None], (3, 2), sampling_ratio=2)
    assert_close(found[0, 0], expected)


# -------------------------------------------------------------------------------------- numbers by hand


def test_the_point_of_the_lecture():
    """f(6.5, 5.8), with x first, lies between the cells x = 6, 7 and y = 5, 6."""
    features = torch.zeros(8, 8, dtype=torch.float64)
    features[5, 6], features[5, 7], features[6, 6], features[6, 7] = 1, 10, 100, 1000
    expected = 0.1 * 1 + 0.1 * 10 + 0.4 * 100 + 0.4 * 1000
    assert_close(bilinear_sample(features, 5.8, 6.5), torch.tensor(expected, dtype=torch.float64))


@pytest.mark.parametrize(
    ("y", "value"),
    [(-1.001, 0), (-1, 5), (-0.5, 5), (0, 5), (0.25, 6), (1, 9), (1.5, 9), (2, 9), (2.001, 0)],
)
def test_the_three_zones_of_the_border(y, value):
    column = torch.tensor([[5.0], [9.0]])
    assert bilinear_sample(column, y, 0.0) == value
    assert bilinear_sample(column.T, 0.0, y) == value


def test_a_far_sample_stays_in_the_mean():
    """Samples at x = -3, -1 (kept), 1 and 3 (kept) over ones: three of four count, divided by four."""
    rois = torch.tensor([[0, -4.0, 0.0, 4.0, 1.0]])
    features = torch.ones(1, 1, 4, 4)
    assert roi_align(features, rois, 1, sampling_ratio=4).item() == pytest.approx(3 / 4)


def test_a_box_wholly_outside_is_zero():
    rois = torch.tensor([[0, -9.0, -9.0, -3.0, -3.0], [0, 12.0, 0.0, 16.0, 4.0]])
    features = torch.ones(1, 2, 8, 8)
    assert not roi_align(features, rois, 2).any()
    assert not roi_pool(features, rois, 2).any()


def test_a_small_box_grows_to_one_cell_only_in_the_old_form():
    features = ramp(8, 8, 0.0, 1.0)[None, None] - 1
    rois = torch.tensor([[0, 3.0, 3.0, 3.2, 3.2]], dtype=torch.float64)
    assert roi_align(features, rois, 1, 1.0, 1, False).item() == pytest.approx(3.5)
    assert roi_align(features, rois, 1, 1.0, 1, True).item() == pytest.approx(3.1 - 0.5)


def test_an_aligned_empty_box_reads_its_corner_or_nothing():
    features = torch.ones(1, 1, 8, 8)
    rois = torch.tensor([[0, 3.0, 3.0, 3.0, 3.0]])
    assert roi_align(features, rois, 1, 1.0, 2, True).item() == 1
    assert roi_align(features, rois, 1, 1.0, -1, True).item() == 0


def test_adaptive_ratio_is_the_bin_size_rounded_up_in_each_direction():
    """5 x 2 cells in 2 x 2 bins: 2.5 cells are three points across, one cell is one point down."""
    features = torch.tensor([[0.0, 1, 4, 9, 16, 25, 36, 49]]).expand(1, 1, 4, 8)
    x = 1 + 2.5 * (torch.arange(3) + 0.5) / 3
    expected = bilinear_sample(features[0, 0], 1.0, x).mean()
    assert_close(roi_align(features, torch.tensor([[0, 1.0, 0, 6, 2]]), 2)[0, 0, 0, 0], expected)


def test_samples_of_a_bin_by_hand():
    points = sample_points(torch.tensor([1.0, 2.0, 5.0, 4.0]), 2, 2)
    assert points.shape == (2, 2, 2, 2, 2)
    assert points[0, 0, 0, 0].tolist() == [1.5, 2.25]
    assert points[1, 1, 1, 1].tolist() == [4.5, 3.75]
    uneven = sample_points(torch.tensor([0.0, 0.0, 6.0, 4.0]), (1, 2), (2, 3))
    assert uneven[0, 1, 1].tolist() == [[3.5, 3.0], [4.5, 3.0], [5.5, 3.0]]


def test_halves_go_away_from_zero():
    x = torch.tensor([0.5, 1.5, 2.5, -0.5, -1.5, 0.49999997, 2.4, -2.6])
    assert round_half_away(x).tolist() == [1, 2, 3, -1, -2, 0, 2, -3]


def test_snapped_boxes_by_hand():
    rois = torch.tensor([[0, 8, 24, 40, 40], [0, 0, 0, 7.9, 7.9], [0, 64, 64, 0, 0], [0, -8, -7.9, 8, 8.0]])
    expected = [[1, 2, 4, 4], [0, 0, 1, 1], [4, 4, 5, 5], [-1, 0, 2, 2]]
    assert snapped_boxes(rois, 1 / 16).tolist() == expected


def test_bins_of_roi_pool_share_cells():
    """Three rows in two bins: 1.5 rows each, rounded outwards to rows 0-1 and 1-2."""
    features = torch.tensor([1.0, 7, 3, 9]).reshape(1, 1, 4, 1).expand(1, 1, 4, 4)
    found = roi_pool(features, torch.tensor([[0, 0.0, 0, 0, 2]]), (2, 1))
    assert found.flatten().tolist() == [7, 7]


def test_pool_keeps_negative_values_and_zeroes_empty_bins():
    features = torch.full((1, 1, 4, 4), -5.0)
    found = roi_pool(features, torch.tensor([[0, 2.0, 0, 5, 0]]), (1, 4))
    assert found.flatten().tolist() == [-5, -5, 0, 0]


def test_pool_sends_the_gradient_to_the_first_of_equals():
    features = torch.zeros(1, 1, 3, 3, requires_grad=True)
    roi_pool(features, torch.tensor([[0, 0.0, 0, 2, 2]]), 1).sum().backward()
    assert features.grad.nonzero().tolist() == [[0, 0, 0, 0]]


def test_levels_of_a_pyramid():
    sides = [1, 56, 111, 112, 223, 224, 447, 448, 2000]
    boxes = torch.tensor([[10, 10, 10 + side, 10 + side] for side in sides], dtype=torch.float32)
    assert fpn_level(boxes).tolist() == [2, 2, 2, 3, 3, 4, 4, 5, 5]
    assert fpn_level(torch.tensor([[0.0, 0, 448, 112]])).tolist() == [4]
    assert fpn_level(torch.tensor([[5.0, 5, 5, 90], [9, 9, 0, 0]])).tolist() == [2, 2]
    assert fpn_level(torch.zeros(0, 4)).shape == (0,)


def test_a_box_that_moves_is_lost_by_pool_and_followed_by_align():
    box, shifts = torch.tensor([40.0, 44, 100, 92]).double(), torch.arange(33).double() / 2
    pooled, aligned = shift_errors(position_map(12, 1 / 16).double(), box, shifts, 1 / 16, (3, 3))
    assert_close(aligned, torch.zeros_like(aligned))
    assert pooled.max() >= 6
    assert pooled[32] == 0  # a whole cell


# ------------------------------------------------------------------------------- gradients and the door


@pytest.mark.parametrize("ratio", [-1, 2])
def test_gradcheck_of_align(ratio):
    features = normal(2, 2, 5, 6).requires_grad_()
    rois = torch.tensor([[1, 0.6, 1.2, 4.9, 4.3], [0, -3, -2, 3, 3], [0, 9, 9, 12, 12]]).double()
    assert torch.autograd.gradcheck(lambda f: roi_align(f, rois, (2, 3), 1.0, ratio), (features,))


def test_gradcheck_of_pool_and_sample():
    features = normal(2, 2, 5, 6).requires_grad_()
    rois = torch.tensor([[1, 0.6, 1.2, 4.9, 4.3], [0, -3, -2, 3, 3]]).double()
    assert torch.autograd.gradcheck(lambda f: roi_pool(f, rois, 2), (features,))
    y, x = (
        uniform(9, low=0.1, high=3.9).requires_grad_(),
        uniform(9, low=0.1, high=4.9, seed=1).requires_grad_(),
    )
    assert torch.autograd.gradcheck(bilinear_sample, (features, y, x))


def test_boxes_get_no_gradient():
    features = normal(1, 2, 5, 6).requires_grad_()
    rois = torch.tensor([[0, 0.6, 1.2, 4.9, 4.3]]).double().requires_grad_()
    for operator in (roi_align, roi_align_naive, roi_pool, roi_pool_naive):
        rois.grad = None
        operator(features, rois, 2).sum().backward()
        assert rois.grad is None


@pytest.mark.parametrize("operator", [roi_align, roi_pool])
def test_no_boxes(operator):
    features = normal(2, 3, 5, 6).requires_grad_()
    none = operator(features, torch.zeros(0, 5, dtype=torch.float64), (2, 3))
    assert none.shape == (0, 3, 2, 3)
    none.sum().backward()
    assert not features.grad.any()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("operator", [roi_align, roi_pool])
def test_dtype_of_the_features_is_kept(operator, dtype):
    features, rois = normal(1, 3, 6, 6), torch.tensor([[0, 0.5, 1.0, 4.5, 4.0]])
    found = operator(features.to(dtype), rois, 2)
    assert found.dtype == dtype
    assert_close(found.double(), operator(features, rois, 2), rtol=2e-2, atol=2e-2)


@pytest.mark.parametrize("operator", [roi_align, roi_align_naive, roi_pool, roi_pool_naive])
def test_the_door(operator):
    features = torch.zeros(2, 3, 4, 4)
    with pytest.raises(ValueError, match=r"rois must be \(K, 5\) as batch, x1, y1, x2, y2; got \(3, 4\)"):
        operator(features, torch.zeros(3, 4), 2)
    with pytest.raises(ValueError, match=r"features must be \(N, C, H, W\)"):
        operator(features[0], torch.zeros(3, 5), 2)
    with pytest.raises(ValueError, match="batch indices must be 0 to 1; got 0 to 2"):
        operator(features, torch.tensor([[0.0, 0, 0, 1, 1], [2, 0, 0, 1, 1]]), 2)
    with pytest.raises(ValueError, match="output_size"):
        operator(features, torch.zeros(3, 5), (2, 0))


@pytest.mark.gpu
def test_both_run_on_a_gpu():
    features, rois = (
        normal(2, 3, 9, 9, dtype=torch.float32),
        torch.tensor([[1, 0.6, 1.2, 7.9, 6.3], [0, -3, -2, 3, 3]]),
    )
    for operator in (roi_align, roi_pool):
        assert_close(operator(features.cuda(), rois.cuda(), 3).cpu(), operator(features, rois, 3))


ONES, BOX = torch.ones(1, 1, 4, 4), torch.tensor([[0.0, 1, 1, 3, 3]])


@pytest.mark.parametrize("operator", [roi_align, roi_align_naive, roi_pool, roi_pool_naive])
@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((ONES.numpy(), BOX, 2), TypeError, "features must be a torch.Tensor; got ndarray"),
        ((ONES, [BOX[0, 1:]], 2), TypeError, "rois must be a torch.Tensor; got list"),
        ((ONES.long(), BOX, 2), ValueError, "features must be floating-point numbers; got torch.int64"),
        ((ONES, BOX * torch.nan, 2), ValueError, "batch indices must be 0 to 0; got nan to nan"),
        ((ONES[:0], BOX, 2), ValueError, "batch indices must be of an image, but there is none; got 0 to 0"),
        ((ONES, BOX, 2, 0.0), ValueError, "spatial_scale must be positive, 1 / stride; got 0.0"),
        ((ONES, BOX, 2, torch.nan), ValueError, "spatial_scale must be positive, 1 / stride; got nan"),
    ],
)
def test_what_is_no_map_no_box_or_no_scale_is_said(operator, arguments, error, message):
    with pytest.raises(error, match=message):
        operator(*arguments)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: roi_align(ONES, BOX, 2, 1.0, 1.5), "sampling_ratio must be an int; got 1.5"),
        (lambda: snapped_boxes(BOX[0]), r"rois must be \(K, 5\) as batch, x1, y1, x2, y2; got \(5,\)"),
        (lambda: sample_points(BOX, 2, 2), r"box must be \(4,\) as x1, y1, x2, y2; got \(1, 5\)"),
        (lambda: sample_points(BOX[0, 1:], 2, 0), "sampling_ratio must be at least 1; got 0"),
        (lambda: sample_points(BOX[0, 1:], (0, 2), 2), "output_size must be at least 1; got 0"),
        (
            lambda: bilinear_scatter(torch.ones(1), (2, 3), torch.ones(2), torch.ones(2)),
            r"must all be \(P,\)",
        ),
        (
            lambda: bilinear_scatter(torch.ones(1), (0, 3), torch.ones(1), torch.ones(1)),
            "size must be at least 1",
        ),
        (lambda: fpn_level(torch.zeros(2, 5)), r"boxes must be \(K, 4\) as x1, y1, x2, y2; got \(2, 5\)"),
        (lambda: fpn_level(torch.full((1, 4), torch.nan)), "boxes must be numbers; some are NaN"),
        (lambda: fpn_level(BOX[:, 1:], k_min=5, k_max=2), "k_min must be at most k_max.*got 5, 2 and 224"),
        (lambda: position_map(0, 1.0), "size must be at least 1; got 0"),
        (lambda: position_map(4, -1.0), "spatial_scale must be positive, 1 / stride; got -1.0"),
        (lambda: shift_errors(ONES, BOX, torch.ones(2), 1.0, (2, 2)), r"got \(1, 5\) and \(2,\)"),
    ],
)
def test_the_doors_of_the_parts(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_whole_numbers_are_read_as_floats():
    """Not cut off: between 0, 1, 4 and 5 lies 2.5."""
    features = torch.arange(16).reshape(4, 4)
    assert bilinear_sample(features, 0.5, 0.5).item() == 2.5
    assert bilinear_sample(features, torch.tensor([0.5]), torch.tensor([0.5])).tolist() == [2.5]
    scattered = bilinear_scatter(torch.tensor([8]), (1, 2), torch.tensor([0.0]), torch.tensor([0.5]))
    assert scattered.tolist() == [[4.0, 4.0]]
    box, shifts = torch.tensor([2, 2, 6, 6]), torch.tensor([0, 1])
    assert shift_errors(position_map(8, 1.0), box, shifts, 1.0, (2, 2)).abs().max() == 0


def test_levels_of_large_boxes_in_half_precision():
    """300 x 300 pixels are 90000, more than float16 holds."""
    assert fpn_level(torch.tensor([[0.0, 0, 300, 300]]).half()).tolist() == [4]
