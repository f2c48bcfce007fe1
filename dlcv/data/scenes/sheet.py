"""A contact sheet: what scenes look like, and what each option does to them."""

from __future__ import annotations

from collections.abc import Mapping

from dlcv.data.scenes.render import render
from dlcv.plotting import Picture, bare, new_figure, panoptic_map, show

ROWS = {
    "rooms": {"family": "room", "water": 0.8},
    "streets": {"family": "street"},
    "crowding": {"crowding": 1.0, "things": (8, 12)},
    "touching": {"touching": 0.8, "family": "room"},
    "occlusion": {"occlusion": 1.0, "things": (6, 9)},
    "camouflage": {"camouflage": 1.0},
    "thin parts": {"thin": 1.0, "family": "room"},
    "1% things": {"foreground": 0.01},
}


def contact_sheet(
    rows: Mapping[str, dict] = ROWS,
    columns: int = 6,
    *,
    first: int = 200,
    height: int = 96,
    labels: bool = False,
    **changes,
) -> Picture:
    """Draw a row of scenes for each set of options.

    Parameters
    ----------
    rows : mapping of title to options
        See `SceneOptions`.
    columns : int
        Scenes in a row.
    first : int
        Number of the first scene; every row shows the same numbers.
    height : int
        Of each image in pixels; it is 4 wide to 3 high.
    labels : bool
        Show the panoptic labels instead of the images.
    **changes
        Options for all rows.

    Examples
    --------
    >>> figure = contact_sheet({"streets": {"family": "street"}}, columns=2, height=24)
    """
    how = {"supersample": 2, "shadow_samples": 8, "noise": 0.0, **changes}
    figure, axes = new_figure(len(rows), columns, height=9 / columns * 0.75 * len(rows), squeeze=False)
    for line, (title, options) in zip(axes, rows.items(), strict=True):
        batch = render(range(first, first + columns), (height, height * 4 // 3), **{**how, **options})
        for axis, scene in zip(line, batch, strict=True):
            show(axis, panoptic_map(scene.semantic, scene.instance) if labels else scene.image)
        bare(line[0]).set_ylabel(title)
    figure.get_layout_engine().set(w_pad=0.01, h_pad=0.01, wspace=0, hspace=0)
    return figure
