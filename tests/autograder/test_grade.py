"""Grading a class from folders to gradebook: each submission alone, everything written, again without harm."""

import hashlib
import json
import os
import pickle
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import nbformat
import nbgrader.dbutil
import pytest
from nbgrader.api import Gradebook

from autograder.course import CourseError
from autograder.engine import Failed
from autograder.grade import grade
from autograder.graded import not_graded
from autograder.grader import Grader
from autograder.job import Job
from autograder.plan import Plan
from autograder.record import Result, record_path
from autograder.records import read_records
from autograder.sandbox import Limits

LIMITS = Limits(cell=1.0, submission=30.0, restarts=2, grace=0.5)
PAINT, SIZE = "conv_transpose1d", "output_size"
FLIPPED = """\
def conv_transpose1d(x, weight, stride=1):
    weight = torch.flip(weight, [0])
    canvas = torch.zeros((len(x) - 1) * stride + len(weight))
    for i in range(len(x)):
        canvas[i * stride : i * stride + len(weight)] += x[i] * weight
    return canvas
"""


def fill(small):
    small.submit("ada", small.answered())
    small.submit("bob", small.answered(conv_transpose1d=FLIPPED))
    small.submit("cat", small.empty())
    small.submit("dan", "{ not json")
    small.submit("eve", small.answered(conv_transpose1d="while True:\n    pass"))
    noisy = small.answered()
    small.cell(noisy, PAINT)["outputs"] = [
        {"output_type": "stream", "name": "stdout", "text": "x" * 3_000_000}
    ]
    small.submit("fay", noisy)
    small.submit("gil <b>&amp;", small.answered(), name="01 (3).ipynb")
    (small.course.submitted("hal", small.assignment)).mkdir(parents=True)
    (small.course.submitted("ada", small.assignment) / "timestamp.txt").write_text("2026-03-01 12:00:00 UTC")


@pytest.fixture(scope="module")
def graded(small_class):
    """The class, graded once by two workers; `.results` by student, `.seen` what progress was told."""
    fill(small_class)
    small_class.before = fingerprints(small_class.course.folder / "submitted")
    small_class.seen = []
    results = grade(
        small_class.course,
        small_class.assignment,
        jobs=2,
        limits=LIMITS,
        progress=lambda *told: small_class.seen.append(told),
    )
    small_class.results = {result.student: result for result in results}
    return small_class


def fingerprints(folder: Path) -> dict:
    return {
        path: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()
    }


def scores(small) -> dict:
    with Gradebook(small.course.db_url) as gradebook:
        return {row["student"]: row["score"] for row in gradebook.submission_dicts(small.assignment)}


def test_everybody_gets_what_the_answers_deserve(graded):
    deserved = {"ada": 4, "cat": 0, "dan": 0, "eve": 2, "fay": 4, "gil <b>&amp;": 4, "hal": 0}
    assert {student: graded.results[student].points for student in deserved} == deserved
    assert 2 <= graded.results["bob"].points < 4
    assert {result.max_points for result in graded.results.values()} == {7}


def test_each_says_why(graded):
    verdicts = {student: result.verdicts[PAINT] for student, result in graded.results.items()}
    assert verdicts["bob"].slip == "filter flipped"
    assert verdicts["cat"].kind == "not attempted"
    assert "broken JSON at line 1, column 3" in verdicts["dan"].message
    assert verdicts["eve"].kind == "too slow"
    assert verdicts["hal"].message == "No notebook (.ipynb) was handed in."


def test_flags_are_what_a_human_should_look_at(graded):
    flags = {student: result.flags for student, result in graded.results.items()}
    assert flags["ada"] == ["essay to grade: why"]
    assert flags["cat"] == []
    assert "file is called 01 (3).ipynb, not 01_transposed_convolution.ipynb" in flags["gil <b>&amp;"]
    assert "cell 4 was left out: still running after 1 seconds" in flags["eve"]
    assert any("outputs of 2.8 MB were cut" in flag for flag in flags["fay"])


def test_progress_is_told_as_it_is_made(graded):
    assert [told[:2] for told in graded.seen] == [(done, 8) for done in range(1, 9)]


def test_the_public_form(graded):
    public = json.loads(json.dumps(graded.results["bob"].to_dict()))
    assert (public["status"], public["ran"]) == ("graded", [PAINT, SIZE])
    assert set(public) - {"status", "ran"} == {
        "student",
        "assignment",
        "points",
        "max_points",
        "exercises",
        "flags",
        "walls",
    }
    paint = public["exercises"][PAINT]
    assert paint["verdict"] == "slip"
    assert paint["max_points"] == 2
    assert {"points", "max_points", "verdict", "message"} <= set(public["exercises"][SIZE])


