"""Late penalties under nbgrader's own `autograde`: the same rules, from course.toml."""

from __future__ import annotations

from nbgrader.plugins import LateSubmissionPlugin

from .course import Course
from .late import Deadlines, timestamp

__all__ = ["CourseLatePenalty"]


class CourseLatePenalty(LateSubmissionPlugin):
    """What `AssignLatePenalties` asks for a submission that came after the due date in the gradebook."""

    def late_submission_penalty(
        self, student_id: str, score: float, total_seconds_late: float
    ) -> float | None:
        """Return the points that lateness takes off; None where nothing is due by course.toml.

        How late it is follows from course.toml, extensions.csv and timestamp.txt, not from `total_seconds_late`:
        that knows neither grace nor days by the clock.
        """
        assignment = self.parent.assignment_id
        course = Course.open(self.config.CourseDirectory.root)
        stamp = timestamp(course.submitted(student_id, assignment))
        late = Deadlines.of(course, assignment).lateness(student_id, stamp)
        return late.penalty(score) if late else None
