"""Dense prediction, from the naive loop to the panoptic scene: the course's references and checks.

Each chapter is a package of its own (``dlcv.transposed_convolution``, ...). Importing ``dlcv`` imports none of
them, so that a notebook pays only for the chapter it opens.
"""

__version__ = "0.1.0"
