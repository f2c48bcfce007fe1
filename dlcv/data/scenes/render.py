"""From numbers of scenes to images and labels."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from dlcv.data.scenes.draws import Draws, mix
from dlcv.data.scenes.layout import Layout, lay_out
from dlcv.data.scenes.options import SceneOptions
from dlcv.data.scenes.scene import SceneBatch, gathered, joined
from dlcv.data.scenes.shading import encoded, shade
from dlcv.data.scenes.surface import surface
from dlcv.data.scenes.visibility import look


def render(
    scenes: Sequence[int],
    size: int | tuple[int, int] = 64,
    *,
    seed: int = 0,
    device: torch.device | str = "cpu",
    options: SceneOptions | None = None,
    **changes,
) -> SceneBatch:
    """Render a batch of scenes.

    Parameters
    ----------
    scenes : sequence of int
        Numbers of the scenes. A scene depends on its number, the seed, the size and the options, and on
        nothing else: not on the batch that it is in, nor on the device.
    size : int or (height, width)
        In pixels.
    seed : int
    device : torch.device or str
    options : SceneOptions
    **changes
        Single options, for example ``family="street"``; see `SceneOptions`.

    Returns
    -------
    SceneBatch

    Examples
    --------
    >>> batch = render(range(2), size=32, family="room")
    >>> batch.image.shape, batch.semantic.shape
    (torch.Size([2, 3, 32, 32]), torch.Size([2, 32, 32]))
    """
    options = SceneOptions(**{**(options.to_dict() if options else {}), **changes})
    height, width = (size, size) if isinstance(size, int) else size
    if min(height, width) < 8:
        raise ValueError(f"size must be at least 8 pixels; got {height} x {width}")
    if not len(scenes):
        raise ValueError("scenes is empty: give at least one number")
    # Few enough pixels at a time to stay near the processor; a scene does not depend on its company.
    at_once = max(1, PIXELS_AT_ONCE // (height * width * options.supersample**2))
    parts = [scenes[start : start + at_once] for start in range(0, len(scenes), at_once)]
    # Labels need float64, which Apple's MPS does not have: there the CPU renders.
    place = "cpu" if torch.device(device).type == "mps" else device
    batch = joined([_render(Draws(seed, part), height, width, place, options) for part in parts])
    return batch if place == device else batch.to(device)


PIXELS_AT_ONCE = 2**17


def _render(
    draws: Draws, height: int, width: int, device: torch.device | str, options: SceneOptions
) -> SceneBatch:
    layout = sized(draws, options, height, width).to(device)
    camera = layout.camera
    seen = look(layout, camera)
    points = surface(layout, camera, seen)
    if options.supersample == 1:
        colour = shade(layout, points, seen.depth, options.shadow_samples)
    else:
        finer = camera.finer(options.supersample)
        more = look(layout, finer)
        colour = shade(layout, surface(layout, finer, more), more.depth, options.shadow_samples)
    image = colour.view(3, len(draws.state), height * options.supersample, -1).transpose(0, 1)
    if options.supersample > 1:
        image = torch.nn.functional.avg_pool2d(image.clamp(0, 1), options.supersample)
    image = (encoded(image) + options.noise * grain(layout, height, width)).clamp(0, 1)
    return gathered(layout, camera, seen, points, image, options.void)


def sized(draws: Draws, options: SceneOptions, height: int, width: int) -> Layout:
    """Return the layout, its things sized so that they cover the share of the image that is asked for."""
    layout = lay_out(draws, options, height, width)
    if options.foreground is None:
        return layout
    growth = torch.ones(len(draws.state), dtype=torch.float64)
    for _ in range(5):
        seen = look(layout, layout.camera)
        standing = torch.cat(
            [layout.solids.thing, torch.tensor([-1, -1])]
        )  # GROUND and NOTHING count from the end
        share = (standing[seen.solid] >= 0).view(len(growth), -1).double().mean(1)
        correction = (options.foreground / share.clamp(min=0.3 / (height * width))).sqrt()
        growth = (growth * correction.clamp(0.1, 3)).clamp(0.01, 2.5)
        layout = lay_out(draws, options, height, width, growth)
    return layout


def grain(layout: Layout, height: int, width: int) -> Tensor:
    """Return the camera's noise `(N, 3, H, W)`, mean 0, standard deviation 1.

    Each number is a sum of three uniform ones, which are three times ten bits of one hash.
    """
    numbers = torch.arange(3 * height * width, device=layout.salt.device)
    bits = mix(mix(numbers) ^ layout.salt[:, None]).view(-1, 3, height, width)
    parts = (bits & 0x3FF) + ((bits >> 10) & 0x3FF) + ((bits >> 20) & 0x3FF)
    return (parts.float() - 1534.5) / 512
