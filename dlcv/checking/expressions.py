"""Sympy expressions as trees of allowed nodes.

An expression crosses the trust boundary as nested lists such as ``["Add", ["Symbol", "x"], ["Integer", "2"]]``,
never as text for `sympify`, which evaluates. All allowed functions are analytic where they are defined: two
expressions made of them that agree on an open set are the same function, which is what lets a derivation be
judged by evaluating it (see `derivation.py`).
"""

from __future__ import annotations

import sys
from fractions import Fraction
from typing import Any

MAX_NODES = 2_000
MAX_DEPTH = 50
MAX_DIGITS = 30
MAX_EXPONENT = 64
_OPERATIONS = ("Add", "Mul", "Pow", "exp", "log", "Equality")


class NotAllowed(ValueError):
    """The expression holds a node that a derivation may not contain, or is too large."""


def is_expression(value: Any) -> bool:
    """True for a sympy object. Sympy is not imported for this: who holds such an object has done so."""
    sympy = sys.modules.get("sympy")
    return sympy is not None and isinstance(value, sympy.Basic)


def encode(expression: Any) -> list:
    """Return the tree of a sympy expression; raise `NotAllowed` where a node has no place in a derivation."""
    return _Walk().encode(expression, 0)


def decode(tree: Any) -> Any:
    """Return the sympy expression of a tree; raise `NotAllowed` for an unknown node or one that is too large."""
    return _Walk().decode(tree, 0)


class _Walk:
    def __init__(self) -> None:
        self.nodes = 0

    def _count(self, depth: int) -> None:
        self.nodes += 1
        if self.nodes > MAX_NODES or depth > MAX_DEPTH:
            raise NotAllowed(f"an expression of more than {MAX_NODES} parts or {MAX_DEPTH} levels")

    def encode(self, expression: Any, depth: int) -> list:
        import sympy

        self._count(depth)
        if isinstance(expression, sympy.Symbol):
            return ["Symbol", expression.name]
        if isinstance(expression, sympy.Float):
            exact = Fraction(str(expression)).limit_denominator(10**9)
            return ["Rational", str(exact.numerator), str(exact.denominator)]
        if isinstance(expression, sympy.Rational):
            return ["Rational", str(expression.p), str(expression.q)]
        if expression is sympy.E:
            return ["exp", ["Rational", "1", "1"]]
        for name in _OPERATIONS:
            if isinstance(expression, getattr(sympy, name)):
                return [name, *(self.encode(argument, depth + 1) for argument in expression.args)]
        if expression in (sympy.true, sympy.false):
            raise NotAllowed(f"an equation that sympy evaluated to {expression} (its two sides are the same)")
        raise NotAllowed(
            f"the sympy node {type(expression).__name__}; allowed are sums, products, powers, exp, log, Eq"
        )

    def decode(self, tree: Any, depth: int) -> Any:
        import sympy

        self._count(depth)
        if not isinstance(tree, list) or not tree or not isinstance(tree[0], str):
            raise NotAllowed("a node that is not a list with a name")
        name, *arguments = tree
        if name == "Symbol":
            return sympy.Symbol(_text(arguments, 1, 40)[0])
        if name == "Rational":
            numerator, denominator = (int(text) for text in _text(arguments, 2, MAX_DIGITS))
            if denominator == 0:
                raise NotAllowed("a division by zero")
            return sympy.Rational(numerator, denominator)
        if name not in _OPERATIONS:
            raise NotAllowed(f"the node {name[:40]!r}")
        return self._build(name, [self.decode(argument, depth + 1) for argument in arguments])

    def _build(self, name: str, arguments: list) -> Any:
        import sympy

        if name in ("exp", "log") and len(arguments) != 1:
            raise NotAllowed(f"{name} with {len(arguments)} arguments")
        if name in ("Pow", "Equality") and len(arguments) != 2:
            raise NotAllowed(f"{name} with {len(arguments)} arguments")
        if name == "Pow" and arguments[1].is_number:
            exponent = arguments[1]
            if not exponent.is_Rational or abs(exponent) > MAX_EXPONENT or exponent.q > MAX_EXPONENT:
                raise NotAllowed(f"an exponent beyond {MAX_EXPONENT}")
        # Unevaluated: a hostile tree must not make sympy work, and a learner's form must be seen as written.
        if name == "Equality":
            return sympy.Eq(*arguments, evaluate=False)
        return getattr(sympy, name)(*arguments, evaluate=False)


def _text(arguments: list, count: int, longest: int) -> list[str]:
    if len(arguments) != count or not all(
        isinstance(text, str) and len(text) <= longest for text in arguments
    ):
        raise NotAllowed("a leaf of the wrong form")
    return arguments
