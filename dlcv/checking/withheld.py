"""References that are not here: what may take their place, and what a notebook shows where nothing does.

Before a chapter is due, and where answers are graded, the package comes without its references: each function keeps
its name, signature and docstring, and asks `Left.find` for something to call. That is what was granted to this process
or, in a notebook, the learner's own function of that name; else `Withheld` is raised.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import json
import sys
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Any

__all__ = ["PICTURES", "Left", "Withheld", "fingerprint", "grant", "granted", "no_check"]

# A folder of the package: pictures that a notebook's cells had when it was given out.
PICTURES = "saved_pictures"

_granted: dict[tuple[str, str], Any] = {}


class Withheld(RuntimeError):
    """A function was called that this copy of the course's package does not have."""


def grant(excerpts: Iterable[tuple[str, str]]) -> None:
    """Define what each ``(module, source)`` defines, for the rest of this process, as if that module had it."""
    for module, source in excerpts:
        namespace: dict[str, Any] = {"__name__": module}
        exec(compile(source, f"<granted {module}>", "exec"), namespace)
        _granted.update({(module, name): value for name, value in namespace.items() if name[:2] != "__"})


def granted(module: str, name: str) -> Any:
    """Return what was granted under this name of a module; None where nothing was."""
    return _granted.get((module, name))


class Left:
    """What is left of a module.

    Parameters
    ----------
    module : str
        Its name.
    answers : collection of str, optional
        Names for which a learner's own function may stand in: what the chapter asks for. None where answers are graded.
    """

    def __init__(self, module: str, answers: Collection[str] | None = None):
        self.module, self.answers = module, answers
        self.running: set[str] = set()
        if answers is not None:
            _speak_in_notebooks()

    def find(self, name: str) -> Callable:
        """Return what stands in for one of the module's functions or classes; raise `Withheld` where nothing does."""
        there = granted(self.module, name)
        if there is None and name in (self.answers or ()):
            there = self._learners(name)
        if there is None:
            raise Withheld(self._sentence(name))
        return there

    def make(self, stub: type, wanted: type, /, *args: Any, **kwargs: Any) -> Any:
        """Return a new object of what stands in for a class; `wanted` is the class that was asked for one."""
        if wanted is not stub:  # a subclass of what is not there
            raise Withheld(self._sentence(stub.__name__))
        return self.find(stub.__name__)(*args, **kwargs)

    def _learners(self, name: str) -> Callable | None:
        own = getattr(sys.modules.get("__main__"), name, None)
        if not callable(own) or getattr(own, "__module__", None) != "__main__" or name in self.running:
            return None
        return functools.partial(self._run, name, own)

    def _run(self, name: str, own: Callable, /, *args: Any, **kwargs: Any) -> Any:
        self.running.add(name)  # an answer that calls itself by way of the package would never end
        try:
            return own(*args, **kwargs)
        except NotImplementedError:
            raise Withheld(f"{self._words(name)}, and your own {name} is not written yet") from None
        except Withheld:
            raise
        except Exception as error:
            what = f"your own {name}, which is called until then, raised {type(error).__name__}: {error}"
            raise Withheld(f"{self._words(name)}; {what}") from error
        finally:
            self.running.discard(name)

    def _sentence(self, name: str) -> str:
        if self.answers is None:
            return f"{self._full(name)} is part of the course's reference, which is not there while answers are graded"
        own = (
            f"; until then your own {name} is called, where you have written one"
            if name in self.answers
            else ""
        )
        return self._words(name) + own

    def _words(self, name: str) -> str:
        return f"{self._full(name)} comes with the reference, which is given out when the chapter is due"

    def _full(self, name: str) -> str:
        return f"{self.module.removeprefix('dlcv.').removesuffix('.reference')}.{name}"


def no_check(name: str, answer: Any, *, hints: bool = False) -> float:
    """Stand for a chapter's `check` where answers are graded: verdicts are made elsewhere."""
    return 0.0


def _nothing(name: str = "") -> None:
    """Stand for what shows a learner something."""


no_check.grade = no_check
no_check.reveal = no_check.progress = _nothing


# In a notebook: a sentence and the saved picture, in place of a traceback that would stop all cells below


def fingerprint(source: str) -> str:
    """Name a cell by its text, so that its pictures are found when it runs."""
    lines = [line.rstrip() for line in source.strip().split("\n")]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def _speak_in_notebooks() -> None:
    """Have each cell of this notebook end in a sentence where it would end in `Withheld`."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    transformers = getattr(shell, "ast_transformers", None)
    if transformers is not None and not any(type(each).__name__ == _Caught.__name__ for each in transformers):
        transformers.append(_Caught())


class _Caught(ast.NodeTransformer):
    """Puts a cell into ``try ... except Withheld``. The value of its last expression is shown as before."""

    def visit_Module(self, cell: ast.Module) -> ast.Module:
        if not cell.body or any(_is_future(node) for node in cell.body):
            return cell
        attempt, shown = ast.parse(_ATTEMPT).body
        *before, last = cell.body
        if isinstance(last, ast.Expr):
            keep = ast.copy_location(ast.Assign([ast.Name("_shown", ast.Store())], last.value), last)
            attempt.body = [*before, keep]
            cell.body = [attempt, ast.copy_location(shown, last)]
        else:
            attempt.body = cell.body
            cell.body = [attempt]
        return ast.fix_missing_locations(cell)


_ATTEMPT = """\
try:
    pass
except __import__("dlcv.checking.withheld", fromlist=["_"]).Withheld as _error:
    _shown = __import__("dlcv.checking.withheld", fromlist=["_"]).instead(_error, get_ipython())
_shown
"""


def _is_future(node: ast.AST) -> bool:
    return isinstance(node, ast.ImportFrom) and node.module == "__future__"


def instead(error: Withheld, shell: Any) -> None:
    """Show what is said instead of a result, and the pictures that were given out with the running cell."""
    from IPython.display import Image, display

    from dlcv.checking.check import show

    sentence = str(error)
    show(sentence, lambda: f"<p><em>{sentence}.</em></p>")
    for path, alt in _pictures(str(shell.history_manager.input_hist_raw[-1])):
        display(Image(str(path), alt=alt))


def _pictures(source: str) -> list[tuple[Path, str]]:
    folder = Path(__file__).parents[1] / PICTURES
    try:
        listed = json.loads((folder / "cells.json").read_text(encoding="utf-8"))
    except OSError:  # given out without pictures
        return []
    return [(folder / name, alt) for name, alt in listed.get(fingerprint(source), [])]
