"""A small mask network whose only difference is how it reads a box: RoI Pool or RoI Align."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dlcv.plotting import EXPECTED, YOURS, Picture, bare, new_figure
from dlcv.roi_align.reference import roi_align, roi_pool
from dlcv.trials import checkpoint_in, train_whole

__all__ = ["READERS", "MaskNet", "mask_iou", "mask_loss", "masks_figure", "shapes", "train_readers"]

STRIDE, BINS, SIDE = 8, 7, 28
READERS: dict[str, Callable] = {
    "RoI Pool": lambda features, rois: roi_pool(features, rois, BINS, 1 / STRIDE),
    "RoI Align": lambda features, rois: roi_align(features, rois, BINS, 1 / STRIDE, 2, True),
}


def shapes(step: int, count: int = 16, size: int = 96) -> tuple[Tensor, Tensor, Tensor]:
    """Noisy images of one blob each, the blobs' boxes as RoIs, and their masks within the box.

    Parameters
    ----------
    step : int
        Number of the batch, which is its seed.

    Returns
    -------
    images (count, 1, size, size), rois (count, 5), masks (count, 28, 28)
        Blobs are star-shaped with three random waves on a circle, so that the box does not give the mask away.
    """
    generator = torch.Generator().manual_seed(step)

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(count, *shape, generator=generator)

    centre, radius = uniform(34, size - 34, 2), uniform(12, 22)
    waves, phases = uniform(0.05, 0.16, 3), uniform(0, 6.3, 3)

    def inside(y: Tensor, x: Tensor) -> Tensor:
        y, x = y - centre[:, 1, None, None], x - centre[:, 0, None, None]
        angle = torch.atan2(y, x)[..., None] * torch.tensor([2, 3, 5]) + phases[:, None, None]
        return (y**2 + x**2).sqrt() < radius[:, None, None] * (
            1 + (waves[:, None, None] * angle.sin()).sum(-1)
        )

    pixel = torch.arange(size) + 0.5
    blob = inside(pixel[:, None], pixel[None, :])
    images = torch.where(blob, uniform(0.5, 1, 1, 1), uniform(0, 0.4, 1, 1))
    images = images + 0.15 * torch.randn(count, size, size, generator=generator)
    boxes = _boxes(blob)
    place = (torch.arange(SIDE) + 0.5) / SIDE
    y = boxes[:, 1, None, None] + place[:, None] * (boxes[:, 3] - boxes[:, 1])[:, None, None]
    x = boxes[:, 0, None, None] + place * (boxes[:, 2] - boxes[:, 0])[:, None, None]
    return images[:, None], torch.cat([torch.arange(count)[:, None], boxes], 1), inside(y, x).float()


def _boxes(masks: Tensor) -> Tensor:
    """Tight boxes around masks (K, H, W), in continuous pixels."""
    corners = [torch.cat([m.nonzero().amin(0).flip(0), m.nonzero().amax(0).flip(0) + 1]) for m in masks]
    return torch.stack(corners).float()


class MaskNet(nn.Module):
    """Three strided convolutions, a reader of boxes, and a head that draws 28 x 28 logits a box."""

    def __init__(self, reader: Callable, channels: int = 32):
        super().__init__()
        self.reader = reader
        steps = [nn.Conv2d(1 if n == 0 else channels, channels, 3, 2, 1) for n in range(3)]
        self.backbone = nn.Sequential(*(layer for step in steps for layer in (step, nn.ReLU())))
        self.head = nn.Sequential(
            nn.Conv2d(channels, channels, 3, 1, 1), nn.ReLU(),
            nn.ConvTranspose2d(channels, channels, 2, 2), nn.ReLU(),
            nn.ConvTranspose2d(channels, 1, 2, 2),
        )  # fmt: skip

    def forward(self, images: Tensor, rois: Tensor) -> Tensor:
        return self.head(self.reader(self.backbone(images), rois))[:, 0]


def mask_loss(model: nn.Module, images: Tensor, rois: Tensor, masks: Tensor) -> Tensor:
    """Binary cross-entropy of every mask pixel."""
    return F.binary_cross_entropy_with_logits(model(images, rois), masks)


@torch.no_grad()
def mask_iou(model: nn.Module, count: int = 128) -> float:
    """Mean IoU of predicted and true masks on images that training did not see."""
    images, rois, masks = (part.to(next(model.parameters()).device) for part in shapes(1_000_003, count))
    predicted, true = model(images, rois) > 0, masks > 0.5
    return float(((predicted & true).sum((1, 2)) / (predicted | true).sum((1, 2))).mean())


def train_readers(
    steps: int, seed: int = 0, show: bool = True, keep: str | Path | None = None
) -> dict[str, MaskNet]:
    """Train one network for each reader on the same batches, from the same weights, and print their mask IoU.

    With a folder `keep` both runs are kept there: a call that was interrupted goes on where it was.
    """
    trained = {}
    for name, reader in READERS.items():
        torch.manual_seed(seed)
        kept = checkpoint_in(keep, "04", name.replace(" ", "-"), seed)
        trained[name] = train_whole(
            MaskNet(reader), shapes, mask_loss, steps=steps, lr=3e-3, checkpoint=kept, show=show
        )
        if show:
            print(f"{name:10} mask IoU {mask_iou(trained[name]):.3f}")
    return trained


@torch.no_grad()
def masks_figure(trained: dict[str, MaskNet], count: int = 6) -> Picture:
    """New blobs with the outlines that both networks draw."""
    images, rois, _ = shapes(1_000_004, count)
    colours = dict(zip(READERS, (YOURS, EXPECTED), strict=True))
    figure, axes = new_figure(len(trained), count, height=1.55 * len(trained))
    for row, (name, model) in zip(axes, trained.items(), strict=True):
        device = next(model.parameters()).device
        logits = model(images.to(device), rois.to(device)).cpu()
        for axis, image, (_, x1, y1, x2, y2), mask in zip(
            row, images[:, 0], rois.tolist(), logits, strict=True
        ):
            place = (torch.arange(SIDE) + 0.5) / SIDE
            axis.imshow(image, cmap="gray", extent=(0, image.shape[1], image.shape[0], 0))
            across, down = x1 + place * (x2 - x1), y1 + place * (y2 - y1)
            axis.contour(across, down, mask, levels=[0.0], colors=colours[name], linewidths=2)
            axis.set(xlim=(x1 - 6, x2 + 6), ylim=(y2 + 6, y1 - 6), aspect="equal")
            bare(axis)
        row[0].set_ylabel(name)
    return figure
