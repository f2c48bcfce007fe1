"""Chapter 15's colours: CIELAB against scikit-image, and the parts of colorization by classification."""

import math
import re

import numpy as np
import pytest
import torch
from skimage.color import lab2rgb, rgb2lab
from torch.testing import assert_close

from dlcv.multitask import (
    ab_bins,
    annealed_mean,
    colorization_loss,
    colorization_targets,
    lab_to_rgb,
    rebalancing_weights,
    rgb_to_lab,
)


def picture(*shape, seed=0):
    """Colours of all kinds: random ones, the corners of the cube, and dark ones on both sides of each bend."""
    image = torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    corners = torch.cartesian_prod(*[torch.tensor([0.0, 1.0], dtype=torch.float64)] * 3).T
    image[..., :3, 0, :8] = corners
    dark = torch.tensor([0.001, 0.0404, 0.04045, 0.0405, 0.05, 0.09, 0.1, 0.2], dtype=torch.float64)
    image[..., :3, 1, :8] = dark
    return image


# --------------------------------------------------------------------------------------------- CIELAB


def test_lab_is_that_of_scikit_image():
    image = picture(2, 3, 6, 9)
    expected = rgb2lab(image.movedim(1, -1).numpy())
    assert_close(rgb_to_lab(image).movedim(1, -1).numpy(), expected, rtol=0, atol=1e-9)


def test_lab_in_float32_and_of_one_image():
    image = picture(3, 6, 9).float()
    expected = rgb2lab(image.movedim(0, -1).double().numpy())
    found = rgb_to_lab(image)
    assert found.dtype == torch.float32
    assert_close(found.movedim(0, -1).double().numpy(), expected, rtol=0, atol=2e-3)


def test_every_level_of_every_grey_is_grey():
    levels = torch.linspace(0, 1, 256, dtype=torch.float64)
    lab = rgb_to_lab(levels.expand(3, 1, 256))
    assert lab[1:].abs().max() < 0.01
    assert (lab[0].diff() > 0).all()
    assert_close(lab[0, 0, [0, -1]], torch.tensor([0.0, 100.0]).double(), atol=1e-6, rtol=0)


def test_back_again():
    image = picture(2, 3, 6, 9)
    assert_close(lab_to_rgb(rgb_to_lab(image)), image, rtol=0, atol=1e-4)
    lab = rgb_to_lab(image)
    assert_close(
        lab_to_rgb(lab).movedim(1, -1).numpy(), lab2rgb(lab.movedim(1, -1).numpy()), rtol=0, atol=1e-4
    )


def test_a_colour_that_no_screen_shows_is_clipped():
    lab = torch.tensor([50.0, 120.0, -120.0]).reshape(3, 1, 1)
    rgb = lab_to_rgb(lab)
    assert ((rgb >= 0) & (rgb <= 1)).all()
    assert rgb.isfinite().all()


def test_gradients_are_right_and_finite_at_black_and_white():
    image = picture(3, 2, 8).clamp(0.01, 0.99)
    image = image + 0.002 * ((image - 0.04045).abs() < 1e-3)  # off the bend
    assert torch.autograd.gradcheck(rgb_to_lab, image.requires_grad_())
    ends = torch.tensor([0.0, 1.0]).expand(3, 1, 2).clone().requires_grad_()
    assert torch.autograd.grad(rgb_to_lab(ends).sum(), ends)[0].isfinite().all()


# ------------------------------------------------------------------------------------------------- bins


def test_bins_lie_on_a_grid_and_hold_every_colour():
    bins = ab_bins()
    assert 250 < len(bins) < 330  # the paper counts 313 with its own sampling
    assert not (bins % 10).any()
    assert len(bins.unique(dim=0)) == len(bins)
    ab = rgb_to_lab(picture(3, 30, 40))[1:].flatten(1).T
    nearest = torch.cdist(ab, bins.double()).min(1).values
    assert (nearest <= 5 * math.sqrt(2) + 1.5).all()


# ----------------------------------------------------------------------------------------------- targets


def random_ab(*shape, seed=0):
    return 160 * torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) - 80


def test_targets_are_zhangs_pixel_by_pixel():
    ab, bins = random_ab(2, 2, 3, 4), ab_bins().double()
    found = colorization_targets(ab, bins)
    assert found.shape == (2, len(bins), 3, 4)
    for n, i, j in np.ndindex(2, 3, 4):
        square = ((bins - ab[n, :, i, j]) ** 2).sum(1).numpy()
        near = np.argsort(square)[:5]
        share = np.exp(-square[near] / 50)
        expected = np.zeros(len(bins))
        expected[near] = share / share.sum()
        assert_close(found[n, :, i, j].numpy(), expected)


