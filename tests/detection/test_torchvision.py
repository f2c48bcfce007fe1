"""Where torchvision can be imported: its boxes, anchors, matcher, sampler and losses give the same numbers."""

import pytest
import torch
from torch.testing import assert_close

from dlcv import detection as det


@pytest.fixture
def vision():
    try:
        import torchvision.models.detection
        import torchvision.ops
    except Exception as error:  # a wheel for another torch raises what it likes
        pytest.skip(f"torchvision cannot be imported: {type(error).__name__}")
    return torchvision


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def some_boxes(count, seed=0, side=60):
    g = generator(seed)
    corner, size = torch.rand(count, 2, generator=g) * side, torch.rand(count, 2, generator=g) * side / 2 + 1
    return torch.cat([corner, corner + size], 1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.int64])
def test_overlap(vision, dtype):
    a, b = some_boxes(40).to(dtype), some_boxes(30, 1).to(dtype)
    # In half precision torchvision rounds widths before it multiplies them, we do not.
    tolerance = dict(atol=2e-3, rtol=2e-3) if dtype == torch.float16 else {}
    assert_close(det.box_iou(a, b), vision.ops.box_iou(a, b), **tolerance)
    found, expected = det.generalized_box_iou(a, b), vision.ops.generalized_box_iou(a, b)
    assert_close(found, expected, check_dtype=False, **tolerance)


@pytest.mark.parametrize("threshold", [0.1, 0.5, 0.7])
def test_suppression(vision, threshold):
    boxes, scores = some_boxes(150), torch.rand(150, generator=generator(1))
    labels = torch.randint(0, 3, (150,), generator=generator(2))
    assert torch.equal(det.nms(boxes, scores, threshold), vision.ops.nms(boxes, scores, threshold))
    ours = det.batched_nms(boxes, scores, labels, threshold)
    assert torch.equal(ours, vision.ops.batched_nms(boxes, scores, labels, threshold))


def test_clipping(vision):
    boxes = some_boxes(50) - 15
    assert torch.equal(det.clip_boxes(boxes, (30, 50)), vision.ops.clip_boxes_to_image(boxes, (30, 50)))


@pytest.mark.parametrize("weights", [(1.0, 1.0, 1.0, 1.0), (10.0, 10.0, 5.0, 5.0)])
def test_box_coder(vision, weights):
    coder = vision.models.detection._utils.BoxCoder(weights)
    boxes, anchors = some_boxes(40), some_boxes(40, 1)
    assert_close(det.encode_boxes(boxes, anchors, weights), coder.encode_single(boxes, anchors))
    for classes in (1, 3):
        deltas = 6 * torch.randn(40, 4 * classes, generator=generator())  # beyond the clip, too
        assert_close(det.decode_boxes(deltas, anchors, weights), coder.decode_single(deltas, anchors))
    odd = torch.tensor([[3.0, 3, 3, 5], [1, 1, 4, 4]])  # no width: infinite, as there
    assert_close(det.encode_boxes(odd, anchors[:2], weights), coder.encode_single(odd, anchors[:2]))


@pytest.mark.parametrize("low_quality", [True, False])
@pytest.mark.parametrize("seed", range(5))
def test_matcher(vision, seed, low_quality):
    matcher = vision.models.detection._utils.Matcher(0.7, 0.3, low_quality)
    iou = torch.randint(1, 11, (4, 9), generator=generator(seed)) / 10  # nobody is without an overlap
    assert torch.equal(det.match_anchors(iou, 0.7, 0.3, low_quality), matcher(iou))


def test_matcher_of_a_ground_truth_that_nothing_touches_differs(vision):
    iou = torch.tensor([[0.8, 0.0, 0.0], [0.0, 0.0, 0.0]])
    assert vision.models.detection._utils.Matcher(0.7, 0.3, True)(iou).tolist() == [0, 0, 0]
    assert det.match_anchors(iou).tolist() == [0, -1, -1]


@pytest.mark.parametrize(("num", "fraction"), [(16, 0.5), (16, 0.1), (200, 0.5)])
def test_sampler(vision, num, fraction):
    matches = torch.randint(-2, 3, (60,), generator=generator())
    sampler = vision.models.detection._utils.BalancedPositiveNegativeSampler(num, fraction)
    theirs = torch.where(matches >= 0, 1, torch.where(matches == -1, 0, -1))
    torch.manual_seed(5)
    expected = [mask[0].nonzero()[:, 0] for mask in sampler([theirs])]
    for mine, other in zip(det.sample_matches(matches, num, fraction, generator(5)), expected, strict=True):
        assert torch.equal(mine, other)


def test_anchor_generator_up_to_order_and_rounding(vision):
    make = vision.models.detection.anchor_utils.AnchorGenerator
    sizes, ratios = (16, 32), (0.25, 1.0, 4.0)  # whose anchors have whole, even sides: nothing is rounded
    theirs = make((sizes,), (ratios,))
    theirs = theirs.grid_anchors([(3, 4)], [(8, 16)])[0]
    ours = det.make_anchors((3, 4), (8, 16), sizes, ratios)
    by_ratio = ours.view(12, len(sizes), len(ratios), 4).transpose(1, 2).reshape(-1, 4)
    assert_close(by_ratio, theirs)


def test_box_head_loss(vision):
    g = generator()
    logits, deltas = torch.randn(50, 6, generator=g), torch.randn(50, 24, generator=g)
    labels, targets = torch.randint(0, 6, (50,), generator=g), torch.randn(50, 4, generator=g)
    expected = vision.models.detection.roi_heads.fastrcnn_loss(logits, deltas, [labels], [targets])
    assert_close(det.box_head_loss(logits, deltas, labels, targets), expected)


def test_rpn_loss(vision):
    anchors = det.make_anchors((8, 8), 8, [16, 32], [0.5, 1, 2])
    boxes = [some_boxes(3, 1), torch.zeros(0, 4)]
    rpn = vision.models.detection.rpn.RegionProposalNetwork(None, None, 0.7, 0.3, 32, 0.5, {}, {}, 0.7)
    labels, matched = rpn.assign_targets_to_anchors([anchors] * 2, [{"boxes": b} for b in boxes])
    targets = rpn.box_coder.encode(matched, [anchors] * 2)
    objectness = torch.randn(2 * len(anchors), generator=generator())
    deltas = torch.randn(2 * len(anchors), 4, generator=generator(1))
    torch.manual_seed(7)
    expected = rpn.compute_loss(objectness, deltas, labels, targets)
    g = generator(7)
    ours = [det.rpn_targets(anchors, b, 32, 0.5, g) for b in boxes]
    found = det.rpn_loss(objectness, deltas, *(torch.cat(part) for part in zip(*ours, strict=True)))
    assert_close(found, expected)


def test_box_head_targets(vision):
    heads = vision.models.detection.roi_heads.RoIHeads(
        None, None, None, 0.5, 0.5, 512, 0.25, (10.0, 10.0, 5.0, 5.0), 0.05, 0.5, 100
    )
    proposals, boxes, labels = some_boxes(60), some_boxes(4, 1), torch.tensor([1, 3, 2, 1])
    theirs = [heads.add_gt_proposals([proposals], [boxes])[0]]
    matches, classes = heads.assign_targets_to_proposals(theirs, [boxes], [labels])
    rois, found, targets, _ = det.box_head_targets(proposals, boxes, labels)
    assert torch.equal(rois, theirs[0])
    assert torch.equal(found, classes[0])
    expected = heads.box_coder.encode_single(boxes[matches[0]], rois)
    assert_close(targets[found > 0], expected[found > 0])
