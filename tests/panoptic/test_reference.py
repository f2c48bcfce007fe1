"""Panoptic results and their quality: equations, numbers by hand, then other people's rules as oracles."""

import math

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from dlcv.data.scenes import CLASSES, STUFF, render
from dlcv.panoptic import (
    class_quality,
    decode_panoptic,
    encode_panoptic,
    match_segments,
    mean_quality,
    panoptic_quality,
    segment_overlaps,
    to_segments,
    validate_panoptic,
)

CATEGORIES = {0: False, 3: False, 7: True, 8: True}


def row(*ids):
    return torch.tensor([ids])


def result(ids, **categories):
    """A result of which segment i is of category `categories["_i"]`."""
    return ids, [{"id": int(name[1:]), "category_id": category} for name, category in categories.items()]


def random_result(seed, crowds=False, size=(9, 11)):
    """Rectangles over each other: touching, cut, void in between; each time with other ids and another order."""
    random = np.random.default_rng(seed)
    ids, segments = np.zeros(size, int), []
    for number in random.permutation(np.arange(1, 12) * 37)[: random.integers(0, 8)]:
        y, x = random.integers(0, size[0] - 2), random.integers(0, size[1] - 2)
        ids[y : y + random.integers(2, 7), x : x + random.integers(2, 8)] = number
        segments.append({"id": int(number), "category_id": int(random.choice(list(CATEGORIES)))})
    segments = [segment for segment in segments if (ids == segment["id"]).any()]
    crowded = set()
    for segment in segments if crowds else ():
        category = segment["category_id"]
        if CATEGORIES[category] and category not in crowded and random.random() < 0.4:
            segment["iscrowd"] = 1
            crowded.add(category)
    return torch.from_numpy(ids), segments


def disturbed(result, seed):
    """The same segments with other numbers, some pixels moved, some categories changed."""
    random = np.random.default_rng(seed)
    ids, segments = result
    ids = torch.roll(ids, (int(random.integers(-1, 2)), int(random.integers(-2, 3))), (0, 1))
    noise = torch.from_numpy(random.random(ids.shape) < 0.15)
    ids = torch.where(noise, ids.flip(0), ids)
    found = [
        {
            "id": segment["id"] + 1000,
            "category_id": segment["category_id"] if random.random() < 0.8 else int(random.choice([0, 7])),
        }
        for segment in segments
        if (ids == segment["id"]).any()
    ]
    return torch.where(ids > 0, ids + 1000, 0), found


# ------------------------------------------------------------------------------- writing down


def test_decoding_undoes_encoding():
    generator = torch.Generator().manual_seed(0)
    semantic = torch.randint(256, (2, 7, 5), generator=generator)
    for divisor in (1, 10, 1000, 65536):
        instance = torch.randint(divisor, semantic.shape, generator=generator)
        encoded = encode_panoptic(semantic, instance, divisor)
        assert encoded.dtype == torch.int64
        assert_close(decode_panoptic(encoded, divisor), (semantic, instance))


def test_bytes_are_no_trap():
    encoded = encode_panoptic(
        torch.tensor([[200]], dtype=torch.uint8), torch.tensor([[3]], dtype=torch.uint8)
    )
    assert encoded.tolist() == [[200_003]]
    assert [part.item() for part in decode_panoptic(encoded.int())] == [200, 3]


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="instance must hold numbers from 0 to 9; it holds 10 to 10"):
        encode_panoptic(torch.tensor([[1]]), torch.tensor([[10]]), 10)
    with pytest.raises(ValueError, match=r"same shape; got \(1, 2\) and \(2, 1\)"):
        encode_panoptic(torch.zeros(1, 2).long(), torch.zeros(2, 1).long())
    with pytest.raises(ValueError, match=r"semantic must hold whole numbers; got torch\.float32"):
        encode_panoptic(torch.zeros(1, 2), torch.zeros(1, 2).long())
    with pytest.raises(ValueError, match="encoded must hold numbers from 0; it holds -1 to 4"):
        decode_panoptic(torch.tensor([[-1, 4]]))
    with pytest.raises(ValueError, match="label_divisor must be at least 1; got 0"):
        decode_panoptic(torch.tensor([[1]]), 0)
    with pytest.raises(ValueError, match=r"label_divisor must be an int; got 10\.5"):
        encode_panoptic(torch.tensor([[1]]), torch.tensor([[1]]), 10.5)
    with pytest.raises(ValueError, match=r"must be whole numbers; the result has tensor\(1\) and 7"):
        validate_panoptic(torch.tensor([[1]]), [{"id": torch.tensor(1), "category_id": 7}], {7: True})


