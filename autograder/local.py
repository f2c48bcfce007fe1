"""Grading on this machine: one warm sandbox, one forked worker a core."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from .engine import Failed, work
from .graded import Graded
from .grader import Grader
from .job import Job
from .plan import Plan
from .preload import preloads
from .release import Release
from .sandbox import Limits, Sandbox

__all__ = ["ThisMachine"]


class ThisMachine:
    """This machine's cores as a place to grade; use it in a ``with`` block.

    Parameters
    ----------
    release : Release
        The assignment's, for what its notebook imports.
    limits : Limits
        What one submission may use.
    workers : int
        Submissions at the same time.
    early : bool
        Something is sure to be judged: start the sandbox at once, before anything secret is read, so that it is warm
        by the time that the cases are made.
    private : iterable of Path
        Folders that learners' code must not be able to read.
    unsafe : bool
        Go on where a necessary wall is missing.
    """

    def __init__(
        self,
        release: Release,
        limits: Limits,
        workers: int,
        *,
        early: bool = True,
        private: Iterable[Path] = (),
        unsafe: bool = False,
    ):
        self.release, self.limits, self.workers = release, limits, workers
        self.private, self.unsafe = tuple(private), unsafe
        self.sandbox = self._started() if early else None

    def _started(self) -> Sandbox:
        return Sandbox(preloads(self.release), self.limits, private=self.private, unsafe=self.unsafe)

    def __enter__(self) -> ThisMachine:
        return self

    def __exit__(self, *exception: object) -> None:
        if self.sandbox is not None:
            self.sandbox.close()

    def grade(self, plan: Plan, jobs: Iterable[Job]) -> Iterator[tuple[Job, Graded | Failed]]:
        """Yield each job with its result, as they come."""
        if self.sandbox is None and plan.judged != ():
            self.sandbox = self._started()
        grader = Grader.prepare(plan, self.sandbox)
        if self.sandbox is not None:
            self.sandbox.wait_until_warm()
        yield from work(grader.grade, jobs, self.workers, leave=grader.leave)
