"""What steps around the watch is found in the text of cells; what honest notebooks do is not."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest

from autograder.build import build
from autograder.course import Course
from autograder.magics import plain_python
from autograder.sample_class import CHAPTER, sample_class
from autograder.source import read_source
from autograder.submission import read_cells
from dlcv.checking import load_exercises
from dlcv.checking.escapes import escapes

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted(ROOT.glob("solutions/*/*.py"))


def words(source: str, *others: str) -> list[str]:
    return [violation.call for _, violation in escapes({0: source}, others)]


@pytest.mark.parametrize(
    ("source", "found"),
    [
        # what checks
        ("from dlcv.checking import guard", ["dlcv.checking.guard"]),
        ("import dlcv.checking.answer as a", ["dlcv.checking.answer"]),
        ("import dlcv\ndlcv.checking.guard.Guard.note = None", ["dlcv.checking.guard"]),
        ("import autograder.student", ["autograder.student"]),
        ("import builtins\nbuiltins.all = any", ["builtins", "builtins.all"]),
        # hooks, frames, modules
        ("import sys\nsys.setprofile(None)", ["sys.setprofile"]),
        ("import sys as s\ns._getframe(1)", ["sys._getframe"]),
        ("from sys import settrace", ["sys.settrace"]),
        ("from sys import *", ["sys.*"]),
        ("import sys\nsys.modules['torch']", ["sys.modules"]),
        ("import sys\nfor m in sys.modules.values(): pass", ["sys.modules"]),
        ("import sys\ngetattr(sys, 'set' + 'profile')(None)", ["sys"]),
        ("import sys\nlist(map(sys.setprofile, [None]))", ["sys.setprofile"]),
        ("import sys\nvars(sys)", ["sys"]),
        ("import threading\nthreading.setprofile(None)", ["threading.setprofile"]),
        ("import gc\ngc.get_objects()", ["gc.get_objects"]),
        ("import inspect\ninspect.currentframe()", ["inspect.currentframe"]),
        # code that does not stand in the text
        ("exec('x = 1')", ["exec"]),
        ("run = eval", ["eval"]),
        ("def exec(): pass\ndel exec\nexec('x')", ["exec"]),
        ("exec('x')\ndef exec(_): pass", ["exec"]),
        ("import importlib\nimportlib.import_module('x')", ["importlib.import_module"]),
        ("from importlib.util import find_spec", ["importlib.util"]),
        ("__import__('os')", ["__import__"]),
        ("import pickle\npickle.loads(b'')", ["pickle.loads"]),
        ("open('mine.py', 'w').write('import ctypes\\nctypes.x = 1\\n')", ["ctypes", "ctypes.x"]),
        # native code, other meanings of operators, insides
        ("import ctypes", ["ctypes"]),
        ("from torch.utils.cpp_extension import load_inline", ["torch.utils.cpp_extension.load_inline"]),
        ("import torch\ntorch.library.Library('aten', 'IMPL')", ["torch.library.Library"]),
        ("import torch\ntorch._C._DisableTorchDispatch()", ["torch._C._DisableTorchDispatch"]),
        ("import numpy as np\nnp._core.multiarray", ["numpy._core.multiarray"]),
        ("from scipy.signal import _sigtools", ["scipy.signal._sigtools"]),
        # processes
        ("import os\nos.fork()", ["os.fork"]),
        ("from os import register_at_fork", ["os.register_at_fork"]),
        ("import os\nvars(os)['fo' + 'rk']()", ["os"]),
        ("import os\nos.__dict__", ["os.__dict__"]),
        ("import subprocess", ["subprocess"]),
        ("from multiprocessing import Process", ["multiprocessing.Process"]),
        ("from concurrent.futures import ProcessPoolExecutor", ["concurrent.futures.ProcessPoolExecutor"]),
        ("import socket\nsocket.socket()", ["socket.socket"]),
        # from any object to the code behind it
        ("f.__code__", ["__code__"]),
        ("getattr(f, '__globals__')", ["__globals__"]),
        ("def g():\n    return g.__class__.__base__.__subclasses__()", ["__subclasses__"]),
    ],
)
def test_what_steps_around_is_found(source, found):
    assert words(source) == found


@pytest.mark.parametrize(
    "source",
    [
        "import sys\nIN_COLAB = 'google.colab' in sys.modules",
        "import sys\nsys.path.append('..')\nprint(sys.version, file=sys.stderr)",
        "import gc, torch\ngc.collect()\ntorch.cuda.empty_cache()",
        "import os\nos.environ['A'] = '1'\nos.makedirs('x', exist_ok=True)\nos.cpu_count()\nos.path.join('a', 'b')",
        "import importlib\nimport dlcv.roi_align\nimportlib.reload(dlcv.roi_align)",
        "import multiprocessing\nmultiprocessing.cpu_count()",
        "import pickle\npickle.dump(1, open('x', 'wb'))",
        "import inspect\nprint(inspect.getsource(sum), inspect.signature(sum))",
        "model.eval()\nmodel.compile()",
        "import torch\nfast = torch.compile(f)\nx.add_(1)\ntorch.__version__\n_ = torch.zeros(1)",
        "def eval(model):\n    return 1\neval(3)",
        "code = 'x'\nsocket = code\nprint(code, socket)",
        "class Net:\n    def __init__(self):\n        self._x = 1\n    def _step(self):\n        return self._x",
        "import time, timeit, math, random, itertools, functools, threading\nthreading.Thread(target=print)",
        "print('exec this\\nby hand (eval)')",
        '"""Do not use eval or exec.\nNever."""',
        "import matplotlib.pyplot as plt\nplt.rcParams['a'] = 1\nplt.show()",
        "def f(:\n",
    ],
)
def test_what_honest_notebooks_do_is_not(source):
    assert words(source) == []


def test_a_name_stands_for_what_any_cell_imported():
    assert words("s.setprofile(None)", "import sys as s") == ["sys.setprofile"]
    assert words("helper.run()") == []


def test_each_word_of_a_cell_is_told_once_with_its_line_and_cell():
    found = escapes({3: "import sys\n\nsys.setprofile(None)\nsys.setprofile(None)", 5: "import ctypes"})
    told = [(number, violation.call, violation.line) for number, violation in found]
    assert told == [(3, "sys.setprofile", 3), (5, "ctypes", 1)]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.parent.name)
def test_solutions_and_our_own_cells_have_none(path):
    cells = {n: plain_python(cell.text) for n, cell in enumerate(read_source(path)) if cell.kind == "code"}
    assert escapes(cells) == []


@pytest.mark.parametrize("path", sorted(ROOT.glob("notebooks/*/*.ipynb")), ids=lambda path: path.stem)
def test_notebooks_that_go_out_have_none(path):
    notebook = json.loads(path.read_text(encoding="utf-8"))
    cells = {n: "".join(c["source"]) for n, c in enumerate(notebook["cells"]) if c["cell_type"] == "code"}
    assert escapes(cells) == []


def test_the_sample_class_has_none():
    course = Course.open(root=ROOT)
    release = {cell["id"]: cell["source"] for cell in build(course, course.chapter(CHAPTER)).student.cells}
    found, read = {}, 0
    for sample in sample_class(course):
        for content in sample.files.values():
            with contextlib.suppress(ValueError):  # one that is no notebook
                cells = enumerate(read_cells(content))
                written = {n: plain_python(cell.source) for n, cell in cells if cell.kind == "code"}
                read += 1
                if hits := escapes(written, release.values()):
                    found[sample.student] = hits
    assert read > 20
    assert found == {}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.parent.name)
def test_wrong_answers_that_are_known_have_none(path):
    exercises = load_exercises(path.stem.partition("_")[2])
    slips = [slip.source for exercise in exercises.values() for slip in exercise.slips]
    assert escapes(dict(enumerate(slips))) == []


@pytest.mark.parametrize(
    "source",
    [
        "import torch\ntorch" + ".a" * 60_000,
        "x = " + "[" * 5_000,
        "a.b = 1\n" * 20_000,
        "(" * 90 + "1" + ")" * 90,
    ],
    ids=["a long chain", "deep brackets", "many statements", "brackets"],
)
def test_texts_that_are_hard_to_read_are_read_or_passed_over(source):
    """What grows with the square of the text's length would take hours here."""
    assert words(source) == []
    assert isinstance(plain_python(source), str)
