"""Answers that resemble each other are found however they are disguised; honest ones are not listed."""

from __future__ import annotations

import importlib.util
import inspect
import json
import random
import textwrap
from collections import defaultdict
from itertools import combinations
from pathlib import Path

import pytest
from click.testing import CliRunner

from autograder import similar_report
from autograder.cli import main
from autograder.feedback import Titles
from autograder.normalise import normalise
from autograder.record import Result, record_path
from autograder.similar import GRAM, WINDOW, fingerprints, likeness
from autograder.similar_report import given_code, pairs_of_people, reference_source, similar_page
from autograder.writing import write
from dlcv.checking import load_exercises

ROOT = Path(__file__).resolve().parents[2]
ANSWER = '''\
def matrix(weight, shape, stride=1, padding=0):
    """Rows are outputs."""
    height, width = shape
    rows = (height + 2 * padding - weight.shape[0]) // stride + 1
    columns = (width + 2 * padding - weight.shape[1]) // stride + 1
    wide = torch.zeros(rows, columns, height + 2 * padding, width + 2 * padding)
    for o in range(rows):
        for p in range(columns):
            wide[o, p, o * stride : o * stride + weight.shape[0], p * stride : p * stride + weight.shape[1]] = weight
    inner = wide[:, :, padding : padding + height, padding : padding + width]
    return inner.reshape(rows * columns, height * width)
'''
RENAMED = (
    ANSWER.replace("rows", "n_out").replace("columns", "m").replace("wide", "big").replace("inner", "cut")
    .replace('"""Rows are outputs."""', "# my own idea").replace("height", "H").replace("width", "W")
)  # fmt: skip
REORDERED = """\
def matrix(weight, shape, stride=1, padding=0):
    height, width = shape
    columns = (width + 2 * padding - weight.shape[1]) // stride + 1
    rows = (height + 2 * padding - weight.shape[0]) // stride + 1
    wide = torch.zeros(rows, columns, height + 2 * padding, width + 2 * padding)
    for p in range(columns):
        for o in range(rows):
            wide[o, p, o * stride : o * stride + weight.shape[0], p * stride : p * stride + weight.shape[1]] = weight
    inner = wide[:, :, padding : padding + height, padding : padding + width]
    return inner.reshape(rows * columns, height * width)
"""
HELPER = """\
def count(size, kernel, stride, padding):
    return (size + 2 * padding - kernel) // stride + 1


def placed(weight, rows, columns, height, width, stride, padding):
    wide = torch.zeros(rows, columns, height + 2 * padding, width + 2 * padding)
    for o in range(rows):
        for p in range(columns):
            wide[o, p, o * stride : o * stride + weight.shape[0], p * stride : p * stride + weight.shape[1]] = weight
    return wide


def matrix(weight, shape, stride=1, padding=0):
    height, width = shape
    rows = count(height, weight.shape[0], stride, padding)
    columns = count(width, weight.shape[1], stride, padding)
    wide = placed(weight, rows, columns, height, width, stride, padding)
    inner = wide[:, :, padding : padding + height, padding : padding + width]
    return inner.reshape(rows * columns, height * width)
"""
ANOTHER = """\
def matrix(weight, shape, stride=1, padding=0):
    units = torch.eye(shape[0] * shape[1]).reshape(-1, 1, *shape)
    seen = torch.nn.functional.conv2d(units, weight[None, None], stride=stride, padding=padding)
    return seen.flatten(1).T
"""


def found(*answers: str, **more):
    return likeness("matrix", {f"student {number}": text for number, text in enumerate(answers)}, **more)


# disguises


@pytest.mark.parametrize("disguised", [RENAMED, REORDERED, HELPER], ids=["renamed", "reordered", "helper"])
def test_a_disguised_copy_is_listed(disguised):
    told = found(ANSWER, disguised, ANOTHER)
    listed = [(pair.one.people, pair.other.people) for pair in told.pairs] + [
        group.people for group in told.groups
    ]
    assert listed in (
        [(("student 0",), ("student 1",))],  # alike
        [("student 0", "student 1")],  # equal but for wording
    )


def test_equal_answers_are_one_group_whatever_their_wording():
    told = found(ANSWER, RENAMED, ANSWER, ANOTHER)
    assert [group.people for group in told.groups] == [("student 0", "student 1", "student 2")]
    assert told.pairs == []


def test_a_pair_says_how_much_and_where():
    told = found(ANSWER, HELPER)
    (pair,) = told.pairs
    assert 0.7 <= pair.share < 1
    assert 40 <= pair.words <= len(normalise(ANSWER))
    assert {6, 7, 8, 9, 10, 11} <= pair.lines[0]  # the plane, the loops and the cut
    assert 2 not in pair.lines[0]  # a docstring
    assert pair.lines[1] >= {6, 7, 8, 9, 18, 19}
    assert pair.names[0] > 8  # as in: chose the same names
    (renamed,) = found(RENAMED, HELPER).pairs
    assert renamed.names[0] < pair.names[0]


