"""Code that goes for the check itself: patches it, looks into it, leaves it, or has the reference do the work."""

from __future__ import annotations

from .attack import PAINT, SIZE, Attack

FORBIDDEN = ("forbidden call",)
# What is not in the package that graded runs see cannot be called: that is a crash.
STOPPED = ("forbidden call", "crashed")
ANY = ("wrong values", "wrong shape", "crashed", "not attempted", "forbidden call")
# What the determined use instead of an answer: torch's own function, by a name that does not stand in the text.
READY = "getattr(torch, 'conv_' + 'transpose1d')(x[None, None], weight[None, None], stride=stride)[0, 0]"


def paint(body: str, before: str = "") -> dict[str, str]:
    """An answer to the first exercise: lines of a function's body."""
    lines = "".join(f"    {line}\n" for line in body.split("\n"))
    return {PAINT: f"{before}def conv_transpose1d(x, weight, stride=1):\n{lines}"}


PATCHES = [
    Attack(
        "cells-patched-check",
        "The test cell calls whatever is called `check` by then.",
        cell="check = lambda *_, **__: 2.0\ncheck.grade = check\n",
    ),
    Attack(
        "cells-patched-check-class",
        "`check` is the package's own object, but its class hands out full marks.",
        cell="from dlcv.checking.check import Check, Points\n"
        "Check.__call__ = Check.grade = lambda *_, **__: Points(2)\n",
    ),
    Attack(
        "cells-patched-judge",
        "The judge in the learner's process finds everything right.",
        cell="from dlcv.checking import compare, judge\n"
        "judge.compare = compare.compare = compare._compare_arrays = lambda *_, **__: None\n"
        "judge.Judge.verdict = lambda self, *_: judge.Verdict(self.exercise.name, 'right', 2.0, 2.0, 1, 1)\n"
        "judge.Judge._score = lambda *_: 2.0\n",
    ),
    Attack(
        "cells-patched-comparisons",
        "torch's and numpy's comparisons say yes.",
        cell="import numpy as np\n"
        "yes = lambda *_, **__: True\n"
        "torch.equal = torch.allclose = torch.isclose = torch.Tensor.equal = torch.Tensor.allclose = yes\n"
        "torch.testing.assert_close = np.testing.assert_allclose = np.testing.assert_array_equal = yes\n"
        "np.allclose = np.array_equal = np.isclose = yes\n"
        "torch.Tensor.__eq__ = torch.Tensor.__le__ = torch.Tensor.__ge__ = yes\n",
    ),
    Attack(
        "cells-patched-builtins",
        "all, any, abs, max and isinstance are looked up late by whoever compares.",
        cell="import builtins\n"
        "builtins.all = builtins.any = lambda *_: True\n"
        "builtins.max = builtins.abs = lambda *_, **__: 0\n",
        paint=ANY,
        size=ANY,
    ),
    Attack(
        "cells-patched-data",
        "What packs the answer for the way to the grader packs something else: a `right` of its own.",
        cell="from dlcv.checking import values\n"
        "values._Encoder.encode = lambda *_, **__: {'right': True, 'points': 2}\n",
        paint=("crashed",),
        size=("crashed",),
    ),
    Attack(
        "cells-input-transformer",
        "IPython rewrites the test cell before it runs.",
        cell="shell = get_ipython()\n"
        "shell.input_transformers_cleanup.append(lambda lines: ['2.0'])\n"
        "shell.input_transformers_post.append(lambda lines: ['2.0'])\n",
    ),
    Attack(
        "cells-ast-transformer",
        "An AST transformer replaces each call of `check` by 2.0.",
        cell="import ast\n"
        "class Full(ast.NodeTransformer):\n"
        "    def visit_Call(self, node): return ast.Constant(2.0)\n"
        "get_ipython().ast_transformers.append(Full())\n",
    ),
    Attack(
        "cells-shell-hooks",
        "A hook after each cell rewrites results and the history that is stored.",
        cell="shell = get_ipython()\n"
        "shell.events.register('post_run_cell', lambda result: setattr(result, 'result', 2.0))\n"
        "shell.displayhook = lambda *_: 2.0\n",
    ),
    Attack(
        "cells-patched-runner",
        "What runs the cells tells that all went well and that the answer is another object.",
        cell="import __main__, sys\n"
        "student = sys.modules.get('autograder.student')\n"
        "student.run_cell = lambda *_: None\n"
        "student.leave_answering_copy = lambda *_: None\n",
        paint=ANY,
        size=ANY,
    ),
]

