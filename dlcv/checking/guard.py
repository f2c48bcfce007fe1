"""Forbidden calls: what an exercise asks the learner to build, and how a shortcut is seen.

Three nets, because each has holes that another closes:

* a `TorchDispatchMode` sees every aten operator, whatever name reached it (``F.conv1d``, ``torch.ops``, aliases);
* a profile hook sees every Python function that is entered (numpy, scipy, ``dlcv`` itself, ``eval``) and every C
  function that is called by name; a few numpy functions that no hook sees are wrapped while an answer runs;
* `scan_source` reads the learner's source: an ``@`` between numpy arrays, a call that this run did not reach.

A forbidden call is a verdict, not a crash: it is noted, and the answer runs on. What the nets cannot catch is a
learner who copies an implementation by hand; see the contributor's page for that limit.
"""

from __future__ import annotations

import ast
import fnmatch
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


@dataclass(frozen=True)
class Forbidden:
    """A group of calls that do an exercise's job.

    Attributes
    ----------
    name : str
        The group in words, as in "a ready-made convolution".
    aten : tuple of str
        Patterns of operator names without namespace: ``"convolution*"``.
    names : tuple of str
        Patterns of function names in torch, numpy, scipy, skimage, cv2 and torchvision: ``"conv[123]d"``.
    """

    name: str
    aten: tuple[str, ...] = ()
    names: tuple[str, ...] = ()


CONVOLUTION = Forbidden(
    "a ready-made convolution",
    aten=("convolution*", "_convolution*", "conv[123]d*", "conv_transpose*", "mkldnn_convolution*", "thnn_conv*",
          "slow_conv*", "_slow_conv*", "conv_tbc*", "conv_depthwise*", "_conv_depthwise*", "cudnn_convolution*"),
    names=("conv[123]d*", "conv_transpose[123]d*", "conv_tbc", "Conv[123]d*", "ConvTranspose[123]d*", "LazyConv*",
           "convolve*", "correlate*", "fftconvolve", "oaconvolve", "deconvolve", "lfilter", "upfirdn", "filter2D",
           "sepFilter2D", "convolution*", "_convolution*", "conv[123]d_*", "polymul", "polydiv", "polyval"),
)  # fmt: skip
MATMUL = Forbidden(
    "a ready-made matrix product",
    aten=("mm", "bmm", "mv", "dot", "vdot", "addmm*", "addmv*", "addbmm*", "baddbmm*", "_int_mm", "matmul", "linear",
          "einsum", "tensordot", "inner", "kron", "linalg_*", "_linalg_*", "bilinear", "_trilinear", "chain_matmul",
          "_scaled_mm", "mkldnn_linear*"),
    names=("matmul", "mm", "bmm", "mv", "dot", "vdot", "vecdot", "inner", "einsum", "tensordot", "kron", "multi_dot",
           "matvec", "vecmat", "addmm", "addmv", "baddbmm", "addbmm", "chain_matmul", "linear", "Linear"),
)  # fmt: skip
FFT = Forbidden(
    "a Fourier transform",
    aten=("_fft_*", "fft_*", "stft", "istft"),
    names=("fft", "ifft", "rfft", "irfft", "hfft", "ihfft", "[ir]*fft[2n]", "fft[2n]", "stft", "istft"),
)
UNFOLD = Forbidden(
    "a ready-made unfold or fold",
    aten=("im2col*", "col2im*", "unfold", "unfold_*", "as_strided*"),
    names=(
        "unfold",
        "fold",
        "Unfold",
        "Fold",
        "sliding_window_view",
        "as_strided",
        "view_as_windows",
        "im2col",
        "col2im",
    ),
)
INTERPOLATION = Forbidden(
    "a ready-made interpolation",
    aten=("upsample_*", "_upsample_*", "grid_sampler*", "_grid_sampler*", "affine_grid*", "pixel_*shuffle"),
    names=("interpolate", "upsample*", "Upsample*", "UpsamplingBilinear2d", "UpsamplingNearest2d", "grid_sample",
           "affine_grid", "resize", "zoom", "rescale", "map_coordinates", "interp", "interp1d", "interpn",
           "RegularGridInterpolator", "RectBivariateSpline", "remap", "warp", "warpAffine", "affine_transform",
           "pixel_shuffle", "PixelShuffle", "pixel_unshuffle"),
)  # fmt: skip
POOLING = Forbidden(
    "a ready-made pooling",
    aten=("*max_pool*", "*avg_pool*", "max_unpool*", "*adaptive_*pool*", "fractional_max_pool*"),
    names=("*max_pool[123]d*", "*avg_pool[123]d*", "max_unpool[123]d*", "MaxPool*", "AvgPool*", "MaxUnpool*",
           "Adaptive*Pool*", "lp_pool*", "maximum_filter*", "uniform_filter*", "block_reduce"),
)  # fmt: skip
ROI = Forbidden(
    "a ready-made RoI operation",
    aten=("roi_align*", "roi_pool*", "ps_roi_*"),
    names=(
        "roi_align",
        "roi_pool",
        "ps_roi_align",
        "ps_roi_pool",
        "RoIAlign",
        "RoIPool",
        "MultiScaleRoIAlign",
    ),
)
SOFTMAX = Forbidden(
    "a ready-made softmax or cross-entropy",
    aten=("_softmax*", "_log_softmax*", "softmax*", "log_softmax*", "nll_loss*", "cross_entropy*",
          "binary_cross_entropy*"),
    names=("softmax", "log_softmax", "cross_entropy", "nll_loss", "binary_cross_entropy*", "CrossEntropyLoss",
           "NLLLoss", "BCELoss", "BCEWithLogitsLoss", "Softmax", "LogSoftmax", "sigmoid_focal_loss"),
)  # fmt: skip
ARGMAX = Forbidden(
    "a ready-made argmax",
    aten=("argmax*", "argmin*", "max.dim*", "min.dim*", "sort*", "argsort*", "topk*", "_softmax*"),
    names=(
        "argmax",
        "argmin",
        "nanargmax",
        "nanargmin",
        "argsort",
        "sort",
        "topk",
        "lexsort",
        "argpartition",
    ),
)
EVERYTHING_READY_MADE = (CONVOLUTION, MATMUL, FFT, UNFOLD, INTERPOLATION, POOLING, ROI)

