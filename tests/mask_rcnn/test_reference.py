"""Masks and keypoints of boxes: exact fractions, slow loops, torch's losses, edges and messages."""

import math
from fractions import Fraction

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from dlcv import mask_rcnn as mr


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


# -------------------------------------------------------------------------------------- mask targets


def exact_corners(position, size):
    """RoI Align's rule on one axis: the two cells and their weights, none beyond one cell outside."""
    if not -1 <= position <= size:
        return []
    position = min(max(position, Fraction(0)), Fraction(size - 1))
    low = math.floor(position)
    return [(low, 1 - (position - low)), (min(low + 1, size - 1), position - low)]


def exact_share(mask, box, size, i, j):
    """How much of cell (i, j) of a box's window is object: the mean of its samples, as a fraction."""
    height, width = mask.shape
    x1, y1, x2, y2 = (Fraction(float(v)) - Fraction(1, 2) for v in box)
    bin_y, bin_x = (y2 - y1) / size, (x2 - x1) / size
    down, across = max(math.ceil(bin_y), 0), max(math.ceil(bin_x), 0)
    total = Fraction(0)
    for a in range(down):
        for b in range(across):
            y = y1 + bin_y * (i + (a + Fraction(1, 2)) / down)
            x = x1 + bin_x * (j + (b + Fraction(1, 2)) / across)
            for row, weight in exact_corners(y, height):
                for column, other in exact_corners(x, width):
                    total += weight * other * int(mask[row, column])
    return total / max(down * across, 1)


@pytest.mark.parametrize("size", [1, 3, 4])
def test_targets_are_those_of_exact_fractions(size):
    g = generator(size)
    masks = torch.rand(3, 9, 11, generator=g) < 0.5
    corner = torch.randint(-12, 36, (14, 2), generator=g) / 4  # some boxes lie outside, or reach there
    boxes = torch.cat([corner, corner + torch.randint(0, 33, (14, 2), generator=g) / 4], 1)
    matched = torch.randint(0, 3, (14,), generator=g)
    found = mr.mask_targets(masks, boxes, matched, size)
    assert found.dtype == torch.bool and found.any() and not found.all()
    for number, (box, which) in enumerate(zip(boxes, matched, strict=True)):
        for i in range(size):
            for j in range(size):
                share = exact_share(masks[which], box, size, i, j)
                assert found[number, i, j] == (share >= Fraction(1, 2)), (box, i, j, share)


def test_a_window_as_fine_as_the_image_sees_the_mask_itself():
    masks = torch.rand(2, 12, 12, generator=generator()) < 0.4
    whole = torch.tensor([[0.0, 0, 12, 12]]).expand(2, 4)
    assert torch.equal(mr.mask_targets(masks, whole, torch.tensor([1, 0]), 12), masks.flip(0))
    part = torch.tensor([[2.0, 3, 9, 10]])
    assert torch.equal(mr.mask_targets(masks, part, torch.tensor([1]), 7)[0], masks[1, 3:10, 2:9])


def test_exactly_half_of_a_cell_is_enough():
    mask = torch.zeros(1, 6, 6)
    mask[0, :, ::2] = 1
    assert mr.mask_targets(mask, torch.tensor([[0.0, 0, 6, 6]]), torch.tensor([0]), 3).all()
    mask[0, 0, 0] = 0
    found = mr.mask_targets(mask, torch.tensor([[0.0, 0, 6, 6]]), torch.tensor([0]), 3)
    assert found.sum() == 8 and not found[0, 0, 0]


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.int64, torch.float32, torch.float64])
def test_masks_of_any_kind_of_number_give_the_same_targets(dtype):
    masks = torch.rand(2, 8, 8, generator=generator()) < 0.5
    boxes, matched = torch.tensor([[1.0, 0.5, 7, 6], [0, 0, 8, 8]]), torch.tensor([0, 1])
    expected = mr.mask_targets(masks, boxes, matched, 5)
    assert torch.equal(mr.mask_targets(masks.to(dtype), boxes.double(), matched, 5), expected)


def test_no_box_and_no_mask_have_no_target():
    nothing = torch.zeros(0, dtype=torch.int64)
    for masks in (torch.zeros(2, 5, 5), torch.zeros(0, 5, 5)):
        assert mr.mask_targets(masks, torch.zeros(0, 4), nothing, 28).shape == (0, 28, 28)


