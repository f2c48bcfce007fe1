"""PointRend on the networks of chapters 06 and 07: what they say coarsely, and points for the rest.

A base maps images (N, 3, H, W) to coarse logits (N, K, H / stride, W / stride) and fine features (N, C, h, w).
"""

from __future__ import annotations

from math import log2

import torch.nn.functional as F
from torch import Tensor, nn

from dlcv.fcn.reference import FCN, crop_like
from dlcv.pointrend.reference import PointHead, evaluate_points, pixel_centres, subdivision_inference
from dlcv.unet.reference import UNet

__all__ = ["OnFCN", "OnUNet", "PointRend", "enlarged"]


class OnFCN(nn.Module):
    """FCN-8s without its last step: the fused scores at stride 8, and the backbone's first map, at stride 2.

    Parameters
    ----------
    fcn : FCN
        Of the variant "8s".
    """

    stride = 8

    def __init__(self, fcn: FCN):
        super().__init__()
        self.fcn = fcn
        self.channels = fcn.backbone.channels[0]

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return coarse logits and fine features of images (N, 3, H, W)."""
        first, _, pool3, pool4, pool5 = self.fcn.backbone(images)
        scores = self.fcn.score(pool5)
        for stride, features in (("16", pool4), ("8", pool3)):
            scores = crop_like(self.fcn.upsample[stride](scores), features)
            scores = scores + self.fcn.score_skips[stride](features)
        return scores, first


class OnUNet(nn.Module):
    """A U-Net whose way up ends early: scores at stride 4, and the first map of its way down, at stride 1.

    Parameters
    ----------
    unet : UNet
        Padded. Its last two steps up are left out.
    num_classes : int
        For a new layer of scores, at stride 4.
    """

    stride = 4

    def __init__(self, unet: UNet, num_classes: int):
        super().__init__()
        self.down, self.up = unet.down, unet.up[:-2]
        self.channels = unet.score.in_channels
        self.score = nn.Conv2d(self.stride * self.channels, num_classes, 1)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return coarse logits and fine features of images (N, 3, H, W)."""
        skips, x = [], images
        for level, double_conv in enumerate(self.down):
            x = double_conv(F.max_pool2d(x, 2) if level else x)
            skips.append(x)
        for step, skip in zip(self.up, reversed(skips[:-1]), strict=False):
            x = step(x, skip)
        return self.score(x), skips[0]


class PointRend(nn.Module):
    """A base, and a head that is asked again where the base is in doubt.

    Parameters
    ----------
    base : nn.Module
        With `stride` and `channels` of its fine features; see the module's text.
    num_classes : int
    hidden_channels : int
        Of the head's layers.
    num_points : int
        Pixels that are asked in each step when the network labels images.

    Examples
    --------
    >>> import torch
    >>> from dlcv.backbones import SmallCNN
    >>> network = PointRend(OnFCN(FCN(SmallCNN(), 5, "8s")), 5)
    >>> network(torch.rand(1, 3, 64, 96)).shape
    torch.Size([1, 5, 64, 96])
    """

    def __init__(self, base: nn.Module, num_classes: int, hidden_channels: int = 64, num_points: int = 128):
        super().__init__()
        self.base, self.num_points = base, num_points
        self.head = PointHead(base.channels, num_classes, hidden_channels)

    @property
    def steps(self) -> int:
        """Doublings from the base's stride to the image."""
        return int(log2(self.base.stride))

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (N, K, H, W) of images (N, 3, H, W), by subdivision."""
        return self.refine(*self.look(images))

    def look(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return coarse logits and fine features of images (N, 3, H, W), both in single precision.

        H and W must be multiples of the base's strides: else its maps and the image would not cover the same place.

        Half precision has no numbers between the centres of neighbouring pixels of a large map.
        """
        coarse, features = self.base(images)
        size, covered = tuple(images.shape[-2:]), tuple(self.base.stride * side for side in coarse.shape[-2:])
        if size != covered:
            raise ValueError(
                f"images must have sides that the base halves without a rest; got {size}, of which its coarse map "
                f"would cover {covered}"
            )
        return coarse.float(), features.float()

    def refine(self, coarse: Tensor, features: Tensor, num_points: int | None = None) -> Tensor:
        """Return logits (N, K, H, W) of what the base said, with `num_points` a step; 0: enlarged, nothing asked."""
        num_points = self.num_points if num_points is None else num_points
        if num_points == 0:
            return enlarged(coarse, self.steps)
        return subdivision_inference(coarse, features, self.head, self.steps, num_points)

    def everywhere(self, coarse: Tensor, features: Tensor) -> Tensor:
        """Return logits (N, K, H, W) of a head that is asked once at every pixel, without any subdivision."""
        size = [self.base.stride * side for side in coarse.shape[-2:]]
        centres = pixel_centres(*size, coarse.dtype, coarse.device).expand(len(coarse), -1, -1)
        return evaluate_points(coarse, features, self.head, centres).unflatten(2, size)


def enlarged(logits: Tensor, steps: int) -> Tensor:
    """Double the size of a map `steps` times, bilinearly, as subdivision does where nothing is asked.

    Examples
    --------
    >>> import torch
    >>> enlarged(torch.tensor([[[[0.0, 4.0]]]]), 1)[0, 0, 0].tolist()
    [0.0, 1.0, 3.0, 4.0]
    """
    for _ in range(steps):
        logits = F.interpolate(logits, scale_factor=2, mode="bilinear", align_corners=False)
    return logits
