"""The chapter's experiment: a Faster R-CNN trained on scenes, how many proposals it needs, and what it finds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import matplotlib
import torch
from torch import Tensor

from dlcv.backbones import EfficientNetLite0
from dlcv.data.scenes import STUFF, THINGS, render
from dlcv.detection.faster_rcnn import FasterRCNN
from dlcv.detection.figures import draw_boxes, draw_scene
from dlcv.detection.reference import box_iou
from dlcv.device import at_scale
from dlcv.plotting import EXPECTED, FAINT, STYLE, YOURS, Picture, new_figure
from dlcv.trials import FIRST_UNSEEN, checkpoint_in, rise_and_fall, train_whole

__all__ = [
    "average_precision_at",
    "detect",
    "detections_figure",
    "detector",
    "mirrored",
    "proposal_recall",
    "recall_figure",
    "recalls",
    "targets_of",
    "train_detector",
    "unseen",
]

SIZE = 128
COUNTS = (1, 2, 5, 10, 20, 50)
Targets = list[dict[str, Tensor]]


# --------------------------------------------------------------------------------------------- scenes


@cache
def targets_of(start: int, count: int, size: int = SIZE) -> tuple[Tensor, Targets]:
    """Rendered scenes, kept: images (count, 3, size, size), and boxes and labels of each.

    Labels are 1 to 6 for the six kinds of things; 0 is left for background.
    """
    images, targets = [], []
    for first in range(start, start + count, 64):
        batch = render(range(first, min(first + 64, start + count)), size=size)
        images.append(batch.image)
        targets += [
            {"boxes": boxes, "labels": labels - len(STUFF) + 1}
            for boxes, labels in zip(batch.boxes, batch.labels, strict=True)
        ]
    return torch.cat(images), targets


def unseen(size: int = SIZE) -> tuple[Tensor, Targets]:
    """Scenes that no training sees."""
    return targets_of(FIRST_UNSEEN, at_scale(8, 128, 1024), size)


def mirrored(images: Tensor, targets: Targets) -> tuple[Tensor, Targets]:
    """Images and boxes with left and right exchanged.

    Examples
    --------
    >>> mirrored(torch.zeros(1, 3, 8, 20), [{"boxes": torch.tensor([[1.0, 2, 5, 6]])}])[1]
    [{'boxes': tensor([[15.,  2., 19.,  6.]])}]
    """
    width = images.shape[-1]

    def flip(boxes: Tensor) -> Tensor:
        x1, y1, x2, y2 = boxes.unbind(1)
        return torch.stack([width - x2, y1, width - x1, y2], 1)

    return images.flip(-1), [target | {"boxes": flip(target["boxes"])} for target in targets]


# ------------------------------------------------------------------------------------------- training


def detector(seed: int = 0) -> FasterRCNN:
    """A Faster R-CNN for scenes on a backbone that knows ImageNet; its other layers are new."""
    torch.manual_seed(seed)
    return FasterRCNN(
        EfficientNetLite0(), len(THINGS), level=1, sizes=(10, 20, 40), rpn_samples=128, head_samples=32, proposals=60
    )  # fmt: skip


def train_detector(
    network: FasterRCNN,
    steps: int | None = None,
    batch_size: int = 8,
    lr: float = 2e-3,
    seed: int = 0,
    size: int = SIZE,
    keep: str | Path | None = None,
    **how: object,
) -> FasterRCNN:
    """Train on scenes with the sum of the four losses, every second batch mirrored; return it in eval mode.

    With a folder `keep` the run is kept there and goes on after an interruption; the rest goes to
    `dlcv.training.train`.
    """
    steps = at_scale(2, 300, 20_000) if steps is None else steps
    images, targets = targets_of(0, at_scale(16, 512, 20_000), size)
    optimizer = torch.optim.AdamW(network.parameters(), lr=lr, weight_decay=1e-2)

    def batch(step: int) -> tuple[Tensor, Targets]:
        for group in optimizer.param_groups:  # a function of the step alone, so that a run can be resumed
            group["lr"] = lr * rise_and_fall(step / steps)
        generator = torch.Generator().manual_seed(1_000_003 * seed + step)
        chosen = torch.randint(len(images), (batch_size,), generator=generator)
        pair = images[chosen], [targets[i] for i in chosen.tolist()]
        return mirrored(*pair) if step % 2 else pair

    kept = checkpoint_in(keep, "09", seed)
    return train_whole(network, batch, total_loss, steps=steps, optimizer=optimizer, checkpoint=kept, **how)


def total_loss(network: FasterRCNN, images: Tensor, targets: Targets) -> Tensor:
    """The four losses, added."""
    there = [{name: value.to(images.device) for name, value in target.items()} for target in targets]
    return sum(network(images, there).values())


# ------------------------------------------------------------------------------------------- measuring


@torch.no_grad()
def detect(network: FasterRCNN, images: Tensor, batch_size: int = 16) -> tuple[list[Tensor], Targets]:
    """Proposals (P, 4), best first, and detections of each image, on the CPU."""
    device = next(network.parameters()).device
    network.eval()
    proposals, detections = [], []
    for part in images.split(batch_size):
        features = network.features(part.to(device))
        proposals += [boxes.cpu() for boxes in network.propose(features, part.shape[-2:])]
        found = network.detect(features, part.shape[-2:])
        detections += [{name: value.cpu() for name, value in image.items()} for image in found]
    return proposals, detections


def proposal_recall(
    proposals: Sequence[Tensor], targets: Targets, count: int, iou_threshold: float = 0.5
) -> float:
    """Share of all true boxes that one of their image's first `count` proposals fits.

    Examples
    --------
    >>> box = torch.tensor([[0.0, 0, 4, 4]])
    >>> targets = [{"boxes": torch.cat([box, box + 9])}]
    >>> [proposal_recall([torch.cat([box + 30, box])], targets, count) for count in (1, 2)]
    [0.0, 0.5]
    """
    found = total = 0
    for boxes, target in zip(proposals, targets, strict=True):
        total += len(target["boxes"])
        if len(boxes[:count]):
            found += int((box_iou(target["boxes"], boxes[:count]).amax(1) >= iou_threshold).sum())
    return found / total


def recalls(network: FasterRCNN, counts: Sequence[int] = COUNTS) -> dict[str, list[float]]:
    """Recall against number of proposals on unseen scenes: the network's, and its anchors in random order."""
    images, targets = unseen()
    proposals, _ = detect(network, images)
    anchors = network.anchors(network.features(images[:1].to(next(network.parameters()).device))).cpu()
    generator = torch.Generator().manual_seed(0)
    drawn = [anchors[torch.randperm(len(anchors), generator=generator)[: max(counts)]] for _ in targets]
    found = {"network, IoU 0.5": (proposals, 0.5), "network, IoU 0.7": (proposals, 0.7)}
    found["anchors drawn at random, IoU 0.5"] = (drawn, 0.5)
    return {
        name: [proposal_recall(boxes, targets, count, iou) for count in counts]
        for name, (boxes, iou) in found.items()
    }


