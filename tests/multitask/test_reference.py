"""Chapter 15's references: what must always hold, numbers that a person can check, then independent oracles."""

import math
import re

import numpy as np
import pytest
import torch
from torch import nn
from torch.testing import assert_close

from dlcv.backbones import SmallCNN
from dlcv.data.scenes import render
from dlcv.depth import depth_metrics, project
from dlcv.multitask import (
    DenseHead,
    MultiTaskNet,
    angular_error,
    normal_loss,
    normal_metrics,
    normals_from_depth,
    scale_invariant_log_loss,
    uncertainty_weighting,
)

GARBAGE = [1e9, math.nan, math.inf, -1.0]


def camera(fx=60.0, fy=50.0, cx=4.3, cy=2.6):
    return torch.tensor([[fx, 0, cx], [0, fy, cy], [0, 0, 1]], dtype=torch.float64)


def plane(normal, distance, K, size=(7, 9)):
    """Depth of the plane n . P = -distance, by the ray through each pixel: 1 / Z = -(n . ray) / distance."""
    v, u = torch.meshgrid(*(torch.arange(side, dtype=torch.float64) for side in size), indexing="ij")
    rays = torch.stack([(u - K[0, 2]) / K[0, 0], (v - K[1, 2]) / K[1, 1], torch.ones_like(u)], -1)
    depth = -distance / (rays @ normal)
    assert (depth > 0).all()
    return depth, rays


def unit(*values):
    vector = torch.tensor(values, dtype=torch.float64)
    return vector / vector.norm()


def rows(*shape, seed=0, known=0.7):
    """Random vectors twice, and a mask that knows a share of the pixels."""
    generator = torch.Generator().manual_seed(seed)
    a, b = torch.randn(2, *shape, 3, generator=generator, dtype=torch.float64)
    return a, b, torch.rand(shape, generator=generator) < known


def depths(*shape, seed=0, known=0.7):
    generator = torch.Generator().manual_seed(seed)
    target = 0.5 + 9 * torch.rand(shape, generator=generator, dtype=torch.float64)
    prediction = target * (0.3 * torch.randn(shape, generator=generator, dtype=torch.float64)).exp()
    return prediction, target, torch.rand(shape, generator=generator) < known


# ------------------------------------------------------------------------------------- normals from depth

PLANES = [
    unit(0, 0, -1),
    unit(0, -1, -0.2),  # a floor
    unit(1, 0, -0.4),  # a wall on the left, which faces right
    unit(-0.7, 0.5, -1),
    unit(0.3, 1, -0.6),  # a ceiling
]
planes = pytest.mark.parametrize("normal", PLANES, ids=lambda n: ",".join(f"{x:.1f}" for x in n.tolist()))


@planes
@pytest.mark.parametrize("distance", [0.01, 1.0, 300.0])
def test_on_a_plane_every_pixel_has_its_normal_the_border_too(normal, distance):
    K = camera()
    depth, _ = plane(normal, distance, K)
    assert_close(normals_from_depth(depth, K), normal.expand(7, 9, 3), rtol=0, atol=1e-10)


@planes
def test_on_a_plane_in_float32(normal):
    K = camera(300.0, 280.0, 20.0, 15.0)
    depth, _ = plane(normal, 3.0, K, (32, 40))
    found = normals_from_depth(depth.float(), K.float())
    assert found.dtype == torch.float32
    assert_close(found, normal.float().expand(32, 40, 3), rtol=0, atol=2e-3)


@planes
def test_normals_are_of_length_one_and_point_towards_the_camera(normal):
    K = camera()
    _, rays = plane(normal, 1.0, K)
    generator = torch.Generator().manual_seed(0)
    bumpy = 1 + 5 * torch.rand(7, 9, generator=generator, dtype=torch.float64)
    found = normals_from_depth(bumpy, K)
    assert_close(found.norm(dim=-1), torch.ones(7, 9, dtype=torch.float64))
    assert ((found * rays).sum(-1) < 0).all()


