"""Lateness from a timestamp to record, gradebook, pages and nbgrader's export; and settled anew when things change."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest
from nbformat.v4 import new_notebook
from nbgrader.api import Gradebook
from nbgrader.apps import NbGrader
from nbgrader.plugins import CsvExportPlugin
from nbgrader.preprocessors import AssignLatePenalties

from autograder.feedback import feedback
from autograder.grade import grade
from autograder.records import read_records
from autograder.report import report
from autograder.sandbox import Limits

DUE = "due = 2026-10-01T23:59:00"
STAMPS = {
    "ada": "2026-10-01 12:00:00 UTC",
    "bob": "2026-10-03 12:00:00 UTC",  # two days begun
    "cat": "2026-12-24 12:00:00 UTC",
    "dan": None,
    "eve": "some day",
}


@pytest.fixture(scope="module")
def graded(small_class):
    small_class.configure('timezone = "Europe/Berlin"\nlate = { grace = 15, per_day = 10, cut_off = 7 }', DUE)
    for student, stamp in STAMPS.items():
        path = small_class.submit(student, small_class.answered())
        if stamp:
            (path.parent / "timestamp.txt").write_text(stamp)
    grade(small_class.course, small_class.assignment, jobs=1, limits=Limits(cell=2.0))
    return small_class


def penalties(small) -> dict:
    with Gradebook(small.course.db_url) as gradebook:
        found = gradebook.assignment_submissions(small.assignment)
        return {
            submission.student_id: (submission.score, submission.late_submission_penalty)
            for submission in found
        }


def page(small, student: str) -> str:
    return (small.course.feedback(student, small.assignment) / f"{small.assignment}.html").read_text()


def test_records_say_how_late_and_what_it_costs(graded):
    found = {result.student: result for result in read_records(graded.course, graded.assignment)}
    assert {
        student: (result.late.status, result.points, result.penalty) for student, result in found.items()
    } == {
        "ada": ("on time", 4, 0),
        "bob": ("late", 4, 0.8),
        "cat": ("too late", 4, 4),
        "dan": ("time unknown", 4, 0),
        "eve": ("time unknown", 4, 0),
    }
    assert found["bob"].to_dict()["late"]["penalty"] == 0.8
    assert found["bob"].to_dict()["points"] == 4
    assert "which is no time" in found["eve"].to_dict()["flags"][-1]


def test_the_gradebook_holds_it_as_nbgraders_penalty(graded):
    assert penalties(graded) == {"ada": (4, 0), "bob": (4, 0.8), "cat": (4, 4), "dan": (4, 0), "eve": (4, 0)}
    with Gradebook(graded.course.db_url) as gradebook:
        assert str(gradebook.find_assignment(graded.assignment).duedate) == "2026-10-01 21:59:00"
        late = gradebook.find_submission(graded.assignment, "bob")
        assert late.total_seconds_late == 38 * 3600 + 60
        assert gradebook.find_submission(graded.assignment, "eve").timestamp is None


def test_nbgraders_export_takes_it_off(graded, tmp_path):
    with Gradebook(graded.course.db_url) as gradebook:
        CsvExportPlugin(to=str(tmp_path / "grades.csv"), parent=NbGrader()).export(gradebook)
    rows = {row["student_id"]: row for row in csv.DictReader((tmp_path / "grades.csv").open())}
    assert (rows["bob"]["raw_score"], rows["bob"]["late_submission_penalty"], rows["bob"]["score"]) == (
        "4.0",
        "0.8",
        "3.2",
    )
    assert rows["cat"]["score"] == "0.0"


def test_nbgraders_own_autograde_takes_off_the_same(graded, monkeypatch):
    """It asks its plugin, whose name stands in nbgrader_config.py, for whoever came after the due date."""
    configuration = (Path(__file__).parents[2] / "nbgrader_config.py").read_text()
    (plugin,) = re.findall(r'^c\.AssignLatePenalties\.plugin_class = "(.+)"$', configuration, re.MULTILINE)
    config = NbGrader().config
    config.AssignLatePenalties.plugin_class = plugin
    config.CourseDirectory.root = str(graded.course.folder)
    monkeypatch.chdir(graded.course.root)
    before = penalties(graded)
    for student in ("ada", "bob", "cat"):
        names = {"notebook": graded.assignment, "assignment": graded.assignment, "student": student}
        resources = {"nbgrader": {**names, "db_url": graded.course.db_url}}
        AssignLatePenalties(config=config).preprocess(new_notebook(), resources)
    assert penalties(graded) == before
    assert before["bob"] == (4, 0.8)


def test_the_learner_reads_what_was_taken_off_and_why(graded):
    html = page(graded, "bob")
    assert "For 2 days begun, 10\u00a0% each, 20\u00a0% of your points are taken off." in html
    assert "3.2" in html and "−0.8" in html
    assert "taken off" not in page(graded, "ada")
    assert "timestamp" not in page(graded, "dan")


def test_settled_anew_by_hand_by_extension_and_by_another_date(graded):
    """A human gives points, an extension is granted, the due date moves: records, gradebook and pages follow."""
    course, assignment = graded.course, graded.assignment
    with Gradebook(course.db_url) as gradebook:
        essay = gradebook.find_grade("why", assignment, assignment, "bob")
        essay.manual_score, essay.needs_manual_grade = 2.0, False
        gradebook.db.commit()
    feedback(course, assignment)
    assert penalties(graded)["bob"] == (6, 1.2)
    assert "4.8" in page(graded, "bob")

    (course.folder / "extensions.csv").write_text("student,assignment,days\nbob,*,1\n")
    report(course, assignment)
    assert penalties(graded)["bob"] == (6, 0.6)
    with Gradebook(course.db_url) as gradebook:
        assert gradebook.find_submission(assignment, "bob").extension.total_seconds() == 86_400
    assert "10\u00a0% of your points are taken off" in page(graded, "bob")

    graded.configure('timezone = "Europe/Berlin"\n', "due = 2026-10-05T23:59:00")
    (course.folder / "extensions.csv").unlink()
    report(graded.course, assignment)
    assert penalties(graded)["bob"] == (6, 0)
    assert penalties(graded)["cat"] == (4, 0)  # late still, but it costs nothing now
    assert {result.student: result.late.status for result in read_records(graded.course, assignment)}[
        "bob"
    ] == "on time"

    graded.configure()
    report(graded.course, assignment)
    assert all(result.late is None for result in read_records(graded.course, assignment))
