"""Large pages for a process that is going to be forked often.

A fork copies the parent's page table and its end takes that copy apart: with a few hundred megabytes in pages of
4 KB this costs more than most answers take to run. In pages of 2 MB it costs a fifth. What a child then writes to is
still copied in small pages.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator

__all__ = ["use_large_pages"]

_COLLAPSE = 25  # MADV_COLLAPSE: since Linux 6.1, and whatever the system's setting for large pages is
_LARGE = 2 * 2**20


def use_large_pages() -> int:
    """Put this process's own memory into large pages as far as the kernel can; return how many bytes were."""
    madvise = ctypes.CDLL(None).madvise
    madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    pages = (page for start, end in _own_memory() for page in range(_up(start), _down(end), _LARGE))
    return sum(_LARGE for page in pages if madvise(page, _LARGE, _COLLAPSE) == 0)


def _own_memory() -> Iterator[tuple[int, int]]:
    """Yield the address ranges of the heap and of anonymous memory, from and to."""
    with open("/proc/self/maps", encoding="utf-8", errors="replace") as file:
        lines = [line.split() for line in file]
    for addresses, rights, _, _, inode, *name in lines:
        if rights == "rw-p" and inode == "0" and name in ([], ["[heap]"]):
            start, end = addresses.split("-")
            yield int(start, 16), int(end, 16)


def _up(address: int) -> int:
    return -(-address // _LARGE) * _LARGE


def _down(address: int) -> int:
    return address // _LARGE * _LARGE
