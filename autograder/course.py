"""The course: its chapters in order (`course.toml`), its folders in nbgrader's layout, its secret seed."""

from __future__ import annotations

import os
import re
import secrets
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, tzinfo
from functools import cached_property
from pathlib import Path

from . import clock

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["Chapter", "Course", "CourseError", "find_root", "secret_seed"]


class CourseError(Exception):
    """Something in the course is not as it has to be; the message says where, what, and what is wanted."""


@dataclass(frozen=True)
class Chapter:
    """One chapter: `name` is its package under `dlcv`, `folder` its name everywhere else.

    `due` is when its notebook is to be handed in, in the course's time zone; None: at any time. `data` are files beside
    its notebook that learners get, too.
    """

    number: int
    name: str
    title: str
    minutes: int | None = None
    due: datetime | None = None
    data: tuple[str, ...] = ()

    @property
    def folder(self) -> str:
        return f"{self.number:02d}_{self.name}"

    def __str__(self) -> str:
        return self.folder


@dataclass(frozen=True)
class Course:
    """The repository at `root` and a folder in nbgrader's layout, by default `root/course`.

    `folder/source/<assignment>/<assignment>.ipynb` is nbgrader's source notebook, `release` what learners
    get, `submitted/<student>/<assignment>/*.ipynb` what they hand in, `autograded` and `feedback` what they
    get back. All are paths, made by whoever writes to them.
    """

    root: Path
    folder: Path

    @classmethod
    def open(cls, folder: str | Path | None = None, root: str | Path | None = None) -> Course:
        """The course around the current folder (or around this package), with its work in `folder`."""
        root = Path(root).resolve() if root else find_root()
        return cls(root, Path(folder).resolve() if folder else root / "course")

    # chapters

    @cached_property
    def settings(self) -> dict:
        path = self.root / "course.toml"
        try:
            return tomllib.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise CourseError(f"{path} is missing: it lists the chapters in order") from None
        except tomllib.TOMLDecodeError as error:
            raise CourseError(f"{path} is not valid TOML: {error}{_seconds_missing(path)}") from None

    @property
    def name(self) -> str:
        return self.settings.get("name", "course")

    @property
    def title(self) -> str:
        return self.settings.get("title", self.name)

    @property
    def repository(self) -> str:
        """Address of the public repository, empty while there is none."""
        return self.settings.get("repository", "")

    @cached_property
    def timezone(self) -> tzinfo:
        """The zone of times that name none, `timezone` in course.toml; UTC where it is not set."""
        try:
            return clock.zone(self.settings.get("timezone", "UTC"))
        except ValueError as error:
            raise CourseError(f"{self.root / 'course.toml'}, timezone: {error}") from None

    @cached_property
    def chapters(self) -> tuple[Chapter, ...]:
        path = self.root / "course.toml"
        chapters = tuple(_chapter(path, row, self.timezone) for row in self.settings.get("chapters", ()))
        for what in ("number", "name"):
            values = [getattr(chapter, what) for chapter in chapters]
            for value in values:
                if values.count(value) > 1:
                    raise CourseError(f"{path}: two chapters have the {what} {value!r}")
        return chapters

    def chapter(self, which: str) -> Chapter:
        """The chapter called `which`: by its name, its folder or its number."""
        for chapter in self.chapters:
            if which in (chapter.name, chapter.folder, str(chapter.number), f"{chapter.number:02d}"):
                return chapter
        known = ", ".join(chapter.folder for chapter in self.chapters) or "none yet"
        raise CourseError(f"no chapter is called {which!r}; course.toml knows: {known}")

    def solution(self, chapter: Chapter) -> Path:
        """The one source of a chapter's notebooks."""
        return self.root / "solutions" / chapter.folder / f"{chapter.folder}.py"

    def figures(self, chapter: Chapter) -> Path:
        return self.root / "solutions" / chapter.folder / "figures"

    def notebook(self, chapter: Chapter) -> Path:
        """The student notebook that is committed."""
        return self.root / "notebooks" / chapter.folder / f"{chapter.folder}.ipynb"

    def make_importable(self) -> None:
        """Let `import dlcv` mean the one in this repository, also when another copy is installed."""
        if str(self.root) not in sys.path:
            sys.path.insert(0, str(self.root))

    # nbgrader's layout

    def source(self, assignment: str) -> Path:
        return self.folder / "source" / assignment

    def release(self, assignment: str) -> Path:
        return self.folder / "release" / assignment

    def submitted(self, student: str, assignment: str) -> Path:
        return self.folder / "submitted" / student / assignment

    def autograded(self, student: str, assignment: str) -> Path:
        return self.folder / "autograded" / student / assignment

    def feedback(self, student: str, assignment: str) -> Path:
        return self.folder / "feedback" / student / assignment

    def students(self, assignment: str) -> Iterator[str]:
        """Everybody who handed in something for `assignment`, in alphabetical order."""
        for path in sorted((self.folder / "submitted").glob(f"*/{assignment}")):
            if path.is_dir():
                yield path.parent.name

    @property
    def gradebook(self) -> Path:
        return self.folder / "gradebook.db"

    @property
    def db_url(self) -> str:
        """Address of the gradebook: `db_url` in course.toml for the folder `course/`, else a file in the folder.

        Another folder never shares it, so that a trial or the demo's class does not end up in the real gradebook.
        A relative SQLite file is one in `root`.
        """
        url = self.settings.get("db_url")
        if url is None or self.folder.resolve() != (self.root / "course").resolve():
            return f"sqlite:///{self.gradebook}"
        if not isinstance(url, str) or not re.fullmatch(r"[a-z]\w*(\+\w+)?://\S*", url):
            raise CourseError(
                f"{self.root / 'course.toml'}: db_url is {url!r}; wanted: an address such as "
                '"postgresql+psycopg://grader@db.example.org/course"'
            )
        relative = re.fullmatch(r"sqlite:///([^/:]\S*)", url)
        return f"sqlite:///{self.root}/{relative[1]}" if relative else url

    def seed(self) -> str:
        """The secret seed of graded runs: `DLCV_SEED` where that is set, else the one in the folder."""
        return os.environ.get("DLCV_SEED") or secret_seed(self.folder)

    def known_seed(self) -> str | None:
        """The secret seed where there is one already: nothing is made."""
        return self.seed() if os.environ.get("DLCV_SEED") or (self.folder / "secret_seed").exists() else None


