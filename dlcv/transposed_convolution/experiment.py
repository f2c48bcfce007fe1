"""The chapter's two experiments: a filter that learns to upsample, and three decoders that paint a grey wall.

Photographs are those of scikit-image: coffee (R. Michetti), cat (S. van der Walt), rocket (SpaceX), camera man
(L. da Vinci Cordeiro), all CC0, and astronaut (NASA, public domain). The astronaut is never trained on.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor, nn

from dlcv.plotting import EXPECTED, INK, YOURS, Picture, bare, new_figure, number_grid, show
from dlcv.training import train
from dlcv.transposed_convolution.reference import bilinear_kernel, conv_transpose2d

__all__ = ["DECODERS", "decoders_figure", "filters_figure", "learn_filter", "ripple", "train_decoders"]

STRIDE = 2
DECODERS = ("k = 3, s = 2", "k = 4, s = 2", "resize, then convolve")
"""Three ways to double a map's size."""


@cache
def photographs() -> tuple[Tensor, ...]:
    """Photographs to learn from, each (3, H, W) in [0, 1]."""
    from skimage import data

    return tuple(_image(picture()) for picture in (data.coffee, data.cat, data.rocket))


@cache
def unseen_photograph() -> Tensor:
    """A photograph to test on, (3, 512, 512)."""
    from skimage import data

    return _image(data.astronaut())


def _image(array) -> Tensor:
    return torch.from_numpy(array).permute(2, 0, 1) / 255


def patches(step: int, count: int = 16, size: int = 32, seed: int = 0) -> Tensor:
    """Random patches (count, 3, size, size) of the photographs, the same for the same step."""
    generator = torch.Generator().manual_seed(10_000 * seed + step)

    def draw(n: int) -> int:
        return int(torch.randint(n, (), generator=generator))

    found = []
    for _ in range(count):
        image = photographs()[draw(len(photographs()))]
        top, left = draw(image.shape[1] - size), draw(image.shape[2] - size)
        found.append(image[:, top : top + size, left : left + size])
    return torch.stack(found)


# ------------------------------------------------------------------------- a filter that learns to upsample


def turned_and_mirrored(images: Tensor) -> Tensor:
    """All eight ways to lay square images: no direction is preferred."""
    turned = torch.cat([torch.rot90(images, quarter, (2, 3)) for quarter in range(4)])
    return torch.cat([turned, turned.flip(3)])


class Upsampler(nn.Module):
    """A transposed convolution with stride 2, one channel and no bias: one filter and nothing else."""

    def __init__(self, kernel_size: int):
        super().__init__()
        self.weight = nn.Parameter(torch.rand(1, 1, kernel_size, kernel_size))

    def forward(self, small: Tensor) -> Tensor:
        return conv_transpose2d(small, self.weight, stride=STRIDE, padding=1)


def shrink(large: Tensor, kernel_size: int) -> Tensor:
    """Halve images: keep every other pixel where the filter's size is odd, average 2x2 pixels where it is even."""
    if kernel_size % 2:
        return large[..., ::STRIDE, ::STRIDE]
    return nn.functional.avg_pool2d(large, STRIDE)


def learn_filter(
    kernel_size: int = 3, steps: int = 300, seed: int = 0, progress: bool = True
) -> list[Tensor]:
    """Learn, from shrunken photographs and the originals, the filter that undoes the shrinking best.

    Parameters
    ----------
    kernel_size : int
        3 or 4.
    steps : int
        Of Adam, all on the same patches: 24 grey ones, each turned and mirrored.

    Returns
    -------
    list of Tensor, (kernel_size, kernel_size) each
        The filter before each step, and at the end.
    """
    torch.manual_seed(seed)
    size = 32 + kernel_size % 2  # an odd filter keeps the first and the last pixel
    large = turned_and_mirrored(patches(0, 24, size, seed).mean(1, keepdim=True))
    large = large - large.mean((2, 3), keepdim=True)  # brightness alone would drown the rest
    model, filters = Upsampler(kernel_size), []

    def error(model: Upsampler, small: Tensor, large: Tensor) -> Tensor:
        filters.append(model.weight.detach()[0, 0].cpu().clone())
        difference = model(small) - large
        return difference[..., 2:-2, 2:-2].square().mean()  # copies fade out at the border: not there

    train(model, [(shrink(large, kernel_size), large)], error, steps=steps, lr=0.03, show=progress)
    return [*filters, model.weight.detach()[0, 0].cpu()]


