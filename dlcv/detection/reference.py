"""Boxes: how alike two are, where to look for them, what to learn from them, and which of many to keep.

Boxes are ``x1, y1, x2, y2`` in continuous pixels: a box that covers the columns 3 and 4 has x1 = 3 and x2 = 5, so its
width is x2 - x1, and nothing is added.

References
----------
.. [1] S. Ren, K. He, R. Girshick and J. Sun, "Faster R-CNN: towards real-time object detection with region proposal
   networks", NeurIPS 2015.
.. [2] R. Girshick, "Fast R-CNN", ICCV 2015.
.. [3] R. Girshick, J. Donahue, T. Darrell and J. Malik, "Rich feature hierarchies for accurate object detection and
   semantic segmentation", CVPR 2014: R-CNN.
.. [4] H. Rezatofighi, N. Tsoi, J. Gwak, A. Sadeghian, I. Reid and S. Savarese, "Generalized intersection over union",
   CVPR 2019.
.. [5] J. Redmon, S. Divvala, R. Girshick and A. Farhadi, "You only look once: unified, real-time object detection",
   CVPR 2016.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from numbers import Real

import torch
import torch.nn.functional as F
from torch import Tensor

from dlcv.arguments import check_at_least, pair, per_axis, precise, several

__all__ = [
    "HEAD_WEIGHTS",
    "NEGATIVE",
    "NEUTRAL",
    "batched_nms",
    "box_area",
    "box_head_loss",
    "box_head_targets",
    "box_iou",
    "clip_boxes",
    "decode_boxes",
    "encode_boxes",
    "generalized_box_iou",
    "make_anchors",
    "match_anchors",
    "nms",
    "nms_naive",
    "rpn_loss",
    "rpn_targets",
    "sample_matches",
    "yolo_target_shape",
]

NEGATIVE, NEUTRAL = -1, -2
"""What `match_anchors` says of an anchor that has no ground truth: background, or neither."""

CLIP = math.log(1000 / 16)
"""Largest log factor that a box may grow by: from 16 pixels to 1000."""

BETA = 1 / 9
"""Where smooth L1 turns from a parabola into a line."""

HEAD_WEIGHTS = (10.0, 10.0, 5.0, 5.0)
"""Scales of the box head's targets, which are smaller than the RPN's: its boxes nearly fit already."""


# ------------------------------------------------------------------------------------------- overlap


def box_area(boxes: Tensor) -> Tensor:
    """Width times height of boxes (..., 4): (...).

    Examples
    --------
    >>> box_area(torch.tensor([[0.0, 0, 2, 3], [1, 1, 1, 5]]))
    tensor([6., 0.])
    """
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])


def box_iou(a: Tensor, b: Tensor) -> Tensor:
    """Intersection over union of each box of one list with each of another.

    .. math:: \\text{IoU}(A, B) = \\frac{|A \\cap B|}{|A \\cup B|}
              = \\frac{|A \\cap B|}{|A| + |B| - |A \\cap B|}

    Parameters
    ----------
    a : Tensor of shape (N, 4)
        ``x1, y1, x2, y2``.
    b : Tensor of shape (M, 4)

    Returns
    -------
    Tensor of shape (N, M)
        From 0, where boxes are disjoint or only touch, to 1, where they are equal. Where the union is empty, that is,
        for two boxes without area, it is 0. (torchvision gives NaN there.)

    Raises
    ------
    ValueError
        If `a` or `b` is not a list of boxes.

    Examples
    --------
    Two squares of 2 x 2 that share one pixel: 1 / (4 + 4 - 1).

    >>> box_iou(torch.tensor([[0.0, 0, 2, 2]]), torch.tensor([[1.0, 1, 3, 3], [2, 0, 4, 2]]))
    tensor([[0.1429, 0.0000]])
    """
    intersection, union = _intersection_and_union(_boxes("a", a), _boxes("b", b))
    return _divide(intersection, union)


def _intersection_and_union(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    left, top, _, _ = _pairs(torch.maximum, a, b)
    _, _, right, bottom = _pairs(torch.minimum, a, b)
    intersection = (right - left).clamp(min=0) * (bottom - top).clamp(min=0)
    return intersection, box_area(a)[:, None] + box_area(b)[None, :] - intersection


def _pairs(choose: Callable[[Tensor, Tensor], Tensor], a: Tensor, b: Tensor) -> list[Tensor]:
    """The larger, or the smaller, of each two boxes' x1, y1, x2 and y2: four times (N, M)."""
    return [
        choose(mine[:, None], other[None, :]) for mine, other in zip(a.unbind(1), b.unbind(1), strict=True)
    ]


