"""The chapter's experiment: one network for depth, normals and classes against a network for each of them.

All networks have the same encoder and the same kind of heads, start from the same encoder weights, and see the same
batches, equally often. What differs is how many heads stand on one encoder. Accuracy is measured on unseen scenes; cost
is counted: parameters, multiplications, bytes that wait for the backward pass, and time.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import median

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from dlcv.backbones import SmallCNN
from dlcv.data.scenes import CLASSES, VOID, render
from dlcv.depth.reference import depth_metrics
from dlcv.device import at_scale
from dlcv.multitask.reference import (
    MultiTaskNet,
    normal_loss,
    normal_metrics,
    scale_invariant_log_loss,
    uncertainty_weighting,
)
from dlcv.plotting import Picture, label_map, new_figure, normal_map, show
from dlcv.trials import checkpoint_in, rise_and_fall, score, train_whole

__all__ = [
    "TASKS",
    "Cost",
    "Learner",
    "Result",
    "compare",
    "cost",
    "cost_rows",
    "depth_of",
    "maps_figure",
    "rows",
    "scenes",
    "train_tasks",
    "weights_row",
]

SIZE, STEPS, BATCH = 64, 400, 16
"""Pixels a side; steps of one training on a CPU; images a step."""
FIRST_UNSEEN = 1_000_000
FARTHEST = 80.0
"""Metres. What is farther counts as unknown, like the sky."""
TASKS = {"depth": 1, "normals": 3, "classes": len(CLASSES)}
"""Output channels of each head."""
WAYS = {
    "depth alone": ("depth",),
    "normals alone": ("normals",),
    "classes alone": ("classes",),
    "joint": tuple(TASKS),
}
SCORES = {"depth": "AbsRel", "normals": "mean angle", "classes": "mIoU"}
"""What each task is measured by: the first two are errors."""


@dataclass(frozen=True)
class Truths:
    """Images and everything that a network is asked about them; `known` is where depth and normals are."""

    image: Tensor
    depth: Tensor
    normals: Tensor
    classes: Tensor
    known: Tensor

    def parts(self) -> tuple[Tensor, ...]:
        """All tensors, in the order of the attributes."""
        return self.image, self.depth, self.normals, self.classes, self.known


@cache
def scenes(count: int, start: int = 0) -> Truths:
    """Rendered rooms and streets with their truths."""
    batch = render(range(start, start + count), size=SIZE, noise=0.02)
    known = (batch.depth > 0) & (batch.depth < FARTHEST)
    return Truths(batch.image, batch.depth, batch.normals, batch.semantic, known)


def training_scenes() -> Truths:
    """Scenes to train on; how many, the scale decides."""
    return scenes(at_scale(16, 1024, 16_384))


def unseen() -> Truths:
    """Scenes that no training sees."""
    return scenes(at_scale(8, 96, 1024), FIRST_UNSEEN)


def depth_of(out: Tensor) -> Tensor:
    """Metres (N, H, W) from a head's output (N, 1, H, W), which is a logarithm; from 0.1 m to the farthest."""
    return out.squeeze(1).float().clamp(-2.3, 4.38).exp()


def losses(out: Mapping[str, Tensor], truth: Truths) -> dict[str, Tensor]:
    """Each task's loss."""
    found = {}
    for task, x in out.items():
        if task == "depth":
            # A clamp has no gradient beyond its ends, so the loss sees the logarithm as it is.
            found[task] = scale_invariant_log_loss(x.squeeze(1).float().exp(), truth.depth, truth.known)
        elif task == "normals":
            found[task] = normal_loss(x.float(), truth.normals, truth.known)
        else:
            found[task] = F.cross_entropy(x.float(), truth.classes, ignore_index=VOID)
    return found


class Learner(nn.Module):
    """A network for some tasks, and how unsure it is of each: parameters that are trained together.

    Parameters
    ----------
    tasks : sequence of str
        Of `TASKS`.
    channels : sequence of int
        Of the encoder.
    hidden : int
        Channels inside each head.
    """

    def __init__(
        self, tasks: Sequence[str], channels: Sequence[int] = (16, 32, 48, 64, 96), hidden: int = 16
    ) -> None:
        super().__init__()
        self.tasks = tuple(tasks)
        self.network = MultiTaskNet(SmallCNN(channels), {task: TASKS[task] for task in tasks}, hidden)
        self.log_vars = nn.Parameter(torch.zeros(len(self.tasks)))

    def forward(self, *truth: Tensor) -> Tensor:
        """The training loss: weighted by uncertainty if there are several tasks."""
        truth = Truths(*truth)
        found = list(losses(self.network(truth.image), truth).values())
        return uncertainty_weighting(found, self.log_vars) if len(found) > 1 else found[0]


