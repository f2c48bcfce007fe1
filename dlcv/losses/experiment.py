"""The chapter's experiment: one net, five losses, one pixel in a hundred that matters.

Things in the scenes cover 1% of the pixels; the net says for each pixel whether it is one. Beside IoU, its
probabilities are looked at: of the pixels that it calls a thing with 70%, are 70% things?
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dlcv.backbones import SmallCNN
from dlcv.data.scenes import STUFF, VOID, render
from dlcv.device import at_scale
from dlcv.losses.reference import (
    balanced_weights,
    combined_loss,
    cross_entropy,
    dice_loss,
    softmax_focal_loss,
)
from dlcv.metrics.reference import class_iou, confusion_matrix
from dlcv.plotting import EXPECTED, FAINT, INK, Picture, new_figure, show
from dlcv.training import show_live, smooth, train
from dlcv.trials import checkpoint_in, rise_and_fall, whole

__all__ = [
    "LOSSES",
    "Found",
    "Net",
    "calibration_error",
    "compare",
    "curves_figure",
    "maps_figure",
    "reliability",
    "reliability_figure",
    "rows",
    "scenes",
]

SIZE, SHARE, STEPS = 64, 0.01, 300
"""Pixels a side; share of the pixels that are things; steps of one training on a CPU."""
FIRST_UNSEEN = 1_000_000
MOST_DOUBTFUL = 20
"""Steps of probability with fewer pixels are not drawn: their share is chance."""
THINGS_FROM = len(STUFF)


@dataclass(frozen=True)
class Found:
    """What training with one loss gave, on unseen scenes.

    Attributes
    ----------
    probability : Tensor of shape (N, H, W)
        Of each pixel to be a thing.
    iou : tuple of float
        IoU of background and things.
    calibration_error : float
    promised : float
        Mean probability: the share of the image that should be things, by the net's own account.
    """

    probability: Tensor
    iou: tuple[float, float]
    calibration_error: float
    promised: float

    @property
    def mean_iou(self) -> float:
        return sum(self.iou) / 2


@cache
def scenes(count: int, start: int = 0) -> tuple[Tensor, Tensor]:
    """Images (count, 3, SIZE, SIZE), and maps (count, SIZE, SIZE) of 1 for things, 0 for what is behind them."""
    batch = render(range(start, start + count), size=SIZE, foreground=SHARE, things=(2, 4), noise=0.03)
    return batch.image, torch.where(batch.semantic == VOID, VOID, (batch.semantic >= THINGS_FROM).long())


class Net(nn.Module):
    """A small backbone, and scores from its three finest maps, enlarged and summed up: (N, 2, H, W)."""

    def __init__(self, channels: tuple[int, ...] = (16, 24, 32, 32, 32)) -> None:
        super().__init__()
        self.backbone = SmallCNN(channels)
        self.scores = nn.ModuleList(nn.Conv2d(count, 2, 1) for count in channels[:4])

    def forward(self, images: Tensor) -> Tensor:
        features, total = self.backbone(images), None
        for score, feature in zip(reversed(self.scores), reversed(features[:4]), strict=True):
            found = score(feature)
            total = found if total is None else found + F.interpolate(total, found.shape[2:], mode="bilinear")
        return F.interpolate(total, images.shape[2:], mode="bilinear")


@cache
def _weights(count: int) -> Tensor:
    return balanced_weights(scenes(count)[1].flatten().bincount(minlength=2))


def _balanced(logits: Tensor, target: Tensor) -> Tensor:
    return cross_entropy(logits, target, _weights(_training()).to(logits))


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "cross-entropy": cross_entropy,
    "balanced cross-entropy": _balanced,
    "focal, γ = 2": partial(softmax_focal_loss, gamma=2.0),
    "Dice": dice_loss,
    "cross-entropy + Dice": combined_loss,
}


def _training() -> int:
    return at_scale(8, 256, 8192)


def reliability(probability: Tensor, truth: Tensor, bins: int = 10) -> tuple[Tensor, Tensor, Tensor]:
    """For each of `bins` equal steps of probability: pixels in it, their mean probability, the share that is true.

    Parameters
    ----------
    probability, truth : Tensor of one shape
        Probabilities, and whether what they speak of was so.

    Returns
    -------
    tuple of three Tensors of shape (bins,)
        Means are NaN where no pixel lies.

    Examples
    --------
    >>> count, said, was = reliability(torch.tensor([0.1, 0.1, 0.9, 0.7]), torch.tensor([0, 1, 1, 1]), bins=2)
    >>> count.tolist(), [round(x, 3) for x in said.tolist()], was.tolist()
    ([2.0, 2.0], [0.1, 0.8], [0.5, 1.0])
    """
    step = (probability.flatten() * bins).long().clamp(0, bins - 1)
    sums = torch.zeros(3, bins, dtype=torch.float64)
    for total, values in zip(sums, (torch.ones_like(probability), probability, truth), strict=True):
        total.index_add_(0, step, values.flatten().double())
    count, said, was = sums
    return count, said / count, was / count


def calibration_error(probability: Tensor, truth: Tensor, bins: int = 10) -> float:
    """Mean distance of what was said and what was so, each step of probability weighed by its pixels.

    The expected calibration error of the class "thing"; 0 for a net that means what it says.
    """
    count, said, was = reliability(probability, truth, bins)
    return float(((said - was).abs() * count).nansum() / count.sum())


def compare(
    steps: int | None = None,
    seed: int = 0,
    show: bool = True,
    names: tuple[str, ...] = tuple(LOSSES),
    keep: str | Path | None = None,
) -> dict[str, Found]:
    """Train the same net from the same start with each loss of `LOSSES`, on the same batches.

    The curves are drawn as the trainings end. With a folder `keep` all runs are kept there: a call that was
    interrupted goes on where it was.
    """
    steps = at_scale(2, STEPS, 4000) if steps is None else steps
    images, labels = scenes(_training())
    found, curves = {}, {}
    view = show_live(curves_figure({}, names)) if show else None
    for name in names:
        torch.manual_seed(seed)
        model = Net()
        optimizer = torch.optim.AdamW(model.parameters(), weight_decay=1e-2)

        def batch(step: int, optimizer: torch.optim.Optimizer = optimizer) -> tuple[Tensor, Tensor]:
            for group in optimizer.param_groups:
                group["lr"] = 1e-2 * rise_and_fall(step / steps)
            generator = torch.Generator().manual_seed(1_000_003 * seed + step)
            chosen = torch.randint(len(images), (16,), generator=generator)
            return images[chosen], labels[chosen]

        def loss(model: nn.Module, x: Tensor, y: Tensor, name: str = name) -> Tensor:
            return LOSSES[name](model(x).float(), y)

        kept = checkpoint_in(keep, "13", name.partition(",")[0].replace(" ", "-"), seed)
        how = dict(steps=steps, optimizer=optimizer, checkpoint=kept, show=False)
        curves[name] = whole(train(model, batch, loss, **how), kept).losses
        found[name] = _measured(model)
        if view:
            view.update(curves_figure(curves, names))
    return found


@torch.no_grad()
def _measured(model: nn.Module) -> Found:
    images, truth = scenes(at_scale(8, 96, 1024), FIRST_UNSEEN)
    model.cpu().eval()
    probability = torch.cat([model(part).softmax(1)[:, 1] for part in images.split(32)])
    iou = class_iou(confusion_matrix((probability > 0.5).long(), truth, 2, VOID))
    known = truth != VOID
    return Found(
        probability,
        tuple(iou.tolist()),
        calibration_error(probability[known], truth[known]),
        float(probability[known].mean()),
    )


def rows(found: Mapping[str, Found]) -> str:
    """One line a loss: mean IoU, IoU of things, calibration error and promised share in percent."""
    lines = [f"{'':24}mIoU   IoU of things   calibration error   promised share"]
    for name, one in found.items():
        lines.append(
            f"{name:24}{one.mean_iou:.3f}  {one.iou[1]:.3f}           {100 * one.calibration_error:5.2f} %"
            f"             {100 * one.promised:5.2f} %"
        )
    return "\n".join(lines)


def curves_figure(curves: Mapping[str, list[float]], names: Sequence[str]) -> Picture:
    """The loss of each training over its steps; each has its own scale, and they cannot be compared."""
    figure, axes = new_figure(1, len(names), height=2.2, squeeze=False)
    for axis, name in zip(axes[0], names, strict=True):
        axis.set(title=_broken(name), xlabel="step", xticks=[], yticks=[])
        if name in curves:
            axis.plot(curves[name], color=FAINT, linewidth=1)
            axis.plot(smooth(curves[name]), color=EXPECTED)
            axis.set(
                xticks=[0, len(curves[name])], yticks=[0, curves[name][0]], ylim=(0, 1.1 * curves[name][0])
            )
            axis.set_yticklabels(["0", f"{curves[name][0]:.1f}"])
    axes[0, 0].set_ylabel("loss")
    return figure


def _broken(name: str) -> str:
    """A loss's name on two lines, where it is long."""
    return name.replace(" cross", "\ncross").replace(" +", "\n+")


