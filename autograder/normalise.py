"""What a piece of Python says, without how it is said: two texts that differ in wording only become equal.

Comments, docstrings, annotations, layout and imports go. Names that the text binds itself become one word, numbers
and strings another; names of libraries stay, they carry the meaning. Operands of sums and products, sides of
comparisons and keyword arguments stand in one order. What remains is kept statement by statement, so that the
order of statements, and the function in which they stand, can be left out of a comparison.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from .magics import plain_python

__all__ = ["Normal", "Statement", "normalise"]

NAME, NUMBER, TEXT = "name", "number", "text"
MIRRORED = {ast.Gt: "Lt", ast.GtE: "LtE"}


@dataclass(frozen=True)
class Statement:
    """One statement, or the head of a compound one: its words and the line (from 1) that each stands on."""

    words: tuple[str, ...]
    lines: tuple[int, ...]


@dataclass(frozen=True)
class Normal:
    """A text in its normal form. `names` are those that it binds itself, as they stand in the text."""

    source: str
    statements: tuple[Statement, ...]
    names: frozenset[str] = frozenset()

    @cached_property
    def key(self) -> tuple:
        """Equal for texts that say the same, whatever the order of their statements."""
        return tuple(sorted(statement.words for statement in self.statements))

    @cached_property
    def text(self) -> str:
        """The normal form for people: a line a statement, each beginning with the line that it comes from."""
        rows = [f"{min(s.lines, default=0):>3}  {' '.join(s.words)}" for s in self.statements]
        return "\n".join(rows)

    def __len__(self) -> int:
        return sum(len(statement.words) for statement in self.statements)


def normalise(source: str) -> Normal | None:
    """Return the normal form of a cell's text; None where it is no Python.

    >>> one = normalise("def f(x):\\n    '''Doubled.'''\\n    return 2 * x  # so")
    >>> other = normalise("def double(value: float):\\n    return (value * 2.0)")
    >>> one.key == other.key
    True
    >>> [" ".join(statement.words) for statement in one.statements]
    ['def name ( name )', 'return name Mult number']
    """
    try:
        tree = ast.parse(plain_python(source))
        reader = _Reader(tree)
        return Normal(source, tuple(reader.statements(tree.body)), frozenset(reader.own))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


class _Reader:
    """Reads the statements of one tree."""

    def __init__(self, tree: ast.Module):
        self.own, self.imported = _bound(tree)

    def statements(self, body: list[ast.stmt]) -> Iterator[Statement]:
        for place, node in enumerate(body):
            if (place == 0 and _is_text(node)) or isinstance(node, (ast.Pass, ast.Import, ast.ImportFrom)):
                continue
            words = list(self.head(node))
            if words:
                yield Statement(tuple(word for word, _ in words), tuple(line for _, line in words))
            for inner in _bodies(node):
                yield from self.statements(inner)

    def head(self, node: ast.stmt) -> Iterator[tuple[str, int]]:
        """The words of a simple statement, or of a compound one up to its colon."""
        line = node.lineno
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                yield from [("def", line), (NAME, line), ("(", line)]
                yield from self.arguments(node.args, line)
                yield (")", line)
            case ast.ClassDef():
                yield from [("class", line), (NAME, line)]
                yield from self.all(node.bases, line)
            case ast.For() | ast.AsyncFor():
                yield ("for", line)
                yield from self.all([node.target, node.iter], line)
            case ast.While() | ast.If():
                yield (type(node).__name__.lower(), line)
                yield from self.words(node.test, line)
            case ast.With() | ast.AsyncWith():
                yield ("with", line)
                for item in node.items:
                    yield from self.all([item.context_expr, item.optional_vars], line)
            case ast.Try():
                yield ("try", line)
                for handler in node.handlers:
                    yield ("except", handler.lineno)
                    yield from self.all([handler.type], handler.lineno)
            case ast.Match():
                yield ("match", line)
                yield from self.words(node.subject, line)
            case ast.Assign():
                yield from self.all(node.targets, line)
                yield ("=", line)
                yield from self.words(node.value, line)
            case ast.AnnAssign():
                if node.value is not None:
                    yield from self.words(node.target, line)
                    yield ("=", line)
                    yield from self.words(node.value, line)
            case ast.AugAssign():
                yield from self.words(node.target, line)
                yield (f"{type(node.op).__name__}=", line)
                yield from self.words(node.value, line)
            case ast.Expr():
                yield from self.words(node.value, line)
            case _:
                yield (type(node).__name__.lower(), line)
                yield from self.all(list(ast.iter_child_nodes(node)), line)

    def arguments(self, arguments: ast.arguments, line: int) -> Iterator[tuple[str, int]]:
        for argument in [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]:
            yield (NAME, argument.lineno)
        for star in (arguments.vararg, arguments.kwarg):
            if star is not None:
                yield ("*", star.lineno)
        yield from self.all([*arguments.defaults, *filter(None, arguments.kw_defaults)], line)

    def all(self, nodes: list, line: int) -> Iterator[tuple[str, int]]:
        for node in nodes:
            if node is not None:
                yield from self.words(node, line)

    def words(self, node: ast.AST, line: int) -> Iterator[tuple[str, int]]:
        """The words of an expression, in the order in which it is written."""
        line = getattr(node, "lineno", line)
        match node:
            case ast.Name():
                yield (NAME if node.id in self.own else self.imported.get(node.id, node.id), line)
            case ast.Attribute():
                yield from self.words(node.value, line)
                yield (f".{node.attr}", node.end_lineno or line)
            case ast.Constant():
                yield (_constant(node.value), line)
            case ast.JoinedStr():
                yield (TEXT, line)
            case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=ast.Constant()):
                yield (NUMBER, line)
            case ast.BinOp():
                sides = [list(self.words(side, line)) for side in (node.left, node.right)]
                if isinstance(node.op, (ast.Add, ast.Mult)):
                    sides.sort(key=lambda side: [word for word, _ in side])
                yield from sides[0]
                yield (type(node.op).__name__, line)
                yield from sides[1]
            case ast.Compare(ops=[op]):
                sides = [node.left, node.comparators[0]]
                yield from self.words(sides[type(op) in MIRRORED], line)
                yield (MIRRORED.get(type(op), type(op).__name__), line)
                yield from self.words(sides[type(op) not in MIRRORED], line)
            case ast.Call():
                yield from self.words(node.func, line)
                yield ("(", line)
                yield from self.all(node.args, line)
                own = isinstance(node.func, ast.Name) and node.func.id in self.own
                for keyword in sorted(node.keywords, key=lambda keyword: keyword.arg or ""):
                    yield (f"{NAME if own else keyword.arg}=", keyword.value.lineno)
                    yield from self.words(keyword.value, line)
                yield (")", node.end_lineno or line)
            case ast.Subscript():
                yield from self.words(node.value, line)
                yield ("[", line)
                yield from self.words(node.slice, line)
                yield ("]", node.end_lineno or line)
            case ast.Slice():
                for place, part in enumerate((node.lower, node.upper, node.step)):
                    if place == 1 or (place == 2 and part is not None):
                        yield (":", line)
                    yield from self.all([part], line)
            case ast.Tuple():
                for place, element in enumerate(node.elts):
                    if place:
                        yield (",", line)
                    yield from self.words(element, line)
            case ast.Lambda():
                yield ("lambda", line)
                yield from self.arguments(node.args, line)
                yield from self.words(node.body, line)
            case ast.expr_context():
                return
            case _:
                yield (type(node).__name__, line)
                yield from self.all(list(ast.iter_child_nodes(node)), line)


def _bodies(node: ast.stmt) -> Iterator[list[ast.stmt]]:
    for name in ("body", "orelse", "finalbody"):
        inner = getattr(node, name, None)
        if isinstance(inner, list):
            yield inner
    for part in (*getattr(node, "handlers", ()), *getattr(node, "cases", ())):
        yield part.body


def _bound(tree: ast.Module) -> tuple[set[str], dict[str, str]]:
    """Names that the text binds itself, and what the names that it imports stand for."""
    own: set[str] = set()
    imported: dict[str, str] = {}
    for node in ast.walk(tree):
        match node:
            case ast.Name(ctx=ast.Store()):
                own.add(node.id)
            case ast.arg():
                own.add(node.arg)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                own.add(node.name)
            case ast.ExceptHandler() if node.name:
                own.add(node.name)
            case ast.Import() | ast.ImportFrom():
                for alias in node.names:
                    imported[alias.asname or alias.name.partition(".")[0]] = alias.name.rpartition(".")[2]
    return own, imported


def _is_text(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _constant(value: object) -> str:
    if value is None or value is ... or isinstance(value, bool):
        return str(value)
    return TEXT if isinstance(value, (str, bytes)) else NUMBER
