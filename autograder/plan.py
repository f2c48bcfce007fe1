"""What all submissions of an assignment have in common: a `Plan`.

Plain data without paths or open files, as `Job` and `Graded` are: all three can go to another process or machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from .course import Course, CourseError
from .feedback import Titles
from .late import Deadlines
from .record import digest
from .release import Release
from .sandbox import Limits
from .seeds import Seeds

if TYPE_CHECKING:
    from .job import Job

__all__ = ["Plan"]


@dataclass(frozen=True)
class Plan:
    """What is the same for all submissions of one assignment; `seeds` holds the secret seed.

    `digests` and `checks` are fingerprints of what verdicts depend on: `checks` of the code of each exercise. `judged`
    names the exercises that jobs may ask for; None: all.
    """

    release: Release = field(repr=False)
    seeds: Seeds
    titles: Titles
    limits: Limits
    digests: Mapping[str, str]
    deadlines: Deadlines
    checks: Mapping[str, str]
    judged: tuple[str, ...] | None = None

    @classmethod
    def of(cls, course: Course, release: Release, limits: Limits) -> Plan:
        from .fingerprint import engine_digest, exercise_digest

        digests = {
            "release": release.digest[:32],
            "engine": engine_digest(),
        }
        checks = {name: exercise_digest(exercise) for name, exercise in _tested(release, limits).items()}
        titles, deadlines = Titles.of(course, release.chapter), Deadlines.of(course, release.assignment)
        return cls(release, Seeds.of_course(course), titles, limits, digests, deadlines, checks)

    def basis(self, exercise: str, job: Job) -> dict[str, str]:
        """What a verdict on one exercise of one submission depends on: equal digests, equal verdict."""
        seed = digest(f"seed of {self.release.assignment}: {self.seeds.of(job.student)}")
        # What a course allows another exercise is of no concern here.
        everybody, own = (replace(each, exercises={}) for each in (self.limits, self.limits.of(exercise)))
        return {
            "submission": job.digest,
            **self.digests,
            "seed": seed,
            "limits": digest(repr((everybody, own))),
            "check": self.checks[exercise],
        }

    @property
    def exercises(self) -> dict[str, Any]:
        """The exercises that the release tests, by name."""
        return _tested(self.release, self.limits)


def _tested(release: Release, limits: Limits) -> dict[str, Any]:
    """The exercises that a release tests, each with the seconds that the course gives one call of its answer."""
    from dlcv.checking import load_exercises

    known = load_exercises(release.chapter)
    unknown = [name for name in release.tests if name not in known]
    if unknown:
        raise CourseError(
            f"{release.assignment} tests {', '.join(unknown)}, which dlcv.{release.chapter} has not"
        )
    timed = {name: limits.of(name).case or known[name].limit for name in release.tests}
    return {name: replace(known[name], limit=seconds) for name, seconds in timed.items()}
