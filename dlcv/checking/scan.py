"""Forbidden calls, read in a learner's source."""

from __future__ import annotations

import ast

from dlcv.checking.forbidden import MATMUL, WATCHED_PACKAGES, Forbidden, Violation, Watch
from dlcv.lookups import looked_up


def scan_source(source: str, name: str, watch: Watch) -> list[Violation]:
    """Read a learner's source for forbidden calls in the definition of `name` and what it uses of the same source.

    A source that does not parse has no violations: that it does not run is another verdict.
    """
    tree = _parsed(source)
    if tree is None:
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


def _parsed(source: str) -> ast.Module | None:
    """The tree of a source; only where it is no Python are lines left out that look like a notebook's own commands."""
    for text in (source, _without_magics(source)):
        try:
            return ast.parse(text)
        except SyntaxError:
            continue
        except (ValueError, RecursionError, MemoryError):
            return None
    return None


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
                if alias.name.partition(".")[0] in WATCHED_PACKAGES:
                    roots[alias.asname or alias.name.partition(".")[0]] = alias.name
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in WATCHED_PACKAGES:
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
            wanted += _looked_up(top[key])
    return list(found.values())


def _looked_up(definition: ast.stmt) -> set[str]:
    try:
        return looked_up(definition)
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # nested too deep to be taken apart
        return {node.id for node in ast.walk(definition) if isinstance(node, ast.Name)}


def _forbidden_node(
    node: ast.AST, watch: Watch, roots: dict[str, str], imported: dict[str, str]
) -> tuple[str, Forbidden] | None:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult) and MATMUL in watch.groups:
        return "the operator @", MATMUL
    if isinstance(node, ast.Attribute):
        if group := watch.by_name(node.attr):  # few names are; a long chain is walked for those alone
            root = node.value
            while isinstance(root, ast.Attribute):
                root = root.value
            if isinstance(root, ast.Name) and root.id in roots:
                return f"{roots[root.id].partition('.')[0]}.{node.attr}", group
        if node.attr in ("__matmul__", "__rmatmul__", "__imatmul__") and MATMUL in watch.groups:
            return f"the operator @ ({node.attr})", MATMUL
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in imported:
        original = imported[node.id]
        if group := watch.by_name(original.rpartition(".")[2]):
            return original, group
    return None