def test_targets_are_distributions_over_few_bins_with_the_nearest_first():
    ab, bins = random_ab(2, 2, 5, 6), ab_bins().double()
    for neighbours in (1, 3, 5):
        found = colorization_targets(ab, bins, neighbours)
        assert_close(found.sum(1), torch.ones(2, 5, 6).double())
        assert ((found > 0).sum(1) == neighbours).all()
        nearest = torch.cdist(ab.movedim(1, -1).reshape(-1, 2), bins).argmin(1)
        assert torch.equal(found.argmax(1).flatten(), nearest)


def test_far_colours_and_small_sigma_stay_finite():
    bins = torch.tensor([[0.0, 0.0], [10.0, 0.0]])
    ab = torch.tensor([1e4, 0.0]).reshape(2, 1, 1)
    found = colorization_targets(ab, bins, sigma=0.1)
    assert_close(found.flatten(), torch.tensor([0.0, 1.0]))


def test_of_equally_far_bins_the_first_ones_count():
    bins = torch.tensor([[10.0, 0.0], [-10.0, 0.0], [0.0, 10.0], [0.0, -10.0]])
    found = colorization_targets(torch.zeros(2, 1, 1), bins, neighbours=2)
    assert_close(found.flatten(), torch.tensor([0.5, 0.5, 0, 0]))
    assert_close(
        colorization_targets(torch.zeros(2, 1, 1), bins, neighbours=9).flatten(), torch.full((4,), 0.25)
    )


def test_the_mean_of_the_targets_is_nearly_the_colour():
    ab = random_ab(1, 2, 8, 8) / 4
    soft = colorization_targets(ab, ab_bins().double())
    back = annealed_mean(soft.log(), ab_bins(), temperature=1.0)
    assert (back - ab).abs().max() < 5
    hard = colorization_targets(ab, ab_bins().double(), neighbours=1)
    assert (back - ab).square().mean() < (annealed_mean(hard.log(), ab_bins(), 1.0) - ab).square().mean()


# ----------------------------------------------------------------------------------------------- weights


@pytest.mark.parametrize("lam", [0.1, 0.5, 0.9])
def test_weights_are_the_papers(lam):
    p = torch.tensor([0.7, 0.2, 0.1, 0.0], dtype=torch.float64)
    found = rebalancing_weights(100 * p, lam)
    assert_close((p * found).sum(), torch.tensor(1.0).double())
    mixed = (1 - lam) * p + lam / 4
    assert_close(found * mixed, (found * mixed)[0].expand(4))
    assert (found.diff() > 0).all()  # the rarer, the more


def test_ends_of_lam():
    p = torch.tensor([6.0, 3.0, 1.0])
    assert_close(rebalancing_weights(p, 1.0), torch.ones(3))
    assert_close(rebalancing_weights(p, 0.0), 10 / (3 * p))


# -------------------------------------------------------------------------------------------------- loss


def test_with_one_hot_targets_it_is_torchs_weighted_cross_entropy_times_the_mean_weight():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 4, 3, 5, generator=generator, dtype=torch.float64)
    classes = torch.randint(4, (2, 3, 5), generator=generator)
    weights = torch.rand(4, generator=generator, dtype=torch.float64)
    targets = torch.nn.functional.one_hot(classes, 4).movedim(-1, 1).double()
    expected = torch.nn.functional.cross_entropy(logits, classes, weights, reduction="none").mean()
    assert_close(colorization_loss(logits, targets, weights), expected)


def test_with_equal_weights_it_is_torchs_cross_entropy_of_distributions():
    generator = torch.Generator().manual_seed(0)
    logits, targets = torch.randn(2, 2, 4, 3, 5, generator=generator, dtype=torch.float64)
    targets = targets.softmax(1)
    expected = torch.nn.functional.cross_entropy(logits, targets)
    assert_close(colorization_loss(logits, targets, torch.ones(4)), expected)
    assert torch.autograd.gradcheck(
        lambda x: colorization_loss(x, targets, torch.arange(1.0, 5).double()), logits.requires_grad_()
    )


