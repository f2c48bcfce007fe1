"""What an exercise forbids: groups of calls that would do its job, and the watch that one exercise keeps."""

from __future__ import annotations

import fnmatch
import functools
import re
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Forbidden:
    """A group of calls that do an exercise's job.

    Attributes
    ----------
    name : str
        The group in words, as in "a ready-made convolution".
    aten : tuple of str
        Patterns of operator names without namespace: ``"convolution*"``.
    names : tuple of str
        Patterns of function names in torch, numpy, scipy, skimage, cv2 and torchvision: ``"conv[123]d"``.
    """

    name: str
    aten: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    def has_operator(self, overload: str) -> bool:
        """True for an aten operator of this group, given by name and overload: ``"max.dim"``."""
        matches = _pattern(self.aten)
        return bool(matches(overload.partition(".")[0]) or matches(overload))

    def has_name(self, name: str) -> bool:
        """True for the name of a function of this group."""
        return bool(_pattern(self.names)(name))


@functools.lru_cache(maxsize=256)
def _pattern(patterns: tuple[str, ...]) -> Callable[[str], re.Match | None]:
    return re.compile("|".join(map(fnmatch.translate, patterns)) or "(?!)").match


@functools.lru_cache(maxsize=256)
def _numpy_names(group: Forbidden) -> frozenset[str]:
    return frozenset(filter(group.has_name, dir(np)))


CONVOLUTION = Forbidden(
    "a ready-made convolution",
    aten=("convolution*", "_convolution*", "conv[123]d*", "conv_transpose*", "mkldnn_convolution*", "thnn_conv*",
          "slow_conv*", "_slow_conv*", "conv_tbc*", "conv_depthwise*", "_conv_depthwise*", "cudnn_convolution*"),
    names=("conv[123]d*", "conv_transpose[123]d*", "conv_tbc", "Conv[123]d*", "ConvTranspose[123]d*", "LazyConv*",
           "convolve*", "correlate*", "fftconvolve", "oaconvolve", "deconvolve", "lfilter", "upfirdn", "filter2D",
           "sepFilter2D", "convolution*", "_convolution*", "conv[123]d_*", "polymul", "polydiv", "polyval"),
)  # fmt: skip
MATMUL = Forbidden(
    "a ready-made matrix product",
    aten=("mm", "bmm", "mv", "dot", "vdot", "addmm*", "addmv*", "addbmm*", "baddbmm*", "_int_mm", "matmul", "linear",
          "einsum", "tensordot", "inner", "kron", "linalg_[!dv]*", "linalg_det*", "linalg_vecdot*",
          "_linalg_*", "bilinear", "_trilinear", "chain_matmul",
          "_scaled_mm", "mkldnn_linear*"),
    names=("matmul", "mm", "bmm", "mv", "dot", "vdot", "vecdot", "inner", "einsum", "tensordot", "kron", "multi_dot",
           "matvec", "vecmat", "addmm", "addmv", "baddbmm", "addbmm", "chain_matmul", "linear", "Linear"),
)  # fmt: skip
FFT = Forbidden(
    "a Fourier transform",
    aten=("_fft_*", "fft_*fft", "fft_*fft[2n]", "stft", "istft"),
    names=("fft", "ifft", "rfft", "irfft", "hfft", "ihfft", "[ir]*fft[2n]", "fft[2n]", "stft", "istft"),
)
UNFOLD = Forbidden(
    "a ready-made unfold or fold",
    aten=("im2col*", "col2im*", "unfold", "unfold_*", "as_strided*"),
    names=(
        "unfold",
        "fold",
        "Unfold",
        "Fold",
        "sliding_window_view",
        "as_strided",
        "view_as_windows",
        "im2col",
        "col2im",
    ),
)
INTERPOLATION = Forbidden(
    "a ready-made interpolation",
    aten=("upsample_*", "_upsample_*", "grid_sampler*", "_grid_sampler*", "affine_grid*", "pixel_*shuffle"),
    names=("interpolate", "upsample*", "Upsample*", "UpsamplingBilinear2d", "UpsamplingNearest2d", "grid_sample",
           "affine_grid", "resize", "zoom", "rescale", "map_coordinates", "interp", "interp1d", "interpn",
           "RegularGridInterpolator", "RectBivariateSpline", "remap", "warp", "warpAffine", "affine_transform",
           "pixel_shuffle", "PixelShuffle", "pixel_unshuffle"),
)  # fmt: skip
POOLING = Forbidden(
    "a ready-made pooling",
    aten=("*max_pool*", "*avg_pool*", "max_unpool*", "*adaptive_*pool*", "fractional_max_pool*"),
    names=("*max_pool[123]d*", "*avg_pool[123]d*", "max_unpool[123]d*", "MaxPool*", "AvgPool*", "MaxUnpool*",
           "Adaptive*Pool*", "lp_pool*", "maximum_filter*", "uniform_filter*", "block_reduce"),
)  # fmt: skip
ROI = Forbidden(
    "a ready-made RoI operation",
    aten=("roi_align*", "roi_pool*", "ps_roi_*"),
    names=(
        "roi_align",
        "roi_pool",
        "ps_roi_align",
        "ps_roi_pool",
        "RoIAlign",
        "RoIPool",
        "MultiScaleRoIAlign",
    ),
)
SOFTMAX = Forbidden(
    "a ready-made softmax or cross-entropy",
    aten=("_softmax*", "_log_softmax*", "softmax*", "log_softmax*", "nll_loss*", "cross_entropy*",
          "binary_cross_entropy*"),
    names=("softmax", "log_softmax", "cross_entropy", "nll_loss", "binary_cross_entropy*", "CrossEntropyLoss",
           "NLLLoss", "BCELoss", "BCEWithLogitsLoss", "Softmax", "LogSoftmax", "sigmoid_focal_loss"),
)  # fmt: skip
ARGMAX = Forbidden(
    "a ready-made argmax",
    aten=("argmax*", "argmin*", "max.dim*", "min.dim*", "sort*", "argsort*", "topk*", "_softmax*"),
    names=(
        "argmax",
        "argmin",
        "nanargmax",
        "nanargmin",
        "argsort",
        "sort",
        "topk",
        "lexsort",
        "argpartition",
    ),
)
KNOWN = (CONVOLUTION, MATMUL, FFT, UNFOLD, INTERPOLATION, POOLING, ROI, SOFTMAX, ARGMAX)
EVERYTHING_READY_MADE = (CONVOLUTION, MATMUL, FFT, UNFOLD, INTERPOLATION, POOLING, ROI)

