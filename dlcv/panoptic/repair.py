"""A real image, a result for it that is wrong in six ways, and the verbs to set it right.

Each verb takes a panoptic result and returns a new one. Pixels that belong to nobody go to the background, which is
stuff here.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import torch
from matplotlib.axes import Axes
from torch import Tensor

from dlcv.data.samples import RGBDImage, arc2017
from dlcv.panoptic.figures import number_segments
from dlcv.panoptic.reference import PanopticQuality, match_segments, panoptic_quality
from dlcv.plotting import (
    EXPECTED,
    INK,
    YOURS,
    Picture,
    as_array,
    boundaries,
    instance_map,
    new_figure,
    show,
)

__all__ = [
    "BACKGROUND",
    "add",
    "categories",
    "compare_figure",
    "cut",
    "imperfect",
    "join",
    "move",
    "quality",
    "remove",
    "rename",
    "truth",
    "truth_figure",
]

Result = tuple[Tensor, list[dict]]

BACKGROUND = 1
"""Category of all that nobody outlined; goods have the categories 2 to 41."""


@cache
def photo() -> RGBDImage:
    """The robot's view of eight goods in a box."""
    return arc2017()


def categories() -> dict[int, bool]:
    """Which category is a thing: all but the background."""
    return {number: number > BACKGROUND for number in range(1, len(photo().class_names) + 1)}


def truth() -> Result:
    """The panoptic truth: segments 1 to 8 are goods, the last one is the background."""
    image = photo()
    segments = [{"id": n, "category_id": int(label) + 1} for n, label in enumerate(image.labels, 1)]
    last = len(segments) + 1
    return torch.where(image.instance == 0, last, image.instance), [
        *segments,
        {"id": last, "category_id": BACKGROUND},
    ]


# ---------------------------------------------------------------------------------------------- verbs


def rename(result: Result, number: int, name: str) -> Result:
    """Give a segment another category, by the name of its class."""
    names, wanted = photo().class_names, name.replace(" ", "_")
    if wanted not in names:
        raise ValueError(f"name must be one of {', '.join(names)}; got {name!r}")
    return _with(result, result[0], {number: names.index(wanted) + 1})


def join(result: Result, first: int, second: int) -> Result:
    """Make two segments one: the second gets the id and the category of the first."""
    _check(result, first, second)
    return _with(result, torch.where(result[0] == second, first, result[0]))


def remove(result: Result, number: int) -> Result:
    """Give a segment's pixels to the background."""
    _check(result, number)
    return _with(result, torch.where(result[0] == number, _background(result), result[0]))


def cut(result: Result, number: int, row: int | None = None, column: int | None = None) -> Result:
    """Cut a segment in two at a row or a column; what lies below or to the right becomes a new segment."""
    _check(result, number)
    if (row is None) == (column is None):
        raise ValueError(f"give a row or a column; got row={row}, column={column}")
    y, x = torch.meshgrid(*(torch.arange(size) for size in result[0].shape), indexing="ij")
    beyond = y >= row if column is None else x >= column
    new = max(s["id"] for s in result[1]) + 1
    ids = torch.where((result[0] == number) & beyond, new, result[0])
    return _with(result, ids, {new: _category(result, number)})


def move(result: Result, number: int, right: int = 0, down: int = 0) -> Result:
    """Move a segment by whole pixels; it covers what it comes to lie on."""
    _check(result, number)
    height, width = result[0].shape
    y, x = (result[0] == number).nonzero(as_tuple=True)
    y, x = y + down, x + right
    inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
    ids = torch.where(result[0] == number, _background(result), result[0])
    ids[y[inside], x[inside]] = number
    return _with(result, ids)


def add(result: Result, name: str, x1: int, y1: int, x2: int, y2: int) -> Result:
    """Add a segment: the background's pixels in a rectangle, columns x1 to x2 - 1 and rows y1 to y2 - 1."""
    ids, new = result[0].clone(), max(s["id"] for s in result[1]) + 1
    part = ids[y1:y2, x1:x2]
    part[part == _background(result)] = new
    return rename(_with(result, ids, {new: BACKGROUND}), new, name)


