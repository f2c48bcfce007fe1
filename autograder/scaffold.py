"""A new chapter from the pattern: a small complete one that builds, runs and passes its tests.

Its parts are meant to be replaced one after the other, with everything working in between.
"""

from __future__ import annotations

import keyword
import re
from pathlib import Path

from .course import Chapter, Course, CourseError

__all__ = ["guide", "new_chapter"]

TEMPLATES = Path(__file__).parent / "templates" / "chapter"
IMPORT = re.compile(r"(?:^from dlcv\S* import .+\n)+", re.MULTILINE)

WHAT_FOR = {
    "reference.py": "the mathematics, as short torch functions that read like the formulas",
    "exercises.py": "for each exercise: cases, points, hints, forbidden calls, slips",
    "widget.py": "the interactive figure",
    "__init__.py": "the reference's public names",
    "test_reference.py": "what must always hold, a number checked by hand, an oracle",
    "test_exercises.py": "slips fail and are named, right variants pass",
    "test_widget.py": "the figure changes with its slider",
}


def new_chapter(
    course: Course, name: str, *, title: str | None = None, number: int | None = None
) -> tuple[Chapter, list[Path]]:
    """Write the chapter's folder, source and tests and add it to course.toml; return it and its files."""
    title = title or name.replace("_", " ").capitalize()
    if number is None:
        number = max((chapter.number for chapter in course.chapters), default=-1) + 1
    chapter = Chapter(number, name, title, minutes=15)
    _refuse(course, chapter)
    files = {target: _filled(template, chapter) for template, target in _targets(course, chapter)}
    settings = course.root / "course.toml"
    listed = with_chapter(settings.read_text(encoding="utf-8"), chapter)
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    settings.write_text(listed, encoding="utf-8")
    return chapter, list(files)


def guide(course: Course, chapter: Chapter, files: list[Path]) -> str:
    """What was written and what to do with it."""
    paths = [path.relative_to(course.root).as_posix() for path in files]
    width = max(map(len, paths))
    source = "THE source of the notebooks: prose, figures, solutions, tests"
    rows = [f"  {path:<{width}}  {WHAT_FOR.get(Path(path).name, source)}" for path in paths]
    return "\n".join(
        [
            f"Chapter {chapter} is listed in course.toml. It is small and complete; put yours in its place:",
            "",
            *rows,
            "",
            "Then, as often as you like:",
            "",
            f"  python -m autograder figures {chapter}   run the solutions, store the figures",
            f"  python -m autograder build {chapter}     make the notebooks, see which rules are broken",
            f"  python -m pytest tests/{chapter.name} tests/test_notebooks.py -k {chapter.name}",
            "",
            "CONTRIBUTING.md says in six steps how a chapter is made.",
        ]
    )


def with_chapter(settings: str, chapter: Chapter) -> str:
    """The text of course.toml with `chapter` at its place, everything else as it was."""
    head, *blocks = re.split(r"^(?=\[\[chapters\]\])", settings, flags=re.MULTILINE)
    block = (
        f'[[chapters]]\nnumber = {chapter.number}\nname = "{chapter.name}"\n'
        f'title = "{chapter.title}"\nminutes = {chapter.minutes}\n'
    )
    later = [
        int(re.search(r"^number\s*=\s*(\d+)", other, re.MULTILINE)[1]) > chapter.number for other in blocks
    ]
    place = later.index(True) if True in later else len(blocks)
    blocks.insert(place, block)
    return "\n\n".join(part.rstrip("\n") for part in (head, *blocks)) + "\n"


def _refuse(course: Course, chapter: Chapter) -> None:
    """Fail before anything is written when the chapter cannot be made."""
    name = chapter.name
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or keyword.iskeyword(name):
        raise CourseError(
            f"{name!r} cannot be a chapter's name; wanted: lower case, digits and _, as roi_align"
        )
    if any(character in chapter.title for character in '"\\\n'):
        raise CourseError(f"a title is one line without double quotes and backslashes; got {chapter.title!r}")
    for other in course.chapters:
        if other.number == chapter.number:
            raise CourseError(f"number {chapter.number} is taken by {other}; choose another with --number")
    for path in {target.parent for _, target in _targets(course, chapter)} | {
        course.root / "dlcv" / f"{name}.py"
    }:
        if path.exists():
            raise CourseError(f"{path.relative_to(course.root)} exists already; choose another name")


def _targets(course: Course, chapter: Chapter) -> list[tuple[Path, Path]]:
    """Each template with the place where its text goes."""
    targets = [(TEMPLATES / "source.py.in", course.solution(chapter))]
    folders = {"package": course.root / "dlcv" / chapter.name, "tests": course.root / "tests" / chapter.name}
    for kind, folder in folders.items():
        for template in sorted((TEMPLATES / kind).glob("*.py.in")):
            targets.append((template, folder / template.name.removesuffix(".in")))
    return targets


def _filled(template: Path, chapter: Chapter) -> str:
    text = template.read_text(encoding="utf-8")
    text = text.replace("CHAPTER_NAME", chapter.name).replace("CHAPTER_TITLE", chapter.title)
    return IMPORT.sub(_sorted_imports, text.replace("CHAPTER_NUMBER", f"{chapter.number:02d}"))


def _sorted_imports(block: re.Match) -> str:
    """Imports in alphabetical order, which depends on the chapter's name."""
    lines = []
    for line in block[0].splitlines():
        start, names = line.split(" import ")
        lines.append(
            f"{start} import {', '.join(sorted(names.split(', '), key=lambda name: (not name.isupper(), name)))}"
        )
    return "\n".join(sorted(lines, key=lambda line: line.split()[1])) + "\n"
