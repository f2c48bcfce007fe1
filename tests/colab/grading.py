"""Grades one notebook of each assignment in the environment that this is called with.

    python grading.py submissions.json results.json

`submissions.json` has the notebooks by the chapter's name. Written are, for each, the kinds of verdict by exercise.
"""

import json
import sys
from pathlib import Path

from autograder.course import Course
from autograder.grade import grade


def kinds(course: Course, chapter: str, notebook: dict) -> dict[str, str]:
    assignment = course.chapter(chapter).folder
    folder = course.submitted("ada", assignment)
    folder.mkdir(parents=True)
    (folder / f"{assignment}.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    (result,) = grade(course, assignment, jobs=1)
    return {name: verdict.kind for name, verdict in result.verdicts.items()}


if __name__ == "__main__":
    root = Path(__file__).resolve().parents[2]
    course = Course.open(folder="course", root=root)
    submissions = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    results = {chapter: kinds(course, chapter, notebook) for chapter, notebook in submissions.items()}
    Path(sys.argv[2]).write_text(json.dumps(results), encoding="utf-8")