REFERENCE = Forbidden("the course's own reference")
NUMPY = Forbidden("numpy arrays, where the exercise asks for torch")
ESCAPE = Forbidden("code that steps around the check")

WATCHED_PACKAGES = {"torch", "numpy", "scipy", "skimage", "cv2", "torchvision", "sklearn", "kornia"}


@dataclass(frozen=True)
class Watch:
    """What is looked for while one exercise's answer runs."""

    groups: tuple[Forbidden, ...] = ()
    numpy: bool = False
    allowed: frozenset[str] = frozenset()
    # What was looked at and is in no group: names of C functions and of operators; code of Python functions, by its id.
    harmless: set = field(default_factory=set, compare=False, repr=False)
    harmless_codes: dict = field(default_factory=dict, compare=False, repr=False)

    @functools.cached_property
    def numpy_names(self) -> tuple[str, ...]:
        return tuple(sorted(set().union(*map(_numpy_names, self.groups))))

    def to_data(self) -> dict:
        """Return the watch as data for JSON, to be kept in another process."""
        groups = [[group.name, group.aten, group.names] for group in self.groups]
        return {"groups": groups, "numpy": self.numpy, "allowed": sorted(self.allowed)}

    @classmethod
    def from_data(cls, data: dict) -> Watch:
        """Return the watch that `to_data` described."""
        groups = tuple(Forbidden(name, tuple(aten), tuple(names)) for name, aten, names in data["groups"])
        return cls(groups, data["numpy"], frozenset(data["allowed"]))

    def by_operator(self, overload: str) -> Forbidden | None:
        """Return the group that an aten operator such as ``"max.dim"`` belongs to."""
        return next((group for group in self.groups if group.has_operator(overload)), None)

    def by_name(self, name: str) -> Forbidden | None:
        """Return the group that a function's name belongs to."""
        return next((group for group in self.groups if group.has_name(name)), None)


@functools.lru_cache(maxsize=64)
def watch_for(
    groups: tuple[Forbidden, ...], *, loops: bool = False, numpy: bool = False, allowed: tuple[str, ...] = ()
) -> Watch:
    """Return the watch of an exercise; `loops` adds every ready-made operation to `groups`."""
    if loops:
        groups = (*groups, *(group for group in EVERYTHING_READY_MADE if group not in groups))
    return Watch(groups, numpy, frozenset(allowed))


@dataclass(frozen=True)
class Violation:
    """One forbidden call: what was called, its group in words, and the learner's line (1-based in the cell)."""

    call: str
    group: str
    line: int | None = None
