"""Features of a region: RoI Pool snaps a box to the grid, RoI Align reads between the grid's cells.

Coordinates are those of torchvision's compiled operators. On the feature map, cell *i* stands at coordinate *i*.
A box in image pixels is multiplied by `spatial_scale`; only with ``aligned=True`` is it then moved by half a
cell, so that the centre of an image pixel and the centre of a cell mean the same place.

References
----------
.. [1] R. Girshick, "Fast R-CNN", ICCV 2015.
.. [2] K. He, G. Gkioxari, P. Dollár and R. Girshick, "Mask R-CNN", ICCV 2017.
.. [3] T.-Y. Lin, P. Dollár, R. Girshick, K. He, B. Hariharan and S. Belongie, "Feature pyramid networks for
   object detection", CVPR 2017.
.. [4] M. Jaderberg, K. Simonyan, A. Zisserman and K. Kavukcuoglu, "Spatial transformer networks", NeurIPS 2015.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from math import isfinite
from numbers import Integral

import torch
import torch.nn.functional as F
from torch import Tensor

from dlcv.arguments import check_at_least, check_tensors, pair

__all__ = [
    "bilinear_sample",
    "bilinear_scatter",
    "fpn_level",
    "position_map",
    "roi_align",
    "roi_align_naive",
    "roi_pool",
    "roi_pool_naive",
    "round_half_away",
    "sample_points",
    "shift_errors",
    "snapped_boxes",
]


# --------------------------------------------------------------------------------- between the cells


def bilinear_sample(features: Tensor, y: Tensor | float, x: Tensor | float) -> Tensor:
    """Read a feature map at float coordinates: a weighted mean of the four cells around each point.

    .. math:: f(y, x) = \\sum_{i,j} f_{ij} \\, \\max(0, 1 - |y - i|) \\, \\max(0, 1 - |x - j|)

    Parameters
    ----------
    features : Tensor of shape (..., H, W)
        One or more maps; cell (i, j) stands at ``y = i, x = j``. Whole numbers are taken for floats.
    y, x : Tensor of shape S, or float
        Coordinates down and across; shapes are broadcast against each other.

    Returns
    -------
    Tensor of shape (..., *S)
        Each map at each point.

    Raises
    ------
    ValueError
        If `features` has fewer than two dimensions or no cell.

    Notes
    -----
    The border has three zones, the same on all four sides. Up to one cell outside the first centre (and up to
    coordinate *H* at the far end) the nearest border cell's value goes on: coordinates are clamped. Farther out,
    the value is 0. With exactly -1 and exactly *H* a point still counts as near.

    He et al. [2]_, figure 3; the kernel of Jaderberg et al. [4]_, equation 5.

    Examples
    --------
    Four tenths of the way down and half-way across:

    >>> features = torch.tensor([[0.0, 10.0], [20.0, 30.0]])
    >>> bilinear_sample(features, 0.4, 0.5)
    tensor(13.)
    """
    check_tensors(features=features)
    if features.dim() < 2 or not features.shape[-1] * features.shape[-2]:
        raise ValueError(f"features must be (..., H, W) with at least one cell; got {tuple(features.shape)}")
    if not features.is_floating_point():
        features = features.to(torch.get_default_dtype())
    y, x = torch.broadcast_tensors(_coordinates(y, features), _coordinates(x, features))
    (rows, down), (columns, across) = _corners(y, features.shape[-2]), _corners(x, features.shape[-1])
    corners = features[..., rows[..., :, None], columns[..., None, :]]  # (..., *S, 2, 2)
    weights = down[..., :, None] * across[..., None, :]
    return (corners * weights.to(features.dtype)).sum((-2, -1))


def _coordinates(value: Tensor | float, features: Tensor) -> Tensor:
    if isinstance(value, Tensor) and value.is_floating_point():
        return value
    return torch.as_tensor(value, dtype=features.dtype, device=features.device)


def _corners(position: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Return the two cells beside each position on one axis, and their weights: both (*S, 2)."""
    near = (position >= -1) & (position <= size)
    position = torch.where(near, position, 0).clamp(0, size - 1)
    low = position.detach().floor().long()
    high = (low + 1).clamp(max=size - 1)
    fraction = position - low
    weights = torch.stack([1 - fraction, fraction], -1) * near[..., None]
    return torch.stack([low, high], -1), weights


