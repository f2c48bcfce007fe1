"""The outer wall where bubblewrap is installed: around the warm interpreter, and so around all that it forks.

Behind it there is no network and no file but the interpreter, its packages and two packages of ours, all read-only.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from .shown import LINKER, SYSTEM, installed, interpreter

__all__ = ["NOBODY", "SCRATCH", "Outer", "bubblewrap", "may_be_nobody"]

# Never above a folder that is shown, as /tmp is when somebody works there.
SCRATCH = "/scratch"
# Nobody's user number, in the range that Debian leaves free: what it owns is gone with the scratch folder.
NOBODY = 61000


@dataclass(frozen=True)
class Outer:
    """The outer wall: the command in front of a program, and the user that it must become behind it.

    Without a command the wall does not stand, and `why` says so in a line.
    """

    command: tuple[str, ...] = ()
    uid: int | None = None
    why: str = ""

    def __bool__(self) -> bool:
        return bool(self.command)


@functools.cache
def bubblewrap(packages: tuple[str, ...], scratch_size: int) -> Outer:
    """Return the outer wall; one without a command where it cannot stand.

    For root, learners' code runs as a user of its own: the kernel exempts root from the limit on processes.

    Parameters
    ----------
    packages : tuple of str
        Folders to show besides the interpreter's own.
    scratch_size : int
        Bytes of memory that files in the scratch folder may take.
    """
    program = shutil.which("bwrap")
    if program is None:
        return Outer(why="bubblewrap is not installed")
    inside = (
        "--die-with-parent", *_system(), "--proc", "/proc", "--dev", "/dev",
        "--dev-bind", "/dev/null", "/dev/zero",  # mapped by several processes, it is memory that nobody counts
        "--perms", "0777", "--size", str(scratch_size), "--tmpfs", SCRATCH,
        *_shown(packages), *_hidden(packages), "--remount-ro", "/", "--chdir", SCRATCH,
    )  # fmt: skip
    namespaces = ("--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try")
    as_nobody = ("--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID")
    walls = [Outer((program, "--unshare-all", *inside))]
    if os.getuid() == 0:
        walls.insert(0, Outer((program, *namespaces, *as_nobody, *inside), NOBODY))
    for wall in walls:
        why = _why_not(wall.command, wall.uid, packages)
        if not why:
            return wall
    return Outer(why=f"bubblewrap is installed and does not work here ({why})")


@functools.cache
def may_be_nobody(packages: tuple[str, ...]) -> bool:
    """Without bubblewrap: can root's learners run as nobody, or does Python lie where only root may look?"""
    return os.getuid() == 0 and not _why_not((), NOBODY, packages)


def _why_not(command: tuple[str, ...], uid: int | None, packages: tuple[str, ...]) -> str:
    """Try it: can a program start there, and read our packages and its own libraries? Else the last words of it."""
    become = f"os.setgroups([]); os.setresgid(*[{uid}] * 3); os.setresuid(*[{uid}] * 3)" if uid else ""
    look = f"import os; {become}\nfor folder in {packages!r}: os.listdir(folder)\nimport decimal, wave"
    try:
        done = subprocess.run(
            [*command, sys.executable, "-I", "-c", look], capture_output=True, timeout=20, cwd="/"
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    told = done.stderr.decode(errors="replace").strip().splitlines() or [f"exit code {done.returncode}"]
    return "" if done.returncode == 0 else told[-1][:200]


def _system() -> list[str]:
    """Programs and libraries of the system, and what the dynamic linker needs to find them."""
    shown: list[str] = []
    for path in map(Path, SYSTEM):
        if path.is_symlink():
            shown += ["--symlink", os.readlink(path), str(path)]
        elif path.is_dir():
            shown += [*_above(path), "--ro-bind", str(path), str(path)]
    shown += ["--perms", "0755", "--dir", "/etc"]
    for path in LINKER:
        shown += ["--ro-bind-try", path, path]
    return shown


def _shown(packages: tuple[str, ...]) -> list[str]:
    shown: list[str] = []
    for path in interpreter(packages):
        if not path.startswith("/usr/"):
            shown += [*_above(Path(path)), "--ro-bind-try", path, path]
    return shown


def _hidden(packages: tuple[str, ...]) -> list[str]:
    return [word for path in installed(packages) for word in ("--tmpfs", path, "--remount-ro", path)]


def _above(path: Path) -> list[str]:
    """Folders above it that anybody may pass through; bubblewrap's own would be root's alone."""
    above = [str(parent) for parent in reversed(path.parents) if str(parent) != "/"]
    return [word for parent in above for word in ("--perms", "0755", "--dir", parent)]
