"""Which answers are plain: from their code nothing can be reached that only a profile hook would see.

The hook is called at every call and return, which makes an answer slower than it is. Most answers are loops and
arithmetic on tensors. An answer is *plain* when each name in its code, and in what it reaches of the learner's own
functions, stands for something known: data, an ordinary builtin, torch itself, a function of dlcv that it may use.
No name may look anything up at run time (`getattr`, `__dict__`), belong to a forbidden group, or lead out of this
list. Whatever is not understood is not plain, and is watched in full.
"""

from __future__ import annotations

import builtins
import collections
import dis
import functools
import itertools
import math
import sys
import types
import typing
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch

from dlcv.checking.forbidden import Watch
from dlcv.checking.frames import is_learners

__all__ = ["Reach"]

_BUILTINS = {
    kind.__name__: kind
    for kind in (
        abs, all, any, bool, bytes, callable, classmethod, complex, dict, divmod, enumerate, filter, float, format,
        frozenset, hasattr, hash, int, isinstance, issubclass, iter, len, list, map, max, min, next, object, pow, print,
        property, range, repr, reversed, round, set, slice, sorted, staticmethod, str, sum, super, tuple, type, zip,
        builtins.__build_class__,
        *(kind for kind in vars(builtins).values() if isinstance(kind, type) and issubclass(kind, BaseException)),
    )
} | {"Ellipsis": ..., "NotImplemented": NotImplemented, "__name__": "builtins", "__debug__": __debug__}  # fmt: skip
_DATA = (
    type(None), bool, int, float, complex, str, bytes, slice, range, type(Ellipsis), torch.Tensor, torch.nn.Parameter,
    torch.Size, torch.dtype, torch.device, torch.layout, torch.memory_format, torch.Generator,
)  # fmt: skip
_CONTAINERS = (list, tuple, set, frozenset, dict, collections.OrderedDict)
_MOST_VALUES = 2_000
_MODULES = (
    torch, torch.functional, torch.nn, torch.nn.functional, torch.nn.init, torch.linalg, torch.special, torch.fft,
    torch.autograd, math, functools, itertools, collections, typing,
    *(module for name, module in sys.modules.items() if name.startswith("torch.nn.modules")),
)  # fmt: skip
_INNOCENT_DUNDERS = {
    "__init__", "__name__", "__module__", "__qualname__", "__class__", "__doc__", "__len__", "__classcell__",
    "__annotations__", "__static_attributes__", "__firstlineno__", "__call__", "__build_class__", "__debug__",
}  # fmt: skip
# Attributes that lead from plain objects to frames, code, files, other programs' memory or numpy.
_WAYS_OUT = {
    "numpy", "from_numpy", "load", "save", "hub", "package", "classes", "ops", "ctypes", "as_strided", "storage",
    "untyped_storage", "data_ptr", "from_file", "frombuffer", "from_dlpack",
}  # fmt: skip
_OF_GLOBALS = {
    "LOAD_GLOBAL", "STORE_GLOBAL", "DELETE_GLOBAL", "LOAD_NAME", "STORE_NAME", "DELETE_NAME",
    "LOAD_FROM_DICT_OR_GLOBALS",
}  # fmt: skip
_INSPECTION = ("f_", "co_", "tb_", "gi_", "cr_", "ag_")


