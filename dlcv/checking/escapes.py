"""Code that steps around the watch, read in the text of a learner's cells.

The watch on forbidden calls runs in the learner's process, so a cell may take it apart before the answer is called.
What that takes stands in the text: the check's own modules, Python's hooks, code made of data, a process or native code
that nobody watches. An answer in this course needs none of it. Each rule has its reason; what honest notebooks do with
the same modules (``gc.collect()``, ``"google.colab" in sys.modules``) is let through.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from dlcv.checking.forbidden import ESCAPE, WATCHED_PACKAGES, Violation

__all__ = ["escapes"]

_LONGEST = 200_000


@dataclass(frozen=True)
class _Module:
    """A module that may be used in part: these names `only`, or all but these."""

    names: frozenset[str] = frozenset()
    only: bool = True

    def refuses(self, rest: list[str]) -> bool:
        """True for what stands behind the module's name; nothing does where it is imported as a whole."""
        if not rest:
            return self.only and not self.names
        return rest[0] in ("*", "__dict__") or (rest[0] in self.names) is not self.only


def _all_but(*names: str) -> _Module:
    return _Module(frozenset(names), only=False)


def _only(*names: str) -> _Module:
    return _Module(frozenset(names))


_MODULES: Mapping[str, _Module] = {
    # what checks, and what runs the cells
    "dlcv.checking": _only(),
    "autograder": _only(),
    # names of Python itself, for everybody in this process
    "builtins": _only(),
    # hooks of the interpreter, under which the watch looks; frames and modules, through which it is reached
    "sys": _all_but("setprofile", "settrace", "_getframe", "_current_frames", "modules", "meta_path", "path_hooks",
                    "monitoring", "addaudithook", "_setprofileallthreads", "_settraceallthreads"),
    "threading": _all_but("setprofile", "settrace", "setprofile_all_threads", "settrace_all_threads"),
    "gc": _all_but("get_objects", "get_referrers", "get_referents", "callbacks"),
    "inspect": _all_but("currentframe", "stack", "trace", "getouterframes", "getinnerframes"),
    # code that does not stand in the text
    "importlib": _only("reload", "metadata", "resources"),
    "imp": _only(), "runpy": _only(), "pkgutil": _only(), "zipimport": _only(), "code": _only(), "codeop": _only(),
    "marshal": _only(), "dill": _only(), "cloudpickle": _only(), "pickle": _only("dump", "dumps", "HIGHEST_PROTOCOL"),
    # native code
    "ctypes": _only(), "cffi": _only(), "torch.utils.cpp_extension": _only(),
    # other meanings for torch's own operators
    "torch.library": _only(),
    # processes, in which nobody watches, and ways to talk to one
    "os": _all_but("fork", "forkpty", "register_at_fork", "system", "popen", "posix_spawn", "posix_spawnp", "execv",
                   "execve", "execvp", "execvpe", "execl", "execle", "execlp", "execlpe", "spawnl", "spawnle",
                   "spawnlp", "spawnlpe", "spawnv", "spawnve", "spawnvp", "spawnvpe"),
    "posix": _only(), "pty": _only(), "subprocess": _only(), "multiprocessing": _only("cpu_count"),
    "torch.multiprocessing": _only("cpu_count"), "concurrent.futures": _all_but("ProcessPoolExecutor", "process"),
    "socket": _only("gethostname"),
}  # fmt: skip
_BUILTINS = {"exec", "eval", "compile", "__import__", "__builtins__"}
# What leads from any object to the code and the names behind it.
_ATTRIBUTES = {
    "__globals__", "__code__", "__closure__", "__builtins__", "__subclasses__", "__loader__", "__self__",
    "f_globals", "f_locals", "f_back", "f_builtins", "f_code", "tb_frame", "gi_frame", "cr_frame", "ag_frame",
}  # fmt: skip
_NAMES = _ATTRIBUTES | {"setprofile", "settrace", "_getframe", "_current_frames"}


