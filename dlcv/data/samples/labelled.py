"""An image whose things are outlined, in the course's notation."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class LabelledImage:
    """One real image with the class and the outline of each thing in it.

    Attributes
    ----------
    image : (3, H, W) or (1, H, W) float32 in [0, 1]
    semantic : (H, W) int64
        Class of each pixel, a position in `class_names`; 255 is void.
    instance : (H, W) int64
        1 to n on the n things, 0 elsewhere.
    labels : (n,) int64
        Class of each thing.
    class_names : tuple of str
    """

    image: Tensor
    semantic: Tensor
    instance: Tensor
    labels: Tensor
    class_names: tuple[str, ...]

    @property
    def masks(self) -> Tensor:
        """Mask of each thing, `(n, H, W)` bool."""
        return self.instance == torch.arange(1, len(self.labels) + 1)[:, None, None]

    @property
    def boxes(self) -> Tensor:
        """Tight boxes `(n, 4)` as x1, y1, x2, y2 in continuous pixels: columns 3 and 4 give x1 = 3, x2 = 5."""
        corners = []
        for mask in self.masks:
            rows, columns = mask.any(1).nonzero(), mask.any(0).nonzero()
            corners.append(torch.stack([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])[:, 0])
        return torch.stack(corners).float() if corners else torch.zeros(0, 4)


def as_image(array) -> Tensor:
    """Return bytes `(H, W, 3)` or `(H, W)` as `(C, H, W)` float32 in [0, 1]."""
    image = torch.as_tensor(array)
    image = image[None] if image.dim() == 2 else image.permute(2, 0, 1)
    return image.float() / 255


def from_masks(image: Tensor, masks: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Return class and instance maps `(H, W)` of masks `(n, H, W)` that do not overlap; class 0 where there is none."""
    numbers = torch.arange(1, len(masks) + 1)[:, None, None]
    instance = (masks * numbers).sum(0)
    semantic = torch.cat([torch.zeros(1, dtype=torch.int64), labels])[instance]
    return semantic, instance
