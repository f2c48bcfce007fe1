"""One secret seed a course, or one a student: whose cases they are, and that they stay the same."""

from __future__ import annotations

import json

import pytest
import torch

from autograder.course import CourseError
from autograder.grade import grade
from autograder.grader import Grader
from autograder.job import Job
from autograder.plan import Plan
from autograder.record import record_path
from autograder.sandbox import Limits
from autograder.seeds import Seeds

LIMITS = Limits(cell=2.0)


def per_student(small) -> None:
    small.configure('seeds = "per student"')


def cases(small, student: str) -> list[torch.Tensor]:
    """All numbers that a student's answers are asked with."""
    grader = Grader.prepare(Plan.of(small.course, small.release, LIMITS), None)
    judges = grader.judges_of(Job.of(small.course, small.assignment, student, {}))
    return [
        argument
        for judge in judges.values()
        for request in judge.requests
        for argument in request.args
        if isinstance(argument, torch.Tensor)
    ]


def same(one: list[torch.Tensor], other: list[torch.Tensor]) -> bool:
    return len(one) == len(other) and all(a.equal(b) for a, b in zip(one, other, strict=True))


@pytest.fixture
def two(small_course):
    small_course.submit("ada", small_course.answered())
    small_course.submit("bob", small_course.answered())
    return small_course


def test_by_default_all_students_have_the_same_cases(two):
    assert same(cases(two, "ada"), cases(two, "bob"))
    two.configure('seeds = "per course"')
    assert same(cases(two, "ada"), cases(two, "bob"))


def test_with_a_seed_a_student_each_has_other_cases_and_always_the_same(two):
    shared = cases(two, "ada")
    per_student(two)
    assert same(cases(two, "ada"), cases(two, "ada"))
    assert not same(cases(two, "ada"), cases(two, "bob"))
    assert not same(cases(two, "ada"), shared)


def test_a_students_seed_tells_nothing_of_the_courses():
    seeds = Seeds("the secret", per_student=True)
    assert "the secret" not in seeds.of("ada")
    assert Seeds("another", per_student=True).of("ada") != seeds.of("ada")
    assert "the secret" not in repr(seeds)
    assert Seeds("the secret").of("ada") == "the secret"


def test_what_cannot_be_asked_for_is_said(two):
    two.configure('seeds = "per week"')
    with pytest.raises(CourseError, match=r'seeds is \'per week\'; wanted: "per course" or "per student"'):
        Plan.of(two.course, two.release, LIMITS)


def test_records_name_the_seed_and_grading_again_asks_the_same(two):
    per_student(two)
    wrong = "def conv_transpose1d(x, weight, stride=1):\n    return torch.ones(len(x))\n"
    two.submit("bob", two.answered(conv_transpose1d=wrong))
    first = grade(two.course, two.assignment, jobs=1, limits=LIMITS)

    def seeds(student):
        record = json.loads(record_path(two.course, two.assignment, student).read_text())
        (digest,) = {basis["seed"] for basis in record["basis"].values()}
        return digest

    before = {student: seeds(student) for student in ("ada", "bob")}
    assert before["ada"] != before["bob"]
    assert two.course.seed() not in "".join(before.values())
    assert [result.status for result in grade(two.course, two.assignment, jobs=1, limits=LIMITS)] == [
        "kept"
    ] * 2

    again = grade(two.course, two.assignment, jobs=1, limits=LIMITS, again=True)
    assert {student: seeds(student) for student in ("ada", "bob")} == before
    for earlier, later in zip(first, again, strict=True):
        for name, verdict in later.verdicts.items():
            verdict.seconds = earlier.verdicts[name].seconds
        assert later.verdicts == earlier.verdicts
    assert [result.points for result in first] == [4, 2]


def test_a_verdict_depends_on_the_kind_of_seed(two):
    """So a change of `seeds` in course.toml grades everybody anew."""

    def seeds():
        plan = Plan.of(two.course, two.release, LIMITS)
        jobs = [Job.of(two.course, two.assignment, student, {}) for student in ("ada", "bob")]
        return [plan.basis("output_size", job)["seed"] for job in jobs]

    shared = seeds()
    assert shared[0] == shared[1]
    per_student(two)
    assert len({*shared, *seeds()}) == 3
