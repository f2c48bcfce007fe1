"""What learners' code can reach: with bubblewrap, without it, and where there are no namespaces either."""

import contextlib
import dataclasses
import json
import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from textwrap import indent

import pytest

import dlcv
from autograder.bubblewrap import NOBODY
from autograder.course import Course
from autograder.examine import examine
from autograder.limits import Limits
from autograder.restore import restore
from autograder.sandbox import Sandbox
from autograder.shown import packages
from autograder.submission import read_cells
from autograder.walls import Unwalled
from dlcv.checking import Judge, load_exercises

from .machines import NAMESPACES, machine

CHAPTER, SIZE = "transposed_convolution", "output_size"
# A right answer was asked and heard. In a notebook that forks or calls native code it does not count; see `escapes`.
UNHARMED = ("right", "forbidden call")
LIMITS = Limits(cell=20.0, submission=60.0, file=2**20, memory=512 * 2**20, disk=8 * 2**20, processes=40)
MACHINES = {
    "bubblewrap": {"bubblewrap_there": True},
    "Landlock and namespaces": {},
    "Landlock alone": {"lacking": NAMESPACES},
}


@pytest.fixture(scope="module", params=MACHINES)
def sandbox(request, tmp_path_factory):
    """A warm interpreter on each of the machines; `kind` says which."""
    folder = tmp_path_factory.mktemp("machine")
    for place in (folder, folder.parent):
        place.chmod(0o755)
    with machine(folder, **MACHINES[request.param]):
        try:
            started = Sandbox([f"dlcv.{CHAPTER}.exercises"], LIMITS)
        except Unwalled as error:
            pytest.skip(f"{request.param}: {error}")
    with started:
        if request.param == "bubblewrap" and not started.standing.bubblewrap:
            pytest.skip("; ".join(started.standing.troubles))
        started.kind = request.param
        started.wait_until_warm()
        yield started


@pytest.fixture(scope="module")
def judges():
    return {SIZE: Judge(load_exercises(CHAPTER)[SIZE], seed="a secret")}


@pytest.fixture
def attempt(small_class, sandbox, judges):
    """Run some code in a submission's cell; return its error's text, or None where it got through."""

    def run(code: str, sandbox: Sandbox = sandbox):
        notebook = small_class.answered()
        notebook["cells"].insert(1, {"cell_type": "code", "metadata": {}, "source": code, "id": "attempt"})
        restored = restore(read_cells(json.dumps(notebook).encode()), small_class.release)
        found = examine(restored, judges, sandbox)
        assert found.verdicts[SIZE].kind in UNHARMED, found.verdicts[SIZE].message
        return str(found.errors[0]) if found.errors else None

    return run


@pytest.fixture
def refused(attempt):
    """Each of some statements, in a submission's cell, has to end in an error of the operating system."""

    def run(*statements: str):
        got_through = attempt(
            "import ctypes, mmap, os, resource, signal, socket\ndone = []\n"
            f"for statement in {statements!r}:\n"
            "    try: exec(statement)\n"
            "    except OSError: continue\n"
            "    done.append(statement)\n"
            "assert not done, done\n"
        )
        assert got_through is None, got_through

    return run


def test_the_report_can_say_which_walls_stood(sandbox):
    assert sandbox.standing.missing == ()
    words = {
        "bubblewrap": ["bubblewrap, no network", "own namespaces for each submission"],
        "Landlock and namespaces": ["Landlock", "no network, read-only mounts", "own namespaces for each"],
        "Landlock alone": ["Landlock", "own processes for each submission"],
    }
    for part in (*words[sandbox.kind], "a filter on system calls", "512 MB"):
        assert part in sandbox.walls
    assert ("bubblewrap" in sandbox.walls) == (sandbox.kind == "bubblewrap")
    assert ("a user without rights" in sandbox.walls) == (os.getuid() == 0 and sandbox.uid == NOBODY)


# files


def test_an_installed_package_with_right_answers_is_hidden_or_told(tmp_path, monkeypatch):
    from autograder import shown
    from autograder.bubblewrap import _hidden
    from autograder.limits import Limits
    from autograder.walls import Walls

    (tmp_path / "shown" / "dlcv").mkdir(parents=True)
    (tmp_path / "not shown" / "dlcv").mkdir(parents=True)
    monkeypatch.setattr(shown, "SYSTEM", (str(tmp_path / "shown"),))
    for folder in ("shown", "not shown"):
        monkeypatch.syspath_prepend(tmp_path / folder)
    copy = str(tmp_path / "shown" / "dlcv")
    assert shown.installed(shown.packages()) == [copy]
    assert _hidden(shown.packages()) == ["--tmpfs", copy, "--remount-ro", copy]
    assert (
        Walls(landlock=6, readable=(copy,))
        .in_words(Limits())
        .endswith(f"the references can be read in {copy}")
    )


