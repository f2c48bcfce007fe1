"""Access to the gradebook's database: made whole or not at all, waited for when locked, its errors in plain words."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from .course import CourseError

__all__ = ["Access", "shown", "sqlite_file"]

log = logging.getLogger("autograder")

Value = TypeVar("Value")

PATIENCE = 30.0  # seconds to wait for a database that another program has locked
ONE_TRY = 1.0  # seconds after which SQLite itself gives up
_LIBPQ = re.compile(r"postgresql(\+psycopg2?)?:")

_MENDS = {
    ("is locked",): "another program (formgrader, nbgrader, a database browser) writes to it or has not finished; "
    "close that program",
    ("not a database", "malformed", "encrypted"): "the file is damaged; put a copy from a backup in its place, or "
    "move it away: then a new one is filled from the records, without scores and comments given by hand, which only "
    "the damaged file has",
    ("is full",): "the disk is full; make room",
    ("readonly", "read-only", "unable to open"): "you need the right to write to the file and to its folder; "
    "give yourself that right",
    ("no module named",): "the database's driver is missing; install it, for PostgreSQL: "
    "pip install 'psycopg[binary]'",
    ("disk i/o error",): "the disk did not do what it was asked to; see that it is healthy and not full",
}  # fmt: skip


class Access:
    """How a gradebook's database is talked to.

    Parameters
    ----------
    db_url : str
        As nbgrader's `CourseDirectory.db_url`.
    """

    def __init__(self, db_url: str):
        from nbgrader.api import InvalidEntry
        from sqlalchemy.exc import SQLAlchemyError

        self.name = shown(db_url)
        self.url = f"{db_url}?timeout={ONE_TRY:g}" if sqlite_file(db_url) and "?" not in db_url else db_url
        self.failures = (SQLAlchemyError, InvalidEntry, OSError, ImportError)

    def check_encoding(self) -> None:
        """Raise `CourseError` for a PostgreSQL database that does not hold all characters of a notebook."""
        encoding = self.patiently("opened", self._server_encoding, lambda: None)
        if encoding not in ("", "UTF8"):
            raise CourseError(
                f"the gradebook {self.name} has the encoding {encoding} and needs UTF8, for what people write; make a "
                "database with createdb -E UTF8 -T template0 and name that one as db_url"
            )

    def _server_encoding(self) -> str:
        """A PostgreSQL database's own encoding; empty for other databases, and for drivers that are not libpq's."""
        from sqlalchemy import create_engine, text

        if not _LIBPQ.match(self.url):
            return ""
        # Said here, because SQLAlchemy breaks off with a TypeError where SQL_ASCII gives it bytes.
        engine = create_engine(self.url, connect_args={"client_encoding": "utf8"})
        try:
            with engine.connect() as connection:
                return connection.execute(text("SHOW server_encoding")).scalar()
        finally:
            engine.dispose()

    def create(self, make: Callable[[str], None]) -> None:
        """Let ``make(url)`` fill a new SQLite database, and put it into place when it is whole."""
        path = sqlite_file(self.url)
        if path is None or path.exists():
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
                draft = Path(folder, path.name)
                make(f"sqlite:///{draft}")
                with contextlib.suppress(FileExistsError):  # somebody else's is as good
                    os.link(draft, path)
        except self.failures as error:
            raise self.in_words("made", error) from error

    def patiently(self, done: str, work: Callable[[], Value], undo: Callable[[], Any]) -> Value:
        """Return ``work()``, tried again while another program has the database locked; else `CourseError`.

        Parameters
        ----------
        done : str
            What could not be done, for the message: the gradebook could not be ``"written"``.
        work, undo : callable
            One transaction, and what takes a failed one back.
        """
        start, told = time.monotonic(), False
        while True:
            try:
                return work()
            except self.failures as error:
                with contextlib.suppress(Exception):
                    undo()
                waited = time.monotonic() - start
                if "is locked" not in str(error) or waited >= PATIENCE:
                    raise self.in_words(done, error, waited) from error
            if not told:
                log.warning(
                    "the gradebook %s is locked by another program; waiting up to %g seconds",
                    self.name,
                    PATIENCE,
                )
                told = True
            time.sleep(0.05)

    def in_words(self, done: str, error: Exception, waited: float = 0.0) -> CourseError:
        """The error as one line: which file, what is wrong, what to do."""
        reason = str(getattr(error, "orig", None) or getattr(error, "strerror", None) or error).split("\n")[0]
        mend = next((m for words, m in _MENDS.items() if any(word in reason.lower() for word in words)), "")
        waited_for = f" after {waited:.0f} seconds of waiting" if waited > ONE_TRY + 1 else ""
        told = f"the gradebook {self.name} could not be {done}{waited_for}: {reason}"
        return CourseError(f"{told}: {mend}, then run the same command again" if mend else told)


def shown(db_url: str) -> str:
    """The database as messages name it: a file, or an address without its password."""
    path = sqlite_file(db_url)
    return str(path) if path else re.sub(r"(?<=://)([^/@]*?):[^/]*@", r"\1@", db_url)


def sqlite_file(db_url: str) -> Path | None:
    """The file of an SQLite database; None for another database or one in memory."""
    path = db_url.partition("?")[0].removeprefix("sqlite:///")
    return Path(path) if db_url.startswith("sqlite:///") and path and path != ":memory:" else None
