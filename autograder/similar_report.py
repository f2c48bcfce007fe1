"""The page of answers that resemble each other: what is compared with what, and how it is told.

It is for the people who teach. It shows likeness and accuses nobody.
"""

from __future__ import annotations

import inspect
import re
import textwrap
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import combinations, product
from pathlib import Path

from .build import source_notebook
from .course import Course
from .feedback import Titles
from .grade import release_path
from .pages import code_css, highlighted, templates
from .record import Result
from .records import read_records
from .release import Release, read_release
from .similar import AT_LEAST, Answer, Likeness, Pair, likeness
from .writing import write

__all__ = ["compare_class", "similar", "similar_page", "similar_path"]

MOST_SHOWN = 60  # pairs of one exercise with their code
MOST_PEOPLE = 40
_FENCED = re.compile(r"^```(?:python|py)?[ \t]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
_MARKER = re.compile(r"^\s*### (BEGIN|END) SOLUTION.*\n?", re.MULTILINE)


def similar(course: Course, assignment: str, at_least: float = AT_LEAST) -> tuple[Path, list[Likeness]]:
    """Compare the graded answers of an assignment and write the page; return its path and what was found.

    Raises `CourseError` where nothing has been graded yet.
    """
    results = read_records(course, assignment)
    found = compare_class(course, assignment, results, at_least)
    page = similar_page(found, Titles.of(course, results[0].chapter), assignment, at_least)
    return write(similar_path(course, assignment), page), found


def similar_path(course: Course, assignment: str) -> Path:
    return course.folder / "report" / f"{assignment}-similar.html"


def compare_class(
    course: Course, assignment: str, results: Sequence[Result], at_least: float = AT_LEAST
) -> list[Likeness]:
    """What resembles what, exercise by exercise, in the order of the notebook.

    Derivations are left out: whoever derives a formula rightly writes the lines that everybody writes.
    """
    from dlcv.checking import load_exercises

    course.make_importable()
    release = read_release(release_path(course, assignment))
    exercises = load_exercises(release.chapter)
    solutions = _solutions(course, release)
    given = given_code(release)
    found = []
    for name, slot in release.tests.items():
        if exercises[name].kind == "derivation":
            continue
        answers = {result.student: result.answers.get(name, "") for result in results}
        attempted = {student: text for student, text in answers.items() if text and text not in given}
        own = [reference_source(exercises[name].reference), solutions.get(slot.exercise, "")]
        found.append(likeness(name, attempted, given, filter(None, own), at_least))
    return found


def given_code(release: Release) -> list[str]:
    """All code that learners were given: the cells with their stubs, and what the prose shows."""
    code = []
    for slot in release.slots:
        code += [slot.source] if slot.kind == "code" else _FENCED.findall(slot.source)
    return code


def _solutions(course: Course, release: Release) -> dict[str, str]:
    """The answer that the chapter's source holds for each exercise."""
    chapter = course.chapter(release.assignment)
    if not course.solution(chapter).is_file():
        return {}
    cells = source_notebook(course, chapter, allow_missing_figures=True).cells
    return {
        cell.metadata.dlcv["name"]: _MARKER.sub("", cell.source)
        for cell in cells
        if cell.metadata.get("dlcv", {}).get("role") == "solution"
    }


def reference_source(reference: object) -> str:
    """The text of a reference and of what it calls in its own chapter; empty where there is none."""
    wanted, seen = [inspect.unwrap(reference)], []
    while wanted:
        thing = wanted.pop()
        if thing in seen or not (inspect.isfunction(thing) or inspect.isclass(thing)):
            continue
        seen.append(thing)
        functions = [thing] if inspect.isfunction(thing) else filter(inspect.isfunction, vars(thing).values())
        package = thing.__module__.rpartition(".")[0]
        for function in functions:
            called = (function.__globals__.get(name) for name in function.__code__.co_names)
            wanted += [
                other
                for other in called
                if package and getattr(other, "__module__", "").startswith(f"{package}.")
            ]
    texts = []
    for thing in seen:
        try:
            texts.append(textwrap.dedent(inspect.getsource(thing)))
        except (OSError, TypeError):  # made at run time
            continue
    return "\n\n".join(texts)


# The page


@dataclass
class Together:
    """Two people whose answers to some exercises are alike."""

    people: tuple[str, str]
    exercises: dict[str, float] = field(default_factory=dict)  # and the share in common
    words: int = 0


def similar_page(found: Sequence[Likeness], titles: Titles, assignment: str, at_least: float) -> str:
    """Return the page as one string of HTML."""
    together = pairs_of_people(found)
    return (
        templates()
        .get_template("similar.html.j2")
        .render(
            course=titles.course,
            title=titles.chapter,
            assignment=assignment,
            titles=titles.exercises,
            at_least=at_least,
            found=[_shown(exercise) for exercise in found],
            together=together[:MOST_PEOPLE],
            left_out=len(together[MOST_PEOPLE:]),
            answers=sum(exercise.answers for exercise in found),
            pairs=sum(len(exercise.pairs) for exercise in found),
            groups=sum(len(exercise.groups) for exercise in found),
            people=len({name for pair in together for name in pair.people}),
            unread=sum(exercise.unread for exercise in found),
            code_css=code_css(),
        )
    )


def pairs_of_people(found: Iterable[Likeness]) -> list[Together]:
    """Who has alike answers with whom, those with most exercises first."""
    pairs: dict[tuple[str, str], Together] = {}

    def add(one: str, other: str, exercise: str, share: float, words: int) -> None:
        people = (min(one, other), max(one, other))
        together = pairs.setdefault(people, Together(people))
        together.exercises[exercise] = share
        together.words += words

    for exercise in found:
        for pair in exercise.pairs:
            if not pair.with_course:
                for one, other in product(pair.one.people, pair.other.people):
                    add(one, other, exercise.exercise, pair.share, pair.words)
        for group in exercise.groups:
            for one, other in combinations(group.people, 2):
                add(one, other, exercise.exercise, 1.0, len(group.normal))
    return sorted(pairs.values(), key=lambda pair: (-len(pair.exercises), -pair.words, pair.people))


def _shown(exercise: Likeness) -> dict:
    people = [pair for pair in exercise.pairs if not pair.with_course]
    course = [pair for pair in exercise.pairs if pair.with_course]
    return {
        "name": exercise.exercise,
        "answers": exercise.answers,
        "pairs": [_pair(pair) for pair in people[:MOST_SHOWN]],
        "course": [_pair(pair) for pair in course[:MOST_SHOWN]],
        "left_out": len(people[MOST_SHOWN:]) + len(course[MOST_SHOWN:]),
        "groups": [_group(group) for group in exercise.groups[:MOST_SHOWN]],
        "common": [_group(group) for group in exercise.common],
    }


def _pair(pair: Pair) -> dict:
    same, all_ = pair.names
    sides = zip((pair.one, pair.other), pair.lines, strict=True)
    return {
        "people": [_people(pair.one), _people(pair.other)],
        "share": pair.share,
        "words": pair.words,
        "names": f"{same} of {all_} names the same",
        "sides": [
            (_people(answer), highlighted(answer.normal.source, lines), answer.normal.text)
            for answer, lines in sides
        ],
    }


def _group(answer: Answer) -> dict:
    wordings: dict[str, list[str]] = defaultdict(list)
    for student, normal in zip(answer.people, answer.normals, strict=True):
        wordings[normal.source.strip()].append(student)
    return {
        "people": list(answer.people),
        "wordings": len(wordings),
        "sides": [(", ".join(people), highlighted(text)) for text, people in list(wordings.items())[:2]],
        "normal": answer.normal.text,
    }


def _people(answer: Answer) -> str:
    return ", ".join(answer.people)
