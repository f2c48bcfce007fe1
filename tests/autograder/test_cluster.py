"""A class graded on a Dask cluster: two workers, each a process of its own, on this machine."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from nbgrader.api import Gradebook

from autograder import cluster as cluster_module
from autograder import remote
from autograder.cli import main
from autograder.course import CourseError
from autograder.grade import grade
from autograder.record import record_path
from autograder.sandbox import Limits
from dlcv.checking import load_exercises

distributed = pytest.importorskip("distributed", reason="Dask is not installed: pip install 'dlcv[cluster]'")
psutil = pytest.importorskip("psutil")  # Dask needs it, too

ROOT = Path(__file__).resolve().parents[2]
LIMITS = Limits(cell=5.0, submission=30.0, restarts=2, grace=0.5)
PAINT, SIZE = "conv_transpose1d", "output_size"
# Right, but only where the process that runs it knows nothing of Dask: not in a cluster's worker. It asks the
# loggers, because a learner who reads `sys.modules` gets no points.
ELSEWHERE = """\
import logging

assert not any(name.startswith("distributed") for name in logging.root.manager.loggerDict)

def output_size(size, kernel_size, stride=1, padding=0, output_padding=0, dilation=1):
    return (size - 1) * stride - 2 * padding + dilation * (kernel_size - 1) + output_padding + 1
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with _cluster(tmp_path_factory.mktemp("dask"), 2) as cluster, distributed.Client(cluster) as client:
        cluster.client = client
        client.register_plugin(_poison(), name="poison")
        yield cluster


def _cluster(folder, workers: int):
    return distributed.LocalCluster(
        processes=True,
        n_workers=workers,
        threads_per_worker=1,
        host="127.0.0.1",
        dashboard_address=":0",
        local_directory=str(folder),
    )


def _poison():
    """A plugin that makes some submissions deadly in our own code, in each worker and in those that replace it."""

    # Made in here, a class travels by value: workers cannot import the tests.
    class Poison(distributed.WorkerPlugin):
        def setup(self, worker):
            from autograder.grader import Grader

            honest = Grader._graded

            def deadly(self, job):
                if job.student == "kills-worker":
                    os.kill(os.getpid(), signal.SIGKILL)
                if job.student == "kills-sandbox":
                    os.killpg(self.sandbox.process.pid, signal.SIGKILL)
                return honest(self, job)

            Grader._graded = deadly

    return Poison()


def pids(cluster) -> set:
    return set(cluster.client.run(os.getpid).values())


def scores(small) -> dict:
    """The gradebook's scores; a submission that were in it twice would be here as a list of two."""
    with Gradebook(small.course.db_url) as gradebook:
        rows = gradebook.submission_dicts(small.assignment)
    return {row["student"]: row["score"] for row in rows} | {"rows": len(rows)}


def grade_on(cluster, small, **options):
    results = grade(
        small.course, small.assignment, limits=LIMITS, cluster=cluster.scheduler_address, **options
    )
    return {result.student: result for result in results}


def from_perfect_to_broken(small) -> dict:
    """Submissions by what is in them."""
    slip = load_exercises("transposed_convolution")[PAINT].slips[0].source.replace("def _(", f"def {PAINT}(")
    torchs_own = (
        f"def {PAINT}(x, weight, stride=1):\n"
        "    return torch.conv_transpose1d(x[None, None], weight[None, None], stride=stride)[0, 0]\n"
    )
    return {
        "perfect": small.answered(),
        "empty": small.empty(),
        "slip": small.answered(**{PAINT: slip}),
        "forbidden": small.answered(**{PAINT: torchs_own}),
        "exit": small.answered(**{SIZE: f"def {SIZE}(*sizes, **more):\n    import os\n\n    os._exit(0)\n"}),
        "segmentation-fault": small.answered(**{SIZE: "import os\n\nos.kill(os.getpid(), 11)\n"}),
        "broken-json": json.dumps(small.answered())[:3_000],
    }


def test_same_results_as_on_this_machine(cluster, small_course):
    """Submissions from perfect to broken: the whole record but for how long things took."""
    course, assignment = small_course.course, small_course.assignment
    students = from_perfect_to_broken(small_course)
    for student, notebook in students.items():
        small_course.submit(student, notebook)

    def records():
        found = {s: json.loads(record_path(course, assignment, s).read_text()) for s in students}
        for record in found.values():
            for part in (record, *record["verdicts"].values()):
                del part["seconds"]
        return found

    grade(course, assignment, jobs=2, limits=LIMITS)
    here = records()
    results = grade_on(cluster, small_course, again=True)
    assert records() == here
    assert all(result.ran and result.walls for name, result in results.items() if name != "broken-json")
    kinds = {verdict["kind"] for record in here.values() for verdict in record["verdicts"].values()}
    assert kinds == {"right", "not attempted", "slip", "forbidden call", "crashed"}
    assert len({result.points for result in results.values()}) > 2


def _kept() -> int:
    from autograder.remote import _KEPT

    return len(_KEPT)


_kept.__module__ = "__main__"  # sent by value


