"""Chapter 14's references: what must always hold, numbers that a person can check, then independent oracles."""

import math
from itertools import product

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from dlcv.data.samples import motorcycle
from dlcv.depth import (
    MetricBins,
    align_scale_and_shift,
    backproject,
    bin_centres,
    depth_metrics,
    disparity_to_depth,
    gradient_matching_loss,
    inverse_attractor,
    log_binomial,
    normalize_median,
    ordinal_error,
    project,
    route_domain,
    ssi_loss,
    ssi_mse,
    ssi_trimmed_loss,
)

LOSSES = {
    "ssi_mse": ssi_mse,
    "ssi_loss": ssi_loss,
    "ssi_trimmed_loss": ssi_trimmed_loss,
    "gradient_matching_loss": lambda prediction, target, mask: gradient_matching_loss(
        prediction - target, mask
    ),
}
losses = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
ssi_losses = pytest.mark.parametrize("loss", [ssi_mse, ssi_loss, ssi_trimmed_loss])


def maps(*shape, seed=0, known=0.7, dtype=torch.float64):
    """A random prediction and target, and a mask that knows a share of the pixels."""
    generator = torch.Generator().manual_seed(seed)
    prediction, target = torch.randn(2, *shape, generator=generator, dtype=dtype)
    return prediction.requires_grad_(), target, torch.rand(shape, generator=generator) < known


def depths(*shape, seed=0):
    """Positive depths of two maps that are alike."""
    generator = torch.Generator().manual_seed(seed)
    target = 0.5 + 9 * torch.rand(shape, generator=generator, dtype=torch.float64)
    return target * (0.3 * torch.randn(shape, generator=generator, dtype=torch.float64)).exp(), target


def camera(fx=120.0, fy=110.0, cx=7.5, cy=4.0):
    return torch.tensor([[fx, 0, cx], [0, fy, cy], [0, 0, 1]], dtype=torch.float64)


# -------------------------------------------------------------------------------------------- alignment


@pytest.mark.parametrize("seed", range(3))
def test_alignment_is_numpys_least_squares_image_by_image(seed):
    prediction, target, mask = maps(4, 5, 7, seed=seed)
    scale, shift = align_scale_and_shift(prediction, target, mask)
    scale, shift = scale.detach(), shift.detach()
    for n in range(4):
        d = prediction.detach()[n][mask[n]].numpy()
        (s, t), *_ = np.linalg.lstsq(
            np.stack([d, np.ones_like(d)], 1), target[n][mask[n]].numpy(), rcond=None
        )
        assert_close((float(scale[n]), float(shift[n])), (s, t))


def test_alignment_solves_the_normal_equations_of_the_docstring():
    prediction, target, mask = maps(2, 4, 5)
    scale, shift = align_scale_and_shift(prediction, target, mask)
    for n in range(2):
        d, true = prediction[n][mask[n]], target[n][mask[n]]
        matrix = torch.stack([(d * d).sum(), d.sum(), d.sum(), torch.tensor(float(len(d)))]).reshape(2, 2)
        right = torch.stack([(d * true).sum(), true.sum()])
        assert_close(torch.stack([scale[n], shift[n]]), torch.linalg.solve(matrix, right))


def test_alignment_is_per_image_and_not_per_batch():
    prediction, _, mask = maps(3, 5, 6)
    a, b = torch.tensor([2.0, -0.5, 30.0]).double(), torch.tensor([1.0, 7.0, -4.0]).double()
    target = a[:, None, None] * prediction + b[:, None, None]
    assert_close(align_scale_and_shift(prediction, target, mask), (a, b))
    assert ssi_mse(prediction, target, mask) < 1e-20


@pytest.mark.parametrize("value", [0.0, 0.1, -3.7, 1e6, 1e-8])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_constant_prediction_has_scale_and_shift_0(value, dtype):
    prediction = torch.full((1, 7, 9), value, dtype=dtype)
    _, target, mask = maps(1, 7, 9, dtype=dtype)
    zero = torch.zeros(1, dtype=dtype)
    assert_close(align_scale_and_shift(prediction, target, mask), (zero, zero))
    expected = target[mask].square().sum() / (2 * mask.sum())
    assert_close(ssi_mse(prediction, target, mask), expected)


@pytest.mark.parametrize("known", [0, 1])
def test_fewer_than_two_pixels_have_scale_and_shift_0_and_other_images_are_as_before(known):
    prediction, target, mask = maps(2, 4, 5)
    mask[0] = False
    mask[0].view(-1)[:known] = True
    scale, shift = align_scale_and_shift(prediction, target, mask)
    assert (scale[0], shift[0]) == (0, 0)
    alone = align_scale_and_shift(prediction[1:], target[1:], mask[1:])
    assert_close((scale[1:], shift[1:]), alone)
    assert torch.autograd.grad(scale.sum() + shift.sum(), prediction)[0].isfinite().all()