def escapes(cells: Mapping[int, str], others: Iterable[str] = ()) -> list[tuple[int, Violation]]:
    """Return what steps around the watch in a learner's cells: each word of a cell once, with its line.

    Parameters
    ----------
    cells : mapping of int to str
        What the learner wrote, by any number of the cell. What does not parse is not run either: nothing is found.
    others : iterable of str
        Cells of ours in the same notebook. They are not read but for what they import.
    """
    trees = {number: _parsed(source) for number, source in cells.items()}
    modules = _imported_modules([*trees.values(), *map(_parsed, others)])
    found: list[tuple[int, Violation]] = []
    for number, tree in trees.items():
        first: dict[str, int] = {}
        for word, line in sorted(_words(tree, modules), key=lambda hit: hit[1]):
            first.setdefault(word, line)
        found += [(number, Violation(word, ESCAPE.name, line)) for word, line in first.items()]
    return found


def _parsed(source: str) -> ast.Module:
    try:
        return ast.parse(source if len(source) <= _LONGEST else "")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ast.Module([], [])


def _imported_modules(trees: Iterable[ast.Module]) -> dict[str, set[str]]:
    """What each name may stand for that a cell imports: ``np`` for ``numpy``, ``call`` for ``subprocess.call``."""
    found: dict[str, set[str]] = {}
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    top = alias.name.partition(".")[0]
                    found.setdefault(alias.asname or top, set()).add(alias.name if alias.asname else top)
            elif isinstance(node, ast.ImportFrom) and not node.level:
                for alias in node.names:
                    found.setdefault(alias.asname or alias.name, set()).add(f"{node.module}.{alias.name}")
    return found


def _words(tree: ast.Module, modules: Mapping[str, set[str]]) -> Iterator[tuple[str, int]]:
    asked = {id(other) for node in ast.walk(tree) if _is_membership(node) for other in node.comparators}
    named_in_part = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    own = _own_functions(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((word, node.lineno) for alias in node.names if (word := _refused(alias.name)))
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from ((word, node.lineno) for name in names if (word := _refused(name)))
        elif isinstance(node, ast.Attribute):
            if node.attr in _ATTRIBUTES:
                yield node.attr, node.lineno
            if id(node) not in asked and id(node) not in named_in_part:  # of sys.modules.get, the whole
                yield from (
                    (word, node.lineno) for name in _full_names(node, modules) if (word := _refused(name))
                )
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            if node.id in _BUILTINS and not 0 < own.get(node.id, 0) < node.lineno:
                yield node.id, node.lineno
            if id(node) not in named_in_part:  # the module itself is handed on: getattr(sys, ...)
                yield from ((name, node.lineno) for name in modules.get(node.id, ()) if name in _MODULES)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from _text(node)


def _refused(full: str) -> str | None:
    """Return the word for a full name, such as ``os.fork``, where a rule refuses it."""
    package, *parts = full.split(".")
    inside = any(part.startswith("_") and not part.startswith("__") and part != "_" for part in parts)
    if package in WATCHED_PACKAGES and inside:
        return full  # the insides of a watched package: torch._C
    for length in range(1, len(parts) + 2):
        rule = _MODULES.get(".".join([package, *parts][:length]))
        if rule is not None and rule.refuses([package, *parts][length:]):
            return ".".join([package, *parts][: length + 1])
    return None


def _full_names(node: ast.Attribute, modules: Mapping[str, set[str]]) -> Iterator[str]:
    """``numpy.linalg.norm`` for ``np.linalg.norm``, where the first name stands for a module."""
    parts: list[str] = []
    inner: ast.AST = node
    while isinstance(inner, ast.Attribute):
        parts.append(inner.attr)
        inner = inner.value
    if isinstance(inner, ast.Name):
        yield from (".".join([module, *reversed(parts)]) for module in modules.get(inner.id, ()))


def _is_membership(node: ast.AST) -> bool:
    """True for ``"google.colab" in sys.modules``, by which notebooks find out where they run."""
    return isinstance(node, ast.Compare) and all(isinstance(each, (ast.In, ast.NotIn)) for each in node.ops)


def _own_functions(tree: ast.Module) -> dict[str, int]:
    """Functions of the cell by name, and their lines; 0 for one that is deleted, so that the name is Python's again."""
    found = {node.name: node.lineno for node in tree.body if isinstance(node, ast.FunctionDef)}
    deleted = {
        node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Del)
    }
    return found | dict.fromkeys(deleted, 0)


def _text(node: ast.Constant) -> Iterator[tuple[str, int]]:
    """A name handed over as text, and a program: to be written to a file, or for something that runs it."""
    if node.value in _NAMES:
        yield node.value, node.lineno
    elif "\n" in node.value:
        yield from ((violation.call, node.lineno) for _, violation in escapes({0: node.value}))
