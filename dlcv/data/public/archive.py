"""An archive becomes a folder, in one step."""

from __future__ import annotations

import os
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from tqdm import tqdm


def unpack(
    archives: Iterable[Path],
    folder: Path,
    *,
    keep: Callable[[str], bool] = lambda name: True,
    show: bool = True,
) -> Path:
    """Unpack tar archives into a folder that appears when all of it is there.

    Parameters
    ----------
    archives : paths
    folder : Path
        Nothing is done if it exists.
    keep : callable
        Says of a member's name whether it is wanted.
    show : bool
        Show a progress bar.

    Raises
    ------
    ValueError
        If a member would land outside of the folder, or is no plain file.
    """
    if folder.exists():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", dir=folder.parent))
    try:
        for archive in archives:
            with tarfile.open(archive) as tar:
                for member in tqdm(tar, desc=f"unpacking {archive.name}", unit=" files", disable=not show):
                    if member.isdir() or not keep(member.name):
                        continue
                    _write(tar, member, unfinished)
        os.replace(unfinished, folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return folder


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    path = (folder / member.name).resolve()
    if not member.isfile() or folder.resolve() not in path.parents:
        raise ValueError(f"{tar.name} holds {member.name!r}, which is not a plain file inside of it")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        shutil.copyfileobj(tar.extractfile(member), file)
