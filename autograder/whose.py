"""Whose is a file? Its path says something, a roster knows the people; both together name a student, or say why not."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, tzinfo
from pathlib import PurePosixPath

from .clock import by_clock
from .course import CourseError
from .gradescope import METADATA, folder_of, read_metadata
from .late import handed_in
from .lms import Claim, canvas, moodle, stamp
from .roster import Person, Roster, is_student_id
from .sources import Found, Unreadable, is_junk

__all__ = ["Students", "claims"]

STAMP = "timestamp.txt"


def claims(
    found: Sequence[Found], assignment: str, roster: Roster | None, here: tzinfo
) -> Iterator[tuple[Found, list[Claim]]]:
    """Go through the files of one source.

    Parameters
    ----------
    found : sequence of Found
        All files of the source.
    here : tzinfo
        The course's time zone: Moodle's worksheet names none.

    Yields
    ------
    file, claims
        Each file with what its path says: usually one claim, several where a group handed it in, none where the file
        is a system's own.
    """
    exports = _exports(found)
    wrapper = _wrapper(found)
    stamps = {file.path.parent: file for file in found if file.name == STAMP}
    for file in found:
        if is_junk(file.path) or file.name in (METADATA, STAMP):
            yield file, []
            continue
        for export, folders in exports.items():
            if (folder := folder_of(file.path, export)) is not None:
                yield file, _of_gradescope(file, folder, folders)
                break
        else:
            claim = (
                moodle(file.path)
                or _of_canvas(file, wrapper)
                or _of_folder(file, wrapper, assignment, roster)
            )
            if claim.platform == "Moodle" and roster:
                claim = _with_worksheet(claim, roster, here)
            if claim.platform == "folder" and (about := stamps.get(file.path.parent)):
                claim = replace(claim, stamp=_stamp_in(about, here))
            yield file, [claim]


# Gradescope


def _exports(found: Iterable[Found]) -> dict[PurePosixPath, dict[str, list[Claim]]]:
    """The folders that are exports of Gradescope, and what each says."""
    exports = {}
    for file in found:
        if file.name == METADATA:
            try:
                exports[file.path.parent] = read_metadata(file.read())
            except (Unreadable, ValueError) as error:
                raise CourseError(f"{file.source}: {file.path}: {error}") from None
    return exports


def _of_gradescope(file: Found, folder: str, folders: Mapping[str, list[Claim]]) -> list[Claim]:
    people = folders.get(folder, [])
    if not people:
        return [Claim("Gradescope", file.name, folder, why_not=f"{METADATA} names nobody for {folder}")]
    return [replace(person, file=file.name) for person in people]


# Moodle


def _with_worksheet(claim: Claim, roster: Roster, here: tzinfo) -> Claim:
    """Moodle's worksheet knows what its zip does not: when something was handed in, and whether that was late."""
    person = _person(claim, roster)
    if person is None or roster.kind != "moodle":
        return claim
    time = moodle_time(person.row.get("Last modified (submission)", ""), here)
    late = bool(re.search(r"\blate\b", person.row.get("Status", ""))) or None
    return replace(claim, stamp=stamp(time) if time else "", late=late)


def moodle_time(text: str, here: tzinfo) -> datetime | None:
    """Read a time as Moodle writes it in English; None for anything else.

    >>> from autograder.clock import zone
    >>> moodle_time("Thursday, 1 October 2026, 11:58 PM", zone("Europe/Berlin")).isoformat()
    '2026-10-01T23:58:00+02:00'
    """
    text = " ".join(text.split())
    for day in ("%A, %d %B %Y", "%A, %B %d, %Y"):
        for clock in ("%I:%M %p", "%H:%M"):
            try:
                return by_clock(datetime.strptime(text, f"{day}, {clock}"), here)
            except ValueError:
                continue
    return None


# Canvas and folders


