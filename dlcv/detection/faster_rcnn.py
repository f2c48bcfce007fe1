"""Faster R-CNN: one network proposes boxes, a second one looks into each, both on the same features.

References
----------
.. [1] S. Ren, K. He, R. Girshick and J. Sun, "Faster R-CNN: towards real-time object detection with region proposal
   networks", NeurIPS 2015.
.. [2] T.-Y. Lin, P. Dollár, R. Girshick, K. He, B. Hariharan and S. Belongie, "Feature pyramid networks for
   object detection", CVPR 2017.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dlcv.detection.reference import (
    HEAD_WEIGHTS,
    batched_nms,
    box_head_loss,
    box_head_targets,
    clip_boxes,
    decode_boxes,
    make_anchors,
    nms,
    rpn_loss,
    rpn_targets,
    sample_matches,
)
from dlcv.roi_align.reference import roi_align

__all__ = [
    "BoxHead",
    "FasterRCNN",
    "RegionProposalNetwork",
    "Samples",
    "TopDown",
    "as_rois",
    "check_targets",
    "propose",
]

SMALLEST = 1e-3  # pixels; a box that clipping has left without area is no proposal


class TopDown(nn.Module):
    """Bring what coarse maps know down to a fine one: the upper half of a feature pyramid (Lin et al. 2017).

    Parameters
    ----------
    in_channels : sequence of int
        Of each map, finest first.
    channels : int
        Of the result.

    Examples
    --------
    >>> maps = [torch.zeros(1, 8, 12, 10), torch.zeros(1, 16, 6, 5), torch.zeros(1, 32, 3, 3)]
    >>> TopDown([8, 16, 32], 4)(maps).shape
    torch.Size([1, 4, 12, 10])
    """

    def __init__(self, in_channels: Sequence[int], channels: int):
        super().__init__()
        self.lateral = nn.ModuleList(nn.Conv2d(before, channels, 1) for before in in_channels)
        self.smooth = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Return the finest of `maps` (N, C, H, W), to which the others were added: (N, channels, H, W)."""
        *finer, merged = [layer(x) for layer, x in zip(self.lateral, maps, strict=True)]
        for x in reversed(finer):
            merged = x + F.interpolate(merged, size=x.shape[-2:], mode="nearest")
        return self.smooth(merged)


class RegionProposalNetwork(nn.Module):
    """Look at each cell of a map through a 3x3 window, and say of each anchor there: object? where exactly?

    Parameters
    ----------
    in_channels : int
        Of the feature map.
    num_anchors : int
        Anchors a cell.

    Notes
    -----
    Ren et al. [1]_, section 3.1. A fully convolutional network: the same small classifier at every cell.

    Examples
    --------
    >>> objectness, deltas = RegionProposalNetwork(8, num_anchors=3)(torch.zeros(2, 8, 4, 5))
    >>> objectness.shape, deltas.shape
    (torch.Size([2, 60]), torch.Size([2, 60, 4]))
    """

    def __init__(self, in_channels: int, num_anchors: int):
        super().__init__()
        self.window = nn.Conv2d(in_channels, in_channels, 3, padding=1)
        self.objectness = nn.Conv2d(in_channels, num_anchors, 1)
        self.deltas = nn.Conv2d(in_channels, 4 * num_anchors, 1)
        for layer in (self.objectness, self.deltas):
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.zeros_(layer.bias)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits (N, H * W * num_anchors) and deltas (N, H * W * num_anchors, 4).

        They stand in the order of `make_anchors`: cells row by row, in each cell anchor by anchor.
        """
        x = self.window(features).relu()
        objectness = self.objectness(x).permute(0, 2, 3, 1).flatten(1)
        return objectness, self.deltas(x).permute(0, 2, 3, 1).flatten(1).unflatten(1, (-1, 4))


@torch.no_grad()
def propose(
    objectness: Tensor,
    deltas: Tensor,
    anchors: Tensor,
    image_size: Sequence[int],
    before: int = 1000,
    after: int = 300,
    iou_threshold: float = 0.7,
) -> tuple[Tensor, Tensor]:
    """Turn what the region proposal network says of one image into a few boxes to look into.

    Decode, clip to the image, drop what has no area left, keep the `before` best, suppress, keep the `after` best.

    Parameters
    ----------
    objectness : Tensor of shape (A,)
    deltas, anchors : Tensor of shape (A, 4)
    image_size : (height, width)

    Returns
    -------
    boxes (K, 4), objectness (K,)
        Best first, K at most `after`. No gradient flows through them: where a box lies is learned from its own loss.
    """
    scores, places = objectness.float().topk(min(before, len(objectness)))
    boxes = clip_boxes(decode_boxes(deltas[places].float(), anchors[places]), image_size)
    there = (boxes[:, 2:] - boxes[:, :2] >= SMALLEST).all(1)
    boxes, scores = boxes[there], scores[there]
    kept = nms(boxes, scores, iou_threshold)[:after]
    return boxes[kept], scores[kept]


class BoxHead(nn.Module):
    """From a RoI's features to its class and, for each class, its box.

    Parameters
    ----------
    in_features : int
        Numbers a RoI: channels times bins.
    num_classes : int
        Without background, which gets logit 0.
    hidden : int
    """

    def __init__(self, in_features: int, num_classes: int, hidden: int = 128):
        super().__init__()
        self.hidden = nn.Sequential(
            nn.Flatten(), nn.Linear(in_features, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU()
        )
        self.logits = nn.Linear(hidden, num_classes + 1)
        self.deltas = nn.Linear(hidden, 4 * (num_classes + 1))
        nn.init.normal_(self.deltas.weight, std=0.001)
        nn.init.zeros_(self.deltas.bias)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits (R, C + 1) and deltas (R, 4 * (C + 1)) of RoI features (R, channels, bins, bins)."""
        x = self.hidden(features)
        return self.logits(x), self.deltas(x)