@pytest.mark.parametrize("size", [1e-25, 1e-4, 1e4, 1e25])
def test_alignment_in_float32_does_not_care_how_large_the_prediction_is(size):
    prediction, target, mask = maps(2, 5, 6, dtype=torch.float32)
    scale, shift = align_scale_and_shift(prediction, target, mask)
    assert_close(
        align_scale_and_shift(size * prediction, target, mask), (scale / size, shift), rtol=1e-4, atol=1e-5
    )


def test_alignment_in_float32_far_from_zero():
    prediction, target, mask = maps(2, 20, 30, dtype=torch.float32)
    far = prediction.detach() + 1000
    scale, shift = align_scale_and_shift(far, target, mask)
    exact = align_scale_and_shift(far.double(), target.double(), mask)
    assert_close((scale.double(), shift.double()), exact, rtol=1e-4, atol=1e-5)


# ------------------------------------------------------------------------------------- all of the losses


@losses
@pytest.mark.parametrize("garbage", [1e9, math.nan, math.inf])
def test_what_stands_at_invalid_pixels_does_not_leak(loss, garbage):
    prediction, target, mask = maps(2, 6, 9)
    expected = loss(prediction, target, mask)
    spoiled = prediction.detach().where(mask, garbage).requires_grad_()
    found = loss(spoiled, target.where(mask, -garbage), mask)
    assert_close(found, expected)
    gradients = [torch.autograd.grad(value, x)[0] for value, x in ((found, spoiled), (expected, prediction))]
    assert_close(*gradients)
    assert not gradients[0][~mask].any()


@losses
def test_a_loss_over_no_pixels_is_0_with_a_gradient(loss):
    prediction, target, mask = maps(2, 6, 9, known=0)
    found = loss(prediction, target, mask)
    assert found == 0
    assert_close(torch.autograd.grad(found, prediction)[0], torch.zeros_like(prediction))
    assert loss(prediction[:0], target[:0], mask[:0]) == 0


@losses
def test_gradients_are_those_of_small_differences(loss):
    prediction, target, mask = maps(2, 3, 4)
    assert torch.autograd.gradcheck(lambda prediction: loss(prediction, target, mask), prediction)


@ssi_losses
def test_losses_are_blind_to_a_positive_scale_and_a_shift_of_each_image(loss):
    prediction, target, mask = maps(3, 8, 9)
    a, b = torch.tensor([0.01, 1.0, 50.0]), torch.tensor([100.0, -2.0, 0.0])
    moved = a[:, None, None] * prediction + b[:, None, None]
    assert_close(loss(moved, target, mask), loss(prediction, target, mask))


def test_who_sees_a_map_upside_down():
    """A median and a deviation keep the sign; least squares finds a negative scale (the closed form has no choice)."""
    target = torch.arange(35.0).reshape(1, 5, 7)
    mask = torch.ones(1, 5, 7, dtype=torch.bool)
    assert ssi_trimmed_loss(3 * target + 1, target, mask) < 1e-6
    assert ssi_trimmed_loss(-3 * target + 1, target, mask) > 0.5
    assert_close(normalize_median(-target, mask), -normalize_median(target, mask))
    assert_close(align_scale_and_shift(-target, target, mask)[0], torch.tensor([-1.0]))


@losses
@pytest.mark.parametrize(
    ("shapes", "message"),
    [(((2, 3, 4), (2, 3, 5), (2, 3, 4)), "must all be"), (((3, 4), (3, 4), (3, 4)), r"\(N, H, W\)")],
)
def test_shapes_that_do_not_fit_are_named(loss, shapes, message):
    prediction, target, mask = map(torch.zeros, shapes)
    if prediction.shape != target.shape and loss is LOSSES["gradient_matching_loss"]:
        prediction, target = torch.zeros(2, 3, 5), torch.zeros(2, 3, 5)
    with pytest.raises(ValueError, match=message):
        loss(prediction, target, mask.bool())


@losses
def test_a_mask_of_numbers_is_refused(loss):
    with pytest.raises(ValueError, match=r"mask must be of bools.*float32"):
        loss(torch.zeros(1, 2, 2), torch.zeros(1, 2, 2), torch.ones(1, 2, 2))


