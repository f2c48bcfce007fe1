"""The learner's side of a check: call the answer as a request says, watch it, and reply with data.

The same code runs in the notebook's process and in a grader's walled child. A `Reply` holds what came back; it says
nothing about right or wrong, because whoever runs learner's code is not asked for verdicts.
"""

from __future__ import annotations

import contextlib
import functools
import linecache
import signal
import threading
import time
import traceback
import types
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from dlcv.checking import probes, values
from dlcv.checking.forbidden import Violation, Watch
from dlcv.checking.frames import is_learners
from dlcv.checking.guard import Guard
from dlcv.checking.plain import Reach


@dataclass(frozen=True)
class Request:
    """One use of the answer: which probe, with which arguments, for how many seconds at most."""

    probe: str
    args: tuple
    kwargs: dict
    limit: float = 5.0

    def to_bytes(self) -> bytes:
        return self._message

    @functools.cached_property
    def _message(self) -> bytes:
        """One request is sent to every learner, so it is packed once."""
        return values.pack(
            {"probe": self.probe, "args": self.args, "kwargs": self.kwargs, "limit": self.limit}
        )

    @classmethod
    def from_bytes(cls, message: bytes) -> Request:
        return cls(**values.unpack(message))


@dataclass(frozen=True)
class Crash:
    """An exception of the learner's: its type and message, and the learner's own line where there is one."""

    type: str
    message: str
    line: int | None = None
    code: str = ""
    in_answer: bool = True  # False: what the answer returned could not be used by the probe


@dataclass(frozen=True)
class Reply:
    """What came back from one request. `value` is data; `crash` is set instead of it where the answer raised."""

    value: Any = None
    crash: Crash | None = None
    violations: tuple[Violation, ...] = ()
    changed: tuple[str, ...] = ()
    seconds: float = 0.0
    timed_out: bool = False

    def to_bytes(self) -> bytes:
        return values.pack(
            {
                "value": self.value,
                "crash": self.crash and asdict(self.crash),
                "violations": [asdict(violation) for violation in self.violations],
                "changed": list(self.changed),
                "seconds": float(self.seconds),
                "timed_out": bool(self.timed_out),
            }
        )

    @classmethod
    def from_bytes(cls, message: bytes) -> Reply:
        """Read one reply; raise `BadMessage` where any field is not what a reply holds."""
        tree = values.unpack(message)
        try:
            crash = tree["crash"]
            return cls(
                value=tree["value"],
                crash=None if crash is None else Crash(**_checked(crash, Crash)),
                violations=tuple(Violation(**_checked(item, Violation)) for item in tree["violations"][:20]),
                changed=tuple(str(name)[:80] for name in tree["changed"][:20]),
                seconds=_seconds(tree["seconds"]),
                timed_out=tree["timed_out"] is True,
            )
        except (TypeError, KeyError, AttributeError, ValueError, OverflowError) as error:
            raise values.BadMessage(f"not a reply: {type(error).__name__}: {error}"[:300]) from None


def _seconds(claimed: float) -> float:
    """Return the child's word on its time as a number that a table can hold."""
    seconds = float(claimed)
    return min(max(seconds, 0.0), 86_400.0) if seconds == seconds else 0.0


def _checked(fields: dict, kind: type) -> dict:
    """Return `fields` cut to sizes a page can show, if each has its type; a child may have sent anything."""
    for name, value in fields.items():
        wanted = str(kind.__dataclass_fields__[name].type)
        if type(value).__name__ not in wanted and not (value is None and "None" in wanted):
            raise TypeError(f"{kind.__name__}.{name} is {type(value).__name__}, not {wanted}")
    return {name: value[:2000] if isinstance(value, str) else value for name, value in fields.items()}


