"""The chapter's experiment: truths from several sources, none of which knows its scale and shift; then metres.

Every training image has a disparity whose scale and shift are lost, as if it came from a film or from another stereo
camera. One net is trained to meet these numbers as they are, one up to scale and shift. Both are asked for the order
of unseen scenes (after an alignment, which is what a relative depth needs). Then the second net stays as it is, and
two small heads learn metres from it: one from rooms, one from streets. At the end, all of it looks at a photograph,
of which it has never seen anything like.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dlcv.backbones import SmallCNN
from dlcv.data.scenes import render
from dlcv.depth.figures import small
from dlcv.depth.reference import (
    MetricBins,
    align_scale_and_shift,
    depth_metrics,
    disparity_to_depth,
    normalize_median,
    route_domain,
    ssi_loss,
)
from dlcv.device import at_scale
from dlcv.plotting import Picture, new_figure, show
from dlcv.trials import checkpoint_in, rise_and_fall, train_whole

__all__ = [
    "DOMAINS",
    "LOSSES",
    "Heads",
    "Net",
    "Reading",
    "Relative",
    "compare",
    "domains_figure",
    "height_alone",
    "learn_metres",
    "maps_figure",
    "metres",
    "metres_rows",
    "photograph",
    "photograph_figure",
    "photograph_rows",
    "rows",
    "scenes",
    "sources",
]

SIZE, STEPS = 64, 300
"""Pixels a side; steps of one training on a CPU."""
FIRST_UNSEEN = 1_000_000
DOMAINS = {"room": (0.5, 15.0), "street": (1.0, 80.0)}
"""Nearest and farthest depth that each domain's head can say, in metres."""
CHANNELS = (16, 24, 32, 32, 32)


@cache
def scenes(count: int, family: str = "mixed", start: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Images (count, 3, SIZE, SIZE), depths (count, SIZE, SIZE) in metres, and where there is one: not in the sky."""
    batch = render(range(start, start + count), size=SIZE, family=family, noise=0.02)
    known = (batch.depth > 0) & (batch.depth < 80)
    return batch.image, batch.depth, known


def sources(depth: Tensor, known: Tensor, seed: int = 0) -> Tensor:
    """Disparities as unknown sources give them: each image with a scale from 1/4 to 4 and a shift from -1 to 1.

    Parameters
    ----------
    depth : Tensor of shape (N, H, W)
        Metres.
    known : bool Tensor of shape (N, H, W)
    seed : int

    Returns
    -------
    Tensor of shape (N, H, W)
        a / depth + b; 0 where nothing is known.
    """
    generator = torch.Generator().manual_seed(seed)
    a = 4 ** (2 * torch.rand(len(depth), 1, 1, generator=generator) - 1)
    b = 2 * torch.rand(len(depth), 1, 1, generator=generator) - 1
    return torch.where(known, a / depth.clamp(min=0.1) + b, 0.0)


class Net(nn.Module):
    """A small backbone, and one number a pixel from its four finest maps, enlarged and summed up: (N, H, W)."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = SmallCNN(CHANNELS)
        self.parts = nn.ModuleList(nn.Conv2d(count, 1, 1) for count in CHANNELS[:4])

    def forward(self, images: Tensor) -> Tensor:
        return self.relative(self.backbone(images), images.shape[2:])

    def relative(self, features: list[Tensor], size: tuple[int, int]) -> Tensor:
        """The relative disparity (N, *size) that feature maps, finest first, give."""
        total = 0.0
        for part, feature in zip(self.parts, features, strict=False):
            total = total + F.interpolate(part(feature), size, mode="bilinear")
        return total.squeeze(1)


def _as_they_are(prediction: Tensor, target: Tensor, known: Tensor) -> Tensor:
    return (torch.where(known, prediction - target, 0.0) ** 2).sum() / (2 * known.sum().clamp(min=1))


def _up_to_scale_and_shift(prediction: Tensor, target: Tensor, known: Tensor) -> Tensor:
    """MiDaS' loss, with each target brought to deviation 1: else a source with a large scale counts most."""
    return ssi_loss(prediction, normalize_median(target, known), known)


LOSSES: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "as they are": _as_they_are,
    "up to scale and shift": _up_to_scale_and_shift,
}


