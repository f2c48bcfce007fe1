"""Files to be collected, from folders and zips that strangers filled: each is named and nothing is unpacked.

A member's path is only ever looked at, never written to, so a path that leads out of an archive leads nowhere. Links
are not followed. What is not read says why.
"""

from __future__ import annotations

import lzma
import os
import re
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath

from .course import CourseError
from .submission import LARGEST_FILE

__all__ = ["Found", "Unreadable", "is_junk", "opened"]

MOST_MEMBERS = 200_000
MOST_BYTES = 50 * 2**30  # unpacked, of one zip

_BROKEN_ZIP = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,  # a name that is no UTF-8
    OSError,
)


class Unreadable(Exception):
    """A file that cannot be read; the message says why."""


@dataclass(frozen=True)
class Found:
    """One file of a source.

    `path` is where it lies in there, `modified` when it was last changed as far as that is known (seconds; in the zips
    of learning platforms, when the zip was made). `problem` says why it is not to be read; `look` gives its bytes.
    """

    source: Path
    path: PurePosixPath
    modified: float
    look: Callable[[], bytes]
    problem: str = ""

    @property
    def name(self) -> str:
        return self.path.name

    def read(self) -> bytes:
        """Return the content; raise `Unreadable` where there is a problem, known before or met on the way."""
        if self.problem:
            raise Unreadable(self.problem)
        return self.look()


@contextmanager
def opened(source: Path) -> Iterator[list[Found]]:
    """All files of a folder, of a zip, or the one file that `source` is. A zip stays open inside the ``with``."""
    if source.is_dir():
        yield list(_of_folder(source, source))
    elif source.suffix.lower() == ".zip":
        try:
            archive = zipfile.ZipFile(source)
        except _BROKEN_ZIP as error:
            raise CourseError(f"{source} is no zip that can be read: {error}") from None
        with archive:
            yield list(_of_zip(source, archive))
    else:
        yield [_file(source, source, PurePosixPath(source.name))]


def is_junk(path: PurePosixPath) -> bool:
    """Is this something that a system or an editor puts beside people's files?

    >>> is_junk(PurePosixPath("__MACOSX/ada/._hw.ipynb")), is_junk(PurePosixPath("ada/hw.ipynb"))
    (True, False)
    """
    names = ("__MACOSX", "Thumbs.db", "desktop.ini")
    return any((part.startswith(".") and part != "..") or part in names for part in path.parts)


# Folders


def _of_folder(source: Path, folder: Path) -> Iterable[Found]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        inside = PurePosixPath(folder.relative_to(source).as_posix())
        yield Found(source, inside, 0.0, bytes, f"the folder cannot be opened: {error.strerror}")
        return
    for entry in entries:
        path = Path(entry.path)
        if entry.is_dir(follow_symlinks=False):
            yield from _of_folder(source, path)
        else:
            yield _file(source, path, PurePosixPath(path.relative_to(source).as_posix()))


def _file(source: Path, path: Path, inside: PurePosixPath) -> Found:
    about = path.lstat()
    problem = ""
    if stat.S_ISLNK(about.st_mode):
        problem = "a link, which could lead anywhere"
    elif not stat.S_ISREG(about.st_mode):
        problem = "no file"
    elif about.st_size > LARGEST_FILE:
        problem = _too_large(about.st_size)

    def look() -> bytes:
        try:
            return path.read_bytes()
        except OSError as error:
            raise Unreadable(f"it cannot be opened: {error.strerror}") from None

    return Found(source, inside, about.st_mtime, look, problem)


def _too_large(size: float) -> str:
    return f"too large: {size / 2**20:,.0f} MB; at most {LARGEST_FILE // 2**20} MB are read"


# Zips


def _of_zip(source: Path, archive: zipfile.ZipFile) -> Iterable[Found]:
    members = archive.infolist()
    if len(members) > MOST_MEMBERS:
        raise CourseError(f"{source} has {len(members):,} members; at most {MOST_MEMBERS:,} are looked at")
    budget = [MOST_BYTES]
    for member in members:
        if not member.filename.endswith("/"):
            path = PurePosixPath(member.filename.replace("\\", "/"))
            yield Found(
                source, path, _changed(member), _looker(archive, member, budget), _problem(member, path)
            )


def _problem(member: zipfile.ZipInfo, path: PurePosixPath) -> str:
    if not member.filename:
        return "it has no name"
    if path.is_absolute() or ".." in path.parts or re.match(r"[A-Za-z]:", str(path)):
        return "its path leads out of the archive"
    if stat.S_ISLNK(member.external_attr >> 16):
        return "a link, which could lead anywhere"
    if member.flag_bits & 1:
        return "it is encrypted"
    if member.file_size > LARGEST_FILE:
        return _too_large(member.file_size)
    return ""


def _changed(member: zipfile.ZipInfo) -> float:
    try:
        return datetime(*member.date_time).timestamp()  # a zip names no time zone
    except ValueError:  # the 0th of month 0
        return 0.0


def _looker(archive: zipfile.ZipFile, member: zipfile.ZipInfo, budget: list[int]) -> Callable[[], bytes]:
    def look() -> bytes:
        try:
            with archive.open(member) as file:
                content = file.read(LARGEST_FILE + 1)  # the size that a member claims may be a lie
        except _BROKEN_ZIP as error:
            raise Unreadable(f"it cannot be unpacked: {error}") from None
        budget[0] -= len(content)
        if len(content) > LARGEST_FILE or budget[0] < 0:
            raise Unreadable(_too_large(len(content) if budget[0] >= 0 else MOST_BYTES))
        return content

    return look
