"""A graded run executes the learner's cells, and of ours those that an answer uses."""

import pytest

from autograder.needed import bound_names, needed_cells, used_names
from autograder.release import Slot
from autograder.restore import Placed


def placed(role: str, source: str, released: str | None = None) -> Placed:
    slot = Slot(0, "code", "an-id", role, source if released is None else released, {}, None)
    return Placed(source, "code", slot if role != "added" else None)


def run(*cells: Placed) -> set[int]:
    return needed_cells(cells)


def test_set_up_and_answers_run_and_what_only_shows_does_not():
    assert run(
        placed("setup", "import torch"), placed("given", "torch.ones(3)"), placed("solution", "x = 1")
    ) == {0, 2}


def test_what_an_answer_uses_runs_with_what_that_uses():
    cells = [
        placed("given", "base = 3"),
        placed("given", "other = 4"),
        placed("given", "def helper(x):\n    return x + base"),
        placed("solution", "def f(x, other):\n    return helper(x)"),
    ]
    assert run(*cells) == {0, 2, 3}


def test_a_name_that_is_only_a_parameter_needs_no_cell():
    assert run(placed("given", "weight = 2"), placed("solution", "def f(weight):\n    return weight")) == {1}


def test_what_a_learner_changed_or_added_runs():
    cells = [
        placed("given", "print(2)", released="print(1)"),
        placed("added", "print(3)"),
        placed("given", "print(4)"),
    ]
    assert run(*cells) == {0, 1}


def test_in_doubt_a_cell_runs():
    assert run(placed("given", "%magic"), placed("solution", "x = 1")) == {0, 1}
    assert run(placed("given", "helper = 1"), placed("solution", "def f(:\n    helper")) == {0, 1}


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("a = b.c = 1", {"a"}),
        ("a, (b, *c) = d", {"a", "b", "c"}),
        ("import torch.nn as nn, os.path", {"nn", "os"}),
        ("from x import y as z", {"z"}),
        ("with open(f) as g:\n    pass", {"g"}),
        ("try:\n    pass\nexcept E as e:\n    pass", {"e"}),
        ("class A:\n    b = 1", {"A"}),
        ("[x for x in y]", {"x"}),
        ("(n := 3)", {"n"}),
        ("def f(:", None),
    ],
)
def test_bound_names(source, names):
    assert bound_names(source) == names


def test_used_names_are_seen_through_functions_and_classes():
    source = "class A:\n    def f(self, a):\n        return lambda b: c(a, b, self.d)\nprint(e)"
    assert {"c", "d", "e"} <= used_names(source)
    assert not {"a", "b", "self", "print"} & used_names(source)