@planes
def test_unknown_pixels_get_no_normal_and_their_neighbours_keep_theirs(normal):
    K = camera()
    depth, _ = plane(normal, 2.0, K)
    for value in (0.0, math.nan, math.inf, -3.0):
        holes = depth.clone()
        holes[2, 3], holes[0, 0], holes[6, 5:7] = value, value, value
        known = holes == depth
        found = normals_from_depth(holes, K)
        assert not found[~known].any()
        assert_close(found[known], normal.expand(int(known.sum()), 3), rtol=0, atol=1e-10)


def test_a_pixel_without_a_known_neighbour_in_its_row_or_column_has_no_normal():
    depth = torch.full((3, 3), 2.0)
    depth[1, 0] = depth[1, 2] = 0
    found = normals_from_depth(depth, camera(cx=1, cy=1))
    assert not found[1].any()
    assert_close(found[0, 1], torch.tensor([0.0, 0.0, -1.0]))
    assert not normals_from_depth(torch.ones(1, 5), camera()).any()


def test_the_size_of_the_world_does_not_matter_but_the_camera_does():
    depth, *_ = depths(6, 8)
    assert_close(normals_from_depth(1000 * depth, camera()), normals_from_depth(depth, camera()))
    assert not torch.allclose(
        normals_from_depth(depth, camera(fx=30.0, fy=25.0)), normals_from_depth(depth, camera())
    )


def test_normals_of_a_sphere():
    """Off the rim, central differences are right to the second order."""
    K = camera(400.0, 400.0, 20.0, 20.0)
    v, u = torch.meshgrid(*(torch.arange(41, dtype=torch.float64),) * 2, indexing="ij")
    ray = torch.stack([(u - 20) / 400, (v - 20) / 400, torch.ones_like(u)], -1)
    centre = torch.tensor([0, 0, 5.0], dtype=torch.float64)
    a, b = (ray * ray).sum(-1), (ray @ centre)
    depth = (b - (b * b - a * (25 - 1)).sqrt()) / a
    true = ray * depth[..., None] - centre
    found = normals_from_depth(depth, K)
    everywhere = torch.ones(41, 41, dtype=torch.bool)
    assert float(angular_error(found, true, everywhere).max()) < 0.5  # one-sided at the border of the map
    inner = torch.zeros(41, 41, dtype=torch.bool)
    inner[1:-1, 1:-1] = True
    assert float(angular_error(found, true, inner).max()) < 0.02


def test_normals_of_rendered_scenes_are_those_of_the_renderer():
    batch = render(range(4), size=96, family="room")
    shares = []
    for scene in batch:
        found = normals_from_depth(scene.depth, scene.intrinsics)
        known = scene.depth > 0
        shares.append(float((angular_error(found, scene.normals, known) < 5).float().mean()))
    assert min(shares) > 0.8  # the rest are edges and small round things


def test_gradients_of_normals():
    depth, *_ = depths(4, 5)
    depth[1, 2] = 0
    known = depth > 0
    depth.requires_grad_()
    assert torch.autograd.gradcheck(lambda d: normals_from_depth(torch.where(known, d, 0.0), camera()), depth)
    spoiled = depth.detach().where(known, torch.nan).requires_grad_()
    gradient = torch.autograd.grad(normals_from_depth(spoiled, camera()).sum(), spoiled)[0]
    assert gradient.isfinite().all()
    assert not gradient[~known].any()


def test_normals_from_whole_numbers():
    assert_close(normals_from_depth(torch.full((2, 2), 3), camera())[1, 1], torch.tensor([0.0, 0.0, -1.0]))


def test_moving_a_point_along_its_normal_brings_it_nearer_to_the_camera():
    K = camera()
    depth, rays = plane(PLANES[3], 2.0, K)
    points = rays * depth[..., None]
    moved = points + 1e-3 * normals_from_depth(depth, K)
    assert (moved.norm(dim=-1) < points.norm(dim=-1)).all()
    assert project(moved, K).isfinite().all()


# ------------------------------------------------------------------------------------------------ angles


