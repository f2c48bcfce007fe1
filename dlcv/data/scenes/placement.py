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
    half_width, length, _ = bounds.unbind(-1)
    near = torch.where(street, 4.5, 2.0)[:, None, None]
    end = torch.where(street, 0.6 * length, length - 0.2)[:, None, None]
    y = near + draws.uniform("y", count, TRIES) * (end - near)
    reach = torch.minimum(y * camera.width / (2 * camera.focal[:, None, None]), half_width[:, None, None])
    x = draws.uniform("x", count, TRIES, low=-0.95, high=0.95) * reach
    tries = torch.stack([x, y], dim=-1)
    centre = tries[:, :1, :1]
    tries = centre + (tries - centre) * (1 - 0.6 * options.crowding)

    is_twin = draws.chance("touching", count, probability=options.touching)
    is_behind = draws.chance("occlusion", count, probability=options.occlusion)
    quarter = draws.integer("side of twin", count, TRIES, low=0, high=4)
    offset = draws.uniform("offset behind", count, TRIES, 2)
    gap = 0.04 * (1 - options.crowding)
    free = torch.zeros_like(plan.exists)
    eye = camera.position[:, None, :2]
    footprint = plan.footprint
    begin, stop = near[:, 0] * 0.75, torch.where(street, length * 0.8, length)[:, None]
    for i in range(count):
        option, last = tries[:, i], i - 1
        twin = is_twin[:, i] & free[:, last] if i else torch.zeros_like(street)
        if twin.any():
            for part in (plan.kind, plan.yaw, plan.half, plan.taper, plan.thick):
                part[:, i] = torch.where(twin.view(-1, *[1] * (part.ndim - 2)), part[:, last], part[:, i])
            plan.lying[:, i] &= ~twin
            plan.lying[:, last] &= ~twin
            footprint = plan.footprint
            beside = plan.place[:, last, None] + contact(plan, last, quarter[:, i])
            option = torch.where(twin[:, None, None], beside, option)
        behind = is_behind[:, i] & free[:, last] & ~twin
        if i and behind.any():
            hidden = shadowed(
                plan.place[:, last, None], footprint[:, last], eye, footprint[:, i], offset[:, i]
            )
            option = torch.where(behind[:, None, None], hidden, option)
        radius, (x, y) = footprint[:, i, None], option.unbind(-1)
        ok = (x.abs() + radius < half_width[:, None]) & (y - radius > begin) & (y + radius < stop)
        ok &= ~wet(water[:, None], x, y, radius)
        if i:
            dx, dy = (option[:, :, None] - plan.place[:, None, :i]).unbind(-1)
            clear = torch.hypot(dx, dy) > radius[..., None] + footprint[:, None, :i] + gap
            clear[..., last] |= twin[:, None]  # it stands in contact by construction
            ok &= (clear | ~free[:, None, :i]).all(-1)
        first = ok.int().argmax(-1)
        free[:, i] = plan.exists[:, i] & ok.any(-1)
        plan.place[:, i] = option[torch.arange(n), first]
    return replace(plan, exists=free)


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
