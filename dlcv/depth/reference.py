"""How far away is each pixel? Up to a scale and a shift, in metres, and as points in space.

Maps are ``(N, H, W)``, and a mask of bools says where the truth is known. What stands at the other pixels, NaN too,
changes no value and gets a gradient of zero. A loss over no pixels is 0, with a gradient of zeros; a metric over no
pixels is NaN.

Prediction and target of the losses that ignore scale and shift are *disparities* (inverse depths). A stereo pair of
which the cameras are not known leaves scale and shift of the disparity open, structure from motion its scale. Of the
depth they leave open more than a scale and a shift.

References
----------
.. [1] R. Ranftl, K. Lasinger, D. Hafner, K. Schindler and V. Koltun, "Towards robust monocular depth estimation: mixing
   datasets for zero-shot cross-dataset transfer", TPAMI 2020 (MiDaS).
.. [2] S. F. Bhat, R. Birkl, D. Wofk, P. Wonka and M. Müller, "ZoeDepth: zero-shot transfer by combining relative and
   metric depth", 2023.
.. [3] D. Eigen, C. Puhrsch and R. Fergus, "Depth map prediction from a single image using a multi-scale deep network",
   NIPS 2014.
.. [4] W. Chen, Z. Fu, D. Yang and J. Deng, "Single-image depth perception in the wild", NIPS 2016.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import floor

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dlcv.arguments import check_at_least, precise

__all__ = [
    "MetricBins",
    "align_scale_and_shift",
    "backproject",
    "bin_centres",
    "depth_metrics",
    "disparity_to_depth",
    "gradient_matching_loss",
    "inverse_attractor",
    "log_binomial",
    "normalize_median",
    "ordinal_error",
    "project",
    "route_domain",
    "ssi_loss",
    "ssi_mse",
    "ssi_trimmed_loss",
]


# ------------------------------------------------------------------------------- up to scale and shift


def align_scale_and_shift(prediction: Tensor, target: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Scale and shift, for each image, that bring the prediction closest to the target.

    .. math:: (s, t) = \\arg\\min_{s, t} \\sum_i m_i (s d_i + t - d^*_i)^2

    Setting both derivatives to 0 gives two linear equations in *s* and *t*:

    .. math:: \\begin{pmatrix} \\sum m_i d_i^2 & \\sum m_i d_i \\\\ \\sum m_i d_i & \\sum m_i \\end{pmatrix}
              \\begin{pmatrix} s \\\\ t \\end{pmatrix} =
              \\begin{pmatrix} \\sum m_i d_i d^*_i \\\\ \\sum m_i d^*_i \\end{pmatrix}

    Parameters
    ----------
    prediction, target : Tensor of shape (N, H, W)
        *d* and *d**.
    mask : bool Tensor of shape (N, H, W)
        *m*: where the target is known.

    Returns
    -------
    scale, shift : Tensor of shape (N,)
        Both 0 where the equations have no single solution: the valid pixels are fewer than two, or all predicted alike.
        The scale may be negative: an upside-down prediction is turned round.

    Raises
    ------
    ValueError
        If shapes differ or are not (N, H, W), or the mask is not of bools.

    Notes
    -----
    Ranftl et al. [1]_, section 5. Solved about the means: *s* is the covariance of prediction and target over the
    variance of the prediction. That is the same solution, but does not subtract large, nearly equal numbers, and a
    constant prediction has variance 0 to the last bit. Gradients flow through *s* and *t*.

    Examples
    --------
    >>> d = torch.tensor([[[1.0, 2.0, 4.0]]])
    >>> scale, shift = align_scale_and_shift(d, 3 * d + 5, torch.ones(1, 1, 3, dtype=torch.bool))
    >>> round(float(scale), 4), round(float(shift), 4)
    (3.0, 5.0)
    """
    d, target = _valid(mask, prediction=prediction, target=target)
    low, spread = _range(d.detach(), mask)
    unit = torch.where(mask, (d - low) / spread, 0.0)  # 0 to 1: squares stay in range
    count = _pixels(mask)
    mean, mean_target = unit.sum((1, 2)) / count, target.sum((1, 2)) / count
    off = torch.where(mask, unit - mean[:, None, None], 0.0)
    variance = (off * off).sum((1, 2))
    covariance = (off * torch.where(mask, target - mean_target[:, None, None], 0.0)).sum((1, 2))
    solvable = variance > 0
    low, spread = low.flatten(), spread.flatten()
    scale = torch.where(solvable, covariance / variance.where(solvable, 1.0), 0.0) / spread
    shift = torch.where(solvable, mean_target - scale * (mean * spread + low), 0.0)
    return scale, shift


