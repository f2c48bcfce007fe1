"""How much memory the processes of one run use together: a limit for each alone does not add up.

Read by the run's first process, several times a second, from /proc. A cheap estimate comes first: it counts what
copies of a process share once for each of them, and only when that is too much are the shared parts divided.
"""

from __future__ import annotations

import os

__all__ = ["Meter", "anonymous_memory"]

KIB = 1024


class Meter:
    """Watches the processes that share this one's process numbers.

    Parameters
    ----------
    proc : int
        Descriptor of a /proc that shows them; it may show others, too.
    warm : int
        Bytes that the warm interpreter has before any learner's code runs; all runs share them.
    """

    def __init__(self, proc: int, warm: int):
        self.proc, self.warm = proc, warm
        self.here = os.readlink("self/ns/pid", dir_fd=proc)

    def exceeds(self, limit: int) -> bool:
        """Do the processes together use more than `limit` bytes on top of the warm interpreter?"""
        everybody = [name for name in os.listdir(self.proc) if name.isdigit()]
        own = [name for name in everybody if self._is_own(name)]
        if sum(self._at_most(name) for name in own) <= limit:
            return False
        shared = self.warm * len(own) / max(len(everybody), len(own) + 1)
        return (
            sum(self._fields(f"{name}/smaps_rollup", ("Pss_Anon", "Pss_Shmem")) for name in own) - shared
            > limit
        )

    def _is_own(self, name: str) -> bool:
        try:
            return os.readlink(f"{name}/ns/pid", dir_fd=self.proc) == self.here
        except OSError:  # somebody else's, or just ended
            return False

    def _at_most(self, name: str) -> int:
        anonymous = self._fields(f"{name}/status", ("RssAnon",))
        return max(0, anonymous - self.warm) + self._fields(f"{name}/status", ("RssShmem",))

    def _fields(self, path: str, names: tuple[str, ...]) -> int:
        try:
            with open(
                os.open(path, os.O_RDONLY, dir_fd=self.proc), encoding="utf-8", errors="replace"
            ) as file:
                return _sum(file.read(), names)
        except OSError:
            return 0


def anonymous_memory() -> int:
    """Bytes of memory of its own that this process has."""
    with open("/proc/self/status", encoding="utf-8", errors="replace") as file:
        return _sum(file.read(), ("RssAnon",))


def _sum(text: str, names: tuple[str, ...]) -> int:
    """Sum fields of the form ``Name:  123 kB``."""
    rows = (line.partition(":") for line in text.splitlines())
    return sum(int(value.split()[0]) * KIB for name, _, value in rows if name in names)
