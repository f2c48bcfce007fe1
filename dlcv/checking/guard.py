"""Forbidden calls, seen while an answer runs.

Nets, because each has holes that another closes:

* `dlcv.checking.operators` sees every aten operator, whatever name reached it (``F.conv1d``, ``torch.ops``, aliases);
* a profile hook sees every Python function that is entered (numpy, scipy, ``dlcv`` itself, ``eval``) and every C
  function that is called by name; a few numpy functions that no hook sees are wrapped while an answer runs;
* `dlcv.checking.scan` reads the learner's source: an ``@`` between numpy arrays, a call that this run did not reach.

The hook and the complete one of the two nets for operators make an answer several times slower. An answer from which
nothing can be reached that only they would see (`dlcv.checking.plain`) runs under the fast net alone.

A forbidden call is a verdict, not a crash: it is noted, and the answer runs on. What the nets cannot catch is a
learner who copies an implementation by hand; see the contributor's page for that limit.
"""

from __future__ import annotations

import functools
import sys
import types
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from dlcv.checking.forbidden import ESCAPE, NUMPY, REFERENCE, WATCHED_PACKAGES, Forbidden, Violation, Watch
from dlcv.checking.frames import is_learners, learner_frame, learner_line
from dlcv.checking.operators import CompleteNet, FastNet
from dlcv.checking.plain import Reach

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


@dataclass
class Guard:
    """Watches one run of an answer. ``with Guard(watch).active(): answer(...)``, then read `violations`.

    With `plain`, the answer is known to be plain, and the fast net is enough.
    """

    watch: Watch
    plain: bool = False
    violations: list[Violation] = field(default_factory=list)
    _quiet: types.FrameType | None = None  # the frame of an allowed reference, inside which all is allowed

    @contextmanager
    def active(self, answer: Any = None):
        """Watch until the block ends. `answer` is the learner's object, whose globals are searched for aliases."""
        net = FastNet.lay() if self.plain else None
        if net is not None:
            net.cover(self.watch.groups)
            with net.watching(self._operator):
                yield self
            return
        self._note_aliases(answer)
        previous = sys.getprofile()
        with ExitStack() as stack:
            stack.enter_context(CompleteNet(self._operator, self.watch.harmless))
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
            if id(frame.f_code) not in self.watch.harmless_codes:
                self._entered(frame, frame.f_globals.get("__name__"), frame.f_code.co_name)
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
            self.watch.harmless_codes[id(frame.f_code)] = frame.f_code
        elif group := self.watch.by_name(name):
            if _is_module_level(frame):
                self.note(f"{package}.{name}", group, learner_line(frame))
        elif not self.watch.numpy and name in ("__array__", "from_numpy") and package == "torch":
            self.note("numpy", NUMPY, learner_line(frame))
        elif name == "_disable_current_modes":
            self.note(name, ESCAPE, learner_line(frame))
        else:
            self.watch.harmless_codes[id(frame.f_code)] = frame.f_code

    def _entered_dlcv(self, frame: types.FrameType, module: str, name: str) -> None:
        if self._quiet is not None or module.startswith(_FREE_DLCV) or name.startswith("<"):
            return
        if module.endswith(".probes"):  # what a probe hands to the answer, a classifier for instance
            return
        if self._allows(frame):
            self._quiet = frame
        elif not is_learners(frame.f_code.co_filename):
            chapter = ".".join(module.split(".")[:2])
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

    def _operator(self, namespace: str, name: str) -> bool:
        """Note a forbidden operator; return False for one that is in no group."""
        group = self.watch.by_operator(name)
        if group is None:
            return False
        frame = sys._getframe(1)
        if not self._inside_allowed(frame):  # there is no line where the answer itself is a C function
            self.note(f"torch.ops.{namespace}.{name.partition('.')[0]}", group, learner_line(frame))
        return True

    def _inside_allowed(self, frame: types.FrameType | None) -> bool:
        """True if a reference that this exercise may use has been called by the learner's code, and runs."""
        while frame is not None and self.watch.allowed and not is_learners(frame.f_code.co_filename):
            if self._allows(frame):
                return True
            frame = frame.f_back
        return False

    def _allows(self, frame: types.FrameType) -> bool:
        """True if the frame runs a function of dlcv, or a method of a class of dlcv, that this exercise may use."""
        module = frame.f_globals.get("__name__", "")
        if not module.startswith("dlcv."):
            return False
        chapter = ".".join(module.split(".")[:2])
        subject = frame.f_locals.get("self")  # a method goes by its class
        own = subject if isinstance(subject, type) else type(subject)
        known = (frame.f_code.co_name, own.__name__)
        return bool({f"{place}.{name}" for place in (chapter, module) for name in known} & self.watch.allowed)

    def _note_aliases(self, answer: Any) -> None:
        """Find forbidden numpy objects under another name (``mm = np.matmul``), which the wrapping would miss."""
        banned = {id(getattr(np, name)): name for name in self.watch.numpy_names}
        if banned:
            for key in banned.keys() & Reach(answer, self.watch).values.keys():
                self.note(f"numpy.{banned[key]}", self.watch.by_name(banned[key]), None)


@contextmanager
def _wrapped(module: types.ModuleType, name: str, guard: Guard):
    """Replace a numpy function for a while by one that notes its call: C functions without a profile event."""
    original = getattr(module, name)
    if not callable(original) or isinstance(original, (type, types.FunctionType)):
        yield
        return

    @functools.wraps(original)
    def noted(*args: Any, **kwargs: Any) -> Any:
        frame = learner_frame(sys._getframe(1))
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
