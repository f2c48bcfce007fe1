"""The network: which masks it learns from, in which channel, and which it shows."""

import math

import pytest
import torch
from torch import nn

from dlcv import detection as det
from dlcv import mask_rcnn as mr
from dlcv.backbones import SmallCNN

IMAGE = (48, 64)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def small(**options):
    torch.manual_seed(0)
    options = dict(channels=8, sizes=(8, 16), rpn_samples=32, head_samples=12, proposals=20, bins=3) | options
    backbone = SmallCNN(channels=(4, 4, 6, 6, 8))
    return mr.MaskRCNN(backbone, 3, mask_bins=5, mask_hidden=8, mask_layers=2, **options)


def two_images():
    images = torch.rand(2, 3, *IMAGE, generator=generator())
    masks = torch.zeros(2, *IMAGE, dtype=torch.bool)
    masks[0, 4:18, 4:20] = masks[1, 10:40, 30:50] = True
    boxes = torch.tensor([[4.0, 4, 20, 18], [30, 10, 50, 40]])
    some = {"boxes": boxes, "labels": torch.tensor([1, 3]), "masks": masks}
    return images, [some, {key: value[:0] for key, value in some.items()}]


class SaysOfClasses(nn.Module):
    """A mask head that says the same of each cell: one number a class."""

    def __init__(self, *logits):
        super().__init__()
        self.says = torch.tensor(logits, dtype=torch.float32)

    def forward(self, features):
        return self.says[None, :, None, None].expand(len(features), -1, 10, 10)


def test_five_losses_reach_every_parameter():
    network, (images, targets) = small(), two_images()
    losses = network(images, targets)
    assert list(losses) == ["objectness", "rpn_box", "class", "box", "mask"]
    sum(losses.values()).backward()
    assert [name for name, parameter in network.named_parameters() if parameter.grad is None] == []
    assert all(p.grad.abs().sum() > 0 for p in network.mask_head.parameters() if p.dim() > 1)


def test_a_batch_without_any_object_has_no_mask_to_learn():
    network, (images, targets) = small(), two_images()
    losses = network(images, [targets[1], targets[1]])
    assert losses["mask"] == 0
    sum(losses.values()).backward()
    assert not any(p.grad.any() for p in network.mask_head.parameters())


def test_each_sample_learns_its_own_images_own_mask_in_its_labels_channel():
    network, (images, _) = small(), two_images()
    network.mask_head = SaysOfClasses(20, -20, 20)
    on, off = torch.ones(1, *IMAGE), torch.zeros(1, *IMAGE)
    targets = [{"masks": torch.cat([on, off])}, {"masks": torch.cat([off, off, on])}]
    boxes = torch.tensor([[4.0, 4, 20, 18]])

    def loss(image, match, label):
        rois = det.as_rois([boxes, boxes])[[image, 0]]
        labels = torch.tensor([label, 0])  # the second is background
        samples = det.Samples(rois, labels, torch.zeros(2, 4), torch.tensor([match, -1]))
        return network.mask_losses(network.features(images), samples, targets).item()

    for image, match, is_on in [(0, 0, True), (0, 1, False), (1, 0, False), (1, 2, True)]:
        for label, says_on in [(1, True), (2, False), (3, True)]:
            expected = math.log1p(math.exp(-20)) if is_on == says_on else 20.0
            assert loss(image, match, label) == pytest.approx(expected, abs=1e-4)


def test_a_detection_shows_the_mask_of_its_class_in_its_box():
    network, (images, _) = small(), two_images()
    network.eval()
    network.mask_head = SaysOfClasses(9, -9, 9)
    found = network(images)
    plain = det.FasterRCNN.detect(network, network.features(images), IMAGE)
    assert sum(len(part["labels"]) for part in found) > 10
    assert {label for part in found for label in part["labels"].tolist()} >= {1, 2}
    y, x = torch.meshgrid(torch.arange(48) + 0.5, torch.arange(64) + 0.5, indexing="ij")
    for part, without in zip(found, plain, strict=True):
        assert part["masks"].dtype == torch.bool and part["masks"].shape[1:] == IMAGE
        assert all(torch.equal(part[key], without[key]) for key in without)
        for mask, (x1, y1, x2, y2), label in zip(part["masks"], part["boxes"], part["labels"], strict=True):
            assert not mask[(x < x1) | (x > x2) | (y < y1) | (y > y2)].any()
            margin = 0.05 * torch.stack([x2 - x1, y2 - y1])
            inner = (x > x1 + margin[0]) & (x < x2 - margin[0]) & (y > y1 + margin[1]) & (y < y2 - margin[1])
            assert mask[inner].all() if label != 2 else not mask.any()


def test_no_detection_has_no_mask():
    network, (images, _) = small(), two_images()
    found = network.eval().detect(network.features(images), IMAGE, score_threshold=1.0)
    assert [tuple(part["masks"].shape) for part in found] == [(0, *IMAGE)] * 2


def test_training_wants_masks():
    network, (images, targets) = small(), two_images()
    for wrong in (None, [{key: target[key] for key in ("boxes", "labels")} for target in targets]):
        with pytest.raises(ValueError, match="boxes, labels and masks of each image"):
            network(images, wrong)


def test_it_learns_one_image_by_heart():
    """Of each box the left half is object: who only knows how much of a box is object stays near log 2."""
    network, (images, targets) = small(channels=16), two_images()
    masks = targets[0]["masks"].clone()
    masks[0, :, 12:] = masks[1, :, 40:] = False
    targets[0]["masks"] = masks
    images[0] = masks.any(0).float()
    optimizer = torch.optim.Adam(network.parameters(), lr=5e-3)
    losses = []
    for _ in range(50):
        optimizer.zero_grad()
        parts = network(images, targets)
        sum(parts.values()).backward()
        optimizer.step()
        losses.append(parts["mask"].item())
    assert sum(losses[:5]) / 5 > 0.6
    assert sum(losses[-5:]) / 5 < 0.45
