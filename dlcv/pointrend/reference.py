"""Segmentation as rendering: a small network is asked again at the few points where the coarse answer is in doubt.

Points are ``(x, y)`` from 0 to 1: (0, 0) is the image's upper left corner, (1, 1) its lower right one, on a map of any
size. Pixel (i, j) of a map of H x W has its centre at ((j + 1/2) / W, (i + 1/2) / H), so that one point reads the same
place from a coarse map and from a fine one.

References
----------
.. [1] A. Kirillov, Y. Wu, K. He and R. Girshick, "PointRend: image segmentation as rendering", CVPR 2020.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dlcv.arguments import check_at_least, check_whole, pair, precise

# ------------------------------------------------------------------------------- reading a map at points


def point_sample(features: Tensor, points: Tensor) -> Tensor:
    """Read a map at points between its pixels: a weighted mean of the four centres around each.

    .. math:: f(x, y) = \\sum_{i,j} f_{ij} \\, \\max(0, 1 - |y H - \\tfrac12 - i|) \\,
              \\max(0, 1 - |x W - \\tfrac12 - j|)

    Parameters
    ----------
    features : Tensor of shape (N, C, H, W)
    points : floating Tensor of shape (N, *S, 2)
        x, y, from 0 to 1. Each map has its own points.

    Returns
    -------
    Tensor of shape (N, C, *S)
        Of the features' dtype. Beyond the map is 0, so within half a pixel of its border values fade. Differentiable in
        both arguments.

    Notes
    -----
    Equal to `torch.nn.functional.grid_sample` at ``2 * points - 1`` with ``align_corners=False``. [1]_, section 3.

    Examples
    --------
    >>> features = torch.tensor([[[[1.0, 3.0]]]])
    >>> point_sample(features, torch.tensor([[[0.25, 0.5], [0.5, 0.5], [0.0, 0.5]]]))
    tensor([[[1.0000, 2.0000, 0.5000]]])
    """
    _check_map("features", features)
    if points.dim() < 2 or points.shape[-1] != 2 or len(points) != len(features):
        given = f"{tuple(points.shape)} for {len(features)} maps"
        raise ValueError(f"points must be (N, ..., 2) as x, y, with the features' N; got {given}")
    if not points.is_floating_point():
        raise ValueError(f"points must be floating, from 0 to 1; got {points.dtype}")
    if not features.is_floating_point() or not features.shape[2] * features.shape[3]:
        given = f"{features.dtype} of {tuple(features.shape)}"
        raise ValueError(f"features must be floating, with at least one pixel; got {given}")
    height, width = features.shape[-2:]
    places = precise(points.flatten(1, -2))
    x, y = (places * places.new_tensor([width, height]) - 0.5).unbind(-1)  # (N, P)
    left, top = x.floor().detach(), y.floor().detach()
    values = 0.0
    for i, weight_y in ((top, top + 1 - y), (top + 1, y - top)):
        for j, weight_x in ((left, left + 1 - x), (left + 1, x - left)):
            inside = (i >= 0) & (i < height) & (j >= 0) & (j < width)
            index = torch.where(inside, i, 0).long() * width + torch.where(inside, j, 0).long()
            pixels = features.flatten(2).gather(2, index[:, None].expand(-1, features.shape[1], -1))
            weight = torch.where(inside, weight_y * weight_x, 0)[:, None]
            values = values + weight * pixels.where(inside[:, None], 0)
    return values.to(features.dtype).unflatten(2, points.shape[1:-1])


def pixel_centres(
    height: int, width: int, dtype: torch.dtype | None = None, device: torch.device | None = None
) -> Tensor:
    """Where the pixels of a map are, row by row: (height * width, 2) as x, y.

    Examples
    --------
    >>> pixel_centres(1, 2)
    tensor([[0.2500, 0.5000],
            [0.7500, 0.5000]])
    """
    check_at_least(1, height=height, width=width)
    if dtype is not None and not dtype.is_floating_point:
        raise ValueError(f"dtype must be floating, centres lie at fractions; got {dtype}")
    return _centres(
        torch.arange(height * width, device=device), height, width, dtype or torch.get_default_dtype()
    )


def _centres(indices: Tensor, height: int, width: int, dtype: torch.dtype) -> Tensor:
    """The point (..., 2) of each flat index (...)."""
    wide = torch.float64 if dtype == torch.float64 else torch.float32
    x, y = (
        (part.to(wide) + 0.5) / size for part, size in ((indices % width, width), (indices // width, height))
    )
    return torch.stack([x, y], -1).to(dtype)


# ------------------------------------------------------------------------------- where it is in doubt


def uncertainty(logits: Tensor) -> Tensor:
    """Say how much in doubt each prediction is: the larger, the more; 0 where two answers are equal.

    .. math:: u = -|z| \\text{ for one logit}, \\qquad u = z_{(2)} - z_{(1)} \\text{ for several}

    Parameters
    ----------
    logits : Tensor of shape (N, C, *S)
        One channel: a mask, whose boundary is at logit 0. More: a score for each class; :math:`z_{(1)}` and
        :math:`z_{(2)}` are the largest two at a pixel.

    Returns
    -------
    Tensor of shape (N, 1, *S)
        At most 0.

    Notes
    -----
    Of logits, not of probabilities: those are all 1 to the last digit where the network is sure, and cannot be
    ordered. [1]_, sections 3.1 and 4.

    Examples
    --------
    >>> uncertainty(torch.tensor([[[-3.0, 0.5, 2.0]]]))
    tensor([[[-3.0000, -0.5000, -2.0000]]])
    >>> uncertainty(torch.tensor([[[4.0], [1.0], [3.0]]]))
    tensor([[[-1.]]])
    """
    if logits.dim() < 2 or not logits.shape[1]:
        raise ValueError(f"logits must be (N, C, ...) with one channel at least; got {tuple(logits.shape)}")
    if logits.shape[1] == 1:
        return -logits.abs()
    first, second = logits.topk(2, dim=1).values.split(1, dim=1)
    return second - first


def uncertain_points_on_grid(uncertainty: Tensor, num_points: int) -> tuple[Tensor, Tensor]:
    """Pick the pixels that are most in doubt.

    Parameters
    ----------
    uncertainty : Tensor of shape (N, 1, H, W)
    num_points : int
        At least 1. All pixels, if there are no more.

    Returns
    -------
    indices : int64 Tensor of shape (N, P)
        ``row * W + column`` of *P* = min(num_points, H * W) pixels of each map, by decreasing uncertainty; of equal
        ones the first goes first.
    points : Tensor of shape (N, P, 2)
        The centres of those pixels, in single precision at least: half precision has no numbers between the pixels of
        a large map.

    Examples
    --------
    >>> indices, points = uncertain_points_on_grid(torch.tensor([[[[-3.0, -1.0], [-1.0, -2.0]]]]), 2)
    >>> indices
    tensor([[1, 2]])
    >>> points
    tensor([[[0.7500, 0.2500],
             [0.2500, 0.7500]]])
    """
    if uncertainty.dim() != 4 or uncertainty.shape[1] != 1:
        raise ValueError(f"uncertainty must be (N, 1, H, W); got {tuple(uncertainty.shape)}")
    check_whole(1, num_points=num_points)
    indices = uncertainty.flatten(1).argsort(dim=1, descending=True, stable=True)[:, :num_points]
    dtype = torch.float64 if uncertainty.dtype == torch.float64 else torch.float32
    return indices, _centres(indices, *uncertainty.shape[-2:], dtype)


# ------------------------------------------------------------------------------- points to learn from


def biased_points(
    logits: Tensor, candidates: Tensor, uniform: Tensor, num_points: int, importance: float = 0.75
) -> Tensor:
    """Keep the candidates that are most in doubt, and fill up with uniform points.

    Parameters
    ----------
    logits : Tensor of shape (N, C, H, W)
        Coarse predictions.
    candidates : Tensor of shape (N, M, 2)
        As x, y; drawn uniformly.
    uniform : Tensor of shape (N, R, 2)
        Others. The first ``num_points - int(importance * num_points)`` are taken.
    num_points : int
    importance : float
        Share of the points that are chosen by their uncertainty, 0 to 1.

    Returns
    -------
    Tensor of shape (N, num_points, 2)
        The ``int(importance * num_points)`` chosen ones first, by decreasing uncertainty.

    Notes
    -----
    Logits are read at the candidates first, and the uncertainty is that of what was read. Uncertainty that was read
    from a map of it would be wrong: between a sure yes (logit 4) and a sure no (-4) lies the boundary, with logit 0,
    but the mean of -4 and -4 is -4. Within half a pixel of the image's border what is read fades to 0, so points there
    look somewhat in doubt, too.

    Examples
    --------
    >>> logits = torch.tensor([[[[4.0, -4.0]]]])
    >>> candidates = torch.tensor([[[0.25, 0.5], [0.5, 0.5], [0.75, 0.5]]])
    >>> biased_points(logits, candidates, torch.tensor([[[0.1, 0.9]]]), num_points=2, importance=0.5)
    tensor([[[0.5000, 0.5000],
             [0.1000, 0.9000]]])
    """
    chosen = _share(num_points, importance)
    for name, points in {"candidates": candidates, "uniform": uniform}.items():
        if points.dim() != 3 or points.shape[2] != 2 or len(points) != len(logits):
            raise ValueError(f"{name} must be ({len(logits)}, points, 2), x and y; got {tuple(points.shape)}")
    if candidates.shape[1] < chosen or uniform.shape[1] < num_points - chosen:
        raise ValueError(
            f"{chosen} candidates and {num_points - chosen} uniform points are wanted; "
            f"got {candidates.shape[1]} and {uniform.shape[1]}"
        )
    doubt = uncertainty(point_sample(logits, candidates))[:, 0]  # (N, M)
    order = doubt.argsort(dim=1, descending=True, stable=True)[:, :chosen]
    kept = candidates.gather(1, order[..., None].expand(-1, -1, 2))
    return torch.cat([kept, uniform[:, : num_points - chosen]], 1)


def sample_training_points(
    logits: Tensor,
    num_points: int,
    oversample: float = 3,
    importance: float = 0.75,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Draw the points at which the head learns: most where the coarse prediction is in doubt, some anywhere.

    Parameters
    ----------
    logits : Tensor of shape (N, C, H, W)
        Coarse predictions; no gradient flows to them from here.
    num_points : int
        *P*, at least 1.
    oversample : float
        *k*, at least 1: ``int(k * P)`` candidates are drawn.
    importance : float
        :math:`\\beta`, from 0 (all uniform) to 1.
    generator : torch.Generator, optional
        On the device of `logits`. It gives the candidates first, then the uniform points.

    Returns
    -------
    Tensor of shape (N, num_points, 2)
        x, y; not on a grid. See `biased_points`.

    Notes
    -----
    [1]_, section 3.1.

    Examples
    --------
    >>> logits = torch.tensor([[[[5.0, 5.0, -5.0, -5.0]]]])
    >>> points = sample_training_points(logits, 8, 50, generator=torch.Generator().manual_seed(0))
    >>> (points[0, :6, 0] - 0.5).abs().max() < 0.1  # the boundary
    tensor(True)
    """
    _check_map("logits", logits)
    check_at_least(1, oversample=oversample)
    chosen = _share(num_points, importance)

    def draw(count: int) -> Tensor:
        dtype = torch.float64 if logits.dtype == torch.float64 else torch.float32
        settings = {"dtype": dtype, "device": logits.device, "generator": generator}
        return torch.rand(len(logits), count, 2, **settings)

    candidates, uniform = draw(int(oversample * num_points)), draw(num_points - chosen)
    with torch.no_grad():
        return biased_points(logits, candidates, uniform, num_points, importance)


