"""Scratch folders of runs without bubblewrap: one a sandbox, and none of a grader that was killed stays for long."""

from __future__ import annotations

import os
import re
import shutil
import socket
import tempfile
from pathlib import Path

__all__ = ["is_running", "new_scratch", "remove_left_scratch"]


def new_scratch() -> str:
    """Make a folder whose name says whose it is, and return its path."""
    return tempfile.mkdtemp(prefix=f"{_own_prefix()}{os.getpid()}-")


def remove_left_scratch() -> None:
    """Remove the folders of processes of this machine that have ended without doing so."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_own_prefix()}*"):
        owner = re.match(r"(\d+)-", folder.name.removeprefix(_own_prefix()))
        if owner and not is_running(int(owner[1])):
            shutil.rmtree(folder, ignore_errors=True)


def is_running(pid: int) -> bool:
    """Is there a process with this number?"""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def _own_prefix() -> str:
    # Several machines or containers may share the folder; each has process numbers of its own.
    return f"autograder-{socket.gethostname()}-"
