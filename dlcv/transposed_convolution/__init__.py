"""Chapter 01: transposed convolution, the upsampling that learns."""

from dlcv.transposed_convolution.reference import (
    bilinear_kernel,
    conv_transpose1d,
    conv_transpose2d,
    conv_transpose2d_naive,
    convolution_matrix,
    convolution_size,
    correlate2d,
    fractionally_strided_convolution,
    insert_zeros,
    output_size,
    overlap_counts,
)

__all__ = [
    "bilinear_kernel",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose2d_naive",
    "convolution_matrix",
    "convolution_size",
    "correlate2d",
    "fractionally_strided_convolution",
    "insert_zeros",
    "output_size",
    "overlap_counts",
]
