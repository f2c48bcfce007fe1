"""The chapter's experiment: a Mask R-CNN on scenes, with a mask head more that rounds, and one for keypoints."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dlcv.backbones import EfficientNetLite0
from dlcv.data.scenes import STUFF, THINGS, render
from dlcv.detection.experiment import mirrored as mirrored_boxes
from dlcv.detection.experiment import total_loss
from dlcv.detection.faster_rcnn import Samples, as_rois
from dlcv.detection.reference import HEAD_WEIGHTS, batched_nms, clip_boxes, decode_boxes
from dlcv.device import at_scale
from dlcv.mask_rcnn.average_precision import average_precision
from dlcv.mask_rcnn.figures import draw_masks, draw_outlines, draw_points, draw_scene
from dlcv.mask_rcnn.heads import KeypointHead
from dlcv.mask_rcnn.network import MaskRCNN
from dlcv.mask_rcnn.reference import keypoint_loss, keypoint_targets, mask_loss, mask_targets, paste_masks
from dlcv.plotting import EXPECTED, YOURS, Picture, legend, new_figure
from dlcv.roi_align.reference import roi_pool
from dlcv.trials import FIRST_UNSEEN, checkpoint_in, rise_and_fall, train_whole

__all__ = [
    "KEYPOINTS",
    "KINDS",
    "READERS",
    "Followed",
    "ManyHeads",
    "constant_points",
    "detect",
    "detections_figure",
    "extreme_points",
    "find_points",
    "follow_rois",
    "keypoint_errors",
    "keypoints_figure",
    "kind_scores",
    "kind_table",
    "mirrored",
    "network",
    "perfect_masks_moved",
    "points_of",
    "score",
    "score_table",
    "targets_of",
    "train_network",
    "unseen",
]

SIZE = 128
KINDS = THINGS
READERS = ("RoI Align", "RoI Pool")
KEYPOINTS = ("top", "bottom", "left", "right", "centre")
Targets = list[dict[str, Tensor]]


# --------------------------------------------------------------------------------------------- scenes


@cache
def targets_of(start: int, count: int, size: int = SIZE) -> tuple[Tensor, Targets]:
    """Rendered scenes, kept: images (count, 3, size, size), and boxes, labels, masks and keypoints of each.

    Labels are 1 to 6 for the six kinds of things; 0 is left for background.
    """
    images, targets = [], []
    for first in range(start, start + count, 64):
        batch = render(range(first, min(first + 64, start + count)), size=size, classes=KINDS)
        images.append(batch.image)
        targets += [
            {
                "boxes": scene.boxes,
                "labels": scene.labels - len(STUFF) + 1,
                "masks": scene.masks,
                "keypoints": extreme_points(scene.masks),
            }
            for scene in batch
        ]
    return torch.cat(images), targets


def unseen(size: int = SIZE) -> tuple[Tensor, Targets]:
    """Scenes that no training sees."""
    return targets_of(FIRST_UNSEEN, at_scale(8, 128, 1024), size)


def training(size: int = SIZE) -> tuple[Tensor, Targets]:
    """Scenes to train on; how many, the scale decides."""
    return targets_of(0, at_scale(16, 512, 20_000), size)


def mirrored(images: Tensor, targets: Targets) -> tuple[Tensor, Targets]:
    """Images, boxes, masks and keypoints with left and right exchanged: the leftmost point becomes the rightmost one.

    Examples
    --------
    >>> masks = torch.tensor([[[0, 1, 0, 0]]])
    >>> target = {"boxes": torch.tensor([[1.0, 0, 2, 1]]), "masks": masks, "keypoints": extreme_points(masks)}
    >>> mirrored(torch.zeros(1, 3, 1, 4), [target])[1][0]["boxes"].tolist()
    [[2.0, 0.0, 3.0, 1.0]]
    """
    width, order = (
        images.shape[-1],
        [KEYPOINTS.index(name) for name in ("top", "bottom", "right", "left", "centre")],
    )
    images, targets = mirrored_boxes(images, targets)
    flipped = []
    for target in targets:
        x, y, visibility = target["keypoints"][:, order].unbind(2)
        points = torch.stack([width - x, y, visibility], 2)
        flipped.append(target | {"masks": target["masks"].flip(-1), "keypoints": points})
    return images, flipped


# -------------------------------------------------------------------------------------------- keypoints


def extreme_points(masks: Tensor) -> Tensor:
    """Five keypoints of each mask: its highest, lowest, leftmost and rightmost place, and its centre.

    Parameters
    ----------
    masks : bool Tensor of shape (G, H, W)
        None of them empty.

    Returns
    -------
    Tensor of shape (G, 5, 3)
        ``x, y, visibility`` in pixels of the image, where pixel *i* reaches from *i* to *i* + 1; visibility is 2. Where
        several pixels are highest, the middle of them.

    Examples
    --------
    >>> extreme_points(torch.tensor([[[0, 1, 1, 0], [1, 1, 1, 1]]]))[0, :4, :2].tolist()
    [[2.0, 0.5], [2.0, 1.5], [0.5, 1.5], [3.5, 1.5]]
    """
    points = []
    for mask in masks:
        y, x = mask.nonzero().T + 0.5
        at = (y == y.min(), y == y.max(), x == x.min(), x == x.max(), y > 0)
        points.append(torch.stack([torch.stack([x[here].mean(), y[here].mean()]) for here in at]))
    points = torch.stack(points) if points else torch.zeros(0, len(KEYPOINTS), 2)
    return torch.cat([points, points.new_full((*points.shape[:2], 1), 2)], 2)


def points_of(logits: Tensor, boxes: Tensor) -> Tensor:
    """The place in the image of each map's most likely cell.

    Parameters
    ----------
    logits : Tensor of shape (R, K, S, S)
    boxes : Tensor of shape (R, 4)

    Returns
    -------
    Tensor of shape (R, K, 2)
        ``x, y`` of the cell's centre.

    Examples
    --------
    >>> logits = torch.zeros(1, 1, 4, 4)
    >>> logits[0, 0, 3, 1] = 1
    >>> points_of(logits, torch.tensor([[10.0, 0, 18, 4]])).tolist()
    [[[13.0, 3.5]]]
    """
    size = logits.shape[-1]
    cell = logits.flatten(2).argmax(2)
    place = (torch.stack([cell % size, cell // size], 2) + 0.5) / size  # (R, K, 2) as x, y, shares of the box
    return boxes[:, None, :2] + place * (boxes[:, None, 2:] - boxes[:, None, :2])


# ------------------------------------------------------------------------------------------- training


class ManyHeads(MaskRCNN):
    """A Mask R-CNN that carries two heads more: a mask head that reads through RoI Pool, and one for keypoints.

    Both mask heads get the same boxes and the same features, and both teach the backbone. The keypoint head only
    listens: no gradient of it reaches what the others use.

    Attributes
    ----------
    reader : "RoI Align" or "RoI Pool"
        Whose masks `detect` shows.
    """

    def __init__(self, *args: Any, **options: Any):
        super().__init__(*args, **options)
        channels = self.neck.smooth.out_channels
        self.rounding_head = copy.deepcopy(self.mask_head)  # both start from the same weights
        self.keypoint_head = KeypointHead(channels, len(KEYPOINTS), hidden=64, layers=2)
        self.reader = READERS[0]

    def mask_logits(self, features: Tensor, rois: Tensor) -> Tensor:
        """Return what the mask head of the present `reader` says of each RoI."""
        if self.reader == READERS[0]:
            return super().mask_logits(features, rois)
        return self.rounding_head(roi_pool(features.float(), rois, self.mask_bins, 1 / self.stride)).float()

    def keypoint_logits(self, features: Tensor, rois: Tensor) -> Tensor:
        """Return maps (R, 5, 4 * bins, 4 * bins)."""
        return self.keypoint_head(self.pool(features, rois, self.bins)).float()

    def forward(self, images: Tensor, targets: Targets | None = None) -> dict[str, Tensor] | Targets:
        """Return the losses in training, detections otherwise; `targets` have ``keypoints`` (G, 5, 3), too."""
        features, size = self.features(images), images.shape[-2:]
        if not self.training:
            return self.detect(features, size)
        losses, samples = self.learn_to_propose(features, size, targets)
        losses |= self.box_losses(features, samples)
        rois, labels, wanted = self.mask_samples(samples, targets)
        for self.reader in reversed(READERS):
            losses[f"mask, {self.reader}"] = mask_loss(self.mask_logits(features, rois), labels, wanted)
        return losses | {"keypoint": self.keypoint_losses(features.detach(), samples, targets)}

    def keypoint_losses(self, features: Tensor, samples: Samples, targets: Targets) -> Tensor:
        """Return the loss of the keypoints of those samples that found an object."""
        positive = samples.labels > 0
        rois, matches = samples.rois[positive], samples.matches[positive]
        wanted = [target["keypoints"][matches[rois[:, 0] == n]] for n, target in enumerate(targets)]
        logits = self.keypoint_logits(features, rois)  # RoIs stand image by image, as `wanted` does
        return keypoint_loss(logits, *keypoint_targets(torch.cat(wanted), rois[:, 1:], logits.shape[-1]))


def network(seed: int = 0) -> ManyHeads:
    """A Mask R-CNN for scenes on a backbone that knows ImageNet; its other layers are new.

    The things are small, 10 to 50 pixels, and so are the masks: 20 x 20, on a GPU 28 x 28.
    """
    torch.manual_seed(seed)
    return ManyHeads(
        EfficientNetLite0(), len(KINDS), mask_bins=at_scale(5, 10, 14), mask_layers=at_scale(1, 2, 4),
        level=1, sizes=(10, 20, 40), rpn_samples=128, head_samples=32, proposals=60,
    )  # fmt: skip


def train_network(
    network: ManyHeads,
    steps: int | None = None,
    batch_size: int = 8,
    lr: float = 2e-3,
    seed: int = 0,
    keep: str | Path | None = None,
    **how: object,
) -> ManyHeads:
    """Train on scenes with the sum of all losses, every second batch mirrored; return it in eval mode.

    With a folder `keep` the run is kept there and goes on after an interruption; the rest goes to
    `dlcv.training.train`.
    """
    steps = at_scale(2, 360, 20_000) if steps is None else steps
    images, targets = training()
    optimizer = torch.optim.AdamW(network.parameters(), lr=lr, weight_decay=1e-2)

    def batch(step: int) -> tuple[Tensor, Targets]:
        for group in optimizer.param_groups:  # a function of the step alone, so that a run can be resumed
            group["lr"] = lr * rise_and_fall(step / steps)
        generator = torch.Generator().manual_seed(1_000_003 * seed + step)
        chosen = torch.randint(len(images), (batch_size,), generator=generator)
        pair = images[chosen], [targets[i] for i in chosen.tolist()]
        return mirrored(*pair) if step % 2 else pair

    file = checkpoint_in(keep, "10", seed)
    return train_whole(network, batch, total_loss, steps=steps, optimizer=optimizer, checkpoint=file, **how)


# ------------------------------------------------------------------------------------------- measuring


@torch.no_grad()
def detect(network: ManyHeads, images: Tensor, reader: str = READERS[0], batch_size: int = 16) -> Targets:
    """Detections of each image with the masks of a reader, best first, on the CPU."""
    if reader not in READERS:
        raise ValueError(f"reader must be one of {', '.join(READERS)}; got {reader!r}")
    device = next(network.parameters()).device
    network.eval().reader = reader
    return [
        {name: value.cpu() for name, value in found.items()}
        for part in images.split(batch_size)
        for found in network(part.to(device))
    ]


def score(network: ManyHeads) -> dict[str, float]:
    """COCO's measure on unseen scenes: AP, AP50 and AP75 of boxes, and of the masks of both readers."""
    images, targets = unseen()
    scores = {}
    for reader in READERS:
        detections = detect(network, images, reader)
        kinds = {"boxes": "boxes", f"masks by {reader}": "masks"}
        for words, kind in kinds.items():
            found = average_precision(detections, targets, kind)
            scores |= {f"{words}, {name}": found[name] for name in ("AP", "AP50", "AP75")}
    return scores


