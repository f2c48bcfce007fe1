"""Colour and pattern of surfaces.

Every pattern is a smooth function of the place on the surface: no jump, so that the last bit of a coordinate
never shows. Patterns say how much of a material's second colour there is, from 0 to 1.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from itertools import product

import torch
from torch import Tensor

from dlcv.data.scenes.solids import pick

PLAIN, STRIPES, CHECKER, SPECKLE, TILES, PLANKS, BRICKS, WINDOWS = range(8)


@dataclass
class Materials:
    """The materials of a batch of scenes, in one list.

    Attributes
    ----------
    first, second : (M, 3)
        Linear RGB, how much light is thrown back.
    pattern : (M,) PLAIN, STRIPES, ...
    frequency : (M,) repeats a metre
    grain : (M,) how strongly the material varies by itself
    salt : (M,) whole number that makes two materials of one pattern differ
    fixed : (M,) bool
        The pattern is fixed to the world and not to the thing that carries it.
    """

    first: Tensor
    second: Tensor
    pattern: Tensor
    frequency: Tensor
    grain: Tensor
    salt: Tensor
    fixed: Tensor

    def __len__(self) -> int:
        return len(self.pattern)

    def take(self, index: Tensor | slice) -> Materials:
        """Return the materials with these numbers."""
        return Materials(**{field.name: getattr(self, field.name)[index] for field in fields(self)})

    def to(self, device: torch.device | str) -> Materials:
        """Return the materials on another device."""
        return Materials(**{field.name: getattr(self, field.name).to(device) for field in fields(self)})


def hsv(hue: Tensor, saturation: Tensor, value: Tensor) -> Tensor:
    """Return linear RGB `(..., 3)`; the familiar colour wheel is one of displayed, not of linear, colour."""
    n = torch.tensor([5.0, 3.0, 1.0], dtype=hue.dtype)
    k = (n + hue[..., None] * 6) % 6
    rgb = value[..., None] * (1 - saturation[..., None] * torch.minimum(k, 4 - k).clamp(0, 1))
    return rgb**2.2


AXES = (0x0DA6B343, 0x58163841, 0x4B1AB31F)
"""What a step along x, y or z adds to the bits of a point of the lattice."""

CORNERS = torch.tensor(
    [x * AXES[0] + y * AXES[1] + z * AXES[2] for z, y, x in product((0, 1), repeat=3)]
).int()
"""What the way from the first corner of a cell to each of its eight corners adds to them; x changes fastest."""


def scrambled(bits: Tensor) -> Tensor:
    """Return random numbers in [0, 1) for int32 `bits`, which are used up.

    A hash of one round: products wrap round at 32 bits, the upper bits are the scrambled ones.
    """
    bits ^= (bits >> 15).bitwise_and_(0x1FFFF)
    bits *= 0x2C1B3C6D
    bits ^= (bits >> 12).bitwise_and_(0xFFFFF)
    bits *= 0x297A2D39
    return bits.bitwise_right_shift_(8).bitwise_and_(0xFFFFFF).float().mul_(2.0**-24)


def value_noise(q: Tensor, salt: Tensor) -> Tensor:
    """Return smooth noise in [0, 1): random numbers on a lattice, interpolated.

    Parameters
    ----------
    q : (3, P), or (2, P) in the plane z = 0
    salt : (P,)
    """
    whole = q.floor()
    t = q - whole
    t = t * t * (3 - 2 * t)
    bits = salt.int()
    for axis, step_of_bits in zip(whole.int(), AXES, strict=False):
        bits = bits + axis * step_of_bits
    value = scrambled(bits + CORNERS[: 2 ** len(q), None].to(bits.device))
    for share in t:
        low, high = value.unflatten(0, (-1, 2)).unbind(1)
        value = torch.addcmul(low, high - low, share)
    return value[0]


def step(low: float, high: float, x: Tensor) -> Tensor:
    """Return 0 below low, 1 above high, and a smooth rise between."""
    t = ((x - low) / (high - low)).clamp(0, 1)
    return t * t * (3 - 2 * t)


def lines(x: Tensor, width: float) -> Tensor:
    """Return 1 along whole numbers, 0 away from them."""
    distance = (x - x.round()).abs()
    return 1 - step(width, width + 0.04, distance)


def courses(x: Tensor, y: Tensor, length: float, joint: float) -> Tensor:
    """Return the joints of a wall laid in courses of height 1, every second one shifted by half a brick."""
    shift = 0.5 * (y.floor() % 2)
    return torch.maximum(lines(y, joint), lines(x / length + shift, joint / length))


def panes(x: Tensor, y: Tensor) -> Tensor:
    """Return the windows of a house front: one upright pane in each cell of the grid."""
    across, up = (x - x.floor() - 0.5).abs(), (y - y.floor() - 0.52).abs()
    return (1 - step(0.22, 0.25, across)) * (1 - step(0.28, 0.31, up))


def amount(pattern: int, q: Tensor, noise: Tensor) -> Tensor:
    """Return how much of the second colour there is `(P,)`.

    Parameters
    ----------
    pattern : PLAIN, STRIPES, ...
    q : (3, P)
        Place on the surface, in repeats of the pattern. Floors use x and y, walls x + y (which runs along a
        wall, whichever way it faces) and z.
    noise : (P,)
    """
    x, y, z = q
    if pattern == STRIPES:
        return step(-0.15, 0.15, torch.sin(2 * torch.pi * z))
    if pattern == CHECKER:
        return step(-0.1, 0.1, torch.sin(torch.pi * x) * torch.sin(torch.pi * y) * torch.sin(torch.pi * z))
    if pattern == SPECKLE:
        return step(0.5, 0.62, noise)
    if pattern == TILES:
        return torch.maximum(lines(x, 0.015), lines(y, 0.015))
    if pattern == PLANKS:
        return courses(y, x, 6.0, 0.02)
    if pattern == BRICKS:
        return courses(x + y, z, 2.2, 0.06)
    if pattern == WINDOWS:
        return panes(x + y, z)
    return torch.zeros_like(x)


def albedo(materials: Materials, index: Tensor, place: Tensor) -> Tensor:
    """Return the colour of surface points.

    Parameters
    ----------
    materials : Materials
    index : (P,) which material
    place : (3, P) float32, in metres, in the frame that the pattern is fixed to

    Returns
    -------
    (3, P) linear RGB
    """
    salt = materials.salt.int().index_select(0, index)
    fine = value_noise(place * 9, salt)
    patterns = materials.pattern.to(torch.uint8).index_select(0, index)
    share = torch.zeros_like(fine)
    for pattern in range(STRIPES, WINDOWS + 1):
        (chosen,) = torch.nonzero(patterns == pattern, as_tuple=True)
        if len(chosen):
            q = pick(place, chosen) * materials.frequency.index_select(0, index.index_select(0, chosen))
            noise = value_noise(q * 2, salt.index_select(0, chosen)) if pattern == SPECKLE else share
            share[chosen] = amount(pattern, q, noise)
    colours = torch.cat([materials.first, materials.second, materials.grain[:, None]], dim=1)
    first, second, (grain,) = pick(colours.T, index).split((3, 3, 1))
    return torch.lerp(first, second, share).mul_(torch.addcmul(1 - 0.5 * grain, grain, fine))
