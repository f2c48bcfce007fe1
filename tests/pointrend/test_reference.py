"""Points instead of pixels: equations, numbers by hand, then torch, numpy and loops as oracles."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from dlcv.backbones import SmallCNN
from dlcv.fcn.reference import FCN
from dlcv.pointrend import (
    OnFCN,
    OnUNet,
    PointHead,
    PointRend,
    biased_points,
    evaluate_points,
    pixel_centres,
    point_sample,
    points_evaluated,
    sample_training_points,
    subdivision_inference,
    subdivision_step,
    uncertain_points_on_grid,
    uncertainty,
)
from dlcv.unet.reference import UNet


def draw(*shape, seed=0, dtype=torch.float32):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def spots(*shape, seed=0, low=0.0, high=1.0, dtype=torch.float32):
    drawn = torch.rand(*shape, 2, generator=torch.Generator().manual_seed(seed), dtype=dtype)
    return low + (high - low) * drawn


def by_torch(features, points):
    grid = (2 * points - 1)[:, :, None]
    return F.grid_sample(features, grid, mode="bilinear", padding_mode="zeros", align_corners=False)[..., 0]


# ------------------------------------------------------------------------------- reading at points


@pytest.mark.parametrize("size", [(1, 1), (1, 6), (5, 1), (7, 4), (16, 16)])
def test_reading_equals_grid_sample(size):
    features = draw(3, 2, *size)
    for points in (spots(3, 50), spots(3, 50, low=-0.4, high=1.4), torch.zeros(3, 1, 2), torch.ones(3, 1, 2)):
        assert_close(point_sample(features, points), by_torch(features, points), rtol=1e-4, atol=1e-5)


def test_gradients_equal_grid_samples():
    features, points = (
        draw(2, 3, 5, 7, dtype=torch.float64),
        spots(2, 20, low=-0.2, high=1.2, dtype=torch.float64),
    )
    cotangent = draw(2, 3, 20, seed=1, dtype=torch.float64)
    features.requires_grad_(), points.requires_grad_()
    ours, theirs = (
        torch.autograd.grad(read(features, points), (features, points), cotangent)
        for read in (point_sample, by_torch)
    )
    assert_close(ours, theirs)


def test_centres_read_the_map_itself():
    features = draw(2, 3, 5, 7)
    points = pixel_centres(5, 7).expand(2, -1, -1)
    assert_close(point_sample(features, points).unflatten(2, (5, 7)), features)


def test_one_point_is_one_place_on_maps_of_any_size():
    """A ramp over the image reads as its x wherever the map's pixels are, half a pixel of the border apart."""
    points = spots(1, 30, low=0.3, high=0.7)
    for width in (4, 8, 32):
        ramp = ((torch.arange(width) + 0.5) / width).expand(1, 1, 6, width)
        assert_close(point_sample(ramp, points)[0, 0], points[0, :, 0])


def test_x_comes_first():
    features = torch.arange(6.0).reshape(1, 1, 2, 3)
    assert point_sample(features, torch.tensor([[[5 / 6, 0.25]]])).item() == pytest.approx(2)