def kind_scores(network: ManyHeads) -> dict[str, dict[str, float]]:
    """AP of the boxes, and of the masks by RoI Align, kind by kind on unseen scenes."""
    images, targets = unseen()
    detections = detect(network, images)
    every = {
        words: average_precision(detections, targets, kind)["per_class"]
        for words, kind in (("boxes", "boxes"), ("masks", "masks"))
    }
    return {words: {KINDS[label - 1]: ap for label, ap in found.items()} for words, found in every.items()}


def perfect_masks_moved(pixels: float, cells: int = 20) -> dict[str, float]:
    """Mean IoU of perfect masks, kind by kind on unseen scenes, with boxes that are so many pixels too far right.

    The true masks are read into `cells` x `cells` cells of their true boxes and pasted into the moved ones.
    """
    images, targets = unseen()
    found: dict[str, list[Tensor]] = {kind: [] for kind in KINDS}
    for target in targets:
        boxes, true = target["boxes"], target["masks"]
        masks = mask_targets(true, boxes, torch.arange(len(boxes)), cells).float()
        moved = boxes + boxes.new_tensor([pixels, 0, pixels, 0])
        pasted = paste_masks(masks, moved, tuple(images.shape[-2:]))
        iou = (pasted & true).flatten(1).sum(1) / (pasted | true).flatten(1).sum(1)
        for label, value in zip(target["labels"].tolist(), iou, strict=True):
            found[KINDS[label - 1]].append(value)
    return {kind: float(torch.stack(values).mean()) for kind, values in found.items() if values}


