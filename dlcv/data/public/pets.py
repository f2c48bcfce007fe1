"""Cats and dogs, outlined."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from dlcv.data.public.archive import unpack
from dlcv.data.public.remote import Remote, cache_folder, download
from dlcv.data.samples.labelled import as_image

ADDRESS = "https://www.robots.ox.ac.uk/~vgg/data/pets/data"
FILES = (
    Remote(f"{ADDRESS}/annotations.tar.gz", "md5:95a8c909bbe2e81eed6a22bccdf3f68f", 19_173_078),
    Remote(f"{ADDRESS}/images.tar.gz", "md5:5c4f3ee8e5d25df40f4fd59a7f44e54c", 791_918_971),
)
SPLITS = ("trainval", "test")


@dataclass(frozen=True)
class PetImage:
    """A photograph of one cat or dog.

    Attributes
    ----------
    image : (3, H, W) float32 in [0, 1]
    semantic : (H, W) int64
        0 background, 1 pet, 255 the border between them, which nobody labelled.
    breed : int
        0 to 36.
    species : str
        "cat" or "dog".
    name : str
        As the data set calls the image.
    """

    image: Tensor
    semantic: Tensor
    breed: int
    species: str
    name: str


class OxfordPets(Dataset):
    """The Oxford-IIIT Pet data set: 3,680 images to train with and 3,669 to test, of 37 breeds.

    Parameters
    ----------
    split : "trainval" or "test"
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
    O. M. Parkhi, A. Vedaldi, A. Zisserman and C. V. Jawahar, "Cats and dogs", CVPR 2012. CC BY-SA 4.0; the
    photographs' owners keep their rights.
    """

    def __init__(
        self, split: str = "trainval", folder: str | Path | None = None, *, show: bool = True
    ) -> None:
        if split not in SPLITS:
            raise ValueError(f"split must be one of {', '.join(SPLITS)}; got {split!r}")
        home = cache_folder() if folder is None else Path(folder)
        self.folder = home / "oxford-pets"
        if not self.folder.exists():
            archives = [download(remote, home / "downloads", show=show) for remote in FILES]
            unpack(archives, self.folder, keep=_wanted, show=show)
        lines = (self.folder / "annotations" / f"{split}.txt").read_text(encoding="utf-8").splitlines()
        self.rows = [line.split() for line in lines if line and not line.startswith("#")]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> PetImage:
        name, breed, species, _ = self.rows[index]
        photograph = Image.open(self.folder / "images" / f"{name}.jpg").convert("RGB")
        trimap = np.array(Image.open(self.folder / "annotations" / "trimaps" / f"{name}.png"))
        meaning = torch.tensor([255, 1, 0, 255])  # its 1 is the pet, 2 the background, 3 the border
        return PetImage(
            image=as_image(np.array(photograph)),
            semantic=meaning[torch.as_tensor(trimap).long()],
            breed=int(breed) - 1,
            species=("cat", "dog")[int(species) - 1],
            name=name,
        )


def _wanted(name: str) -> bool:
    """Photographs, trimaps and lists; the archives also hold hidden files and boxes."""
    return not name.rsplit("/", 1)[-1].startswith("._") and name.endswith((".jpg", ".png", ".txt"))
