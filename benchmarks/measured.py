"""What a command costs: time on the clock, and processor time of it and of everything that it started.

Processes that outlive their parent count as well: they are adopted here and waited for. Linux only.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

__all__ = ["Cost", "installed", "machine", "measured"]

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


def machine() -> dict[str, object]:
    """Which machine this is, what runs on it, and how busy it is."""
    packages = {name: installed(name) for name in ("torch", "nbgrader", "numpy", "otter-grader")}
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "load": round(os.getloadavg()[0], 1),
        "python": sys.version.split()[0],
        **{name: number for name, number in packages.items() if number},
    }


def installed(package: str) -> str | None:
    """The version of an installed package; None where it is not there."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