def _divide(part: Tensor, whole: Tensor) -> Tensor:
    """part / whole, and 0 where the whole is 0; no NaN in the gradient either."""
    nothing = whole == 0
    return (part / whole.masked_fill(nothing, 1)).masked_fill(nothing, 0)


def generalized_box_iou(a: Tensor, b: Tensor) -> Tensor:
    """IoU minus the empty share of the smallest box around both: it tells near boxes from far ones.

    .. math:: \\text{GIoU}(A, B) = \\text{IoU}(A, B) - \\frac{|C| - |A \\cup B|}{|C|}

    Parameters
    ----------
    a : Tensor of shape (N, 4)
        ``x1, y1, x2, y2``.
    b : Tensor of shape (M, 4)

    Returns
    -------
    Tensor of shape (N, M)
        From -1, for small boxes that are far apart, to 1. Where the enclosing box *C* has no area, there is nothing to
        take away, and it is the IoU, 0.

    Notes
    -----
    Rezatofighi et al. [4]_, algorithm 1. IoU has no gradient where boxes are disjoint; this has.

    Examples
    --------
    Two unit squares, two apart: the box around them has an area of 4, half of which is empty.

    >>> generalized_box_iou(torch.tensor([[0.0, 0, 1, 1]]), torch.tensor([[3.0, 0, 4, 1]]))
    tensor([[-0.5000]])
    """
    a, b = _boxes("a", a), _boxes("b", b)
    intersection, union = _intersection_and_union(a, b)
    left, top, _, _ = _pairs(torch.minimum, a, b)
    _, _, right, bottom = _pairs(torch.maximum, a, b)
    enclosing = (right - left).clamp(min=0) * (bottom - top).clamp(min=0)
    return _divide(intersection, union) - _divide(enclosing - union, enclosing)


# ------------------------------------------------------------------------------------------- anchors


def make_anchors(
    feature_size: int | Sequence[int],
    stride: float | Sequence[float],
    sizes: Sequence[float],
    aspect_ratios: Sequence[float],
    offset: float = 0.0,
) -> Tensor:
    """Boxes of several sizes and shapes at every cell of a feature map.

    .. math:: w = s / \\sqrt{r}, \\quad h = s \\sqrt{r}, \\quad
              x = (j + \\text{offset}) \\cdot \\text{stride}, \\quad y = (i + \\text{offset}) \\cdot \\text{stride}

    Parameters
    ----------
    feature_size : int or (int, int)
        Height and width of the map in cells.
    stride : number or (number, number)
        Pixels a cell, down and across.
    sizes : sequence of float
        Each the square root of an anchor's area, in pixels.
    aspect_ratios : sequence of float
        Height divided by width.
    offset : float
        Where in its cell an anchor's centre stands: 0 at the upper left corner, 0.5 in the middle.

    Returns
    -------
    Tensor of shape (H * W * sizes * ratios, 4)
        Cells row by row; in each cell size by size; for each size ratio by ratio.

    Notes
    -----
    Ren et al. [1]_, section 3.1.1. torchvision's generator walks through ratios first and sizes second, rounds the
    anchors' corners to whole pixels, and knows no offset.

    Examples
    --------
    >>> make_anchors((1, 2), stride=8, sizes=[4], aspect_ratios=[1, 4])
    tensor([[-2., -2.,  2.,  2.],
            [-1., -4.,  1.,  4.],
            [ 6., -2., 10.,  2.],
            [ 7., -4.,  9.,  4.]])
    """
    height, width = pair("feature_size", feature_size)
    down, across = pair("stride", stride, Real)
    check_at_least(0, feature_size=(height, width))
    sizes, aspect_ratios = several("sizes", sizes, Real), several("aspect_ratios", aspect_ratios, Real)
    for name, values in {"stride": (down, across), "sizes": sizes, "aspect_ratios": aspect_ratios}.items():
        if not all(value > 0 for value in values):
            raise ValueError(f"{name} must be above 0; got {values}")
    dtype = torch.get_default_dtype()
    size = torch.tensor(sizes, dtype=dtype)[:, None]
    root = torch.tensor(aspect_ratios, dtype=dtype).sqrt()[None, :]
    half = torch.stack([size / root, size * root], -1).reshape(-1, 2) / 2  # (A, 2) as w, h
    y = (torch.arange(height, dtype=dtype) + offset) * down
    x = (torch.arange(width, dtype=dtype) + offset) * across
    y, x = torch.meshgrid(y, x, indexing="ij")
    centre = torch.stack([x, y], -1).reshape(-1, 1, 2)  # (H * W, 1, 2)
    return torch.cat([centre - half, centre + half], -1).reshape(-1, 4)


