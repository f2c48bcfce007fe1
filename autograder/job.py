"""One submission to grade: a `Job`, which is plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .course import Course
from .late import timestamp
from .mark import Mark
from .record import Result, digest
from .submission import HandedIn, fetch

if TYPE_CHECKING:
    from .plan import Plan

__all__ = ["Job"]


@dataclass(frozen=True)
class Job:
    """One submission to grade: what was handed in, when, and what the gradebook holds for this student.

    `exercises` are the ones to judge, None means all; verdicts on the others are taken from `earlier`, the record of
    the last grading.
    """

    student: str
    handed_in: HandedIn
    marks: Mapping[str, Mark] = field(default_factory=dict, repr=False)
    timestamp: str | None = None
    exercises: tuple[str, ...] | None = None
    earlier: Result | None = field(default=None, repr=False)

    @classmethod
    def of(cls, course: Course, assignment: str, student: str, marks: Mapping[str, Mark]) -> Job:
        folder = course.submitted(student, assignment)
        return cls(student, fetch(folder, assignment), marks, timestamp(folder))

    @property
    def digest(self) -> str:
        """The fingerprint of what was handed in."""
        return self.handed_in.digest

    def asks_for(self, exercise: str) -> bool:
        """Is a verdict on this exercise wanted?"""
        return self.exercises is None or exercise in self.exercises

    def digests(self, plan: Plan) -> dict[str, str]:
        """Fingerprints of what is written for this job besides verdicts."""
        around = (self.handed_in.file, self.handed_in.flags, self.timestamp)
        by_hand = [
            (name, mark.manual_score, mark.extra_credit, mark.comment)
            for name, mark in sorted(self.marks.items())
            if (mark.manual_score, mark.extra_credit, mark.comment) != (None, None, None)
        ]
        return {
            "submission": self.digest,
            "release": plan.digests["release"],
            "around": digest(repr(around)),
            "by hand": digest(repr(by_hand)),
        }
