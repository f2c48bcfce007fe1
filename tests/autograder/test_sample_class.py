"""The bundled class: each submission gets what it deserves and says why, none disturbs another."""

import dataclasses

import pytest
from nbgrader.api import Gradebook

from autograder.course import Course
from autograder.demo import demo_course
from autograder.grade import grade
from autograder.sample_class import CHAPTER, hand_in, sample_class
from autograder.sandbox import Limits
from dlcv.checking import Answer, Judge, load_exercises

SAMPLES = {sample.student: sample for sample in sample_class(Course.open())}
ASSIGNMENT = Course.open().chapter(CHAPTER).folder


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    return dataclasses.replace(Course.open(), folder=tmp_path_factory.mktemp("class"))


@pytest.fixture(scope="module")
def results(course):
    hand_in(course, SAMPLES.values())
    found = grade(course, ASSIGNMENT, jobs=2, limits=Limits(cell=3.0))
    return {result.student: result for result in found}


@pytest.fixture(scope="module")
def judges(course):
    return {name: Judge(exercise, seed=course.seed()) for name, exercise in load_exercises(CHAPTER).items()}


def test_the_class_is_large_and_always_the_same(results):
    assert len(SAMPLES) >= 12
    assert set(results) == set(SAMPLES)
    again = {sample.student: sample.files for sample in sample_class(Course.open())}
    assert again == {student: sample.files for student, sample in SAMPLES.items()}


@pytest.mark.parametrize("student", SAMPLES)
def test_each_gets_what_it_deserves(results, student):
    sample, result = SAMPLES[student], results[student]
    for name, verdict in result.verdicts.items():
        deserved = sample.verdicts.get(name, "right")
        assert verdict.kind == deserved, f"{name}: {verdict.text()}"
        if deserved == "right":
            assert verdict.points == verdict.max_points
        elif sample.earns == "none":
            assert verdict.points == 0
        else:
            assert 0 <= verdict.points < verdict.max_points


@pytest.mark.parametrize("student", SAMPLES)
def test_each_says_why(results, student):
    sample, result = SAMPLES[student], results[student]
    assert sample.reason.endswith(".")
    assert all(verdict.message for verdict in result.verdicts.values())
    told = " ".join(result.flags)
    assert all(words in told for words in sample.flags), told
    expected = {"essay to grade"} if any(essay.answered for essay in result.essays) else set()
    unforeseen = {flag for flag in result.flags if not any(flag.startswith(words) for words in expected)}
    assert bool(unforeseen) == bool(sample.flags), unforeseen


@pytest.mark.parametrize("student", [student for student in SAMPLES if student.startswith("slip_")])
def test_a_slip_behind_the_walls_gets_what_it_gets_here(results, judges, student):
    """The same program, called in this process, earns the same and is told the same."""
    ((name, _),) = SAMPLES[student].verdicts.items()
    found = results[student].verdicts[name]
    slip = next(slip for slip in judges[name].exercise.slips if slip.name == found.slip)
    here = judges[name].verdict(Answer(slip.program).reply)
    assert (found.points, found.slip, found.message) == (here.points, here.slip, here.message)


def test_the_gradebook_agrees(course, results):
    with Gradebook(course.db_url) as gradebook:
        stored = {row["student"]: row["score"] for row in gradebook.submission_dicts(ASSIGNMENT)}
    assert stored == pytest.approx({student: result.points for student, result in results.items()})


def test_the_demonstration_has_a_course_folder_of_its_own(tmp_path):
    course = demo_course(tmp_path / "demo")
    assert set(course.students(ASSIGNMENT)) == set(SAMPLES)
    for place in (course.source, course.release):
        assert (place(ASSIGNMENT) / f"{ASSIGNMENT}.ipynb").is_file()
    course.submitted("extra", ASSIGNMENT).mkdir(parents=True)
    assert "extra" in demo_course(course.folder, anew=False).students(ASSIGNMENT)
    assert "extra" not in demo_course(course.folder).students(ASSIGNMENT)
