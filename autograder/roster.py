"""The class as a list: who is who in the course, in Canvas, in Moodle and in Gradescope.

A roster is a CSV file. Four kinds are read as they are downloaded, the fifth is for those who write their own:

=========== ======================================== ================================================
kind        known by its columns                     a student is called
=========== ======================================== ================================================
canvas      ID, SIS Login ID (its gradebook's export) SIS Login ID, else SIS User ID, else ID
moodle      Identifier, Full name (the worksheet)    Username, else ID number, else Email address
gradescope  SID, Email (the exported roster)         SID, else Email
nbgrader    id, first_name (its student list)        id
own         student; then as many as you have of     student
            name, email, login, number, canvas,
            moodle, section
=========== ======================================== ================================================
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .course import CourseError

__all__ = ["Person", "Roster", "is_student_id", "to_the_end"]

# For each kind: the columns that tell it, and which of its columns is what. Several columns make one name.
KINDS: dict[str, tuple[set[str], dict[str, tuple[str, ...]]]] = {
    "canvas": (
        {"ID", "SIS Login ID"},
        {
            "name": ("Student", "LastName", "FirstName"),
            "canvas": ("ID",),
            "number": ("SIS User ID",),
            "login": ("SIS Login ID",),
            "section": ("Section",),
        },
    ),
    "moodle": (
        {"Identifier", "Full name"},
        {
            "name": ("Full name",),
            "moodle": ("Identifier",),
            "number": ("ID number",),
            "login": ("Username",),
            "email": ("Email address",),
            "section": ("Group",),
        },
    ),
    "gradescope": (
        {"SID", "Email"},
        {
            "name": ("Name", "First Name", "Last Name"),
            "number": ("SID",),
            "email": ("Email",),
            "section": ("Section", "Sections"),
        },
    ),
    "nbgrader": (
        {"id", "first_name"},
        {
            "student": ("id",),
            "name": ("first_name", "last_name"),
            "email": ("email",),
            "canvas": ("lms_user_id",),
        },
    ),
    "own": (
        {"student"},
        {
            key: (key,)
            for key in ("student", "name", "email", "login", "number", "canvas", "moodle", "section")
        },
    ),
}
# What a student is called where no column says it: the first of these that is filled.
CALLED = {
    "canvas": ("login", "number", "canvas"),
    "moodle": ("login", "number", "email"),
    "gradescope": ("number", "email"),
}


@dataclass(frozen=True)
class Person:
    """One student. `student` is the id in this course; `canvas` is Canvas' own number, `moodle` that of a participant
    in one Moodle assignment, `number` the registrar's. `row` is the line of the roster as it was read."""

    student: str
    name: str = ""
    email: str = ""
    login: str = ""
    number: str = ""
    canvas: str = ""
    moodle: str = ""
    section: str = ""
    row: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Roster:
    """Everybody on the list, the columns that the file had, and Canvas' row of points possible where there is one."""

    kind: str
    columns: tuple[str, ...]
    people: tuple[Person, ...]
    points_possible: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> Roster:
        """Read a roster; raise `CourseError`, with the line, for what is no roster or names somebody twice."""
        columns, rows = _read_csv(path)
        kind = next((kind for kind, (told_by, _) in KINDS.items() if told_by <= set(columns)), None)
        if kind is None:
            wanted = "; ".join(
                f"{kind}: {', '.join(sorted(told_by))}" for kind, (told_by, _) in KINDS.items()
            )
            raise CourseError(
                f"{path} has the columns {', '.join(columns)}; wanted is one of these, {wanted}"
            )
        people, possible = [], {}
        for line, row in rows:
            if kind == "canvas" and not row["ID"]:  # points possible, and what is posted manually
                possible = row if "Points Possible" in row[columns[0]] else possible
                continue
            try:
                people.append(_person(kind, row))
            except ValueError as error:
                raise CourseError(f"{path}, line {line}: {error}") from None
        if not people:
            raise CourseError(f"{path} lists nobody")
        for key in ("student", "canvas", "moodle"):
            seen = [getattr(person, key).casefold() for person in people if getattr(person, key)]
            twice = (
                sorted({value for value in seen if seen.count(value) > 1})
                if len(set(seen)) < len(seen)
                else []
            )
            if twice:
                raise CourseError(f"{path} has {key} {', '.join(twice[:5])} more than once")
        return cls(kind, columns, tuple(people), possible)

    def by_id(self, kind: str, value: str) -> Person | None:
        """The one person whose `kind` (student, canvas, moodle, ...) is `value`, capitals or not."""
        return self._index(kind).get(value.strip().casefold()) if value.strip() else None

    def by_any_id(self, value: str) -> Person | None:
        """The one person who is called `value` in some column that names people for sure."""
        found = {
            person.student: person
            for kind in ("student", "login", "number", "email", "canvas")
            if (person := self.by_id(kind, value))
        }
        return found.popitem()[1] if len(found) == 1 else None

    def by_name(self, name: str) -> Person | None:
        """The one person of this name, in whatever order and spelling of spaces; None where two share it."""
        return self._index("name").get(_letters(name)) if _letters(name) else None

    def _index(self, kind: str) -> dict[str, Person | None]:
        cache = self.__dict__.setdefault("_indices", {})
        if kind not in cache:
            index: dict[str, Person | None] = {}
            for person in self.people:
                keys = _orders(person.name) if kind == "name" else {getattr(person, kind).casefold()} - {""}
                for key in keys:
                    index[key] = None if key in index else person
            cache[kind] = index
        return cache[kind]


