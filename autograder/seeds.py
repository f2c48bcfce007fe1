"""The secret seed of graded cases: one for the whole course, or one for each student derived from it.

`seeds = "per student"` in course.toml gives each student other numbers in the same kinds of cases. Whoever learns
what one submission was asked knows nothing about another's, and grading again asks the same.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field

from .course import Course, CourseError

__all__ = ["Seeds"]

PER_COURSE, PER_STUDENT = "per course", "per student"


@dataclass(frozen=True)
class Seeds:
    """Where secret cases come from; `secret` is the course's own seed.

    >>> seeds = Seeds("secret", per_student=True)
    >>> seeds.of("ada") == seeds.of("ada"), seeds.of("ada") == seeds.of("bob")
    (True, False)
    """

    secret: str = field(repr=False)
    per_student: bool = False

    @classmethod
    def of_course(cls, course: Course) -> Seeds:
        """What course.toml asks for; raise `CourseError` for what it cannot ask for."""
        wanted = course.settings.get("seeds", PER_COURSE)
        if wanted not in (PER_COURSE, PER_STUDENT):
            path = course.root / "course.toml"
            raise CourseError(f'{path}: seeds is {wanted!r}; wanted: "{PER_COURSE}" or "{PER_STUDENT}"')
        return cls(course.seed(), wanted == PER_STUDENT)

    def of(self, student: str) -> str:
        """The seed of one student's cases. It cannot be turned back into the course's, nor into another's."""
        if not self.per_student:
            return self.secret
        return hmac.new(self.secret.encode(), f"student {student}".encode(), "sha256").hexdigest()