@dataclass
class Samples:
    """What the second stage learns from in one batch, all images together.

    Attributes
    ----------
    rois : (R, 5)
        ``image, x1, y1, x2, y2``.
    labels : (R,)
        0 is background.
    targets : (R, 4)
    matches : (R,)
        Number of the true box in its own image, -1 for background.
    """

    rois: Tensor
    labels: Tensor
    targets: Tensor
    matches: Tensor


def as_rois(boxes: Sequence[Tensor]) -> Tensor:
    """Boxes of each image, (K_i, 4), as one list of RoIs (K, 5).

    Examples
    --------
    >>> as_rois([torch.zeros(0, 4), torch.ones(1, 4)])
    tensor([[1., 1., 1., 1., 1.]])
    """
    if not boxes:
        raise ValueError("boxes must hold those of one image at least; got none")
    return torch.cat([torch.cat([part.new_full((len(part), 1), n), part], 1) for n, part in enumerate(boxes)])


def check_targets(images: Tensor, targets: Sequence[dict[str, Tensor]] | None, *keys: str) -> None:
    """Raise a ValueError unless there is a dict for each image, with as many of each of `keys`."""
    if targets is None or any(key not in target for target in targets for key in keys):
        wanted = f"{', '.join(keys[:-1])} and {keys[-1]}"
        raise ValueError(f"in training, targets must be given: {wanted} of each image")
    if len(targets) != len(images):
        raise ValueError(f"targets must be {len(images)} dicts, one an image; got {len(targets)}")
    for number, target in enumerate(targets):
        counts = {key: len(target[key]) for key in keys}
        if len(set(counts.values())) > 1:
            raise ValueError(f"targets[{number}] must have as many of each; got {counts}")


