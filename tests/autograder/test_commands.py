"""`autograder grade`, `feedback` and `report` as an instructor types them."""

import json

import pytest
from click.testing import CliRunner

from autograder import commands
from autograder.cli import main
from autograder.record import Result
from autograder.terminal import in_words, results_table, summary
from dlcv.checking import Verdict


@pytest.fixture(scope="module")
def graded(small_class):
    """A class of two, graded by the command with --json; `.output` is what it printed."""
    small_class.submit("ada", small_class.answered())
    small_class.submit("bob", small_class.empty())
    small_class.output = run(small_class, "grade", "--json", "--jobs", "1").output
    return small_class


def run(small, command: str, *options: str):
    folder = ["--course", str(small.course.folder), "--assignment", small.assignment]
    return CliRunner().invoke(main, [command, *folder, *options], catch_exceptions=False)


def test_json_is_one_object_a_line(graded):
    lines = [json.loads(line) for line in graded.output.splitlines()]
    assert [(line["student"], line["points"], line["max_points"]) for line in lines] == [
        ("ada", 4, 7),
        ("bob", 0, 7),
    ]
    assert lines[1]["exercises"]["output_size"]["verdict"] == "not attempted"
    assert lines[0]["flags"] == ["essay to grade: why"]


def test_the_table_and_where_everything_lies(graded):
    done = run(graded, "grade", "--student", "bob", "--jobs", "1")
    assert done.exit_code == 0
    for words in ("bob", "0 of 7", "kept · nothing attempted", "1 kept", "report", "gradebook.db"):
        assert words in done.output, words
    assert "ada" not in done.output


def test_feedback_and_report_run_nobodys_code(graded):
    done = run(graded, "feedback")
    assert done.exit_code == 0
    assert "2 pages under" in done.output
    done = run(graded, "report")
    assert done.output.strip().endswith(f"report/{graded.assignment}.html")


def test_what_is_wrong_is_one_line(graded, small_course):
    done = run(graded, "grade", "--student", "zoe")
    assert done.exit_code == 1
    assert done.output.strip().splitlines()[-1].startswith("Error: no submission of")
    done = run(small_course, "feedback")
    assert done.exit_code == 1
    assert "run: autograder grade" in done.output
    assert CliRunner().invoke(main, ["grade"]).exit_code == 2


def test_places_are_near_or_whole(graded, monkeypatch):
    monkeypatch.chdir(graded.course.folder)
    assert commands.places(graded.course, graded.assignment)["gradebook"] == "gradebook.db"
    monkeypatch.chdir("/")
    assert commands.places(graded.course, graded.assignment)["gradebook"].endswith("gradebook.db")


# the words of the table


def verdict(name: str, kind: str, **more) -> Verdict:
    return Verdict(name, kind, 0.0, 1.0, 0, 3, message="why", **more)


@pytest.mark.parametrize(
    ("verdicts", "words"),
    [
        ([verdict("a", "right")], "everything right"),
        ([verdict("a", "not attempted"), verdict("b", "not attempted")], "nothing attempted"),
        ([verdict("a", "right"), verdict("b", "slip", slip="flipped")], "b: slip (flipped)"),
        ([verdict(name, "crashed") for name in "abcd"], "a: crashed, why; b: crashed, why; and 2 more"),
    ],
)
def test_what_was_found_in_words(verdicts, words):
    assert in_words(Result("ada", "hw", "c", {v.exercise: v for v in verdicts})) == words


def test_a_problem_comes_first():
    assert in_words(Result("ada", "hw", "c", {}, problem="No notebook.")) == "No notebook."
    table = results_table([Result("[bold]ada", "hw", "c", {}, flags=["[red]odd"], problem="No notebook.")])
    assert table.row_count == 1


def test_the_last_line():
    assert summary([]) == "nothing graded"
    flagged = Result(
        "ada",
        "hw",
        "c",
        {"a": verdict("a", "right")},
        flags=["odd", "essay to grade: why"],
        points=0.5,
        ran=["a"],
    )
    assert summary([flagged]) == "1 graded · mean 0.5 of 1 · 1 need a human · 1 essays to grade"
