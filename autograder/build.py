"""From a chapter's source to two notebooks: nbgrader's, with solutions, and the students', without.

The same source gives the same bytes each time: ids come from names, outputs from stored pictures, nothing
from a clock or a kernel.
"""

from __future__ import annotations

import base64
import copy
import html
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from .course import Chapter, Course, CourseError
from .first_cell import add_first_cell
from .preprocessors import CLEAN, FINISH
from .rules import broken_rules
from .source import PICTURE_ROLES, Cell, read_source
from .worked_in import worked_in

__all__ = ["Built", "build", "source_notebook", "student_notebook", "text_of"]

METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"file_extension": ".py", "mimetype": "text/x-python", "name": "python"},
}


@dataclass(frozen=True)
class Built:
    """The two notebooks of one chapter, not yet written."""

    course: Course
    chapter: Chapter
    source: nbformat.NotebookNode
    student: nbformat.NotebookNode

    @property
    def files(self) -> dict[Path, str]:
        """What is to be written where."""
        name = self.chapter.folder
        return {
            self.course.notebook(self.chapter): text_of(self.student),
            self.course.source(name) / f"{name}.ipynb": text_of(self.source),
        }

    def kept(self) -> Path | None:
        """The student notebook, where somebody has worked in it: nothing takes that away unasked."""
        path = self.course.notebook(self.chapter)
        return path if worked_in(path) and not self.is_committed() else None

    def write(self, *, replace: bool = False) -> list[Path]:
        """Write both notebooks, but for one that somebody has worked in; `replace` writes that as well."""
        kept = None if replace else self.kept()
        files = {path: text for path, text in self.files.items() if path != kept}
        for path, text in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
        return list(files)

    def is_committed(self) -> bool:
        """Is the student notebook in the repository the one that the source gives?"""
        path = self.course.notebook(self.chapter)
        return path.is_file() and path.read_bytes() == text_of(self.student).encode()


def build(course: Course, chapter: Chapter, *, allow_missing_figures: bool = False) -> Built:
    """Read the source of `chapter`, check it, make its notebooks."""
    source = source_notebook(course, chapter, allow_missing_figures=allow_missing_figures)
    return Built(course, chapter, source, student_notebook(source))


def source_notebook(
    course: Course, chapter: Chapter, *, allow_missing_figures: bool = False
) -> nbformat.NotebookNode:
    """nbgrader's source notebook: solutions, hidden tests, stored figures and all metadata."""
    exercises = exercises_of(chapter)
    path = course.solution(chapter)
    cells = read_source(path)
    figures = {picture.name: picture for picture in sorted(course.figures(chapter).glob("*.png"))}
    stored = None if allow_missing_figures else figures
    broken = broken_rules(path, cells, exercises, minutes=chapter.minutes, figures=stored)
    if broken:
        raise CourseError("\n".join(broken))
    metadata = {**copy.deepcopy(METADATA), "dlcv": {"chapter": chapter.name}}
    made = add_first_cell(course, chapter, [_cell(cell, exercises, figures) for cell in cells])
    notebook = new_notebook(metadata=metadata, cells=made)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    nbformat.validate(notebook)
    return notebook


def student_notebook(source: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """What learners get: stubs for solutions, no hidden tests. `source` stays as it is."""
    notebook, resources = copy.deepcopy(source), {}
    for preprocessor in (*CLEAN, *FINISH):
        notebook, resources = preprocessor().preprocess(notebook, resources)
    return notebook


def text_of(notebook: nbformat.NotebookNode) -> str:
    """The bytes of a notebook file, as nbgrader writes them."""
    text = nbformat.writes(notebook, version=nbformat.NO_CONVERT)
    return text if text.endswith("\n") else text + "\n"


def exercises_of(chapter: Chapter) -> Mapping:
    from dlcv.checking import load_exercises

    try:
        return load_exercises(chapter.name)
    except ModuleNotFoundError as error:
        if error.name and error.name.startswith(f"dlcv.{chapter.name}"):
            raise CourseError(
                f"chapter {chapter}: {error.name} is missing; it defines the exercises"
            ) from None
        raise


def stored_pictures(name: str, figures: Mapping[str, Path]) -> list[Path]:
    """The pictures of one cell: <name>.png, <name>-2.png, <name>-3.png, ..."""
    pictures, file = [], f"{name}.png"
    while file in figures:
        pictures.append(figures[file])
        file = f"{name}-{len(pictures) + 1}.png"
    return pictures


def _cell(cell: Cell, exercises: Mapping, figures: Mapping[str, Path]) -> nbformat.NotebookNode:
    metadata: dict = {}
    if cell.role != "prose":
        metadata["dlcv"] = {"role": cell.role, "name": cell.name}
    if cell.role in ("solution", "test", "essay"):
        metadata["nbgrader"] = _nbgrader(cell, exercises)
    if cell.role == "experiment":
        metadata["tags"] = ["skip-execution"]  # grading never trains
    text = hints_text(exercises[cell.name]) if cell.role == "hints" else cell.text
    if cell.kind == "markdown":
        return new_markdown_cell(text, id=cell.id, metadata=metadata)
    pictures = stored_pictures(cell.name, figures) if cell.role in PICTURE_ROLES else []
    outputs = [_output(picture, cell.alt or f"Output of {cell.name}") for picture in pictures]
    return new_code_cell(text, id=cell.id, metadata=metadata, outputs=outputs, execution_count=None)


def _nbgrader(cell: Cell, exercises: Mapping) -> dict:
    metadata = {
        "schema_version": 3,
        "grade_id": cell.id,
        "grade": cell.role != "solution",
        "solution": cell.role != "test",
        "locked": cell.role == "test",
        "task": False,
    }
    if metadata["grade"]:
        metadata["points"] = cell.points if cell.role == "essay" else exercises[cell.name].points
    return metadata


def _output(picture: Path, alt: str) -> nbformat.NotebookNode:
    data = {"image/png": base64.b64encode(picture.read_bytes()).decode("ascii"), "text/plain": alt}
    return new_output("display_data", data, metadata={"image/png": {"alt": alt}})


def hints_text(exercise) -> str:
    """The exercise's hints folded one inside the other: opening a stronger one is a decision."""
    text = ""
    for number, hint in reversed(list(enumerate(exercise.hints, 1))):
        summary = f"Hint {number} of {len(exercise.hints)} for <code>{html.escape(exercise.name)}</code>"
        text = f"<details>\n<summary>{summary}</summary>\n\n{hint}\n\n{text}</details>\n"
    return text.rstrip("\n")
