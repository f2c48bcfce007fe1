"""Where grading runs: this machine's cores, one forked process each.

A worker that dies costs nothing but its own job, which is reported as failed; another worker takes its place. The
workers are trusted code; what learners wrote runs in the sandbox that they talk to.
"""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any

__all__ = ["Failed", "cores", "work"]

_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Failed:
    """A job that a worker could not finish, and why: an error of ours."""

    why: str


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def work(
    function: Callable[[Any], Any],
    jobs: Iterable[Any],
    workers: int,
    leave: Callable[[], None] = lambda: None,
) -> Iterator[tuple[Any, Any]]:
    """Yield ``(job, function(job))`` as results come, or ``(job, Failed(...))``.

    Parameters
    ----------
    function : callable
        Called in a forked worker, so it may hold anything; results are sent back, so they must be picklable.
    jobs : iterable
        What `function` gets; each is taken when a worker is free for it, so few are held at a time.
    workers : int
        How many processes; with one, the work is done in this process.
    leave : callable
        Called by each worker before it ends.
    """
    if workers <= 1:
        for job in jobs:
            yield job, _attempt(function, job)
        return
    waiting = iter(jobs)
    crew: dict[Connection, tuple[multiprocessing.Process, Any]] = {}
    try:
        for job in _first(waiting, workers):
            _hire(function, job, leave, crew)
        while crew:
            for pipe in wait(list(crew)):
                process, job = crew.pop(pipe)
                try:
                    result = pipe.recv()
                except (EOFError, OSError):
                    process.join()
                    result = Failed(f"a grading process ended with exit code {process.exitcode}")
                    pipe.close()
                    for next_job in _first(waiting, 1):
                        _hire(function, next_job, leave, crew)
                else:
                    _give_next(waiting, pipe, process, crew)
                yield job, result
    finally:
        for pipe in crew:
            pipe.close()
        for process, _ in crew.values():
            process.terminate()


def _first(jobs: Iterator[Any], count: int) -> Iterator[Any]:
    for _ in range(count):
        with contextlib.suppress(StopIteration):
            yield next(jobs)


def _hire(function: Callable, job: Any, leave: Callable, crew: dict) -> None:
    fork = multiprocessing.get_context("fork")
    ours, theirs = fork.Pipe()
    others = [*crew, ours]
    arguments = (function, theirs, others, leave, os.getpid())
    process = fork.Process(target=_worker, args=arguments, daemon=True)
    process.start()
    theirs.close()
    ours.send(job)
    crew[ours] = (process, job)


def _give_next(
    waiting: Iterator[Any], pipe: Connection, process: multiprocessing.Process, crew: dict
) -> None:
    for job in _first(waiting, 1):
        with contextlib.suppress(OSError):  # noticed at the next receive
            pipe.send(job)
        crew[pipe] = (process, job)
        return
    pipe.close()
    process.join()


def _worker(
    function: Callable, pipe: Connection, others: list[Connection], leave: Callable, parent: int
) -> None:
    _die_with(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears Ctrl-C, too, and ends its workers
    for other in others:  # else this process would keep its siblings' pipes open
        other.close()
    try:
        while True:
            pipe.send(_attempt(function, pipe.recv()))
    except (EOFError, OSError):
        leave()


def _die_with(parent: int) -> None:
    """Let the system kill this process when `parent` ends: killed, it could not tell its workers."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it ended before the line above
        os._exit(1)


def _attempt(function: Callable, job: Any) -> Any:
    try:
        return function(job)
    except Exception:
        return Failed(traceback.format_exc(limit=-3))