@dataclass(frozen=True)
class Result:
    """A trained learner, and its scores on unseen scenes."""

    learner: Learner
    scores: dict[str, float]


def train_tasks(
    tasks: Sequence[str],
    steps: int | None = None,
    seed: int = 0,
    show: bool = True,
    keep: str | Path | None = None,
) -> Result:
    """Train one network for some tasks, and measure it.

    With a folder `keep` the run is kept there: a call that was interrupted goes on where it was.

    Raises
    ------
    KeyboardInterrupt
        If the run was interrupted, so that a cell does not go on with half a network.
    """
    steps = at_scale(2, STEPS, 6000) if steps is None else steps
    torch.manual_seed(seed)
    learner = Learner(tasks)
    data = training_scenes().parts()
    optimizer = torch.optim.AdamW(learner.parameters(), weight_decay=1e-2)

    def batch(step: int) -> tuple[Tensor, ...]:
        for group in optimizer.param_groups:
            group["lr"] = 6e-3 * rise_and_fall(step / steps)
        generator = torch.Generator().manual_seed(1_000_003 * seed + step)
        chosen = torch.randint(len(data[0]), (BATCH,), generator=generator)
        return tuple(part[chosen] for part in data)

    kept = checkpoint_in(keep, "15", *tasks, seed)
    how = dict(steps=steps, optimizer=optimizer, checkpoint=kept, show=show)
    learner = train_whole(learner, batch, _loss, **how).cpu()
    return Result(learner, _scores(learner))


def _loss(learner: Learner, *truth: Tensor) -> Tensor:
    return learner(*truth)


def compare(
    steps: int | None = None, seed: int = 0, show: bool = True, keep: str | Path | None = None
) -> dict[str, Result]:
    """Train a network for each task, and one for all three; with a folder `keep`, go on with runs kept there."""
    return {name: train_tasks(tasks, steps, seed, show, keep) for name, tasks in WAYS.items()}


@torch.no_grad()
def predict(learner: Learner, images: Tensor) -> dict[str, Tensor]:
    """Each task's output for images, a few at a time."""
    parts = [learner.network(part) for part in images.split(32)]
    return {task: torch.cat([part[task] for part in parts]) for task in learner.tasks}


def _scores(learner: Learner) -> dict[str, float]:
    truth = unseen()
    out, found = predict(learner, truth.image), {}
    if "depth" in out:
        found["AbsRel"] = float(depth_metrics(depth_of(out["depth"]), truth.depth, truth.known)["abs_rel"])
    if "normals" in out:
        angles = normal_metrics(out["normals"], truth.normals, truth.known)
        found |= {"mean angle": float(angles["mean"]), "below 11.25": 100 * float(angles["11.25"])}
    if "classes" in out:
        found["mIoU"] = score(out["classes"].argmax(1), truth.classes).mean_iou
    return found


def rows(found: Mapping[str, Result]) -> str:
    """One line a task: its measure with a network of its own, and with the joint one."""
    lines = [f"{'':28}{'alone':>8}{'joint':>8}"]
    for task, names in {
        "depth": ["AbsRel"],
        "normals": ["mean angle", "below 11.25"],
        "classes": ["mIoU"],
    }.items():
        for name in names:
            alone, joint = (found[way].scores[name] for way in (f"{task} alone", "joint"))
            lines.append(f"{task + ', ' + name:28}{alone:8.3f}{joint:8.3f}")
    return "\n".join(lines)


def weights_row(found: Mapping[str, Result]) -> str:
    """What the joint network's losses came to weigh."""
    learner = found["joint"].learner
    weights = torch.exp(-learner.log_vars.detach()).tolist()
    parts = (f"{task} {weight:.1f}" for task, weight in zip(learner.tasks, weights, strict=True))
    return "weights in the end: " + ", ".join(parts)


