"""Chapter 05's references: what must always hold, numbers that a person can check, then independent oracles."""

import math
from itertools import pairwise, product

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch.testing import assert_close

from dlcv.metrics import (
    boundary_band,
    boundary_iou,
    class_iou,
    confusion_matrix,
    confusion_matrix_naive,
    dataset_mean_iou,
    dice,
    dice_from_iou,
    frequency_weighted_iou,
    iou_from_dice,
    mask_iou,
    mean_iou,
    pixel_accuracy,
)


def labels(*shape, classes=4, seed=0, void=0.0):
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randint(classes, shape, generator=generator)
    return drawn.masked_fill(torch.rand(shape, generator=generator) < void, 255)


def masks(count, size=17, seed=0):
    """Blobs: thresholded smooth noise, so that there are holes, thin parts and edges that touch the border."""
    noise = np.random.default_rng(seed).normal(size=(count, size, size))
    return torch.from_numpy(ndimage.gaussian_filter(noise, (0, 1.5, 1.5)) > 0)


# ------------------------------------------------------------------------------------------- equations


def test_counts_are_complete():
    target = labels(3, 8, 9, void=0.2)
    confusion = confusion_matrix(labels(3, 8, 9, seed=1), target, 4)
    assert confusion.dtype == torch.int64
    assert confusion.sum() == (target != 255).sum()
    assert_close(confusion.sum(1), torch.stack([(target == c).sum() for c in range(4)]))


def test_the_loop_counts_the_same():
    for shape, classes in (((3, 5), 2), ((2, 4, 6), 5), ((0,), 3)):
        prediction, target = (
            labels(*shape, classes=classes),
            labels(*shape, classes=classes, void=0.3, seed=1),
        )
        assert torch.equal(
            confusion_matrix_naive(prediction, target, classes), confusion_matrix(prediction, target, classes)
        )
    with pytest.raises(ValueError, match="same shape"):
        confusion_matrix_naive(torch.zeros(2), torch.zeros(3), 2)
    with pytest.raises(ValueError, match="it holds 0 to 7"):
        confusion_matrix_naive(torch.tensor([0, 7]), torch.tensor([0, 1]), 2)


def test_exchanging_the_maps_transposes_the_matrix():
    a, b = labels(8, 9), labels(8, 9, seed=1)
    assert torch.equal(confusion_matrix(a, b, 4), confusion_matrix(b, a, 4).T)


def test_matrices_of_images_add_up():
    a, b = labels(3, 8, 9), labels(3, 8, 9, seed=1, void=0.1)
    parts = [confusion_matrix(*pair, 4) for pair in zip(a, b, strict=True)]
    assert torch.equal(sum(parts), confusion_matrix(a, b, 4))


def test_renaming_the_classes_changes_no_mean():
    a, b = labels(8, 9), labels(8, 9, seed=1)
    order = torch.tensor([2, 0, 3, 1])
    before, after = confusion_matrix(a, b, 4), confusion_matrix(order[a], order[b], 4)
    for score in (pixel_accuracy, mean_iou, frequency_weighted_iou):
        assert_close(score(after), score(before))
    assert_close(class_iou(after)[order], class_iou(before))


def test_what_was_predicted_under_void_does_not_matter():
    target = labels(8, 9, void=0.3)
    a, b = labels(8, 9, seed=1), labels(8, 9, seed=1)
    b[target == 255] = 254
    assert torch.equal(confusion_matrix(a, target, 4), confusion_matrix(b, target, 4))


def test_dice_and_iou_are_one_number_in_two_forms():
    confusion = confusion_matrix(labels(20, 20), labels(20, 20, seed=1), 4)
    assert_close(dice(confusion), dice_from_iou(class_iou(confusion)))
    assert_close(iou_from_dice(dice(confusion)), class_iou(confusion))


def test_dice_and_iou_rank_alike_and_differ_in_between():
    iou = torch.linspace(0, 1, 101, dtype=torch.float64)
    d = dice_from_iou(iou)
    assert (d.diff() > 0).all()
    assert (d[1:-1] > iou[1:-1]).all()
    assert d[0] == 0
    assert d[-1] == 1
    assert_close(iou_from_dice(d), iou)


def test_a_perfect_map():
    target = labels(8, 9, classes=3, void=0.1)
    confusion = confusion_matrix(target, target, 5)
    for score in (pixel_accuracy, mean_iou, frequency_weighted_iou):
        assert score(confusion) == 1
    assert class_iou(confusion).isnan().tolist() == [False, False, False, True, True]


def test_a_wide_band_is_the_whole_mask():
    a, b = masks(2)
    assert torch.equal(boundary_band(a, 17), a)
    assert_close(boundary_iou(a, b, 17), mask_iou(a, b))


def test_bands_grow_with_the_distance_and_lie_in_the_mask():
    mask = masks(5, size=25)
    bands = [boundary_band(mask, distance) for distance in range(1, 6)]
    assert all(not (narrow & ~wide).any() for narrow, wide in pairwise(bands))
    assert all(not (band & ~mask).any() for band in bands)


