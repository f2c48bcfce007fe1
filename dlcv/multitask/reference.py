"""Which way does each surface face, how far is it up to one factor, and how do several tasks share one encoder?

A mask of bools says where the truth is known. What stands at the other pixels, NaN too, changes no value and gets a
gradient of zero. A loss over no pixels is 0, with a gradient of zeros; a metric over no pixels is NaN.

Normals are unit vectors in the camera's frame (x right, y down, z into the image) that point towards the camera. As
points of chapter 14 they are ``(H, W, 3)``; as a network's output ``(N, 3, H, W)``. What compares normals takes both.

References
----------
.. [1] D. Eigen and R. Fergus, "Predicting depth, surface normals and semantic labels with a common multi-scale
   convolutional architecture", ICCV 2015.
.. [2] D. Eigen, C. Puhrsch and R. Fergus, "Depth map prediction from a single image using a multi-scale deep network",
   NIPS 2014.
.. [3] A. Kendall, Y. Gal and R. Cipolla, "Multi-task learning using uncertainty to weigh losses for scene geometry and
   semantics", CVPR 2018.
.. [4] D. Fouhey, A. Gupta and M. Hebert, "Data-driven 3D primitives for single image understanding", ICCV 2013.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dlcv.arguments import check_at_least, precise
from dlcv.depth.reference import backproject

__all__ = [
    "DenseHead",
    "MultiTaskNet",
    "angular_error",
    "normal_loss",
    "normal_metrics",
    "normals_from_depth",
    "scale_invariant_log_loss",
    "uncertainty_weighting",
]


# --------------------------------------------------------------------------------------------- normals


def normals_from_depth(depth: Tensor, K: Tensor) -> Tensor:
    """Which way the surface faces at each pixel, from the points that the pixel's neighbours show.

    .. math:: n = \\frac{\\partial_v P \\times \\partial_u P}{\\lVert \\partial_v P \\times \\partial_u P \\rVert}

    Parameters
    ----------
    depth : Tensor of shape (H, W)
        Metres along the optical axis. Not finite, 0 or below: unknown, as in the sky.
    K : Tensor of shape (3, 3)
        Intrinsics of this map, as in `dlcv.depth.backproject`, which makes the points *P*.

    Returns
    -------
    Tensor of shape (H, W, 3)
        Unit vectors in the camera's frame, towards the camera: the product with the viewing ray is negative. 0 where
        the depth is unknown, and where a pixel has no known neighbour in its row, or none in its column.

    Raises
    ------
    ValueError
        If the depth is not (H, W), or K no matrix of intrinsics.

    Notes
    -----
    The derivative along a row is the right neighbour's point minus the left one's; at the border, and beside an unknown
    pixel, the point of the pixel itself stands for the one that is missing. Differences between points of a plane lie
    in the plane, so that on a plane all of these are exact. Where the depth jumps, they are not: neighbours on two
    surfaces make a third one that is not there.

    Examples
    --------
    A wall straight ahead faces the camera.

    >>> K = torch.tensor([[10.0, 0, 1], [0, 10, 1], [0, 0, 1]])
    >>> normals_from_depth(torch.full((3, 3), 2.0), K)[0, 0] + 0.0
    tensor([ 0.,  0., -1.])
    """
    known = depth.isfinite() & (depth > 0)
    points = backproject(torch.where(known, depth, 0.0), K)
    normal = torch.linalg.cross(_tangent(points, known, 0), _tangent(points, known, 1))
    return _unit(normal)


def angular_error(a: Tensor, b: Tensor, mask: Tensor) -> Tensor:
    """Angle between two directions at each valid pixel, in degrees.

    Parameters
    ----------
    a, b : Tensor of shape (..., H, W, 3) or (..., 3, H, W)
        Of any length above 0. (Maps of 3 x 3 pixels may be meant either way. One of them is taken for (H, W, 3), a
        batch of them for a network's (N, 3, H, W).)
    mask : bool Tensor of shape (..., H, W)

    Returns
    -------
    Tensor of shape (M,)
        From 0 to 180, one number for each of the *M* valid pixels, in the order of ``a[mask]``. A vector of length 0
        has no direction: 90.

    Raises
    ------
    ValueError
        If shapes do not fit, or the mask is not of bools.

    Notes
    -----
    From sine and cosine together, ``atan2(|a x b|, a . b)``. The arc cosine alone loses half of the digits near 0
    degrees, where good predictions lie, and its gradient is infinite there.

    Examples
    --------
    >>> a, b = torch.tensor([[[0.0, 0.0, -1.0]]]), torch.tensor([[[0.0, -2.0, -2.0]]])
    >>> angular_error(a, b, torch.tensor([[True]]))
    tensor([45.])
    """
    a, b = map(_moderate, _valid_vectors(mask, a=a, b=b))
    sine, cosine = torch.linalg.vector_norm(torch.linalg.cross(a, b), dim=-1), (a * b).sum(-1)
    nowhere = (sine == 0) & (cosine == 0)
    return torch.where(nowhere, 90.0, torch.rad2deg(torch.atan2(sine, cosine.where(~nowhere, 1.0))))


def normal_metrics(a: Tensor, b: Tensor, mask: Tensor) -> dict[str, Tensor]:
    """The five numbers by which maps of normals are compared, over all valid pixels together.

    Parameters
    ----------
    a, b, mask : Tensor
        As in `angular_error`.

    Returns
    -------
    dict of scalar Tensors
        ``mean`` and ``median`` of the angle in degrees (of an even number of angles the lower of the two in the
        middle, as in `torch.median`); ``11.25``, ``22.5`` and ``30``: the share of angles below so many degrees. An
        angle of exactly 30 degrees is not below 30. All NaN where no pixel counts.

    Notes
    -----
    The thresholds are those of Fouhey et al. [4]_; everybody has kept them.

    Examples
    --------
    >>> a = torch.tensor([[[0.0, 0.0, -1.0], [0.0, 0.0, -1.0], [0.0, 0.0, -1.0]]])
    >>> b = torch.tensor([[[0.0, 0.0, -1.0], [0.0, -1.0, -2.0], [0.0, -1.0, 0.0]]])
    >>> {name: round(float(value), 2) for name, value in normal_metrics(a, b, torch.ones(1, 3).bool()).items()}
    {'mean': 38.86, 'median': 26.57, '11.25': 0.33, '22.5': 0.33, '30': 0.67}
    """
    errors = angular_error(a, b, mask)
    if not len(errors):
        return dict.fromkeys(("mean", "median", "11.25", "22.5", "30"), errors.new_tensor(torch.nan))
    shares = {f"{limit:g}": (errors < limit).to(errors.dtype).mean() for limit in (11.25, 22.5, 30)}
    return {"mean": errors.mean(), "median": errors.median(), **shares}


def normal_loss(prediction: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """One minus the cosine of the angle between predicted and true normals, averaged over the valid pixels.

    .. math:: L = \\frac{1}{M} \\sum_i m_i \\Bigl( 1 - \\frac{n_i \\cdot n^*_i}{\\lVert n_i \\rVert
              \\lVert n^*_i \\rVert} \\Bigr)

    Parameters
    ----------
    prediction, target : Tensor of shape (..., 3, H, W) or (..., H, W, 3)
        Of any length: the network need not say unit vectors.
    mask : bool Tensor of shape (..., H, W)
        *M* is the number of its pixels in the whole batch.

    Returns
    -------
    scalar Tensor
        From 0 (all alike) to 2 (all turned round). A vector of length 0 costs 1.

    Notes
    -----
    Eigen and Fergus [1]_, section 4.2, but for the one, which makes the smallest loss 0.

    Examples
    --------
    >>> a, b = torch.tensor([[[0.0, 0.0, -1.0]]]), torch.tensor([[[0.0, -3.0, 0.0]]])
    >>> normal_loss(a, b, torch.tensor([[True]]))
    tensor(1.)
    """
    n, true = _valid_vectors(mask, prediction=prediction, target=target)
    return (1 - (_unit(n) * _unit(true)).sum(-1)).sum() / max(len(n), 1)


# ------------------------------------------------------------------------------------------ Eigen's loss


def scale_invariant_log_loss(prediction: Tensor, target: Tensor, mask: Tensor, lam: float = 0.5) -> Tensor:
    """Squared error of the logarithm of depth, of which a share `lam` forgives a factor common to the image.

    .. math:: L = \\frac{1}{M} \\sum_n \\Bigl( \\sum_i d_{ni}^2 - \\frac{\\lambda}{M_n} \\bigl( \\sum_i d_{ni}
              \\bigr)^2 \\Bigr), \\qquad d_{ni} = m_{ni} (\\log z_{ni} - \\log z^*_{ni})

    Parameters
    ----------
    prediction, target : Tensor of shape (..., H, W)
        Depths *z* and *z** in metres (not their logarithms), above 0 wherever the mask is True.
    mask : bool Tensor of shape (..., H, W)
        *M_n* counts the valid pixels of image *n*, *M* those of the batch.
    lam : float
        From 0 to 1. 0: the plain mean of d^2. 1: the variance of *d* within each image, which does not change when all
        depths of an image are multiplied by one number. 1/2 is what Eigen et al. train with.

    Returns
    -------
    scalar Tensor
        At least 0.

    Raises
    ------
    ValueError
        If shapes differ, the mask is not of bools, `lam` is not from 0 to 1, or a depth that counts is not above 0.

    Notes
    -----
    Eigen et al. [2]_, equations 1 to 4. Since their image is one, so is the factor that is forgiven: each image has its
    own. Computed as the sum of the squared differences from the image's mean, plus (1 - lam) times the share of the
    mean: that is the same, and not below 0 by rounding.

    Examples
    --------
    >>> z, mask = torch.tensor([[[1.0, 2.0, 4.0]]]), torch.ones(1, 1, 3, dtype=torch.bool)
    >>> round(float(scale_invariant_log_loss(2 * z, z, mask, lam=0.0)), 4)  # (log 2)^2
    0.4805
    >>> round(float(scale_invariant_log_loss(2 * z, z, mask, lam=1.0)), 4)
    0.0
    """
    if not 0 <= lam <= 1:
        raise ValueError(f"lam must be from 0 to 1; got {lam}")
    d = _log_valid("prediction", prediction, mask) - _log_valid("target", target, mask)
    count = mask.sum((-2, -1), keepdim=True).clamp(min=1)
    mean = d.sum((-2, -1), keepdim=True) / count
    off = torch.where(mask, d - mean, 0.0)
    return ((off * off).sum() + (1 - lam) * (count * mean * mean).sum()) / mask.sum().clamp(min=1)


# -------------------------------------------------------------------------------------------- many tasks


def uncertainty_weighting(losses: Sequence[Tensor] | Tensor, log_vars: Sequence[Tensor] | Tensor) -> Tensor:
    """Add up the losses of several tasks, each divided by a variance that is learned, too.

    .. math:: L = \\sum_t e^{-s_t} L_t + s_t, \\qquad s_t = \\log \\sigma_t^2

    Parameters
    ----------
    losses : Tensor of shape (T,), or sequence of T scalars
        *L_t*, one for each task.
    log_vars : Tensor of shape (T,), or sequence of T scalars
        *s_t*: parameters of the training, beside those of the network. Begin with 0: all weights are 1.

    Returns
    -------
    scalar Tensor

    Raises
    ------
    ValueError
        If there are no losses, or not as many of both.

    Notes
    -----
    Kendall et al. [3]_, section 3.2: twice the negative log-likelihood of Gaussian errors of variance sigma^2, but for
    a constant. For a fixed loss the best s is log L, so that each task comes to weigh one over its own loss. The
    logarithm of the variance is learned since it may have any sign; a variance may not.

    Examples
    --------
    >>> uncertainty_weighting(torch.tensor([2.0, 0.5]), torch.zeros(2))
    tensor(2.5000)
    >>> losses = torch.tensor([2.0, 0.5])
    >>> round(float(uncertainty_weighting(losses, losses.log())), 4)  # each task weighs 1, log 2 + log 1/2 is 0
    2.0
    """
    s, values = _row("log_vars", log_vars), _row("losses", losses)
    if not len(values) or len(values) != len(s):
        raise ValueError(f"losses and log_vars must be as many, at least one; got {len(values)} and {len(s)}")
    return (torch.exp(-s) * values + s).sum()


class DenseHead(nn.Module):
    """One task's own part: all feature maps to `hidden` channels, enlarged and summed up; two more convolutions.

    Parameters
    ----------
    channels : sequence of int
        Channels of the feature maps, finest first.
    out_channels : int
        1 for depth, 3 for normals, the number of classes for classes.
    hidden : int

    Examples
    --------
    >>> head = DenseHead((8, 16), 3)
    >>> head([torch.rand(2, 8, 6, 10), torch.rand(2, 16, 3, 5)], (12, 20)).shape
    torch.Size([2, 3, 12, 20])
    """

    def __init__(self, channels: Sequence[int], out_channels: int, hidden: int = 32):
        super().__init__()
        channels = tuple(channels)
        if not channels:
            raise ValueError("channels must hold at least one number; got none")
        check_at_least(1, channels=channels, out_channels=out_channels, hidden=hidden)
        self.laterals = nn.ModuleList(nn.Conv2d(count, hidden, 1) for count in channels)
        self.mix = nn.Conv2d(hidden, hidden, 3, padding=1)
        self.out = nn.Conv2d(hidden, out_channels, 1)

    def forward(self, features: Sequence[Tensor], size: Sequence[int] | None = None) -> Tensor:
        """Return ``(N, out_channels, *size)`` from maps ``(N, C, H, W)``, finest first; by default of its size."""
        finest, total = features[0].shape[2:], 0.0
        for lateral, feature in zip(self.laterals, features, strict=True):
            total = total + _enlarged(lateral(feature), finest)
        return _enlarged(self.out(self.mix(total.relu()).relu()), finest if size is None else size)


class MultiTaskNet(nn.Module):
    """One encoder, and a head for each task: the encoder runs once, whatever the number of heads.

    Parameters
    ----------
    backbone : nn.Module
        Maps images to a list of feature maps, finest first, and has their `channels`; or to anything, where all heads
        are modules that take it.
    heads : mapping from name to int or nn.Module
        A number makes a `DenseHead` with so many output channels, such as ``{"depth": 1, "normals": 3,
        "semantic": 10}``. A module is taken as it is; it is called with what the backbone gives, and its map is
        enlarged to the image, bilinearly.
    hidden : int
        Of the heads that are made here.

    Raises
    ------
    ValueError
        If there are no heads, two tasks have one and the same module, or a number is given for a head and the backbone
        does not say its channels.

    Notes
    -----
    In the manner of Eigen and Fergus [1]_, who give each task the same architecture and change little but the number
    of outputs and the loss. Their depth and normals share the first of three scales; here all tasks share the encoder.

    Examples
    --------
    >>> from dlcv.backbones import SmallCNN
    >>> network = MultiTaskNet(SmallCNN(), {"depth": 1, "normals": 3})
    >>> {name: tuple(out.shape) for name, out in network(torch.rand(2, 3, 64, 96)).items()}
    {'depth': (2, 1, 64, 96), 'normals': (2, 3, 64, 96)}
    """

    def __init__(self, backbone: nn.Module, heads: Mapping[str, int | nn.Module], hidden: int = 32):
        super().__init__()
        if not heads:
            raise ValueError("heads must name at least one task; got none")
        given = [head for head in heads.values() if isinstance(head, nn.Module)]
        if len({id(head) for head in given}) != len(given):
            raise ValueError("two tasks have the same head: give each a module of its own")
        channels = getattr(backbone, "channels", None)
        if channels is None and len(given) < len(heads):
            raise ValueError("backbone must have `channels`, those of its maps, to make a head of a number")
        self.backbone = backbone
        self.heads = nn.ModuleDict(
            {
                name: head if isinstance(head, nn.Module) else DenseHead(channels, head, hidden)
                for name, head in heads.items()
            }
        )

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Return each task's map ``(N, C, H, W)``, under the task's name."""
        features = self.backbone(images)
        return {name: _enlarged(head(features), images.shape[2:]) for name, head in self.heads.items()}


# ------------------------------------------------------------------------------------ what they share


def _tangent(points: Tensor, known: Tensor, axis: int) -> Tensor:
    """Difference from the previous known neighbour along an axis to the next one, (H, W, 3); 0 where there is none."""
    points, known = points.movedim(axis, 0), known.movedim(axis, 0)
    both = (known[1:] & known[:-1])[..., None]
    step, none = torch.where(both, points[1:] - points[:-1], 0.0), torch.zeros_like(points[:1])
    return (torch.cat([step, none]) + torch.cat([none, step])).movedim(0, axis)


def _moderate(vectors: Tensor) -> Tensor:
    """Vectors (..., 3) of which the largest component is 1, so that no square is 0 or infinite; 0 stays 0."""
    largest = vectors.detach().abs().amax(-1, keepdim=True)
    return vectors / largest.where(largest > 0, 1.0)


def _unit(vectors: Tensor) -> Tensor:
    """Vectors (..., 3) of length 1; 0 stays 0, with a finite gradient."""
    vectors = _moderate(vectors)
    length = torch.linalg.vector_norm(vectors, dim=-1, keepdim=True)
    return vectors / length.where(length > 0, 1.0)


def _valid_vectors(mask: Tensor, **maps: Tensor) -> list[Tensor]:
    """Return each map's vectors at the valid pixels, (M, 3)."""
    _check_bools(mask)
    found = []
    for name, x in maps.items():
        last = x.shape == (*mask.shape, 3)
        first = mask.dim() > 1 and x.shape == (*mask.shape[:-2], 3, *mask.shape[-2:])
        if first and (mask.dim() > 2 or not last):
            found.append(precise(x).movedim(-3, -1)[mask])
        elif last:
            found.append(precise(x)[mask])
        else:
            wanted = f"{name} must hold a vector of 3 for each pixel of the mask, as (..., H, W, 3) or (..., 3, H, W)"
            raise ValueError(f"{wanted}; got {tuple(x.shape)} and a mask {tuple(mask.shape)}")
    dtype = torch.promote_types(*(x.dtype for x in found))
    return [x.to(dtype) for x in found]


def _log_valid(name: str, depth: Tensor, mask: Tensor) -> Tensor:
    """Logarithm of the depth; 0 wherever the mask is False, so that nothing there can leak."""
    _check_bools(mask)
    if depth.shape != mask.shape or mask.dim() < 2:
        wanted = f"{name} and mask must be (..., H, W)"
        raise ValueError(f"{wanted}, the same; got {tuple(depth.shape)} and {tuple(mask.shape)}")
    depth = torch.where(mask, precise(depth), 1.0)
    if not (depth > 0).all():
        lowest = float(depth.detach().min())
        raise ValueError(f"{name} must be above 0 where the mask is True; got {lowest}")
    return depth.log()


def _check_bools(mask: Tensor) -> None:
    if mask.dtype != torch.bool:
        raise ValueError(f"mask must be of bools, True where the target is known; it is {mask.dtype}")


def _row(name: str, values: Sequence[Tensor] | Tensor) -> Tensor:
    """Scalars as one tensor (T,)."""
    if isinstance(values, Mapping):
        raise ValueError(
            f"{name} must be a row of scalars, not a dict: give its values, both rows in one order"
        )
    if not isinstance(values, Tensor):
        values = [
            torch.as_tensor(value, dtype=torch.get_default_dtype())
            if not isinstance(value, Tensor)
            else value
            for value in values
        ]
        if any(value.dim() for value in values):
            raise ValueError(f"{name} must be scalars; got shapes {[tuple(value.shape) for value in values]}")
        values = torch.stack(list(values)) if values else torch.zeros(0)
    if values.dim() != 1:
        raise ValueError(f"{name} must be (T,), one for each task; got {tuple(values.shape)}")
    return values


def _enlarged(x: Tensor, size: Sequence[int]) -> Tensor:
    return F.interpolate(x, size=tuple(size), mode="bilinear")