def reliability_figure(found: Mapping[str, Found]) -> Picture:
    """For each loss: of the pixels that the net gives a probability to, the share that are things."""
    truth = scenes(len(next(iter(found.values())).probability), FIRST_UNSEEN)[1]
    figure, axes = new_figure(1, len(found), height=2.6, sharey=True)
    for axis, (name, one) in zip(axes, found.items(), strict=True):
        known = truth != VOID
        count, said, was = reliability(one.probability[known], truth[known])
        seen = count >= MOST_DOUBTFUL
        axis.plot([0, 1], [0, 1], ":", color=INK, linewidth=1)
        axis.bar(said[seen].tolist(), was[seen].tolist(), width=0.07, color=EXPECTED)
        axis.set(title=_broken(name), xlabel="said", xticks=[0, 0.5, 1])
        axis.set(xlim=(-0.05, 1.05), ylim=(0, 1.02))
    axes[0].set_ylabel("was so")
    return figure


def maps_figure(found: Mapping[str, Found], scene: int = 0) -> Picture:
    """One unseen scene, its things, and the probability of a thing by each loss."""
    images, truth = scenes(len(next(iter(found.values())).probability), FIRST_UNSEEN)
    figure, axes = new_figure(1, 2 + len(found), height=1.9)
    show(axes[0], images[scene], "image")
    show(axes[1], (truth[scene] == 1).float(), "things", limits=(0, 1), bar=False)
    for axis, (name, one) in zip(axes[2:], found.items(), strict=True):
        show(axis, one.probability[scene], _broken(name), limits=(0, 1), bar=False)
    return figure
