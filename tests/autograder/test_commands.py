"""`autograder grade`, `feedback` and `report` as an instructor types them."""

import io
import json
import logging

import pytest
from click.testing import CliRunner
from rich.console import Console

from autograder import commands
from autograder.cli import main
from autograder.course import CourseError
from autograder.record import Result
from autograder.terminal import in_words, progress_bar, remarks_on, results_table, summary
from dlcv.checking import Verdict


@pytest.fixture(scope="module")
def graded(small_class, already_warm):
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


def test_what_is_kept_says_so(graded):
    done = run(graded, "grade", "--json")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(line["student"], line["status"], line["ran"]) for line in lines] == [
        ("ada", "kept", []),
        ("bob", "kept", []),
    ]
    assert [line["points"] for line in lines] == [4, 0]
    assert done.stderr == ""


@pytest.mark.parametrize("option", ["--again", "--force"])
def test_one_exercise_of_one_student_again(graded, option):
    done = run(graded, "grade", "--json", "--student", "ada", "--exercise", "output_size", option)
    (line,) = map(json.loads, done.stdout.splitlines())
    assert (line["student"], line["status"], line["ran"], line["points"]) == (
        "ada",
        "graded",
        ["output_size"],
        4,
    )
    assert done.stderr == "1 to grade (1 asked for again), 0 kept\n"
    done = run(
        graded, "grade", "--json", "--exercise", "output_size", "--exercise", "conv_transpose1d", option
    )
    assert [json.loads(line)["ran"] for line in done.stdout.splitlines()] == [
        ["conv_transpose1d", "output_size"]
    ] * 2


def test_an_exercise_that_is_none_is_an_error(graded):
    done = run(graded, "grade", "--exercise", "size")
    assert done.exit_code == 1
    assert "has no exercise 'size'; it has conv_transpose1d, output_size" in done.stderr
    assert done.stdout == ""


def test_a_failure_of_ours_is_shown_last_and_by_the_exit_code(graded, monkeypatch):
    def fail(self, job):
        raise RuntimeError("a bug of ours")

    with monkeypatch.context() as broken:
        broken.setattr("autograder.grader.Grader._graded", fail)
        done = run(graded, "grade", "--student", "bob", "--again", "--jobs", "1")
    assert done.exit_code == 1
    assert "failed · nothing attempted" in done.stdout and "1 failed" in done.stdout
    assert "1 of 1 submissions could not be graded or written" in done.stderr
    assert "bob: the grader itself failed" in done.stderr and "a bug of ours" in done.stderr
    assert run(graded, "grade", "--student", "bob", "--jobs", "1").exit_code == 0


def test_a_report_that_cannot_be_written_hides_no_result(graded):
    place = graded.course.folder / "report"
    away = place.rename(place.with_name("away"))
    place.write_text("a file in the way")
    done = run(graded, "grade")
    assert done.exit_code == 1
    assert "2 kept" in done.stdout
    assert f"{place}/{graded.assignment}.html could not be written" in done.stderr
    place.unlink()
    away.rename(place)


@pytest.mark.parametrize("terminal", [True, False])
def test_a_bar_where_somebody_looks_and_nothing_in_a_pipe(terminal):
    console = Console(file=io.StringIO(), force_terminal=terminal, width=80)
    with progress_bar(console) as told, remarks_on(console):
        told(1, 3, Result("ada", "hw", "c", {}))
        logging.getLogger("autograder").info("a remark")
    shown = console.file.getvalue()
    assert "a remark" in shown
    assert ("1/3" in shown, "ada" in shown) == (terminal, terminal)
    if not terminal:
        assert shown == "a remark\n"


def test_the_table_and_where_everything_lies(graded):
    done = run(graded, "grade", "--student", "bob", "--jobs", "1")
    assert done.exit_code == 0
    for words in ("bob", "0 of 7", "kept · nothing attempted", "1 kept", "report", "gradebook.db"):
        assert words in done.output, words
    assert "ada" not in done.output


@pytest.mark.parametrize("command", ["grade", "feedback", "report", "similar", "export"])
def test_an_assignment_may_be_called_as_its_chapter(graded, command):
    folder = ["--course", str(graded.course.folder)]
    for name in ("1", "01", "transposed_convolution"):
        done = CliRunner().invoke(main, [command, *folder, "--assignment", name], catch_exceptions=False)
        # That an essay is not read yet is worth knowing before an import.
        assert done.exit_code == (command == "export"), done.output
    wrong = CliRunner().invoke(main, [command, *folder, "--assignment", "nosuch"], catch_exceptions=False)
    assert wrong.exit_code == 1
    assert "no chapter is called 'nosuch'; course.toml knows: 00_orientation, 01_" in wrong.output


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


def test_the_first_error_is_told_not_one_of_the_report_after_it(graded, monkeypatch):
    def breaks_off(course, assignment, *, progress, **options):
        progress(1, 2, Result("ada", assignment, "chapter", {}))
        raise CourseError("the server is gone")

    def report(course, assignment):
        raise CourseError("the report cannot be written either")

    monkeypatch.setattr(commands, "grade_all", breaks_off)
    monkeypatch.setattr(commands, "report", report)
    assert run(graded, "grade", "--json").output.strip().splitlines()[-1] == "Error: the server is gone"


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
    assert summary([flagged]) == "1 graded · mean 0.5 of 1 · 1 needs a human · 1 essay to grade"