# ------------------------------------------------------------------------------- asking again


class PointHead(nn.Module):
    """A small network that classifies one point by itself, from its fine features and the coarse prediction there.

    Parameters
    ----------
    in_channels : int
        Channels of the fine features.
    num_classes : int
        *K* of the coarse prediction, and of its own.
    hidden_channels : int
    num_layers : int
        Hidden layers, each with a ReLU. At least 1.

    Notes
    -----
    [1]_, section 3.3 and 4: three layers of 256. The coarse prediction is input to *every* layer, the last too. All
    points share the weights: layers are 1x1 convolutions over a row of points.

    Examples
    --------
    >>> PointHead(16, num_classes=3)(torch.rand(2, 16, 50), torch.rand(2, 3, 50)).shape
    torch.Size([2, 3, 50])
    """

    def __init__(self, in_channels: int, num_classes: int, hidden_channels: int = 256, num_layers: int = 3):
        super().__init__()
        check_at_least(
            1,
            in_channels=in_channels,
            num_classes=num_classes,
            hidden_channels=hidden_channels,
            num_layers=num_layers,
        )
        channels = [in_channels, *[hidden_channels] * num_layers]
        self.layers = nn.ModuleList(
            nn.Conv1d(before + num_classes, hidden_channels, 1) for before in channels[:-1]
        )
        self.score = nn.Conv1d(hidden_channels + num_classes, num_classes, 1)

    def forward(self, fine: Tensor, coarse: Tensor) -> Tensor:
        """Return logits (N, K, P) from fine features (N, C, P) and coarse logits (N, K, P) at the same points."""
        x = fine
        for layer in self.layers:
            x = layer(torch.cat([x, coarse], 1)).relu()
        return self.score(torch.cat([x, coarse], 1))