LEAVING = [
    Attack(
        "cells-exit",
        "A clean exit code is success.",
        cells={PAINT: "import sys\nsys.exit(0)\n", SIZE: "import os\nos._exit(0)\n"},
        paint=("crashed",),
        size=("crashed",),
        flag="exit code 0",
    ),
    Attack(
        "cells-exit-in-the-answer",
        "The process that would say `wrong` is gone; nothing was found to be wrong.",
        cells=paint("import os\nos._exit(0)")
        | {SIZE: "def output_size(*_, **__):\n    raise SystemExit(0)\n"},
        paint=("crashed",),
        size=("crashed",),
    ),
    Attack(
        "cells-swallowed-exceptions",
        "No exception, no failure: every one is caught, those that end a process included.",
        cell="import sys, threading\n"
        "sys.excepthook = sys.unraisablehook = threading.excepthook = lambda *_: None\n",
        cells=paint(
            "try:\n    raise KeyboardInterrupt\nexcept BaseException:\n    pass\nfinally:\n    return"
        ),
        paint=("wrong shape",),
    ),
    Attack(
        "cells-atexit",
        "Handlers at the end of the process write the marks over what was found.",
        cell="import atexit, os\n"
        "def last():\n"
        "    open('$outside/$name', 'w').write('2.0')\n"
        "atexit.register(last)\nos.register_at_fork(after_in_child=lambda: atexit.register(last))\n",
        wall="files",
    ),
    Attack(
        "cells-del",
        "A finaliser runs when the grader drops the answer, in the grader's hands.",
        cell="import os\n"
        "class Last(torch.Tensor):\n"
        "    owner = os.getpid()\n"
        "    def __del__(self):\n"
        "        if os.environ.get('HOME') != os.getcwd():\n"
        "            open('$outside/$name', 'w').write('2.0')\n",
        cells=paint("return torch.zeros((len(x) - 1) * stride + len(weight)).as_subclass(Last)"),
    ),
    Attack(
        "cells-reduce",
        "Whoever unpickles the answer runs its `__reduce__`.",
        cell="import os\n"
        "class Bomb:\n"
        "    def __reduce__(self): return os.system, ('touch $outside/$name',)\n",
        cells=paint("return Bomb()"),
        paint=("wrong shape",),
    ),
    Attack(
        "cells-not-implemented-later",
        "NotImplementedError for the cases that it cannot do: a stub is not wrong.",
        cells=paint(
            "calls.append(1)\nif len(calls) > 1:\n    raise NotImplementedError\nreturn torch.zeros(2)",
            "calls = []\n",
        ),
        paint=("wrong shape", "wrong values", "crashed"),
    ),
]

LOOKING = [
    Attack(
        "cells-frames",
        "The caller's frames hold the expected value, the case, the seed.",
        cells=paint(
            "shape, frame, found = (len(x) - 1) * stride + len(weight), sys._getframe(1), []\n"
            "while frame is not None:\n"
            "    for name, value in {**frame.f_globals, **frame.f_locals}.items():\n"
            "        if name in ('expected', 'seed', 'judge', 'verdict', 'cases'):\n"
            "            raise Reached(name)\n"
            "        if torch.is_tensor(value) and value.shape == (shape,) and value is not x:\n"
            "            found.append(value)\n"
            "    frame = frame.f_back\n"
            "return found[0] if found else torch.zeros(shape)",
            "import sys\nclass Reached(Exception): ...\n",
        ),
    ),
    Attack(
        "cells-collector-tensors",
        "The garbage collector lists every object, the expected tensors among them.",
        cells=paint(
            "shape = (len(x) - 1) * stride + len(weight)\n"
            "near = [t for t in gc.get_objects() if type(t) is torch.Tensor and t.shape == (shape,)]\n"
            "near = [t for t in near if t.any() and not any(torch.equal(t, a) for a in (x, weight))]\n"
            "return near[0].clone() if near else torch.zeros(shape)",
            "import gc\n",
        ),
    ),
    Attack(
        "cells-collector-judge",
        "The collector finds the judge, and the judge knows cases, expected values and seed.",
        cell="import gc\n"
        "for thing in gc.get_objects():\n"
        "    if type(thing).__name__ in ('Judge', 'Verdict', 'Sandbox', 'Course', 'Grader'):\n"
        "        raise Reached(type(thing).__name__)\n",
    ),
    Attack(
        "cells-modules",
        "The grader's own modules are loaded and hold its state.",
        cell="import sys\n"
        "for name in ('nbgrader', 'autograder.grader', 'autograder.gradebook', 'autograder.examine', 'sqlalchemy'):\n"
        "    if name in sys.modules: raise Reached(name)\n",
    ),
    Attack(
        "cells-environment",
        "The seed is an environment variable, and tokens stand beside it.",
        cell="import os\n"
        "for key in os.environ:\n"
        "    if any(word in key for word in ('SEED', 'SECRET', 'TOKEN', 'PASSWORD')): raise Reached(key)\n",
    ),
]

