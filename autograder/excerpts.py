"""The part of a module that some of its names need: found in its text, nothing is run."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path

from dlcv.lookups import looked_up

from .course import CourseError

__all__ = ["Text", "bound"]


class Text:
    """A module of a package, as parsed.

    Parameters
    ----------
    package : Path
        The package's folder.
    module : str
        The module's full name, which starts with that of the package.
    known : dict, optional
        Modules of the package that were read already, by name; this one is added.
    """

    def __init__(self, package: Path, module: str, known: dict[str, Text] | None = None):
        self.package, self.name = package, module
        self.known = {} if known is None else known
        self.known[module] = self
        self.used: dict[ast.stmt, set[str]] = {}
        path = package.parent.joinpath(*module.split("."))
        self.path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        try:
            self.tree = ast.parse(self.path.read_text(encoding="utf-8"))
        except (OSError, SyntaxError) as error:
            raise CourseError(f"{self.path} cannot be read: {error}") from None

    @cached_property
    def statement_of(self) -> dict[str, ast.stmt]:
        """Which statement at top level binds a name, the last one where there are several."""
        return {name: statement for statement in self.tree.body for name in bound(statement)}

    @property
    def imports(self) -> Iterator[ast.Import | ast.ImportFrom]:
        return (node for node in self.tree.body if isinstance(node, (ast.Import, ast.ImportFrom)))

    def needed(self, names: Iterable[str]) -> list[ast.stmt]:
        """Return the statements that define `names`, and those that these use in turn, in the module's order."""
        waiting, found = list(names), set()
        missing = [name for name in waiting if name not in self.statement_of]
        if missing:
            raise CourseError(f"{self.path} does not define {', '.join(missing)} at its top level")
        names_used = set(waiting)
        while waiting:
            statement = self.statement_of.get(waiting.pop())
            if statement is not None and statement not in found:
                found.add(statement)
                # An import brings more than is used of it.
                new = set() if isinstance(statement, (ast.Import, ast.ImportFrom)) else self._used(statement)
                waiting += new - names_used
                names_used |= new
        return [_trimmed(node, names_used) for node in self.tree.body if node in found or _is_future(node)]

    def _used(self, statement: ast.stmt) -> set[str]:
        if statement not in self.used:
            self.used[statement] = looked_up(statement)
        return self.used[statement]

    def home(self, name: str) -> tuple[str, str]:
        """Return the module of the package that defines what this one calls `name`, and its name there."""
        statement = self.statement_of.get(name)
        source = self.source(statement) if isinstance(statement, ast.ImportFrom) else ""
        if source.partition(".")[0] != self.package.name:
            return self.name, name
        original = next(alias.name for alias in statement.names if (alias.asname or alias.name) == name)
        if self._is_module(f"{source}.{original}"):
            return f"{source}.{original}", ""
        return self.other(source).home(original)

    def other(self, module: str) -> Text:
        """Another module of the package."""
        return self.known.get(module) or Text(self.package, module, self.known)

    def source(self, statement: ast.ImportFrom) -> str:
        """The module that something is imported from, by its full name."""
        if not statement.level:
            return statement.module or ""
        inside = 1 if self.path.name == "__init__.py" else 0
        parents = self.name.split(".")[: len(self.name.split(".")) - statement.level + inside]
        return ".".join([*parents, *([statement.module] if statement.module else [])])

    def _is_module(self, name: str) -> bool:
        path = self.package.parent.joinpath(*name.split("."))
        return path.is_dir() or path.with_suffix(".py").is_file()


def bound(statement: ast.stmt) -> set[str]:
    """The names that a statement at top level binds."""
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return {statement.name}
    if isinstance(statement, (ast.Import, ast.ImportFrom)):
        return {(alias.asname or alias.name).partition(".")[0] for alias in statement.names}
    inner = [node for node in ast.iter_child_nodes(statement) if isinstance(node, ast.stmt)]
    names = {
        node.id
        for node in ast.walk(statement)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    return names.union(*map(bound, inner))


def _trimmed(statement: ast.stmt, names: set[str]) -> ast.stmt:
    if not isinstance(statement, (ast.Import, ast.ImportFrom)) or _is_future(statement):
        return statement
    kept = [alias for alias in statement.names if (alias.asname or alias.name).partition(".")[0] in names]
    if isinstance(statement, ast.Import):
        return ast.Import(kept)
    return ast.ImportFrom(statement.module, kept, statement.level)


def _is_future(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.ImportFrom) and statement.module == "__future__"
