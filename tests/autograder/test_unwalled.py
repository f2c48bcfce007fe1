"""Which walls are necessary, and what happens on a machine that cannot raise them."""

import json
import platform
from pathlib import Path

import pytest
from click.testing import CliRunner

from autograder import seccomp
from autograder.cli import main
from autograder.limits import Limits
from autograder.sandbox import Sandbox
from autograder.walls import Unwalled, Walls

from .machines import LANDLOCK, NAMESPACES, machine

BUBBLEWRAP = Walls(bubblewrap=True, nested=True, filtered=True)
NO_BUBBLEWRAP = Walls(namespaces=True, nested=True, landlock=3, filtered=True)


@pytest.mark.parametrize(
    ("walls", "missing"),
    [
        (BUBBLEWRAP, ()),
        (Walls(bubblewrap=True, nested=True), ()),
        (Walls(bubblewrap=True, filtered=True), ("processes",)),
        (Walls(bubblewrap=True, filtered=True, landlock=6), ()),
        (NO_BUBBLEWRAP, ()),
        (Walls(namespaces=True, nested=True, filtered=True), ("files",)),
        (Walls(namespaces=True, nested=True, landlock=7), ("network",)),
        (Walls(landlock=6, filtered=True), ()),
        (Walls(landlock=5, filtered=True), ("processes",)),
        (Walls(landlock=7), ("files", "network", "processes")),
        (Walls(), ("files", "network", "processes")),
        (Walls(bubblewrap=True, nested=True, exposed=("/usr/course lies in /usr",)), ("files",)),
    ],
)
def test_what_is_enough(walls, missing):
    assert walls.missing == missing
    assert walls.in_words(Limits()).startswith("UNSAFE: no wall around") == bool(missing)


def test_the_message_says_which_wall_is_missing_and_how_to_get_it():
    walls = Walls(
        landlock=5, filtered=True, troubles=("bubblewrap is not installed", "nested: not permitted")
    )
    with pytest.raises(Unwalled) as raised:
        walls.require()
    for words in ("end or change other processes", "(processes)", "user namespaces", "6.12", "--unsafe"):
        assert words in str(raised.value)
    assert "Tried: bubblewrap is not installed." in str(raised.value)
    assert "gradebook" not in str(raised.value)
    BUBBLEWRAP.require()


def test_secrets_in_a_folder_that_python_reads_are_exposed():
    """A course below /usr/src, as in many a container, would be shown to every learner."""
    with pytest.raises(Unwalled, match=r"move it: /usr/share lies in /usr, which their Python has to read"):
        Sandbox(private=[Path("/usr/share")])


@pytest.fixture(scope="module")
def bare(small_class, tmp_path_factory):
    """A machine without bubblewrap, Landlock and namespaces, and a submission to grade on it."""
    if not seccomp.program(platform.machine(), {}):
        pytest.skip(f"system calls of this processor, {platform.machine()}, cannot be filtered")
    folder = tmp_path_factory.mktemp("bare")
    for place in (folder, folder.parent):
        place.chmod(0o755)
    small_class.submit("ada", small_class.answered())
    with machine(folder, lacking={**NAMESPACES, **LANDLOCK}):
        yield small_class


def run(small, *options: str):
    folder = ["--course", str(small.course.folder), "--assignment", small.assignment]
    return CliRunner().invoke(main, ["grade", *folder, "--jobs", "1", *options], catch_exceptions=False)


def test_nothing_is_graded_without_walls(bare):
    done = run(bare)
    assert done.exit_code == 1
    for words in (
        "walls around learners' code are missing",
        "(files)",
        "(processes)",
        "bubblewrap",
        "--unsafe",
    ):
        assert words in done.output, words
    assert "(network)" not in done.output  # the filter alone does that
    assert not bare.course.autograded("ada", bare.assignment).exists()
    assert not bare.course.gradebook.exists()


def test_a_demonstration_is_grading_too(bare, monkeypatch):
    monkeypatch.setattr("autograder.demo.demo_course", lambda **_: bare.course)
    done = CliRunner().invoke(main, ["demo"], catch_exceptions=False)
    assert done.exit_code == 1
    assert "walls around learners' code are missing" in done.output
    assert not bare.course.gradebook.exists()


def test_unsafe_grading_says_so_wherever_results_are_seen(bare):
    words = "UNSAFE: no wall around files and processes"
    done = run(bare, "--unsafe", "--json")
    assert done.exit_code == 0, done.output
    result = json.loads(next(line for line in done.output.splitlines() if line.startswith("{")))
    assert result["walls"].startswith(words)
    assert result["points"] == 4
    record = json.loads((bare.course.folder / "records" / bare.assignment / "ada.json").read_text())
    assert record["walls"].startswith(words)
    page = (bare.course.folder / "report" / f"{bare.assignment}.html").read_text()
    assert "Graded without walls" in page
    assert words in page
    assert words in run(bare, "--unsafe").output
