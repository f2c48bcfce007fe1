"""Behind the walls: cells run as in a kernel, and whatever they do stays there.

One warm interpreter serves all tests of this file; each test is one submission.
"""

import contextlib
import dataclasses
import json
import time
from pathlib import Path

import pytest

from autograder.examine import SandboxFailed, examine
from autograder.restore import restore
from autograder.sandbox import Limits, Sandbox
from autograder.submission import read_cells
from autograder.wire import Gone
from dlcv.checking import Judge, load_exercises

CHAPTER = "transposed_convolution"
LIMITS = Limits(cell=1.0, submission=30.0, memory=512 * 2**20, restarts=3, grace=0.5)
PAINT, SIZE = "conv_transpose1d", "output_size"


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox([f"dlcv.{CHAPTER}.exercises"], LIMITS) as started:
        yield started


@pytest.fixture(scope="module")
def judges():
    exercises = load_exercises(CHAPTER)
    return {name: Judge(exercises[name], seed="a secret") for name in (PAINT, SIZE)}


@pytest.fixture
def examined(small_class, sandbox, judges):
    """A function that examines a right submission in which some cells have another source."""

    def run(**sources: str):
        notebook = small_class.answered(**sources)
        restored = restore(read_cells(json.dumps(notebook).encode()), small_class.release)
        return examine(restored, judges, sandbox)

    return run


def kinds(examination):
    return {name: verdict.kind for name, verdict in examination.verdicts.items()}


RIGHT = "def conv_transpose1d(x, weight, stride=1):\n" + (
    "    canvas = torch.zeros((len(x) - 1) * stride + len(weight))\n"
    "    for i in range(len(x)):\n"
    "        canvas[i * stride : i * stride + len(weight)] += x[i] * weight\n"
    "    return canvas\n"
)


def test_right_answers(examined):
    found = examined()
    assert kinds(found) == {PAINT: "right", SIZE: "right"}
    assert found.errors == []
    assert found.restarts == 0


def test_the_watch_is_warm_before_a_run_begins(examined):
    cell = "from dlcv.checking.operators import FastNet\nassert len(FastNet.lay()._covered) > 100\n"
    assert examined(conv_transpose1d=cell + RIGHT).errors == []


# each of these costs its own exercise and no other


@pytest.mark.parametrize(
    ("body", "kind", "words"),
    [
        ("    raise ValueError('mine')", "crashed", "ValueError: mine"),
        ("    while True:\n        pass", "too slow", "no answer after 5 seconds"),
        ("    import os\n    os._exit(0)", "crashed", "ended its own process"),
        (
            "    import os, signal\n    os.kill(os.getpid(), signal.SIGSEGV)",
            "crashed",
            "ended its own process",
        ),
        ("    return torch.ones(10**9)", "crashed", "can't allocate memory"),
        # The message depends on the version of safetensors.
        ("    return torch.ones(3 * 10**7)", "crashed", ""),
        ("    return object()", "wrong shape", "an object"),
        ("    raise SystemExit", "crashed", "SystemExit"),
        ("    return conv_transpose1d(x, weight)", "crashed", "RecursionError"),
        ("    return list(range(300_000))", "wrong shape", "a list with more than 200,000 parts"),
        (
            "    return type('Own', (float,), {'__float__': None})()",
            "wrong shape",
            "an Own that cannot be read",
        ),
    ],
)
def test_an_answer_that_misbehaves_costs_its_own_exercise(examined, body, kind, words):
    found = examined(conv_transpose1d=f"def conv_transpose1d(x, weight, stride=1):\n{body}\n")
    verdict = found.verdicts[PAINT]
    assert (verdict.kind, verdict.points) == (kind, 0.0)
    assert words in verdict.message
    assert found.verdicts[SIZE].kind == "right"