@dataclass(frozen=True)
class Relative:
    """A net that was trained with one loss, and what it makes of unseen scenes after alignment.

    Attributes
    ----------
    net : Net
    depth : Tensor of shape (N, H, W)
        Metres, after each image's disparity was aligned to the true one.
    scores : dict
        `depth_metrics` of these.
    """

    net: Net
    depth: Tensor
    scores: dict[str, float]


def compare(
    steps: int | None = None, seed: int = 0, show: bool = True, keep: str | Path | None = None
) -> dict[str, Relative]:
    """Train the same net from the same start with each loss of `LOSSES`, on the same batches.

    With a folder `keep` both runs are kept there: a call that was interrupted goes on where it was.
    """
    steps = at_scale(2, STEPS, 4000) if steps is None else steps
    images, depth, known = scenes(at_scale(8, 256, 8192))
    target = sources(depth, known, seed)
    found = {}
    for name, loss in LOSSES.items():
        torch.manual_seed(seed)
        net = Net()

        def step_loss(model: nn.Module, x: Tensor, y: Tensor, m: Tensor, loss: Callable = loss) -> Tensor:
            return loss(model(x).float(), y, m)

        kept = checkpoint_in(keep, "14", name.replace(" ", "-"), seed)
        data = images, target, known
        found[name] = _measured(_train(net, data, step_loss, steps, seed, checkpoint=kept, show=show))
    return found


def _train(
    model: nn.Module, data: tuple[Tensor, ...], loss: Callable, steps: int, seed: int, **how: object
) -> nn.Module:
    wanted = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(wanted, weight_decay=1e-2)

    def batch(step: int) -> tuple[Tensor, ...]:
        for group in optimizer.param_groups:
            group["lr"] = 1e-2 * rise_and_fall(step / steps)
        generator = torch.Generator().manual_seed(1_000_003 * seed + step)
        chosen = torch.randint(len(data[0]), (16,), generator=generator)
        return tuple(part[chosen] for part in data)

    return train_whole(model, batch, loss, steps=steps, optimizer=optimizer, **how).cpu()


def _unseen() -> tuple[Tensor, Tensor, Tensor]:
    return scenes(at_scale(8, 96, 1024), start=FIRST_UNSEEN)


@torch.no_grad()
def _measured(net: Net) -> Relative:
    images, depth, known = _unseen()
    metric = _aligned(torch.cat([net(part) for part in images.split(32)]), depth, known)
    return Relative(net, metric, _numbers(metric, depth, known))


def height_alone() -> dict[str, float]:
    """`depth_metrics` of somebody who does not look at the image: the lower in it, the nearer, aligned as nets are."""
    _, depth, known = _unseen()
    return _numbers(_aligned(_lower(depth), depth, known), depth, known)


def _lower(like: Tensor) -> Tensor:
    """A disparity (N, H, W) that grows from row to row, since floors and roads do."""
    return torch.linspace(0, 1, like.shape[1])[:, None].expand(like.shape)


def _aligned(relative: Tensor, depth: Tensor, known: Tensor) -> Tensor:
    """Metres (N, H, W) after each image's relative disparity was aligned to the true one."""
    scale, shift = align_scale_and_shift(relative, 1 / depth.clamp(min=0.1), known)
    return _metres_of(scale[:, None, None] * relative + shift[:, None, None])


def _metres_of(disparity: Tensor) -> Tensor:
    """One over the disparity. What comes out as beyond 80 m is 80 m: the farthest that is measured."""
    return disparity_to_depth(disparity, 1.0, 1.0).clamp(0.1, 80.0)


def _numbers(depth: Tensor, true: Tensor, known: Tensor) -> dict[str, float]:
    return {name: float(value) for name, value in depth_metrics(depth, true, known).items()}


def rows(found: Mapping[str, Relative]) -> str:
    """One line a loss, and one for `height_alone`: how far off the aligned depths are, how many within a quarter."""
    scores = {name: one.scores for name, one in found.items()}
    return _table("trained", {**scores, "height in the image": height_alone()})


def _table(title: str, scores: Mapping[str, Mapping[str, float]]) -> str:
    lines = [f"{title:28}AbsRel   delta1"]
    lines += [f"{name:28}{one['abs_rel']:.3f}    {one['delta1']:.3f}" for name, one in scores.items()]
    return "\n".join(lines)


# ------------------------------------------------------------------------------------------------ metres


