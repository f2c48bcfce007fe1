"""Whose code is running: the learner's, or what Python, an installed package or dlcv brought along."""

from __future__ import annotations

import functools
import os
import sysconfig
import types

__all__ = ["is_learners", "learner_frame", "learner_line"]

_LIBRARY = tuple(
    {
        os.path.realpath(path) + os.sep
        for key in ("stdlib", "platstdlib", "purelib", "platlib")
        if (path := sysconfig.get_path(key))
    }
)
_PACKAGE = os.path.dirname(os.path.dirname(os.path.realpath(__file__))) + os.sep


@functools.lru_cache(maxsize=10_000)
def is_learners(filename: str) -> bool:
    """True for code that neither Python, an installed package nor dlcv brought along."""
    if filename.startswith("<"):
        return filename.startswith(
            ("<ipython", "<cell")
        )  # others are made by libraries: "<string>", "<frozen ...>"
    return not os.path.realpath(filename).startswith((*_LIBRARY, _PACKAGE))


def learner_frame(frame: types.FrameType | None) -> types.FrameType | None:
    """Return the innermost frame of the learner's code, seen from `frame`; None if there is none."""
    while frame is not None:
        if is_learners(frame.f_code.co_filename):
            return frame
        if frame.f_globals.get("__name__") == "dlcv.checking.answer":
            return None  # the probe's own frames, and whoever called the check, lie beyond
        frame = frame.f_back
    return None


def learner_line(frame: types.FrameType | None) -> int | None:
    """Return the line of the learner's code that is running, seen from `frame`; None if there is none."""
    found = learner_frame(frame)
    return None if found is None else found.f_lineno
