"""Pages that are made from the course: chapters, course map, common mistakes, API. `conf.py` calls `write`.

They lie in `chapters/`, `solved/`, `mistakes/`, `api/` and `course.md` beside this file; git ignores them.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

import nbformat
from solved import solved

import dlcv.data
from autograder.course import Chapter, Course
from dlcv.checking import Exercise, load_exercises

FOLDERS = ("chapters", "solved", "mistakes", "api")
ABOUT_MISTAKES = """Every exercise knows wrong answers that learners really give. When a check recognises one, it says
so in these words. Do the exercise first; come back when you want to know what else could have gone wrong."""
ABOUT_SOLUTIONS = """Every notebook with its answers, run from top to bottom. Trainings were only tried out for these
pages: what you see of them are the pictures that your notebook shows before you run it."""
NO_SOLUTIONS = """This copy of the site shows no solutions: it is made for a class. Who studies alone finds them in the
repository's `solutions/`, or makes this site with them: `make site SOLUTIONS=1`."""
ABOUT_MAP = """The chapters in the order in which they are meant to be read. Points are those of the checks; essays,
which a person grades, come on top. Difficulty goes from 1 to 5."""
ABOUT_API = """The references that exercises are compared with, and the tools around them. Shapes are in PyTorch's
order. Read a reference after you have written your own."""


def write(course: Course, docs: Path, *, solutions: bool = False) -> None:
    """Write all made pages anew.

    Parameters
    ----------
    course : Course
        Whose notebooks and chapters are shown.
    docs : Path
        The site's folder.
    solutions : bool
        Also show the solution notebooks.
    """
    for name in FOLDERS:
        shutil.rmtree(docs / name, ignore_errors=True)
        (docs / name).mkdir()
    notebooks = {chapter: student_notebook(course, chapter) for chapter in course.chapters}
    chapters, names = list(notebooks), [chapter.folder for chapter in notebooks]
    for chapter, notebook in notebooks.items():
        nbformat.write(readable(notebook), docs / "chapters" / f"{chapter.folder}.ipynb")
        put(docs / "mistakes" / f"{chapter.folder}.md", mistakes(chapter))
    if solutions:
        write_solutions(course, chapters, docs / "solved")
    put(docs / "course.md", course_map(notebooks))
    write_api(chapters, docs / "api")
    put(docs / "chapters" / "index.md", contents("Chapters", names))
    put(docs / "mistakes" / "index.md", contents("Common mistakes", names, ABOUT_MISTAKES))
    about = ABOUT_SOLUTIONS if solutions else NO_SOLUTIONS
    put(docs / "solved" / "index.md", contents("Solutions", names if solutions else (), about))


def student_notebook(course: Course, chapter: Chapter) -> nbformat.NotebookNode:
    """What learners get, from its source: in the one that lies in `notebooks/`, somebody may have worked."""
    from autograder.build import build

    return build(course, chapter, allow_missing_figures=True).student


