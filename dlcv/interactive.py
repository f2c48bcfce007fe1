"""Pictures that follow sliders and menus."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from IPython.display import display
from ipywidgets import Widget

from dlcv.plotting import Picture

PAUSE = 0.02
"""Seconds in which changes gather before the picture is drawn once for all of them."""


def follow(controls: Iterable[Widget], draw: Callable[[], Picture]) -> None:
    """Show a picture, and draw it again whenever a control changes.

    The picture is an ordinary PNG in the saved notebook. A slider that is dragged reports faster than a slow machine
    draws: what has changed in the meantime is drawn once, as it stands then, and no queue of old pictures grows.

    Parameters
    ----------
    controls : widgets
        Each with a `value`.
    draw : callable
        Reads the controls and returns the picture.
    """
    handle = display(draw(), display_id=True)
    waiting = False

    def redraw() -> None:
        nonlocal waiting
        waiting = False
        handle.update(draw())

    def changed(change: object) -> None:
        nonlocal waiting
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # outside of a kernel nobody would come back to it
            redraw()
            return
        if not waiting:
            waiting = True
            loop.call_later(PAUSE, redraw)

    for control in controls:
        control.observe(changed, "value")
