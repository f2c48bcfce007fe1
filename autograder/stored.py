"""What a gradebook holds of an assignment, read by nbgrader's models in one transaction each."""

from __future__ import annotations

from typing import Any

from .mark import HandedIn, Mark

__all__ = ["stored_marks", "stored_submissions"]


def stored_marks(db: Any, assignment: str) -> dict[str, dict[str, Mark]]:
    """For each student, the mark of each cell by its grade_id; `db` is a session of SQLAlchemy."""
    rows = [db.execute(query).all() for query in (_grades(assignment), _comments(assignment))]
    db.rollback()  # ends the reading transaction: other programs may write
    found: dict[str, dict[str, Mark]] = {}
    for student, name, *rest in rows[0]:
        found.setdefault(student, {})[name] = Mark(*rest)
    for student, name, words in rows[1]:
        mark = found.setdefault(student, {}).get(name, Mark())
        found[student][name] = Mark(**{**vars(mark), "comment": words})
    return found


def stored_submissions(db: Any, assignment: str) -> dict[str, HandedIn]:
    """When each student handed in, and what lateness costs them."""
    from nbgrader import api
    from sqlalchemy import select

    submitted, notebook = api.SubmittedAssignment, api.SubmittedNotebook
    query = (
        select(submitted.student_id, submitted.timestamp, notebook.late_submission_penalty)
        .join(notebook, notebook.assignment_id == submitted.id)
        .join(api.Assignment, api.Assignment.id == submitted.assignment_id)
        .where(api.Assignment.name == assignment)
    )
    rows = db.execute(query).all()
    db.rollback()
    return {student: HandedIn(time, penalty or 0.0) for student, time, penalty in rows}


def _submitted(assignment: str) -> Any:
    from nbgrader import api
    from sqlalchemy import select

    return (
        select(api.SubmittedNotebook.id, api.SubmittedAssignment.student_id)
        .join(api.SubmittedAssignment, api.SubmittedAssignment.id == api.SubmittedNotebook.assignment_id)
        .join(api.Assignment, api.Assignment.id == api.SubmittedAssignment.assignment_id)
        .where(api.Assignment.name == assignment)
        .subquery()
    )


def _grades(assignment: str) -> Any:
    from nbgrader.api import BaseCell, Grade
    from sqlalchemy import select

    submitted = _submitted(assignment)
    columns = (Grade.max_score, Grade.auto_score, Grade.manual_score, Grade.extra_credit)
    return (
        select(submitted.c.student_id, BaseCell.name, *columns, Grade.needs_manual_grade)
        .join(Grade, Grade.notebook_id == submitted.c.id)
        .join(BaseCell, BaseCell.id == Grade.cell_id)
    )


def _comments(assignment: str) -> Any:
    from nbgrader.api import BaseCell, Comment
    from sqlalchemy import select

    submitted = _submitted(assignment)
    return (
        select(submitted.c.student_id, BaseCell.name, Comment.manual_comment)
        .join(Comment, Comment.notebook_id == submitted.c.id)
        .join(BaseCell, BaseCell.id == Comment.cell_id)
        .where(Comment.manual_comment.is_not(None))
    )
