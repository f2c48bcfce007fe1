"""A class of honest submissions of one chapter, any number of them, all different: what the benchmarks grade.

Most of it is right, some of it is a known mistake, some is not begun, and one in twenty answers raises. Nothing is
hostile and nothing runs for ever, so every grader can finish it and must give it the same points.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from autograder.build import source_notebook, student_notebook, text_of
from autograder.course import Course
from autograder.sample_class import Workbook, right_answers
from dlcv.checking import Exercise, load_exercises

__all__ = ["Work", "hand_in", "honest_class"]

# Of twenty: what a submission is, and how many of its answers are a known mistake.
KINDS = (
    *[("all right", 0)] * 4, *[("slips", 1)] * 4, *[("slips", 2)] * 3, ("slips", 3),
    *[("half done", 0)] * 2, *[("half done", 1)] * 2, ("not begun", 0), ("raises", 1), ("does not run", 0),
    ("one left out", 1),
)  # fmt: skip


@dataclass(frozen=True)
class Work:
    """One submission: the notebook's bytes, and in words what was done to it."""

    student: str
    kind: str
    notebook: bytes


def honest_class(course: Course, assignment: str, count: int, seed: int = 0) -> Iterator[Work]:
    """Yield `count` submissions of a chapter; equal arguments give equal bytes."""
    chapter = course.chapter(assignment)
    source = source_notebook(course, chapter, allow_missing_figures=True)
    release = json.loads(text_of(student_notebook(source)))
    answers, exercises = right_answers(source), load_exercises(chapter.name)
    draw = random.Random(seed)
    for number in range(count):
        if number % len(KINDS) == 0:
            kinds = draw.sample(KINDS, len(KINDS))
        kind, slips = kinds[number % len(KINDS)]
        written = _answers(kind, slips, answers, exercises, draw)
        student = f"student_{number:04d}"
        # Nobody's text is another's: what is kept from one submission to the next must not help here.
        written = {name: f"{text}\n\n# {student}" for name, text in written.items()}
        yield Work(student, kind, Workbook(release, written).to_bytes())


def _answers(
    kind: str, slips: int, answers: Mapping[str, str], exercises: Mapping[str, Exercise], draw: random.Random
) -> dict[str, str]:
    """Return the text of each answer cell that was touched."""
    names = list(exercises)
    if kind == "not begun":
        return {}
    if kind == "half done":
        begun = names[: draw.randint(2, len(names) - 2)]
        answers = {name: answers[name] for name in begun}
    elif kind == "one left out":
        left_out = draw.choice(names)
        answers = {name: text for name, text in answers.items() if name != left_out}
    done = [name for name in answers if name in exercises]
    wrong = {name: _slip(exercises[name], draw) for name in draw.sample(done, slips) if exercises[name].slips}
    if kind == "raises":
        wrong = {name: _raising(exercises[name]) for name in wrong}
    elif kind == "does not run":
        name = draw.choice(done)
        wrong = {name: f"{name} = not_defined_anywhere\n"}
    return {**answers, **wrong}


def _slip(exercise: Exercise, draw: random.Random) -> str:
    """A known mistake, as a learner would have it in the cell."""
    return re.sub(r"^(def|class) _\b", rf"\1 {exercise.name}", draw.choice(exercise.slips).source)


def _raising(exercise: Exercise) -> str:
    if exercise.kind == "module":
        return (
            f"class {exercise.name}(torch.nn.Module):\n    def forward(self, x):\n        return x.missing\n"
        )
    return f"def {exercise.name}(*arguments, **options):\n    return arguments[len(arguments)]\n"


def hand_in(course: Course, assignment: str, works: Iterator[Work]) -> None:
    """Write the submissions where nbgrader's layout has them."""
    for work in works:
        folder = course.submitted(work.student, assignment)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{assignment}.ipynb").write_bytes(work.notebook)
