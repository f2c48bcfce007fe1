"""The notebook that learners got: which cell is for what. A submission is read against it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from .course import Course, CourseError
from .submission import text

__all__ = ["Release", "Slot", "read_release", "release_path"]

# Cells of ours that show something: a graded run has no use for them.
SHOWN = ("figure", "widget", "experiment")


@dataclass(frozen=True)
class Slot:
    """One cell of the release, the place that a cell of a submission can take."""

    index: int
    kind: str
    id: str
    role: str
    source: str
    nbgrader: Mapping
    exercise: str | None = None

    @property
    def locked(self) -> bool:
        """Learners may not change this cell: nbgrader's rule, under which the release's text is used."""
        graded_only = self.nbgrader.get("grade") and not self.nbgrader.get("solution")
        return bool(graded_only or (self.nbgrader.get("locked") and not self.nbgrader.get("solution")))

    @property
    def points(self) -> float:
        return float(self.nbgrader.get("points", 0))

    @property
    def words(self) -> str:
        """What a flag calls this cell."""
        return {
            "solution": f"the answer cell of {self.exercise}",
            "test": f"the test cell of {self.exercise}",
        }.get(self.role, f"the {self.role} cell {self.id}")


@dataclass(frozen=True)
class Release:
    """The slots of one assignment's notebook, in order."""

    assignment: str
    chapter: str
    slots: tuple[Slot, ...]
    metadata: Mapping
    digest: str

    @cached_property
    def tests(self) -> dict[str, Slot]:
        """The test cell of each exercise, by the exercise's name."""
        return {slot.exercise: slot for slot in self.slots if slot.role == "test"}

    @cached_property
    def essays(self) -> tuple[Slot, ...]:
        """Cells that a human grades."""
        return tuple(slot for slot in self.slots if slot.role == "essay")

    @cached_property
    def by_grade_id(self) -> dict[str, Slot]:
        return {slot.nbgrader["grade_id"]: slot for slot in self.slots if "grade_id" in slot.nbgrader}

    @cached_property
    def by_id(self) -> dict[str, Slot]:
        return {slot.id: slot for slot in self.slots}


def release_path(course: Course, assignment: str) -> Path:
    """The notebook that learners got: nbgrader's release where there is one, else the repository's."""
    released = course.release(assignment) / f"{assignment}.ipynb"
    return released if released.is_file() else course.notebook(course.chapter(assignment))


def read_release(path: Path) -> Release:
    """Read the release notebook of an assignment; it is ours, so anything odd in it is an error."""
    try:
        content = path.read_bytes()
        notebook = json.loads(content)
    except FileNotFoundError:
        raise CourseError(f"{path} is missing: it is what submissions are compared with") from None
    except ValueError as error:
        raise CourseError(f"{path} is not a notebook: {error}") from None
    assignment = path.stem
    slots = tuple(_slot(index, cell) for index, cell in enumerate(notebook["cells"]))
    chapter = notebook["metadata"].get("dlcv", {}).get("chapter") or re.sub(r"^\d+_", "", assignment)
    return Release(assignment, chapter, slots, notebook["metadata"], hashlib.sha256(content).hexdigest())


def _slot(index: int, cell: dict) -> Slot:
    nbgrader = cell["metadata"].get("nbgrader", {})
    role = cell["metadata"].get("dlcv", {}).get("role") or _role(cell["cell_type"], nbgrader)
    exercise = nbgrader["grade_id"].removeprefix("test-") if role in ("solution", "test") else None
    id = cell.get("id") or f"cell-{index}"
    return Slot(index, cell["cell_type"], id, role, text(cell["source"]), nbgrader, exercise)


def _role(kind: str, nbgrader: Mapping) -> str:
    """What nbgrader's metadata say about a cell without a role of ours."""
    grade, solution = nbgrader.get("grade"), nbgrader.get("solution")
    if kind == "markdown":
        return "essay" if grade and solution else "prose"
    if grade and not solution:
        return "test"
    return "solution" if solution else "given"
