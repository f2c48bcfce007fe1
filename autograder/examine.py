"""Trusted side: one submission is run behind the walls, its exercises are asked, verdicts are made here.

What the learner's processes say is taken as data from a stranger: a message that is late, malformed or not the
one due ends that process, and costs the cell or the exercise at hand, nothing else.
"""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from dlcv.checking import BadMessage, Judge, LearnerGone, Reply, Request, Verdict
from dlcv.checking.escapes import escapes

from .course_limits import in_words
from .grants import Grants
from .magics import plain_python
from .needed import needed_cells
from .restore import Restored
from .sandbox import Limits, Run, Sandbox
from .wire import Channel, Gone, Malformed, TimeUp, WireError

__all__ = ["CellError", "Examination", "SandboxFailed", "examine", "without_a_run"]

# A busy machine delays both sides; an answer in time is never lost by so little.
GRACE = 2.0
WARM_UP = 120.0
# No answer has so many bytes, whatever a learner's process says.
NO_SIZE = 2**60


class SandboxFailed(RuntimeError):
    """Our own side could not run a submission: never the learner's fault, and for a human to look at."""


@dataclass
class CellError:
    """An error in one of the learner's cells: as its kernel would have shown it, without the frames."""

    cell: int
    type: str
    message: str
    line: int | None = None

    def __str__(self) -> str:
        where = f", line {self.line}" if self.line else ""
        return f"{self.type}: {self.message}{where}"


@dataclass
class Examination:
    """What came out of one submission."""

    verdicts: dict[str, Verdict]
    errors: list[CellError] = field(default_factory=list)
    seconds: float = 0.0
    restarts: int = 0
    troubles: list[str] = field(default_factory=list)


def examine(
    restored: Restored, judges: Mapping[str, Judge], sandbox: Sandbox, grants: Grants | None = None
) -> Examination:
    """Run a restored notebook and judge each of its exercises.

    `grants` are those of the judges; who examines a whole class makes them once.
    """
    start = time.monotonic()
    sitting = _Sitting(restored, judges, sandbox, grants or Grants.of(judges))
    try:
        sitting.run_cells()
        asked = {name: sitting.judged(name, judges[name]) for name in sitting.grants.order if name in judges}
        verdicts = {name: asked[name] for name in judges}
    finally:
        sitting.close()
    seconds = time.monotonic() - start
    errors = sorted(sitting.errors.values(), key=lambda error: error.cell)
    return Examination(verdicts, errors, seconds, sitting.restarts, sitting.troubles())


def without_a_run(judges: Mapping[str, Judge], problem: str, kind: str = "crashed") -> Examination:
    """The examination of a submission that could not even be read: all exercises 0, each says why."""
    return Examination({name: _verdict(judge, kind, problem) for name, judge in judges.items()})


def _verdict(judge: Judge, kind: str, message: str, *detail: str) -> Verdict:
    return Verdict(
        judge.exercise.name,
        kind,
        points=0.0,
        max_points=judge.exercise.points,
        passed=0,
        total=len(judge.cases),
        message=message,
        detail=list(detail),
    )


