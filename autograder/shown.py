"""Which files learners' code may read: the system's programs and libraries, Python, its packages, two of ours."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path

__all__ = ["LINKER", "SYSTEM", "exposed", "interpreter", "packages"]

SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/nix/store")
# What the dynamic linker needs to find libraries, and the clock to know the time of day.
LINKER = ("/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/localtime")


def packages() -> tuple[str, ...]:
    """The two packages of ours that the untrusted side needs."""
    import dlcv

    return str(Path(dlcv.__file__).resolve().parent), str(Path(__file__).resolve().parent)


def interpreter(packages: Iterable[str]) -> list[str]:
    """Folders of this Python, our packages, and matplotlib's list of fonts, which would take seconds to make anew."""
    import matplotlib

    prefixes = (sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix)
    folders = [*prefixes, *packages, matplotlib.get_cachedir()]
    return list(dict.fromkeys(path for folder in folders for path in (folder, os.path.realpath(folder))))


def exposed(private: Iterable[Path]) -> list[str]:
    """Sentences on private folders that lie in one of the folders that learners' code has to read."""
    shown = [Path(folder).resolve() for folder in (*SYSTEM, *interpreter(packages()))]
    found = {
        place.resolve(): next((s for s in shown if place.resolve().is_relative_to(s)), None)
        for place in private
    }
    return [f"{place} lies in {around}" for place, around in found.items() if around]