def test_targets_say_what_does_not_fit():
    masks, boxes, matched = torch.zeros(2, 5, 5), torch.zeros(1, 4), torch.tensor([0])
    with pytest.raises(ValueError, match=r"masks must be three axes.*\(5, 5\)"):
        mr.mask_targets(masks[0], boxes, matched, 7)
    with pytest.raises(ValueError, match=r"boxes must be \(R, 4\).*\(1, 5\)"):
        mr.mask_targets(masks, torch.zeros(1, 5), matched, 7)
    with pytest.raises(ValueError, match=r"matched must be \(1,\).*\(2,\)"):
        mr.mask_targets(masks, boxes, torch.tensor([0, 1]), 7)
    for wrong in (-1, 2):
        with pytest.raises(ValueError, match=f"masks 0 to 1; got {wrong}"):
            mr.mask_targets(masks, boxes, torch.tensor([wrong]), 7)
    with pytest.raises(ValueError, match="size must be at least 1"):
        mr.mask_targets(masks, boxes, matched, 0)


# ------------------------------------------------------------------------------- mask loss, selection


def some_logits(rois=4, classes=5, side=6):
    g = generator(rois)
    logits = 3 * torch.randn(rois, classes, side, side, generator=g, dtype=torch.float64)
    labels = torch.randint(0, classes, (rois,), generator=g)
    targets = torch.rand(rois, side, side, generator=g) < 0.5
    return logits.requires_grad_(), labels, targets


def test_the_mask_loss_is_the_mean_over_the_true_channels_cells():
    logits, labels, targets = some_logits()
    total = 0.0
    for r, i, j in torch.ones_like(targets).nonzero().tolist():
        p = 1 / (1 + math.exp(-logits[r, labels[r], i, j].item()))
        total -= math.log(p if targets[r, i, j] else 1 - p)
    assert mr.mask_loss(logits, labels, targets).item() == pytest.approx(total / targets.numel())


def test_other_channels_get_no_gradient_at_all():
    logits, labels, targets = some_logits()
    mr.mask_loss(logits, labels, targets).backward()
    true = F.one_hot(labels, 5).bool()
    assert (logits.grad[~true] == 0).all()
    assert_close(logits.grad[true], (logits[true].sigmoid() - targets.double()).detach() / targets.numel())


def test_the_mask_loss_takes_soft_targets_and_large_logits():
    logits, labels, _ = some_logits()
    soft = torch.rand(4, 6, 6, generator=generator())
    rows = torch.stack([logits[r, label] for r, label in enumerate(labels)])
    assert_close(mr.mask_loss(logits, labels, soft), F.binary_cross_entropy_with_logits(rows, soft.double()))
    extreme = torch.full((1, 2, 3, 3), -1e4, requires_grad=True)
    assert mr.mask_loss(extreme, torch.tensor([1]), torch.ones(1, 3, 3)).item() == 1e4


def test_without_a_box_the_mask_loss_is_zero_and_has_a_gradient():
    source = torch.ones(3, requires_grad=True)
    logits = source.sum() * torch.ones(0, 5, 6, 6)
    loss = mr.mask_loss(logits, torch.zeros(0, dtype=torch.int64), torch.zeros(0, 6, 6))
    loss.backward()
    assert loss.item() == 0 and source.grad.tolist() == [0, 0, 0]


def test_the_chosen_mask_is_the_labels_sigmoid_whatever_the_others_say():
    logits, labels, _ = some_logits()
    chosen = mr.select_masks(logits, labels)
    for r, label in enumerate(labels.tolist()):
        assert_close(chosen[r], 1 / (1 + torch.exp(-logits[r, label])))
    true = F.one_hot(labels, 5).bool()[:, :, None, None]
    assert torch.equal(mr.select_masks(logits.masked_fill(~true, 50), labels), chosen)
    assert mr.select_masks(logits[:0], labels[:0]).shape == (0, 6, 6)


def test_masks_say_what_does_not_fit():
    logits, labels, targets = some_logits()
    with pytest.raises(ValueError, match=r"targets must be \(4, 6, 6\).*got \(3, 6, 6\)"):
        mr.mask_loss(logits, labels, targets[:3])
    for function in (mr.select_masks, lambda *a: mr.mask_loss(*a, targets)):
        with pytest.raises(ValueError, match=r"\(R, K, M, M\), \(R,\); got .*\(3,\)"):
            function(logits, labels[:3])
        for wrong in (-1, 5):
            with pytest.raises(ValueError, match=rf"channels 0 to 4; got .*{wrong}"):
                function(logits, torch.full((4,), wrong))


# --------------------------------------------------------------------------------------------- paste