def find_root(start: Path | None = None) -> Path:
    """The nearest folder with a `course.toml`: from `start` (default: here) upwards, else this package's."""
    start = (start or Path.cwd()).resolve()
    package = Path(__file__).resolve().parent
    for folder in (start, *start.parents, package.parent):
        if (folder / "course.toml").is_file():
            return folder
    raise CourseError(f"no course.toml in {start} or above it; run this inside the course's repository")


def secret_seed(folder: Path) -> str:
    """The seed kept in `folder/secret_seed`, made at its first use and readable by its owner only.

    It is written beside and then linked into place, so that two graders starting together agree on one seed.
    """
    path = Path(folder) / "secret_seed"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(32) + "\n")
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    seed = path.read_text(encoding="ascii").strip()
    if not seed:
        raise CourseError(f"{path} is empty; delete it and a new secret seed is made")
    return seed


def _chapter(path: Path, row: dict, here: tzinfo) -> Chapter:
    try:
        due = clock.moment(row["due"], here) if "due" in row else None
        data = row.get("data", [])
        if not isinstance(data, list) or not all(isinstance(name, str) for name in data):
            raise CourseError(
                f"{path}, chapter {row['name']!r}: data is {data!r}; wanted: a list of file names"
            )
        chapter = Chapter(row["number"], row["name"], row["title"], row.get("minutes"), due, tuple(data))
    except KeyError as error:
        raise CourseError(f"{path}: a chapter has number, name, title; {error} is missing: {row}") from None
    except ValueError as error:
        raise CourseError(f"{path}, chapter {row.get('name')!r}, due: {error}") from None
    if not re.fullmatch(r"[a-z][a-z0-9_]*", chapter.name):
        raise CourseError(f"{path}: {chapter.name!r} cannot be a chapter's name: lower case, digits, _")
    return chapter


def _seconds_missing(path: Path) -> str:
    """TOML wants a time's seconds, which its error does not say."""
    short = re.search(r"=\s*(\d{4}-\d\d-\d\d[T ]\d\d:\d\d)\s*(#|$)", path.read_text("utf-8"), re.MULTILINE)
    return f" (a time needs its seconds in TOML: {short[1]}:00)" if short else ""
