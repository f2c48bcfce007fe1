"""The walls around learners' code, and the trusted side's handle on the processes behind them.

How the untrusted interpreter is started (`Sandbox.start`) and what each of its children may use (`confine`) is
decided here and nowhere else. Sockets are made on this side and handed over by descriptor, so that a wall that
hides the file system and the network does not stand in their way.

Linux only: it needs rlimits, subreapers and descriptors sent over Unix sockets.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from .course import CourseError
from .walls import SCRATCH, bubblewrap
from .wire import Channel, Gone, WireError

MIB = 2**20


@dataclass(frozen=True)
class Limits:
    """What one submission may use. Seconds are of the wall clock unless said otherwise."""

    cell: float = 10.0  # one cell of the notebook
    submission: float = 120.0  # all of it together
    cpu: int = 120  # processor seconds of one process
    memory: int = 2048 * MIB  # on top of what the warm interpreter has
    file: int = 64 * MIB  # one written file
    processes: int = 128  # of this user, on top of those there are; root is not held by it
    descriptors: int = 256
    message: int = 64 * MIB  # one reply
    restarts: int = 6  # after a crash or a cell that had to be killed
    grace: float = 1.0  # between asking a cell to stop and killing it


def confine(limits: Limits, address_space: int, *, nested: bool) -> None:
    """Bind this process and its children to `limits`. For the child side, before any learner's code runs.

    `address_space` is what the warm interpreter has before it; `nested`: behind an inner wall, where the kernel
    counts this run's processes alone.
    """
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_CPU, limits.cpu)
    _lower(resource.RLIMIT_FSIZE, limits.file)
    _lower(resource.RLIMIT_NOFILE, limits.descriptors)
    _lower(resource.RLIMIT_AS, address_space + limits.memory)
    if os.getuid() != 0:
        _lower(resource.RLIMIT_NPROC, limits.processes + (0 if nested else _processes_of_user()))


def _lower(which: int, value: int) -> None:
    hard = resource.getrlimit(which)[1]
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(which, (value, value))


def address_space() -> int:
    """Bytes of virtual memory that this process has."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[0]) * resource.getpagesize()


def _processes_of_user() -> int:
    own, count = os.getuid(), 0
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                count += entry.stat().st_uid == own
            except OSError:  # it has just ended
                continue
    return count


class Run:
    """One process of a submission and the sockets to it: its guardian, its narrator, one for each exercise."""

    def __init__(self, guardian: Channel, talk: Channel, answers: dict[str, Channel]):
        self.guardian, self.talk, self.answers = guardian, talk, answers

    def ended(self) -> dict:
        """Return how the learner's process ended: ``{"signal": n}`` or ``{"code": n}``; empty if nobody knows."""
        try:
            message = self.guardian.receive(timeout=2.0)
        except WireError:
            return {}
        return message if isinstance(message, dict) else {}

    def stop(self) -> None:
        """Kill the learner's process, not the copies that answer calls."""
        try:
            self.guardian.send_json({"stop": True}, timeout=2.0)
            self.ended()
        except WireError:
            pass

    def close(self) -> None:
        """Kill all that is left of this run: the guardian does so when its socket closes."""
        for channel in (self.guardian, self.talk, *self.answers.values()):
            channel.close()


