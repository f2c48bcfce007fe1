"""A module with the insides of its functions taken out: names, signatures and docstrings stay.

Each function asks `dlcv.checking.withheld.Left` for what to call; without an answer it raises `Withheld`.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Collection, Iterator
from pathlib import Path

from .excerpts import Text
from .package import module_of

__all__ = ["imported_names", "names_only"]

HEAD = "from dlcv.checking.withheld import Left\n_left = Left(__name__, {answers!r})"
KEPT_OF_METHODS = ("property", "staticmethod", "classmethod", "setter", "abstractmethod")
FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)


def names_only(
    text: Text,
    *,
    answers: Collection[str] | None = None,
    keep: Collection[str] = (),
    wanted: Collection[str] = (),
) -> str:
    """Return the source of what is left of a module.

    Parameters
    ----------
    text : Text
        The module.
    answers : collection of str, optional
        Names for which a learner's own function may be called instead; see `Left`.
    keep : collection of str
        What stays as it is.
    wanted : collection of str
        Names that other modules import: these stay, as names, even if they begin with an underscore.
    """
    kept = {id(text.statement_of[name]) for name in keep}
    programs = {node.name for node in text.tree.body if isinstance(node, (*FUNCTION, ast.ClassDef))} - set(
        keep
    )
    left: list[ast.stmt] = []
    for node in text.tree.body:
        if id(node) in kept or isinstance(node, (ast.Import, ast.ImportFrom)) or _is_docstring(node):
            left.append(node)
        elif isinstance(node, (*FUNCTION, ast.ClassDef)):
            left.append(_function(node) if isinstance(node, FUNCTION) else _class(node))
        elif not _computes(node, programs):
            left.append(node)
    own = {node.name for node in left if isinstance(node, (*FUNCTION, ast.ClassDef))} - set(keep)
    body = _without(left, {name for name in own if name.startswith("_") and name not in wanted})
    start = next((i for i, node in enumerate(body) if not _comes_first(node)), len(body))
    body[start:start] = ast.parse(HEAD.format(answers=answers if answers is None else sorted(answers))).body
    return ast.unparse(ast.fix_missing_locations(ast.Module(body, []))) + "\n"


def _without(body: list[ast.stmt], private: Collection[str]) -> list[ast.stmt]:
    """Leave out what is private, but for what the rest names where it stands: in a table, as a default, as a base."""
    needed: set[str] = set()
    while True:
        stays = [node for node in body if getattr(node, "name", "") not in private or node.name in needed]
        named = {part.id for node in stays for part in ast.walk(node) if isinstance(part, ast.Name)}
        if named & set(private) <= needed:
            return stays
        needed |= named & set(private)


def imported_names(package: Path) -> dict[str, set[str]]:
    """For each module of a package, the names that other modules of it import by ``from module import name``."""
    found: dict[str, set[str]] = {}
    for path in package.rglob("*.py"):
        text = Text(package, module_of(path, package))
        for node in ast.walk(text.tree):
            if isinstance(node, ast.ImportFrom):
                found.setdefault(text.source(node), set()).update(alias.name for alias in node.names)
    return found


def _is_docstring(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _comes_first(node: ast.stmt) -> bool:
    return _is_docstring(node) or (isinstance(node, ast.ImportFrom) and node.module == "__future__")


def _computes(node: ast.stmt, programs: Collection[str]) -> bool:
    """True for a statement that holds a program, or that runs one of those that are taken out."""
    return any(
        isinstance(part, (ast.Lambda, *FUNCTION, ast.ClassDef))
        or (isinstance(part, ast.Call) and isinstance(part.func, ast.Name) and part.func.id in programs)
        for part in ast.walk(node)
    )


def _function(node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.FunctionDef:
    find = ast.parse(f"_left.find({node.name!r})", mode="eval").body
    return _with_body(node, ast.Return(_called(find, node.args)), decorators=[])


def _class(node: ast.ClassDef) -> ast.ClassDef:
    """A class of names. One that is made by its own ``__init__`` may have another stand in for it."""
    body = [part for part in _class_body(node)]
    init = next((part for part in node.body if isinstance(part, FUNCTION) and part.name == "__init__"), None)
    if init is not None:
        new = copy.deepcopy(init)
        new.name = "__new__"
        make = ast.parse(f"_left.make({node.name}, {_first(init)})", mode="eval").body
        body.insert(
            bool(body) and _is_docstring(body[0]),
            _with_body(new, ast.Return(_called(make, init.args, first=1)), decorators=[]),
        )
    decorators = [part for part in node.decorator_list if _name(part) != "final"]
    return ast.ClassDef(
        name=node.name, bases=node.bases, keywords=node.keywords, body=body or [ast.Pass()],
        decorator_list=decorators, **({"type_params": []} if hasattr(node, "type_params") else {}),
    )  # fmt: skip


def _class_body(node: ast.ClassDef) -> Iterator[ast.stmt]:
    for part in node.body:
        if isinstance(part, FUNCTION):
            if part.name == "__post_init__":
                continue
            find = ast.parse(f"_left.find('{node.name}.{part.name}')", mode="eval").body
            kept = [mark for mark in part.decorator_list if _name(mark) in KEPT_OF_METHODS]
            yield _with_body(part, ast.Expr(find), decorators=kept)
        elif not _computes(part, ()):
            yield part


def _with_body(
    node: ast.FunctionDef | ast.AsyncFunctionDef, statement: ast.stmt, decorators: list[ast.expr]
) -> ast.FunctionDef:
    doc = node.body[:1] if _is_docstring(node.body[0]) else []
    return ast.FunctionDef(
        name=node.name, args=node.args, body=[*doc, statement], decorator_list=decorators, returns=node.returns,
        **({"type_params": []} if hasattr(node, "type_params") else {}),
    )  # fmt: skip


def _called(function: ast.expr, arguments: ast.arguments, first: int = 0) -> ast.Call:
    """A call that hands on all that came in, or all from the `first` argument on."""
    names = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args)][first:]
    handed_on: list[ast.expr] = [ast.Name(name, ast.Load()) for name in names]
    if arguments.vararg:
        handed_on.append(ast.Starred(ast.Name(arguments.vararg.arg, ast.Load()), ast.Load()))
    keywords = [ast.keyword(a.arg, ast.Name(a.arg, ast.Load())) for a in arguments.kwonlyargs]
    if arguments.kwarg:
        keywords.append(ast.keyword(None, ast.Name(arguments.kwarg.arg, ast.Load())))
    already = function.args if isinstance(function, ast.Call) and first else []
    if already:
        return ast.Call(function.func, [*already, *handed_on], keywords)
    return ast.Call(function, handed_on, keywords)


def _first(init: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    return next(argument.arg for argument in (*init.args.posonlyargs, *init.args.args))


def _name(decorator: ast.expr) -> str:
    decorator = decorator.func if isinstance(decorator, ast.Call) else decorator
    return decorator.attr if isinstance(decorator, ast.Attribute) else getattr(decorator, "id", "")