class _Sitting:
    """One submission on its way through the sandbox: several runs, when one had to be killed."""

    def __init__(self, restored: Restored, judges: Mapping[str, Judge], sandbox: Sandbox, grants: Grants):
        self.restored, self.sandbox, self.grants = restored, sandbox, grants
        self.watches = {name: judge.exercise.watch.to_data() for name, judge in judges.items()}
        self.limits: Limits = sandbox.limits
        self.needed = needed_cells(restored.cells)
        self.deadline = time.monotonic() + WARM_UP + self.limits.submission
        self.runs: list[Run] = []
        self.skipped: set[int] = set()
        self.errors: dict[int, CellError] = {}
        self.channels: dict[str, Channel] = {}
        self.run_of: dict[str, Run] = {}
        self.judged_already: set[str] = set()
        self.undefined: set[str] = set()
        self.trouble: str | None = None  # what ended the last run between two cells

    @property
    def restarts(self) -> int:
        return max(0, len(self.runs) - 1)

    @property
    def used_up(self) -> bool:
        """Has this submission had all the time that one may have?"""
        return time.monotonic() >= self.deadline

    def close(self) -> None:
        for run in self.runs:
            run.close()

    # Running the cells

    def run_cells(self) -> None:
        """Run all cells; after a crash again, without the cell that did it, as often as the limits allow."""
        while len(self.runs) <= self.limits.restarts and not self.used_up:
            culprit = self._one_run()
            if culprit is None:
                return
            self.skipped.add(culprit)

    def _steps(self) -> list[dict]:
        steps: list[dict] = []
        for number, placed in enumerate(self.restored.cells):
            if placed.is_judged_here and placed.slot.exercise in self.watches:
                name = placed.slot.exercise
                if name not in self.channels and name not in self.undefined:
                    steps.append({"judge": name})
            elif number in self.needed and number not in self.skipped:
                steps.append({"cell": number, "source": placed.source})
        return steps

    def _one_run(self) -> int | None:
        """Run the remaining steps in a new process; return the cell that must be left out next time, or None."""
        steps = self._steps()
        names = [step["judge"] for step in steps if "judge" in step]
        watches = {name: self.watches[name] for name in names}
        job = {"watches": watches, "cell_limit": self.limits.cell, "steps": steps}
        run = self.sandbox.run(job, names)
        self.runs.append(run)
        self._wait_until_ready(run)
        cell = None
        try:
            for step in steps:
                cell = step.get("cell")
                if cell is None:
                    self._hear_of_exercise(run, step["judge"])
                else:
                    self._due(run.talk, {"start": cell})
                    self._hear_of_cell(run, cell)
            self._due(run.talk, {"finished": True})
        except WireError as error:
            if cell is None:
                self.trouble = _how_it_broke(error, run)
                return None
            self.errors[cell] = self._why(run, cell, error)
            self._forget_answers_of(run)
            return cell
        return None

    def _wait_until_ready(self, run: Run) -> None:
        """The first run may wait for the interpreter to get warm; until then nothing of the learner's has run."""
        try:
            if run.talk.receive(timeout=WARM_UP) != {"ready": True}:
                raise Malformed("not the message that was due")
        except WireError as error:
            raise SandboxFailed(f"the sandbox did not start: {error} {run.ended() or ''}") from None
        if len(self.runs) == 1:
            self.deadline = time.monotonic() + self.limits.submission

    def _hear_of_exercise(self, run: Run, name: str) -> None:
        message = self._message(run.talk, self.limits.cell + GRACE)
        if message.get("judge") != name or not isinstance(message.get("defined"), bool):
            raise Malformed("not the message that was due")
        if message["defined"]:
            self.channels[name], self.run_of[name] = run.answers[name], run
        else:
            self.undefined.add(name)

    def _hear_of_cell(self, run: Run, cell: int) -> None:
        message = self._message(run.talk, self.limits.cell + self.limits.grace + GRACE)
        if message.get("end") != cell or not isinstance(message.get("error"), dict | None):
            raise Malformed("not the message that was due")
        error = message["error"]
        if error is not None:
            line = error.get("line")
            line = line if isinstance(line, int) and 0 < line < 10**6 else None
            self.errors[cell] = CellError(
                cell, _short(error.get("type"), 80), _short(error.get("message"), 500), line
            )

    def _due(self, talk: Channel, due: dict, wait: float | None = None) -> None:
        if self._message(talk, wait or GRACE) != due:
            raise Malformed("not the message that was due")

    def _message(self, talk: Channel, wait: float) -> dict:
        message = talk.receive(timeout=min(wait, max(0.0, self.deadline - time.monotonic())))
        if not isinstance(message, dict):
            raise Malformed("not the message that was due")
        return message

    def _forget_answers_of(self, run: Run) -> bool:
        """Where the guardian had to end all processes of a run, those that wait to be asked are gone, too."""
        if not run.too_much():
            return False
        for name in [name for name, its in self.run_of.items() if its is run]:
            if name in self.channels and name not in self.judged_already:
                self.channels.pop(name).close()
        return True

    def _why(self, run: Run, cell: int, error: WireError) -> CellError:
        """Say why a cell's process cannot go on, and end that process."""
        if isinstance(error, Gone):
            return CellError(cell, "the process ended", _how_it_ended(run.ended()))
        run.stop()
        if isinstance(error, TimeUp):
            return CellError(
                cell, "CellTooSlow", f"still running after {self.limits.cell:g} seconds; it was stopped"
            )
        return CellError(
            cell, "the process was stopped", "it wrote into the channel that the grader listens to"
        )

    # Asking the exercises

    def judged(self, name: str, judge: Judge) -> Verdict:
        """The verdict on one exercise."""
        if name in self.channels and self._forget_answers_of(self.run_of[name]):
            self.run_cells()  # somebody else's answer took too much; it costs nothing but that one
        self.judged_already.add(name)
        channel = self.channels.get(name)
        if channel is None:
            return self._without_answer(name, judge)
        try:
            self._grant(name, channel)
            source = self.restored.answer_source(name)
            # As it was run: a line that is left out or taken for a magic could hide the rest from the scan.
            verdict = judge.verdict(
                lambda request: self._ask(name, channel, request), source and plain_python(source)
            )
        finally:
            channel.close()
        return judge.stepped_around(self.escapes[0]) if verdict.points and self.escapes else verdict

    @cached_property
    def escapes(self) -> list[str]:
        """What in the learner's cells steps around the watch, in words."""
        code = {n: cell for n, cell in enumerate(self.restored.cells) if cell.kind == "code"}
        written = {
            n: plain_python(cell.source)
            for n, cell in code.items()
            if n in self.needed and not cell.is_as_given
        }
        found = escapes(written, [cell.source for n, cell in code.items() if n not in written])
        return [f"{violation.call}, line {violation.line} of cell {n + 1}" for n, violation in found]

    def _grant(self, name: str, channel: Channel) -> None:
        """Give the process that answers an exercise what it may have of the course's programs."""
        with contextlib.suppress(WireError):  # whatever is wrong with it, the first question will find out
            channel.send_json({"grant": self.grants.sources[name]}, timeout=GRACE)

    def _ask(self, name: str, channel: Channel, request: Request) -> Reply:
        start = time.monotonic()
        left = max(0.1, self.deadline - start)
        try:
            channel.send_bytes(request.to_bytes(), timeout=min(left, request.limit + GRACE))
            message = channel.receive(timeout=min(left, request.limit + GRACE))
        except TimeUp:
            raise LearnerGone("timeout") from None
        except Gone:
            raise self._gone(name) from None
        except Malformed:
            raise LearnerGone("bad message") from None
        size = message.get("oversize") if isinstance(message, dict) else None
        if isinstance(size, int) and 0 < size < NO_SIZE:
            most = in_words(self.limits.of(name).message)
            raise LearnerGone(f"your code returned {in_words(size)}; it may be {most}")
        if not isinstance(message, bytes):
            raise LearnerGone("bad message")
        try:
            # Our own clock: what a stranger says about time is no time.
            return replace(Reply.from_bytes(message), seconds=time.monotonic() - start)
        except BadMessage:
            raise LearnerGone("bad message") from None

    def _gone(self, name: str) -> LearnerGone:
        """Why the process that answers an exercise is not there any more."""
        too_much = self.run_of[name].too_much()
        if "memory" in too_much:
            return LearnerGone("memory", in_words(self.limits.of(name).memory))
        if "processes" in too_much:
            return LearnerGone(
                f"your code started more than {self.limits.of(name).processes} processes and threads"
            )
        return LearnerGone("killed")

    def _without_answer(self, name: str, judge: Judge) -> Verdict:
        """The verdict where no object of that name was there to be asked."""
        error = self._error_of(name)
        if error is not None and error.type == "CellTooSlow":
            return _verdict(judge, "too slow", f"the cell of {name} was {error.message}", *_line(error))
        if error is not None:
            message = f"the cell of {name} stopped before {name} was defined: {error.type}: {error.message}"
            return _verdict(judge, "crashed", message, *_line(error))
        if name in self.undefined:
            return _verdict(judge, "not attempted", f"no cell above the test defines {name}")
        if self.used_up:
            message = f"the notebook had used up its {self.limits.submission:g} seconds before {name} could be tried"
            return _verdict(judge, "too slow", message)
        ended = self.trouble or "the notebook ended"
        return _verdict(judge, "crashed", f"{ended} before {name} could be tried", *self._last_words())

    def troubles(self) -> list[str]:
        """What a human should know about how the notebook ran."""
        told = [f"{self.trouble}; exercises below that were not tried"] if self.trouble else []
        if self.escapes:
            told.append(f"the notebook steps around the check: {'; '.join(self.escapes[:5])}")
        if self.used_up:
            told.append(
                f"the notebook used up its {self.limits.submission:g} seconds; what came later was not tried"
            )
        return told

    def _error_of(self, name: str) -> CellError | None:
        from .restore import defined

        for number, placed in enumerate(self.restored.cells):
            own = placed.slot is not None and placed.slot.exercise == name
            if number in self.errors and (own or name in defined(placed.source)):
                return self.errors[number]
        return None

    def _last_words(self) -> list[str]:
        return [f"cell {number + 1}: {self.errors[number]}" for number in sorted(self.skipped)][:3]


def _how_it_broke(error: WireError, run: Run) -> str:
    if isinstance(error, Malformed):
        return "the notebook wrote into the channel that the grader listens to"
    return f"the notebook's process ended ({_how_it_ended(run.ended())})"


def _line(error: CellError) -> list[str]:
    return [f"line {error.line} of your cell"] if error.line else []


def _short(value: Any, longest: int) -> str:
    return value[:longest] if isinstance(value, str) else ""


def _how_it_ended(status: dict) -> str:
    if "memory" in status:
        return "its processes together used more memory than they may"
    if "processes" in status:
        return "it started more processes and threads than it may"
    number = status.get("signal")
    if number == signal.SIGSEGV:
        return "it crashed (segmentation fault, perhaps from endless recursion)"
    if number == signal.SIGXCPU:
        return "it used up its processor time"
    if isinstance(number, int):
        with contextlib.suppress(ValueError):
            return f"it was ended by {signal.Signals(number).name}"
    if "code" in status:
        return f"your code ended the process itself (exit code {status['code']})"
    return "your code ended the process"
