"""Feedback pages and the class report: what they say, and what they must never let through."""

import re

import pytest

from autograder.autograded import _Budget as Budget
from autograder.autograded import autograded_notebook, kept_outputs
from autograder.course import CourseError
from autograder.feedback import Titles, feedback, feedback_page
from autograder.grade import grade
from autograder.gradebook import Mark
from autograder.pages import code_words
from autograder.record import Essay, Result
from autograder.report import histogram, report, report_page
from autograder.restore import restore
from autograder.sandbox import Limits
from dlcv.checking import Verdict

TITLES = Titles("A course", "A chapter", {"paint": "Paint and add"})
HOSTILE = "<script>alert('x')</script>"


def verdict(kind="wrong values", points=0.0, **more):
    fields = {"exercise": "paint", "kind": kind, "points": points, "max_points": 2.0, "passed": 1, "total": 3}
    return Verdict(**{**fields, "message": "largest error 3 at (0,)", **more})


def result(*verdicts, **more):
    fields = {
        "student": "ada",
        "assignment": "hw",
        "chapter": "c",
        "verdicts": {v.exercise: v for v in verdicts},
    }
    return Result(**{**fields, **more})


def page(found, marks=None):
    return feedback_page(found, marks or {}, TITLES)


# feedback


def test_a_wrong_answer_says_why_and_what_next():
    found = verdict(
        kind="slip", slip="flipped", diagnosis="You flip `weight`.", hint="Do not.", case="a small case",
        marks=[("small", True), ("large", False)], detail=["line 2 of your cell: y = 3"],
        picture={"expected": [[1.0, 2.0]], "yours": [[2.0, 1.0]]},
    )  # fmt: skip
    html = page(result(found, answers={"paint": "def paint(x):\n    y = 3\n"}))
    for words in ("Paint and add", "wrong answer", "1 of 3 cases", "a small case", "largest error 3 at (0,)"):
        assert words in html
    assert "You flip <code>weight</code>." in html
    assert "Do not." in html
    assert "yours − expected" in html
    assert re.search(r'class="hll".*y.*3', html)


def test_a_right_answer_is_not_talked_about():
    html = page(result(verdict("right", 2.0, message="all 3 cases", marks=[("small", True)])))
    assert "<b>2</b> of 2 points" in html
    assert "All 1 cases" not in html


def test_everything_of_the_learners_is_escaped():
    found = verdict(
        message=HOSTILE, detail=[HOSTILE], case=HOSTILE, diagnosis=HOSTILE, marks=[(HOSTILE, False)]
    )
    essay = Essay(
        "why", 2.0, f"{HOSTILE}\n\n**bold** [x](javascript:alert(1)) ![y](https://e.org/y.png)", True
    )
    html = page(
        result(
            found, student=HOSTILE, essays=[essay], flags=[HOSTILE], errors=[HOSTILE], problem=HOSTILE, file=HOSTILE,
            answers={"paint": f"# {HOSTILE}"},
        ),
        {"why": Mark(comment=HOSTILE)},
    )  # fmt: skip
    assert "<script" not in html
    assert "javascript:" not in re.sub(r"\(javascript:alert\(1\)\)", "", html)
    assert "<strong>bold</strong>" in html
    assert "https://e.org" not in re.findall(r'src="([^"]*)"', html)


def test_pages_ask_nothing_of_the_network():
    html = page(result(verdict(picture={"expected": [[0.0] * 30] * 30, "yours": [[1.0] * 30] * 30})))
    assert all(source.startswith("data:") for source in re.findall(r'src="([^"]*)"', html))
    assert not re.search(r"@import|<link|url\(", html)


def test_an_essay_waits_and_then_shows_what_a_human_gave():
    waiting = result(essays=[Essay("why", 2.0, "Because.", True)])
    assert "2 not graded yet" in page(waiting)
    html = page(waiting, {"why": Mark(2.0, None, 1.5, None, False, "Good.")})
    assert "not graded yet" not in html
    assert "<b>1.5</b> of 2 points" in html
    assert "Good." in html


def test_points_that_a_human_set_are_shown_with_the_checks():
    html = page(
        result(verdict()), {"test-paint": Mark(2.0, 0.0, 1.0, None, False), "paint": Mark(comment="Close!")}
    )
    assert "A person set these points; the check gave 0." in html
    assert "Close!" in html