@losses
def test_half_precision_and_whole_numbers_are_computed_in_float32(loss):
    prediction, target, mask = maps(1, 30, 40, dtype=torch.float32)
    prediction, target = 100 * prediction.detach().half(), 100 * target.half()
    assert_close(
        loss(prediction, target, mask), loss(prediction.float(), target.float(), mask), rtol=1e-3, atol=1e-3
    )
    assert loss(prediction.int(), target.int(), mask).isfinite()


# ------------------------------------------------------------------------------------------ each of them


def test_ssi_mse_over_all_valid_pixels_of_the_batch():
    prediction, target, mask = maps(3, 4, 6)
    mask[1] &= torch.rand(4, 6) < 0.5  # the images know different numbers of pixels
    total = 0.0
    for n in range(3):
        d, true = prediction[n][mask[n]].detach().numpy(), target[n][mask[n]].numpy()
        total += np.linalg.lstsq(np.stack([d, np.ones_like(d)], 1), true, rcond=None)[1][0]
    assert_close(float(ssi_mse(prediction.detach(), target, mask)), total / (2 * int(mask.sum())))


def gradients_in_loops(residual, mask, scales):
    total = 0.0
    for step in [2**k for k in range(scales)]:
        parts, valid = 0.0, 0
        for n, y, x in product(*map(range, residual.shape)):
            if y % step or x % step or not mask[n, y, x]:
                continue
            valid += 1
            for down, right in ((y + step, x), (y, x + step)):
                if down < mask.shape[1] and right < mask.shape[2] and mask[n, down, right]:
                    parts += abs(float(residual[n, down, right] - residual[n, y, x]))
        total += parts / valid if valid else 0.0
    return total


@pytest.mark.parametrize("shape", [(2, 9, 12), (1, 1, 1), (1, 3, 20), (2, 16, 8)])
@pytest.mark.parametrize("scales", [1, 2, 4, 6])
def test_gradient_matching_in_loops(shape, scales):
    residual, _, mask = maps(*shape)
    found = gradient_matching_loss(residual, mask, scales)
    assert_close(found.item(), gradients_in_loops(residual.detach(), mask, scales))


