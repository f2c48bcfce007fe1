"""What learners get of a chapter: a zip with notebook, wheel, data and a page on how to start.

The same course gives the same bytes. nbgrader's `release` folder is written along with it, so that submissions are
graded against the notebook that was handed out.
"""

from __future__ import annotations

import hashlib
import io
import tempfile
import time
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import jinja2

from .build import Built, build, text_of
from .course import Chapter, Course, CourseError
from .wheel import EPOCH, LICENCES, build_wheel
from .withhold import withhold
from .writing import write

__all__ = ["Packed", "not_due", "pack"]

# What stands in a source notebook and never in one for learners.
MARKERS = (b"BEGIN SOLUTION", b"BEGIN HIDDEN TESTS", b"BEGIN MARK SCHEME", b"check.grade(")


@dataclass(frozen=True)
class Packed:
    """One chapter's zip: `files` are its members' names, `withheld` the chapters whose answers its wheel lacks."""

    chapter: Chapter
    path: Path
    wheel: str
    files: tuple[str, ...]
    withheld: tuple[Chapter, ...]
    size: int
    sha256: str

    def to_dict(self) -> dict:
        return {
            "assignment": self.chapter.folder,
            "due": self.chapter.due.isoformat() if self.chapter.due else None,
            "zip": str(self.path),
            "size": self.size,
            "sha256": self.sha256,
            "wheel": self.wheel,
            "withheld": [chapter.folder for chapter in self.withheld],
            "files": list(self.files),
        }


def not_due(course: Course, now: datetime) -> tuple[Chapter, ...]:
    """The chapters whose answers are still being worked on at `now`; one without a due date is never among them."""
    if not any(chapter.due for chapter in course.chapters):
        raise CourseError(
            f"{course.root / 'course.toml'} has no due date, so nothing can be withheld until one"
        )
    return tuple(chapter for chapter in course.chapters if chapter.due and chapter.due > now)


def pack(
    course: Course, chapters: Sequence[Chapter], output: Path, withheld: Sequence[Chapter] = ()
) -> Iterator[Packed]:
    """Write the zip of each chapter to `output` and its notebook to the course's `release` folder.

    Parameters
    ----------
    chapters : sequence of Chapter
        What to pack.
    output : Path
        The folder for the zips.
    withheld : sequence of Chapter, optional
        Chapters whose references and slips the wheel is to lack.

    Yields
    ------
    Packed
        Each as it is finished.

    Raises
    ------
    CourseError
        A notebook is not what its source gives, a data file is missing, or something secret was about to go out.
    """
    ready = [_built(course, chapter) for chapter in chapters]
    with tempfile.TemporaryDirectory() as folder:
        package = course.root / "dlcv"
        if withheld:
            package = _without_answers(course, withheld, Path(folder) / "dlcv")
        wheel = build_wheel(course, package, Path(folder))
        for built in ready:
            yield _pack_one(course, built, wheel, output, tuple(withheld))


def _without_answers(course: Course, withheld: Sequence[Chapter], target: Path) -> Path:
    """A copy of the package that lacks the answers of some chapters.

    Only these and later chapters can need what is missing, so their notebooks' pictures go with it.
    """
    first = min(chapter.number for chapter in withheld)
    later = [build(course, chapter).student for chapter in course.chapters if chapter.number >= first]
    withhold(course.root / "dlcv", target, [chapter.name for chapter in withheld], later)
    return target


def _built(course: Course, chapter: Chapter) -> Built:
    built = build(course, chapter)
    if not built.is_committed():
        # What somebody has worked in is replaced only when asked for.
        how = "build --replace" if built.kept() else "build"
        raise CourseError(
            f"{course.notebook(chapter)} is not what its source gives, so learners would get two different ones; "
            f"run: autograder {how} {chapter}"
        )
    return built