class FasterRCNN(nn.Module):
    """Propose boxes, then classify and correct them.

    Parameters
    ----------
    backbone : nn.Module
        Maps images (N, 3, H, W) to a list of feature maps, finest first, with attributes `channels` and `strides`.
    num_classes : int
        Without background. Labels are 1 to `num_classes`.
    level : int
        Which of the backbone's maps boxes are read from; coarser ones are added to it, finer ones are not used.
    channels : int
        Of that map.
    sizes, aspect_ratios
        Of anchors, see `make_anchors`.
    rpn_samples, head_samples : int
        Anchors, and RoIs, that an image is trained on in one step.
    proposals : int
        How many the second stage gets at most.

    Notes
    -----
    Ren et al. [1]_. In the paper the two stages take turns in training; here, as in all later programs, the four losses
    are added.
    """

    def __init__(
        self,
        backbone: nn.Module,
        num_classes: int,
        level: int = 1,
        channels: int = 64,
        sizes: Sequence[float] = (8, 16, 32, 64),
        aspect_ratios: Sequence[float] = (0.5, 1, 2),
        rpn_samples: int = 128,
        head_samples: int = 64,
        proposals: int = 100,
        bins: int = 7,
    ):
        super().__init__()
        self.backbone, self.num_classes = backbone, num_classes
        self.level, self.stride, self.bins = level, backbone.strides[level], bins
        self.sizes, self.aspect_ratios = tuple(sizes), tuple(aspect_ratios)
        self.rpn_samples, self.head_samples, self.proposals = rpn_samples, head_samples, proposals
        self.neck = TopDown(backbone.channels[level:], channels)
        self.rpn = RegionProposalNetwork(channels, len(self.sizes) * len(self.aspect_ratios))
        self.box_head = BoxHead(channels * bins**2, num_classes)

    def features(self, images: Tensor) -> Tensor:
        """Return the one map (N, channels, h, w) that both stages read."""
        return self.neck(self.backbone(images)[self.level :])

    def anchors(self, features: Tensor) -> Tensor:
        """Return the anchors of a feature map, (A, 4), centred on its cells."""
        size = tuple(features.shape[-2:])
        return make_anchors(size, self.stride, self.sizes, self.aspect_ratios, offset=0.5).to(features.device)

    def pool(self, features: Tensor, rois: Tensor, bins: int) -> Tensor:
        """Return the RoIs' features (R, channels, bins, bins)."""
        return roi_align(features.float(), rois, bins, 1 / self.stride, sampling_ratio=2, aligned=True)

    def forward(
        self, images: Tensor, targets: Sequence[dict[str, Tensor]] | None = None
    ) -> dict[str, Tensor] | list[dict[str, Tensor]]:
        """Return the losses in training, detections otherwise.

        Parameters
        ----------
        images : Tensor of shape (N, 3, H, W)
        targets : list of dict
            In training: ``boxes`` (G, 4) and ``labels`` (G,) of each image.

        Returns
        -------
        dict of losses
            ``objectness``, ``rpn_box``, ``class``, ``box``.
        or list of dict
            ``boxes`` (D, 4), ``scores`` (D,) and ``labels`` (D,) of each image, best first.
        """
        features = self.features(images)
        if not self.training:
            return self.detect(features, images.shape[-2:])
        check_targets(images, targets, "boxes", "labels")
        losses, samples = self.learn_to_propose(features, images.shape[-2:], targets)
        return losses | self.box_losses(features, samples)

    # ------------------------------------------------------------------------------------- training

    def learn_to_propose(
        self, features: Tensor, image_size: Sequence[int], targets: Sequence[dict[str, Tensor]]
    ) -> tuple[dict[str, Tensor], Samples]:
        """Return the first stage's two losses, and the RoIs that the second stage is to learn from."""
        anchors = self.anchors(features)
        objectness, deltas = (part.float() for part in self.rpn(features))
        wanted = [rpn_targets(anchors, target["boxes"], self.rpn_samples) for target in targets]
        labels, offsets = (torch.cat(part) for part in zip(*wanted, strict=True))
        losses = rpn_loss(objectness.flatten(), deltas.flatten(0, 1), labels, offsets)
        proposals = [
            propose(o, d, anchors, image_size, 3 * self.proposals, self.proposals)[0]
            for o, d in zip(objectness.detach(), deltas.detach(), strict=True)
        ]
        return dict(zip(("objectness", "rpn_box"), losses, strict=True)), self.sample(proposals, targets)

    def sample(self, proposals: Sequence[Tensor], targets: Sequence[dict[str, Tensor]]) -> Samples:
        """Return some of each image's proposals, a quarter of them with an object where there are enough."""
        parts = []
        for boxes, target in zip(proposals, targets, strict=True):
            rois, labels, offsets, matches = box_head_targets(boxes, target["boxes"], target["labels"])
            chosen = torch.cat(sample_matches(matches, self.head_samples, 0.25))
            parts.append((rois[chosen], labels[chosen], offsets[chosen], matches[chosen]))
        rois, *rest = zip(*parts, strict=True)
        return Samples(as_rois(rois), *(torch.cat(part) for part in rest))

    def box_losses(self, features: Tensor, samples: Samples) -> dict[str, Tensor]:
        """Return the second stage's two losses."""
        logits, deltas = self.box_head(self.pool(features, samples.rois, self.bins))
        losses = box_head_loss(logits.float(), deltas.float(), samples.labels, samples.targets)
        return dict(zip(("class", "box"), losses, strict=True))

    # ------------------------------------------------------------------------------------ detection

    @torch.no_grad()
    def propose(self, features: Tensor, image_size: Sequence[int]) -> list[Tensor]:
        """Return the proposals (P, 4) of each image, best first."""
        anchors = self.anchors(features)
        return [
            propose(o, d, anchors, image_size, 3 * self.proposals, self.proposals)[0]
            for o, d in zip(*self.rpn(features), strict=True)
        ]

    @torch.no_grad()
    def detect(
        self,
        features: Tensor,
        image_size: Sequence[int],
        score_threshold: float = 0.05,
        iou_threshold: float = 0.5,
        most: int = 100,
    ) -> list[dict[str, Tensor]]:
        """Return each image's detections, best first.

        A proposal may become a detection of each class that it scores above `score_threshold` for. Of one class, boxes
        that overlap a better one by more than `iou_threshold` are dropped. At most `most` are left.
        """
        proposals = self.propose(features, image_size)
        logits, deltas = self.box_head(self.pool(features, as_rois(proposals), self.bins))
        found, counts = [], [len(part) for part in proposals]
        parts = zip(
            proposals, logits.float().softmax(1).split(counts), deltas.float().split(counts), strict=True
        )
        for boxes, scores, offsets in parts:
            decoded = clip_boxes(decode_boxes(offsets, boxes, HEAD_WEIGHTS).unflatten(1, (-1, 4)), image_size)
            rows, labels = (scores[:, 1:] > score_threshold).nonzero(as_tuple=True)
            boxes, scores, labels = decoded[rows, labels + 1], scores[rows, labels + 1], labels + 1
            there = (boxes[:, 2:] - boxes[:, :2] >= SMALLEST).all(1)
            boxes, scores, labels = boxes[there], scores[there], labels[there]
            kept = batched_nms(boxes, scores, labels, iou_threshold)[:most]
            found.append({"boxes": boxes[kept], "scores": scores[kept], "labels": labels[kept]})
        return found
