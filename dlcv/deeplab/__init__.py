"""Chapter 08: DeepLab and PSPNet."""

from dlcv.deeplab.reference import (
    ASPP,
    RATES,
    AtrousBranch,
    Decoder,
    DeepLabV3Plus,
    PyramidPooling,
    SeparableConv,
    adaptive_average_pool,
    bilateral_features,
    dense_crf,
    gaussian_features,
    hypercolumns,
    mean_field_step,
    pairwise_kernel,
    valid_taps,
    valid_weight_fraction,
)

__all__ = [
    "ASPP",
    "RATES",
    "AtrousBranch",
    "Decoder",
    "DeepLabV3Plus",
    "PyramidPooling",
    "SeparableConv",
    "adaptive_average_pool",
    "bilateral_features",
    "dense_crf",
    "gaussian_features",
    "hypercolumns",
    "mean_field_step",
    "pairwise_kernel",
    "valid_taps",
    "valid_weight_fraction",
]
