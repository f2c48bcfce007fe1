"""The memory of a grader's processes while it works: of itself, its workers and its warm interpreter."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["Memory"]

_FIELDS = ("Rss", "Pss")
_MIB = 1024


class Memory:
    """Samples the processes that this one has started, near the start and near the end of a class of `size`.

    `told` is to hear each line that the grader prints: one a submission.
    """

    def __init__(self, size: int):
        self.at = {"start": max(1, size // 10), "end": size - 1 - size // 50}
        self.heard = 0
        self.samples: dict[str, dict[str, list[int]]] = {}

    def told(self, line: str) -> None:
        self.heard += line.startswith("{")
        for when, count in self.at.items():
            if self.heard == count and when not in self.samples:
                self.samples[when] = _sample()

    def rows(self) -> dict[str, dict[str, list[int]]]:
        """Megabytes: for each kind of process, the sums of RSS and PSS at the start and at the end."""
        return self.samples

    def lines(self) -> list[str]:
        return [
            f"{when}: "
            + "; ".join(f"{kind} RSS {rss} MB, PSS {pss} MB" for kind, (rss, pss) in kinds.items())
            for when, kinds in self.samples.items()
        ]


def _sample() -> dict[str, list[int]]:
    """RSS and PSS in megabytes of the grader, of each of its workers and of the warm interpreter."""
    children = _children()
    graders = [pid for pid in children.get(os.getpid(), []) if "autograder" in _command(pid)]
    found: dict[str, list[int]] = {}
    for grader in graders:
        found["grader"] = _memory(grader)
        workers = [pid for pid in children.get(grader, []) if "autograder grade" in _command(pid)]
        found |= {f"worker {number}": _memory(pid) for number, pid in enumerate(sorted(workers), 1)}
        warm = [
            pid
            for pid in _below(grader, children)
            if "autograder.zygote" in _command(pid) and pid not in workers
        ]
        if warm:
            found["warm interpreter"] = _memory(min(warm))
    return found


def _children() -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):
        try:
            fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        except OSError:  # it has just ended
            continue
        found.setdefault(int(fields[1]), []).append(pid)
    return found


def _below(pid: int, children: dict[int, list[int]]) -> list[int]:
    below = list(children.get(pid, []))
    for child in below:
        below += children.get(child, [])
    return below


def _command(pid: int) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return ""
    # bubblewrap's own processes carry the whole command of what they run.
    return "" if words[0].endswith(b"bwrap") else b" ".join(words).decode(errors="replace")


def _memory(pid: int) -> list[int]:
    sums = dict.fromkeys(_FIELDS, 0)
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            name, _, value = line.partition(":")
            if name in sums:
                sums[name] = int(value.split()[0]) // _MIB
    except OSError:
        pass
    return list(sums.values())