class Answer:
    """A learner's object (or a reference, or a slip), ready to reply to requests.

    Parameters
    ----------
    subject : callable
        The function or class.
    watch : Watch or None
        What to look for while it runs; None for a reference or a slip, which may do as they like.
    interrupt : bool
        End an answer that takes too long from within, by an interrupt of the main thread: for notebooks. A grader's
        child is ended from outside instead.
    """

    def __init__(self, subject: Any, watch: Watch | None = None, *, interrupt: bool = False):
        self.subject, self.watch, self.interrupt = subject, watch, interrupt
        self._guard: Guard | None = None
        self._plain: bool | None = None  # what plain code runs leaves it plain, so this is found out once
        self._inside = False
        self._changed: list[str] = []

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the learner's object under watch, and note which of its arguments it changed."""
        before = _copies((args, kwargs))
        result = self.run(self.subject, *args, **kwargs)
        self._changed += _changes(before, (args, kwargs))
        return result

    def run(self, function: Callable, *args: Any, **kwargs: Any) -> Any:
        """Call anything of the learner's under watch."""
        self._inside = True
        with self._guard.active(self.subject) if self._guard else contextlib.nullcontext():
            result = function(*args, **kwargs)
        self._inside = False
        return result

    def reply(self, request: Request) -> Reply:
        """Do what `request` says; an exception of the learner's becomes a `Crash` in the reply."""
        if self.watch and self._plain is None:
            self._plain = Reach(self.subject, self.watch).plain
        self._guard = Guard(self.watch, self._plain) if self.watch else None
        self._inside, self._changed = False, []
        clock = _Deadline(request.limit if self.interrupt else None)
        value, crash = None, None
        probe = probes.find(request.probe)
        args, kwargs = _copies((request.args, request.kwargs))
        start = time.perf_counter()
        try:
            with warnings.catch_warnings(), clock:
                warnings.simplefilter("ignore")
                value = probe(self, *args, **kwargs)
        except KeyboardInterrupt:
            if not clock.passed:
                raise
        except BaseException as error:  # SystemExit and the like are the learner's, too
            crash = self._crash(error)
        seconds = time.perf_counter() - start
        return Reply(
            value=values.plain(value),
            crash=crash,
            violations=tuple(self._guard.violations) if self._guard else (),
            changed=tuple(self._changed),
            seconds=seconds,
            timed_out=clock.passed,
        )

    def _crash(self, error: BaseException) -> Crash:
        frames = traceback.extract_tb(error.__traceback__)
        own = [frame for frame in frames if is_learners(frame.filename)]
        try:
            message = str(error)
        except BaseException:  # the learner's own exceptions say what they like, or leave
            message = "(its message could not be made)"
        line, code = (own[-1].lineno, (own[-1].line or "").strip()) if own else (None, "")
        return Crash(type(error).__name__, message[:500], line, code[:200], in_answer=self._inside)


class _Deadline:
    """Interrupts the main thread after so many seconds; does nothing without a limit or outside the main thread."""

    def __init__(self, seconds: float | None):
        self.passed = False
        self._timer = None
        if seconds is not None and threading.current_thread() is threading.main_thread():
            self._timer = threading.Timer(seconds, self._ring)
            self._timer.daemon = True

    def _ring(self) -> None:
        import _thread

        self.passed = True
        _thread.interrupt_main()

    def __enter__(self) -> _Deadline:
        if self._timer:
            # Started in the background by a shell, a process ignores interrupts, and this one would be lost.
            self._handler = signal.getsignal(signal.SIGINT)
            if self._handler in (signal.SIG_IGN, signal.SIG_DFL):
                signal.signal(signal.SIGINT, signal.default_int_handler)
            self._timer.start()
        return self

    def __exit__(self, *exception: Any) -> None:
        if self._timer:
            self._timer.cancel()
            if self._handler in (signal.SIG_IGN, signal.SIG_DFL):
                signal.signal(signal.SIGINT, self._handler)


def _copies(tree: Any) -> Any:
    """Return a copy of a tree of containers in which tensors and arrays are new."""
    if isinstance(tree, torch.Tensor):
        return tree.detach().clone()
    if isinstance(tree, np.ndarray):
        return tree.copy()
    if isinstance(tree, (list, tuple)):
        return type(tree)(_copies(item) for item in tree)
    if isinstance(tree, dict):
        return {key: _copies(item) for key, item in tree.items()}
    return tree


def _changes(before: Any, after: Any, name: str = "") -> list[str]:
    """Return the places in a tree of arguments whose tensors are no longer what they were."""
    if isinstance(before, torch.Tensor):
        same = before.shape == after.shape and before.dtype == after.dtype
        return [] if same and torch.equal(_bits(before), _bits(after.detach())) else [name]
    if isinstance(before, np.ndarray):
        return [] if np.array_equal(before, after, equal_nan=before.dtype.kind == "f") else [name]
    if isinstance(before, (list, tuple)):
        if len(before) != len(after):
            return [name]
        places = enumerate(zip(before, after, strict=True))
        return [
            change
            for place, (old, new) in places
            for change in _changes(old, new, f"{name}.{place}".strip("."))
        ]
    if isinstance(before, dict):
        if before.keys() != after.keys():
            return [name]
        return [
            change
            for key in before
            for change in _changes(before[key], after[key], f"{name}.{key}".strip("."))
        ]
    return []


def _bits(tensor: torch.Tensor) -> torch.Tensor:
    """NaN is not equal to itself; its bits are."""
    widths = {
        torch.float64: torch.int64,
        torch.float32: torch.int32,
        torch.float16: torch.int16,
        torch.bfloat16: torch.int16,
    }
    return tensor.contiguous().view(widths[tensor.dtype]) if tensor.dtype in widths else tensor


def lines_of(subject: Any) -> str | None:
    """Return the source of a learner's function or class, or None where Python does not have it."""
    import inspect

    if not isinstance(subject, (types.FunctionType, type)):
        return None
    linecache.checkcache()
    try:
        return inspect.getsource(subject)
    except (OSError, TypeError, IndentationError, SyntaxError):
        return None
