"""What each pixel sees, and which surfaces the light reaches.

A solid can only be met by rays inside the rectangle around it, so pairs of (solid, pixel) are listed for those
rectangles only, all solids of all scenes in one list; then the nearest hit of each pixel is kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from dlcv.data.scenes.camera import Camera
from dlcv.data.scenes.layout import Layout
from dlcv.data.scenes.solids import BALL, BOX, FRUSTUM, Solids, enter, gather, turned, turned_back

NOTHING, GROUND = -2, -1
"""Instead of the number of a solid."""


@dataclass
class Seen:
    """What the pixels of a batch see, all pixels in one list `(P,)`, P = N * H * W.

    Attributes
    ----------
    ray : (3, P) float64
        From the camera through the pixel, of depth 1, in the world's frame.
    depth : (P,) float64
        Along the camera's axis in metres; infinity where there is nothing.
    solid : (P,)
        Number of the solid, or GROUND or NOTHING.
    whole : (N * T,)
        Pixels that each thing would cover if nothing stood before it.
    """

    ray: Tensor
    depth: Tensor
    solid: Tensor
    whole: Tensor


def look(layout: Layout, camera: Camera) -> Seen:
    """Follow the ray of every pixel to the first surface it meets."""
    solids, n = layout.solids, len(layout.street)
    device, pixels = solids.size.device, camera.height * camera.width
    depth = torch.full((n * pixels,), torch.inf, dtype=torch.float64, device=device)
    covered = torch.zeros(layout.density.numel() * pixels, dtype=torch.bool, device=device)
    hits = []
    for number, pixel, t in met(solids, camera):
        depth.scatter_reduce_(0, pixel, t, "amin")
        thing = solids.thing[number]
        covered[(thing * pixels + pixel % pixels)[thing >= 0]] = True
        hits.append((number, pixel, t))
    solid = torch.full_like(depth, NOTHING, dtype=torch.int64)
    for number, pixel, t in hits:
        first = t == depth[pixel]
        solid.scatter_reduce_(0, pixel[first], number[first], "amax")
    whole = covered.view(-1, pixels).sum(1)

    ray = camera.all_rays()
    to_ground = ground_depth(layout, ray)
    below = to_ground < depth
    depth = torch.where(below, to_ground, depth)
    solid = torch.where(below, GROUND, solid)
    return Seen(ray, depth, solid, whole)


def met(solids: Solids, camera: Camera) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Yield solids, pixels and depths of all meetings, one kind of solid after the other."""
    back = solids.rotation.mT / solids.size[..., None]  # from the world into the unit solid's frame
    into = back @ camera.rotation[solids.scene]  # from the camera's frame into it
    origin = (back @ (camera.position[solids.scene] - solids.centre)[..., None])[..., 0].T.contiguous()
    rectangle = camera.rectangles(solids)
    pixels = camera.height * camera.width
    for kind in (BALL, BOX, FRUSTUM):
        (chosen,) = torch.nonzero(solids.kind == kind, as_tuple=True)
        u1, v1, u2, v2 = rectangle[chosen].unbind(-1)
        number, place = repeat(chosen, (u2 - u1) * (v2 - v1))
        width = (u2 - u1)[number]
        row = torch.div(place, width, rounding_mode="floor")
        u, v = place - row * width + u1[number], row + v1[number]
        number = chosen[number]
        scene = solids.scene[number]
        d = turned(gather(into, number), camera.rays(scene, u, v))
        t = enter(kind, origin.index_select(1, number), d, solids.taper[number])
        (hit,) = torch.nonzero(t < torch.inf, as_tuple=True)
        yield number[hit], (scene * pixels + v * camera.width + u)[hit], t[hit]


def repeat(values: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
    """Return the positions of values repeated by counts, and beside them the count from 0 in each repetition.

    Examples
    --------
    >>> [part.tolist() for part in repeat(torch.tensor([7, 8]), torch.tensor([1, 3]))]
    [[0, 1, 1, 1], [0, 0, 1, 2]]
    """
    number = torch.repeat_interleave(torch.arange(len(values), device=values.device), counts)
    start = counts.cumsum(0) - counts
    return number, torch.arange(len(number), device=values.device) - start[number]


def ground_depth(layout: Layout, ray: Tensor) -> Tensor:
    """Return where rays `(3, P)` meet the ground z = 0 `(P,)`, infinity at the sky and where it is too far."""
    rise = ray[2].view(len(layout.far), -1)
    t = layout.camera.position[:, 2:] / -rise
    return torch.where((rise < 0) & (t < layout.far[:, None]), t, torch.inf).flatten()


def blocked(layout: Layout, thing: Tensor, point: Tensor, to_lamp: Tensor) -> Tensor:
    """Return which points a thing keeps the light from.

    Parameters
    ----------
    layout : Layout
    thing : (Q,)
        Number of the thing among all of the batch.
    point, to_lamp : (3, Q)
        A surface point, and the way from it to the lamp.

    Returns
    -------
    (Q,) bool
    """
    solids = layout.solids
    parts = torch.bincount(solids.thing[solids.thing >= 0], minlength=layout.density.numel())
    start = parts.cumsum(0) - parts
    which, part = repeat(thing, parts[thing])
    number = start[thing[which]] + part
    dark = torch.zeros_like(thing, dtype=torch.bool)
    for kind in (BALL, BOX, FRUSTUM):
        (chosen,) = torch.nonzero(solids.kind[number] == kind, as_tuple=True)
        solid, ray = number[chosen], which[chosen]
        turn, size = gather(solids.rotation, solid), solids.size.T[:, solid]
        o = turned_back(turn, point[:, ray] - solids.centre.T[:, solid]) / size
        d = turned_back(turn, to_lamp[:, ray]) / size
        t = enter(kind, o, d, solids.taper[solid])
        dark[ray[(t > 1e-6) & (t < 1)]] = True
    return dark
