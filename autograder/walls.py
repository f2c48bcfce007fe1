"""Walls of namespaces: bubblewrap around the warm interpreter, and a smaller set around each run inside it.

Behind the outer wall there is no network and no file but the interpreter, its packages and two packages of ours,
all read-only. Each run inside gets process numbers, shared memory and a small scratch folder, so one submission
neither sees nor signals another, and all of it is gone when its first process ends.

The functions at the top are for the trusted side; `own_namespaces` and what follows run in the untrusted one.
"""

from __future__ import annotations

import ctypes
import functools
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

__all__ = [
    "SCRATCH",
    "Outer",
    "become_nobody",
    "bubblewrap",
    "drop_capabilities",
    "own_namespaces",
    "own_process_list",
]

# Never above a folder that is shown, as /tmp is when somebody works there.
SCRATCH = "/scratch"
MIB = 2**20


# Nobody's user number, in the range that Debian leaves free: what it owns is gone with the scratch folder.
NOBODY = 61000


@dataclass(frozen=True)
class Outer:
    """The outer wall: the command in front of a program, and the user that it must become behind it."""

    command: tuple[str, ...]
    uid: int | None = None


@functools.cache
def bubblewrap(packages: tuple[str, ...], scratch_size: int = 256 * MIB) -> Outer | None:
    """Return the outer wall; None where it cannot stand.

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
        return None
    inside = (
        "--die-with-parent", *_system(), "--proc", "/proc", "--dev", "/dev",
        "--perms", "0777", "--size", str(scratch_size), "--tmpfs", SCRATCH,
        *_shown(packages), "--remount-ro", "/", "--chdir", SCRATCH,
    )  # fmt: skip
    namespaces = ("--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try")
    as_nobody = ("--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID")
    walls = [Outer((program, "--unshare-all", *inside))]
    if os.getuid() == 0:
        walls.insert(0, Outer((program, *namespaces, *as_nobody, *inside), NOBODY))
    return next((wall for wall in walls if _stands(wall, packages)), None)


def _stands(wall: Outer, packages: tuple[str, ...]) -> bool:
    """Try the wall: can a program start behind it, and read our packages and its own libraries?"""
    become = (
        f"os.setgroups([]); os.setresgid(*[{wall.uid}] * 3); os.setresuid(*[{wall.uid}] * 3)"
        if wall.uid
        else ""
    )
    look = f"import os; {become}\nfor folder in {packages!r}: os.listdir(folder)\nimport decimal, wave"
    try:
        done = subprocess.run(
            [*wall.command, sys.executable, "-I", "-c", look], capture_output=True, timeout=20
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _system() -> list[str]:
    """Programs and libraries of the system, and what the dynamic linker needs to find them."""
    shown = ["--ro-bind", "/usr", "/usr"]
    for name in ("bin", "sbin", "lib", "lib32", "lib64"):
        path = Path("/", name)
        if path.is_symlink():
            shown += ["--symlink", os.readlink(path), str(path)]
        elif path.is_dir():
            shown += ["--ro-bind", str(path), str(path)]
    shown += ["--perms", "0755", "--dir", "/etc"]
    for path in ("/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/localtime"):
        shown += ["--ro-bind-try", path, path]
    if Path("/nix/store").is_dir():
        shown += ["--perms", "0755", "--dir", "/nix", "--ro-bind", "/nix/store", "/nix/store"]
    return shown


def _shown(packages: tuple[str, ...]) -> list[str]:
    import matplotlib

    prefixes = (sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix)
    # The font list, which would take seconds to make anew.
    folders = dict.fromkeys([*prefixes, *packages, matplotlib.get_cachedir()])
    shown: list[str] = []
    for folder in folders:
        for path in dict.fromkeys([folder, os.path.realpath(folder)]):
            if not path.startswith("/usr/"):
                # Folders above it that anybody may pass through; bubblewrap's own would be root's alone.
                above = [str(parent) for parent in reversed(Path(path).parents) if str(parent) != "/"]
                shown += [word for parent in above for word in ("--perms", "0755", "--dir", parent)]
                shown += ["--ro-bind-try", path, path]
    return shown


# In the untrusted interpreter

_NEWNS, _NEWIPC, _NEWUSER, _NEWPID = 0x00020000, 0x08000000, 0x10000000, 0x20000000
_MS_NOSUID, _MS_NODEV, _MS_REC, _MS_PRIVATE = 2, 4, 0x4000, 0x40000
_PR_SET_DUMPABLE, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 4, 24, 38
_CAPABILITY_VERSION_3 = 0x20080522


def become_nobody(uid: int) -> None:
    """Give up root for good; capabilities go with it."""
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


def own_namespaces(scratch: str, scratch_size: int = 64 * MIB) -> None:
    """Give this process's children process numbers, mounts, shared memory and a scratch folder of their own.

    The next fork is process 1 of the new namespace: when it ends, the kernel kills all others in it. Raises
    `OSError` where the system does not allow it; then this process is of no more use.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    uid, gid = os.getuid(), os.getgid()
    libc.prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0)  # else the files below belong to root
    if libc.unshare(_NEWUSER | _NEWPID | _NEWNS | _NEWIPC) != 0:
        raise OSError(ctypes.get_errno(), "no namespaces here")
    for name, content in (
        ("setgroups", "deny"),
        ("uid_map", f"{uid} {uid} 1"),
        ("gid_map", f"{gid} {gid} 1"),
    ):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
            file.write(content)
    _mount(libc, None, "/", None, _MS_REC | _MS_PRIVATE)
    for folder in (scratch, "/dev/shm"):
        if not _mount(
            libc, "tmpfs", folder, "tmpfs", _MS_NOSUID | _MS_NODEV, f"size={scratch_size},nr_inodes=20000"
        ):
            raise OSError(ctypes.get_errno(), f"no {folder} of its own")


def own_process_list() -> None:
    """Let /proc show the new namespace; where the system forbids that, let it show nothing. For process 1."""
    libc = ctypes.CDLL(None, use_errno=True)
    if not _mount(libc, "proc", "/proc", "proc", _MS_NOSUID | _MS_NODEV):
        _mount(libc, "tmpfs", "/proc", "tmpfs", _MS_NOSUID | _MS_NODEV, "size=4096,nr_inodes=2,mode=555")


def drop_capabilities() -> None:
    """Give up what a new user namespace granted: to mount, or to take a mount away again."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    for capability in range(64):
        libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    nothing = (ctypes.c_uint32 * 6)()
    libc.capset(header, nothing)


def _mount(
    libc: ctypes.CDLL,
    source: str | None,
    target: str,
    kind: str | None,
    flags: int,
    options: str | None = None,
) -> bool:
    source, target, kind, options = (text and text.encode() for text in (source, target, kind, options))
    return libc.mount(source, target, kind, ctypes.c_ulong(flags), options) == 0