def test_different_answers_are_not_listed():
    told = found(ANSWER, ANOTHER)
    assert (told.pairs, told.groups) == ([], [])


# what everybody has


def test_code_that_was_given_out_does_not_count():
    given = ANSWER.replace("return inner", "raise NotImplementedError")
    one, other = ANSWER, ANSWER.replace("reshape(rows * columns, height * width)", "flatten(2).flatten(0, 1)")
    assert found(one, other).pairs
    assert not found(one, other, given=[given]).pairs


def test_what_the_courses_own_answer_explains_is_told_with_it():
    told = found(RENAMED, HELPER, ANOTHER, course=[ANSWER])
    assert all(pair.with_course for pair in told.pairs)
    assert [pair.other.people for pair in told.pairs] == [("student 0",)]
    assert told.groups == []


def test_a_copy_of_the_reference_is_listed_with_the_course():
    exercise = load_exercises("roi_align")["roi_align"]
    source = reference_source(exercise.reference)
    assert "def roi_align" in source
    assert source.count("def ") > 1  # what it calls, too
    disguised = "\n".join(f"{line}  # mine" if line.endswith(")") else line for line in source.splitlines())
    (pair,) = found(disguised, ANSWER, course=[source]).pairs
    assert pair.with_course and pair.share == 1.0


def test_a_short_answer_that_must_look_alike_is_not_listed():
    short = "def size(n, k, s=1, p=0):\n    return (n - 1) * s - 2 * p + k\n"
    told = found(*[short.replace("k", name) for name in "kabc"])
    assert (told.pairs, told.groups, told.common) == ([], [], [])


def test_a_form_that_many_chose_is_no_sign():
    crowd = [ANSWER.replace("inner", f"inner{number}") for number in range(12)]
    near = ANSWER.replace("o * stride", "stride * o").replace("* width)", "* width).clone()")
    told = found(*crowd, near, REORDERED.replace("range(rows)", "reversed(range(rows))"))
    assert [len(group.people) for group in told.common] == [12]
    assert (told.pairs, told.groups) == ([], [])


def test_what_is_no_python_is_counted():
    told = found(ANSWER, "def f(:", "")
    assert (told.answers, told.unread, told.pairs) == (3, 1, [])


@pytest.mark.parametrize("share", [0, -1, 1.5])
def test_a_share_is_between_nothing_and_all(share):
    with pytest.raises(ValueError, match=f"above 0 and at most 1; got {share}"):
        found(ANSWER, at_least=share)


# honest answers: the ways to be right that the chapters' own tests hold


