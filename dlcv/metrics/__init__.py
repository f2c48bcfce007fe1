"""Chapter 05: metrics, how good a map of labels is."""

from dlcv.metrics.reference import (
    boundary_band,
    boundary_iou,
    class_iou,
    confusion_matrix,
    dice,
    dice_from_iou,
    frequency_weighted_iou,
    iou_from_dice,
    mask_iou,
    mean_iou,
    pixel_accuracy,
)

__all__ = [
    "boundary_band",
    "boundary_iou",
    "class_iou",
    "confusion_matrix",
    "dice",
    "dice_from_iou",
    "frequency_weighted_iou",
    "iou_from_dice",
    "mask_iou",
    "mean_iou",
    "pixel_accuracy",
]
