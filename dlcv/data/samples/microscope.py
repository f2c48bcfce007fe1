"""Nuclei under a microscope."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import torch

from dlcv.data.samples.labelled import LabelledImage, as_image
from dlcv.data.samples.needed import missing, needed


def nuclei() -> LabelledImage:
    """Fluorescent nuclei, 512 x 512, each outlined: many touch.

    Credits
    -------
    J. C. Caicedo et al., "Nucleus segmentation across imaging experiments: the 2018 Data Science Bowl", Nature Methods
    16, 2019; the images are in the public domain (Broad Bioimage Benchmark Collection, BBBC038). This one comes with
    stardist by U. Schmidt and M. Weigert. Only the file is read, so stardist may be installed without what it needs:
    ``pip install --no-deps stardist``.

    Returns
    -------
    LabelledImage
        One channel; classes are background and nucleus; 125 nuclei.

    Raises
    ------
    MissingPackage
        If stardist is not installed, or does not bring the image.
    """
    folder = _folder()
    read = needed("skimage.io", "scikit-image", "What reads the image of nuclei").imread
    image = as_image(read(folder / "img2d.tif"))
    numbers = torch.as_tensor(read(folder / "mask2d.tif").astype("int64"))
    found, instance = numbers.unique(return_inverse=True)  # their numbers have gaps
    if found[0] != 0:
        instance = instance + 1
    return LabelledImage(
        image=image,
        semantic=(instance > 0).long(),
        instance=instance,
        labels=torch.ones(int(instance.max()), dtype=torch.int64),
        class_names=("background", "nucleus"),
    )


def _folder() -> Path:
    """Where stardist keeps its images; stardist itself is not imported, it would need tensorflow."""
    error = missing("stardist", "The image of nuclei", options="--no-deps ")
    found = importlib.util.find_spec("stardist")
    if found is None or not found.submodule_search_locations:
        raise error
    folder = Path(found.submodule_search_locations[0]) / "data" / "images"
    if not (folder / "img2d.tif").exists() or not (folder / "mask2d.tif").exists():
        raise error
    return folder