def right_programs(chapter: str) -> dict[str, dict[str, str]]:
    """For each exercise the programs, by name, that the chapter's tests call right."""
    spec = importlib.util.spec_from_file_location(
        f"right_{chapter}", ROOT / "tests" / chapter / "test_exercises.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    programs = defaultdict(dict)
    for name, test in vars(module).items():
        for mark in getattr(test, "pytestmark", []) if name.startswith("test_") and "right" in name else []:
            if mark.name != "parametrize" or len(mark.args[0]) != 2:
                continue
            for case in mark.args[1]:
                exercise, program = getattr(case, "values", case)
                programs[exercise][program.__name__] = textwrap.dedent(inspect.getsource(program))
    return programs


@pytest.mark.parametrize(
    "chapter", ["transposed_convolution", "upsampling", "dilated_convolution", "roi_align", "metrics"]
)
def test_honest_ways_to_be_right_are_not_listed(chapter):
    programs, compared = right_programs(chapter), 0
    for exercise, ways in programs.items():
        if load_exercises(chapter)[exercise].kind == "derivation":
            continue  # left out by `compare_class`, too
        # The first of several is often the model answer's own text; what is tried here are different ways.
        source = reference_source(load_exercises(chapter)[exercise].reference)
        told = likeness(exercise, ways, course=[source])
        assert [(pair.one.people, pair.other.people, pair.share) for pair in told.pairs] == []
        assert told.groups == []
        compared += len(list(combinations(ways, 2))) + len(ways)
    assert compared >= 8


# fingerprints


def test_winnowing_keeps_what_two_texts_share():
    """Its guarantee: texts that share a run of GRAM + WINDOW - 1 words within a statement share a fingerprint."""
    draw = random.Random(0)
    for _ in range(50):
        shared = " + ".join(f"torch.f{draw.randrange(9)}(a)" for _ in range(GRAM + WINDOW))
        one, other = (f"x = ({shared}) - torch.g{draw.randrange(99)}(b)" for _ in range(2))
        assert fingerprints(normalise(one)) & fingerprints(normalise(other))


def test_winnowing_keeps_fewer_than_there_are():
    normal = normalise(ANSWER)
    runs = sum(max(1, len(statement.words) - GRAM + 1) for statement in normal.statements)
    assert 0 < len(fingerprints(normal)) < 0.7 * runs


# two thousand


def honest_program(draw: random.Random) -> str:
    """A program of four to eight statements, like no other."""
    functions = [
        "zeros",
        "arange",
        "stack",
        "cat",
        "ones",
        "einsum",
        "where",
        "outer",
        "roll",
        "flip",
        "diff",
        "cumsum",
        "kron",
        "norm",
    ]

    def expression(depth: int = 0) -> str:
        kind = draw.random()
        if depth > 2 or kind < 0.25:
            return draw.choice(["x", "w", "out", "h", "n", "k"])
        if kind < 0.6:
            return f"({expression(depth + 1)} {draw.choice('+-*/')} {expression(depth + 1)})"
        return f"torch.{draw.choice(functions)}({expression(depth + 1)}, {expression(depth + 1)})"

    lines = ["def answer(x, w, k=1):", "    out = h = n = x"]
    lines += [f"    {draw.choice(['out', 'h', 'n'])} = {expression()}" for _ in range(draw.randrange(4, 9))]
    return "\n".join([*lines, "    return out"])


def test_two_thousand_answers_need_few_comparisons():
    """Copies are found, and far fewer pairs are compared than there are."""
    draw = random.Random(7)
    answers = {f"s{number:04}": honest_program(draw) for number in range(2000)}
    # Half of the class writes the natural answer with one line of its own.
    natural = honest_program(draw).split("\n")
    for number in range(1000):
        lines = list(natural)
        lines.insert(draw.randrange(2, len(lines) - 1), honest_program(draw).split("\n")[3])
        answers[f"s{number:04}"] = "\n".join(lines)
    copied = {}
    for number in range(1990, 2000):
        text = answers[f"s{number}"]
        lines = text.replace("out", "result").split("\n")
        lines.insert(3, "    unused = torch.rand(3)")
        copied[f"copy of s{number}"] = "\n".join(lines)
    told = likeness("answer", {**answers, **copied})
    long = {name for name in copied if len(normalise(copied[name])) > 100}
    pairs = {pair.people for pair in pairs_of_people([told])}
    assert len(long) >= 5
    assert {tuple(sorted((name, name.removeprefix("copy of ")))) for name in long} <= pairs
    assert all(one.removeprefix("copy of ") == other.removeprefix("copy of ") for one, other in pairs)
    assert told.compared < 10 * len(answers)  # of two million pairs


# the page


@pytest.fixture(scope="module")
def course(small_class):
    """Five graded records; nobody's code is run for them."""
    answers = {
        "ada": dict(conv_transpose1d=ANSWER, output_size="def output_size(size): return size"),
        "bob": dict(conv_transpose1d=HELPER, output_size="def output_size(size): return size"),
        "cat": dict(conv_transpose1d=RENAMED),
        "dan": dict(conv_transpose1d=ANOTHER),
        "<i>eve": dict(conv_transpose1d="def f(:"),
    }
    for student, texts in answers.items():
        result = Result(student, small_class.assignment, "transposed_convolution", {}, answers=texts)
        write(record_path(small_class.course, small_class.assignment, student), result.to_json())
    return small_class


def run(course, *options: str):
    folder = ["--course", str(course.course.folder), "--assignment", course.assignment]
    return CliRunner().invoke(main, ["similar", *folder, *options], catch_exceptions=False)


def test_the_command_says_how_many_and_where(course):
    done = run(course)
    assert done.exit_code == 0
    assert "7 answers compared · 1 pairs alike · 1 groups of equal answers" in done.output
    assert "likeness proves nothing" in done.output
    assert done.output.strip().endswith("-similar.html")
    listed = [json.loads(line) for line in run(course, "--json").output.splitlines()]
    assert [entry["people"] for entry in listed] == [[["ada", "cat"], ["bob"]], [["ada", "cat"]]]
    assert run(course, "--at-least", "100", "--json").output.count("\n") == 1  # the equal ones


def test_the_page_shows_both_and_accuses_nobody(course):
    run(course)
    html = similar_report.similar_path(course.course, course.assignment).read_text()
    for words in ("ada", "bob", "cat", "Likeness", "proves nothing", "Read both answers"):
        assert words.lower() in html.lower(), words
    lowered = html.lower()
    for word in ("cheat", "plagiar", "guilty", "suspect", "fraud", "offend"):
        assert word not in lowered
    assert 'class="hll"' in html  # lines that are alike
    assert "count name" not in html and "def name (" in html  # as compared
    assert "<i>eve" not in html
    assert "1 answers are no valid Python" in html
    assert not any(mark in html for mark in ("<script", "http://", "https://", "@import"))


def test_an_empty_page(course):
    told = likeness("paint", {"ada": ANSWER, "dan": ANOTHER})
    html = similar_page([told], Titles("A course", "A chapter", {}), "hw", 0.7)
    assert "Nobody's answers are listed." in html or "Nobody&#39;s answers are listed." in html


def test_without_grades_there_is_nothing_to_compare(small_course):
    done = run(small_course)
    assert done.exit_code == 1
    assert "has been graded yet" in done.output


def test_stub_and_prose_are_given(small_course):
    code = given_code(small_course.release)
    assert any("def output_size" in text and "NotImplementedError" in text for text in code)
