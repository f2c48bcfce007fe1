"""Real images with truth that come inside installed packages: nothing is downloaded.

    pair = motorcycle()      a stereo pair with true disparity
    photo = voc()            a photograph with 19 things outlined
    table = arc2017()        a colour and depth image with 8 things outlined
    cells = nuclei()         125 nuclei under a microscope

The packages' licences cover their code. Whom the images belong to is said in each function's docstring: credit them.
"""

from dlcv.data.samples.labelled import LabelledImage
from dlcv.data.samples.microscope import nuclei
from dlcv.data.samples.needed import MissingPackage
from dlcv.data.samples.photographs import RGBDImage, arc2017, voc
from dlcv.data.samples.stereo import StereoPair, motorcycle

__all__ = [
    "LabelledImage",
    "MissingPackage",
    "RGBDImage",
    "StereoPair",
    "arc2017",
    "motorcycle",
    "nuclei",
    "voc",
]
