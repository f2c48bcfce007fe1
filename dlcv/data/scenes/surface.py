"""The surface that each pixel sees: where it is, which way it faces, what it belongs to."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from dlcv.data.scenes.camera import Camera
from dlcv.data.scenes.layout import Layout
from dlcv.data.scenes.options import GROUND, SKY, WATER
from dlcv.data.scenes.solids import dot, gather, outward, turned, turned_back
from dlcv.data.scenes.stage import wet
from dlcv.data.scenes.visibility import GROUND as ON_GROUND
from dlcv.data.scenes.visibility import Seen


@dataclass
class Surface:
    """Surface points of all pixels of a batch, `P = N * H * W`; float64, in the world's frame.

    Attributes
    ----------
    scene : (P,)
    label : (P,)
        Class.
    thing : (P,)
        Number of the thing among all of the batch, or -1.
    ray : (3, P)
        From the camera through the pixel, of depth 1.
    point, normal : (3, P)
        The normal has unit length and faces the camera; both are 0 in the sky.
    place : (3, P)
        The point in the frame that its pattern is fixed to.
    material : (P,)
    tint : (P,)
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
    solids, n, pixels = layout.solids, len(layout.street), camera.height * camera.width
    device = seen.depth.device
    scene = torch.arange(n, device=device).repeat_interleave(pixels)
    hit = seen.solid >= ON_GROUND
    point = (seen.ray * torch.where(hit, seen.depth, 0.0)).view(3, n, -1) + camera.position.T[:, :, None]
    point = torch.where(hit, point.flatten(1), 0.0)

    rows, things = len(layout.materials.pattern) // n, layout.density.shape[1]
    normal = torch.zeros_like(point)
    normal[2] = hit
    label = torch.where(hit, GROUND, SKY)
    in_water = wet(layout.water[:, None], point[0].view(n, -1), point[1].view(n, -1)).flatten()
    label[(label == GROUND) & in_water] = WATER
    thing = torch.full_like(label, -1)
    material = scene * rows + things
    place, tint = point.clone(), torch.ones_like(seen.depth)

    (on,) = torch.nonzero(seen.solid >= 0, as_tuple=True)
    number = seen.solid[on]
    turn, size = gather(solids.rotation, number), solids.size.T[:, number]
    metres = turned_back(turn, point[:, on] - solids.centre.T[:, number])
    facing = turned(turn, outward(solids.kind[number], metres / size, solids.taper[number]) / size)
    normal[:, on] = facing / dot(facing, facing).sqrt()
    label[on], thing[on], tint[on] = solids.label[number], solids.thing[number], solids.tint[number]
    material[on] = solids.material[number]
    place[:, on] = torch.where(layout.materials.fixed[material[on]], point[:, on], metres)
    return Surface(scene, label, thing, seen.ray, point, normal, place, material, tint)