def test_segments_partition_what_is_not_void():
    semantic = torch.tensor([[255, 3, 7], [7, 7, 8], [255, 0, 8]])
    instance = torch.tensor([[0, 0, 1], [2, 2, 1], [4, 0, 1]])
    ids, segments = to_segments(encode_panoptic(semantic, instance))
    assert torch.equal(ids == 0, semantic == 255)
    assert [s["id"] for s in segments] == [1, 2, 3, 4, 5]
    assert [s["category_id"] for s in segments] == [0, 3, 7, 7, 8]
    for segment in segments:
        assert (semantic[ids == segment["id"]] == segment["category_id"]).all()
    validate_panoptic(ids, segments, CATEGORIES)


def test_other_divisors_and_other_voids():
    ids, segments = to_segments(row(31, 32, 50), label_divisor=10, ignore_index=5)
    assert ids.tolist() == [[1, 2, 0]]
    assert segments == [{"id": 1, "category_id": 3}, {"id": 2, "category_id": 3}]
    with pytest.raises(ValueError, match=r"encoded must be \(H, W\); got \(3,\)"):
        to_segments(torch.zeros(3).long())


# ------------------------------------------------------------------------------- is it one?


@pytest.mark.parametrize(
    ("ids", "segments", "words"),
    [
        (row(1, 2), [{"id": 1, "category_id": 7}], "holds pixels of id 2, which no segment has"),
        (row(1, 1), [{"id": 1, "category_id": 7}, {"id": 4, "category_id": 7}], "no pixels of segment 4"),
        (
            row(1, 2),
            [{"id": 1, "category_id": 3}, {"id": 2, "category_id": 3}],
            "category 3 is stuff and has no instances; segments 1 and 2 are more than one",
        ),
        (row(1, 1), [{"id": 1, "category_id": 9}], r"category 9; there are \[0, 3, 7, 8\]"),
        (row(1, 1), [{"id": 1, "category_id": 7}] * 2, "different ids from 1; the result has 1 twice"),
        (row(0, 0), [{"id": 0, "category_id": 7}], r"different ids from 1; the result has 0 \(0 is void\)"),
        (row(1, 1), [{"id": 1}], "must have id and category_id"),
        (row(1.0, 1.0), [{"id": 1, "category_id": 7}], "must hold whole numbers"),
        (row(-1, 1), [{"id": 1, "category_id": 7}], "must hold numbers from 0; it holds -1 to 1"),
        (torch.ones(3).long(), [{"id": 1, "category_id": 7}], r"must be \(H, W\); got \(3,\)"),
    ],
)
def test_what_is_wrong_is_said(ids, segments, words):
    with pytest.raises(ValueError, match=words):
        validate_panoptic(ids, segments, CATEGORIES)


def test_what_is_right_passes():
    validate_panoptic(row(0, 0), [], CATEGORIES)
    validate_panoptic(*result(row(5, 5, 2, 0, 9), _5=7, _2=7, _9=3), CATEGORIES)


# ------------------------------------------------------------------------------- matching


def test_at_one_half_nothing_matches():
    true = result(row(1, 1, 1, 1), _1=7)
    assert match_segments(result(row(1, 1, 0, 0), _1=7), true) == ([], [1], [1])
    assert match_segments(result(row(1, 1, 1, 0), _1=7), true) == ([(1, 1, 0.75)], [], [])


def test_at_one_half_two_could_match():
    true = result(row(1, 1, 1, 1), _1=7)
    assert match_segments(result(row(2, 2, 3, 3), _2=7, _3=7), true) == ([], [2, 3], [1])


@pytest.mark.parametrize("seed", range(40))
def test_a_match_is_unique(seed):
    target = random_result(seed)
    matches, wrong, missed = match_segments(disturbed(target, seed), target)
    predicted, true = [p for p, _, _ in matches] + wrong, [t for _, t, _ in matches] + missed
    assert len(set(predicted)) == len(predicted)
    assert sorted(true) == sorted(segment["id"] for segment in target[1])


def test_void_leaves_the_union():
    """5 pixels predicted, 2 on void: 3 of 4, not 3 of 6."""
    found, true = result(row(1, 1, 1, 1, 1, 0), _1=7), result(row(0, 0, 2, 2, 2, 2), _2=7)
    assert match_segments(found, true) == ([(1, 2, 0.75)], [], [])


def test_void_in_the_prediction_is_no_excuse():
    """1 to 3 of 4 pixels were predicted; the union keeps those that were left void."""
    true = result(row(2, 2, 2, 2), _2=7)
    assert match_segments(result(row(1, 1, 0, 0), _1=7), true).matches == []