def encode_boxes(boxes: Tensor, anchors: Tensor, weights: Sequence[float] = (1, 1, 1, 1)) -> Tensor:
    """What a network must say of an anchor so that the box comes out: where to move it, how to stretch it.

    .. math:: t_x = w_x \\frac{x - x_a}{w_a}, \\quad t_y = w_y \\frac{y - y_a}{h_a}, \\quad
              t_w = w_w \\log \\frac{w}{w_a}, \\quad t_h = w_h \\log \\frac{h}{h_a}

    with *x, y* the centres and *w, h* the sizes of box and anchor.

    Parameters
    ----------
    boxes, anchors : Tensor of shape (..., 4)
        The box wanted for each anchor, ``x1, y1, x2, y2``.
    weights : four floats
        Scales of the four numbers.

    Returns
    -------
    Tensor of shape (..., 4)
        ``dx, dy, dw, dh``. A box without area gives minus infinity, an anchor without area no number at all.

    Notes
    -----
    Girshick et al. [3]_, appendix C; Ren et al. [1]_, equation 2. Divided by the anchor's size, the numbers mean the
    same for small and large anchors; as a logarithm, half the size is as far as double the size.

    Examples
    --------
    >>> encode_boxes(torch.tensor([[4.0, 0, 12, 8]]), torch.tensor([[0.0, 0, 8, 8]]))
    tensor([[0.5000, 0.0000, 0.0000, 0.0000]])
    """
    boxes, anchors = _boxes("boxes", boxes, axes=None), _boxes("anchors", anchors, axes=None)
    _check_pairs(boxes=boxes, anchors=anchors)
    wx, wy, ww, wh = _weights(weights)
    x, y, w, h = _centres(boxes)
    xa, ya, wa, ha = _centres(anchors)
    return torch.stack(
        [wx * (x - xa) / wa, wy * (y - ya) / ha, ww * torch.log(w / wa), wh * torch.log(h / ha)], -1
    )


def decode_boxes(
    deltas: Tensor, anchors: Tensor, weights: Sequence[float] = (1, 1, 1, 1), clip: float = CLIP
) -> Tensor:
    """Move and stretch anchors as a network says: the inverse of `encode_boxes`.

    .. math:: x = x_a + \\frac{t_x}{w_x} w_a, \\quad y = y_a + \\frac{t_y}{w_y} h_a, \\quad
              w = w_a e^{\\min(t_w / w_w, \\text{clip})}, \\quad h = h_a e^{\\min(t_h / w_h, \\text{clip})}

    Parameters
    ----------
    deltas : Tensor of shape (..., 4) or (..., 4 * C)
        ``dx, dy, dw, dh``, or C times these side by side, one for each class.
    anchors : Tensor of shape (..., 4)
    weights : four floats
        As they were in `encode_boxes`.
    clip : float
        Largest *dw* and *dh*, after division by the weights: a wild guess must not become infinite. Nothing keeps them
        from below, where the exponential is harmless.

    Returns
    -------
    Tensor of the shape of `deltas`
        ``x1, y1, x2, y2``, once for each class.

    Examples
    --------
    >>> decode_boxes(torch.tensor([[0.5, 0, 0, 0]]), torch.tensor([[0.0, 0, 8, 8]]))
    tensor([[ 4.,  0., 12.,  8.]])
    """
    if not deltas.dim() or deltas.shape[-1] % 4 or not deltas.shape[-1]:
        raise ValueError(f"deltas must be (..., 4) or (..., 4 * classes); got {tuple(deltas.shape)}")
    deltas = deltas if deltas.is_floating_point() else deltas.to(torch.get_default_dtype())
    anchors = _boxes("anchors", anchors, axes=None).to(deltas.dtype)
    _check_pairs(deltas=deltas, anchors=anchors)
    classes = deltas.shape[-1] // 4
    weights = torch.as_tensor(_weights(weights), dtype=deltas.dtype, device=deltas.device)
    dx, dy, dw, dh = (deltas.unflatten(-1, (classes, 4)) / weights).unbind(-1)
    xa, ya, wa, ha = _centres(anchors.unsqueeze(-2))
    x, y = xa + dx * wa, ya + dy * ha
    w, h = wa * dw.clamp(max=clip).exp(), ha * dh.clamp(max=clip).exp()
    return torch.stack([x - w / 2, y - h / 2, x + w / 2, y + h / 2], -1).flatten(-2)


