"""A grader killed in the middle of a class: the same command goes on, nothing is lost, doubled or left behind."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import nbformat
import pytest
from nbgrader.api import Gradebook
from sqlalchemy import text

from autograder.course import Course
from autograder.demo import demo_course
from autograder.records import readable_records
from autograder.sample_class import CHAPTER, hand_in, sample_class

ROOT = Path(__file__).resolve().parents[2]
WHO = (
    "perfect", "empty", "started", "double_precision", "slip_conv_transpose1d", "slip_output_size", "crash", "exit",
    "forbidden", "segmentation_fault", "metadata_stripped", "doubled_cell", "renamed", "two_files", "broken_json",
    "nothing",
)  # fmt: skip
SOON = 30.0  # seconds in which what a dead grader started must be gone


class Class:
    """Some of the sample class, and commands on it."""

    def __init__(self, folder: Path):
        self.course = demo_course(folder / "course", anew=True)
        self.assignment = self.course.chapter(CHAPTER).folder
        # Where runs without bubblewrap put their scratch folders.
        self.scratch = folder / "scratch"
        self.scratch.mkdir()
        self.samples = {s.student: s for s in sample_class(self.course) if s.student in WHO}
        shutil.rmtree(self.course.folder / "submitted")
        hand_in(self.course, self.samples.values())

    def start(self, **environment: str) -> subprocess.Popen:
        """`autograder grade --json` in a session of its own."""
        return subprocess.Popen(
            [
                sys.executable, "-m", "autograder", "grade", "--json", "--jobs", "2",
                "--course", str(self.course.folder), "--assignment", self.assignment,
            ],
            cwd=ROOT, env={**os.environ, "TMPDIR": str(self.scratch), **environment},
            stdout=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip

    def records(self) -> dict:
        return {result.student: result for result in readable_records(self.course, self.assignment)[0]}


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """The class after two killed runs and one that was left alone; what each left is kept for the tests.

    First the grader alone is killed, then, without bubblewrap, its whole process group.
    """
    the_class = Class(tmp_path_factory.mktemp("killed"))
    the_class.before = fingerprints(the_class.course.folder / "submitted")
    without_bubblewrap = {"PATH": os.path.dirname(sys.executable)}
    the_class.after_kills = []
    for environment, kill in (({}, kill_parent), (without_bubblewrap, kill_group)):
        grader = the_class.start(**environment)
        seen = [json.loads(grader.stdout.readline()) for _ in range(len(the_class.records()) + 4)]
        family = descendants(grader.pid)
        assert len(family) >= 4, "two workers, the sandbox's interpreter, a run"
        kill(grader)
        grader.wait()
        the_class.after_kills.append(State(the_class, seen, family))
    done = the_class.start()
    the_class.lines = [json.loads(line) for line in done.stdout]
    the_class.exit_code = done.wait()
    return the_class


def kill_parent(grader: subprocess.Popen) -> None:
    os.kill(grader.pid, signal.SIGKILL)


def kill_group(grader: subprocess.Popen) -> None:
    os.killpg(grader.pid, signal.SIGKILL)


class State:
    """What a killed run left: the lines it printed, its processes that still run, files, gradebook."""

    def __init__(self, the_class: Class, seen: list[dict], family: set[tuple[int, int]]):
        self.seen = {line["student"]: line for line in seen}
        self.left_over = wait_for_the_end(family)
        self.records = the_class.records()
        self.files = complete_files(the_class.course)
        self.rows = gradebook_rows(the_class)


def descendants(pid: int) -> set[tuple[int, int]]:
    """The processes under `pid`, each with its time of start: numbers are given out again."""
    parents = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents[int(folder.name)] = (int(fields[1]), int(fields[19]))
    found, waiting = set(), [pid]
    while waiting:
        parent = waiting.pop()
        children = {(child, start) for child, (above, start) in parents.items() if above == parent}
        found |= children
        waiting += [child for child, _ in children]
    return found


def wait_for_the_end(family: set[tuple[int, int]]) -> list[str]:
    """The command lines of those that still run after a while."""
    deadline = time.monotonic() + SOON
    while left := [pid for pid, start in family if runs(pid, start)]:
        if time.monotonic() > deadline:
            break
        time.sleep(0.1)
    return [Path(f"/proc/{pid}/cmdline").read_text() for pid in left]


def runs(pid: int, start: int) -> bool:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return False
    return int(fields[19]) == start and fields[0] != "Z"


def fingerprints(folder: Path) -> dict:
    return {
        path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()
    }


def complete_files(course: Course) -> Counter:
    """Count the files that a reader could find; each must be whole."""
    counts = Counter()
    for path in (course.folder / "autograded").rglob("*.ipynb"):
        nbformat.validate(nbformat.read(path, as_version=4))
        counts["autograded"] += 1
    for path in (course.folder / "feedback").rglob("*.html"):
        assert path.read_text().rstrip().endswith("</html>"), path
        counts["feedback"] += 1
    for path in (course.folder / "records").rglob("*.json"):
        json.loads(path.read_text())
        counts["records"] += 1
    return counts


def gradebook_rows(the_class: Class) -> dict:
    """For each student in the gradebook: submissions, grades, and the sum of points."""
    query = """
        SELECT student_id, COUNT(DISTINCT submitted_assignment.id), COUNT(DISTINCT submitted_notebook.id),
               COUNT(grade.id), COUNT(DISTINCT grade.cell_id), SUM(grade.auto_score)
        FROM submitted_assignment
        JOIN submitted_notebook ON submitted_notebook.assignment_id = submitted_assignment.id
        JOIN grade ON grade.notebook_id = submitted_notebook.id GROUP BY student_id
    """
    with Gradebook(the_class.course.db_url) as gradebook:
        assert gradebook.db.execute(text("PRAGMA integrity_check")).scalar() == "ok"
        return {student: rest for student, *rest in gradebook.db.execute(text(query))}


@pytest.mark.slow
def test_what_was_told_before_the_kill_is_kept(killed):
    for state in killed.after_kills:
        told = [student for student, line in state.seen.items() if line["status"] == "graded"]
        assert len(told) >= 4
        assert set(state.seen) <= set(state.records)
        assert len(state.records) < len(killed.samples)


@pytest.mark.slow
def test_each_run_grades_only_what_is_missing(killed):
    first, second = killed.after_kills
    kept = {student for student, line in second.seen.items() if line["status"] == "kept"}
    assert kept == set(first.records)
    assert killed.exit_code == 0
    status = {line["student"]: line["status"] for line in killed.lines}
    assert len(killed.lines) == len(status) == len(killed.samples)
    assert {student for student, words in status.items() if words == "kept"} == set(second.records)
    assert set(status.values()) == {"kept", "graded"}


@pytest.mark.slow
def test_no_process_outlives_its_grader(killed):
    assert [state.left_over for state in killed.after_kills] == [[], []]
    assert list(killed.scratch.iterdir()) == []


@pytest.mark.slow
def test_no_file_is_ever_half_written(killed):
    for state in killed.after_kills:
        assert state.files["records"] == len(state.records)
        # A submission's record comes last.
        assert state.files["records"] <= state.files["feedback"] <= state.files["autograded"]
    assert set(complete_files(killed.course).values()) == {len(killed.samples)}
    left = [path for path in killed.course.folder.rglob(".*") if "secret" not in path.name]
    assert left == []


@pytest.mark.slow
def test_the_gradebook_holds_everybody_once(killed):
    for rows, records in [(state.rows, state.records) for state in killed.after_kills] + [
        (gradebook_rows(killed), killed.records())
    ]:
        for student, (submissions, notebooks, grades, cells, points) in rows.items():
            assert (submissions, notebooks) == (1, 1)
            assert grades == cells
            if student in records:
                assert points == pytest.approx(records[student].auto_points)
        assert set(records) <= set(rows)
    assert set(rows) == set(killed.samples)


@pytest.mark.slow
def test_in_the_end_everybody_has_what_the_answers_deserve(killed):
    for student, result in killed.records().items():
        deserved = killed.samples[student].verdicts
        assert {name: v.kind for name, v in result.verdicts.items() if not v.right} == deserved, student


@pytest.mark.slow
def test_what_was_handed_in_is_as_it_was(killed):
    assert fingerprints(killed.course.folder / "submitted") == killed.before
