"""How good is a label map? One table of counts, and the numbers that are read from it.

In a confusion matrix, row *t* holds the pixels whose true class is *t*, column *p* those that were predicted as *p*.
All scores of a data set are read from **one** matrix that was summed over its images. With *TP* on the diagonal, *FN*
the rest of a row and *FP* the rest of a column:

.. math:: J = \\frac{TP}{TP + FP + FN}, \\qquad D = \\frac{2\\,TP}{2\\,TP + FP + FN}

References
----------
.. [1] P. Jaccard, "The distribution of the flora in the alpine zone", New Phytologist, 1912.
.. [2] L. R. Dice, "Measures of the amount of ecologic association between species", Ecology, 1945.
.. [3] J. Long, E. Shelhamer and T. Darrell, "Fully convolutional networks for semantic segmentation", CVPR 2015.
.. [4] B. Cheng, R. Girshick, P. Dollár, A. C. Berg and A. Kirillov, "Boundary IoU: improving object-centric image
   segmentation evaluation", CVPR 2021.
"""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral

import torch
import torch.nn.functional as F
from torch import Tensor

from dlcv.arguments import check_at_least, check_tensors, per_axis

__all__ = [
    "background_everywhere",
    "boundary_band",
    "boundary_iou",
    "class_iou",
    "confusion_matrix",
    "confusion_matrix_naive",
    "dataset_mean_iou",
    "dice",
    "dice_from_iou",
    "frequency_weighted_iou",
    "iou_from_dice",
    "mask_iou",
    "mean_iou",
    "pixel_accuracy",
]


# ------------------------------------------------------------------------------------------- counting


def confusion_matrix(prediction: Tensor, target: Tensor, num_classes: int, ignore_index: int = 255) -> Tensor:
    """Count how many pixels of each true class were given each predicted class.

    .. math:: M_{tp} = \\left| \\{ i : \\text{target}_i = t,\\ \\text{prediction}_i = p \\} \\right|

    Parameters
    ----------
    prediction, target : integer Tensors of the same shape
        Class maps, of one image or of many.
    num_classes : int
        Classes are 0 to `num_classes` - 1.
    ignore_index : int
        Pixels whose *target* has this label are not counted, whatever was predicted there.

    Returns
    -------
    int64 Tensor of shape (num_classes, num_classes)
        Rows are true classes, columns predicted ones. Matrices of several images may be added.

    Raises
    ------
    ValueError
        If shapes differ, labels are not whole numbers, or a counted pixel has a label outside of the classes.

    Notes
    -----
    Each pair is one number, *t n + p* for *n* classes, so one pass of counting does it. Ignored pixels are counted as
    number *n n*, behind all others, and left out.

    Examples
    --------
    >>> confusion_matrix(torch.tensor([0, 1, 1, 0]), torch.tensor([0, 0, 1, 255]), num_classes=2)
    tensor([[1, 1],
            [0, 1]])
    """
    counted = _counted(prediction, target, num_classes, ignore_index)
    pairs = torch.where(counted, target.long() * num_classes + prediction.long(), num_classes**2)
    counts = torch.bincount(pairs.flatten(), minlength=num_classes**2 + 1)
    return counts[:-1].reshape(num_classes, num_classes)


def confusion_matrix_naive(
    prediction: Tensor, target: Tensor, num_classes: int, ignore_index: int = 255
) -> Tensor:
    """Count pair by pair, in a plain loop over the pixels.

    Parameters
    ----------
    prediction, target, num_classes, ignore_index
        As in `confusion_matrix`, which this equals.

    Returns
    -------
    int64 Tensor of shape (num_classes, num_classes)

    Examples
    --------
    >>> confusion_matrix_naive(torch.tensor([0, 1, 1, 0]), torch.tensor([0, 0, 1, 255]), num_classes=2)
    tensor([[1, 1],
            [0, 1]])
    """
    _counted(prediction, target, num_classes, ignore_index)
    counts = torch.zeros(num_classes, num_classes, dtype=torch.int64)
    for t, p in zip(target.flatten().tolist(), prediction.flatten().tolist(), strict=True):
        if t != ignore_index:
            counts[t, p] += 1
    return counts


