"""Light on surfaces: Lambert's law, shadows, and less light where things stand close.

Colours are linear RGB until the very end. Points, normals and colours of all pixels are `(3, P)`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from dlcv.data.scenes.draws import mix
from dlcv.data.scenes.layout import Layout
from dlcv.data.scenes.materials import albedo, step, value_noise
from dlcv.data.scenes.options import SKY, WATER
from dlcv.data.scenes.solids import dot, pick
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
    n = len(layout)
    share, open_sky = light(layout, seen, samples)
    colour = albedo(layout.materials, seen.material, seen.place) * seen.tint
    around, turned_up = surroundings(layout)
    around = torch.addcmul(around, turned_up, seen.normal[2].float().view(n, -1))
    sun = torch.tensor([1.0, 0.93, 0.82], device=colour.device)[:, None, None]
    image = colour.view(3, n, -1) * torch.addcmul(around * open_sky, sun, share)

    image = image.flatten(1)
    (at,) = torch.nonzero(seen.label == WATER, as_tuple=True)
    image[:, at] = ripples(layout, seen.scene[at], pick(seen.point, at).float(), pick(seen.ray, at).float())
    thickness = torch.where(layout.street, 1 / 220, 0.0)[:, None]
    haze = 1 - torch.exp(-thickness * depth.float().clamp(max=1e4).view(n, -1))
    horizon = layout.sky[:, 0].T[..., None]
    image = torch.lerp(image.view(3, n, -1), horizon, haze).flatten(1)
    (at,) = torch.nonzero(seen.label == SKY, as_tuple=True)
    image[:, at] = sky_colour(layout, seen.scene[at], pick(seen.ray, at).float())
    return image.view(3, n, -1)


def surroundings(layout: Layout) -> tuple[Tensor, Tensor]:
    """Return the light from all around on an upright surface, and how much more a level one gets: `(3, N, 1)`."""
    horizon, overhead = layout.sky.unbind(1)
    of_sky = 0.175 * overhead + 0.1 * horizon
    of_room = torch.tensor([0.33, 0.31, 0.29], device=of_sky.device)
    street = layout.street[:, None]
    upright = torch.where(street, of_sky + 0.06, 0.75 * of_room)
    more = torch.where(street, of_sky, 0.25 * of_room)
    return upright.T[..., None], more.T[..., None]


def light(layout: Layout, seen: Surface, samples: int) -> tuple[Tensor, Tensor]:
    """Return how much of the lamp's light and how much of the sky each surface point gets, both `(N, H * W)`.

    The lamp: Lambert's cosine, times the share of the lamp's points that no thing hides. Walls hide nothing.
    The sky: a sphere of radius r whose centre lies at distance l takes cos(angle) r^2 / l^2 of the light that
    falls on a surface; things are taken as the spheres around them, thinned by how full they are.
    """
    n = len(layout)
    point, normal = seen.point.float().view(3, n, -1), seen.normal.float().view(3, n, -1)
    to_lamp = layout.lamp.float().T[:, :, None] - point
    distance = inner(to_lamp, to_lamp).sqrt_()
    to_lamp = (to_lamp / distance).unbind()
    point, normal = point.unbind(), normal.unbind()
    slope = inner(normal, to_lamp)
    faces = (slope > 0) & ((seen.label != SKY) & (seen.label != WATER)).view(n, -1)
    away = torch.where(faces, 0.0, torch.inf)
    spread = lamp_size(layout, samples)[:, None] / distance if samples > 1 else None

    spheres = layout.sphere.float().permute(1, 2, 0)[..., None]  # (T, 4, N, 1)
    weights = 0.75 * layout.density.float().T[..., None]
    open_sky = torch.ones_like(slope)
    near = []
    for sphere, weight in zip(spheres, weights, strict=True):
        across, radius = [centre - at for centre, at in zip(sphere[:3], point, strict=True)], sphere[3]
        square = inner(across, across).clamp_(min=1e-6)
        along = inner(across, to_lamp)
        near.append(torch.nonzero(way_past(radius, square, along, spread) > away))
        closeness = square.rsqrt_()
        hidden = inner(across, normal).clamp_(min=0).mul_(closeness)
        hidden *= closeness.mul_(radius).square_().clamp_(max=1)
        open_sky.addcmul_(open_sky, hidden.mul_(weight), value=-1)

    lit = 1 - shadow(layout, seen.point, near, samples).view(n, -1) / samples
    fall = torch.where(layout.street[:, None], 1.35, 1.9 / (1 + 0.1 * distance.square()))
    return torch.where(faces, slope * fall * lit, 0.0), open_sky


def inner(a: Sequence[Tensor], b: Sequence[Tensor]) -> Tensor:
    """Return the inner product of three components each, for colours; labels hang on `dot`, which rounds alike on
    all devices."""
    return (a[0] * b[0]).addcmul_(a[1], b[1]).addcmul_(a[2], b[2])


def way_past(radius: Tensor, square: Tensor, along: Tensor, spread: Tensor | None) -> Tensor:
    """Return a number above 0 wherever the way to the lamp may pass through a sphere.

    Parameters
    ----------
    radius : (N, 1)
        Of the sphere; 0: no such thing, and nothing passes through it.
    square, along : (N, P)
        Distance to the sphere's centre, squared, and its part along the way to the lamp.
    spread : (N, P), or None
        How much a way to the lamp's rim leads away from the way to its middle, a metre.
    """
    reach = 1.01 * radius + 0.01
    if spread is not None:
        reach = torch.addcmul(reach, spread, along.clamp(min=0))
    behind = torch.where(radius > 0, radius, -torch.inf)
    return torch.minimum(torch.addcmul(reach * reach - square, along, along), along + behind)


def shadow(layout: Layout, point: Tensor, near: list[Tensor], samples: int) -> Tensor:
    """Return how many of the lamp's points are hidden from each surface point `(P,)`.

    Parameters
    ----------
    layout : Layout
    point : (3, P)
    near : list of (Q, 2)
        For each place for things, the scenes and pixels whose light the thing there may take.
    samples : int
    """
    slot = torch.repeat_interleave(
        torch.arange(len(near), device=point.device),
        torch.tensor([len(pairs) for pairs in near], device=point.device),
    )
    scene, pixel = torch.cat(near).unbind(1)
    place = scene * (point.shape[1] // len(layout)) + pixel
    thing, start = scene * len(near) + slot, pick(point, place)
    count = torch.zeros(point.shape[1], device=point.device)
    for sample in range(samples):
        way = lamp_points(layout, scene, pixel, sample, samples) - start
        dark = torch.zeros_like(count)
        dark[place[blocked(layout, thing, start, way)]] = 1.0
        count += dark
    return count


def lamp_size(layout: Layout, samples: int) -> Tensor:
    """Return the lamps' radii `(N,)` in metres; a lamp that is looked at once is a point."""
    return torch.where(layout.street, 2.0, 0.25) * (samples > 1)