@pytest.mark.parametrize(("ids", "excused"), [(row(1, 1, 1, 0), True), (row(0, 1, 1, 0), False)])
def test_over_half_on_void_is_no_false_positive(ids, excused):
    true = result(row(0, 0, 2, 2), _2=8)
    assert match_segments(result(ids, _1=7), true).false_positives == ([] if excused else [1])


@pytest.mark.parametrize(("category", "excused"), [(7, True), (8, False)])
def test_a_crowd_excuses_its_own_category(category, excused):
    target = row(1, 1, 1, 1), [{"id": 1, "category_id": 7, "iscrowd": 1}]
    matching = match_segments(result(row(4, 4, 4, 0), _4=category), target)
    assert matching == ([], [] if excused else [4], [])


def test_a_crowd_is_neither_matched_nor_missed():
    target = row(1, 1, 1, 1), [{"id": 1, "category_id": 7, "iscrowd": 1}]
    assert match_segments(result(row(4, 4, 4, 4), _4=7), target) == ([], [], [])
    assert match_segments(result(row(0, 0, 0, 0)), target) == ([], [], [])


def test_void_and_crowd_excuse_together():
    target = (
        row(0, 1, 2, 3, 3, 3, 3),
        [
            {"id": 1, "category_id": 7, "iscrowd": 1},
            {"id": 2, "category_id": 8, "iscrowd": 0},
            {"id": 3, "category_id": 8},
        ],
    )
    assert match_segments(result(row(4, 4, 4, 0, 0, 0, 0), _4=7), target).false_positives == []
    assert match_segments(result(row(0, 4, 4, 0, 0, 0, 0), _4=7), target).false_positives == [4]


def test_categories_do_not_match_each_other():
    target = result(row(1, 1, 1, 1), _1=7)
    assert match_segments(result(row(1, 1, 1, 1), _1=8), target) == ([], [1], [1])


def test_overlaps_are_counted():
    a, b = random_result(3)[0], random_result(4)[0]
    counts = segment_overlaps(a, b)
    assert sum(counts.values()) == a.numel()
    assert all(((a == p) & (b == t)).sum() == pixels for (p, t), pixels in counts.items())
    with pytest.raises(ValueError, match=r"same shape; got \(9, 11\) and \(11, 9\)"):
        segment_overlaps(a, b.T)


def test_ids_as_large_as_cocos_colours():
    big = 256**3 - 1
    found, true = (row(big, big, 0), [{"id": big, "category_id": 7}]), result(row(1, 1, 0), _1=7)
    assert match_segments(found, true).matches == [(big, 1, 1.0)]


# ------------------------------------------------------------------------------- quality


def test_the_papers_formula_by_hand():
    assert class_quality(0.75 + 0.65, 2, 1, 2) == pytest.approx((1.4 / 3.5, 0.7, 2 / 3.5))
    assert class_quality(0, 0, 3, 1) == (0, 0, 0)
    assert all(math.isnan(number) for number in class_quality(0, 0, 0, 0))


@pytest.mark.parametrize("seed", range(10))
def test_pq_is_sq_times_rq_in_each_category(seed):
    pairs = [(random_result(100 * seed + n), n) for n in range(4)]
    found = [disturbed(target, 7 * n) for target, n in pairs]
    quality = panoptic_quality(found, [target for target, _ in pairs], CATEGORIES)
    assert quality.per_class
    for one in quality.per_class.values():
        assert one.pq == pytest.approx(one.sq * one.rq)
        assert 0 <= one.pq <= min(one.sq, one.rq) <= 1


def test_a_perfect_result():
    target = random_result(1)
    quality = panoptic_quality([target] * 2, [target] * 2, CATEGORIES)
    assert (quality.pq, quality.sq, quality.rq) == (1, 1, 1)
    assert set(quality.per_class) == {segment["category_id"] for segment in target[1]}


def test_other_numbers_and_another_order_change_nothing():
    target = random_result(6)
    ids, segments = disturbed(target, 6)
    before = panoptic_quality([(ids, segments)], [target], CATEGORIES)
    renamed = [{**segment, "id": 5000 - segment["id"]} for segment in segments[::-1]]
    after = panoptic_quality([(torch.where(ids > 0, 5000 - ids, 0), renamed)], [target], CATEGORIES)
    assert 0 < before.pq < 1
    assert after.pq == pytest.approx(before.pq)
    assert all(after.counts[category] == pytest.approx(row) for category, row in before.counts.items())


