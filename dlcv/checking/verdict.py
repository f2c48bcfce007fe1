"""The verdict on an answer: what a learner reads, as data."""

from __future__ import annotations

import traceback
from dataclasses import asdict, dataclass, field, fields

from dlcv.checking.exercise import Exercise

RIGHT = "right"
NOT_ATTEMPTED = "not attempted"
CRASHED = "crashed"
WRONG_SHAPE = "wrong shape"
WRONG_VALUES = "wrong values"
SLIP = "slip"
FORBIDDEN = "forbidden call"
CHANGED = "changed its inputs"
TOO_SLOW = "too slow"
ENGINE_ERROR = "engine error"
KINDS = (
    RIGHT,
    NOT_ATTEMPTED,
    CRASHED,
    WRONG_SHAPE,
    WRONG_VALUES,
    SLIP,
    FORBIDDEN,
    CHANGED,
    TOO_SLOW,
    ENGINE_ERROR,
)


@dataclass
class Verdict:
    """What a check found. `message` is one line; `detail` lines say more; `points` is what it earns."""

    exercise: str
    kind: str
    points: float
    max_points: float
    passed: int
    total: int
    unit: str = "cases"
    message: str = ""
    case: str = ""
    detail: list[str] = field(default_factory=list)
    slip: str = ""
    diagnosis: str = ""
    hint: str = ""
    picture: dict | None = None
    marks: list[tuple[str, bool]] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def right(self) -> bool:
        return self.kind == RIGHT

    def to_dict(self) -> dict:
        """Return the verdict as JSON-ready data."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict) -> Verdict:
        known = {item.name for item in fields(cls)}
        verdict = cls(**{key: value for key, value in data.items() if key in known})
        verdict.marks = [tuple(mark) for mark in verdict.marks]
        return verdict

    def text(self) -> str:
        """Return the verdict as plain text."""
        from dlcv.checking import report

        return report.text(self)

    def html(self) -> str:
        """Return the verdict as an HTML fragment with inline style and, where there is one, its picture."""
        from dlcv.checking import report

        return report.html(self)


class EngineError(RuntimeError):
    """The course's own code failed: the reference crashed on a case, or the check has a bug."""


def engine_error(exercise: Exercise, error: BaseException) -> Verdict:
    """Return the verdict for a failure of our own: no judgement on the learner, and what a maintainer needs."""
    where = traceback.extract_tb(error.__traceback__)
    last = f" ({where[-1].filename.rsplit('/', 1)[-1]}:{where[-1].lineno})" if where else ""
    return Verdict(
        exercise.name,
        ENGINE_ERROR,
        0.0,
        exercise.points,
        0,
        0,
        message="the check itself failed; this says nothing about your answer",
        detail=[f"Please report: {type(error).__name__}: {error}{last}"],
    )
