"""A class on one JupyterHub: nbgrader's exchange carries notebooks both ways, our grader does what lies between."""

from __future__ import annotations

import getpass
import shutil

import pytest

from autograder.exchange import let_through, put_beside

from .hub import Hub


@pytest.mark.slow
def test_a_class_on_a_hub_from_release_to_feedback(new_chapter, tmp_path):
    exchange = tmp_path / "exchange"
    exchange.mkdir()
    exchange.chmod(0o777)
    root = shutil.copytree(new_chapter.root, tmp_path / "repository")
    hub = Hub(root, tmp_path, f"c.Exchange.root = {str(exchange)!r}\n")
    name = hub.assignment
    hub.instructor("nbgrader", "generate_assignment", name, "--force")
    hub.instructor("nbgrader", "release_assignment", name)

    hub.student("nbgrader", "fetch_assignment", name)
    notebook = hub.answers()
    hub.student("nbgrader", "submit", name)

    hub.instructor("nbgrader", "collect", name)
    by_mail = hub.root / "course/submitted/aaron" / name  # before all others in the alphabet
    by_mail.mkdir(parents=True)
    shutil.copy(notebook, by_mail)
    hub.instructor("autograder", "grade", "--assignment", name, "--jobs", "1")
    hub.instructor("nbgrader", "release_feedback", name)

    hub.student("nbgrader", "fetch_feedback", name)
    (page,) = hub.home("student").glob(f"{name}/feedback/*/{name}.html")
    me = getpass.getuser()
    assert page.read_text() == (hub.root / "course/feedback" / me / name / f"{name}.html").read_text()
    assert "stretch" in page.read_text().lower()


def test_only_small_files_of_the_submission_itself_are_put_beside_a_page(small_course, tmp_path):
    course, name = small_course.course, small_course.assignment
    place = small_course.submit("ada", small_course.empty()).parent
    (place / "timestamp.txt").write_text("2026-03-01 12:00:00 UTC")
    (tmp_path / "secret").write_text("the grader's own")
    (place / "submission_secret.txt").symlink_to(tmp_path / "secret")
    put_beside(course, "ada", name)
    beside = course.feedback("ada", name)
    assert [path.name for path in beside.iterdir()] == ["timestamp.txt"]
    (place / "submission_secret.txt").unlink()
    (place / "submission_secret.txt").write_text("x" * 2000)
    put_beside(course, "ada", name)
    assert [path.name for path in beside.iterdir()] == ["timestamp.txt"]
    shutil.rmtree(place)
    put_beside(course, "ada", name)


def test_who_came_by_another_way_does_not_keep_pages_from_the_others(small_course):
    course, name = small_course.course, small_course.assignment
    for student in ("ada", "emmy"):
        (course.feedback(student, name)).mkdir(parents=True)
        (course.feedback(student, name) / f"{name}.html").write_text("a page")
    let_through(course, name)
    assert len(list(course.feedback("ada", name).iterdir())) == 1  # nobody came by the exchange
    (course.feedback("emmy", name) / "submission_secret.txt").write_text("hers")
    (course.feedback("emmy", name) / "timestamp.txt").write_text("2026-03-01 12:00:00 UTC")
    let_through(course, name)
    made = (course.feedback("ada", name) / "submission_secret.txt").read_text()
    assert len(made) == 64
    assert (course.feedback("ada", name) / "timestamp.txt").read_text() == "unknown"
    let_through(course, name)
    assert (course.feedback("ada", name) / "submission_secret.txt").read_text() == made
    assert (course.feedback("emmy", name) / "submission_secret.txt").read_text() == "hers"
