"""The heads of Mask R-CNN: from a box's features to a mask of each class, or to a map of each keypoint.

References
----------
.. [1] K. He, G. Gkioxari, P. Dollár and R. Girshick, "Mask R-CNN", ICCV 2017.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from dlcv.arguments import check_at_least

__all__ = ["KeypointHead", "MaskHead"]


def _convolutions(in_channels: int, hidden: int, layers: int) -> nn.Sequential:
    """3x3 convolutions that keep the size, a ReLU after each."""
    steps = []
    for number in range(layers):
        steps += [nn.Conv2d(hidden if number else in_channels, hidden, 3, padding=1), nn.ReLU()]
    return nn.Sequential(*steps)


def _start(head: nn.Module) -> None:
    """Weights that keep the size of what passes through ReLUs; no offsets."""
    for layer in head.modules():
        if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            nn.init.zeros_(layer.bias)


class MaskHead(nn.Module):
    """A small fully convolutional network in each box: from 14 x 14 features to K masks of 28 x 28.

    Parameters
    ----------
    in_channels : int
        Of a box's features.
    num_classes : int
        *K*, without background: one mask each.
    hidden : int
        Channels of the layers between.
    layers : int
        3x3 convolutions before the transposed one that doubles the size; at least 1.

    Notes
    -----
    He et al. [1]_, figure 4, on the right. With the 80 classes of COCO it says 80 * 28 * 28 = 62,720 logits a box. No
    fully connected layer: cell (i, j) of the answer is about place (i, j) of the box.

    Examples
    --------
    >>> import torch
    >>> MaskHead(16, num_classes=3, hidden=8)(torch.zeros(2, 16, 14, 14)).shape
    torch.Size([2, 3, 28, 28])
    """

    def __init__(self, in_channels: int, num_classes: int, hidden: int = 256, layers: int = 4):
        super().__init__()
        check_at_least(1, in_channels=in_channels, num_classes=num_classes, hidden=hidden, layers=layers)
        self.convolutions = _convolutions(in_channels, hidden, layers)
        self.up = nn.ConvTranspose2d(hidden, hidden, 2, stride=2)
        self.logits = nn.Conv2d(hidden, num_classes, 1)
        _start(self)

    def forward(self, features: Tensor) -> Tensor:
        """Return logits (R, K, 2 * bins, 2 * bins) of features (R, in_channels, bins, bins)."""
        return self.logits(self.up(self.convolutions(features)).relu())


class KeypointHead(nn.Module):
    """From a box's 14 x 14 features to a map of 56 x 56 for each keypoint.

    Parameters
    ----------
    in_channels : int
        Of a box's features.
    num_keypoints : int
        Maps; COCO's persons have 17 keypoints.
    hidden : int
        Channels of the layers between.
    layers : int
        3x3 convolutions before the size is doubled twice, first learned, then bilinearly; at least 1.

    Notes
    -----
    He et al. [1]_, section 5: a keypoint is one cell, so the map must be finer than a mask.

    Examples
    --------
    >>> import torch
    >>> KeypointHead(16, num_keypoints=5, hidden=8)(torch.zeros(2, 16, 14, 14)).shape
    torch.Size([2, 5, 56, 56])
    """

    def __init__(self, in_channels: int, num_keypoints: int = 17, hidden: int = 512, layers: int = 8):
        super().__init__()
        check_at_least(1, in_channels=in_channels, num_keypoints=num_keypoints, hidden=hidden, layers=layers)
        self.convolutions = _convolutions(in_channels, hidden, layers)
        self.logits = nn.ConvTranspose2d(hidden, num_keypoints, 4, stride=2, padding=1)
        _start(self)

    def forward(self, features: Tensor) -> Tensor:
        """Return logits (R, num_keypoints, 4 * bins, 4 * bins) of features (R, in_channels, bins, bins)."""
        logits = self.logits(self.convolutions(features))
        return F.interpolate(logits, scale_factor=2, mode="bilinear", align_corners=False)
