"""From what people handed in, wherever it lies, to nbgrader's `submitted` folders; nothing is dropped in silence.

Sources are folders and zips as Canvas, Moodle and Gradescope make them, or folders named after students. They are only
read. Each notebook goes to ``submitted/<student>/<assignment>/<assignment>.ipynb``, beside it ``timestamp.txt`` where
the time of handing in is known. What was taken is remembered in ``collected/<assignment>.json``: a second run changes
nothing, an older download replaces nothing newer, and a notebook that gives way is kept in
``collected/<assignment>/<student>/``.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from .course import Course, CourseError
from .late import Deadlines, handed_in
from .lms import Claim, original_name
from .release import Release, read_release, release_path
from .roster import Person, Roster
from .sources import Found, Unreadable, is_junk, opened
from .submission import read_cells
from .whose import STAMP, Students, claims
from .writing import write

__all__ = ["Collected", "Row", "collect", "collected_people"]

# What became of a file. The first two are in `submitted` now.
TAKEN, UNCHANGED = "collected", "unchanged"
EARLIER, EXTRA, IGNORED = "earlier", "extra", "ignored"
IN_THE_WAY, UNMATCHED, NO_NOTEBOOK, UNREADABLE = "not replaced", "unmatched", "no notebook", "unreadable"
TO_LOOK_AT = (IN_THE_WAY, UNMATCHED, NO_NOTEBOOK, UNREADABLE)

VERSION = 1

Progress = Callable[[int, int, str], None]


@dataclass
class Row:
    """What became of one file. `notes` are sentences for a human, `submitted` is when it was handed in (ISO 8601)."""

    source: str
    file: str
    status: str
    student: str = ""
    notes: list[str] = field(default_factory=list)
    late: bool = False
    submitted: str = ""

    @property
    def look(self) -> bool:
        """Is it for a human to settle?"""
        return self.status in TO_LOOK_AT


@dataclass
class Collected:
    """The result of one run: a row for each file, who on the roster has handed in nothing so far, and who is graded
    without being on it."""

    assignment: str
    rows: list[Row]
    missing: list[str]
    strangers: list[str]

    def having(self, *statuses: str) -> list[Row]:
        return [row for row in self.rows if row.status in statuses]

    @property
    def students(self) -> set[str]:
        """Those whose notebook is in `submitted` because of these sources."""
        return {row.student for row in self.having(TAKEN, UNCHANGED)}

    @property
    def late(self) -> set[str]:
        return {row.student for row in self.having(TAKEN, UNCHANGED) if row.late}

    @property
    def late_by_what(self) -> set[str]:
        """Those who are late by a time that nobody knows, which costs them nothing."""
        return {row.student for row in self.having(TAKEN, UNCHANGED) if row.late and not row.submitted}

    def to_dict(self) -> dict:
        return {
            "assignment": self.assignment,
            "students": sorted(self.students),
            "late": sorted(self.late),
            "missing": self.missing,
            "strangers": self.strangers,
            "counts": {
                status: len(self.having(status)) for status in sorted({row.status for row in self.rows})
            },
            "files": [{**asdict(row), "look": row.look} for row in self.rows],
        }


@dataclass
class _File:
    """A file on its way: what was found, what its path says, and its row in the result."""

    found: Found
    claim: Claim
    row: Row
    place: int
    content: bytes = field(default=b"", repr=False)
    rank: tuple = ()

    @property
    def is_notebook(self) -> bool:
        return self.found.path.suffix.lower() == ".ipynb"

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


def collect(
    course: Course,
    assignment: str,
    sources: Sequence[Path],
    roster: Roster | None = None,
    *,
    replace: bool = False,
    progress: Progress | None = None,
) -> Collected:
    """Put the notebooks in `sources` where `grade` looks for them.

    Parameters
    ----------
    sources : sequence of Path
        Folders, zips, single notebooks.
    roster : Roster, optional
        Who is who. Without it, students are called as the platform calls them.
    replace : bool
        Also replace a notebook in `submitted` that was put there or changed by other means.
    progress : callable, optional
        Called with how many students are done, of how many, and the one just done.

    Raises
    ------
    CourseError
        A source or the course itself cannot be read; nothing has been written then.
    """
    run = _Run(course, assignment, roster, replace)
    with ExitStack() as stack:
        files = [file for source in sources for file in run.files_of(stack.enter_context(opened(source)))]
        piles = run.sorted_by_student(files)
        try:
            for done, (student, pile) in enumerate(piles.items(), 1):
                run.take(student, pile)
                if progress:
                    progress(done, len(piles), student)
        finally:  # also when the disk is full or somebody is tired of waiting
            run.memory.write()
    return Collected(assignment, run.rows, run.missing(), run.strangers())


class _Run:
    """One run of `collect`: what holds for all files, and the rows so far."""

    def __init__(self, course: Course, assignment: str, roster: Roster | None, replace: bool):
        self.course, self.assignment, self.roster, self.replace = course, assignment, roster, replace
        self.release = read_release(release_path(course, assignment))
        self.deadlines = Deadlines.of(course, assignment)
        self.memory = _Memory(course, assignment)
        self.rows: list[Row] = []

    def files_of(self, found: Sequence[Found]) -> list[_File]:
        """The files of one source that are somebody's. Each file gets its row."""
        files = []
        for file, said in claims(found, self.assignment, self.roster, self.course.timezone):
            if not said:
                why = "a system's own file" if is_junk(file.path) else "read for what it says of other files"
                self._row(file, notes=[why])
            together = [f"handed in by a group of {len(said)}"] if len(said) > 1 else []
            files += [
                _File(file, claim, self._row(file, notes=[*together]), len(self.rows)) for claim in said
            ]
        return files

    def _row(self, file: Found, **more: Any) -> Row:
        self.rows.append(Row(str(file.source), str(file.path), IGNORED, **more))
        return self.rows[-1]

    def sorted_by_student(self, files: Sequence[_File]) -> dict[str, list[_File]]:
        """The pile of each student, in alphabetical order; what is nobody's is said to be so."""
        students = Students((file.claim for file in files), self.roster)
        piles: dict[str, list[_File]] = {}
        for file in files:
            student, why_not = students.of(file.claim)
            file.row.student = student
            if file.found.problem:
                file.row.status = UNREADABLE
                file.row.notes.append(file.found.problem)
            elif student:
                piles.setdefault(student, []).append(file)
            else:
                file.row.status = UNMATCHED if file.is_notebook else NO_NOTEBOOK
                file.row.notes.append(why_not)
        return dict(sorted(piles.items()))

    # One student

    def take(self, student: str, pile: Sequence[_File]) -> None:
        """Choose the newest notebook of a pile, put it into `submitted`, say what becomes of the others."""
        notebooks = [file for file in pile if file.is_notebook and self._was_read(file)]
        for file in pile:
            if not file.is_notebook:
                file.row.status = EXTRA if notebooks else NO_NOTEBOOK
                file.row.notes.append("not a notebook (.ipynb)")
        if not notebooks:
            return
        *others, newest = sorted(notebooks, key=lambda file: file.rank)
        self._put(student, newest)
        for file in others:
            file.row.status = EARLIER
            if file.digest == newest.digest:
                file.row.notes.append(f"the same as {newest.found.name}")
            elif file.rank[0] < newest.rank[0]:
                file.row.notes.append(f"{newest.found.name} fits the assignment better")
            else:
                file.row.notes.append(f"{newest.found.name} is newer")
            if file.digest != newest.digest:
                self._keep(student, file.found.name, file.content)
        if others:
            newest.row.notes.append(f"the newest of {len(notebooks)}")

    def _was_read(self, file: _File) -> bool:
        try:
            file.content = file.found.read()
        except Unreadable as error:
            file.row.status = UNREADABLE
            file.row.notes.append(str(error))
            return False
        known = known_cells(file.content, self.release)
        time = handed_in(file.claim.stamp, self.course.timezone)
        file.row.submitted = time.isoformat() if time else ""
        # First what fits the assignment, then what is newest: by the time where it is known, by the platform's numbers,
        # by the file's own date.
        fits, since = -1 if known is None else int(known >= 0.5), time.timestamp() if time else 0.0
        file.rank = (fits, since, file.claim.number, file.found.modified, file.place)
        if known is None:
            file.row.notes.append("no notebook inside, in spite of its name")
        elif known < 0.5:
            file.row.notes.append(f"holds {known:.0%} of this assignment's cells: is it another one's?")
        if original_name(file.claim.file) != f"{self.assignment}.ipynb":
            file.row.notes.append(f"was called {file.claim.file}")
        self._note_lateness(file)
        return True

    def _note_lateness(self, file: _File) -> None:
        late = self.deadlines.lateness(file.row.student, file.claim.stamp)
        file.row.late = bool(late.is_late if late and late.submitted else file.claim.late)
        if late and late.is_late:
            file.row.notes.append(late.why)
        elif file.row.late:
            file.row.notes.append(f"late, says {file.claim.platform}; it does not say by how much")

    def _put(self, student: str, file: _File) -> None:
        """Write a notebook into `submitted`, where nothing newer and nothing of somebody else's doing stands."""
        folder = self.course.submitted(student, self.assignment)
        target = folder / f"{self.assignment}.ipynb"
        there = _content(target)
        before = self.memory.of(student)
        if there is not None and there != file.content:
            ours = before and before["sha256"] == hashlib.sha256(there).hexdigest()
            if not ours and not self.replace:
                file.row.status = IN_THE_WAY
                file.row.notes.append(
                    "another notebook stands in submitted that did not come from here; see --replace"
                )
                return
            if ours and tuple(before["rank"]) > file.rank[:4]:
                file.row.status = EARLIER
                file.row.notes.append(f"{before['file']} was collected before and is newer")
                self._keep(student, file.found.name, file.content)
                return
            self._keep(student, target.name, there)
            file.row.notes.append("replaces the one collected before" if ours else "replaces another's")
        file.row.status = UNCHANGED if there == file.content else TAKEN
        if there != file.content:
            write(target, file.content)
        self._put_timestamp(folder / STAMP, file, anew=there != file.content)
        self.memory.note(student, file)

    def _put_timestamp(self, path: Path, file: _File, anew: bool) -> None:
        """A time that is known is written; one of another notebook must not stay."""
        if file.claim.stamp:
            if _content(path) != f"{file.claim.stamp}\n".encode():
                write(path, f"{file.claim.stamp}\n")
        elif anew:
            path.unlink(missing_ok=True)

    def _keep(self, student: str, name: str, content: bytes) -> None:
        """Keep a notebook that was not taken, or not any more: once, whatever it was called."""
        folder = self.memory.path.with_suffix("") / student
        digest = hashlib.sha256(content).hexdigest()[:8]
        name = re.sub(r"[^\w.() -]", "_", name).encode()[-100:].decode(errors="ignore")
        if not any(folder.glob(f"{digest} *")):
            write(folder / f"{digest} {name}", content)

    # The end

    def missing(self) -> list[str]:
        """Who is on the roster and has nothing in `submitted`, now or from before."""
        there = {student.casefold() for student in self.course.students(self.assignment)}
        people = self.roster.people if self.roster else ()
        return sorted(person.student for person in people if person.student.casefold() not in there)

    def strangers(self) -> list[str]:
        """Who has something in `submitted` and is not on the roster: often those who are on it by another name."""
        if not self.roster:
            return []
        known = {person.student.casefold() for person in self.roster.people}
        there = self.course.students(self.assignment)
        return [student for student in there if student.casefold() not in known]


