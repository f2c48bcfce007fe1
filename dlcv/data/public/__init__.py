"""Larger public data sets, downloaded when they are asked for and kept: optional, no chapter needs them.

    pets = OxfordPets("trainval")      7,349 photographs of cats and dogs, 773 MiB
    photos = VOC2012("train")          2,913 labelled photographs, 1.9 GiB

They are kept in the folder that the environment variable DLCV_DATA names, else in the user's cache. Cityscapes and
NYUv2 are not here: the first is given out to registered users only, the second needs a reader of its own format.
"""

from dlcv.data.public.pets import OxfordPets, PetImage
from dlcv.data.public.remote import ChecksumError, NotReachable, cache_folder, download
from dlcv.data.public.voc import VOC2012

__all__ = [
    "VOC2012",
    "ChecksumError",
    "NotReachable",
    "OxfordPets",
    "PetImage",
    "cache_folder",
    "download",
]