def test_angles_that_a_person_can_check():
    a = torch.tensor([[[1.0, 0, 0]] * 5])
    b = torch.tensor([[[2.0, 0, 0], [1, 1, 0], [0, 0, 3], [-1, 0, 1], [-1, 0, 0]]])
    mask = torch.ones(1, 5, dtype=torch.bool)
    assert_close(angular_error(a, b, mask), torch.tensor([0.0, 45, 90, 135, 180]))
    assert_close(angular_error(b, a, mask), angular_error(a, b, mask))


@pytest.mark.parametrize("degrees", [1e-6, 1e-3, 1.0, 179.999])
def test_small_angles_keep_their_digits_in_float32(degrees):
    a = torch.tensor([[[0.0, 0.0, -1.0]]])
    b = torch.tensor([[[math.sin(math.radians(degrees)), 0.0, -math.cos(math.radians(degrees))]]])
    found = angular_error(a, b, torch.tensor([[True]]))
    assert_close(found, torch.tensor([degrees]), rtol=1e-4, atol=0)


def test_angles_are_those_of_numpy_and_do_not_see_length():
    a, b, mask = rows(2, 5, 6)
    cosine = (a * b).sum(-1) / a.norm(dim=-1) / b.norm(dim=-1)
    expected = np.degrees(np.arccos(cosine[mask].numpy()))
    assert_close(angular_error(a, b, mask).numpy(), expected)
    assert_close(angular_error(7 * a, 0.01 * b, mask), angular_error(a, b, mask))


def test_both_layouts_say_the_same():
    a, b, mask = rows(2, 5, 6)
    first, second = a.movedim(-1, 1), b.movedim(-1, 1)
    for measure in (angular_error, normal_loss):
        assert_close(measure(first, second, mask), measure(a, b, mask))
        assert_close(measure(first, b, mask), measure(a, b, mask))
    assert_close(angular_error(first[0], second[0], mask[0]), angular_error(a[0], b[0], mask[0]))


def test_a_vector_of_length_0_is_no_good_prediction():
    b, zero, mask = torch.randn(2, 3, 3, 4).movedim(1, -1), torch.zeros(2, 3, 4, 3), torch.ones(2, 3, 4) > 0
    assert_close(angular_error(zero, b, mask), torch.full((24,), 90.0))
    zero.requires_grad_()
    loss = normal_loss(zero, b, mask)
    assert_close(loss, torch.tensor(1.0))
    gradient = torch.autograd.grad(loss, zero)[0]
    assert gradient.isfinite().all()
    assert gradient.any()  # it can get away from there


def test_metrics_of_normals_by_hand():
    turns = torch.tensor([0.0, 10.0, 20.0, 25.0, 40.0]).deg2rad()
    b = torch.stack([turns.sin(), torch.zeros(5), -turns.cos()], -1)[None]
    a = torch.tensor([0.0, 0.0, -1.0]).expand(1, 5, 3)
    found = normal_metrics(a, b, torch.ones(1, 5, dtype=torch.bool))
    expected = {"mean": 19.0, "median": 20.0, "11.25": 0.4, "22.5": 0.6, "30": 0.8}
    assert_close({k: float(v) for k, v in found.items()}, expected, rtol=1e-5, atol=1e-5)


def test_exactly_at_the_limit_is_not_below_it():
    turn = math.radians(30)
    a = torch.tensor([[[1.0, 0, 0]]], dtype=torch.float64)
    b = torch.tensor([[[math.cos(turn), math.sin(turn), 0]]], dtype=torch.float64)
    mask = torch.tensor([[True]])
    exact = float(angular_error(a, b, mask))
    assert exact == pytest.approx(30)
    assert float(normal_metrics(a, b, mask)["30"]) == float(exact < 30)


# -------------------------------------------------------------------------------------------- normal loss


def test_normal_loss_is_one_minus_torchs_cosine():
    a, b, mask = rows(2, 5, 6)
    expected = (1 - torch.cosine_similarity(a, b, dim=-1))[mask].mean()
    assert_close(normal_loss(a, b, mask), expected)
    assert_close(normal_loss(a, b, mask), (1 - angular_error(a, b, mask).deg2rad().cos()).mean())
    assert_close(normal_loss(a, 3 * a, mask), torch.tensor(0.0).double(), atol=1e-12, rtol=0)
    assert_close(normal_loss(a, -a, mask), torch.tensor(2.0).double())