def test_turning_and_flipping_changes_no_boundary_score():
    a, b = masks(2, size=20)
    score = boundary_iou(a, b, 2)
    assert boundary_iou(a.T, b.T, 2) == score
    assert boundary_iou(a.flip(0), b.flip(0), 2) == score


# -------------------------------------------------------------------------------------- numbers by hand


def test_background_everywhere():
    """95% background and 5% object; a map without the object is 95% right and worth half of that."""
    target = (torch.arange(100) >= 95).long()
    confusion = confusion_matrix(torch.zeros(100, dtype=torch.long), target, 2)
    assert confusion.tolist() == [[95, 0], [5, 0]]
    assert pixel_accuracy(confusion).item() == pytest.approx(0.95)
    assert class_iou(confusion).tolist() == pytest.approx([0.95, 0])
    assert mean_iou(confusion).item() == pytest.approx(0.475)


def test_two_boxes_that_share_a_corner():
    """2 x 2 and 2 x 3 pixels with one in common: 1 of 4 + 6 - 1."""
    a, b = torch.zeros(2, 4, 5, dtype=torch.bool)
    a[:2, :2], b[1:3, 1:4] = True, True
    assert mask_iou(a, b).item() == pytest.approx(1 / 9)
    confusion = confusion_matrix(a.long(), b.long(), 2)
    assert class_iou(confusion)[1].item() == pytest.approx(1 / 9)
    assert dice(confusion)[1].item() == pytest.approx(2 / 10)


def test_rows_are_true_classes():
    confusion = confusion_matrix(torch.tensor([1, 1, 1, 0]), torch.tensor([0, 0, 1, 0]), 2)
    assert confusion.tolist() == [[1, 2], [0, 1]]


def test_absent_classes_are_left_out_and_invented_ones_count_zero():
    confusion = torch.tensor([[6, 0, 2, 0], [1, 3, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]])
    iou = class_iou(confusion)
    assert iou[:3].tolist() == pytest.approx([6 / 9, 3 / 4, 0])
    assert math.isnan(iou[3])
    assert math.isnan(dice(confusion)[3])
    assert mean_iou(confusion).item() == pytest.approx((6 / 9 + 3 / 4) / 3)
    assert frequency_weighted_iou(confusion).item() == pytest.approx((8 * 6 / 9 + 4 * 3 / 4) / 12)


def test_the_data_set_is_not_the_mean_of_its_images():
    """One image has a single pixel of the class, and misses it; the other has 99, and finds them."""
    first, second = torch.tensor([[0, 0], [1, 0]]), torch.tensor([[0, 0], [0, 99]])
    assert class_iou(first + second)[1].item() == pytest.approx(0.99)
    assert (class_iou(first)[1] + class_iou(second)[1]).item() / 2 == pytest.approx(0.5)


def test_nothing_counted():
    confusion = confusion_matrix(torch.zeros(3, 3).long(), torch.full((3, 3), 255), 2)
    assert not confusion.any()
    for score in (pixel_accuracy, mean_iou, frequency_weighted_iou):
        assert score(confusion).isnan()


def test_bands_by_hand():
    mask = torch.zeros(7, 7, dtype=torch.bool)
    mask[1:6, 1:6] = True
    assert boundary_band(mask, 1).sum() == 25 - 9
    assert boundary_band(mask, 2).sum() == 25 - 1
    assert boundary_band(mask, 3).sum() == 25
    hole = torch.ones(7, 7, dtype=torch.bool)
    hole[3, 3] = False
    assert boundary_band(hole, 1).sum() == 24 + 8  # along the image's edge, and around the hole


def test_thin_objects_are_all_boundary():
    wire = torch.zeros(20, 20, dtype=torch.bool)
    wire[:, 9:11] = True
    assert torch.equal(boundary_band(wire, 1), wire)
    moved = wire.roll(1, 1)
    assert mask_iou(wire, moved) == boundary_iou(wire, moved, 1)


def test_empty_masks():
    empty, full = torch.zeros(2, 5, 5, dtype=torch.bool).unbind(0)
    full = ~full
    assert boundary_iou(empty, empty, 1).isnan()
    assert boundary_iou(empty, full, 1) == 0


# -------------------------------------------------------------------------------------------- oracles


def test_confusion_equals_a_histogram_of_numpy():
    prediction, target = labels(4, 30, 20, classes=6), labels(4, 30, 20, classes=6, seed=1, void=0.1)
    keep = target != 255
    edges = np.arange(7) - 0.5
    expected = np.histogram2d(target[keep], prediction[keep], bins=(edges, edges))[0]
    assert np.array_equal(confusion_matrix(prediction, target, 6).numpy(), expected)


