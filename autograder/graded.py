"""All that is to be written for one submission, as texts: notebook, gradebook's entries, feedback page, record."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from .feedback import feedback_page
from .job import Job
from .late import handed_in
from .mark import Entries
from .plan import Plan
from .record import Essay, Result
from .release import Release

if TYPE_CHECKING:
    from .restore import Restored

__all__ = ["Graded", "essays", "not_graded"]

NOT_GRADED = "NOT GRADED"


@dataclass
class Graded:
    """All that is to be written for one submission."""

    result: Result
    notebook: str | None  # None: the one that there is stays, and so do its entries
    entries: Entries | None
    page: str
    timestamp: datetime | None = None

    @classmethod
    def of(cls, plan: Plan, job: Job, result: Result, notebook: dict) -> Graded:
        """Render a result and the autograded notebook that belongs to it."""
        result.late = plan.deadlines.lateness(job.student, job.timestamp)
        return cls(
            result,
            json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n",
            Entries.of(notebook),
            feedback_page(result, job.marks, plan.titles),
            handed_in(job.timestamp, plan.deadlines.here),
        )


def not_graded(plan: Plan, job: Job, why: str) -> Graded:
    """What is kept where our own code failed: nothing is said about the learner, a human is told.

    Where there is an earlier result it stays as it is, in the gradebook, too.
    """
    from dlcv.checking import Verdict

    from .autograded import autograded_notebook
    from .restore import restore

    message = "the grader itself failed; this says nothing about the answer"
    failure = f"{message}: {why.strip().splitlines()[-1]}"
    if job.earlier:
        flags = [flag for flag in job.earlier.flags if not flag.startswith(NOT_GRADED)]
        flags.insert(0, f"{NOT_GRADED} again, {failure}; the result before that was kept")
        basis = {name: digests for name, digests in job.earlier.basis.items() if not job.asks_for(name)}
        result = replace(job.earlier, flags=flags, basis=basis, failure=failure)
        return Graded(result, None, None, feedback_page(result, job.marks, plan.titles))
    verdicts = {
        name: Verdict(name, "engine error", 0.0, exercise.points, 0, 0, message=message)
        for name, exercise in plan.exercises.items()
    }
    restored = restore([], plan.release)
    notebook, _ = autograded_notebook(restored, plan.release, verdicts)
    result = Result(
        student=job.student,
        assignment=plan.release.assignment,
        chapter=plan.release.chapter,
        verdicts=verdicts,
        essays=essays(plan.release, restored),
        flags=[f"{NOT_GRADED}, {failure}"],
        failure=failure,
    )
    return Graded.of(plan, job, result, notebook)


def essays(release: Release, restored: Restored) -> list[Essay]:
    """The answers in words that a restored notebook holds."""
    texts = {
        cell.slot.index: cell.source for cell in restored.cells if cell.slot is not None and not cell.copy
    }
    return [
        Essay(
            name=slot.nbgrader["grade_id"],
            max_points=slot.points,
            text=texts.get(slot.index, ""),
            answered=texts.get(slot.index, slot.source).strip() != slot.source.strip(),
        )
        for slot in release.essays
    ]
