"""Forbidden calls, seen while an answer runs.

Nets, because each has holes that another closes:

* a `TorchDispatchMode` sees every aten operator, whatever name reached it (``F.conv1d``, ``torch.ops``, aliases);
* a profile hook sees every Python function that is entered (numpy, scipy, ``dlcv`` itself, ``eval``) and every C
  function that is called by name; a few numpy functions that no hook sees are wrapped while an answer runs;
* `dlcv.checking.scan` reads the learner's source: an ``@`` between numpy arrays, a call that this run did not reach.

A forbidden call is a verdict, not a crash: it is noted, and the answer runs on. What the nets cannot catch is a
learner who copies an implementation by hand; see the contributor's page for that limit.
"""

from __future__ import annotations

import functools
import os
import sys
import sysconfig
import types
from collections.abc import Iterable
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from dlcv.checking.forbidden import ESCAPE, NUMPY, REFERENCE, WATCHED_PACKAGES, Forbidden, Violation, Watch

_FREE_DLCV = ("dlcv.checking", "dlcv.arguments", "dlcv.plotting", "dlcv.device", "dlcv.backbones")
_ESCAPES = {
    "eval",
    "exec",
    "compile",
    "__import__",
    "setprofile",
    "settrace",
    "start_new_thread",
    "start_joinable_thread",
}
_LIBRARY = tuple(
    {
        os.path.realpath(path) + os.sep
        for key in ("stdlib", "platstdlib", "purelib", "platlib")
        if (path := sysconfig.get_path(key))
    }
)
_PACKAGE = os.path.dirname(os.path.dirname(os.path.realpath(__file__))) + os.sep


@dataclass
class Guard:
    """Watches one run of an answer. ``with Guard(watch).active(): answer(...)``, then read `violations`."""

    watch: Watch
    violations: list[Violation] = field(default_factory=list)
    _quiet: types.FrameType | None = None  # the frame of an allowed reference, inside which all is allowed

    @contextmanager
    def active(self, answer: Any = None):
        """Watch until the block ends. `answer` is the learner's object, whose globals are searched for aliases."""
        self._scan_globals(answer)
        previous = sys.getprofile()
        with ExitStack() as stack:
            stack.enter_context(_Operators(self))
            for name in self.watch.numpy_names:
                stack.enter_context(_wrapped(np, name, self))
            sys.setprofile(self._profile)
            stack.callback(sys.setprofile, previous)
            yield self
            if sys.getprofile() != self._profile:
                self.note("sys.setprofile", ESCAPE, None)

    def note(self, call: str, group: Forbidden, line: int | None) -> None:
        """Keep one violation; the first of each call is enough."""
        if self._quiet is None and all(violation.call != call for violation in self.violations):
            self.violations.append(Violation(call, group.name, line))

    def _profile(self, frame: types.FrameType, event: str, argument: Any) -> None:
        # Called at every call and return, so what is known to be harmless leaves by the first line.
        if event == "call":
            key = (frame.f_globals.get("__name__"), frame.f_code.co_name)
            if key not in self.watch.harmless:
                self._entered(frame, *key)
        elif event == "c_call":
            if argument.__name__ not in self.watch.harmless:
                self._called(frame, argument)
        elif event == "return" and frame is self._quiet:
            self._quiet = None

    def _entered(self, frame: types.FrameType, module: str | None, name: str) -> None:
        package = (module or "").partition(".")[0]
        if package == "dlcv":
            self._entered_dlcv(frame, module, name)
        elif package not in WATCHED_PACKAGES:
            self.watch.harmless.add((module, name))
        elif group := self.watch.by_name(name):
            if _is_module_level(frame):
                self.note(f"{package}.{name}", group, learner_line(frame))
        elif not self.watch.numpy and name in ("__array__", "from_numpy") and package == "torch":
            self.note("numpy", NUMPY, learner_line(frame))
        elif name == "_disable_current_modes":
            self.note(name, ESCAPE, learner_line(frame))
        else:
            self.watch.harmless.add((module, name))

    def _entered_dlcv(self, frame: types.FrameType, module: str, name: str) -> None:
        if self._quiet is not None or module.startswith(_FREE_DLCV) or name.startswith("<"):
            return
        if module.endswith(".probes"):  # what a probe hands to the answer, a classifier for instance
            return
        chapter = ".".join(module.split(".")[:2])
        subject = frame.f_locals.get("self")  # a method goes by its class
        own = (subject if isinstance(subject, type) else type(subject)).__name__
        if {f"{place}.{known}" for place in (chapter, module) for known in (name, own)} & self.watch.allowed:
            self._quiet = frame
        elif not is_learners(frame.f_code.co_filename):
            self.note(f"{chapter}.{name}", REFERENCE, learner_line(frame))

    def _called(self, frame: types.FrameType, function: Any) -> None:
        name = function.__name__
        if name in _ESCAPES:
            # A thread leaves the watch whoever starts it for the learner; libraries may compile what they like.
            if "thread" in name or is_learners(frame.f_code.co_filename):
                self.note(name, ESCAPE, learner_line(frame))
        elif name == "numpy":
            if not self.watch.numpy and isinstance(function.__self__, torch.Tensor):
                self.note("Tensor.numpy", NUMPY, learner_line(frame))
        elif group := self.watch.by_name(name):
            if package := _package_of(function):
                self.note(f"{package}.{name}", group, learner_line(frame))
        else:
            self.watch.harmless.add(name)

    def _scan_globals(self, answer: Any) -> None:
        """Find forbidden numpy objects under another name (``mm = np.matmul``), which the wrapping would miss."""
        banned = {id(getattr(np, name)): name for name in self.watch.numpy_names}
        for function in _own_functions(answer):
            for value in _reachable(function):
                value = value.func if isinstance(value, functools.partial) else value
                if id(value) in banned:
                    name = banned[id(value)]
                    self.note(f"numpy.{name}", self.watch.by_name(name), None)


