"""Derivations: a list of sympy lines, each of which must follow from the one before.

The learner writes a function of symbols that returns the lines, from the question to the answer. Two forms:

* a chain of *expressions*, all equal to the question (``unknown=None``);
* a chain of *equations* ``sympy.Eq``, all with the same solution for `unknown`.

A line follows when it is equal to the question, however it is written. That is decided by evaluating both at points
drawn from the seed: with 250 digits on real points of the domain, and for rational functions also exactly, in
prime fields. The allowed nodes are analytic (see `expressions.py`), so agreement at points that the learner could not
know is agreement everywhere. *Milestones* are forms that the lines must reach, in order ("no brackets left"): they
keep the question from being handed in as its own answer.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from dlcv.checking import expressions
from dlcv.checking.exercise import Case, Draw

POINTS = 12
DIGITS = 250
PRIMES = (2**61 - 1, 2**31 - 1, 1_000_000_007, 998_244_353)
_LARGEST_EXPONENT = 80  # beyond, a term is too small or too large to be told from none


class Undefined(ArithmeticError):
    """The expression has no (real, finite) value at this point."""


@dataclass(frozen=True)
class Milestone:
    """A form that some line must have: what it is in words, and a test ``test(line, *symbols) -> bool``."""

    words: str
    test: Callable[..., bool]


@dataclass(frozen=True)
class Progress:
    """How far a learner's lines go: lines that follow, the index of the first that does not, milestones reached.

    `left`: a line had the form of the last milestone, and the last line has not.
    """

    lines: int
    wrong: int | None
    why: str
    reached: int
    left: bool = False


class Derivation:
    """The plan of one derivation.

    Parameters
    ----------
    reference : callable
        A function of the symbols that returns the model answer's lines; the first is the question.
    symbols : sequence of str
        One entry an argument: ``"x"`` is passed as a symbol, ``"a0 a1 a2"`` as a tuple of symbols.
    milestones : sequence of (str, callable)
        Forms to be reached in order; the last one by the last line.
    unknown : str, optional
        For equations: the symbol that is solved for.
    domain : dict, optional
        For each symbol's name the interval (low, high) that test points come from; (0.2, 3) where absent.
    """

    def __init__(
        self,
        reference: Callable,
        *,
        symbols: Sequence[str],
        milestones: Sequence[tuple[str, Callable]],
        unknown: str | None = None,
        domain: dict[str, tuple[float, float]] | None = None,
    ):
        self.reference, self.names, self.unknown, self.domain = (
            reference,
            tuple(symbols),
            unknown,
            dict(domain or {}),
        )
        self.milestones = [Milestone(words, test) for words, test in milestones]

    def symbols(self) -> tuple:
        """Return the arguments of the learner's function."""
        return self._symbols

    @functools.cached_property
    def _symbols(self) -> tuple:
        import sympy

        made = [tuple(map(sympy.Symbol, names.split())) for names in self.names]
        return tuple(group[0] if len(group) == 1 else group for group in made)

    def cases(self, draw: Draw) -> Iterator[Case]:
        """Yield the one case of a derivation: the call with its symbols."""
        yield Case(*self.symbols(), words="the lines, from the question to the answer")

    def model(self) -> list:
        """Return the model answer's lines, as they look after crossing the boundary."""
        return list(self._model)

    @functools.cached_property
    def _model(self) -> list:
        return [expressions.decode(expressions.encode(line)) for line in self.reference(*self.symbols())]

    def judge(self, lines: list, draw: Draw) -> Progress:
        """Return how far `lines` go. `lines` holds decoded expressions and numbers; anything else does not follow."""
        import sympy

        question = self.model()[0]
        points = self._points(draw, question)
        reached = 0
        for index, line in enumerate(lines):
            line = (
                sympy.sympify(line) if isinstance(line, (int, float)) and not isinstance(line, bool) else line
            )
            why = self._why_not(line, question, points, draw)
            if why:  # the last milestone is the answer, which a wrong line after it takes back
                return Progress(index, index, why, min(reached, len(self.milestones) - 1))
            while reached < len(self.milestones) and self._has(self.milestones[reached], line):
                reached += 1
        left = reached == len(self.milestones) and not self._has(self.milestones[-1], lines[-1])
        return Progress(len(lines), None, "", reached - left, left)

    def same_line(self, a: Any, b: Any, draw: Draw) -> bool:
        """True if two lines say the same: used to see a slip's wrong line in a learner's."""
        import sympy

        if (
            not isinstance(a, sympy.Basic)
            or not isinstance(b, sympy.Basic)
            or isinstance(a, sympy.Eq) != isinstance(b, sympy.Eq)
        ):
            return False
        if isinstance(a, sympy.Eq):
            a, b = sympy.Add(a.lhs, -a.rhs, evaluate=False), sympy.Add(b.lhs, -b.rhs, evaluate=False)
        return self._equal(a, b, self._points(draw, sympy.Integer(0)), draw)

    def _has(self, milestone: Milestone, line: Any) -> bool:
        return bool(milestone.test(line, *self.symbols()))

    def _why_not(self, line: Any, question: Any, points: list[dict], draw: Draw) -> str:
        import sympy

        if isinstance(line, bool):
            return "it is True or False: `==` compares at once, `sympy.Eq(left, right)` writes an equation"
        if not isinstance(line, sympy.Basic):
            return "it is not a sympy expression"
        if isinstance(question, sympy.Eq) != isinstance(line, sympy.Eq):
            wanted = (
                "an equation sympy.Eq(left, right)"
                if isinstance(question, sympy.Eq)
                else "an expression, not an equation"
            )
            return f"it should be {wanted}"
        strangers = {symbol.name for symbol in line.free_symbols} - set(" ".join(self.names).split())
        if strangers:
            return f"it has the unknown symbol {', '.join(sorted(strangers))}"
        if isinstance(question, sympy.Eq):
            return (
                ""
                if self._same_solution(line, points, draw)
                else "it has another solution than the line before"
            )
        return "" if self._equal(line, question, points, draw) else "it is not equal to the line before"

    def _points(self, draw: Draw, question: Any) -> list[dict]:
        names = sorted(set(" ".join(self.names).split()))
        points = []
        for _ in range(POINTS):
            unit = draw.uniform((len(names),)).double()
            intervals = [self.domain.get(name, (0.2, 3.0)) for name in names]
            points.append(
                {
                    name: low + (high - low) * float(u)
                    for name, u, (low, high) in zip(names, unit, intervals, strict=True)
                }
            )
        return points

    def _equal(self, a: Any, b: Any, points: list[dict], draw: Draw) -> bool:
        return _equal_on_reals(a, b, points) and _equal_in_fields(a, b, draw)

    def _same_solution(self, line: Any, points: list[dict], draw: Draw) -> bool:
        """True if `line` holds where the model answer's solution stands, and nowhere else that was tried."""
        import sympy

        solution = self.model()[-1].rhs
        residual = sympy.Add(line.lhs, sympy.Mul(-1, line.rhs, evaluate=False), evaluate=False)
        zero = sympy.Integer(0)
        at_solution = residual.xreplace({sympy.Symbol(self.unknown): solution})
        return self._equal(at_solution, zero, points, draw) and not _equal_on_reals(
            residual, zero, points[:6], anywhere=True
        )


