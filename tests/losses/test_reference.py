"""Chapter 13's references: what must always hold, numbers that a person can check, then independent oracles."""

import math
from itertools import product

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from dlcv import metrics
from dlcv.losses import (
    balanced_weights,
    combined_loss,
    cross_entropy,
    dice_loss,
    focal_loss,
    giou_loss,
    soft_iou_loss,
    softmax_focal_loss,
)

OF_MAPS = {
    "cross_entropy": cross_entropy,
    "dice_loss": dice_loss,
    "soft_iou_loss": soft_iou_loss,
    "softmax_focal_loss": softmax_focal_loss,
    "combined_loss": combined_loss,
    "dice_loss, smooth 0": lambda logits, target: dice_loss(logits, target, smooth=0),
    "soft_iou_loss, smooth 0": lambda logits, target: soft_iou_loss(logits, target, smooth=0),
    "softmax_focal_loss, gamma 0.5": lambda logits, target: softmax_focal_loss(logits, target, gamma=0.5),
}
of_maps = pytest.mark.parametrize("loss", OF_MAPS.values(), ids=OF_MAPS)


def maps(*shape, classes=4, seed=0, void=0.2, dtype=torch.float64):
    """Random logits (N, C, ...) and classes (N, ...), some of them void."""
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(shape[0], classes, *shape[1:], generator=generator, dtype=dtype)
    target = torch.randint(classes, shape, generator=generator)
    return logits.requires_grad_(), target.masked_fill(torch.rand(shape, generator=generator) < void, 255)


def answers(*shape, seed=0, dtype=torch.float64):
    """Random logits and binary targets of one shape."""
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(shape, generator=generator, dtype=dtype)
    return logits.requires_grad_(), torch.randint(2, shape, generator=generator).to(dtype)


