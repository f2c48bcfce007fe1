"""The copy of `dlcv` that graded runs see: of each chapter the names, and nothing else of it.

There is no reference in it, no exercise and no figure: what answers to an exercise may call is sent to them when they
are asked (see `grants`). Such a copy is made once for each content of the package.
"""

from __future__ import annotations

import compileall
import functools
import hashlib
import os
import shutil
import tempfile
import time
from pathlib import Path

import dlcv

from .excerpts import Text
from .names_only import imported_names, names_only
from .package import chapters_of, copy_package, module_of
from .wheel import files_below

__all__ = ["graded_package"]

NO_CHECK = (
    '"""What this chapter asks is not here while answers are graded."""\n\n'
    "from dlcv.checking.withheld import no_check as check\n"
)
OLD = 30 * 24 * 3600.0
OWN_FILES = ("graded_package", "names_only", "excerpts", "package")


def graded_package(package: Path | None = None, cache: Path | None = None) -> Path:
    """Return the folder ``dlcv`` of a copy for graded runs.

    Parameters
    ----------
    package : Path, optional
        The whole package; by default the one that is imported here.
    cache : Path, optional
        Where copies are kept; by default the user's folder for such things.
    """
    package = package or Path(dlcv.__file__).resolve().parent
    cache = cache or _cache()
    cache.mkdir(parents=True, exist_ok=True)
    digest = _digest(package)
    found = cache / digest / "dlcv"
    if not found.is_dir():
        _make(package, cache, digest)
    os.utime(found.parent)
    return found


def _make(package: Path, cache: Path, digest: str) -> None:
    _forget(cache)
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        made = Path(folder, digest)
        write_names(package, made / "dlcv")
        compileall.compile_dir(made, quiet=2)
        for path in [made, *made.rglob("*")]:
            path.chmod(0o755 if path.is_dir() else 0o644)
        try:
            made.rename(cache / digest)
        except OSError:
            if not (cache / digest).is_dir():  # else somebody was quicker
                raise


def write_names(package: Path, target: Path) -> None:
    """Write a copy of the package in which chapters have names only."""
    copy_package(package, target)
    wanted = imported_names(package)
    for chapter in chapters_of(package):
        for path in sorted((package / chapter).rglob("*.py")):
            text = Text(package, module_of(path, package))
            left = names_only(text, wanted=wanted.get(text.name, ()))
            if path.name == "exercises.py":
                left = NO_CHECK
            (target / path.relative_to(package)).write_text(left, encoding="utf-8")


def _digest(package: Path) -> str:
    digest = hashlib.sha256()
    own = [Path(__file__).with_name(f"{name}.py") for name in OWN_FILES]
    for path in [*own, *files_below(package)]:
        content = path.read_bytes()
        digest.update(f"{path.parent.name}/{path.name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:32]


def _cache() -> Path:
    """The user's folder for such copies; where it cannot be written to, one that ends with this process.

    Root's is not in its home folder: learners' code may run as somebody who cannot look into that.
    """
    try:
        own = "/var/cache" if os.getuid() == 0 else Path.home() / ".cache"
        folder = Path(os.environ.get("XDG_CACHE_HOME") or own) / "dlcv" / "graded"
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):
        return Path(_of_this_process().name)
    return folder if os.access(folder, os.W_OK) else Path(_of_this_process().name)


@functools.cache
def _of_this_process() -> tempfile.TemporaryDirectory:
    return tempfile.TemporaryDirectory(prefix="dlcv-graded-")


def _forget(cache: Path) -> None:
    """Delete copies that nobody has used for long."""
    for folder in cache.iterdir():
        if time.time() - folder.stat().st_mtime > OLD:
            shutil.rmtree(folder, ignore_errors=True)
