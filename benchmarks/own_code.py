"""The lower bound of grading: the learners' own code and nothing else, in one warm interpreter.

Their cells are run and their answers are called as often as grading calls them: without a fork, walls, messages or a
watch. What judges them is not counted. Prints one JSON object: seconds for all submissions.

    python benchmarks/own_code.py COURSE_FOLDER ASSIGNMENT
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch

from autograder.course import Course
from autograder.magics import plain_python
from autograder.needed import needed_cells
from autograder.release import read_release, release_path
from autograder.restore import Restored, restore
from autograder.student import fresh_namespace
from autograder.submission import fetch, open_submission
from dlcv.checking import Judge, Reply, load_exercises, probes
from dlcv.checking.answer import Crash, _copies


class Clock:
    """Adds up the time of its blocks: seconds of the clock and of the processor."""

    def __init__(self) -> None:
        self.wall = self.cpu = 0.0

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        wall, cpu = time.perf_counter(), time.process_time()
        try:
            yield
        finally:
            self.wall += time.perf_counter() - wall
            self.cpu += time.process_time() - cpu


class Bare:
    """An answer as a probe sees it, with nothing around it."""

    def __init__(self, subject: Callable):
        self.subject = subject

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.subject(*args, **kwargs)

    def run(self, function: Callable, *args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)


def run(restored: Restored, judges: dict[str, Judge], clock: Clock) -> None:
    """Run one submission's cells, and at each test ask what grading asks there."""
    needed = needed_cells(restored.cells)
    namespace = fresh_namespace()
    for number, placed in enumerate(restored.cells):
        if placed.is_judged_here and placed.slot.exercise in namespace:
            judge(judges[placed.slot.exercise], namespace[placed.slot.exercise], clock)
        elif number in needed:
            source = plain_python(placed.source)
            with clock.running(), contextlib.suppress(Exception), contextlib.redirect_stdout(io.StringIO()):
                exec(compile(source, f"<cell {number + 1}>", "exec"), namespace)


def judge(judge: Judge, subject: Any, clock: Clock) -> None:
    """Have a judge ask its questions; only the answers are timed."""

    def ask(request: Any) -> Reply:
        args, kwargs = _copies((request.args, request.kwargs))
        probe, value, crash = probes.find(request.probe), None, None
        with clock.running():
            try:
                value = probe(Bare(subject), *args, **kwargs)
            except Exception as error:
                crash = Crash(type(error).__name__, str(error))
        return Reply(value=value, crash=crash)

    judge.verdict(ask)


def main(folder: str, assignment: str) -> None:
    torch.set_num_threads(1)
    course = Course.open(folder)
    course.make_importable()
    release = read_release(release_path(course, assignment))
    exercises = load_exercises(release.chapter)
    judges = {name: Judge(exercises[name], seed=course.seed()) for name in release.tests}
    students = list(course.students(assignment))
    submissions = [
        open_submission(fetch(course.submitted(student, assignment), assignment)) for student in students
    ]
    for clock in (Clock(), Clock()):  # the first round warms everything up
        for submission in submissions:
            run(restore(submission.cells, release), judges, clock)
    print(json.dumps({"submissions": len(students), "wall": clock.wall, "cpu": clock.cpu}))


if __name__ == "__main__":
    main(*sys.argv[1:])
