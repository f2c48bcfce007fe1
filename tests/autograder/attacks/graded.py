"""A class of attackers and three honest learners, graded in one run, and what there is to look at afterwards."""

from __future__ import annotations

import hashlib
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from autograder.grade import grade
from autograder.sandbox import Limits
from dlcv.checking import load_exercises

from .attack import CLUMSY, PAINT, SIZE, WITHHELD, Attack, Places

HONEST = ("ada", "mia", "zoe")
ROOT = Path(__file__).resolve().parents[3]
MARKER = "sleep\x00604.25"
LIMITS = Limits(
    cell=2.0,
    submission=12.0,
    cpu=20,
    memory=256 * 2**20,
    file=8 * 2**20,
    processes=64,
    message=4 * 2**20,
    restarts=2,
    grace=0.5,
)


class Class:
    """The graded class: `results` by student, and what else there is to look at afterwards."""

    def __init__(self, small, places: Places, attacks: Sequence[Attack]):
        self.attacks = attacks
        self.small, self.course, self.assignment, self.places = small, small.course, small.assignment, places
        self.results: dict = {}
        self.before: dict = {}
        self.left: list[str] = []
        self.scratch: list[str] = []
        self.seconds = 0.0
        self.contacts = 0

    @property
    def walled(self) -> bool:
        """Whether all necessary walls stood."""
        return not self.results[HONEST[0]].unsafe


@contextmanager
def class_of(small_class, attacks: Sequence[Attack], outside: Path, scratch: Path) -> Iterator[Class]:
    """Grade a class of `attacks` and the honest ones; `outside` and `scratch` are two empty folders."""
    (outside / "private.txt").write_text("private")
    (outside / "private.txt").chmod(0o600)
    (outside / "keep").mkdir()
    (outside / "keep" / "this").write_text("kept")
    outside.chmod(0o777)
    with pytest.MonkeyPatch.context() as patch, _listening() as (port, abstract, contacts):
        places = Places(
            {
                "outside": outside,
                "course": small_class.course.folder,
                "repository": ROOT,
                "assignment": small_class.assignment,
                "port": port,
                "abstract": abstract,
                "grader": os.getpid(),
            }
        )
        found = Class(small_class, places, attacks)
        hand_in(small_class, attacks, places)
        # A fixed seed: what succeeds by chance succeeds in each run or in none.
        (small_class.course.folder / "secret_seed").write_text("3f1c0d5b")
        patch.delenv("DLCV_SEED", raising=False)
        found.before = fingerprints(small_class.course.folder / "submitted")
        patch.setenv("DLCV_TEST_SECRET", "a token of the grader's")
        patch.setenv("TMPDIR", str(scratch))
        patch.setattr("tempfile.tempdir", None)
        for exercise in map(load_exercises("transposed_convolution").__getitem__, (PAINT, SIZE)):
            patch.setattr(exercise, "limit", 1.5)
        start = time.monotonic()
        try:
            results = grade(small_class.course, small_class.assignment, jobs=2, limits=LIMITS, unsafe=True)
            found.seconds = time.monotonic() - start
            found.results = {result.student: result for result in results}
            found.left = leftovers(str(scratch))
            found.scratch = os.listdir(scratch)
            found.contacts = contacts()
            yield found
        finally:
            for pid in leftovers(str(scratch)):
                os.kill(int(pid), signal.SIGKILL)
            subprocess.run(["/bin/rm", "-rf", str(scratch)], check=False)


def hand_in(small, attacks: Sequence[Attack], places: Places) -> None:
    empty = small.empty()
    for student in HONEST:
        small.submit(student, small.answered())
    for attack in attacks:
        if attack.file:
            path = small.course.submitted(attack.name, small.assignment) / f"{small.assignment}.ipynb"
            path.parent.mkdir(parents=True)
            attack.file(path, places)
        else:
            small.submit(attack.name, attack.submission(empty, places))


class _listening:
    """A listener on the loopback device and one with an abstract name; `contacts` counts who came."""

    def __enter__(self):
        self.loopback = socket.create_server(("127.0.0.1", 0))
        self.local = socket.socket(socket.AF_UNIX)
        abstract = f"attacks-{os.getpid()}"
        self.local.bind(f"\0{abstract}")
        self.local.listen()
        for listener in (self.loopback, self.local):
            listener.setblocking(False)
        return self.loopback.getsockname()[1], abstract, self._contacts

    def _contacts(self) -> int:
        count = 0
        for listener in (self.loopback, self.local):
            try:
                while True:
                    listener.accept()[0].close()
                    count += 1
            except BlockingIOError:
                continue
        return count

    def __exit__(self, *_):
        self.loopback.close()
        self.local.close()


def leftovers(scratch: str) -> list[str]:
    """Processes that still run in or for the sandbox, or that one of the attacks started elsewhere."""
    deadline = time.monotonic() + 5.0
    while True:
        left = [pid for pid in filter(str.isdigit, os.listdir("/proc")) if _is_theirs(int(pid), scratch)]
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.05)


def _is_theirs(pid: int, scratch: str) -> bool:
    if pid == os.getpid():
        return False
    try:
        told = [Path(f"/proc/{pid}/{name}").read_bytes() for name in ("cmdline", "environ")]
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        where = os.readlink(f"/proc/{pid}/cwd")
    except OSError:
        return False
    ours = any(scratch.encode() in text for text in told) or where.startswith(scratch)
    return state != "Z" and (ours or MARKER.encode() in told[0])


def fingerprints(folder: Path) -> dict:
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def gains_nothing(graded: Class, attack: Attack) -> None:
    """Fail where an attack has earned a point, got where it must not get, or was stopped by chance alone."""
    result = graded.results[attack.name]
    if any(WITHHELD in error for error in result.errors):
        pytest.skip(f"needs walls: {result.errors[0]}")
    if attack.wall and not graded.walled:
        pytest.skip(f"needs walls: {attack.wall}")
    assert result.points == 0.0
    assert {name: verdict.points for name, verdict in result.verdicts.items()} == {PAINT: 0.0, SIZE: 0.0}
    assert [error for error in result.errors if "Reached" in error] == []
    assert not (graded.places["outside"] / attack.name).exists()
    assert [error for error in result.errors if any(f" {kind}:" in error for kind in CLUMSY)] == []
    assert result.verdicts[PAINT].kind in attack.paint, result.verdicts[PAINT].message
    assert result.verdicts[SIZE].kind in attack.size, result.verdicts[SIZE].message
    if attack.flag:
        assert any(re.search(attack.flag, flag) for flag in result.flags), result.flags
