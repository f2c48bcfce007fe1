"""Nuclei that touch: the photograph split in two, windows to train on, and scores that count objects.

The upper part of the photograph is trained on, the lower part is kept for scoring: no nucleus is in both.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from dlcv.data.samples import nuclei
from dlcv.unet.reference import border_weight_map, elastic_deformation

__all__ = ["Part", "average_precision", "merged", "objects", "separate", "split", "windows"]

ROWS_TO_TRAIN = 288
LEAST = 20
"""Objects of fewer pixels do not count: slivers at the cut, and specks."""


@dataclass(frozen=True)
class Part:
    """One part of the photograph.

    Attributes
    ----------
    image : (1, H, W) float32
        Mean 0, standard deviation 1 over the whole photograph.
    instances : (H, W) int64
        0, or the number of the nucleus.
    target : (H, W) int64
        1 on nuclei, but 0 where two of them touch: see `separate`.
    """

    image: Tensor
    instances: Tensor
    target: Tensor


@cache
def split() -> tuple[Part, Part]:
    """The part to train on and the part to score on; `dlcv.data.samples.MissingPackage` without the photograph."""
    sample = nuclei()
    image = (sample.image - sample.image.mean()) / sample.image.std()
    parts = [
        Part(image[:, rows], sample.instance[rows], (separate(sample.instance[rows]) > 0).long())
        for rows in (slice(None, ROWS_TO_TRAIN), slice(ROWS_TO_TRAIN, None))
    ]
    return parts[0], parts[1]


def separate(instances: Tensor) -> Tensor:
    """Take from each object the pixels that touch another one, so that background lies between any two.

    Parameters
    ----------
    instances : Tensor of shape (H, W)
        Whole numbers, 0 for background.

    Examples
    --------
    >>> separate(torch.tensor([[1, 1, 2, 2, 0]]))
    tensor([[1, 0, 0, 2, 0]])
    """
    padded = F.pad(instances[None, None].float(), (1, 1, 1, 1))
    around = F.unfold(padded, 3).reshape(9, *instances.shape).long()
    touching = ((around != 0) & (around != instances)).any(0)
    return instances.where(~touching, 0)


@cache
def _weights() -> Tensor:
    return border_weight_map(separate(split()[0].instances))


def windows(
    step: int, seed: int = 0, weighted: bool = True, batch_size: int = 8, size: int = 96
) -> tuple[Tensor, Tensor, Tensor]:
    """Random windows of the part to train on, deformed and turned.

    Parameters
    ----------
    step, seed : int
        Which batch of which run.
    weighted : bool
        Weigh pixels by `border_weight_map`; otherwise all weights are 1.

    Returns
    -------
    images (N, 1, size, size), targets (N, size, size) int64, weights (N, size, size)
        Weights are moved along with the image, between its pixels.
    """
    generator = torch.Generator().manual_seed(1_000_003 * seed + step)
    part, margin = split()[0], 16
    weights = _weights() if weighted else torch.ones(part.target.shape)
    stack = torch.cat([part.image, weights[None]])
    images, targets = [], []
    for _ in range(batch_size):
        top, left = (
            int(torch.randint(length - size - 2 * margin + 1, (), generator=generator))
            for length in part.target.shape
        )
        rows, columns = (slice(start, start + size + 2 * margin) for start in (top, left))
        moved, target = elastic_deformation(
            stack[:, rows, columns], part.target[rows, columns], 200.0, 8.0, generator
        )
        quarter = int(torch.randint(4, (), generator=generator))
        inner = slice(margin, margin + size)
        images.append(moved[:, inner, inner].rot90(quarter, (-2, -1)))
        targets.append(target[inner, inner].rot90(quarter, (-2, -1)))
    both = torch.stack(images)
    return both[:, :1], torch.stack(targets), both[:, 1]


def objects(foreground: Tensor) -> Tensor:
    """Number the connected pieces of a mask (H, W), edge to edge; pieces of fewer than 20 pixels are left out."""
    from skimage.measure import label

    pieces = torch.from_numpy(label(foreground.numpy(), connectivity=1)).long()
    return _without_specks(pieces)


def _without_specks(instances: Tensor) -> Tensor:
    large = instances.flatten().bincount() >= LEAST
    large[0] = False
    numbers = torch.where(large, large.cumsum(0), 0)
    return numbers[instances]


def _overlaps(predicted: Tensor, truth: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Pixels that each true and each predicted object share (T, P), and the sizes of both (T,) and (P,)."""
    truth, predicted = _without_specks(truth), _without_specks(predicted)
    rows, columns = int(truth.max()) + 1, int(predicted.max()) + 1
    pairs = (truth * columns + predicted).flatten().bincount(minlength=rows * columns).reshape(rows, columns)
    return pairs[1:, 1:], pairs[1:].sum(1), pairs[:, 1:].sum(0)


def average_precision(predicted: Tensor, truth: Tensor, threshold: float = 0.5) -> float:
    """Share of objects that are right: found / (found + missed + invented), as in the Data Science Bowl 2018.

    Parameters
    ----------
    predicted, truth : Tensor of shape (H, W)
        Whole numbers, 0 for background.
    threshold : float
        A true object is found if a predicted one has a larger IoU with it. From 0.5 up that is one at most.

    Examples
    --------
    >>> truth = torch.arange(1, 5).repeat_interleave(25).reshape(4, 25)
    >>> average_precision(truth.where(truth != 2, 0), truth)
    0.75
    """
    shared, true_sizes, sizes = _overlaps(predicted, truth)
    iou = shared / (true_sizes[:, None] + sizes - shared)
    found = int((iou > threshold).sum())
    return found / max(1, len(true_sizes) + len(sizes) - found)


def merged(predicted: Tensor, truth: Tensor) -> int:
    """How many true objects share one predicted object: it covers more than half of each.

    Examples
    --------
    >>> truth = torch.arange(1, 5).repeat_interleave(25).reshape(4, 25)
    >>> merged((truth > 0).long(), truth), merged(truth, truth)
    (4, 0)
    """
    shared, true_sizes, _ = _overlaps(predicted, truth)
    covered = shared > true_sizes[:, None] / 2
    return int((covered & (covered.sum(0) > 1)).any(1).sum())