REFERENCE = Forbidden("the course's own reference")
NUMPY = Forbidden("numpy arrays, where the exercise asks for torch")
ESCAPE = Forbidden("code that steps around the check")

_WATCHED_PACKAGES = {"torch", "numpy", "scipy", "skimage", "cv2", "torchvision", "sklearn", "kornia"}
_FREE_DLCV = ("dlcv.checking", "dlcv.plotting", "dlcv.device")
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


@dataclass(frozen=True)
class Watch:
    """What is looked for while one exercise's answer runs."""

    groups: tuple[Forbidden, ...] = ()
    numpy: bool = False
    allowed: frozenset[str] = frozenset()
    # Names of functions, (module, name) of Python functions and operators that were looked at and are in no group.
    harmless: set = field(default_factory=set, compare=False, repr=False)

    @functools.cached_property
    def numpy_names(self) -> tuple[str, ...]:
        return tuple(name for name in dir(np) if any(_matches(name, group.names) for group in self.groups))

    def by_operator(self, overload: str) -> Forbidden | None:
        """Return the group that an aten operator such as ``"max.dim"`` belongs to."""
        name = overload.partition(".")[0]
        return next((g for g in self.groups if _matches(name, g.aten) or _matches(overload, g.aten)), None)

    def by_name(self, name: str) -> Forbidden | None:
        """Return the group that a function's name belongs to."""
        return next((group for group in self.groups if _matches(name, group.names)), None)


@functools.lru_cache(maxsize=64)
def watch_for(
    groups: tuple[Forbidden, ...], *, loops: bool = False, numpy: bool = False, allowed: tuple[str, ...] = ()
) -> Watch:
    """Return the watch of an exercise; `loops` adds every ready-made operation to `groups`."""
    if loops:
        groups = (*groups, *(group for group in EVERYTHING_READY_MADE if group not in groups))
    return Watch(groups, numpy, frozenset(allowed))


@functools.lru_cache(maxsize=20_000)
def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


