"""What a gradebook holds: the `Mark` of each cell, when something was handed in, what a notebook enters into it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

__all__ = ["Entries", "HandedIn", "Mark"]


@dataclass(frozen=True)
class Mark:
    """What the gradebook holds for one cell of one student: scores of the grader and of a human, comments."""

    max_score: float | None = None
    auto_score: float | None = None
    manual_score: float | None = None
    extra_credit: float | None = None
    needs_manual_grade: bool = False
    comment: str | None = None

    @property
    def score(self) -> float:
        given = self.manual_score if self.manual_score is not None else self.auto_score
        return (given or 0.0) + (self.extra_credit or 0.0 if given is not None else 0.0)


@dataclass(frozen=True)
class HandedIn:
    """When something was handed in, in UTC without saying so, and what that costs in points."""

    timestamp: datetime | None = None
    penalty: float = 0.0


@dataclass(frozen=True)
class Entries:
    """What an autograded notebook tells the gradebook: the score of each graded cell, None where a human must give
    it, and whether each answer cell was touched at all."""

    scores: dict[str, float | None]
    answered: dict[str, bool]

    @classmethod
    def of(cls, notebook: dict) -> Entries:
        """Read a notebook by nbgrader's own rules, the ones that its autograde applies."""
        import nbformat
        from nbgrader import utils

        cells = [nbformat.from_dict(cell) for cell in notebook["cells"] if "nbgrader" in cell["metadata"]]
        scores = {_name(cell): utils.determine_grade(cell)[0] for cell in cells if utils.is_grade(cell)}
        answered = {
            _name(cell): cell.metadata.nbgrader.get("checksum") != utils.compute_checksum(cell)
            for cell in cells
            if utils.is_solution(cell)
        }
        return cls(scores, answered)


def _name(cell: Any) -> str:
    return cell.metadata.nbgrader.grade_id
