"""The surface that each pixel sees: where it is, which way it faces, what it belongs to."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from dlcv.data.scenes.camera import Camera
from dlcv.data.scenes.layout import Layout
from dlcv.data.scenes.options import GROUND, SKY, WATER
from dlcv.data.scenes.solids import dot, gather, outward, pick, put, turned, turned_back
from dlcv.data.scenes.stage import wet
from dlcv.data.scenes.visibility import GROUND as ON_GROUND
from dlcv.data.scenes.visibility import NOTHING, Seen


@dataclass
class Surface:
    """Surface points of all pixels of a batch, `P = N * H * W`, in the world's frame.

    Attributes
    ----------
    scene : (P,)
    label : (P,)
        Class.
    thing : (P,)
        Number of the thing among all of the batch, or -1.
    ray : (3, P) float64
        From the camera through the pixel, of depth 1.
    point, normal : (3, P) float64
        In the sky the point is the camera and the normal is 0; elsewhere the normal has unit length and faces the
        camera.
    place : (3, P) float32
        The point in the frame that its pattern is fixed to.
    material : (P,)
    tint : (P,) float32
    """

    scene: Tensor
    label: Tensor
    thing: Tensor
    ray: Tensor
    point: Tensor
    normal: Tensor
    place: Tensor
    material: Tensor
    tint: Tensor


def surface(layout: Layout, camera: Camera, seen: Seen) -> Surface:
    """Return what the pixels see."""
    solids, n = layout.solids, len(layout)
    scene = torch.arange(n, device=seen.depth.device).repeat_interleave(camera.height * camera.width)
    sky = seen.solid == NOTHING
    point = seen.ray * torch.where(sky, 0.0, seen.depth)
    point = (point.view(3, n, -1) + camera.position.T[:, :, None]).flatten(1)

    rows, things = len(layout.materials) // n, layout.density.shape[1]
    normal = torch.zeros_like(point)
    normal[2] = ~sky
    label = torch.where(sky, SKY, GROUND)
    flood(layout, scene, seen.solid, point, label)
    thing = torch.full_like(label, -1)
    material = scene * rows + things
    place, tint = point.float(), torch.ones_like(seen.depth, dtype=torch.float32)

    (on,) = torch.nonzero(seen.solid >= 0, as_tuple=True)
    number = seen.solid.index_select(0, on)
    whole = torch.stack([solids.label, solids.thing, solids.material])
    own_label, own_thing, own_material = pick(whole, number)
    own = torch.cat([solids.size.T, solids.centre.T, solids.taper[None], solids.tint[None]])
    size, centre, taper, own_tint = pick(own, number).split((3, 3, 1, 1))
    turn, at = gather(solids.rotation, number), pick(point, on)
    metres = turned_back(turn, at - centre)
    kind = solids.kind.index_select(0, number)
    facing = turned(turn, outward(kind, metres / size, taper[0]) / size)
    facing /= dot(facing, facing).sqrt()
    fixed = layout.materials.fixed.index_select(0, own_material)
    put(normal, on, facing)
    put(place, on, torch.where(fixed, at, metres).float())
    put(label[None], on, own_label[None])
    put(thing[None], on, own_thing[None])
    put(material[None], on, own_material[None])
    put(tint[None], on, own_tint.float())
    return Surface(scene, label, thing, seen.ray, point, normal, place, material, tint)


def flood(layout: Layout, scene: Tensor, solid: Tensor, point: Tensor, label: Tensor) -> None:
    """Write water into `label` `(P,)` where the ground is covered with it."""
    has_water = (layout.water[:, 2] > 0).index_select(0, scene)
    (on,) = torch.nonzero((solid == ON_GROUND) & has_water, as_tuple=True)
    (x, y), of_scene = pick(point[:2], on), scene.index_select(0, on)
    here = wet(pick(layout.water.T, of_scene).T, x, y)
    label[on[here]] = WATER
