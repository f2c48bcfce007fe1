"""The exercises of chapter 09: slips fail and are named, right variants pass, trivial ones earn nothing."""

import itertools
import math

import pytest
import torch

from dlcv import detection as det
from dlcv.checking.testing import (
    assert_right,
    assert_slips_die,
    assert_trivial_answers_earn_nothing,
    in_a_cell,
    verdict_of,
)
from dlcv.detection import exercises as chapter

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


def iou_pair_by_pair(a, b):
    table = torch.zeros(len(a), len(b))
    for i, j in itertools.product(range(len(a)), range(len(b))):
        (ax1, ay1, ax2, ay2), (bx1, by1, bx2, by2) = a[i].tolist(), b[j].tolist()
        w, h = max(0, min(ax2, bx2) - max(ax1, bx1)), max(0, min(ay2, by2) - max(ay1, by1))
        union = (ax2 - ax1) * (ay2 - ay1) + (bx2 - bx1) * (by2 - by1) - w * h
        table[i, j] = w * h / union if union > 0 else 0
    return table


def giou_from_iou(a, b):
    """Union from IoU and areas; corners of both at once."""
    iou = det.box_iou(a, b)
    total = (a[:, 2:] - a[:, :2]).prod(1)[:, None] + (b[:, 2:] - b[:, :2]).prod(1)
    union = total / (1 + iou)
    lt = torch.min(a[:, None, :2], b[:, :2])
    enclosing = (torch.max(a[:, None, 2:], b[:, 2:]) - lt).prod(2)
    return iou - torch.nan_to_num((enclosing - union) / enclosing, nan=0.0)


def anchors_by_broadcasting(feature_size, stride, sizes, aspect_ratios, offset=0.0):
    sides = [(s / math.sqrt(r), s * math.sqrt(r)) for s in sizes for r in aspect_ratios]
    half = torch.tensor(sides) / 2
    y, x = torch.meshgrid(*(torch.arange(n) for n in feature_size), indexing="ij")
    centre = (torch.stack([x, y], -1).reshape(-1, 1, 2) + offset) * stride
    return torch.cat([centre - half, centre + half], 2).flatten(0, 1)


def encode_with_centres_as_means(boxes, anchors, weights=(1, 1, 1, 1)):
    size, base = boxes[:, 2:] - boxes[:, :2], anchors[:, 2:] - anchors[:, :2]
    middle, start = (boxes[:, 2:] + boxes[:, :2]) / 2, (anchors[:, 2:] + anchors[:, :2]) / 2
    weights = torch.as_tensor(weights)
    return torch.cat([weights[:2] * (middle - start) / base, weights[2:] * (size.log() - base.log())], 1)


def decode_by_powers(deltas, anchors, weights=(1, 1, 1, 1), clip=math.log(1000) - math.log(16)):  # noqa: B008
    rows = []
    for delta, (x1, y1, x2, y2) in zip(deltas.tolist(), anchors.tolist(), strict=True):
        dx, dy, dw, dh = (d / w for d, w in zip(delta, weights, strict=True))
        w, h = (x2 - x1) * math.e ** min(dw, clip), (y2 - y1) * math.e ** min(dh, clip)
        x, y = (x1 + x2) / 2 + dx * (x2 - x1), (y1 + y2) / 2 + dy * (y2 - y1)
        rows.append([x - w / 2, y - h / 2, x + w / 2, y + h / 2])
    return torch.tensor(rows).reshape(-1, 4)


def match_anchor_by_anchor(iou, high=0.7, low=0.3, low_quality=True):
    out = torch.full((iou.shape[1],), -2)
    for a, column in enumerate(iou.T if len(iou) else []):
        best = column.max()
        rescued = low_quality and any(v == row.max() and v > 0 for v, row in zip(column, iou, strict=True))
        if best >= high or rescued:
            out[a] = column.argmax()
        elif best < low:
            out[a] = -1
    return out if len(iou) else out + 1


def nms_by_marks(boxes, scores, iou_threshold):
    order = sorted(range(len(boxes)), key=lambda i: -scores[i])
    iou, gone, kept = det.box_iou(boxes, boxes), set(), []
    for i in order:
        if i not in gone:
            kept.append(i)
            gone |= {j for j in order if iou[i, j] > iou_threshold}
    return torch.tensor(kept).long()