def pasted_by_hand(mask, box, y, x):
    """The mask at one pixel's centre: a weighted mean of the cells nearer than one cell, nothing beyond."""
    side = len(mask)
    x1, y1, x2, y2 = (float(v) for v in box)
    v, u = ((y + 0.5 - y1) / (y2 - y1) * side - 0.5, (x + 0.5 - x1) / (x2 - x1) * side - 0.5)
    total = 0.0
    for i in range(side):
        for j in range(side):
            total += max(0.0, 1 - abs(v - i)) * max(0.0, 1 - abs(u - j)) * float(mask[i, j])
    return total


BOXES = torch.tensor(
    [[2.3, 1.1, 9.7, 8.2], [-4.5, -3.2, 5.1, 6.6], [8, 7, 30, 25], [3.2, 4.1, 3.9, 4.4], [40, 2, 50, 9]],
    dtype=torch.float64,
)


def test_each_pixel_asks_the_mask_at_its_centre():
    masks = torch.rand(5, 4, 4, generator=generator(), dtype=torch.float64)
    found = mr.paste_masks(masks, BOXES, (10, 12), threshold=None)
    assert found.shape == (5, 10, 12) and found.dtype == torch.float64
    for number in range(5):
        for y in range(10):
            for x in range(12):
                expected = pasted_by_hand(masks[number], BOXES[number], y, x)
                assert float(found[number, y, x]) == pytest.approx(expected, abs=1e-12)
    for threshold in (0.3, 0.5):
        hard = mr.paste_masks(masks, BOXES, (10, 12), threshold)
        assert torch.equal(hard, found >= threshold)
    assert torch.equal(mr.paste_masks(masks, BOXES, (10, 12)), found >= 0.5)


def test_a_window_on_whole_pixels_of_its_own_size_is_copied():
    masks = torch.rand(1, 6, 6, generator=generator())
    found = mr.paste_masks(masks, torch.tensor([[3.0, 2, 9, 8]]), (10, 12), threshold=None)
    assert_close(found[0, 2:8, 3:9], masks[0])
    assert found.sum() == pytest.approx(float(masks.sum()), rel=1e-5)  # and nothing lies elsewhere
    cut = mr.paste_masks(masks, torch.tensor([[-2.0, -1, 4, 5]]), (5, 4), threshold=None)
    assert_close(cut[0], masks[0, 1:, 2:])


def test_a_box_moves_by_less_than_a_pixel():
    ones = torch.ones(1, 28, 28)
    edges = [mr.paste_masks(ones, torch.tensor([[x, 0.0, 8 + x, 8]]), (8, 12))[0, 4] for x in (0.4, 0.6)]
    assert edges[0].nonzero()[:, 0].tolist() == [0, 1, 2, 3, 4, 5, 6, 7]
    assert edges[1].nonzero()[:, 0].tolist() == [1, 2, 3, 4, 5, 6, 7, 8]


def test_pasting_undoes_looking_through_the_window():
    y, x = torch.meshgrid(torch.arange(40) + 0.5, torch.arange(50) + 0.5, indexing="ij")
    disc = (y - 18.3) ** 2 + (x - 25.1) ** 2 < 15.2**2
    box = torch.tensor([[9.4, 2.7, 40.6, 34.1]])
    window = mr.mask_targets(disc[None], box, torch.tensor([0]), 28)
    back = mr.paste_masks(window.float(), box, (40, 50))[0]
    assert (back & disc).sum() / (back | disc).sum() > 0.95


def test_the_threshold_itself_is_object():
    half = torch.full((1, 2, 2), 0.5)
    box = torch.tensor([[0.0, 0, 2, 2]])
    assert mr.paste_masks(half, box, (2, 2)).all()
    assert not mr.paste_masks(half, box, (2, 2), threshold=0.51).any()
    assert mr.paste_masks(half, box, (2, 2), threshold=0).all()


@pytest.mark.parametrize("box", [[3.0, 2, 3, 6], [3, 2, 6, 2], [6, 2, 3, 6]])
@pytest.mark.parametrize("threshold", [0.5, None])
def test_a_box_without_area_shows_nothing(box, threshold):
    found = mr.paste_masks(torch.ones(1, 4, 4), torch.tensor([box]), (8, 8), threshold)
    assert found.shape == (1, 8, 8) and not found.any()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_masks_in_half_precision_are_pasted_where_their_boxes_are(dtype):
    """Half precision knows no half pixels beyond column 2048, bfloat16 none beyond 128."""
    masks, box = (
        torch.rand(1, 5, 5, generator=generator()).to(dtype),
        torch.tensor([[2100.3, 3.4, 2111.8, 9.1]]),
    )
    found, exact = (mr.paste_masks(m, box, (12, 2120), None) for m in (masks, masks.double()))
    assert found.dtype == dtype
    assert_close(found.double(), exact, rtol=0, atol=4e-3)
    assert torch.equal(mr.paste_masks(masks, box, (12, 2120)), exact.float() >= 0.5)


