"""The experiments of chapter 01 run, and what they rest on holds."""

import pytest
import torch
from torch.testing import assert_close

from dlcv.training import train
from dlcv.transposed_convolution import bilinear_kernel, experiment


def test_a_step_has_always_the_same_patches():
    assert_close(experiment.patches(3, count=2), experiment.patches(3, count=2))
    assert not experiment.patches(3, count=2).equal(experiment.patches(4, count=2))
    assert experiment.patches(0, count=2, size=33).shape == (2, 3, 33, 33)


def test_no_direction_is_preferred():
    images = experiment.turned_and_mirrored(torch.rand(1, 1, 5, 5))
    assert len(images) == 8
    assert_close(images.sum(0), images.sum(0).rot90(1, (1, 2)))
    assert_close(images.sum(0), images.sum(0).flip(2))


@pytest.mark.parametrize("kernel_size", [3, 4])
def test_a_few_steps_of_learning_come_nearer_to_the_tent(kernel_size):
    filters = experiment.learn_filter(kernel_size, steps=25, progress=False)
    assert len(filters) == 26
    tent = bilinear_kernel(kernel_size)
    assert (filters[-1] - tent).norm() < 0.7 * (filters[0] - tent).norm()
    assert experiment.filters_figure(filters)._repr_png_()


def test_the_tent_beats_its_neighbours_on_photographs():
    """What learning converges to, without learning: no small change of the 3x3 tent is better by much."""
    large = experiment.turned_and_mirrored(experiment.patches(0, 8, 33).mean(1, keepdim=True))
    model = experiment.Upsampler(3)

    def error(weight):
        model.weight.data[0, 0] = weight
        with torch.no_grad():
            return float((model(experiment.shrink(large, 3)) - large)[..., 2:-2, 2:-2].square().mean())

    tent = bilinear_kernel(3)
    best = error(tent)
    for k in range(3):
        for l in range(3):
            for change in (-0.1, 0.1):
                other = tent.clone()
                other[k, l] += change
                assert error(other) > best


def test_resizing_paints_an_even_wall_whatever_the_weights():
    torch.manual_seed(0)
    ripples = {kind: experiment.ripple(experiment.decoder(kind)) for kind in experiment.DECODERS}
    assert ripples[experiment.DECODERS[2]] < 1e-3
    assert min(ripples[experiment.DECODERS[0]], ripples[experiment.DECODERS[1]]) > 1


def test_all_decoders_enlarge_four_times():
    for kind in experiment.DECODERS:
        assert experiment.decoder(kind)(torch.rand(1, 3, 5, 6)).shape == (1, 3, 20, 24)


def test_decoders_train_and_are_drawn():
    trained = experiment.train_decoders(steps=2)
    assert list(trained) == list(experiment.DECODERS)
    assert all(len(ripples) == 2 for _, ripples in trained.values())
    assert experiment.decoders_figure(trained)._repr_png_()


def test_one_run_trains_each_decoder_as_if_alone():
    kind = experiment.DECODERS[1]
    together, _ = experiment.train_decoders(steps=3, progress=False)[kind]
    torch.manual_seed(0)
    alone = experiment.decoder(kind)

    def error(model, large):
        return (model(torch.nn.functional.avg_pool2d(large, 4)) - large).square().mean()

    train(alone, lambda step: (experiment.patches(step),), error, steps=3, lr=3e-3, show=False)
    for mine, theirs in zip(alone.parameters(), together.parameters(), strict=True):
        assert_close(mine, theirs)