def test_a_worker_killed_in_the_middle_loses_nothing(cluster, small_course):
    names = [f"student-{number}" for number in range(10)]
    for name in names:
        small_course.submit(name, small_course.answered(output_size=ELSEWHERE))
    told, sandboxes = [], []

    def kill_a_busy_one(done, total, result):
        told.append(result.student)
        busy = [address for address, keys in cluster.client.processing().items() if keys]
        if done >= 2 and busy and not sandboxes:
            # One that has its sandbox: the other may still be making it.
            ready = {worker: pid for worker, pid in cluster.client.run(_sandbox, workers=busy).items() if pid}
            for worker, sandbox in list(ready.items())[:1]:
                sandboxes.append(sandbox)
                os.kill(cluster.client.run(os.getpid, workers=[worker])[worker], signal.SIGKILL)

    before = pids(cluster)
    results = grade_on(cluster, small_course, progress=kill_a_busy_one)
    cluster.client.wait_for_workers(2)
    assert len(pids(cluster) - before) == 1
    assert sorted(told) == names
    assert {result.points for result in results.values()} == {4}, results["student-0"].errors
    assert scores(small_course) == dict.fromkeys(names, 4) | {"rows": len(names)}
    (sandbox,) = sandboxes
    assert not psutil.pid_exists(sandbox) or psutil.Process(sandbox).status() == psutil.STATUS_ZOMBIE
    assert set(cluster.client.run(_kept).values()) == {0}


def _sandbox() -> int | None:
    from autograder.remote import _KEPT

    return next((grader.sandbox.process.pid for grader in _KEPT.values()), None)


_sandbox.__module__ = "__main__"


def test_a_deadly_submission_costs_itself_alone(cluster, small_course, monkeypatch):
    """One kills its sandbox and no worker; one kills workers and is tried twice; all others are graded."""
    for name in ("ada", "bob", "kills-sandbox", "kills-worker", "zoe"):
        small_course.submit(name, small_course.answered())
    monkeypatch.setattr(cluster.scheduler, "allowed_failures", 0)
    removed = cluster.scheduler._workers_removed_total
    results = grade_on(cluster, small_course)
    assert cluster.scheduler._workers_removed_total == removed + 2
    for name in ("kills-sandbox", "kills-worker"):
        poison = results.pop(name)
        assert poison.flags[0].startswith("NOT GRADED")
        assert ("workers that were given it died" in poison.flags[0]) == (name == "kills-worker")
        assert poison.verdicts[SIZE].kind == "engine error"
    assert [result.points for result in results.values()] == [4, 4, 4]
    assert scores(small_course)["rows"] == 5


def test_another_version_of_the_code_is_refused(cluster, small_course, monkeypatch):
    small_course.submit("ada", small_course.answered())
    ours = {**remote.software(), "dlcv and autograder": "0123456789ab"}
    monkeypatch.setattr(cluster_module, "software", lambda: ours)
    wanted = remote.software()["dlcv and autograder"]
    with pytest.raises(
        CourseError, match=f"has dlcv and autograder {wanted}, not 0123456789ab; install the same"
    ):
        grade_on(cluster, small_course)
    assert set(cluster.client.run(_kept).values()) == {0}


def test_a_lost_connection_is_told_and_what_was_graded_stays(cluster, small_course):
    for number in range(6):
        small_course.submit(f"student-{number}", small_course.answered())
    told = []

    def hang_up():
        for name, stream in cluster.scheduler.client_comms.items():
            if "autograder" in name:
                stream.abort()

    def after_the_first(done, total, result):
        told.append(result.student)
        if done == 1:
            cluster.loop.add_callback(hang_up)

    with pytest.raises(CourseError, match=r"connection to the scheduler at .* was lost"):
        grade_on(cluster, small_course, progress=after_the_first)
    done = [
        name for name in told if record_path(small_course.course, small_course.assignment, name).is_file()
    ]
    assert done == told
    assert len(told) < 6


def test_a_scheduler_that_is_not_there(small_course, monkeypatch):
    small_course.submit("ada", small_course.answered())
    monkeypatch.setattr(cluster_module, "CONNECT", 0.5)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    folder = ["--course", str(small_course.course.folder), "--assignment", small_course.assignment]
    done = CliRunner().invoke(main, ["grade", *folder, "--cluster", address])
    assert done.exit_code == 1
    (line,) = done.output.strip().splitlines()
    assert line.startswith(f"Error: no Dask scheduler could be reached at {address}")


@pytest.mark.parametrize("address", ["nonsense://x", "tcp://127.0.0.1:port", ""])
def test_what_is_no_address(address, monkeypatch):
    monkeypatch.setattr(cluster_module, "CONNECT", 0.5)
    with pytest.raises(CourseError, match="no Dask scheduler could be reached"):
        cluster_module.Cluster(address)


def test_a_scheduler_file_that_is_not_there(tmp_path):
    with pytest.raises(CourseError, match=r"no scheduler file .*scheduler\.json"):
        cluster_module.Cluster(str(tmp_path / "scheduler.json"))


def test_without_dask_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(CourseError, match=r"pip install 'dlcv\[cluster\]'"):
        cluster_module.Cluster("tcp://127.0.0.1:8786")


def test_jobs_are_for_this_machine():
    done = CliRunner().invoke(main, ["grade", "--assignment", "x", "--jobs", "2", "--cluster", "tcp://x:1"])
    assert done.exit_code == 2
    assert "--jobs is for this machine" in done.output


def test_one_machine_needs_no_dask(small_course, monkeypatch):
    for name in ("dask", "distributed", "autograder.cluster", "autograder.remote"):
        monkeypatch.setitem(sys.modules, name, None)
    small_course.submit("ada", small_course.answered())
    (result,) = grade(small_course.course, small_course.assignment, jobs=1)
    assert result.points == 4, result.flags


def test_a_scheduler_does_not_import_torch():
    program = "import sys, autograder.remote; print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert done.stdout == "False\n"
