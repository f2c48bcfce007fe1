"""What scenes look like: all truths of one scene, and a contact sheet of what each option does.

    python -m dlcv.data.scenes.sheet FOLDER

writes both as `scene.jpg` and `scenes.jpg`, as they stand in the documentation.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
from matplotlib.patches import Rectangle

from dlcv.data.scenes.options import CLASSES
from dlcv.data.scenes.render import render
from dlcv.plotting import CLASSES as COLOURS
from dlcv.plotting import (
    INK,
    PAPER,
    STYLE,
    Picture,
    bare,
    label_map,
    legend,
    new_figure,
    normal_map,
    panoptic_map,
    show,
)

ROWS = {
    "rooms": {"family": "room"},
    "streets": {"family": "street"},
    "crowding": {"crowding": 1.0, "things": (9, 12)},
    "touching": {"touching": 0.8, "things": (6, 9)},
    "occlusion": {"occlusion": 1.0, "things": (6, 9)},
    "camouflage": {"camouflage": 1.0},
    "thin parts": {"thin": 1.0},
    "1% things": {"foreground": 0.01},
}
NUMBERS = (49, 26, 48, 38, 37, 2)
"""Scenes that show something in every row."""

FINE = {"supersample": 2, "shadow_samples": 8, "noise": 0.0}
"""Options for pictures to look at."""


def contact_sheet(
    rows: Mapping[str, dict] = ROWS,
    numbers: Sequence[int] = NUMBERS,
    *,
    height: int = 180,
    labels: bool = False,
    **changes,
) -> Picture:
    """Draw a row of scenes for each set of options.

    Parameters
    ----------
    rows : mapping of title to options
        See `SceneOptions`.
    numbers : sequence of int
        Which scenes; every row shows the same ones, so that an option's effect can be seen.
    height : int
        Of each image in pixels; it is 4 wide to 3 high.
    labels : bool
        Show the panoptic labels instead of the images.
    **changes
        Options for all rows.

    Examples
    --------
    >>> figure = contact_sheet({"streets": {"family": "street"}}, numbers=(0, 1), height=24)
    """
    columns = len(numbers)
    figure, axes = new_figure(len(rows), columns, height=9 / columns * 0.75 * len(rows), squeeze=False)
    for line, (title, options) in zip(axes, rows.items(), strict=True):
        batch = render(numbers, (height, height * 4 // 3), **{**FINE, **changes, **options})
        for axis, scene in zip(line, batch, strict=True):
            show(axis, panoptic_map(scene.semantic, scene.instance) if labels else scene.image)
        bare(line[0]).set_ylabel(title)
    figure.get_layout_engine().set(w_pad=0.01, h_pad=0.01, wspace=0, hspace=0)
    return figure


def all_truths(number: int = 26, *, height: int = 240, **changes) -> Picture:
    """Draw one scene six times: its image, and what is known about each of its pixels.

    Parameters
    ----------
    number : int
        Of the scene.
    height : int
        Of each map in pixels; it is 4 wide to 3 high.
    **changes
        See `SceneOptions`.

    Examples
    --------
    >>> figure = all_truths(3, height=24)
    """
    scene = render([number], (height, height * 4 // 3), **{**FINE, "family": "room", **changes})[0]
    figure, axes = new_figure(2, 3, height=5.4)
    show(axes[0, 0], scene.image, "image")
    show(axes[0, 1], label_map(scene.semantic), "class of each pixel")
    show(axes[0, 2], panoptic_map(scene.semantic, scene.instance), "things and stuff, with boxes")
    for x1, y1, x2, y2 in (scene.boxes - 0.5).tolist():
        axes[0, 2].add_patch(
            Rectangle((x1, y1), x2 - x1, y2 - y1, fill=False, edgecolor=PAPER, linewidth=2.4)
        )
        axes[0, 2].add_patch(Rectangle((x1, y1), x2 - x1, y2 - y1, fill=False, edgecolor=INK, linewidth=0.8))
    show(axes[1, 0], scene.depth.where(scene.depth > 0, float("nan")), "depth", unit="metres")
    show(axes[1, 1], normal_map(scene.normals), "normals")
    share = scene.visible[(scene.instance - 1).clamp(min=0)].where(scene.instance > 0, float("nan"))
    show(axes[1, 2], share, "share of each thing that is seen")
    seen = scene.semantic.unique().tolist()
    legend(figure, {CLASSES[label]: COLOURS[label] for label in seen})
    return figure


def main() -> None:
    """Write both pictures into the folder that the command line names."""
    folder = Path(sys.argv[1])
    with matplotlib.rc_context(STYLE):
        for name, figure in (("scene", all_truths()), ("scenes", contact_sheet())):
            figure.savefig(folder / f"{name}.jpg", dpi=165, pil_kwargs={"quality": 88, "optimize": True})


if __name__ == "__main__":
    main()
