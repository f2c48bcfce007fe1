"""Pictures that follow sliders and menus."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from IPython.display import display
from ipywidgets import Box, Layout, SelectionSlider, Widget

from dlcv.plotting import Picture

__all__ = ["explore", "follow"]

PAUSE = 0.02
"""Seconds in which changes gather before the picture is drawn once for all of them."""

WIDTH, LETTERS, A_LETTER = 300, 10, 12
"""A control's usual width in pixels, the letters of a value for which it has room, and what each other letter takes."""


class Controls(Box):
    """Sliders and menus side by side; in a saved notebook, which has no kernel for them, a line of words."""

    def __repr__(self) -> str:
        return "Run this cell to see its sliders."


def explore(controls: Iterable[Widget], draw: Callable[[], Picture]) -> None:
    """Show sliders and menus, and below them a picture that follows.

    The controls stand side by side, as many in a row as the page has room for, so that none hides its value.

    Parameters
    ----------
    controls, draw
        As for `follow`.
    """
    controls = tuple(controls)
    for control in controls:
        make_room(control)
    display(Controls(controls, layout=Layout(flex_flow="row wrap")))
    follow(controls, draw)


def make_room(control: Widget) -> None:
    """Widen a slider whose values are words, so that the longest of them can be read."""
    if isinstance(control, SelectionSlider):
        words = [str(option[0] if isinstance(option, tuple) else option) for option in control.options]
        more = max(map(len, words)) - LETTERS
        if more > 0:
            control.layout.width = f"{WIDTH + A_LETTER * more}px"


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