def average_precision_at(detections: Targets, targets: Targets, iou_threshold: float = 0.5) -> float:
    """Mean over classes of the average precision at one IoU threshold.

    Detections of all images are gone through best first. Each one takes the true box of its class and image that it
    fits best and that is still free, if its IoU is high enough: then it is right, else wrong. Precision is made to fall
    only, and averaged over 101 recalls. Chapter 10 has COCO's measure in full.

    Examples
    --------
    Two detections, the better one wrong, of two objects: up to a recall of a half, precision is a half.

    >>> box, one = torch.tensor([[0.0, 0, 4, 4]]), torch.tensor([1])
    >>> found = {"boxes": torch.cat([box + 99, box]), "scores": torch.tensor([0.9, 0.8]), "labels": one.repeat(2)}
    >>> there = {"boxes": torch.cat([box, box + 9]), "labels": one.repeat(2)}
    >>> round(average_precision_at([found], [there]), 4)  # 51 of 101 recalls
    0.2525
    """
    classes = torch.cat([target["labels"] for target in targets]).unique().tolist()
    return sum(_class_precision(detections, targets, c, iou_threshold) for c in classes) / max(
        len(classes), 1
    )


def _class_precision(detections: Targets, targets: Targets, label: int, iou_threshold: float) -> float:
    scores, right, total = [], [], 0
    for found, target in zip(detections, targets, strict=True):
        mine, true = found["labels"] == label, target["boxes"][target["labels"] == label]
        order = found["scores"][mine].argsort(descending=True, stable=True)
        boxes = found["boxes"][mine][order]
        iou, total = box_iou(boxes, true), total + len(true)
        for row in iou:
            hit = len(true) and row.max() >= iou_threshold
            right.append(bool(hit))
            if hit:
                iou[:, row.argmax()] = -1  # taken
        scores.append(found["scores"][mine][order])
    hits = torch.tensor(right, dtype=torch.float64)[torch.cat(scores).argsort(descending=True, stable=True)]
    rank = torch.arange(1, len(hits) + 1)
    precision = (hits.cumsum(0) / rank).flip(0).cummax(0).values.flip(0)
    recall = hits.cumsum(0) / total
    places = torch.searchsorted(recall, torch.linspace(0, 1, 101, dtype=torch.float64))
    return float(torch.cat([precision, precision.new_zeros(1)])[places].mean())


# ------------------------------------------------------------------------------------------- pictures


def recall_figure(found: Mapping[str, Sequence[float]], counts: Sequence[int] = COUNTS) -> Picture:
    """Curves of `recalls`."""
    figure, axis = new_figure(width=6.4, height=3.2)
    looks = ((EXPECTED, "-"), (EXPECTED, "--"), (YOURS, "-"))
    for (name, values), (colour, line) in zip(found.items(), looks, strict=True):
        axis.plot(counts, values, line, marker="o", markersize=4, color=colour, label=name)
    axis.set(xscale="log", xlabel="proposals an image", ylabel="recall", ylim=(0, 1), xticks=counts)
    axis.set_xticks(counts, [str(count) for count in counts])
    axis.minorticks_off()
    axis.grid(axis="y", color=FAINT, linewidth=0.6)
    with matplotlib.rc_context(STYLE):
        axis.legend(loc="upper left")
    return figure


def detections_figure(network: FasterRCNN, count: int = 4, least_score: float = 0.4) -> Picture:
    """Unseen scenes with what is there, above, and what the network says, below."""
    images, targets = (part[:count] for part in unseen())
    _, detections = detect(network, images)
    figure, axes = new_figure(2, count, height=4.7)
    for (above, below), image, target, found in zip(axes.T, images, targets, detections, strict=True):
        sure = found["scores"] >= least_score
        shift = len(STUFF) - 1  # back to positions in the list of classes
        draw_scene(above, image, "there")
        draw_boxes(above, target["boxes"], target["labels"] + shift)
        draw_scene(below, image, f"found, score ≥ {least_score:g}")
        draw_boxes(below, found["boxes"][sure], found["labels"][sure] + shift, found["scores"][sure], YOURS)
    return figure
