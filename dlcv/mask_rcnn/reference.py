"""Masks and keypoints of boxes: what a head is to learn, how wrong it is, and how its answer goes into the image.

A head looks at each box, its region of interest, through a small square window: *M* x *M* cells, however large the box
is. Cells and pixels are squares whose centres stand at halves: pixel *i* reaches from *i* to *i* + 1. Boxes are
``x1, y1, x2, y2`` in continuous pixels.

A class is the number of its channel here, from 0 on: there is no channel for background, as only boxes with an object
have a mask. Who numbers classes from 1, with 0 for background, as chapter 09 does, takes 1 away.

References
----------
.. [1] K. He, G. Gkioxari, P. Dollár and R. Girshick, "Mask R-CNN", ICCV 2017.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from dlcv.arguments import check_at_least, pair, precise
from dlcv.roi_align.reference import roi_align

__all__ = ["keypoint_loss", "keypoint_targets", "mask_loss", "mask_targets", "paste_masks", "select_masks"]

ROUNDING = 1e-5
"""How far the sum of a cell's samples may fall below a half and still be one: single precision rounds."""


# ------------------------------------------------------------------------------------------ training


def mask_targets(masks: Tensor, boxes: Tensor, matched: Tensor, size: int) -> Tensor:
    """What the mask head is to say of each box: the mask of its object, seen through the box's window.

    RoI Align reads the true mask, with as many samples a cell as the cell has pixels; a cell of which at least half is
    object is on.

    Parameters
    ----------
    masks : Tensor of shape (G, H, W)
        True masks of one image, bool, or numbers 0 and 1.
    boxes : Tensor of shape (R, 4)
        Boxes that found an object, ``x1, y1, x2, y2``.
    matched : int64 Tensor of shape (R,)
        Which of the masks each box found, 0 to G - 1.
    size : int
        *M*, cells a side.

    Returns
    -------
    bool Tensor of shape (R, size, size)
        What of a box lies outside of the image is off, and so is all of a box without area.

    Raises
    ------
    ValueError
        If shapes do not fit, or `matched` names a mask that is not there.

    Notes
    -----
    He et al. [1]_, section 3.1: the target is the intersection between a RoI and its mask. The box is aligned, that is,
    centres of pixels lie on centres of cells.

    Examples
    --------
    A box of 4 x 4 pixels in four cells; the object fills its left half, and half of the cell at the lower right:

    >>> mask = torch.tensor([[1, 1, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0], [1, 1, 1, 0]])[None]
    >>> mask_targets(mask, torch.tensor([[0.0, 0, 4, 4]]), torch.tensor([0]), size=2).int()
    tensor([[[1, 0],
             [1, 1]]], dtype=torch.int32)
    """
    _check_masks("masks", masks)
    boxes = _boxes(boxes)
    check_at_least(1, size=size)
    if matched.shape != boxes.shape[:1]:
        raise ValueError(f"matched must be ({len(boxes)},), one a box; got {tuple(matched.shape)}")
    if len(boxes) and not 0 <= int(matched.min()) <= int(matched.max()) < len(masks):
        raise ValueError(
            f"matched must name masks 0 to {len(masks) - 1}; got {int(matched.min())} to {int(matched.max())}"
        )
    if not len(boxes):
        return masks.new_zeros(0, size, size, dtype=torch.bool)
    used, matched = matched.long().unique(return_inverse=True)
    rois = torch.cat([matched[:, None].to(boxes), boxes], 1)
    shares = roi_align(masks[used, None].to(boxes.dtype), rois, size, sampling_ratio=-1, aligned=True)
    return shares[:, 0] >= 0.5 - ROUNDING


def mask_loss(logits: Tensor, labels: Tensor, targets: Tensor) -> Tensor:
    """How wrong the masks are: binary cross-entropy on the channel of the *true* class, and on no other.

    .. math:: L_\\text{mask} = \\frac{1}{R M^2} \\sum_{r} \\sum_{i, j}
              \\text{BCE}\\left(\\sigma(z_{r k_r i j}),\\, t_{r i j}\\right)

    Classes do not compete: the box head has already to say which one it is, and the mask only where.

    Parameters
    ----------
    logits : Tensor of shape (R, K, M, M)
        *z*, one mask a class.
    labels : int64 Tensor of shape (R,)
        *k*, the true class of each box as the number of its channel, 0 to K - 1.
    targets : Tensor of shape (R, M, M)
        *t*, bool, or numbers from 0 to 1.

    Returns
    -------
    Tensor without axes
        The mean over boxes and cells; 0, with a gradient that is 0, where there is no box. The gradient of all other
        channels is exactly 0.

    Raises
    ------
    ValueError
        If shapes do not fit, or a label has no channel.

    Notes
    -----
    He et al. [1]_, section 3. Only boxes that found an object are given; background has no mask to learn.

    Examples
    --------
    >>> logits = torch.zeros(1, 3, 2, 2)
    >>> logits[0, 0] = 99.0  # of another class
    >>> mask_loss(logits, torch.tensor([2]), torch.ones(1, 2, 2))
    tensor(0.6931)
    """
    chosen = _channels(logits, labels)
    if targets.shape != chosen.shape:
        raise ValueError(f"targets must be {tuple(chosen.shape)} as (R, M, M); got {tuple(targets.shape)}")
    total = F.binary_cross_entropy_with_logits(chosen, targets.to(chosen.dtype), reduction="sum")
    return total / max(chosen.numel(), 1)