# ------------------------------------------------------------------------------------------ Eigen's loss


def test_lam_0_is_plain_l2_in_log():
    prediction, target, mask = depths(3, 5, 6)
    expected = (prediction.log() - target.log())[mask].square().mean()
    assert_close(scale_invariant_log_loss(prediction, target, mask, lam=0.0), expected)
    rmse_log = depth_metrics(prediction, target, mask)["rmse_log"]
    assert_close(scale_invariant_log_loss(prediction, target, mask, lam=0), rmse_log.square())


def test_lam_1_does_not_see_a_factor_common_to_all_images_nor_one_for_each():
    prediction, target, mask = depths(3, 5, 6)
    before = scale_invariant_log_loss(prediction, target, mask, lam=1.0)
    for factor in (7.0, 1e-3, torch.tensor([0.1, 2.0, 50.0])[:, None, None].double()):
        assert_close(scale_invariant_log_loss(factor * prediction, target, mask, lam=1.0), before)
    assert scale_invariant_log_loss(5 * target, target, mask, lam=1.0) < 1e-20
    assert before > 0.01


def test_lam_1_of_one_image_is_kittis_silog():
    prediction, target, mask = depths(1, 5, 6)
    silog = depth_metrics(prediction, target, mask)["silog"]
    assert_close(scale_invariant_log_loss(prediction, target, mask, lam=1.0), (silog / 100).square())


@pytest.mark.parametrize("lam", [0.0, 0.3, 0.5, 0.85, 1.0])
def test_eigens_equation_4_image_by_image(lam):
    prediction, target, mask = depths(3, 5, 6)
    total = 0.0
    for z, true, valid in zip(prediction, target, mask, strict=True):
        d = (z.log() - true.log())[valid]
        n = len(d)
        total += n * ((d**2).sum() / n - lam / n**2 * d.sum() ** 2)
    assert_close(scale_invariant_log_loss(prediction, target, mask, lam), total / mask.sum())


def test_eigens_equation_2_the_sum_over_pairs():
    """lam = 1 asks of each pair of pixels by how much their ratio is off."""
    prediction, target, mask = depths(1, 3, 4)
    d = (prediction.log() - target.log())[mask]
    pairs = (d[:, None] - d[None]).square().mean() / 2
    assert_close(scale_invariant_log_loss(prediction, target, mask, lam=1.0), pairs)


def test_half_forgives_half():
    prediction, target, mask = depths(1, 5, 6)
    none, half, whole = (scale_invariant_log_loss(prediction, target, mask, lam) for lam in (0, 0.5, 1))
    assert_close(half, (none + whole) / 2)
    assert_close(scale_invariant_log_loss(prediction, target, mask), half)


def test_a_single_map_is_a_batch_of_one():
    prediction, target, mask = depths(5, 6)
    assert_close(
        scale_invariant_log_loss(prediction, target, mask),
        scale_invariant_log_loss(prediction[None], target[None], mask[None]),
    )


def test_the_loss_is_not_below_0_in_float32():
    target = torch.full((1, 20, 20), 3.7)
    for factor in (1.0, 1.1, 2.3):
        loss = scale_invariant_log_loss(factor * target, target, torch.ones(1, 20, 20) > 0, lam=1.0)
        assert 0 <= loss < 1e-10


# ----------------------------------------------------------------------------------- masks, all of the losses

LOSSES = {
    "normal_loss": (normal_loss, rows),
    "scale_invariant_log_loss": (scale_invariant_log_loss, depths),
}
losses = pytest.mark.parametrize(("loss", "make"), LOSSES.values(), ids=LOSSES)


