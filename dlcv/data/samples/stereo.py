"""A stereo pair whose disparity was measured."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from dlcv.data.samples.labelled import as_image
from dlcv.data.samples.needed import needed


@dataclass(frozen=True)
class StereoPair:
    """Two rectified images: what the left one shows at column x, the right one shows at x - disparity.

    Attributes
    ----------
    left, right : (3, H, W) float32 in [0, 1]
    disparity : (H, W) float32
        Of the left image, in pixels; 0 where it is unknown.
    valid : (H, W) bool
        Where the disparity is known.
    baseline : float
        Metres between the two cameras.
    focal : float
        Focal length in pixels.
    offset : float
        Pixels by which the right camera's principal point lies further to the right.
    intrinsics : (3, 3) float32
        K of the left camera; pixel centres at whole numbers.
    """

    left: Tensor
    right: Tensor
    disparity: Tensor
    valid: Tensor
    baseline: float
    focal: float
    offset: float
    intrinsics: Tensor

    @property
    def depth(self) -> Tensor:
        """Depth in metres `(H, W)`: baseline * focal / (disparity + offset); 0 where it is unknown."""
        metres = self.baseline * self.focal / (self.disparity + self.offset)
        return torch.where(self.valid, metres, 0.0)


def motorcycle() -> StereoPair:
    """A motorcycle in a workshop, 500 x 741, from the Middlebury 2014 stereo data set.

    Credits
    -------
    N. Nesic, P. Westling, X. Wang, Y. Kitajima, G. Krathwohl and D. Scharstein, Middlebury College: D. Scharstein et
    al., "High-resolution stereo datasets with subpixel-accurate ground truth", GCPR 2014. The data set's page asks for
    this citation. It comes with scikit-image, made smaller by a factor of 4; so are the numbers of the cameras.

    Returns
    -------
    StereoPair
        92.7% of the pixels have a disparity.

    Raises
    ------
    MissingPackage
        If scikit-image is not installed.

    Examples
    --------
    >>> pair = motorcycle()
    >>> pair.left.shape, round(float(pair.valid.float().mean()), 3)
    (torch.Size([3, 500, 741]), 0.927)
    >>> round(float(pair.depth[pair.valid].min()), 2), round(float(pair.depth.max()), 2)
    (2.11, 5.02)
    """
    data = needed("skimage.data", "scikit-image", "The stereo pair of a motorcycle")
    left, right, disparity = data.stereo_motorcycle()
    disparity = torch.as_tensor(disparity).float()
    valid = disparity.isfinite()
    return StereoPair(
        left=as_image(left),
        right=as_image(right),
        disparity=torch.where(valid, disparity, 0.0),
        valid=valid,
        baseline=0.193001,
        focal=994.978,
        offset=31.086,
        intrinsics=torch.tensor([[994.978, 0.0, 311.193], [0.0, 994.978, 254.877], [0.0, 0.0, 1.0]]),
    )