def keypoint_targets(keypoints: Tensor, boxes: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Which one cell of each box's window each keypoint lies in.

    .. math:: j = \\left\\lfloor \\frac{x - x_1}{x_2 - x_1} S \\right\\rfloor, \\quad
              i = \\left\\lfloor \\frac{y - y_1}{y_2 - y_1} S \\right\\rfloor

    Parameters
    ----------
    keypoints : Tensor of shape (R, K, 3)
        The true keypoints of each box's object: ``x, y, visibility`` in pixels of the image; visibility 0 means that
        nobody knows where the point is.
    boxes : Tensor of shape (R, 4)
        ``x1, y1, x2, y2``.
    size : int
        *S*, cells a side.

    Returns
    -------
    targets : int64 Tensor of shape (R, K)
        ``i * size + j``; 0 where the point does not count.
    valid : bool Tensor of shape (R, K)
        Whether the point counts: it is known, and lies in the box. A point on the right or lower border belongs to the
        last column or row.

    Notes
    -----
    He et al. [1]_, section 5: one cell of S x S is on. As torchvision computes it.

    Examples
    --------
    >>> keypoints = torch.tensor([[[2.0, 1, 2], [8, 4, 1], [5, 9, 2], [2, 1, 0]]])
    >>> targets, valid = keypoint_targets(keypoints, torch.tensor([[0.0, 0, 8, 4]]), size=4)
    >>> targets.tolist(), valid.tolist()
    ([[5, 15, 0, 0]], [[True, True, False, False]])
    """
    boxes = _boxes(boxes)
    check_at_least(1, size=size)
    if keypoints.dim() != 3 or keypoints.shape[0] != len(boxes) or keypoints.shape[2] != 3:
        raise ValueError(
            f"keypoints must be ({len(boxes)}, K, 3) as x, y, visibility; got {tuple(keypoints.shape)}"
        )
    points = keypoints[..., :2].to(boxes.dtype)
    first, last = boxes[:, None, :2], boxes[:, None, 2:]
    cells = ((points - first) * (size / (last - first))).floor()  # (R, K, 2) as j, i
    cells = torch.where(points == last, size - 1, cells)
    inside = ((cells >= 0) & (cells < size) & (last > first)).all(-1)
    valid = inside & (keypoints[..., 2] > 0)
    j, i = torch.where(valid[..., None], cells, 0).long().unbind(-1)
    return i * size + j, valid


def keypoint_loss(logits: Tensor, targets: Tensor, valid: Tensor) -> Tensor:
    """How wrong the keypoints are: a softmax over all *positions*, of which one is right.

    .. math:: L = -\\frac{1}{|V|} \\sum_{(r, k) \\in V} \\log \\text{softmax}(z_{r k})_{t_{r k}}

    Parameters
    ----------
    logits : Tensor of shape (R, K, S, S)
        *z*, one map a keypoint.
    targets : int64 Tensor of shape (R, K)
        *t*, the right cell, ``i * S + j``.
    valid : bool Tensor of shape (R, K)
        *V*, which keypoints count.

    Returns
    -------
    Tensor without axes
        The mean over keypoints that count; 0, with a gradient that is 0, where none does.

    Notes
    -----
    He et al. [1]_, section 5. Cells compete here, unlike those of a mask: a keypoint is in one place only.

    Examples
    --------
    >>> keypoint_loss(torch.zeros(1, 2, 2, 2), torch.tensor([[3, 0]]), torch.tensor([[True, False]]))
    tensor(1.3863)
    """
    if logits.dim() != 4 or not targets.shape == valid.shape == logits.shape[:2]:
        shapes = ", ".join(str(tuple(t.shape)) for t in (logits, targets, valid))
        raise ValueError(f"logits, targets, valid must be (R, K, S, S), (R, K), (R, K); got {shapes}")
    valid, cells = valid.bool(), logits.shape[2] * logits.shape[3]
    targets = targets.long()
    if (valid & ((targets < 0) | (targets >= cells))).any():
        wrong = targets[valid]
        raise ValueError(
            f"targets must be cells 0 to {cells - 1}; got {int(wrong.min())} to {int(wrong.max())}"
        )
    total = F.cross_entropy(logits.flatten(2)[valid], targets[valid], reduction="sum")
    return total / max(int(valid.sum()), 1)


# ----------------------------------------------------------------------------------------- inference


def select_masks(logits: Tensor, labels: Tensor) -> Tensor:
    """The mask of the class that the box head chose, as probabilities.

    Parameters
    ----------
    logits : Tensor of shape (R, K, M, M)
        One mask a class.
    labels : int64 Tensor of shape (R,)
        The predicted class of each box as the number of its channel, 0 to K - 1.

    Returns
    -------
    Tensor of shape (R, M, M)
        A sigmoid at each cell: from 0 to 1, whatever the other classes' masks say.

    Raises
    ------
    ValueError
        If shapes do not fit, or a label has no channel.

    Examples
    --------
    >>> logits = torch.tensor([-1.0, 0.0, 9.0]).reshape(1, 3, 1, 1)
    >>> select_masks(logits, torch.tensor([1]))
    tensor([[[0.5000]]])
    """
    return _channels(logits, labels).sigmoid()


def paste_masks(
    masks: Tensor, boxes: Tensor, image_size: Sequence[int], threshold: float | None = 0.5
) -> Tensor:
    """Stretch each small mask over its box, and ask it at the centre of each pixel of the image.

    The centre of pixel *i* is at *i* + 1/2. In cells of the window that is

    .. math:: v = \\frac{i + 1/2 - y_1}{y_2 - y_1} M - \\frac{1}{2}

    where cell 0 stands at 0; between cells, the four around are mixed bilinearly. Beyond the window is nothing, 0. The
    box is nowhere rounded.

    Parameters
    ----------
    masks : Tensor of shape (R, M, M)
        Probabilities.
    boxes : Tensor of shape (R, 4)
        ``x1, y1, x2, y2``; they may reach beyond the image.
    image_size : (height, width)
    threshold : float or None
        From here on a pixel is object. None: leave the probabilities as they are.

    Returns
    -------
    Tensor of shape (R, height, width)
        bool, or the floating dtype of `masks` where `threshold` is None. Off or 0 for a box without area.

    Raises
    ------
    ValueError
        If shapes do not fit.

    Notes
    -----
    He et al. [1]_, section 3.1, resize the mask to the box and binarise at 0.5. Early programs rounded the box to whole
    pixels first; this does not. Up to half a cell outside of the box a pixel may still get something: it is mixed with
    the nothing outside.

    Examples
    --------
    >>> mask = torch.tensor([[[1.0, 1.0], [1.0, 0.0]]])
    >>> paste_masks(mask, torch.tensor([[1.0, 0, 5, 4]]), (4, 6)).int()
    tensor([[[0, 1, 1, 1, 1, 0],
             [0, 1, 1, 1, 1, 0],
             [0, 1, 1, 0, 0, 0],
             [0, 1, 1, 0, 0, 0]]], dtype=torch.int32)
    """
    _check_masks("masks", masks)
    height, width = pair("image_size", image_size)
    check_at_least(0, image_size=(height, width))
    boxes = _boxes(boxes)
    if len(boxes) != len(masks):
        raise ValueError(f"there must be one box a mask; got {len(boxes)} boxes, {len(masks)} masks")
    dtype = (
        torch.bool if threshold is not None else masks.dtype if masks.is_floating_point() else torch.float32
    )
    masks = precise(masks)  # half a pixel needs single precision
    boxes = boxes.to(masks.dtype)
    pasted = masks.new_zeros(len(masks), height, width, dtype=dtype)
    for number in ((boxes[:, 2:] > boxes[:, :2]).all(1)).nonzero()[:, 0].tolist() if pasted.numel() else ():
        x1, y1, x2, y2 = boxes[number]
        y, x = _window(y1, y2, height), _window(x1, x2, width)
        grid = torch.stack(torch.broadcast_tensors(x[None, :], y[:, None]), -1)[None]
        image = F.grid_sample(masks[number][None, None], grid, align_corners=False)[0, 0]
        pasted[number] = image if threshold is None else image >= threshold
    return pasted


def _window(start: Tensor, end: Tensor, pixels: int) -> Tensor:
    """Where pixels' centres lie between a box's two borders, which are -1 and 1."""
    centres = torch.arange(pixels, dtype=start.dtype, device=start.device) + 0.5
    return (centres - start) / (end - start) * 2 - 1


# ------------------------------------------------------------------------------------------ the door


def _channels(logits: Tensor, labels: Tensor) -> Tensor:
    """Of each box the channel of its label: (R, M, M)."""
    if logits.dim() != 4 or labels.shape != logits.shape[:1]:
        shapes = f"{tuple(logits.shape)}, {tuple(labels.shape)}"
        raise ValueError(f"logits, labels must be (R, K, M, M), (R,); got {shapes}")
    if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < logits.shape[1]:
        raise ValueError(
            f"labels must be channels 0 to {logits.shape[1] - 1}; "
            f"got {int(labels.min())} to {int(labels.max())}"
        )
    return logits[torch.arange(len(labels), device=logits.device), labels.long()]


def _check_masks(name: str, masks: Tensor) -> None:
    if masks.dim() != 3:
        raise ValueError(f"{name} must be three axes, one mask after the other; got {tuple(masks.shape)}")


def _boxes(boxes: Tensor) -> Tensor:
    if boxes.dim() != 2 or boxes.shape[1] != 4:
        raise ValueError(f"boxes must be (R, 4) as x1, y1, x2, y2; got {tuple(boxes.shape)}")
    return precise(boxes)