def evaluate_points(
    coarse: Tensor, features: Tensor, head: Callable[[Tensor, Tensor], Tensor], points: Tensor
) -> Tensor:
    """Ask the head at some points: ``head(fine, coarse)`` of what both maps hold there.

    Parameters
    ----------
    coarse : Tensor of shape (N, K, h, w)
        Coarse logits.
    features : Tensor of shape (N, C, H, W)
        Fine features.
    head : callable
        As `PointHead`: of (N, C, P) and (N, K, P) it makes (N, K, P).
    points : Tensor of shape (N, P, 2)

    Returns
    -------
    Tensor of shape (N, K, P)

    Examples
    --------
    At all pixels of a map, which is what a network without points would do:

    >>> coarse, features = torch.rand(1, 2, 4, 4), torch.rand(1, 3, 8, 8)
    >>> points = pixel_centres(16, 16)[None]
    >>> evaluate_points(coarse, features, PointHead(3, 2), points).unflatten(2, (16, 16)).shape
    torch.Size([1, 2, 16, 16])
    """
    logits = head(point_sample(features, points), point_sample(coarse, points))
    wanted = (len(coarse), coarse.shape[1], points.shape[1])
    if logits.shape != wanted:
        raise ValueError(f"head must return logits {wanted} for these points; got {tuple(logits.shape)}")
    return logits