def test_the_repository_cannot_be_read(refused, sandbox):
    """Solutions, other submissions, the gradebook and the seed lie in it."""
    root = Course.open().root
    folders = [f"os.listdir({str(root / what)!r})" for what in ("solutions", "notebooks", "tests", ".git")]
    files = [f"open({str(root / what)!r})" for what in ("course.toml", "README.md", "autograder/../Makefile")]
    refused(*folders, *files)


def test_only_what_is_shown_of_our_packages_is_there(attempt, refused):
    """Of `dlcv` that is the copy without right answers; the one that the grader itself runs is not."""
    for package in packages():
        assert attempt(f"open({package + '/__init__.py'!r}).read()") is None
    refused(f"open({dlcv.__file__!r})")


def test_nothing_of_the_machine_can_be_read(refused, tmp_path):
    """Passwords, keys, mail, what others left in shared folders."""
    (tmp_path / "private.txt").write_text("private")
    folders = ("/home", "/var/log", "/run", str(tmp_path))
    files = ("/etc/passwd", "/etc/shadow", "/etc/hosts", str(tmp_path / "private.txt"), "/root/.profile")
    refused(
        *(f"os.listdir({path!r})" for path in folders),
        *(f"open({path!r})" for path in files),
        f"os.symlink({files[0]!r}, 'link'); open('link')",
        f"os.link({files[0]!r}, 'hard'); open('hard')",
    )


def test_nothing_can_be_written_but_scratch(refused, attempt, tmp_path):
    (tmp_path / "there").write_text("kept")
    for path in (tmp_path, *tmp_path.parents[:3]):
        path.chmod(0o777)
    package = os.path.dirname(dlcv.__file__)
    there = str(tmp_path / "there")
    refused(
        *(f"open({path!r}, 'w')" for path in ("/usr/mine", "/mine", "/tmp/mine", "/etc/mine")),
        *(f"open(os.path.join({path!r}, 'mine'), 'w')" for path in (sys.prefix, package, str(tmp_path))),
        f"open({package + '/__init__.py'!r}, 'a')",
        *(
            f"os.{call}"
            for call in (f"truncate({there!r}, 0)", f"unlink({there!r})", f"rename({there!r}, 'it')")
        ),
        *(
            f"os.{call}"
            for call in (f"chmod({there!r}, 0)", f"utime({there!r})", f"rmdir({str(tmp_path)!r})")
        ),
        *(f"os.{call}" for call in (f"chown({there!r}, -1, -1)", f"setxattr({there!r}, 'user.a', b'')")),
        f"os.mkfifo({str(tmp_path / 'pipe')!r})",
    )
    assert (tmp_path / "there").read_text() == "kept"
    assert (tmp_path / "there").stat().st_mode & 0o777
    assert attempt("open('mine', 'w').write('x')") is None


def test_a_file_has_a_limit(attempt):
    error = attempt(
        "with open('big', 'wb') as file:\n    for _ in range(100):\n        file.write(bytes(2**20))"
    )
    assert "File too large" in error or "No space left" in error or "SIGXFSZ" in error


def test_all_files_together_have_a_limit(attempt, sandbox):
    """Else a night of scratch files fills the disk, and the gradebook cannot be written."""
    if not sandbox.standing.nested:
        pytest.skip("without namespaces scratch files lie on the disk, or share what they lie in")
    code = "for number in range(12):\n    open(str(number), 'wb').write(bytes(10**6))"
    assert "No space left" in attempt(code)
    assert "No space left" in attempt(code.replace("str(number)", "'/dev/shm/' + str(number)"))
    assert attempt("open('small', 'wb').write(bytes(10**6))") is None


# the network


def test_there_is_no_network(refused):
    refused(
        "socket.create_connection(('127.0.0.1', 80), 1)",
        "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(('8.8.8.8', 53))",
        "socket.socket(socket.AF_UNIX).connect('/run/systemd/journal/stdout')",
        "socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).bind('\\0mine')",
        "socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)",
    )


# processes


def test_no_other_process_can_be_seen_or_killed(attempt, refused, sandbox):
    """The warm interpreter, which serves everybody, and the grader are not within reach."""
    for pid in (os.getpid(), sandbox.process.pid, 1):
        refused(
            f"assert {pid} != os.getppid(); os.kill({pid}, 0)",
            f"resource.prlimit({pid}, resource.RLIMIT_CPU, (1, 1))",
            f"open('/proc/{pid}/environ').read() or bytes(0).fromhex('x')",
        ) if pid > 1 else None
    assert attempt("import os\nassert len([p for p in os.listdir('/proc') if p.isdigit()]) < 20") is None or (
        not sandbox.standing.nested
    )
    # Whoever can be signalled by number was shown above to be nobody else's.
    assert attempt("import os\nif os.fork() == 0:\n    os.kill(-1, 9)\n    os._exit(0)\nos.wait()")
    assert sandbox.process.poll() is None
    assert attempt("") is None