# ------------------------------------------------------------------------------------------------- cost


@dataclass(frozen=True)
class Cost:
    """What a way to get all maps of one image costs.

    Attributes
    ----------
    parameters : int
    multiplications : int
        Of one image, forward.
    kept_bytes : int
        What waits for the backward pass, of one image.
    seconds : float
        Processor time of a training step.
    """

    parameters: int
    multiplications: int
    kept_bytes: int
    seconds: float

    def __add__(self, other: Cost) -> Cost:
        return Cost(*(getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__))


def cost(learner: Learner) -> Cost:
    """Count what one network costs."""
    network, image = learner.network, torch.zeros(1, 3, SIZE, SIZE)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(image)
    kept: dict[int, int] = {}

    def keep(x: Tensor) -> Tensor:
        if not isinstance(x, nn.Parameter):
            kept[x.untyped_storage().data_ptr()] = x.untyped_storage().nbytes()
        return x

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x):
        held = network(image)  # what is kept must live until it is counted
        total = sum(kept.values())
    del held
    parameters = sum(parameter.numel() for parameter in network.parameters())
    return Cost(parameters, counter.get_total_flops() // 2, total, _seconds(learner))


def _seconds(learner: Learner, steps: int = 7) -> float:
    """Processor time of a training step, the median of some: of a copy, so that nothing is learned by it."""
    learner = copy.deepcopy(learner).train()
    truth = [part[:BATCH] for part in training_scenes().parts()]
    optimizer = torch.optim.AdamW(learner.parameters())
    taken = []
    for _ in range(steps):
        began = time.process_time()
        optimizer.zero_grad()
        learner(*truth).backward()
        optimizer.step()
        taken.append(time.process_time() - began)
    return median(taken)


def costs(found: Mapping[str, Result]) -> dict[str, Cost]:
    """Cost of the three networks together, and of the joint one."""
    one, two, three = (cost(found[f"{task} alone"].learner) for task in TASKS)
    return {"three networks": one + two + three, "one network": cost(found["joint"].learner)}


def cost_rows(found: Mapping[str, Result]) -> str:
    """One line a measure of cost: the three networks, the joint one, and its share of the three."""
    three, one = costs(found).values()
    lines = [f"{'':34}{'three':>10}{'joint':>10}{'share':>8}"]
    for words, name, unit in (
        ("parameters, thousands", "parameters", 1e3),
        ("multiplications, millions", "multiplications", 1e6),
        ("kept for the backward pass, MB", "kept_bytes", 1e6),
        ("a training step, ms of processor", "seconds", 1e-3),
    ):
        a, b = getattr(three, name), getattr(one, name)
        lines.append(f"{words:34}{a / unit:10.1f}{b / unit:10.1f}{b / a:8.2f}")
    return "\n".join(lines)


# ---------------------------------------------------------------------------------------------- pictures


def maps_figure(found: Mapping[str, Result], number: int = 3) -> Picture:
    """One unseen scene: image and truths above, what the networks alone say in the middle, the joint one below."""
    truth = unseen()
    image = truth.image[number][None]
    known = truth.known[number]
    alone = {task: predict(found[f"{task} alone"].learner, image)[task] for task in TASKS}
    joint = predict(found["joint"].learner, image)
    depth = truth.depth[number].where(known, torch.nan)
    limits = (float(depth[known].min()), float(depth[known].max()))
    figure, axes = new_figure(3, 4, height=7.2)
    show(axes[0, 0], truth.image[number], "image")
    for row in axes[1:]:
        row[0].set_axis_off()
    show(axes[0, 1], depth, "true depth", unit="m", limits=limits)
    show(axes[0, 2], normal_map(truth.normals[number]), "true normals")
    show(axes[0, 3], label_map(truth.classes[number]), "true classes")
    for row, (words, out) in zip(axes[1:], {"alone": alone, "joint": joint}.items(), strict=True):
        metres = depth_of(out["depth"])[0].where(known, torch.nan)
        show(row[1], metres, f"depth, {words}", unit="m", limits=limits)
        normals = F.normalize(out["normals"][0], dim=0).where(known, 0.0)
        show(row[2], normal_map(normals), f"normals, {words}")
        show(row[3], label_map(out["classes"][0].argmax(0)), f"classes, {words}")
    return figure