def kind_table(rows: dict[str, dict[str, float]]) -> str:
    """Numbers of each kind of thing as a table in Markdown, a row each.

    Examples
    --------
    >>> print(kind_table({"boxes": {"ball": 0.5, "lamp": 0.249}, "masks": {"ball": 0.25, "lamp": 0.0}}))
    | | ball | lamp |
    |---|---|---|
    | boxes | 0.50 | 0.25 |
    | masks | 0.25 | 0.00 |
    """
    kinds = dict.fromkeys(kind for row in rows.values() for kind in row)
    cells = {
        name: [f"{row[kind]:.2f}" if kind in row else "" for kind in kinds] for name, row in rows.items()
    }
    return _markdown(kinds, cells)


def score_table(scores: dict[str, float]) -> str:
    """`score` as a table in Markdown.

    Examples
    --------
    >>> print(score_table({"boxes, AP50": 0.51, "boxes, AP75": 0.249}))
    | | AP50 | AP75 |
    |---|---|---|
    | boxes | 0.51 | 0.25 |
    """
    rows: dict[str, list[str]] = {}
    for key, value in scores.items():
        rows.setdefault(key.rpartition(", ")[0], []).append(f"{value:.2f}")
    return _markdown(dict.fromkeys(key.rpartition(", ")[2] for key in scores), rows)


