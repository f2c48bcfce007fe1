"""Light on surfaces: Lambert's law, shadows, and less light where things stand close.

Colours are linear RGB until the very end. Points, normals and colours of all pixels are `(3, P)`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from dlcv.data.scenes.draws import mix
from dlcv.data.scenes.layout import Layout
from dlcv.data.scenes.materials import albedo, step, value_noise
from dlcv.data.scenes.options import SKY, WATER
from dlcv.data.scenes.solids import dot
from dlcv.data.scenes.surface import Surface
from dlcv.data.scenes.visibility import blocked

GOLDEN_ANGLE = 2.399963229728653


def encoded(linear: Tensor) -> Tensor:
    """Return linear light as sRGB (IEC 61966-2-1), both in [0, 1]."""
    bright = 1.055 * linear.clamp(min=0.0031308) ** (1 / 2.4) - 0.055
    return torch.where(linear <= 0.0031308, 12.92 * linear, bright)


def shade(layout: Layout, seen: Surface, depth: Tensor, samples: int) -> Tensor:
    """Return the image as linear RGB `(3, P)`.

    Parameters
    ----------
    layout : Layout
    seen : Surface
    depth : (P,)
        Infinity in the sky.
    samples : int
        Points of the lamp that each surface point looks at.
    """
    n, scene, street = len(layout.street), seen.scene, layout.street[seen.scene]
    sky, water = seen.label == SKY, seen.label == WATER
    sun = torch.tensor([1.0, 0.93, 0.82], device=scene.device)
    indoors = torch.tensor([0.33, 0.31, 0.29], device=scene.device)

    share, open_sky = light(layout, seen, samples)
    rise = seen.normal[2].float()
    horizon, overhead = layout.sky.permute(1, 2, 0)  # (3, N) each
    outdoors = (0.35 * overhead + 0.2 * horizon)[:, scene] * (0.5 + 0.5 * rise) + 0.06
    around = torch.where(street, outdoors, indoors[:, None] * (0.75 + 0.25 * rise))
    image = albedo(layout.materials, seen.material, seen.place) * seen.tint.float()
    image = image * (around * open_sky + share * sun[:, None])

    (at,) = torch.nonzero(water, as_tuple=True)
    image[:, at] = ripples(layout, scene[at], seen.point[:, at].float(), seen.ray[:, at].float())
    haze = torch.where(street, 1 - torch.exp(-depth.float() / 220), 0.0)
    image = image + (horizon[:, scene] - image) * haze
    (at,) = torch.nonzero(sky, as_tuple=True)
    image[:, at] = sky_colour(layout, scene[at], seen.ray[:, at].float())
    return image.view(3, n, -1)


def light(layout: Layout, seen: Surface, samples: int) -> tuple[Tensor, Tensor]:
    """Return how much of the lamp's light and how much of the sky each surface point gets, both `(P,)`.

    The lamp: Lambert's cosine, times the share of the lamp's points that no thing hides. Walls hide nothing.
    The sky: a sphere of radius r whose centre lies at distance l takes cos(angle) r^2 / l^2 of the light that
    falls on a surface; things are taken as the spheres around them, thinned by how full they are.
    """
    n, things = layout.density.shape
    point, normal = seen.point.view(3, n, -1), seen.normal.view(3, n, -1)
    to_lamp = layout.lamp.T[:, :, None] - point
    distance = dot(to_lamp, to_lamp).sqrt()
    slope = (dot(normal, to_lamp) / distance).float()
    matte = ((seen.label != SKY) & (seen.label != WATER)).view(n, -1)
    faces = matte & (slope > 0)

    p, normal32, d = point.float(), normal.float(), (to_lamp / distance).float()
    spread = lamp_size(layout, samples)[:, None].float() / distance.float()
    open_sky, spheres = torch.ones_like(slope), layout.sphere.float()
    pairs = []
    for slot in range(things):
        x, y, z, radius = spheres[:, slot, :, None].unbind(1)
        across = torch.stack([x - p[0], y - p[1], z - p[2]])
        square = dot(across, across).clamp(min=1e-6)
        taken = dot(across, normal32).clamp(min=0) / square.sqrt() * (radius * radius / square).clamp(max=1)
        open_sky = open_sky * (1 - 0.75 * layout.density[:, slot, None].float() * taken)
        # Only rays to the lamp that pass the sphere around a thing can meet the thing.
        along = dot(across, d)
        near = square - along * along < (1.01 * radius + 0.01 + spread * along.clamp(min=0)).square()
        scene, pixel = torch.nonzero(near & faces & (along > -radius) & (radius > 0), as_tuple=True)
        pairs.append((torch.full_like(scene, slot), scene, pixel))
    slot, scene, pixel = (torch.cat(part) for part in zip(*pairs, strict=True))

    hidden = torch.zeros_like(slope)
    for sample in range(samples):
        way = lamp_points(layout, scene, pixel, sample, samples) - point[:, scene, pixel]
        (met,) = torch.nonzero(
            blocked(layout, scene * things + slot, point[:, scene, pixel], way), as_tuple=True
        )
        dark = torch.zeros_like(faces)
        dark[scene[met], pixel[met]] = True
        hidden += dark
    fall = torch.where(layout.street[:, None], 1.35, 1.9 / (1 + 0.1 * distance.square())).float()
    lambert = torch.where(faces, slope * fall * (1 - hidden / samples), 0.0)
    return lambert.flatten(), open_sky.flatten()


def lamp_size(layout: Layout, samples: int) -> Tensor:
    """Return the lamps' radii `(N,)` in metres; a lamp that is looked at once is a point."""
    return torch.where(layout.street, 2.0, 0.25).double() * (samples > 1)


