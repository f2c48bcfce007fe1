"""Grading again: only what is missing or has changed is run, everything else is kept to the last point."""

import json
from dataclasses import replace

import pytest
from nbgrader.api import Gradebook

from autograder import local
from autograder.course import CourseError
from autograder.due import what_is_due
from autograder.grade import grade
from autograder.gradebook import Book
from autograder.grader import Grader
from autograder.plan import Plan
from autograder.record import read_record, record_path
from dlcv.checking import load_exercises

PAINT, SIZE = "conv_transpose1d", "output_size"
WRONG_SIZE = (
    "def output_size(size, kernel_size, stride=1, padding=0, output_padding=0, dilation=1):\n    return 7\n"
)


pytestmark = pytest.mark.usefixtures("already_warm")


@pytest.fixture(scope="module")
def graded(small_class, already_warm):
    """A class of three, graded once."""
    small_class.submit("ada", small_class.answered())
    small_class.submit("bob", small_class.answered(output_size=WRONG_SIZE))
    small_class.submit("cat", small_class.empty())
    small_class.first = run(small_class)
    return small_class


def run(small, **options):
    results = grade(small.course, small.assignment, jobs=1, limits=small.limits, **options)
    return {result.student: result for result in results}


def told(results) -> dict:
    return {student: (result.status, result.ran) for student, result in results.items()}


KEPT = ("kept", [])


@pytest.fixture
def nothing_runs(monkeypatch):
    """In such a test no sandbox can be started."""

    def refuse(*_, **__):
        raise AssertionError("a sandbox was started")

    monkeypatch.setattr(local, "Sandbox", refuse)


def points(small) -> dict:
    with Gradebook(small.course.db_url) as gradebook:
        return {row["student"]: row["score"] for row in gradebook.submission_dicts(small.assignment)}


def mark_by_hand(small, student: str, name: str, **given) -> None:
    """What an instructor does in formgrader."""
    with Gradebook(small.course.db_url) as gradebook:
        where = (name, small.assignment, small.assignment, student)
        if "comment" in given:
            gradebook.find_comment(*where).manual_comment = given.pop("comment")
        for key, value in given.items():
            setattr(gradebook.find_grade(*where), key, value)
        gradebook.db.commit()


# what is kept


def test_the_first_time_everything_is_graded(graded):
    assert told(graded.first) == dict.fromkeys(["ada", "bob", "cat"], ("graded", [PAINT, SIZE]))


def test_what_has_not_changed_is_kept(graded, nothing_runs):
    again = run(graded)
    assert told(again) == dict.fromkeys(["ada", "bob", "cat"], KEPT)
    for student, result in again.items():
        assert replace(result, ran=[PAINT, SIZE]) == graded.first[student]


def test_a_submission_handed_in_anew_is_the_only_one_graded(graded):
    before = points(graded)
    graded.submit(
        "cat", graded.answered(conv_transpose1d="def conv_transpose1d(x, weight, stride=1):\n    return 5")
    )
    again = run(graded)
    assert told(again) == {"ada": KEPT, "bob": KEPT, "cat": ("graded", [PAINT, SIZE])}
    assert points(graded) == before | {"cat": 2}


def test_somebody_new_is_the_only_one_graded(graded):
    graded.submit("dan", "not a notebook")
    assert told(run(graded)) == dict.fromkeys(["ada", "bob", "cat"], KEPT) | {
        "dan": ("graded", [PAINT, SIZE])
    }
    assert told(run(graded))["dan"] == KEPT


def test_what_is_asked_for_again_is_graded_again(graded):
    again = run(graded, students=["bob", "dan"], again=True)
    assert told(again) == dict.fromkeys(["bob", "dan"], ("graded", [PAINT, SIZE]))
    assert again["bob"].points == graded.first["bob"].points


def test_another_seed_grades_everything(graded, monkeypatch):
    monkeypatch.setenv("DLCV_SEED", "another secret")
    again = run(graded, students=["ada"])
    assert told(again) == {"ada": ("graded", [PAINT, SIZE])}
    monkeypatch.delenv("DLCV_SEED")
    assert told(run(graded, students=["ada"])) == {"ada": ("graded", [PAINT, SIZE])}


