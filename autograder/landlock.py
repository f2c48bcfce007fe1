"""Landlock: a process gives up all files but those that it names, for itself and whatever it will start.

The kernel's own wall for programs without rights; it needs no namespaces and no helper program. What it knows grew
with Linux: files (version 1, Linux 5.13), renames between folders (2), truncation (3), TCP (4), devices (5), signals
and abstract sockets (6, Linux 6.12). Each version is used as far as it goes, and `version` says how far that is.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
from collections.abc import Iterable

__all__ = ["SCOPES_SIGNALS", "restrict", "version"]

SCOPES_SIGNALS = 6

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on every processor that Python runs on
_ASK_VERSION, _PATH_BENEATH, _PR_SET_NO_NEW_PRIVS = 1, 1, 38

# Rights on files, in the order of their bits, each with the version that brought it.
_RIGHTS = {
    "execute": 1, "write_file": 1, "read_file": 1, "read_dir": 1, "remove_dir": 1, "remove_file": 1, "make_char": 1,
    "make_dir": 1, "make_reg": 1, "make_sock": 1, "make_fifo": 1, "make_block": 1, "make_sym": 1, "refer": 2,
    "truncate": 3, "ioctl_dev": 5,
}  # fmt: skip
_READ = ("execute", "read_file", "read_dir")
_OF_A_FILE = ("execute", "read_file", "write_file", "truncate", "ioctl_dev")
_TCP, _ABSTRACT_SOCKETS_AND_SIGNALS = 0b11, 0b11


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scopes", ctypes.c_uint64))


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("allowed", ctypes.c_uint64), ("folder", ctypes.c_int32))


def version() -> int:
    """Which version this kernel has; 0 where it has none, or where it is turned off."""
    found = _libc().syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(_ASK_VERSION))
    return max(0, found)


def restrict(readable: Iterable[str], writable: Iterable[str]) -> None:
    """Leave this thread, and what it starts, nothing but some files and folders. It cannot be undone.

    Where the kernel knows how, TCP, abstract sockets and signals to processes outside are gone as well.

    Parameters
    ----------
    readable : iterable of str
        Files and folders, with all below them, to read and to run. Those that are not there, or closed to this
        user, are passed over.
    writable : iterable of str
        The same to do anything with.

    Raises
    ------
    OSError
        The kernel has no Landlock, or refuses.
    """
    libc, known = _libc(), version()
    if not known:
        raise OSError(errno.ENOSYS, "this kernel has no Landlock")
    size = 8 if known < 4 else 16 if known < SCOPES_SIGNALS else 24
    wanted = _Ruleset(_bits(_RIGHTS, known), _TCP, _ABSTRACT_SOCKETS_AND_SIGNALS)
    rules = _checked(
        libc.syscall(_CREATE_RULESET, ctypes.byref(wanted), ctypes.c_size_t(size), ctypes.c_uint32(0))
    )
    try:
        for paths, rights in ((readable, _READ), (writable, tuple(_RIGHTS))):
            for path in paths:
                _allow(libc, rules, path, rights, known)
        _checked(libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        _checked(libc.syscall(_RESTRICT_SELF, rules, ctypes.c_uint32(0)))
    finally:
        os.close(rules)


def _allow(libc: ctypes.CDLL, rules: int, path: str, rights: tuple[str, ...], known: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError, PermissionError):  # nothing that this user could read
        return
    try:
        if not stat.S_ISDIR(os.fstat(place).st_mode):
            rights = tuple(right for right in rights if right in _OF_A_FILE)
        rule = _Beneath(_bits(rights, known), place)
        _checked(libc.syscall(_ADD_RULE, rules, _PATH_BENEATH, ctypes.byref(rule), ctypes.c_uint32(0)))
    finally:
        os.close(place)


def _bits(rights: Iterable[str], known: int) -> int:
    """The rights that version `known` has, as the kernel wants them."""
    wanted = set(rights)
    return sum(
        1 << bit for bit, (right, since) in enumerate(_RIGHTS.items()) if right in wanted and since <= known
    )


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"Landlock: {os.strerror(number)}")
    return result


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
