"""Which files learners' code may read: the system's programs and libraries, Python, its packages, two of ours."""

from __future__ import annotations

import os
import site
import sys
from collections.abc import Iterable
from pathlib import Path

from .graded_package import graded_package

__all__ = ["LINKER", "SYSTEM", "exposed", "installed", "interpreter", "packages"]

SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/nix/store")
# What the dynamic linker needs to find libraries, and the clock to know the time of day.
LINKER = ("/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/localtime")


def packages() -> tuple[str, ...]:
    """The two packages of ours that the untrusted side needs; of `dlcv`, the copy without right answers."""
    return str(graded_package()), str(Path(__file__).resolve().parent)


def interpreter(packages: Iterable[str]) -> list[str]:
    """Folders of this Python, our packages, and matplotlib's list of fonts, which would take seconds to make anew."""
    import matplotlib

    prefixes = (sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix)
    folders = [*prefixes, *packages, matplotlib.get_cachedir()]
    return list(dict.fromkeys(path for folder in folders for path in (folder, os.path.realpath(folder))))


def installed(packages: Iterable[str]) -> list[str]:
    """Copies of the whole `dlcv`, right answers included, that lie in a folder which is shown: to be hidden."""
    shown = [Path(folder).resolve() for folder in (*SYSTEM, *interpreter(packages))]
    places = {(Path(folder) / "dlcv").resolve() for folder in (*sys.path, *site.getsitepackages()) if folder}
    found = [place for place in places if place.is_dir() and str(place) not in packages]
    return sorted(str(place) for place in found if any(map(place.is_relative_to, shown)))


def exposed(private: Iterable[Path]) -> list[str]:
    """Sentences on private folders that lie in one of the folders that learners' code has to read."""
    shown = [Path(folder).resolve() for folder in (*SYSTEM, *interpreter(packages()))]
    found = {
        place.resolve(): next((s for s in shown if place.resolve().is_relative_to(s)), None)
        for place in private
    }
    return [f"{place} lies in {around}" for place, around in found.items() if around]