def test_originals_are_never_written_to(graded):
    assert fingerprints(graded.course.folder / "submitted") == graded.before


def test_autograded_notebooks_are_valid_and_small(graded):
    for student in graded.results:
        path = graded.course.autograded(student, graded.assignment) / f"{graded.assignment}.ipynb"
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
        assert path.stat().st_size < 200_000
        ids = [cell.metadata.nbgrader.grade_id for cell in notebook.cells if "nbgrader" in cell.metadata]
        assert sorted(ids) == sorted({PAINT, SIZE, f"test-{PAINT}", f"test-{SIZE}", "why"})


def test_the_gradebook_says_the_same(graded):
    assert scores(graded) == {student: result.points for student, result in graded.results.items()}
    with Gradebook(graded.course.db_url) as gradebook:
        needs = {
            row["student"]: row["needs_manual_grade"] for row in gradebook.submission_dicts(graded.assignment)
        }
        assert needs["ada"] and not needs["cat"]
        submission = gradebook.find_submission(graded.assignment, "ada")
        assert str(submission.timestamp) == "2026-03-01 12:00:00"
        comment = gradebook.find_comment("why", graded.assignment, graded.assignment, "cat")
        assert comment.auto_comment == "No response."


def test_records_hold_what_the_result_depends_on(graded):
    records = {result.student: result for result in read_records(graded.course, graded.assignment)}
    result = graded.results["bob"]
    assert records["bob"] == replace(result, ran=[])
    assert set(records["bob"].basis) == {PAINT, SIZE}
    ours, theirs = records["bob"].basis[SIZE], records["ada"].basis[SIZE]
    assert set(ours) == {"submission", "release", "seed", "limits", "engine", "check"}
    assert {part for part in ours if ours[part] != theirs[part]} == {"submission"}
    assert graded.course.seed() not in record_path(graded.course, graded.assignment, "bob").read_text()


def test_a_new_gradebook_has_the_schema_that_nbgrader_would_give_it(graded, monkeypatch):
    """nbgrader asks the program alembic, which need not be on an instructor's path."""
    from sqlalchemy import text

    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    with nbgrader.dbutil._temp_alembic_ini("sqlite://") as ini:
        heads = subprocess.run(
            ["alembic", "-c", ini, "heads"], capture_output=True, text=True, check=True
        ).stdout
    with Gradebook(graded.course.db_url) as gradebook:
        assert (
            gradebook.db.execute(text("SELECT version_num FROM alembic_version")).scalar() == heads.split()[0]
        )


# grading again


def test_grading_again_changes_nothing_and_keeps_what_humans_gave(graded):
    assignment, course = graded.assignment, graded.course
    with Gradebook(course.db_url) as gradebook:
        essay = gradebook.find_grade("why", assignment, assignment, "ada")
        essay.manual_score, essay.needs_manual_grade = 2.5, False
        override = gradebook.find_grade(f"test-{PAINT}", assignment, assignment, "bob")
        override.manual_score, override.extra_credit, override.needs_manual_grade = 1.5, 0.5, False
        gradebook.find_comment("why", assignment, assignment, "ada").manual_comment = "Nicely said."
        gradebook.db.commit()
    before = scores(graded)
    again = grade(course, assignment, students=["ada", "bob"], jobs=1, limits=LIMITS)
    assert [result.points for result in again] == [6.5, 4.0]
    assert scores(graded) == before
    with Gradebook(course.db_url) as gradebook:
        assert not gradebook.find_grade("why", assignment, assignment, "ada").needs_manual_grade
        assert gradebook.find_comment("why", assignment, assignment, "ada").comment == "Nicely said."
    page = (course.feedback("ada", assignment) / f"{assignment}.html").read_text()
    assert "Nicely said." in page
    assert "6.5" in page


def test_a_new_version_asks_a_human_again(graded):
    assignment = graded.assignment
    with Gradebook(graded.course.db_url) as gradebook:
        grade_ = gradebook.find_grade("why", assignment, assignment, "fay")
        grade_.manual_score, grade_.needs_manual_grade = 1.0, False
        gradebook.db.commit()
    graded.submit("fay", graded.answered(why="Another thought."))
    (result,) = grade(graded.course, assignment, students=["fay"], jobs=1, limits=LIMITS)
    assert result.points == 5.0
    with Gradebook(graded.course.db_url) as gradebook:
        assert gradebook.find_grade("why", assignment, assignment, "fay").needs_manual_grade


