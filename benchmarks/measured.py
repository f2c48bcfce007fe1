"""What a command costs: time on the clock, and processor time of it and of everything that it started.

Processes that outlive their parent count as well: they are adopted here and waited for. Linux only.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Cost", "measured"]

_PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True)
class Cost:
    """Seconds of the clock and of processors."""

    wall: float
    cpu: float

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.wall + other.wall, self.cpu + other.cpu)

    def __truediv__(self, number: float) -> Cost:
        return Cost(self.wall / number, self.cpu / number)


def measured(
    command: Sequence[str],
    cwd: Path,
    environment: Mapping[str, str],
    told: Callable[[str], None] = lambda line: None,
) -> Cost:
    """Run a command to its end and return what it cost; `told` hears each line of its standard output.

    Raises
    ------
    RuntimeError
        It failed; the message is the end of what it said.
    """
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    before, start = _processor_time(), time.perf_counter()
    process = subprocess.Popen(
        command, cwd=cwd, env=dict(environment), text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    last: list[str] = []
    for line in process.stdout:
        last = [*last[-30:], line]
        told(line)
    status = process.wait()
    wall = time.perf_counter() - start
    with contextlib.suppress(ChildProcessError):
        while True:
            os.wait()
    if status:
        raise RuntimeError(f"{' '.join(command)} ended with exit code {status}:\n{''.join(last)}")
    return Cost(wall, _processor_time() - before)


def _processor_time() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