def test_scores_equal_counting_pixel_by_pixel():
    prediction, target = labels(12, 9, classes=3), labels(12, 9, classes=4, seed=1, void=0.2)
    confusion = confusion_matrix(prediction, target, 5)
    pixels = [
        (p, t)
        for p, t in zip(prediction.flatten().tolist(), target.flatten().tolist(), strict=True)
        if t != 255
    ]
    for c in range(5):
        both = sum(p == c and t == c for p, t in pixels)
        either = sum(p == c or t == c for p, t in pixels)
        areas = sum(p == c for p, t in pixels) + sum(t == c for p, t in pixels)
        if not either:
            assert class_iou(confusion)[c].isnan()
            continue
        assert class_iou(confusion)[c].item() == pytest.approx(both / either)
        assert dice(confusion)[c].item() == pytest.approx(2 * both / areas)


@pytest.mark.parametrize(("distance", "seed"), list(product((1, 2, 3, 6), range(4))))
def test_bands_equal_repeated_erosion(distance, seed):
    """The authors erode with a 3 x 3 square, again and again, after padding the mask with one ring of zeros."""
    mask = masks(3, seed=seed)
    square = np.ones((3, 3), bool)
    for ours, plane in zip(boundary_band(mask, distance), mask.numpy(), strict=True):
        padded = np.pad(plane, 1)
        eroded = ndimage.binary_erosion(padded, square, iterations=distance)[1:-1, 1:-1]
        assert np.array_equal(ours.numpy(), plane & ~eroded)


def test_scikit_learn_agrees():
    sklearn = pytest.importorskip("sklearn.metrics")
    prediction, target = labels(500), labels(500, seed=1)
    confusion = confusion_matrix(prediction, target, 4)
    assert np.array_equal(confusion.numpy(), sklearn.confusion_matrix(target, prediction, labels=range(4)))
    assert_close(
        class_iou(confusion), torch.from_numpy(sklearn.jaccard_score(target, prediction, average=None))
    )
    assert_close(dice(confusion), torch.from_numpy(sklearn.f1_score(target, prediction, average=None)))


# -------------------------------------------------------------------------------------------- the door


def test_the_door():
    with pytest.raises(ValueError, match=r"same shape; got \(2, 3\) and \(3, 2\)"):
        confusion_matrix(torch.zeros(2, 3).long(), torch.zeros(3, 2).long(), 2)
    with pytest.raises(ValueError, match="prediction must hold classes 0 to 1; it holds 0 to 2"):
        confusion_matrix(torch.tensor([0, 2]), torch.tensor([0, 1]), 2)
    with pytest.raises(ValueError, match="target must hold classes 0 to 1; it holds -1 to 1"):
        confusion_matrix(torch.tensor([0, 1]), torch.tensor([-1, 1]), 2)
    with pytest.raises(ValueError, match=r"confusion must be \(C, C\); got \(2, 3\)"):
        class_iou(torch.zeros(2, 3))
    for distance in (0, 1.5):
        wanted = f"distance must be a whole number of pixels, at least 1; got {distance}"
        with pytest.raises(ValueError, match=wanted):
            boundary_iou(torch.ones(3, 3), torch.ones(3, 3), distance)
    with pytest.raises(ValueError, match="masks must both be"):
        mask_iou(torch.ones(3, 3), torch.ones(3, 4))


def test_byte_maps_do_not_overflow():
    prediction = torch.full((4, 4), 19, dtype=torch.uint8)
    confusion = confusion_matrix(prediction, prediction, 20)
    assert confusion[19, 19] == 16


ZEROS = torch.zeros(2, 3, dtype=torch.int64)


@pytest.mark.parametrize("count", [confusion_matrix, confusion_matrix_naive])
@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (
            (ZEROS + 0.7, ZEROS, 2),
            ValueError,
            "prediction must hold whole numbers, one class a pixel; got torch.float",
        ),
        ((ZEROS, ZEROS.float(), 2), ValueError, "target must hold whole numbers"),
        ((ZEROS, ZEROS, 0), ValueError, "num_classes must be at least 1; got 0"),
        ((ZEROS, ZEROS, 2.0), ValueError, "num_classes must be an int; got 2.0"),
        ((ZEROS.numpy(), ZEROS, 2), TypeError, "prediction must be a torch.Tensor; got ndarray"),
    ],
)
def test_what_cannot_be_counted_is_said(count, arguments, error, message):
    with pytest.raises(error, match=message):
        count(*arguments)


def test_a_data_set_may_be_one_stack_of_maps():
    prediction, target = labels(3, 5, 6), labels(3, 5, 6, seed=1, void=0.3)
    whole = mean_iou(confusion_matrix(prediction, target, 4))
    assert_close(dataset_mean_iou(prediction, target, 4), whole)
    assert_close(dataset_mean_iou(list(prediction), list(target), 4), whole)
    assert dataset_mean_iou([], [], 4).isnan()
    with pytest.raises(ValueError, match="one prediction for each target; got 3 and 2"):
        dataset_mean_iou(prediction, target[:2], 4)


def test_counts_in_half_precision_do_not_overflow():
    confusion = torch.tensor([[60000.0, 30000], [0, 60000]]).half()
    assert_close(class_iou(confusion), class_iou(confusion.double()))
    assert class_iou(confusion.float()).dtype == torch.float32