def loss_by_formula(objectness, deltas, labels, targets):
    count = (labels >= 0).sum().clamp(min=1)
    positive = (labels == 1).float()
    cross = torch.where(
        positive == 1, torch.log1p(torch.exp(-objectness)), torch.log1p(torch.exp(objectness))
    )
    error = (deltas - targets).abs()
    smooth = torch.where(error < 1 / 9, 4.5 * error**2, error - 1 / 18).sum(1)
    return (cross * (labels >= 0)).sum() / count, (smooth * positive).sum() / count


def targets_roi_by_roi(proposals, boxes, labels, iou_threshold=0.5, weights=(10, 10, 5, 5)):
    rois = torch.cat([proposals, boxes])
    classes, targets, matches = torch.zeros(len(rois)).long(), torch.zeros(len(rois), 4), []
    for n, roi in enumerate(rois):
        iou = det.box_iou(boxes, roi[None])[:, 0]
        matches.append(int(iou.argmax()) if len(boxes) and iou.max() >= iou_threshold else -1)
        if matches[-1] >= 0:
            classes[n] = labels[matches[-1]]
            targets[n] = det.encode_boxes(boxes[matches[-1]][None], roi[None], weights)[0]
    return rois, classes, targets, torch.tensor(matches)


RIGHT = [
    ("box_iou", chapter.right_iou),
    ("box_iou", iou_pair_by_pair),
    ("generalized_box_iou", chapter.right_giou),
    ("generalized_box_iou", giou_from_iou),
    ("make_anchors", chapter.right_anchors),
    ("make_anchors", anchors_by_broadcasting),
    ("encode_boxes", chapter.right_encode),
    ("encode_boxes", encode_with_centres_as_means),
    ("decode_boxes", chapter.right_decode),
    ("decode_boxes", decode_by_powers),
    ("match_anchors", chapter.right_match),
    ("match_anchors", match_anchor_by_anchor),
    ("nms", chapter.right_nms),
    ("nms", nms_by_marks),
    ("rpn_loss", chapter.right_loss),
    ("rpn_loss", loss_by_formula),
    ("box_head_targets", chapter.right_targets),
    ("box_head_targets", targets_roi_by_roi),
]


@pytest.mark.parametrize(
    ("name", "program"), RIGHT, ids=[f"{name}-{program.__name__}" for name, program in RIGHT]
)
def test_right_variants_pass(name, program):
    assert_right(exercises[name], in_a_cell(program))


def test_sizes_of_the_chapter():
    assert (len(exercises), exercises.points) == (9, 26)  # and two for the essay


# ------------------------------------------------------------------------------------------- forbidden


@pytest.mark.parametrize("name", ["box_iou", "nms", "make_anchors", "box_head_targets"])
def test_the_reference_may_not_be_handed_in(name):
    def answer(*args, **kwargs):
        return getattr(det, name)(*args, **kwargs)

    verdict = verdict_of(exercises[name], answer)
    assert (verdict.kind, verdict.points) == ("forbidden call", 0)


def test_the_reference_of_another_exercise_may_not_stand_in():
    def nms_by_another_name(boxes, scores, iou_threshold):
        return det.batched_nms(boxes, scores, torch.zeros(len(boxes)), iou_threshold)

    assert verdict_of(exercises["nms"], nms_by_another_name).kind == "forbidden call"


def test_who_drops_at_the_threshold_reads_so():
    slip = next(slip for slip in exercises["nms"].slips if slip.name == "dropped at the threshold")
    text = verdict_of(exercises["nms"], in_a_cell(slip.program, slip.source)).text()
    assert "IoU exactly at the threshold: both stay" in text
    assert "dropped where the IoU is above" in text


def test_losses_as_numbers_cannot_be_learned_from():
    def losses(objectness, deltas, labels, targets):
        return tuple(float(loss) for loss in loss_by_formula(objectness, deltas, labels, targets))

    verdict = verdict_of(exercises["rpn_loss"], losses)
    assert not verdict.right
    assert "two tensors are wanted, through which gradients flow back" in verdict.text()
