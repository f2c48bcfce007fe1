"""Fingerprints of the code that decides about right and wrong: one of each exercise, one of the engine under all.

An exercise's fingerprint covers what a verdict on it can depend on: its options, reference, cases and slips, and
every function, class and constant of `dlcv` that these use, however far away it stands. So a changed test, or a
mended helper of one, means other fingerprints for the exercises that use it and for no others. Comments, docstrings
and layout do not count.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib
import inspect
import re
import sys
import textwrap
import types
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import torch

from dlcv.checking import Exercise

from .record import digest

__all__ = ["engine_digest", "exercise_digest"]

# Its own fingerprint: it is under all exercises.
ENGINE = "dlcv.checking"
# What this package does before a verdict is made.
RUNNING = ("submission", "release", "restore", "needed", "student", "examine")
_PROBE = re.compile(r"^(dlcv\.[\w.]+):(\w+)$")


@functools.cache
def engine_digest() -> str:
    """The fingerprint of what runs submissions and compares answers."""
    folder = Path(sys.modules[ENGINE].__file__).parent
    files = [*sorted(folder.rglob("*.py")), *(Path(__file__).with_name(f"{name}.py") for name in RUNNING)]
    return digest("\n".join(f"{file.name}\n{meaning(file.read_text(encoding='utf-8'))}" for file in files))


def exercise_digest(exercise: Exercise) -> str:
    """The fingerprint of one exercise."""
    options = (
        exercise.name, exercise.chapter, exercise.kind, exercise.points, exercise.forbidden, exercise.loops,
        exercise.numpy, exercise.hints, exercise.tolerance, exercise.allowed, exercise.limit,
    )  # fmt: skip
    reach = _Reach()
    reach.follow(exercise.reference)
    reach.follow(exercise._cases)
    for slip in exercise.slips:
        reach.note(f"slip {slip.name}", f"{slip.diagnosis}\n{slip.source and meaning(slip.source)}")
        reach.follow(slip.program)
    if exercise.derivation is not None:
        reach.follow(_state(exercise.derivation))
    return digest(repr(options) + "\n" + reach.text())


def meaning(source: str) -> str:
    """Return a source's syntax tree as text, without comments, docstrings and layout.

    >>> meaning("def f(x):  # why\\n    'What.'\\n    return (x)") == meaning("def f( x ): return x")
    True
    """
    tree = ast.parse(source)
    for node in ast.walk(tree):
        documented = isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
        if documented and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:]
    return ast.dump(tree)


class _Reach:
    """Everything of `dlcv`, but the engine, that some objects use: each piece once, by its name."""

    def __init__(self):
        self.pieces: dict[str, str] = {}
        self.seen: dict[int, Any] = {}  # keeps them alive, else their numbers would be given out again

    def text(self) -> str:
        return "\n".join(f"{name}: {self.pieces[name]}" for name in sorted(self.pieces))

    def note(self, name: str, content: str) -> None:
        """Keep a piece; several of one name are told apart by their content."""
        self.pieces[f"{name} {hashlib.sha256(content.encode()).hexdigest()[:16]}"] = ""

    def follow(self, thing: Any, names: Iterable[str] = ()) -> None:
        """Note `thing` and what it uses; of a module, its attributes `names`."""
        if id(thing) in self.seen and not isinstance(thing, types.ModuleType):
            return
        self.seen[id(thing)] = thing
        if isinstance(thing, types.ModuleType):
            self._module(thing, names)
        elif isinstance(thing, type):
            self._class(thing)
        elif isinstance(thing, types.FunctionType):
            self._function(thing)
        elif isinstance(thing, types.MethodType):
            self.follow(thing.__func__)
        elif isinstance(thing, functools.partial):
            self.follow([thing.func, thing.args, thing.keywords])
        elif callable(getattr(thing, "__wrapped__", None)):  # functools.cache and other decorators
            self.follow(thing.__wrapped__)
        elif isinstance(thing, Mapping):
            self.follow(list(thing.items()))
        elif isinstance(thing, (set, frozenset)):
            self.note("set", repr(sorted(map(repr, thing))))
        elif isinstance(thing, (list, tuple)):
            for entry in thing:
                self.follow(entry)
        else:
            self._value(thing)

    def _module(self, module: types.ModuleType, names: Iterable[str]) -> None:
        if _is_ours(module.__name__):
            for name in names:
                if hasattr(module, name):
                    self._named(f"{module.__name__}.{name}", getattr(module, name), names)

    def _named(self, name: str, thing: Any, names: Iterable[str]) -> None:
        """Follow what stands under a name; a bare value is noted with its name."""
        if isinstance(thing, (bool, int, float, complex, str, bytes)):
            self.note(name, repr(thing))
        else:
            self.follow(thing, names)

    def _class(self, thing: type) -> None:
        if not _is_ours(thing.__module__):
            return
        self.note(thing.__qualname__, _source(thing))
        for base in thing.__bases__:
            self.follow(base)
        for member in vars(thing).values():
            function = getattr(member, "fget", None) or getattr(member, "__func__", member)
            if isinstance(function, types.FunctionType) and function.__module__ == thing.__module__:
                self._uses(function)

    def _function(self, function: types.FunctionType) -> None:
        if _is_ours(function.__module__ or ""):
            self.note(function.__qualname__, _source(function))
            self._uses(function)

    def _uses(self, function: types.FunctionType) -> None:
        """Follow a function's globals, defaults, closure, imports, and the probes that it names."""
        self.follow([function.__defaults__ or (), function.__kwdefaults__ or {}])
        for cell in function.__closure__ or ():
            self.follow(_content(cell))
        names, texts = _words(function.__code__)
        for name in sorted(names & function.__globals__.keys()):
            self._named(name, function.__globals__[name], names)
        for name in sorted(names):
            if _is_ours(name):
                self._module(importlib.import_module(name), names)
        for text in sorted(texts):
            if (probe := _PROBE.match(text)) and _is_ours(probe[1]):
                self._module(importlib.import_module(probe[1]), [probe[2]])

    def _value(self, thing: Any) -> None:
        if isinstance(thing, torch.Tensor):
            self.note("tensor", repr((thing.dtype, thing.tolist())))
        elif _is_ours(type(thing).__module__):
            self.follow(type(thing))
            self.follow(_state(thing))
        elif not _is_engines(type(thing).__module__):
            # What shows its address has no text of its own.
            shown = repr(thing)
            self.note("value", type(thing).__qualname__ if " at 0x" in shown else shown)