def _check(result: Result, *numbers: int) -> None:
    there = [segment["id"] for segment in result[1]]
    for number in numbers:
        if number not in there:
            raise ValueError(f"there is no segment {number}; there are {', '.join(map(str, there))}")


def _category(result: Result, number: int) -> int:
    return next(s["category_id"] for s in result[1] if s["id"] == number)


def _background(result: Result) -> int:
    return next(s["id"] for s in result[1] if s["category_id"] == BACKGROUND)


def _with(result: Result, ids: Tensor, changed: dict[int, int] | None = None) -> Result:
    """A result with this map, and these categories beside those that it had; segments without pixels leave the list."""
    known = {s["id"]: s["category_id"] for s in result[1]} | (changed or {})
    return ids, [{"id": n, "category_id": known[n]} for n in ids.unique().tolist()]


# --------------------------------------------------------------------------------------- wrong, and right


def imperfect() -> Result:
    """A result with one missed, one split, one misnamed, one moved and one invented segment, and two that are one."""
    result = rename(truth(), 1, "crayons")
    result = join(result, 3, 2)
    result = remove(result, 4)
    result = move(result, 6, right=14, down=6)
    result = cut(result, 8, column=455)
    return add(result, "tennis_ball_container", 60, 300, 120, 420)


def quality(result: Result) -> PanopticQuality:
    """Panoptic quality against the truth."""
    return panoptic_quality([result], [truth()], categories())


def truth_figure() -> Picture:
    """The photograph and its truth, with names."""
    figure, (left, right) = new_figure(1, 2, height=5.2)
    show(left, photo().image, "ARC2017: goods in a box")
    _paint(right, truth(), "truth: 8 things, and the rest")
    return figure


def compare_figure(result: Result) -> Picture:
    """Truth and result, names of what did not match in blue and orange, and panoptic quality.

    Rows and columns are in pixels, as `cut` and `add` want them.
    """
    matching, found = match_segments(result, truth()), quality(result)
    missed, wrong = matching.false_negatives, matching.false_positives
    figure, (left, right) = new_figure(1, 2, height=5.1)
    _paint(left, truth(), f"truth: {len(missed)} not matched", missed, EXPECTED)
    _paint(right, result, f"result: {len(wrong)} not matched", wrong, YOURS)
    things, stuff = found.things, found.stuff
    figure.suptitle(
        f"things: PQ {things.pq:.3f}, SQ {things.sq:.3f}, RQ {things.rq:.3f}   ·   stuff: PQ {stuff.pq:.3f}",
        fontsize=11,
    )
    return figure


def _paint(axis: Axes, result: Result, title: str, marked: Sequence[int] = (), colour: str = INK) -> None:
    """A result with ids on its segments and, below, their names; `marked` ones in a colour."""
    ids, segments = result
    things = torch.tensor([s["id"] for s in segments if s["category_id"] != BACKGROUND])
    painted = instance_map(torch.where(torch.isin(ids, things), ids, 0))
    painted[boundaries(as_array(ids))] *= 0.4
    axis.imshow(painted, interpolation="nearest")
    axis.set(title=title, xticks=range(0, 601, 100), yticks=range(0, 401, 100))
    names, columns = photo().class_names, 2
    rows = -(-len(segments) // columns)
    for place, segment in enumerate(segments):
        number = segment["id"]
        ink = colour if number in marked else INK
        number_segments(axis, ids, {number: str(number)}, ink, 10)
        words = f"{number} {names[segment['category_id'] - 1].strip('_').replace('_', ' ')}"
        x, y = place // rows / columns, -0.13 - 0.065 * (place % rows)
        weight = "bold" if number in marked else "normal"
        axis.text(x, y, words, transform=axis.transAxes, color=ink, fontsize=8.5, va="top", weight=weight)
