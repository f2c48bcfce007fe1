"""Where the things stand: free of one another, touching, or one behind the other."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from dlcv.data.scenes.camera import Camera
from dlcv.data.scenes.draws import Draws
from dlcv.data.scenes.options import SceneOptions
from dlcv.data.scenes.stage import wet
from dlcv.data.scenes.things import Plan

TRIES = 24
"""Places that are tried for a thing before it is left out."""


def placed(
    draws: Draws,
    options: SceneOptions,
    plan: Plan,
    street: Tensor,
    camera: Camera,
    bounds: Tensor,
    water: Tensor,
) -> Plan:
    """Put the things on the ground one after the other, each at the first place tried that is free."""
    n, count = plan.kind.shape
    tries = open_places(draws, options, street, camera, bounds, count)
    is_twin = draws.chance("touching", count, probability=options.touching)
    is_behind = draws.chance("occlusion", count, probability=options.occlusion)
    quarter = draws.integer("side of twin", count, TRIES, low=0, high=4)
    offset = draws.uniform("offset behind", count, TRIES, 2)
    eye, gap = camera.position[:, None, :2], 0.04 * (1 - options.crowding)
    free, footprint = torch.zeros_like(plan.exists), plan.footprint
    for i in range(count):
        option, last = tries[:, i], i - 1
        twin = is_twin[:, i] & free[:, last] if i else torch.zeros_like(street)
        if twin.any():
            make_twins(plan, i, twin)
            footprint = plan.footprint
            beside = plan.place[:, last, None] + contact(plan, last, quarter[:, i])
            option = torch.where(twin[:, None, None], beside, option)
        behind = is_behind[:, i] & free[:, last] & ~twin
        if i and behind.any():
            before, own = footprint[:, last], footprint[:, i]
            hidden = shadowed(plan.place[:, last, None], before, eye, own, offset[:, i])
            option = torch.where(behind[:, None, None], hidden, option)
        ok = on_dry_ground(option, footprint[:, i, None], street, bounds, water)
        if i:
            clear = apart(
                option, plan.place[:, :i], footprint[:, i, None, None] + footprint[:, None, :i] + gap
            )
            clear[..., last] |= twin[:, None]  # it stands in contact by construction
            ok &= (clear | ~free[:, None, :i]).all(-1)
        free[:, i] = plan.exists[:, i] & ok.any(-1)
        plan.place[:, i] = option[torch.arange(n), ok.int().argmax(-1)]
    return replace(plan, exists=free)


def open_places(
    draws: Draws, options: SceneOptions, street: Tensor, camera: Camera, bounds: Tensor, count: int
) -> Tensor:
    """Return places that are in the picture `(N, count, TRIES, 2)`; crowding draws them to the first."""
    half_width, length, _ = bounds.unbind(-1)
    near = nearest(street)[:, None, None]
    end = torch.where(street, 0.6 * length, length - 0.2)[:, None, None]
    y = near + draws.uniform("y", count, TRIES) * (end - near)
    reach = torch.minimum(y * camera.width / (2 * camera.focal[:, None, None]), half_width[:, None, None])
    x = draws.uniform("x", count, TRIES, low=-0.95, high=0.95) * reach
    tries = torch.stack([x, y], dim=-1)
    centre = tries[:, :1, :1]
    return centre + (tries - centre) * (1 - 0.6 * options.crowding)


def nearest(street: Tensor) -> Tensor:
    """Return how far from the camera things begin to be placed, in metres `(N,)`."""
    return torch.where(street, 4.5, 2.0)


def make_twins(plan: Plan, number: int, twin: Tensor) -> None:
    """Make thing `number` like the one before it where `twin` `(N,)` says so; both then stand upright."""
    last = number - 1
    for part in (plan.kind, plan.yaw, plan.half, plan.taper, plan.thick):
        alike = torch.where(twin.view(-1, *[1] * (part.ndim - 2)), part[:, last], part[:, number])
        part[:, number] = alike
    plan.lying[:, number] &= ~twin
    plan.lying[:, last] &= ~twin


def on_dry_ground(place: Tensor, radius: Tensor, street: Tensor, bounds: Tensor, water: Tensor) -> Tensor:
    """Return at which places `(N, TRIES, 2)` a thing of this radius `(N, 1)` stands within the scene, and dry."""
    x, y = place.unbind(-1)
    half_width, length, _ = bounds.unbind(-1)
    begin = nearest(street)[:, None] * 0.75
    stop = torch.where(street, length * 0.8, length)[:, None]
    within = (x.abs() + radius < half_width[:, None]) & (y - radius > begin) & (y + radius < stop)
    return within & ~wet(water[:, None], x, y, radius)


def apart(place: Tensor, others: Tensor, distance: Tensor) -> Tensor:
    """Return which places `(N, TRIES, 2)` are farther than `distance` from which others `(N, M, 2)`."""
    dx, dy = (place[:, :, None] - others[:, None]).unbind(-1)
    return torch.hypot(dx, dy) > distance


def contact(plan: Plan, last: int, quarter: Tensor) -> Tensor:
    """Return the steps `(N, TRIES, 2)` from a thing to a twin that touches it on one of its four sides."""
    angle = plan.yaw[:, last, None] + quarter * (math.pi / 2)
    extent = torch.where(quarter % 2 == 0, plan.half[:, last, :1], plan.half[:, last, 1:2])
    return 2 * extent[..., None] * torch.stack([torch.cos(angle), torch.sin(angle)], dim=-1)


def shadowed(place: Tensor, radius: Tensor, eye: Tensor, own_radius: Tensor, offset: Tensor) -> Tensor:
    """Return places `(N, TRIES, 2)` behind a thing at `place` `(N, 1, 2)`, as the camera sees it."""
    ray = place - eye
    ray = ray / ray.norm(dim=-1, keepdim=True)
    across = torch.stack([ray[..., 1], -ray[..., 0]], dim=-1)
    reach = (radius + own_radius)[:, None]
    back = reach + 0.05 + offset[..., 0] * 1.2
    aside = (offset[..., 1] - 0.5) * reach * 0.8
    return place + ray * back[..., None] + across * aside[..., None]
