"""The exercises of chapter 05: slips fail and are named, right variants pass, trivial ones earn nothing."""

import numpy as np
import pytest
import sympy
import torch
from scipy import ndimage

from dlcv.checking.testing import (
    assert_right,
    assert_slips_die,
    assert_trivial_answers_earn_nothing,
    in_a_cell,
    verdict_of,
)
from dlcv.metrics import exercises as chapter
from dlcv.metrics import reference

exercises = chapter.exercises
names = pytest.mark.parametrize("name", list(exercises))


@names
def test_slips_fail_and_are_told_apart(name):
    assert_slips_die(exercises[name])


@names
def test_trivial_answers_earn_nothing(name):
    assert_trivial_answers_earn_nothing(exercises[name])


# ---------------------------------------------------------------------------------------- right variants


def counting_by_masks(prediction, target, num_classes, ignore_index=255):
    true = [(target == c) & (target != ignore_index) for c in range(num_classes)]
    given = [prediction == c for c in range(num_classes)]
    return torch.stack([torch.stack([(t & p).sum() for p in given]) for t in true])


def iou_class_by_class(confusion):
    scores = []
    for c in range(len(confusion)):
        union = int(confusion[c].sum() + confusion[:, c].sum() - confusion[c, c])
        scores.append(float(confusion[c, c]) / union if union else float("nan"))
    return torch.tensor(scores)


def dice_as_f1(confusion):
    precision, recall = confusion.diagonal() / confusion.sum(0), confusion.diagonal() / confusion.sum(1)
    f1 = 2 * precision * recall / (precision + recall)
    seen = confusion.sum(0) + confusion.sum(1) > 0
    return torch.where(seen, f1.nan_to_num(0), torch.nan)


def whole_by_one_long_image(predictions, targets, num_classes, ignore_index=255):
    prediction = torch.cat([image.flatten() for image in predictions])
    target = torch.cat([image.flatten() for image in targets])
    scores = []
    for c in range(num_classes):
        keep = target != ignore_index
        p, t = prediction[keep] == c, target[keep] == c
        if (p | t).any():
            scores.append((p & t).sum() / (p | t).sum())
    return torch.stack(scores).mean()


def trap_by_counting(share):
    scores = [share] + ([0.0] if share < 1 else [])
    return share, sum(scores) / len(scores)


def boundary_by_pooling(prediction, target, distance):
    def band(mask):
        outside = torch.nn.functional.pad(1 - mask.float(), (distance,) * 4, value=1.0)[None]
        return mask & (torch.nn.functional.max_pool2d(outside, 2 * distance + 1, 1)[0] > 0)

    p, t = band(prediction), band(target)
    return (p & t).sum() / (p | t).sum()


def counting_in_numpy(prediction, target, num_classes, ignore_index=255):
    p, t = prediction.numpy().ravel(), target.numpy().ravel()
    counts = np.zeros((num_classes, num_classes), int)
    np.add.at(counts, (t[t != ignore_index], p[t != ignore_index]), 1)
    return torch.from_numpy(counts)


RIGHT = [
    ("confusion_matrix", counting_in_numpy),
    ("confusion_matrix", chapter.right_counting),
    ("confusion_matrix", counting_by_masks),
    ("class_iou", chapter.right_iou),
    ("class_iou", iou_class_by_class),
    ("dice", chapter.right_dice),
    ("dice", dice_as_f1),
    ("dataset_mean_iou", chapter.right_whole),
    ("dataset_mean_iou", whole_by_one_long_image),
    ("background_everywhere", chapter.right_trap),
    ("background_everywhere", trap_by_counting),
    ("boundary_iou", chapter.right_boundary),
    ("boundary_iou", boundary_by_pooling),
]


@pytest.mark.parametrize(
    ("name", "answer"), RIGHT, ids=[f"{name}-{answer.__name__}" for name, answer in RIGHT]
)
def test_right_variants_earn_all_points(name, answer):
    assert_right(exercises[name], in_a_cell(answer))


def overlap_in_one_step(i, a, b, J):
    return [sympy.Eq(J, i / (a + b - i)), sympy.Eq(J * (a + b - i), i), sympy.Eq(i, (a + b) * J / (1 + J))]


def rank_in_one_step(j, k):
    return [2 * k / (1 + k) - 2 * j / (1 + j), (2 * k - 2 * j) / (1 + j + k + j * k)]


@pytest.mark.parametrize(
    ("name", "answer"), [("overlap_from_iou", overlap_in_one_step), ("rank_alike", rank_in_one_step)]
)
def test_short_derivations_earn_all_points(name, answer):
    assert_right(exercises[name], answer)


@pytest.mark.parametrize("name", ["overlap_from_iou", "rank_alike"])
def test_the_question_alone_earns_nothing(name):
    question = exercises[name].reference

    def answer(*symbols):
        return question(*symbols)[:1]

    assert verdict_of(exercises[name], answer).points == 0


def test_points_of_the_chapter():
    assert exercises.points == 20  # and two for the essay


# ------------------------------------------------------------------------------------------- forbidden


def test_the_reference_may_not_be_handed_in():
    def answer(confusion):
        return reference.class_iou(confusion)

    assert verdict_of(exercises["class_iou"], answer).kind == "forbidden call"


def test_scipy_may_not_erode():
    def answer(prediction, target, distance):
        bands = [
            m & ~torch.from_numpy(ndimage.binary_erosion(m.numpy(), iterations=distance))
            for m in (prediction, target)
        ]
        return (bands[0] & bands[1]).sum() / (bands[0] | bands[1]).sum()

    assert verdict_of(exercises["boundary_iou"], answer).kind == "forbidden call"


def test_a_numerator_that_waits_to_be_multiplied_out_is_not_the_end():
    def answer(j, k):
        return [
            2 * k / (1 + k) - 2 * j / (1 + j),
            (2 * k * (1 + j) - 2 * j * (1 + k)) / ((1 + j) * (1 + k)),
        ]

    verdict = verdict_of(exercises["rank_alike"], answer)
    assert (verdict.passed, verdict.total) == (1, 2)