def lamp_points(layout: Layout, scene: Tensor, pixel: Tensor, sample: int, samples: int) -> Tensor:
    """Return a point of the lamp `(3, Q)` for each of some pixels: one of a sunflower of points.

    The sunflower is turned by a random angle in each pixel, so that few points give grain and no bands.
    """
    lamp = pick(layout.lamp.T, scene)
    if samples > 1:
        angle = mix(pixel ^ layout.salt.index_select(0, scene)).double() / 2**32 * (2 * torch.pi)
        angle += sample * GOLDEN_ANGLE
        size = lamp_size(layout, samples).double()[scene] * ((sample + 0.5) / samples) ** 0.5
        lamp[:2] += size * torch.stack([angle.cos(), angle.sin()])
    return lamp


def sky_colour(layout: Layout, scene: Tensor, ray: Tensor) -> Tensor:
    """Return the sky in directions `(3, P)`: a gradient with a layer of clouds."""
    horizon, overhead = pick(layout.sky.permute(1, 2, 0).flatten(0, 1), scene).view(2, 3, -1)
    rise = ray[2] / dot(ray, ray).sqrt()
    base = torch.lerp(horizon, overhead, rise.clamp(0, 1) ** 0.6)
    q = ray[:2] / (ray[2].clamp(min=0) + 0.12)
    salt = layout.salt.index_select(0, scene)
    large, small = value_noise(torch.cat([q * 1.3, q * 3.1], dim=1), torch.cat([salt, salt + 1])).chunk(2)
    clouds = step(0.5, 0.85, 0.6 * large + 0.4 * small) * step(0.0, 0.25, rise)
    return base + (1 - base) * (0.6 * clouds)


def ripples(layout: Layout, scene: Tensor, point: Tensor, ray: Tensor) -> Tensor:
    """Return the colour of water: the sky thrown back by small waves, the deep where one looks straight in."""
    salt = layout.salt.index_select(0, scene)
    q = torch.stack([point[0] * 4, point[1] * 7])
    large, small = value_noise(torch.cat([q, q * 2.3], dim=1), torch.cat([salt + 2, salt + 3])).chunk(2)
    wave = large + 0.5 * small - 0.75
    ray = ray / dot(ray, ray).sqrt()
    grazing = (1 + ray[2]).clamp(0, 1)  # 1 along the water, 0 straight down
    mirror = (0.12 + 0.75 * grazing**3 + 0.25 * wave * grazing).clamp(0, 1)
    bounced = torch.stack([ray[0], ray[1], (ray[2].abs() + 0.1 * wave).clamp(min=0.02)])
    deep = torch.stack([0.02 + 0.03 * wave, 0.09 + 0.05 * wave, 0.10 + 0.05 * wave])
    return deep + mirror * (sky_colour(layout, scene, bounced) - deep)