def bilinear_scatter(gradient: Tensor, size: Sequence[int], y: Tensor, x: Tensor) -> Tensor:
    """The way back of `bilinear_sample`: each point's gradient lands on the four cells that it was read from.

    .. math:: \\frac{\\partial L}{\\partial f_{ij}}
              = \\sum_p g_p \\, \\max(0, 1 - |y_p - i|) \\, \\max(0, 1 - |x_p - j|)

    Parameters
    ----------
    gradient : Tensor of shape (P,)
        Gradient of the loss with respect to each sampled value.
    size : (int, int)
        Height and width of the map.
    y, x : Tensor of shape (P,)
        Where the values were read.

    Returns
    -------
    Tensor of shape (H, W)
        Gradient with respect to the map. Points that share a cell add up there; points that were too far out to
        be read give nothing.

    Raises
    ------
    ValueError
        If `gradient`, `y` and `x` are not three lists of the same length, or the map has no cell.

    Notes
    -----
    Reading is linear in the map, so reading and this are adjoint: ``<sample(f), g> = <f, scatter(g)>``.

    Examples
    --------
    >>> bilinear_scatter(torch.tensor([8.0]), (2, 3), torch.tensor([0.5]), torch.tensor([1.25]))
    tensor([[0., 3., 1.],
            [0., 3., 1.]])
    """
    height, width = pair("size", size)
    check_at_least(1, size=(height, width))
    if gradient.dim() != 1 or not gradient.shape == y.shape == x.shape:
        given = ", ".join(str(tuple(part.shape)) for part in (gradient, y, x))
        raise ValueError(f"gradient, y and x must all be (P,); got {given}")
    if not gradient.is_floating_point():
        gradient = gradient.to(torch.get_default_dtype())
    (rows, down), (columns, across) = _corners(y, height), _corners(x, width)
    places = rows[:, :, None] * width + columns[:, None, :]  # (P, 2, 2)
    parts = gradient[:, None, None] * down[:, :, None] * across[:, None, :]
    parts = parts.to(gradient.dtype)
    scattered = gradient.new_zeros(height * width).index_add(0, places.flatten(), parts.flatten())
    return scattered.reshape(height, width)


# ------------------------------------------------------------------------------------------ RoI Pool


def round_half_away(x: Tensor) -> Tensor:
    """Round to whole numbers as C does: a half goes away from zero. (`torch.round` takes it to the even side.)

    Examples
    --------
    >>> round_half_away(torch.tensor([0.5, 1.5, 2.5, -0.5, -2.5]))
    tensor([ 1.,  2.,  3., -1., -3.])
    """
    whole = x.trunc()
    return whole + x.sign() * ((x - whole).abs() >= 0.5)


def snapped_boxes(rois: Tensor, spatial_scale: float = 1.0) -> Tensor:
    """The cells that RoI Pool takes for each box: its corners rounded, the last row and column included.

    Parameters
    ----------
    rois : Tensor of shape (K, 5)
        ``batch, x1, y1, x2, y2`` in image pixels.
    spatial_scale : float
        Feature cells a pixel, 1 / stride.

    Returns
    -------
    int64 Tensor of shape (K, 4)
        ``left, top, right, bottom``: first column and row, and one past the last. At least one cell in each
        direction, also for a box whose corners have changed places.

    Examples
    --------
    >>> snapped_boxes(torch.tensor([[0, 8.0, 8.0, 40.0, 24.0]]), spatial_scale=1 / 16)
    tensor([[1, 1, 4, 3]])
    """
    _check_rois(rois)
    first, last = round_half_away(_floating(rois)[:, 1:] * spatial_scale).long().split(2, 1)
    return torch.cat([first, first + (last - first + 1).clamp(min=1)], 1)


