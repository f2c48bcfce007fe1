"""A chapter's source: a percent script whose cell headers say what each cell is for.

    # %% role="solution" name="conv_transpose1d"

`role` decides what the builder makes of a cell, `name` gives it an id that stays when cells move.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import jupytext

from .course import CourseError

__all__ = ["CODE_ROLES", "MARKDOWN_ROLES", "PICTURE_ROLES", "Cell", "read_source"]

CODE_ROLES = ("setup", "given", "figure", "widget", "experiment", "solution", "test")
MARKDOWN_ROLES = ("prose", "hints", "essay")
PICTURE_ROLES = ("figure", "widget", "experiment")

HEADER = re.compile(r"^# %%")
KEYS = {"role", "name", "points", "alt"}


@dataclass(frozen=True)
class Cell:
    """One cell of a source; `line` is the line of its header, `id` its id in the notebooks."""

    kind: str
    text: str
    line: int
    role: str
    name: str = ""
    points: float | None = None
    alt: str = ""
    id: str = ""

    @property
    def own_id(self) -> str:
        """The id that follows from the cell itself; empty for prose without a name or a heading."""
        if self.role in ("test", "hints"):
            return f"{self.role}-{self.name}"
        return self.name or (heading_id(self.text) if self.kind == "markdown" else "")

    def __str__(self) -> str:
        words = f"{self.role} cell" + (f" {self.name!r}" if self.name else "")
        return f"line {self.line}, {words}"


def read_source(path: Path) -> list[Cell]:
    """The cells of a percent script, with their ids."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise CourseError(f"{path} is missing: it is the source of the chapter's notebooks") from None
    lines = [number for number, line in enumerate(text.splitlines(), 1) if HEADER.match(line)]
    try:
        notebook = jupytext.reads(text, fmt="py:percent")
    except Exception as error:  # jupytext raises whatever its parsers do
        raise CourseError(f"{path} is not a percent script that jupytext reads: {error}") from None
    if len(notebook.cells) != len(lines):
        raise CourseError(f"{path}: text stands before the first cell; begin the file with a '# %%' header")
    cells = [_cell(path, raw, line) for raw, line in zip(notebook.cells, lines, strict=True)]
    return list(_with_ids(cells))


def heading_id(text: str) -> str:
    """`section-` and the words of the first heading, or nothing where there is no heading.

    >>> heading_id("## Paint, then add\\nEach input ...")
    'section-paint-then-add'
    """
    heading = re.search(r"^#{1,6}\s+(.+)$", text, re.MULTILINE)
    words = re.sub(r"[^a-z0-9]+", "-", heading[1].lower()).strip("-")[:40].strip("-") if heading else ""
    return f"section-{words}" if words else ""


def _cell(path: Path, raw, line: int) -> Cell:
    keys = {key: raw.metadata[key] for key in raw.metadata if key != "lines_to_next_cell"}
    unknown = ", ".join(sorted(set(keys) - KEYS))
    if unknown:
        raise CourseError(f"{path}:{line}: a cell header has role, name, points and alt; got {unknown}")
    keys.setdefault("role", "given" if raw.cell_type == "code" else "prose")
    words = {key: str(value) for key, value in keys.items() if key != "points"}
    return Cell(raw.cell_type, raw.source, line, points=keys.get("points"), **words)


def _with_ids(cells: Iterable[Cell]) -> Iterator[Cell]:
    """Number prose without an id of its own after the cell above it that has one.

    So an id changes only when a cell is put between the two, not when the notebook changes elsewhere.
    """
    cells = list(cells)
    own = [cell.own_id for cell in cells]
    anchor, below = "start", 0
    for cell, id in zip(cells, own, strict=True):
        if id and (cell.role != "prose" or own.count(id) == 1):
            anchor, below = id, 0
        else:
            below += 1
            id = f"{anchor}--{below}"
        yield Cell(**{**vars(cell), "id": id})