class Heads(nn.Module):
    """A trained net that stays as it is, a head of metres for each domain, and a router between them.

    Parameters
    ----------
    net : Net
    """

    def __init__(self, net: Net) -> None:
        super().__init__()
        self.net = net.requires_grad_(False)
        self.heads = nn.ModuleList(
            MetricBins(CHANNELS[2::-1], 32, low, high, attractors=4) for low, high in DOMAINS.values()
        )
        self.router = nn.Sequential(nn.Linear(CHANNELS[3], 32), nn.ReLU(), nn.Linear(32, len(DOMAINS)))

    def train(self, mode: bool = True) -> Heads:
        super().train(mode)
        self.net.eval()  # its normalisation stays as it is, too
        return self

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return each head's depth ``(N, D, H, W)`` and the router's scores ``(N, D)``."""
        features = self.net.backbone(images)
        relative = self.net.relative(features, features[0].shape[2:])
        spread = relative.flatten(1)
        relative = (relative - spread.mean(1)[:, None, None]) / (spread.std(1)[:, None, None] + 1e-6)
        depths = torch.stack([head(features[2::-1], relative) for head in self.heads], 1)
        depths = F.interpolate(depths, images.shape[2:], mode="bilinear")
        return depths, self.router(features[3].mean((2, 3)))


def _domains(count: int, start: int = 0) -> tuple[Tensor, ...]:
    """Images, depths, where they are known, and the domain of each image, all domains one after the other."""
    parts = [(*scenes(count, family, start), torch.full((count,), d)) for d, family in enumerate(DOMAINS)]
    return tuple(torch.cat(part) for part in zip(*parts, strict=True))


def learn_metres(
    net: Net,
    steps: int | None = None,
    seed: int = 0,
    show: bool = True,
    keep: str | Path | None = None,
) -> Heads:
    """Train the heads and the router on scenes whose depth is known in metres; each head sees its own domain.

    With a folder `keep` the run is kept there, the net below it included, and goes on after an interruption.
    """
    steps = at_scale(2, STEPS, 4000) if steps is None else steps
    torch.manual_seed(seed)
    model = Heads(net)

    def loss(model: nn.Module, x: Tensor, depth: Tensor, known: Tensor, domain: Tensor) -> Tensor:
        depths, scores = model(x)
        own = depths[torch.arange(len(x)), domain].float()
        error = torch.where(known, own.log() - depth.clamp(min=0.1).log(), 0.0).abs().sum()
        return error / known.sum().clamp(min=1) + F.cross_entropy(scores.float(), domain)

    kept = checkpoint_in(keep, "14", "metres", seed)
    return _train(model, _domains(at_scale(4, 128, 4096)), loss, steps, seed, checkpoint=kept, show=show)


@torch.no_grad()
def metres(model: Heads) -> dict[str, dict[str, float]]:
    """AbsRel of each domain's unseen scenes: by either head, by the head that the router takes, and how often it errs.

    Nothing is aligned here: these are metres.
    """
    images, depth, known, domain = _domains(at_scale(4, 64, 512), FIRST_UNSEEN)
    parts = [model(part) for part in images.split(32)]
    depths, scores = (torch.cat(part) for part in zip(*parts, strict=True))
    ways = {f"head for {name}s": depths[:, d] for d, name in enumerate(DOMAINS)}
    ways["routed"] = route_domain(scores, depths)
    found = {}
    for d, name in enumerate(DOMAINS):
        here = domain == d
        found[name] = {
            way: _numbers(said[here], depth[here], known[here])["abs_rel"] for way, said in ways.items()
        }
        found[name]["routed wrongly"] = float((scores[here].argmax(1) != d).float().mean())
    return found


def metres_rows(found: Mapping[str, Mapping[str, float]]) -> str:
    """One line a domain: AbsRel by each head and routed, and the share that was routed wrongly."""
    names = list(next(iter(found.values())))
    lines = [" " * 10 + "  ".join(f"{name:>16}" for name in names)]
    for domain, numbers in found.items():
        lines.append(f"{domain:10}" + "  ".join(f"{numbers[name]:16.3f}" for name in names))
    return "\n".join(lines)


def maps_figure(found: Mapping[str, Relative], scene: int = 0) -> Picture:
    """One unseen scene, its depth, and what each net makes of it after alignment, on one scale."""
    images, depth, known = _unseen()
    true = depth[scene].where(known[scene], torch.nan)
    limits = (float(true[known[scene]].min()), float(true[known[scene]].max()))
    figure, axes = new_figure(1, 2 + len(found), height=2.5)
    show(axes[0], images[scene], "image")
    show(axes[1], true, "depth", unit="m", limits=limits)
    for axis, (name, one) in zip(axes[2:], found.items(), strict=True):
        show(axis, one.depth[scene].where(known[scene], torch.nan), name, unit="m", limits=limits)
    return figure


def domains_figure(model: Heads, scene: int = 0) -> Picture:
    """An unseen room and an unseen street: their depth, and what either head says, on one scale a row."""
    figure, axes = new_figure(len(DOMAINS), 2 + len(DOMAINS), height=4.9)
    for row, family in zip(axes, DOMAINS, strict=True):
        image, true, known = (part[scene] for part in scenes(at_scale(4, 64, 512), family, FIRST_UNSEEN))
        with torch.no_grad():
            depths, scores = model(image[None])
        limits = (float(true[known].min()), float(true[known].max()))
        show(row[0], image, "image")
        show(row[1], true.where(known, torch.nan), "depth", unit="m", limits=limits)
        for d, name in enumerate(DOMAINS):
            taken = ", taken" if scores[0].argmax() == d else ""
            said = depths[0, d].where(known, torch.nan)
            show(row[2 + d], said, f"head for {name}s{taken}", unit="m", limits=limits)
    return figure


# ---------------------------------------------------------------------------------------- a photograph


@dataclass(frozen=True)
class Reading:
    """What somebody says of the motorcycle's depth.

    Attributes
    ----------
    depth : Tensor of shape (H, W)
        Metres.
    scores : dict
        `depth_metrics` over the pixels whose depth is known.
    """

    depth: Tensor
    scores: dict[str, float]


@torch.no_grad()
def photograph(model: Heads) -> dict[str, Reading]:
    """Show the motorcycle to what has learned from scenes, before and after an alignment; and who has learned nothing.

    The nets get the photograph 64 pixels high, as high as their scenes; what they say is enlarged to the map of
    `dlcv.depth.figures.small`.

    Parameters
    ----------
    model : Heads

    Returns
    -------
    dict from words to Reading
        ``relative, as it is``: one over what the net says, taken as metres, which it never claimed;
        ``relative, aligned``: scale and shift of the disparity fitted to the truth;
        ``metres, routed``: of the head that the router takes, nothing fitted;
        ``metres, head for rooms``: of this head, whatever the router says;
        ``metres, aligned``: one over these, fitted likewise;
        ``height in the image``: the lower the nearer, fitted likewise;
        ``one disparity``: the mean true one, everywhere.
    """
    pair = small()
    depth, known = pair.depth[None], pair.valid[None]
    seen = F.interpolate(pair.left[None], (SIZE, 3 * SIZE // 2), mode="bilinear", antialias=True)
    depths, scores = model(seen)
    inside, routed = (_enlarged(x, depth) for x in (1 / depths[:, 0], 1 / route_domain(scores, depths)))
    relative = _enlarged(model.net(seen), depth)
    mean = (1 / depth[known]).mean().expand(depth.shape)
    said = {
        "relative, as it is": _metres_of(relative),
        "relative, aligned": _aligned(relative, depth, known),
        "metres, routed": _metres_of(routed),
        "metres, head for rooms": _metres_of(inside),
        "metres, aligned": _aligned(inside, depth, known),
        "height in the image": _aligned(_lower(depth), depth, known),
        "one disparity": _metres_of(mean),
    }
    return {name: Reading(one[0], _numbers(one, depth, known)) for name, one in said.items()}


def _enlarged(maps: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(maps[:, None], like.shape[1:], mode="bilinear").squeeze(1)


def photograph_rows(found: Mapping[str, Reading]) -> str:
    """One line a way: how far off its depths are, and how many are within a quarter."""
    return _table("motorcycle", {name: one.scores for name, one in found.items()})


def photograph_figure(found: Mapping[str, Reading]) -> Picture:
    """The photograph, its depth and four readings of it, all on the scale of the true depth."""
    pair = small()
    true = pair.depth.where(pair.valid, torch.nan)
    limits = (float(true[pair.valid].min()), float(true[pair.valid].max()))
    figure, axes = new_figure(2, 3, height=4.6)
    show(axes[0, 0], pair.left, "photograph")
    show(axes[0, 1], true, "depth", unit="m", limits=limits)
    ways = ("metres, routed", "metres, head for rooms", "relative, aligned", "height in the image")
    for axis, name in zip(axes.flat[2:], ways, strict=True):
        show(axis, found[name].depth, name, unit="m", limits=limits)
    return figure