def test_nothing_to_paste_and_what_does_not_fit():
    assert mr.paste_masks(torch.zeros(0, 28, 28), torch.zeros(0, 4), (5, 6)).shape == (0, 5, 6)
    assert mr.paste_masks(torch.ones(1, 2, 2, dtype=torch.bool), torch.tensor([[0, 0, 2, 2]]), 2).all()
    with pytest.raises(ValueError, match="one box a mask; got 2 boxes, 1 masks"):
        mr.paste_masks(torch.ones(1, 2, 2), torch.zeros(2, 4), (5, 6))
    with pytest.raises(ValueError, match=r"boxes must be \(R, 4\)"):
        mr.paste_masks(torch.ones(1, 2, 2), torch.zeros(1, 5), (5, 6))
    with pytest.raises(ValueError, match=r"masks must be three axes.*\(1, 1, 2, 2\)"):
        mr.paste_masks(torch.ones(1, 1, 2, 2), torch.zeros(1, 4), (5, 6))


# ----------------------------------------------------------------------------------------- keypoints


def test_keypoints_fall_into_the_cells_that_loops_find():
    g = generator()
    corner = torch.rand(6, 2, generator=g, dtype=torch.float64) * 10
    boxes = torch.cat([corner, corner + 1 + torch.rand(6, 2, generator=g, dtype=torch.float64) * 20], 1)
    keypoints = torch.rand(6, 9, 3, generator=g, dtype=torch.float64) * 30
    keypoints[..., 2] = torch.randint(0, 3, (6, 9), generator=g).double()
    targets, valid = mr.keypoint_targets(keypoints, boxes, 7)
    assert targets.dtype == torch.int64 and valid.dtype == torch.bool and 5 < valid.sum() < 50
    for r, (x1, y1, x2, y2) in enumerate(boxes.tolist()):
        for k, (x, y, seen) in enumerate(keypoints[r].tolist()):
            j, i = math.floor((x - x1) / (x2 - x1) * 7), math.floor((y - y1) / (y2 - y1) * 7)
            counts = seen > 0 and 0 <= i < 7 and 0 <= j < 7
            assert (int(targets[r, k]), bool(valid[r, k])) == (i * 7 + j if counts else 0, counts)


def test_borders_belong_to_the_last_cells_and_nothing_beyond():
    box = torch.tensor([[2.0, 1, 10, 5]])
    points = torch.tensor([[[2.0, 1, 1], [10, 5, 1], [10, 1, 2], [10.001, 3, 2], [1.999, 3, 2], [5, 5, 1]]])
    targets, valid = mr.keypoint_targets(points, box, 4)
    assert targets.tolist() == [[0, 15, 3, 0, 0, 13]]
    assert valid.tolist() == [[True, True, True, False, False, True]]


def test_no_keypoint_counts_in_a_box_without_area():
    points = torch.tensor([[[3.0, 3, 2]]])
    for box in ([3.0, 0, 3, 8], [0, 3, 8, 3], [8, 0, 0, 8]):
        targets, valid = mr.keypoint_targets(points, torch.tensor([box]), 4)
        assert targets.tolist() == [[0]] and valid.tolist() == [[False]]


def test_the_keypoint_loss_is_a_softmax_over_positions():
    g = generator()
    logits = torch.randn(3, 4, 5, 5, generator=g, dtype=torch.float64, requires_grad=True)
    targets = torch.randint(0, 25, (3, 4), generator=g)
    valid = torch.rand(3, 4, generator=g) < 0.6
    assert 0 < valid.sum() < 12
    terms = []
    for r, k in valid.nonzero().tolist():
        cells = [math.exp(z.item()) for z in logits[r, k].flatten()]
        terms.append(-math.log(cells[int(targets[r, k])] / sum(cells)))
    loss = mr.keypoint_loss(logits, targets, valid)
    assert loss.item() == pytest.approx(sum(terms) / len(terms))
    loss.backward()
    assert (logits.grad[~valid] == 0).all() and (logits.grad[valid] != 0).all()
    assert_close(logits.grad.sum((2, 3)), torch.zeros(3, 4, dtype=torch.float64))


