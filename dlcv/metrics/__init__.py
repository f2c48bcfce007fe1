"""Chapter 05: metrics, how good a map of labels is."""

from dlcv.metrics.reference import (
    background_everywhere,
    boundary_band,
    boundary_iou,
    class_iou,
    confusion_matrix,
    confusion_matrix_naive,
    dataset_mean_iou,
    dice,
    dice_from_iou,
    frequency_weighted_iou,
    iou_from_dice,
    mask_iou,
    mean_iou,
    pixel_accuracy,
)

__all__ = [
    "background_everywhere",
    "boundary_band",
    "boundary_iou",
    "class_iou",
    "confusion_matrix",
    "confusion_matrix_naive",
    "dataset_mean_iou",
    "dice",
    "dice_from_iou",
    "frequency_weighted_iou",
    "iou_from_dice",
    "mask_iou",
    "mean_iou",
    "pixel_accuracy",
]
