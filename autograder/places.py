"""Paths as messages show them: from the current folder where they are below it, so that they can be read and pasted."""

from __future__ import annotations

from pathlib import Path

__all__ = ["near"]


def near(path: Path) -> Path:
    """The path from the current folder, where it lies there; else as it is."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
