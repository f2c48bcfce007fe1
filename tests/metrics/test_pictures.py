"""The chapter's pictures draw and show what the text says; the widget follows its sliders."""

import pytest
import torch

from dlcv.metrics import class_iou, confusion_matrix, figures, pixel_accuracy, widget


@pytest.mark.parametrize("name", [name for name in figures.__all__ if name.endswith("_figure")])
def test_every_figure_draws(name):
    assert getattr(figures, name)()._repr_png_().startswith(b"\x89PNG")


def test_accuracy_prefers_the_useless_map():
    target = figures.disc(60, 40, 12)
    nothing, found = (
        confusion_matrix(guess.long(), target.long(), 2)
        for guess in (torch.zeros_like(target), figures.disc(61, 41, 17))
    )
    assert pixel_accuracy(nothing) > pixel_accuracy(found)
    assert class_iou(nothing)[1] == 0 < class_iou(found)[1]


@pytest.mark.parametrize(
    "change",
    [{"shift": 60}, {"radius": 1}, {"true_radius": 44}, {"distance": 12}, {"radius": 44, "true_radius": 2}],
)
def test_the_widget_follows_its_sliders(change):
    assert widget.make()._repr_png_() != widget.make(**change)._repr_png_()


def test_scores_of_one_disc_against_itself_and_against_nothing():
    disc, nothing = figures.disc(), figures.disc(radius=0)
    assert set(figures.scores(disc, disc, 2).values()) == {1.0}
    lost = figures.scores(nothing, disc, 2)
    assert lost.pop("pixel accuracy") > 0.7
    assert set(lost.values()) == {0.0}