def roi_pool_naive(
    features: Tensor, rois: Tensor, output_size: int | Sequence[int], spatial_scale: float = 1.0
) -> Tensor:
    """RoI Pool with loops over boxes and bins: the definition, bin by bin.

    Takes and returns what `roi_pool` does.

    Examples
    --------
    >>> features = torch.arange(16.0).reshape(1, 1, 4, 4)
    >>> roi_pool_naive(features, torch.tensor([[0, 0.0, 0.0, 2.0, 2.0]]), 2)
    tensor([[[[ 5.,  6.],
              [ 9., 10.]]]])
    """
    (height, width), (bins_y, bins_x) = _check(features, rois, output_size, spatial_scale)
    out = features.new_zeros(len(rois), features.shape[1], bins_y, bins_x)
    left, top, right, bottom = snapped_boxes(rois, spatial_scale).unbind(1)
    rows = _bin_edges(top, bottom - top, bins_y, height, _floating(rois).dtype)
    columns = _bin_edges(left, right - left, bins_x, width, _floating(rois).dtype)
    for k, i, j in product(range(len(rois)), range(bins_y), range(bins_x)):
        (y0, y1), (x0, x1) = (edge[k, i] for edge in rows), (edge[k, j] for edge in columns)
        if y1 > y0 and x1 > x0:
            out[k, :, i, j] = features[int(rois[k, 0]), :, y0:y1, x0:x1].amax((1, 2))
    return out


