"""Chapter 13: losses, what a network is told about its mistakes."""

from dlcv.losses.reference import (
    balanced_weights,
    combined_loss,
    cross_entropy,
    dice_loss,
    focal_loss,
    giou_loss,
    soft_iou_loss,
    softmax_focal_loss,
)

__all__ = [
    "balanced_weights",
    "combined_loss",
    "cross_entropy",
    "dice_loss",
    "focal_loss",
    "giou_loss",
    "soft_iou_loss",
    "softmax_focal_loss",
]
