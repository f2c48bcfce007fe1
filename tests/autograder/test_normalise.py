"""The normal form of code: what wording it forgets, and what it keeps."""

from __future__ import annotations

import pytest

from autograder.normalise import normalise


def key(source: str):
    return normalise(source).key


RIGHT = """\
def paint(x, weight, stride=1):
    canvas = torch.zeros((len(x) - 1) * stride + len(weight))
    for i in range(len(x)):
        canvas[i * stride : i * stride + len(weight)] += x[i] * weight
    return canvas
"""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("canvas", "result_of_mine"),
        ("    for i", "    # each copy\n\n    for i"),
        ("    canvas = ", '    """Paint and add."""\n    canvas = '),
        ("x[i] * weight", "weight * x[i]"),
        ("(len(x) - 1) * stride + len(weight)", "len(weight) + stride * (len(x) - 1)"),
        (
            "torch.zeros((len(x) - 1) * stride + len(weight))",
            "(\n  torch.zeros(\n len(weight) + (len(x) - 1)*stride )\n)",
        ),
        ("def paint(x, weight, stride=1):", "def paint(x: list, weight: object, stride: int = 2) -> object:"),
        ("def paint", "import torch\n\ndef paint"),
        ("    canvas = ", "    pass\n    canvas = "),
        ("def paint", "%matplotlib inline\ndef paint"),
        ("def paint", "!pip install torch\ndef paint"),
    ],
)
def test_wording_is_forgotten(old, new):
    assert old in RIGHT
    assert key(RIGHT.replace(old, new)) == key(RIGHT)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("torch.zeros", "torch.ones"),
        ("+=", "="),
        ("x[i] * weight", "x[i] - weight"),
        ("for i in range(len(x)):", "while True:"),
        ("len(x) - 1", "1 - len(x)"),
        ("return canvas", "return None"),
    ],
)
def test_meaning_is_kept(old, new):
    assert old in RIGHT
    assert key(RIGHT.replace(old, new)) != key(RIGHT)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a = f(1)\nb = g(2)", "v = g(7)\nu = f(0)"),  # order
        ("if a < b: c()", "if b > a: c()"),
        ("f(x, b=1, a=2)", "f(x, a=3, b=4)"),
        ("from torch import zeros\nzeros(3)", "from torch import zeros as z\nz(3)"),
        ("x: int = 3", "x = 4"),
        ("f(-1)", "f(1)"),
        ("f('a' 'b')", 'f(f"{x}")'),
        ("def helper(a): return a.sum()\nhelper(x)", "def other(b): return b.sum()\nother(x)"),
    ],
)
def test_two_ways_to_say_one_thing(one, other):
    assert key(one) == key(other)


def test_each_word_knows_its_line():
    normal = normalise("x = torch.stack(\n    [a, b],\n    dim=0,\n)\n\nif x:\n    y = 1")
    first, head, last = normal.statements
    assert dict(zip(first.words, first.lines, strict=True))["dim="] == 3
    assert (set(head.lines), set(last.lines)) == ({6}, {7})
    assert normal.names == {"x", "y"}


@pytest.mark.parametrize("source", ["def f(:\n", "return (", "\x00", "(" * 5000])
def test_what_is_no_python_has_none(source):
    assert normalise(source) is None


def test_every_kind_of_statement_is_read():
    source = """\
import numpy as np
@np.vectorize
def f(a, /, b, *c, d=1, **e):
    global g
    with open(a) as h, b:
        del c[0]
    try:
        assert a, "no"
    except (ValueError, KeyError) as error:
        raise error
    else:
        return [i for i in a if i]
    finally:
        yield from e
    match a:
        case [1, x]:
            return x
        case _:
            pass
    while (n := 3) and not a:
        break
    for i, *j in zip(a, b):
        continue
    else:
        await_ = lambda z: {1: z, **e}
class C(f):
    x: int
    y = {*a} | {a, b}
async def k():
    async with a: pass
    async for b in c: await d
"""
    words = [statement.words for statement in normalise(source).statements]
    assert ("match", "name") in words
    assert ("return", "name") in words
    assert ("except", "ValueError", ",", "KeyError") not in words  # it is part of the head of its try
    assert all(words)


def test_the_form_can_be_read_by_people():
    lines = normalise(RIGHT).text.splitlines()
    assert lines[2] == "  3  for name range ( len ( name ) )"
