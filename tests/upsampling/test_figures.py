"""Pictures, widget and experiment of chapter 02 draw, and show what the text says about them."""

import pytest
import torch

from dlcv.upsampling import experiment, figures, widget
from dlcv.upsampling.widget import METHODS, ZOOMS, enlarge, shrink


@pytest.mark.parametrize("name", figures.__all__)
def test_figures_draw(name):
    assert getattr(figures, name)()._repr_png_().startswith(b"\x89PNG")


@pytest.mark.parametrize("method", METHODS)
def test_the_widget_follows_its_controls(method):
    pictures = {widget.make(zoom, method)._repr_png_() for zoom in ZOOMS[::3]}
    assert len(pictures) == len(ZOOMS[::3])


@pytest.mark.parametrize("zoom", ZOOMS)
def test_every_zoom_fits_the_photograph(zoom):
    small = shrink(widget.photograph(), zoom)
    assert small.shape[1:] == (widget.SIDE // zoom, widget.SIDE // zoom)
    for method in METHODS:
        assert enlarge(small, zoom, method).shape == widget.photograph().shape


def test_shrinking_averages_blocks():
    x = torch.rand(3, 12, 8, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(shrink(x, 4), torch.nn.functional.avg_pool2d(x, 4))


def test_coarse_scores_are_shares():
    scores = experiment.coarse_scores(16)
    assert scores.shape == (21, 23, 31)
    torch.testing.assert_close(scores.sum(0), torch.ones(23, 31))


def test_the_order_of_the_methods_is_the_one_in_the_text():
    errors = experiment.boundary_errors(zooms=(4, 16))
    for place in range(2):
        nearest, bilinear, aligned, bicubic = (errors[method][place] for method in experiment.METHODS)
        assert bicubic < bilinear < aligned < nearest
    assert errors["bicubic"][1] > 0.2


def test_bicubic_scores_leave_the_range_and_still_sum_to_one():
    large = enlarge(experiment.coarse_scores(16), 16, "bicubic")
    assert large.min() < -0.15 and large.max() > 1.15
    torch.testing.assert_close(large.sum(0), torch.ones(368, 496))


def test_the_experiment_draws():
    errors = experiment.boundary_errors(zooms=(8, 16))
    assert experiment.errors_figure(errors, (8, 16))._repr_png_()
    assert experiment.maps_figure()._repr_png_()