# one exercise


def test_a_limit_of_one_exercise_concerns_no_other(graded):
    """Of an exercise's own limits and those for all: the first grade that exercise again, the second everything."""
    run(graded)
    course, release = graded.course, graded.release
    own = replace(graded.limits, memory=graded.limits.memory + 1)
    found = []
    for limits in (graded.limits, replace(graded.limits, exercises={SIZE: own}), own):
        plan = Plan.of(course, release, limits)
        with Book(course.db_url, course.name) as book:
            due = what_is_due(course, plan, ["ada"], book.marks(graded.assignment))
        found.append([task.exercises for task in due.tasks])
    assert found == [[], [(SIZE,)], [(PAINT, SIZE)]]


def tampered(small, student: str) -> None:
    """Leave a trace in the stored verdicts that a new verdict would not have."""
    path = record_path(small.course, small.assignment, student)
    record = json.loads(path.read_text())
    for verdict in record["verdicts"].values():
        verdict["hint"] = "an old verdict"
    path.write_text(json.dumps(record))


def test_a_changed_check_costs_its_own_exercise_only(graded, monkeypatch):
    run(graded)
    tampered(graded, "ada")
    monkeypatch.setattr(load_exercises("transposed_convolution")[SIZE], "tolerance", 1e-3)
    again = run(graded, students=["ada", "bob"])
    assert told(again) == dict.fromkeys(["ada", "bob"], ("graded", [SIZE]))
    assert {name: verdict.hint for name, verdict in again["ada"].verdicts.items()} == {
        PAINT: "an old verdict",
        SIZE: "",
    }
    assert [again["ada"].points, again["bob"].points] == [4, graded.first["bob"].points]
    assert again["ada"].flags == graded.first["ada"].flags


def test_more_points_in_a_changed_check_reach_gradebook_and_pages(graded, monkeypatch):
    """Half of the points of one exercise are withdrawn: only that changes, and what a human gave stays."""
    run(graded)
    mark_by_hand(graded, "ada", "why", manual_score=2.0, needs_manual_grade=False, comment="Good.")
    monkeypatch.setattr(load_exercises("transposed_convolution")[SIZE], "points", 1.0)
    ada = run(graded, students=["ada"])["ada"]
    assert (ada.status, ada.ran, ada.points) == ("graded", [SIZE], 2 + 1 + 2)
    assert points(graded)["ada"] == 5
    page = (graded.course.feedback("ada", graded.assignment) / f"{graded.assignment}.html").read_text()
    assert "Good." in page
    with Gradebook(graded.course.db_url) as gradebook:
        assert not gradebook.find_grade("why", graded.assignment, graded.assignment, "ada").needs_manual_grade


def test_one_exercise_is_graded_and_the_others_keep_their_points(graded):
    run(graded)
    tampered(graded, "bob")
    mark_by_hand(graded, "bob", f"test-{PAINT}", manual_score=0.5, needs_manual_grade=False)
    mark_by_hand(graded, "bob", "why", manual_score=1.0, needs_manual_grade=False, comment="See me.")
    size = graded.first["bob"].verdicts[SIZE].points
    bob = run(graded, students=["bob"], exercises=[SIZE], again=True)["bob"]
    assert (bob.ran, bob.points) == ([SIZE], 0.5 + size + 1.0)
    assert bob.verdicts[PAINT].hint == "an old verdict"
    assert bob.verdicts[SIZE].hint != "an old verdict"
    with Gradebook(graded.course.db_url) as gradebook:
        where = (graded.assignment, graded.assignment, "bob")
        assert gradebook.find_grade(f"test-{PAINT}", *where).score == 0.5
        assert not gradebook.find_grade("why", *where).needs_manual_grade
        assert gradebook.find_comment("why", *where).comment == "See me."