def _bin_edges(
    start: Tensor, size: Tensor, bins: int, limit: int, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """First cell, and one past the last, of each bin, clipped to the map: both (K, bins)."""
    step = torch.arange(bins + 1, device=start.device, dtype=dtype) * (size.to(dtype) / bins)[:, None]
    low, high = step[:, :-1].floor().long(), step[:, 1:].ceil().long()
    return (low + start[:, None]).clamp(0, limit), (high + start[:, None]).clamp(0, limit)


def roi_pool(
    features: Tensor, rois: Tensor, output_size: int | Sequence[int], spatial_scale: float = 1.0
) -> Tensor:
    """The largest value in each bin of each box, on whole cells only; torchvision's compiled ``roi_pool``.

    The box is rounded to whole cells (first snap) and divided into bins, whose edges are rounded outwards
    (second snap: neighbouring bins may share cells). So each bin is a bag of whole cells, of which the largest
    counts; all bags of all boxes are read at once.

    Parameters
    ----------
    features : Tensor of shape (N, C, H, W)
    rois : Tensor of shape (K, 5)
        ``batch, x1, y1, x2, y2`` in image pixels. No gradient flows to them.
    output_size : int or (int, int)
        Bins down and across.
    spatial_scale : float
        Feature cells a pixel, 1 / stride.

    Returns
    -------
    Tensor of shape (K, C, bins down, bins across)
        A bin that lies outside the map is 0. Gradients go to the first largest cell of a bin.

    Raises
    ------
    ValueError
        If shapes do not fit, or a batch index is not in the batch.

    Notes
    -----
    Girshick [1]_, section 2.1. Halves are rounded away from zero (C's ``round``), the last row and column of the
    rounded box belong to it, and the smallest box is one cell.

    Examples
    --------
    Four columns make three bins of 4/3 columns. Rounded outwards, each bin is two columns wide:

    >>> features = torch.tensor([[[[3.0, 1.0, 2.0, 5.0]]]])
    >>> roi_pool(features, torch.tensor([[0, 0.0, 0.0, 3.0, 0.0]]), (1, 3))
    tensor([[[[3., 2., 5.]]]])
    """
    (height, width), (bins_y, bins_x) = _check(features, rois, output_size, spatial_scale)
    left, top, right, bottom = snapped_boxes(rois, spatial_scale).unbind(1)
    dtype = _floating(rois).dtype
    y0, y1 = _bin_edges(top, bottom - top, bins_y, height, dtype)
    x0, x1 = _bin_edges(left, right - left, bins_x, width, dtype)
    cells = _cells(features)
    first = rois[:, 0].long()[:, None, None] * (height * width) + y0[:, :, None] * width + x0[:, None, :]
    rows, columns = (y1 - y0)[:, :, None].expand_as(first), (x1 - x0)[:, None, :].expand_as(first)
    bags, starts = _windows(first.flatten(), rows.flatten(), columns.flatten(), width)
    values = F.embedding_bag(bags, cells, starts, mode="max")  # an empty bag gives 0
    return values.reshape(len(rois), bins_y, bins_x, features.shape[1]).permute(0, 3, 1, 2)


def _windows(first: Tensor, rows: Tensor, columns: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """All cells of all windows, window after window, row by row, and where in that list each window starts."""
    counts = rows.clamp(min=0) * columns.clamp(min=0)
    starts = counts.cumsum(0) - counts
    window = torch.arange(len(counts), device=counts.device).repeat_interleave(counts)
    step = torch.arange(len(window), device=counts.device) - starts[window]
    return first[window] + step // columns[window] * width + step % columns[window], starts


# ----------------------------------------------------------------------------------------- RoI Align


def sample_points(
    box: Tensor, output_size: int | Sequence[int], sampling_ratio: int | Sequence[int]
) -> Tensor:
    """Where RoI Align reads: the middles of a regular grid of sub-cells in each bin of a box.

    .. math:: x_{j b} = x_1 + \\left( j + \\frac{b + 1/2}{s} \\right) \\frac{x_2 - x_1}{n}
              \\qquad j = 0 \\ldots n - 1,\\; b = 0 \\ldots s - 1

    Parameters
    ----------
    box : Tensor of shape (4,)
        ``x1, y1, x2, y2`` in feature cells, not rounded.
    output_size : int or (int, int)
        Bins down and across.
    sampling_ratio : int or (int, int)
        Points a bin, down and across, at least 1.

    Returns
    -------
    Tensor of shape (bins down, bins across, points down, points across, 2)
        Points as (x, y).

    Notes
    -----
    He et al. [2]_, section 3 and figure 3: four points a bin, and none of them rounded.

    Examples
    --------
    >>> sample_points(torch.tensor([1.0, 2.0, 5.0, 4.0]), 2, 2)[0, 0]
    tensor([[[1.5000, 2.2500],
             [2.5000, 2.2500]],
    <BLANKLINE>
            [[1.5000, 2.7500],
             [2.5000, 2.7500]]])
    """
    bins_y, bins_x = pair("output_size", output_size)
    down, across = pair("sampling_ratio", sampling_ratio)
    check_at_least(1, output_size=(bins_y, bins_x), sampling_ratio=(down, across))
    check_tensors(box=box)
    if box.shape != (4,):
        raise ValueError(f"box must be (4,) as x1, y1, x2, y2; got {tuple(box.shape)}")
    x1, y1, x2, y2 = _floating(box)[None].unbind(1)
    y = _axis_points(y1, y2 - y1, bins_y, down)[0]  # (bins down, points down)
    x = _axis_points(x1, x2 - x1, bins_x, across)[0]
    shape = (bins_y, bins_x, down, across)
    return torch.stack([x[None, :, None, :].expand(shape), y[:, None, :, None].expand(shape)], -1)


def _axis_points(start: Tensor, size: Tensor, bins: int, points: int) -> Tensor:
    """Sample positions on one axis, (K, bins, points); the order of operations is that of the compiled kernel."""
    bin_size = (size / bins)[:, None, None]
    corner = start[:, None, None] + torch.arange(bins, device=start.device)[:, None] * bin_size
    return corner + (torch.arange(points, device=start.device) + 0.5).to(size.dtype) * bin_size / points


def roi_align_naive(
    features: Tensor,
    rois: Tensor,
    output_size: int | Sequence[int],
    spatial_scale: float = 1.0,
    sampling_ratio: int = -1,
    aligned: bool = False,
) -> Tensor:
    """RoI Align with loops over boxes and bins: sample points, read, take the mean.

    Takes and returns what `roi_align` does.

    Examples
    --------
    >>> ramp = torch.arange(5.0).expand(1, 1, 5, 5)
    >>> roi_align_naive(ramp, torch.tensor([[0, 0.5, 0.5, 3.5, 3.5]]), (1, 3))
    tensor([[[[1., 2., 3.]]]])
    """
    _, (bins_y, bins_x) = _check(features, rois, output_size, spatial_scale)
    out = features.new_zeros(len(rois), features.shape[1], bins_y, bins_x)
    boxes, grids = _placed(rois, output_size, spatial_scale, sampling_ratio, aligned)
    for k, (box, (down, across)) in enumerate(zip(boxes, grids.tolist(), strict=True)):
        if down < 1 or across < 1:
            continue  # an aligned box without area has no sample: its bins stay 0
        points = sample_points(box, output_size, (down, across))
        for i, j in product(range(bins_y), range(bins_x)):
            x, y = points[i, j].flatten(0, 1).unbind(-1)
            out[k, :, i, j] = bilinear_sample(features[int(rois[k, 0])], y, x).mean(-1)
    return out


def roi_align(
    features: Tensor,
    rois: Tensor,
    output_size: int | Sequence[int],
    spatial_scale: float = 1.0,
    sampling_ratio: int = -1,
    aligned: bool = False,
) -> Tensor:
    """The mean of sample points in each bin of each box, nothing rounded; torchvision's compiled ``roi_align``.

    Bilinear weights are a product of a weight down and a weight across, and the grid of sample points is one,
    too. So the weights of a bin are made for each axis alone and multiplied, and all bins of all boxes are read
    in one weighted gather.

    Parameters
    ----------
    features : Tensor of shape (N, C, H, W)
    rois : Tensor of shape (K, 5)
        ``batch, x1, y1, x2, y2`` in image pixels. No gradient flows to them.
    output_size : int or (int, int)
        Bins down and across.
    spatial_scale : float
        Feature cells a pixel, 1 / stride.
    sampling_ratio : int
        Points a bin in each direction. 0 or less: as many as the bin has cells, rounded up, for each box and
        each direction by itself.
    aligned : bool
        False, the older form: cell 0 stands at pixel 0, and boxes smaller than one cell are made one cell large.
        True: the box moves by half a cell *after* scaling, so that centres lie on centres, and keeps its size.

    Returns
    -------
    Tensor of shape (K, C, bins down, bins across)
        Points farther out than one cell count as 0 and stay in the mean. An aligned box of negative or zero size
        has no points where `sampling_ratio` is adaptive, and gives 0.

    Raises
    ------
    ValueError
        If shapes do not fit, or a batch index is not in the batch.

    Notes
    -----
    He et al. [2]_, section 3, "RoIAlign".

    Examples
    --------
    On a ramp every bin gives the coordinate of its centre, wherever the box lies:

    >>> ramp = torch.arange(8.0).expand(1, 1, 8, 8)
    >>> roi_align(ramp, torch.tensor([[0, 1.1, 1.0, 5.1, 5.0]]), (1, 2), sampling_ratio=2)
    tensor([[[[2.1000, 4.1000]]]])
    """
    (height, width), (bins_y, bins_x) = _check(features, rois, output_size, spatial_scale)
    boxes, grids = _placed(rois, output_size, spatial_scale, sampling_ratio, aligned)
    x1, y1, x2, y2 = boxes.unbind(1)
    cells, base = _cells(features), rois[:, 0].long() * (height * width)
    # An empty sum, so that a batch without a box still reaches the features, with gradient zero.
    groups, sums = [base[:0]], [cells.new_zeros(0, bins_y * bins_x, cells.shape[1]) + cells[:0].sum()]
    for group, down, across in _groups(grids):
        y = _axis_points(y1[group], (y2 - y1)[group], bins_y, down)
        x = _axis_points(x1[group], (x2 - x1)[group], bins_x, across)
        rows, weights_y = (part.flatten(2) for part in _corners(y, height))  # (k, bins down, 2 * points)
        columns, weights_x = (part.flatten(2) for part in _corners(x, width))
        places = rows[:, :, None, :, None] * width + columns[:, None, :, None, :]
        places = places + base[group][:, None, None, None, None]
        weights = weights_y[:, :, None, :, None] * weights_x[:, None, :, None, :] / (down * across)
        groups.append(group)
        sums.append(_weighted_sums(cells, places.flatten(3), weights.flatten(3)))
    out = cells.new_zeros(len(rois), bins_y * bins_x, cells.shape[1])
    out = out.index_copy(0, torch.cat(groups), torch.cat(sums))
    return out.reshape(len(rois), bins_y, bins_x, features.shape[1]).permute(0, 3, 1, 2)


def _placed(
    rois: Tensor, output_size: int | Sequence[int], spatial_scale: float, sampling_ratio: int, aligned: bool
) -> tuple[Tensor, Tensor]:
    """Boxes on the feature map, (K, 4), and the points a bin of each, (K, 2) as down, across."""
    if not isinstance(sampling_ratio, Integral):
        raise ValueError(f"sampling_ratio must be an int; got {sampling_ratio!r}")
    first, last = (_floating(rois)[:, 1:] * spatial_scale - (0.5 if aligned else 0.0)).split(2, 1)
    size = last - first if aligned else (last - first).clamp(min=1)
    boxes = torch.cat([first, first + size], 1)
    if sampling_ratio > 0:
        return boxes, torch.full((len(rois), 2), sampling_ratio, device=rois.device)
    bins = torch.tensor(pair("output_size", output_size), device=rois.device)
    return boxes, (size.flip(1) / bins).ceil().long().clamp(min=0)


def _groups(grids: Tensor) -> Iterator[tuple[Tensor, int, int]]:
    """Boxes that have the same number of points down and across; those without a point are left out."""
    for grid in grids.unique(dim=0).tolist():
        if min(grid) > 0:
            group = (grids == torch.tensor(grid, device=grids.device)).all(1).nonzero()[:, 0]
            yield group, *grid


def _weighted_sums(cells: Tensor, places: Tensor, weights: Tensor) -> Tensor:
    """Return sum_t weights[..., t] * cells[places[..., t]] as (k, bins, C), without a copy of what is read."""
    terms = places.shape[-1]
    sums = F.embedding_bag(
        places.reshape(-1, terms),
        cells,
        mode="sum",
        per_sample_weights=weights.reshape(-1, terms).to(cells.dtype),
    )
    return sums.reshape(*places.shape[:-1], cells.shape[1]).flatten(1, -2)


# ------------------------------------------------------------------------------ which map, how exact


def fpn_level(boxes: Tensor, k0: int = 4, s0: float = 224, k_min: int = 2, k_max: int = 5) -> Tensor:
    """Which level of a feature pyramid a box reads from: large boxes from coarse maps.

    .. math:: k = \\left\\lfloor k_0 + \\log_2 \\frac{\\sqrt{w h}}{s_0} \\right\\rfloor

    Parameters
    ----------
    boxes : Tensor of shape (K, 4)
        ``x1, y1, x2, y2`` in image pixels.
    k0 : int
        Level of a box of `s0` x `s0` pixels.
    s0 : float
        The canonical size, ImageNet's 224.
    k_min, k_max : int
        First and last level that there is; level *k* has stride 2**k.

    Returns
    -------
    int64 Tensor of shape (K,)
        Clamped to [k_min, k_max]; boxes without area go to `k_min`.

    Raises
    ------
    ValueError
        If the boxes are no boxes, or there is no level from `k_min` to `k_max`.

    Notes
    -----
    Lin et al. [3]_, equation 1. As in torchvision, 1e-6 is added before rounding down, so that a box of exactly
    half the size is not pushed a level further by the last bit of its square root.

    Examples
    --------
    >>> fpn_level(torch.tensor([[0, 0, 224.0, 224], [0, 0, 112, 112], [0, 0, 111, 112], [0, 0, 9, 9]]))
    tensor([4, 3, 2, 2])
    """
    check_tensors(boxes=boxes)
    if boxes.dim() != 2 or boxes.shape[1] != 4:
        raise ValueError(f"boxes must be (K, 4) as x1, y1, x2, y2; got {tuple(boxes.shape)}")
    if k_min > k_max or not s0 > 0:
        raise ValueError(f"k_min must be at most k_max, and s0 positive; got {k_min}, {k_max} and {s0}")
    if boxes.isnan().any():
        raise ValueError("boxes must be numbers; some are NaN")
    corners = _floating(boxes)
    corners = corners.to(torch.promote_types(corners.dtype, torch.float32))  # an area overflows in float16
    w, h = (corners[:, 2:] - corners[:, :2]).clamp(min=0).unbind(1)
    levels = torch.floor(k0 + torch.log2(torch.sqrt(w * h) / s0) + 1e-6)
    return levels.clamp(k_min, k_max).long()


def position_map(size: int, spatial_scale: float) -> Tensor:
    """A feature map (1, 1, size, size) in which each cell holds how far to the right it stands in the image.

    Cell *j* covers the pixels from *j / scale* to *(j + 1) / scale*; its centre is at *(j + 1/2) / scale*.

    Examples
    --------
    >>> position_map(4, spatial_scale=1 / 16)[0, 0, 0]
    tensor([ 8., 24., 40., 56.])
    """
    check_at_least(1, size=size)
    _check_scale(spatial_scale)
    return ((torch.arange(size) + 0.5) / spatial_scale).expand(1, 1, size, size).contiguous()


def shift_errors(
    features: Tensor, box: Tensor, shifts: Tensor, spatial_scale: float, output_size: Sequence[int]
) -> Tensor:
    """By how many pixels RoI Pool and RoI Align lose a box that moves to the right.

    When the box moves by *d*, an operator that follows it over a `position_map` gives numbers larger by *d*.

    .. math:: e(d) = \\operatorname{mean} \\left| y(d) - y(0) - d \\right|

    Parameters
    ----------
    features : Tensor of shape (1, 1, H, W)
        A `position_map`, large enough for the box and its moved copies.
    box : Tensor of shape (4,)
        ``x1, y1, x2, y2`` in image pixels.
    shifts : Tensor of shape (S,)
        Pixels to the right.
    spatial_scale : float
        Feature cells a pixel.
    output_size : (int, int)
        Bins down and across.

    Returns
    -------
    Tensor of shape (2, S)
        Mean over bins: first row `roi_pool`, second row `roi_align` (aligned, two points a bin and direction).

    Examples
    --------
    RoI Pool loses a box that moves less than its rounding sees; RoI Align follows:

    >>> box, shifts = torch.tensor([32.0, 32, 96, 96]), torch.tensor([0.0, 4, 16])
    >>> shift_errors(position_map(10, 1 / 16), box, shifts, 1 / 16, (2, 2))
    tensor([[0., 4., 0.],
            [0., 0., 0.]])
    """
    if box.shape != (4,) or shifts.dim() != 1:
        given = f"{tuple(box.shape)} and {tuple(shifts.shape)}"
        raise ValueError(f"box must be (4,) as x1, y1, x2, y2, and shifts (S,); got {given}")
    moved = _floating(box).repeat(len(shifts) + 1, 1)
    moved[1:, 0::2] += shifts[:, None]
    rois = torch.cat([moved.new_zeros(len(moved), 1), moved], 1)
    pooled = roi_pool(features, rois, output_size, spatial_scale)
    aligned = roi_align(features, rois, output_size, spatial_scale, sampling_ratio=2, aligned=True)
    outputs = torch.stack([pooled, aligned]).flatten(2)  # (2, 1 + S, bins)
    return (outputs[:, 1:] - outputs[:, :1] - shifts[:, None]).abs().mean(-1)


# ------------------------------------------------------------------------------------------ the door


def _cells(features: Tensor) -> Tensor:
    """All cells of all maps as rows of C numbers: (N * H * W, C)."""
    return features.permute(0, 2, 3, 1).flatten(0, 2).contiguous()


def _floating(boxes: Tensor) -> Tensor:
    """Boxes as numbers that can be divided, cut off from the graph: no gradient flows to them."""
    boxes = boxes.detach()
    return boxes if boxes.is_floating_point() else boxes.to(torch.get_default_dtype())


def _check(
    features: Tensor, rois: Tensor, output_size: int | Sequence[int], spatial_scale: float
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Height and width of the features, and of the output."""
    check_tensors(features=features)
    if features.dim() != 4 or not features.shape[2] * features.shape[3]:
        raise ValueError(f"features must be (N, C, H, W) with at least one cell; got {tuple(features.shape)}")
    if not features.is_floating_point():
        raise ValueError(f"features must be floating-point numbers; got {features.dtype}")
    _check_rois(rois)
    _check_scale(spatial_scale)
    bins = pair("output_size", output_size)
    check_at_least(1, output_size=bins)
    if len(rois):
        low, high = rois[:, 0].aminmax()
        if not (low >= 0 and high < len(features)):  # NaN is neither
            images = f"0 to {len(features) - 1}" if len(features) else "of an image, but there is none"
            raise ValueError(f"batch indices must be {images}; got {low:g} to {high:g}")
    return features.shape[2:], bins


def _check_rois(rois: Tensor) -> None:
    check_tensors(rois=rois)
    if rois.dim() != 2 or rois.shape[1] != 5:
        raise ValueError(f"rois must be (K, 5) as batch, x1, y1, x2, y2; got {tuple(rois.shape)}")


def _check_scale(spatial_scale: float) -> None:
    if not (spatial_scale > 0 and isfinite(spatial_scale)):
        raise ValueError(f"spatial_scale must be positive, 1 / stride; got {spatial_scale}")
