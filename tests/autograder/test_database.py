"""What is wrong with a gradebook is said in words, with the file's name and what to do; a locked one is waited for."""

import multiprocessing
import os
import pwd
import shutil
import sqlite3
import subprocess
import tempfile
from pathlib import Path

import nbformat
import pytest

from autograder import database
from autograder.course import CourseError
from autograder.database import Access, shown, sqlite_file
from autograder.gradebook import Book
from autograder.mark import Entries


@pytest.fixture
def book(small_course):
    """The gradebook of a small course that knows its assignment; `.entries` is a result to be saved in it."""
    source = nbformat.read(
        small_course.course.source(small_course.assignment) / f"{small_course.assignment}.ipynb", as_version=4
    )
    with Book(small_course.course.db_url) as book:
        book.register(small_course.assignment, source)
        book.assignment = small_course.assignment
        book.file = small_course.course.gradebook
        book.entries = Entries({"test-output_size": 1.5}, {"output_size": True})
        yield book


def hold_locked(path: Path, pipe) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN EXCLUSIVE")
    pipe.send("locked")
    pipe.recv()


@pytest.fixture
def locker():
    """A function: another process locks this database, until something is sent to it."""
    fork = multiprocessing.get_context("fork")
    processes = []

    def lock(path: Path):
        ours, theirs = fork.Pipe()
        process = fork.Process(target=hold_locked, args=(path, theirs), daemon=True)
        process.start()
        assert ours.recv() == "locked"
        processes.append(process)
        return ours

    yield lock
    for process in processes:
        process.kill()
        process.join()


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(database, "ONE_TRY", 0.1)
    monkeypatch.setattr(database, "PATIENCE", 0.3)


def test_a_locked_gradebook_is_waited_for(book, locker, monkeypatch, caplog):
    other = locker(book.file)
    # It gives the lock back when it hears that somebody waits.
    monkeypatch.setattr(database.log, "warning", lambda *told: other.send(told[0] % told[1:]))
    total = book.save("ada", book.assignment, book.entries)
    assert total == 1.5
    assert book.marks(book.assignment)["ada"]["test-output_size"].auto_score == 1.5


def test_one_that_stays_locked_is_told(small_course, book, locker, impatient, caplog):
    with Book(small_course.course.db_url) as again:
        locker(book.file)
        for work in (
            lambda: again.save("ada", book.assignment, book.entries),
            lambda: again.marks(book.assignment),
            lambda: Book(small_course.course.db_url),
        ):
            with pytest.raises(CourseError) as told:
                work()
            for words in (str(book.file), "database is locked", "formgrader", "run the same command again"):
                assert words in str(told.value)
    assert all(str(book.file) in message and "waiting up to" in message for message in caplog.messages)
    assert len(caplog.messages) == 3


def test_after_a_failed_transaction_the_next_one_holds(book, locker, monkeypatch):
    monkeypatch.setattr(database, "PATIENCE", 0.0)
    other = locker(book.file)
    with pytest.raises(CourseError, match="is locked"):
        book.save("ada", book.assignment, book.entries)
    other.send("end")
    assert book.save("ada", book.assignment, book.entries) == 1.5
    assert set(book.marks(book.assignment)) == {"ada"}


@pytest.mark.parametrize("damage", ["no database", "torn pages"])
def test_a_damaged_gradebook_is_named_and_left_as_it_is(small_course, book, damage):
    content = bytearray(book.file.read_bytes())
    content[: 100 if damage == "no database" else 0] = b"x" * (100 if damage == "no database" else 0)
    content[4096:] = b"\xff" * len(content[4096:])
    book.file.write_bytes(content)
    with pytest.raises(CourseError) as told, Book(small_course.course.db_url) as broken:
        broken.marks(book.assignment)
    for words in (str(book.file), "the file is damaged", "backup", "by hand"):
        assert words in str(told.value)
    assert book.file.read_bytes() == content


def test_a_gradebook_that_is_a_folder(small_course):
    small_course.course.gradebook.mkdir()
    with pytest.raises(
        CourseError, match=r"gradebook\.db could not be opened: .*you need the right to write"
    ):
        Book(small_course.course.db_url)


def test_a_gradebook_in_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "course").write_text("a file in the way")
    with pytest.raises(CourseError, match=r"course/gradebook\.db could not be made"):
        Book(f"sqlite:///{tmp_path}/course/gradebook.db")