def subdivision_step(
    logits: Tensor,
    coarse: Tensor,
    features: Tensor,
    head: Callable[[Tensor, Tensor], Tensor],
    num_points: int,
) -> Tensor:
    """Double the size of a prediction, and ask the head again at the pixels that are most in doubt.

    Parameters
    ----------
    logits : Tensor of shape (N, K, H, W)
        The prediction so far.
    coarse : Tensor of shape (N, K, h, w)
        The *first* prediction. The head reads its coarse features here at every step: it was trained on these, and what
        it said itself at an earlier step must not come back to it.
    features, head
        As in `evaluate_points`.
    num_points : int
        Pixels that are asked again. If the doubled map has no more, all are.

    Returns
    -------
    Tensor of shape (N, K, 2 * H, 2 * W)
        Bilinearly interpolated, but for the chosen pixels.

    Notes
    -----
    [1]_, section 3.1, figure 4.

    Examples
    --------
    >>> coarse = torch.tensor([[[[4.0, -2.0]]]])
    >>> subdivision_step(coarse, coarse, coarse, lambda fine, rough: 0 * rough + 9, num_points=2)[0, 0, 0]
    tensor([ 4.0000,  2.5000,  9.0000, -2.0000])
    """
    _check_map("logits", logits)
    doubled = F.interpolate(logits, scale_factor=2, mode="bilinear", align_corners=False)
    if logits.shape[:2] != coarse.shape[:2]:
        shapes = f"{tuple(logits.shape)} and {tuple(coarse.shape)}"
        raise ValueError(f"logits and coarse must be of the same images and classes; got {shapes}")
    indices, points = uncertain_points_on_grid(uncertainty(doubled), num_points)
    again = evaluate_points(coarse, features, head, points).to(doubled.dtype)
    places = indices[:, None].expand_as(again)
    return doubled.flatten(2).scatter(2, places, again).unflatten(2, doubled.shape[-2:])


