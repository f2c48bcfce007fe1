"""How `course.toml` sets what a submission may use: for the course, a chapter, one exercise.

::

    [limits]                      # every submission of the course
    cell = 20                     # seconds
    memory = "4 GB"

    [[chapters]]
    name = "roi_align"
    ...
    [chapters.limits]             # this chapter's
    submission = 300
    [chapters.limits.roi_align]   # the process that answers this one exercise
    memory = "6 GB"
    case = 20

What is nearer wins. Sizes are text with a unit (KB, MB or GB, steps of 1024), times are seconds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from .course import Chapter, Course, CourseError
from .limits import MIB, Limits, kinds

__all__ = ["course_limits", "in_words"]

UNITS = {"KB": 2**10, "MB": 2**20, "GB": 2**30}
# Below these an honest notebook cannot start.
LEAST = {"memory": 64 * MIB, "descriptors": 32, "processes": 4, "message": 4096, "restarts": 0}


def course_limits(course: Course, chapter: Chapter, exercises: Iterable[str] = ()) -> Limits:
    """Return what a chapter's submissions may use, its exercises' own limits included.

    Parameters
    ----------
    course : Course
        Its `course.toml` is read.
    chapter : Chapter
        Whose submissions are graded.
    exercises : iterable of str
        The exercises there are: a table for another one is an error.
    """
    row = next(row for row in course.settings["chapters"] if row["name"] == chapter.name)
    place = f"{course.root / 'course.toml'}: "
    limits = _changed(Limits(), course.settings.get("limits", {}), place + "[limits]")
    table = _table(row.get("limits", {}), f"{place}[chapters.limits] of {chapter.name}")
    own = {name: value for name, value in table.items() if isinstance(value, dict)}
    plain = {name: value for name, value in table.items() if name not in own}
    limits = _changed(limits, plain, f"{place}[chapters.limits] of {chapter.name}")
    known = list(exercises)
    found = {}
    for name, values in own.items():
        where = f"{place}[chapters.limits.{name}] of {chapter.name}"
        if name not in known:
            raise CourseError(f"{where}: no exercise is called {name!r}; there are {', '.join(known)}")
        found[name] = _changed(limits, values, where, exercise=True)
    return replace(limits, exercises=found)


def _table(value: Any, where: str) -> dict:
    if not isinstance(value, dict):
        raise CourseError(f"{where} is {value!r}; it has to be a table such as: memory = '4 GB'")
    return value


def _changed(limits: Limits, values: Any, where: str, *, exercise: bool = False) -> Limits:
    """Return `limits` with those of a table in their place."""
    known = {each.name: each.metadata for each in kinds()}
    may = [name for name, of in known.items() if of["exercise"] or not exercise]
    if not exercise:
        may.remove("case")  # an exercise's own limit is nobody else's
    for name in _table(values, where):
        if name in known and name not in may:
            whose = "a whole submission" if exercise else "one exercise, [chapters.limits.<exercise>]"
            raise CourseError(f"{where}: {name} is a limit of {whose}; here there are {', '.join(may)}")
        if name not in known:
            raise CourseError(f"{where}: there is no limit {name!r}; there are {', '.join(may)}")
    return replace(
        limits, **{name: _read(name, value, known[name]["kind"], where) for name, value in values.items()}
    )


def _read(name: str, value: Any, kind: str, where: str) -> float | int:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if kind == "size":
        found, wanted = _bytes(value), 'a size with its unit, for instance "512 MB" or "2 GB"'
    elif kind == "seconds":
        found, wanted = (value if number else None), "a number of seconds, for instance 20"
    else:
        found = value if number and isinstance(value, int) else None
        wanted = f"a whole number{' of seconds' if kind == 'whole seconds' else ''}"
    if found is None:
        raise CourseError(f"{where}: {name} = {value!r}; wanted is {wanted}")
    least = LEAST.get(name)
    if not (found < float("inf") and (found > 0 if least is None else found >= least)):
        bound = "more than 0" if least is None else f"at least {in_words(least) if kind == 'size' else least}"
        raise CourseError(f"{where}: {name} = {value!r}; it has to be {bound}")
    return found


def _bytes(value: Any) -> int | None:
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMG]B)\s*", value) if isinstance(value, str) else None
    return int(float(match[1]) * UNITS[match[2]]) if match else None


def in_words(size: int) -> str:
    """Return a size as `course.toml` has it: ``"2 GB"``, ``"512 MB"``.

    >>> in_words(3 * 2**29)
    '1.5 GB'
    """
    unit, bytes_ = next(((u, b) for u, b in reversed(UNITS.items()) if size >= b), ("KB", 2**10))
    return f"{size / bytes_:.3g} {unit}" if size < 1000 * bytes_ else f"{size / bytes_:.0f} {unit}"
