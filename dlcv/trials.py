"""Segmentation trials: train a network on scenes, score it on scenes that it has not seen.

Chapters that compare networks use the same scenes, loss and scores, so that their tables can be read side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from math import cos, pi
from pathlib import Path
from statistics import mean, stdev

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dlcv.data.scenes import CLASSES, VOID, render
from dlcv.device import at_scale, scale
from dlcv.metrics.reference import boundary_iou, class_iou, confusion_matrix, mean_iou
from dlcv.training import Batches, History, train

__all__ = [
    "Score",
    "balanced_loss",
    "checkpoint_in",
    "class_weights",
    "colour_classifier",
    "predict",
    "score",
    "segment_loss",
    "spread",
    "train_on_scenes",
    "train_whole",
    "training_scenes",
    "unseen_scenes",
    "whole",
]

FIRST_UNSEEN = 1_000_000
BOUNDARY = 1
"""Width of the band for boundary IoU, in pixels: scenes are small."""


@dataclass(frozen=True)
class Score:
    """How well label maps fit: mean IoU, mean boundary IoU, and the IoU of each class that occurs."""

    mean_iou: float
    boundary_iou: float
    per_class: dict[str, float]

    def __str__(self) -> str:
        return f"mIoU {self.mean_iou:.3f} · boundary IoU {self.boundary_iou:.3f}"


@cache
def scenes(count: int, start: int, size: int, **options: object) -> tuple[Tensor, Tensor]:
    """Rendered scenes: images (count, 3, size, size) in [0, 1] and class maps (count, size, size), kept."""
    batch = render(range(start, start + count), size=size, **options)
    return batch.image, batch.semantic


def training_scenes(size: int = 64, count: int | None = None) -> tuple[Tensor, Tensor]:
    """Images (N, 3, size, size) and class maps (N, size, size) to train on; how many, the scale decides."""
    return scenes(at_scale(16, 768, 20_000) if count is None else count, 0, size)


def unseen_scenes(size: int = 64, count: int | None = None) -> tuple[Tensor, Tensor]:
    """Images and class maps that no training sees."""
    return scenes(at_scale(8, 128, 1024) if count is None else count, FIRST_UNSEEN, size)


def segment_loss(model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of each pixel that has a class."""
    return F.cross_entropy(model(images), labels, ignore_index=VOID)


def class_weights(size: int = 64, count: int | None = None) -> Tensor:
    """Weights (classes,) of the training scenes: 1 / sqrt(share of pixels), with a mean of 1 over the pixels.

    Parameters
    ----------
    size, count : int
        As in `training_scenes`.
    """
    labels = training_scenes(size, count)[1]
    share = labels[labels != VOID].bincount(minlength=len(CLASSES)) / (labels != VOID).sum()
    weight = share.clamp(min=1e-4).rsqrt()
    return weight / (weight * share).sum()


def balanced_loss(size: int = 64, count: int | None = None) -> Callable[..., Tensor]:
    """Return a cross-entropy in which rare classes count for more: each is weighted by 1 / sqrt(its share of pixels).

    Things cover a fiftieth of a scene's pixels each, walls a third. Mean IoU asks for all of them alike; so does this
    loss, half-way.

    Parameters
    ----------
    size, count : int
        Of the training scenes in which pixels are counted, as in `training_scenes`.
    """
    weight = class_weights(size, count)

    def loss(model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(model(images), labels, weight.to(images.device), ignore_index=VOID)

    return loss


def train_on_scenes(
    model: nn.Module,
    *,
    steps: int,
    batch_size: int = 16,
    size: int = 64,
    count: int | None = None,
    lr: float = 3e-3,
    seed: int = 0,
    loss: Callable[..., Tensor] = segment_loss,
    **how: object,
) -> nn.Module:
    """Train a network that maps images to scores ``(N, classes, H, W)``; return it in eval mode.

    Batches are drawn with the seed, every second one mirrored; the learning rate rises and falls once.
    `how` goes to `dlcv.training.train`, for example ``checkpoint="runs/fcn.pt"``.

    Raises
    ------
    KeyboardInterrupt
        If the run was interrupted, so that a cell does not go on with half a network. With a checkpoint the next call
        goes on from where it was.
    """
    images, labels = training_scenes(size, count)
    layout = _layout(model)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=lr, weight_decay=1e-2)

    def batch(step: int) -> tuple[Tensor, Tensor]:
        for group in optimizer.param_groups:  # a function of the step alone, so that a run can be resumed
            group["lr"] = lr * rise_and_fall(step / steps)
        generator = torch.Generator().manual_seed(1_000_003 * seed + step)
        chosen = torch.randint(len(images), (batch_size,), generator=generator)
        x, y = images[chosen].contiguous(memory_format=layout), labels[chosen]
        return (x.flip(-1), y.flip(-1)) if step % 2 else (x, y)

    return train_whole(model, batch, loss, steps=steps, optimizer=optimizer, **how)