@pytest.mark.parametrize(
    ("cell", "kind", "words"),
    [
        ("def conv_transpose1d(x, weight, stride=1):\n    return x x", "crashed", "SyntaxError"),
        ("1 / 0\n", "crashed", "ZeroDivisionError: division by zero"),
        ("await something()", "crashed", "SyntaxError"),
        ("while True:\n    pass", "too slow", "still running after 1 second"),
        (
            "while True:\n    try:\n        pass\n    except BaseException:\n        pass",
            "too slow",
            "still running",
        ),
        ("import os\nos.kill(os.getpid(), 11)", "crashed", "segmentation fault"),
        ("import os\nos._exit(3)", "crashed", "exit code 3"),
        ("raise KeyboardInterrupt", "crashed", "KeyboardInterrupt"),
        (
            "class Own(Exception):\n    def __str__(self):\n        raise SystemExit\nraise Own",
            "crashed",
            "Own: (its message could not be made)",
        ),
        ("x = 1", "not attempted", "no cell above the test defines conv_transpose1d"),
    ],
)
def test_a_cell_that_misbehaves_costs_its_own_exercise(examined, cell, kind, words):
    found = examined(conv_transpose1d=cell)
    verdict = found.verdicts[PAINT]
    assert (verdict.kind, verdict.points) == (kind, 0.0)
    assert words in verdict.message
    assert found.verdicts[SIZE].kind == "right"


def test_a_crash_names_the_learners_own_line(examined):
    verdict = examined(
        conv_transpose1d="def conv_transpose1d(x, weight, stride=1):\n    y = x\n    y.no"
    ).verdicts[PAINT]
    assert "line 3 of your cell: y.no" in "\n".join(verdict.detail)


def test_an_error_in_one_cell_does_not_end_the_run(examined):
    found = examined(setup="import torch\nfrom nowhere import check")
    assert kinds(found) == {PAINT: "right", SIZE: "right"}
    (error,) = found.errors
    assert (error.type, error.line) == ("ModuleNotFoundError", 2)


def test_a_stub_is_not_attempted(examined, small_class):
    stub = "".join(small_class.cell(small_class.empty(), PAINT)["source"])
    assert examined(conv_transpose1d=stub).verdicts[PAINT].kind == "not attempted"


def test_a_later_cell_does_not_change_an_earlier_verdict(examined):
    later = "def conv_transpose1d(*_, **__):\n    return 0\n"
    found = examined(output_size=later + "def output_size(*_):\n    return 0")
    assert found.verdicts[PAINT].kind == "right"
    assert found.verdicts[SIZE].kind != "right"


def test_an_answer_is_judged_as_it_was_above_its_test(examined):
    """A helper that a later cell breaks is the right one where the test stands."""
    answer = RIGHT.replace("torch.zeros", "helper")
    found = examined(
        conv_transpose1d="helper = torch.zeros\n" + answer,
        output_size="helper = None\nimport os\nos._exit(0)",
    )
    assert found.verdicts[PAINT].kind == "right"
    assert found.verdicts[SIZE].kind == "crashed"


def test_restarts_are_bounded_and_exercises_above_keep_their_answers(examined, small_class, sandbox, judges):
    notebook = small_class.answered()
    fatal = [
        {"cell_type": "code", "metadata": {}, "source": "import os\nos._exit(1)", "id": f"fatal-{i}"}
        for i in range(9)
    ]
    notebook["cells"][5:5] = fatal
    restored = restore(read_cells(json.dumps(notebook).encode()), small_class.release)
    found = examine(restored, judges, sandbox)
    assert kinds(found) == {PAINT: "right", SIZE: "crashed"}
    assert found.restarts == LIMITS.restarts
    assert "before output_size could be tried" in found.verdicts[SIZE].message


def test_output_goes_nowhere_and_costs_nothing(examined):
    flood = "import sys\nfor _ in range(3000):\n    print('x' * 1000)\n    sys.stderr.write('y' * 1000)\n"
    assert kinds(examined(conv_transpose1d=flood + RIGHT)) == {PAINT: "right", SIZE: "right"}


def test_magics_shell_lines_and_display_do_not_stop_a_cell(examined):
    cell = "%matplotlib inline\n!rm -rf /\nget_ipython().run_line_magic('time', '')\ndisplay(3)\n" + RIGHT
    assert kinds(examined(conv_transpose1d=cell))[PAINT] == "right"


