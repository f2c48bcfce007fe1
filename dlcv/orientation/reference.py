"""From scores to a class map; and what becomes of an image when it is grouped by colour alone."""

from __future__ import annotations

import torch
from torch import Tensor

from dlcv.arguments import check_tensors

__all__ = ["group_by_colour", "name_groups", "warm_up"]


def warm_up(scores: Tensor) -> Tensor:
    """Return the class with the highest score at each pixel.

    .. math:: y_{ij} = \\arg\\max_c s_{cij}

    Parameters
    ----------
    scores : (C, H, W) tensor
        *s*: one plane of scores a class; any numbers, they need not be probabilities.

    Returns
    -------
    (H, W) int64 tensor
        *y*: from 0 to C - 1. Of equal scores, the class that comes first wins.

    Examples
    --------
    >>> scores = torch.tensor([[[5.0, 0.0]], [[1.0, 2.0]]])  # two classes, an image of one row
    >>> warm_up(scores)
    tensor([[0, 1]])
    """
    check_tensors(scores=scores)
    if scores.ndim != 3 or not len(scores):
        raise ValueError(f"scores must be (C, H, W); got {tuple(scores.shape)}")
    return scores.argmax(dim=0)


def group_by_colour(image: Tensor, count: int, steps: int = 20) -> Tensor:
    """Group pixels by their colour and by nothing else: k-means in RGB.

    Every pixel joins the group whose mean colour is nearest; every group's mean is computed anew; and so on.
    The means start at pixels whose brightness is spread evenly, from the darkest to the brightest.

    Parameters
    ----------
    image : (3, H, W) tensor
    count : int
        How many groups.
    steps : int
        How often the means are computed.

    Returns
    -------
    (H, W) int64 tensor
        Group of each pixel, from 0 to count - 1. The numbers have no meaning.

    References
    ----------
    S. Lloyd, "Least squares quantization in PCM", IEEE Transactions on Information Theory 28(2), 1982.

    Examples
    --------
    >>> image = torch.tensor([0.0, 0.1, 0.9, 1.0]).expand(3, 1, 4)
    >>> group_by_colour(image, 2)
    tensor([[0, 0, 1, 1]])
    """
    check_tensors(image=image)
    if image.ndim != 3 or not image.is_floating_point():
        raise ValueError(
            f"image must be (3, H, W) of floating point; got {tuple(image.shape)}, {image.dtype}"
        )
    pixels = image.flatten(1).T  # (H * W, 3)
    if not 1 <= count <= len(pixels):
        raise ValueError(f"count must be from 1 to the {len(pixels)} pixels; got {count}")
    by_brightness = pixels.sum(1).argsort(stable=True)
    means = pixels[by_brightness[torch.linspace(0, len(pixels) - 1, count).long()]]
    for _ in range(steps):
        group = torch.cdist(pixels, means).argmin(1)
        sums = torch.zeros_like(means).index_add_(0, group, pixels)
        sizes = torch.bincount(group, minlength=count)[:, None]
        means = torch.where(sizes > 0, sums / sizes.clamp(min=1), means)
    return torch.cdist(pixels, means).argmin(1).view(image.shape[1:])


def name_groups(groups: Tensor, semantic: Tensor) -> Tensor:
    """Give every group the class that most of its pixels have: the best that any naming of groups can do.

    Parameters
    ----------
    groups : (H, W) int64 tensor
    semantic : (H, W) int64 tensor
        The true classes; a classifier would not have them.

    Returns
    -------
    (H, W) int64 tensor

    Examples
    --------
    >>> name_groups(torch.tensor([[0, 0, 0, 1]]), torch.tensor([[4, 4, 7, 7]]))
    tensor([[4, 4, 4, 7]])
    """
    check_tensors(groups=groups, semantic=semantic)
    if groups.shape != semantic.shape:
        raise ValueError(
            f"groups and semantic must have one shape; got {tuple(groups.shape)} and {tuple(semantic.shape)}"
        )
    count, classes = int(groups.max()) + 1, int(semantic.max()) + 1
    votes = torch.bincount((groups * classes + semantic).flatten(), minlength=count * classes)
    return votes.view(count, classes).argmax(1)[groups]
