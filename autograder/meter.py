"""How much memory the processes of one run use together, and how many there are.

A limit for each process alone does not add up, so the run's guardian looks several times a second, in /proc. What
every process shows costs little to read and counts what copies share once for each of them; only where that is too
much are shared parts divided, which takes milliseconds.
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection

from .limits import Limits

__all__ = ["Meter", "anonymous_memory"]

KIB = 1024
ROUGH = ("RssAnon", "RssShmem", "VmSwap")
EXACT = ("Pss_Anon", "Pss_Shmem", "SwapPss")
# A place in /proc/<number>/stat after the name, and what the kernel says there of a process that was forked.
FLAGS, FORKED_ONLY = 6, 0x40
# A closer look may take this part of the time.
SHARE = 0.05


class Meter:
    """Watches all that descends from this process.

    Parameters
    ----------
    proc : int
        Descriptor of a /proc that shows them; it may show others, too.
    zygote : int
        Number of the warm interpreter in it, whose memory all runs share.
    warm : int
        Bytes that it has before any learner's code runs.
    """

    def __init__(self, proc: int, zygote: int, warm: int):
        self.proc, self.zygote, self.warm = proc, zygote, warm
        self.guardian = int(os.readlink("self", dir_fd=proc))
        self.lists_children = self._is_there(f"{self.guardian}/task/{self.guardian}/children")
        self.much = False
        # When the next closer look may be, what the last one found, and what a hopeful guess was at that time.
        self.closer_from, self.found, self.hopeful = 0.0, 0, 0

    def trouble(self, limits: Limits) -> dict | None:
        """Return what there is too much of, as ``{"memory": bytes}`` or ``{"processes": count}``; else None.

        Memory has to be too much twice in a row: it is not read at one stroke, and a process that ends in between
        leaves to the others what it shared with them.
        """
        own = self._below(self.guardian)
        threads = sum(len(self._listed(f"{pid}/task")) for pid in own)
        if threads > limits.processes:
            return {"processes": threads}
        memory, before = self.memory(own, limits.memory), self.much
        self.much = memory > limits.memory
        return {"memory": memory} if self.much and before else None

    def memory(self, own: Collection[int], limit: int) -> int:
        """Return the bytes that processes have on top of the warm interpreter; only roughly while below `limit`."""
        rough = {pid: self._rough(pid) for pid in own}
        if sum(rough.values()) <= limit:
            return sum(rough.values())
        # Copies of the warm interpreter share what it has. Those of a program that was started look the same.
        copies = {pid for pid in own if self._is_copy(pid)}
        hopeful = sum(max(0, rough[pid] - self.warm) if pid in copies else rough[pid] for pid in own)
        grown = self.found + hopeful - self.hopeful
        if grown <= limit and time.monotonic() < self.closer_from:
            return max(0, grown)
        start = time.monotonic()
        counted = sum(map(self._exact, own))
        sharers = 1 + len(self._below(self.zygote))
        now = time.monotonic()
        self.closer_from = now + (now - start) / SHARE
        self.found = max(0, counted - self.warm * len(copies) // max(sharers, len(copies) + 1))
        self.hopeful = hopeful
        return self.found

    def _rough(self, pid: int) -> int:
        return self._fields(f"{pid}/status", ROUGH) or 0

    def _exact(self, pid: int) -> int:
        """Its part of what it shares; all of it where it hides, nothing where it has just ended."""
        found = self._fields(f"{pid}/smaps_rollup", EXACT)
        return self._rough(pid) if found is None else found

    def _is_copy(self, pid: int) -> bool:
        """Was it forked and nothing else? A program that it started is not."""
        after_name = self._text(f"{pid}/stat").rpartition(")")[2].split()
        return len(after_name) > FLAGS and bool(int(after_name[FLAGS]) & FORKED_ONLY)

    def _below(self, root: int) -> set[int]:
        """All that descend from process `root`."""
        children = self._children if self.lists_children else self._parents().get
        found, parents = set(), [root]
        while parents:
            new = set(children(parents.pop()) or ()) - found
            found |= new
            parents += new
        return found

    def _children(self, parent: int) -> list[int]:
        threads = self._listed(f"{parent}/task")
        return [
            int(pid) for thread in threads for pid in self._text(f"{parent}/task/{thread}/children").split()
        ]

    def _parents(self) -> dict[int, list[int]]:
        """The children of each process, for kernels that do not list them."""
        found: dict[int, list[int]] = {}
        for name in filter(str.isdigit, os.listdir(self.proc)):
            after_name = self._text(f"{name}/stat").rpartition(")")[2].split()
            if after_name:
                found.setdefault(int(after_name[1]), []).append(int(name))
        return found

    def _listed(self, path: str) -> list[str]:
        try:
            folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY, dir_fd=self.proc)
        except OSError:  # it has just ended
            return []
        try:
            return os.listdir(folder)
        except OSError:
            return []
        finally:
            os.close(folder)

    def _is_there(self, path: str) -> bool:
        try:
            os.stat(path, dir_fd=self.proc)
        except OSError:
            return False
        return True

    def _text(self, path: str) -> str:
        try:
            with open(
                os.open(path, os.O_RDONLY, dir_fd=self.proc), encoding="utf-8", errors="replace"
            ) as file:
                return file.read()
        except OSError:
            return ""

    def _fields(self, path: str, names: tuple[str, ...]) -> int | None:
        text = self._text(path)
        return _sum(text, names) if text else None


def anonymous_memory() -> int:
    """Bytes of memory of its own that this process has."""
    with open("/proc/self/status", encoding="utf-8", errors="replace") as file:
        return _sum(file.read(), ("RssAnon",))


def _sum(text: str, names: tuple[str, ...]) -> int:
    """Sum fields of the form ``Name:  123 kB``."""
    rows = (line.partition(":") for line in text.splitlines())
    return sum(int(value.split()[0]) * KIB for name, _, value in rows if name in names)