def _centres(boxes: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    x1, y1, x2, y2 = boxes.unbind(-1)
    w, h = x2 - x1, y2 - y1
    return x1 + w / 2, y1 + h / 2, w, h


def clip_boxes(boxes: Tensor, image_size: Sequence[int]) -> Tensor:
    """Cut off what lies outside the image.

    Parameters
    ----------
    boxes : Tensor of shape (..., 4)
    image_size : (height, width)
        A box may reach from 0 to `width`, and from 0 to `height`: pixel borders, not pixel numbers.

    Returns
    -------
    Tensor of shape (..., 4)
        Of the boxes' dtype. A box that was wholly outside keeps no area.

    Examples
    --------
    >>> clip_boxes(torch.tensor([[-2.0, 1, 50, 30]]), (20, 40))
    tensor([[ 0.,  1., 40., 20.]])
    """
    height, width = pair("image_size", image_size, Real)
    check_at_least(0, image_size=(height, width))
    x1, y1, x2, y2 = _check_boxes("boxes", boxes, axes=None).unbind(-1)
    x1, x2 = (x.clamp(0, width) for x in (x1, x2))
    y1, y2 = (y.clamp(0, height) for y in (y1, y2))
    return torch.stack([x1, y1, x2, y2], -1)


# ------------------------------------------------------------------------------------------ matching


def match_anchors(iou: Tensor, high: float = 0.7, low: float = 0.3, low_quality: bool = True) -> Tensor:
    """Say for each anchor which ground truth it is to find: one of them, none, or "do not ask".

    1. An anchor goes to the ground truth that it overlaps most (the first of several).
    2. If that IoU is below `low`, the anchor is negative; from `low` to below `high`, neutral.
    3. With `low_quality`, each ground truth makes sure of its best anchors: those that have the largest IoU with it,
       all of them where several are equal, are positive however low that IoU is, as long as it is above 0. Such an
       anchor, too, goes to the ground truth that *it* overlaps most, which may be another.

    Parameters
    ----------
    iou : Tensor of shape (G, A)
        Of each ground truth with each anchor.
    high : float
        Positive from here on, this value included.
    low : float
        Negative below; this value itself is neutral.
    low_quality : bool
        Whether rule 3 holds. The RPN wants it, the box head does not.

    Returns
    -------
    int64 Tensor of shape (A,)
        Number of the ground truth, or -1, negative, or -2, neutral. All negative where there is no ground truth.

    Notes
    -----
    Ren et al. [1]_, section 3.1.2. In torchvision a ground truth that no anchor touches makes *every* anchor with IoU 0
    its best one; here it stays without.

    Examples
    --------
    The fourth anchor is the best that the second ground truth has:

    >>> match_anchors(torch.tensor([[0.8, 0.5, 0.1, 0.0], [0.0, 0.1, 0.1, 0.2]]))
    tensor([ 0, -2, -1,  1])
    """
    if iou.dim() != 2:
        raise ValueError(f"iou must be (ground truths, anchors); got {tuple(iou.shape)}")
    if low > high:
        raise ValueError(f"low must not be above high; got low {low} and high {high}")
    if not len(iou):
        return torch.full((iou.shape[1],), NEGATIVE, dtype=torch.int64, device=iou.device)
    best, owner = iou.max(0)  # the first of several
    matches = owner.masked_fill(best < high, NEUTRAL).masked_fill(best < low, NEGATIVE)
    if low_quality and iou.numel():
        most = iou.amax(1, keepdim=True)
        wanted = ((iou == most) & (most > 0)).any(0)
        matches = torch.where(wanted, owner, matches)
    return matches


def sample_matches(
    matches: Tensor, num_samples: int, positive_fraction: float, generator: torch.Generator | None = None
) -> tuple[Tensor, Tensor]:
    """Draw positives and negatives to learn from, so that the many negatives do not drown the few positives.

    Parameters
    ----------
    matches : integer Tensor of shape (A,)
        As from `match_anchors`: positive from 0 on, -1 negative; neutral ones are never drawn.
    num_samples : int
        How many in all.
    positive_fraction : float
        At most ``int(num_samples * positive_fraction)`` of them are positives. Where there are fewer positives,
        negatives take their places; where there are too few negatives as well, there are fewer samples.
    generator : torch.Generator
        On the CPU.

    Returns
    -------
    positive, negative : int64 Tensors
        Places in `matches`, ascending.

    Examples
    --------
    >>> matches = torch.tensor([-1, 3, -2, -1, 0, -1])
    >>> sample_matches(matches, 4, 0.25)[0].shape, sample_matches(matches, 4, 0.25)[1]
    (torch.Size([1]), tensor([0, 3, 5]))
    """
    check_at_least(0, num_samples=num_samples)
    if matches.dim() != 1:
        raise ValueError(f"matches must be (A,), one an anchor; got {tuple(matches.shape)}")
    if not 0 <= positive_fraction <= 1:
        raise ValueError(f"positive_fraction must be from 0 to 1; got {positive_fraction}")
    positive, negative = ((matches >= 0).nonzero()[:, 0], (matches == NEGATIVE).nonzero()[:, 0])
    positive = _draw(positive, int(num_samples * positive_fraction), generator)
    return positive, _draw(negative, num_samples - len(positive), generator)


def _draw(places: Tensor, count: int, generator: torch.Generator | None) -> Tensor:
    chosen = torch.randperm(len(places), generator=generator)[:count]
    return places[chosen.sort().values.to(places.device)]


# --------------------------------------------------------------------------------------- suppression


def nms_naive(boxes: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    """Non-maximum suppression as it is told: take the best box, drop what overlaps it too much, go on.

    Takes and returns what `nms` does.

    Examples
    --------
    >>> boxes = torch.tensor([[0.0, 0, 4, 4], [0, 0, 4, 5], [6, 6, 9, 9]])
    >>> nms_naive(boxes, torch.tensor([0.8, 0.9, 0.3]), 0.5)
    tensor([1, 2])
    """
    waiting = scores.argsort(descending=True, stable=True)
    kept = []
    while len(waiting):
        best, waiting = waiting[0], waiting[1:]
        kept.append(best)
        waiting = waiting[box_iou(boxes[best][None], boxes[waiting])[0] <= iou_threshold]
    return torch.stack(kept) if kept else waiting


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    """Keep the best of each heap of boxes: drop a box that overlaps a better one, which was kept, too much.

    Parameters
    ----------
    boxes : Tensor of shape (K, 4)
        ``x1, y1, x2, y2``.
    scores : Tensor of shape (K,)
    iou_threshold : float
        A box is dropped where its IoU with a kept one is *above* this; exactly at the threshold it stays.

    Returns
    -------
    int64 Tensor
        Places of the boxes kept, best score first; of equal scores the one that comes first in `boxes`.

    Raises
    ------
    ValueError
        If there is not one score for each box.

    Notes
    -----
    The threshold is compared in the boxes' own precision, so that a box at exactly 0.3 is at the threshold 0.3.

    Examples
    --------
    >>> boxes = torch.tensor([[0.0, 0, 4, 4], [0, 0, 4, 5], [6, 6, 9, 9]])
    >>> nms(boxes, torch.tensor([0.8, 0.9, 0.3]), 0.5)
    tensor([1, 2])
    """
    return batched_nms(boxes, scores, torch.zeros_like(scores, dtype=torch.int64), iou_threshold)


BLOCK = 1024  # boxes that are compared with one another at a time


def batched_nms(boxes: Tensor, scores: Tensor, labels: Tensor, iou_threshold: float) -> Tensor:
    """`nms` for each label by itself: a cup does not suppress the table that it stands on.

    Parameters
    ----------
    boxes : Tensor of shape (K, 4)
    scores, labels : Tensor of shape (K,)
    iou_threshold : float

    Returns
    -------
    int64 Tensor
        Places of the boxes kept, of all labels together, best score first.

    Notes
    -----
    A block of boxes at a time, best first: those that a kept box of an earlier block suppresses are dropped, then the
    block is settled by itself. torchvision moves each label's boxes to a place of their own instead, which costs
    digits and fails for coordinates below 0.

    Examples
    --------
    >>> boxes = torch.tensor([[0.0, 0, 4, 4], [0, 0, 4, 5], [6, 6, 9, 9]])
    >>> batched_nms(boxes, torch.tensor([0.8, 0.9, 0.3]), torch.tensor([1, 2, 1]), 0.5)
    tensor([1, 0, 2])
    """
    boxes = _boxes("boxes", boxes)
    for name, values in {"scores": scores, "labels": labels}.items():
        if values.shape != boxes.shape[:1]:
            raise ValueError(f"{name} must be ({len(boxes)},), one a box; got {tuple(values.shape)}")

    def suppresses(a: Tensor, b: Tensor) -> Tensor:
        same = labels[a][:, None] == labels[b][None, :]
        return (box_iou(boxes[a], boxes[b]) > iou_threshold) & same

    order = scores.argsort(descending=True, stable=True)
    kept = order[:0]
    for block in order.split(BLOCK):
        block = block[~suppresses(kept, block).any(0)]
        kept = torch.cat([kept, block[_survivors(suppresses(block, block))]])
    return kept


def _survivors(suppresses: Tensor) -> Tensor:
    """Which boxes stay, where suppresses[i, j] says that i, if it stays, drops j; best first.

    Start with all, and let those that are left drop others, until nothing changes. The first box is right at once,
    and after each round at least one more.
    """
    suppresses = suppresses.triu(diagonal=1)
    stays = torch.ones(len(suppresses), dtype=torch.bool, device=suppresses.device)
    while True:
        before, stays = stays, ~(suppresses & stays[:, None]).any(0)
        if torch.equal(before, stays):
            return stays


# ----------------------------------------------------------------------------------- targets, losses


def rpn_targets(
    anchors: Tensor,
    boxes: Tensor,
    num_samples: int = 256,
    positive_fraction: float = 0.5,
    generator: torch.Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """What the region proposal network is to say at each anchor of one image.

    Parameters
    ----------
    anchors : Tensor of shape (A, 4)
    boxes : Tensor of shape (G, 4)
        Ground truth.
    num_samples, positive_fraction, generator
        As in `sample_matches`.

    Returns
    -------
    labels : Tensor of shape (A,)
        1 where an object is, 0 where none is, -1 where the anchor was not drawn or is neutral.
    targets : Tensor of shape (A, 4)
        `encode_boxes` of each positive anchor's box, 0 elsewhere.

    Examples
    --------
    >>> labels, _ = rpn_targets(torch.tensor([[0.0, 0, 4, 4], [8, 8, 12, 12]]), torch.tensor([[0.0, 0, 4, 5]]))
    >>> labels
    tensor([1., 0.])
    """
    anchors, boxes = _floating_boxes("anchors", anchors), _floating_boxes("boxes", boxes)
    matches = match_anchors(box_iou(boxes, anchors))
    positive, negative = sample_matches(matches, num_samples, positive_fraction, generator)
    labels = anchors.new_full((len(anchors),), -1.0)
    labels[positive], labels[negative] = 1.0, 0.0
    targets = torch.zeros_like(anchors)
    targets[positive] = encode_boxes(boxes[matches[positive]], anchors[positive]).to(targets)
    return labels, targets


def rpn_loss(objectness: Tensor, deltas: Tensor, labels: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Losses of the region proposal network: is there an object, and where exactly?

    .. math:: L_\\text{obj} = \\frac{1}{|S|} \\sum_{i \\in S} \\text{BCE}(o_i, p_i), \\qquad
              L_\\text{box} = \\frac{1}{|S|} \\sum_{i: p_i = 1} \\sum_{k=1}^{4} \\ell(d_{ik} - t_{ik})

    *S* is what was drawn; :math:`\\ell` is smooth L1, a parabola up to 1/9 and a line beyond.

    Parameters
    ----------
    objectness : Tensor of shape (A,)
        Logits *o*.
    deltas : Tensor of shape (A, 4)
        Predicted *d*.
    labels : Tensor of shape (A,)
        *p*: 1 positive, 0 negative, -1 not in *S*.
    targets : Tensor of shape (A, 4)
        *t*; only those of positives count.

    Returns
    -------
    objectness loss, box loss : Tensors without axes
        Both 0, with a gradient that is 0, where nothing was drawn.

    Notes
    -----
    Ren et al. [1]_, equation 1, as torchvision weighs it: *both* are divided by the number of samples.

    Examples
    --------
    >>> labels, zero = torch.tensor([1.0, 0.0, -1.0]), torch.zeros(3, 4)
    >>> objectness, box = rpn_loss(torch.zeros(3), zero + 1, labels, zero)
    >>> round(float(objectness), 4), round(float(box), 4)
    (0.6931, 1.8889)
    """
    named = {"objectness": objectness, "deltas": deltas, "labels": labels, "targets": targets}
    shape = tuple(labels.shape)
    _check_shapes(named, "(A,), (A, 4), (A,), (A, 4)", shape, (*shape, 4), shape, (*shape, 4))
    drawn, positive = labels >= 0, labels == 1
    count = max(int(drawn.sum()), 1)
    wanted = labels[drawn].to(objectness.dtype)
    objectness_loss = F.binary_cross_entropy_with_logits(objectness[drawn], wanted, reduction="sum")
    box_loss = F.smooth_l1_loss(deltas[positive], targets[positive], beta=BETA, reduction="sum")
    return objectness_loss / count, box_loss / count


def box_head_targets(
    proposals: Tensor,
    boxes: Tensor,
    labels: Tensor,
    iou_threshold: float = 0.5,
    weights: Sequence[float] = HEAD_WEIGHTS,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """What the second stage is to say of each proposal of one image.

    The true boxes join the proposals, so that there is something to learn from while the proposals are still bad.

    Parameters
    ----------
    proposals : Tensor of shape (P, 4)
    boxes : Tensor of shape (G, 4)
        Ground truth.
    labels : int64 Tensor of shape (G,)
        Classes from 1 on; 0 is background.
    iou_threshold : float
        From this IoU on, a proposal is an object.
    weights : four floats
        For `encode_boxes`.

    Returns
    -------
    rois : Tensor of shape (P + G, 4)
        The proposals, then the true boxes.
    classes : int64 Tensor of shape (P + G,)
        0 for background.
    targets : Tensor of shape (P + G, 4)
        Encoded boxes; 0 for background.
    matches : int64 Tensor of shape (P + G,)
        Number of the ground truth, -1 for background.

    Notes
    -----
    No ground truth makes sure of a best proposal here: a box that overlaps by a fifth is no example of its class.

    Examples
    --------
    >>> proposals, boxes = torch.tensor([[0.0, 0, 4, 4], [9, 9, 12, 12]]), torch.tensor([[0.0, 0, 4, 5]])
    >>> box_head_targets(proposals, boxes, torch.tensor([7]))[1]
    tensor([7, 0, 7])
    """
    proposals, boxes = _floating_boxes("proposals", proposals), _floating_boxes("boxes", boxes)
    if labels.shape != boxes.shape[:1]:
        raise ValueError(f"labels must be ({len(boxes)},), one a box; got {tuple(labels.shape)}")
    rois = torch.cat([proposals, boxes])
    matches = match_anchors(box_iou(boxes, rois), iou_threshold, iou_threshold, low_quality=False)
    positive = matches >= 0
    classes = torch.zeros_like(matches)
    classes[positive] = labels[matches[positive]]
    targets = torch.zeros_like(rois)
    targets[positive] = encode_boxes(boxes[matches[positive]], rois[positive], weights)
    return rois, classes, targets, matches


def box_head_loss(logits: Tensor, deltas: Tensor, labels: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Losses of the second stage: which class, and where exactly?

    Parameters
    ----------
    logits : Tensor of shape (R, C)
        Class 0 is background.
    deltas : Tensor of shape (R, 4 * C) or (R, C, 4)
        A guess for each class.
    labels : int64 Tensor of shape (R,)
    targets : Tensor of shape (R, 4)
        Only those of positives count.

    Returns
    -------
    class loss, box loss : Tensors without axes
        Cross-entropy, its mean over all RoIs. Smooth L1 with beta 1/9 of the guess for the *true* class, its sum over
        positives divided by *all* RoIs: more positives, more weight. Both 0, with a gradient, for no RoI.

    Notes
    -----
    Girshick [2]_, section 2.3.

    Examples
    --------
    >>> class_loss, box_loss = box_head_loss(
    ...     torch.zeros(2, 3), torch.ones(2, 12), torch.tensor([0, 2]), torch.zeros(2, 4)
    ... )
    >>> round(float(class_loss), 4), round(float(box_loss), 4)
    (1.0986, 1.8889)
    """
    named = {"logits": logits, "deltas": deltas, "labels": labels, "targets": targets}
    rois, classes = logits.shape if logits.dim() == 2 else (len(labels), -1)
    shape = (rois, classes, 4) if deltas.dim() == 3 else (rois, 4 * classes)
    _check_shapes(named, "(R, C), (R, 4 * C), (R,), (R, 4)", (rois, classes), shape, (rois,), (rois, 4))
    if rois and not 0 <= int(labels.min()) <= int(labels.max()) < classes:
        given = f"{int(labels.min())} to {int(labels.max())}"
        raise ValueError(f"labels must be classes 0 to {classes - 1}; got {given}")
    labels = labels.long()
    count = max(len(logits), 1)
    class_loss = F.cross_entropy(logits, labels, reduction="sum")
    positive = (labels > 0).nonzero()[:, 0]
    guesses = deltas.reshape(*logits.shape, 4)[positive, labels[positive]]
    box_loss = F.smooth_l1_loss(guesses, targets[positive], beta=BETA, reduction="sum")
    return class_loss / count, box_loss / count


def yolo_target_shape(grid: int | Sequence[int], anchors: int, classes: int) -> tuple[int, int, int]:
    """Shape of what YOLO predicts in one go: at each cell, five numbers for each anchor, and the classes once.

    .. math:: S \\times S \\times (5 B + C)

    Parameters
    ----------
    grid : int or (int, int)
        Cells down and across.
    anchors : int
        Boxes a cell; each has dx, dy, dw, dh and a confidence.
    classes : int
        Class scores a cell, shared by its boxes.

    Notes
    -----
    Redmon et al. [5]_, section 2.

    Examples
    --------
    >>> yolo_target_shape(19, anchors=5, classes=20)
    (19, 19, 45)
    """
    height, width = pair("grid", grid)
    (anchors,), (classes,) = per_axis("anchors", anchors, 1), per_axis("classes", classes, 1)
    check_at_least(1, grid=(height, width), anchors=anchors)
    check_at_least(0, classes=classes)
    return height, width, 5 * anchors + classes


# ------------------------------------------------------------------------------------------ the door


def _boxes(name: str, boxes: Tensor, axes: int | None = 2) -> Tensor:
    """Boxes as numbers whose products do not overflow: half precision becomes single, whole numbers become long."""
    boxes = _check_boxes(name, boxes, axes)
    if boxes.is_floating_point():
        return precise(boxes)
    return boxes.long()


def _floating_boxes(name: str, boxes: Tensor) -> Tensor:
    """Boxes that take numbers with a fraction: anything but double precision becomes single."""
    boxes = _check_boxes(name, boxes)
    return precise(boxes)


def _check_boxes(name: str, boxes: Tensor, axes: int | None = 2) -> Tensor:
    if boxes.dim() == 0 or boxes.shape[-1] != 4 or (axes and boxes.dim() != axes):
        wanted = "(K, 4)" if axes else "(..., 4)"
        raise ValueError(f"{name} must be {wanted} as x1, y1, x2, y2; got {tuple(boxes.shape)}")
    return boxes


def _check_pairs(**tensors: Tensor) -> None:
    """Each box beside its anchor: all axes but the last must fit each other."""
    try:
        torch.broadcast_shapes(*(t.shape[:-1] for t in tensors.values()))
    except RuntimeError:
        shapes = ", ".join(str(tuple(t.shape)) for t in tensors.values())
        raise ValueError(
            f"{', '.join(tensors)} must be as many, one beside the other; got {shapes}"
        ) from None


def _weights(weights: Sequence[float]) -> tuple[float, ...]:
    """Scales of dx, dy, dw and dh."""
    numbers = tuple(torch.as_tensor(weights, dtype=torch.float64).flatten().tolist())
    if len(numbers) != 4:
        raise ValueError(f"weights must be four numbers, for dx, dy, dw, dh; got {weights}")
    return numbers


def _check_shapes(named: dict[str, Tensor], wanted: str, *shapes: tuple[int, ...]) -> None:
    if any(t.shape != torch.Size(shape) for t, shape in zip(named.values(), shapes, strict=True)):
        given = ", ".join(str(tuple(t.shape)) for t in named.values())
        raise ValueError(f"{', '.join(named)} must be {wanted}; got {given}")
