"""Grading on a Dask cluster: the same jobs, sent to workers on other machines; what they find comes back to one writer.

A worker that dies costs nothing: the scheduler gives its jobs to others. A job whose workers keep dying is set aside
until all others are done and then tried once more with the cluster to itself; if that takes a worker down again, the
job is to blame and a human is told. So neither a poisonous submission ends the batch, nor is an innocent one lost
because it waited beside it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import queue
import time
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .course import CourseError
from .engine import Failed
from .remote import Answer, Order, attempt, leave, pack, software, unpack

if TYPE_CHECKING:
    from distributed import Client, Future

    from .graded import Graded
    from .job import Job
    from .plan import Plan

__all__ = ["Cluster"]

CONNECT = 10.0  # seconds until a scheduler that does not answer is given up
LOOK = 2.0  # seconds between two looks at how many workers there are
AHEAD = 2  # jobs sent for each of a worker's threads: one to do, one to go on with
LEAST_AHEAD = 8  # with few workers or none, so that a cluster that grows on demand sees a demand
MOST_BYTES = 256 * 2**20  # of submissions on their way, as long as there is more than one

log = logging.getLogger("autograder")


class Cluster:
    """The workers behind a Dask scheduler as a place to grade; use it in a ``with`` block.

    Parameters
    ----------
    address : str
        The scheduler's, for instance ``tcp://10.0.0.7:8786``, or the path of the file that it wrote
        (``--scheduler-file``).
    private : iterable of Path
        Folders that learners' code must not be able to read where a worker sees them, too.
    unsafe : bool
        Go on where a necessary wall is missing on a worker's machine.
    """

    def __init__(self, address: str, *, private: Iterable[Path] = (), unsafe: bool = False):
        self.address, self.private, self.unsafe = address, tuple(private), unsafe
        self.client = _connect(address)

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *exception: object) -> None:
        with contextlib.suppress(Exception):
            self.client.close(timeout=5)

    def grade(self, plan: Plan, jobs: Iterable[Job]) -> Iterator[tuple[Job, Graded | Failed]]:
        """Yield each job with its result, as they come."""
        order = Order(plan, self.private, self.unsafe)
        batch = _Batch(self.client, self.address, order)
        suspects: list[Job] = []
        try:
            for job, answer in batch.all(jobs):
                if answer.kind == "lost":
                    suspects.append(job)
                else:
                    yield job, _outcome(answer)
            for suspect in suspects:
                for job, answer in batch.all([suspect]):
                    yield job, _outcome(answer)
        finally:
            batch.end()


def _outcome(answer: Answer) -> Graded | Failed:
    return unpack(answer.content) if answer.kind == "graded" else Failed(answer.content)


def _connect(address: str) -> Client:
    try:
        from distributed import Client
    except ImportError:
        raise CourseError(
            "grading on a cluster needs Dask, which is not installed here: pip install 'dlcv[cluster]'"
        ) from None
    if address.endswith(".json") and not Path(address).is_file():
        raise CourseError(f"no scheduler file {address}: the scheduler writes it when it starts")
    where = {"scheduler_file": address} if Path(address).is_file() else {"address": address}
    try:
        return Client(**where, timeout=CONNECT, set_as_default=False, name="autograder")
    except (OSError, ValueError, TypeError, KeyError, RuntimeError, asyncio.TimeoutError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise CourseError(
            f"no Dask scheduler could be reached at {address} ({reason}); "
            "wanted: its address, such as tcp://10.0.0.7:8786, or the file that it wrote"
        ) from None


class _Batch:
    """The jobs of one order on their way through the cluster."""

    def __init__(self, client: Client, address: str, order: Order):
        self.client, self.address = client, address
        self.order, self.software = pack(order), software()
        self.name, self.sent = f"grade-{uuid.uuid4().hex}", 0
        self.away: dict[Any, tuple[Future, Job]] = {}
        self.back: queue.SimpleQueue[Future] = queue.SimpleQueue()
        self.threads, self.looked, self.told = 0, 0.0, False

    def all(self, jobs: Iterable[Job]) -> Iterator[tuple[Job, Answer]]:
        """Send all jobs, few at a time, and yield each with its answer."""
        waiting = iter(jobs)
        more = True
        while more or self.away:
            while more and self._has_room():
                job = next(waiting, None)
                more = job is not None
                if more:
                    self._send(job)
            if self.away:
                yield self._receive()

    def _has_room(self) -> bool:
        self._look()
        on_the_way = sum(len(job.handed_in.content) for _, job in self.away.values())
        most = max(AHEAD * self.threads, LEAST_AHEAD)
        return not self.away or (len(self.away) < most and on_the_way < MOST_BYTES)

    def _send(self, job: Job) -> None:
        self.sent += 1
        # The key is what dashboards and logs show: no name of a learner in it.
        future = self.client.submit(
            attempt, self.software, self.order, pack(job), key=(self.name, self.sent), pure=False
        )
        self.away[future.key] = future, job
        future.add_done_callback(self.back.put)

    def _receive(self) -> tuple[Job, Answer]:
        while True:
            try:
                future = self.back.get(timeout=LOOK)
            except queue.Empty:
                self._look()
                continue
            _, job = self.away.pop(future.key)
            return job, self._answer(future)

    def _answer(self, future: Future) -> Answer:
        from distributed import KilledWorker

        if future.cancelled():
            raise self._lost()
        error = future.exception()
        if isinstance(error, KilledWorker):
            return Answer("lost", "the workers that were given it died, the last of them with no other job")
        if error is not None and _is_of_another_place(error):
            raise CourseError(
                f"the cluster at {self.address} has not this autograder ({_cause(error)}); install the same "
                "dlcv[grading,cluster] for its scheduler and its workers"
            )
        if error is not None:
            return Answer("lost", f"the cluster could not do it: {type(error).__name__}: {error}")
        answer = Answer(*future.result())
        if answer.kind == "refused":
            raise CourseError(answer.content)
        return answer

    def _look(self) -> None:
        """Count the cluster's threads, now and then, and say when there are none."""
        if time.monotonic() - self.looked < LOOK:
            return
        self.looked = time.monotonic()
        if self.client.status != "running":
            raise self._lost()
        try:
            self.threads = sum(self.client.nthreads().values())
        except Exception:
            raise self._lost() from None
        if not self.threads and not self.told:
            log.warning("the cluster at %s has no worker; waiting until one joins", self.address)
        self.told = not self.threads

    def _lost(self) -> CourseError:
        return CourseError(
            f"the connection to the scheduler at {self.address} was lost; what has been graded is kept, "
            "the same command goes on from there"
        )

    def end(self) -> None:
        """Drop what is still on its way and let the workers close their sandboxes."""
        with contextlib.suppress(Exception):
            self.client.cancel([future for future, _ in self.away.values()], force=True)
            self.client.run(leave, self.order, on_error="ignore")


def _is_of_another_place(error: BaseException) -> bool:
    """Could the scheduler or a worker not even unpack the call?"""
    return isinstance(error, ImportError | AttributeError) or "deserialization" in str(error)


def _cause(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    return " ".join(str(error).split())
