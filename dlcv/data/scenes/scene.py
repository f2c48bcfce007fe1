"""What a rendered scene holds: an image and truths that agree with one another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from dlcv.data.scenes.camera import Camera
from dlcv.data.scenes.layout import Layout
from dlcv.data.scenes.options import STUFF, VOID
from dlcv.data.scenes.surface import Surface
from dlcv.data.scenes.visibility import Seen


@dataclass(frozen=True)
class Scene:
    """One image with everything that is known about it.

    Attributes
    ----------
    image : (3, H, W) float32 in [0, 1]
    semantic : (H, W) int64
        Class of each pixel, a position in `CLASSES`; 255 is void.
    instance : (H, W) int64
        0 on stuff, 1 to n on the n things that can be seen.
    depth : (H, W) float32
        Metres along the camera's axis; 0 in the sky, which has none.
    normals : (3, H, W) float32
        Unit normal of the surface in the camera's frame (x right, y down, z into the image), facing the
        camera; 0 in the sky.
    intrinsics : (3, 3) float32
        K; pixel centres at whole numbers.
    labels : (n,) int64
        Class of each thing.
    boxes : (n, 4) float32
        x1, y1, x2, y2 in continuous pixels, tight: a thing in columns 3 and 4 has x1 = 3, x2 = 5.
    visible : (n,) float32
        Share of each thing's pixels that nothing hides.
    """

    image: Tensor
    semantic: Tensor
    instance: Tensor
    depth: Tensor
    normals: Tensor
    intrinsics: Tensor
    labels: Tensor
    boxes: Tensor
    visible: Tensor

    @property
    def masks(self) -> Tensor:
        """Mask of each thing, `(n, H, W)` bool."""
        return (
            self.instance == torch.arange(1, len(self.labels) + 1, device=self.instance.device)[:, None, None]
        )

    @property
    def foreground(self) -> float:
        """Share of the pixels that belong to things."""
        return (self.instance > 0).float().mean().item()

    def panoptic(self) -> tuple[Tensor, list[dict]]:
        """Return the panoptic form: an id for each segment, and a list that says what each segment is.

        Things come first: the id of a thing is its instance id. Each kind of stuff in the image is one
        segment. Void pixels have id 0.

        Returns
        -------
        ids : (H, W) int64
        segments : list of dict
            With ``id``, ``category_id``, ``isthing`` and ``area``.
        """
        ids = torch.where(self.semantic == VOID, 0, self.instance)
        categories = [(int(label), True) for label in self.labels]
        for category in range(len(STUFF)):
            mask = self.semantic == category
            if mask.any():
                categories.append((category, False))
                ids[mask] = len(categories)
        areas = torch.bincount(ids.flatten(), minlength=len(categories) + 1).tolist()
        segments = [
            {"id": number, "category_id": category, "isthing": isthing, "area": areas[number]}
            for number, (category, isthing) in enumerate(categories, start=1)
            if areas[number]
        ]
        return ids, segments

    def to(self, device: torch.device | str) -> Scene:
        """Return the scene on another device."""
        return Scene(**{field.name: getattr(self, field.name).to(device) for field in fields(self)})


@dataclass(frozen=True)
class SceneBatch:
    """Scenes of one size; attributes as in `Scene` with one axis more, in front.

    What differs in length from scene to scene (`labels`, `boxes`, `visible`) is a list of tensors. A batch is
    a sequence of `Scene` objects.
    """

    image: Tensor
    semantic: Tensor
    instance: Tensor
    depth: Tensor
    normals: Tensor
    intrinsics: Tensor
    labels: list[Tensor]
    boxes: list[Tensor]
    visible: list[Tensor]

    def __len__(self) -> int:
        return len(self.image)

    def __getitem__(self, number: int) -> Scene:
        return Scene(**{field.name: getattr(self, field.name)[number] for field in fields(self)})

    def __iter__(self) -> Iterator[Scene]:
        return (self[number] for number in range(len(self)))

    def to(self, device: torch.device | str) -> SceneBatch:
        """Return the batch on another device."""
        moved = {}
        for field in fields(self):
            value = getattr(self, field.name)
            moved[field.name] = [v.to(device) for v in value] if isinstance(value, list) else value.to(device)
        return SceneBatch(**moved)


def stack(scenes: list[Scene]) -> SceneBatch:
    """Return scenes of one size as a batch; a ``collate_fn`` for torch's `DataLoader`."""
    parts = {field.name: [getattr(scene, field.name) for scene in scenes] for field in fields(Scene)}
    ragged = ("labels", "boxes", "visible")
    return SceneBatch(**{name: part if name in ragged else torch.stack(part) for name, part in parts.items()})