def test_a_new_gradebook_is_there_whole_or_not_at_all(tmp_path):
    """Killed while it is made, it leaves no database that the next run would take for one."""
    path = tmp_path / "gradebook.db"

    def fail(url):
        sqlite3.connect(url.removeprefix("sqlite:///")).execute("CREATE TABLE half (x)").connection.commit()
        raise OSError(28, "No space left on device")

    with pytest.raises(CourseError, match="No space left"):
        Access(f"sqlite:///{path}").create(fail)
    assert list(tmp_path.iterdir()) == []
    with Book(f"sqlite:///{path}") as book:
        assert book.marks("hw") == {}
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("reason", "mend"),
    [
        ("database or disk is full", "make room"),
        ("attempt to write a readonly database", "right to write"),
        ("disk I/O error", "healthy"),
        ("no such table: student", None),
    ],
)
def test_errors_have_words(reason, mend):
    told = str(Access("sqlite:////x/gradebook.db").in_words("written", sqlite3.OperationalError(reason)))
    assert told.startswith(f"the gradebook /x/gradebook.db could not be written: {reason}")
    assert (mend or "") in told
    assert ("run the same command again" in told) == bool(mend)


def test_other_databases_are_left_to_themselves():
    assert Access("postgresql://host/grades").url == "postgresql://host/grades"
    assert sqlite_file("postgresql://host/grades") is None
    assert sqlite_file("sqlite:///:memory:") is None
    assert sqlite_file("sqlite:////a/b.db?timeout=3") == Path("/a/b.db")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (
            "postgresql+psycopg://grader:s3:cr@t@db:5432/course?x=1",
            "postgresql+psycopg://grader@db:5432/course?x=1",
        ),
        ("postgresql+psycopg://grader@db/course", "postgresql+psycopg://grader@db/course"),
        ("postgresql+psycopg:///course", "postgresql+psycopg:///course"),
        ("sqlite:////a/b.db", "/a/b.db"),
    ],
)
def test_no_password_is_shown(url, said):
    assert shown(url) == said


def test_a_missing_driver_is_told():
    with pytest.raises(
        CourseError, match=r"could not be opened: .*'pg8000'.* pip install 'psycopg\[binary\]'"
    ):
        Book("postgresql+pg8000://grader:secret@db.invalid/course")


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_a_database_in_another_encoding_is_refused_with_what_to_do(monkeypatch, encoding):
    monkeypatch.setattr(Access, "_server_encoding", lambda self: encoding)
    with pytest.raises(CourseError) as told:
        Book("postgresql+psycopg://grader:secret@db.invalid/grades?sslmode=require")
    assert f"has the encoding {encoding} and needs UTF8" in str(told.value)
    assert str(told.value).endswith("createdb -E UTF8 -T template0 and name that one as db_url")
    assert "secret" not in str(told.value)


@pytest.fixture(scope="module")
def postgresql():
    """The address of a server with one database in SQL_ASCII; a database's name and a query go in between."""
    pytest.importorskip("psycopg")
    found = [shutil.which("initdb"), *sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))]
    programs = next((Path(path).resolve().parent for path in found if path), None)
    if programs is None:
        pytest.skip("PostgreSQL's server is not installed")
    try:
        user = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    except KeyError:
        pytest.skip("PostgreSQL's server wants a user that has a name and is not root")
    # In no folder of pytest's: those are closed to other users, and too long for a socket's name.
    with tempfile.TemporaryDirectory() as folder:
        os.chown(folder, user.pw_uid, user.pw_gid)
        own = {"user": user.pw_uid, "group": user.pw_gid} if os.geteuid() == 0 else {}

        def run(program: str, *options: str) -> None:
            command = [programs / program, "-D", f"{folder}/data", *options]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=folder, **own)

        run("initdb", "-E", "SQL_ASCII", "--locale=C", "-U", "grader", "-A", "trust")
        run("pg_ctl", "-w", "-l", f"{folder}/log", "-o", f"-k {folder} -c listen_addresses=''", "start")
        yield f"postgresql+psycopg://grader@/{{}}?host={folder}"
        run("pg_ctl", "-w", "-m", "immediate", "stop")


@pytest.mark.slow
def test_a_server_in_ascii_and_a_database_in_utf8(postgresql):
    import psycopg

    with pytest.raises(CourseError, match="has the encoding SQL_ASCII and needs UTF8"):
        Book(postgresql.format("postgres"))
    with psycopg.connect(f"host={postgresql.partition('host=')[2]} user=grader dbname=postgres") as server:
        server.autocommit = True
        server.execute("CREATE DATABASE grades ENCODING 'UTF8' TEMPLATE template0")
    with Book(postgresql.format("grades")) as book:
        assert book.marks("hw") == {}
