"""From two heads to one panoptic result: the pyramid below them, the loss over them, and the fusion behind them.

References
----------
.. [1] A. Kirillov, R. Girshick, K. He and P. Dollár, "Panoptic feature pyramid networks", CVPR 2019.
.. [2] T.-Y. Lin, P. Dollár, R. Girshick, K. He, B. Hariharan and S. Belongie, "Feature pyramid networks for object
   detection", CVPR 2017.
.. [3] A. Kirillov, K. He, R. Girshick, C. Rother and P. Dollár, "Panoptic segmentation", CVPR 2019.
.. [4] R. Mohan and A. Valada, "EfficientPS: efficient panoptic segmentation", IJCV 2021.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dlcv.arguments import check_at_least
from dlcv.panoptic.reference import VOID

# ------------------------------------------------------------------------------- before the heads


def merge_top_down(levels: Sequence[Tensor]) -> list[Tensor]:
    """Add to each map all coarser ones, each enlarged step by step to the exact size of the next.

    .. math:: m_l = c_l + \\text{nearest}(m_{l+1})

    Parameters
    ----------
    levels : sequence of Tensors of shape (N, C, H_l, W_l)
        From fine to coarse, with the same channels.

    Returns
    -------
    list of Tensors of the same shapes
        The coarsest is as it was.

    Examples
    --------
    >>> fine, middle, coarse = torch.ones(1, 1, 1, 5), torch.tensor([[[[10.0, 20.0, 30.0]]]]), torch.zeros(1, 1, 1, 1)
    >>> merge_top_down([fine, middle, coarse + 100])[0]
    tensor([[[[111., 111., 121., 121., 131.]]]])
    """
    merged = list(levels)
    if len({level.shape[:2] for level in merged}) > 1 or any(level.dim() != 4 for level in merged):
        shapes = [tuple(level.shape) for level in merged]
        raise ValueError(f"levels must be (N, C, H, W) with one N and one C; got {shapes}")
    for finer in range(len(merged) - 2, -1, -1):
        size = merged[finer].shape[-2:]
        merged[finer] = merged[finer] + F.interpolate(merged[finer + 1], size=size, mode="nearest")
    return merged


class FeaturePyramid(nn.Module):
    """Give every level the meaning of the coarse ones: lateral 1x1, top-down sum, 3x3.

    .. math:: m_l = \\text{lateral}_l(c_l) + \\text{nearest}(m_{l+1}), \\qquad p_l = \\text{smooth}_l(m_l)

    Parameters
    ----------
    in_channels : sequence of int
        Channels of the backbone's maps, from fine to coarse.
    out_channels : int
        Channels of every map that comes out.

    Notes
    -----
    [2]_, section 3. The coarser map is enlarged to the *exact* size of the finer one, so sizes need not be powers of
    two. What goes on down is the sum, not what the 3x3 convolution made of it. All convolutions have a bias and no
    ReLU.

    Examples
    --------
    >>> pyramid = FeaturePyramid([8, 16, 32], out_channels=4)
    >>> maps = [torch.rand(1, 8, 13, 18), torch.rand(1, 16, 7, 9), torch.rand(1, 32, 4, 5)]
    >>> [tuple(level.shape) for level in pyramid(maps)]
    [(1, 4, 13, 18), (1, 4, 7, 9), (1, 4, 4, 5)]
    """

    def __init__(self, in_channels: Sequence[int], out_channels: int = 256):
        super().__init__()
        if not in_channels:
            raise ValueError("in_channels must name one level at least; got none")
        check_at_least(1, in_channels=in_channels, out_channels=out_channels)
        self.lateral = nn.ModuleList(nn.Conv2d(channels, out_channels, 1) for channels in in_channels)
        self.smooth = nn.ModuleList(nn.Conv2d(out_channels, out_channels, 3, padding=1) for _ in in_channels)

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Return maps ``(N, out_channels, H_l, W_l)`` of maps ``(N, C_l, H_l, W_l)``, from fine to coarse."""
        if len(features) != len(self.lateral):
            raise ValueError(
                f"features must be {len(self.lateral)} maps, fine to coarse; got {len(features)}"
            )
        merged = [lateral(level) for lateral, level in zip(self.lateral, features, strict=True)]
        return [smooth(level) for smooth, level in zip(self.smooth, merge_top_down(merged), strict=True)]


def panoptic_loss(
    class_loss: Tensor,
    box_loss: Tensor,
    mask_loss: Tensor,
    semantic_loss: Tensor,
    lambda_i: float = 1.0,
    lambda_s: float = 0.5,
) -> Tensor:
    """Loss of both heads: that of the instances and that of the class map, each with its weight.

    .. math:: L = \\lambda_i (L_c + L_b + L_m) + \\lambda_s L_s

    Parameters
    ----------
    class_loss, box_loss, mask_loss : Tensors without axes
        Of the instance head.
    semantic_loss : Tensor without axes
        Cross-entropy of the class map.
    lambda_i, lambda_s : float
        Weights, at least 0. The losses differ in scale and in what they are divided by; their weights are found by
        trying.

    Notes
    -----
    [1]_, section 3.2.

    Examples
    --------
    >>> panoptic_loss(*torch.tensor([1.0, 2.0, 3.0, 4.0]))
    tensor(8.)
    """
    check_at_least(0, lambda_i=lambda_i, lambda_s=lambda_s)
    return lambda_i * (class_loss + box_loss + mask_loss) + lambda_s * semantic_loss


