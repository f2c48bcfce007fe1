"""One palette and one house style for every figure of the course.

Stuff (sky, ground, wall, water) is muted, things are saturated, void is grey. All colours differ by more than
20 units of CIELAB, also as seen with protanopia, deuteranopia and tritanopia; a test computes that.

Figures are plain `matplotlib.figure.Figure` objects: no pyplot, so no hidden current figure and nothing to
close. A figure that is the last value of a cell, or goes through `display`, is stored as PNG in the notebook.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Mapping, Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

STUFF = ("#b0e5fc", "#826448", "#eae0c1", "#255f77")
"""Muted: pale blue, brown, cream, slate blue; in the scenes sky, ground, wall, water."""

THINGS = ("#e33713", "#642ebc", "#f2c110", "#3dd065", "#dd6fe5", "#630e2f")
"""Saturated: vermilion, indigo, yellow, green, pink, burgundy."""

CLASSES = STUFF + THINGS
"""Colours of class ids 0, 1, 2, ... of the course's scenes."""

INSTANCES = (*THINGS, "#c2f670", "#833da3", "#4c1963", "#0342f4")
"""Colours of instance ids 1, 2, 3, ...; an eleventh instance starts again with the first colour."""

VOID = "#969696"
"""Pixels that no one labelled (`ignore_index`)."""

INK, FAINT, BLANK, PAPER = "#1f2933", "#c9ced6", "#e4e7eb", "#ffffff"
YOURS, EXPECTED = "#d55e00", "#0072b2"
"""Orange and blue of Okabe and Ito: a learner's answer and the expected one."""

HEAT, DIVERGING = "viridis", "PuOr"

STYLE = {
    "figure.facecolor": PAPER, "savefig.facecolor": PAPER, "axes.facecolor": PAPER, "figure.dpi": 110,
    "font.family": "sans-serif", "font.size": 10, "axes.titlesize": 11, "axes.labelsize": 10,
    "xtick.labelsize": 9, "ytick.labelsize": 9, "legend.fontsize": 9, "legend.frameon": False,
    "text.color": INK, "axes.labelcolor": INK, "axes.titlecolor": INK, "axes.edgecolor": FAINT,
    "xtick.color": INK, "ytick.color": INK, "axes.spines.top": False, "axes.spines.right": False,
    "axes.grid": False, "grid.color": FAINT, "lines.linewidth": 2.0, "image.interpolation": "nearest",
    "axes.prop_cycle": matplotlib.cycler(color=[EXPECTED, YOURS, "#009e73", "#cc79a7", "#56b4e9", "#806000"]),
}  # fmt: skip
"""The house style, as rc parameters; white paper, so that figures also read on a dark page."""