@dataclass(frozen=True)
class Violation:
    """One forbidden call: what was called, its group in words, and the learner's line (1-based in the cell)."""

    call: str
    group: str
    line: int | None = None


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
        elif package not in _WATCHED_PACKAGES:
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
        chapter = ".".join(module.split(".")[:2])
        if {f"{chapter}.{name}", f"{module}.{name}"} & self.watch.allowed:
            self._quiet = frame
        elif not _is_learners(frame.f_code.co_filename):
            self.note(f"{chapter}.{name}", REFERENCE, learner_line(frame))

    def _called(self, frame: types.FrameType, function: Any) -> None:
        name = function.__name__
        if name in _ESCAPES:
            # A thread leaves the watch whoever starts it for the learner; libraries may compile what they like.
            if "thread" in name or _is_learners(frame.f_code.co_filename):
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
    return package.lstrip("_") if package in _WATCHED_PACKAGES or package == "_operator" else None


@functools.lru_cache(maxsize=10_000)
def _is_learners(filename: str) -> bool:
    """True for code that neither Python, an installed package nor dlcv brought along."""
    if filename.startswith("<"):
        return filename.startswith(
            ("<ipython", "<cell")
        )  # others are made by libraries: "<string>", "<frozen ...>"
    return not os.path.realpath(filename).startswith((*_LIBRARY, _PACKAGE))


def _learner_frame(frame: types.FrameType | None) -> types.FrameType | None:
    while frame is not None:
        if _is_learners(frame.f_code.co_filename):
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
        if function in found or not _is_learners(function.__code__.co_filename):
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


def scan_source(source: str, name: str, watch: Watch) -> list[Violation]:
    """Read a learner's source for forbidden calls in the definition of `name` and what it uses of the same source.

    A source that does not parse has no violations: that it does not run is another verdict.
    """
    try:
        tree = ast.parse(_without_magics(source))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    roots, imported = _imports(tree)
    found: list[Violation] = []
    for definition in _definitions(tree, name):
        for node in ast.walk(definition):
            if hit := _forbidden_node(node, watch, roots, imported):
                call, group = hit
                if all(violation.call != call for violation in found):
                    found.append(Violation(call, group.name, node.lineno))
    return found


def _without_magics(source: str) -> str:
    return "\n".join("" if line.lstrip().startswith(("%", "!", "?")) else line for line in source.split("\n"))


def _imports(tree: ast.AST) -> tuple[dict[str, str], dict[str, str]]:
    """Return names bound to watched modules, and names imported from them with their original names."""
    roots = {
        "torch": "torch",
        "np": "numpy",
        "numpy": "numpy",
        "F": "torch.nn.functional",
        "nn": "torch.nn",
        "scipy": "scipy",
    }
    imported: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.partition(".")[0] in _WATCHED_PACKAGES:
                    roots[alias.asname or alias.name.partition(".")[0]] = alias.name
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in _WATCHED_PACKAGES:
            for alias in node.names:
                imported[alias.asname or alias.name] = f"{node.module}.{alias.name}"
                roots.setdefault(alias.asname or alias.name, f"{node.module}.{alias.name}")
    return roots, imported


def _definitions(tree: ast.Module, name: str) -> list[ast.AST]:
    """Return the last definition of `name` at top level, and those of this source that it uses, in turn."""
    top: dict[str, ast.AST] = {}
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            top[node.name] = node
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    top[target.id] = node
    wanted, found = [name], {}
    while wanted:
        key = wanted.pop()
        if key in top and key not in found:
            found[key] = top[key]
            wanted += [node.id for node in ast.walk(top[key]) if isinstance(node, ast.Name)]
    return list(found.values())


def _forbidden_node(
    node: ast.AST, watch: Watch, roots: dict[str, str], imported: dict[str, str]
) -> tuple[str, Forbidden] | None:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult) and MATMUL in watch.groups:
        return "the operator @", MATMUL
    if isinstance(node, ast.Attribute):
        root = node.value
        while isinstance(root, ast.Attribute):
            root = root.value
        if isinstance(root, ast.Name) and root.id in roots and (group := watch.by_name(node.attr)):
            return f"{roots[root.id].partition('.')[0]}.{node.attr}", group
        if node.attr in ("__matmul__", "__rmatmul__", "__imatmul__") and MATMUL in watch.groups:
            return f"the operator @ ({node.attr})", MATMUL
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in imported:
        original = imported[node.id]
        if group := watch.by_name(original.rpartition(".")[2]):
            return original, group
    return None