def _wrapper(found: Sequence[Found]) -> str | None:
    """The one folder that holds everything in a zip, when it is no student's: it is called as the zip is, it holds
    several folders, or it holds files that Canvas named."""
    paths = [file.path for file in found if not is_junk(file.path)]
    tops = {path.parts[0] for path in paths if len(path.parts) > 1}
    if len(tops) != 1 or any(len(path.parts) == 1 for path in paths) or not found[0].source.is_file():
        return None
    (top,) = tops
    below = {path.parts[1] for path in paths if len(path.parts) > 2}
    named_by_canvas = all(len(path.parts) == 2 and canvas(path.name) for path in paths)
    return top if top == found[0].source.stem or len(below) > 1 or named_by_canvas else None


def _parts(file: Found, wrapper: str | None) -> tuple[str, ...]:
    return file.path.parts[1:] if file.path.parts[0] == wrapper else file.path.parts


def _of_canvas(file: Found, wrapper: str | None) -> Claim | None:
    """Canvas makes no folders; a file in a folder that is called like one of Canvas' is a student's own doing."""
    return canvas(file.name) if len(_parts(file, wrapper)) == 1 else None


def _of_folder(file: Found, wrapper: str | None, assignment: str, roster: Roster | None) -> Claim:
    """The folder that names the student: the one above the assignment's, else one on the roster, else the first."""
    *folders, _ = _parts(file, wrapper)
    if assignment in folders[1:]:
        return Claim("folder", file.name, folders[folders.index(assignment, 1) - 1])
    if roster:
        names = folders or [file.path.stem]
        known = [name for name in names if roster.by_any_id(name) or roster.by_name(name)]
        if known:
            return Claim("folder", file.name, known[0])
    if folders:
        return Claim("folder", file.name, folders[0])
    return Claim("file", file.name, why_not="its name does not say whose it is")


def _stamp_in(about: Found, here: tzinfo) -> str:
    """The text of a `timestamp.txt`, empty where it says no time."""
    try:
        text = about.read()[:100].decode().strip()
    except (Unreadable, UnicodeDecodeError):
        return ""
    return text if handed_in(text, here) else ""


# From claims to students


class Students:
    """What the people behind claims are called in this course."""

    def __init__(self, all_claims: Iterable[Claim], roster: Roster | None):
        self.roster = roster
        self.names = _without_roster(all_claims) if roster is None else {}

    def of(self, claim: Claim) -> tuple[str, str]:
        """The id of the claim's student, or an empty one and why."""
        if claim.why_not:
            return "", claim.why_not
        if self.roster:
            person = _person(claim, self.roster)
            return (person.student, "") if person else ("", f"nobody on the roster fits {claim.who}")
        student = unicodedata.normalize("NFC", self.names.get(claim) or claim.id or claim.email)
        if not is_student_id(student):
            return "", f"{student!r} is no name for a student's folder"
        return student, ""


def _person(claim: Claim, roster: Roster) -> Person | None:
    if claim.platform == "folder":
        return roster.by_any_id(claim.id) or roster.by_name(claim.id)
    number = {"Canvas": "canvas", "Moodle": "moodle", "Gradescope": "number"}[claim.platform]
    found = roster.by_id(number, claim.id) or roster.by_id("email", claim.email)
    if found is None and claim.platform == "Gradescope":
        found = roster.by_any_id(claim.id)
    if found is None:
        found = roster.by_name(claim.name)
        if found and claim.id and getattr(found, number):  # the same name, another number: somebody else
            return None
    return found


def _without_roster(all_claims: Iterable[Claim]) -> dict[Claim, str]:
    """How Canvas' and Moodle's people are called without a roster.

    Canvas' numbers stay the same in all assignments, so they make names unique. Moodle's do not: there the name alone
    must do, and the number tells two participants of one name apart.
    """
    named = {claim for claim in all_claims if claim.platform in ("Canvas", "Moodle")}
    numbers: dict[str, set[str]] = {}
    for claim in named:
        numbers.setdefault(claim.name, set()).add(claim.id)
    names = {}
    for claim in named:
        unique = claim.platform == "Moodle" and len(numbers[claim.name]) == 1
        names[claim] = claim.name.replace(" ", "_") + ("" if unique else f"_{claim.id}")
    return names
