"""Which names a piece of Python looks up outside itself: read from its text, nothing is run."""

from __future__ import annotations

import ast
import symtable

__all__ = ["looked_up"]


def looked_up(node: ast.AST) -> set[str]:
    """Return the names that a statement or an expression at top level looks up there.

    A function's own variables are not among them, even where something at top level is called alike.

    >>> sorted(looked_up(ast.parse("def f(x):\\n    y = g(x)\\n    return y + Z")))
    ['Z', 'g']
    """
    tables, found = [symtable.symtable(ast.unparse(node), "text", "exec")], set()
    while tables:
        table = tables.pop()
        tables += table.get_children()
        at_top = table.get_type() == "module"
        found |= {
            symbol.get_name()
            for symbol in table.get_symbols()
            if symbol.is_referenced() and (at_top or symbol.is_global())
        }
    return found
