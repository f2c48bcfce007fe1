"""One grader a course: the second one is told who the first is, and a dead one blocks nobody."""

import multiprocessing
import os
import signal

import pytest

from autograder.course import CourseError
from autograder.lock import only_grader


def hold(folder, pipe):
    with only_grader(folder, "grading 01_trial"):
        pipe.send("held")
        pipe.recv()


@pytest.fixture
def other(tmp_path):
    """Another process that holds the lock of `tmp_path`; send it something and it ends."""
    fork = multiprocessing.get_context("fork")
    ours, theirs = fork.Pipe()
    process = fork.Process(target=hold, args=(tmp_path, theirs), daemon=True)
    process.start()
    assert ours.recv() == "held"
    process.pipe = ours
    yield process
    process.kill()
    process.join()


def test_the_second_is_refused_and_told_who_is_first(tmp_path, other):
    with pytest.raises(CourseError) as refused, only_grader(tmp_path, "grading"):
        pass
    for words in (str(tmp_path), f"process {other.pid} on", "grading 01_trial since 20", "--wait"):
        assert words in str(refused.value)


def test_a_killed_one_blocks_nobody(tmp_path, other):
    os.kill(other.pid, signal.SIGKILL)
    other.join()
    with only_grader(tmp_path, "grading"):
        assert f"process {os.getpid()} on" in (tmp_path / "grading.lock").read_text()
    assert (tmp_path / "grading.lock").read_text() == ""


def test_waiting_is_told_once_and_ends(tmp_path, other, monkeypatch, caplog):
    looks = []

    def look(seconds):
        looks.append(seconds)
        if len(looks) == 3:
            other.pipe.send("end")
            other.join()

    monkeypatch.setattr("time.sleep", look)
    with only_grader(tmp_path, "grading", wait=True):
        assert len(looks) == 3
    (line,) = caplog.messages
    assert line.startswith("waiting: another grader is at work") and str(other.pid) in line


def test_in_one_process_too(tmp_path):
    first = only_grader(tmp_path, "grading")
    with first, pytest.raises(CourseError, match="another grader"), only_grader(tmp_path, "grading"):
        pass
    with only_grader(tmp_path, "grading"):
        pass


def test_an_error_inside_gives_the_lock_back(tmp_path):
    with pytest.raises(ValueError, match="inside"), only_grader(tmp_path, "grading"):
        raise ValueError("inside")
    with only_grader(tmp_path, "grading"):
        pass


def test_a_place_for_the_lock_that_is_none(tmp_path):
    (tmp_path / "course").write_text("a file in the way")
    told = pytest.raises(CourseError, match=r"grading\.lock could not be opened: .*must be writable")
    with told, only_grader(tmp_path / "course", "grading"):
        pass
