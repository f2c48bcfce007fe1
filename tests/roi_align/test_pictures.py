"""The chapter's pictures draw, the widget follows its sliders, and the experiment learns."""

import pytest
import torch

from dlcv.roi_align import experiment, figures, widget
from dlcv.roi_align.reference import roi_align


@pytest.mark.parametrize("name", figures.__all__)
def test_every_figure_draws(name):
    if name == "snap_figure":
        pytest.importorskip("imgviz")
    if name.endswith("_figure"):
        assert getattr(figures, name)()._repr_png_().startswith(b"\x89PNG")


def test_points_of_a_learner_are_drawn_beside_the_expected_ones():
    def unfinished(box, output_size, sampling_ratio):
        raise NotImplementedError

    def shifted(box, output_size, sampling_ratio):
        return figures.sample_points(box, output_size, sampling_ratio) + 0.25

    blank, drawn = figures.points_figure(unfinished)._repr_png_(), figures.points_figure(shifted)._repr_png_()
    assert figures.points_figure(None)._repr_png_() == blank != drawn


@pytest.mark.parametrize(
    "change",
    [
        {"x": 2.3 + 1 / 16},
        {"y": -2.0},
        {"width": 0.25, "height": 0.25},
        {"bins": 4},
        {"points": 1},
        {"x": 8.0, "width": 8.0},
    ],
)
def test_the_widget_follows_its_sliders(change):
    assert widget.make()._repr_png_() != widget.make(**change)._repr_png_()


def test_the_disc_and_its_box_agree():
    images, boxes = figures.moving_disc(torch.tensor([0.0, 5.25]))
    rois = torch.cat([torch.arange(2)[:, None], boxes], 1)
    pasted = roi_align(images, rois, 8, aligned=True)[:, 0]
    torch.testing.assert_close(pasted, pasted.flip(2), atol=0.02, rtol=0)  # a disc in its box is symmetric
    torch.testing.assert_close(pasted[0], pasted[1], atol=0.02, rtol=0)


def test_boxes_of_the_experiment_are_tight_and_its_masks_lie_in_them():
    images, rois, masks = experiment.shapes(0, count=4)
    assert images.shape == (4, 1, 96, 96)
    assert masks.shape == (4, 28, 28)
    inside = roi_align(images, rois, 28, aligned=True)[:, 0]
    bright = (inside * masks).sum((1, 2)) / masks.sum((1, 2))
    dark = (inside * (1 - masks)).sum((1, 2)) / (1 - masks).sum((1, 2))
    assert (bright > dark + 0.1).all()
    assert all(mask.any(0).all() and mask.any(1).all() for mask in masks.bool())


@pytest.mark.parametrize("name", list(experiment.READERS))
def test_the_network_learns_a_little(name):
    torch.manual_seed(0)
    network = experiment.MaskNet(experiment.READERS[name])
    batch = experiment.shapes(0, count=4)
    before = experiment.mask_loss(network, *batch)
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    for _ in range(8):
        optimizer.zero_grad()
        loss = experiment.mask_loss(network, *batch)
        loss.backward()
        optimizer.step()
    assert loss < before