def lamp_points(layout: Layout, scene: Tensor, pixel: Tensor, sample: int, samples: int) -> Tensor:
    """Return a point of the lamp `(3, Q)` for each of some pixels: one of a sunflower of points.

    The sunflower is turned by a random angle in each pixel, so that few points give grain and no bands.
    """
    angle = mix(pixel ^ layout.salt[scene]).double() / 2**32 * (2 * torch.pi) + sample * GOLDEN_ANGLE
    size = lamp_size(layout, samples)[scene] * ((sample + 0.5) / samples) ** 0.5
    return layout.lamp.T[:, scene] + size * torch.stack([angle.cos(), angle.sin(), torch.zeros_like(angle)])


def sky_colour(layout: Layout, scene: Tensor, ray: Tensor) -> Tensor:
    """Return the sky in directions `(3, P)`: a gradient with a layer of clouds."""
    horizon, overhead = layout.sky[scene].permute(1, 2, 0)
    rise = ray[2] / dot(ray, ray).sqrt()
    base = horizon + (overhead - horizon) * rise.clamp(0, 1) ** 0.6
    reach = ray[2].clamp(min=0) + 0.12
    q = torch.stack([ray[0] / reach, ray[1] / reach, torch.zeros_like(reach)])
    salt = layout.salt[scene]
    cloud = 0.6 * value_noise(q * 1.3, salt) + 0.4 * value_noise(q * 3.1, salt + 1)
    return base + (1 - base) * 0.6 * step(0.5, 0.85, cloud) * step(0.0, 0.25, rise)


def ripples(layout: Layout, scene: Tensor, point: Tensor, ray: Tensor) -> Tensor:
    """Return the colour of water: the sky thrown back by small waves, the deep where one looks straight in."""
    salt = layout.salt[scene]
    q = torch.stack([point[0] * 4, point[1] * 7, point[2]])
    wave = value_noise(q, salt + 2) + 0.5 * value_noise(q * 2.3, salt + 3) - 0.75
    ray = ray / dot(ray, ray).sqrt()
    grazing = (1 + ray[2]).clamp(0, 1)  # 1 along the water, 0 straight down
    mirror = (0.12 + 0.75 * grazing**3 + 0.25 * wave * grazing).clamp(0, 1)
    bounced = torch.stack([ray[0], ray[1], (ray[2].abs() + 0.1 * wave).clamp(min=0.02)])
    deep = torch.stack([0.02 + 0.03 * wave, 0.09 + 0.05 * wave, 0.10 + 0.05 * wave])
    return deep + mirror * (sky_colour(layout, scene, bounced) - deep)
