"""What learners' code can reach. Each test says what it would have gained."""

import dataclasses
import json
import os
import shutil
import sys

import pytest

import dlcv
from autograder.course import Course
from autograder.examine import examine
from autograder.restore import restore
from autograder.sandbox import Limits, Sandbox
from autograder.submission import read_cells
from autograder.walls import bubblewrap
from dlcv.checking import Judge, load_exercises

CHAPTER, PAINT = "transposed_convolution", "conv_transpose1d"
LIMITS = Limits(cell=6.0, submission=60.0, file=2**20, memory=512 * 2**20, processes=40)

walled = pytest.mark.skipif(not bubblewrap(()), reason="bubblewrap is not installed, or may not be used here")


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox([f"dlcv.{CHAPTER}.exercises"], LIMITS) as started:
        started.wait_until_warm()
        yield started


@pytest.fixture(scope="module")
def judges():
    return {PAINT: Judge(load_exercises(CHAPTER)[PAINT], seed="a secret")}


@pytest.fixture
def attempt(small_class, sandbox, judges):
    """Run some code in a submission's cell; return its error's text, or None where it got through."""

    def run(code: str, sandbox: Sandbox = sandbox):
        notebook = small_class.answered()
        notebook["cells"].insert(1, {"cell_type": "code", "metadata": {}, "source": code, "id": "attempt"})
        restored = restore(read_cells(json.dumps(notebook).encode()), small_class.release)
        found = examine(restored, judges, CHAPTER, sandbox)
        assert found.verdicts[PAINT].kind == "right"
        return str(found.errors[0]) if found.errors else None

    return run


@walled
def test_the_report_can_say_which_walls_stood(sandbox):
    assert sandbox.walls.startswith("bubblewrap, no network")
    assert "own namespaces for each submission" in sandbox.walls
    assert "a filter on system calls" in sandbox.walls
    assert ("a user without rights" in sandbox.walls) == (os.getuid() == 0 and sandbox.uid is not None)


@walled
@pytest.mark.parametrize("what", ["solutions", "notebooks", "tests", "course", "course.toml", ".git"])
def test_the_repository_is_not_there(attempt, what):
    """Solutions, other submissions, the gradebook and the seed lie in it."""
    root = Course.open().root
    assert "FileNotFoundError" in attempt(f"import os\nos.stat({str(root / what)!r})")


@walled
def test_only_our_two_packages_are_there(attempt):
    package = os.path.dirname(dlcv.__file__)
    around = os.path.dirname(package)
    # The environment may lie beside the packages: Python's own files are there wherever they lie.
    known = {"autograder", "dlcv", os.path.relpath(sys.prefix, around).split(os.sep)[0]}
    assert attempt(f"import os\nassert set(os.listdir({around!r})) <= {known!r}") is None
    assert "Read-only file system" in attempt(f"open({package + '/mine.py'!r}, 'w')")


@walled
@pytest.mark.parametrize("path", ["/etc/passwd", "/etc/shadow", "/root/.profile", "/home", "/var", "/run"])
def test_nothing_of_the_machine_is_there(attempt, path):
    assert "FileNotFoundError" in attempt(f"import os\nos.stat({path!r})")


@walled
def test_nothing_can_be_written_but_scratch(attempt):
    for path in ("/usr/mine", "/mine", os.path.join(sys.prefix, "mine")):
        assert "Read-only file system" in attempt(f"open({path!r}, 'w')"), path
    assert attempt("open('mine', 'w').write('x')") is None


@walled
def test_there_is_no_network(attempt):
    assert attempt("import socket\nsocket.create_connection(('127.0.0.1', 80), 1)") is not None
    assert "OSError" in attempt(
        "import socket\nsocket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(('8.8.8.8', 53))"
    )


@walled
def test_no_other_process_can_be_seen_or_killed(attempt, sandbox):
    """The warm interpreter, which serves everybody, is not within reach."""
    assert attempt("import os\nassert os.getppid() == 1 and os.getpid() < 5") is None
    assert (
        attempt("import os\nassert not [p for p in os.listdir('/proc') if p.isdigit() and int(p) > 20]")
        is None
    )
    assert (
        attempt("import ctypes, os\nif os.fork() == 0:\n    os.kill(-1, 9)\n    os._exit(0)\nos.wait()")
        is not None
    )
    assert sandbox.process.poll() is None
    assert attempt("") is None


@walled
def test_walls_cannot_be_taken_down_from_inside(attempt):
    unmount = "import ctypes, os\nlibc = ctypes.CDLL(None, use_errno=True)\n"
    for path in ("/proc", "/scratch", "/"):
        call = f"libc.umount2({path.encode()!r}, 2)"
        assert (
            attempt(unmount + f"assert {call} == -1 and ctypes.get_errno() == 1, ctypes.get_errno()") is None
        )
    mount = "libc.mount(b'none', b'/scratch', b'tmpfs', 0, None)"
    assert attempt(unmount + f"assert {mount} == -1") is None


def test_a_file_has_a_limit(attempt):
    error = attempt(
        "with open('big', 'wb') as file:\n    for _ in range(100):\n        file.write(bytes(2**20))"
    )
    assert "File too large" in error or "No space left" in error or "SIGXFSZ" in error


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
for child in children:
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
assert len(children) < 50, len(children)
"""
HOLD = """
import os, time
for _ in range(4):
    if os.fork() == 0:
        kept = bytearray(b'x') * (250 * 2**20)
        time.sleep(60)
time.sleep(20)
"""


@walled
def test_a_fork_bomb_stops_at_the_limit(attempt, sandbox):
    """Some hundred processes of 300 MB each would take the machine down for everybody."""
    if os.getuid() == 0 and sandbox.uid is None:
        pytest.skip("this root cannot run the interpreter as another user")
    assert attempt(BOMB) is None


@walled
def test_memory_is_counted_for_all_processes_together(attempt):
    """Each stays below the limit, together they are above it: the machine would start to swap."""
    assert "memory" in attempt(HOLD)


@walled
@pytest.mark.parametrize(
    "call",
    ["libc.unshare(0x10000000)", "libc.ptrace(0, 0, 0, 0)", "libc.memfd_create(b'x', 0)", "libc.setns(0, 0)"],
)
def test_some_system_calls_are_refused(attempt, call):
    """With namespaces of its own a process is root there, and may mount more disk than it has."""
    load = "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\n"
    assert attempt(f"{load}assert {call} == -1\nassert ctypes.get_errno() == 1") is None


def test_an_unknown_processor_has_no_filter():
    from autograder.seccomp import _program

    assert _program("vax") == []
    assert len(_program("x86_64")) == len(_program("aarch64")) > 50
    assert all(0 <= yes < 256 and 0 <= no < 256 for _, yes, no, _ in _program("x86_64"))


def test_without_bubblewrap_grading_still_works(attempt, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda *_: None)
    bubblewrap.cache_clear()
    try:
        with Sandbox([], dataclasses.replace(LIMITS, cell=2.0)) as bare:
            bare.wait_until_warm()
            assert not bare.bubblewrap
            assert attempt("", bare) is None
            assert attempt("import os\nassert 'DLCV_SEED' not in os.environ", bare) is None
            scratch = bare.scratch
        assert not os.path.exists(scratch)
    finally:
        bubblewrap.cache_clear()
