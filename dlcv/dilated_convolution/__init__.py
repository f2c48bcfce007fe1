"""Chapter 03: dilated convolution, a wider view with the same weights."""

from dlcv.dilated_convolution.reference import (
    conv2d,
    conv2d_naive,
    coverage,
    dilate_kernel,
    effective_kernel_size,
    is_gridding_free,
    receptive_field,
    replace_stride_with_dilation,
    shift_and_stitch,
)

__all__ = [
    "conv2d",
    "conv2d_naive",
    "coverage",
    "dilate_kernel",
    "effective_kernel_size",
    "is_gridding_free",
    "receptive_field",
    "replace_stride_with_dilation",
    "shift_and_stitch",
]