def test_counts_are_summed_before_they_are_divided():
    """Found in the first image, missed in the second with nine: 1 / (1 + 9/2), not the mean of 1 and 0."""
    one, none = result(row(*[1] * 9), _1=7), result(row(*[0] * 9))
    nine = row(*range(1, 10)), [{"id": i, "category_id": 7} for i in range(1, 10)]
    quality = panoptic_quality([one, none], [one, nine], CATEGORIES)
    assert quality.pq == pytest.approx(1 / 5.5)
    assert quality.counts[7] == (1.0, 1, 0, 9)
    assert mean_quality([{7: (1.0, 1, 0, 0)}, {7: (0.0, 0, 0, 9)}]) == pytest.approx((1 / 5.5, 1, 1 / 5.5))


def test_absent_categories_are_left_out_and_invented_ones_are_not():
    target = result(row(1, 1, 2, 2), _1=7, _2=3)
    quality = panoptic_quality([target], [target], CATEGORIES)
    assert (quality.pq, quality.things.pq, quality.stuff.pq) == (1, 1, 1)
    assert set(quality.per_class) == {3, 7}
    invented = result(row(1, 1, 2, 4), _1=7, _2=3, _4=8)
    quality = panoptic_quality([invented], [target], CATEGORIES)
    assert quality.per_class[8] == (0, 0, 0)
    assert quality.things.pq == pytest.approx(0.5)


def test_a_category_that_is_only_excused_is_absent():
    target = row(1, 1, 0, 0), [{"id": 1, "category_id": 7, "iscrowd": 1}]
    quality = panoptic_quality([result(row(2, 2, 3, 3), _2=7, _3=8)], [target], CATEGORIES)
    assert quality.per_class == {}
    assert math.isnan(quality.pq) and math.isnan(quality.things.pq) and math.isnan(quality.stuff.sq)


def test_stuff_in_pieces_costs():
    target = result(row(1, 1, 1, 1, 1), _1=3)
    quality = panoptic_quality([result(row(1, 1, 1, 1, 2), _1=3, _2=3)], [target], CATEGORIES)
    assert quality.stuff == pytest.approx((0.8 / 1.5, 0.8, 1 / 1.5))


def test_the_door():
    target = result(row(1, 1), _1=7)
    with pytest.raises(ValueError, match="a prediction for each target; got 0 and 1"):
        panoptic_quality([], [target], CATEGORIES)
    with pytest.raises(ValueError, match="prediction 0 holds pixels of id 2, which no segment has"):
        panoptic_quality([result(row(1, 2), _1=7)], [target], CATEGORIES)
    with pytest.raises(ValueError, match="target 1 has category 9"):
        panoptic_quality([target] * 2, [target, result(row(1, 1), _1=9)], CATEGORIES)
    with pytest.raises(ValueError, match="the prediction has no pixels of segment 5"):
        panoptic_quality([result(row(1, 1), _1=7, _5=7)], [target], CATEGORIES)


# ------------------------------------------------------------------------------- oracles


