"""What grading found about one submission, kept as one JSON file a submission: `records/<assignment>/<student>.json`.

Feedback pages and the class report are made from records, so they can be made again, after manual grading say,
without running anybody's code. A record also says what each verdict was made from, so that the next grading runs only
what is missing or has changed.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from dlcv.checking import Verdict

from .course import Course
from .late import Late
from .walls import UNSAFE

__all__ = ["Essay", "Result", "digest", "read_record", "record_path"]

VERSION = 2
# What reading a record may raise that is missing, damaged or of another version.
UNREADABLE = (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError)


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

    `basis` holds, for each exercise, digests of what its verdict depends on; `digests` what else is in the files that
    were written. `ran` names the exercises that this run of the grader judged, none where the result was kept, and
    `failure` says why it could not: these two are not part of the record.
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
    troubles: list[str] = field(default_factory=list)
    answers: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    restarts: int = 0
    walls: str = ""
    file: str = ""
    digests: dict[str, str] = field(default_factory=dict)
    late: Late | None = None
    basis: dict[str, dict[str, str]] = field(default_factory=dict)
    ran: list[str] = field(default_factory=list)
    failure: str = ""

    @property
    def max_points(self) -> float:
        return sum(v.max_points for v in self.verdicts.values()) + sum(e.max_points for e in self.essays)

    @property
    def auto_points(self) -> float:
        return sum(verdict.points for verdict in self.verdicts.values())

    @property
    def penalty(self) -> float:
        """The points that lateness takes off."""
        return self.late.penalty(self.points) if self.late else 0.0

    @property
    def remarks(self) -> list[str]:
        """The flags, and what is doubtful about the time of handing in."""
        return [*self.flags, self.late.doubt] if self.late and self.late.doubt else self.flags

    @property
    def status(self) -> str:
        """What this run of the grader did: ``"graded"``, ``"kept"`` or ``"failed"``."""
        if self.failure:
            return "failed"
        return "graded" if self.ran else "kept"

    @property
    def unsafe(self) -> bool:
        """Did the learner's code run although a necessary wall was missing?"""
        return self.walls.startswith(UNSAFE)

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
            "status": self.status,
            "ran": self.ran,
            "points": round(self.points, 4),
            "max_points": self.max_points,
            "exercises": exercises,
            "flags": self.remarks,
            "walls": self.walls,
        }
        if self.late:
            late = {key: getattr(self.late, key) for key in ("status", "due", "submitted", "percent", "why")}
            told["late"] = {**late, "penalty": self.penalty}
        return told | ({"failure": self.failure} if self.failure else {})

    def to_json(self) -> str:
        """The whole record."""
        data = {**asdict(self), "version": VERSION}
        del data["ran"], data["failure"]
        data["verdicts"] = {name: verdict.to_dict() for name, verdict in self.verdicts.items()}
        return json.dumps(data, indent=1)

    @classmethod
    def from_json(cls, content: str) -> Result:
        data: dict[str, Any] = json.loads(content)
        if data.pop("version", None) != VERSION:
            raise ValueError("it was written by another version")
        data["verdicts"] = {name: Verdict.from_dict(verdict) for name, verdict in data["verdicts"].items()}
        data["essays"] = [Essay(**essay) for essay in data["essays"]]
        data["late"] = Late(**data["late"]) if data.get("late") else None
        return cls(**data)


def record_path(course: Course, assignment: str, student: str) -> Path:
    return course.folder / "records" / assignment / f"{student}.json"


def read_record(course: Course, assignment: str, student: str) -> Result | None:
    """Return the record of one submission; None where there is none of this version that can be read."""
    try:
        return Result.from_json(record_path(course, assignment, student).read_text(encoding="utf-8"))
    except UNREADABLE:
        return None


def digest(content: bytes | str) -> str:
    """A short fingerprint of some content."""
    content = content.encode() if isinstance(content, str) else content
    return hashlib.sha256(content).hexdigest()[:32]
