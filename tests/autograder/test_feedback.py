"""Feedback pages: what they say, and what they must never let through."""

import re
from dataclasses import replace

import pytest

from autograder.autograded import _Budget as Budget
from autograder.autograded import autograded_notebook, kept_outputs
from autograder.course import CourseError
from autograder.feedback import Titles, feedback, feedback_page
from autograder.grade import grade
from autograder.late import Late
from autograder.mark import Mark
from autograder.pages import code_words
from autograder.record import Essay, Result
from autograder.report import report
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
    written = result(
        found, student=HOSTILE, essays=[essay], flags=[f"file is called {HOSTILE}"], errors=[HOSTILE], file=HOSTILE,
        answers={"paint": f"# {HOSTILE}"},
    )  # fmt: skip
    html = page(written, {"why": Mark(comment=HOSTILE)})
    assert html.count("&lt;script") > 8
    assert "<script" not in html + page(replace(written, problem=HOSTILE))
    assert "javascript:" not in re.sub(r"\(javascript:alert\(1\)\)", "", html)
    assert "<strong>bold</strong>" in html
    assert "https://e.org" not in re.findall(r'src="([^"]*)"', html)


def test_pages_ask_nothing_of_the_network():
    html = page(result(verdict(picture={"expected": [[0.0] * 30] * 30, "yours": [[1.0] * 30] * 30})))
    assert all(source.startswith("data:") for source in re.findall(r'src="([^"]*)"', html))
    assert not re.search(r"@import|<link|url\(", html)


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("## In your own words\n\nWhy?\n\nBecause.", "In your own words"),
        ("Because.", "Which way"),
        ("## <b>mine</b>\n\nBecause.", "&lt;b&gt;mine&lt;/b&gt;"),
    ],
)
def test_an_essay_is_called_as_in_the_notebook(text, title):
    page = feedback_page(result(essays=[Essay("which-way", 2.0, text, True)]), {}, TITLES)
    assert f">{title}</a>" in page


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


def test_errors_of_ours_and_notes_for_teachers_are_not_shown():
    broken = verdict(
        "engine error", message="the check itself failed", detail=["Please report: KeyError (judge.py:7)"]
    )
    flags = [
        "paint: the check itself failed, not the answer: KeyError",
        "NOT GRADED: x",
        "timestamp.txt says 'x'",
    ]
    html = page(result(broken, flags=[*flags, "the test cell of paint was missing: put back"]))
    for words in ("KeyError", "judge.py", "NOT GRADED", "timestamp.txt", "Please report"):
        assert words not in html, words
    assert "Our check failed, not your answer." in html
    assert "the test cell of paint was missing: put back" in html


def test_what_lateness_costs_stands_with_the_points():
    late = Late(
        "late", "2026-10-01T23:59:00+02:00", "2026-10-03T10:00:00+02:00", percent=20.0, why="Two days, 20 %."
    )
    html = page(result(verdict("right", 2.0), late=late))
    assert "<b>1.6</b> of 2 points" in html
    assert "<b>2 earned, −0.4 for lateness.</b> Two days, 20\u00a0%." in html
    assert "handed in 3 October 2026, 10:00 (UTC+2)" in html
    kind = replace(late, percent=0.0, extended=True, why="")
    assert "Your extension ran until 1 October 2026, 23:59 (UTC+2)." in page(
        result(verdict("right", 2.0), late=kind)
    )
    unknown = page(
        result(verdict("right", 2.0), late=Late("time unknown", late.due, why="Nothing says when."))
    )
    assert "Nothing says when." not in unknown


def test_a_notebook_that_cannot_be_read_is_all_that_is_said():
    html = page(result(verdict("crashed"), problem="The file is not a notebook: broken JSON."))
    assert "This notebook could not be graded" in html
    assert "Paint and add" not in html


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


def test_pages_of_a_real_class(small_course):
    small_course.submit(
        "ada", small_course.answered(conv_transpose1d="def conv_transpose1d(*_, **__):\n    return 1")
    )
    grade(small_course.course, small_course.assignment, jobs=1, limits=Limits(cell=2.0))
    (written,) = feedback(small_course.course, small_course.assignment)
    assert "Paint and add in one dimension" in written.read_text()
    assert "Transposed convolution" in report(small_course.course, small_course.assignment).read_text()