BORROWING = [
    Attack(
        "cells-reference-imported",
        "The package that learners have holds the model answer.",
        cells={
            PAINT: "from dlcv.transposed_convolution.reference import conv_transpose1d\n",
            SIZE: "from dlcv.transposed_convolution import output_size\n",
        },
        paint=FORBIDDEN,
        size=FORBIDDEN,
        flag="uses what the exercise forbids",
    ),
    Attack(
        "cells-reference-by-importlib",
        "The same by a name that is put together at run time.",
        cells=paint(
            "import importlib\n"
            "module = importlib.import_module('.'.join(['dlcv', 'transposed_' + 'convolution', 'refer' + 'ence']))\n"
            "return vars(module)['conv_' + 'transpose1d'](x, weight, stride)"
        ),
        paint=FORBIDDEN,
    ),
    Attack(
        "cells-reference-by-the-exercise",
        "The exercise object carries its reference, for local checks.",
        cells=paint(
            "return check._exercises['conv_transpose1d'].reference(x, weight, stride)",
        ),
        paint=STOPPED,
    ),
    Attack(
        "cells-reference-by-the-collector",
        "The collector finds the model answer by its name.",
        cell="import gc, sys, types\n"
        "everything = [t for m in list(sys.modules.values()) for t in vars(m).values()] + gc.get_objects()\n"
        "models = [t for t in everything if isinstance(t, types.FunctionType)\n"
        "          and t.__module__ == 'dlcv.transposed_convolution.reference' and t.__name__ == 'conv_transpose1d']\n",
        cells=paint("return models[0](x, weight, stride)"),
        paint=FORBIDDEN,
    ),
    Attack(
        "cells-reference-by-callback",
        "Called by C code (map, sorted, reduce), where a watch on the learner's calls might not look.",
        cell="from dlcv.transposed_convolution import reference\n",
        cells=paint("return next(map(reference.conv_transpose1d, [x], [weight], [stride]))"),
        paint=FORBIDDEN,
    ),
    Attack(
        "cells-slips-variant",
        "The exercises file holds right programs from which the slips are made.",
        cells=paint(
            "from dlcv.transposed_convolution.exercises import painted_row\nreturn painted_row(x, weight, stride)"
        ),
        paint=STOPPED,
    ),
    Attack(
        "cells-reference-executed-in-the-answer",
        "The reference's source is read at run time and executed: a call of no known function.",
        cells=paint(
            "import inspect\n"
            "from dlcv.transposed_convolution import reference\n"
            "scope = {}\n"
            "exec(inspect.getsource(reference), scope)\n"
            "return scope['conv_transpose1d'](x, weight, stride)"
        ),
        paint=FORBIDDEN,
    ),
    Attack(
        "cells-reference-executed-before",
        "The same above the answer, where nothing is watched yet.",
        cell="import inspect\n"
        "from dlcv.transposed_convolution import reference\n"
        "scope = {}\n"
        "exec(compile(inspect.getsource(reference), '<cell 99>', 'exec'), scope)\n",
        cells=paint("return scope['conv_transpose1d'](x, weight, stride)"),
        paint=STOPPED,
    ),
    Attack(
        "cells-reference-copied",
        "The reference's file is copied into the own folder and imported: now it is the learner's own module.",
        cell="import shutil, sys, importlib.util\n"
        "shutil.copy(importlib.util.find_spec('dlcv.transposed_convolution.reference').origin, 'mine.py')\n"
        "import mine\n",
        cells=paint("return mine.conv_transpose1d(x, weight, stride)"),
        paint=STOPPED,
    ),
    Attack(
        "cells-reference-by-subprocess",
        "Another program reads the source, so no file of the package was opened here.",
        cell="import subprocess\n"
        "text = subprocess.run(['cat', '$repository/dlcv/transposed_convolution/reference.py'],\n"
        "                      capture_output=True, text=True).stdout\n"
        "exec(compile(text, '<cell 99>', 'exec'), scope := {})\n",
        cells=paint("return scope['conv_transpose1d'](x, weight, stride)"),
        paint=STOPPED,
    ),
    Attack(
        "cells-reference-code-object",
        "A right program's code object runs under other globals and another file name.",
        cell="import types\n"
        "from dlcv.transposed_convolution.reference import conv_transpose1d as model\n"
        "stolen = types.FunctionType(model.__code__.replace(co_filename='<cell 99>'),\n"
        "                            {**model.__globals__, '__name__': '__main__'}, 'stolen', model.__defaults__)\n",
        cells=paint("return stolen(x, weight, stride)"),
        paint=STOPPED,
    ),
    Attack(
        "cells-ready-made-in-a-helper-process",
        "A forked process, in which nobody watches, answers over a pipe.",
        cell="import json, os\n"
        "(asked, ask), (told, tell) = os.pipe(), os.pipe()\n"
        "if os.fork() == 0:\n"
        "    with os.fdopen(asked) as questions, os.fdopen(tell, 'w') as answers:\n"
        "        for line in questions:\n"
        "            x, weight, stride = json.loads(line)\n"
        "            x, weight = torch.tensor(x)[None, None], torch.tensor(weight)[None, None]\n"
        "            out = torch.nn.functional.conv_transpose1d(x, weight, stride=stride)[0, 0]\n"
        "            print(json.dumps(out.tolist()), file=answers, flush=True)\n"
        "    os._exit(0)\n"
        "questions, answers = os.fdopen(ask, 'w'), os.fdopen(told)\n",
        cells=paint(
            "import json\n"
            "print(json.dumps([x.tolist(), weight.tolist(), stride]), file=questions, flush=True)\n"
            "return torch.tensor(json.loads(answers.readline()))"
        ),
        paint=FORBIDDEN,
    ),
    Attack(
        "cells-reference-in-a-thread",
        "A watch by profile hook or dispatch mode belongs to one thread; a pool's worker is another.",
        cell="from concurrent.futures import ThreadPoolExecutor\nfrom dlcv.transposed_convolution import reference\n",
        cells=paint(
            "with ThreadPoolExecutor(1) as pool:\n"
            "    return pool.submit(reference.conv_transpose1d, x, weight, stride).result()"
        ),
        paint=FORBIDDEN,
    ),
    Attack(
        "cells-table-of-the-reference",
        "All arguments that can occur are tabulated in another cell; the answer only looks them up.",
        cell="from itertools import product\n"
        "from dlcv.transposed_convolution import output_size as model\n"
        "table = {}\n"
        "for given in product(range(1, 41), range(2, 8), range(1, 6), range(4), range(4), range(1, 4)):\n"
        "    try: table[given] = model(*given)\n"
        "    except ValueError: pass\n",
        cells={
            SIZE: "def output_size(size, kernel_size, stride=1, padding=0, output_padding=0, dilation=1):\n"
            "    return table[size, kernel_size, stride, padding, output_padding, dilation]\n"
        },
        size=STOPPED,
    ),
    Attack(
        "cells-ready-made-alias",
        "The forbidden function under a name that is put together at run time.",
        cells=paint(f"return {READY}"),
        paint=FORBIDDEN,
    ),
    Attack(
        "cells-ready-made-operator",
        "The operator itself, below every Python function, with Python dispatch turned off.",
        cells=paint(
            "convolve = torch.ops.aten.convolution.default\n"
            "with torch._C._DisableTorchDispatch():\n"
            "    return convolve(x[None, None], weight[None, None], None, [stride], [0], [1], True, [0], 1)[0, 0]"
        ),
        paint=FORBIDDEN,
    ),
    Attack(
        "cells-ready-made-torchscript",
        "A compiled TorchScript function is the answer: no Python frame of the learner's is running.",
        cells={
            PAINT: "text = '''\n"
            "def f(x: Tensor, weight: Tensor, stride: int = 1) -> Tensor:\n"
            "    return torch.conv_tranXpose1d(x[None, None], weight[None, None], stride=stride)[0, 0]\n"
            "'''.replace('X', 's')\n"
            "conv_transpose1d = torch.jit.CompilationUnit(text).f\n"
        },
        paint=FORBIDDEN,
    ),
    Attack(
        "cells-watch-off",
        "The profile hook is removed for the time of the call.",
        cells=paint(f"import sys\nsys.setprofile(None)\nreturn {READY}"),
        paint=FORBIDDEN,
    ),
    Attack(
        "cells-watch-off-by-map",
        "The same, called by C code, of which the hook does not hear; afterwards it is put back.",
        cells=paint(
            "import sys\n"
            "hook = sys.getprofile()\n"
            "list(map(sys.setprofile, [None]))\n"
            "try:\n"
            f"    return {READY}\n"
            "finally:\n"
            "    list(map(sys.setprofile, [hook]))"
        ),
        paint=FORBIDDEN,
    ),
    Attack(
        "cells-watch-off-by-ctypes",
        "The same by the interpreter's C function.",
        cell="import ctypes, sys\n",
        cells=paint(f"ctypes.pythonapi.PyEval_SetProfile(None, None)\nreturn {READY}"),
        paint=FORBIDDEN,
    ),
    Attack(
        "cells-watch-patched",
        "The guard notes nothing any more.",
        cell="import sys\nfrom dlcv.checking import guard\nguard.Guard.note = lambda *_: None\n",
        cells=paint(f"return {READY}"),
        paint=FORBIDDEN,
    ),
    Attack(
        "cells-watch-told-harmless",
        "The watch keeps a set of what it need not look at again; the learner adds to it.",
        cell="import gc\n"
        "from dlcv.checking.guard import Watch\n"
        "class Everything(set):\n"
        "    def __contains__(self, _): return True\n"
        "Watch.harmless = property(lambda self: Everything())\n",
        cells=paint(f"return {READY}"),
        paint=FORBIDDEN,
    ),
    Attack(
        "cells-answering-patched",
        "The code that answers requests is the learner's process's own: it answers by torch's function.",
        cell="from dlcv.checking.answer import Answer, Reply\n"
        "def reply(self, request):\n"
        "    x, weight, stride = *request.args, request.kwargs.get('stride', 1)\n"
        f"    return Reply(value={READY})\n"
        "Answer.reply = reply\n",
        paint=FORBIDDEN,
        size=("crashed", "wrong values", "forbidden call"),
    ),
]

