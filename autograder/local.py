"""Grading on this machine: one warm sandbox, one forked worker a core."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .engine import Failed, work
from .grader import Graded, Grader, Job, Plan
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
    limits : Limits, optional
        What one submission may use.
    workers : int
        Submissions at the same time.
    """

    def __init__(self, release: Release, limits: Limits | None, workers: int):
        self.workers = workers
        # Started before anything secret is read, and warm by the time that the cases are made.
        self.sandbox = Sandbox(preloads(release), limits)

    def __enter__(self) -> ThisMachine:
        return self

    def __exit__(self, *exception: object) -> None:
        self.sandbox.close()

    @property
    def limits(self) -> Limits:
        return self.sandbox.limits

    def grade(self, plan: Plan, jobs: Iterable[Job]) -> Iterator[tuple[Job, Graded | Failed]]:
        """Yield each job with its result, as they come."""
        grader = Grader.prepare(plan, self.sandbox)
        self.sandbox.wait_until_warm()
        yield from work(grader.grade, jobs, self.workers, leave=grader.leave)
