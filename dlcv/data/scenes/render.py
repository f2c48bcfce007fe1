"""From numbers of scenes to images and labels."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

from dlcv.arguments import pair, per_axis
from dlcv.data.scenes.draws import Draws, mix, mix32
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
        nothing else: not on the batch that it is in, nor on the device. (The last bit of a colour may.)
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

    Raises
    ------
    ValueError
        If a number, the size or an option is out of its range.

    Examples
    --------
    >>> batch = render(range(2), size=32, family="room")
    >>> batch.image.shape, batch.semantic.shape
    (torch.Size([2, 3, 32, 32]), torch.Size([2, 32, 32]))
    """
    options = SceneOptions(**{**(options.to_dict() if options else {}), **changes})
    height, width = pair("size", size)
    per_axis("seed", seed, 1)
    if min(height, width) < 8:
        raise ValueError(f"size must be at least 8 pixels; got {height} x {width}")
    if not hasattr(scenes, "__len__"):
        raise ValueError(f"scenes must be a sequence of whole numbers; got {scenes!r}")
    if any(number != int(number) for number in scenes):
        raise ValueError(f"scenes must be whole numbers; got {scenes}")
    if not len(scenes):
        raise ValueError("scenes is empty: give at least one number")
    # Labels need float64, which Apple's MPS does not have: there the CPU renders.
    place = torch.device("cpu" if torch.device(device).type == "mps" else device)
    at_once = scenes_at_once(place, height * width * options.supersample**2)

    def drawn(numbers: Sequence[int]) -> SceneBatch:
        layout = sized(Draws(seed, numbers), options, height, width).to(place)
        return joined([draw(part, options) for part in layout.parts(at_once)])

    threads = torch.get_num_threads() if place.type == "cpu" else 1
    share = min(SCENES_AT_ONCE, max(at_once, -(-len(scenes) // threads)))
    shares = [scenes[start : start + share] for start in range(0, len(scenes), share)]
    if threads == 1:
        return joined([drawn(numbers) for numbers in shares]).to(device)
    # Each thread has scenes of its own. Threads that share each of thousands of small operations, as torch's do, wait
    # for one another at the end of every one.
    with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        return joined(list(pool.map(drawn, shares))).to(device)


SCENES_AT_ONCE = 256
PIXELS_AT_ONCE = {"cpu": 2**16, "gpu": 2**22}
"""Laying out costs about the same for one scene as for hundreds, so many are laid out together. On a CPU few of them
are drawn together: a row of numbers then stays in the processor's own memory from one operation to the next."""


def scenes_at_once(device: torch.device, pixels: int) -> int:
    """Return how many scenes of so many rays each are drawn together."""
    return max(1, PIXELS_AT_ONCE["cpu" if device.type == "cpu" else "gpu"] // pixels)


def draw(layout: Layout, options: SceneOptions) -> SceneBatch:
    """Return the images and labels of scenes that are laid out."""
    camera = layout.camera
    height, width = camera.height, camera.width
    seen = look(layout, camera)
    points = surface(layout, camera, seen)
    if options.supersample == 1:
        colour = shade(layout, points, seen.depth, options.shadow_samples)
    else:
        finer = camera.finer(options.supersample)
        more = look(layout, finer)
        colour = shade(layout, surface(layout, finer, more), more.depth, options.shadow_samples)
    image = colour.view(3, len(layout), height * options.supersample, -1).transpose(0, 1)
    if options.supersample > 1:
        image = torch.nn.functional.avg_pool2d(image.clamp(0, 1), options.supersample)
    image = (encoded(image) + options.noise * grain(layout, height, width)).clamp(0, 1)
    return gathered(layout, camera, seen, points, image, options.void)


def sized(draws: Draws, options: SceneOptions, height: int, width: int) -> Layout:
    """Return the layout, its things sized so that they cover the share of the image that is asked for."""
    layout = lay_out(draws, options, height, width)
    if options.foreground is None:
        return layout
    growth = torch.ones(len(layout), dtype=torch.float64)
    at_once = scenes_at_once(growth.device, height * width)
    for _ in range(5):
        share = torch.cat([share_of_things(part) for part in layout.parts(at_once)])
        correction = (options.foreground / share.clamp(min=0.3 / (height * width))).sqrt()
        growth = (growth * correction.clamp(0.1, 3)).clamp(0.01, 2.5)
        layout = lay_out(draws, options, height, width, growth)
    return layout


def share_of_things(layout: Layout) -> Tensor:
    """Return the share of each image that things cover `(N,)`."""
    seen = look(layout, layout.camera)
    of_thing = torch.cat([layout.solids.thing >= 0, torch.tensor([False, False])])  # GROUND, NOTHING
    return of_thing[seen.solid].view(len(layout), -1).double().mean(1)


def grain(layout: Layout, height: int, width: int) -> Tensor:
    """Return the camera's noise `(N, 3, H, W)`, mean 0, standard deviation 1.

    Each number is a sum of three uniform ones, which are three times ten bits of one hash.
    """
    numbers = torch.arange(3 * height * width, device=layout.salt.device)
    bits = mix32(mix(numbers).int() ^ layout.salt.int()[:, None]).view(-1, 3, height, width)
    parts = (bits & 0x3FF).add_((bits >> 10).bitwise_and_(0x3FF)).add_((bits >> 20).bitwise_and_(0x3FF))
    return parts.float().sub_(1534.5).mul_(1 / 512)
