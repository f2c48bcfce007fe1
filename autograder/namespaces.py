"""Walls of namespaces, which a program needs no rights to raise around itself: for the untrusted interpreter.

Around the warm interpreter where bubblewrap does not do it: no network, all file systems read-only but a scratch
folder in memory. Around each run: process numbers, shared memory and a small scratch folder of its own, so one
submission neither sees nor signals another, and all of it is gone when its first process ends.
"""

from __future__ import annotations

import ctypes
import os

__all__ = [
    "around_each_run",
    "around_everybody",
    "become_nobody",
    "drop_capabilities",
    "own_process_list",
]

_NEWNS, _NEWUTS, _NEWIPC, _NEWUSER = 0x00020000, 0x04000000, 0x08000000, 0x10000000
_NEWPID, _NEWNET = 0x20000000, 0x40000000
_MS_NOSUID, _MS_NODEV, _MS_REC, _MS_PRIVATE = 2, 4, 0x4000, 0x40000
_MOUNT_SETATTR, _AT_FDCWD, _AT_RECURSIVE, _READ_ONLY = 442, -100, 0x8000, 1
_PR_SET_DUMPABLE, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 4, 24, 38
_CAPABILITY_VERSION_3 = 0x20080522


def become_nobody(uid: int) -> None:
    """Give up root for good; capabilities go with it."""
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0)  # a guardian counts their memory


def around_everybody(scratch: str, scratch_size: int) -> None:
    """Give this process and its children no network, nothing to write but `scratch`, `scratch_size` bytes of it.

    Raises `OSError` where the system does not allow it; then this process is of no more use.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    _unshare(libc, _NEWUSER | _NEWNS | _NEWIPC | _NEWUTS | _NEWNET)
    _set_attributes(libc, "/", _AT_RECURSIVE, on=_READ_ONLY)
    _set_attributes(libc, "/proc", 0, off=_READ_ONLY)  # each run writes there to get namespaces of its own
    _mount_memory(libc, scratch, scratch_size)


def around_each_run(scratch: str, scratch_size: int) -> None:
    """Give this process's children process numbers, mounts, shared memory and a scratch folder of their own.

    The next fork is process 1 of the new namespace: when it ends, the kernel kills all others in it. Raises
    `OSError` where the system does not allow it; then this process is of no more use.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    _unshare(libc, _NEWUSER | _NEWPID | _NEWNS | _NEWIPC)
    for folder in (scratch, "/dev/shm"):
        _mount_memory(libc, folder, scratch_size)


def _unshare(libc: ctypes.CDLL, namespaces: int) -> None:
    uid, gid = os.getuid(), os.getgid()
    libc.prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0)  # else the files below belong to root
    if libc.unshare(namespaces) != 0:
        raise OSError(ctypes.get_errno(), "no namespaces here")
    for name, content in (
        ("setgroups", "deny"),
        ("uid_map", f"{uid} {uid} 1"),
        ("gid_map", f"{gid} {gid} 1"),
    ):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
            file.write(content)
    _mount(libc, None, "/", None, _MS_REC | _MS_PRIVATE)


def _set_attributes(libc: ctypes.CDLL, path: str, flags: int, *, on: int = 0, off: int = 0) -> None:
    attributes = (ctypes.c_uint64 * 4)(on, off, 0, 0)
    size = ctypes.c_size_t(ctypes.sizeof(attributes))
    if libc.syscall(_MOUNT_SETATTR, _AT_FDCWD, path.encode(), flags, ctypes.byref(attributes), size) != 0:
        raise OSError(ctypes.get_errno(), f"the mounts at {path} cannot be changed")


def _mount_memory(libc: ctypes.CDLL, folder: str, size: int) -> None:
    options = f"size={size},nr_inodes=20000"
    if not _mount(libc, "tmpfs", folder, "tmpfs", _MS_NOSUID | _MS_NODEV, options):
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
