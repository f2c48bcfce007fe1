"""The stage: a room or a street, its water, its light, and the camera that looks at it."""

from __future__ import annotations

import torch
from torch import Tensor

from dlcv.data.scenes.camera import Camera, focal_length, looking
from dlcv.data.scenes.draws import Draws
from dlcv.data.scenes.options import WALL, SceneOptions
from dlcv.data.scenes.solids import BOX, Solids

WALLS = 7
"""Boxes that make a room (two sides, ceiling, four around a window) or a street (three houses a side, one end)."""


def families(draws: Draws, options: SceneOptions) -> Tensor:
    """Return which scenes are streets `(N,)`."""
    if options.family == "mixed":
        return draws.chance("family", probability=0.5)
    return torch.full(draws.state.shape, options.family == "street")


def stage(draws: Draws, street: Tensor, height: int, width: int) -> tuple[Camera, Tensor]:
    """Return the cameras, and half width, length and height of each room or street `(N, 3)` in metres."""

    def either(purpose: str, room: tuple[float, float], outside: tuple[float, float]) -> Tensor:
        low = torch.where(street, outside[0], room[0])
        high = torch.where(street, outside[1], room[1])
        return low + draws.uniform(purpose) * (high - low)

    bounds = torch.stack(
        [
            either("half width", (2.0, 3.0), (4.5, 7.0)),
            either("length", (4.8, 6.5), (22.0, 36.0)),
            either("height", (2.5, 3.1), (5.0, 9.0)),
        ],
        dim=-1,
    )
    position = torch.zeros_like(bounds)
    position[:, 0] = draws.uniform("aside", low=-0.3, high=0.3) * bounds[:, 0]
    position[:, 2] = either("eye", (1.4, 1.9), (1.7, 2.6))
    pitch = either("pitch", (0.20, 0.34), (0.10, 0.20))
    yaw = -0.3 * position[:, 0] / bounds[:, 0] + draws.uniform("yaw", low=-0.08, high=0.08)
    focal = focal_length(height, either("angle", (52.0, 60.0), (46.0, 54.0)))
    return Camera(height, width, focal, looking(pitch, yaw), position), bounds


def waters(draws: Draws, options: SceneOptions, street: Tensor, bounds: Tensor) -> Tensor:
    """Return the water of each scene `(N, 6)`: a pond or pool, or a canal along one side of a street."""
    half_width, length, _ = bounds.unbind(-1)
    pool = torch.stack(
        [
            draws.uniform("pool x", low=-0.6, high=0.6) * half_width,
            draws.uniform("pool y", low=0.42, high=0.62) * length * torch.where(street, 0.5, 1.0),
            draws.uniform("pool a", low=0.28, high=0.5) * half_width,
            draws.uniform("pool b", low=0.22, high=0.4) * half_width,
            draws.uniform("pool angle", low=-0.5, high=0.5),
            torch.where(street, 2.0, draws.uniform("pool shape", low=2.0, high=8.0)),
        ],
        dim=-1,
    )
    side = torch.where(draws.chance("canal side", probability=0.5), 0.72, -0.72)
    canal = torch.stack(
        [
            side * half_width,
            length / 2,
            draws.uniform("canal a", low=0.16, high=0.26) * half_width,
            length,
            torch.zeros_like(length),
            torch.full_like(length, 20.0),
        ],
        dim=-1,
    )
    has_canal = street & draws.chance("canal", probability=0.45)
    water = torch.where(has_canal[:, None], canal, pool)
    water[:, 2:4] *= draws.chance("water", probability=options.water)[:, None]
    return water


def wet(water: Tensor, x: Tensor, y: Tensor, margin: float | Tensor = 0.0) -> Tensor:
    """Return where points of the ground are water, or nearer to it than a margin.

    Inside a superellipse |s / a|^p + |t / b|^p < 1: an ellipse for p = 2, nearly a rectangle for p = 8.
    `water` is `(..., 6)`; x, y and margin fit its leading axes.
    """
    cx, cy, a, b, angle, power = water.unbind(-1)
    cos, sin = torch.cos(angle), torch.sin(angle)
    s = ((x - cx) * cos + (y - cy) * sin) / (a + margin)
    t = ((y - cy) * cos - (x - cx) * sin) / (b + margin)
    return (a > 0) & (s.abs() ** power + t.abs() ** power < 1)