def ssi_mse(prediction: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Half the mean squared error after the best scale and shift of each image.

    .. math:: L = \\frac{1}{2M} \\sum_n \\sum_i m_{ni} (s_n d_{ni} + t_n - d^*_{ni})^2

    Parameters
    ----------
    prediction, target : Tensor of shape (N, H, W)
    mask : bool Tensor of shape (N, H, W)
        *M* is the number of its pixels in the whole batch.

    Returns
    -------
    scalar Tensor

    Notes
    -----
    Ranftl et al. [1]_, section 5. Since least squares takes a negative scale as well as a positive one, the
    loss does not see a prediction that is upside down. `ssi_trimmed_loss` does.

    Examples
    --------
    >>> d, mask = torch.tensor([[[1.0, 2.0, 4.0]]]), torch.ones(1, 1, 3, dtype=torch.bool)
    >>> bool(ssi_mse(d, 3 * d + 5, mask) < 1e-9)
    True
    >>> ssi_mse(torch.ones(1, 1, 3), torch.tensor([[[1.0, 2.0, 3.0]]]), mask)  # no solution: s = t = 0
    tensor(2.3333)
    """
    residual = _aligned_residual(prediction, target, mask)
    return (residual * residual).sum() / (2 * _pixels(mask, whole=True))


def gradient_matching_loss(residual: Tensor, mask: Tensor, scales: int = 4) -> Tensor:
    """How much the residual changes from pixel to pixel: edges of the depth should lie where the truth has them.

    .. math:: L = \\sum_{k=0}^{K-1} \\frac{1}{M_k} \\sum_i |\\nabla_x R^k_i| + |\\nabla_y R^k_i|

    Parameters
    ----------
    residual : Tensor of shape (N, H, W)
        Aligned prediction minus target.
    mask : bool Tensor of shape (N, H, W)
    scales : int
        *K*. Scale *k* has every 2^k-th row and column, from the first on, without smoothing.

    Returns
    -------
    scalar Tensor
        A difference counts where both of its pixels are valid. *M_k* are the valid pixels (not pairs) of scale *k* in
        the batch; a scale that has none adds nothing.

    Notes
    -----
    Ranftl et al. [1]_, section 5.

    Examples
    --------
    A step of height 1 between 4 columns: of 8 pixels, each of the 2 rows has one difference.

    >>> step = torch.tensor([[[0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 1.0]]])
    >>> gradient_matching_loss(step, torch.ones(1, 2, 4, dtype=torch.bool), scales=1)
    tensor(0.2500)
    """
    check_at_least(1, scales=scales)
    (residual,) = _valid(mask, residual=residual)
    total = residual.sum() * 0
    for k in range(scales):
        r, m = residual[:, :: 2**k, :: 2**k], mask[:, :: 2**k, :: 2**k]
        across = ((r[:, :, 1:] - r[:, :, :-1]).abs() * (m[:, :, 1:] & m[:, :, :-1])).sum()
        down = ((r[:, 1:] - r[:, :-1]).abs() * (m[:, 1:] & m[:, :-1])).sum()
        total = total + (across + down) / _pixels(m, whole=True)
    return total


def ssi_loss(prediction: Tensor, target: Tensor, mask: Tensor, alpha: float = 0.5, scales: int = 4) -> Tensor:
    """MiDaS' loss: `ssi_mse`, and the gradients of what alignment leaves.

    .. math:: L = L_{ssimse} + \\alpha L_{reg}

    Parameters
    ----------
    prediction, target : Tensor of shape (N, H, W)
    mask : bool Tensor of shape (N, H, W)
    alpha : float
        At least 0.
    scales : int
        Of `gradient_matching_loss`.

    Notes
    -----
    Ranftl et al. [1]_, section 5.

    Examples
    --------
    >>> d, mask = torch.rand(2, 6, 8), torch.ones(2, 6, 8, dtype=torch.bool)
    >>> bool(ssi_loss(2 * d - 1, d, mask) < 1e-5)
    True
    """
    check_at_least(0, alpha=alpha)
    residual = _aligned_residual(prediction, target, mask)
    error = (residual * residual).sum() / (2 * _pixels(mask, whole=True))
    return error + alpha * gradient_matching_loss(residual, mask, scales)


def normalize_median(x: Tensor, mask: Tensor) -> Tensor:
    """Bring each image to median 0 and mean absolute deviation 1.

    .. math:: \\hat{x} = \\frac{x - t(x)}{s(x)}, \\qquad t(x) = \\operatorname{median}(x), \\qquad
              s(x) = \\frac{1}{M} \\sum_i m_i |x_i - t(x)|

    Parameters
    ----------
    x : Tensor of shape (N, H, W)
    mask : bool Tensor of shape (N, H, W)
        Median and mean are taken over each image's valid pixels, and nothing else.

    Returns
    -------
    Tensor of shape (N, H, W)
        0 at invalid pixels, and everywhere in an image whose valid pixels are all alike. The median of an even number
        of pixels is the lower of the two in the middle, as in `torch.median`.

    Notes
    -----
    Ranftl et al. [1]_, section 5. The result is the same for x and a x + b with a > 0. For -x it is the negative, up to
    the two medians of an even number.

    Examples
    --------
    >>> x = torch.tensor([[[1.0, 2.0, 6.0, 1000.0]]])
    >>> normalize_median(x, x < 100)
    tensor([[[-0.6000,  0.0000,  2.4000,  0.0000]]])
    """
    (x,) = _valid(mask, x=x)
    medians = [
        image[valid].median() if valid.any() else image.sum() * 0
        for image, valid in zip(x, mask, strict=True)
    ]
    centre = torch.stack(medians)[:, None, None] if medians else x.new_zeros(0, 1, 1)
    away = torch.where(mask, x - centre, 0.0)
    deviation = (away.abs().sum((1, 2)) / _pixels(mask))[:, None, None]
    return away / deviation.where(deviation > 0, 1.0)


def ssi_trimmed_loss(prediction: Tensor, target: Tensor, mask: Tensor, trim: float = 0.2) -> Tensor:
    """Mean absolute error of the normalised maps, without the largest residuals of each image.

    .. math:: L = \\frac{1}{2M} \\sum_n \\sum_{j=1}^{U_n} |\\hat{d} - \\hat{d}^*|_{(j)}, \\qquad
              U_n = \\lfloor (1 - \\text{trim}) M_n \\rfloor

    Parameters
    ----------
    prediction, target : Tensor of shape (N, H, W)
    mask : bool Tensor of shape (N, H, W)
        *M_n* are the valid pixels of image *n*, *M* those of the batch, trimmed ones too.
    trim : float
        Share of each image's valid pixels that is left out, from 0 to 1: those with the largest residuals, since a
        truth that is wrong there should teach nothing.

    Returns
    -------
    scalar Tensor

    Notes
    -----
    Ranftl et al. [1]_, section 5, with `normalize_median` for both maps. Invariant to a d + b with a > 0 only: a map
    upside down is as wrong as it looks.

    Examples
    --------
    >>> target, mask = torch.arange(10.0).reshape(1, 2, 5), torch.ones(1, 2, 5, dtype=torch.bool)
    >>> bool(ssi_trimmed_loss(2 * target + 1, target, mask) < 1e-6)
    True
    >>> bool(ssi_trimmed_loss(-target, target, mask) > 0.3)
    True
    """
    if not 0 <= trim <= 1:
        raise ValueError(f"trim must be from 0 to 1; got {trim}")
    _valid(mask, prediction=prediction, target=target)
    residual = (normalize_median(prediction, mask) - normalize_median(target, mask)).abs()
    total = residual.sum() * 0
    for image, valid in zip(residual, mask, strict=True):
        errors = image[valid].sort().values
        total = total + errors[: floor((1 - trim) * len(errors) + 1e-9)].sum()
    return total / (2 * _pixels(mask, whole=True))


# ------------------------------------------------------------------------------------------- how good


def depth_metrics(prediction: Tensor, target: Tensor, mask: Tensor | None = None) -> dict[str, Tensor]:
    """The numbers by which depth maps are compared, each over all valid pixels of all maps together.

    Parameters
    ----------
    prediction, target : Tensor of shape (N, H, W), or any other
        Depths *z* and *z** in metres, above 0 wherever they count.
    mask : bool Tensor of the same shape, optional
        Where the target is known; without it, where the target is finite and above 0.

    Returns
    -------
    dict of scalar Tensors
        With natural logarithms, and e = log z - log z*:

        - ``abs_rel``: mean of \\|z - z*\\| / z*
        - ``sq_rel``: mean of (z - z*)^2 / z*, in metres
        - ``rmse``: root of the mean of (z - z*)^2, in metres
        - ``rmse_log``: root of the mean of e^2
        - ``log10``: mean of \\|log10 z - log10 z*\\|
        - ``silog``: 100 times the standard deviation of e (KITTI's scale): 0 for a prediction that is wrong by one
          factor everywhere
        - ``delta1``, ``delta2``, ``delta3``: share of pixels with max(z / z*, z* / z) < 1.25, 1.25^2, 1.25^3; a ratio
          of exactly 1.25 is not below it

        All NaN where no pixel counts.

    Raises
    ------
    ValueError
        If shapes differ, the mask is not of bools, or a depth that counts is not above 0. Clamp predictions to the
        smallest depth of the data first.

    Notes
    -----
    Eigen et al. [3]_ brought in most of them. Their scale-invariant error is (silog / 100)^2.

    Examples
    --------
    >>> scores = depth_metrics(torch.tensor([1.0, 2.5, 8.0]), torch.tensor([1.0, 2.0, 4.0]))
    >>> scores["abs_rel"], scores["delta1"], scores["delta2"]
    (tensor(0.4167), tensor(0.3333), tensor(0.6667))
    """
    if prediction.shape != target.shape or (mask is not None and mask.shape != target.shape):
        shapes = [tuple(x.shape) for x in (prediction, target, mask) if x is not None]
        raise ValueError(f"prediction, target and mask must have the same shape; got {shapes}")
    mask = target.isfinite() & (target > 0) if mask is None else _bools(mask)
    z, true = _floating(prediction)[mask], _floating(target)[mask]
    for name, depths in (("prediction", z), ("target", true)):
        if not (depths > 0).all():
            raise ValueError(f"{name} must be above 0 where the mask is True; got {float(depths.min())}")
    error, log_error, ratio = z - true, z.log() - true.log(), torch.maximum(z / true, true / z)
    return {
        "abs_rel": (error.abs() / true).mean(),
        "sq_rel": (error.square() / true).mean(),
        "rmse": error.square().mean().sqrt(),
        "rmse_log": log_error.square().mean().sqrt(),
        "log10": (z.log10() - true.log10()).abs().mean(),
        "silog": 100 * (log_error - log_error.mean()).square().mean().sqrt(),
        **{f"delta{k}": (ratio < 1.25**k).to(z.dtype).mean() for k in (1, 2, 3)},
    }


def ordinal_error(
    depth: Tensor,
    a: Tensor,
    b: Tensor,
    relation: Tensor,
    weight: Tensor | None = None,
    threshold: float = 0.0,
) -> Tensor:
    """Weighted human disagreement rate: share of point pairs of which the wrong one is nearer.

    .. math:: \\mathrm{WHDR} = \\frac{\\sum_k w_k [\\ell_k \\ne \\hat\\ell_k]}{\\sum_k w_k}, \\qquad
              \\hat\\ell = \\begin{cases} +1 & z_a > (1 + \\tau) z_b \\\\ -1 & z_b > (1 + \\tau) z_a \\\\
              0 & \\text{else} \\end{cases}

    Parameters
    ----------
    depth : Tensor of shape (H, W)
        Larger is farther. (For a disparity, swap `a` and `b`.)
    a, b : integer Tensors of shape (K, 2)
        Pixels u, v: column, then row.
    relation : Tensor of shape (K,)
        What people said: +1 where *a* is farther, -1 where it is nearer, 0 where both are equally far.
    weight : Tensor of shape (K,), optional
        How sure they were, at least 0; 1 each without it.
    threshold : float
        *tau*: depths that differ by no more than this share are equally far. With 0, any difference counts, and the
        depth may have any scale, shift and sign.

    Returns
    -------
    scalar Tensor
        NaN where no pair has a weight.

    Raises
    ------
    ValueError
        If shapes do not fit, a pixel lies outside of the map, a relation is another number, or a weight is negative.

    Notes
    -----
    Chen et al. [4]_ give each image one pair. It needs no scale and no shift, and the truth can be asked of anybody.

    Examples
    --------
    >>> depth = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> a, b = torch.tensor([[0, 0], [1, 0]]), torch.tensor([[1, 0], [0, 1]])
    >>> ordinal_error(depth, a, b, torch.tensor([-1, 1]))  # 1 m is nearer than 2 m; 2 m is not farther than 3 m
    tensor(0.5000)
    """
    _check_pairs(depth, a, b, relation)
    check_at_least(0, threshold=threshold)
    depth = _floating(depth)
    weight = torch.ones_like(relation, dtype=depth.dtype) if weight is None else weight.to(depth.dtype)
    if weight.shape != relation.shape or (weight < 0).any():
        raise ValueError(f"weight must be ({len(relation)},), none below 0; got {tuple(weight.shape)}")
    z_a, z_b = (depth[points[:, 1], points[:, 0]] for points in (a.long(), b.long()))
    farther, nearer = z_a > (1 + threshold) * z_b, z_b > (1 + threshold) * z_a
    wrong = (farther.int() - nearer.int()) != relation
    return (weight * wrong).sum() / weight.sum()


# --------------------------------------------------------------------------------------------- metres


def disparity_to_depth(disparity: Tensor, baseline: float, focal: float, offset: float = 0.0) -> Tensor:
    """Depth from the disparity of a rectified stereo pair.

    .. math:: Z = \\frac{b f}{d + d_0}

    Parameters
    ----------
    disparity : Tensor of any shape
        *d*, in pixels: a point at column x of the left image is at x - d in the right one.
    baseline : float
        *b*, metres between the cameras.
    focal : float
        *f*, in pixels **of the image in which d is measured**: half the image size, half of *f* and of *d*.
    offset : float
        *d0*: pixels by which the right camera's principal point lies further to the right.

    Returns
    -------
    Tensor of the same shape
        Metres; infinite where d + d0 is 0 or, by an error of measurement, less.

    Examples
    --------
    >>> disparity_to_depth(torch.tensor([10.0, 20.0, 0.0]), baseline=0.1, focal=1000.0)
    tensor([10.,  5., inf])
    """
    for name, value in (("baseline", baseline), ("focal", focal)):
        if not value > 0:
            raise ValueError(f"{name} must be above 0; got {value}")
    shifted = _floating(disparity) + offset
    beyond = shifted <= 0
    return torch.where(beyond, torch.inf, baseline * focal / shifted.masked_fill(beyond, 1.0))


def bin_centres(widths: Tensor, min_depth: float, max_depth: float) -> Tensor:
    """Depths in the middle of bins that lie side by side from the nearest depth to the farthest.

    .. math:: c_k = z_{min} + (z_{max} - z_{min}) \\Bigl( \\frac{w_k}{2} + \\sum_{j < k} w_j \\Bigr), \\qquad
              \\sum_k w_k = 1

    Parameters
    ----------
    widths : Tensor of shape (K,) or (N, K, ...)
        At least 0, of any sum above 0: they are divided by it. Bins lie along axis 1, or along the only one.
    min_depth, max_depth : float
        Metres.

    Returns
    -------
    Tensor of the same shape
        Rising along the bins.

    Examples
    --------
    >>> bin_centres(torch.tensor([1.0, 1.0, 2.0]), 0.0, 8.0)
    tensor([1., 3., 6.])
    """
    _check_depths(min_depth, max_depth)
    axis = _bin_axis(widths)
    total = widths.sum(axis, keepdim=True)
    if not (widths >= 0).all() or not (total > 0).all():
        raise ValueError(f"widths must be at least 0, with a sum above 0; they hold {_ends(widths)}")
    share = widths / total
    return min_depth + (max_depth - min_depth) * (share.cumsum(axis) - share / 2)


def inverse_attractor(dx: Tensor, alpha: float, gamma: float) -> Tensor:
    """How far a bin's centre moves towards a point `dx` away that attracts it.

    .. math:: \\Delta = \\frac{\\delta}{1 + \\alpha |\\delta|^\\gamma}

    Parameters
    ----------
    dx : Tensor of any shape
        *delta*: the point minus the centre, in metres.
    alpha, gamma : float
        At least 0, and above 0. The larger *alpha*, the weaker the pull of far points.

    Returns
    -------
    Tensor of the same shape
        Never beyond the point. Since no two centres change places, bins stay in order.

    Notes
    -----
    Bhat et al. [2]_, section 3; they take alpha 300 and gamma 2.

    Examples
    --------
    >>> inverse_attractor(torch.tensor([-1.0, 0.0, 0.1, 1.0]), alpha=300.0, gamma=2.0)
    tensor([-0.0033,  0.0000,  0.0250,  0.0033])
    """
    check_at_least(0, alpha=alpha)
    if not gamma > 0:
        raise ValueError(f"gamma must be above 0; got {gamma}")
    return dx / (1 + alpha * dx.abs() ** gamma)


def log_binomial(p: Tensor, num_bins: int, temperature: float | Tensor = 1.0) -> Tensor:
    """Log-probabilities of bins in a row, with one peak whose place is `p`.

    .. math:: \\log q_k = \\log \\operatorname{softmax}_k \\frac{1}{\\tau} \\Bigl( \\log \\binom{K - 1}{k}
              + k \\log p + (K - 1 - k) \\log (1 - p) \\Bigr)

    Parameters
    ----------
    p : Tensor of shape () or (N, ...)
        From 0 (all in the first bin) to 1 (all in the last).
    num_bins : int
        *K*.
    temperature : float, or Tensor of the shape of p
        *tau*, above 0: below 1 the peak is sharper, above 1 broader. With 1, the row is the binomial distribution of
        K - 1 throws, without an approximation: the factorials are taken from `torch.lgamma`, in double precision.

    Returns
    -------
    Tensor of shape (K,) or (N, K, ...)
        Minus infinity for a bin that cannot be.

    Notes
    -----
    Bhat et al. [2]_, section 3. Their code approximates factorials by Stirling's formula. Unlike in a softmax over
    free logits, neighbours in depth are neighbours in probability.

    Examples
    --------
    >>> log_binomial(torch.tensor(0.5), 3).exp()
    tensor([0.2500, 0.5000, 0.2500])
    """
    check_at_least(1, num_bins=num_bins)
    p = _floating(p)
    temperature = torch.as_tensor(temperature, dtype=p.dtype, device=p.device)
    if not ((p >= 0) & (p <= 1)).all():
        raise ValueError(f"p must be from 0 to 1; it holds {_ends(p)}")
    if temperature.dim() and temperature.shape != p.shape:
        raise ValueError(
            f"temperature must be a number or {tuple(p.shape)}, like p; got {tuple(temperature.shape)}"
        )
    if not (temperature > 0).all():
        raise ValueError(f"temperature must be above 0; it holds {_ends(temperature)}")
    axis, n = min(1, p.dim()), num_bins - 1
    k = torch.arange(num_bins, dtype=torch.float64).reshape(num_bins, *[1] * (p.dim() - axis))
    chosen = torch.lgamma(torch.tensor(n + 1.0).double()) - torch.lgamma(k + 1) - torch.lgamma(n - k + 1)
    k, chosen, p = k.to(p), chosen.to(p), p.unsqueeze(axis)
    scores = chosen + torch.xlogy(k, p) + torch.special.xlog1py(n - k, -p)
    return (scores / (temperature.unsqueeze(axis) if temperature.dim() else temperature)).log_softmax(axis)


class MetricBins(nn.Module):
    """A head that makes metres of relative depth: bins for each pixel, and how likely each of them is.

    Parameters
    ----------
    channels : sequence of int
        Channels of the feature maps, from the coarsest to the finest.
    num_bins : int
        *K*.
    min_depth, max_depth : float
        Metres. What the head says lies between them; a head for rooms and one for streets differ in this.
    attractors : int
        Points that pull the centres of the bins, on each map but the first.
    hidden : int
        Channels between the two 1x1 convolutions that each part consists of.
    alpha, gamma : float
        Of `inverse_attractor`.

    Notes
    -----
    Bhat et al. [2]_, section 3. The coarsest map gives each pixel the widths of its bins (`bin_centres`).
    Each finer one moves the centres, enlarged bilinearly, by the mean pull of its attractors. The finest one, together
    with the relative depth, gives each pixel the peak and the temperature of `log_binomial`, and the depth is the mean
    of the centres under these probabilities. The temperature lies between 1/50 and 50.

    Examples
    --------
    >>> head = MetricBins((8, 4), num_bins=16, min_depth=0.5, max_depth=10.0)
    >>> depth = head([torch.rand(2, 8, 3, 4), torch.rand(2, 4, 6, 8)], torch.rand(2, 6, 8))
    >>> depth.shape, bool((depth > 0.5).all() and (depth < 10).all())
    (torch.Size([2, 6, 8]), True)
    """

    def __init__(
        self,
        channels: Sequence[int],
        num_bins: int = 64,
        min_depth: float = 1e-3,
        max_depth: float = 10.0,
        attractors: int = 8,
        hidden: int = 32,
        alpha: float = 300.0,
        gamma: float = 2.0,
    ):
        super().__init__()
        channels = tuple(channels)
        if not channels:
            raise ValueError("channels must hold at least one number; got none")
        check_at_least(1, channels=channels, num_bins=num_bins, attractors=attractors, hidden=hidden)
        _check_depths(min_depth, max_depth)
        self.channels, self.num_bins = channels, num_bins
        self.min_depth, self.max_depth = min_depth, max_depth
        self.alpha, self.gamma = alpha, gamma
        self.widths = _pixelwise(channels[0], hidden, num_bins)
        self.attractors = nn.ModuleList(_pixelwise(count, hidden, attractors) for count in channels[1:])
        self.peak = _pixelwise(channels[-1] + 1, hidden, 2)

    def centres(self, features: Sequence[Tensor]) -> Tensor:
        """Return the centres of each pixel's bins in metres, rising: ``(N, K, H, W)`` of the finest map."""
        centres = bin_centres(self.widths(features[0]).softmax(1), self.min_depth, self.max_depth)
        for layer, feature in zip(self.attractors, features[1:], strict=True):
            centres = _enlarged(centres, feature)
            points = self.min_depth + (self.max_depth - self.min_depth) * layer(feature).sigmoid()
            away = points.unsqueeze(2) - centres.unsqueeze(1)  # (N, attractors, K, H, W)
            centres = centres + inverse_attractor(away, self.alpha, self.gamma).mean(1)
        return centres

    def forward(self, features: Sequence[Tensor], relative: Tensor) -> Tensor:
        """Return the depth in metres, ``(N, H, W)`` of the finest map.

        `features` are maps ``(N, C, H, W)``, from the coarsest to the finest; `relative` is the relative depth
        ``(N, h, w)``, brought to the size of the finest map.
        """
        found = tuple(feature.shape[1] for feature in features)
        if found != self.channels or relative.dim() != 3:
            wanted = f"features must have {self.channels} channels and relative must be (N, H, W)"
            raise ValueError(f"{wanted}; got {found} and {tuple(relative.shape)}")
        if len({len(relative), *map(len, features)}) > 1:
            counts = [*map(len, features), len(relative)]
            raise ValueError(f"features and relative must be of as many images each; got {counts}")
        finest = features[-1]
        relative = _enlarged(relative.unsqueeze(1), finest)
        p, heat = self.peak(torch.cat([finest, relative], 1)).sigmoid().unbind(1)
        p = 1e-4 + (1 - 2e-4) * p  # at 0 and at 1 the logarithm has no gradient
        likely = log_binomial(p, self.num_bins, 50 ** (2 * heat - 1)).exp()
        return (likely * self.centres(features)).sum(1)


def route_domain(logits: Tensor, depths: Tensor) -> Tensor:
    """Take each image's depth from the head of the domain that it seems to come from.

    Parameters
    ----------
    logits : Tensor of shape (N, D)
        Scores of the domains, such as rooms and streets.
    depths : Tensor of shape (N, D, ...)
        What each domain's head says of each image.

    Returns
    -------
    Tensor of shape (N, ...)
        Each image is decided on its own; the first of equal scores wins. The choice has no gradient with respect to
        the scores: train them with a cross-entropy.

    Notes
    -----
    Bhat et al. [2]_, section 3, the routed variant. A wrong choice costs metres, not percents: the heads' ranges of
    depth differ by a factor of eight.

    Examples
    --------
    >>> route_domain(torch.tensor([[2.0, 0.0], [0.0, 1.0]]), torch.tensor([[3.0, 40.0], [2.0, 30.0]]))
    tensor([ 3., 30.])
    """
    if logits.dim() != 2 or depths.shape[:2] != logits.shape or not logits.shape[1]:
        shapes = f"{tuple(logits.shape)} and {tuple(depths.shape)}"
        raise ValueError(f"logits must be (N, D) and depths (N, D, ...); got {shapes}")
    return depths[torch.arange(len(logits), device=depths.device), logits.argmax(1)]


# --------------------------------------------------------------------------------------- points in space


def backproject(depth: Tensor, K: Tensor) -> Tensor:
    """The point in space that each pixel shows.

    .. math:: X = \\frac{(u - c_x) Z}{f_x}, \\qquad Y = \\frac{(v - c_y) Z}{f_y}, \\qquad Z = D(u, v)

    Parameters
    ----------
    depth : Tensor of shape (H, W)
        *D* in metres, along the optical axis (not along the ray).
    K : Tensor of shape (3, 3)
        Intrinsics ``[[fx, 0, cx], [0, fy, cy], [0, 0, 1]]`` in pixels of this map: a map of half the size has another
        K. Pixel centres lie at whole numbers, *u* counts columns and *v* rows.

    Returns
    -------
    Tensor of shape (H, W, 3)
        X to the right, Y down, Z forward, in metres, seen from the camera.

    Raises
    ------
    ValueError
        If the depth is not (H, W), or K no such matrix.

    Examples
    --------
    >>> K = torch.tensor([[100.0, 0, 1], [0, 100, 0], [0, 0, 1]])
    >>> backproject(torch.full((1, 3), 5.0), K)[0]
    tensor([[-0.0500,  0.0000,  5.0000],
            [ 0.0000,  0.0000,  5.0000],
            [ 0.0500,  0.0000,  5.0000]])
    """
    if depth.dim() != 2:
        raise ValueError(f"depth must be (H, W); got {tuple(depth.shape)}")
    depth = _floating(depth)
    fx, fy, cx, cy = _intrinsics(K, depth)
    u = torch.arange(depth.shape[1], dtype=depth.dtype, device=depth.device)
    v = torch.arange(depth.shape[0], dtype=depth.dtype, device=depth.device)[:, None]
    return torch.stack([(u - cx) * depth / fx, (v - cy) * depth / fy, depth], -1)


def project(points: Tensor, K: Tensor) -> Tensor:
    """The pixel in which each point is seen: undoes `backproject`.

    .. math:: u = \\frac{f_x X}{Z} + c_x, \\qquad v = \\frac{f_y Y}{Z} + c_y

    Parameters
    ----------
    points : Tensor of shape (..., 3)
        X, Y, Z in metres, seen from the camera.
    K : Tensor of shape (3, 3)
        Intrinsics, as in `backproject`.

    Returns
    -------
    Tensor of shape (..., 2)
        u, v in pixels: column, then row. NaN for a point that is not in front of the camera (Z <= 0).

    Examples
    --------
    >>> K = torch.tensor([[100.0, 0, 50], [0, 100, 40], [0, 0, 1]])
    >>> project(torch.tensor([[1.0, -0.5, 5.0], [0.0, 0.0, -1.0]]), K)
    tensor([[70., 30.],
            [nan, nan]])
    """
    if points.dim() == 0 or points.shape[-1] != 3:
        raise ValueError(f"points must be (..., 3) as X, Y, Z; got {tuple(points.shape)}")
    points = _floating(points)
    fx, fy, cx, cy = _intrinsics(K, points)
    x, y, z = points.unbind(-1)
    z = z.masked_fill(z <= 0, torch.nan)
    return torch.stack([fx * x / z + cx, fy * y / z + cy], -1)


# ------------------------------------------------------------------------------------ what they share


def _floating(x: Tensor) -> Tensor:
    """Numbers to compute with: whole ones and half precision become float32."""
    if x.is_complex():
        raise ValueError(f"maps must hold real numbers; got {x.dtype}")
    return precise(x)


def _ends(x: Tensor) -> str:
    """The smallest and the largest number, for a message."""
    x = x.detach()
    return f"{float(x.min()):g} to {float(x.max()):g}" if x.numel() else "nothing"


def _bools(mask: Tensor) -> Tensor:
    if mask.dtype != torch.bool:
        raise ValueError(f"mask must be of bools, True where the target is known; it is {mask.dtype}")
    return mask


def _valid(mask: Tensor, **maps: Tensor) -> list[Tensor]:
    """Return the maps with 0 wherever the mask is False, so that nothing there can leak."""
    _bools(mask)
    if mask.dim() != 3 or 0 in mask.shape[1:] or any(x.shape != mask.shape for x in maps.values()):
        shapes = ", ".join(f"{name} {tuple(x.shape)}" for name, x in {**maps, "mask": mask}.items())
        raise ValueError(f"maps and mask must all be (N, H, W), with rows and columns; got {shapes}")
    return [torch.where(mask, _floating(x), 0.0) for x in maps.values()]


def _pixels(mask: Tensor, whole: bool = False) -> Tensor:
    """Number of valid pixels of each image, or of the whole batch; 1 where there are none: sums over them are 0."""
    return (mask.sum() if whole else mask.sum((1, 2))).clamp(min=1)


def _range(x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Smallest valid value of each image, and how far the largest is from it (1 where it is not): each (N, 1, 1)."""
    low = x.masked_fill(~mask, torch.inf).amin((1, 2), keepdim=True)
    high = x.masked_fill(~mask, -torch.inf).amax((1, 2), keepdim=True)
    return low.where(high >= low, 0.0), (high - low).where(high > low, 1.0)


def _aligned_residual(prediction: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """s d + t - d* at valid pixels, 0 elsewhere."""
    scale, shift = align_scale_and_shift(prediction, target, mask)
    d, target = _valid(mask, prediction=prediction, target=target)
    return torch.where(mask, scale[:, None, None] * d + shift[:, None, None] - target, 0.0)


def _bin_axis(bins: Tensor) -> int:
    if bins.dim() == 0:
        raise ValueError("widths must be (K,) or (N, K, ...); got a single number")
    return min(1, bins.dim() - 1)


def _check_depths(min_depth: float, max_depth: float) -> None:
    if not 0 <= min_depth < max_depth:
        raise ValueError(f"depths must be 0 <= min_depth < max_depth; got {min_depth} and {max_depth}")


def _check_pairs(depth: Tensor, a: Tensor, b: Tensor, relation: Tensor) -> None:
    shapes = [tuple(x.shape) for x in (depth, a, b, relation)]
    if (
        depth.dim() != 2
        or a.dim() != 2
        or a.shape[1] != 2
        or b.shape != a.shape
        or relation.shape != a.shape[:1]
    ):
        raise ValueError(f"depth, a, b and relation must be (H, W), (K, 2), (K, 2) and (K,); got {shapes}")
    height, width = depth.shape
    for name, points in (("a", a), ("b", b)):
        if points.is_floating_point():
            raise ValueError(f"{name} must hold pixels u, v as whole numbers; it is {points.dtype}")
        inside = (points >= 0) & (points < torch.tensor([width, height], device=points.device))
        if not inside.all():
            outside = points[~inside.all(1)][0].tolist()
            raise ValueError(
                f"{name} must hold pixels u, v of a map {width} wide and {height} high; got {outside}"
            )
    if not torch.isin(relation, torch.tensor([-1, 0, 1], device=relation.device).to(relation.dtype)).all():
        raise ValueError("relation must hold 1 (a is farther), -1 (a is nearer) and 0 (equally far) only")


def _intrinsics(K: Tensor, like: Tensor) -> tuple[Tensor, ...]:
    """fx, fy, cx, cy of a camera matrix, each a scalar; gradients flow back to K."""
    matrix = torch.as_tensor(K)
    if matrix.shape != (3, 3):
        raise ValueError(f"K must be (3, 3); got {tuple(matrix.shape)}")
    (fx, skew, _), (zero, fy, _), last = matrix.tolist()
    if not (fx > 0 and fy > 0 and skew == zero == 0 and last == [0, 0, 1]):
        wanted = "[[fx, 0, cx], [0, fy, cy], [0, 0, 1]] with fx, fy > 0"
        raise ValueError(f"K must be {wanted}; got {matrix.tolist()}")
    matrix = matrix.to(like)
    return matrix[0, 0], matrix[1, 1], matrix[0, 2], matrix[1, 2]


def _pixelwise(in_channels: int, hidden: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(in_channels, hidden, 1), nn.ReLU(), nn.Conv2d(hidden, out_channels, 1))


def _enlarged(x: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(x, size=like.shape[2:], mode="bilinear")