@losses
@pytest.mark.parametrize("garbage", GARBAGE)
def test_what_stands_at_invalid_pixels_does_not_leak(loss, make, garbage):
    prediction, target, mask = make(2, 5, 6)
    where = mask if prediction.dim() == 3 else mask[..., None]
    prediction.requires_grad_()
    spoiled = prediction.detach().where(where, garbage).requires_grad_()
    expected, found = loss(prediction, target, mask), loss(spoiled, target.where(where, -garbage), mask)
    assert_close(found, expected)
    gradients = [torch.autograd.grad(value, x)[0] for value, x in ((found, spoiled), (expected, prediction))]
    assert_close(*gradients)
    assert not gradients[0][~mask].any()


@losses
def test_a_loss_over_nothing_is_0_with_a_gradient_of_zeros(loss, make):
    prediction, target, mask = make(2, 5, 6)
    spoiled = torch.full_like(prediction, torch.nan).requires_grad_()
    value = loss(spoiled, target, torch.zeros_like(mask))
    assert value == 0
    assert not torch.autograd.grad(value, spoiled)[0].any()


@losses
def test_an_image_without_a_valid_pixel_changes_nothing(loss, make):
    prediction, target, mask = make(3, 5, 6)
    mask[1] = False
    others = torch.tensor([0, 2])
    assert_close(loss(prediction, target, mask), loss(prediction[others], target[others], mask[others]))


@losses
def test_gradcheck(loss, make):
    prediction, target, mask = make(2, 3, 4)
    assert torch.autograd.gradcheck(
        lambda p, t: loss(p, t, mask), (prediction.requires_grad_(), target.requires_grad_())
    )


@losses
def test_the_truth_costs_nothing(loss, make):
    _, target, mask = make(2, 5, 6)
    assert float(loss(target, target, mask)) == pytest.approx(0, abs=1e-12)


def test_metrics_of_nothing_are_nan():
    a, b, mask = rows(2, 5, 6)
    nothing = torch.zeros_like(mask)
    assert angular_error(a, b, nothing).shape == (0,)
    assert all(value.isnan() for value in normal_metrics(a, b, nothing).values())


def test_angles_do_not_see_invalid_pixels_and_their_gradient_is_finite():
    a, b, mask = rows(2, 5, 6)
    spoiled = a.where(mask[..., None], torch.nan).requires_grad_()
    angles = angular_error(spoiled, b, mask)
    assert_close(angles, angular_error(a, b, mask))
    gradient = torch.autograd.grad(angles.sum(), spoiled)[0]
    assert gradient.isfinite().all()
    assert not gradient[~mask].any()
    same = b.clone().requires_grad_()
    assert torch.autograd.grad(angular_error(same, b, mask).sum(), same)[0].isfinite().all()
    assert torch.autograd.gradcheck(lambda a: angular_error(a, b, mask), a.requires_grad_())


# -------------------------------------------------------------------------------------------- many tasks


def test_weights_of_variance_one_are_the_sum():
    losses = torch.tensor([2.0, 0.5, 3.0])
    assert_close(uncertainty_weighting(losses, torch.zeros(3)), losses.sum())
    assert_close(uncertainty_weighting([2.0, torch.tensor(0.5)], [torch.zeros(()), 0.0]), torch.tensor(2.5))


def test_the_best_log_variance_is_the_log_of_the_loss():
    losses = torch.tensor([4.0, 0.02, 1.0], dtype=torch.float64)
    s = losses.log().requires_grad_()
    total = uncertainty_weighting(losses, s)
    assert_close(torch.autograd.grad(total, s)[0], torch.zeros(3).double(), atol=1e-12, rtol=0)
    for step in torch.eye(3).double() * 0.1:
        assert uncertainty_weighting(losses, s + step) > total
        assert uncertainty_weighting(losses, s - step) > total


def test_weights_are_inverse_variances_and_log_vars_get_a_gradient():
    losses = torch.tensor([4.0, 2.0], requires_grad=True)
    s = torch.tensor([1.0, -2.0], requires_grad=True)
    weight, pull = torch.autograd.grad(uncertainty_weighting(losses, s), (losses, s))
    assert_close(weight, torch.exp(-s).detach())
    assert_close(pull, (1 - losses * torch.exp(-s)).detach())


