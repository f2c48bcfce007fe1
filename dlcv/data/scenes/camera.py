"""Pinhole cameras: rays out of pixels, and solids into rectangles of pixels.

The camera looks along its z axis, x points right, y down. Pixel (u, v) has its centre at whole numbers, and
its ray is ((u - cx) / f, (v - cy) / f, 1): since the last component is 1, the ray's parameter is the depth.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from dlcv.data.scenes.solids import Solids


@dataclass
class Camera:
    """The cameras of a batch of scenes.

    Attributes
    ----------
    height, width : int
        Size of the images in pixels.
    focal : (N,) in pixels
    rotation : (N, 3, 3)
        From the camera's frame to the world: x right, y forward, z up.
    position : (N, 3) in metres
    """

    height: int
    width: int
    focal: Tensor
    rotation: Tensor
    position: Tensor

    @property
    def centre(self) -> tuple[float, float]:
        """Principal point (cx, cy): the middle of the image."""
        return (self.width - 1) / 2, (self.height - 1) / 2

    def intrinsics(self) -> Tensor:
        """Return K as `(N, 3, 3)`."""
        matrix = torch.eye(3, dtype=self.focal.dtype, device=self.focal.device).repeat(len(self.focal), 1, 1)
        matrix[:, 0, 0] = matrix[:, 1, 1] = self.focal
        matrix[:, 0, 2], matrix[:, 1, 2] = self.centre
        return matrix

    def take(self, index: slice) -> Camera:
        """Return some of the cameras."""
        return Camera(self.height, self.width, self.focal[index], self.rotation[index], self.position[index])

    def to(self, device: torch.device | str) -> Camera:
        """Return the cameras on another device."""
        own = (self.focal.to(device), self.rotation.to(device), self.position.to(device))
        return Camera(self.height, self.width, *own)

    def finer(self, factor: int) -> Camera:
        """Return the same view with every pixel split into factor x factor."""
        return Camera(
            self.height * factor, self.width * factor, self.focal * factor, self.rotation, self.position
        )

    def rays(self, scene: Tensor, u: Tensor, v: Tensor) -> Tensor:
        """Return rays `(3, R)` in the camera's frame for pixels `u`, `v` of the scenes `scene`, all `(R,)`."""
        cx, cy = self.centre
        focal = self.focal[scene]
        return torch.stack([(u - cx) / focal, (v - cy) / focal, torch.ones_like(focal)])

    def all_rays(self) -> Tensor:
        """Return the rays of all pixels in the world's frame `(3, N * H * W)`, scene by scene, row by row."""
        cx, cy = self.centre
        focal = self.focal[:, None]
        u = (torch.arange(self.width, dtype=focal.dtype, device=focal.device) - cx) / focal
        v = (torch.arange(self.height, dtype=focal.dtype, device=focal.device) - cy) / focal
        right, down, forward = self.rotation.permute(2, 1, 0)[..., None]  # (3, N, 1) each
        across, along = right * u, down * v + forward  # (3, N, W) and (3, N, H)
        return (across[:, :, None, :] + along[:, :, :, None]).flatten(1)

    def rectangles(self, solids: Solids) -> Tensor:
        """Return `(S, 4)` whole pixels u1, v1, u2, v2 (the last two not included) outside of which no ray
        meets the solid: around its own box, as far as that lies before the camera.
        """
        corners = CORNERS.to(solids.size) * solids.size[:, None]
        world = corners @ solids.rotation.mT + (solids.centre - self.position[solids.scene])[:, None]
        corners = world @ self.rotation[solids.scene]
        # Where an edge passes the plane z = NEAR it is cut; of the rest, the corners matter.
        a, b = corners[:, EDGES[0]], corners[:, EDGES[1]]
        share = (NEAR - a[..., 2:]) / (b[..., 2:] - a[..., 2:])
        cut = a + share * (b - a)
        points = torch.cat([corners, cut], dim=1)
        valid = torch.cat([corners[..., 2] >= NEAR, ((share >= 0) & (share <= 1))[..., 0]], dim=1)[..., None]

        size = torch.tensor([self.width, self.height], dtype=a.dtype, device=a.device)
        seen = points[..., :2] / points[..., 2:].clamp(min=NEAR) * self.focal[solids.scene][:, None, None]
        seen = seen + (size - 1) / 2
        low = torch.where(valid, seen, torch.inf).amin(1).floor()
        high = torch.where(valid, seen, -torch.inf).amax(1).ceil() + 1
        low, high = torch.minimum(low.clamp(min=0), size), torch.minimum(high.clamp(min=0), size)
        return torch.cat([low, torch.maximum(low, high)], dim=1).long()


NEAR = 0.05
"""Nothing is nearer to the camera than this, in metres."""

CORNERS = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0])] * 3)
EDGES = torch.tensor([(a, a | bit) for bit in (1, 2, 4) for a in range(8) if not a & bit]).T
"""Corners of the cube, and which two of them each edge joins: two that differ in one coordinate."""


def looking(pitch: Tensor, yaw: Tensor) -> Tensor:
    """Return camera rotations `(N, 3, 3)` for angles in radians: pitch down, yaw to the right."""
    zero, cos_p, sin_p, cos_y, sin_y = torch.zeros_like(pitch), pitch.cos(), pitch.sin(), yaw.cos(), yaw.sin()
    right = torch.stack([cos_y, -sin_y, zero], dim=-1)
    forward = torch.stack([sin_y * cos_p, cos_y * cos_p, -sin_p], dim=-1)
    down = torch.linalg.cross(forward, right)
    return torch.stack([right, down, forward], dim=-1)


def focal_length(height: int, angle: Tensor) -> Tensor:
    """Return the focal length in pixels for a vertical opening angle in degrees."""
    return height / 2 / torch.tan(angle * math.pi / 360)
