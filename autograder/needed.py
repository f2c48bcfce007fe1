"""Which cells a graded run executes: the learner's, and of ours only those that an answer uses.

A chapter's own cells show things: they print a table, time two programs, draw. Nothing that is judged depends on
them unless a learner's cell uses a name that they bind, and running them for every submission costs more than
judging it.
"""

from __future__ import annotations

import ast
import builtins
import functools
import re
import types
from collections.abc import Sequence

from .restore import Placed

__all__ = ["bound_names", "needed_cells", "used_names"]


def needed_cells(cells: Sequence[Placed]) -> set[int]:
    """Return the positions of the cells to run.

    A cell of ours that came back as it went out is run if it is a set-up, or binds a name that a cell to be run
    uses. What cannot be parsed is run, and uses every word in it.
    """
    able = [position for position, cell in enumerate(cells) if cell.runs]
    needed = {position for position in able if not _shows_only(cells[position])}
    waiting = {position: bound_names(cells[position].source) for position in able if position not in needed}
    used = set().union(*(used_names(cells[position].source) for position in needed))
    while found := [position for position, names in waiting.items() if names is None or names & used]:
        for position in found:
            del waiting[position]
            needed.add(position)
            used |= _used_by_ours(cells[position].source)
    return needed


@functools.lru_cache(maxsize=256)
def _used_by_ours(source: str) -> set[str]:
    return used_names(source)


def _shows_only(cell: Placed) -> bool:
    return cell.slot is not None and cell.slot.role == "given" and cell.source == cell.slot.source


@functools.lru_cache(maxsize=256)  # asked of our own cells, which are the same in every notebook
def bound_names(source: str) -> set[str] | None:
    """Return the names that a cell's top level binds; None where it cannot be parsed.

    >>> sorted(bound_names("import a.b as c\\nfor i, j in d: e = 1\\ndef f(g): h = 2"))
    ['c', 'e', 'f', 'i', 'j']
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    found: set[str] = set()
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found.add(node.name)
            continue
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.alias):
            found.add((node.asname or node.name).partition(".")[0])
        elif isinstance(node, ast.ExceptHandler) and node.name:
            found.add(node.name)
        waiting += ast.iter_child_nodes(node)
    return found


def used_names(source: str) -> set[str]:
    """Return the names that a cell may look up outside itself, attributes included; parameters are not among them.

    >>> sorted(used_names("def f(x):\\n    return helper(x).shape"))
    ['f', 'helper', 'shape']
    """
    try:
        codes = [compile(source, "cell", "exec", dont_inherit=True)]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set(re.findall(r"\w+", source))
    found: set[str] = set()
    while codes:
        code = codes.pop()
        found.update(code.co_names)
        codes += [constant for constant in code.co_consts if isinstance(constant, types.CodeType)]
    return found - set(dir(builtins))
