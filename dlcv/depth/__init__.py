"""Chapter 14: depth, how far away each pixel is."""

from dlcv.depth.reference import (
    MetricBins,
    align_scale_and_shift,
    backproject,
    bin_centres,
    depth_metrics,
    disparity_to_depth,
    gradient_matching_loss,
    inverse_attractor,
    log_binomial,
    normalize_median,
    ordinal_error,
    project,
    route_domain,
    ssi_loss,
    ssi_mse,
    ssi_trimmed_loss,
)

__all__ = [
    "MetricBins",
    "align_scale_and_shift",
    "backproject",
    "bin_centres",
    "depth_metrics",
    "disparity_to_depth",
    "gradient_matching_loss",
    "inverse_attractor",
    "log_binomial",
    "normalize_median",
    "ordinal_error",
    "project",
    "route_domain",
    "ssi_loss",
    "ssi_mse",
    "ssi_trimmed_loss",
]
