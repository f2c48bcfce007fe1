"""The chapter's pictures draw, the widget follows its sliders, and the experiment learns."""

import pytest
import torch

from dlcv.fcn import experiment, figures, widget
from dlcv.trials import score, unseen_scenes


@pytest.mark.parametrize("name", figures.__all__)
def test_every_figure_draws(name):
    assert getattr(figures, name)()._repr_png_().startswith(b"\x89PNG")


def test_the_widget_follows_its_sliders():
    pictures = {widget.make(variant, number)._repr_png_() for variant in widget.VARIANTS for number in (0, 1)}
    assert len(pictures) == 6


def test_a_finer_stride_is_nearer_to_the_truth():
    _, labels = widget.scene(1)
    wrong = []
    for stride in (32, 16, 8):
        scores = widget.bilinear_upsampling(10, stride)(widget.best_scores(labels, stride))
        wrong.append(float((scores[0].argmax(0) != labels).float().mean()))
    assert wrong == sorted(wrong, reverse=True)


def test_a_cat_is_found_where_it_is():
    _, probability = figures.cat_map(448)
    assert probability.shape == (14, 21)
    assert probability[:, 4:17].mean() > 3 * probability[:, 18:].mean()  # the right edge is background


def test_the_experiment_trains_and_draws(monkeypatch):
    monkeypatch.setenv("DLCV_SCALE", "smoke")
    found = experiment.compare(("32s", "8s"), "from scratch", show=False)
    assert set(found) == {"FCN-32s", "FCN-8s"}
    assert experiment.maps_figure(found, 1)._repr_png_().startswith(b"\x89PNG")
    network = found["FCN-8s"][0][0]
    assert experiment.photograph_figure(network, side=64)._repr_png_().startswith(b"\x89PNG")
    _, labels = unseen_scenes()
    assert torch.isfinite(torch.tensor(score(labels, labels).mean_iou))