def _pack_one(
    course: Course, built: Built, wheel: Path, output: Path, withheld: tuple[Chapter, ...]
) -> Packed:
    chapter = built.chapter
    notebook, data = text_of(built.student).encode(), _data(course, chapter)
    files = {f"{chapter.folder}.ipynb": notebook, wheel.name: wheel.read_bytes(), **data}
    files["START-HERE.md"] = start_here(course, built, wheel.name, list(data), withheld).encode()
    files |= {name: (course.root / name).read_bytes() for name in LICENCES if (course.root / name).is_file()}
    refuse_secrets(course, files)
    content = zipped({f"{chapter.folder}/{name}": content for name, content in files.items()})
    path = write(output / f"{chapter.folder}.zip", content)
    for name, text in {f"{chapter.folder}.ipynb": notebook, **data}.items():
        write(course.release(chapter.folder) / name, text)
    write(course.source(chapter.folder) / f"{chapter.folder}.ipynb", text_of(built.source))
    digest = hashlib.sha256(content).hexdigest()
    return Packed(chapter, path, wheel.name, tuple(sorted(files)), withheld, len(content), digest)


def _data(course: Course, chapter: Chapter) -> dict[str, bytes]:
    """The files that course.toml lists as the chapter's `data`, by their place beside the notebook."""
    folder = course.notebook(chapter).parent.resolve()
    files = {}
    for name in chapter.data:
        path = (folder / name).resolve()
        if not path.is_relative_to(folder) or not path.is_file():
            raise CourseError(f"course.toml, data of {chapter}: there is no file {name!r} in {folder}")
        files[path.relative_to(folder).as_posix()] = path.read_bytes()
    return files


def start_here(
    course: Course, built: Built, wheel: str, data: Sequence[str], withheld: Sequence[Chapter] = ()
) -> str:
    """The page that a learner reads first."""
    chapter = built.chapter
    points = sum(cell.metadata.get("nbgrader", {}).get("points", 0) for cell in built.student.cells)
    template = Path(__file__).parent / "templates" / "START-HERE.md.j2"
    environment = jinja2.Environment(trim_blocks=True, undefined=jinja2.StrictUndefined)
    return (
        environment.from_string(template.read_text(encoding="utf-8")).render(
            chapter=chapter,
            minutes=chapter.minutes,
            points=f"{points:g}",
            due=in_words(chapter.due),
            notebook=f"{chapter.folder}.ipynb",
            wheel=wheel,
            data=data,
            withheld=_listed([chapter.folder for chapter in withheld]),
        )
        + "\n"
    )


def in_words(due: datetime | None) -> str:
    """A due date as people write it.

    >>> from autograder.clock import moment, zone
    >>> in_words(moment("2026-10-01 23:59", zone("Europe/Berlin")))
    'Thursday, 1 October 2026, 23:59 (Europe/Berlin)'
    """
    return f"{due:%A}, {due.day} {due:%B %Y, %H:%M} ({due.tzinfo})" if due else ""


def _listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def zipped(files: Mapping[str, bytes]) -> bytes:
    """A zip file whose bytes depend on its files only."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, time.gmtime(EPOCH)[:6])
            entry.compress_type, entry.external_attr, entry.create_system = (
                zipfile.ZIP_DEFLATED,
                0o100644 << 16,
                3,
            )
            archive.writestr(entry, files[name])
    return stream.getvalue()


def refuse_secrets(course: Course, files: Mapping[str, bytes]) -> None:
    """Look at every byte that is about to go out; raise `CourseError` where there is something of the course's own.

    That is the secret seed anywhere, and the marks of solutions and hidden tests in a notebook. A tripwire: it catches
    a mistake in what is packed, not one in what a chapter's author wrote.
    """
    seed = course.known_seed()
    for name, content in members(files):
        if seed and seed.encode() in content:
            raise CourseError(f"{name} holds the course's secret seed; nothing was written")
        found = [mark.decode() for mark in MARKERS if name.endswith(".ipynb") and mark in content]
        if found:
            raise CourseError(f"{name} holds {found[0]!r}, which is not for learners; nothing was written")


def members(files: Mapping[str, bytes]) -> Iterator[tuple[str, bytes]]:
    """Every file by name, those inside wheels and zips too."""
    for name, content in files.items():
        yield name, content
        if name.endswith((".whl", ".zip")):
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                yield from members({f"{name}/{inner}": archive.read(inner) for inner in archive.namelist()})
