"""The package `dlcv` as files: which chapters it has, and how a copy of it is made."""

from __future__ import annotations

import shutil
from pathlib import Path

from .wheel import files_below

__all__ = ["chapters_of", "copy_package", "module_of"]


def chapters_of(package: Path) -> list[str]:
    """The chapters of a package: its folders with exercises."""
    return sorted(path.parent.name for path in package.glob("*/exercises.py"))


def module_of(path: Path, package: Path) -> str:
    """The name under which a file of the package is imported.

    >>> module_of(Path("/course/dlcv/roi_align/__init__.py"), Path("/course/dlcv"))
    'dlcv.roi_align'
    """
    place = path.relative_to(package.parent).with_suffix("")
    return ".".join(place.parent.parts if place.name == "__init__" else place.parts)


def copy_package(package: Path, target: Path) -> None:
    """Copy a package's files, readable for everybody, without what Python compiled."""
    for path in files_below(package):
        place = target / path.relative_to(package)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)
        place.chmod(0o644)