@pytest.mark.parametrize("rois", [0, 3])
def test_without_a_keypoint_the_loss_is_zero_and_has_a_gradient(rois):
    logits = torch.randn(rois, 4, 5, 5, requires_grad=True)
    nothing = torch.zeros(rois, 4)
    loss = mr.keypoint_loss(logits, nothing.long(), nothing.bool())
    loss.backward()
    assert loss.item() == 0 and not logits.grad.any()


def test_keypoints_say_what_does_not_fit():
    for wrong in (-1, 25):
        targets = torch.tensor([[0, wrong]])
        with pytest.raises(ValueError, match=f"cells 0 to 24; got .*{wrong}"):
            mr.keypoint_loss(torch.zeros(1, 2, 5, 5), targets, torch.tensor([[True, True]]))
        unknown = mr.keypoint_loss(torch.zeros(1, 2, 5, 5), targets, torch.tensor([[True, False]]))
        assert unknown.item() == pytest.approx(math.log(25))
    with pytest.raises(ValueError, match=r"keypoints must be \(2, K, 3\).*\(1, 5, 3\)"):
        mr.keypoint_targets(torch.zeros(1, 5, 3), torch.zeros(2, 4), 7)
    with pytest.raises(ValueError, match="size must be at least 1"):
        mr.keypoint_targets(torch.zeros(2, 5, 3), torch.zeros(2, 4), 0)
    with pytest.raises(ValueError, match=r"\(R, K, S, S\), \(R, K\), \(R, K\); got .*\(2, 3\)"):
        mr.keypoint_loss(torch.zeros(2, 4, 5, 5), torch.zeros(2, 4).long(), torch.zeros(2, 3).bool())


# --------------------------------------------------------------------------------------------- heads


def test_the_mask_head_of_the_paper_says_62720_numbers_a_box():
    head = mr.MaskHead(256, 80)
    assert head(torch.zeros(1, 256, 14, 14)).numel() == 62_720
    convolutions = 4 * (256 * 256 * 9 + 256)
    assert sum(p.numel() for p in head.parameters()) == convolutions + 256 * 256 * 4 + 256 + 256 * 80 + 80


def test_the_keypoint_head_of_the_paper_says_56_by_56():
    head = mr.KeypointHead(256)
    shapes = [tuple(p.shape) for p in head.parameters() if p.dim() == 4]
    assert shapes == [(512, 256, 3, 3), *[(512, 512, 3, 3)] * 7, (512, 17, 4, 4)]
    assert mr.KeypointHead(8, 3, hidden=4, layers=2)(torch.zeros(2, 8, 14, 14)).shape == (2, 3, 56, 56)


@pytest.mark.parametrize(
    ("head", "scale", "margin"), [(mr.MaskHead, 2, 8), (mr.KeypointHead, 4, 24)], ids=["mask", "keypoint"]
)
def test_heads_keep_places_and_boxes_apart(head, scale, margin):
    torch.manual_seed(0)
    network = head(3, 2, hidden=6, layers=2).double()
    features = torch.zeros(2, 3, 16, 16, dtype=torch.float64)
    features[:, :, 6, 7] = torch.tensor([1.0, -2, 3], dtype=torch.float64)
    moved = features.roll((2, 1), (2, 3))
    out, shifted = network(features), network(moved)
    inner = slice(margin, -margin)
    assert out.std() > 0
    assert_close(out.roll((2 * scale, scale), (2, 3))[..., inner, inner], shifted[..., inner, inner])
    assert_close(network(features[:1]), out[:1])
    assert network(features[:0]).shape[0] == 0


def test_a_mask_head_learns_from_the_loss():
    torch.manual_seed(0)
    head = mr.MaskHead(4, 3, hidden=8, layers=1)
    features = torch.randn(6, 4, 5, 5)
    labels = torch.tensor([0, 1, 2, 0, 1, 2])
    targets = (features[:, 0] > 0).repeat_interleave(2, 1).repeat_interleave(2, 2)
    optimizer = torch.optim.Adam(head.parameters(), 0.02)
    for _ in range(150):
        optimizer.zero_grad()
        loss = mr.mask_loss(head(features), labels, targets)
        loss.backward()
        optimizer.step()
    assert loss < 0.1
    assert ((mr.select_masks(head(features), labels) > 0.5) == targets).float().mean() > 0.97


def test_heads_say_what_does_not_fit():
    with pytest.raises(ValueError, match="num_classes must be at least 1; got 0"):
        mr.MaskHead(4, 0)
    with pytest.raises(ValueError, match="layers must be at least 1; got 0"):
        mr.KeypointHead(4, 3, layers=0)
