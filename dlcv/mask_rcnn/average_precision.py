"""Average precision as COCO defines it: one number for how well objects are found, ranked and outlined.

References
----------
.. [1] T.-Y. Lin, M. Maire, S. Belongie, J. Hays, P. Perona, D. Ramanan, P. Dollár and C. L. Zitnick, "Microsoft COCO:
   common objects in context", ECCV 2014; the measure is defined on cocodataset.org, "Detection evaluation".
.. [2] M. Everingham, L. Van Gool, C. Williams, J. Winn and A. Zisserman, "The PASCAL visual object classes (VOC)
   challenge", IJCV 2010.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["IOU_THRESHOLDS", "MOST_DETECTIONS", "RECALLS", "average_precision", "mask_ap", "match_detections"]

IOU_THRESHOLDS = 0.5 + torch.arange(10, dtype=torch.float64) * ((0.95 - 0.5) / 9)
"""How well a detection must fit: 0.5, 0.55 ... 0.95, to the last bit as COCO's program has them."""

RECALLS = torch.arange(101, dtype=torch.float64) * 0.01
"""Where precision is read: 0, 0.01 ... 1."""

MOST_DETECTIONS = 100
"""How many detections of a class count in one image, best first."""


def average_precision(
    predictions: Sequence[dict[str, Tensor]], targets: Sequence[dict[str, Tensor]], kind: str = "masks"
) -> dict[str, Any]:
    """Mean of precision over recalls, IoU thresholds and classes.

    For each class and each IoU threshold, all images' detections stand in one row, best score first. Each is a hit, a
    false alarm, or ignored (`match_detections`). After each one,

    .. math:: \\text{precision} = \\frac{\\text{hits}}{\\text{hits} + \\text{false alarms}}, \\qquad
              \\text{recall} = \\frac{\\text{hits}}{\\text{ground truths}}

    Precision at recall *r* is the largest at that recall *or more*, the envelope; where recall never comes so far, it
    is 0. AP is its mean over the recalls 0, 0.01 ... 1.

    Parameters
    ----------
    predictions : list of dict
        Of each image: ``scores`` (D,), ``labels`` (D,), and ``masks`` (D, H, W) or ``boxes`` (D, 4) as x1, y1, x2, y2.
        Only the 100 best of each class and image count.
    targets : list of dict
        Of each image: ``labels`` (G,), and ``masks`` (G, H, W) or ``boxes`` (G, 4); ``iscrowd`` (G,), all 0 where not
        given, marks regions of many objects, which are neither to be found nor false alarms.
    kind : "masks" or "boxes"
        What IoU is measured on.

    Returns
    -------
    dict
        ``AP``, over all ten thresholds, ``AP50`` and ``AP75``, at one: means over classes. ``per_class``: AP of each
        label, a dict. A class without ground truth (other than crowds) is NaN and left out of the means, as it would
        be in COCO's program, which says -1. All are NaN where no class has ground truth.

    Raises
    ------
    ValueError
        If the lists differ in length, or a dict's tensors do.

    Notes
    -----
    Lin et al. [1]_. PASCAL [2]_ used one threshold, 0.5, and in its early years 11 recalls.

    Examples
    --------
    One of two objects found, after a false alarm: precision 1/2 up to recall 1/2 (51 of the 101 recalls), then 0.

    >>> truth = {"boxes": torch.tensor([[0.0, 0, 4, 4], [8, 8, 9, 9]]), "labels": torch.tensor([3, 3])}
    >>> found = {"boxes": torch.tensor([[20.0, 0, 24, 4], [0, 0, 4, 4]]), "labels": torch.tensor([3, 3])}
    >>> result = average_precision([found | {"scores": torch.tensor([0.9, 0.8])}], [truth], kind="boxes")
    >>> round(result["AP"], 4), round(51 * 0.5 / 101, 4)
    (0.2525, 0.2525)
    """
    if kind not in ("masks", "boxes"):
        raise ValueError(f"kind must be 'masks' or 'boxes'; got {kind!r}")
    _check_lists(predictions, targets)
    images = [
        _ranked(_entry("predictions", n, found, kind, "scores"), _entry("targets", n, true, kind), kind)
        for n, (found, true) in enumerate(zip(predictions, targets, strict=True))
    ]
    classes = sorted({int(label) for image in images for label in image.found_labels + image.true_labels})
    table = torch.full((len(classes), len(IOU_THRESHOLDS)), torch.nan, dtype=torch.float64)
    for row, label in zip(table, classes, strict=True):
        row[:] = _class_precision(images, label, IOU_THRESHOLDS)
    return {
        "AP": float(table.nanmean()),
        "AP50": float(table[:, 0].nanmean()),
        "AP75": float(table[:, 5].nanmean()),
        "per_class": {label: float(row.mean()) for label, row in zip(classes, table, strict=True)},
    }