def coco_counts(prediction, target):
    """Sum of IoU, TP, FP and FN a category in one image, by the steps of COCO's evaluation program, in numpy."""
    (found, found_list), (true, true_list) = prediction, target
    found, true = found.numpy().astype(np.uint64), true.numpy().astype(np.uint64)
    stat = {c: [0.0, 0, 0, 0] for c in CATEGORIES}
    true_segments = {s["id"]: dict(s, area=int((true == s["id"]).sum())) for s in true_list}
    found_segments = {s["id"]: dict(s, area=int((found == s["id"]).sum())) for s in found_list}
    offset = 256**3
    labels, counts = np.unique(true * np.uint64(offset) + found, return_counts=True)
    table = {(int(n) // offset, int(n) % offset): int(count) for n, count in zip(labels, counts, strict=True)}
    true_matched, found_matched = set(), set()
    for (t, p), intersection in table.items():
        if t not in true_segments or p not in found_segments or true_segments[t].get("iscrowd", 0) == 1:
            continue
        category = true_segments[t]["category_id"]
        if category != found_segments[p]["category_id"]:
            continue
        union = found_segments[p]["area"] + true_segments[t]["area"] - intersection - table.get((0, p), 0)
        if intersection / union > 0.5:
            stat[category][0] += intersection / union
            stat[category][1] += 1
            true_matched.add(t)
            found_matched.add(p)
    crowd = {}
    for t, info in true_segments.items():
        if t in true_matched:
            continue
        if info.get("iscrowd", 0) == 1:
            crowd[info["category_id"]] = t
            continue
        stat[info["category_id"]][3] += 1
    for p, info in found_segments.items():
        if p in found_matched:
            continue
        intersection = table.get((0, p), 0)
        if info["category_id"] in crowd:
            intersection += table.get((crowd[info["category_id"]], p), 0)
        if intersection / info["area"] > 0.5:
            continue
        stat[info["category_id"]][2] += 1
    return stat


def coco_means(counts, kind):
    kept = [counts[c] for c in CATEGORIES if kind in (None, CATEGORIES[c]) and sum(counts[c][1:])]
    if not kept:
        return [math.nan] * 3
    each = [
        (iou / (tp + 0.5 * fp + 0.5 * fn), iou / tp if tp else 0, tp / (tp + 0.5 * fp + 0.5 * fn))
        for iou, tp, fp, fn in kept
    ]
    return [sum(column) / len(each) for column in zip(*each, strict=True)]


@pytest.mark.parametrize("crowds", [False, True])
@pytest.mark.parametrize("start", range(0, 60, 6))
def test_equal_to_cocos_program(start, crowds):
    targets = [random_result(seed, crowds) for seed in range(start, start + 6)]
    found = [disturbed(target, seed) for seed, target in enumerate(targets, start)]
    if start % 12:
        found = [*found[:3], *(random_result(seed + 1000) for seed in range(3))]
    quality = panoptic_quality(found, targets, CATEGORIES)
    counts = {c: np.zeros(4) for c in CATEGORIES}
    for pair in zip(found, targets, strict=True):
        for category, numbers in coco_counts(*pair).items():
            counts[category] += numbers
    for category in CATEGORIES:
        assert quality.counts[category] == pytest.approx(tuple(counts[category]))
    for kind, means in ((None, quality), (True, quality.things), (False, quality.stuff)):
        assert (means.pq, means.sq, means.rq) == pytest.approx(coco_means(counts, kind), nan_ok=True)


def test_the_oracle_has_something_to_say():
    """Random results hold matches, both kinds of errors, and predictions that void or a crowd excuses."""
    total, excused = np.zeros(4), 0
    for seed in range(60):
        target = random_result(seed, crowds=True)
        found = disturbed(target, seed)
        sums = np.sum([row for row in coco_counts(found, target).values()], axis=0)
        total += sums
        excused += len(found[1]) - sums[1] - sums[2]
    assert (total > 20).all()
    assert excused > 20


@pytest.mark.parametrize("seed", range(8))
def test_matches_equal_sets_of_pixels(seed):
    """The definition on sets: IoU of what is left of both when the target's void is taken away."""
    target = random_result(seed)
    found = disturbed(target, seed + 1)
    void = set(map(tuple, (target[0] == 0).nonzero().tolist()))
    pixels = [
        {s["id"]: (set(map(tuple, (ids == s["id"]).nonzero().tolist())), s["category_id"]) for s in segments}
        for ids, segments in (found, target)
    ]
    expected = set()
    for p, (a, kind) in pixels[0].items():
        for t, (b, other) in pixels[1].items():
            iou = len(a & b) / len((a | b) - void)
            if kind == other and iou > 0.5:
                expected.add((p, t, iou))
    assert set(match_segments(found, target).matches) == expected


@pytest.mark.parametrize("seed", range(6))
def test_torchmetrics_agrees_where_nothing_is_void(seed):
    functional = pytest.importorskip("torchmetrics.functional.detection")
    maps = []
    for n in (seed, seed + 50):
        random = np.random.default_rng(n)
        semantic, instance = np.full((12, 14), 0), np.zeros((12, 14), int)
        for number in range(1, 6):
            y, x = np.random.default_rng(100 * seed + number).integers(0, 9, 2) + random.integers(0, 2, 2)
            category = [7, 8, 3, 7, 7][number - 1]
            semantic[y : y + 4, x : x + 4] = category
            instance[y : y + 4, x : x + 4] = number if category != 3 else 0
        maps.append(torch.from_numpy(np.stack([semantic, instance], -1))[None])
    expected = functional.panoptic_quality(*maps, things={7, 8}, stuffs={0, 3}, return_sq_and_rq=True)
    ours = panoptic_quality(
        *[[to_segments(encode_panoptic(*part[0].unbind(-1)))] for part in maps], CATEGORIES
    )
    assert_close(torch.tensor([ours.pq, ours.sq, ours.rq]), expected.float(), rtol=1e-5, atol=1e-6)


def test_scenes_are_panoptic_results():
    scene = render([3])[0]
    categories = {number: number >= len(STUFF) for number in range(len(CLASSES))}
    result = scene.panoptic()
    validate_panoptic(*result, categories)
    assert panoptic_quality([result], [result], categories).pq == 1
    ours = to_segments(encode_panoptic(scene.semantic, scene.instance))
    assert panoptic_quality([ours], [result], categories).pq == 1
