"""The two networks: order, proposals, samples, losses, and detections when both say what is true."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from dlcv import detection as det
from dlcv.backbones import SmallCNN
from dlcv.detection import experiment

IMAGE = (48, 64)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def small(**options):
    torch.manual_seed(0)
    options = dict(channels=8, sizes=(8, 16), rpn_samples=32, head_samples=12, proposals=20, bins=3) | options
    return det.FasterRCNN(SmallCNN(channels=(4, 4, 6, 6, 8)), 3, **options)


def two_images():
    images = torch.rand(2, 3, *IMAGE, generator=generator())
    boxes = torch.tensor([[4.0, 4, 20, 18], [30, 10, 50, 40]])
    nothing = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}
    return images, [{"boxes": boxes, "labels": torch.tensor([1, 3])}, nothing]


# --------------------------------------------------------------------------------------------- parts


def test_top_down_adds_what_coarse_maps_know():
    neck = det.TopDown([1, 1], 1)
    for layer in [*neck.lateral, neck.smooth]:
        nn.init.zeros_(layer.bias)
    nn.init.ones_(neck.lateral[0].weight)
    nn.init.ones_(neck.lateral[1].weight)
    neck.smooth.weight.data = torch.tensor([[0.0, 0, 0], [0, 1, 0], [0, 0, 0]])[None, None]
    fine, coarse = (
        torch.arange(15.0).reshape(1, 1, 3, 5),
        torch.tensor([[[[100.0, 200, 300], [400, 500, 600]]]]),
    )
    out = neck([fine, coarse])[0, 0]
    assert out[0].tolist() == [100, 101, 202, 203, 304]
    assert out[2, 4] == 600 + 14


def test_the_network_speaks_in_the_order_of_the_anchors():
    rpn = det.RegionProposalNetwork(1, num_anchors=6)
    rpn.window.weight.data = torch.zeros(1, 1, 3, 3)
    rpn.window.weight.data[0, 0, 1, 1] = 1
    nn.init.zeros_(rpn.window.bias)
    rpn.objectness.weight.data = torch.ones(6, 1, 1, 1)
    rpn.objectness.bias.data = torch.arange(6.0)
    nn.init.zeros_(rpn.deltas.weight)
    rpn.deltas.bias.data = torch.arange(24.0)
    cells = 100 * torch.arange(12.0).reshape(1, 1, 3, 4)
    objectness, deltas = rpn(cells)
    assert objectness[0].tolist() == [100 * cell + anchor for cell in range(12) for anchor in range(6)]
    assert torch.equal(deltas[0], torch.arange(24.0).reshape(6, 4).repeat(12, 1))


@pytest.mark.parametrize("seed", range(6))
def test_propose_equals_its_steps(seed):
    anchors = det.make_anchors((6, 8), 8, [8, 20], [0.5, 2], offset=0.5)
    g = generator(seed)
    scores, deltas = torch.randn(len(anchors), generator=g), 0.6 * torch.randn(len(anchors), 4, generator=g)
    order = scores.argsort(descending=True)[:50]
    boxes = det.clip_boxes(det.decode_boxes(deltas[order], anchors[order]), IMAGE)
    there = det.box_area(boxes) > 0  # clipping leaves some on the edge, without area
    boxes, best = boxes[there], scores[order][there]
    kept = det.nms_naive(boxes, best, 0.6)[:9]
    found, objectness = det.propose(scores, deltas, anchors, IMAGE, 50, 9, 0.6)
    assert torch.equal(found, boxes[kept])
    assert torch.equal(objectness, best[kept])


def test_what_lies_outside_the_image_is_no_proposal():
    anchors = torch.tensor([[-9.0, -9, -1, -1], [1, 1, 9, 9]])
    boxes, _ = det.propose(torch.tensor([5.0, 1.0]), torch.zeros(2, 4), anchors, IMAGE)
    assert boxes.tolist() == [[1, 1, 9, 9]]


def test_rois_of_images_keep_their_image():
    rois = det.as_rois([torch.ones(2, 4), torch.zeros(0, 4), 2 * torch.ones(1, 4)])
    assert rois.tolist() == [[0, 1, 1, 1, 1], [0, 1, 1, 1, 1], [2, 2, 2, 2, 2]]


# ------------------------------------------------------------------------------------------- training


def test_four_losses_and_a_gradient_everywhere():
    network, (images, targets) = small(level=2), two_images()
    losses = network(images, targets)
    assert list(losses) == ["objectness", "rpn_box", "class", "box"]
    assert all(loss.isfinite() and loss >= 0 for loss in losses.values())
    sum(losses.values()).backward()
    without = [name for name, parameter in network.named_parameters() if parameter.grad is None]
    assert without == []
    silent = [name for name, parameter in network.named_parameters() if not parameter.grad.abs().sum()]
    assert not [name for name in silent if "backbone" not in name]


def test_a_batch_without_any_object_can_be_learned_from():
    network, (images, targets) = small(), two_images()
    losses = network(images, [targets[1], targets[1]])
    assert losses["rpn_box"] == losses["box"] == 0
    sum(losses.values()).backward()
    assert all(p.grad.isfinite().all() for p in network.parameters() if p.grad is not None)


def test_samples_are_a_quarter_positive_at_most_and_know_their_truth():
    network, (_, targets) = small(head_samples=8), two_images()
    near = targets[0]["boxes"].repeat(5, 1) + torch.rand(10, 4, generator=generator())
    far = torch.tensor([[50.0, 2, 60, 8]]).repeat(10, 1) + torch.rand(10, 4, generator=generator())
    samples = network.sample([torch.cat([near, far]), far], targets)
    assert samples.rois.shape == (16, 5)
    first = samples.rois[:, 0] == 0
    assert (samples.labels[first] > 0).sum() == 2
    assert (samples.labels[~first] == 0).all()
    positive = samples.labels > 0
    truth = targets[0]["boxes"][samples.matches[positive]]
    decoded = det.decode_boxes(samples.targets[positive], samples.rois[positive, 1:], det.HEAD_WEIGHTS)
    assert_close(decoded, truth)
    assert (samples.labels[positive] == targets[0]["labels"][samples.matches[positive]]).all()


def test_training_wants_a_target_of_each_image_with_as_many_of_each():
    net, images = small().train(), torch.rand(2, 3, *IMAGE)
    boxes, labels = torch.tensor([[4.0, 4, 20, 20]]), torch.tensor([1])
    with pytest.raises(ValueError, match="targets must be 2 dicts, one an image; got 1"):
        net(images, [{"boxes": boxes, "labels": labels}])
    with pytest.raises(
        ValueError, match=r"targets\[1\] must have as many of each; got {'boxes': 1, 'labels': 2}"
    ):
        net(images, [{"boxes": boxes, "labels": labels}, {"boxes": boxes, "labels": labels.repeat(2)}])
    with pytest.raises(ValueError, match="targets must be given: boxes and labels"):
        net(images, [{"boxes": boxes}, {"boxes": boxes}])
    with pytest.raises(ValueError, match="one image at least"):
        det.as_rois([])


def test_training_wants_targets():
    with pytest.raises(ValueError, match="targets must be given"):
        small()(torch.zeros(1, 3, *IMAGE))


def test_it_learns_one_scene_by_heart():
    network = small(channels=16)
    images, targets = experiment.targets_of(3, 1, 48)
    targets = [{"boxes": t["boxes"], "labels": (t["labels"] - 1) % 3 + 1} for t in targets]
    optimizer = torch.optim.Adam(network.parameters(), lr=5e-3)
    losses = []
    for _ in range(30):
        optimizer.zero_grad()
        loss = sum(network(images, targets).values())
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert sum(losses[-5:]) < 0.6 * sum(losses[:5])


# ------------------------------------------------------------------------------------------ detection


class AllKnowingProposals(nn.Module):
    """Says of each image's positive anchors what is true."""

    def __init__(self, anchors, targets):
        super().__init__()
        self.anchors, self.targets = anchors, targets

    def forward(self, features):
        objectness, deltas = [], []
        for target in self.targets:
            iou = det.box_iou(target["boxes"], self.anchors)
            matches = det.match_anchors(iou)
            positive = matches >= 0
            objectness.append(torch.where(positive, 5.0, -5.0))
            offsets = torch.zeros(len(self.anchors), 4)
            offsets[positive] = det.encode_boxes(target["boxes"][matches[positive]], self.anchors[positive])
            deltas.append(offsets)
        return torch.stack(objectness), torch.stack(deltas)


