"""PASCAL VOC 2012: photographs with twenty classes, outlined."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.utils.data import Dataset

from dlcv.data.public.archive import unpack
from dlcv.data.public.remote import Remote, cache_folder, download
from dlcv.data.samples.labelled import LabelledImage, as_image

FILE = Remote(
    "https://thor.robots.ox.ac.uk/pascal/VOC/voc2012/VOCtrainval_11-May-2012.tar",
    "md5:6cd6e144f989b92b3379bac3b3de84fd",
    1_999_639_040,
)
SPLITS = ("train", "val", "trainval")
CLASSES = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable",
    "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip


class VOC2012(Dataset):
    """The part of PASCAL VOC 2012 that is outlined: 1,464 images to train with and 1,449 to validate.

    Items are `LabelledImage`s. Pixels along outlines are void: 255 in `semantic`, 0 in `instance`.

    Parameters
    ----------
    split : "train", "val" or "trainval"
    folder : path
        Where it is kept; `cache_folder` by default.
    show : bool
        Show progress while it is downloaded and unpacked.

    Raises
    ------
    NotReachable
        If it is not there yet and cannot be downloaded.

    Credits
    -------
    M. Everingham et al., "The PASCAL visual object classes challenge: a retrospective", IJCV 2015. The photographs are
    from flickr, whose terms apply to them.
    """

    def __init__(self, split: str = "train", folder: str | Path | None = None, *, show: bool = True) -> None:
        if split not in SPLITS:
            raise ValueError(f"split must be one of {', '.join(SPLITS)}; got {split!r}")
        home = cache_folder() if folder is None else Path(folder)
        whole = home / "voc2012"
        if not whole.exists():
            archive = download(FILE, home / "downloads", show=show)
            unpack([archive], whole, keep=_wanted, show=show)
        self.folder = whole / "VOCdevkit" / "VOC2012"
        names = (self.folder / "ImageSets" / "Segmentation" / f"{split}.txt").read_text(encoding="utf-8")
        self.names = names.split()

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> LabelledImage:
        name = self.names[index]
        photograph = Image.open(self.folder / "JPEGImages" / f"{name}.jpg").convert("RGB")
        # The numbers of the palette are the labels.
        semantic, instance = (
            torch.as_tensor(np.array(Image.open(self.folder / kind / f"{name}.png"))).long()
            for kind in ("SegmentationClass", "SegmentationObject")
        )
        instance = torch.where(instance == 255, 0, instance)
        things = range(1, int(instance.max()) + 1)
        labels = [int(semantic[instance == number].mode().values) for number in things]
        return LabelledImage(
            image=as_image(np.array(photograph)),
            semantic=semantic,
            instance=instance,
            labels=torch.tensor(labels, dtype=torch.int64),
            class_names=CLASSES,
        )


def _wanted(name: str) -> bool:
    """What belongs to outlines, and the photographs; the archive also holds boxes and actions."""
    return "/ImageSets/Segmentation/" in name or any(
        f"/{part}/" in name for part in ("JPEGImages", "SegmentationClass", "SegmentationObject")
    )