def test_a_constant_residual_has_no_gradients_and_a_ramp_the_same_at_every_scale_but_for_the_step():
    mask = torch.ones(1, 64, 64, dtype=torch.bool)
    assert gradient_matching_loss(torch.full((1, 64, 64), 3.0), mask) == 0
    ramp = torch.arange(64.0).expand(1, 64, 64)
    by_hand = sum(2**k * (64 // 2**k - 1) / (64 // 2**k) for k in range(4))
    assert_close(gradient_matching_loss(ramp, mask), torch.tensor(by_hand))


def test_ssi_loss_is_the_sum_of_its_parts_after_alignment():
    prediction, target, mask = maps(2, 9, 10)
    scale, shift = align_scale_and_shift(prediction, target, mask)
    residual = scale[:, None, None] * prediction + shift[:, None, None] - target
    for alpha, scales in ((0.5, 4), (0.0, 1), (2.0, 3)):
        parts = ssi_mse(prediction, target, mask) + alpha * gradient_matching_loss(residual, mask, scales)
        assert_close(ssi_loss(prediction, target, mask, alpha, scales), parts)


def test_normalize_median_by_numpy():
    x, _, mask = maps(4, 5, 6)
    found = normalize_median(x, mask)
    assert not found[~mask].any()
    for n in range(4):
        valid = np.sort(x[n][mask[n]].detach().numpy())
        median = valid[(len(valid) - 1) // 2]
        expected = (x[n][mask[n]] - median) / np.abs(valid - median).mean()
        assert_close(found[n][mask[n]], expected)
        assert_close(found[n][mask[n]].abs().mean(), torch.ones((), dtype=torch.float64))


def test_zeros_at_invalid_pixels_do_not_pull_the_median():
    x = torch.tensor([[[10.0, 11.0, 12.0, 0.0, 0.0, 0.0, 0.0]]])
    assert_close(normalize_median(x, x > 0)[0, 0, :3], torch.tensor([-1.5, 0.0, 1.5]))


def test_of_two_in_the_middle_the_lower_is_the_median():
    x = torch.tensor([[[4.0, 1.0, 2.0, 9.0]]])
    found = normalize_median(x, torch.ones_like(x, dtype=torch.bool))
    assert_close(found, (x - 2) / 2.5)


def test_an_image_of_one_value_is_normalised_to_zeros():
    x = torch.full((2, 3, 4), 0.1, requires_grad=True)
    found = normalize_median(x, torch.ones(2, 3, 4, dtype=torch.bool))
    assert not found.any()
    assert torch.autograd.grad(found.sum(), x)[0].isfinite().all()


def trimmed_by_numpy(prediction, target, mask, trim):
    def normalised(values):
        median = np.sort(values)[(len(values) - 1) // 2]
        return (values - median) / np.abs(values - median).mean()

    total = 0.0
    for d, true, known in zip(prediction.numpy(), target.numpy(), mask.numpy(), strict=True):
        errors = np.sort(np.abs(normalised(d[known]) - normalised(true[known])))
        total += errors[: len(errors) - math.ceil(round(trim * len(errors), 6))].sum()
    return total / (2 * mask.sum().item())


@pytest.mark.parametrize("trim", [0.0, 0.1, 0.2, 0.3, 0.9])
@pytest.mark.parametrize("width", [5, 7, 10])
def test_trimmed_loss_by_numpy(trim, width):
    prediction, target, mask = maps(3, 6, width, known=1.0 if width == 10 else 0.8)
    found = float(ssi_trimmed_loss(prediction, target, mask, trim))
    assert_close(found, trimmed_by_numpy(prediction.detach(), target, mask, trim))


def test_each_image_is_trimmed_on_its_own():
    """One image all wrong and one all right: a trim over the batch would drop the wrong one's pixels only."""
    target = torch.arange(20.0).reshape(1, 4, 5).repeat(2, 1, 1)
    prediction = torch.stack([target[0], -target[1]])
    mask = torch.ones(2, 4, 5, dtype=torch.bool)
    both, wrong = (
        ssi_trimmed_loss(prediction, target, mask),
        ssi_trimmed_loss(-target[:1], target[:1], mask[:1]),
    )
    assert_close(both, wrong / 2)


def test_trimming_forgives_a_truth_that_is_wrong_in_a_fifth_of_the_pixels():
    target = torch.arange(25.0).reshape(1, 5, 5).double()
    spoiled = target.clone()
    spoiled[0, 4] = torch.tensor([700.0, 900.0, 300.0, 400.0, 800.0])  # a fifth of the truth is wrong
    mask = torch.ones(1, 5, 5, dtype=torch.bool)
    assert ssi_trimmed_loss(target, spoiled, mask) < 0.5 * ssi_trimmed_loss(target, spoiled, mask, trim=0.0)
    assert ssi_trimmed_loss(target, spoiled, mask, trim=1.0) == 0


@pytest.mark.parametrize("trim", [-0.1, 1.1, math.nan])
def test_a_trim_that_is_no_share_is_refused(trim):
    prediction, target, mask = maps(1, 2, 2)
    with pytest.raises(ValueError, match="trim must be from 0 to 1"):
        ssi_trimmed_loss(prediction, target, mask, trim)


# ---------------------------------------------------------------------------------------------- metrics


def test_depth_metrics_in_a_loop():
    prediction, target = depths(2, 5, 6)
    mask = torch.rand(2, 5, 6) < 0.6
    pairs = list(zip(prediction[mask].tolist(), target[mask].tolist(), strict=True))
    n, logs = len(pairs), [math.log(z) - math.log(t) for z, t in pairs]
    expected = {
        "abs_rel": sum(abs(z - t) / t for z, t in pairs) / n,
        "sq_rel": sum((z - t) ** 2 / t for z, t in pairs) / n,
        "rmse": math.sqrt(sum((z - t) ** 2 for z, t in pairs) / n),
        "rmse_log": math.sqrt(sum(e * e for e in logs) / n),
        "log10": sum(abs(math.log10(z) - math.log10(t)) for z, t in pairs) / n,
        "silog": 100 * math.sqrt(sum(e * e for e in logs) / n - (sum(logs) / n) ** 2),
        **{f"delta{k}": sum(max(z / t, t / z) < 1.25**k for z, t in pairs) / n for k in (1, 2, 3)},
    }
    found = depth_metrics(prediction, target, mask)
    assert list(found) == list(expected)
    assert_close({name: float(value) for name, value in found.items()}, expected)


@pytest.mark.parametrize("k", [1, 2, 3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_ratio_of_exactly_the_threshold_is_not_below_it(k, dtype):
    one, edge = torch.ones(1, dtype=dtype), torch.tensor([1.25**k], dtype=dtype)
    for prediction, target in ((one, edge), (edge, one)):
        scores = depth_metrics(prediction, target)
        assert [float(scores[f"delta{j}"]) for j in (1, 2, 3)] == [float(j > k) for j in (1, 2, 3)]
    assert depth_metrics(one, edge * 0.999)[f"delta{k}"] == 1


def test_a_prediction_wrong_by_one_factor_has_no_silog_but_all_else():
    _, target = depths(1, 4, 5)
    scores = depth_metrics(2 * target, target)
    assert scores["silog"] < 1e-6
    assert_close(scores["abs_rel"], torch.tensor(1.0).double())
    assert_close(scores["rmse_log"], torch.tensor(math.log(2)).double())
    assert scores["delta3"] == 0


def test_metrics_do_not_look_at_invalid_pixels_and_find_them_alone():
    prediction, target = depths(1, 4, 5)
    mask = torch.rand(1, 4, 5) < 0.5
    expected = depth_metrics(prediction, target, mask)
    assert_close(depth_metrics(prediction.where(mask, -5.0), target.where(mask, math.nan), mask), expected)
    for unknown in (0.0, math.nan, math.inf, -1.0):
        assert_close(depth_metrics(prediction, target.where(mask, unknown)), expected)


def test_metrics_of_no_pixel_are_nan():
    scores = depth_metrics(torch.ones(1, 2, 2), torch.zeros(1, 2, 2))
    assert all(value.isnan() for value in scores.values())


def test_metrics_of_a_depth_that_is_not_positive_are_refused():
    with pytest.raises(ValueError, match=r"prediction must be above 0 .* got -1"):
        depth_metrics(torch.tensor([1.0, -1.0]), torch.ones(2))
    with pytest.raises(ValueError, match="target must be above 0"):
        depth_metrics(torch.ones(2), torch.zeros(2), torch.ones(2, dtype=torch.bool))
    with pytest.raises(ValueError, match="same shape"):
        depth_metrics(torch.ones(2), torch.ones(3))


def test_ordinal_error_in_a_loop():
    generator = torch.Generator().manual_seed(0)
    depth = 1 + torch.rand(6, 9, generator=generator, dtype=torch.float64)
    a, b = (
        torch.stack([torch.randint(side, (50,), generator=generator) for side in (9, 6)], 1) for _ in "ab"
    )
    relation, weight = torch.randint(-1, 2, (50,), generator=generator), torch.rand(50, generator=generator)
    for threshold in (0.0, 0.1, 0.5):
        wrong = total = 0.0
        for k in range(50):
            (ua, va), (ub, vb) = a[k].tolist(), b[k].tolist()
            near, far = float(depth[va, ua]), float(depth[vb, ub])
            said = 1 if near > (1 + threshold) * far else -1 if far > (1 + threshold) * near else 0
            wrong, total = wrong + (said != int(relation[k])) * float(weight[k]), total + float(weight[k])
        assert_close(float(ordinal_error(depth, a, b, relation, weight, threshold)), wrong / total)


def test_order_needs_no_scale_and_a_disparity_swaps_the_points():
    generator = torch.Generator().manual_seed(1)
    depth = 1 + torch.rand(4, 5, generator=generator)
    a, b = (
        torch.stack([torch.randint(side, (30,), generator=generator) for side in (5, 4)], 1) for _ in "ab"
    )
    relation = (depth[a[:, 1], a[:, 0]] - depth[b[:, 1], b[:, 0]]).sign()
    assert ordinal_error(depth, a, b, relation) == 0
    assert ordinal_error(5 * depth - 100, a, b, relation) == 0
    assert ordinal_error(1 / depth, b, a, relation) == 0
    assert_close(ordinal_error(-depth, a, b, relation), (relation != 0).float().mean())
    assert ordinal_error(depth, a[:0], b[:0], relation[:0]).isnan()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"a": torch.tensor([[3, 0]])}, r"a must hold pixels u, v of a map 3 wide and 2 high; got \[3, 0\]"),
        ({"b": torch.tensor([[0, -1]])}, "b must hold pixels"),
        ({"relation": torch.tensor([2])}, "relation must hold"),
        ({"weight": torch.tensor([-1.0])}, "none below 0"),
        ({"a": torch.tensor([[0.5, 0.0]])}, "whole numbers"),
        ({"depth": torch.ones(1, 2, 3)}, r"must be \(H, W\)"),
    ],
)
def test_pairs_that_do_not_fit_are_named(change, message):
    right = {"depth": torch.ones(2, 3), "a": torch.tensor([[0, 0]]), "b": torch.tensor([[2, 1]])}
    with pytest.raises(ValueError, match=message):
        ordinal_error(**{**right, "relation": torch.tensor([1]), **change})


# ------------------------------------------------------------------------------------------------ metres


def test_depth_of_the_motorcycle():
    pair = motorcycle()
    metres = disparity_to_depth(pair.disparity, pair.baseline, pair.focal, pair.offset)
    assert_close(metres[pair.valid], pair.depth[pair.valid])
    half = disparity_to_depth(pair.disparity / 2, pair.baseline, pair.focal / 2, pair.offset / 2)
    assert_close(half[pair.valid], metres[pair.valid])


def test_no_disparity_is_infinitely_far_and_an_unknown_one_unknown():
    found = disparity_to_depth(
        torch.tensor([4.0, 0.0, -1.0, math.nan]), baseline=0.5, focal=100.0, offset=1.0
    )
    assert found[:2].tolist() == [10.0, 50.0]
    assert found[2] == math.inf
    assert found[3].isnan()
    with pytest.raises(ValueError, match="baseline must be above 0; got 0"):
        disparity_to_depth(torch.ones(1), 0, 100.0)
    with pytest.raises(ValueError, match="focal must be above 0"):
        disparity_to_depth(torch.ones(1), 0.1, -1.0)


@pytest.mark.parametrize("shape", [(5,), (2, 5), (2, 5, 3, 4)])
def test_centres_lie_between_edges(shape):
    widths = torch.rand(shape, dtype=torch.float64)
    axis = min(1, len(shape) - 1)
    w = np.moveaxis(widths.numpy(), axis, -1)
    edges = 0.5 + 9.5 * np.cumsum(np.concatenate([0 * w[..., :1], w], -1), -1) / w.sum(-1, keepdims=True)
    expected = np.moveaxis((edges[..., 1:] + edges[..., :-1]) / 2, -1, axis)
    assert_close(bin_centres(3 * widths, 0.5, 10.0), torch.from_numpy(expected))


def test_bins_that_do_not_fit_are_refused():
    for widths in (torch.tensor([1.0, -1.0, 2.0]), torch.zeros(3)):
        with pytest.raises(ValueError, match="widths must be at least 0"):
            bin_centres(widths, 0, 1)
    with pytest.raises(ValueError, match="min_depth < max_depth; got 5 and 1"):
        bin_centres(torch.ones(3), 5, 1)


def test_attractors_pull_towards_themselves_and_keep_the_order():
    dx = torch.linspace(-20, 20, 4001, dtype=torch.float64)
    for alpha, gamma in product((0.0, 1.0, 300.0), (0.5, 1.0, 2.0, 3.0)):
        moved = inverse_attractor(dx, alpha, gamma)
        assert_close(moved, -moved.flip(0))
        assert (moved * dx >= 0).all()
        assert (moved.abs() <= dx.abs()).all()
        centres = -dx + moved  # of centres at -dx, pulled by a point at 0
        assert (centres.diff() <= 1e-12).all()
    assert_close(inverse_attractor(torch.tensor(0.2), 300.0, 2.0), torch.tensor(0.2 / 13))


@pytest.mark.parametrize("num_bins", [1, 2, 7, 64, 256])
def test_log_binomial_is_scipys(num_bins):
    stats = pytest.importorskip("scipy.stats")
    p = torch.tensor([0.0, 1e-6, 0.1, 0.5, 0.77, 1.0], dtype=torch.float64)
    expected = stats.binom.logpmf(np.arange(num_bins), num_bins - 1, p.numpy()[:, None])
    assert_close(log_binomial(p, num_bins), torch.from_numpy(expected), rtol=1e-9, atol=1e-9)
    assert_close(log_binomial(p[3], num_bins), torch.from_numpy(expected[3]), rtol=1e-9, atol=1e-9)


def test_log_binomial_by_counting_in_whole_numbers():
    for k, found in enumerate(log_binomial(torch.tensor(0.25, dtype=torch.float64), 9).exp().tolist()):
        assert_close(found, math.comb(8, k) * 0.25**k * 0.75 ** (8 - k))


def test_a_temperature_sharpens_or_flattens_and_probabilities_sum_to_1():
    p = torch.rand(2, 3, 4, dtype=torch.float64)
    plain = log_binomial(p, 16)
    assert plain.shape == (2, 16, 3, 4)
    for temperature in (0.1, 1.0, 20.0):
        found = log_binomial(p, 16, temperature)
        assert_close(found.exp().sum(1), torch.ones_like(p))
        assert_close(found, (plain / temperature).log_softmax(1))
    each = log_binomial(p, 16, 1 + p)
    assert_close(each[1, :, 2, 3], log_binomial(p[1, 2, 3], 16, 1 + float(p[1, 2, 3])))


def test_gradients_of_the_bins_are_those_of_small_differences():
    p = torch.tensor([0.1, 0.5, 0.9], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda p: log_binomial(p, 6, 0.5 + p), p)
    widths = torch.rand(2, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda w: bin_centres(w, 0.5, 10.0), widths)
    dx = torch.tensor([-0.3, 0.2, 4.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda dx: inverse_attractor(dx, 10.0, 1.5), dx)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((torch.tensor(1.5), 4), "p must be from 0 to 1; it holds 1.5 to 1.5"),
        ((torch.tensor(0.5), 0), "num_bins must be at least 1; got 0"),
        ((torch.tensor(0.5), 4, 0.0), "temperature must be above 0; it holds 0 to 0"),
        ((torch.rand(3), 4, torch.ones(2)), r"temperature must be a number or \(3,\)"),
    ],
)
def test_no_probabilities_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        log_binomial(*arguments)


# ------------------------------------------------------------------------------------------ metric bins


@pytest.fixture
def head():
    torch.manual_seed(0)
    return MetricBins((8, 6, 4), num_bins=12, min_depth=0.5, max_depth=10.0, attractors=3, hidden=16).double()


@pytest.fixture
def features():
    generator = torch.Generator().manual_seed(0)
    sizes = [(8, 3, 4), (6, 6, 8), (4, 12, 16)]
    return [torch.randn(2, *size, generator=generator, dtype=torch.float64) for size in sizes]


def test_the_head_is_its_equations_at_one_pixel(head, features):
    """Maps of one pixel: nothing is enlarged, and the head can be followed number by number."""
    one = [feature[:1, :, :1, :1] for feature in features]
    relative = torch.rand(1, 1, 1, dtype=torch.float64)
    widths = torch.softmax(head.widths(one[0]).flatten(), 0)
    centres = [0.5 + 9.5 * float(widths[:k].sum() + widths[k] / 2) for k in range(12)]
    for layer, feature in zip(head.attractors, one[1:], strict=True):
        points = [0.5 + 9.5 / (1 + math.exp(-z)) for z in layer(feature).flatten().tolist()]
        pulls = [[(a - c) / (1 + 300 * (a - c) ** 2) for a in points] for c in centres]
        centres = [c + sum(pull) / 3 for c, pull in zip(centres, pulls, strict=True)]
    logits = head.peak(torch.cat([one[2], relative[None]], 1)).flatten().tolist()
    p, heat = (1 / (1 + math.exp(-z)) for z in logits)
    p, temperature = 1e-4 + (1 - 2e-4) * p, 50 ** (2 * heat - 1)
    raw = [(math.comb(11, k) * p**k * (1 - p) ** (11 - k)) ** (1 / temperature) for k in range(12)]
    expected = sum(r * c for r, c in zip(raw, centres, strict=True)) / sum(raw)
    assert_close(float(head(one, relative)), expected)


def test_whatever_the_features_bins_are_in_order_and_depths_in_range(head, features):
    for size in (0.0, 1.0, 1e3):
        wild = [size * feature for feature in features]
        centres = head.centres(wild)
        assert centres.shape == (2, 12, 12, 16)
        assert (centres.diff(dim=1) > -1e-9).all()
        depth = head(wild, size * torch.randn(2, 12, 16, dtype=torch.float64))
        assert depth.shape == (2, 12, 16)
        assert ((depth >= 0.5) & (depth <= 10)).all()


def test_every_part_of_the_head_learns(head, features):
    depth = head(features, torch.rand(2, 12, 16, dtype=torch.float64))
    depth.square().sum().backward()
    for name, parameter in head.named_parameters():
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name


def test_the_head_learns_metres_from_relative_depth():
    torch.manual_seed(0)
    relative = torch.rand(4, 8, 8)
    metres = 1 + 6 * relative
    head = MetricBins((2, 2), num_bins=16, min_depth=0.5, max_depth=10.0, attractors=4)
    features = [torch.zeros(4, 2, 4, 4), torch.zeros(4, 2, 8, 8)]
    optimizer = torch.optim.Adam(head.parameters(), lr=0.01)
    for _ in range(200):
        optimizer.zero_grad()
        loss = (head(features, relative) - metres).abs().mean()
        loss.backward()
        optimizer.step()
    assert depth_metrics(head(features, relative), metres)["abs_rel"] < 0.05


def test_heads_that_do_not_fit_are_refused(head, features):
    with pytest.raises(ValueError, match=r"must have \(8, 6, 4\) channels .* got \(8, 6\)"):
        head(features[:2], torch.rand(2, 12, 16))
    with pytest.raises(ValueError, match="channels must hold at least one"):
        MetricBins(())
    with pytest.raises(ValueError, match="min_depth < max_depth"):
        MetricBins((4,), min_depth=80.0, max_depth=10.0)
    with pytest.raises(ValueError, match=r"as many images each; got \[2, 2, 2, 1\]"):
        head(features, torch.rand(1, 12, 16))


def test_each_image_is_routed_on_its_own():
    depths = torch.rand(5, 3, 2, 4, requires_grad=True)
    logits = torch.tensor([[3.0, 1, 2], [0, 1, 2], [5, 5, 0], [-1, 0, -2], [0, 0, 0]])
    found = route_domain(logits, depths)
    assert_close(found, torch.stack([depths[n, d] for n, d in enumerate([0, 2, 0, 1, 0])]))
    assert torch.autograd.grad(found.sum(), depths)[0].sum() == found.numel()
    with pytest.raises(ValueError, match=r"logits must be \(N, D\)"):
        route_domain(logits, depths[:, :2])


# ------------------------------------------------------------------------------------- points in space


def test_projecting_what_was_back_projected_gives_the_pixel_grid():
    depth = 0.5 + 9 * torch.rand(7, 11, dtype=torch.float64)
    u, v = torch.meshgrid(torch.arange(11.0), torch.arange(7.0), indexing="xy")
    assert_close(project(backproject(depth, camera()), camera()), torch.stack([u, v], -1).double())


def test_round_trip_on_the_motorcycle():
    pair = motorcycle()
    found = project(backproject(pair.depth, pair.intrinsics), pair.intrinsics)
    v, u = pair.valid.nonzero().T
    assert_close(found[pair.valid], torch.stack([u, v], 1).float(), rtol=0, atol=1e-3)
    assert found[~pair.valid].isnan().all()  # depth 0 says "unknown"


def test_points_are_rays_of_the_inverse_camera_times_depth():
    depth, K = 0.5 + 9 * torch.rand(5, 6, dtype=torch.float64), camera()
    points = backproject(depth, K)
    for v, u in product(range(5), range(6)):
        ray = np.linalg.solve(K.numpy(), np.array([u, v, 1.0]))
        assert_close(points[v, u], depth[v, u] * torch.from_numpy(ray))


def test_projection_is_the_camera_matrix_and_a_division():
    points = torch.randn(4, 5, 3, dtype=torch.float64) + torch.tensor([0.0, 0.0, 5.0])
    seen = points.numpy() @ camera().numpy().T
    assert_close(project(points, camera()), torch.from_numpy(seen[..., :2] / seen[..., 2:]))


def test_a_small_near_thing_and_a_large_far_one_look_alike():
    points = torch.randn(10, 3, dtype=torch.float64) + torch.tensor([0.0, 0.0, 8.0])
    assert_close(project(3 * points, camera()), project(points, camera()))


def test_half_the_size_has_half_the_focal_length_and_another_centre():
    depth = torch.full((4, 6), 3.0, dtype=torch.float64)
    whole = backproject(depth, camera())
    half = camera(60.0, 55.0, (7.5 - 0.5) / 2, (4.0 - 0.5) / 2)  # pixel centres lie at whole numbers
    mean = (whole[::2, ::2] + whole[1::2, 1::2]) / 2
    assert_close(backproject(depth[::2, ::2], half), mean)


def test_points_behind_the_camera_are_not_seen():
    points = torch.tensor([[1.0, 1.0, -2.0], [1.0, 1.0, 0.0], [0.0, 0.0, 2.0]], dtype=torch.float64)
    found = project(points, camera())
    assert found[:2].isnan().all()
    assert found[2].tolist() == [7.5, 4.0]


def test_gradients_of_points_are_those_of_small_differences():
    depth = (1 + torch.rand(3, 4, dtype=torch.float64)).requires_grad_()
    assert torch.autograd.gradcheck(lambda depth: backproject(depth, camera()), depth)
    points = (torch.rand(5, 3, dtype=torch.float64) + 1).requires_grad_()
    assert torch.autograd.gradcheck(lambda points: project(points, camera()), points)
    fx = torch.tensor(120.0, dtype=torch.float64, requires_grad=True)
    others = torch.tensor([[0, 0, 7.5], [0, 110, 4], [0, 0, 1]], dtype=torch.float64)
    corner = torch.tensor([[1.0, 0, 0], [0, 0, 0], [0, 0, 0]], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda fx: backproject(depth, others + fx * corner), fx)


@pytest.mark.parametrize(
    "K",
    [torch.eye(4), torch.zeros(3, 3), torch.tensor([[1.0, 0.5, 0], [0, 1, 0], [0, 0, 1]]), camera().T],
)
def test_cameras_that_are_none_are_refused(K):
    for wanted in (lambda: backproject(torch.ones(2, 3), K), lambda: project(torch.ones(3), K)):
        with pytest.raises(ValueError, match="K must be"):
            wanted()


def test_maps_and_points_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"depth must be \(H, W\); got \(1, 2, 3\)"):
        backproject(torch.ones(1, 2, 3), camera())
    with pytest.raises(ValueError, match=r"points must be .* got \(5, 2\)"):
        project(torch.ones(5, 2), camera())
