"""What one submission may use, and how a process is bound to it."""

from __future__ import annotations

import contextlib
import os
import resource
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields, replace
from typing import Any

__all__ = ["Limits", "address_space", "confine", "kinds", "offer_first", "processes_of_user"]

MIB = 2**20


def _limit(default: Any, kind: str, *, exercise: bool = False) -> Any:
    """A limit of a kind (seconds, size, count); `exercise`: an exercise may have one of its own."""
    return field(default=default, metadata={"kind": kind, "exercise": exercise})


@dataclass(frozen=True)
class Limits:
    """What one submission may use. Seconds are of the wall clock unless said otherwise; sizes are bytes."""

    cell: float = _limit(10.0, "seconds")  # one cell of the notebook
    submission: float = _limit(120.0, "seconds")  # all of it together
    case: float | None = _limit(
        None, "seconds", exercise=True
    )  # one call of an answer; None: as it says itself
    cpu: int = _limit(120, "whole seconds", exercise=True)  # processor time of one process
    memory: int = _limit(2048 * MIB, "size", exercise=True)  # on top of what the warm interpreter has
    file: int = _limit(64 * MIB, "size", exercise=True)  # one written file
    disk: int = _limit(64 * MIB, "size")  # all written files together; they lie in memory
    processes: int = _limit(128, "count", exercise=True)  # at the same time, threads included
    descriptors: int = _limit(256, "count", exercise=True)  # open files of one process
    message: int = _limit(64 * MIB, "size", exercise=True)  # what one call of an answer may return
    restarts: int = _limit(6, "count")  # after a crash or a cell that had to be killed
    grace: float = _limit(1.0, "seconds")  # between asking a cell to stop and killing it
    exercises: Mapping[str, Limits] = field(
        default_factory=dict
    )  # of the processes that answer one, by its name

    def of(self, exercise: str) -> Limits:
        """What the process that answers an exercise may use."""
        return self.exercises.get(exercise, self)

    @property
    def widest(self) -> Limits:
        """The most that any process of a submission may have."""
        everybody = [self, *self.exercises.values()]
        may = [each.name for each in kinds() if each.metadata["exercise"] and each.name != "case"]
        return replace(self, **{name: max(getattr(each, name) for each in everybody) for name in may})

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Limits:
        """The inverse of `dataclasses.asdict`."""
        exercises = {name: cls.from_dict(own) for name, own in data.get("exercises", {}).items()}
        return cls(**{**data, "exercises": exercises})


def kinds() -> list[Field]:
    """The limits that there are, as fields; ``metadata`` holds ``kind`` and ``exercise``."""
    return [each for each in fields(Limits) if each.metadata]


# In the untrusted processes


def confine(limits: Limits, address_space: int, *, others: int, widest: Limits | None = None) -> None:
    """Bind this process and its children to `limits`. For the child side, before any learner's code runs.

    Parameters
    ----------
    limits : Limits
        What it may use.
    address_space : int
        Bytes that the warm interpreter has before it.
    others : int
        Processes of this user that the kernel counts as well: see `processes_of_user`; none behind an inner wall.
    widest : Limits, optional
        What a child may be given later, by another call.
    """
    widest = widest or limits
    _lower(resource.RLIMIT_CORE, 0, 0)
    _lower(resource.RLIMIT_CPU, limits.cpu, widest.cpu)
    _lower(resource.RLIMIT_FSIZE, limits.file, widest.file)
    _lower(resource.RLIMIT_NOFILE, limits.descriptors, widest.descriptors)
    _lower(resource.RLIMIT_AS, address_space + limits.memory, address_space + widest.memory)
    if os.getuid() != 0:  # the kernel exempts root
        _lower(resource.RLIMIT_NPROC, limits.processes + others, widest.processes + others)


def offer_first(proc: int) -> None:
    """Where the whole machine runs out of memory, let the kernel end this process and its children first.

    Else it may choose the grader, which is larger than any of them. `proc` is a descriptor of a /proc that shows this
    process.
    """
    with contextlib.suppress(OSError):
        file = os.open("self/oom_score_adj", os.O_WRONLY, dir_fd=proc)
        try:
            os.write(file, b"1000")
        finally:
            os.close(file)


def _lower(which: int, now: int, later: int) -> None:
    hard = resource.getrlimit(which)[1]
    if hard != resource.RLIM_INFINITY:
        now, later = min(now, hard), min(later, hard)
    resource.setrlimit(which, (now, later))


def address_space() -> int:
    """Bytes of virtual memory that this process has."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[0]) * resource.getpagesize()


def processes_of_user() -> int:
    """How many processes this user has; to be asked while /proc can be read."""
    own, count = os.getuid(), 0
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                count += entry.stat().st_uid == own
            except OSError:  # it has just ended
                continue
    return count