class _Operators(TorchDispatchMode):
    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # True, torch's default, imports torch._dynamo at the first operator: over a second

    def __init__(self, guard: Guard):
        super().__init__()
        self.guard = guard

    def __torch_dispatch__(
        self, operator: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        if operator._name not in self.guard.watch.harmless:
            self._look_at(operator)
        return operator(*args, **(kwargs or {}))

    def _look_at(self, operator: Any) -> None:
        namespace, _, name = operator._schema.name.partition("::")
        group = self.guard.watch.by_operator(f"{name}.{operator._overloadname}")
        if group is None:
            self.guard.watch.harmless.add(operator._name)
        else:  # there is no line where the answer itself is a C function
            self.guard.note(f"torch.ops.{namespace}.{name}", group, learner_line(sys._getframe(2)))


@contextmanager
def _wrapped(module: types.ModuleType, name: str, guard: Guard):
    """Replace a numpy function for a while by one that notes its call: C functions without a profile event."""
    original = getattr(module, name)
    if not callable(original) or isinstance(original, (type, types.FunctionType)):
        yield
        return

    @functools.wraps(original)
    def noted(*args: Any, **kwargs: Any) -> Any:
        frame = _learner_frame(sys._getframe(1))
        if frame is not None:
            guard.note(f"numpy.{name}", guard.watch.by_name(name), frame.f_lineno)
        return original(*args, **kwargs)

    setattr(module, name, noted)
    try:
        yield
    finally:
        setattr(module, name, original)


def _is_module_level(frame: types.FrameType) -> bool:
    """True if the frame runs the function that its module knows by this name, not a nested one that is called alike."""
    function = frame.f_globals.get(frame.f_code.co_name)
    while function is not None and getattr(function, "__code__", None) is not frame.f_code:
        function = getattr(function, "__wrapped__", None)
    return function is not None


def _package_of(function: Any) -> str | None:
    """Return the watched package that a C function belongs to, or None: ``torch`` for ``torch.conv1d``."""
    owner = getattr(function, "__self__", None)
    if isinstance(owner, (torch.Tensor, np.ndarray)):
        return "torch" if isinstance(owner, torch.Tensor) else "numpy"
    if isinstance(owner, types.ModuleType):
        package = owner.__name__.partition(".")[0]
    else:
        package = (
            getattr(owner, "__module__", None) or getattr(function, "__module__", None) or ""
        ).partition(".")[0]
        if "_VariableFunctions" in getattr(owner, "__name__", ""):
            package = "torch"
    return package.lstrip("_") if package in WATCHED_PACKAGES or package == "_operator" else None


@functools.lru_cache(maxsize=10_000)
def is_learners(filename: str) -> bool:
    """True for code that neither Python, an installed package nor dlcv brought along."""
    if filename.startswith("<"):
        return filename.startswith(
            ("<ipython", "<cell")
        )  # others are made by libraries: "<string>", "<frozen ...>"
    return not os.path.realpath(filename).startswith((*_LIBRARY, _PACKAGE))


def _learner_frame(frame: types.FrameType | None) -> types.FrameType | None:
    while frame is not None:
        if is_learners(frame.f_code.co_filename):
            return frame
        if frame.f_globals.get("__name__") == "dlcv.checking.answer":
            return None  # the probe's own frames, and whoever called the check, lie beyond
        frame = frame.f_back
    return None


def learner_line(frame: types.FrameType | None) -> int | None:
    """Return the line of the learner's code that is running, seen from `frame`; None if there is none."""
    found = _learner_frame(frame)
    return None if found is None else found.f_lineno


def _own_functions(answer: Any) -> list[types.FunctionType]:
    """Return the answer's functions (a class's methods), and those that they reach by a global name."""
    if isinstance(answer, type):
        waiting = [value for value in vars(answer).values() if isinstance(value, types.FunctionType)]
    else:
        waiting = [answer] if isinstance(answer, types.FunctionType) else []
    found: list[types.FunctionType] = []
    while waiting and len(found) < 200:
        function = waiting.pop()
        if function in found or not is_learners(function.__code__.co_filename):
            continue
        found.append(function)
        waiting += [value for value in _reachable(function) if isinstance(value, types.FunctionType)]
    return found


def _reachable(function: types.FunctionType) -> Iterable[Any]:
    """Yield what a function's code names: globals, closure cells, defaults."""
    names: set[str] = set()
    codes = [function.__code__]
    while codes:
        code = codes.pop()
        names.update(code.co_names)
        codes += [constant for constant in code.co_consts if isinstance(constant, types.CodeType)]
    for name in names & function.__globals__.keys():
        yield function.__globals__[name]
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # a cell not filled yet
            continue
    yield from function.__defaults__ or ()
    yield from (function.__kwdefaults__ or {}).values()