def test_neither_magics_nor_lines_like_them_hide_a_call_from_the_scan(examined):
    never_reached = RIGHT + "    return torch.conv1d(x, weight)\n"
    found = examined(conv_transpose1d=f"%matplotlib inline\nhalf = (9\n% 2)\n{never_reached}")
    verdict = found.verdicts[PAINT]
    assert (verdict.kind, verdict.points) == ("forbidden call", 0.0)
    assert verdict.message == "torch.conv1d, line 9 of your cell"


def test_forbidden_under_an_alias(examined):
    cell = (
        "from torch.nn import functional as innocent\npaint = innocent.conv_transpose1d\n"
        "def conv_transpose1d(x, weight, stride=1):\n"
        "    return paint(x[None, None], weight[None, None], stride=stride)[0, 0]\n"
    )
    verdict = examined(conv_transpose1d=cell).verdicts[PAINT]
    assert verdict.kind == "forbidden call"
    assert "line 4 of your cell" in verdict.message


def test_a_notebook_that_is_slow_all_along_is_too_slow_and_not_our_failure(small_class, judges):
    hurried = dataclasses.replace(LIMITS, cell=2.0, submission=2.5)
    slow = [
        {"cell_type": "code", "metadata": {}, "source": "import time; time.sleep(1)", "id": f"s{i}"}
        for i in range(6)
    ]
    notebook = small_class.answered()
    notebook["cells"][5:5] = slow
    restored = restore(read_cells(json.dumps(notebook).encode()), small_class.release)
    with Sandbox([], hurried) as impatient:
        impatient.wait_until_warm()
        found = examine(restored, judges, impatient)
    assert found.verdicts[SIZE].kind == "too slow"
    assert "used up its 2.5 seconds" in found.verdicts[SIZE].message
    assert any("used up its 2.5 seconds" in trouble for trouble in found.troubles)


# forged and malformed messages

FIND_SOCKETS = """
import os, socket, stat
sockets = []
for fd in range(200):
    try:
        if stat.S_ISSOCK(os.fstat(fd).st_mode):
            sockets.append(socket.socket(fileno=os.dup(fd)))
    except OSError:
        pass
"""


@pytest.mark.parametrize(
    "bytes_sent", [b"nonsense", b"J\\0\\0\\0\\x02{}", b"B\\xff\\xff\\xff\\xff", b"J\\0\\0\\0\\x04true" * 50]
)
def test_what_a_cell_writes_into_the_channels_costs_its_own_notebook_only(examined, bytes_sent):
    forged = FIND_SOCKETS + f"for s in sockets:\n    s.sendall(b'{bytes_sent.decode()}')\n"
    found = examined(output_size=forged)
    assert found.verdicts[PAINT].kind in ("forbidden call", "crashed")
    assert found.verdicts[SIZE].points == 0.0
    assert kinds(examined()) == {PAINT: "right", SIZE: "right"}


def test_an_answer_that_writes_into_its_channel(examined):
    cell = FIND_SOCKETS + (
        "def conv_transpose1d(x, weight, stride=1):\n"
        "    for s in sockets:\n"
        "        try:\n            s.sendall(b'B' + bytes(4))\n        except OSError:\n            pass\n"
        "    return x\n"
    )
    verdict = examined(conv_transpose1d=cell).verdicts[PAINT]
    assert verdict.kind == "crashed"
    assert "channel" in verdict.message


def test_a_notebook_that_steps_around_the_watch_earns_nothing_and_is_told(examined):
    found = examined(
        setup="import torch\nimport gc, sys\ngc.collect()\nhook = sys.getprofile()\nsys.setprofile(hook)\n"
    )
    assert kinds(found) == {PAINT: "forbidden call", SIZE: "forbidden call"}
    assert [verdict.points for verdict in found.verdicts.values()] == [0.0, 0.0]
    assert found.verdicts[PAINT].message == "sys.setprofile, line 5 of cell 2"
    assert found.troubles == ["the notebook steps around the check: sys.setprofile, line 5 of cell 2"]


def test_a_wrong_answer_is_told_as_such_whatever_else_the_notebook_does(examined):
    found = examined(
        conv_transpose1d="import ctypes\ndef conv_transpose1d(x, weight, stride=1):\n    return x * 0\n"
    )
    assert kinds(found) == {PAINT: "wrong shape", SIZE: "forbidden call"}


