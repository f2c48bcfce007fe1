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
from typing import Any

import numpy as np
import torch
from torch import Tensor

__all__ = ["IOU_THRESHOLDS", "MOST_DETECTIONS", "RECALLS", "average_precision", "match_detections"]

IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
"""How well a detection must fit: 0.5, 0.55 ... 0.95."""

RECALLS = np.linspace(0, 1, 101)
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
    if len(predictions) != len(targets):
        raise ValueError(f"predictions and targets must be as many; got {len(predictions)}, {len(targets)}")
    images = [
        (_entry("predictions", n, found, kind, "scores"), _entry("targets", n, true, kind))
        for n, (found, true) in enumerate(zip(predictions, targets, strict=True))
    ]
    classes = sorted({int(label) for image in images for part in image for label in part["labels"]})
    table = np.full((len(classes), len(IOU_THRESHOLDS)), np.nan)
    for row, label in zip(table, classes, strict=True):
        row[:] = _class_precision(images, label, kind)
    return {
        "AP": _mean(table),
        "AP50": _mean(table[:, IOU_THRESHOLDS == 0.5]),
        "AP75": _mean(table[:, IOU_THRESHOLDS == 0.75]),
        "per_class": {label: float(row.mean()) for label, row in zip(classes, table, strict=True)},
    }


def match_detections(iou: np.ndarray, crowd: np.ndarray, threshold: float) -> np.ndarray:
    """Give each detection of one class in one image an object, the best detection first.

    1. A detection takes the object that it fits best among those that are not yet taken, if their IoU is at least
       `threshold`; of equals the last.
    2. If there is none, it may fall to a crowd, which is never used up.

    Parameters
    ----------
    iou : array of shape (D, G)
        Rows in the order of scores, best first. With a crowd: the share of the *detection* that the crowd covers.
    crowd : bool array of shape (G,)
    threshold : float

    Returns
    -------
    int array of shape (D,)
        1, a hit; 0, a false alarm; -1, ignored: it fell to a crowd.

    Examples
    --------
    >>> iou = np.array([[0.9, 0.6, 0.0], [0.8, 0.6, 0.0], [0.7, 0.5, 0.6], [0.0, 0.1, 0.0]])
    >>> match_detections(iou, np.array([False, False, True]), 0.5).tolist()
    [1, 1, -1, 0]
    """
    threshold = min(threshold, 1 - 1e-10)  # a perfect fit passes whatever rounding does
    verdicts = np.zeros(len(iou), dtype=int)
    free = ~crowd
    for number, row in enumerate(iou):
        fits = row >= threshold
        if (fits & free).any():
            best = np.where(fits & free, row, -1.0)
            free[len(row) - 1 - best[::-1].argmax()] = False
            verdicts[number] = 1
        elif (fits & crowd).any():
            verdicts[number] = -1
    return verdicts


def _class_precision(images: Sequence[tuple[dict, dict]], label: int, kind: str) -> np.ndarray:
    """AP of one class at each IoU threshold: (10,)."""
    scores, verdicts, count = [np.zeros(0)], [np.zeros((len(IOU_THRESHOLDS), 0), dtype=int)], 0
    for found, true in images:
        chosen = (found["labels"] == label).nonzero()[0]
        chosen = chosen[np.argsort(-found["scores"][chosen], kind="stable")][:MOST_DETECTIONS]
        wanted = (true["labels"] == label).nonzero()[0]
        crowd = true["iscrowd"][wanted]
        count += int((~crowd).sum())
        iou = _overlaps(found[kind][chosen], true[kind][wanted], crowd, kind)
        scores.append(found["scores"][chosen])
        verdicts.append(np.stack([match_detections(iou, crowd, t) for t in IOU_THRESHOLDS]))
    if not count:
        return np.full(len(IOU_THRESHOLDS), np.nan)
    order = np.argsort(-np.concatenate(scores), kind="stable")
    return np.array([_area_under_envelope(row[order], count) for row in np.concatenate(verdicts, 1)])


def _area_under_envelope(verdicts: np.ndarray, count: int) -> float:
    """Mean precision at the 101 recalls, of verdicts in the order of scores."""
    hits, alarms = (verdicts == 1).cumsum(), (verdicts == 0).cumsum()
    recall, precision = hits / count, hits / (hits + alarms).clip(min=1)  # 1: only ignored ones so far
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    places = np.searchsorted(recall, RECALLS, side="left")
    return float(np.append(envelope, 0.0)[places].mean())


def _overlaps(found: np.ndarray, true: np.ndarray, crowd: np.ndarray, kind: str) -> np.ndarray:
    """IoU of each detection with each ground truth, (D, G); for a crowd, intersection over the detection's area."""
    if not len(found) or not len(true):
        return np.zeros((len(found), len(true)))
    if kind == "boxes":
        sides = np.minimum(found[:, None, 2:], true[None, :, 2:]) - np.maximum(
            found[:, None, :2], true[None, :, :2]
        )
        intersection = sides.clip(min=0).prod(-1)
        area, other = ((part[:, 2:] - part[:, :2]).prod(-1) for part in (found, true))
    else:
        if found.shape[1:] != true.shape[1:]:
            raise ValueError(
                f"masks of an image must be of one size; got {found.shape[1:]} and {true.shape[1:]}"
            )
        found, true = (part.reshape(len(part), -1).astype(np.float64) for part in (found, true))
        intersection, area, other = found @ true.T, found.sum(1), true.sum(1)
    union = np.where(crowd[None, :], area[:, None], area[:, None] + other[None, :] - intersection)
    return np.divide(intersection, union, out=np.zeros_like(intersection), where=union > 0)


def _mean(table: np.ndarray) -> float:
    known = table[~np.isnan(table)]
    return float(known.mean()) if known.size else float("nan")


def _entry(name: str, number: int, entry: dict[str, Tensor], kind: str, *more: str) -> dict[str, np.ndarray]:
    """One image's arrays, checked: labels, the kind's, scores of predictions, iscrowd of targets."""
    for key in ("labels", kind, *more):
        if key not in entry:
            raise ValueError(f"{name}[{number}] must have {key!r}; it has {sorted(entry)}")
    arrays = {key: _array(entry[key]) for key in ("labels", kind, *more)}
    count = len(arrays["labels"])
    if not more:
        arrays["iscrowd"] = _array(entry.get("iscrowd", torch.zeros(count))).astype(bool)
    for key, values in arrays.items():
        axes = {"boxes": 2, "masks": 3}.get(key, 1)
        wide = key == "boxes" and values.shape[1:] != (4,)
        if len(values) != count or (count and (values.ndim != axes or wide)):
            shape = {"boxes": f"({count}, 4)", "masks": f"({count}, H, W)"}.get(key, f"({count},)")
            raise ValueError(f"{name}[{number}]['{key}'] must be {shape}; got {values.shape}")
    if kind == "masks" and arrays[kind].dtype.kind == "f" and not np.isin(arrays[kind], (0, 1)).all():
        raise ValueError(
            f"{name}[{number}]['masks'] must be on or off; got probabilities, set a threshold first"
        )
    arrays[kind] = arrays[kind].astype(bool if kind == "masks" else np.float64)
    if more:
        arrays["scores"] = arrays["scores"].astype(np.float64)
    return arrays


def _array(values: Tensor) -> np.ndarray:
    values = torch.as_tensor(values).detach().cpu()
    return (values.double() if values.is_floating_point() else values).numpy()