def test_nbgraders_own_feedback_reads_what_we_wrote(graded):
    """The converter that `nbgrader generate_feedback` runs, on our autograded notebook and our gradebook."""
    from nbgrader.apps import NbGraderAPI
    from nbgrader.coursedir import CourseDirectory

    folder = CourseDirectory(root=str(graded.course.folder), db_url=graded.course.db_url)
    api = NbGraderAPI(folder)
    rows = {row["student"]: row for row in api.get_submissions(graded.assignment)}
    assert rows["bob"]["autograded"]
    assert rows["bob"]["max_score"] == 7
    done = api.generate_feedback(graded.assignment, "bob", force=True)
    assert done["success"], done
    page = graded.course.feedback("bob", graded.assignment) / f"{graded.assignment}.html"
    assert "filter flipped" in page.read_text() or "back to front" in page.read_text()


# what is wrong with the course is said


def test_nobody_has_handed_in(small_course):
    with pytest.raises(CourseError, match="nobody has handed in 01_transposed_convolution"):
        grade(small_course.course, small_course.assignment)


def test_unknown_students_are_named(small_course):
    small_course.submit("ada", small_course.answered())
    with pytest.raises(CourseError, match="no submission of 01_transposed_convolution by zoe"):
        grade(small_course.course, small_course.assignment, students=["ada", "zoe"])


def test_an_unknown_assignment(small_course):
    with pytest.raises(CourseError, match="no chapter is called 'homework'"):
        grade(small_course.course, "homework")


def test_a_release_that_tests_unknown_exercises(small_course):
    path = small_course.course.release(small_course.assignment) / f"{small_course.assignment}.ipynb"
    path.write_text(path.read_text().replace('"test-output_size"', '"test-something"'))
    small_course.submit("ada", small_course.answered())
    with pytest.raises(CourseError, match="tests something, which dlcv"):
        grade(small_course.course, small_course.assignment)


# what travels between processes


def test_plan_job_and_result_are_plain_data(small_course):
    """They survive pickling, name no folder of this course, and a log that shows them tells no seed."""
    small_course.submit("ada", small_course.answered())
    course, assignment = small_course.course, small_course.assignment
    plan = Plan.of(course, small_course.release, LIMITS)
    job = Job.of(course, assignment, "ada", {})
    result = not_graded(plan, job, "a reason")
    for thing in (plan, job, result):
        sent = pickle.dumps(thing)
        assert pickle.loads(sent) == thing
        assert str(course.folder).encode() not in sent
        assert course.seed() not in repr(thing)
    assert course.seed().encode() not in pickle.dumps((job, result))


# our own failures


def test_a_bug_of_ours_costs_nobody_points_and_is_flagged(small_course, monkeypatch):
    small_course.submit("ada", small_course.answered())
    small_course.submit("bob", small_course.answered())
    honest = Grader._graded

    def sometimes(self, job):
        if job.student == "ada":
            raise RuntimeError("a bug of ours")
        return honest(self, job)

    monkeypatch.setattr(Grader, "_graded", sometimes)
    ada, bob = grade(small_course.course, small_course.assignment, jobs=1, limits=LIMITS)
    assert ada.flags[0].startswith("NOT GRADED") and "a bug of ours" in ada.flags[0]
    assert ada.verdicts[PAINT].kind == "engine error"
    assert bob.points == 4


def test_a_worker_that_is_killed_costs_one_submission_a_flag(small_course, monkeypatch):
    for student in ("ada", "bob", "cat", "dan"):
        small_course.submit(student, small_course.answered())
    honest = Grader._graded

    def deadly(self, job):
        if job.student == "bob":
            os.kill(os.getpid(), signal.SIGKILL)
        return honest(self, job)

    monkeypatch.setattr(Grader, "_graded", deadly)
    results = grade(small_course.course, small_course.assignment, jobs=2, limits=LIMITS)
    assert [result.points for result in results] == [4, 0, 4, 4]
    assert "exit code -9" in results[1].flags[0]


def test_a_folder_that_cannot_be_written_is_told(small_course):
    small_course.submit("ada", small_course.answered())
    (small_course.course.folder / "autograded").write_text("a file in the way")
    with pytest.raises(CourseError, match="could not be written"):
        grade(small_course.course, small_course.assignment, jobs=1, limits=LIMITS)


def test_failures_are_told_apart_from_results():
    assert Failed("why").why == "why"
    assert Result("ada", "hw", "chapter", {}).max_points == 0
