"""What nbgrader's exchange wants beside a feedback page: with it, `nbgrader release_feedback` finds whose page it is.

`nbgrader collect` brings both files along with a submission, `nbgrader generate_feedback` copies them to its pages.
"""

from __future__ import annotations

import secrets

from .course import Course
from .writing import write

__all__ = ["BESIDE", "let_through", "put_beside"]

BESIDE = ("timestamp.txt", "submission_secret.txt")
LARGEST = 1000  # bytes: both are one line


def put_beside(course: Course, student: str, assignment: str) -> None:
    """Copy these files from the submission to its feedback page, those that are there; links are left alone."""
    for name in BESIDE:
        path = course.submitted(student, assignment) / name
        if path.is_file() and not path.is_symlink() and path.stat().st_size <= LARGEST:
            write(course.feedback(student, assignment) / name, path.read_bytes())


def let_through(course: Course, assignment: str) -> None:
    """Where some of a class came by the exchange, give the others' pages what it asks for, too.

    `nbgrader release_feedback` stops at the first page without it, and nobody after that one gets a page. A secret made
    up here lets nobody fetch anything; it is replaced when that student hands in through the exchange.
    """
    time, secret = BESIDE
    folders = [page.parent for page in (course.folder / "feedback").glob(f"*/{assignment}/{assignment}.html")]
    others = [folder for folder in folders if not (folder / secret).is_file()]
    if len(others) == len(folders):
        return
    for folder in others:
        if not (folder / time).is_file():
            write(folder / time, b"unknown")
        write(folder / secret, secrets.token_hex(32).encode())
