"""Scenes as a data set: rendered when they are asked for, or kept once they have been."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import fields
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import Dataset
from tqdm import tqdm

from dlcv.arguments import check_whole
from dlcv.data.scenes.options import SceneOptions
from dlcv.data.scenes.render import render
from dlcv.data.scenes.scene import Scene, SceneBatch, joined


class SceneDataset(Dataset):
    """Scenes `start` to `start + length - 1` of a seed, rendered on the fly; nothing is on disk.

    Take the training and the test scenes from different seeds, or from ranges that do not overlap.

    Parameters
    ----------
    length : int
    size : int or (height, width)
    seed : int
    start : int
        Number of the first scene.
    device : torch.device or str
    options : SceneOptions
    **changes
        Single options; see `SceneOptions`.

    Examples
    --------
    >>> scenes = SceneDataset(1000, size=32, seed=1, family="street")
    >>> len(scenes), scenes[3].image.shape
    (1000, torch.Size([3, 32, 32]))
    >>> scenes.batch(range(2)).semantic.shape
    torch.Size([2, 32, 32])
    """

    def __init__(
        self,
        length: int,
        size: int | tuple[int, int] = 64,
        *,
        seed: int = 0,
        start: int = 0,
        device: torch.device | str = "cpu",
        options: SceneOptions | None = None,
        **changes,
    ) -> None:
        check_whole(1, length=length)
        self.length, self.size, self.seed, self.start, self.device = length, size, seed, start, device
        self.options = SceneOptions(**{**(options.to_dict() if options else {}), **changes})

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Scene:
        return self.batch([index])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[Scene]:
        """Return several scenes, rendered together; torch's `DataLoader` asks in this way."""
        return list(self.batch(indices))

    def batch(self, indices: Iterable[int]) -> SceneBatch:
        """Return several scenes as a batch; much faster than one after the other."""
        numbers = [self.start + index for index in checked(indices, self.length)]
        return render(numbers, self.size, seed=self.seed, device=self.device, options=self.options)

    def fingerprint(self) -> str:
        """Return a short text that differs between data sets that differ."""
        what = [VERSION, self.length, self.size, self.seed, self.start, self.options.to_dict()]
        return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:16]


VERSION = 2
"""Of the pictures: goes up when the same numbers give other scenes, so that old caches are not read."""


class CachedScenes(Dataset):
    """The same scenes as a `SceneDataset`, rendered once and kept in memory, and in a file if one is named.

    Images are kept in 8 bits (an error of at most 1/510), normals in half precision; all else is exact.

    Parameters
    ----------
    scenes : SceneDataset
    path : path
        File to read the scenes from if they are there, and to write them to if not.
    show : bool
        Show a progress bar.

    Examples
    --------
    >>> cached = CachedScenes(SceneDataset(4, size=16))
    >>> cached.batch([2, 0]).image.shape
    torch.Size([2, 3, 16, 16])
    """

    def __init__(self, scenes: SceneDataset, path: str | Path | None = None, *, show: bool = False) -> None:
        self.device = scenes.device
        path = None if path is None else Path(path)
        if path is not None and path.exists():
            kept = torch.load(path, weights_only=True)
            if kept["fingerprint"] != scenes.fingerprint():
                raise ValueError(
                    f"{path} holds other scenes (another seed, size or option); choose another name"
                )
            self.kept = kept["scenes"]
            return
        starts = tqdm(range(0, len(scenes), 64), disable=not show, ncols=88)
        self.kept = packed(
            joined([scenes.batch(range(start, min(start + 64, len(scenes)))).to("cpu") for start in starts])
        )
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            unfinished = path.with_name(f"{path.name}.{os.getpid()}.part")
            torch.save({"fingerprint": scenes.fingerprint(), "scenes": self.kept}, unfinished)
            os.replace(unfinished, path)

    def __len__(self) -> int:
        return len(self.kept["image"])

    def __getitem__(self, index: int) -> Scene:
        return self.batch([index])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[Scene]:
        return list(self.batch(indices))

    def batch(self, indices: Iterable[int]) -> SceneBatch:
        """Return several scenes as a batch."""
        return unpacked(self.kept, checked(indices, len(self))).to(self.device)


def checked(indices: Iterable[int], length: int) -> list[int]:
    """Return the numbers of scenes as a list, none of them outside of the data set."""
    indices = [int(index) for index in indices]
    for index in indices:
        if not 0 <= index < length:
            raise IndexError(f"scene {index} of {length}")
    return indices


def packed(batch: SceneBatch) -> dict[str, Tensor | list[Tensor]]:
    """Return a batch in as few bytes as its values need."""
    kept = {field.name: getattr(batch, field.name) for field in fields(batch)}
    kept["image"] = (batch.image * 255).round().to(torch.uint8)
    kept["semantic"], kept["instance"] = batch.semantic.to(torch.uint8), batch.instance.to(torch.uint8)
    kept["normals"] = batch.normals.half()
    return kept


def unpacked(kept: dict[str, Tensor | list[Tensor]], indices: list[int]) -> SceneBatch:
    """Return some of the scenes that `packed` packed."""
    taken = {
        name: [value[i] for i in indices] if isinstance(value, list) else value[indices]
        for name, value in kept.items()
    }
    taken["image"] = taken["image"].float() / 255
    taken["semantic"], taken["instance"] = taken["semantic"].long(), taken["instance"].long()
    taken["normals"] = taken["normals"].float()
    return SceneBatch(**taken)
