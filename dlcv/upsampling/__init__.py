"""Chapter 02: upsampling, the ways that learn nothing."""

from dlcv.upsampling.reference import (
    bed_of_nails,
    cubic_kernel,
    cubic_weights,
    max_pool2d,
    max_pool2d_naive,
    max_unpool2d,
    pixel_shuffle,
    source_positions,
    upsample_bicubic,
    upsample_bilinear,
    upsample_bilinear_naive,
    upsample_nearest,
)

__all__ = [
    "bed_of_nails",
    "cubic_kernel",
    "cubic_weights",
    "max_pool2d",
    "max_pool2d_naive",
    "max_unpool2d",
    "pixel_shuffle",
    "source_positions",
    "upsample_bicubic",
    "upsample_bilinear",
    "upsample_bilinear_naive",
    "upsample_nearest",
]
