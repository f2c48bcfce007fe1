"""The chapter's pictures draw and show what they claim; the widgets follow their sliders."""

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from dlcv.data.samples import motorcycle
from dlcv.depth import backproject, figures, project, widget


@pytest.mark.parametrize("name", [name for name in figures.__all__ if name.endswith("_figure")])
def test_every_figure_draws(name):
    assert getattr(figures, name)()._repr_png_().startswith(b"\x89PNG")


@pytest.mark.parametrize("change", [{"scale": 60.0}, {"shift": 45.0}])
def test_the_fit_follows_its_sliders(change):
    assert widget.make()._repr_png_() != widget.make(**change)._repr_png_()


@pytest.mark.parametrize("change", [{"turn": -25.0}, {"tilt": 40.0}])
def test_the_cloud_follows_its_sliders(change):
    assert figures.cloud_figure()._repr_png_() != figures.cloud_figure(**change)._repr_png_()


def test_the_small_map_shows_the_same_points():
    """A quarter of the size has a quarter of K; nothing else changes what is where."""
    whole, few = motorcycle(), figures.small()
    points = backproject(whole.depth, whole.intrinsics)[:: figures.STEP, :: figures.STEP]
    assert_close(backproject(few.depth, few.intrinsics), points)


def test_nobody_beats_the_best_fit():
    pair, d = figures.small(), figures.guess()
    slope, height = np.polyfit(d[pair.valid].double().numpy(), pair.disparity[pair.valid].double().numpy(), 1)
    assert widget.best() == pytest.approx((slope, height), rel=1e-4)
    least = widget.error(*widget.best())
    for scale, shift in ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1)):
        assert widget.error(widget.best()[0] + scale, widget.best()[1] + shift) > least


def test_the_guess_is_the_disparity_but_for_scale_shift_and_small_errors():
    assert widget.best() == pytest.approx((60, 45), abs=1)
    assert widget.error(*widget.best()) < 3


def test_who_fits_depths_instead_of_disparities_is_three_times_as_wrong():
    errors = {space: float(figures.align_in(space)[1]["abs_rel"]) for space in ("disparity", "depth")}
    assert errors["disparity"] < 0.025
    assert errors["depth"] > 3 * errors["disparity"]


def test_a_camera_that_walks_round_keeps_its_distance_and_what_it_looks_at():
    centre = torch.tensor([0.0, 0.0, 3.0])
    points = torch.tensor([[0.0, 0.0, 3.0], [0.5, -0.2, 2.0]])
    seen = figures.turned(points, 35.0, 20.0, centre)
    assert_close(seen[0], centre)
    assert_close((seen - centre).norm(dim=1), (points - centre).norm(dim=1))


def test_from_the_right_near_things_move_left_and_from_above_down():
    near = torch.tensor([[0.0, 0.0, 2.0]])
    centre, K = torch.tensor([0.0, 0.0, 3.0]), torch.eye(3)
    assert project(figures.turned(near, 10.0, 0.0, centre), K)[0, 0] < 0
    assert project(figures.turned(near, 0.0, 10.0, centre), K)[0, 1] > 0