def test_it_is_twice_the_likelihood_of_gaussian_errors():
    errors = torch.randn(50, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    s = torch.tensor(0.7, dtype=torch.float64)
    likelihood = torch.distributions.Normal(0.0, (s / 2).exp()).log_prob(errors).mean()
    found = uncertainty_weighting([errors.square().mean()], [s])
    assert_close(found, -2 * likelihood - math.log(2 * math.pi))


def test_gradcheck_of_the_weights():
    losses, s = torch.rand(3).double().requires_grad_(), torch.randn(3).double().requires_grad_()
    assert torch.autograd.gradcheck(uncertainty_weighting, (losses, s))


# ------------------------------------------------------------------------------------------- the network

HEADS = {"depth": 1, "normals": 3, "semantic": 10}


@pytest.fixture
def network():
    torch.manual_seed(0)
    return MultiTaskNet(SmallCNN((4, 6, 8, 8, 8)), HEADS, hidden=8).eval()


@pytest.mark.parametrize("size", [(32, 32), (50, 71)])
def test_each_task_has_a_map_of_the_images_size(network, size):
    found = network(torch.rand(2, 3, *size))
    assert {name: tuple(out.shape) for name, out in found.items()} == {
        name: (2, count, *size) for name, count in HEADS.items()
    }


def test_the_encoder_runs_once(network):
    runs = []
    network.backbone.register_forward_hook(lambda *given: runs.append(1))
    network(torch.rand(1, 3, 32, 32))
    assert len(runs) == 1


def test_every_task_reaches_the_encoder_and_no_other_head(network):
    for name in HEADS:
        network.zero_grad(set_to_none=True)
        network(torch.rand(1, 3, 32, 32))[name].square().mean().backward()
        assert all(parameter.grad is not None for parameter in network.backbone.parameters())
        for other in HEADS:
            touched = [parameter.grad is not None for parameter in network.heads[other].parameters()]
            assert all(touched) if other == name else not any(touched)


def test_the_encoder_is_counted_once(network):
    def count(module):
        return sum(parameter.numel() for parameter in module.parameters())

    heads = [DenseHead(network.backbone.channels, channels, 8) for channels in HEADS.values()]
    assert count(network) == count(network.backbone) + sum(map(count, heads))


def test_one_task_alone_is_what_it_is_among_others(network):
    alone = MultiTaskNet(network.backbone, {"normals": network.heads["normals"]})
    images = torch.rand(2, 3, 32, 48)
    assert_close(alone(images)["normals"], network(images)["normals"])


def test_a_head_of_ones_own():
    class Sum(nn.Module):
        def forward(self, features):
            return features[-1].sum(1, keepdim=True)

    network = MultiTaskNet(SmallCNN(), {"own": Sum(), "depth": 1}).eval()
    images = torch.rand(1, 3, 32, 64)
    coarse = network.backbone(images)[-1].sum(1, keepdim=True)
    assert_close(network(images)["own"], nn.functional.interpolate(coarse, (32, 64), mode="bilinear"))


def test_any_encoder_will_do_for_heads_of_ones_own():
    encoder, heads = (
        nn.Conv2d(3, 8, 3, padding=1),
        {"depth": nn.Conv2d(8, 1, 1), "normals": nn.Conv2d(8, 3, 1)},
    )
    images = torch.rand(2, 3, 6, 7)
    found = MultiTaskNet(encoder, heads)(images)
    assert_close(found, {name: head(encoder(images)) for name, head in heads.items()})


# ------------------------------------------------------------------------------- other kinds of numbers


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_summed_up_in_float32(dtype):
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, 1, 3, 300, 300, generator=generator).to(dtype)
    z, true = (torch.rand(2, 1, 300, 300, generator=generator) + 1).to(dtype)
    mask = torch.ones(1, 300, 300, dtype=torch.bool)
    assert_close(normal_loss(a, b, mask), normal_loss(a.float(), b.float(), mask))
    assert_close(angular_error(a, b, mask), angular_error(a.float(), b.float(), mask))
    assert_close(
        scale_invariant_log_loss(z, true, mask), scale_invariant_log_loss(z.float(), true.float(), mask)
    )


