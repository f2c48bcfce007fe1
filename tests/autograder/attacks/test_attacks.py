"""A class of cheats and three honest learners, graded in one run; then each attack is looked at alone."""

from __future__ import annotations

import hashlib
import html.parser
import json
import math
import os
import re
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest
from nbgrader.api import Gradebook

from autograder.grade import grade
from autograder.record import read_records
from autograder.report import report
from autograder.sandbox import Limits
from dlcv.checking import load_exercises

from . import cells, files, messages, notebooks, numbers, processes
from .attack import CLUMSY, PAINT, SIZE, WITHHELD, Attack, Places

ATTACKS: list[Attack] = [
    attack for group in (cells, files, messages, notebooks, numbers, processes) for attack in group.ATTACKS
]
HONEST = ("ada", "mia", "zoe")
ROOT = Path(__file__).resolve().parents[3]
MARKER = "sleep\x00604.25"
LIMITS = Limits(
    cell=2.0,
    submission=12.0,
    cpu=20,
    memory=512 * 2**20,
    file=8 * 2**20,
    processes=64,
    message=4 * 2**20,
    restarts=2,
    grace=0.5,
)


class Class:
    """The graded class: `results` by student, and what else there is to look at afterwards."""

    def __init__(self, small, places: Places):
        self.small, self.course, self.assignment, self.places = small, small.course, small.assignment, places
        self.results: dict = {}
        self.before: dict = {}
        self.left: list[str] = []
        self.scratch: list[str] = []
        self.seconds = 0.0
        self.contacts = 0

    @property
    def walled(self) -> bool:
        """Whether more stands around the learners' code than processes and limits of its own."""
        return "bubblewrap" in self.results[HONEST[0]].walls


@pytest.fixture(scope="module")
def graded(small_class, tmp_path_factory):
    outside, scratch = tmp_path_factory.mktemp("outside"), tmp_path_factory.mktemp("scratch")
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
        found = Class(small_class, places)
        hand_in(small_class, places)
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
            results = grade(small_class.course, small_class.assignment, jobs=2, limits=LIMITS)
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


def hand_in(small, places: Places) -> None:
    empty = small.empty()
    for student in HONEST:
        small.submit(student, small.answered())
    for attack in ATTACKS:
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


def parameters(attacks: list[Attack]) -> list:
    return [
        pytest.param(
            attack,
            id=attack.name,
            marks=[pytest.mark.xfail(strict="sometimes" not in attack.open, reason=attack.open)]
            if attack.open
            else [],
        )
        for attack in attacks
    ]


@pytest.mark.parametrize("attack", parameters(ATTACKS))
def test_an_attack_gains_nothing(graded, attack):
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


def test_the_honest_keep_their_points(graded):
    assert {student: graded.results[student].points for student in HONEST} == dict.fromkeys(HONEST, 4.0)
    assert [graded.results[student].flags for student in HONEST] == [["essay to grade: why"]] * 3


def test_everybody_has_a_result_and_the_gradebook_says_the_same(graded):
    assert len(graded.results) == len(ATTACKS) + len(HONEST)
    with Gradebook(graded.course.db_url) as gradebook:
        rows = {row["student"]: row["score"] for row in gradebook.submission_dicts(graded.assignment)}
    assert rows == {student: result.points for student, result in graded.results.items()}


def test_no_process_is_left(graded):
    assert graded.left == []


def test_no_scratch_is_left(graded):
    assert graded.scratch == []


def test_originals_are_as_they_were(graded):
    assert fingerprints(graded.course.folder / "submitted") == graded.before


def test_what_a_link_points_to_is_kept(graded):
    assert (graded.places["outside"] / "keep" / "this").read_text() == "kept"


def test_nobody_calls_home(graded):
    if not graded.walled:
        pytest.skip("needs walls: network")
    assert graded.contacts == 0


def test_records_are_plain_json_with_finite_times(graded):
    def refuse(constant: str):
        raise AssertionError(f"{constant} in a record")

    for path in (graded.course.folder / "records" / graded.assignment).glob("*.json"):
        record = json.loads(path.read_text(), parse_constant=refuse)
        times = [record["seconds"], *(verdict["seconds"] for verdict in record["verdicts"].values())]
        assert all(math.isfinite(seconds) and seconds >= 0 for seconds in times), path.stem
    assert len(read_records(graded.course, graded.assignment)) == len(graded.results)


class _Dangerous(html.parser.HTMLParser):
    """Notes elements and attributes that run something."""

    def __init__(self):
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag, attributes):
        if tag in ("script", "iframe", "object", "embed"):
            self.found.append(tag)
        self.found += [
            f"{tag} {name}" for name, value in attributes if name.startswith("on") or "script:" in str(value)
        ]


def dangerous(text: str) -> list[str]:
    parser = _Dangerous()
    parser.feed(text)
    return parser.found


def test_pages_run_nothing_of_a_learners(graded):
    for student in graded.results:
        page = graded.course.feedback(student, graded.assignment) / f"{graded.assignment}.html"
        assert dangerous(page.read_text()) == [], student
        notebook = graded.course.autograded(student, graded.assignment) / f"{graded.assignment}.ipynb"
        for cell in json.loads(notebook.read_text())["cells"]:
            for output in cell.get("outputs", []):
                assert dangerous(str(output.get("data", {}).get("text/html", ""))) == [], student
                assert set(output.get("data", {})) <= {"text/plain", "text/html", "image/png", "image/jpeg"}


def test_pages_and_notebooks_stay_small(graded):
    for kind in ("feedback", "autograded", "records"):
        for path in (graded.course.folder / kind).rglob("*.*"):
            assert not path.is_file() or path.stat().st_size < 2 * 2**20, path


def test_the_class_report_can_still_be_made(graded):
    page = report(graded.course, graded.assignment).read_text()
    assert dangerous(page.replace("<script", "<script", 1)) in ([], ["script"])
    assert "ada" in page


def test_no_attack_holds_up_the_class(graded):
    slowest = max(graded.results.values(), key=lambda result: result.seconds)
    assert slowest.seconds < 45, f"{slowest.student} took {slowest.seconds:.0f} s"


def test_the_corpus_is_large_and_says_what_each_attack_hopes_for():
    names = [attack.name for attack in ATTACKS]
    assert len(names) == len(set(names)) >= 40
    assert all(len(attack.gain) > 15 for attack in ATTACKS)
