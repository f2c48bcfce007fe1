"""Colour as a thing to predict: the CIELAB space, and colorization as classification.

Images are ``(..., 3, H, W)``. In CIELAB, L is lightness from 0 to 100, a runs from green to red and b from blue to
yellow; a distance of about 2 is just visible, wherever it lies. A grey photograph is L. What is to be predicted is ab.

References
----------
.. [1] R. Zhang, P. Isola and A. Efros, "Colorful image colorization", ECCV 2016.
.. [2] CIE 15, "Colorimetry"; IEC 61966-2-1, "Default RGB colour space - sRGB".
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from dlcv.arguments import check_at_least, precise

__all__ = [
    "ab_bins",
    "annealed_mean",
    "colorization_loss",
    "colorization_targets",
    "lab_to_rgb",
    "rebalancing_weights",
    "rgb_to_lab",
]

XYZ_OF_RGB = ((0.412453, 0.357580, 0.180423), (0.212671, 0.715160, 0.072169), (0.019334, 0.119193, 0.950227))
"""Rows X, Y, Z; columns linear red, green, blue (Rec. 709 primaries)."""
WHITE = (0.95047, 1.0, 1.08883)
"""X, Y, Z of daylight, D65, for an observer who sees 2 degrees."""


# --------------------------------------------------------------------------------------------- CIELAB


def rgb_to_lab(image: Tensor) -> Tensor:
    """Lightness and two colour axes of an sRGB image.

    Parameters
    ----------
    image : Tensor of shape (..., 3, H, W)
        Red, green, blue in [0, 1], as a file holds them.

    Returns
    -------
    Tensor of shape (..., 3, H, W)
        L, a, b. White is (100, 0, 0), black (0, 0, 0); in sRGB, a runs from -86 to 98 and b from -108 to 94.

    Raises
    ------
    ValueError
        If the image has another shape, is of whole numbers, or goes beyond 0 and 1.

    Notes
    -----
    Three steps [2]_: undo the display's curve, so that numbers add up as light does; mix to X, Y, Z relative to white;
    take cube roots, as the eye does, with a straight line near black, and form differences.

    Examples
    --------
    >>> red = torch.tensor([1.0, 0.0, 0.0]).reshape(3, 1, 1)
    >>> rgb_to_lab(red).flatten()
    tensor([53.2406, 80.0923, 67.2027])
    """
    _check_colours("image", image)
    if not image.is_floating_point() or not ((image >= -1e-3) & (image <= 1 + 1e-3)).all():
        ends = f" from {image.min().item():g} to {image.max().item():g}" if image.numel() else ""
        found = f"{image.dtype}{ends}"
        raise ValueError(f"image must hold floats in [0, 1]; got {found}")
    curved = image > 0.04045
    linear = torch.where(curved, ((image.where(curved, 1.0) + 0.055) / 1.055) ** 2.4, image / 12.92)
    t = _mixed(XYZ_OF_RGB, linear) / _column(WHITE, linear)
    rooted = t > 0.008856
    f = torch.where(rooted, t.where(rooted, 1.0) ** (1 / 3), 7.787 * t + 16 / 116)
    x, y, z = f.unbind(-3)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], -3)


def lab_to_rgb(lab: Tensor) -> Tensor:
    """Undo `rgb_to_lab`; colours that no screen can show are clipped to [0, 1].

    Parameters
    ----------
    lab : Tensor of shape (..., 3, H, W)

    Returns
    -------
    Tensor of shape (..., 3, H, W)

    Examples
    --------
    >>> image = torch.rand(3, 4, 5)
    >>> bool((lab_to_rgb(rgb_to_lab(image)) - image).abs().max() < 1e-4)
    True
    """
    _check_colours("lab", lab)
    lightness, a, b = lab.unbind(-3)
    y = (lightness + 16) / 116
    f = torch.stack([y + a / 500, y, y - b / 200], -3)
    t = torch.where(f > 0.2068966, f**3, (f - 16 / 116) / 7.787) * _column(WHITE, f)
    inverse = torch.linalg.inv(torch.tensor(XYZ_OF_RGB, dtype=torch.float64))
    linear = _mixed(inverse.tolist(), t).clamp(0, 1)
    curved = linear > 0.0031308
    return torch.where(curved, 1.055 * linear.where(curved, 1.0) ** (1 / 2.4) - 0.055, 12.92 * linear)


# ------------------------------------------------------------------------------------------ colorization


def ab_bins(step: float = 10.0) -> Tensor:
    """Centres of the colour classes: points of a square grid in ab to which some colour of sRGB is nearest.

    Parameters
    ----------
    step : float
        Distance of neighbours on the grid, which holds the point (0, 0).

    Returns
    -------
    Tensor of shape (Q, 2)
        a, b; by rising a, then b.

    Notes
    -----
    Zhang et al. [1]_, section 2.1. Which bins at the rim are in depends on how finely colours are tried; here 52 steps
    a channel.

    Examples
    --------
    >>> bins = ab_bins(50.0)
    >>> bins.shape[1], bool((bins == 0).all(1).any())
    (2, True)
    """
    if not step > 0:
        raise ValueError(f"step must be above 0; got {step}")
    return _bins(step).clone()


@cache
def _bins(step: float) -> Tensor:
    levels = torch.linspace(0, 1, 52, dtype=torch.float64)
    colours = torch.cartesian_prod(levels, levels, levels).T[:, None]
    ab = rgb_to_lab(colours)[1:, 0].T
    return (ab / step).round().add(0.0).unique(dim=0).mul(step).float()


def colorization_targets(ab: Tensor, bins: Tensor, neighbours: int = 5, sigma: float = 5.0) -> Tensor:
    """Say each pixel's colour as a distribution over bins: the nearest ones, the nearer the more.

    .. math:: z_q = \\frac{\\exp(-\\lVert y - c_q \\rVert^2 / 2 \\sigma^2)}{\\sum_{q' \\in \\mathcal N(y)}
              \\exp(-\\lVert y - c_{q'} \\rVert^2 / 2 \\sigma^2)} \\quad \\text{for } q \\in \\mathcal N(y),
              \\text{ else } 0

    Parameters
    ----------
    ab : Tensor of shape (N, 2, H, W) or (2, H, W)
        *y*.
    bins : Tensor of shape (Q, 2)
        Centres *c*.
    neighbours : int
        Number of nearest bins in *N(y)*; all, if there are fewer. 1: the nearest bin alone. Of bins equally far the
        first ones count.
    sigma : float
        In units of ab.

    Returns
    -------
    Tensor of shape (N, Q, H, W) or (Q, H, W)
        Sums to 1 over the bins.

    Raises
    ------
    ValueError
        If shapes do not fit, or `neighbours` or `sigma` are not above 0.

    Notes
    -----
    Zhang et al. [1]_, section 2.1: a colour between two bins is not wrong by a whole bin.

    Examples
    --------
    >>> bins = torch.tensor([[0.0, 0.0], [10.0, 0.0], [50.0, 0.0]])
    >>> ab = torch.tensor([5.0, 0.0]).reshape(2, 1, 1)
    >>> colorization_targets(ab, bins, neighbours=2).flatten()
    tensor([0.5000, 0.5000, 0.0000])
    """
    _check_bins(bins)
    if ab.dim() not in (3, 4) or ab.shape[-3] != 2:
        raise ValueError(f"ab must be (N, 2, H, W) or (2, H, W); got {tuple(ab.shape)}")
    check_at_least(1, neighbours=neighbours)
    if not sigma > 0:
        raise ValueError(f"sigma must be above 0; got {sigma}")
    pixels = (ab if ab.is_floating_point() else ab.float()).movedim(-3, -1)
    square = (pixels[..., None, :] - bins.to(pixels)).square().sum(-1)  # (..., H, W, Q)
    near, place = square.sort(dim=-1, stable=True)
    near, place = near[..., :neighbours], place[..., :neighbours]
    share = (-near / (2 * sigma**2)).softmax(-1)
    return torch.zeros_like(square).scatter(-1, place, share).movedim(-1, -3)


def rebalancing_weights(prior: Tensor, lam: float = 0.5) -> Tensor:
    """How much a pixel counts whose colour falls into each bin: the rarer, the more.

    .. math:: w_q \\propto \\Bigl( (1 - \\lambda) p_q + \\frac{\\lambda}{Q} \\Bigr)^{-1}, \\qquad
              \\sum_q p_q w_q = 1

    Parameters
    ----------
    prior : Tensor of shape (Q,)
        How often each bin occurs: counts, or shares *p*; at least 0, of any sum above 0.
    lam : float
        *lambda*, from 0 (inverse frequency) to 1 (all alike).

    Returns
    -------
    Tensor of shape (Q,)
        In float32 or float64. The mean weight of a pixel is 1, so that the loss keeps its size.

    Raises
    ------
    ValueError
        If the prior is no such row, `lam` is not from 0 to 1, or it is 0 where a bin never occurs.

    Notes
    -----
    Zhang et al. [1]_, section 2.2, who also smooth the prior over neighbouring bins first.

    Examples
    --------
    >>> rebalancing_weights(torch.tensor([3.0, 1.0]), lam=0.0)
    tensor([0.6667, 2.0000])
    >>> rebalancing_weights(torch.tensor([3.0, 1.0]), lam=1.0)
    tensor([1., 1.])
    """
    prior = precise(prior)
    if prior.dim() != 1 or not (prior >= 0).all() or not 0 < prior.sum() < torch.inf:
        found = prior.tolist() if prior.dim() == 1 and len(prior) < 9 else tuple(prior.shape)
        raise ValueError(f"prior must be (Q,), none below 0, with a finite sum above 0; got {found}")
    if not 0 <= lam <= 1:
        raise ValueError(f"lam must be from 0 to 1; got {lam}")
    if lam == 0 and (prior == 0).any():
        raise ValueError("lam must be above 0 where a bin never occurs: its weight would be infinite")
    p = prior / prior.sum()
    weights = 1 / ((1 - lam) * p + lam / len(p))
    return weights / (p * weights).sum()


def colorization_loss(logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Cross-entropy of soft colour classes, each pixel weighted by its most likely true bin; mean over the pixels.

    .. math:: L = -\\frac{1}{P} \\sum_i w_{q^*_i} \\sum_q z_{iq} \\log \\hat z_{iq}, \\qquad
              q^*_i = \\arg\\max_q z_{iq}

    Parameters
    ----------
    logits : Tensor of shape (N, Q, H, W)
    targets : Tensor of shape (N, Q, H, W)
        Distributions *z*, as `colorization_targets` gives them.
    weights : Tensor of shape (Q,)
        *w*, as `rebalancing_weights` gives them. Of equally likely bins the first decides.

    Returns
    -------
    scalar Tensor
        0, with a gradient of zeros, where there is no pixel.

    Raises
    ------
    ValueError
        If shapes do not fit.

    Notes
    -----
    Zhang et al. [1]_, equation 2, but for the division by the number of pixels *P*.

    Examples
    --------
    >>> logits, targets = torch.zeros(1, 2, 1, 1), torch.tensor([1.0, 0.0]).reshape(1, 2, 1, 1)
    >>> colorization_loss(logits, targets, torch.tensor([3.0, 1.0]))  # 3 log 2
    tensor(2.0794)
    """
    if logits.dim() != 4 or targets.shape != logits.shape or weights.shape != logits.shape[1:2]:
        shapes = [tuple(x.shape) for x in (logits, targets, weights)]
        raise ValueError(
            f"logits, targets and weights must be (N, Q, H, W), the same, and (Q,); got {shapes}"
        )
    z = precise(logits)  # float16 cannot sum up an image
    entropy = -(targets * z.log_softmax(1)).sum(1)
    weight = weights.to(z)[targets.argmax(1)]
    return (weight * entropy).sum() / max(entropy.numel(), 1)


def annealed_mean(logits: Tensor, bins: Tensor, temperature: float = 0.38) -> Tensor:
    """One colour from a distribution over bins: the mean, after the likely bins have been made likelier still.

    .. math:: y = \\sum_q c_q \\operatorname{softmax}_q (\\log \\hat z_q / T)

    Parameters
    ----------
    logits : Tensor of shape (..., Q, H, W)
        A constant more or less in all of a pixel's logits changes nothing: log-probabilities will do as well.
    bins : Tensor of shape (Q, 2)
    temperature : float
        *T*, above 0. 1: the mean, pale where several colours are possible. Towards 0: the most likely bin, loud and
        in patches.

    Returns
    -------
    Tensor of shape (..., 2, H, W)
        ab.

    Notes
    -----
    Zhang et al. [1]_, section 2.3; 0.38 is theirs.

    Examples
    --------
    >>> bins = torch.tensor([[60.0, 0.0], [-60.0, 0.0]])
    >>> logits = torch.tensor([1.0, 0.0]).reshape(2, 1, 1)
    >>> [round(float(annealed_mean(logits, bins, t)[0])) for t in (1.0, 0.38, 0.01)]
    [28, 52, 60]
    """
    _check_bins(bins)
    if logits.dim() < 3 or logits.shape[-3] != len(bins):
        raise ValueError(
            f"logits must be (..., {len(bins)}, H, W), as many as bins; got {tuple(logits.shape)}"
        )
    if not temperature > 0:
        raise ValueError(f"temperature must be above 0; got {temperature}")
    likely = (logits / temperature).softmax(-3).movedim(-3, -1)
    return (likely @ bins.to(likely)).movedim(-1, -3)


# ------------------------------------------------------------------------------------ what they share


def _check_colours(name: str, image: Tensor) -> None:
    if image.dim() < 3 or image.shape[-3] != 3:
        raise ValueError(f"{name} must be (..., 3, H, W); got {tuple(image.shape)}")


def _check_bins(bins: Tensor) -> None:
    if bins.dim() != 2 or bins.shape[1] != 2 or not len(bins):
        raise ValueError(f"bins must be (Q, 2) as a, b; got {tuple(bins.shape)}")


def _mixed(matrix: tuple, image: Tensor) -> Tensor:
    """A 3 x 3 matrix times the colour of each pixel."""
    rows = torch.tensor(matrix, dtype=image.dtype, device=image.device)
    return (image.movedim(-3, -1) @ rows.T).movedim(-1, -3)


def _column(values: tuple, like: Tensor) -> Tensor:
    return torch.tensor(values, dtype=like.dtype, device=like.device)[:, None, None]