def test_an_exercise_left_out_of_a_new_version_is_flagged_until_it_is_graded(graded):
    """`--exercise` on a notebook that was handed in anew: the other verdict is of the earlier version, and says so."""
    run(graded)
    graded.submit("cat", graded.empty())
    cat = run(graded, students=["cat"], exercises=[PAINT])["cat"]
    assert (cat.ran, cat.points) == ([PAINT], 2)
    assert cat.verdicts[PAINT].kind == "not attempted"
    assert any(SIZE in flag and "not graded anew" in flag for flag in cat.flags)
    cat = run(graded, students=["cat"])["cat"]
    assert (cat.ran, cat.points, cat.flags) == ([SIZE], 0, [])


def test_who_was_never_graded_is_graded_as_a_whole(graded):
    graded.submit("eve", graded.answered())
    eve = run(graded, students=["eve"], exercises=[SIZE])["eve"]
    assert (eve.ran, eve.points) == ([PAINT, SIZE], 4)


def test_an_exercise_that_is_none(graded, nothing_runs):
    with pytest.raises(CourseError, match="has no exercise 'size'; it has conv_transpose1d, output_size"):
        run(graded, exercises=["size"])
    with pytest.raises(CourseError, match="why is graded by hand"):
        run(graded, exercises=["why"])


# what is only written again


def test_a_lost_gradebook_is_filled_from_the_records(graded, nothing_runs):
    run(graded)
    graded.course.gradebook.unlink()
    again = run(graded)
    assert all(kept == KEPT for kept in told(again).values())
    assert points(graded) == {student: result.auto_points for student, result in again.items()}


@pytest.mark.parametrize("place", ["autograded", "feedback"])
def test_a_lost_file_is_written_again(graded, nothing_runs, place):
    run(graded)
    (path,) = getattr(graded.course, place)("ada", graded.assignment).iterdir()
    before = path.read_text()
    path.unlink()
    run(graded)
    assert path.read_text() == before


def test_what_a_human_gave_since_reaches_the_page(graded, nothing_runs):
    run(graded)
    mark_by_hand(graded, "ada", "why", manual_score=3.0, comment="Even better.")
    assert run(graded)["ada"].points == 7
    page = (graded.course.feedback("ada", graded.assignment) / f"{graded.assignment}.html").read_text()
    assert "Even better." in page


def test_another_time_of_handing_in_is_stored(graded, nothing_runs):
    run(graded)
    (graded.course.submitted("ada", graded.assignment) / "timestamp.txt").write_text(
        "2026-03-01 12:00:00 UTC"
    )
    run(graded)
    with Gradebook(graded.course.db_url) as gradebook:
        assert str(gradebook.find_submission(graded.assignment, "ada").timestamp) == "2026-03-01 12:00:00"


@pytest.mark.parametrize("content", ["", "{", "[]", '{"version": 1}'])
def test_a_record_that_cannot_be_read_is_made_anew(graded, content):
    run(graded)
    record_path(graded.course, graded.assignment, "ada").write_text(content)
    assert told(run(graded))["ada"] == ("graded", [PAINT, SIZE])


# failures of ours


def test_our_own_failure_leaves_the_earlier_result_and_is_tried_again(graded, monkeypatch):
    before = run(graded)["ada"]

    def fail(self, job):
        raise RuntimeError("a bug of ours")

    with monkeypatch.context() as broken:
        broken.setattr(Grader, "_graded", fail)
        failed = run(graded, students=["ada"], again=True)["ada"]
    assert (failed.status, failed.points) == ("failed", before.points)
    assert failed.flags[0].startswith("NOT GRADED again") and "a bug of ours" in failed.flags[0]
    assert points(graded)["ada"] == before.points
    assert read_record(graded.course, graded.assignment, "ada").flags == failed.flags
    mended = run(graded)["ada"]
    assert (mended.ran, mended.flags, mended.points) == ([PAINT, SIZE], before.flags, before.points)


def test_who_could_not_be_graded_at_all_is_tried_again(graded, monkeypatch):
    graded.submit("fay", graded.answered())

    def fail(self, job):
        raise RuntimeError("a bug of ours")

    with monkeypatch.context() as broken:
        broken.setattr(Grader, "_graded", fail)
        assert told(run(graded))["fay"] == ("failed", [])
    fay = run(graded)["fay"]
    assert (fay.status, fay.points) == ("graded", 4)
    assert not any("NOT GRADED" in flag for flag in fay.flags)
