"""What a human should look at in one submission, in sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .job import Job
from .mark import Mark
from .plan import Plan
from .record import Result

if TYPE_CHECKING:
    from .examine import Examination

__all__ = ["flags_of", "out_of_date", "told", "troubles"]


def told(examined: Examination) -> list[str]:
    """The errors that the learner's cells ended in; a stub's own error says nothing either."""
    quiet = (
        "NotImplementedError",
        "Withheld",
    )  # a comparison with the reference says nothing about an answer
    errors = [error for error in examined.errors if error.type not in quiet]
    return [f"cell {error.cell + 1}: {error}" for error in errors]


def troubles(examined: Examination) -> list[str]:
    """What a human should know about how the cells ran."""
    ended = ("CellTooSlow", "the process ended", "the process was stopped")
    left_out = [error for error in examined.errors if error.type in ended]
    return [f"cell {error.cell + 1} was left out: {error.message}" for error in left_out] + examined.troubles


def flags_of(result: Result, job: Job) -> list[str]:
    """What a human should look at in a result."""
    flags = []
    for name, verdict in result.verdicts.items():
        if verdict.kind == "engine error":
            flags.append(f"{name}: the check itself failed, not the answer: {' '.join(verdict.detail)[:300]}")
        elif verdict.kind == "forbidden call":
            flags.append(f"{name} uses what the exercise forbids: {verdict.message}")
    flags += result.troubles
    same = job.earlier is not None and job.earlier.digests.get("submission") == job.digest
    flags += [
        f"essay to grade: {essay.name}"
        for essay in result.essays
        if essay.answered and not (same and _is_read(job.marks.get(essay.name)))
    ]
    return flags


def out_of_date(plan: Plan, job: Job, result: Result) -> list[str]:
    """A flag for exercises that were left as they were although what they depend on has changed."""
    old = [name for name in result.verdicts if result.basis.get(name) != plan.basis(name, job)]
    if not old:
        return []
    return [
        f"not graded anew, although something has changed since: {', '.join(old)}; points are the earlier ones"
    ]


def _is_read(mark: Mark | None) -> bool:
    """Has a human given points for it, and is not asked for them again?"""
    return mark is not None and mark.manual_score is not None and not mark.needs_manual_grade