def test_vectors_of_whole_numbers_and_of_two_precisions():
    a, b, mask = torch.tensor([[[0, 0, -3]]]), torch.tensor([[[0.0, -2.0, -2.0]]]), torch.tensor([[True]])
    assert_close(angular_error(a, b.double(), mask), torch.tensor([45.0], dtype=torch.float64))
    assert_close(normal_loss(a, b, mask), torch.tensor(1 - math.sqrt(0.5)))


@pytest.mark.parametrize("length", [1e-30, 1e-20, 1e20, 1e30])
def test_the_length_of_a_vector_does_not_matter_however_large_or_small(length):
    a, b, mask = (x.float() if x.is_floating_point() else x for x in rows(5, 6))
    assert_close(angular_error(length * a, b, mask), angular_error(a, b, mask))
    assert_close(normal_loss(length * a, length * b, mask), normal_loss(a, b, mask))


def test_a_batch_of_three_by_three_maps_is_a_networks():
    a, b, mask = torch.randn(2, 3, 3, 3), torch.randn(2, 3, 3, 3), torch.ones(2, 3, 3, dtype=torch.bool)
    assert_close(angular_error(a, b, mask), angular_error(*(x.movedim(1, -1).flatten(0, 2) for x in (a, b)),
                                                          mask.flatten()))  # fmt: skip


# -------------------------------------------------------------------------------------------- at the door


BAD = {
    "depth must be (H, W)": lambda: normals_from_depth(torch.ones(1, 4, 4), camera()),
    "K must be (3, 3)": lambda: normals_from_depth(torch.ones(4, 4), torch.eye(2)),
    "a must hold a vector of 3": lambda: angular_error(
        torch.ones(4, 4), torch.ones(4, 4, 3), torch.ones(4, 4) > 0
    ),
    "prediction must hold a vector": lambda: normal_loss(
        torch.ones(1, 2, 4, 4), torch.ones(1, 3, 4, 4), torch.ones(1, 4, 4) > 0
    ),
    "mask must be of bools": lambda: normal_loss(torch.ones(4, 4, 3), torch.ones(4, 4, 3), torch.ones(4, 4)),
    "lam must be from 0 to 1": lambda: scale_invariant_log_loss(*depths(1, 2, 2), lam=1.5),
    "prediction must be above 0": lambda: scale_invariant_log_loss(
        torch.zeros(1, 2, 2), torch.ones(1, 2, 2), torch.ones(1, 2, 2) > 0
    ),
    "target and mask must be (..., H, W)": lambda: scale_invariant_log_loss(
        torch.ones(1, 2, 2), torch.ones(2, 2), torch.ones(1, 2, 2) > 0
    ),
    "as many, at least one; got 2 and 1": lambda: uncertainty_weighting(torch.ones(2), torch.ones(1)),
    "as many, at least one; got 0 and 0": lambda: uncertainty_weighting([], []),
    "losses must be a row of scalars, not a dict": lambda: uncertainty_weighting(
        {"depth": torch.ones(())}, torch.zeros(1)
    ),
    "losses must be scalars": lambda: uncertainty_weighting([torch.ones(2)], [torch.ones(())]),
    "log_vars must be (T,)": lambda: uncertainty_weighting(torch.ones(2), torch.ones(2, 1)),
    "at least one task": lambda: MultiTaskNet(SmallCNN(), {}),
    "backbone must have `channels`": lambda: MultiTaskNet(nn.Conv2d(3, 8, 3), {"depth": 1}),
    "the same head": lambda: (lambda head: MultiTaskNet(SmallCNN(), {"a": head, "b": head}))(nn.Identity()),
    "at least one number": lambda: DenseHead((), 1),
    "out_channels must be at least 1": lambda: DenseHead((4,), 0),
}


@pytest.mark.parametrize("words", BAD)
def test_bad_input_is_named(words):
    with pytest.raises(ValueError, match=re.escape(words)):
        BAD[words]()