def test_points_may_have_any_shape():
    features, points = draw(2, 3, 5, 7), spots(2, 4, 6)
    assert_close(
        point_sample(features, points), point_sample(features, points.flatten(1, 2)).unflatten(2, (4, 6))
    )
    assert point_sample(features, torch.zeros(2, 0, 2)).shape == (2, 3, 0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_reads_the_right_pixels_of_a_large_map(dtype):
    """Pixels past number 256 or 2048 have no number of their own in half precision."""
    features = draw(1, 2, 64, 64).to(dtype)
    points = pixel_centres(64, 64)[None]
    read = point_sample(features, points)
    assert read.dtype == dtype and torch.equal(read.unflatten(2, (64, 64)), features)
    assert torch.equal(point_sample(features, points.to(dtype))[..., :8], features[..., 0, :8])


@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_a_wild_pixel_is_read_only_where_it_is_near(value):
    features = torch.ones(1, 1, 3, 3)
    features[0, 0, 0, 0] = value
    points = torch.tensor([[[5 / 6, 5 / 6], [1.0, 1.0], [2.0, 0.5], [0.1, 0.1]]])
    read = point_sample(features, points)[0, 0]
    assert_close(read[:3], torch.tensor([1, 0.25, 0]), atol=1e-5, rtol=0)
    assert not read[3].isfinite()


def test_the_door_of_reading():
    with pytest.raises(
        ValueError, match=r"features must be floating, .*; got torch\.int64 of \(1, 1, 3, 4\)"
    ):
        point_sample(torch.ones(1, 1, 3, 4).long(), torch.rand(1, 5, 2))
    with pytest.raises(ValueError, match=r"with at least one pixel; got torch\.float32 of \(1, 1, 0, 4\)"):
        point_sample(torch.ones(1, 1, 0, 4), torch.rand(1, 5, 2))
    with pytest.raises(ValueError, match=r"features must be \(N, C, H, W\); got \(3, 4\)"):
        point_sample(torch.zeros(3, 4), torch.zeros(3, 1, 2))
    for points in (torch.zeros(1, 5, 2), torch.zeros(2, 5, 3), torch.zeros(2)):
        with pytest.raises(ValueError, match=r"points must be \(N, \.\.\., 2\) as x, y"):
            point_sample(torch.zeros(2, 1, 3, 4), points)
    with pytest.raises(ValueError, match=r"points must be floating, from 0 to 1; got torch\.int64"):
        point_sample(torch.zeros(1, 1, 3, 4), torch.zeros(1, 5, 2).long())


# ------------------------------------------------------------------------------- uncertainty


def test_two_classes_and_one_logit_say_the_same():
    """A mask's logit is the difference of the two classes' scores."""
    logits = draw(2, 2, 5, 6)
    assert_close(uncertainty(logits), uncertainty(logits[:, :1] - logits[:, 1:]))


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_several_classes_equal_a_sort(classes):
    logits = draw(2, classes, 4, 5)
    ranked = np.sort(logits.numpy(), axis=1)
    assert_close(uncertainty(logits), torch.from_numpy(ranked[:, -2:-1] - ranked[:, -1:]))


def test_adding_a_constant_changes_no_doubt_among_several():
    logits = draw(1, 4, 9)
    assert_close(uncertainty(logits + 5), uncertainty(logits))
    assert uncertainty(logits).shape == (1, 1, 9)


def test_no_doubt_is_above_zero_and_ties_are_zero():
    assert (uncertainty(draw(2, 5, 30)) <= 0).all()
    assert uncertainty(torch.full((1, 3, 2), 4.0)).tolist() == [[[0, 0]]]
    with pytest.raises(ValueError, match="one channel at least"):
        uncertainty(torch.zeros(1, 0, 4))


@pytest.mark.parametrize("num_points", [1, 7, 20, 21, 1000])
def test_the_most_uncertain_pixels(num_points):
    doubt = -draw(3, 1, 4, 5).abs()
    indices, points = uncertain_points_on_grid(doubt, num_points)
    count = min(num_points, 20)
    assert indices.shape == (3, count) and points.shape == (3, count, 2) and indices.dtype == torch.int64
    expected = np.argsort(-doubt.flatten(1).numpy(), axis=1, kind="stable")[:, :count]
    assert indices.tolist() == expected.tolist()
    for n in range(3):
        for index, (x, y) in zip(indices[n].tolist(), points[n].tolist(), strict=True):
            assert (x, y) == pytest.approx(((index % 5 + 0.5) / 5, (index // 5 + 0.5) / 4))
    assert_close(point_sample(doubt, points)[:, 0], doubt.flatten(1).gather(1, indices))


def test_ties_take_the_first():
    doubt = -torch.tensor([[[[2.0, 1.0, 1.0], [1.0, 2.0, 0.0]]]])
    assert uncertain_points_on_grid(doubt, 3)[0].tolist() == [[5, 1, 2]]
    assert uncertain_points_on_grid(torch.zeros(1, 1, 30, 40), 50)[0].tolist() == [list(range(50))]


def test_points_are_exact_whatever_the_dtype_of_the_uncertainty():
    doubt = torch.zeros(1, 1, 3, 1030)
    centres = pixel_centres(3, 1030, torch.float64)[None]
    x = torch.arange(1030, dtype=torch.float64)
    assert_close(centres[0, :1030, 0], (x + 0.5) / 1030, rtol=1e-15, atol=0)
    for dtype in (torch.float16, torch.bfloat16, torch.int64, torch.float64):
        points = uncertain_points_on_grid(doubt.to(dtype), 3090)[1]
        assert points.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
        assert_close(points, centres.to(points.dtype), rtol=0, atol=0)


def test_the_door_of_picking():
    with pytest.raises(ValueError, match=r"num_points must be an int; got 1\.5"):
        uncertain_points_on_grid(torch.zeros(1, 1, 3, 3), 1.5)
    with pytest.raises(ValueError, match=r"dtype must be floating.*got torch\.int64"):
        pixel_centres(2, 2, torch.int64)
    with pytest.raises(ValueError, match=r"uncertainty must be \(N, 1, H, W\); got \(1, 2, 3, 3\)"):
        uncertain_points_on_grid(torch.zeros(1, 2, 3, 3), 2)
    with pytest.raises(ValueError, match="num_points must be at least 1; got 0"):
        uncertain_points_on_grid(torch.zeros(1, 1, 3, 3), 0)


# ------------------------------------------------------------------------------- points to learn from


def edge(width=32):
    """A sure yes on the left, a sure no on the right: the boundary is at x = 1/2."""
    return torch.where(torch.arange(width) < width // 2, 6.0, -6.0).expand(2, 1, width, width)


@pytest.mark.parametrize("importance", [0.0, 0.5, 0.75, 1.0])
def test_the_share_of_points_at_the_boundary(importance):
    points = sample_training_points(edge(16), 100, 50, importance, torch.Generator().manual_seed(0))
    assert points.shape == (2, 100, 2)
    assert (points >= 0).all() and (points < 1).all()
    near = ((points[..., 0] - 0.5).abs() < 0.05).float().mean()
    assert near.item() == pytest.approx(importance + (1 - importance) * 0.1, abs=0.06)


def test_points_are_drawn_before_they_are_judged():
    """Read logits, then judge: a map of uncertainty is -6 everywhere here and would know of no boundary."""
    points = sample_training_points(edge(), 40, 100, 1.0, torch.Generator().manual_seed(0))
    assert ((points[..., 0] - 0.5).abs() < 1 / 32).float().mean() > 0.9


def test_training_points_follow_the_generator_and_the_settings():
    logits = draw(2, 3, 8, 8)
    first, again, other = (
        sample_training_points(logits, 30, generator=torch.Generator().manual_seed(seed))
        for seed in (1, 1, 2)
    )
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert not torch.equal(first[0], first[1])
    generator = torch.Generator().manual_seed(1)
    candidates = torch.rand(2, 90, 2, generator=generator)
    uniform = torch.rand(2, 8, 2, generator=generator)
    assert torch.equal(first, biased_points(logits, candidates, uniform, 30))


@pytest.mark.parametrize(
    ("num_points", "importance", "chosen"), [(10, 0.75, 7), (3, 0.5, 1), (4, 1.0, 4), (5, 0.0, 0)]
)
def test_chosen_points_equal_a_loop(num_points, importance, chosen):
    logits, candidates, uniform = draw(2, 3, 6, 5), spots(2, 12), spots(2, 10, seed=1)
    points = biased_points(logits, candidates, uniform, num_points, importance)
    read = by_torch(logits, candidates)
    for n in range(2):
        margins = [float(np.diff(np.sort(read[n, :, m].numpy())[-2:])[0]) for m in range(12)]
        best = sorted(range(12), key=lambda m: margins[m])[:chosen]
        assert torch.equal(points[n], torch.cat([candidates[n, best], uniform[n, : num_points - chosen]]))


def test_no_gradient_flows_to_the_choice():
    logits = draw(1, 1, 4, 4).requires_grad_()
    assert not sample_training_points(logits, 5).requires_grad


def test_the_door_of_training_points():
    with pytest.raises(ValueError, match=r"importance must be from 0 to 1; got 1\.5"):
        sample_training_points(draw(1, 1, 4, 4), 5, importance=1.5)
    with pytest.raises(ValueError, match=r"oversample must be at least 1; got 0\.5"):
        sample_training_points(draw(1, 1, 4, 4), 5, oversample=0.5)
    with pytest.raises(ValueError, match="7 candidates and 3 uniform points are wanted; got 5 and 3"):
        biased_points(draw(1, 1, 4, 4), spots(1, 5), spots(1, 3), 10)


# ------------------------------------------------------------------------------- the head


def test_the_papers_head_has_the_papers_parameters():
    head = PointHead(256, 80)
    sizes = [tuple(layer.weight.shape[:2]) for layer in (*head.layers, head.score)]
    assert sizes == [(256, 336), (256, 336), (256, 336), (80, 336)]


def test_each_point_is_judged_by_itself():
    torch.manual_seed(0)
    head, fine, coarse = PointHead(4, 3, 8), draw(2, 4, 10), draw(2, 3, 10, seed=1)
    order = torch.randperm(10, generator=torch.Generator().manual_seed(0))
    assert_close(head(fine[..., order], coarse[..., order]), head(fine, coarse)[..., order])
    assert_close(head(fine[..., :1], coarse[..., :1]), head(fine, coarse)[..., :1])


def test_the_head_equals_linear_layers():
    torch.manual_seed(1)
    head, fine, coarse = PointHead(4, 2, 5, num_layers=2), draw(1, 4, 6), draw(1, 2, 6, seed=1)
    x = fine[0].T
    for layer in head.layers:
        x = F.linear(torch.cat([x, coarse[0].T], 1), layer.weight[..., 0], layer.bias).clamp(min=0)
    expected = F.linear(torch.cat([x, coarse[0].T], 1), head.score.weight[..., 0], head.score.bias)
    assert_close(head(fine, coarse)[0], expected.T)


def test_the_door_of_the_head():
    with pytest.raises(ValueError, match="num_layers must be at least 1; got 0"):
        PointHead(4, 2, num_layers=0)


# ------------------------------------------------------------------------------- subdivision


@pytest.fixture
def maps():
    torch.manual_seed(3)
    return draw(2, 3, 4, 5), draw(2, 6, 16, 20, seed=1), PointHead(6, 3, 8)


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_every_point_taken_is_dense_evaluation(maps, steps):
    coarse, features, head = maps
    size = 4 * 2**steps, 5 * 2**steps
    dense = evaluate_points(coarse, features, head, pixel_centres(*size).expand(2, -1, -1)).unflatten(2, size)
    for num_points in (size[0] * size[1], 10**6):
        assert_close(subdivision_inference(coarse, features, head, steps, num_points), dense)


def test_dense_evaluation_equals_resized_maps(maps):
    """At pixel centres, reading a map is what bilinear resizing does, but at the border, where reading fades to 0."""
    coarse, features, head = maps
    dense = evaluate_points(coarse, features, head, pixel_centres(16, 20).expand(2, -1, -1)).unflatten(
        2, (16, 20)
    )
    resized = F.interpolate(coarse, (16, 20), mode="bilinear", align_corners=False)
    expected = head(features.flatten(2), resized.flatten(2)).unflatten(2, (16, 20))
    assert_close(dense[..., 2:-2, 2:-2], expected[..., 2:-2, 2:-2])


def test_only_the_chosen_pixels_change(maps):
    coarse, features, head = maps
    doubled = F.interpolate(coarse, scale_factor=2, mode="bilinear", align_corners=False)
    refined = subdivision_step(coarse, coarse, features, head, 13)
    changed = (refined != doubled).any(1).flatten(1)
    ranked = np.sort(doubled.numpy(), axis=1)
    doubt = torch.from_numpy(ranked[:, -2] - ranked[:, -1]).flatten(1)
    assert changed.sum(1).tolist() == [13, 13]
    for n in range(2):
        assert doubt[n][changed[n]].min() > doubt[n][~changed[n]].max()


def test_zero_steps_change_nothing(maps):
    coarse, features, head = maps
    assert torch.equal(subdivision_inference(coarse, features, head, 0, 5), coarse)


def test_the_head_always_reads_the_first_prediction(maps):
    """What it reads as coarse is the first map at its points, at the third step as at the first."""
    coarse, features, _ = maps
    seen = []

    def head(fine, rough):
        seen.append((fine, rough))
        return rough + 100

    subdivision_inference(coarse, features, head, 3, 9)
    assert len(seen) == 3
    assert all(rough.max() <= coarse.max() for _, rough in seen)


def test_subdivision_equals_a_loop_with_torchs_pieces(maps):
    coarse, features, head = maps
    logits, num_points = coarse, 11
    for _ in range(2):
        logits = F.interpolate(logits, scale_factor=2, mode="bilinear", align_corners=False).clone()
        height, width = logits.shape[-2:]
        for n in range(2):
            top = logits[n].flatten(1).T.sort(1).values
            for index in (top[:, -1] - top[:, -2]).argsort(stable=True)[:num_points].tolist():
                point = torch.tensor([[[(index % width + 0.5) / width, (index // width + 0.5) / height]]])
                read = [by_torch(x[n : n + 1], point) for x in (features, coarse)]
                logits[n, :, index // width, index % width] = head(*read)[0, :, 0]
    assert_close(subdivision_inference(coarse, features, head, 2, num_points), logits, rtol=1e-4, atol=1e-5)


def test_masks_of_one_channel():
    coarse, features = draw(2, 1, 3, 3), draw(2, 2, 6, 6, seed=1)
    refined = subdivision_step(coarse, coarse, features, lambda fine, rough: 0 * rough + 50, 4)
    doubled = F.interpolate(coarse, scale_factor=2, mode="bilinear", align_corners=False)
    chosen = doubled.abs().flatten(1).argsort(1)[:, :4]
    assert ((refined == 50).flatten(1).nonzero()[:, 1].reshape(2, 4) == chosen.sort(1).values).all()


def test_gradients_reach_the_head_and_both_maps(maps):
    coarse, features, head = maps
    coarse.requires_grad_(), features.requires_grad_()
    subdivision_inference(coarse, features, head, 1, 10).sum().backward()
    assert all(x.grad.abs().sum() > 0 for x in (coarse, features, head.layers[0].weight))


def test_subdivision_in_half_precision(maps):
    coarse, features, head = maps
    found = subdivision_inference(coarse.half(), features.half(), head.half(), 3, 40)
    assert found.dtype == torch.float16
    everywhere = evaluate_points(
        coarse.half(), features.half(), head, pixel_centres(32, 40).expand(2, -1, -1)
    )
    dense = subdivision_inference(coarse.half(), features.half(), head, 3, 10**4)
    assert_close(dense.flatten(2), everywhere, rtol=1e-2, atol=1e-2)


def test_the_door_of_subdivision(maps):
    coarse, features, head = maps
    with pytest.raises(ValueError, match=r"same images and classes; got \(2, 2, 4, 5\) and \(2, 3, 4, 5\)"):
        subdivision_step(coarse[:, :2], coarse, features, head, 5)
    with pytest.raises(ValueError, match=r"steps must be an int; got 1\.5"):
        subdivision_inference(coarse, features, head, 1.5, 5)
    with pytest.raises(ValueError, match="steps must be at least 0; got -1"):
        subdivision_inference(coarse, features, head, -1, 5)
    with pytest.raises(ValueError, match=r"coarse must be \(N, C, H, W\); got \(3, 4, 5\)"):
        subdivision_inference(coarse[0], features, head, 1, 5)
    with pytest.raises(
        ValueError, match=r"head must return logits \(2, 3, 5\) for these points; got \(2, 6, 5\)"
    ):
        subdivision_step(coarse, coarse, features, lambda fine, rough: fine, 5)


# ------------------------------------------------------------------------------- cost


def test_the_papers_cost():
    """From 7 x 7 to 224 x 224 with 28^2 points a step: 4.25 times 28^2, over 15 times fewer than all pixels."""
    points, pixels = points_evaluated(7, 5, 28**2)
    assert points == 4.25 * 28**2
    assert pixels == 224**2 and pixels / points > 15


@pytest.mark.parametrize(("size", "steps", "num_points"), [((3, 5), 3, 70), (4, 0, 10), ((2, 2), 2, 10**6)])
def test_the_cost_is_what_the_head_is_asked(size, steps, num_points):
    height, width = size if isinstance(size, tuple) else (size, size)
    asked = []

    def head(fine, rough):
        asked.append(rough.shape[-1])
        return rough

    coarse = draw(1, 1, height, width)
    out = subdivision_inference(coarse, coarse, head, steps, num_points)
    assert points_evaluated(size, steps, num_points) == (sum(asked), out[0, 0].numel())


def test_the_door_of_the_cost():
    with pytest.raises(ValueError, match=r"num_points must be an int; got 2\.5"):
        points_evaluated(7, 5, 2.5)
    with pytest.raises(ValueError, match="num_points must be at least 1; got 0"):
        points_evaluated(7, 5, 0)
    with pytest.raises(ValueError, match="size must be an int or a pair of ints"):
        points_evaluated((7, 7, 7), 5, 4)


# ------------------------------------------------------------------------------- on a base


@pytest.mark.parametrize(
    "base", [lambda: OnFCN(FCN(SmallCNN(), 5, "8s")), lambda: OnUNet(UNet(3, 5, 4), 5)], ids=["FCN", "U-Net"]
)
def test_logits_have_the_images_size_or_the_size_is_refused(base):
    network = PointRend(base(), 5, hidden_channels=4, num_points=8).eval()
    assert network(torch.rand(1, 3, 32, 48)).shape == (1, 5, 32, 48)
    with pytest.raises(
        ValueError, match=r"sides that the base halves without a rest; got \(37, 48\), .* cover \("
    ):
        network(torch.rand(1, 3, 37, 48))
