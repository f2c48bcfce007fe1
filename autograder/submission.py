"""What a learner handed in: one notebook in a folder, read without trusting a byte of it.

The folder is only read. Anything odd becomes a flag for a human; what cannot be read at all becomes a `problem`,
which costs this submission its points and no other submission anything.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LARGEST_FILE = 200 * 2**20
LONGEST_CELL = 200_000  # characters; parsing more than that can take minutes


@dataclass
class Cell:
    """One cell as it was handed in, reduced to what has a meaning here."""

    kind: str  # "code", "markdown" or "raw"
    source: str
    id: str | None = None
    grade_id: str | None = None
    outputs: list[dict] = field(default_factory=list)


@dataclass(frozen=True)
class HandedIn:
    """What lies in a student's folder, as bytes that nobody has looked into yet: it can go to another machine."""

    file: str = ""
    content: bytes = field(default=b"", repr=False)
    flags: tuple[str, ...] = ()
    problem: str | None = None

    @property
    def digest(self) -> str:
        """The fingerprint of what a grading of it depends on."""
        return hashlib.sha256(f"{self.problem or ''}\n".encode() + self.content).hexdigest()[:32]


@dataclass
class Submission:
    """The notebook of one student: its cells, or the `problem` why there are none."""

    cells: list[Cell]
    flags: list[str]
    problem: str | None = None


def read_submission(folder: Path, assignment: str) -> Submission:
    """Read the one notebook in `folder` that is the submission of `assignment`."""
    return open_submission(fetch(folder, assignment))


def fetch(folder: Path, assignment: str) -> HandedIn:
    """Take the bytes of the one notebook in `folder` that is the submission of `assignment`."""
    if folder.is_symlink():
        return HandedIn(problem="A link was handed in, not a folder with a notebook.")
    path, flags = _choose(folder, assignment)
    if path is None:
        return HandedIn(flags=tuple(flags), problem="No notebook (.ipynb) was handed in.")
    content, problem = b"", None
    try:
        size = path.stat().st_size
        if size > LARGEST_FILE:
            problem = f"The file has {size / 2**20:.0f} MB; at most {LARGEST_FILE // 2**20} MB are read."
        else:
            content = path.read_bytes()
    except OSError as error:
        problem = f"The file could not be read: {error.strerror}."
    return HandedIn(path.name, content, tuple(flags), problem)


def open_submission(handed_in: HandedIn) -> Submission:
    """Read the notebook in what was handed in."""
    flags = list(handed_in.flags)
    if handed_in.problem:
        return Submission([], flags, handed_in.problem)
    try:
        cells = read_cells(handed_in.content)
    except ValueError as error:
        return Submission([], flags, f"The file is not a notebook: {error}.")
    for number, cell in enumerate(cells, 1):
        if len(cell.source) > LONGEST_CELL:
            flags.append(f"cell {number} is too long to be graded: {len(cell.source):,} characters; left out")
            cell.source = ""
    return Submission(cells, flags)


def _choose(folder: Path, assignment: str) -> tuple[Path | None, list[str]]:
    there = [path for path in folder.glob("*.ipynb") if path.is_file() and not path.name.startswith(".")]
    # A link may lead anywhere: to the solution, to a neighbour's answers.
    found = [path for path in there if not path.is_symlink()]
    links = [f"{path.name} is a link, not a file; left out" for path in there if path.is_symlink()]
    if not found:
        return None, links
    wanted = f"{assignment}.ipynb"
    named = [path for path in found if path.name == wanted]
    chosen = named[0] if named else max(found, key=lambda path: (path.stat().st_mtime, path.name))
    flags = links
    if len(found) > 1:
        why = "the one with the assignment's name" if named else "the newest"
        flags.append(f"{len(found)} notebooks were handed in; graded {why}, {chosen.name}")
    elif not named:
        flags.append(f"file is called {chosen.name}, not {wanted}")
    return chosen, flags


def read_cells(content: bytes) -> list[Cell]:
    """Return the cells of a notebook's bytes; raise `ValueError`, in words, when they are no notebook."""
    try:
        notebook = json.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise ValueError("it is no UTF-8 text") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"broken JSON at line {error.lineno}, column {error.colno} ({error.msg})") from None
    except (ValueError, RecursionError):
        raise ValueError("its JSON has numbers too long or lists too deep") from None
    if not isinstance(notebook, dict):
        raise ValueError("its JSON is no object")
    cells = notebook.get("cells")
    if cells is None and isinstance(notebook.get("worksheets"), list):  # nbformat 3
        sheets = [sheet for sheet in notebook["worksheets"] if isinstance(sheet, dict)]
        cells = [cell for sheet in sheets for cell in _list(sheet.get("cells"))]
    if not isinstance(cells, list):
        raise ValueError("it has no list of cells")
    return [_cell(cell) for cell in cells if isinstance(cell, dict)]


def _cell(raw: dict) -> Cell:
    kind = raw.get("cell_type")
    metadata = raw.get("metadata") if isinstance(raw.get("metadata"), dict) else {}
    nbgrader = metadata.get("nbgrader") if isinstance(metadata.get("nbgrader"), dict) else {}
    return Cell(
        kind=kind if kind in ("code", "markdown") else "raw",
        source=text(raw.get("source", raw.get("input", ""))),
        # Colab keeps the id of a notebook's cell in the metadata.
        id=_name(raw.get("id")) or _name(metadata.get("id")),
        grade_id=_name(nbgrader.get("grade_id")),
        outputs=[output for output in _list(raw.get("outputs")) if isinstance(output, dict)],
    )


def text(value: Any) -> str:
    """Return a notebook's multi-line string, which is one string or a list of lines."""
    if isinstance(value, str):
        whole = value
    elif isinstance(value, list):
        whole = "".join(line for line in value if isinstance(line, str))
    else:
        whole = ""
    # A lone surrogate, legal in JSON, could be written to no file.
    return whole.encode("utf-8", "replace").decode("utf-8").replace("\r\n", "\n")


def _name(value: Any) -> str | None:
    return value if isinstance(value, str) and 0 < len(value) <= 200 else None


def _list(value: Any) -> list:
    return value if isinstance(value, list) else []