def _equal_on_reals(a: Any, b: Any, points: list[dict], anywhere: bool = False) -> bool:
    """Compare two expressions at real points; `anywhere` asks for one equal point instead of all of them."""
    import mpmath

    with mpmath.workdps(DIGITS):
        seen = []
        for point in points:
            place = tuple(point.items())
            left, size_left = _real(a, place)
            right, size_right = _real(b, place)
            # The rounding of a sum is that of its largest part, so differences are measured against it.
            seen.append(abs(left - right) <= mpmath.mpf(10) ** (-DIGITS // 2) * (1 + size_left + size_right))
        return any(seen) if anywhere else all(seen)


@functools.lru_cache(maxsize=2_000)
def _real(node: Any, place: tuple[tuple[str, float], ...]) -> tuple[Any, Any]:
    """Return value and largest intermediate size of an expression at a real point; `Undefined` becomes NaN.

    Kept, because the question and most right lines are the same for everybody. To be called at `DIGITS` digits.
    """
    import mpmath

    try:
        return _evaluate(node, {name: mpmath.mpf(value) for name, value in place})
    except (Undefined, OverflowError, ZeroDivisionError, ValueError, KeyError):
        return mpmath.nan, mpmath.mpf(0)


def _evaluate(node: Any, point: dict) -> tuple[Any, Any]:
    import mpmath
    import sympy

    if isinstance(node, sympy.Symbol):
        return point[node.name], abs(point[node.name])
    if isinstance(node, sympy.Rational):
        value = mpmath.mpf(int(node.p)) / int(node.q)
        return value, abs(value)
    if node is sympy.E:
        return mpmath.e(), mpmath.e()
    parts, sizes = zip(*(_evaluate(argument, point) for argument in node.args), strict=True)
    size = max(sizes)
    if isinstance(node, sympy.Add):
        return sum(parts), size
    if isinstance(node, sympy.Mul):
        value = mpmath.mpf(1)
        for part in parts:
            value *= part
        return value, max(size, abs(value))
    if isinstance(node, sympy.log):
        if parts[0] <= 0:
            raise Undefined
        value = mpmath.log(parts[0])
    elif isinstance(node, sympy.exp):
        if abs(parts[0]) > _LARGEST_EXPONENT:
            raise Undefined
        value = mpmath.exp(parts[0])
    elif isinstance(node, sympy.Pow):
        value = _power(*parts)
    else:
        raise Undefined
    return value, max(size, abs(value))


def _power(base: Any, exponent: Any) -> Any:
    import mpmath

    whole = exponent == int(exponent)
    if (base < 0 and not whole) or (base == 0 and exponent <= 0):
        raise Undefined
    if base != 0 and abs(exponent * mpmath.log(abs(base))) > _LARGEST_EXPONENT:
        raise Undefined
    return base ** int(exponent) if whole else base**exponent


def _equal_in_fields(a: Any, b: Any, draw: Draw) -> bool:
    """Compare two rational functions exactly, in prime fields; True for what is not a rational function."""
    names = sorted({symbol.name for symbol in a.free_symbols | b.free_symbols})
    for prime in PRIMES:
        for _ in range(3):
            point = {name: draw.integer(2, prime - 2) for name in names}
            try:
                if _residue(a, point, prime) != _residue(b, point, prime):
                    return False
            except ZeroDivisionError:
                continue
            except Undefined:
                return True
    return True


def _residue(node: Any, point: dict[str, int], prime: int) -> int:
    import sympy

    if isinstance(node, sympy.Symbol):
        return point[node.name]
    if isinstance(node, sympy.Rational):
        return int(node.p) * _inverse(int(node.q), prime) % prime
    if isinstance(node, (sympy.Add, sympy.Mul)):
        total = 0 if isinstance(node, sympy.Add) else 1
        for argument in node.args:
            part = _residue(argument, point, prime)
            total = (total + part if isinstance(node, sympy.Add) else total * part) % prime
        return total
    if isinstance(node, sympy.Pow) and isinstance(node.exp, sympy.Integer):
        base = _residue(node.base, point, prime)
        return pow(base if node.exp >= 0 else _inverse(base, prime), abs(int(node.exp)), prime)
    raise Undefined


def _inverse(number: int, prime: int) -> int:
    if number % prime == 0:
        raise ZeroDivisionError
    return pow(number, -1, prime)


def occurrences(line: Any, symbol: Any) -> int:
    """Return how often `symbol` is written in `line`: a milestone such as "each a_i stands once" counts so."""
    import sympy

    return sum(part == symbol for part in sympy.preorder_traversal(line))


def is_sum_of_products(line: Any) -> bool:
    """True if no sum stands inside a product or a power: all brackets are multiplied out."""
    import sympy

    inner = (node for node in sympy.preorder_traversal(line) if isinstance(node, (sympy.Mul, sympy.Pow)))
    return not any(part.has(sympy.Add) for node in inner for part in node.args)


def is_solved_for(line: Any, unknown: Any) -> bool:
    """True if `line` is an equation with `unknown` alone on its left side and not on its right."""
    import sympy

    return isinstance(line, sympy.Eq) and line.lhs == unknown and not line.rhs.has(unknown)