class _Memory:
    """What was taken for each student, in `collected/<assignment>.json`."""

    def __init__(self, course: Course, assignment: str):
        self.path = course.folder / "collected" / f"{assignment}.json"
        self.students: dict[str, dict] = {}
        if content := _content(self.path):
            try:
                data = json.loads(content)
                if data["version"] != VERSION:
                    raise ValueError("it is of another version")
                self.students = data["students"]
            except (ValueError, KeyError, TypeError) as error:
                raise CourseError(
                    f"{self.path} cannot be read ({error}); move it away to start anew"
                ) from None

    def of(self, student: str) -> dict | None:
        return self.students.get(student)

    def note(self, student: str, file: _File) -> None:
        self.students[student] = {
            "sha256": file.digest,
            "rank": list(file.rank[:4]),
            "source": file.row.source,
            "file": file.row.file,
            "platform": file.claim.platform,
            "id": file.claim.id,
            "name": file.claim.name,
            "late": file.row.late,
            "submitted": file.row.submitted,
        }

    def write(self) -> None:
        if self.students:
            data = {"version": VERSION, "students": dict(sorted(self.students.items()))}
            write(self.path, json.dumps(data, indent=1, ensure_ascii=False) + "\n")


def collected_people(course: Course, assignment: str) -> list[Person]:
    """Whoever has been collected, with the number that the platform gave: the next best thing to a roster."""
    kinds = {"Canvas": "canvas", "Moodle": "moodle", "Gradescope": "number"}
    return [
        Person(student, name=about["name"], **{kinds[about["platform"]]: about["id"]})
        for student, about in _Memory(course, assignment).students.items()
        if about["platform"] in kinds
    ]


def known_cells(content: bytes, release: Release) -> float | None:
    """Which share of the release's graded cells and answers is in a notebook; None where it is no notebook.

    A cell is known by its ids or, where an editor dropped them, an answer by the name that it defines.
    """
    try:
        cells = read_cells(content)
    except ValueError:
        return None
    ids = {id for cell in cells for id in (cell.grade_id, cell.id) if id}
    by_ids = _share(ids, release.by_grade_id)
    code = "\n".join(cell.source for cell in cells)
    defined = set(re.findall(r"^(?:def|class) (\w+)", code, re.MULTILINE))
    return max(by_ids, _share(defined, release.tests))


def _share(found: set[str], wanted: Mapping[str, Any]) -> float:
    return len(found & set(wanted)) / len(wanted) if wanted else 1.0


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CourseError(f"{path} cannot be read: {error.strerror}") from None
