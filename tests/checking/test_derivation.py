"""A line follows or it does not, however it is written."""

import pytest
import sympy

from dlcv.checking import expressions
from dlcv.checking.exercise import Draw
from dlcv.checking.testing import assert_right, assert_slips_die, verdict_of

x, y = sympy.symbols("x y")
DRAW = ("seed", "name", 0)


def test_model_answers_are_right(toy):
    assert_right(toy["expand"], toy["expand"].reference)
    assert_right(toy["solve"], toy["solve"].reference)


def test_slips_of_a_derivation_are_diagnosed(toy):
    assert_slips_die(toy["expand"], at_least=1)


@pytest.mark.parametrize(
    "answer",
    [
        lambda x, y: [(x + y) ** 2, x**2 + 2 * x * y + y**2],
        lambda x, y: [x * (x + y) + y * (x + y), y * x * 2 + y**2 + x**2],
        lambda x, y: ((x + y) ** 2, sympy.exp(2 * sympy.log(x + y)), x**2 + y**2 + x * y + y * x),
        lambda x, y: [(x**2 - y**2) / (x - y) * (x + y), x**2 + 2.0 * x * y + y**2],
    ],
)
def test_any_equivalent_form_is_accepted(toy, answer):
    assert_right(toy["expand"], answer)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda x, y: [(x + y) ** 2], "no brackets left"),
        (lambda x, y: [(x + y) ** 2, (x + y) ** 2], "no brackets left"),
        (
            lambda x, y: [x**2 + 2 * x * y + y**2, (x + y) ** 2],
            "the last one has not this form: no brackets left",
        ),
        (lambda x, y: [(x + y) ** 2, x**2 + 2 * x * y], "line 2 does not follow"),
        (lambda x, y: [(x + y) ** 2, x**2 + 2 * x * y + y**2, x], "line 3 does not follow"),
        (lambda x, y: [x**2 + 2 * x * y + y**2 + sympy.Rational(1, 10**29) * x], "line 1 does not follow"),
        (
            lambda x, y: [(x + y) ** 2, x**2 + 2 * x * y + y**2 + sympy.exp(-9000 * x)],
            "line 2 does not follow",
        ),
        (lambda x, y: [sympy.Eq((x + y) ** 2, x**2 + 2 * x * y + y**2)], "not an equation"),
        (lambda x, y: ["x**2 + 2*x*y + y**2"], "not a sympy expression"),
        (
            lambda x, y: [x**2 + 2 * x * y + y**2 + 0 * sympy.Symbol("z"), sympy.Symbol("z")],
            "unknown symbol z",
        ),
        (lambda x, y: [(x + y) ** 2, sympy.Piecewise((x, x > 0), (y, True))], "line 2 does not follow"),
        (lambda x, y: [], "wanted is a list of lines"),
        (lambda x, y: (x + y) ** 2, "wanted is a list of lines"),
    ],
)
def test_first_line_that_does_not_follow_is_named(toy, answer, says):
    verdict = verdict_of(toy["expand"], answer)
    assert not verdict.right and verdict.points < verdict.max_points
    assert says in verdict.text()


def test_expression_that_agrees_where_it_is_sampled_is_not_enough(toy):
    """Zero at every integer is not zero: points are not integers, and not known."""

    def product(x, y):
        gap = sympy.Mul(*[(x - n) * (y - n) for n in range(8)])
        return [(x + y) ** 2, x**2 + 2 * x * y + y**2 + gap]

    assert "line 2 does not follow" in verdict_of(toy["expand"], product).text()


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda i, o, s, k: [sympy.Eq(i, (o - k) / s + 1)], "o written once"),
        (lambda i, o, s, k: [sympy.Eq(i, (o - k) / s + 1), sympy.Eq(o, i * s + k)], "line 2 does not follow"),
        (lambda i, o, s, k: [sympy.Eq(i, (o - k) / s + 1), sympy.Eq(o, o + 0 * i, evaluate=False)], "line 2"),
        (lambda i, o, s, k: [sympy.Eq(i, (o - k) / s + 1), sympy.Eq(0, 0)], "line 2"),
        (lambda i, o, s, k: [sympy.Eq(i, (o - k) / s + 1), (i - 1) * s + k], "should be an equation"),
        (lambda i, o, s, k: [sympy.Eq(i, (o - k) / s + 1), o == (i - 1) * s + k], "`==` compares at once"),
    ],
)
def test_equations_must_keep_their_solution(toy, answer, says):
    verdict = verdict_of(toy["solve"], answer)
    assert not verdict.right
    assert says in verdict.text()


def test_the_question_alone_earns_nothing(toy):
    for name in ("expand", "solve"):
        question = toy[name].reference
        assert verdict_of(toy[name], lambda *s, question=question: question(*s)[:1]).points == 0


def test_stub_is_not_attempted(toy):
    def stub(x, y):
        raise NotImplementedError("expand")

    assert verdict_of(toy["expand"], stub).kind == "not attempted"


@pytest.mark.parametrize(
    "tree",
    [
        ["Symbol", 3], ["Symbol"], ["Rational", "1", "0"], ["Rational", "1" * 60, "1"], ["Rational", "1"], [], "x",
        ["Pow", ["Rational", "9", "1"], ["Rational", "999", "1"]], ["exp"], ["lambda", "x"], ["Pow", ["Symbol", "x"]],
        ["Rational", "__import__('os')", "1"],
    ],
)  # fmt: skip
def test_trees_of_other_nodes_are_refused(tree):
    with pytest.raises((expressions.NotAllowed, ValueError)):
        expressions.decode(tree)


def test_a_tower_of_powers_costs_nothing():
    """Unevaluated on arrival, undefined when evaluated: no digits are ever written out."""
    tree = ["Rational", "9", "1"]
    for _ in range(30):
        tree = ["Pow", tree, ["Rational", "64", "1"]]
    from dlcv.checking.derivation import _equal_in_fields, _equal_on_reals

    tower = expressions.decode(tree)
    assert not _equal_on_reals(tower, sympy.Integer(1), [{"x": 1.0}])
    assert not _equal_in_fields(tower, sympy.Integer(1), Draw(*DRAW))


def test_expressions_survive_the_crossing():
    for line in (
        x + 2 * y,
        sympy.Eq(x, y / 3),
        sympy.exp(-x) * sympy.log(y),
        x**-2,
        sympy.sqrt(x),
        sympy.E * x + 0.25,
    ):
        back = expressions.decode(expressions.encode(line))
        assert (
            sympy.simplify(
                sympy.nsimplify(line) - back if not isinstance(line, sympy.Eq) else line.rhs - back.rhs
            )
            == 0
        )