def test_code_words():
    assert code_words("a `b<` c") == "a <code>b&lt;</code> c"
    assert code_words("a single ` tick") == "a single ` tick"


def test_feedback_needs_grades(small_course):
    with pytest.raises(CourseError, match="nothing of hw has been graded yet"):
        feedback(small_course.course, "hw")
    with pytest.raises(CourseError, match="nothing of hw has been graded yet"):
        report(small_course.course, "hw")


# outputs of the learner's that are kept


def output(**data):
    return {
        "output_type": "display_data",
        "data": {key.replace("__", "/"): value for key, value in data.items()},
    }


def test_text_and_pictures_are_kept_and_active_content_is_not():
    outputs = [
        {"output_type": "stream", "name": "stderr", "text": ["a\n", "b"]},
        {"output_type": "error", "traceback": ["line 1", 3]},
        output(text__html="<script>", text__plain="plain", image__png="aGVsbG8="),
        output(**{"application/javascript": "alert(1)"}),
        output(image__png="<svg onload=alert(1)>"),
        {"output_type": "execute_result", "data": "no"},
        {"output_type": "update_display_data"},
    ]
    kept = kept_outputs(outputs, Budget())
    assert [item["output_type"] for item in kept] == ["stream", "stream", "display_data"]
    assert kept[0]["name"] == "stdout"
    assert kept[2]["data"] == {"image/png": "aGVsbG8=", "text/plain": "plain"}


def test_a_notebook_has_room_for_so_much(monkeypatch, small_course):
    monkeypatch.setattr("autograder.autograded.LARGEST_NOTEBOOK", 50_000)
    budget = Budget()
    long = [{"output_type": "stream", "name": "stdout", "text": "x" * 100_000}] * 4
    kept = kept_outputs(long, budget)
    assert len(kept) == 2
    assert "characters left out" in kept[0]["text"]
    notebook, flags = autograded_notebook(restore([], small_course.release), small_course.release, {})
    assert flags == []
    assert len({cell["id"] for cell in notebook["cells"]}) == len(notebook["cells"])


# the report


def class_of_three():
    slip = verdict("slip", 1.0, slip="flipped", diagnosis="You flip it.", seconds=0.02)
    return [
        result(verdict("right", 2.0, seconds=0.01), student="ada", points=2.0),
        result(
            slip,
            student="bob",
            points=1.0,
            flags=["essay to grade: why"],
            essays=[Essay("why", 1.0, "x", True)],
        ),
        result(verdict("not attempted"), student=HOSTILE, flags=["file is called x, not y"], seconds=3.0),
    ]


def test_the_report_tells_the_class_at_a_glance():
    html = report_page(class_of_three(), {}, TITLES)
    for words in ("33 %", "flipped", "You flip it.", "1.0 of 2", "15 ms", "file is called x, not y"):
        assert words in html, words
    assert "1 answers to the essay question" in html
    assert "<script" not in html
    assert "../feedback/ada/hw/hw.html" in html


def test_the_report_counts_what_humans_gave():
    marks = {"ada": {"test-paint": Mark(2.0, 2.0), "why": Mark(3.0, None, 2.5)}}
    assert "4.5" in report_page(class_of_three(), marks, TITLES)


def test_a_histogram_of_anything():
    assert histogram([], 10).count("<rect") == 12
    svg = histogram([0, 5, 10, 12, -1], 10)
    assert re.findall(r'class="count">(\d+)<', svg) == ["2", "1", "2"]
    assert "mean 5.2" in svg
    assert "NaN" not in histogram([0.0], 0.0)


def test_pages_of_a_real_class(small_course):
    small_course.submit(
        "ada", small_course.answered(conv_transpose1d="def conv_transpose1d(*_, **__):\n    return 1")
    )
    grade(small_course.course, small_course.assignment, jobs=1, limits=Limits(cell=2.0))
    (written,) = feedback(small_course.course, small_course.assignment)
    assert "Paint and add in one dimension" in written.read_text()
    assert "Transposed convolution" in report(small_course.course, small_course.assignment).read_text()
