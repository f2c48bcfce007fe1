"""What grading found about one submission, kept as one JSON file a submission: `records/<assignment>/<student>.json`.

Feedback pages and the class report are made from records, so they can be made again, after manual grading say,
without running anybody's code. The digests say what the result depends on: submission, release, exercises and seed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from dlcv.checking import Verdict

from .course import Course, CourseError
from .late import Late

__all__ = ["Essay", "Result", "digest", "read_records", "record_path"]

VERSION = 1


@dataclass
class Essay:
    """One answer in words, which a human grades."""

    name: str
    max_points: float
    text: str
    answered: bool


@dataclass
class Result:
    """The result of one submission.

    `points` counts what a human has given, too: it is the score in the gradebook. `flags` is what a human should
    look at, in sentences. `late` says how late it came and what that costs; None where nothing was due.
    """

    student: str
    assignment: str
    chapter: str
    verdicts: dict[str, Verdict]
    essays: list[Essay] = field(default_factory=list)
    points: float = 0.0
    flags: list[str] = field(default_factory=list)
    problem: str | None = None
    errors: list[str] = field(default_factory=list)
    answers: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    restarts: int = 0
    walls: str = ""
    file: str = ""
    digests: dict[str, str] = field(default_factory=dict)
    late: Late | None = None

    @property
    def max_points(self) -> float:
        return sum(v.max_points for v in self.verdicts.values()) + sum(e.max_points for e in self.essays)

    @property
    def auto_points(self) -> float:
        return sum(verdict.points for verdict in self.verdicts.values())

    @property
    def remarks(self) -> list[str]:
        """The flags, and what is doubtful about the time of handing in."""
        return [*self.flags, self.late.doubt] if self.late and self.late.doubt else self.flags

    def to_dict(self) -> dict:
        """The public form: one object a submission, as `grade --json` prints it."""
        keys = ("points", "max_points", "message")
        exercises = {
            name: {**{key: getattr(verdict, key) for key in keys}, "verdict": verdict.kind}
            for name, verdict in self.verdicts.items()
        }
        for name, verdict in self.verdicts.items():
            if verdict.diagnosis:
                exercises[name] |= {"slip": verdict.slip, "diagnosis": verdict.diagnosis}
        told = {
            "student": self.student,
            "assignment": self.assignment,
            "points": round(self.points, 4),
            "max_points": self.max_points,
            "exercises": exercises,
            "flags": self.remarks,
        }
        if self.late:
            late = {key: getattr(self.late, key) for key in ("status", "due", "submitted", "percent", "why")}
            told["late"] = {**late, "penalty": self.late.penalty(self.points)}
        return told

    def to_json(self) -> str:
        """The whole record."""
        data = {**asdict(self), "version": VERSION}
        data["verdicts"] = {name: verdict.to_dict() for name, verdict in self.verdicts.items()}
        return json.dumps(data, indent=1)

    @classmethod
    def from_json(cls, content: str) -> Result:
        data: dict[str, Any] = json.loads(content)
        if data.pop("version", None) != VERSION:
            raise ValueError("a record of another version")
        data["verdicts"] = {name: Verdict.from_dict(verdict) for name, verdict in data["verdicts"].items()}
        data["essays"] = [Essay(**essay) for essay in data["essays"]]
        data["late"] = Late(**data["late"]) if data.get("late") else None
        return cls(**data)


def record_path(course: Course, assignment: str, student: str) -> Path:
    return course.folder / "records" / assignment / f"{student}.json"


def read_records(course: Course, assignment: str, students: Iterable[str] | None = None) -> list[Result]:
    """Return the records of an assignment in alphabetical order; one that cannot be read is an error with its name."""
    wanted = None if students is None else set(students)
    results = []
    for path in sorted((course.folder / "records" / assignment).glob("*.json")):
        if wanted is not None and path.stem not in wanted:
            continue
        try:
            results.append(Result.from_json(path.read_text(encoding="utf-8")))
        except (ValueError, KeyError, TypeError) as error:
            raise CourseError(
                f"{path} is not a record of this version ({error}); grade {path.stem} again"
            ) from None
    return results


def digest(content: bytes | str) -> str:
    """A short fingerprint of some content."""
    content = content.encode() if isinstance(content, str) else content
    return hashlib.sha256(content).hexdigest()[:32]