def _counted(prediction: Tensor, target: Tensor, num_classes: int, ignore_index: int) -> Tensor:
    """Which pixels are counted, after a look at what was given."""
    maps = {"target": target, "prediction": prediction}
    check_tensors(**maps)
    check_at_least(1, num_classes=per_axis("num_classes", num_classes, axes=1))
    if prediction.shape != target.shape:
        shapes = f"{tuple(prediction.shape)} and {tuple(target.shape)}"
        raise ValueError(f"prediction and target must have the same shape; got {shapes}")
    counted = target != ignore_index
    for name, labels in maps.items():
        if labels.is_floating_point():
            raise ValueError(f"{name} must hold whole numbers, one class a pixel; got {labels.dtype}")
        labels = labels if counted.all() else labels[counted]
        if labels.numel():
            low, high = map(int, labels.aminmax())
            if not 0 <= low <= high < num_classes:
                raise ValueError(f"{name} must hold classes 0 to {num_classes - 1}; it holds {low} to {high}")
    return counted


def _counts(confusion: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """True positives, pixels of each true class, pixels of each predicted class: each (C,), floating."""
    check_tensors(confusion=confusion)
    if confusion.dim() != 2 or confusion.shape[0] != confusion.shape[1]:
        raise ValueError(f"confusion must be (C, C); got {tuple(confusion.shape)}")
    if confusion.dtype != torch.float32:  # counts do not fit into half a float
        confusion = confusion.double()
    return confusion.diagonal(), confusion.sum(1), confusion.sum(0)


# --------------------------------------------------------------------------------------------- scores


def pixel_accuracy(confusion: Tensor) -> Tensor:
    """Share of counted pixels whose class is right; NaN where nothing was counted.

    .. math:: \\frac{\\sum_c M_{cc}}{\\sum_{tp} M_{tp}}

    Examples
    --------
    Background everywhere, on an image that is 95% background:

    >>> float(pixel_accuracy(torch.tensor([[95, 0], [5, 0]])))
    0.95
    """
    right, true, _ = _counts(confusion)
    return right.sum() / true.sum()


def class_iou(confusion: Tensor) -> Tensor:
    """Intersection over union of each class, Jaccard's index.

    .. math:: J_c = \\frac{M_{cc}}{\\sum_p M_{cp} + \\sum_t M_{tc} - M_{cc}}

    Parameters
    ----------
    confusion : Tensor of shape (C, C)
        Rows are true classes; counts, or shares of counts.

    Returns
    -------
    Tensor of shape (C,)
        NaN for a class that occurs neither in the target nor in the prediction: nothing can be said about it. A class
        that was only predicted has 0.

    Notes
    -----
    Long et al. [3]_, section 5; Jaccard [1]_.

    Examples
    --------
    >>> class_iou(torch.tensor([[95, 0, 0], [5, 0, 0], [0, 0, 0]]))
    tensor([0.9500, 0.0000,    nan], dtype=torch.float64)
    """
    both, true, predicted = _counts(confusion)
    return both / (true + predicted - both)


def mean_iou(confusion: Tensor) -> Tensor:
    """Mean of `class_iou` over the classes that occur, each with the same weight; NaN where none does.

    .. math:: \\text{mIoU} = \\frac{1}{|\\{c : J_c \\text{ defined}\\}|} \\sum_c J_c

    Examples
    --------
    >>> float(mean_iou(torch.tensor([[95, 0], [5, 0]])))
    0.475
    """
    return class_iou(confusion).nanmean()


def dice(confusion: Tensor) -> Tensor:
    """Dice coefficient of each class: twice the overlap over the *sum* of both areas, not their union.

    .. math:: D_c = \\frac{2 M_{cc}}{\\sum_p M_{cp} + \\sum_t M_{tc}}

    Returns
    -------
    Tensor of shape (C,)
        NaN for a class that occurs in neither; the F1 score of its pixels otherwise. Dice [2]_.

    Examples
    --------
    >>> dice(torch.tensor([[4, 2], [1, 3]]))
    tensor([0.7273, 0.6667], dtype=torch.float64)
    """
    both, true, predicted = _counts(confusion)
    return 2 * both / (true + predicted)


def dice_from_iou(iou: Tensor) -> Tensor:
    """Dice from IoU, :math:`D = 2J / (1 + J)`: larger in between, equal at 0 and 1, in the same order.

    Examples
    --------
    >>> dice_from_iou(torch.tensor([0.0, 0.5, 1.0]))
    tensor([0.0000, 0.6667, 1.0000])
    """
    return 2 * iou / (1 + iou)


def iou_from_dice(dice: Tensor) -> Tensor:
    """IoU from Dice, :math:`J = D / (2 - D)`; the inverse of `dice_from_iou`.

    Examples
    --------
    >>> iou_from_dice(torch.tensor([0.0, 0.5, 1.0]))
    tensor([0.0000, 0.3333, 1.0000])
    """
    return dice / (2 - dice)


def frequency_weighted_iou(confusion: Tensor) -> Tensor:
    """Mean of `class_iou` weighted by each class's share of the true pixels; NaN where nothing was counted.

    .. math:: \\frac{\\sum_c n_c J_c}{\\sum_c n_c}, \\qquad n_c = \\sum_p M_{cp}

    A class that is not in the target has weight 0. Long et al. [3]_, section 5.

    Examples
    --------
    >>> float(frequency_weighted_iou(torch.tensor([[95, 0], [5, 0]])))
    0.9025
    """
    _, true, _ = _counts(confusion)
    return (true * class_iou(confusion)).nansum() / true.sum()


def dataset_mean_iou(
    predictions: Sequence[Tensor], targets: Sequence[Tensor], num_classes: int, ignore_index: int = 255
) -> Tensor:
    """`mean_iou` of a data set: counts of all images are added first, and divided once.

    Parameters
    ----------
    predictions, targets : sequences of integer Tensors, or Tensors of shape (N, H, W)
        One class map an image; images may differ in size.
    num_classes, ignore_index : int
        As in `confusion_matrix`.

    Returns
    -------
    float64 Tensor of shape ()
        NaN where no pixel was counted.

    Examples
    --------
    A large image that is right, and a small one that is wrong, are not worth the same:

    >>> large, small = torch.ones(3, 3).long(), torch.ones(1, 1).long()
    >>> float(dataset_mean_iou([large, 1 - small], [large, small], num_classes=2))
    0.45
    """
    if len(predictions) != len(targets):
        raise ValueError(
            f"there must be one prediction for each target; got {len(predictions)} and {len(targets)}"
        )
    total = torch.zeros(num_classes, num_classes, dtype=torch.int64)
    for prediction, target in zip(predictions, targets, strict=True):
        total = total.to(target.device) + confusion_matrix(prediction, target, num_classes, ignore_index)
    return mean_iou(total)


def background_everywhere(share: float) -> tuple[float, float]:
    """Pixel accuracy and mean IoU of a map that says background everywhere, where that is true of `share` of it.

    There are two classes. Without any object (`share` 1) only the background occurs, and both scores are 1.

    Examples
    --------
    >>> background_everywhere(0.95)
    (0.95, 0.475)
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share must be from 0 to 1; got {share}")
    confusion = torch.tensor([[share, 0.0], [1 - share, 0.0]], dtype=torch.float64)
    return float(pixel_accuracy(confusion)), float(mean_iou(confusion))


# ------------------------------------------------------------------------------------------- boundary


def mask_iou(prediction: Tensor, target: Tensor) -> Tensor:
    """IoU of two masks (..., H, W); NaN where both are empty.

    Examples
    --------
    Boxes of 3 x 3 and 1 x 2 pixels that share one pixel: 1 / (9 + 2 - 1).

    >>> a, b = torch.zeros(4, 5, dtype=torch.bool), torch.zeros(4, 5, dtype=torch.bool)
    >>> a[:3, :3], b[0, 2:4] = True, True
    >>> mask_iou(a, b)
    tensor(0.1000)
    """
    check_tensors(prediction=prediction, target=target)
    if prediction.shape != target.shape or prediction.dim() < 2:
        shapes = f"{tuple(prediction.shape)} and {tuple(target.shape)}"
        raise ValueError(f"masks must both be (..., H, W); got {shapes}")
    prediction, target = prediction.bool(), target.bool()
    return (prediction & target).sum((-2, -1)) / (prediction | target).sum((-2, -1))


def boundary_band(mask: Tensor, distance: int) -> Tensor:
    """The pixels of a mask that lie within `distance` of its outside.

    The mask is eroded `distance` times with a 3 x 3 square, so a pixel stays in the band if any pixel outside the mask
    lies at most `distance` rows *and* columns away. Beyond the image is outside: a mask that touches the image's edge
    has a band along it.

    Parameters
    ----------
    mask : Tensor of shape (..., H, W)
        Bool, or numbers of which those that are not 0 belong to the mask.
    distance : int
        Pixels, at least 1.

    Returns
    -------
    bool Tensor of shape (..., H, W)

    Notes
    -----
    Cheng et al. [4]_ define the band by the distance to the contour; their program erodes as written here, with zeros
    around the image. All erosions at once are one minimum over a square of 2 `distance` + 1 pixels.

    Examples
    --------
    >>> boundary_band(torch.ones(3, 5), distance=1).int()
    tensor([[1, 1, 1, 1, 1],
            [1, 0, 0, 0, 1],
            [1, 1, 1, 1, 1]], dtype=torch.int32)
    """
    if not isinstance(distance, Integral) or distance < 1:
        raise ValueError(f"distance must be a whole number of pixels, at least 1; got {distance}")
    check_tensors(mask=mask)
    if mask.dim() < 2:
        raise ValueError(f"mask must be (..., H, W); got {tuple(mask.shape)}")
    mask, length = mask.bool(), 2 * distance + 1
    outside = F.pad(~mask, (distance,) * 4, value=True)
    rows = _any_in_stretch(outside, length, -1)
    return mask & _any_in_stretch(rows, length, -2)


def _any_in_stretch(mask: Tensor, length: int, axis: int) -> Tensor:
    """Whether anything is True in each stretch of `length` pixels: in its first part, or in its last."""
    covered = 1
    while covered < length:
        step = min(covered, length - covered)
        count = mask.shape[axis] - step
        mask = mask.narrow(axis, 0, count) | mask.narrow(axis, step, count)
        covered += step
    return mask


def boundary_iou(prediction: Tensor, target: Tensor, distance: int) -> Tensor:
    """IoU of the two masks' boundary bands: sensitive to outlines however large the object is.

    .. math:: \\frac{|(G_d \\cap G) \\cap (P_d \\cap P)|}{|(G_d \\cap G) \\cup (P_d \\cap P)|}

    Parameters
    ----------
    prediction, target : Tensor of shape (..., H, W)
        Masks *P* and *G*.
    distance : int
        Width *d* of the bands in pixels; see `boundary_band` for the convention. Cheng et al. take 2% of the image's
        diagonal. As *d* grows beyond the objects, the score becomes `mask_iou`.

    Returns
    -------
    Tensor of shape (...)
        NaN where both masks are empty.

    Notes
    -----
    Cheng et al. [4]_, equation 4.

    Examples
    --------
    Two squares of 6 x 6, one pixel apart: their masks share 30 of 42 pixels, their outlines only 10 of 30.

    >>> a, b = torch.zeros(8, 9), torch.zeros(8, 9)
    >>> a[1:7, 1:7] = b[1:7, 2:8] = 1
    >>> round(float(mask_iou(a, b)), 3), round(float(boundary_iou(a, b, distance=1)), 3)
    (0.714, 0.333)
    """
    return mask_iou(boundary_band(prediction, distance), boundary_band(target, distance))
