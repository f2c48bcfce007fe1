"""The exercises of chapter 10: slips fail and are named, right variants pass, trivial ones earn nothing."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from dlcv import mask_rcnn as mr
from dlcv import roi_align as ra
from dlcv.checking.testing import (
    assert_right,
    assert_slips_die,
    assert_trivial_answers_earn_nothing,
    in_a_cell,
    verdict_of,
)
from dlcv.mask_rcnn import exercises as chapter

exercises = chapter.exercises
names = pytest.mark.parametrize("name", list(exercises))


@names
def test_slips_fail_and_are_told_apart(name):
    assert len(exercises[name].slips) >= 3
    assert_slips_die(exercises[name])


@names
def test_trivial_answers_earn_nothing(name):
    assert_trivial_answers_earn_nothing(exercises[name])


# ---------------------------------------------------------------------------------------- right variants


class HeadInOneLine(nn.Sequential):
    """Defined from the end, so that weights are matched by use."""

    def __init__(self, in_channels, num_classes, hidden=256, layers=4):
        last = nn.Conv2d(hidden, num_classes, 1)
        up = nn.ConvTranspose2d(hidden, hidden, 2, stride=2)
        steps = [nn.Conv2d(hidden if n else in_channels, hidden, 3, padding=1) for n in range(layers)]
        super().__init__(*[part for step in [*steps, up] for part in (step, nn.ReLU())], last)


def targets_box_by_box(masks, boxes, matched, size):
    found = torch.zeros(len(boxes), size, size, dtype=torch.bool)
    for number, (box, which) in enumerate(zip(boxes, matched, strict=True)):
        roi = torch.cat([torch.zeros(1), box])[None]
        share = ra.roi_align(masks[which].double()[None, None], roi.double(), (size, size), 1.0, 0, True)
        found[number] = share[0, 0] >= 0.5
    return found


def loss_by_formula(logits, labels, targets):
    cells = [
        torch.where(target.bool(), F.softplus(-z[label]), F.softplus(z[label])).mean()
        for z, label, target in zip(logits, labels, targets, strict=True)
    ]
    return sum(cells) / len(cells) if cells else 0 * logits.sum()


def select_by_gather(logits, labels):
    places = labels[:, None, None, None].expand(-1, 1, *logits.shape[2:])
    return 1 / (1 + torch.exp(-logits.gather(1, places)[:, 0]))


def paste_by_weights(masks, boxes, image_size, threshold=0.5):
    """Bilinear weights are a hat function of the distance to a cell's centre, down and across."""

    def weights(first, last, pixels, cells):
        place = (torch.arange(pixels) + 0.5 - first) / (last - first) * cells - 0.5
        return (1 - (place[:, None] - torch.arange(cells)).abs()).clamp(min=0)

    pasted = torch.zeros(len(masks), *image_size)
    for image, mask, (x1, y1, x2, y2) in zip(pasted, masks, boxes, strict=True):
        if x2 > x1 and y2 > y1:
            down, across = (
                weights(y1, y2, image_size[0], len(mask)),
                weights(x1, x2, image_size[1], len(mask)),
            )
            image[:] = down @ mask @ across.T
    return pasted if threshold is None else pasted >= threshold


def points_one_by_one(keypoints, boxes, size):
    targets = torch.zeros(keypoints.shape[:2], dtype=torch.int64)
    valid = torch.zeros(keypoints.shape[:2], dtype=torch.bool)
    for r, (x1, y1, x2, y2) in enumerate(boxes.tolist()):
        for k, (x, y, visibility) in enumerate(keypoints[r].tolist()):
            if visibility > 0 and x1 <= x <= x2 and y1 <= y <= y2:
                column = min(math.floor(size * (x - x1) / (x2 - x1)), size - 1)
                row = min(math.floor(size * (y - y1) / (y2 - y1)), size - 1)
                targets[r, k], valid[r, k] = size * row + column, True
    return targets, valid


def keypoint_by_formula(logits, targets, valid):
    maps = logits.flatten(2)
    right = maps.gather(2, targets[:, :, None])[:, :, 0]
    loss = torch.logsumexp(maps, 2) - right
    return (loss * valid).sum() / valid.sum().clamp(min=1)


def match_in_lists(iou, crowd, threshold):
    taken, out = set(), []
    for row in iou.tolist():
        best = max(
            (g for g, v in enumerate(row) if v >= threshold and g not in taken and not crowd[g]),
            key=lambda g: row[g],
            default=None,
        )
        if best is not None:
            taken.add(best)
        swallowed = any(v >= threshold and c for v, c in zip(row, crowd.tolist(), strict=True))
        out.append(1 if best is not None else -int(swallowed))
    return torch.tensor(out).long()