def mask_ap(
    predictions: Sequence[dict[str, Tensor]], targets: Sequence[dict[str, Tensor]], iou_threshold: float = 0.5
) -> float:
    """AP of the masks of one class at one IoU threshold: the number that `average_precision` takes means of.

    Parameters
    ----------
    predictions : list of dict
        Of each image: ``scores`` (D,) and ``masks`` (D, H, W), all of one class.
    targets : list of dict
        Of each image: ``masks`` (G, H, W) and, where there are crowds, ``iscrowd`` (G,).
    iou_threshold : float

    Returns
    -------
    float
        From 0 to 1; NaN where there is no object (other than crowds).

    Examples
    --------
    The better of two detections fits: precision is 1 up to recall 1/2, which are 51 of the 101 recalls.

    >>> masks = torch.eye(3)[:, None].bool()  # three objects of one pixel each
    >>> found = {"masks": masks[[0, 2]], "scores": torch.tensor([0.9, 0.4])}
    >>> round(mask_ap([found], [{"masks": masks[:2]}]), 4), round(51 / 101, 4)
    (0.505, 0.505)
    """
    _check_lists(predictions, targets)
    _check_threshold(iou_threshold)
    images = []
    for number, (found, true) in enumerate(zip(predictions, targets, strict=True)):
        found, true = (part | {"labels": torch.zeros(len(part.get("masks", ())))} for part in (found, true))
        parts = (
            _entry("predictions", number, found, "masks", "scores"),
            _entry("targets", number, true, "masks"),
        )
        images.append(_ranked(*parts, "masks"))
    return float(_class_precision(images, 0, torch.tensor([iou_threshold], dtype=torch.float64)))


def match_detections(iou: Tensor, crowd: Tensor, threshold: float) -> Tensor:
    """Give each detection of one class in one image an object, the best detection first.

    1. A detection takes the object that it fits best among those that are not yet taken, if their IoU is at least
       `threshold`; of equals the last.
    2. If there is none, it may fall to a crowd, which is never used up.

    Parameters
    ----------
    iou : Tensor of shape (D, G)
        Rows in the order of scores, best first. With a crowd: the share of the *detection* that the crowd covers.
    crowd : bool Tensor of shape (G,)
    threshold : float

    Returns
    -------
    int64 Tensor of shape (D,)
        1, a hit; 0, a false alarm; -1, ignored: it fell to a crowd.

    Raises
    ------
    ValueError
        If `crowd` does not say it of each column of `iou`, or `threshold` is not from 0 to 1.

    Examples
    --------
    >>> iou = torch.tensor([[0.9, 0.6, 0.0], [0.8, 0.6, 0.0], [0.7, 0.5, 0.6], [0.0, 0.1, 0.0]])
    >>> match_detections(iou, torch.tensor([False, False, True]), 0.5).tolist()
    [1, 1, -1, 0]
    """
    _check_threshold(threshold)
    if iou.dim() != 2 or crowd.shape != iou.shape[1:]:
        raise ValueError(f"iou, crowd must be (D, G), (G,); got {tuple(iou.shape)}, {tuple(crowd.shape)}")
    return torch.tensor(_verdicts(iou.tolist(), crowd.tolist(), threshold), dtype=torch.int64)


def _verdicts(iou: list[list[float]], crowd: list[bool], threshold: float) -> list[int]:
    """`match_detections` in lists: tables are small, and a tensor operation costs more than a row of them."""
    threshold = min(threshold, 1 - 1e-10)  # a perfect fit passes whatever rounding does
    free, verdicts = [not region for region in crowd], []
    for row in iou:
        fits = [g for g, overlap in enumerate(row) if overlap >= threshold]
        objects = [g for g in fits if free[g]]
        if objects:
            free[max(objects, key=lambda g: (row[g], g))] = False
            verdicts.append(1)
        else:
            verdicts.append(-1 if any(crowd[g] for g in fits) else 0)
    return verdicts


@dataclass(frozen=True)
class _Ranked:
    """One image in lists: its detections, best first, its ground truths, and the table of their IoU."""

    scores: list[float]
    found_labels: list[int]
    true_labels: list[int]
    crowd: list[bool]
    iou: list[list[float]]


def _ranked(found: dict[str, Tensor], true: dict[str, Tensor], kind: str) -> _Ranked:
    order = found["scores"].argsort(descending=True, stable=True)
    iou = _overlaps(found[kind][order], true[kind], true["iscrowd"], kind)
    lists = (found["scores"][order], found["labels"][order], true["labels"], true["iscrowd"], iou)
    return _Ranked(*(values.tolist() for values in lists))