def joined(batches: list[SceneBatch]) -> SceneBatch:
    """Return several batches as one."""
    parts = {field.name: [getattr(batch, field.name) for batch in batches] for field in fields(SceneBatch)}
    return SceneBatch(
        **{
            name: [value for list_ in part for value in list_]
            if isinstance(part[0], list)
            else torch.cat(part)
            for name, part in parts.items()
        }
    )


def gathered(
    layout: Layout, camera: Camera, seen: Seen, points: Surface, image: Tensor, void: int
) -> SceneBatch:
    """Return the batch that the pixels of all scenes make together."""
    n, height, width = len(image), camera.height, camera.width
    count = layout.density.shape[1]
    thing = points.thing.view(n, -1)
    local_thing = torch.where(thing >= 0, thing % count, count)
    pixels, instance = numbered(local_thing, count)
    present, share = pixels > 0, pixels / seen.whole.view(n, count).clamp(min=1)
    label = labels_of_things(layout, n, count)
    normals = camera.rotation.mT @ points.normal.view(3, n, -1).transpose(0, 1)
    depth = torch.where(seen.depth < torch.inf, seen.depth, 0.0)
    semantic, instance = points.label.view(n, height, width), instance.view(n, height, width)
    boxes = tight_boxes(local_thing.view(n, height, width), count)
    return SceneBatch(
        image=image.float(),
        semantic=torch.where(border(semantic * 64 + instance, void), VOID, semantic) if void else semantic,
        instance=instance,
        depth=depth.view(n, height, width).float(),
        normals=normals.reshape(n, 3, height, width).float(),
        intrinsics=camera.intrinsics().float(),
        labels=[label[i, present[i]] for i in range(n)],
        boxes=[boxes[i, present[i]] for i in range(n)],
        visible=[share[i, present[i]].float() for i in range(n)],
    )


def numbered(thing: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return the pixels of each thing `(N, count)`, and the pixels' instance numbers, without gaps from 1.

    `thing` `(N, P)` holds 0 to `count` - 1, and `count` where there is none.
    """
    pixels = torch.zeros(len(thing), count + 1, dtype=torch.int64, device=thing.device)
    pixels = pixels.scatter_add_(1, thing, torch.ones_like(thing))[:, :count]
    number = torch.where(pixels > 0, (pixels > 0).cumsum(1), 0)
    return pixels, torch.cat([number, torch.zeros_like(number[:, :1])], dim=1).gather(1, thing)


def labels_of_things(layout: Layout, n: int, count: int) -> Tensor:
    """Return the class of each thing `(N, count)`, as its solids know it."""
    label = torch.zeros(n * count, dtype=torch.int64, device=layout.solids.label.device)
    standing = layout.solids.thing >= 0
    label[layout.solids.thing[standing]] = layout.solids.label[standing]
    return label.view(n, count)


def tight_boxes(thing: Tensor, count: int) -> Tensor:
    """Return the box around each of the things 0 to count - 1 in maps `(N, H, W)`, as `(N, count, 4)`."""
    n, height, width = thing.shape
    first = thing.view(n, -1) + (torch.arange(n, device=thing.device) * (count + 1))[:, None]
    ends = []
    for size, place in (
        (width, torch.arange(width).repeat(height)),
        (height, torch.arange(height).repeat_interleave(width)),
    ):
        has = torch.zeros(n * (count + 1) * size, dtype=torch.bool, device=thing.device)
        has.scatter_(0, (first * size + place.to(thing.device)).flatten(), True)
        has = has.view(n, count + 1, size)[:, :count].int()
        ends.append((has.argmax(-1), size - has.flip(-1).argmax(-1)))
    (left, right), (top, bottom) = ends
    return torch.stack([left, top, right, bottom], dim=-1).float()


def border(labels: Tensor, width: int) -> Tensor:
    """Return where another label is nearer than `width` pixels, along rows, columns or diagonals."""
    value = labels.float()[:, None]
    size = 2 * width + 1
    high = torch.nn.functional.max_pool2d(value, size, 1, width)
    low = -torch.nn.functional.max_pool2d(-value, size, 1, width)
    return (high != low)[:, 0]
