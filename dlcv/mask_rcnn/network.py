"""Mask R-CNN: Faster R-CNN, and a third branch that outlines what was found.

References
----------
.. [1] K. He, G. Gkioxari, P. Dollár and R. Girshick, "Mask R-CNN", ICCV 2017.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from dlcv.detection.faster_rcnn import FasterRCNN, Samples, as_rois, check_targets
from dlcv.mask_rcnn.heads import MaskHead
from dlcv.mask_rcnn.reference import mask_loss, mask_targets, paste_masks, select_masks

__all__ = ["MaskRCNN"]


class MaskRCNN(FasterRCNN):
    """Propose boxes, classify and correct them, and draw a mask in each.

    .. math:: L = L_\\text{cls} + L_\\text{box} + L_\\text{mask}

    besides the two losses of the region proposal network.

    Parameters
    ----------
    backbone : nn.Module
        Maps images (N, 3, H, W) to a list of feature maps, finest first, with attributes `channels` and `strides`.
    num_classes : int
        Without background. Labels are 1 to `num_classes`; label *k* has channel *k* - 1 of the mask head.
    mask_bins : int
        Cells a side that the mask head reads of a box; it answers with twice as many.
    mask_hidden, mask_layers : int
        Of the `MaskHead`.
    **options
        Of `FasterRCNN`.

    Notes
    -----
    He et al. [1]_. In training the mask head sees proposals, in parallel with the box head; afterwards it sees only the
    corrected boxes of the detections that are left, which are fewer and fit better.
    """

    def __init__(
        self,
        backbone: nn.Module,
        num_classes: int,
        mask_bins: int = 14,
        mask_hidden: int = 64,
        mask_layers: int = 4,
        **options: Any,
    ):
        super().__init__(backbone, num_classes, **options)
        self.mask_bins = mask_bins
        self.mask_head = MaskHead(self.neck.smooth.out_channels, num_classes, mask_hidden, mask_layers)

    def forward(
        self, images: Tensor, targets: Sequence[dict[str, Tensor]] | None = None
    ) -> dict[str, Tensor] | list[dict[str, Tensor]]:
        """Return the losses in training, detections otherwise.

        Parameters
        ----------
        images : Tensor of shape (N, 3, H, W)
        targets : list of dict
            In training: ``boxes`` (G, 4), ``labels`` (G,) and ``masks`` (G, H, W) of each image.

        Returns
        -------
        dict of losses
            ``objectness``, ``rpn_box``, ``class``, ``box``, ``mask``.
        or list of dict
            ``boxes`` (D, 4), ``scores`` (D,), ``labels`` (D,) and bool ``masks`` (D, H, W) of each image, best first.
        """
        features = self.features(images)
        if not self.training:
            return self.detect(features, images.shape[-2:])
        check_targets(images, targets, "boxes", "labels", "masks")
        losses, samples = self.learn_to_propose(features, images.shape[-2:], targets)
        losses |= self.box_losses(features, samples)
        return losses | {"mask": self.mask_losses(features, samples, targets)}

    def mask_logits(self, features: Tensor, rois: Tensor) -> Tensor:
        """Return what the third branch says of each RoI: (R, num_classes, 2 * mask_bins, 2 * mask_bins)."""
        return self.mask_head(self.pool(features, rois, self.mask_bins)).float()

    def mask_samples(
        self, samples: Samples, targets: Sequence[dict[str, Tensor]]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return what the third branch learns from: RoIs (P, 5) that found an object, their channels, their masks."""
        positive = samples.labels > 0
        rois, labels, matches = (part[positive] for part in (samples.rois, samples.labels, samples.matches))
        side = 2 * self.mask_bins
        wanted = torch.zeros(len(rois), side, side, dtype=torch.bool, device=rois.device)
        for number, target in enumerate(targets):
            here = rois[:, 0] == number
            wanted[here] = mask_targets(target["masks"], rois[here, 1:], matches[here], side)
        return rois, labels - 1, wanted

    def mask_losses(self, features: Tensor, samples: Samples, targets: Sequence[dict[str, Tensor]]) -> Tensor:
        """Return the third branch's loss, on those samples that found an object."""
        rois, labels, wanted = self.mask_samples(samples, targets)
        return mask_loss(self.mask_logits(features, rois), labels, wanted)

    @torch.no_grad()
    def detect(
        self, features: Tensor, image_size: Sequence[int], **options: float
    ) -> list[dict[str, Tensor]]:
        """Return each image's detections, best first, with the mask of the class that each was given.

        `options` are those of `FasterRCNN.detect`: `score_threshold`, `iou_threshold`, `most`.
        """
        found = super().detect(features, image_size, **options)
        rois = as_rois([part["boxes"] for part in found])
        logits = self.mask_logits(features, rois)
        masks = select_masks(logits, torch.cat([part["labels"] for part in found]) - 1)
        counts = [len(part["boxes"]) for part in found]
        return [
            part | {"masks": paste_masks(mask, part["boxes"], tuple(image_size))}
            for part, mask in zip(found, masks.split(counts), strict=True)
        ]
