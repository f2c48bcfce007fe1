"""The crew of workers: every job comes back once, whatever becomes of its worker."""

import multiprocessing
import os
import signal
import time

import pytest

from autograder.engine import Failed, cores, work


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_every_job_comes_back_once(workers):
    found = dict(work(lambda job: job * job, range(12), workers))
    assert found == {job: job * job for job in range(12)}


@pytest.mark.parametrize("workers", [1, 3])
def test_an_exception_is_that_jobs_only(workers):
    def odd(job):
        if job % 2:
            raise ValueError(f"odd {job}")
        return job

    found = dict(work(odd, range(6), workers))
    assert [found[job] for job in (0, 2, 4)] == [0, 2, 4]
    assert all(isinstance(found[job], Failed) and f"odd {job}" in found[job].why for job in (1, 3, 5))


def test_a_worker_that_dies_is_replaced():
    def deadly(job):
        if job in (1, 4):
            os.kill(os.getpid(), signal.SIGKILL)
        return os.getpid()

    found = dict(work(deadly, range(8), 2))
    assert {job for job, result in found.items() if isinstance(result, Failed)} == {1, 4}
    assert "exit code -9" in found[1].why
    assert os.getpid() not in found.values()


def test_work_is_done_side_by_side():
    start = time.monotonic()
    list(work(lambda _: time.sleep(0.3), range(4), 4))
    assert time.monotonic() - start < 1.0


def test_leaving_early_ends_the_workers():
    results = work(lambda job: os.getpid(), range(100), 2)
    _, worker = next(results)
    assert worker in {child.pid for child in multiprocessing.active_children()}
    results.close()
    for child in multiprocessing.active_children():
        child.join(timeout=10)
    assert multiprocessing.active_children() == []


def test_no_jobs_no_results():
    assert list(work(lambda job: job, [], 2)) == []
    assert cores() >= 1
