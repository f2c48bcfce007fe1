"""What a network is told about its mistakes: one number, and through its gradient one for each logit.

All losses of class maps take logits ``(N, C, ...)`` and integer classes ``(N, ...)``. They are computed from logits,
not from probabilities, so that logits of ten thousand give finite losses and gradients. Pixels of `ignore_index` do not
count. Where no pixel counts, a mean is 0, and a gradient of zeros flows back through it. Logits of half precision are
summed up in float32, since float16 ends at 65,504, which is fewer than an image has pixels.

References
----------
.. [1] F. Milletari, N. Navab and S. Ahmadi, "V-Net: fully convolutional neural networks for volumetric medical image
   segmentation", 3DV 2016.
.. [2] M. A. Rahman and Y. Wang, "Optimizing intersection-over-union in deep neural networks for image segmentation",
   ISVC 2016.
.. [3] H. Rezatofighi, N. Tsoi, J. Gwak, A. Sadeghian, I. Reid and S. Savarese, "Generalized intersection over union: a
   metric and a loss for bounding box regression", CVPR 2019.
.. [4] T. Lin, P. Goyal, R. Girshick, K. He and P. Dollár, "Focal loss for dense object detection", ICCV 2017.
.. [5] D. Eigen and R. Fergus, "Predicting depth, surface normals and semantic labels with a common multi-scale
   convolutional architecture", ICCV 2015.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from dlcv.arguments import precise

__all__ = [
    "balanced_weights",
    "combined_loss",
    "cross_entropy",
    "dice_loss",
    "focal_loss",
    "giou_loss",
    "soft_iou_loss",
    "softmax_focal_loss",
]

REDUCTIONS = ("none", "mean", "sum")
EPSILON = 1e-7
"""What torchvision adds to areas that it divides by, in squared pixels: boxes without area then give 1, not NaN."""


# --------------------------------------------------------------------------------------- pixel by pixel


def cross_entropy(
    logits: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    ignore_index: int = 255,
    reduction: str = "mean",
) -> Tensor:
    """Minus the log-probability of each pixel's class.

    .. math:: \\ell_i = -w_{t_i} \\log \\frac{e^{z_{i t_i}}}{\\sum_c e^{z_{ic}}}
              = w_{t_i} \\Bigl( \\log \\sum_c e^{z_{ic}} - z_{i t_i} \\Bigr), \\qquad
              L = \\frac{\\sum_i \\ell_i}{\\sum_i w_{t_i}}

    Parameters
    ----------
    logits : Tensor of shape (N, C, ...), or (C,)
        Scores *z*, any numbers.
    target : integer Tensor of shape (N, ...), or ()
        Classes *t*, 0 to C - 1, or `ignore_index`.
    weight : Tensor of shape (C,), optional
        How much a pixel of each class counts: *w*. The mean divides by the sum of the weights of the pixels that
        count, not by their number.
    ignore_index : int
        Pixels of this class get loss 0 and count nowhere.
    reduction : {"mean", "sum", "none"}

    Returns
    -------
    scalar Tensor, or for "none" one of target's shape

    Raises
    ------
    ValueError
        If shapes do not fit, a class does not exist, or the reduction is unknown.

    Notes
    -----
    `torch.nn.functional.cross_entropy`, with two differences: the ignored class is 255 by default, and the mean over
    no pixels is 0, where torch's is NaN.

    Examples
    --------
    >>> cross_entropy(torch.zeros(1, 4), torch.tensor([2]))
    tensor(1.3863)
    >>> cross_entropy(torch.tensor([[1e4, -1e4]]), torch.tensor([1]))
    tensor(20000.)
    >>> cross_entropy(torch.zeros(1, 4), torch.tensor([255]))
    tensor(0.)
    """
    if logits.dim() == 1:
        loss = cross_entropy(logits[None], target[None], weight, ignore_index, reduction)
        return loss[0] if reduction == "none" else loss
    kept, labels = _labels(logits, target, ignore_index)
    z = _shifted(logits)
    losses = z.exp().sum(1).log() - z.gather(1, labels.unsqueeze(1)).squeeze(1)
    return _like(logits, _weighed(losses, _pixel_weights(z, kept, labels, weight), kept, reduction))


def softmax_focal_loss(
    logits: Tensor,
    target: Tensor,
    gamma: float = 2.0,
    weight: Tensor | None = None,
    ignore_index: int = 255,
) -> Tensor:
    """Focal loss of class maps: cross-entropy, turned down where the net is right already.

    .. math:: L = \\frac{\\sum_i w_{t_i} (1 - p_{i t_i})^\\gamma (-\\log p_{i t_i})}{\\sum_i w_{t_i}}

    With *gamma* 0 it is `cross_entropy`. Parameters as there.

    Notes
    -----
    Lin et al. [4]_, equation 5, with a softmax in place of the sigmoid. What is raised to the power *gamma* is the
    probability of all *other* classes. It is summed up from their logits: taken as one minus *p*, it would be rounded
    to zero, and its gradient for *gamma* below 1 to infinity.

    Examples
    --------
    >>> logits, target = torch.tensor([[0.9, 0.1], [0.1, 0.9]]).log(), torch.tensor([0, 0])
    >>> cross_entropy(logits[:1], target[:1]) * 0.1**2, softmax_focal_loss(logits[:1], target[:1])
    (tensor(0.0011), tensor(0.0011))
    """
    _check_gamma(gamma)
    kept, labels = _labels(logits, target, ignore_index)
    z, labels = _shifted(logits), labels.unsqueeze(1)
    log_p = z - z.exp().sum(1, keepdim=True).log()
    others = log_p.scatter(1, labels, -torch.inf)
    possible = (others > -torch.inf).any(1)  # else there is no other class: 0 to the power gamma
    log_others = others.where(possible.unsqueeze(1), 0.0).logsumexp(1)
    factor = (gamma * log_others).exp().where(possible, float(gamma == 0))
    losses = -factor * log_p.gather(1, labels).squeeze(1)
    weights = _pixel_weights(z, kept, labels.squeeze(1), weight)
    return _like(logits, _weighed(losses, weights, kept, "mean"))


def focal_loss(
    logits: Tensor,
    target: Tensor,
    gamma: float = 2.0,
    alpha: float | None = 0.25,
    reduction: str = "mean",
) -> Tensor:
    """Binary focal loss: each logit is a question with the answers 1 (positive) and 0.

    .. math:: L = -\\alpha_t (1 - p_t)^\\gamma \\log p_t, \\qquad
              p_t = \\begin{cases} p & \\text{positive} \\\\ 1 - p & \\text{else} \\end{cases}, \\quad
              \\alpha_t = \\begin{cases} \\alpha & \\text{positive} \\\\ 1 - \\alpha & \\text{else} \\end{cases}, \\quad
              p = \\frac{1}{1 + e^{-z}}

    Parameters
    ----------
    logits : Tensor of any shape
        *z*.
    target : Tensor of the same shape
        1 for positives, 0 for the others; numbers in between are mixtures of the two.
    gamma : float
        At least 0; with 0 and without *alpha* this is binary cross-entropy.
    alpha : float from 0 to 1, or None
        Weight of positives; the others have 1 - *alpha*. None (or -1, as torchvision writes it): no weights.
    reduction : {"mean", "sum", "none"}
        The mean is over all logits. (Detectors take the sum, and divide it by the number of positives.)

    Returns
    -------
    scalar Tensor, or for "none" one of the shape of the logits

    Notes
    -----
    Lin et al. [4]_, equation 5; `torchvision.ops.sigmoid_focal_loss`, except that the mean of no logits is 0 and not
    NaN, and that gradients stay finite for *gamma* below 1.

    Examples
    --------
    A positive at p = 0.9: a hundredth of its cross-entropy is left, and a quarter of that.

    >>> z = torch.tensor([0.9]).logit()
    >>> focal_loss(z, torch.ones(1), alpha=None), focal_loss(z, torch.ones(1))
    (tensor(0.0011), tensor(0.0003))
    """
    if logits.shape != target.shape:
        raise ValueError(
            f"logits and target must have the same shape; got {tuple(logits.shape)} and {tuple(target.shape)}"
        )
    if alpha is not None and alpha != -1 and not 0 <= alpha <= 1:
        raise ValueError(f"alpha must be from 0 to 1, or None; got {alpha}")
    _check_gamma(gamma)
    z = _wide(logits)
    t = target.to(z.dtype)
    if not ((t >= 0) & (t <= 1)).all():
        raise ValueError(f"target must be from 0 to 1; it holds {float(t.min()):g} to {float(t.max()):g}")
    log_p, log_q = F.logsigmoid(z), F.logsigmoid(-z)
    entropy = -(t * log_p + (1 - t) * log_q)
    log_wrong = torch.logaddexp(log_q + t.log(), log_p + (1 - t).log())  # log (1 - p_t)
    losses = (gamma * log_wrong).exp() * entropy
    if alpha is not None and alpha != -1:
        losses = (alpha * t + (1 - alpha) * (1 - t)) * losses
    return _like(logits, _reduced(losses, losses.numel(), reduction))


def balanced_weights(counts: Tensor, kind: str = "inverse") -> Tensor:
    """Weights of classes for `cross_entropy`: the rarer, the heavier.

    .. math:: \\text{inverse: } w_c = \\frac{\\sum_k n_k}{C\\, n_c}, \\qquad
              \\text{median: } w_c = \\frac{\\operatorname{median}_k n_k}{n_c}

    Parameters
    ----------
    counts : Tensor of shape (C,)
        Pixels *n* of each class, in the whole training set.
    kind : {"inverse", "median"}
        With "inverse" every class carries the same total weight, and a pixel the weight 1 on average. "median" is the
        same up to a factor: a class of median size has weight 1 (Eigen and Fergus [5]_, who count in the images in
        which a class occurs).

    Returns
    -------
    Tensor of shape (C,)
        Floating. A class without pixels has weight 0; *C* and the median are those of the other classes. The median of
        an even number of classes is the mean of the two in the middle.

    Examples
    --------
    >>> balanced_weights(torch.tensor([900, 90, 10]))
    tensor([ 0.3704,  3.7037, 33.3333])
    >>> balanced_weights(torch.tensor([900, 90, 10]), kind="median")
    tensor([0.1000, 1.0000, 9.0000])
    """
    counts = torch.as_tensor(counts)
    if counts.dim() != 1 or counts.is_complex() or not ((counts >= 0) & counts.isfinite()).all():
        found = counts.tolist() if counts.dim() == 1 else tuple(counts.shape)
        raise ValueError(f"counts must be (C,) finite numbers, none below 0; got {found}")
    if kind not in ("inverse", "median"):
        raise ValueError(f'kind must be "inverse" or "median"; got {kind!r}')
    exact = counts.double()
    seen = exact[exact > 0]
    weights = torch.zeros_like(exact)
    if len(seen):
        weights[exact > 0] = (seen.mean() if kind == "inverse" else seen.quantile(0.5)) / seen
    return weights.to(counts.dtype if counts.is_floating_point() else torch.get_default_dtype())


# ------------------------------------------------------------------------------------------- by region


def dice_loss(logits: Tensor, target: Tensor, smooth: float = 1.0, ignore_index: int = 255) -> Tensor:
    """One minus the mean over classes of a Dice coefficient that counts probabilities instead of pixels.

    .. math:: L = 1 - \\frac{1}{C} \\sum_c \\frac{2\\, TP_c + s}{P_c + T_c + s}, \\qquad
              TP_c = \\sum_i p_{ic} t_{ic}, \\quad P_c = \\sum_i p_{ic}, \\quad T_c = \\sum_i t_{ic}

    Parameters
    ----------
    logits : Tensor of shape (N, C, ...)
        *p* is their softmax over the classes.
    target : integer Tensor of shape (N, ...)
        Classes; *t* is 1 for a pixel's class and 0 for the others.
    smooth : float
        *s*, at least 0, in pixels. Without it, a class that is in no target has score 0 however little of it is
        predicted, and no gradient.
    ignore_index : int
        Pixels of this class are in none of the sums.

    Returns
    -------
    scalar Tensor
        The sums go over the batch and all pixels, so there is one score a class, as in `dlcv.metrics.dice` of one
        confusion matrix. Where a class is neither in the target nor predicted at all, its score is 1.

    Notes
    -----
    After Milletari et al. [1]_, who square the probabilities in the denominator, which is not done here. Libraries
    differ in that, in *s*, and in whether each image has scores of its own.

    Examples
    --------
    Two pixels, one right with 0.9 and one with 0.6: scores (2 * 0.9 + 1) / (1.3 + 1 + 1) and (1.2 + 1) / (0.7 + 1 + 1).

    >>> logits = torch.tensor([[0.9, 0.1], [0.4, 0.6]]).log()
    >>> dice_loss(logits, torch.tensor([0, 1]))
    tensor(0.1684)
    """
    both, predicted, true = _soft_counts(logits, target, ignore_index, smooth)
    return 1 - _ratio(2 * both + smooth, predicted + true + smooth).mean()


def soft_iou_loss(logits: Tensor, target: Tensor, smooth: float = 1.0, ignore_index: int = 255) -> Tensor:
    """One minus the mean over classes of an IoU that counts probabilities instead of pixels.

    .. math:: L = 1 - \\frac{1}{C} \\sum_c \\frac{TP_c + s}{P_c + T_c - TP_c + s}

    Parameters, sums and edge cases as in `dice_loss`. Rahman and Wang [2]_, with *s* added.

    Examples
    --------
    >>> logits = torch.tensor([[0.9, 0.1], [0.4, 0.6]]).log()
    >>> soft_iou_loss(logits, torch.tensor([0, 1]))
    tensor(0.2232)
    """
    both, predicted, true = _soft_counts(logits, target, ignore_index, smooth)
    return 1 - _ratio(both + smooth, predicted + true - both + smooth).mean()


def combined_loss(logits: Tensor, target: Tensor, alpha: float = 0.5) -> Tensor:
    """Cross-entropy for every pixel and Dice for every class.

    .. math:: L = \\alpha\\, L_{CE} + (1 - \\alpha)\\, L_{Dice}

    Parameters
    ----------
    logits, target
        As in `cross_entropy` and `dice_loss`; class 255 is ignored by both.
    alpha : float from 0 to 1
        Share of cross-entropy.

    Examples
    --------
    >>> logits, target = torch.zeros(1, 2, 3, 3), torch.zeros(1, 3, 3, dtype=torch.int64)
    >>> combined_loss(logits, target, alpha=1), cross_entropy(logits, target)
    (tensor(0.6931), tensor(0.6931))
    """
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha must be from 0 to 1; got {alpha}")
    return alpha * cross_entropy(logits, target) + (1 - alpha) * dice_loss(logits, target)


# ----------------------------------------------------------------------------------------------- boxes


def giou_loss(a: Tensor, b: Tensor) -> Tensor:
    """One minus the generalised IoU of each pair of boxes: from 0 for equal boxes to 2 for far ones.

    .. math:: L = 1 - \\frac{|A \\cap B|}{|A \\cup B|} + \\frac{|H| - |A \\cup B|}{|H|}

    *H* is the smallest box around both. IoU is 0 for all boxes that do not meet, so it has no gradient there; the part
    of *H* that neither box covers has one.

    Parameters
    ----------
    a, b : Tensor of shape (..., 4)
        Paired boxes ``x1, y1, x2, y2`` in pixels, with x1 <= x2 and y1 <= y2.

    Returns
    -------
    Tensor of shape (...)
        One loss a pair, in float32 or float64 (an area of 256 x 256 is too much for float16). Two equal boxes without
        area get 1.

    Notes
    -----
    Rezatofighi et al. [3]_, algorithm 1; `torchvision.ops.generalized_box_iou_loss`, with its `EPSILON`. Measure boxes
    in pixels: areas in shares of an image may be as small as that.

    Examples
    --------
    Two squares of side 10: equal, and a side apart, where a third of their hull is neither's.

    >>> a = torch.tensor([0.0, 0.0, 10.0, 10.0])
    >>> giou_loss(torch.stack([a, a]), torch.stack([a, a + torch.tensor([20.0, 0.0, 20.0, 0.0])]))
    tensor([0.0000, 1.3333])
    """
    if a.shape != b.shape or a.dim() == 0 or a.shape[-1] != 4:
        raise ValueError(
            f"a and b must both be (K, 4) as x1, y1, x2, y2; got {tuple(a.shape)} and {tuple(b.shape)}"
        )
    (a_lt, a_rb), (b_lt, b_rb) = (precise(x).split(2, -1) for x in (a, b))
    inter = (torch.minimum(a_rb, b_rb) - torch.maximum(a_lt, b_lt)).relu().prod(-1)
    hull = (torch.maximum(a_rb, b_rb) - torch.minimum(a_lt, b_lt)).prod(-1)
    union = (a_rb - a_lt).prod(-1) + (b_rb - b_lt).prod(-1) - inter
    return 1 - inter / (union + EPSILON) + (hull - union) / (hull + EPSILON)


# ------------------------------------------------------------------------------------ what they share


def _wide(logits: Tensor) -> Tensor:
    """Logits to compute with: those of half precision become float32."""
    if not logits.is_floating_point():
        raise ValueError(f"logits must be floating; they are {logits.dtype}")
    return precise(logits)


def _like(logits: Tensor, loss: Tensor) -> Tensor:
    """The loss in the logits' precision, or as it is under autocast: what scales losses there needs float32's range."""
    return loss if torch.is_autocast_enabled(logits.device.type) else loss.to(logits.dtype)


def _shifted(logits: Tensor) -> Tensor:
    """Logits without the largest of their pixel: no probability changes, and no exponential is larger than 1."""
    z = _wide(logits)
    return z - z.amax(1, keepdim=True).detach()


def _labels(logits: Tensor, target: Tensor, ignore_index: int) -> tuple[Tensor, Tensor]:
    """Which pixels count, and their classes, with 0 for those that do not: both of target's shape."""
    if logits.dim() < 2 or target.shape != logits.shape[:1] + logits.shape[2:] or not logits.shape[1]:
        shapes = f"{tuple(logits.shape)} and {tuple(target.shape)}"
        raise ValueError(f"logits must be (N, C, ...) and target (N, ...); got {shapes}")
    if target.is_floating_point() or target.is_complex() or target.dtype == torch.bool:
        raise ValueError(f"target must hold classes as whole numbers; it is {target.dtype}")
    kept = target != ignore_index
    labels = torch.where(kept, target, 0).long()
    if labels.numel():
        low, high = map(int, labels.aminmax())
        if not 0 <= low <= high < logits.shape[1]:
            classes = f"0 to {logits.shape[1] - 1}, or ignore_index {ignore_index}"
            raise ValueError(f"target must hold classes {classes}; it holds {low if low < 0 else high}")
    return kept, labels