def train_whole(model: nn.Module, batches: Batches, loss: Callable[..., Tensor], **how: object) -> nn.Module:
    """Train by `dlcv.training.train`, and return the network in eval mode.

    Raises
    ------
    KeyboardInterrupt
        If the run was interrupted, so that a cell does not go on with half a network. With a checkpoint the next call
        goes on from where it was.
    """
    whole(train(model, batches, loss, **how), how.get("checkpoint"))
    return model.eval()


def whole(history: History, checkpoint: str | Path | None = None) -> History:
    """Return what `dlcv.training.train` returned, if the run came to its end.

    Raises
    ------
    KeyboardInterrupt
        If it was interrupted. The message says how far it came, and whether it is kept in the `checkpoint`.
    """
    if history.stopped == "interrupted":
        kept = "run the cell again to go on" if checkpoint else "nothing is kept"
        raise KeyboardInterrupt(f"after {len(history.losses)} of {history.steps} steps; {kept}")
    return history


def _layout(model: nn.Module) -> torch.memory_format:
    """Channels last for a network whose filters lie so in memory: on a GPU half precision is fastest in that order."""
    last = any(
        parameter.is_contiguous(memory_format=torch.channels_last) and not parameter.is_contiguous()
        for parameter in model.parameters()
        if parameter.dim() == 4
    )
    return torch.channels_last if last else torch.contiguous_format


def checkpoint_in(folder: str | Path | None, *name: object) -> Path | None:
    """File in which the run of this name and scale is kept; None without a folder, and at the scale "smoke".

    Examples
    --------
    >>> checkpoint_in(None, "FCN", 0) is None
    True
    """
    if folder is None or scale() == "smoke":
        return None
    return Path(folder) / ("-".join(map(str, (*name, scale()))) + ".pt")


def rise_and_fall(progress: float, rise: float = 0.2, least: float = 0.02) -> float:
    """Share of the largest learning rate at this share of the run: a straight rise, then half a cosine.

    Examples
    --------
    >>> [round(rise_and_fall(p), 2) for p in (0, 0.1, 0.2, 0.6, 1)]
    [0.02, 0.51, 1.0, 0.51, 0.02]
    """
    if progress < rise:
        return least + (1 - least) * progress / rise
    return least + (1 - least) * (1 + cos(pi * (progress - rise) / (1 - rise))) / 2


@torch.no_grad()
def predict(model: nn.Module, images: Tensor, batch_size: int = 32) -> Tensor:
    """Return class maps (N, H, W) on the CPU."""
    device = next(model.parameters()).device
    model.eval()
    return torch.cat([model(part.to(device)).argmax(1).cpu() for part in images.split(batch_size)])


def score(predicted: Tensor, labels: Tensor) -> Score:
    """Score class maps (N, H, W) over all scenes together; void pixels do not count."""
    predicted = torch.where(labels == VOID, VOID, predicted)
    confusion = confusion_matrix(predicted.where(labels != VOID, 0), labels, len(CLASSES), VOID)
    ious = class_iou(confusion)
    return Score(
        float(mean_iou(confusion)),
        _mean_boundary_iou(predicted, labels),
        {name: float(iou) for name, iou in zip(CLASSES, ious, strict=True) if not iou.isnan()},
    )


def _mean_boundary_iou(predicted: Tensor, labels: Tensor) -> float:
    """Mean over classes of the mean boundary IoU over the images in which the class occurs."""
    found = []
    for label in range(len(CLASSES)):
        there = (labels == label).flatten(1).any(1)
        if there.any():
            values = boundary_iou(predicted[there] == label, labels[there] == label, BOUNDARY)
            found.append(float(values.nanmean()))
    return mean(found)


def colour_classifier(images: Tensor, labels: Tensor, bins: int = 12) -> Callable[[Tensor], Tensor]:
    """Return the best guess that looks at one pixel's colour alone: the commonest class of its colour bin.

    Parameters
    ----------
    images, labels : Tensor of shape (N, 3, H, W) and (N, H, W)
        What it counts.
    bins : int
        Steps a colour channel.

    Returns
    -------
    callable
        Maps images (N, 3, H, W) to class maps (N, H, W). Colours that were never seen get the commonest class.
    """

    def cell(x: Tensor) -> Tensor:
        red, green, blue = (x * bins).long().clamp(0, bins - 1).unbind(1)
        return (red * bins + green) * bins + blue

    known = labels != VOID
    table = torch.zeros(bins**3, len(CLASSES), dtype=torch.long)
    table.view(-1).index_add_(
        0, (cell(images) * len(CLASSES) + labels)[known], torch.ones(int(known.sum()), dtype=torch.long)
    )
    best = torch.where(table.sum(1) > 0, table.argmax(1), table.sum(0).argmax())
    return lambda x: best[cell(x)]


def spread(scores: Mapping[str, Iterable[Score]]) -> str:
    """Return a table of scores as Markdown: mean and standard deviation over the seeds of each row."""
    lines = ["| | mIoU | boundary IoU |", "|---|---|---|"]
    for name, row in scores.items():
        row = list(row)
        cells = [
            f"{mean(values):.3f} ± {stdev(values):.3f}" if len(values) > 1 else f"{values[0]:.3f}"
            for values in ([s.mean_iou for s in row], [s.boundary_iou for s in row])
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)
