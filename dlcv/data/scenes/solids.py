"""Three convex solids in unit form: where a ray enters them, and which way their surface faces.

Everything that stands in a scene is one of these, scaled, turned and moved. In its own frame each lies within
the cube [-1, 1]^3:

- the ball x^2 + y^2 + z^2 <= 1,
- the box |x|, |y|, |z| <= 1,
- the frustum x^2 + y^2 <= r(z)^2, |z| <= 1, whose radius r(z) = m + k z falls from 1 at the bottom to `taper` at
  the top: a cylinder for taper 1, a cone for taper 0.

Whole of float64: at a silhouette the last bit decides between two labels, and a CPU and a GPU must agree.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

BALL, BOX, FRUSTUM = range(3)


@dataclass
class Solids:
    """The solids of a batch of scenes, in one list.

    Attributes
    ----------
    kind : (S,) BALL, BOX or FRUSTUM
    centre : (S, 3) metres, in the world: x right, y forward, z up
    rotation : (S, 3, 3) from the solid's frame to the world; its columns are the solid's axes
    size : (S, 3) half extents in metres
    taper : (S,) top radius over bottom radius, for frusta
    scene : (S,) which scene of the batch
    thing : (S,) which thing of the batch, counted over all scenes; -1 for walls
    label : (S,) class
    material : (S,) which material of the batch
    tint : (S,) brightness of this part against the rest of its thing
    """

    kind: Tensor
    centre: Tensor
    rotation: Tensor
    size: Tensor
    taper: Tensor
    scene: Tensor
    thing: Tensor
    label: Tensor
    material: Tensor
    tint: Tensor

    def __len__(self) -> int:
        return len(self.kind)

    def take(self, index: Tensor) -> Solids:
        """Return the solids with these numbers, or those where a mask is True."""
        return Solids(**{field.name: getattr(self, field.name)[index] for field in fields(self)})

    def to(self, device: torch.device | str) -> Solids:
        """Return the solids on another device."""
        return Solids(**{field.name: getattr(self, field.name).to(device) for field in fields(self)})


def join(parts: list[Solids]) -> Solids:
    """Return one list of all solids."""
    return Solids(**{f.name: torch.cat([getattr(part, f.name) for part in parts]) for f in fields(Solids)})


def pick(columns: Tensor, number: Tensor) -> Tensor:
    """Return columns of `(K, S)` by number `(P,)` as `(K, P)`.

    Row by row: torch takes a third of the time that it needs for all rows at once.
    """
    picked = columns.new_empty(len(columns), len(number))
    for row, target in zip(columns.contiguous(), picked, strict=True):
        torch.index_select(row, 0, number, out=target)
    return picked


def put(columns: Tensor, number: Tensor, values: Tensor) -> None:
    """Write `values` `(K, Q)` into the columns `number` `(Q,)` of `columns` `(K, P)`, row by row."""
    for row, value in zip(columns, values, strict=True):
        row.scatter_(0, number, value)


def gather(matrices: Tensor, number: Tensor) -> Tensor:
    """Return matrices `(S, 3, 3)` by number `(P,)` as `(3, 3, P)`: long rows, which is what a processor likes."""
    return pick(matrices.permute(1, 2, 0).reshape(9, -1), number).view(3, 3, -1)


def turned(matrix: Tensor, vector: Tensor) -> Tensor:
    """Return matrix times vector for matrices `(3, 3, P)` and vectors `(3, P)`."""
    return matrix[:, 0] * vector[0] + matrix[:, 1] * vector[1] + matrix[:, 2] * vector[2]


def turned_back(matrix: Tensor, vector: Tensor) -> Tensor:
    """Return the transposed matrix times vector, which undoes a rotation."""
    return matrix[0] * vector[0] + matrix[1] * vector[1] + matrix[2] * vector[2]


def dot(a: Tensor, b: Tensor) -> Tensor:
    """Return the inner product of vectors `(3, P)`."""
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def enter_ball(o: Tensor, d: Tensor) -> Tensor:
    """Return t at which each ray o + t d enters the unit ball; infinity where it passes by.

    |o + t d|^2 = 1 is a t^2 + 2 b t + c = 0; the smaller root is the way in.
    """
    a, b, c = dot(d, d), dot(o, d), dot(o, o) - 1
    t = (-b - (b * b - a * c).sqrt()) / a  # nan where there is no root
    return torch.where(t > 0, t, torch.inf)


def enter_box(o: Tensor, d: Tensor) -> Tensor:
    """Return t at which each ray enters the cube [-1, 1]^3: the last of three slabs to be entered."""
    d = torch.where(
        d == 0, torch.finfo(d.dtype).tiny, d
    )  # a ray along a face: outside of that slab for ever, or inside
    reach = 1 / d.abs()
    middle = -o / d
    (x, y, z), (x_out, y_out, z_out) = middle - reach, middle + reach
    t = torch.maximum(torch.maximum(x, y), z)
    out = torch.minimum(torch.minimum(x_out, y_out), z_out)
    return torch.where((t <= out) & (t > 0), t, torch.inf)


def enter_frustum(o: Tensor, d: Tensor, taper: Tensor) -> Tensor:
    """Return t at which each ray enters the frustum: through an end or through the side.

    The side is x^2 + y^2 = (m + k z)^2, again a quadratic a t^2 + 2 b t + c = 0 in t. At its roots the ray crosses
    with speed 2 (a t + b) = -+ 2 sqrt(b^2 - a c), so one root only leads inwards, whatever the sign of a; it counts
    between the ends.
    """
    m, k = (1 + taper) / 2, (taper - 1) / 2
    radius, slope = m + k * o[2], k * d[2]
    a = d[0] * d[0] + d[1] * d[1] - slope * slope
    b = o[0] * d[0] + o[1] * d[1] - radius * slope
    c = o[0] * o[0] + o[1] * o[1] - radius * radius
    side = (-b - (b * b - a * c).sqrt()) / a  # nan where there is no root
    side = torch.where((side > 0) & ((o[2] + side * d[2]).abs() <= 1), side, torch.inf)
    facing = d[2].sign()
    end = (-o[2] - facing) / d[2]  # of the two, the one that faces the ray
    x, y, r = o[0] + end * d[0], o[1] + end * d[1], m - k * facing
    return torch.where((end > 0) & (x * x + y * y <= r * r), torch.minimum(end, side), side)


def enter(kind: int, o: Tensor, d: Tensor, taper: Tensor) -> Tensor:
    """Return t at which rays enter unit solids of one kind.

    Parameters
    ----------
    kind : BALL, BOX or FRUSTUM
    o, d : (3, R)
        Origin and direction of each ray in the solid's own frame; origins lie outside of it.
    taper : (R,)

    Returns
    -------
    (R,) positive, infinity where the ray passes by

    Examples
    --------
    >>> above = torch.tensor([[0.0], [0.0], [3.0]])
    >>> down = torch.tensor([[0.0], [0.0], [-1.0]])
    >>> [enter(kind, above, down, torch.ones(1)).item() for kind in (BALL, BOX, FRUSTUM)]
    [2.0, 2.0, 2.0]
    """
    if kind == BALL:
        return enter_ball(o, d)
    if kind == BOX:
        return enter_box(o, d)
    return enter_frustum(o, d, taper)


def implicit(kind: Tensor, p: Tensor, taper: Tensor) -> Tensor:
    """Return a function of points that is 0 on the unit solid's surface, negative inside, positive outside.

    Parameters
    ----------
    kind, taper : (P,)
    p : (3, P)
        Points in the solid's own frame.
    """
    x, y, z = p
    ball = dot(p, p).sqrt() - 1
    box = p.abs().amax(0) - 1
    radius = (1 + taper) / 2 + (taper - 1) / 2 * z
    frustum = torch.maximum(torch.hypot(x, y) - radius, z.abs() - 1)
    return torch.where(kind == BALL, ball, torch.where(kind == BOX, box, frustum))


def outward(kind: Tensor, p: Tensor, taper: Tensor) -> Tensor:
    """Return the outward normal `(3, P)` of unit solids at points of their surface; not of unit length.

    It is the gradient of `implicit`. On an edge, one of the two faces is taken.
    """
    x, y, z = p
    ax, ay, az = p.abs()
    zero = torch.zeros_like(x)
    x_face, y_face = (ax >= ay) & (ax >= az), (ay > ax) & (ay >= az)
    face = [torch.where(x_face, x, zero), torch.where(y_face, y, zero), torch.where(x_face | y_face, zero, z)]
    k = (taper - 1) / 2
    around = torch.hypot(x, y)
    on_end = (az - 1).abs() < (around - (1 + taper) / 2 - k * z).abs()
    frustum = [
        torch.where(on_end, zero, x),
        torch.where(on_end, zero, y),
        torch.where(on_end, z, -k * around),
    ]
    is_ball, is_box = kind == BALL, kind == BOX
    return torch.stack(
        [torch.where(is_ball, p[i], torch.where(is_box, face[i], frustum[i])) for i in range(3)]
    )