def boxes(count, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    corner, size = torch.rand(2, count, 2, generator=generator, dtype=dtype) * 40
    return torch.cat([corner, corner + size + 1], 1).requires_grad_()


def gradient(loss, of):
    return torch.autograd.grad(loss, of)[0]


# ------------------------------------------------------------------------------------------- equations


@of_maps
def test_adding_a_number_to_all_logits_of_a_pixel_changes_nothing(loss):
    logits, target = maps(2, 5, 6)
    shift = torch.arange(60.0).reshape(2, 1, 5, 6)
    assert_close(loss(logits + shift, target), loss(logits, target))


@of_maps
def test_what_stands_at_ignored_pixels_does_not_matter(loss):
    logits, target = maps(2, 5, 6)
    other = logits.detach().clone()
    other.movedim(1, -1)[target == 255] = torch.randn(4, dtype=torch.float64)
    assert_close(loss(other, target), loss(logits, target).detach())
    assert not gradient(loss(logits, target), logits).movedim(1, -1)[target == 255].any()


@of_maps
def test_renaming_the_classes_changes_nothing(loss):
    logits, target = maps(2, 5, 6, void=0)
    order = torch.tensor([2, 0, 3, 1])
    assert_close(loss(logits[:, order.argsort()], order[target]), loss(logits, target))


@of_maps
def test_the_gradient_over_the_classes_of_a_pixel_is_zero_in_sum(loss):
    logits, target = maps(2, 5, 6)
    total = gradient(loss(logits, target), logits).sum(1)
    assert_close(total, torch.zeros_like(total))


@of_maps
def test_gradients_are_those_of_small_differences(loss):
    logits, target = maps(2, 3, 2)
    assert torch.autograd.gradcheck(lambda logits: loss(logits, target), logits)


@pytest.mark.parametrize("gamma", [0, 0.5, 1, 2, 5])
@pytest.mark.parametrize("alpha", [None, 0.25])
def test_gradients_of_focal_loss_are_those_of_small_differences(gamma, alpha):
    logits, target = answers(7)
    assert torch.autograd.gradcheck(lambda z: focal_loss(z, target, gamma, alpha), logits)
    mixed = torch.linspace(0.1, 0.9, 7, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda z: focal_loss(z, mixed, gamma, alpha, "none"), logits)


def test_gradients_of_giou_are_those_of_small_differences():
    assert torch.autograd.gradcheck(giou_loss, (boxes(20), boxes(20, seed=1)))


def test_gradients_with_weights_are_those_of_small_differences():
    logits, target = maps(2, 3, 2)
    weight = torch.tensor([0.2, 3.0, 1.0, 0.5], dtype=torch.float64, requires_grad=True)
    for loss in (cross_entropy, softmax_focal_loss):
        assert torch.autograd.gradcheck(
            lambda logits, weight, loss=loss: loss(logits, target, weight=weight), (logits, weight)
        )


@pytest.mark.parametrize("gamma", [0.5, 1, 2, 5])
def test_focal_loss_is_below_cross_entropy(gamma):
    logits, target = answers(1000)
    focal = focal_loss(logits, target, gamma, None, "none")
    entropy = focal_loss(logits, target, 0, None, "none")
    assert (focal < entropy).all()
    assert (softmax_focal_loss(*maps(2, 9), gamma=gamma) < cross_entropy(*maps(2, 9))).all()


def test_gamma_zero_is_cross_entropy():
    logits, target = maps(2, 5, 6)
    weight = torch.tensor([0.2, 3.0, 1.0, 0.5], dtype=torch.float64)
    assert_close(softmax_focal_loss(logits, target, 0, weight), cross_entropy(logits, target, weight))


def test_two_classes_and_one_logit_say_the_same():
    z, t = answers(2, 5, 6)
    logits = torch.stack([torch.zeros_like(z), z], 1)
    assert_close(softmax_focal_loss(logits, t.long(), 1.5), focal_loss(z, t, 1.5, None))


def test_focal_gradient_is_the_formula_of_the_paper():
    z, _ = answers(50)
    for gamma in (0.5, 1, 2, 5):
        p = z.sigmoid()
        wanted = (1 - p) ** gamma * (gamma * p * p.log() + p - 1)
        assert_close(gradient(focal_loss(z, torch.ones_like(z), gamma, None, "sum"), z), wanted)


def test_a_weight_is_as_good_as_that_many_pixels():
    logits, target = maps(12, void=0)
    weight = torch.tensor([1.0, 2.0, 3.0, 1.0], dtype=torch.float64)
    times = weight[target].long()
    repeated = logits.repeat_interleave(times, 0), target.repeat_interleave(times)
    assert_close(cross_entropy(logits, target, weight), cross_entropy(*repeated))


def test_balanced_weights_give_each_class_the_same_say():
    counts = torch.tensor([9000, 90, 0, 10])
    for kind in ("inverse", "median"):
        say = counts * balanced_weights(counts, kind)
        assert_close(say[[0, 1, 3]], say[0].expand(3))
    assert_close((counts * balanced_weights(counts)).sum(), torch.tensor(9100.0))


def test_sharp_predictions_give_the_metrics():
    """Logits of +-1e4 are as good as labels: Dice and IoU of one confusion matrix come out."""
    _, target = maps(3, 8, 9)
    predicted = torch.randint(4, (3, 8, 9), generator=torch.Generator().manual_seed(5))
    logits = 2e4 * F.one_hot(predicted, 4).movedim(-1, 1).double() - 1e4
    confusion = metrics.confusion_matrix(predicted, target, 4)
    assert_close(dice_loss(logits, target, smooth=0), 1 - metrics.dice(confusion).mean())
    assert_close(soft_iou_loss(logits, target, smooth=0), 1 - metrics.class_iou(confusion).mean())


def test_dice_and_iou_of_one_class_are_one_number_in_two_forms():
    logits, target = maps(2, 5, 6, classes=1)
    assert dice_loss(logits, target) == soft_iou_loss(logits, target) == 0
    both, predicted, true = (torch.tensor(x, dtype=torch.float64) for x in (3.5, 7.0, 5.0))
    iou = both / (predicted + true - both)
    assert_close(2 * both / (predicted + true), 2 * iou / (1 + iou))


def test_sums_go_over_the_batch():
    """Split into images, the scores differ: an image without a class is no image for that class."""
    logits, target = maps(2, 5, 6)
    joined = logits.transpose(0, 1).reshape(1, 4, 10, 6), target.reshape(1, 10, 6)
    assert_close(dice_loss(*joined), dice_loss(logits, target))
    assert_close(soft_iou_loss(*joined), soft_iou_loss(logits, target))


def test_combined_is_between_its_parts():
    logits, target = maps(2, 5, 6)
    parts = cross_entropy(logits, target), dice_loss(logits, target)
    for alpha in (0, 0.3, 0.5, 1):
        assert_close(combined_loss(logits, target, alpha), alpha * parts[0] + (1 - alpha) * parts[1])


def test_giou_does_not_mind_order_place_and_scale():
    a, b = boxes(50), boxes(50, seed=1)
    assert_close(giou_loss(a, b), giou_loss(b, a))
    assert_close(giou_loss(3 * a + 7, 3 * b + 7), giou_loss(a, b))
    assert ((giou_loss(a, b) > 0) & (giou_loss(a, b) < 2)).all()


def test_giou_pulls_distant_boxes_together():
    a = torch.tensor([[0.0, 0.0, 10.0, 10.0]], requires_grad=True)
    pull = gradient(giou_loss(a, torch.tensor([[50.0, 0.0, 60.0, 10.0]])).sum(), a)[0]
    assert pull[2] < 0 < pull[0]  # the right side wants to go right, and the left one left: the box grows
    far, near = (giou_loss(a, a.detach() + torch.tensor([d, 0.0, d, 0.0])) for d in (90.0, 20.0))
    assert far > near > 1


# -------------------------------------------------------------------------------------- numbers by hand


def test_the_lectures_numbers():
    """10,000 easy pixels of the background at p = 0.9, and 10 hard ones of the object at p = 0.1."""
    logits = (
        torch.tensor([0.9, 0.1], dtype=torch.float64).logit().repeat_interleave(torch.tensor([10_000, 10]))
    )
    ones = torch.ones_like(logits)
    for gamma, easy, hard in ((0, 1054, 23.0), (2, 10.5, 18.7)):
        losses = focal_loss(logits, ones, gamma, alpha=None, reduction="none")
        assert losses[:10_000].sum().item() == pytest.approx(easy, rel=4e-3)
        assert losses[10_000:].sum().item() == pytest.approx(hard, rel=4e-3)
    p = torch.tensor([0.9, 0.7, 0.5, 0.3, 0.1], dtype=torch.float64)
    factors = focal_loss(p.logit(), torch.ones(5), 2, None, "none") / -p.log()
    assert factors.tolist() == pytest.approx([0.01, 0.09, 0.25, 0.49, 0.81])


def test_alpha_weighs_positives():
    zero = torch.zeros(1)
    base = 0.25 * math.log(2)
    assert focal_loss(zero, torch.ones(1)).item() == pytest.approx(0.25 * base)
    assert focal_loss(zero, torch.zeros(1)).item() == pytest.approx(0.75 * base)
    assert focal_loss(zero, torch.zeros(1), alpha=None).item() == pytest.approx(base)


def test_the_weighted_mean_divides_by_the_sum_of_weights():
    logits = torch.tensor([[0.9, 0.1], [0.5, 0.5], [0.5, 0.5]], dtype=torch.float64).log()
    weight = torch.tensor([1.0, 10.0], dtype=torch.float64)
    wanted = (-math.log(0.9) + 10 * math.log(2)) / 11
    assert cross_entropy(logits, torch.tensor([0, 1, 255]), weight).item() == pytest.approx(wanted)


def test_absent_classes_weigh_nothing_and_move_no_median():
    counts = torch.tensor([0, 100, 10, 1, 0, 20])
    assert balanced_weights(counts, "median").tolist() == pytest.approx([0, 0.15, 1.5, 15, 0, 0.75])
    assert balanced_weights(counts).tolist() == pytest.approx([0, 131 / 400, 13.1 / 4, 131 / 4, 0, 131 / 80])
    assert balanced_weights(torch.zeros(3)).tolist() == [0, 0, 0]


def test_dice_of_an_empty_class():
    """With *s*, an absent class draws its probabilities down; without, its score is 0 wherever they are."""
    logits = torch.tensor([[2.0, 0.0], [3.0, 0.0]], requires_grad=True)
    target = torch.zeros(2, dtype=torch.long)
    q = logits.softmax(1)[:, 1].sum()
    p = 2 - q
    assert_close(dice_loss(logits, target), 1 - ((2 * p + 1) / (p + 3) + 1 / (q + 1)) / 2)
    assert_close(dice_loss(logits, target, smooth=0), 1 - (2 * p / (p + 2)) / 2)


def test_boxes_by_hand():
    a = torch.tensor([[0.0, 0, 4, 4]] * 4)
    b = torch.tensor([[0.0, 0, 4, 4], [2, 2, 6, 6], [4, 0, 8, 4], [8, 0, 12, 4]])
    wanted = torch.tensor([0, 1 - 4 / 28 + 8 / 36, 1, 1 + 16 / 48])
    assert_close(giou_loss(a, b), wanted)


def test_boxes_without_area():
    point, line = torch.tensor([[3.0, 3, 3, 3]]), torch.tensor([[0.0, 3, 9, 3]])
    assert giou_loss(point, point).item() == giou_loss(point, line).item() == 1
    corner = torch.tensor([[9.0, 9, 9, 9]], requires_grad=True)
    loss = giou_loss(point, corner)
    assert_close(loss, torch.tensor([2.0]))
    assert gradient(loss.sum(), corner).isfinite().all()


# ------------------------------------------------------------------------------------------ the extremes


@of_maps
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_logits_of_ten_thousand(loss, dtype):
    for seed in range(3):
        drawn, target = maps(2, 5, 6, seed=seed, dtype=dtype)
        for large in (1e4, -1e4):
            logits = (drawn.detach().sign() * large).requires_grad_()
            value = loss(logits, target)
            assert value.isfinite()
            assert gradient(value, logits).isfinite().all()


@pytest.mark.parametrize("gamma", [0, 0.5, 1, 2])
@pytest.mark.parametrize("alpha", [None, 0.25])
def test_focal_loss_of_logits_of_ten_thousand(gamma, alpha):
    z = torch.tensor([1e4, -1e4, 1e4, -1e4], requires_grad=True)
    t = torch.tensor([1.0, 0.0, 0.0, 1.0])
    losses = focal_loss(z, t, gamma, alpha, "none")
    assert_close(
        losses.detach(), torch.tensor([0.0, 0, 1e4, 1e4]) * (torch.tensor([1, 1, 0.75, 0.25]) if alpha else 1)
    )
    assert gradient(losses.sum(), z).isfinite().all()


def test_large_logits_lose_no_digits():
    """Two logits of 10,000 that are equal: log 2, although a float32 of that size has steps of 0.001."""
    assert cross_entropy(torch.full((1, 2), 1e4), torch.tensor([0])).item() == pytest.approx(math.log(2))


@of_maps
@pytest.mark.parametrize("shape", [(2, 5, 6), (0, 5, 6), (2, 0, 6), (0,), (3,)])
def test_where_no_pixel_counts_the_loss_is_zero_and_a_gradient_flows(loss, shape):
    logits = torch.randn(shape[0], 3, *shape[1:], requires_grad=True)
    value = loss(logits, torch.full(shape, 255))
    assert value == 0
    assert not gradient(value, logits).any()


def test_the_mean_of_no_answers_is_zero_and_a_gradient_flows():
    z = torch.zeros(0, requires_grad=True)
    value = focal_loss(z, torch.zeros(0))
    assert value == 0
    assert gradient(value, z).shape == (0,)


def test_no_boxes():
    assert giou_loss(torch.zeros(0, 4), torch.zeros(0, 4)).shape == (0,)


def test_classes_of_weight_zero_alone():
    logits, target = maps(2, 3, void=0)
    value = cross_entropy(logits, target, weight=torch.zeros(4, dtype=torch.float64))
    assert value == 0
    assert not gradient(value, logits).any()


def test_half_precision_counts_beyond_its_range():
    logits = torch.zeros(1, 2, 400, 400, dtype=torch.float16)
    target = torch.zeros(1, 400, 400, dtype=torch.long)
    assert dice_loss(logits, target).item() == pytest.approx(2 / 3, abs=1e-3)


# -------------------------------------------------------------------------------------------- oracles


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shape", [(5,), (2, 7), (2, 5, 6), (2, 3, 4, 5)])
def test_cross_entropy_is_torchs(shape, weighted, reduction):
    logits, target = maps(*shape)
    target.view(-1)[0] = 1
    weight = torch.tensor([0.2, 3.0, 1.0, 0.5], dtype=torch.float64) if weighted else None
    cotangent = torch.rand(shape, dtype=torch.float64) if reduction == "none" else 1.0
    found, wanted = (
        loss(logits, target, weight=weight, ignore_index=255, reduction=reduction)
        for loss in (cross_entropy, F.cross_entropy)
    )
    assert_close(found, wanted)
    found, wanted = (gradient((loss * cotangent).sum(), logits) for loss in (found, wanted))
    assert_close(found, wanted)


def test_cross_entropy_of_one_pixel_and_another_ignored_class_is_torchs():
    logits = torch.tensor([0.5, -1.0, 2.0])
    assert_close(cross_entropy(logits, torch.tensor(1)), F.cross_entropy(logits, torch.tensor(1)))
    logits, target = maps(3, 4, void=0)
    assert_close(
        cross_entropy(logits, target, ignore_index=2), F.cross_entropy(logits, target, ignore_index=2)
    )


def test_impossible_classes_are_torchs():
    logits = torch.tensor([[-torch.inf, 0.0], [0.0, -torch.inf]])
    target = torch.tensor([1, 1])
    found, wanted = (loss(logits, target, reduction="none") for loss in (cross_entropy, F.cross_entropy))
    assert torch.equal(found, wanted)


@pytest.mark.parametrize("alpha", [None, 0.25, 0.9])
@pytest.mark.parametrize("gamma", [0, 0.5, 2, 3.7])
def test_focal_loss_is_the_formula_with_torchs_binary_cross_entropy(gamma, alpha):
    z, t = answers(4, 9)
    for target in (t, torch.rand(4, 9, dtype=torch.float64)):
        p = z.sigmoid()
        entropy = F.binary_cross_entropy_with_logits(z, target, reduction="none")
        wanted = entropy * (1 - (p * target + (1 - p) * (1 - target))) ** gamma
        if alpha is not None:
            wanted = (alpha * target + (1 - alpha) * (1 - target)) * wanted
        assert_close(focal_loss(z, target, gamma, alpha, "none"), wanted)
        assert_close(focal_loss(z, target, gamma, alpha), wanted.mean())
        assert_close(focal_loss(z, target, gamma, alpha, "sum"), wanted.sum())


def test_balanced_weights_are_those_of_counting_by_hand():
    target = torch.cat([torch.full((n,), c) for c, n in enumerate((60, 25, 11, 4))])
    counts = target.bincount()
    for c, n in enumerate(counts.tolist()):
        assert balanced_weights(counts)[c].item() == pytest.approx(100 / (4 * n))
        assert balanced_weights(counts, "median")[c].item() == pytest.approx(18 / n)


@pytest.mark.parametrize("smooth", [0, 1e-5, 1, 10])
def test_region_losses_equal_counting_pixel_by_pixel(smooth):
    logits, target = maps(2, 4, 3)
    p = logits.softmax(1)
    dice, iou = [], []
    for c in range(4):
        both = predicted = true = 0.0
        for n in range(2):
            for y in range(4):
                for x in range(3):
                    if target[n, y, x] != 255:
                        q, t = p[n, c, y, x], float(target[n, y, x] == c)
                        both, predicted, true = both + q * t, predicted + q, true + t
        dice.append((2 * both + smooth) / (predicted + true + smooth))
        iou.append((both + smooth) / (predicted + true - both + smooth))
    assert_close(dice_loss(logits, target, smooth), 1 - sum(dice) / 4)
    assert_close(soft_iou_loss(logits, target, smooth), 1 - sum(iou) / 4)


def test_giou_equals_counting_cells():
    """Boxes on whole coordinates: areas are numbers of cells."""
    generator = torch.Generator().manual_seed(0)
    for _ in range(60):
        corners = torch.randint(0, 12, (2, 2, 2), generator=generator).sort(1).values
        corners[:, 1] += 1
        masks = torch.zeros(3, 13, 13, dtype=torch.bool)
        for mask, ((x1, y1), (x2, y2)) in zip(masks, corners.tolist(), strict=False):
            mask[y1:y2, x1:x2] = True
        (x1, y1), (x2, y2) = corners[:, 0].amin(0).tolist(), corners[:, 1].amax(0).tolist()
        masks[2, y1:y2, x1:x2] = True
        union, hull = (masks[0] | masks[1]).sum(), masks[2].sum()
        wanted = 1 - (masks[0] & masks[1]).sum() / union + (hull - union) / hull
        a, b = corners.reshape(2, 4).double()
        assert_close(giou_loss(a, b).float(), wanted)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_means_of_half_precision_are_sums_in_float32(dtype):
    z = torch.randn(1, 3, 300, 300, generator=torch.Generator().manual_seed(0)).to(dtype)
    t, weight = torch.zeros(1, 300, 300).long(), torch.tensor([2.0, 1.0, 1.0])
    for loss in (
        lambda z: cross_entropy(z, t, weight.to(z.dtype)),
        lambda z: softmax_focal_loss(z, t, weight=weight.to(z.dtype)),
        lambda z: focal_loss(z, t[:, None].expand(z.shape)),
    ):
        assert loss(z).dtype == dtype
        assert_close(loss(z).float(), loss(z.float()), rtol=1e-2, atol=0)


def test_under_autocast_the_loss_is_in_float32():
    z, t = torch.zeros(2, 3).bfloat16(), torch.tensor([0, 1])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert cross_entropy(z, t).dtype == F.cross_entropy(z, t).dtype == torch.float32


def test_boxes_of_half_precision_and_of_whole_numbers():
    a, b = torch.tensor([[0, 0, 400, 400]]), torch.tensor([[100, 0, 500, 400]])
    for dtype in (torch.float16, torch.bfloat16, torch.int64):
        assert_close(giou_loss(a.to(dtype), b.to(dtype)), torch.tensor([1 - 300 / 500]))


@pytest.mark.parametrize("gamma", [0, 0.5, 2])
def test_without_another_possible_class_focal_loss_is_zero_with_a_gradient_of_zeros(gamma):
    for z in (torch.zeros(2, 1), torch.tensor([[-torch.inf, 1.0], [-torch.inf, -3.0]])):
        z.requires_grad_()
        found = softmax_focal_loss(z, torch.full((2,), z.shape[1] - 1), gamma)
        assert_close(found, torch.tensor(0.0))
        assert_close(gradient(found, z), torch.zeros_like(z))


# ------------------------------------------------------------------------------- torchvision, if there


@pytest.fixture
def torchvision_ops():
    try:
        from torchvision import ops
    except Exception as error:  # a wheel for another torch raises what it likes
        pytest.skip(f"torchvision cannot be imported: {type(error).__name__}")
    return ops


def test_focal_loss_is_torchvisions(torchvision_ops):
    z, t = answers(4, 9)
    for gamma, alpha, reduction in product((0, 1, 2, 3.5), (-1, 0.25, 0.8), ("none", "mean", "sum")):
        found, wanted = (
            loss(z, t, gamma=gamma, alpha=alpha, reduction=reduction)
            for loss in (focal_loss, torchvision_ops.sigmoid_focal_loss)
        )
        assert_close(found, wanted)
        assert_close(gradient(found.cos().sum(), z), gradient(wanted.cos().sum(), z))


def test_giou_is_torchvisions(torchvision_ops):
    a, b = boxes(200), boxes(200, seed=1)
    found, wanted = giou_loss(a, b), torchvision_ops.generalized_box_iou_loss(a, b)
    assert_close(found, wanted)
    assert_close(gradient(found.cos().sum(), a), gradient(wanted.cos().sum(), a))
    flat = torch.tensor([[3.0, 3, 3, 3], [0, 0, 1e-3, 1e-3], [0, 0, 0, 5], [5, 5, 2, 7], [5, 5, 2, 2]])
    other = torch.tensor([[3.0, 3, 3, 3], [0, 0, 2e-3, 1e-3], [4, 0, 4, 5], [0, 0, 9, 9], [0, 0, 9, 9]])
    assert_close(giou_loss(flat, other), torchvision_ops.generalized_box_iou_loss(flat, other))


# ------------------------------------------------------------------------------------------- bad input

SCORES, CLASSES, MAPS = torch.zeros(2, 3), torch.zeros(2).long(), torch.zeros(2, 3, 4, 4)
WRONG = {
    "sizes": (lambda: cross_entropy(MAPS, torch.zeros(2, 4, 5).long()), r"\(2, 3, 4, 4\) and \(2, 4, 5\)"),
    "class": (lambda: cross_entropy(SCORES, CLASSES + 3), "0 to 2, or ignore_index 255; it holds 3"),
    "negative class": (lambda: dice_loss(SCORES, CLASSES - 1), "it holds -1"),
    "floats": (lambda: cross_entropy(SCORES, torch.zeros(2)), "whole numbers; it is torch.float32"),
    "weight": (lambda: cross_entropy(SCORES, CLASSES, torch.ones(2)), r"weight must be \(3,\).*got \(2,\)"),
    "reduction": (lambda: cross_entropy(SCORES, CLASSES, reduction="max"), "got 'max'"),
    "gamma": (lambda: softmax_focal_loss(SCORES, CLASSES, gamma=-1), "gamma must be at least 0; got -1"),
    "no gamma": (lambda: focal_loss(SCORES, SCORES, float("nan")), "gamma must be at least 0; got nan"),
    "binary sizes": (lambda: focal_loss(SCORES, torch.zeros(2)), r"\(2, 3\) and \(2,\)"),
    "marked as void": (lambda: focal_loss(SCORES, SCORES + 255), "target must be from 0 to 1; .* 255 to 255"),
    "whole logits": (lambda: cross_entropy(SCORES.long(), CLASSES), "must be floating; they are torch.int64"),
    "whole binary logits": (lambda: focal_loss(CLASSES, CLASSES), "must be floating; they are torch.int64"),
    "no smooth": (lambda: soft_iou_loss(SCORES, CLASSES, float("nan")), "smooth must be at least 0; got nan"),
    "no count": (lambda: balanced_weights(torch.tensor([1, torch.nan])), r"finite.*got \[1.0, nan\]"),
    "alpha": (lambda: focal_loss(SCORES, SCORES, alpha=2), "from 0 to 1, or None; got 2"),
    "smooth": (lambda: dice_loss(SCORES, CLASSES, smooth=-1), "smooth must be at least 0; got -1"),
    "share": (lambda: combined_loss(SCORES, CLASSES, alpha=1.5), "alpha must be from 0 to 1; got 1.5"),
    "kind": (lambda: balanced_weights(torch.ones(3), "sqrt"), "got 'sqrt'"),
    "negative counts": (lambda: balanced_weights(torch.tensor([1, -1])), "none below 0"),
    "unpaired": (lambda: giou_loss(torch.zeros(2, 4), torch.zeros(3, 4)), r"\(2, 4\) and \(3, 4\)"),
}


@pytest.mark.parametrize(("call", "words"), WRONG.values(), ids=WRONG)
def test_bad_input_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()