class Sandbox:
    """A warm, untrusted interpreter that forks one child for each run.

    It is a fresh interpreter with an environment of its own, so nothing of this process's memory (references'
    expected values, the secret seed) is in it. One sandbox serves several grading processes at once.

    Parameters
    ----------
    preload : iterable of str
        Modules to import once instead of in each child.
    limits : Limits
        What one submission may use.
    """

    def __init__(self, preload: Iterable[str] = (), limits: Limits | None = None):
        if sys.platform != "linux":
            raise CourseError(
                "grading runs learners' code behind walls that only Linux has; use Linux or a container"
            )
        self.limits = limits or Limits()
        self.preload = tuple(preload)
        self.start()

    def start(self) -> None:
        self.nested = self.filtered = False
        outer = bubblewrap(_packages())
        self.bubblewrap = bool(outer)
        self.uid = outer.uid if outer else None
        self.scratch = SCRATCH if outer else tempfile.mkdtemp(prefix="autograder-")
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            os.set_inheritable(theirs.fileno(), True)
            settings = {
                "control": theirs.fileno(),
                "paths": _import_paths(),
                "preload": self.preload,
                "limits": asdict(self.limits),
                "scratch": self.scratch,
                "fonts": _font_lists(),
                "uid": self.uid,
            }
            self.process = subprocess.Popen(
                [*(outer.command if outer else ()), sys.executable, "-I", "-c", _START, json.dumps(settings)],
                env=_environment(),
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )
        self.control = ours
        self.owner = os.getpid()

    @property
    def walls(self) -> str:
        """Which walls stand, in words, for the report. Known once the interpreter is warm."""
        standing = ["bubblewrap, no network, no files but the interpreter's"] if self.bubblewrap else []
        standing += ["a user without rights"] if self.uid else []
        standing += [f"own {'namespaces' if self.nested else 'processes'} for each submission"]
        standing += ["a filter on system calls"] if self.filtered else []
        return ", ".join(
            [*standing, f"{self.limits.memory // MIB} MB", f"{self.limits.cpu} s of processor time"]
        )

    def run(self, job: dict, exercises: Iterable[str]) -> Run:
        """Start a child on `job`; raise `Gone` if the warm interpreter has died."""
        names = list(exercises)
        pairs = [socket.socketpair() for _ in range(2 + len(names))]
        ours = [Channel(mine, self.limits.message) for mine, _ in pairs]
        try:
            socket.send_fds(self.control, [b"run"], [theirs.fileno() for _, theirs in pairs])
        except OSError as error:
            for channel in ours:
                channel.close()
            raise Gone(f"the warm interpreter has ended: {error}") from None
        finally:
            for _, theirs in pairs:
                theirs.close()
        run = Run(ours[0], ours[1], dict(zip(names, ours[2:], strict=True)))
        run.guardian.send_json({**job, "exercises": names}, timeout=60.0)
        return run

    def wait_until_warm(self, timeout: float = 120.0) -> None:
        """Return when the interpreter has imported everything; raise `CourseError` where it could not start."""
        self.control.settimeout(timeout)
        try:
            told = self.control.recv(64)
        except OSError:
            told = b""
        self.control.settimeout(None)
        self.nested, self.filtered = b"nested" in told, b"filtered" in told
        if not told.startswith(b"warm"):
            raise CourseError(
                "the sandbox's interpreter did not start; what it said on standard error is above. "
                f"It runs {sys.executable} with {', '.join(_import_paths())} on its path."
            )

    def another(self) -> Sandbox:
        """A new warm interpreter in place of one that has died; for the worker that noticed."""
        self.close()
        return Sandbox(self.preload, self.limits)

    def close(self) -> None:
        """End the warm interpreter and all its children."""
        self.control.close()
        if self.owner != os.getpid():
            return
        try:
            self.process.wait(timeout=5.0)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        if not self.bubblewrap:
            shutil.rmtree(self.scratch, ignore_errors=True)

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


# `-I` ignores the user's environment and the current folder; the two packages are found by their own paths.
_START = """
import json, sys
settings = json.loads(sys.argv[1])
sys.path[:0] = settings["paths"]
from autograder.zygote import main
main(settings)
"""


def _packages() -> tuple[str, ...]:
    """The two packages of ours that the untrusted side may read."""
    import dlcv

    return str(Path(dlcv.__file__).resolve().parent), str(Path(__file__).resolve().parent)


def _import_paths() -> list[str]:
    return list(dict.fromkeys(str(Path(package).parent) for package in _packages()))


def _font_lists() -> list[str]:
    """Where matplotlib keeps its list of fonts: made once, by this import, as it takes seconds."""
    import matplotlib
    import matplotlib.font_manager

    return [str(path) for path in Path(matplotlib.get_cachedir()).glob("fontlist-*.json")]


def _environment() -> dict[str, str]:
    """A learner's environment: nothing of the grader's, one thread, no screen, no accelerator."""
    environment = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MPLBACKEND": "agg",
        "CUDA_VISIBLE_DEVICES": "",
        "NBGRADER_EXECUTION": "autograde",
    }
    return {**environment, "HOME": SCRATCH, "TMPDIR": SCRATCH}