def _class_precision(images: Sequence[_Ranked], label: int, thresholds: Tensor) -> Tensor:
    """AP of one class at each IoU threshold: (T,)."""
    scores, count = [], 0
    verdicts: list[list[int]] = [[] for _ in thresholds]
    for image in images:
        rows = [d for d, own in enumerate(image.found_labels) if own == label][:MOST_DETECTIONS]
        columns = [g for g, own in enumerate(image.true_labels) if own == label]
        crowd = [image.crowd[g] for g in columns]
        count += crowd.count(False)
        scores += [image.scores[d] for d in rows]
        iou = [[image.iou[d][g] for g in columns] for d in rows]
        for kept, threshold in zip(verdicts, thresholds.tolist(), strict=True):
            kept += _verdicts(iou, crowd, threshold)
    if not count:
        return torch.full((len(thresholds),), torch.nan, dtype=torch.float64)
    order = torch.tensor(scores, dtype=torch.float64).argsort(descending=True, stable=True)
    return _area_under_envelope(torch.tensor(verdicts)[:, order], count)


def _area_under_envelope(verdicts: Tensor, count: int) -> Tensor:
    """Mean precision at the 101 recalls of verdicts (T, D), whose columns are in the order of scores: (T,)."""
    hits, alarms = (verdicts == 1).cumsum(1).double(), (verdicts == 0).cumsum(1)
    recall, precision = hits / count, hits / (hits + alarms).clamp(min=1)  # 1: only ignored ones so far
    envelope = precision.flip(1).cummax(1).values.flip(1)
    places = torch.searchsorted(recall, RECALLS.expand(len(recall), -1).contiguous())
    return F.pad(envelope, (0, 1)).gather(1, places).mean(1)


def _overlaps(found: Tensor, true: Tensor, crowd: Tensor, kind: str) -> Tensor:
    """IoU of each detection with each ground truth, (D, G); for a crowd, intersection over the detection's area."""
    if not len(found) or not len(true):
        return torch.zeros(len(found), len(true))
    if kind == "boxes":
        first = torch.maximum(found[:, None, :2], true[:, :2])
        last = torch.minimum(found[:, None, 2:], true[:, 2:])
        intersection = (last - first).clamp(min=0).prod(-1)
        area, other = ((part[:, 2:] - part[:, :2]).prod(-1) for part in (found, true))
    else:
        if found.shape[1:] != true.shape[1:]:
            sizes = f"{tuple(found.shape[1:])} and {tuple(true.shape[1:])}"
            raise ValueError(f"masks of an image must be of one size; got {sizes}")
        found, true = (part.flatten(1).float() for part in (found, true))  # whole numbers: exact
        intersection, area, other = (part.double() for part in (found @ true.T, found.sum(1), true.sum(1)))
    union = torch.where(crowd, area[:, None], area[:, None] + other - intersection)
    return torch.where(union > 0, intersection / union, 0.0)


def _check_lists(predictions: Sequence[dict[str, Tensor]], targets: Sequence[dict[str, Tensor]]) -> None:
    if isinstance(predictions, dict) or isinstance(targets, dict):
        raise ValueError("predictions and targets must be lists of dicts, one an image; got one dict")
    if len(predictions) != len(targets):
        raise ValueError(f"predictions and targets must be as many; got {len(predictions)}, {len(targets)}")


def _check_threshold(threshold: float) -> None:
    if not 0 <= threshold <= 1:
        raise ValueError(f"the IoU threshold must be from 0 to 1; got {threshold}")


def _entry(name: str, number: int, entry: dict[str, Tensor], kind: str, *more: str) -> dict[str, Tensor]:
    """One image's tensors, checked: labels, the kind's, scores of predictions, iscrowd of targets."""
    for key in ("labels", kind, *more):
        if key not in entry:
            raise ValueError(f"{name}[{number}] must have {key!r}; it has {sorted(entry)}")
    parts = {key: torch.as_tensor(entry[key]).detach().cpu() for key in ("labels", kind, *more)}
    count = len(parts["labels"])
    if not more:
        parts["iscrowd"] = torch.as_tensor(entry.get("iscrowd", torch.zeros(count))).cpu().bool()
    for key, values in parts.items():
        axes = {"boxes": 2, "masks": 3}.get(key, 1)
        wide = key == "boxes" and values.shape[1:] != (4,)
        if len(values) != count or (count and (values.dim() != axes or wide)):
            shape = {"boxes": f"({count}, 4)", "masks": f"({count}, H, W)"}.get(key, f"({count},)")
            raise ValueError(f"{name}[{number}]['{key}'] must be {shape}; got {tuple(values.shape)}")
    probabilities = parts[kind].is_floating_point() and ((parts[kind] != 0) & (parts[kind] != 1)).any()
    if kind == "masks" and probabilities:
        raise ValueError(
            f"{name}[{number}]['masks'] must be on or off; got probabilities, set a threshold first"
        )
    parts[kind] = parts[kind].bool() if kind == "masks" else parts[kind].double()
    if more:
        parts["scores"] = parts["scores"].double()
    return parts
