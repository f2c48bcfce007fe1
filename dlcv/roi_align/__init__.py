"""Chapter 04: RoI Align, features of a box without rounding."""

from dlcv.roi_align.reference import (
    bilinear_sample,
    bilinear_scatter,
    fpn_level,
    position_map,
    roi_align,
    roi_align_naive,
    roi_pool,
    roi_pool_naive,
    round_half_away,
    sample_points,
    shift_errors,
    snapped_boxes,
)

__all__ = [
    "bilinear_sample",
    "bilinear_scatter",
    "fpn_level",
    "position_map",
    "roi_align",
    "roi_align_naive",
    "roi_pool",
    "roi_pool_naive",
    "round_half_away",
    "sample_points",
    "shift_errors",
    "snapped_boxes",
]