def ap_by_areas(predictions, targets, iou_threshold=0.5):
    """Ignored detections left out; precision made to fall from the end; recalls looked up."""
    rows, count = [], 0
    for found, true in zip(predictions, targets, strict=True):
        order = found["scores"].sort(descending=True, stable=True).indices[:100]
        table = torch.zeros(len(order), len(true["masks"]))
        for d, place in enumerate(order):
            for g, mask in enumerate(true["masks"]):
                both, mine = (found["masks"][place] & mask).sum(), found["masks"][place].sum()
                table[d, g] = both / (mine if true["iscrowd"][g] else mine + mask.sum() - both).clamp(min=1)
        verdicts = mr.match_detections(table, true["iscrowd"] > 0, iou_threshold)
        rows += list(zip(found["scores"][order].tolist(), verdicts.tolist(), strict=True))
        count += int((true["iscrowd"] == 0).sum())
    if count == 0:
        return math.nan
    hits = torch.tensor([v for _, v in sorted(rows, key=lambda row: -row[0]) if v >= 0], dtype=torch.float64)
    precision = hits.cumsum(0) / torch.arange(1, len(hits) + 1)
    for k in range(len(hits) - 1, 0, -1):
        precision[k - 1] = max(precision[k - 1], precision[k])
    places = torch.searchsorted(hits.cumsum(0) / count, torch.linspace(0, 1, 101, dtype=torch.float64))
    return float(torch.cat([precision, torch.zeros(1)])[places].mean())


RIGHT = [
    ("MaskHead", chapter.RightMaskHead),
    ("MaskHead", HeadInOneLine),
    ("mask_targets", chapter.right_targets),
    ("mask_targets", targets_box_by_box),
    ("mask_loss", chapter.right_loss),
    ("mask_loss", loss_by_formula),
    ("select_masks", chapter.right_select),
    ("select_masks", select_by_gather),
    ("paste_masks", chapter.right_paste),
    ("paste_masks", paste_by_weights),
    ("keypoint_targets", chapter.right_points),
    ("keypoint_targets", points_one_by_one),
    ("keypoint_loss", chapter.right_keypoint),
    ("keypoint_loss", keypoint_by_formula),
    ("match_detections", chapter.right_match),
    ("match_detections", match_in_lists),
    ("mask_ap", chapter.right_ap),
    ("mask_ap", ap_by_areas),
]


@pytest.mark.parametrize(
    ("name", "program"), RIGHT, ids=[f"{name}-{program.__name__}" for name, program in RIGHT]
)
def test_right_variants_pass(name, program):
    assert_right(exercises[name], in_a_cell(program))


def test_sizes_of_the_chapter():
    assert (len(exercises), exercises.points) == (9, 26)  # and two for the essay


# ------------------------------------------------------------------------------------------- forbidden


@pytest.mark.parametrize("name", ["mask_targets", "paste_masks", "match_detections", "mask_ap"])
def test_the_reference_may_not_be_handed_in(name):
    def answer(*args, **kwargs):
        return getattr(mr, name)(*args, **kwargs)

    verdict = verdict_of(exercises[name], answer)
    assert (verdict.kind, verdict.points) == ("forbidden call", 0)


def test_the_whole_measure_may_not_stand_in_for_one_class_of_it():
    def ap(predictions, targets, iou_threshold=0.5):
        one = [
            [part | {"labels": torch.zeros(len(part["masks"]))} for part in parts]
            for parts in (predictions, targets)
        ]
        return mr.average_precision(*one)["AP50"]

    assert verdict_of(exercises["mask_ap"], ap).kind == "forbidden call"


def test_who_forgets_the_envelope_reads_so():
    slip = next(slip for slip in exercises["mask_ap"].slips if slip.name == "no envelope")
    text = verdict_of(exercises["mask_ap"], in_a_cell(slip.program, slip.source)).text()
    assert "precision rises again, and the envelope with it" in text
    assert "recall *or more*" in text


@pytest.mark.parametrize("name", ["mask_loss", "keypoint_loss"])
def test_a_loss_as_a_number_cannot_be_learned_from(name):
    right = {"mask_loss": loss_by_formula, "keypoint_loss": keypoint_by_formula}[name]
    verdict = verdict_of(exercises[name], lambda *args: float(right(*args)))
    assert not verdict.right
    assert "no gradient flows back: you returned the float" in verdict.text()


def test_a_fixed_threshold_is_no_answer():
    def fixed(iou, crowd, threshold):
        return match_in_lists(iou, crowd, 0.5)

    verdict = verdict_of(exercises["match_detections"], fixed)
    assert verdict.case == "a threshold of 0.75"
