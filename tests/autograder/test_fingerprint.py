"""The fingerprint of an exercise changes with the code that decides about it, and with nothing else."""

import copy
import dataclasses
import importlib.util
import os
import subprocess
import sys

import pytest

from autograder.fingerprint import engine_digest, exercise_digest, meaning
from dlcv.checking import load_exercises

CHAPTER = '''
"""A chapter for the fingerprint's tests."""
import functools
import math

import torch

from dlcv.checking import Case, Exercises
from dlcv.transposed_convolution import reference as elsewhere

exercises = Exercises("trial")
SCALE = 2.0
TABLE = {"a": (1, 2), "b": torch.tensor([1.0, 2.0])}


def helper(x):
    """What both use."""
    return x + 1


def only_doubles(x):
    return SCALE * helper(x)  # a remark


def double(x):
    def inner(y):
        return only_doubles(y)

    return inner(x)


@functools.cache
def cached(n):
    return math.sqrt(n)


class Tool:
    width = 3

    def use(self, x):
        return cached(x) + self.width


def tool(x):
    return Tool().use(TABLE["a"][0]) + elsewhere.output_size(3, 2)


def probe(answer, x):
    return answer(x)


def _cases(draw):
    yield Case(draw.normal((3,)), words="random", probe="dlcv.trial:probe")


first = exercises.function("first", double, points=2)
first.cases(_cases)


@first.slip("half", "You halve.")
def _(x):
    return x / 2


first.slip_of(only_doubles, "triple", "You triple.", ("SCALE *", "3 *"))
second = exercises.function("second", tool, hints=("Look.",))


@second.cases
def _(draw):
    yield Case(helper(draw.integer(1, 3)), words="one number")
'''


@pytest.fixture
def fingerprints(tmp_path, monkeypatch):
    """A function: the fingerprints of the chapter's two exercises with one text in it replaced."""
    versions = iter(range(100))

    def of(old: str = "", new: str = "") -> tuple[str, str]:
        assert CHAPTER.count(old) == 1 or not old
        path = tmp_path / f"trial_{next(versions)}.py"
        path.write_text(CHAPTER.replace(old, new) if old else CHAPTER)
        spec = importlib.util.spec_from_file_location("dlcv.trial", path)
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, "dlcv.trial", module)
        spec.loader.exec_module(module)
        return tuple(exercise_digest(module.exercises[name]) for name in ("first", "second"))

    return of


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("# a remark", ""),
        ('    """What both use."""\n', ""),
        ("    return x + 1\n", "    return (x\n            + 1)\n"),
        ("def helper(x):", "def unused(x):\n    return 0\n\n\ndef helper(x):"),
    ],
)
def test_remarks_and_layout_change_nothing(fingerprints, old, new):
    assert fingerprints(old, new) == fingerprints()


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        ("return x + 1", "return x + 2", (True, True)),
        ("SCALE = 2.0", "SCALE = 2.5", (True, False)),
        ("return SCALE * helper(x)", "return SCALE * helper(x) + 0", (True, False)),
        ("return inner(x)", "return inner(inner(x))", (True, False)),
        ("return answer(x)", "return answer(x + 0)", (True, False)),
        ("draw.normal((3,))", "draw.normal((4,))", (True, False)),
        ("points=2", "points=3", (True, False)),
        ("You halve.", "You divide by two.", (True, False)),
        ("return x / 2", "return x / 2.0", (True, False)),
        ('("SCALE *", "3 *")', '("SCALE *", "4 *")', (True, False)),
        ('("Look.",)', '("Look up.",)', (False, True)),
        ("math.sqrt(n)", "math.sqrt(n + 1)", (False, True)),
        ("width = 3", "width = 4", (False, True)),
        ("self.width", "self.width + 1", (False, True)),
        ('"a": (1, 2)', '"a": (1, 3)', (False, True)),
        ("torch.tensor([1.0, 2.0])", "torch.tensor([1.0, 3.0])", (False, True)),
        ("elsewhere.output_size", "elsewhere.insert_zeros", (False, True)),
        ("draw.integer(1, 3)", "draw.integer(1, 4)", (False, True)),
    ],
)
def test_code_counts_where_it_is_used(fingerprints, old, new, changed):
    before, after = fingerprints(), fingerprints(old, new)
    assert tuple(a != b for a, b in zip(before, after, strict=True)) == changed


def test_the_same_in_every_process():
    """Sets of words have another order in each process."""
    script = (
        "from autograder.fingerprint import *\nfrom dlcv.checking import load_exercises\n"
        "print(engine_digest(), *map(exercise_digest, load_exercises('transposed_convolution').values()))"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", script], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert len(found) == 1
    exercises = load_exercises("transposed_convolution")
    assert found.pop().split() == [engine_digest(), *map(exercise_digest, exercises.values())]


def test_a_set_in_a_lambda_has_no_order():
    """Its text does not parse alone, so its instructions count: they hold the set, in the order of this process."""
    script = (
        "from autograder.fingerprint import _source; table = {'few': lambda x: x in {'one', 'two', 'three', 'four'}}\n"
        "print(_source(table['few']))"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", script], env={**os.environ, "PYTHONHASHSEED": str(seed)}, capture_output=True,
            text=True, check=True,
        ).stdout
        for seed in range(4)
    }  # fmt: skip
    assert len(found) == 1


def test_the_same_after_the_exercise_was_used():
    """A derivation keeps its symbols and its model answer once they were asked for."""
    exercises = load_exercises("transposed_convolution")
    (name,) = [name for name, exercise in exercises.items() if exercise.derivation is not None][:1]
    unused = dataclasses.replace(exercises[name], derivation=copy.copy(exercises[name].derivation))
    for kept in ("_symbols", "_model"):
        vars(unused.derivation).pop(kept, None)
    before = exercise_digest(unused)
    unused.derivation.model()
    assert {"_symbols", "_model"} <= vars(unused.derivation).keys()
    assert exercise_digest(unused) == before


def test_all_exercises_of_a_chapter_differ():
    exercises = load_exercises("transposed_convolution")
    assert len({exercise_digest(exercise) for exercise in exercises.values()}) == len(exercises)


def test_docstrings_have_no_meaning_code_has():
    assert meaning('class A:\n    "Doc."\n    x = 1') == meaning("class A:\n    x = 1  # why")
    assert meaning("x = 1") != meaning("x = 2")