def _state(thing: Any) -> dict[str, Any]:
    """What an object was made with; not what it has worked out since, which differs from one process to the next."""
    kept = getattr(thing, "__dict__", {})
    return {
        name: value
        for name, value in kept.items()
        if not isinstance(getattr(type(thing), name, None), functools.cached_property)
    }


def _is_ours(module: str) -> bool:
    return module.startswith("dlcv.") and not _is_engines(module)


def _is_engines(module: str) -> bool:
    return module == ENGINE or module.startswith(f"{ENGINE}.")


def _source(thing: Callable | type) -> str:
    """The meaning of a function's or class's source; for what was made from text, of its instructions."""
    try:
        return meaning(textwrap.dedent(inspect.getsource(thing)))
    except (OSError, TypeError, SyntaxError):  # a lambda in the middle of a line does not parse alone
        code = getattr(thing, "__code__", None)
        return repr(_instructions(code)) if code else thing.__qualname__


def _instructions(code: types.CodeType) -> tuple:
    return code.co_code.hex(), list(map(_constant, code.co_consts)), code.co_names, code.co_varnames


def _constant(value: Any) -> Any:
    if isinstance(value, types.CodeType):
        return _instructions(value)
    # A set's order differs from one process to the next.
    return sorted(map(repr, value)) if isinstance(value, frozenset) else repr(value)


def _words(code: types.CodeType) -> tuple[set[str], set[str]]:
    """Names that code looks up, in itself and in what is nested in it, and its texts."""
    names, texts, waiting = set(), set(), [code]
    while waiting:
        code = waiting.pop()
        names.update(code.co_names)
        texts.update(constant for constant in code.co_consts if isinstance(constant, str))
        waiting += [constant for constant in code.co_consts if isinstance(constant, types.CodeType)]
    return names, texts


def _content(cell: types.CellType) -> list[Any]:
    """What a closure's cell holds, in a list; an empty one where it holds nothing yet."""
    try:
        return [cell.cell_contents]
    except ValueError:
        return []
