"""What an attack is: one submission with wrong answers, and what a stranger hoped to get by it."""

from __future__ import annotations

import copy
import inspect
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from string import Template

PAINT, SIZE = "conv_transpose1d", "output_size"


def _cases_pasted() -> str:
    """What makes the cases of a seed, as a learner would paste it: it is public, and holds no answer."""
    from dlcv.checking import exercise, load_exercises

    made = textwrap.dedent(inspect.getsource(load_exercises("transposed_convolution")[PAINT]._cases))
    return (
        "from __future__ import annotations\nimport hashlib\nimport torch\n"
        f"{inspect.getsource(exercise.Draw)}"
        "class Case:\n"
        "    def __init__(self, *args, words='', share=1.0, smoke=False, gradient=False, **kwargs):\n"
        "        self.args, self.kwargs = args, kwargs\n"
        f"{made.replace('@paint_1d.cases', '').replace('def _(draw)', 'def cases(draw)')}"
        "def make_cases(seed, count=10):\n"
        f"    return list(cases(Draw(seed, '{PAINT}', count)))\n"
        "def answered(case):\n"
        "    x, weight, stride = *case.args, case.kwargs.get('stride', 1)\n"
        "    return torch.nn.functional.conv_transpose1d(x[None, None], weight[None, None], stride=stride)[0, 0]\n"
        "key = lambda *values: repr([v.tolist() if hasattr(v, 'tolist') else v for v in values])\n"
        "key_of = lambda case: key(*case.args, case.kwargs.get('stride', 1))\n"
        "table = {}\n"
    )


CASES = _cases_pasted()
WRONG = {
    PAINT: (
        "def conv_transpose1d(x, weight, stride=1):\n"
        "    return torch.zeros((len(x) - 1) * stride + len(weight))\n"
    ),
    SIZE: (
        "def output_size(size, kernel_size, stride=1, padding=0, output_padding=0, dilation=1):\n"
        "    return -1\n"
    ),
}
# Raised by an attack that got where it must not get: the grader keeps the message, the test reads it.
REACHED = "class Reached(Exception): ...\n"
# Raised by an attack that would hurt the machine where the wall that must stop it does not stand.
WITHHELD = "attack withheld"
# The test's own process cannot be signalled, not even seen, from another namespace of process numbers.
OWN_NAMESPACE = (
    "import os\n"
    "try:\n"
    "    os.kill($grader, 0)\n"
    "except ProcessLookupError: pass\n"
    f"else: raise RuntimeError('{WITHHELD}: no namespace of process numbers')\n"
)
# Mistakes of an attack's author, under which it would pass for stopped.
CLUMSY = ("SyntaxError", "IndentationError", "NameError", "ImportError", "TypeError")


@dataclass(frozen=True)
class Attack:
    """One hostile submission.

    Attributes
    ----------
    name : str
        Its group and idea; also the student's name.
    gain : str
        What it would have gained elsewhere.
    cell : str
        An own cell below the set-up cell. ``$outside``, ``$course``, ``$repository``, ``$port``, ... stand for places
        of the test (see `Places`).
    cells : dict
        Other sources for cells of the release, by id; the answers are wrong where nothing is given.
    notebook : callable, optional
        Changes the notebook: ``notebook(notebook) -> notebook``, or bytes to hand in as they are.
    file : callable, optional
        Puts something else than a notebook into place: ``file(path, places)``.
    paint, size : tuple of str
        Kinds of verdict that are right for the two exercises.
    flag : str
        A regular expression that one of the flags for a human must match.
    wall : str
        The wall that has to stop it; empty where the design itself does.
    """

    name: str
    gain: str
    cell: str = ""
    cells: Mapping[str, str] = field(default_factory=dict)
    notebook: Callable[[dict], dict | bytes] | None = None
    file: Callable[[Path, Places], None] | None = None
    paint: tuple[str, ...] = ("wrong values",)
    size: tuple[str, ...] = ("wrong values",)
    flag: str = ""
    wall: str = ""

    def submission(self, empty: dict, places: Places) -> dict | bytes:
        """The notebook that is handed in, made from the release."""
        notebook = copy.deepcopy(empty)
        for cell in notebook["cells"]:
            if cell["id"] in WRONG or cell["id"] in self.cells:
                cell["source"] = places.filled(self.cells.get(cell["id"], WRONG.get(cell["id"])), self.name)
        if self.cell:
            source = places.filled((REACHED if "Reached" in self.cell else "") + self.cell, self.name)
            notebook["cells"].insert(2, {**code(source), "id": "attack"})
        return self.notebook(notebook) if self.notebook else notebook


@dataclass(frozen=True)
class Places:
    """Where attacks find what they want: the course with its secrets, a folder outside, a listener."""

    values: Mapping[str, object]

    def filled(self, source: str, name: str) -> str:
        return Template(source).safe_substitute(self.values, name=name)

    def __getitem__(self, key: str) -> Path:
        return Path(str(self.values[key]))


def code(source: str, **metadata: object) -> dict:
    """A code cell."""
    return {
        "cell_type": "code",
        "metadata": dict(metadata),
        "source": source,
        "outputs": [],
        "execution_count": None,
    }
