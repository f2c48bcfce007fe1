"""Panoptic results: how they are written down, and how good they are.

A panoptic result is a pair: a map ``(H, W)`` with the id of each pixel's segment, 0 where there is none (void), and a
list of segments, dicts with ``id``, ``category_id`` and, in ground truth, perhaps ``iscrowd``. Which categories are
things (countable) and which stuff is said by a dict, ``{category_id: is_thing}``.

References
----------
.. [1] A. Kirillov, K. He, R. Girshick, C. Rother and P. Dollár, "Panoptic segmentation", CVPR 2019.
.. [2] T.-Y. Lin et al., "Microsoft COCO: common objects in context", ECCV 2014; its panoptic task of 2018.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Integral
from typing import NamedTuple

import torch
from torch import Tensor

from dlcv.arguments import check_whole

VOID = 0
"""The id of pixels that belong to no segment."""

# ------------------------------------------------------------------------------- one number a pixel


def encode_panoptic(semantic: Tensor, instance: Tensor, label_divisor: int = 1000) -> Tensor:
    """Write class and instance of each pixel as one number.

    .. math:: e = d \\cdot c + i

    Parameters
    ----------
    semantic : integer Tensor of shape (..., H, W)
        Classes *c*, at least 0; 255 may stand for void as in any class map.
    instance : integer Tensor of the same shape
        Numbers *i* of the things of an image, 0 on stuff; below `label_divisor`.
    label_divisor : int
        *d*, more than any image has instances.

    Returns
    -------
    int64 Tensor of shape (..., H, W)

    Raises
    ------
    ValueError
        If shapes differ, or a number does not fit and could not be told from another after encoding.

    Examples
    --------
    >>> encode_panoptic(torch.tensor([[0, 7, 7]]), torch.tensor([[0, 1, 2]]))
    tensor([[   0, 7001, 7002]])
    """
    check_whole(1, label_divisor=label_divisor)
    if semantic.shape != instance.shape:
        shapes = f"{tuple(semantic.shape)} and {tuple(instance.shape)}"
        raise ValueError(f"semantic and instance must have the same shape; got {shapes}")
    _check_whole("semantic", semantic)
    _check_whole("instance", instance, below=label_divisor)
    return semantic.long() * label_divisor + instance.long()


def decode_panoptic(encoded: Tensor, label_divisor: int = 1000) -> tuple[Tensor, Tensor]:
    """Read class and instance of each pixel from one number: the way back of `encode_panoptic`.

    Parameters
    ----------
    encoded : integer Tensor of shape (..., H, W)
        At least 0.
    label_divisor : int
        As it was encoded with.

    Returns
    -------
    semantic, instance : int64 Tensors of shape (..., H, W)

    Examples
    --------
    >>> decode_panoptic(torch.tensor([[0, 7001, 7002]]))
    (tensor([[0, 7, 7]]), tensor([[0, 1, 2]]))
    """
    check_whole(1, label_divisor=label_divisor)
    _check_whole("encoded", encoded)
    encoded = encoded.long()
    return encoded // label_divisor, encoded % label_divisor


def to_segments(
    encoded: Tensor, label_divisor: int = 1000, ignore_index: int = 255
) -> tuple[Tensor, list[dict]]:
    """Turn encoded numbers into COCO's form: a map of ids and a list of segments.

    Parameters
    ----------
    encoded : integer Tensor of shape (H, W)
        As `encode_panoptic` writes it.
    label_divisor : int
        As it was encoded with.
    ignore_index : int
        The class that stands for void: its pixels get id 0 and no segment.

    Returns
    -------
    ids : int64 Tensor of shape (H, W)
    segments : list of dict
        ``id`` and ``category_id`` of each, in the order of the encoded numbers: by class, then by instance. Ids count
        from 1.

    Examples
    --------
    >>> ids, segments = to_segments(torch.tensor([[7002, 7001, 255000], [0, 7001, 0]]))
    >>> ids
    tensor([[3, 2, 0],
            [1, 2, 1]])
    >>> segments[1:]
    [{'id': 2, 'category_id': 7}, {'id': 3, 'category_id': 7}]
    """
    if encoded.dim() != 2:
        raise ValueError(f"encoded must be (H, W); got {tuple(encoded.shape)}")
    semantic, _ = decode_panoptic(encoded, label_divisor)
    ids, segments = torch.zeros_like(semantic), []
    for number in encoded[semantic != ignore_index].unique().tolist():
        segments.append({"id": len(segments) + 1, "category_id": number // label_divisor})
        ids[encoded == number] = len(segments)
    return ids, segments


def validate_panoptic(ids: Tensor, segments: Sequence[Mapping], categories: Mapping[int, bool]) -> None:
    """Raise a ValueError that says what is wrong with a panoptic result, if anything is.

    Parameters
    ----------
    ids : integer Tensor of shape (H, W)
    segments : sequence of dict
    categories : dict
        ``{category_id: is_thing}``.

    Raises
    ------
    ValueError
        If the map is not one of whole numbers from 0; a segment lacks a key, has an id below 1, one that another
        segment has, or a category that there is not; an id of the map has no segment, a segment has no pixels, or
        a kind of stuff has more than one segment: stuff has no instances.

    Examples
    --------
    >>> validate_panoptic(torch.tensor([[1, 1, 2]]), [{"id": 1, "category_id": 3}], {3: True})
    Traceback (most recent call last):
    ValueError: the result holds pixels of id 2, which no segment has
    """
    _check_result("the result", ids, segments, categories)
    _, missing, pieces = panoptic_problems(ids, segments, categories)
    if missing:
        raise ValueError(f"the result has no pixels of segment {missing[0]}")
    if pieces:
        several = " and ".join(str(s["id"]) for s in segments if s["category_id"] == pieces[0])
        raise ValueError(
            f"category {pieces[0]} is stuff and has no instances; segments {several} are more than one"
        )


def panoptic_problems(
    ids: Tensor, segments: Sequence[Mapping], categories: Mapping[int, bool]
) -> tuple[list[int], list[int], list[int]]:
    """List where the map and the list of a panoptic result contradict each other.

    Parameters
    ----------
    ids : integer Tensor of shape (H, W)
        0 is void and needs no segment.
    segments : sequence of dict
    categories : dict
        ``{category_id: is_thing}``.

    Returns
    -------
    unknown : list of int
        Ids of the map that no segment has.
    missing : list of int
        Ids of segments that have no pixels.
    pieces : list of int
        Categories of stuff that have more than one segment.
        All three increase.

    Examples
    --------
    >>> segments = [{"id": 1, "category_id": 3}, {"id": 2, "category_id": 3}, {"id": 5, "category_id": 7}]
    >>> panoptic_problems(torch.tensor([[0, 1, 2, 4]]), segments, {3: False, 7: True})
    ([4], [5], [3])
    """
    drawn, listed = set(ids.unique().tolist()) - {VOID}, {segment["id"] for segment in segments}
    stuff = [segment["category_id"] for segment in segments if not categories[segment["category_id"]]]
    return sorted(drawn - listed), sorted(listed - drawn), sorted({c for c in stuff if stuff.count(c) > 1})


# ------------------------------------------------------------------------------- which segment is which


class Matching(NamedTuple):
    """What became of the segments of one image; see `match_segments`.

    Attributes
    ----------
    matches : list of (predicted id, true id, IoU)
        True positives.
    false_positives : list of int
        Predicted ids without a match, but for those that void or a crowd excuses.
    false_negatives : list of int
        True ids without a match, but for crowds.
    """

    matches: list[tuple[int, int, float]]
    false_positives: list[int]
    false_negatives: list[int]


def segment_overlaps(predicted_ids: Tensor, target_ids: Tensor) -> dict[tuple[int, int], int]:
    """Count the pixels that each predicted id shares with each true id, void included.

    Parameters
    ----------
    predicted_ids, target_ids : integer Tensors of the same shape

    Returns
    -------
    dict
        ``{(predicted id, true id): pixels}``; pairs that share none are not in it.

    Examples
    --------
    >>> segment_overlaps(torch.tensor([[1, 1, 1, 0]]), torch.tensor([[5, 5, 0, 0]]))
    {(0, 0): 1, (1, 0): 1, (1, 5): 2}
    """
    if predicted_ids.shape != target_ids.shape:
        shapes = f"{tuple(predicted_ids.shape)} and {tuple(target_ids.shape)}"
        raise ValueError(f"predicted and true ids must have the same shape; got {shapes}")
    predicted, row = predicted_ids.unique(return_inverse=True)
    true, column = target_ids.unique(return_inverse=True)
    counts = torch.bincount((row * len(true) + column).flatten(), minlength=len(predicted) * len(true))
    pairs = [(p, t) for p in predicted.tolist() for t in true.tolist()]
    return {pair: count for pair, count in zip(pairs, counts.tolist(), strict=True) if count}


def match_segments(prediction: tuple[Tensor, Sequence], target: tuple[Tensor, Sequence]) -> Matching:
    """Say which predicted segment is which true one, in one image.

    A pair of one category matches if its IoU is over one half, where void is no part of the union:

    .. math:: \\text{IoU}(p, g) = \\frac{|p \\cap g|}{|p| + |g| - |p \\cap g| - |p \\cap \\text{void}|} > \\frac12

    Parameters
    ----------
    prediction, target : (ids, segments)
        Maps of one shape. The target's void is not judged. Its crowds (``"iscrowd": 1``) are regions in which nobody
        told things apart.

    Returns
    -------
    Matching
        Segments in the order of their lists.

    Notes
    -----
    [1]_, section 4.1, and COCO's program [2]_:

    - No segment can be in two matches. Segments of one map share no pixel; two that both had more than half of a union
      with the same third, and so more than half of that third, would. Strictly: at exactly one half, two could.
    - A crowd is never matched and never missed.
    - A predicted segment without a match is no error if more than half of it lies on void and on the crowd of its own
      category. Where an image has several crowds of a category (COCO has one at most), the last in the list counts.
    - A segment in the target's list that has no pixels is missed; one in the prediction's list is refused.

    Examples
    --------
    Two true things of 4 pixels. The first was found, with 3 of its pixels; the second was cut in halves.

    >>> true = torch.tensor([[1, 1, 1, 1, 2, 2, 2, 2]]), [{"id": 1, "category_id": 7}, {"id": 2, "category_id": 7}]
    >>> found = torch.tensor([[4, 4, 4, 0, 5, 5, 6, 6]]), [{"id": i, "category_id": 7} for i in (4, 5, 6)]
    >>> match_segments(found, true)
    Matching(matches=[(4, 1, 0.75)], false_positives=[5, 6], false_negatives=[2])
    """
    _check_result("the prediction", *prediction)
    _check_result("the target", *target)
    return _matching(prediction, target)


def _matching(prediction: tuple[Tensor, Sequence], target: tuple[Tensor, Sequence]) -> Matching:
    """`match_segments` of results that were checked already."""
    predicted, true = (
        {segment["id"]: segment for segment in segments} for _, segments in (prediction, target)
    )
    overlaps = segment_overlaps(prediction[0], target[0])
    predicted_area, true_area = defaultdict(int), defaultdict(int)
    for (p, t), pixels in overlaps.items():
        predicted_area[p] += pixels
        true_area[t] += pixels
    if missing := predicted.keys() - predicted_area.keys():
        raise ValueError(f"the prediction has no pixels of segment {min(missing)}")

    matches = []
    for (p, t), pixels in overlaps.items():
        if p == VOID or t == VOID or true[t].get("iscrowd"):
            continue
        if predicted[p]["category_id"] == true[t]["category_id"]:
            union = predicted_area[p] + true_area[t] - pixels - overlaps.get((p, VOID), 0)
            if 2 * pixels > union:
                matches.append((p, t, pixels / union))

    place = {number: index for index, number in enumerate(predicted)}
    matches.sort(key=lambda match: place[match[0]])
    found, explained = {p for p, _, _ in matches}, {t for _, t, _ in matches}
    crowds = {segment["category_id"]: t for t, segment in true.items() if segment.get("iscrowd")}

    def excused(p: int) -> bool:
        crowd = crowds.get(predicted[p]["category_id"])
        return 2 * (overlaps.get((p, VOID), 0) + overlaps.get((p, crowd), 0)) > predicted_area[p]

    return Matching(
        matches,
        [p for p in predicted if p not in found and not excused(p)],
        [t for t, segment in true.items() if t not in explained and not segment.get("iscrowd")],
    )


# ------------------------------------------------------------------------------- how good


class Quality(NamedTuple):
    """Panoptic, segmentation and recognition quality, each from 0 to 1."""

    pq: float
    sq: float
    rq: float


@dataclass(frozen=True)
class PanopticQuality:
    """What `panoptic_quality` returns.

    Attributes
    ----------
    pq, sq, rq : float
        Means over all categories that occur, NaN where none does. Only a category's own PQ is its SQ x RQ; the mean of
        products is not the product of means.
    things, stuff : Quality
        Means over the categories of each kind that occur.
    per_class : dict
        ``{category_id: Quality}`` of the categories that occur.
    counts : dict
        ``{category_id: (sum of IoU, TP, FP, FN)}`` over all images, for every category.
    """

    pq: float
    sq: float
    rq: float
    things: Quality
    stuff: Quality
    per_class: dict[int, Quality]
    counts: dict[int, tuple[float, int, int, int]] = field(repr=False)


def class_quality(iou: float, tp: int, fp: int, fn: int) -> Quality:
    """PQ, SQ and RQ of one category from its counts.

    .. math:: PQ = \\underbrace{\\frac{\\sum_{TP} IoU}{|TP|}}_{SQ} \\cdot
              \\underbrace{\\frac{|TP|}{|TP| + \\frac12 |FP| + \\frac12 |FN|}}_{RQ}

    Notes
    -----
    [1]_, equations 1 and 2. RQ is the F1 score of the segments. SQ is 0 where nothing matched. NaN where nothing was
    counted.

    Examples
    --------
    >>> class_quality(iou=1.5, tp=2, fp=1, fn=1)
    Quality(pq=0.5, sq=0.75, rq=0.6666666666666666)
    """
    size = tp + fp / 2 + fn / 2
    if not size:
        return Quality(*[float("nan")] * 3)
    return Quality(iou / size, iou / tp if tp else 0.0, tp / size)


def mean_quality(images: Sequence[Mapping[int, Sequence[float]]]) -> Quality:
    """PQ, SQ and RQ from counts: summed over the images, divided for each category, then averaged.

    Parameters
    ----------
    images : sequence of dict
        For each image ``{category_id: (sum of IoU, TP, FP, FN)}``.

    Returns
    -------
    Quality
        Mean over the categories of which anything was counted in any image; NaN where there is none.

    Examples
    --------
    Nine things that were found in one image; the only one of the other was missed. The mean of both images' RQ is 0.5.

    >>> mean_quality([{7: (9.0, 9, 0, 0)}, {7: (0.0, 0, 0, 1)}]).rq
    0.9473684210526315
    """
    return _mean(_per_class(_summed(images)).values())


def panoptic_quality(
    predictions: Sequence[tuple[Tensor, Sequence[Mapping]]],
    targets: Sequence[tuple[Tensor, Sequence[Mapping]]],
    categories: Mapping[int, bool],
) -> PanopticQuality:
    """Panoptic quality of the results for some images.

    Parameters
    ----------
    predictions, targets : sequences of (ids, segments), one an image
        Maps of an image's results have the same shape.
    categories : dict
        ``{category_id: is_thing}``.

    Returns
    -------
    PanopticQuality

    Raises
    ------
    ValueError
        If there are more or fewer predictions than targets, maps differ in shape, an id of a map has no segment, a
        predicted segment has no pixels, or a category is not in `categories`.

    Notes
    -----
    [1]_, section 4; equal to COCO's program [2]_ but for categories that do not occur, which it lists with 0 and
    leaves out of its means, too. As there, stuff may come in pieces; then one of them matches at most, and the others
    are false positives.

    Examples
    --------
    >>> true = torch.tensor([[1, 1, 1, 1, 2, 2, 2, 2]]), [{"id": 1, "category_id": 7}, {"id": 2, "category_id": 3}]
    >>> found = torch.tensor([[4, 4, 4, 0, 0, 0, 5, 5]]), [{"id": 4, "category_id": 7}, {"id": 5, "category_id": 3}]
    >>> quality = panoptic_quality([found], [true], {3: False, 7: True, 8: True})
    >>> quality.pq, quality.things.pq, quality.stuff.pq
    (0.375, 0.75, 0.0)
    """
    if len(predictions) != len(targets):
        raise ValueError(
            f"there must be a prediction for each target; got {len(predictions)} and {len(targets)}"
        )
    images = []
    for number, (prediction, target) in enumerate(zip(predictions, targets, strict=True)):
        _check_result(f"prediction {number}", *prediction, categories)
        _check_result(f"target {number}", *target, categories)
        images.append(_counts(prediction, target))
    counts = {category: (0.0, 0, 0, 0) for category in categories} | _summed(images)
    per_class = _per_class(counts)
    return PanopticQuality(
        *_mean(per_class.values()),
        things=_mean([quality for category, quality in per_class.items() if categories[category]]),
        stuff=_mean([quality for category, quality in per_class.items() if not categories[category]]),
        per_class=per_class,
        counts=counts,
    )


def _counts(
    prediction: tuple[Tensor, Sequence], target: tuple[Tensor, Sequence]
) -> dict[int, tuple[float, int, int, int]]:
    """Sum of IoU, TP, FP and FN of each category in one image."""
    matching = _matching(prediction, target)
    predicted, true = ({s["id"]: s["category_id"] for s in segments} for _, segments in (prediction, target))
    counted = [(predicted[p], (iou, 1, 0, 0)) for p, _, iou in matching.matches]
    counted += [(predicted[p], (0.0, 0, 1, 0)) for p in matching.false_positives]
    counted += [(true[t], (0.0, 0, 0, 1)) for t in matching.false_negatives]
    return _summed({category: counts} for category, counts in counted)


def _summed(images) -> dict[int, tuple[float, int, int, int]]:
    total: dict[int, tuple] = {}
    for image in images:
        for category, counts in image.items():
            before = total.get(category, (0.0, 0, 0, 0))
            total[category] = tuple(a + b for a, b in zip(before, counts, strict=True))
    return total


def _per_class(counts: Mapping[int, Sequence[float]]) -> dict[int, Quality]:
    """Quality of each category that occurs."""
    return {category: class_quality(*row) for category, row in counts.items() if any(row[1:])}


def _mean(qualities) -> Quality:
    qualities = list(qualities)
    if not qualities:
        return Quality(*[float("nan")] * 3)
    return Quality(*(sum(column) / len(qualities) for column in zip(*qualities, strict=True)))


# ------------------------------------------------------------------------------- the door


def _check_whole(name: str, numbers: Tensor, below: int | None = None) -> None:
    if numbers.is_floating_point() or numbers.is_complex() or numbers.dtype == torch.bool:
        raise ValueError(f"{name} must hold whole numbers; got {numbers.dtype}")
    if numbers.numel():
        low, high = map(int, numbers.aminmax())
        if low < 0 or (below is not None and high >= below):
            wanted = "numbers from 0" if below is None else f"numbers from 0 to {below - 1}"
            raise ValueError(f"{name} must hold {wanted}; it holds {low} to {high}")


def _check_result(
    name: str, ids: Tensor, segments: Sequence[Mapping], categories: Mapping[int, bool] | None = None
) -> None:
    """Raise unless each segment is one, and each id of the map has one."""
    if ids.dim() != 2:
        raise ValueError(f"ids of {name} must be (H, W); got {tuple(ids.shape)}")
    _check_whole(f"ids of {name}", ids)
    known = {VOID}
    for segment in segments:
        if "id" not in segment or "category_id" not in segment:
            raise ValueError(f"a segment must have id and category_id; {name} has {dict(segment)}")
        number, category = segment["id"], segment["category_id"]
        if not isinstance(number, Integral) or not isinstance(category, Integral):
            found = f"{number!r} and {category!r}"
            raise ValueError(f"id and category_id of a segment must be whole numbers; {name} has {found}")
        if number < 1 or number in known:
            raise ValueError(f"segments must have different ids from 1; {name} has {number} {_again(number)}")
        if categories is not None and category not in categories:
            raise ValueError(f"{name} has category {category}; there are {sorted(categories)}")
        known.add(number)
    if unknown := set(ids.unique().tolist()) - known:
        raise ValueError(f"{name} holds pixels of id {min(unknown)}, which no segment has")


def _again(number: int) -> str:
    return "twice" if number >= 1 else "(0 is void)"
