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
from dlcv.data.scenes.solids import BALL, BOX, FRUSTUM, Solids, enter, gather, pick, turned_back

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
    solids, n = layout.solids, len(layout)
    device, pixels = solids.size.device, camera.height * camera.width
    depth = torch.full((n * pixels,), torch.inf, dtype=torch.float64, device=device)
    # One map of the image for each thing, and one more for all walls: which pixels it would cover alone.
    things = layout.density.numel()
    covered = torch.zeros((things + 1) * pixels, dtype=torch.bool, device=device)
    own_map = (torch.where(solids.thing < 0, things, solids.thing) - solids.scene) * pixels
    hits = list(met(solids, camera))
    for number, pixel, t in hits:
        depth.scatter_reduce_(0, pixel, t, "amin")
        covered.scatter_(0, own_map.index_select(0, number) + pixel, True)
    solid = torch.full_like(depth, NOTHING, dtype=torch.int64)
    for number, pixel, t in hits:
        first = torch.where(t == depth.index_select(0, pixel), number, NOTHING)
        solid.scatter_reduce_(0, pixel, first, "amax")
    whole = covered.view(-1, pixels)[:-1].sum(1)

    ray = camera.all_rays()
    to_ground = ground_depth(layout, ray)
    solid = torch.where(to_ground < depth, GROUND, solid)
    return Seen(ray, torch.minimum(depth, to_ground), solid, whole)


STRIP = 8
"""Pixels of a row that are followed together; an image has at least as many columns."""


def met(solids: Solids, camera: Camera) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Yield solids, pixels and depths of all meetings, one kind of solid after the other.

    The rectangle around a solid is cut into strips. Within a strip the rays are `d + i step`: what belongs to the
    solid is looked up once a strip and not once a pixel. Strips may overlap, so a meeting may come twice.
    """
    back = solids.rotation.mT / solids.size[..., None]  # from the world into the unit solid's frame
    into = back @ camera.rotation[solids.scene]  # from the camera's frame into it
    origin = (back @ (camera.position[solids.scene] - solids.centre)[..., None])[..., 0]
    per_pixel = into[..., :2] / camera.focal[solids.scene][:, None, None]
    rays = torch.cat([per_pixel, into[..., 2:], origin[..., None]], dim=-1)
    rays = rays.permute(2, 1, 0).flatten(0, 1)  # step right, step down, straight on, origin: (4 * 3, S)
    rectangle, (cx, cy) = camera.rectangles(solids), camera.centre
    start, along = (
        solids.scene * (camera.height * camera.width),
        torch.arange(STRIP, device=origin.device)[:, None],
    )
    for kind in (BALL, BOX, FRUSTUM):
        (chosen,) = torch.nonzero(solids.kind == kind, as_tuple=True)
        u1, v1, u2, v2 = rectangle[chosen].unbind(-1)
        strips = (u2 - u1 + STRIP - 1) // STRIP
        number, place = repeat(chosen, (v2 - v1) * strips)
        row = place // strips[number]
        u = (u1[number] + (place - row * strips[number]) * STRIP).clamp(max=camera.width - STRIP)
        v, number = v1[number] + row, chosen[number]
        right, down, straight, o = pick(rays, number).view(4, 3, -1)
        d = right * (u - cx) + (down * (v - cy) + straight)
        d = d[:, None] + right[:, None] * along  # (3, STRIP, strips)
        t = enter(kind, o[:, None], d, solids.taper.index_select(0, number))
        i, strip = torch.nonzero(t < torch.inf, as_tuple=True)
        pixel = (start.index_select(0, number) + v * camera.width + u).index_select(0, strip) + i
        yield number.index_select(0, strip), pixel, t.flatten().index_select(0, i * len(number) + strip)


def repeat(values: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
    """Return the positions of values repeated by counts, and beside them the count from 0 in each repetition.

    Examples
    --------
    >>> [part.tolist() for part in repeat(torch.tensor([7, 8]), torch.tensor([1, 3]))]
    [[0, 1, 1, 1], [0, 0, 1, 2]]
    """
    number = torch.repeat_interleave(torch.arange(len(values), device=values.device), counts)
    start = counts.cumsum(0) - counts
    return number, torch.arange(len(number), device=values.device) - start.index_select(0, number)


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
        turn, size = gather(solids.rotation, solid), pick(solids.size.T, solid)
        o = turned_back(turn, pick(point, ray) - pick(solids.centre.T, solid)) / size
        d = turned_back(turn, pick(to_lamp, ray)) / size
        t = enter(kind, o, d, solids.taper[solid])
        dark[ray[(t > 1e-6) & (t < 1)]] = True
    return dark
