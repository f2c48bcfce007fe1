"""A class of cheats and three honest learners, graded in one run; then each attack is looked at alone."""

from __future__ import annotations

import html.parser
import json
import math

import pytest
from nbgrader.api import Gradebook

from autograder.records import read_records
from autograder.report import report

from . import cells, files, messages, notebooks, numbers, processes
from .attack import Attack
from .graded import HONEST, class_of, fingerprints, gains_nothing

ATTACKS: list[Attack] = [
    attack for group in (cells, files, messages, notebooks, numbers, processes) for attack in group.ATTACKS
]


@pytest.fixture(scope="module")
def graded(request, small_class, tmp_path_factory):
    """The class, in it whoever is looked at: with `-k` only some."""
    asked = [item.callspec.params["attack"] for item in request.session.items if _is_of_attack(item)]
    outside, scratch = tmp_path_factory.mktemp("outside"), tmp_path_factory.mktemp("scratch")
    with class_of(small_class, asked or ATTACKS, outside, scratch) as found:
        yield found


def _is_of_attack(item: pytest.Item) -> bool:
    return getattr(item, "originalname", "") == test_an_attack_gains_nothing.__name__


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_an_attack_gains_nothing(graded, attack):
    gains_nothing(graded, attack)


def test_the_honest_keep_their_points(graded):
    assert {student: graded.results[student].points for student in HONEST} == dict.fromkeys(HONEST, 4.0)
    assert [graded.results[student].flags for student in HONEST] == [["essay to grade: why"]] * 3


def test_everybody_has_a_result_and_the_gradebook_says_the_same(graded):
    assert len(graded.results) == len(graded.attacks) + len(HONEST)
    with Gradebook(graded.course.db_url) as gradebook:
        rows = {row["student"]: row["score"] for row in gradebook.submission_dicts(graded.assignment)}
    assert rows == {student: result.points for student, result in graded.results.items()}


def test_no_process_is_left(graded):
    assert graded.left == []


def test_no_scratch_is_left(graded):
    assert graded.scratch == []


def test_originals_are_as_they_were(graded):
    assert fingerprints(graded.course.folder / "submitted") == graded.before


def test_what_a_link_points_to_is_kept(graded):
    assert (graded.places["outside"] / "keep" / "this").read_text() == "kept"


def test_nobody_calls_home(graded):
    if not graded.walled:
        pytest.skip("needs walls: network")
    assert graded.contacts == 0


def test_records_are_plain_json_with_finite_times(graded):
    def refuse(constant: str):
        raise AssertionError(f"{constant} in a record")

    for path in (graded.course.folder / "records" / graded.assignment).glob("*.json"):
        record = json.loads(path.read_text(), parse_constant=refuse)
        times = [record["seconds"], *(verdict["seconds"] for verdict in record["verdicts"].values())]
        assert all(math.isfinite(seconds) and seconds >= 0 for seconds in times), path.stem
    assert len(read_records(graded.course, graded.assignment)) == len(graded.results)


class _Dangerous(html.parser.HTMLParser):
    """Notes elements and attributes that run something."""

    def __init__(self):
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag, attributes):
        if tag in ("script", "iframe", "object", "embed"):
            self.found.append(tag)
        self.found += [
            f"{tag} {name}" for name, value in attributes if name.startswith("on") or "script:" in str(value)
        ]


def dangerous(text: str) -> list[str]:
    parser = _Dangerous()
    parser.feed(text)
    return parser.found


def test_pages_run_nothing_of_a_learners(graded):
    for student in graded.results:
        page = graded.course.feedback(student, graded.assignment) / f"{graded.assignment}.html"
        assert dangerous(page.read_text()) == [], student
        notebook = graded.course.autograded(student, graded.assignment) / f"{graded.assignment}.ipynb"
        for cell in json.loads(notebook.read_text())["cells"]:
            for output in cell.get("outputs", []):
                assert dangerous(str(output.get("data", {}).get("text/html", ""))) == [], student
                assert set(output.get("data", {})) <= {"text/plain", "text/html", "image/png", "image/jpeg"}


def test_pages_and_notebooks_stay_small(graded):
    for kind in ("feedback", "autograded", "records"):
        for path in (graded.course.folder / kind).rglob("*.*"):
            assert not path.is_file() or path.stat().st_size < 2 * 2**20, path


def test_the_class_report_can_still_be_made(graded):
    page = report(graded.course, graded.assignment).read_text()
    assert dangerous(page.replace("<script", "<script", 1)) in ([], ["script"])
    assert "ada" in page


def test_no_attack_holds_up_the_class(graded):
    slowest = max(graded.results.values(), key=lambda result: result.seconds)
    assert slowest.seconds < 45, f"{slowest.student} took {slowest.seconds:.0f} s"


def test_the_corpus_is_large_and_says_what_each_attack_hopes_for():
    names = [attack.name for attack in ATTACKS]
    assert len(names) == len(set(names)) >= 40
    assert all(len(attack.gain) > 15 for attack in ATTACKS)
