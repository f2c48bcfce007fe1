"""The pyramid, the loss and the fusion of both heads: equations, small cases, and the rules written a second time."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from dlcv.panoptic import (
    FeaturePyramid,
    fuse_efficientps,
    fuse_panoptic,
    merge_top_down,
    panoptic_loss,
    validate_panoptic,
)


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def strip(*pixels, width=6):
    mask = torch.zeros(1, width, dtype=torch.bool)
    mask[0, list(pixels)] = True
    return mask


def fuse(masks, scores, labels, semantic=None, **settings):
    masks = torch.stack(masks) if masks else torch.zeros(0, 1, 6, dtype=torch.bool)
    semantic = (
        torch.zeros(masks.shape[1:], dtype=torch.long) if semantic is None else torch.tensor([semantic])
    )
    settings = {"stuff_area_limit": 1, **settings}
    ids, segments = fuse_panoptic(
        masks, torch.tensor(scores), torch.tensor(labels).long(), semantic, **settings
    )
    return ids[0].tolist(), [segment["category_id"] for segment in segments]


# ------------------------------------------------------------------------------- the pyramid


def test_levels_meet_at_any_size():
    torch.manual_seed(0)
    sizes = [(13, 18), (7, 9), (3, 5), (2, 2)]
    maps = [draw(2, 4 + level, *size, seed=level) for level, size in enumerate(sizes)]
    out = FeaturePyramid([4, 5, 6, 7], 3)(maps)
    assert [tuple(level.shape) for level in out] == [(2, 3, *size) for size in sizes]


def test_the_pyramid_by_hand():
    """Weights of one: every level is a box filter of its lateral sum and all coarser ones."""
    pyramid = FeaturePyramid([1, 1], 1)
    with torch.no_grad():
        for parameter in pyramid.parameters():
            parameter.fill_(1.0 if parameter.dim() == 4 else 0.0)
        fine, coarse = pyramid([torch.ones(1, 1, 4, 4), torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])])
    merged = 1 + torch.tensor([[1.0, 2.0], [3.0, 4.0]]).repeat_interleave(2, 0).repeat_interleave(2, 1)
    expected = F.pad(merged, (1, 1, 1, 1)).unfold(0, 3, 1).unfold(1, 3, 1).sum((-1, -2))
    assert_close(fine[0, 0], expected)
    assert_close(coarse[0, 0], torch.full((2, 2), 10.0))


def test_what_is_smoothed_does_not_go_on_down():
    torch.manual_seed(1)
    pyramid, maps = FeaturePyramid([2, 2], 3), [draw(1, 2, 4, 4), draw(1, 2, 2, 2, seed=1)]
    before = pyramid(maps)[0]
    with torch.no_grad():
        pyramid.smooth[1].weight.zero_()
    assert_close(pyramid(maps)[0], before)


def test_fine_levels_hear_of_coarse_ones_and_not_the_other_way():
    torch.manual_seed(2)
    maps = [draw(1, 2, 6 - 2 * n, 6 - 2 * n, seed=n).requires_grad_() for n in range(3)]
    out = FeaturePyramid([2, 2, 2], 2)(maps)
    for reads, level in enumerate(out):
        gradients = torch.autograd.grad(level.sum(), maps, retain_graph=True, allow_unused=True)
        assert [g is not None and bool(g.abs().sum() > 0) for g in gradients] == [
            n >= reads for n in range(3)
        ]


def test_torchvisions_pyramid_agrees():
    ops = pytest.importorskip("torchvision.ops", exc_type=ImportError)
    ours, theirs = FeaturePyramid([4, 5, 6], 3), ops.FeaturePyramidNetwork([4, 5, 6], 3)
    for blocks, layers in ((theirs.inner_blocks, ours.lateral), (theirs.layer_blocks, ours.smooth)):
        for block, layer in zip(blocks, layers, strict=True):
            layer.load_state_dict(block[0].state_dict())
    maps = [draw(1, 4, 13, 9), draw(1, 5, 7, 5), draw(1, 6, 4, 2)]
    expected = theirs({str(n): level for n, level in enumerate(maps)})
    for level, wanted in zip(ours(maps), expected.values(), strict=True):
        assert_close(level, wanted)


def test_the_door_of_the_pyramid():
    with pytest.raises(ValueError, match="in_channels must be at least 1; got 0"):
        FeaturePyramid([4, 0])
    with pytest.raises(ValueError, match="at least; got none"):
        FeaturePyramid([])
    with pytest.raises(ValueError, match="features must be 2 maps, fine to coarse; got 1"):
        FeaturePyramid([4, 4], 2)([draw(1, 4, 2, 2)])
    with pytest.raises(ValueError, match=r"with one N and one C; got \[\(1, 2, 4, 4\), \(1, 3, 2, 2\)\]"):
        merge_top_down([draw(1, 2, 4, 4), draw(1, 3, 2, 2)])


# ------------------------------------------------------------------------------- the loss


def test_the_weights_of_the_loss():
    losses = torch.tensor([1.0, 2.0, 4.0, 8.0], requires_grad=True)
    loss = panoptic_loss(*losses, lambda_i=3, lambda_s=0.25)
    assert loss.item() == 3 * 7 + 2
    loss.backward()
    assert losses.grad.tolist() == [3, 3, 3, 0.25]
    assert panoptic_loss(*losses).item() == 7 + 4
    with pytest.raises(ValueError, match="lambda_s must be at least 0; got -1"):
        panoptic_loss(*losses, lambda_s=-1)


# ------------------------------------------------------------------------------- fusion


def test_the_surer_one_keeps_its_pixels_whatever_the_order():
    masks = [strip(1, 2, 3), strip(0, 1)]
    assert fuse(masks, [0.6, 0.9], [7, 8]) == ([1, 1, 2, 2, 0, 0], [8, 7])


def test_overlap_is_a_share_of_the_masks_own_area():
    """Half of the small one is taken: it stays. Two thirds: it goes, though that is little of the large one."""
    large = strip(0, 1, 2, 3)
    assert fuse([large, strip(3, 4)], [0.9, 0.8], [7, 7]) == ([1, 1, 1, 1, 2, 0], [7, 7])
    assert fuse([large, strip(2, 3, 4)], [0.9, 0.8], [7, 7]) == ([1, 1, 1, 1, 0, 0], [7])
    assert fuse([large, strip(2, 3, 4)], [0.9, 0.8], [7, 7], overlap_threshold=0.7)[1] == [7, 7]


def test_overlap_is_with_all_that_is_placed_and_not_with_what_was_dropped():
    masks = [strip(0, 1), strip(2, 3), strip(1, 2, 4)]
    assert fuse(masks, [0.9, 0.8, 0.7], [7, 7, 7])[1] == [7, 7]
    masks = [strip(0, 1, 2), strip(1, 2, 3), strip(3, 4)]
    assert fuse(masks, [0.9, 0.8, 0.7], [7, 7, 8]) == ([1, 1, 1, 2, 2, 0], [7, 8])


def test_a_mask_with_nothing_left_is_no_segment():
    masks = [strip(0, 1), strip(0, 1), strip()]
    assert fuse(masks, [0.9, 0.8, 0.7], [7, 7, 7], overlap_threshold=1.0) == ([1, 1, 0, 0, 0, 0], [7])


def test_scores_at_the_threshold_are_placed_and_ties_keep_their_order():
    masks = [strip(0, 1), strip(1, 2), strip(4, 5)]
    assert fuse(masks, [0.5, 0.5, 0.49], [7, 8, 7]) == ([1, 1, 2, 0, 0, 0], [7, 8])


def test_stuff_fills_what_is_free_and_never_zero():
    semantic = [3, 3, 2, 2, 0, 255]
    assert fuse([strip(1, 2)], [0.9], [7], semantic) == ([3, 1, 1, 2, 0, 0], [7, 2, 3])


def test_small_stuff_stays_void_and_only_free_pixels_count():
    semantic = [3, 3, 3, 2, 2, 2]
    assert fuse([strip(0)], [0.9], [7], semantic, stuff_area_limit=3) == ([1, 0, 0, 2, 2, 2], [7, 2])
    assert fuse([], [], [], semantic, stuff_area_limit=3) == ([2, 2, 2, 1, 1, 1], [2, 3])
    assert fuse([strip(0, 1, 2)], [0.9], [7], semantic, stuff_area_limit=0)[1] == [7, 2]


def test_the_defaults():
    """4096 pixels are enough, 4095 are not; a half is enough as a score and not too much as an overlap."""
    semantic = torch.full((64, 65), 2)
    semantic[:, 64] = 3
    none = torch.zeros(0, 64, 65, dtype=torch.bool), torch.zeros(0), torch.zeros(0).long()
    assert [s["category_id"] for s in fuse_panoptic(*none, semantic)[1]] == [2]
    semantic[0, 0] = 3
    assert fuse_panoptic(*none, semantic)[1] == []


def fused_pixel_by_pixel(masks, scores, labels, semantic, overlap, limit, least):
    """Lists and loops only: who owns each pixel?"""
    height, width = semantic.shape
    owner, placed = {}, []
    for k in sorted(range(len(masks)), key=lambda k: (-scores[k], k)):
        own = [(i, j) for i in range(height) for j in range(width) if masks[k][i, j]]
        free = [place for place in own if place not in owner]
        if scores[k] < least or not free or (len(own) - len(free)) / len(own) > overlap:
            continue
        placed.append(int(labels[k]))
        owner |= dict.fromkeys(free, len(placed))
    for category in range(1, 255):
        free = [
            (i, j) for i in range(height) for j in range(width)
            if semantic[i, j] == category and (i, j) not in owner
        ]  # fmt: skip
        if free and len(free) >= limit:
            placed.append(category)
            owner |= dict.fromkeys(free, len(placed))
    return [[owner.get((i, j), 0) for j in range(width)] for i in range(height)], placed


@pytest.mark.parametrize("seed", range(20))
def test_fusion_equals_a_loop_over_pixels(seed):
    random = np.random.default_rng(seed)
    count, size = random.integers(0, 8), (8, 10)
    masks = np.zeros((count, *size), bool)
    for mask in masks:
        y, x = random.integers(0, 6, 2)
        mask[y : y + random.integers(1, 6), x : x + random.integers(1, 7)] = True
    scores, labels = random.integers(2, 10, count) / 10, random.integers(7, 10, count)
    semantic = random.integers(0, 4, (4, 5)).repeat(2, 0).repeat(2, 1)
    settings = [(0.5, 5, 0.5), (0.2, 9, 0.3), (0.9, 1, 0.0)][seed % 3]
    ids, segments = fuse_panoptic(*map(torch.from_numpy, (masks, scores, labels, semantic)), *settings)
    wanted, placed = fused_pixel_by_pixel(masks, scores, labels, semantic, *settings)
    assert ids.tolist() == wanted
    assert segments == [{"id": n, "category_id": category} for n, category in enumerate(placed, 1)]
    validate_panoptic(ids, segments, {c: c >= 7 for c in range(1, 10)})


def test_inputs_are_not_changed():
    masks, semantic = torch.stack([strip(0, 1), strip(1, 2)]), torch.tensor([[2, 2, 2, 2, 2, 2]])
    before = masks.clone(), semantic.clone()
    fuse_panoptic(masks, torch.tensor([0.9, 0.8]), torch.tensor([7, 7]), semantic, stuff_area_limit=1)
    assert torch.equal(masks, before[0]) and torch.equal(semantic, before[1])


def test_the_door_of_the_fusion():
    masks, semantic = torch.stack([strip(0)]), torch.zeros(1, 6).long()
    with pytest.raises(ValueError, match=r"got \(1, 1, 6\), \(2,\), \(1,\), \(1, 6\)"):
        fuse_panoptic(masks, torch.ones(2), torch.ones(1).long(), semantic)
    with pytest.raises(ValueError, match=r"masks must not be floating; got torch\.float32"):
        fuse_panoptic(masks.float(), torch.ones(1), torch.ones(1).long(), semantic)
    with pytest.raises(ValueError, match="labels must be categories, none below 0; got -1"):
        fuse_panoptic(masks, torch.ones(1), torch.tensor([-1]), semantic)
    with pytest.raises(ValueError, match="semantic must hold categories from 0, or 255; got -2"):
        fuse_panoptic(masks, torch.ones(1), torch.tensor([1]), semantic - 2)
    ignored = fuse_panoptic(masks, torch.ones(1), torch.tensor([1]), semantic - 2, 0.5, 1, ignore_index=-2)
    assert ignored[0].sum() == 1


# ------------------------------------------------------------------------------- EfficientPS


def test_agreement_is_stronger_than_the_sum_of_two_halves():
    a, b = draw(3, 4, 5), draw(3, 4, 5, seed=1)
    fused = fuse_efficientps(a, b)
    x, y = a.double().numpy(), b.double().numpy()
    assert_close(
        fused.double().numpy(), (1 / (1 + np.exp(-x)) + 1 / (1 + np.exp(-y))) * (x + y), rtol=1e-5, atol=1e-6
    )
    assert torch.equal(fused.sign(), (a + b).sign())
    assert_close(fuse_efficientps(b, a), fused)
    assert_close(fuse_efficientps(a, a), 4 * a.sigmoid() * a)
    assert_close(fuse_efficientps(a, -a), torch.zeros_like(a))
    assert torch.autograd.gradcheck(
        fuse_efficientps, (a.double().requires_grad_(), b.double().requires_grad_())
    )
    with pytest.raises(ValueError, match=r"same shape; got \(2,\) and \(3,\)"):
        fuse_efficientps(torch.zeros(2), torch.zeros(3))
    never = torch.tensor([-torch.inf] * 3)
    assert torch.equal(fuse_efficientps(never, torch.tensor([5.0, -200.0, -torch.inf])), never)
