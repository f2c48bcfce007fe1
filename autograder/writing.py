"""Files written whole or not at all: a reader, or a run after a crash, never finds half of one."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import tempfile
from collections.abc import Iterable
from pathlib import Path

from .course import CourseError
from .scratch import is_running

__all__ = ["CannotWrite", "check_folders", "remove_drafts", "write"]

# What is wrong with the disk and not with one file: the next file would fail, too.
_FOR_ALL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)
_MENDS = {
    errno.ENOSPC: "the disk is full: make room",
    errno.EDQUOT: "your share of the disk is used up: make room",
    errno.EFBIG: "files may not get that large here: raise the limit (ulimit -f)",
    errno.EROFS: "the disk is mounted for reading only: choose another course folder or mount it for writing",
    errno.EACCES: "give yourself the right to write there",
    errno.EPERM: "give yourself the right to write there",
    errno.ENOTDIR: "a file stands where a folder is wanted: move it away",
    errno.EEXIST: "a file stands where a folder is wanted: move it away",
    errno.EISDIR: "a folder stands where the file is wanted: move it away",
}


class CannotWrite(CourseError):
    """A file could not be written. `for_all`: nor can any other, so there is no use in going on."""

    def __init__(self, path: Path, error: OSError):
        mend = _MENDS.get(error.errno or 0, "")
        super().__init__(
            f"{path} could not be written: {error.strerror or error}" + (f" ({mend})" if mend else "")
        )
        self.for_all = error.errno in _FOR_ALL


def write(path: Path, content: str | bytes) -> Path:
    """Write `content` to `path` in one step; raise `CannotWrite`, in words, where that cannot be done."""
    content = content.encode("utf-8") if isinstance(content, str) else content
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, draft = tempfile.mkstemp(
            dir=path.parent, prefix=f".{path.name}.{os.getpid()}.", suffix=".draft"
        )
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            os.chmod(draft, 0o644)
            os.replace(draft, path)
        except BaseException:
            os.unlink(draft)
            raise
    except OSError as error:
        raise CannotWrite(path, error) from error
    return path


def check_folders(folders: Iterable[Path]) -> None:
    """Make `folders` where they are missing; raise `CannotWrite` for the first that cannot be written to."""
    for folder in folders:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=folder).close()
        except OSError as error:
            raise CannotWrite(folder, error) from error


def remove_drafts(folders: Iterable[Path]) -> None:
    """Remove the drafts that writers left in `folders` when they were killed."""
    for folder in folders:
        for draft in folder.glob(".*.draft"):
            writer = re.search(r"\.(\d+)\.\w+\.draft$", draft.name)
            if writer and not is_running(int(writer[1])):
                with contextlib.suppress(OSError):
                    draft.unlink()
