"""`make demo`: the sample class, graded before your eyes, in a course folder of its own."""

from __future__ import annotations

import shutil
import time
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from . import commands
from .build import build, text_of
from .course import Course
from .sample_class import CHAPTER, hand_in, sample_class

__all__ = ["demo_course", "main"]


def main(keep: bool = False, unsafe: bool = False) -> None:
    """Make the class, grade it, show the table and where everything lies."""
    console = Console(highlight=False)
    start = time.monotonic()
    course = demo_course(anew=not keep)
    chapter = course.chapter(CHAPTER)
    students = len(list(course.students(chapter.folder)))
    console.print(f"[bold]{chapter.title}[/bold]: {students} sample submissions, from perfect to broken\n")
    commands.grade(course, chapter.folder, unsafe=unsafe)
    console.print(f"[dim]{time.monotonic() - start:.0f} seconds in all[/dim]")


def demo_course(folder: Path | None = None, *, anew: bool = True) -> Course:
    """Return a course folder (default: `course/demo`) filled with the sample class."""
    course = Course.open()
    course.make_importable()
    course = replace(course, folder=folder or course.folder / "demo")
    if anew or not (course.folder / "submitted").is_dir():
        shutil.rmtree(course.folder, ignore_errors=True)
        _make(course)
    return course


def _make(course: Course) -> None:
    """nbgrader's layout: source and release as its own commands would leave them, and what was handed in."""
    chapter = course.chapter(CHAPTER)
    built = build(course, chapter, allow_missing_figures=True)
    for place, notebook in ((course.source, built.source), (course.release, built.student)):
        path = place(chapter.folder) / f"{chapter.folder}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text_of(notebook), encoding="utf-8", newline="\n")
    hand_in(course, sample_class(course))
