"""Chapter 07: U-Net and SegNet."""

from dlcv.unet.reference import (
    DoubleConv,
    SegNet,
    UNet,
    UpStep,
    border_weight_map,
    center_crop,
    elastic_deformation,
    unet_output_size,
    unet_parameters,
    warp,
)

__all__ = [
    "DoubleConv",
    "SegNet",
    "UNet",
    "UpStep",
    "border_weight_map",
    "center_crop",
    "elastic_deformation",
    "unet_output_size",
    "unet_parameters",
    "warp",
]