def test_large_logits_are_finite_and_no_pixel_costs_nothing():
    logits = torch.tensor([1e4, -1e4]).reshape(1, 2, 1, 1)
    targets = torch.tensor([0.0, 1.0]).reshape(1, 2, 1, 1)
    assert_close(colorization_loss(logits, targets, torch.ones(2)), torch.tensor(2e4))
    nothing = torch.zeros(0, 2, 3, 3, requires_grad=True)
    value = colorization_loss(nothing, torch.zeros(0, 2, 3, 3), torch.ones(2))
    assert value == 0
    assert torch.autograd.grad(value, nothing)[0].shape == (0, 2, 3, 3)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_summed_up_in_float32(dtype):
    logits = torch.randn(1, 4, 300, 300, generator=torch.Generator().manual_seed(0)).to(dtype)
    targets, weights = logits.float().softmax(1).to(dtype), torch.tensor([1.0, 2.0, 3.0, 4.0])
    assert_close(
        colorization_loss(logits, targets, weights),
        colorization_loss(logits.float(), targets.float(), weights),
    )
    assert_close(rebalancing_weights(torch.tensor([60_000.0, 60_000.0]).to(dtype)), torch.ones(2))


def test_whole_colours_are_colours():
    ab, bins = torch.tensor([4, -3]).reshape(2, 1, 1), torch.tensor([[0.0, 0.0], [9.0, 0.0]])
    assert_close(colorization_targets(ab, bins), colorization_targets(ab.float(), bins))


def test_bins_may_be_written_into():
    first = ab_bins(50.0)
    first += 1
    assert_close(ab_bins(50.0), first - 1)


# ------------------------------------------------------------------------------------------ annealed mean


def test_the_annealed_mean_goes_from_the_mean_to_the_mode():
    bins = torch.tensor([[60.0, 10.0], [-40.0, 0.0], [0.0, 50.0]])
    p = torch.tensor([0.5, 0.3, 0.2])
    logits = p.log().reshape(1, 3, 1, 1)
    assert_close(annealed_mean(logits, bins, 1.0).flatten(), (p[:, None] * bins).sum(0))
    assert_close(annealed_mean(logits, bins, 1e-3).flatten(), bins[0])
    assert_close(annealed_mean(logits + 7, bins), annealed_mean(logits, bins))
    colour = [annealed_mean(logits, bins, t).norm() for t in (1.0, 0.38, 0.1)]
    assert colour[0] < colour[1] < colour[2]


BAD = {
    "image must be (..., 3, H, W)": lambda: rgb_to_lab(torch.rand(4, 5, 3)),
    "image must hold floats in [0, 1]": lambda: rgb_to_lab(255 * torch.rand(3, 4, 5)),
    "torch.uint8": lambda: rgb_to_lab(torch.ones(3, 4, 5, dtype=torch.uint8)),
    "image must hold floats in [0, 1]; got torch.int64": lambda: rgb_to_lab(torch.zeros(3, 0, 2).long()),
    "with a finite sum above 0; got [inf, 1.0]": lambda: rebalancing_weights(torch.tensor([torch.inf, 1.0])),
    "lab must be": lambda: lab_to_rgb(torch.rand(1, 2, 4, 5)),
    "step must be above 0": lambda: ab_bins(0.0),
    "ab must be (N, 2, H, W)": lambda: colorization_targets(torch.zeros(3, 4, 5), torch.zeros(2, 2)),
    "bins must be (Q, 2)": lambda: colorization_targets(torch.zeros(2, 4, 5), torch.zeros(2, 3)),
    "neighbours must be at least 1": lambda: colorization_targets(torch.zeros(2, 4, 5), torch.zeros(2, 2), 0),
    "sigma must be above 0": lambda: colorization_targets(torch.zeros(2, 4, 5), torch.zeros(2, 2), 1, 0.0),
    "prior must be (Q,)": lambda: rebalancing_weights(torch.tensor([-1.0, 2.0])),
    "lam must be from 0 to 1": lambda: rebalancing_weights(torch.ones(2), 2.0),
    "its weight would be infinite": lambda: rebalancing_weights(torch.tensor([0.0, 2.0]), 0.0),
    "logits, targets and weights": lambda: colorization_loss(
        torch.zeros(1, 2, 3, 3), torch.zeros(1, 2, 3, 3), torch.ones(3)
    ),
    "temperature must be above 0": lambda: annealed_mean(torch.zeros(2, 1, 1), torch.zeros(2, 2), 0.0),
    "as many as bins": lambda: annealed_mean(torch.zeros(3, 1, 1), torch.zeros(2, 2)),
}


@pytest.mark.parametrize("words", BAD)
def test_bad_input_is_named(words):
    with pytest.raises(ValueError, match=re.escape(words)):
        BAD[words]()
