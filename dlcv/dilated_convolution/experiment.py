"""The chapter's experiment: two nets of the same size and view, one with holes in its view and one without."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import torch
from torch import Tensor, nn

from dlcv.data.scenes import CLASSES, render
from dlcv.device import at_scale
from dlcv.plotting import Picture, show_maps
from dlcv.trials import checkpoint_in, train_whole

__all__ = ["STACKS", "compare", "lonely", "maps_figure", "mean_iou", "net", "scenes"]

STACKS = ((2, 2, 2), (1, 2, 3))
"""Both see 13 by 13 pixels; the first has holes."""


@cache
def scenes(count: int, start: int = 0, size: int = 40) -> tuple[Tensor, Tensor]:
    """Rendered scenes: images (count, 3, size, size) and class maps (count, size, size)."""
    batch = render(range(start, start + count), size=size, noise=0.08, supersample=1, shadow_samples=1)
    return batch.image, batch.semantic


def net(rates: Sequence[int], width: int = 12) -> nn.Sequential:
    """Three dilated 3x3 layers and a 1x1 layer of scores; no stride anywhere."""
    channels, layers = 3, []
    for rate in rates:
        layers += [
            nn.Conv2d(channels, width, 3, padding=rate, dilation=rate),
            nn.BatchNorm2d(width),
            nn.ReLU(),
        ]
        channels = width
    return nn.Sequential(*layers, nn.Conv2d(channels, len(CLASSES), 1))


def mean_iou(predicted: Tensor, truth: Tensor) -> float:
    """Intersection over union, averaged over the classes that occur."""
    ious = []
    for label in truth.unique():
        a, b = predicted == label, truth == label
        ious.append(float((a & b).sum() / (a | b).sum()))
    return sum(ious) / len(ious)


def lonely(labels: Tensor) -> float:
    """Share of the inner pixels of (N, H, W) that have another label than each of their four neighbours."""
    middle = labels[:, 1:-1, 1:-1]
    around = (labels[:, :-2, 1:-1], labels[:, 2:, 1:-1], labels[:, 1:-1, :-2], labels[:, 1:-1, 2:])
    alone = torch.ones_like(middle, dtype=torch.bool)
    for neighbour in around:
        alone &= middle != neighbour
    return float(alone.float().mean())


def compare(
    steps: int | None = None, seed: int = 0, show: bool = True, keep: str | Path | None = None
) -> dict[tuple[int, ...], tuple[Tensor, float, float]]:
    """Train a net for each of `STACKS` on the same scenes.

    With a folder `keep` both runs are kept there: a call that was interrupted goes on where it was.

    Returns
    -------
    dict from rates to (class maps of unseen scenes, mean IoU, share of lonely pixels)
    """
    steps = at_scale(2, 150, 5000) if steps is None else steps
    images, labels = scenes(at_scale(8, 160, 4096))
    unseen, truth = scenes(at_scale(4, 40, 512), start=100_000)

    def batch(step: int, count: int = 8) -> tuple[Tensor, Tensor]:
        chosen = torch.randint(len(images), (count,), generator=torch.Generator().manual_seed(step))
        return images[chosen], labels[chosen]

    def loss(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        return nn.functional.cross_entropy(model(x), y, ignore_index=255)

    found = {}
    for rates in STACKS:
        torch.manual_seed(seed)
        kept = checkpoint_in(keep, "03", *rates, seed)
        model = train_whole(net(rates), batch, loss, steps=steps, lr=1e-2, checkpoint=kept, show=show).cpu()
        with torch.no_grad():
            predicted = model(unseen).argmax(1)
        found[rates] = predicted, mean_iou(predicted, truth), lonely(predicted)
    return found


def maps_figure(found: Mapping[tuple[int, ...], tuple[Tensor, float, float]], scene: int = 0) -> Picture:
    """One unseen scene, its classes, and what each net says."""
    unseen, truth = scenes(len(next(iter(found.values()))[0]), start=100_000)
    maps = {"image": unseen[scene], "wanted": truth[scene]}
    for rates, (predicted, _, _) in found.items():
        maps[f"rates {', '.join(map(str, rates))}"] = predicted[scene]
    return show_maps(maps, columns=4, names=CLASSES)