def _pixel_weights(z: Tensor, kept: Tensor, labels: Tensor, weight: Tensor | None) -> Tensor:
    """Each pixel's weight, 0 for one that does not count."""
    if weight is None:
        return kept.to(z.dtype)
    if weight.shape != z.shape[1:2]:
        raise ValueError(f"weight must be ({z.shape[1]},), one number a class; got {tuple(weight.shape)}")
    return weight.to(z.dtype)[labels] * kept


def _weighed(losses: Tensor, weights: Tensor, kept: Tensor, reduction: str) -> Tensor:
    losses = torch.where(kept, weights * losses, 0.0)
    return _reduced(losses, weights.sum(), reduction)


def _reduced(losses: Tensor, total: Tensor | float, reduction: str) -> Tensor:
    """Losses as they are, their sum, or their sum over `total`; the mean over nothing is 0."""
    if reduction not in REDUCTIONS:
        raise ValueError(f'reduction must be "none", "mean" or "sum"; got {reduction!r}')
    if reduction == "none":
        return losses
    if reduction == "sum":
        return losses.sum()
    total = torch.as_tensor(total, dtype=losses.dtype, device=losses.device)
    return losses.sum() / total.where(total != 0, 1.0)


def _soft_counts(
    logits: Tensor, target: Tensor, ignore_index: int, smooth: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Soft true positives, predicted and true pixels of each class, over batch and pixels: each (C,)."""
    if not smooth >= 0:
        raise ValueError(f"smooth must be at least 0; got {smooth}")
    kept, labels = _labels(logits, target, ignore_index)
    p = _wide(logits).softmax(1) * kept.unsqueeze(1)
    t = F.one_hot(labels, logits.shape[1]).movedim(-1, 1).to(p.dtype) * kept.unsqueeze(1)
    pixels = [axis for axis in range(p.dim()) if axis != 1]
    return (p * t).sum(pixels), p.sum(pixels), t.sum(pixels)


def _ratio(above: Tensor, below: Tensor) -> Tensor:
    """Scores of classes; 1 where there is nothing above and nothing below."""
    return torch.where(below > 0, above / below.where(below > 0, 1.0), 1.0)


def _check_gamma(gamma: float) -> None:
    if not gamma >= 0:
        raise ValueError(f"gamma must be at least 0; got {gamma}")
