"""Boxes, anchors, matches, suppression and losses: edges, numbers by hand, slow programs."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from dlcv import detection as det


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def some_boxes(count, seed=0, side=20, whole=True):
    """Boxes on whole pixels, some of them without area."""
    g = generator(seed)
    corner, size = (torch.randint(0, high, (count, 2), generator=g) for high in (side, side // 2))
    boxes = torch.cat([corner, corner + size], 1).float()
    return boxes if whole else boxes + torch.rand(count, 4, generator=g) * torch.tensor([0, 0, 1, 1])


# -------------------------------------------------------------------------------------------- overlap


def covered(box, side=40):
    """The pixels of a box with whole corners."""
    x1, y1, x2, y2 = (int(corner) for corner in box)
    pixels = torch.zeros(side, side, dtype=torch.bool)
    pixels[y1:y2, x1:x2] = True
    return pixels


def test_iou_counts_pixels():
    a, b = some_boxes(12), some_boxes(15, seed=1)
    found = det.box_iou(a, b)
    for i, mine in enumerate(map(covered, a)):
        for j, other in enumerate(map(covered, b)):
            union = int((mine | other).sum())
            assert found[i, j] == pytest.approx(int((mine & other).sum()) / union if union else 0.0)


def test_giou_counts_pixels():
    a, b = some_boxes(12), some_boxes(15, seed=1)
    found = det.generalized_box_iou(a, b)
    for i, mine in enumerate(a):
        for j, other in enumerate(b):
            around = covered([*torch.minimum(mine, other)[:2], *torch.maximum(mine, other)[2:]]).sum().item()
            union = (covered(mine) | covered(other)).sum().item()
            iou = (covered(mine) & covered(other)).sum().item() / union if union else 0.0
            assert found[i, j] == pytest.approx(iou - ((around - union) / around if around else 0.0))


@pytest.mark.parametrize("overlap", [det.box_iou, det.generalized_box_iou])
def test_overlap_is_symmetric_one_with_itself_and_does_not_mind_place_or_scale(overlap):
    a, b = some_boxes(9, whole=False).double(), some_boxes(7, seed=1, whole=False).double()
    assert_close(overlap(a, b), overlap(b, a).T)
    assert_close(overlap(a, b), overlap(3 * a - 7, 3 * b - 7))
    assert_close(overlap(a, a).diagonal(), torch.ones(9, dtype=torch.float64))


def test_boxes_without_area_give_zero_and_no_nan_in_the_gradient():
    point, line = torch.tensor([[1.0, 1, 1, 1]]), torch.tensor([[0.0, 1, 5, 1]])
    assert det.box_iou(point, point).item() == det.box_iou(line, line).item() == 0
    assert det.generalized_box_iou(line, line).item() == det.generalized_box_iou(point, line).item() == 0
    assert det.generalized_box_iou(point, torch.tensor([[3.0, 3, 3, 3]])).item() == -1  # all around is empty
    for overlap in (det.box_iou, det.generalized_box_iou):
        boxes = torch.cat([point, line]).requires_grad_()
        overlap(boxes, boxes).sum().backward()
        assert boxes.grad.isfinite().all()


def test_boxes_that_only_touch_do_not_overlap():
    box = torch.tensor([[0.0, 0, 2, 2]])
    assert det.box_iou(box, torch.tensor([[2.0, 0, 4, 2], [2, 2, 3, 3], [5, 5, 6, 6]])).tolist() == [
        [0, 0, 0]
    ]


def test_whole_and_half_precision_boxes():
    whole = torch.tensor([[0, 0, 60_000, 60_000]])
    assert det.box_iou(whole, whole).item() == 1  # 3.6e9 does not fit into 32 bits
    half = torch.tensor([[0.0, 0, 500, 500]], dtype=torch.half)
    assert det.box_iou(half, half).item() == 1  # 250,000 is infinite in half precision


def test_no_boxes():
    none, some = torch.zeros(0, 4), some_boxes(3)
    for overlap in (det.box_iou, det.generalized_box_iou):
        assert overlap(none, some).shape == (0, 3)
        assert overlap(some, none).shape == (3, 0)


def test_giou_pulls_disjoint_boxes_together_where_iou_does_not():
    target = torch.tensor([[10.0, 10, 14, 14]])
    for overlap, pulls in ((det.box_iou, False), (det.generalized_box_iou, True)):
        box = torch.tensor([[0.0, 10, 4, 14]], requires_grad=True)
        overlap(box, target).sum().backward()
        assert (box.grad[0, 2] > 0) == pulls


# -------------------------------------------------------------------------------------------- anchors


def test_anchors_one_by_one():
    found = det.make_anchors((2, 3), 16, [8, 32], [0.5, 1, 2], offset=0.5)
    expected = []
    for i in range(2):
        for j in range(3):
            for size in (8, 32):
                for ratio in (0.5, 1, 2):
                    w, h = size / math.sqrt(ratio), size * math.sqrt(ratio)
                    x, y = (j + 0.5) * 16, (i + 0.5) * 16
                    expected.append([x - w / 2, y - h / 2, x + w / 2, y + h / 2])
    assert_close(found, torch.tensor(expected))


def test_anchors_keep_area_and_have_height_by_width():
    anchors = det.make_anchors(1, 8, [10], [0.25, 1, 3])
    w, h = (anchors[:, 2:] - anchors[:, :2]).unbind(1)
    assert_close(w * h, torch.full((3,), 100.0))
    assert_close(h / w, torch.tensor([0.25, 1, 3]))


def test_anchors_of_an_empty_map_and_of_two_strides():
    assert det.make_anchors((0, 4), 8, [16], [1]).shape == (0, 4)
    x, y = det.make_anchors((2, 2), (4, 8), [2], [1])[:, :2].T.tolist()
    assert (x, y) == ([-1, 7, -1, 7], [-1, -1, 3, 3])


def test_encode_by_hand():
    # Twice as wide, half as high, centre moved by a quarter of the width and a half of the height.
    anchor, box = torch.tensor([[0.0, 0, 8, 8]]), torch.tensor([[-2.0, 6, 14, 10]])
    expected = torch.tensor([[0.25, 0.5, math.log(2), -math.log(2)]])
    assert_close(det.encode_boxes(box, anchor), expected)
    assert_close(det.encode_boxes(box, anchor, (10, 10, 5, 5)), expected * torch.tensor([10.0, 10, 5, 5]))


@pytest.mark.parametrize("weights", [(1, 1, 1, 1), det.HEAD_WEIGHTS])
def test_decode_undoes_encode(weights):
    boxes, anchors = (some_boxes(30, seed, whole=False).double() for seed in (0, 1))
    boxes[:, 2:] += 0.5
    anchors[:, 2:] += 0.5
    assert_close(det.decode_boxes(det.encode_boxes(boxes, anchors, weights), anchors, weights), boxes)


def test_encoding_does_not_mind_the_scale():
    boxes, anchors = some_boxes(9, 0).double(), some_boxes(9, 1).double()
    boxes[:, 2:] += 1
    anchors[:, 2:] += 1
    assert_close(det.encode_boxes(boxes, anchors), det.encode_boxes(7 * boxes - 3, 7 * anchors - 3))


def test_decode_clips_from_above_only_after_the_weights():
    anchor = torch.tensor([[0.0, 0, 16, 16]])
    grown = det.decode_boxes(torch.tensor([[0, 0, 50.0, 50.0]]), anchor)
    assert_close(grown, torch.tensor([[-492.0, -492, 508, 508]]))  # 1000 pixels
    shrunk = det.decode_boxes(torch.tensor([[0, 0, -50.0, -50.0]]), anchor)
    assert_close(shrunk, torch.full((1, 4), 8.0))
    weighted = det.decode_boxes(torch.tensor([[0, 0, 5.0, 5.0]]), anchor, (1, 1, 5, 5), clip=1.0)
    assert_close(weighted[0, 2] - weighted[0, 0], torch.tensor(16 * math.e))


def test_decode_of_several_classes_is_decode_of_each():
    deltas, anchors = torch.randn(5, 12, generator=generator()), some_boxes(5)
    found = det.decode_boxes(deltas, anchors, det.HEAD_WEIGHTS)
    for c in range(3):
        one = det.decode_boxes(deltas[:, 4 * c : 4 * c + 4], anchors, det.HEAD_WEIGHTS)
        assert_close(found[:, 4 * c : 4 * c + 4], one)
    assert det.decode_boxes(torch.zeros(0, 12), torch.zeros(0, 4)).shape == (0, 12)
    assert det.encode_boxes(torch.zeros(0, 4), torch.zeros(0, 4)).shape == (0, 4)
    batch = det.decode_boxes(deltas.unflatten(1, (3, 4)).transpose(0, 1), anchors)  # (3, 5, 4) over (5, 4)
    assert_close(batch.transpose(0, 1).flatten(1), det.decode_boxes(deltas, anchors))


def test_whole_numbers_are_decoded_as_their_floats():
    deltas, anchors = torch.tensor([[0, 1, 0, 0]]), torch.tensor([[0.5, 0.5, 3.5, 4.0]])
    assert_close(det.decode_boxes(deltas, anchors), det.decode_boxes(deltas.float(), anchors))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64, torch.int32, torch.int64])
def test_clipped_boxes_keep_their_dtype(dtype):
    clipped = det.clip_boxes(torch.tensor([[-5, -5, 30, 3]], dtype=dtype), (10, 20))
    assert clipped.dtype == dtype and clipped.tolist() == [[0, 0, 20, 3]]


def test_clip_keeps_boxes_in_the_image():
    boxes = torch.tensor([[-5.0, -5, 3, 3], [8, 5, 30, 30], [40, 40, 50, 50], [2, 3, 4, 5]])
    clipped = det.clip_boxes(boxes, (10, 20))
    assert clipped.tolist() == [[0, 0, 3, 3], [8, 5, 20, 10], [20, 10, 20, 10], [2, 3, 4, 5]]
    assert det.clip_boxes(torch.zeros(0, 4), (10, 20)).shape == (0, 4)


# ------------------------------------------------------------------------------------------- matching


def match_slowly(iou, high, low, low_quality):
    """The three rules, anchor by anchor."""
    rows, columns = len(iou), len(iou[0]) if iou else 0
    found = []
    for a in range(columns):
        column = [iou[g][a] for g in range(rows)]
        best = max(column)
        owner = column.index(best)
        rescued = any(iou[g][a] == max(iou[g]) > 0 for g in range(rows))
        if best >= high or (low_quality and rescued):
            found.append(owner)
        else:
            found.append(-1 if best < low else -2)
    return found


@pytest.mark.parametrize("low_quality", [True, False])
@pytest.mark.parametrize("seed", range(20))
def test_matching_equals_the_rules_anchor_by_anchor(seed, low_quality):
    # Tenths: many ties, and many values exactly at a threshold.
    iou = torch.randint(0, 11, (4, 9), generator=generator(seed)).double() / 10
    iou[seed % 4] *= seed % 3 > 0  # a ground truth that nothing touches
    assert det.match_anchors(iou, 0.7, 0.3, low_quality).tolist() == match_slowly(
        iou.tolist(), 0.7, 0.3, low_quality
    )


def test_matching_at_the_thresholds():
    for dtype in (torch.float32, torch.float64):
        iou = torch.tensor([[0.9, 0.7, 0.69, 0.3, 0.29]], dtype=dtype)
        assert det.match_anchors(iou).tolist() == [0, 0, -2, -2, -1]


def test_a_ground_truth_makes_sure_of_its_best_anchors():
    iou = torch.tensor([[0.2, 0.1, 0.2], [0.0, 0.0, 0.0]])
    assert det.match_anchors(iou).tolist() == [0, -1, 0]  # both best ones; nothing for the second
    assert det.match_anchors(iou, low_quality=False).tolist() == [-1, -1, -1]
    # The second ground truth's best anchor overlaps the first one more, and goes to that.
    assert det.match_anchors(torch.tensor([[0.6, 0.8], [0.5, 0.1]])).tolist() == [0, 0]


def test_matching_without_ground_truth_and_without_anchors():
    assert det.match_anchors(torch.zeros(0, 3)).tolist() == [-1, -1, -1]
    assert det.match_anchors(torch.zeros(2, 0)).shape == (0,)


@pytest.mark.parametrize(
    ("num", "fraction", "wanted"),
    [(4, 0.5, (2, 2)), (8, 0.5, (3, 5)), (8, 0.25, (2, 6)), (20, 0.5, (3, 6)), (0, 0.5, (0, 0)), (3, 0.5, (1, 2))],
)  # fmt: skip
def test_samples_are_as_many_as_wanted(num, fraction, wanted):
    matches = torch.tensor([0, -1, -1, -2, 5, -1, -1, -2, -1, 2, -1])
    positive, negative = det.sample_matches(matches, num, fraction, generator())
    assert (len(positive), len(negative)) == wanted
    assert (matches[positive] >= 0).all()
    assert (matches[negative] == -1).all()
    assert len(set(positive.tolist())) == len(positive)


def test_samples_are_fair_and_repeatable():
    matches = torch.tensor([0, 0, 0, 0, -1, -1, -1, -1, -1, -1])
    g, counts = generator(), torch.zeros(10)
    for _ in range(600):
        for places in det.sample_matches(matches, 4, 0.5, g):
            counts[places] += 1
    assert ((counts[:4] - 300).abs() < 60).all()
    assert ((counts[4:] - 200).abs() < 60).all()
    first, again = (torch.cat(det.sample_matches(matches, 4, 0.5, generator(3))) for _ in range(2))
    assert torch.equal(first, again)


# ---------------------------------------------------------------------------------------- suppression


@pytest.mark.parametrize("threshold", [0.0, 0.25, 0.5, 1.0])
@pytest.mark.parametrize("seed", range(6))
def test_nms_equals_the_loop(seed, threshold):
    boxes = some_boxes(60, seed)
    scores = torch.randint(0, 10, (60,), generator=generator(seed)) / 10  # many equal ones
    assert torch.equal(det.nms(boxes, scores, threshold), det.nms_naive(boxes, scores, threshold))


def test_nms_in_blocks(monkeypatch):
    from dlcv.detection import reference

    boxes, scores = some_boxes(90, side=30), torch.rand(90, generator=generator())
    whole = det.nms(boxes, scores, 0.2)
    monkeypatch.setattr(reference, "BLOCK", 7)
    assert torch.equal(det.nms(boxes, scores, 0.2), whole)


def test_nms_lets_go_what_only_a_dropped_box_overlaps():
    # A chain: the first drops the second, so the third stays though it overlaps the second.
    boxes = torch.tensor([[0.0, 0, 4, 4], [2, 0, 6, 4], [4, 0, 8, 4], [6, 0, 10, 4]])
    assert det.nms(boxes, torch.tensor([0.9, 0.8, 0.7, 0.6]), 0.3).tolist() == [0, 2]
    assert det.nms(boxes, torch.tensor([0.8, 0.9, 0.7, 0.6]), 0.3).tolist() == [1, 3]


@pytest.mark.parametrize("keep", [0.5, 0.3, 0.6, 0.7])
def test_nms_keeps_iou_exactly_at_the_threshold(keep):
    pair = torch.tensor([[0.0, 0, 10, 1], [0, 0, 10 * keep, 1]])
    scores = torch.tensor([0.9, 0.8])
    for suppress in (det.nms, det.nms_naive):
        assert suppress(pair, scores, keep).tolist() == [0, 1]
        assert suppress(pair, scores, keep - 1e-4).tolist() == [0]


def test_nms_is_stable_and_takes_nothing():
    apart = torch.tensor([[0.0, 0, 1, 1], [5, 5, 6, 6], [9, 9, 10, 10]])
    same = torch.tensor([[0.0, 0, 1, 1]]).repeat(3, 1)
    for suppress in (det.nms, det.nms_naive):
        assert suppress(apart, torch.ones(3), 0.5).tolist() == [0, 1, 2]
        assert suppress(same, torch.ones(3), 0.5).tolist() == [0]
        empty = suppress(torch.zeros(0, 4), torch.zeros(0), 0.5)
        assert empty.shape == (0,)
        assert empty.dtype == torch.int64


def test_batched_nms_is_nms_of_each_label():
    boxes = some_boxes(80) - 10  # coordinates below 0, too
    scores, labels = torch.rand(80, generator=generator()), torch.randint(0, 4, (80,), generator=generator(1))
    expected = []
    for label in range(4):
        places = (labels == label).nonzero()[:, 0]
        expected.append(places[det.nms_naive(boxes[places], scores[places], 0.3)])
    expected = torch.cat(expected)
    expected = expected[scores[expected].argsort(descending=True)]
    assert torch.equal(det.batched_nms(boxes, scores, labels, 0.3), expected)
    assert det.batched_nms(torch.zeros(0, 4), torch.zeros(0), torch.zeros(0).long(), 0.3).shape == (0,)


# ---------------------------------------------------------------------------------- targets and losses


def test_rpn_targets_say_what_the_pieces_say():
    anchors = det.make_anchors((6, 6), 8, [8, 16], [0.5, 1, 2])
    boxes = torch.tensor([[4.0, 4, 20, 18], [24, 30, 40, 46]])
    labels, targets = det.rpn_targets(anchors, boxes, 32, 0.5, generator())
    matches = det.match_anchors(det.box_iou(boxes, anchors))
    assert ((labels >= 0).sum(), (labels == 1).sum()) == (32, min(16, int((matches >= 0).sum())))
    assert (matches[labels == 0] == -1).all()
    decoded = det.decode_boxes(targets, anchors)[labels == 1]
    assert_close(decoded, boxes[matches[labels == 1]])
    assert targets[labels != 1].abs().sum() == 0


def test_rpn_targets_of_an_image_with_nothing_in_it():
    anchors = det.make_anchors(4, 8, [16], [1])
    labels, targets = det.rpn_targets(anchors, torch.zeros(0, 4), 8)
    assert sorted(labels.tolist()) == [-1] * 8 + [0] * 8
    assert targets.abs().sum() == 0
    deltas = torch.zeros(16, 4, requires_grad=True)
    objectness = torch.zeros(16, requires_grad=True)
    losses = det.rpn_loss(objectness, deltas, labels, targets)
    sum(losses).backward()
    assert_close(losses[0], torch.tensor(math.log(2)))
    assert losses[1] == 0 == deltas.grad.abs().sum()


def test_rpn_loss_by_hand():
    objectness = torch.tensor([2.0, -1.0, 0.0, 9.0])
    labels = torch.tensor([1.0, 0.0, 1.0, -1.0])
    deltas = torch.zeros(4, 4)
    deltas[0, 0], deltas[1], deltas[2, 3], deltas[3] = 1.0, 5.0, 0.1, 7.0
    found = det.rpn_loss(objectness, deltas, labels, torch.zeros(4, 4))
    by_hand = (math.log(1 + math.exp(-2)) + math.log(1 + math.exp(-1)) + math.log(2)) / 3
    assert found[0].item() == pytest.approx(by_hand)
    assert found[1].item() == pytest.approx(((1 - 1 / 18) + 0.5 * 0.1**2 * 9) / 3)


def test_rpn_loss_of_nothing_drawn_is_zero_with_a_gradient():
    objectness, deltas = torch.ones(3, requires_grad=True), torch.ones(3, 4, requires_grad=True)
    losses = det.rpn_loss(objectness, deltas, torch.full((3,), -1.0), torch.zeros(3, 4))
    sum(losses).backward()
    assert [loss.item() for loss in losses] == [0, 0]
    assert objectness.grad.abs().sum() == deltas.grad.abs().sum() == 0


def test_box_head_targets_by_hand():
    proposals = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 5], [0, 0, 10, 4.9], [30, 30, 30, 30]])
    boxes, labels = torch.tensor([[0.0, 0, 10, 10], [20, 20, 28, 24]]), torch.tensor([3, 5])
    rois, classes, targets, matches = det.box_head_targets(proposals, boxes, labels)
    assert torch.equal(rois, torch.cat([proposals, boxes]))
    assert classes.tolist() == [3, 3, 0, 0, 3, 5]  # IoU exactly 0.5 is an object
    assert matches.tolist() == [0, 0, -1, -1, 0, 1]
    expected = torch.zeros(6, 4)
    expected[1] = torch.tensor([0, 10 * 0.5, 0, 5 * math.log(2)])
    assert_close(targets, expected)


@pytest.mark.parametrize("dtype", [torch.float16, torch.int64, torch.float64])
def test_targets_of_boxes_of_any_kind_of_number(dtype):
    anchors, boxes = (
        torch.tensor([[0, 0, 8, 8], [0, 0, 8, 4], [20, 20, 28, 28]]),
        torch.tensor([[0, 0, 8, 6]]),
    )
    expected = det.box_head_targets(anchors.float(), boxes.float(), torch.tensor([3]))
    for proposals, truth in ((anchors.to(dtype), boxes.to(dtype)), (anchors.float(), boxes.to(dtype))):
        found = det.box_head_targets(proposals, truth, torch.tensor([3]))
        assert_close(found, expected, check_dtype=False)
        assert found[2].is_floating_point()
        labels, targets = det.rpn_targets(proposals, truth)
        assert (labels.tolist(), targets.is_floating_point()) == ([1, -1, 0], True)
        assert_close(targets, det.rpn_targets(anchors.float(), boxes.float())[1], check_dtype=False)


def test_box_head_targets_without_ground_truth_or_without_proposals():
    none = torch.zeros(0, 4)
    rois, classes, targets, matches = det.box_head_targets(some_boxes(3), none, torch.zeros(0).long())
    assert (classes.tolist(), matches.tolist(), len(rois)) == ([0, 0, 0], [-1, -1, -1], 3)
    assert targets.isfinite().all()
    truth = torch.tensor([[0.0, 0, 2, 2]])
    assert det.box_head_targets(none, truth, torch.tensor([2]))[1].tolist() == [2]


def test_box_head_loss_looks_at_the_true_class_only_and_divides_by_all():
    g = generator()
    logits, deltas = torch.randn(6, 4, generator=g), torch.randn(6, 16, generator=g).requires_grad_()
    labels, targets = torch.tensor([0, 3, 0, 1, 0, 0]), torch.randn(6, 4, generator=g)
    class_loss, box_loss = det.box_head_loss(logits, deltas, labels, targets)
    assert_close(class_loss, -logits.log_softmax(1)[torch.arange(6), labels].mean())
    errors = torch.cat([deltas[1, 12:] - targets[1], deltas[3, 4:8] - targets[3]]).abs()
    each = torch.where(errors < 1 / 9, 4.5 * errors**2, errors - 1 / 18)
    assert_close(box_loss, each.sum() / 6)
    box_loss.backward()
    touched = deltas.grad.view(6, 4, 4).abs().sum(2) > 0
    assert touched.nonzero().tolist() == [[1, 3], [3, 1]]
    again = det.box_head_loss(logits, deltas.view(6, 4, 4), labels, targets)
    assert torch.equal(again[1], box_loss)


def test_box_head_loss_of_nothing():
    logits, deltas = torch.zeros(0, 3, requires_grad=True), torch.zeros(0, 12, requires_grad=True)
    losses = det.box_head_loss(logits, deltas, torch.zeros(0).long(), torch.zeros(0, 4))
    sum(losses).backward()
    assert [loss.item() for loss in losses] == [0, 0]
    only_background = det.box_head_loss(
        torch.zeros(2, 3), torch.ones(2, 12), torch.zeros(2).long(), torch.zeros(2, 4)
    )
    assert only_background[1] == 0
    assert_close(only_background[0], F.cross_entropy(torch.zeros(2, 3), torch.zeros(2).long()))


def test_yolo_predicts_five_numbers_a_box_and_the_classes_once():
    assert det.yolo_target_shape(19, 5, 20) == (19, 19, 5 * 5 + 20)
    assert det.yolo_target_shape(7, 2, 20) == (7, 7, 30)
    assert det.yolo_target_shape((4, 6), 1, 0) == (4, 6, 5)


# ------------------------------------------------------------------------------------------- the door


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: det.box_iou(torch.zeros(4), torch.zeros(2, 4)), "a must be \\(K, 4\\) as x1"),
        (lambda: det.generalized_box_iou(torch.zeros(1, 4), torch.zeros(1, 5)), "b must be"),
        (lambda: det.make_anchors((2, 2), 8, [0], [1]), "sizes must be above 0; got \\(0,\\)"),
        (lambda: det.make_anchors((2, 2), 8, [4], [-1]), "aspect_ratios must be above 0"),
        (lambda: det.make_anchors((2, 2), 0, [4], [1]), "stride must be above 0"),
        (lambda: det.decode_boxes(torch.zeros(1, 5), torch.zeros(1, 4)), "deltas must be"),
        (lambda: det.encode_boxes(torch.zeros(1, 3), torch.zeros(1, 4)), "boxes must be"),
        (lambda: det.match_anchors(torch.zeros(3)), "iou must be \\(ground truths, anchors\\)"),
        (lambda: det.match_anchors(torch.zeros(1, 3), 0.3, 0.7), "low must not be above high"),
        (lambda: det.sample_matches(torch.zeros(3), 2, 1.5), "positive_fraction must be from 0 to 1"),
        (lambda: det.sample_matches(torch.zeros(3), -1, 0.5), "num_samples must be at least 0"),
        (lambda: det.nms(torch.zeros(3, 4), torch.zeros(2), 0.5), "labels must be \\(3,\\)|scores must be \\(3,\\)"),
        (lambda: det.batched_nms(torch.zeros(2, 4), torch.zeros(2), torch.zeros(3), 0.5), "labels must be \\(2,\\)"),
        (lambda: det.box_head_loss(torch.zeros(2, 3), torch.zeros(2, 4), torch.zeros(2), torch.zeros(2, 4)), "logits"),
        (lambda: det.yolo_target_shape(0, 5, 20), "grid must be at least 1"),
        (lambda: det.yolo_target_shape(7, 2.5, 20), "anchors must be an int; got 2.5"),
        (lambda: det.make_anchors((2, 2), 8, 16, [1]), "sizes must be a sequence of numbers; got 16"),
        (lambda: det.clip_boxes(torch.zeros(1, 4), (3, 5, 5)), r"image_size must be .*; got \(3, 5, 5\)"),
        (lambda: det.encode_boxes(torch.zeros(2, 4), torch.zeros(3, 4)), r"as many.*; got \(2, 4\), \(3, 4\)"),
        (lambda: det.decode_boxes(torch.zeros(2, 8), torch.zeros(3, 4)), r"as many.*; got \(2, 8\), \(3, 4\)"),
        (lambda: det.encode_boxes(torch.zeros(1, 4), torch.zeros(1, 4), (1, 1)), r"weights must be four numbers"),
        (lambda: det.sample_matches(torch.zeros(3, 2), 2, 0.5), r"matches must be \(A,\).*; got \(3, 2\)"),
        (lambda: det.box_head_targets(torch.zeros(2, 4), torch.zeros(1, 4), torch.tensor([1, 2])), r"one a box"),
        (lambda: det.rpn_loss(torch.zeros(3), torch.zeros(3, 4), torch.zeros(3), torch.zeros(3, 1)), r"got .*\(3, 1\)"),
        (lambda: det.box_head_loss(torch.zeros(1, 3), torch.zeros(1, 12), torch.tensor([3]), torch.zeros(1, 4)),
         "labels must be classes 0 to 2; got 3 to 3"),
        (lambda: det.box_head_loss(torch.zeros(1, 3), torch.zeros(1, 12), torch.tensor([-100]), torch.zeros(1, 4)),
         "classes 0 to 2; got -100"),
        (lambda: det.box_head_loss(torch.zeros(1, 3), torch.zeros(1, 12), torch.tensor([1]), torch.zeros(1, 1)),
         r"got .*\(1, 1\)"),
    ],
)  # fmt: skip
def test_bad_input_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()