# what a run leaves behind, and what it can see


def named(name: str) -> list[int]:
    """Processes of that name on this machine, behind whatever walls."""
    found = []
    for path in Path("/proc").glob("[0-9]*/status"):
        with contextlib.suppress(OSError):
            fields = dict(line.split(":\t", 1) for line in path.read_text().splitlines() if ":\t" in line)
            if fields["Name"] == name and not fields["State"].startswith("Z"):
                found.append(int(path.parent.name))
    return found


def test_processes_left_behind_are_killed(examined):
    cell = (
        "import ctypes, os, time\n"
        "reader, writer = os.pipe()\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    if os.fork() == 0:\n"
        "        ctypes.CDLL(None).prctl(15, b'left-by-a-test')\n"
        "        os.write(writer, b'running')\n"
        "        time.sleep(600)\n"
        "    os._exit(0)\n"
        "assert os.read(reader, 10) == b'running'\n"
    )
    found = examined(setup="import torch\n" + cell)
    assert kinds(found)[PAINT] == "forbidden call"  # nobody watches what another process does
    assert found.errors == []
    deadline = time.monotonic() + 5
    while named("left-by-a-test") and time.monotonic() < deadline:
        time.sleep(0.02)
    assert named("left-by-a-test") == []


def test_scratch_is_private_and_gone(examined):
    write = (
        "import os, torch\nopen('left', 'w').write('x')\nopen(os.environ['HOME'] + '/more', 'w').write('x')"
    )
    assert examined(setup=write).errors == []
    look = "import os, torch\nassert os.listdir() == []\nassert len(os.listdir('..')) == 1, os.listdir('..')"
    assert examined(setup=look).errors == []


def test_the_environment_holds_nothing_of_the_graders(examined, monkeypatch, small_class, judges):
    monkeypatch.setenv("DLCV_SEED", "very secret")
    tell = "import os, sys\nassert 'DLCV_SEED' not in os.environ\nassert 'nbgrader' not in sys.modules\n"
    tell += "assert os.environ['NBGRADER_EXECUTION']\nassert os.getcwd() == os.environ['HOME']\n"
    with Sandbox([], LIMITS) as fresh:
        notebook = small_class.answered(conv_transpose1d=tell + RIGHT)
        restored = restore(read_cells(json.dumps(notebook).encode()), small_class.release)
        found = examine(restored, judges, fresh)
        assert found.errors == []
        assert found.verdicts[PAINT].kind == "right"


def test_threads_that_a_learner_asks_for_do_not_hang_the_copies(examined):
    cell = "torch.set_num_threads(4)\ntorch.randn(600, 600) @ torch.randn(600, 600)\n" + RIGHT
    assert kinds(examined(conv_transpose1d=cell))[PAINT] == "right"


# our own failures are not the learner's


def test_a_dead_interpreter_is_told_and_replaced(small_class, judges):
    restored = restore(read_cells(json.dumps(small_class.answered()).encode()), small_class.release)
    with Sandbox([], LIMITS) as doomed:
        doomed.wait_until_warm()
        doomed.process.kill()
        doomed.process.wait()
        with pytest.raises((Gone, SandboxFailed)):
            examine(restored, judges, doomed)
        with doomed.another() as fresh:
            assert kinds(examine(restored, judges, fresh)) == {PAINT: "right", SIZE: "right"}


def test_a_process_that_does_not_start_is_our_failure(sandbox, small_class, judges, monkeypatch):
    monkeypatch.setattr("dlcv.checking.forbidden.Watch.to_data", lambda watch: {})
    restored = restore(read_cells(json.dumps(small_class.answered()).encode()), small_class.release)
    with pytest.raises(SandboxFailed, match="the sandbox did not start"):
        examine(restored, judges, sandbox)


def test_the_guardian_says_how_a_process_ended(sandbox):
    steps = [{"cell": 0, "source": "import os\nos._exit(7)"}]
    run = sandbox.run({"watches": {}, "cell_limit": 1, "steps": steps}, [])
    assert run.talk.receive(timeout=60) == {"ready": True}
    assert run.ended() == {"code": 7}
    run.close()