def is_student_id(text: str) -> bool:
    """Can this be the name of a student's folder?

    >>> [is_student_id(text) for text in ("ada", "ada@example.org", "../ada", ".ada", "")]
    [True, True, False, False, False]
    """
    fits = len(text.encode(errors="replace")) <= 128 and text == text.strip()
    printable = all(unicodedata.category(letter)[0] not in "C" for letter in text)
    return fits and printable and bool(re.fullmatch(r"[^./\\][^/\\]*", text))


def _person(kind: str, row: Mapping[str, str]) -> Person:
    found = {}
    for key, columns in KINDS[kind][1].items():
        values = [row[column] for column in columns if row.get(column)]
        found[key] = (
            (", " if "LastName" in row else " ").join(values) if key == "name" else "".join(values[:1])
        )
    if found.get("moodle"):  # "Participant 123" in the site's language
        found["moodle"] = re.sub(r"^.*?(\d*)$", r"\1", found["moodle"])
    if not found.get("student"):
        given = [found.get(key, "") for key in CALLED.get(kind, ())]
        found["student"] = next(filter(None, given), "")
    if not is_student_id(found["student"]):
        who = f" of {found['name']}" if found.get("name") else ""
        raise ValueError(f"the id{who} is {found['student']!r}, which cannot be the name of a folder")
    return Person(**found, row=row)


def to_the_end(path: Path, reader: Any) -> Iterator:
    """What a strict CSV reader reads; raise `CourseError` where quotation marks do not come in pairs.

    A reader that is not strict takes all that follows for one cell, and nobody hears of the rows that it swallowed.
    """
    try:
        yield from reader
    except csv.Error as error:
        raise CourseError(f"{path} is no CSV at line {reader.line_num} or above: {error}") from None


def _read_csv(path: Path) -> tuple[tuple[str, ...], list[tuple[int, dict[str, str]]]]:
    """Columns and numbered rows of a CSV file, with commas, semicolons or tabs, as spreadsheets write it."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise CourseError(f"{path} cannot be read: {reason}") from None
    head = text.partition("\n")[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=head.count), strict=True)
    rows_of_file = to_the_end(path, reader)
    columns = tuple(name.strip() for name in next(rows_of_file, ()))
    rows = []
    for values in rows_of_file:
        row = dict(
            zip(columns, (unicodedata.normalize("NFC", value.strip()) for value in values), strict=False)
        )
        if any(row.values()):
            rows.append((reader.line_num, {column: row.get(column, "") for column in columns}))
    return columns, rows


def _letters(name: str) -> str:
    """A name as Canvas writes it into file names: small letters and digits without anything between."""
    return re.sub(r"[\W_]", "", unicodedata.normalize("NFC", name).casefold())


def _orders(name: str) -> Iterable[str]:
    """The ways to write a name in one word: "Ada King Lovelace" may be sorted under L, K or A."""
    words = name.replace(",", " ").split()
    return {_letters("".join(words[i:] + words[:i])) for i in range(len(words))}