class AllKnowingHead(nn.Module):
    """Says of each RoI, given its box instead of its features, what is true."""

    def __init__(self, targets, classes):
        super().__init__()
        self.targets, self.classes = targets, classes

    def forward(self, rois):
        logits, deltas = torch.zeros(len(rois), self.classes + 1), torch.zeros(len(rois), self.classes + 1, 4)
        for n, (image, *box) in enumerate(rois.tolist()):
            target = self.targets[int(image)]
            _, classes, offsets, _ = det.box_head_targets(
                torch.tensor([box]), target["boxes"], target["labels"]
            )
            logits[n, classes[0]] = 20
            deltas[n, classes[0]] = offsets[0]
        return logits, deltas.flatten(1)


def test_who_knows_the_truth_detects_it(monkeypatch):
    network, (images, targets) = small().eval(), two_images()
    anchors = network.anchors(network.features(images))
    network.rpn, network.box_head = AllKnowingProposals(anchors, targets), AllKnowingHead(targets, 3)
    monkeypatch.setattr(network, "pool", lambda features, rois, bins: rois)
    found = network(images)
    for mine, target in zip(found, targets, strict=True):
        order = mine["boxes"][:, 0].argsort()
        assert_close(mine["boxes"][order], target["boxes"], atol=1e-3, rtol=0)
        assert torch.equal(mine["labels"][order], target["labels"])
        assert (mine["scores"] > 0.99).all()


def test_detections_lie_in_the_image_best_first():
    network, (images, _) = small().eval(), two_images()
    found = network(images)
    assert len(found) == 2
    for image in found:
        boxes, scores, labels = image["boxes"], image["scores"], image["labels"]
        assert len(boxes) == len(scores) == len(labels) <= 100
        assert torch.equal(det.clip_boxes(boxes, IMAGE), boxes)
        assert (scores[:-1] >= scores[1:]).all()
        assert ((labels >= 1) & (labels <= 3)).all()
        for label in labels.unique():
            mine = boxes[labels == label]
            assert (det.box_iou(mine, mine).fill_diagonal_(0) <= 0.5).all()


def test_detection_does_not_depend_on_who_else_is_in_the_batch():
    network, (images, _) = small().eval(), two_images()
    together, alone = network(images)[1], network(images[1:])[0]
    assert_close(together["boxes"], alone["boxes"])
    assert torch.equal(together["labels"], alone["labels"])
