"""The class report: what it tells an instructor, whom it names, and that it stands alone."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from autograder.attention import for_a_human
from autograder.clock import moment, zone
from autograder.feedback import Titles
from autograder.histogram import bins_of, histogram
from autograder.late import Deadlines, Policy
from autograder.mark import Mark
from autograder.record import Essay, Result
from autograder.report import report_page
from dlcv.checking import Verdict

BERLIN = zone("Europe/Berlin")
TITLES = Titles("A course", "A chapter", {"paint": "Paint and add"})
HOSTILE = "<script>alert('x')</script>"


def verdict(kind: str, points: float = 0.0, **more) -> Verdict:
    fields = {"exercise": "paint", "kind": kind, "points": points, "max_points": 2.0, "passed": 1, "total": 3}
    return Verdict(**{**fields, "message": "largest error 3 at (0,)", **more})


def result(student: str, found: Verdict, **more) -> Result:
    fields = {"points": found.points, "digests": {"submission": f"{student:0>8}abcdef"}}
    return Result(student, "hw", "c", {found.exercise: found}, **{**fields, **more})


def a_class() -> list[Result]:
    slip = verdict("slip", 1.0, slip="flipped", diagnosis="You flip `it`.", seconds=0.02)
    return [
        result("ada", verdict("right", 2.0, seconds=0.01)),
        result(
            "bob",
            slip,
            flags=["essay to grade: why"],
            essays=[Essay("why", 1.0, "x", True)],
            answers={"paint": "def paint(x):\n    '''By Bob.'''\n    return x  # bob was here\n"},
        ),
        result(HOSTILE, verdict("not attempted"), flags=["file is called x, not y"], seconds=3.0, digests={}),
        result("dan", verdict("crashed"), answers={"paint": "def paint(x):\n    return ("}),
    ]


def page(results: list[Result] | None = None, marks=None, missing=()) -> str:
    return report_page(results or a_class(), marks or {}, TITLES, missing)


def section(html: str, id: str) -> str:
    """The text of one section, without its tags."""
    (found,) = re.findall(rf'<section class="card" id="{id}">(.*?)</section>', html, re.DOTALL)
    return " ".join(re.sub(r"<[^>]*>", " ", found).split())


def test_the_class_at_a_glance():
    html = page()
    exercises = section(html, "exercises")
    assert "Paint and add" in exercises
    assert "1&nbsp;right · 1&nbsp;known&nbsp;mistake · 1&nbsp;crashed" in exercises
    for words in ("25 %", "0.8 of 2", "15 ms", "20 ms"):
        assert words in exercises, words
    assert "1 answer to the essay question why waits to be read" in section(html, "human")
    assert "../feedback/ada/hw/hw.html" in html


def test_known_mistakes_and_others_are_counted_among_those_who_tried():
    mistakes = section(page(), "mistakes")
    assert "flipped in Paint and add You flip it ." in mistakes
    assert re.search(r"1 33 % .* no known mistake explains .* crashed in Paint and add .* 1 33 %", mistakes)


def test_examples_of_mistakes_name_nobody():
    mistakes = section(page(), "mistakes")
    assert "00000bob" in mistakes  # the beginning of the fingerprint, of this test's making
    assert "def paint" in mistakes
    for words in ("By Bob", "bob was here"):
        assert words not in mistakes


def test_points_of_humans_and_of_lateness_are_counted():
    marks = {"ada": {"test-paint": Mark(2.0, 2.0), "why": Mark(3.0, None, 2.5)}}
    assert "4.5" in section(page(marks=marks), "everybody")
    late = Deadlines(moment("2026-10-01T23:59", BERLIN), Policy(per_day=10), {}, BERLIN)
    results = a_class()
    results[0].late = late.lateness("ada", "2026-10-03 10:00:00 UTC")
    results[1].late = late.lateness("bob", None)
    results[3].late = late.lateness("dan", "no time")
    html = page(results, marks)
    told = section(html, "late")
    assert (
        "Due 1 October 2026, 23:59 (UTC+2). 1 late, 2 time unknown. 0.9 points were taken off in all." in told
    )
    assert "ada 3 October 2026, 12:00 (UTC+2)" in told
    assert "20 % of your points are taken off. 0.9 of 4.5" in told
    assert "3.6 late −0.9" in section(html, "everybody")
    assert "timestamp.txt says &#39;no time&#39;" in section(html, "human")


def test_without_due_dates_nothing_is_said_of_lateness():
    assert 'id="late"' not in page()


def test_who_handed_in_and_is_not_graded_is_named():
    assert "Not graded yet: zoe, zed." in section(page(missing=["zoe", "zed"]), "human").replace(" :", ":")


def test_everything_that_a_learner_wrote_is_escaped():
    html = page()
    assert "<script" not in html
    assert "&lt;script&gt;" in html


class Checker(HTMLParser):
    """Collects what an accessible page that stands alone must not have."""

    def __init__(self, html: str):
        super().__init__()
        self.wrong, self.tables, self.headed, self.open_details = [], 0, 0, 0
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        for key in ("src", "href", "data", "action"):
            if found.get(key, "").startswith(("http:", "https:", "//")):
                self.wrong.append(f"asks for {found[key]}")
        if tag in ("link", "script", "iframe", "object"):
            self.wrong.append(f"has a {tag}")
        if tag == "th" and not found.get("scope"):
            self.wrong.append("a header without scope")
        if tag == "svg" and not (found.get("role") == "img" and found.get("aria-label")):
            self.wrong.append("a picture without words")
        if tag == "img" and not found.get("alt"):
            self.wrong.append("an image without words")
        self.tables += tag == "table"
        self.headed += tag == "thead"


def test_the_page_stands_alone_and_can_be_read_aloud():
    html = page()
    checked = Checker(html)
    assert checked.wrong == []
    assert checked.tables == checked.headed > 3
    assert "@import" not in html and "url(" not in html
    assert '<html lang="en">' in html
    # Signs have words, so that colour and shape are not all there is.
    assert re.search(r'role="img" aria-label="flipped"', html)


# Who needs a human


@pytest.mark.parametrize(
    ("flag", "title"),
    [
        ("NOT GRADED, the grader itself failed: x", "Not graded"),
        ("paint: the check itself failed, not the answer: x", "Not graded"),
        ("not graded anew, although something has changed since: paint; points are x", "Not graded"),
        ("The file is not a notebook: broken JSON.", "Cannot be read"),
        ("paint uses what the exercise forbids: torch.add", "Forbidden calls"),
        ("the notebook steps around the check: sys.setprofile, line 3 of cell 5", "Around the check"),
        ("the notebook wrote into the channel that the grader listens to", "Around the check"),
        ("cell 3 was left out: still running after 60 seconds", "Stopped or left out"),
        ("it crashed (segmentation fault); exercises below that were not tried", "Stopped or left out"),
        ("timestamp.txt says 'x', which is no time: not counted as late", "Time of handing in"),
        ("the test cell of paint had been edited: graded with ours", "Changed notebooks"),
        ("file is called a.ipynb, not b.ipynb", "Files and outputs"),
        ("something new", "Other remarks"),
    ],
)
def test_flags_of_one_kind_stand_together(flag, title):
    (reason,) = for_a_human([result("ada", verdict("right"), flags=["essay to grade: why", flag])])
    assert (reason.title, reason.students) == (title, {"ada": [flag]})


def test_the_pressing_kinds_come_first():
    flags = ["file is called a, not b", "paint uses what the exercise forbids: x", "NOT GRADED, x"]
    found = for_a_human([result("ada", verdict("right"), flags=flags)])
    assert [reason.title for reason in found] == ["Not graded", "Forbidden calls", "Files and outputs"]


# The distribution


@pytest.mark.parametrize(
    ("whole", "count"), [(0, 2), (2, 4), (7, 14), (10, 10), (24, 12), (100, 10), (13.5, 14)]
)
def test_bins_are_few_and_round(whole, count):
    bins = bins_of([], whole)
    assert len(bins) == count
    assert bins[0][0] == 0 and bins[-1][1] == (whole or 1)


def test_every_score_is_in_one_bin():
    scores = [0, 0.999, 1, 9.99, 10, 12, -1]
    bins = bins_of(scores, 10)
    assert sum(count for *_, count in bins) == len(scores)
    assert [bins[0][2], bins[1][2], bins[-1][2]] == [3, 1, 3]


def test_a_histogram_of_anything():
    assert "No scores" in histogram([], 10)
    svg = histogram([0, 5, 10, 12, -1], 10)
    assert re.findall(r'class="count">(\d+)<', svg) == ["2", "1", "2"]
    assert "mean 5.2" in svg
    assert "0 to 1 points: 2; 5 to 6 points: 1; 9 to 10 points: 2." in svg
    assert "NaN" not in histogram([0.0], 0.0)