def filters_figure(filters: list[Tensor]) -> Picture:
    """A learned filter at five moments, beside the bilinear one."""
    last = len(filters) - 1
    moments = sorted({0, last // 30, last // 10, last // 4, last})
    panels = [(f"step {moment}", filters[moment]) for moment in moments]
    panels.append(("bilinear", bilinear_kernel(len(filters[0]))))
    figure, axes = new_figure(1, len(panels), height=1.8)
    for axis, (title, values) in zip(axes, panels, strict=True):
        number_grid(axis, values, title, limits=(-1.3, 1.3), cmap="PuOr_r", size=8)
    return figure


# ------------------------------------------------------------------------- three decoders and a grey wall


def doubling(kind: str, channels: int, made: int) -> nn.Module:
    """One layer that doubles height and width, of a kind in `DECODERS`."""
    if kind == DECODERS[0]:
        return nn.ConvTranspose2d(channels, made, 3, stride=2, padding=1, output_padding=1)
    if kind == DECODERS[1]:
        return nn.ConvTranspose2d(channels, made, 4, stride=2, padding=1)
    return nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(channels, made, 3, padding=1))


def decoder(kind: str, width: int = 16) -> nn.Module:
    """From a photograph at a quarter of its size back to the photograph, by doubling twice."""
    return nn.Sequential(
        nn.Conv2d(3, width, 3, padding=1),
        nn.ReLU(),
        doubling(kind, width, width),
        nn.ReLU(),
        doubling(kind, width, 3),
    )


@torch.no_grad()
def wall(model: nn.Module, grey: float = 0.5, size: int = 16) -> Tensor:
    """What a decoder makes of an even grey wall, (3, 2 * size, 2 * size): all but its border."""
    device = next(model.parameters()).device
    return model(torch.full((1, 3, size, size), grey, device=device))[0, :, size:-size, size:-size].cpu()


def ripple(model: nn.Module) -> float:
    """How uneven a decoder paints an even wall: standard deviation in grey levels of 255, over three greys.

    Whatever is not even here does not come from the input: it has the period of the strides.
    """
    return 255 * sum(float(wall(model, grey).std(dim=(1, 2)).mean()) for grey in (0.2, 0.5, 0.8)) / 3


def train_decoders(
    steps: int = 400, seed: int = 0, progress: bool = True
) -> dict[str, tuple[nn.Module, list[float]]]:
    """Train one decoder of each kind on the same patches, in one run.

    Their errors are summed, but no weight is shared and Adam treats each weight by itself: each decoder learns as
    it would alone.

    Returns
    -------
    dict of kind to (decoder, ripples)
        The ripple before each tenth step, and at the end.
    """
    decoders, ripples = nn.ModuleList(), {kind: [] for kind in DECODERS}
    for kind in DECODERS:
        torch.manual_seed(seed)
        decoders.append(decoder(kind))
    taken = iter(range(steps))

    def note() -> None:
        for kind, model in zip(DECODERS, decoders, strict=True):
            ripples[kind].append(ripple(model))

    def error(decoders: nn.ModuleList, large: Tensor) -> Tensor:
        if next(taken) % 10 == 0:
            note()
        small = nn.functional.avg_pool2d(large, 4)
        return sum((model(small) - large).square().mean() for model in decoders)

    train(decoders, lambda step: (patches(step, seed=seed),), error, steps=steps, lr=3e-3, show=progress)
    note()
    return {kind: (model, ripples[kind]) for kind, model in zip(DECODERS, decoders, strict=True)}


def decoders_figure(trained: dict[str, tuple[nn.Module, list[float]]]) -> Picture:
    """Each decoder's grey wall, a photograph it never saw, and its ripple while it learned."""
    large = unseen_photograph()[:, 64:160, 176:272]
    figure, axes = new_figure(2, 4, height=5.0)
    for column, (kind, (model, ripples)) in enumerate(trained.items()):
        painted = wall(model).mean(0)[:16, :16]
        axes[0, column].imshow(255 * (painted - painted.mean()).numpy(), cmap="gray", vmin=-8, vmax=8)
        bare(axes[0, column], f"{kind}\nwall: ± {ripples[-1]:.1f} grey levels")
        with torch.no_grad():
            device = next(model.parameters()).device
            small = nn.functional.avg_pool2d(large[None], 4).to(device)
            show(axes[1, column], model(small)[0].cpu())
    axis, colours = axes[0, 3], (YOURS, EXPECTED, INK)
    for (kind, (_, ripples)), colour in zip(trained.items(), colours, strict=True):
        axis.plot(range(0, 10 * len(ripples), 10), ripples, color=colour, label=kind.partition(",")[0])
    axis.set(title="ripple of the wall", xlabel="step")
    axis.legend(frameon=False)
    show(axes[1, 3], large, "the photograph")
    return figure
