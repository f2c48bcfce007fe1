"""Chapter 06: fully convolutional networks."""

from dlcv.fcn.reference import (
    FCN,
    SKIPS,
    bilinear_upsampling,
    convolutionalize,
    crop_like,
    fuse,
    linear_to_conv,
    multiply_adds,
    pointwise_linear,
    sliding_window,
)

__all__ = [
    "FCN",
    "SKIPS",
    "bilinear_upsampling",
    "convolutionalize",
    "crop_like",
    "fuse",
    "linear_to_conv",
    "multiply_adds",
    "pointwise_linear",
    "sliding_window",
]
