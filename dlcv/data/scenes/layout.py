"""A batch of scenes before anything has been seen: stage, things, surfaces, light.

All numbers are made on the CPU from `Draws`, for the whole batch at once; shapes are `(N, ...)` for N scenes
and `(N, T, ...)` for T places for things in each. The world has x to the right, y forward, z up, in metres.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from dlcv.data.scenes.camera import Camera
from dlcv.data.scenes.draws import Draws
from dlcv.data.scenes.materials import Materials
from dlcv.data.scenes.options import SceneOptions
from dlcv.data.scenes.placement import placed
from dlcv.data.scenes.solids import Solids, join
from dlcv.data.scenes.stage import families, lamps, skies, stage, wall_solids, waters
from dlcv.data.scenes.surfaces import surfaces
from dlcv.data.scenes.things import choose_things, spheres, thing_solids


@dataclass
class Layout:
    """A batch of scenes before anything has been seen.

    Attributes
    ----------
    camera : Camera
    solids : Solids
        Those of the things first, thing by thing, then the walls.
    materials : Materials
        For each scene those of its T things, then the ground, then the walls.
    street : (N,) bool
    far : (N,)
        Depth in metres beyond which there is only sky.
    lamp : (N, 3)
        Where the light is.
    water : (N, 6)
        Centre x and y, half extents, angle, exponent of a superellipse; half extents 0: no water.
    sphere : (N, T, 4)
        Centre and radius of a sphere around each thing; radius 0: no such thing.
    density : (N, T)
        How much of that sphere is filled, roughly.
    sky : (N, 2, 3)
        Linear RGB at the horizon and overhead.
    salt : (N,)
        For noise that belongs to a scene.
    """

    camera: Camera
    solids: Solids
    materials: Materials
    street: Tensor
    far: Tensor
    lamp: Tensor
    water: Tensor
    sphere: Tensor
    density: Tensor
    sky: Tensor
    salt: Tensor

    def __len__(self) -> int:
        return len(self.street)

    def to(self, device: torch.device | str) -> Layout:
        """Return the layout on another device."""
        return Layout(*(part.to(device) for part in vars(self).values()))

    def parts(self, size: int) -> Iterator[Layout]:
        """Yield the layouts of the first `size` scenes, of the next, and so on; the last may hold fewer."""
        for start in range(0, len(self), size):
            yield self.part(start, min(start + size, len(self)))

    def part(self, start: int, stop: int) -> Layout:
        """Return the layout of some of the scenes alone."""
        if (start, stop) == (0, len(self)):
            return self
        rows, things = len(self.materials) // len(self), self.density.shape[1]
        solids = self.solids.take((self.solids.scene >= start) & (self.solids.scene < stop))
        solids = replace(
            solids,
            scene=solids.scene - start,
            thing=torch.where(solids.thing < 0, -1, solids.thing - start * things),
            material=solids.material - start * rows,
        )
        own = {
            field.name: getattr(self, field.name)[start:stop]
            for field in fields(self)
            if field.name not in ("camera", "solids", "materials")
        }
        materials = self.materials.take(slice(start * rows, stop * rows))
        return Layout(self.camera.take(slice(start, stop)), solids, materials, **own)


def lay_out(
    draws: Draws, options: SceneOptions, height: int, width: int, growth: Tensor | None = None
) -> Layout:
    """Return N scenes, one for each number in `draws`.

    Parameters
    ----------
    draws : Draws
    options : SceneOptions
    height, width : int
        Of the image in pixels.
    growth : (N,)
        Factor on the size of all things of a scene, which stay where they stand.
    """
    street = families(draws, options)
    camera, bounds = stage(draws, street, height, width)
    water = waters(draws, options, street, bounds)
    plan = placed(draws, options, choose_things(draws, options, street), street, camera, bounds, water)
    if growth is not None:
        plan = plan.scaled(growth)
    materials, index = surfaces(draws, options, plan, street, camera, bounds)
    solids = join([thing_solids(plan, index, draws), wall_solids(draws, street, bounds, index.shape[1])])
    far = torch.where(street, 70.0, bounds[:, 1] + 0.5)
    sphere, density = spheres(plan)
    salt = draws.bits("salt")
    return Layout(
        camera,
        solids,
        materials,
        street,
        far,
        lamps(draws, street, bounds),
        water,
        sphere,
        density,
        skies(draws),
        salt,
    )
