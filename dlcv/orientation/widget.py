"""The interactive figure: point at a pixel, and read what each label map says about it."""

from __future__ import annotations

from ipywidgets import IntSlider
from matplotlib.axes import Axes

from dlcv.data.scenes import CLASSES, STUFF, Scene
from dlcv.interactive import explore
from dlcv.plotting import CLASSES as COLOURS
from dlcv.plotting import (
    FAINT,
    PAPER,
    YOURS,
    Picture,
    instance_map,
    new_figure,
    normal_map,
    panoptic_map,
    show,
)

__all__ = ["describe_pixel", "direction", "label_maps", "make", "pixel_inspector", "segment_bars"]


def label_maps(scene: Scene) -> dict[str, object]:
    """Return the five label maps of a scene under their names, ready for `show_maps`."""
    return {
        "semantic": scene.semantic,
        "instance": instance_map(scene.instance),
        "panoptic": panoptic_map(scene.semantic, scene.instance),
        "depth": scene.depth.masked_fill(scene.depth == 0, float("nan")),
        "normals": normal_map(scene.normals),
    }


def describe_pixel(scene: Scene, row: int, column: int) -> dict[str, str]:
    """Return what each label map of a scene says about one pixel, in words.

    Examples
    --------
    >>> from dlcv.data.scenes import render
    >>> describe_pixel(render([0], size=32, family="street")[0], row=0, column=15)["semantic"]
    'sky'
    """
    label, number = int(scene.semantic[row, column]), int(scene.instance[row, column])
    depth = float(scene.depth[row, column])
    name, thing = CLASSES[label], label >= len(STUFF)
    return {
        "semantic": name,
        "instance": f"thing {number}" if thing else "nothing to count",
        "panoptic": f"{name}, thing {number}" if thing else f"{name}, as a whole",
        "depth": f"{depth:.2f} m" if depth > 0 else "no surface",
        "normals": direction(scene.normals[:, row, column].tolist()),
    }


def direction(normal: list[float]) -> str:
    """Say which way a normal (x right, y down, z into the image) points.

    Examples
    --------
    >>> direction([0.0, -0.9, -0.44]), direction([-1.0, 0.0, 0.0])
    ('faces up and you', 'faces left')
    """
    names = (("left", "right"), ("up", "down"), ("you", "away"))
    strong = sorted(
        ((abs(part), pair[part > 0]) for part, pair in zip(normal, names, strict=True)), reverse=True
    )
    words = [word for size, word in strong if size > 0.35]
    return "faces " + " and ".join(words) if words else "no surface"


def segment_bars(segments: list[dict]) -> Picture:
    """Draw the list of segments that `Scene.panoptic` returns: a bar for each, as long as its share."""
    total = sum(segment["area"] for segment in segments)
    figure, axis = new_figure(height=0.6 + 0.22 * len(segments))
    for segment in segments:
        category, number = segment["category_id"], segment["id"]
        share = 100 * segment["area"] / total
        axis.barh(number, share, color=COLOURS[category], edgecolor=FAINT)
        kind = "thing" if segment["isthing"] else "stuff"
        axis.text(share + 0.4, number, f"{CLASSES[category]}, {kind}", va="center")
    axis.set(xlabel="share of the pixels in %", ylabel="segment", yticks=range(1, len(segments) + 1))
    axis.set_xlim(0, 1.15 * max(patch.get_width() for patch in axis.patches))
    axis.invert_yaxis()
    return figure


def make(scene: Scene, row: int, column: int) -> Picture:
    """Draw the image and its five label maps, the same pixel marked in all, with what each says about it."""
    h, w = scene.semantic.shape
    row, column = min(max(row, 0), h - 1), min(max(column, 0), w - 1)
    said = describe_pixel(scene, row, column)
    figure, axes = new_figure(2, 3, height=9 / 3 * h / w * 2 + 0.8)
    show(axes.flat[0], scene.image, f"row {row}, column {column}")
    for axis, (name, values) in zip(axes.flat[1:], label_maps(scene).items(), strict=True):
        show(axis, values, f"{name}: {said[name]}", bar=False)
    for axis in axes.flat:
        cross(axis, row, column)
    return figure


def cross(axis: Axes, row: int, column: int) -> None:
    """Mark a pixel by a ring and four lines that stop short of it."""
    h, w = axis.images[0].get_array().shape[:2]
    for colour, width in ((PAPER, 2.6), (YOURS, 1.2)):
        axis.hlines([row, row], [0, column + 9], [column - 9, w - 1], color=colour, linewidth=width)
        axis.vlines([column, column], [0, row + 9], [row - 9, h - 1], color=colour, linewidth=width)
        axis.plot(column, row, "o", markersize=11, fillstyle="none", color=colour, markeredgewidth=width)
    axis.set(xlim=(-0.5, w - 0.5), ylim=(h - 0.5, -0.5))


def pixel_inspector(scene: Scene, row: int | None = None, column: int | None = None) -> None:
    """Show sliders for row and column; the six pictures below them follow.

    Parameters
    ----------
    scene : Scene
    row, column : int
        Where to start; by default in the middle.
    """
    h, w = scene.semantic.shape
    row = IntSlider(h // 2 if row is None else row, 0, h - 1, description="row", continuous_update=False)
    column = IntSlider(
        w // 2 if column is None else column, 0, w - 1, description="column", continuous_update=False
    )
    explore((row, column), lambda: make(scene, row.value, column.value))