# ------------------------------------------------------------------------------- behind the heads


def fuse_panoptic(
    masks: Tensor,
    scores: Tensor,
    labels: Tensor,
    semantic: Tensor,
    overlap_threshold: float = 0.5,
    stuff_area_limit: int = 4096,
    score_threshold: float = 0.5,
    ignore_index: int = 255,
) -> tuple[Tensor, list[dict]]:
    """Make one panoptic result of instance masks, which may overlap, and a class map.

    Instances are placed by decreasing score. One is dropped if more than `overlap_threshold` of its own area is taken
    already; else it gets those of its pixels that are still free. Then stuff fills what is free.

    Parameters
    ----------
    masks : bool Tensor of shape (K, H, W)
    scores : Tensor of shape (K,)
        Those below `score_threshold` are not placed. Of equal scores the first goes first.
    labels : integer Tensor of shape (K,)
        Categories of the instances.
    semantic : integer Tensor of shape (H, W)
        Categories of stuff; 0 says "some thing", and is never written.
    overlap_threshold : float
        Share of a mask.
    stuff_area_limit : int
        Pixels; stuff of which fewer are left stays void.
    score_threshold : float
    ignore_index : int
        Void in `semantic`, never written either.

    Returns
    -------
    ids : int64 Tensor of shape (H, W)
        0 is void. Ids count from 1, in the order in which segments were placed.
    segments : list of dict
        ``id`` and ``category_id``: instances by decreasing score, then stuff by category.

    Notes
    -----
    [3]_, section 7 and [1]_, section 3.1.

    Examples
    --------
    The second mask gets the one pixel of its three that is free; the third is dropped.

    >>> masks = torch.tensor([[[1, 1, 0, 0, 0, 0]], [[0, 1, 1, 0, 0, 0]], [[1, 1, 1, 1, 0, 0]]]).bool()
    >>> scores, labels = torch.tensor([0.9, 0.8, 0.7]), torch.tensor([5, 5, 6])
    >>> semantic = torch.tensor([[0, 0, 0, 2, 2, 3]])
    >>> ids, segments = fuse_panoptic(masks, scores, labels, semantic, stuff_area_limit=2)
    >>> ids
    tensor([[1, 1, 2, 3, 3, 0]])
    >>> segments
    [{'id': 1, 'category_id': 5}, {'id': 2, 'category_id': 5}, {'id': 3, 'category_id': 2}]
    """
    _check_instances(masks, scores, labels, semantic)
    if semantic.numel() and int((known := semantic.where(semantic != ignore_index, 0)).min()) < 0:
        raise ValueError(f"semantic must hold categories from 0, or {ignore_index}; got {int(known.min())}")
    ids, segments = torch.zeros_like(semantic, dtype=torch.int64), []
    for k in _chosen(masks.bool(), scores, overlap_threshold, score_threshold):
        _place(ids, segments, masks[k].bool() & (ids == VOID), int(labels[k]))
    _fill(ids, segments, semantic, stuff_area_limit, ignore_index)
    return ids, segments


def fuse_efficientps(a: Tensor, b: Tensor) -> Tensor:
    """Fuse the logits of two heads for the same thing: strong where both are, weak where they disagree.

    .. math:: (\\sigma(a) + \\sigma(b)) \\odot (a + b)

    Parameters
    ----------
    a, b : Tensor of the same shape
        Mask logits of the instance head, pasted into the image, and logits of the class map for the same category,
        cut to the instance's box.

    Returns
    -------
    Tensor of the same shape

    Notes
    -----
    [4]_, section 3.4. No parameters. Its sign is that of the sum; near zero where the two cancel. Where one is minus
    infinity, as outside of a box, so is the result, however small the other's sigmoid.

    Examples
    --------
    >>> fuse_efficientps(torch.tensor([4.0, 4.0, -4.0]), torch.tensor([4.0, -4.0, -4.0]))
    tensor([15.7122,  0.0000, -0.2878])
    """
    if a.shape != b.shape:
        raise ValueError(f"a and b must have the same shape; got {tuple(a.shape)} and {tuple(b.shape)}")
    total = a + b
    return torch.where(total == -torch.inf, total, (a.sigmoid() + b.sigmoid()) * total)