POISON = [
    Attack(
        "cells-poisoned-later-exercises",
        "What the first cell breaks makes every later answer look right.",
        cell="import dlcv.transposed_convolution as chapter, dlcv.transposed_convolution.exercises as e\n"
        "chapter.output_size = chapter.reference.output_size = lambda *_, **__: -1\n"
        "for exercise in e.exercises.values():\n"
        "    exercise.reference = lambda *_, **__: -1\n"
        "    exercise.points, exercise.tolerance, exercise.forbidden = 1000, float('inf'), ()\n",
    ),
    Attack(
        "cells-poisoned-imports",
        "A module that the next exercise imports is the learner's.",
        cell="import sys\n"
        "class Finder:\n"
        "    def find_spec(self, name, path=None, target=None): raise ImportError('poisoned: ' + name)\n"
        "sys.meta_path.insert(0, Finder())\n"
        "sys.path.insert(0, '.')\n"
        "sys.modules['dlcv.checking.probes'] = sys.modules['json'] = None\n",
        paint=("wrong values", "crashed"),
        size=("wrong values", "crashed"),
    ),
    Attack(
        "cells-script-in-a-message",
        "An error's type and message stand on the feedback page and in the notebook that the instructor opens.",
        cells=paint(
            "raise type('<script>alert(1)</script>', (Exception,), {})('<img src=x onerror=alert(1)>')\n"
        )
        | {
            SIZE: "raise type('<script>alert(2)</script>', (Exception,), {})('</pre><script>alert(3)</script>')\n"
        },
        paint=("crashed",),
        size=("crashed",),
    ),
]

ATTACKS = [*PATCHES, *LEAVING, *LOOKING, *BORROWING, *POISON]
