"""Files appear whole or not at all, and what stands in the way is said."""

import errno
import multiprocessing
import os
import resource
import signal
import threading

import pytest

from autograder.writing import CannotWrite, check_folders, remove_drafts, write


def in_a_process(work, *arguments) -> int:
    process = multiprocessing.get_context("fork").Process(target=work, args=arguments)
    process.start()
    process.join()
    return process.exitcode


def test_text_and_bytes_arrive(tmp_path):
    path = tmp_path / "a" / "b" / "page.html"
    assert write(path, "Grüße\n") == path
    assert path.read_bytes() == "Grüße\n".encode()
    assert write(path, b"\x00\xff").read_bytes() == b"\x00\xff"
    assert [file.name for file in path.parent.iterdir()] == ["page.html"]


def test_a_reader_never_sees_half_of_it(tmp_path):
    path = tmp_path / "record.json"
    versions = ["a" * 300_000, "b" * 300_000]
    write(path, versions[0])
    done = threading.Event()

    def go_on_writing():
        for number in range(60):
            write(path, versions[number % 2])
        done.set()

    writer = threading.Thread(target=go_on_writing)
    writer.start()
    seen = set()
    while not done.is_set():
        seen.add(path.read_text())
    writer.join()
    assert seen <= set(versions)


@pytest.mark.parametrize(
    ("number", "words", "for_all"),
    [
        (errno.ENOSPC, "the disk is full: make room", True),
        (errno.EDQUOT, "make room", True),
        (errno.EROFS, "reading only", True),
        (errno.EACCES, "give yourself the right", False),
        (errno.EMLINK, "Too many links", False),
    ],
)
def test_each_obstacle_has_its_words(tmp_path, monkeypatch, number, words, for_all):
    path = tmp_path / "page.html"
    write(path, "before")

    def refuse(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("os.replace", refuse)
    with pytest.raises(CannotWrite) as told:
        write(path, "after")
    assert str(told.value).startswith(f"{path} could not be written: {os.strerror(number)}")
    assert words in str(told.value)
    assert told.value.for_all == for_all
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_limit_on_file_sizes_is_met_half_way_through(tmp_path):
    """The system itself refuses, after some of the bytes are written."""
    path = tmp_path / "page.html"
    write(path, "before")

    def too_large():
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
        with pytest.raises(CannotWrite, match=r"File too large .*ulimit"):
            write(path, "x" * 200_000)

    assert in_a_process(too_large) == 0
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_in_the_way_of_a_folder(tmp_path):
    (tmp_path / "feedback").write_text("a file")
    with pytest.raises(CannotWrite, match="move it away"):
        write(tmp_path / "feedback" / "ada" / "page.html", "x")
    with pytest.raises(CannotWrite, match=f"{tmp_path}/feedback could not be written"):
        check_folders([tmp_path, tmp_path / "feedback"])


def test_folders_are_tried_without_a_trace(tmp_path):
    check_folders([tmp_path / "new"])
    assert list(tmp_path.iterdir()) == [tmp_path / "new"]
    assert list((tmp_path / "new").iterdir()) == []


def test_what_a_killed_writer_left_is_removed(tmp_path):
    path = tmp_path / "page.html"
    write(path, "before")

    def killed_while_writing():
        os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
        write(path, "after")

    assert in_a_process(killed_while_writing) == -signal.SIGKILL
    assert len(list(tmp_path.iterdir())) == 2
    own = tmp_path / f".page.html.{os.getpid()}.abc.draft"
    own.touch()
    (tmp_path / ".hidden.draft").touch()
    remove_drafts([tmp_path, tmp_path / "nowhere"])
    assert {file.name for file in tmp_path.iterdir()} == {"page.html", own.name, ".hidden.draft"}
    assert path.read_text() == "before"
