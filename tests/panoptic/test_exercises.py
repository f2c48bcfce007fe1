"""The exercises of chapter 12: slips fail and are named, right variants pass, trivial ones earn nothing."""

import pytest
import torch

from dlcv import panoptic
from dlcv.checking.testing import (
    assert_right,
    assert_slips_die,
    assert_trivial_answers_earn_nothing,
    in_a_cell,
    verdict_of,
)
from dlcv.panoptic import exercises as chapter

exercises = chapter.exercises
names = pytest.mark.parametrize("name", list(exercises))


@names
def test_slips_fail_and_are_told_apart(name):
    assert_slips_die(exercises[name])


@names
def test_trivial_answers_earn_nothing(name):
    assert_trivial_answers_earn_nothing(exercises[name])


# ---------------------------------------------------------------------------------------- right variants


def decode_by_counting(encoded, label_divisor=1000):
    instance = torch.remainder(encoded, label_divisor)
    return torch.div(encoded - instance, label_divisor, rounding_mode="floor"), instance


def problems_by_lists(ids, segments, categories):
    drawn = [number for number in range(1, int(ids.max()) + 1) if (ids == number).any()]
    listed = [segment["id"] for segment in segments]
    kinds = [segment["category_id"] for segment in segments if categories[segment["category_id"]] is False]
    return (
        [number for number in drawn if number not in listed],
        sorted(number for number in listed if number not in drawn),
        [kind for kind in sorted(set(kinds)) if kinds.count(kind) != 1],
    )


def match_by_overlaps(prediction, target):
    overlaps = panoptic.segment_overlaps(prediction[0], target[0])
    rows = {p: sum(n for (a, _), n in overlaps.items() if a == p) for p, _ in overlaps}
    columns = {t: sum(n for (_, b), n in overlaps.items() if b == t) for _, t in overlaps}
    matches, wrong, found = [], [], []
    for p in prediction[1]:
        i, void = p["id"], overlaps.get((p["id"], 0), 0)
        same = [t for t in target[1] if t["category_id"] == p["category_id"]]
        scores = []
        for t in same:
            both = overlaps.get((i, t["id"]), 0)
            if not t.get("iscrowd") and 3 * both > rows[i] + columns[t["id"]] - void:
                scores.append((i, t["id"], both / (rows[i] + columns[t["id"]] - both - void)))
        matches.extend(scores)
        found.extend(t for _, t, _ in scores)
        on_crowd = sum(overlaps.get((i, t["id"]), 0) for t in same if t.get("iscrowd"))
        if not scores and void + on_crowd <= rows[i] - void - on_crowd:
            wrong.append(i)
    return matches, wrong, [t["id"] for t in target[1] if not t.get("iscrowd") and t["id"] not in found]


def quality_by_tensors(images):
    rows = []
    for category in sorted({category for image in images for category in image}):
        counted = [image[category] for image in images if category in image]
        iou, tp, fp, fn = torch.tensor(counted, dtype=torch.float64).sum(0)
        if tp + fp + fn:
            sq, rq = iou / tp.clamp(min=1), 2 * tp / (2 * tp + fp + fn)
            rows.append(torch.stack([sq * rq, sq, rq]))
    return torch.stack(rows).mean(0).tolist() if rows else [float("nan")] * 3


def fuse_by_painting_backwards(
    masks, scores, labels, semantic, overlap_threshold=0.5, stuff_area_limit=4096, score_threshold=0.5,
    ignore_index=255,
):  # fmt: skip
    taken = torch.zeros_like(semantic, dtype=torch.bool)
    parts = []
    for k in sorted(range(len(masks)), key=lambda k: -float(scores[k])):
        overlap = (masks[k] & taken).sum() / masks[k].sum()
        if float(scores[k]) >= score_threshold and overlap <= overlap_threshold and overlap < 1:
            parts.append((int(labels[k]), masks[k] & ~taken))
            taken = taken | masks[k]
    for category in range(1, 255):
        rest = (semantic == category) & ~taken
        if rest.sum() >= max(stuff_area_limit, 1) and category != ignore_index:
            parts.append((category, rest))
    ids = sum(
        (place * pixels.long() for place, (_, pixels) in enumerate(parts, 1)), torch.zeros_like(semantic)
    )
    return ids, [{"id": place, "category_id": category} for place, (category, _) in enumerate(parts, 1)]


def pyramid_by_indices(levels):
    if len(levels) == 1:
        return [levels[0]]
    rest = pyramid_by_indices_of(levels[1:])
    (h, w), (a, b) = levels[0].shape[-2:], rest[0].shape[-2:]
    rows, columns = torch.arange(h) * a // h, torch.arange(w) * b // w
    return [levels[0] + rest[0][:, :, rows][:, :, :, columns], *rest]


def pyramid_by_indices_of(levels):
    if len(levels) == 1:
        return [levels[0]]
    rest = pyramid_by_indices_of(levels[1:])
    (h, w), (a, b) = levels[0].shape[-2:], rest[0].shape[-2:]
    rows, columns = torch.arange(h) * a // h, torch.arange(w) * b // w
    return [levels[0] + rest[0][:, :, rows][:, :, :, columns], *rest]


def loss_by_a_dot_product(class_loss, box_loss, mask_loss, semantic_loss, lambda_i=1.0, lambda_s=0.5):
    losses = torch.stack([class_loss, box_loss, mask_loss, semantic_loss])
    return losses @ torch.tensor([lambda_i, lambda_i, lambda_i, lambda_s])


RIGHT = [
    ("encode_panoptic", chapter.right_encode),
    ("decode_panoptic", chapter.right_decode),
    ("decode_panoptic", decode_by_counting),
    ("panoptic_problems", chapter.right_problems),
    ("panoptic_problems", problems_by_lists),
    ("match_segments", chapter.right_match),
    ("match_segments", match_by_overlaps),
    ("mean_quality", chapter.right_quality),
    ("mean_quality", quality_by_tensors),
    ("fuse_panoptic", chapter.right_fuse),
    ("fuse_panoptic", fuse_by_painting_backwards),
    ("merge_top_down", chapter.right_pyramid),
    ("merge_top_down", pyramid_by_indices),
    ("panoptic_loss", chapter.right_loss),
    ("panoptic_loss", loss_by_a_dot_product),
]


@pytest.mark.parametrize(("name", "answer"), RIGHT, ids=[f"{n}-{a.__name__}" for n, a in RIGHT])
def test_right_variants_earn_all_points(name, answer):
    assert_right(exercises[name], in_a_cell(answer))


def test_sizes_of_the_chapter():
    assert len(exercises) == 8
    assert exercises.points == 20


def test_the_reference_may_not_be_handed_in():
    def answer(prediction, target):
        return panoptic.match_segments(prediction, target)

    assert verdict_of(exercises["match_segments"], answer).kind == "forbidden call"