def subdivision_inference(
    coarse: Tensor,
    features: Tensor,
    head: Callable[[Tensor, Tensor], Tensor],
    steps: int,
    num_points: int,
) -> Tensor:
    """Refine a coarse prediction: `steps` times `subdivision_step`.

    Parameters
    ----------
    coarse : Tensor of shape (N, K, h, w)
    features, head, num_points
        As in `subdivision_step`.
    steps : int
        At least 0, which returns `coarse`.

    Returns
    -------
    Tensor of shape (N, K, 2**steps * h, 2**steps * w)
        With `num_points` as many as pixels, this is `evaluate_points` at all of them.

    Examples
    --------
    >>> coarse, features, head = torch.rand(1, 2, 4, 5), torch.rand(1, 3, 8, 10), PointHead(3, 2)
    >>> subdivision_inference(coarse, features, head, steps=3, num_points=20).shape
    torch.Size([1, 2, 32, 40])
    """
    _check_map("coarse", coarse)
    check_whole(0, steps=steps)
    logits = coarse
    for _ in range(steps):
        logits = subdivision_step(logits, coarse, features, head, num_points)
    return logits


def points_evaluated(size: int | Sequence[int], steps: int, num_points: int) -> tuple[int, int]:
    """How often the head is asked by `subdivision_inference`, and how often it would be for all pixels.

    .. math:: \\sum_{s=1}^{S} \\min(P,\\ 4^s h w), \\qquad 4^S h w

    Parameters
    ----------
    size : int or (int, int)
        Height and width of the coarse map.
    steps, num_points : int

    Returns
    -------
    points, pixels : int

    Notes
    -----
    The sum of the steps, not the last one alone; pixels are those of the last.

    Examples
    --------
    The paper's mask head: from 7 x 7 to 224 x 224 in five steps, with 28 x 28 points a step.

    >>> points_evaluated(7, steps=5, num_points=28**2)
    (3332, 50176)
    """
    height, width = pair("size", size)
    check_at_least(1, size=(height, width))
    check_whole(1, num_points=num_points)
    check_whole(0, steps=steps)
    pixels = [4**step * height * width for step in range(steps + 1)]
    return sum(min(num_points, count) for count in pixels[1:]), pixels[-1]


def _share(num_points: int, importance: float) -> int:
    """How many of the points are chosen by their uncertainty."""
    check_whole(1, num_points=num_points)
    if not 0 <= importance <= 1:
        raise ValueError(f"importance must be from 0 to 1; got {importance}")
    return int(importance * num_points)


def _check_map(name: str, x: Tensor) -> None:
    if x.dim() != 4:
        raise ValueError(f"{name} must be (N, C, H, W); got {tuple(x.shape)}")