class Picture(Figure):
    """A matplotlib figure that draws itself in the house style and shows itself as PNG in a notebook."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        with matplotlib.rc_context(STYLE):
            if engine := self.get_layout_engine():
                # Once is not enough where panels keep their shape: titles stick out at the top.
                engine.execute(self)
            # The same file for the same picture: no version string, no date.
            self.savefig(buffer, format="png", dpi=STYLE["figure.dpi"], metadata={"Software": None})
        return buffer.getvalue()


def new_figure(
    rows: int = 1, columns: int = 1, *, width: float = 9.0, height: float | None = None, **subplots
) -> tuple[Picture, Axes | np.ndarray]:
    """Return a figure in the house style and its axes, as `plt.subplots` does, but without pyplot.

    Parameters
    ----------
    rows, columns : int
    width, height : float
        In inches; 9 fills a notebook. The height defaults to panels that are as high as wide.
    **subplots
        Passed to `Figure.subplots`, for example ``width_ratios`` or ``sharex``.

    Examples
    --------
    >>> figure, (left, right) = new_figure(1, 2)
    >>> _ = left.plot([0, 1], [0, 1])
    """
    height = width / columns * rows if height is None else height
    with matplotlib.rc_context(STYLE):
        figure = Picture(figsize=(width, height), layout="constrained")
        axes = figure.subplots(rows, columns, **subplots)
    return figure, axes


def as_array(values) -> np.ndarray:
    """Return a tensor (any device, with or without gradient), array or nested list as a numpy array."""
    if not hasattr(values, "detach"):
        return np.asarray(values)
    values = values.detach().cpu()
    return (values.float() if values.dtype.is_floating_point and values.itemsize < 4 else values).numpy()


def as_image(image) -> np.ndarray:
    """Return an image `(3, H, W)`, `(1, H, W)` or `(H, W, 3)` as `(H, W, 3)` floats, clipped to [0, 1]."""
    image = as_array(image)
    if image.ndim == 3 and image.shape[-1] != 3 and image.shape[0] in (1, 3):
        image = np.moveaxis(image, 0, -1)
    if image.ndim != 3 or image.shape[-1] not in (1, 3):
        raise ValueError(f"image must be (3, H, W), (1, H, W) or (H, W, 3); got {image.shape}")
    image = image / 255.0 if image.dtype == np.uint8 else image
    return np.clip(np.broadcast_to(image, (*image.shape[:2], 3)).astype(float), 0, 1)


def label_map(labels, colours: Sequence[str] = CLASSES, void: int | None = 255) -> np.ndarray:
    """Paint each label in its colour.

    Parameters
    ----------
    labels : (H, W) whole numbers
        Label ``i`` gets ``colours[i]``, counted round when there are more labels than colours.
    colours : sequence of colours
    void : int or None
        This label, and every negative one, is grey.

    Returns
    -------
    (H, W, 3) float array in [0, 1]

    Examples
    --------
    >>> label_map([[0, 255]]).round(2).tolist()
    [[[0.69, 0.9, 0.99], [0.59, 0.59, 0.59]]]
    """
    labels = as_array(labels)
    if labels.ndim != 2 or labels.dtype.kind not in "iub":
        raise ValueError(f"labels must be whole numbers (H, W); got {labels.dtype} {labels.shape}")
    labels = labels.astype(np.int64)
    table = np.array([to_rgb(colour) for colour in colours])
    painted = table[labels % len(table)]
    painted[(labels == void) | (labels < 0)] = to_rgb(VOID)
    return painted


def instance_map(instances, colours: Sequence[str] = INSTANCES) -> np.ndarray:
    """Paint instance ids 1, 2, ... in saturated colours; 0, which is no instance, is light grey."""
    instances = as_array(instances).astype(np.int64)
    painted = label_map(instances - 1, colours, void=None)
    painted[instances <= 0] = to_rgb(BLANK)
    return painted


def panoptic_map(semantic, instances, colours: Sequence[str] = CLASSES, void: int | None = 255) -> np.ndarray:
    """Paint each pixel in its class's colour, instances of a class in shades of it, with dark lines between.

    Parameters
    ----------
    semantic : (H, W) whole numbers
    instances : (H, W) whole numbers
        0 on stuff.

    Returns
    -------
    (H, W, 3) float array in [0, 1]
    """
    semantic, instances = as_array(semantic), as_array(instances)
    if semantic.shape != instances.shape:
        raise ValueError(f"semantic is {semantic.shape}, instances are {instances.shape}: sizes must agree")
    painted = label_map(semantic, colours, void)
    for label in np.unique(semantic[instances > 0]):
        of_class = semantic == label
        for number, instance in enumerate(np.unique(instances[of_class & (instances > 0)])):
            towards, share = SHADES[number % len(SHADES)]
            mask = of_class & (instances == instance)
            painted[mask] += share * (towards - painted[mask])
    painted[boundaries(semantic.astype(np.int64) * 4096 + instances)] *= 0.45
    return painted


SHADES = ((0.0, 0.0), (1.0, 0.5), (0.0, 0.4), (1.0, 0.75), (0.0, 0.65))
"""How far the first, second, ... instance of a class moves towards white (1) or black (0)."""


def normal_map(normals) -> np.ndarray:
    """Paint unit normals `(3, H, W)` (x right, y down, z into the image) as colours `(H, W, 3)`.

    The usual picture: red grows to the right, green upwards, blue towards the camera; a surface that faces the
    camera is (0.5, 0.5, 1). Pixels without a normal are light grey.
    """
    normals = as_array(normals)
    if normals.ndim != 3 or len(normals) != 3:
        raise ValueError(f"normals must be (3, H, W); got {normals.shape}")
    normals = np.moveaxis(normals, 0, -1).astype(float)
    painted = 0.5 + 0.5 * normals * (1, -1, -1)
    painted[(normals == 0).all(-1)] = to_rgb(BLANK)
    return painted


def boundaries(labels) -> np.ndarray:
    """Return True at pixels whose right or lower neighbour has another label.

    Examples
    --------
    >>> boundaries([[1, 1, 2], [1, 1, 2]]).astype(int).tolist()
    [[0, 1, 0], [0, 1, 0]]
    """
    labels = as_array(labels)
    edges = np.zeros(labels.shape, dtype=bool)
    edges[:, :-1] |= labels[:, :-1] != labels[:, 1:]
    edges[:-1] |= labels[:-1] != labels[1:]
    return edges


def overlay(
    image,
    labels,
    colours: Sequence[str] = CLASSES,
    alpha: float = 0.55,
    void: int | None = 255,
    hide: Iterable[int] = (),
) -> np.ndarray:
    """Lay a label map over its image, with thin dark lines where labels change.

    Parameters
    ----------
    image : (3, H, W) or (H, W, 3)
    labels : (H, W) whole numbers
    alpha : float
        0 shows the image only, 1 the labels only.
    hide : labels
        Labels that stay transparent, for example the background.

    Returns
    -------
    (H, W, 3) float array in [0, 1]
    """
    image, labels = as_image(image), as_array(labels)
    if image.shape[:2] != labels.shape:
        raise ValueError(f"image is {image.shape[:2]}, labels are {labels.shape}: sizes must agree")
    weight = np.where(np.isin(labels, list(hide)), 0.0, alpha)[..., None]
    blended = image * (1 - weight) + label_map(labels, colours, void) * weight
    blended[boundaries(labels)] *= 0.45
    return blended


def show(
    axis: Axes,
    values,
    title: str | None = None,
    *,
    colours: Sequence[str] = CLASSES,
    unit: str | None = None,
    limits: tuple[float, float] | None = None,
    cmap: str = HEAT,
    bar: bool = True,
) -> Axes:
    """Draw one map on an axis, in the way that fits what it is.

    An image `(3, H, W)` or `(H, W, 3)` is drawn as it is, whole numbers `(H, W)` as a label map, booleans as
    a mask, floats `(H, W)` as a heat map with a colour bar. Values that are not finite stay light grey.

    Parameters
    ----------
    axis : Axes
    values : tensor or array
    title : str
    colours : sequence of colours
        For label maps.
    unit : str
        Written beside the colour bar of a heat map.
    limits : (low, high)
        Range of the heat map; by default that of the values.
    bar : bool
        Draw a heat map's colour bar.
    """
    values = as_array(values)
    if values.ndim not in (2, 3):
        raise ValueError(f"a map must be (H, W), (3, H, W) or (H, W, 3); got {values.shape}")
    if values.ndim == 3:
        axis.imshow(as_image(values), interpolation="nearest")
    elif values.dtype == bool:
        axis.imshow(label_map(values.astype(int), (BLANK, INK), void=None), interpolation="nearest")
    elif values.dtype.kind in "iu":
        axis.imshow(label_map(values, colours), interpolation="nearest")
    else:
        low, high = limits if limits else (None, None)
        colour_map = matplotlib.colormaps[cmap].with_extremes(bad=BLANK)
        drawn = axis.imshow(np.ma.masked_invalid(values), cmap=colour_map, vmin=low, vmax=high)
        if bar:
            scale_bar(axis, drawn, unit)
    return bare(axis, title)


def scale_bar(axis: Axes, drawn, unit: str | None = None) -> None:
    """Put a small colour bar into the lower left corner of a picture, so that the picture keeps its size."""
    low, high = drawn.get_clim()
    with matplotlib.rc_context(STYLE):
        paper = dict(transform=axis.transAxes, facecolor=PAPER, alpha=0.85, zorder=3, edgecolor="none")
        axis.add_patch(Rectangle((0, 0), 0.46, 0.17, **paper))
        place = axis.inset_axes([0.04, 0.10, 0.38, 0.045], zorder=4)
        bar = axis.figure.colorbar(drawn, cax=place, orientation="horizontal", ticks=[low, high])
        bar.outline.set_visible(False)
        place.tick_params(length=0, pad=1, labelsize=8)
        left, right = place.set_xticks([low, high], [f"{low:.3g}", f"{high:.3g} {unit or ''}".rstrip()])
        for tick, side in ((left, "left"), (right, "right")):
            tick.label1.set_horizontalalignment(side)


def bare(axis: Axes, title: str | None = None) -> Axes:
    """Take ticks and frame away and set the title: what remains is the picture."""
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set_visible(False)
    if title:
        axis.set_title(title)
    return axis


def show_maps(
    maps: Mapping[str, object],
    columns: int = 3,
    *,
    width: float = 9.0,
    names: Sequence[str] | None = None,
    colours: Sequence[str] = CLASSES,
    unit: str | None = None,
) -> Picture:
    """Show several maps of one image side by side, each under its title.

    Parameters
    ----------
    maps : mapping of title to map
        Each map as `show` takes it.
    columns : int
        Panels in a row.
    names : sequence of str
        With it, a legend says which colour is which class; only classes that occur are listed.
    colours : sequence of colours
        For label maps and their legend.
    unit : str
        Of heat maps.

    Examples
    --------
    >>> figure = show_maps({"truth": np.eye(4, dtype=int), "depth": np.eye(4)}, columns=2)
    """
    if not maps:
        raise ValueError("show_maps needs at least one map")
    arrays = {title: as_array(values) for title, values in maps.items()}
    for title, values in arrays.items():
        if values.ndim not in (2, 3):
            raise ValueError(f"{title!r} must be (H, W), (3, H, W) or (H, W, 3); got {values.shape}")
    columns = min(columns, len(arrays))
    rows = math.ceil(len(arrays) / columns)
    first = next(iter(arrays.values()))
    h, w = as_image(first).shape[:2] if first.ndim == 3 else first.shape
    panel = width / columns
    height = rows * (panel * h / w + 0.3) + (0.35 if names else 0)
    figure, axes = new_figure(rows, columns, width=width, height=height, squeeze=False)
    for axis, (title, values) in zip(axes.flat, arrays.items(), strict=False):
        show(axis, values, title, colours=colours, unit=unit)
    for axis in axes.flat[len(arrays) :]:
        axis.set_axis_off()
    if names:
        seen = {
            int(label)
            for values in arrays.values()
            if values.ndim == 2 and values.dtype.kind in "iu"
            for label in np.unique(values)
        }
        legend(figure, {name: colours[i % len(colours)] for i, name in enumerate(names) if i in seen})
    return figure


def legend(figure: Figure, entries: Mapping[str, str]) -> None:
    """Put a one-line legend of name and colour under the figure."""
    if not entries:
        return
    patches = [Patch(facecolor=colour, edgecolor=FAINT, label=name) for name, colour in entries.items()]
    with matplotlib.rc_context(STYLE):
        figure.legend(
            handles=patches,
            loc="outside lower center",
            ncols=min(len(patches), 10),
            handlelength=1.0,
            columnspacing=1.2,
        )


def number_grid(
    axis: Axes,
    values,
    title: str | None = None,
    *,
    limits: tuple[float, float] | None = None,
    cmap: str = "Blues",
    digits: int = 2,
    mark: Iterable[tuple[int, int]] = (),
    mark_colour: str = YOURS,
    size: float = 11,
) -> Axes:
    """Draw a small matrix as coloured cells with its numbers in them.

    Parameters
    ----------
    axis : Axes
    values : (H, W) or (W,)
        A vector is drawn as one row. NaN gives an empty, hatched cell.
    limits : (low, high)
        Range of the colours; by default that of the values. Give one range to grids that are to be compared.
    cmap : str
        Colour map; "PuOr" suits values of both signs.
    digits : int
        Most decimals that are shown; trailing zeros are dropped.
    mark : (row, column) pairs
        Cells that get a thick frame.
    size : float
        Font size of the numbers in points.

    Examples
    --------
    >>> figure, axis = new_figure(width=3)
    >>> _ = number_grid(axis, [[1, 2], [3, 4]], "input", mark=[(0, 1)])
    """
    values = np.atleast_2d(as_array(values)).astype(float)
    if values.ndim != 2:
        raise ValueError(f"values must be (H, W) or (W,); got {values.shape}")
    rows, columns = values.shape
    finite = values[np.isfinite(values)]
    low, high = limits if limits else (finite.min(), finite.max()) if finite.size else (0.0, 1.0)
    normalise = Normalize(low, high if high > low else low + 1.0, clip=True)
    shade = matplotlib.colormaps[cmap]
    for (row, column), value in np.ndenumerate(values):
        empty = np.isnan(value)
        colour = PAPER if empty else shade(float(normalise(value)))
        hatch = "////" if empty else None
        axis.add_patch(_cell(row, column, facecolor=colour, edgecolor=FAINT, linewidth=1.0, hatch=hatch))
        if not empty:
            number, style = short_number(value, digits), dict(ha="center", va="center", fontsize=size)
            axis.text(column, row, number, color=ink_on(colour), **style)
    for row, column in mark:
        axis.add_patch(_cell(row, column, fill=False, edgecolor=mark_colour, linewidth=3, zorder=3))
    axis.set(xlim=(-0.55, columns - 0.45), ylim=(rows - 0.45, -0.55), aspect="equal")
    return bare(axis, title)


def _cell(row: int, column: int, **style) -> Rectangle:
    return Rectangle((column - 0.5, row - 0.5), 1, 1, **style)


def ink_on(colour: Sequence[float]) -> str:
    """Return the ink, dark or white, that is easier to read on a colour (by its relative luminance)."""
    linear = np.power(to_rgb(colour), 2.2)
    return INK if linear @ (0.2126, 0.7152, 0.0722) > 0.2 else PAPER


def short_number(value: float, digits: int = 2) -> str:
    """Write a number without trailing zeros, with a true minus sign.

    Examples
    --------
    >>> short_number(2.0), short_number(-0.5), short_number(1 / 3)
    ('2', '−0.5', '0.33')
    """
    text = f"{value:.{digits}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("-0", "") else text.replace("-", "−")
