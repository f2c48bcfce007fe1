"""Which material each thing, the ground and each wall gets.

Hues are drawn alike for all classes, so that colour alone gives no class away.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from dlcv.data.scenes import materials as m
from dlcv.data.scenes.camera import Camera
from dlcv.data.scenes.draws import Draws
from dlcv.data.scenes.materials import Materials, hsv
from dlcv.data.scenes.options import SceneOptions
from dlcv.data.scenes.stage import WALLS
from dlcv.data.scenes.things import Plan

ON_THINGS = torch.tensor([m.PLAIN, m.PLAIN, m.STRIPES, m.CHECKER, m.SPECKLE])
ON_FLOORS = torch.tensor([m.PLANKS, m.TILES, m.CHECKER, m.SPECKLE])
ON_ROADS = torch.tensor([m.SPECKLE, m.TILES, m.BRICKS, m.PLAIN])
ON_ROOM_WALLS = torch.tensor([m.PLAIN, m.SPECKLE, m.BRICKS, m.STRIPES])
ON_HOUSES = torch.tensor([m.WINDOWS, m.WINDOWS, m.WINDOWS, m.BRICKS])


def surfaces(
    draws: Draws, options: SceneOptions, plan: Plan, street: Tensor, camera: Camera, bounds: Tensor
) -> tuple[Materials, Tensor]:
    """Return the materials of all scenes in one list, and which of them each thing gets `(N, T)`.

    Each scene has T + 1 + WALLS materials: of its things, of the ground, of its walls.
    """
    n, count = plan.kind.shape
    rows = count + 1 + WALLS
    is_thing = torch.arange(rows) < count
    is_ground = torch.arange(rows) == count
    pattern = patterns(draws, street, is_thing, is_ground)
    first, second = colours(draws, pattern, is_thing)
    listed = one_wallpaper(street, count)
    materials = Materials(
        first=listed(first).float(),
        second=listed(second).float(),
        pattern=listed(pattern),
        frequency=listed(frequencies(draws, street, pattern, is_ground)).float(),
        grain=listed(draws.uniform("grain", rows, low=0.1, high=0.5)).float(),
        salt=listed(draws.bits("salt of material", rows)),
        fixed=(~is_thing).repeat(n),
    )
    own = torch.arange(count).expand(n, count)
    hidden = draws.chance("camouflage", count, probability=options.camouflage)
    index = torch.where(hidden, backdrop(plan, street, camera, bounds), own)
    return materials, index + torch.arange(n)[:, None] * rows


def patterns(draws: Draws, street: Tensor, is_thing: Tensor, is_ground: Tensor) -> Tensor:
    """Return the pattern of each material of each scene `(N, rows)`."""
    pick, street = draws.bits("pattern", len(is_thing)), street[:, None]
    walls = torch.where(street, ON_HOUSES[pick % len(ON_HOUSES)], ON_ROOM_WALLS[pick % len(ON_ROOM_WALLS)])
    floor = torch.where(street, ON_ROADS[pick % len(ON_ROADS)], ON_FLOORS[pick % len(ON_FLOORS)])
    return torch.where(is_thing, ON_THINGS[pick % len(ON_THINGS)], torch.where(is_ground, floor, walls))


def colours(draws: Draws, pattern: Tensor, is_thing: Tensor) -> tuple[Tensor, Tensor]:
    """Return the two colours of each material, `(N, rows, 3)` each."""
    rows = len(is_thing)
    hue = draws.uniform("hue", rows)
    saturation = draws.uniform("saturation", rows, low=0.15, high=0.95)
    value = draws.uniform("value", rows, low=0.25, high=0.98) * torch.where(is_thing, 1.0, 0.85)
    calm = torch.where(is_thing, 1.0, 0.4)  # walls and floors are seldom as gaudy as things
    first = hsv(hue, saturation * calm, value)
    other_hue = hue + draws.uniform("other hue", rows, low=-0.5, high=0.5) * torch.where(is_thing, 1.0, 0.2)
    other_value = torch.where(value > 0.6, value * 0.45, value * 0.5 + 0.5)
    second = hsv(other_hue % 1, saturation * calm * 0.8, other_value)
    # Blotches on floors and walls are shades of one colour, or they would look like camouflage.
    close = (pattern == m.SPECKLE) & ~is_thing
    second = torch.where(close[..., None], first + (second - first) * 0.3, second)
    pane = torch.tensor([0.05, 0.07, 0.10], dtype=torch.float64)
    return first, torch.where((pattern == m.WINDOWS)[..., None], pane, second)


def frequencies(draws: Draws, street: Tensor, pattern: Tensor, is_ground: Tensor) -> Tensor:
    """Return how often each pattern repeats in a metre, `(N, rows)`; in streets all is coarser."""
    low = torch.tensor([0.0, 2.0, 2.5, 3.0, 1.2, 5.0, 5.0, 0.45])[pattern]
    high = torch.tensor([1.0, 6.0, 6.0, 9.0, 2.5, 9.0, 9.0, 0.70])[pattern]
    frequency = low + draws.uniform("frequency", len(is_ground)) * (high - low)
    frequency = frequency * torch.where(street[:, None] & (pattern != m.WINDOWS), 0.6, 1.0)
    return frequency * torch.where(is_ground & (pattern == m.CHECKER), 0.5, 1.0)


def one_wallpaper(street: Tensor, count: int) -> Callable[[Tensor], Tensor]:
    """Return what lists the materials of all scenes: a room has one wallpaper on all walls, houses differ."""
    n, rows = len(street), count + 1 + WALLS
    shared = torch.arange(rows).clamp(max=count + 1)
    which = torch.where(street[:, None], torch.arange(rows), shared)

    def listed(values: Tensor) -> Tensor:
        index = which.view(n, rows, *[1] * (values.ndim - 2)).expand(values.shape)
        return values.gather(1, index).flatten(0, 1)

    return listed


def backdrop(plan: Plan, street: Tensor, camera: Camera, bounds: Tensor) -> Tensor:
    """Return which material of its scene is seen behind each thing `(N, T)`: the ground's or a wall's.

    The line of sight through the thing's middle is followed until it meets the ground, a side or the end.
    """
    count = plan.kind.shape[1]
    half_width, length = bounds[:, None, 0], bounds[:, None, 1]
    eye = camera.position[:, None]
    dx, dy, dz = plan.place[..., 0] - eye[..., 0], plan.place[..., 1], plan.middle - eye[..., 2]
    to_ground = torch.where(dz < 0, eye[..., 2] / -dz, torch.inf)
    to_side = (half_width - eye[..., 0] * dx.sign()) / dx.abs().clamp(min=1e-9)
    to_end = length / dy
    third = ((to_side * dy - 1) / length * 3).long().clamp(0, 2)
    on_side = torch.where(street[:, None], third + 3 * (dx > 0), (dx > 0).long())
    on_end = torch.where(street[:, None], 6, 3)
    wall = torch.where(to_side < to_end, on_side, on_end) + count + 1
    return torch.where(to_ground < torch.minimum(to_side, to_end), count, wall)
