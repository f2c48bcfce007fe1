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
LIMITS = Limits(cell=3.0, submission=30.0, file=2**20)

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


@walled
@pytest.mark.parametrize("what", ["solutions", "notebooks", "tests", "course", "course.toml", ".git"])
def test_the_repository_is_not_there(attempt, what):
    """Solutions, other submissions, the gradebook and the seed lie in it."""
    root = Course.open().root
    assert "FileNotFoundError" in attempt(f"import os\nos.stat({str(root / what)!r})")


@walled
def test_only_our_two_packages_are_there(attempt):
    package = os.path.dirname(dlcv.__file__)
    assert (
        attempt(
            f"import os\nassert sorted(os.listdir({os.path.dirname(package)!r})) == ['autograder', 'dlcv']"
        )
        is None
    )
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
