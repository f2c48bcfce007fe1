"""What course.toml says about limits, what is wrong with what it says, and that an exercise gets its own."""

import json
import re
from dataclasses import replace

import pytest

from autograder.course import Course, CourseError
from autograder.course_limits import course_limits, in_words
from autograder.examine import examine
from autograder.limits import Limits
from autograder.plan import Plan
from autograder.restore import restore
from autograder.sandbox import Sandbox
from autograder.submission import read_cells
from dlcv.checking import Judge

CHAPTERS = """
[[chapters]]
number = 0
name = "a"
title = "A"
{a}
[[chapters]]
number = 1
name = "b"
title = "B"
"""


def limits_of(root, top: str, a: str = "", chapter: str = "a") -> Limits:
    (root / "course.toml").write_text(top + CHAPTERS.format(a=a))
    course = Course.open(root=root)
    return course_limits(course, course.chapter(chapter), ["paint", "unet"])


def test_a_course_need_not_say_anything(tmp_path):
    assert limits_of(tmp_path, "") == Limits()


def test_what_is_nearer_wins(tmp_path):
    top = '[limits]\ncell = 20\nmemory = "4 GB"\nprocesses = 10\n'
    a = '[chapters.limits]\ncell = 30.5\ndisk = "1.5 MB"\n[chapters.limits.unet]\nmemory = "6 GB"\ncase = 9\n'
    limits = limits_of(tmp_path, top, a)
    assert (limits.cell, limits.memory, limits.disk, limits.processes) == (30.5, 4 * 2**30, 3 * 2**19, 10)
    assert (limits.of("unet").memory, limits.of("unet").case, limits.of("unet").processes) == (
        6 * 2**30,
        9,
        10,
    )
    assert limits.of("paint") is limits
    assert limits.widest.memory == 6 * 2**30
    other = limits_of(tmp_path, top, a, chapter="b")
    assert (other.cell, other.memory, other.exercises) == (20, 4 * 2**30, {})


@pytest.mark.parametrize(
    ("top", "a", "message"),
    [
        (
            "[limits]\ncells = 3",
            "",
            r"\[limits\]: there is no limit 'cells'; there are cell, submission, cpu",
        ),
        ("[limits]\nmemory = 4", "", r'memory = 4; wanted is a size with its unit, for instance "512 MB"'),
        ("[limits]\nmemory = '4 TB'", "", "memory = '4 TB'; wanted is a size with its unit"),
        ("[limits]\nmemory = '1 MB'", "", "memory = '1 MB'; it has to be at least 64 MB"),
        ("[limits]\nmessage = '1 KB'", "", "message = '1 KB'; it has to be at least 4 KB"),
        ("[limits]\ncell = '10'", "", "cell = '10'; wanted is a number of seconds"),
        ("[limits]\ncell = 0", "", "cell = 0; it has to be more than 0"),
        ("[limits]\ncell = nan", "", "cell = nan; it has to be more than 0"),
        ("[limits]\nsubmission = inf", "", "submission = inf; it has to be more than 0"),
        ("[limits]\ncell = true", "", "cell = True; wanted is a number of seconds"),
        ("[limits]\ncpu = 1.5", "", "cpu = 1.5; wanted is a whole number of seconds"),
        ("[limits]\nrestarts = -1", "", "restarts = -1; it has to be at least 0"),
        ("[limits]\nprocesses = 2", "", "processes = 2; it has to be at least 4"),
        ("[limits]\ncase = 3", "", r"case is a limit of one exercise, \[chapters.limits.<exercise>\]"),
        ("limits = 3", "", r"\[limits\] is 3; it has to be a table"),
        ("", "limits = 3", r"\[chapters.limits\] of a is 3; it has to be a table"),
        ("", "[chapters.limits]\nspeed = 3", r"\[chapters.limits\] of a: there is no limit 'speed'"),
        ("", "[chapters.limits.pain]\ncpu = 3", "no exercise is called 'pain'; there are paint, unet"),
        (
            "",
            "[chapters.limits.unet]\ncell = 3",
            "cell is a limit of a whole submission; here there are case, cpu",
        ),
        ("", "[chapters.limits.unet]\ncpus = 3", r"limits.unet\] of a: there is no limit 'cpus'"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, top, a, message):
    with pytest.raises(CourseError, match=message) as raised:
        limits_of(tmp_path, top, a)
    assert str(raised.value).startswith(f"{tmp_path / 'course.toml'}: ")


@pytest.mark.parametrize(("size", "words"), [(2**31, "2 GB"), (300 * 2**20, "300 MB"), (4096, "4 KB")])
def test_sizes_in_words(size, words):
    assert in_words(size) == words


def test_limits_travel_as_plain_data():
    limits = replace(Limits(), exercises={"unet": Limits(memory=2**31)})
    from dataclasses import asdict

    assert Limits.from_dict(json.loads(json.dumps(asdict(limits)))) == limits


MB = 2**20
# What an answer does, and what is said of it where its exercise allows little; where it allows more, it is all right.
DOES = {
    "memory": ("return torch.zeros(150 * 2**18)[:0]", "can't allocate memory"),
    "cpu": ("import time\n    while time.process_time() < 3: pass", "processor time|killed|ended"),
    "file": ("open('large', 'wb').write(bytes(3 * 2**20))", "File too large"),
    "processes": (
        "import os, time\n    for _ in range(20):\n        if not os.fork(): time.sleep(1), os._exit(0)\n"
        "    for _ in range(20): os.wait()",
        "temporarily unavailable|started more than 12 processes",
    ),
    "message": ("return torch.zeros(2**18)", "returned 1 MB; it may be 64 KB"),
}


@pytest.fixture(scope="module")
def verdicts(small_class):
    """Two exercises with the same answer; what output_size may use is little, and conv_transpose1d more of each."""
    little = Limits(memory=64 * MB, case=20.0, cpu=1, file=MB, processes=12, message=64 * 1024)
    much = Limits(memory=900 * MB, case=25.0, cpu=30, processes=60)
    limits = Limits(
        cell=4.0, memory=300 * MB, cpu=60, exercises={"conv_transpose1d": much, "output_size": little}
    )

    def run(body: str, **seconds: float) -> dict:
        own = {
            name: replace(each, case=seconds.get(name, each.case)) for name, each in limits.exercises.items()
        }
        plan = Plan.of(small_class.course, small_class.release, replace(limits, exercises=own))
        judges = {name: Judge(exercise, seed="a secret") for name, exercise in plan.exercises.items()}
        sources = {name: f"def {name}(*_, **__):\n    {body}\n" for name in own}
        notebook = json.dumps(small_class.answered(**sources)).encode()
        return examine(restore(read_cells(notebook), small_class.release), judges, sandbox).verdicts

    with Sandbox([], limits) as sandbox:
        sandbox.wait_until_warm()
        yield run


@pytest.mark.parametrize("limit", DOES)
def test_an_exercise_gets_what_is_its_own(verdicts, limit):
    body, words = DOES[limit]
    found = verdicts(body)
    assert re.search(words, found["output_size"].message), found["output_size"].message
    assert found["conv_transpose1d"].kind == "wrong shape", found["conv_transpose1d"].message


def test_an_exercise_has_its_own_time_for_a_case(verdicts):
    found = verdicts("import time; time.sleep(600)", conv_transpose1d=0.7, output_size=1.2)
    assert found["conv_transpose1d"].message == "no answer after 0.7 seconds"
    assert found["output_size"].message == "no answer after 1.2 seconds"
