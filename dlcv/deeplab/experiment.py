"""The chapter's experiments: what context is worth, and what is left for a random field to do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from torch import Tensor, nn

from dlcv.backbones import EfficientNetLite0, SmallCNN
from dlcv.data.scenes import CLASSES, THINGS, VOID, render
from dlcv.deeplab.reference import (
    DeepLabV3Plus,
    PyramidPooling,
    bilateral_features,
    conv_norm_relu,
    dense_crf,
)
from dlcv.device import at_scale
from dlcv.full_scale import FullScale
from dlcv.plotting import Picture, show_maps
from dlcv.trials import (
    FIRST_UNSEEN,
    Score,
    balanced_loss,
    checkpoint_in,
    predict,
    score,
    train_on_scenes,
    unseen_scenes,
)

__all__ = [
    "HEADS",
    "Result",
    "ThreeStages",
    "compare",
    "crf_figure",
    "full_scale",
    "judge",
    "maps_figure",
    "network_with",
    "refine",
    "refined_scores",
    "train_head",
]

HEADS = ("plain", "PPM", "ASPP")
RATES = (1, 2, 4)
"""For maps of 8 x 8: of a filter with rate 4, 44 per cent of the weights are still on the map."""
LARGE = 0.02
"""A thing is large if it fills this share of the image."""


@dataclass(frozen=True)
class Result:
    """A trained network, its scores on unseen scenes, and the mean IoU of large things."""

    network: nn.Module
    score: Score
    large: float

    def __str__(self) -> str:
        return f"{self.score} · IoU of large things {self.large:.3f}"


class ThreeStages(nn.Module):
    """The first three stages of a backbone: each output of the last sees 43 pixels, and no more.

    Parameters
    ----------
    channels : sequence of int
        Of its three maps, at strides 2, 4 and 8.
    """

    strides = (2, 4, 8)

    def __init__(self, channels: Sequence[int] = (16, 32, 64)):
        super().__init__()
        self.channels = tuple(channels)
        self.whole = SmallCNN((*channels, 1, 1))
        del self.whole.pairs[3:]

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return the three maps of images (N, 3, H, W), finest first."""
        return self.whole(images)


def network_with(
    head: str,
    backbone: nn.Module,
    output_stride: int = 8,
    channels: int = 48,
    rates: Sequence[int] | None = RATES,
) -> DeepLabV3Plus:
    """Return DeepLabv3+ with another module in the place of ASPP: the networks differ in that alone.

    Parameters
    ----------
    head : str
        "plain": one 3x3 convolution. "PPM": pyramid pooling and a 1x1 convolution. "ASPP".
    backbone, output_stride, channels, rates
        As in `DeepLabV3Plus`.
    """
    if head not in HEADS:
        raise ValueError(f"head must be one of {', '.join(HEADS)}; got {head!r}")
    network = DeepLabV3Plus(backbone, len(CLASSES), output_stride, channels, rates)
    deep = backbone.channels[-1]
    if head == "plain":
        network.aspp = conv_norm_relu(deep, channels, 3)
    elif head == "PPM":
        pyramid = PyramidPooling(deep)
        network.aspp = nn.Sequential(pyramid, conv_norm_relu(pyramid.out_channels, channels))
    return network


def train_head(head: str, steps: int | None = None, seed: int = 0, **how: object) -> DeepLabV3Plus:
    """Train one network on scenes; `how` goes to `dlcv.trials.train_on_scenes`."""
    steps = at_scale(2, 600, 8000) if steps is None else steps
    torch.manual_seed(seed)
    network = network_with(head, ThreeStages())
    return train_on_scenes(network, steps=steps, lr=6e-3, seed=seed, **{"loss": balanced_loss(), **how})


@cache
def large_things(size: int, count: int) -> Tensor:
    """Class maps (count, size, size) of the unseen scenes in which things that are not large are void."""
    batch = render(range(FIRST_UNSEEN, FIRST_UNSEEN + count), size=size)
    labels = batch.semantic.clone()
    for i, instances in enumerate(batch.instance):
        area = instances.flatten().bincount()
        small = area < LARGE * size**2
        small[0] = False  # stuff
        labels[i][small[instances]] = VOID
    return labels


def judge(network: nn.Module, predicted: Tensor | None = None) -> Result:
    """Score a network, or class maps (N, H, W) that come from it, on the unseen scenes."""
    images, labels = unseen_scenes()
    predicted = predict(network, images) if predicted is None else predicted
    per_class = score(predicted, large_things(labels.shape[-1], len(labels))).per_class
    found = [per_class[name] for name in THINGS if name in per_class]
    return Result(network, score(predicted, labels), sum(found) / max(len(found), 1))


def compare(
    heads: Iterable[str] = HEADS, seed: int = 0, keep: str | Path | None = None, **how: object
) -> dict[str, Result]:
    """Train a network with each head and score it on unseen scenes.

    Parameters
    ----------
    heads : sequence of str
        Of "plain", "PPM" and "ASPP".
    seed : int
    keep : path
        Folder for the runs: an interrupted one goes on from there, a finished one is not run again.
    """
    found = {}
    for head in heads:
        network = train_head(head, seed=seed, checkpoint=checkpoint_in(keep, "deeplab", head, seed), **how)
        found[head] = judge(network.cpu())
        print(f"{head}, seed {seed}: {found[head]}")
    return found


def full_scale() -> dict[str, list[Score]]:
    """The three heads on the pretrained backbone on a GPU; on a CPU what that would be."""

    def build(head: str) -> DeepLabV3Plus:
        return network_with(head, EfficientNetLite0(output_stride=16), 16, channels=128)

    return FullScale().compare({head: lambda head=head: build(head) for head in HEADS}, lr=2e-3)


def maps_figure(found: Mapping[str, Result], number: int = 3) -> Picture:
    """One unseen scene, its classes, and what each network says."""
    images, labels = unseen_scenes()
    maps: dict[str, Tensor] = {"image": images[number], "wanted": labels[number]}
    for name, result in found.items():
        maps[name] = predict(result.network, images[number][None])[0]
    return show_maps(maps, columns=len(maps), names=CLASSES)


# ------------------------------------------------------------------------------- random field


@torch.no_grad()
def refine(
    network: nn.Module, image: Tensor, colour: float = 0.05, weight: float = 3.0, iterations: int = 5
) -> Tensor:
    """Class map (H, W) of an image (3, H, W) by a network and a dense random field of one kernel, place and colour."""
    unary = -network(image[None])[0].log_softmax(0)
    q = dense_crf(unary.flatten(1), bilateral_features(image, 8.0, colour), weight, iterations)
    return q.argmax(0).reshape(image.shape[1:])


def refined_scores(network: nn.Module, count: int | None = None, **settings: float) -> tuple[Score, Score]:
    """Scores of a network on some unseen scenes, before and after the random field."""
    count = at_scale(2, 16, 256) if count is None else count
    images, labels = (part[:count] for part in unseen_scenes())
    after = torch.stack([refine(network, image, **settings) for image in images])
    return score(predict(network, images), labels), score(after, labels)


def crf_figure(network: nn.Module, number: int = 3) -> Picture:
    """One unseen scene, its classes, and what the network says before and after the random field."""
    images, labels = unseen_scenes()
    before = predict(network, images[number][None])[0]
    after = refine(network, images[number])
    maps = {"image": images[number], "wanted": labels[number], "before": before, "after": after}
    maps["changed"] = before != after
    return show_maps(maps, columns=5, names=CLASSES)