def fuse_panoptic_logits(
    logits: Tensor,
    scores: Tensor,
    labels: Tensor,
    semantic: Tensor,
    num_stuff: int,
    overlap_threshold: float = 0.5,
    stuff_area_limit: int = 4096,
    score_threshold: float = 0.5,
) -> tuple[Tensor, list[dict]]:
    """Make one panoptic result as EfficientPS does: both heads have a say in each pixel of a thing.

    Instances are chosen as in `fuse_panoptic`. Then their fused logits (`fuse_efficientps`) and the class map's logits
    of stuff compete for each pixel. Where an instance wins, the pixel is its own; what is free then is filled with
    stuff, as in `fuse_panoptic`.

    Parameters
    ----------
    logits : Tensor of shape (K, H, W)
        Of the instances' masks, -inf outside of the box: no pixel there is the instance's.
    scores : Tensor of shape (K,)
    labels : integer Tensor of shape (K,)
        Categories of the instances, `num_stuff` + 1 to C.
    semantic : Tensor of shape (C, H, W)
        Logits of the class map. Channel *c* is category *c* + 1; stuff comes first.
    num_stuff : int
        How many of the categories are stuff.
    overlap_threshold, stuff_area_limit, score_threshold
        As for `fuse_panoptic`.

    Returns
    -------
    ids : int64 Tensor of shape (H, W)
        0 is void.
    segments : list of dict
        ``id`` and ``category_id``: instances by decreasing score, then stuff by category.

    Notes
    -----
    [4]_, section 3.4.

    Examples
    --------
    A mask that is not sure of its second pixel. The class map sees category 2, a thing, in two pixels, stuff in one.

    >>> masks, semantic = torch.tensor([[[3.0, -0.5, -3.0]]]), torch.tensor([[[0.0, 0.0, 4.0]], [[4.0, 4.0, 0.0]]])
    >>> fuse_panoptic_logits(masks, torch.tensor([0.9]), torch.tensor([2]), semantic, 1, stuff_area_limit=1)[0]
    tensor([[1, 1, 2]])
    """
    if semantic.dim() != 3 or not len(semantic) or not 0 <= num_stuff <= len(semantic):
        raise ValueError(
            f"semantic must be (C, H, W), num_stuff 0 to C; got {tuple(semantic.shape)}, {num_stuff}"
        )
    masks, nothing = logits >= 0, torch.zeros(semantic.shape[1:], dtype=torch.int64)
    _check_instances(masks, scores, labels, nothing)
    if len(labels) and not num_stuff < int(labels.min()) <= int(labels.max()) <= len(semantic):
        wanted = f"{num_stuff + 1} to {len(semantic)}"
        raise ValueError(f"labels must be things, {wanted}; got {int(labels.min())} to {int(labels.max())}")
    chosen = _chosen(masks, scores, overlap_threshold, score_threshold)
    things = fuse_efficientps(logits[chosen], semantic[labels[chosen].long() - 1])
    nobody = torch.full_like(semantic[:1], -torch.inf)
    winner, said = torch.cat([nobody, things, semantic[:num_stuff]]).argmax(0) - 1, semantic.argmax(0) + 1
    ids, segments = nothing, []
    for number, k in enumerate(chosen):
        if (pixels := winner == number).any():
            _place(ids, segments, pixels, int(labels[k]))
    _fill(ids, segments, torch.where(said > num_stuff, 0, said), stuff_area_limit)
    return ids, segments


def _chosen(masks: Tensor, scores: Tensor, overlap_threshold: float, score_threshold: float) -> list[int]:
    """Which instances are placed, best first, and not mostly covered by better ones."""
    taken, chosen = torch.zeros_like(masks[:1].any(0)), []
    for k in scores.argsort(descending=True, stable=True).tolist():
        area, free = int(masks[k].sum()), masks[k] & ~taken
        left = int(free.sum())
        if scores[k] >= score_threshold and left and (area - left) / area <= overlap_threshold:
            chosen.append(k)
            taken |= free
    return chosen


def _place(ids: Tensor, segments: list[dict], pixels: Tensor, category: int) -> None:
    """Make one more segment."""
    segments.append({"id": len(segments) + 1, "category_id": category})
    ids[pixels] = len(segments)


def _fill(
    ids: Tensor, segments: list[dict], semantic: Tensor, stuff_area_limit: int, ignore_index: int = 255
) -> None:
    """Give what is still free to stuff, where there is enough of it; 0 is no stuff."""
    for category in semantic.unique().tolist():
        pixels = (semantic == category) & (ids == VOID)
        if category not in (0, ignore_index) and int(pixels.sum()) >= max(stuff_area_limit, 1):
            _place(ids, segments, pixels, category)


def _check_instances(masks: Tensor, scores: Tensor, labels: Tensor, semantic: Tensor) -> None:
    count = masks.shape[:1]
    if (
        masks.dim() != 3
        or scores.shape != count
        or labels.shape != count
        or semantic.shape != masks.shape[1:]
    ):
        shapes = ", ".join(str(tuple(t.shape)) for t in (masks, scores, labels, semantic))
        raise ValueError(
            f"masks, scores, labels, semantic must be (K, H, W), (K,), (K,), (H, W); got {shapes}"
        )
    for name, value in (("masks", masks), ("labels", labels), ("semantic", semantic)):
        if value.is_floating_point():
            raise ValueError(f"{name} must not be floating; got {value.dtype}: threshold or argmax first")
    if len(labels) and int(labels.min()) < 0:
        raise ValueError(f"labels must be categories, none below 0; got {int(labels.min())}")