class Reach:
    """What an answer's code can reach by the names in it.

    Attributes
    ----------
    plain : bool
        All of it is known, and harmless to `watch`.
    values : dict
        What was reached, by its id: functions, classes, modules and containers.
    """

    def __init__(self, answer: Any, watch: Watch):
        self.watch = watch
        self.allowed = {name.rpartition(".")[2] for name in watch.allowed}
        self.values: dict[int, Any] = {}
        self.attributes: set[str] = set()
        self.modules: list[types.ModuleType] = []
        self.plain = (_is_own_function(answer) or _is_own_class(answer)) and _ORIGINALS.are_there()
        self._reach(answer)
        self._look_into_modules()

    def _look_into_modules(self) -> None:
        """Reach what attributes stand for in modules, until nothing is new: any may be looked up in any."""
        done: set[tuple[types.ModuleType, str]] = set()
        while waiting := {(module, name) for module in self.modules for name in self.attributes} - done:
            done |= waiting
            for module, name in waiting:
                self._reach(vars(module).get(name))

    def _reach(self, *values: Any) -> None:
        waiting = list(values)
        while waiting:
            value = waiting.pop()
            if type(value) in _DATA or id(value) in self.values:
                continue
            if len(self.values) >= _MOST_VALUES:
                self.plain = False
                return
            self.values[id(value)] = value
            waiting += self._parts(value)

    def _parts(self, value: Any) -> Iterable[Any]:
        """Return what `value` leads to, and note where that is not known."""
        kind = type(value)
        if kind in _CONTAINERS:
            return [*value, *value.values()] if isinstance(value, dict) else list(value)
        if isinstance(value, types.ModuleType):
            self._module(value)
        elif _is_own_function(value):
            return self._function(value)
        elif _is_own_class(value):
            self.plain = self.plain and kind is type
            described = (types.GetSetDescriptorType, types.MemberDescriptorType)
            parts = [part for part in vars(value).values() if type(part) not in described]
            return [*parts, *(base for base in value.__mro__[1:] if base is not object)]
        elif kind is functools.partial:
            return [value.func, value.args, value.keywords]
        elif kind in (staticmethod, classmethod):
            return [value.__func__]
        elif kind is property:
            return [value.fget, value.fset, value.fdel]
        elif not (self._is_known(value) or self._is_allowed(value)):
            self.plain = False
        return []

    def _module(self, module: types.ModuleType) -> None:
        if any(module is known for known in _MODULES) or module.__name__.partition(".")[0] == "dlcv":
            self.modules.append(module)
        else:
            self.plain = False

    def _function(self, function: types.FunctionType) -> list[Any]:
        names = names_in(function.__code__)
        self.attributes |= names.attributes
        innocent = all(map(self._is_innocent, names.attributes)) and all(
            name in function.__globals__ or vars(builtins).get(name) is _BUILTINS.get(name)
            for name in names.globals
        )
        modules = [sys.modules.get(name) for name in names.imports]
        self.plain = self.plain and innocent and None not in modules
        return [*named_by(function), *vars(function).values(), *modules]

    def _is_innocent(self, attribute: str) -> bool:
        """True for an attribute that leads nowhere, whatever it is an attribute of."""
        if attribute in _WAYS_OUT or attribute.startswith(_INSPECTION):
            return False
        if self.watch.by_name(attribute) and attribute not in self.allowed:
            return False
        return not attribute.startswith("_") or attribute in _INNOCENT_DUNDERS

    def _is_known(self, value: Any) -> bool:
        """True for a function or class of torch or another known module that is in no group, whatever it is called."""
        name = getattr(value, "__name__", "")
        return _ORIGINALS.has(value) and name not in _WAYS_OUT and not self.watch.by_name(name)

    def _is_allowed(self, value: Any) -> bool:
        """True for a function or class of dlcv that this exercise may call."""
        name, module = getattr(value, "__qualname__", None), getattr(value, "__module__", None)
        if not isinstance(value, (types.FunctionType, type)) or not str(module).startswith("dlcv."):
            return False
        chapter = ".".join(module.split(".")[:2])
        return bool({f"{chapter}.{name}", f"{module}.{name}"} & self.watch.allowed)


class _Originals:
    """What torch and the other known modules held before any learner's code ran."""

    def __init__(self) -> None:
        values = [value for module in _MODULES for value in vars(module).values()]
        self.values = {id(value): value for value in values if not isinstance(value, types.ModuleType)}
        self.values |= {id(value): value for value in _BUILTINS.values()}
        self.classes = {
            kind: dict(vars(kind)) for kind in (torch.Tensor, torch.nn.Parameter, torch.nn.Module)
        }

    def has(self, value: Any) -> bool:
        """True for one of torch's own functions and classes, or one of the other known modules."""
        if id(value) not in self.values:
            return False
        return not isinstance(value, type) or not any(_is_own_function(part) for part in vars(value).values())

    def are_there(self) -> bool:
        """True if nobody has put another method into the classes of which tensors and modules are."""
        return all(
            vars(kind).get(name) is value
            for kind, before in self.classes.items()
            for name, value in before.items()
        ) and all(len(vars(kind)) == len(before) for kind, before in self.classes.items())


_ORIGINALS = _Originals()


def _is_own_function(value: Any) -> bool:
    return type(value) is types.FunctionType and is_learners(value.__code__.co_filename)


def _is_own_class(value: Any) -> bool:
    return isinstance(value, type) and any(_is_own_function(part) for part in vars(value).values())


@dataclass(frozen=True)
class Names:
    """The names in a function's code, its inner functions' too: of globals and builtins, attributes, modules."""

    globals: frozenset[str]
    attributes: frozenset[str]
    imports: frozenset[str]


@functools.lru_cache(maxsize=256)
def names_in(code: types.CodeType) -> Names:
    """Return the names that a function's code uses."""
    found: dict[str, set[str]] = {"globals": set(), "attributes": set(), "imports": set()}
    codes = [code]
    while codes:
        code = codes.pop()
        codes += [constant for constant in code.co_consts if isinstance(constant, types.CodeType)]
        for step in dis.get_instructions(code):
            if step.opname in _OF_GLOBALS:
                found["globals"].add(step.argval)
            elif step.opname == "IMPORT_NAME":
                found["imports"].add(step.argval)
            elif step.opcode in dis.hasname:
                found["attributes"].add(step.argval)
    return Names(**{kind: frozenset(names) for kind, names in found.items()})


def named_by(function: types.FunctionType) -> Iterator[Any]:
    """Yield what a function's code names: globals, closure cells, defaults."""
    for name in names_in(function.__code__).globals & function.__globals__.keys():
        yield function.__globals__[name]
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # a cell not filled yet
            continue
    yield from function.__defaults__ or ()
    yield from (function.__kwdefaults__ or {}).values()