def _markdown(columns: Iterable[str], rows: dict[str, list[str]]) -> str:
    """A table: each row has its name and a cell for each column."""
    columns = list(columns)
    lines = [f"| | {' | '.join(columns)} |", "|" + "---|" * (len(columns) + 1)]
    return "\n".join(lines + [f"| {name} | {' | '.join(cells)} |" for name, cells in rows.items()])


@torch.no_grad()
def find_points(network: ManyHeads, images: Tensor, boxes: Sequence[Tensor]) -> list[Tensor]:
    """Keypoints (R, 5, 2) that the network finds in each image's boxes, on the CPU."""
    device = next(network.parameters()).device
    network.eval()
    found = []
    for image, part in zip(images, boxes, strict=True):
        features = network.features(image[None].to(device))
        found.append(points_of(network.keypoint_logits(features, as_rois([part]).to(device)).cpu(), part))
    return found


def constant_points() -> Tensor:
    """Where each keypoint lies in a box on average, as shares of the box: (5, 2). The best guess without looking."""
    places = []
    for target in training()[1]:
        first, last = target["boxes"][:, None, :2], target["boxes"][:, None, 2:]
        places.append((target["keypoints"][..., :2] - first) / (last - first))
    return torch.cat(places).mean(0)


def keypoint_errors(network: ManyHeads) -> dict[str, tuple[float, float]]:
    """Mean distance from the true keypoint in pixels, on unseen scenes in their true boxes.

    Returns
    -------
    dict
        For each keypoint the network's error, and that of the best guess without looking.
    """
    images, targets = unseen()
    boxes = [target["boxes"] for target in targets]
    true = torch.cat([target["keypoints"][..., :2] for target in targets])
    every = torch.cat(boxes)[:, None]
    guess = every[..., :2] + constant_points() * (every[..., 2:] - every[..., :2])
    found = torch.cat(find_points(network, images, boxes))
    errors = [(points - true).norm(dim=2).mean(0).tolist() for points in (found, guess)]
    return dict(zip(KEYPOINTS, zip(*errors, strict=True), strict=True))


