"""Pictures, widget and experiment of chapter 03 draw, and show what the text says about them."""

import pytest
import torch

from dlcv.dilated_convolution import coverage, experiment, figures, receptive_field, widget
from dlcv.plotting import new_figure


@pytest.mark.parametrize("name", [name for name in figures.__all__ if name.endswith("_figure")])
def test_figures_draw(name):
    assert getattr(figures, name)()._repr_png_().startswith(b"\x89PNG")


def test_the_widget_follows_its_sliders():
    assert len({widget.make(*rates)._repr_png_() for rates in ((2, 2, 2), (1, 2, 3), (9, 9, 9))}) == 3


@pytest.mark.parametrize(
    ("rates", "words"), [((2, 2, 2), "71% holes"), ((1, 2, 3), "no holes"), ((1, 2, 9), "29% holes")]
)
def test_holes_are_counted(rates, words):
    _, axis = new_figure()
    figures.draw_coverage(axis, rates)
    assert axis.get_title().endswith(words)


@pytest.mark.parametrize("rates", [(2, 2, 2), (1, 2, 5), (3, 1, 4)])
def test_rows_seen_are_those_of_the_coverage(rates):
    reach = sum(rates)
    seen = coverage(rates).sum(0) > 0
    assert {x - reach for x in range(len(seen)) if seen[x]} == figures.rows_seen(rates)[-1]


def test_both_nets_have_one_size_and_one_view():
    holes, none = (experiment.net(rates) for rates in experiment.STACKS)
    assert sum(p.numel() for p in holes.parameters()) == sum(p.numel() for p in none.parameters())
    views = [receptive_field([(3, 1, rate) for rate in rates]) for rates in experiment.STACKS]
    assert views == [(13, 1), (13, 1)]


def test_neighbouring_outputs_with_holes_share_no_pixel():
    seen = figures.rows_seen((2, 2, 2))[-1]
    assert not seen & {x + 1 for x in seen}


def test_lonely_pixels_and_iou_by_hand():
    labels = torch.zeros(1, 4, 4, dtype=torch.int64)
    assert experiment.lonely(labels) == 0
    labels[0, 1, 1] = 1
    assert experiment.lonely(labels) == 0.25
    assert experiment.mean_iou(labels, torch.zeros_like(labels)) == 15 / 16


def test_the_experiment_runs(monkeypatch):
    monkeypatch.setenv("DLCV_SCALE", "smoke")
    found = experiment.compare(show=False)
    assert set(found) == set(experiment.STACKS)
    assert experiment.maps_figure(found)._repr_png_()