def test_walls_cannot_be_taken_down_from_inside(attempt):
    load = "import ctypes, os\nlibc = ctypes.CDLL(None, use_errno=True)\n"
    calls = [f"libc.umount2({path!r}, 2)" for path in (b"/proc", b"/scratch", b"/")]
    calls += ["libc.mount(b'none', b'/usr', b'tmpfs', 0, None)"]
    for call in calls:
        assert (
            attempt(f"{load}assert {call} == -1\nassert ctypes.get_errno() == 1, ctypes.get_errno()") is None
        )


@pytest.mark.parametrize(
    "call",
    [
        "unshare(0x10000000)", "ptrace(0, 0, 0, 0)", "memfd_create(b'x', 0)", "setns(0, 0)",
        "shmget(0, 4096, 0o1600)", "mmap(None, 4096, 3, 0x21, -1, 0)", "truncate(b'x', 0)",
    ],
)  # fmt: skip
def test_some_system_calls_are_refused(attempt, call):
    """Namespaces of its own have more disk than it may use; memory that is nobody's is counted nowhere."""
    load = "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\n"
    assert attempt(f"{load}assert libc.{call} == -1\nassert ctypes.get_errno() == 1") is None


BOMB = """
import os, signal, time
children = []
try:
    while len(children) < 200:
        child = os.fork()
        if child == 0:
            time.sleep(60)
        children.append(child)
except BlockingIOError:
    pass
time.sleep(1)
for child in children:
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
assert len(children) < 50, len(children)
"""


def test_a_fork_bomb_stops_at_the_limit(attempt):
    """Some hundred processes of 300 MB each would take the machine down for everybody."""
    assert "processes" in (attempt(BOMB) or "no more processes")


# memory of all processes together


def hoard(processes: int) -> str:
    """Each of some processes takes 200 MB and stays."""
    return (
        "import os, time\n"
        f"for _ in range({processes}):\n"
        "    if os.fork() == 0:\n"
        "        kept = bytearray(b'x') * (200 * 2**20)\n"
        "        time.sleep(60)\n"
        "time.sleep(4.5)\n"
    )


def test_memory_is_counted_for_all_processes_together(attempt):
    """Each stays below the limit, together they are above it: the machine would start to swap."""
    assert "memory" in attempt(hoard(4))


def test_what_copies_share_is_counted_once(attempt):
    """An honest notebook's data is there once for each exercise that waits to be asked."""
    code = "data = bytearray(b'x') * (300 * 2**20)\n" + hoard(5).replace("kept =", "0 and").replace(
        "4.5", "1"
    )
    assert attempt(code) is None


def test_an_answer_that_takes_too_much_memory_costs_its_own_exercise(small_class, sandbox):
    answer = "def conv_transpose1d(x, weight, stride=1):\n" + indent(hoard(4), "    ")
    notebook = small_class.answered(conv_transpose1d=answer)
    restored = restore(read_cells(json.dumps(notebook).encode()), small_class.release)
    exercises = load_exercises(CHAPTER)
    judges = {name: Judge(exercises[name], seed="a secret") for name in ("conv_transpose1d", SIZE)}
    found = examine(restored, judges, sandbox)
    verdict = found.verdicts["conv_transpose1d"]
    assert (verdict.kind, verdict.message) == ("crashed", "your code used more memory than it may (512 MB)")
    assert found.verdicts[SIZE].kind in UNHARMED
    assert found.restarts == 1


def test_who_runs_the_machine_out_of_memory_goes_first(attempt, sandbox):
    """Learners' processes, not the grader, which is larger, nor the warm interpreter."""
    psutil = pytest.importorskip("psutil")
    warm, seen, ended = psutil.Process(sandbox.process.pid), set(), threading.Event()

    def now() -> set[str]:
        with contextlib.suppress(psutil.Error):  # one that ends while it is asked for
            return {readiness(process) for process in (warm, *warm.children(recursive=True))}
        return set()

    patience = time.monotonic() + 20
    while "1000" in (before := now()) and time.monotonic() < patience:
        time.sleep(0.05)  # what the run before left is still being ended

    def look():
        while not ended.wait(0.05):
            seen.update(now())

    with ThreadPoolExecutor(1) as pool:
        watching = pool.submit(look)
        assert attempt("import time\ntime.sleep(1)") is None
        ended.set()
        watching.result()
    assert "1000" not in before and "1000" in seen


def readiness(process) -> str:
    """How ready the kernel is to end it when memory is short: from -1000 to 1000."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{process.pid}/oom_score_adj").read_text().strip()
    return ""


# afterwards


def test_scratch_is_gone_afterwards(tmp_path):
    with machine(tmp_path), Sandbox([], dataclasses.replace(LIMITS, cell=2.0)) as bare:
        scratch = bare.scratch
        assert os.path.exists(scratch)
    assert not os.path.exists(scratch)
