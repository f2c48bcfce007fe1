"""One grader a course at a time: a lock that the system takes back when its process ends, however it ends."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import socket
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import IO

from .course import CourseError

__all__ = ["only_grader"]

log = logging.getLogger("autograder")

LOOK_AGAIN = 0.5  # seconds


@contextlib.contextmanager
def only_grader(folder: Path, doing: str, *, wait: bool = False) -> Iterator[None]:
    """Hold the lock of a course folder; raise `CourseError`, naming the other grader, where one is at work.

    The file `folder/grading.lock` stays when the work is done: what counts is who holds it, not that it is there.

    Parameters
    ----------
    folder : Path
        The course folder.
    doing : str
        What the others are told about this process: ``"grading 01_transposed_convolution"``.
    wait : bool
        Wait until the other one has ended instead of raising.
    """
    path = folder / "grading.lock"
    with _opened(path) as file:
        told = False
        while not _taken(file, path):
            busy = f"another grader is at work in {folder}: {_holder(path)}"
            if not wait:
                raise CourseError(
                    f"{busy}. Let it finish, or stop it, and run this again; with --wait this run starts after it."
                )
            if not told:
                log.warning("waiting: %s", busy)
                told = True
            time.sleep(LOOK_AGAIN)
        _sign(file, doing)
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                file.truncate(0)


def _opened(path: Path) -> IO[bytes]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Without a buffer: what a full disk refuses must not come up again when the file is closed.
        return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644), "r+b", buffering=0)
    except OSError as error:
        raise CourseError(
            f"{path} could not be opened: {error.strerror}; the grader writes its results into {path.parent}, "
            "so that folder must be writable"
        ) from error


def _taken(file: IO[bytes], path: Path) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:  # a file system without locks
        raise CourseError(f"{path} could not be locked: {error.strerror}; use a local folder") from error
    return True


def _sign(file: IO[bytes], doing: str) -> None:
    # On a full disk the lock holds without a name in it.
    with contextlib.suppress(OSError):
        file.truncate(0)
        file.seek(0)
        now = datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")
        file.write(f"process {os.getpid()} on {socket.gethostname()}, {doing} since {now}".encode())


def _holder(path: Path) -> str:
    with contextlib.suppress(OSError, UnicodeDecodeError):
        if words := path.read_text(encoding="utf-8").strip():
            return words
    return "it has not said who it is"