def wall_solids(draws: Draws, street: Tensor, bounds: Tensor, count: int) -> Solids:
    """Return the walls of all scenes; `count` is the number of things in each."""
    n = len(street)
    low, high = torch.where(street[:, None, None, None], houses(draws, bounds), room(draws, bounds)).unbind(
        -1
    )
    used = (high > low).all(-1)
    scene = torch.arange(n)[:, None].expand(n, WALLS)[used]
    # Materials of a scene: of its things, of the ground, of the walls.
    material = scene * (count + 1 + WALLS) + count + 1 + torch.arange(WALLS).expand(n, WALLS)[used]
    rows = len(scene)
    return Solids(
        kind=torch.full((rows,), BOX),
        centre=((low + high) / 2)[used],
        rotation=torch.eye(3, dtype=torch.float64).expand(rows, 3, 3),
        size=((high - low) / 2)[used],
        taper=torch.ones(rows, dtype=torch.float64),
        scene=scene,
        thing=torch.full((rows,), -1),
        label=torch.full((rows,), WALL),
        material=material,
        tint=torch.ones(rows, dtype=torch.float64),
    )


def room(draws: Draws, bounds: Tensor) -> Tensor:
    """Return the walls of rooms as boxes `(N, WALLS, 3, 2)`, each from low to high along x, y and z."""
    w, length, height = bounds.unbind(-1)
    back, thick = torch.full_like(w, -1.5), 0.15
    zero, top, end = torch.zeros_like(w), height, length + thick
    left = draws.uniform("window left", low=-0.7, high=0.0) * w
    right = left + draws.uniform("window width", low=0.5, high=0.9) * w
    sill = draws.uniform("window sill", low=1.0, high=1.2)
    lintel = height - draws.uniform("window lintel", low=0.3, high=0.5)
    return boxes(
        (-w - thick, -w, back, end, zero, top),
        (w, w + thick, back, end, zero, top),
        (-w - thick, w + thick, back, end, top, top + thick),
        (-w, w, length, end, zero, sill),
        (-w, w, length, end, lintel, top),
        (-w, left, length, end, sill, lintel),
        (right, w, length, end, sill, lintel),
    )


def houses(draws: Draws, bounds: Tensor) -> Tensor:
    """Return the houses of streets as boxes `(N, WALLS, 3, 2)`; some have a gap between, some an open end."""
    w, length, height = bounds.unbind(-1)
    zero = torch.zeros_like(w)
    high = height[:, None] * draws.uniform("house height", WALLS, low=0.55, high=1.35)
    gap = draws.uniform("house gap", WALLS, low=-0.5, high=1.5).clamp(min=0)
    setback = draws.uniform("house setback", WALLS, high=0.9)
    rows = []
    for number in range(6):
        start = 1.0 + (number % 3) * length / 3
        front, deep = w + setback[:, number], w + 8
        x = (-deep, -front) if number < 3 else (front, deep)
        rows.append((*x, start, start + length / 3 - gap[:, number], zero, high[:, number]))
    closed = torch.where(draws.chance("closed end", probability=0.6), 1.0, 0.0)
    rows.append((-w * closed, w * closed, length + 1, length + 5, zero, high[:, 6]))
    return boxes(*rows)


def boxes(*rows: tuple[Tensor, ...]) -> Tensor:
    """Return boxes `(N, len(rows), 3, 2)` from rows of x1, x2, y1, y2, z1, z2, each `(N,)`."""
    return torch.stack([torch.stack(row, dim=-1).view(-1, 3, 2) for row in rows], dim=1)


def lamps(draws: Draws, street: Tensor, bounds: Tensor) -> Tensor:
    """Return where the light is `(N, 3)`: under the ceiling, or high up along the street."""
    half_width, length, height = bounds.unbind(-1)
    aside = draws.uniform("lamp x", low=-0.6, high=0.6)
    along = draws.uniform("lamp y")
    against = torch.where(draws.chance("against the light", probability=0.4), 1.0, -1.0)
    inside = torch.stack([aside * half_width, 0.5 + along * 0.45 * length, height - 0.15], dim=-1)
    outside = torch.stack(
        [aside * 40, against * (25 + 25 * along), draws.uniform("lamp z", low=30, high=50)], dim=-1
    )
    return torch.where(street[:, None], outside, inside)


def skies(draws: Draws) -> Tensor:
    """Return the sky's linear RGB at the horizon and overhead `(N, 2, 3)`: clear, evening or overcast."""
    kinds = torch.tensor(
        [
            [[0.72, 0.83, 0.94], [0.16, 0.36, 0.72]],
            [[0.95, 0.62, 0.40], [0.30, 0.28, 0.52]],
            [[0.70, 0.74, 0.78], [0.48, 0.53, 0.60]],
        ],
        dtype=torch.float64,
    )
    share = draws.uniform("sky", 3) ** 4 + 1e-3
    share = share / share.sum(-1, keepdim=True)
    return torch.einsum("nk,krc->nrc", share, kinds).float()