# --------------------------------------------------------------------------------------------- one RoI


@dataclass(frozen=True)
class Followed:
    """One RoI on its way through the network.

    Attributes
    ----------
    proposal : (4,)
        What the region proposal network pointed at.
    scores : (C + 1,)
        What the box head says of it; 0 is background.
    label : int
        Its class, from 1.
    box : (4,)
        The corrected box.
    masks : (C, M, M)
        Probabilities, a mask a class.
    """

    proposal: Tensor
    scores: Tensor
    label: int
    box: Tensor
    masks: Tensor


@torch.no_grad()
def follow_rois(network: ManyHeads, image: Tensor, most: int = 6) -> list[Followed]:
    """The RoIs of an image (3, H, W) that end as its best detections, from proposal to masks."""
    device, size = next(network.parameters()).device, image.shape[-2:]
    network.eval().reader = READERS[0]
    features = network.features(image[None].to(device))
    (proposals,) = network.propose(features, size)
    logits, deltas = network.box_head(network.pool(features, as_rois([proposals]), network.bins))
    scores = logits.softmax(1)
    best, labels = scores[:, 1:].max(1)
    own = deltas.unflatten(1, (-1, 4))[torch.arange(len(labels)), labels + 1]
    boxes = clip_boxes(decode_boxes(own, proposals, HEAD_WEIGHTS), size)
    kept = batched_nms(boxes, best, labels, 0.5)[:most]
    masks = network.mask_logits(features, as_rois([boxes[kept]])).sigmoid()
    parts = zip(proposals[kept], scores[kept], (labels[kept] + 1).tolist(), boxes[kept], masks, strict=True)
    return [Followed(p.cpu(), s.cpu(), label, b.cpu(), m.cpu()) for p, s, label, b, m in parts]


# --------------------------------------------------------------------------------------------- pictures


def detections_figure(network: ManyHeads, count: int = 4, least_score: float = 0.4) -> Picture:
    """Unseen scenes with what is there, above, and what the network says, below."""
    images, targets = (part[:count] for part in unseen())
    figure, axes = new_figure(2, count, height=4.7)
    for (above, below), image, target, found in zip(
        axes.T, images, targets, detect(network, images), strict=True
    ):
        sure = found["scores"] >= least_score
        draw_scene(above, image, "there")
        draw_masks(above, target["masks"])
        draw_scene(below, image, f"found, score ≥ {least_score:g}")
        draw_masks(below, found["masks"][sure])
        draw_outlines(below, found["boxes"][sure], found["labels"][sure], found["scores"][sure])
    return figure


def keypoints_figure(network: ManyHeads, count: int = 4) -> Picture:
    """Unseen scenes with the true keypoints of each thing, and those that the network finds in the true boxes."""
    images, targets = (part[:count] for part in unseen())
    boxes = [target["boxes"] for target in targets]
    figure, axes = new_figure(1, count, height=2.7)
    found = find_points(network, images, boxes)
    for axis, image, target, points in zip(axes, images, targets, found, strict=True):
        draw_scene(axis, image)
        draw_points(axis, target["keypoints"][..., :2], points)
    legend(figure, {"true": EXPECTED, "found": YOURS})
    return figure