def readable(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Give each stored picture its alternative text in the way that myst-nb reads it; a badge becomes its words.

    The badge's picture would come from another server.
    """
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = re.sub(r"\[!\[([^\]]+)\]\(https://[^)]+\)\]\(", r"[\1](", cell.source)
        for output in cell.get("outputs", ()):
            if alt := output.get("metadata", {}).get("image/png", {}).get("alt"):
                cell.metadata["mystnb"] = {"image": {"alt": alt}}
    return notebook


def write_solutions(course: Course, chapters: Iterable[Chapter], folder: Path) -> None:
    """The notebooks with answers and without points, as they are after a run."""
    from autograder.build import source_notebook

    for chapter in chapters:
        print(f"running the solutions of {chapter.folder}", flush=True)  # sphinx is told to be quiet
        notebook = readable(source_notebook(course, chapter, allow_missing_figures=True))
        for cell in notebook.cells:
            cell.source = without_marks(cell.source)
        nbformat.write(solved(notebook, course.root), folder / f"{chapter.folder}.ipynb")


def without_marks(source: str) -> str:
    """A solution as a learner would have written it: without the builder's marks, without the hidden tests."""
    source = re.sub(r"(?ms)^ *### BEGIN HIDDEN TESTS\n.*?### END HIDDEN TESTS *\n?", "", source)
    source = re.sub(r"(?m)^<!-- (BEGIN|END) SOLUTION -->\n?", "", source)
    return re.sub(r"(?m)^ *### (BEGIN|END) SOLUTION *\n?", "", source).rstrip("\n")


def contents(title: str, pages: Iterable[str], text: str = "") -> str:
    """A page that lists others."""
    listed = "\n".join(pages)
    return f"# {title}\n\n{text}\n\n```{{toctree}}\n:maxdepth: 1\n\n{listed}\n```\n"


# the course map


def course_map(notebooks: Mapping[Chapter, nbformat.NotebookNode]) -> str:
    """A table of all chapters, then each in a few lines: what it needs, what is asked, how long it takes."""
    rows = [row_on_the_map(*each) for each in notebooks.items()]
    head = "| chapter | builds on | minutes | exercises | points | difficulty |\n|---|---|---|---|---|---|"
    parts = ["# Course map", ABOUT_MAP, "\n".join([head, *rows])]
    return "\n\n".join([*parts, *(on_the_map(*each) for each in notebooks.items())]) + "\n"


def row_on_the_map(chapter: Chapter, notebook: nbformat.NotebookNode) -> str:
    exercises = list(load_exercises(chapter.name).values())
    cells = (
        f"{chapter.number:02d} [{chapter.title}](chapters/{chapter.folder}.ipynb)",
        ", ".join(builds_on(notebook, chapter)),
        f"{chapter.minutes}",
        f"{len(exercises)}",
        f"{sum(exercise.points for exercise in exercises):g}",
        difficulty(exercises),
    )
    return f"| {' | '.join(cells)} |"


def builds_on(notebook: nbformat.NotebookNode, chapter: Chapter) -> list[str]:
    """The numbers of earlier chapters that the paragraph about prerequisites names."""
    wanted = needs(notebook).partition("**It takes**")[0]
    return sorted({number for number in re.findall(r"\b\d\d\b", wanted) if int(number) < chapter.number})


def on_the_map(chapter: Chapter, notebook: nbformat.NotebookNode) -> str:
    exercises = list(load_exercises(chapter.name).values())
    points = sum(exercise.points for exercise in exercises)
    asked = "\n".join(f"{number}. {exercise.title}" for number, exercise in enumerate(exercises, 1))
    return (
        f"## {chapter.number:02d} [{chapter.title}](chapters/{chapter.folder}.ipynb)\n\n"
        f"About {chapter.minutes} minutes · {plural(len(exercises), 'exercise')} · {plural(points, 'point')} · "
        f"difficulty {difficulty(exercises)} of 5\n\n"
        f"{needs(notebook)}\n\n:::{{dropdown}} What you write\n{asked}\n:::"
    )


def plural(number: float, what: str) -> str:
    return f"{number:g} {what}" + ("" if number == 1 else "s")


def needs(notebook: nbformat.NotebookNode) -> str:
    """The paragraph about prerequisites at a notebook's top; empty where there is none."""
    found = re.search(r"^\*\*You need\*\*.*?(?=\n\n|\Z)", notebook.cells[0].source, re.MULTILINE | re.DOTALL)
    return found[0] if found else ""


def difficulty(exercises: Iterable[Exercise]) -> str:
    found = sorted({exercise.difficulty for exercise in exercises})
    return f"{found[0]}" if len(found) == 1 else f"{found[0]} to {found[-1]}"


# common mistakes


def mistakes(chapter: Chapter) -> str:
    """What each exercise of a chapter recognises, in the words in which a learner is told."""
    parts = [f"# {chapter.number:02d} {chapter.title}"]
    for exercise in load_exercises(chapter.name).values():
        told = [f"- **{slip.name}**: {slip.diagnosis}" for slip in exercise.slips]
        parts.append(f"## {exercise.title}\n\n`{exercise.name}`\n\n" + "\n".join(told))
    return "\n\n".join(parts) + "\n"


# the API


def write_api(chapters: Iterable[Chapter], folder: Path) -> None:
    """A page for each module of `dlcv` in which something public is defined, chapters first."""
    ordered = [f"dlcv.{chapter.name}" for chapter in chapters]
    others = [module.name for module in pkgutil.iter_modules(dlcv.__path__, "dlcv.")]
    data = [module.name for module in pkgutil.iter_modules(dlcv.data.__path__, "dlcv.data.")]
    listed = list(dict.fromkeys(home for name in (*ordered, *others, *data) for home in homes(name)))
    for name in listed:
        title = name.removeprefix("dlcv.").removesuffix(".reference")
        put(folder / f"{name}.rst", f"{title}\n{'=' * len(title)}\n\n.. automodule:: {name}\n   :members:\n")
    put(folder / "index.md", contents("API", listed, ABOUT_API))


def homes(name: str) -> list[str]:
    """The modules in which a package's public names are defined; numbered references stand at their top."""
    module = importlib.import_module(name)
    if not hasattr(module, "__path__"):
        return [name]
    public = (getattr(module, each, None) for each in getattr(module, "__all__", ()))
    found = (getattr(thing, "__module__", None) for thing in public)
    return list(dict.fromkeys(home for home in found if isinstance(home, str) and home.startswith("dlcv.")))


def put(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")
