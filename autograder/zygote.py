"""The warm untrusted interpreter: imports torch once, forks for each run, and cleans up behind it.

For each run it forks a guardian, which never executes learner's code: the guardian starts the learner's process,
tells how it ended, adopts whatever that process leaves behind and kills all of it at the end.

Forking after torch is safe under rules that `warm` keeps: one thread before the first operation, the lazy parts of
the optimisers touched, everything frozen so that the collector does not copy shared pages, no accelerator.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import gc
import importlib
import json
import os
import select
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from .landlock import restrict, version
from .large_pages import use_large_pages
from .limits import Limits, address_space, confine, offer_first, processes_of_user
from .meter import Meter, anonymous_memory
from .namespaces import (
    around_each_run,
    around_everybody,
    become_nobody,
    drop_capabilities,
    own_process_list,
)
from .seccomp import refuse_calls
from .wire import Channel, WireError

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_MOST_DESCRIPTORS = 200
WATCH_EVERY = 0.1


def main(settings: dict) -> None:
    """Raise walls, tell which stand, warm up; then fork a guardian for each request until the other side hangs up."""
    control = socket.socket(fileno=settings["control"])
    plan = _Plan.of(settings)
    control.send(json.dumps(plan.walls).encode())
    os.chdir(plan.scratch)
    bring_fonts(settings["fonts"])
    warm_up(settings["preload"])
    warm = Warm(os.getpid(), address_space(), anonymous_memory())
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    signal.signal(signal.SIGCHLD, lambda *_: _reap())  # so that their time is counted as this process's
    control.send(b"warm")
    while True:
        try:
            message, descriptors, _, _ = socket.recv_fds(control, 64, _MOST_DESCRIPTORS)
        except ConnectionError:
            break
        if not message:
            break
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            control.close()
            processes = os.open("/proc", os.O_RDONLY)
            if plan.nested:
                around_each_run(plan.scratch, plan.limits.disk)
                if os.fork():
                    os._exit(0)  # the fork is process 1 behind the inner wall
            meter = Meter(processes, warm.process, warm.memory)
            if plan.nested:
                own_process_list()
            _and_leave(guard, descriptors, plan, warm, meter)
        for descriptor in descriptors:
            os.close(descriptor)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    kill_descendants()


@dataclass(frozen=True)
class _Plan:
    """What each run may use, and the walls that can be raised around it on this machine."""

    limits: Limits
    scratch: str
    readable: list[str]
    read_only: bool
    nested: bool
    walls: dict

    @classmethod
    def of(cls, settings: dict) -> _Plan:
        """Raise what stands around everybody, and try what each run can have."""
        if settings["uid"] is not None:
            become_nobody(settings["uid"])
        limits, scratch = Limits.from_dict(settings["limits"]), settings["scratch"]
        outer, troubles = settings["bubblewrap"], {}
        if not outer:
            troubles["namespaces"] = _trouble(around_everybody, scratch, settings["outer_disk"])
            if not troubles["namespaces"]:
                around_everybody(scratch, settings["outer_disk"])
        troubles["nested"] = _trouble(around_each_run, scratch, limits.disk)
        troubles["filtered"] = _trouble(_filtered)
        if not outer or troubles["nested"]:
            troubles["landlock"] = _trouble(restrict, [], [])
        stands = {wall: not why for wall, why in troubles.items()}
        return cls(
            limits,
            scratch,
            settings["readable"] if stands.get("landlock") else [],
            read_only=outer or stands["namespaces"],
            nested=stands["nested"],
            walls={
                **stands,
                "landlock": version() if stands.get("landlock") else 0,
                "troubles": [f"{wall}: {why}" for wall, why in troubles.items() if why],
            },
        )

    def leave_nothing_else(self, folder: str) -> None:
        """Let Landlock bind this process, where it is needed."""
        if self.readable:
            # Without a namespace /proc shows everybody's.
            processes = ["/proc"] if self.nested else ["/proc/self", "/proc/cpuinfo", "/proc/meminfo"]
            memory = ["/dev/shm"] if self.nested else []
            restrict([*self.readable, *processes, "/dev/urandom"], [folder, *memory, "/dev/null"])


def bring_fonts(lists: Iterable[str]) -> None:
    """Copy matplotlib's lists of fonts to where it may write, else it would make them anew."""
    folder = os.environ["MPLCONFIGDIR"] = tempfile.mkdtemp(dir=".")
    for path in lists:
        with contextlib.suppress(OSError):
            shutil.copy(path, folder)


def warm_up(preload: Iterable[str]) -> None:
    """Import what notebooks import, so that each child finds it there."""
    import torch

    torch.set_num_threads(1)
    torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))])  # imports torch._dynamo, once
    # More threads in a forked child would wait for ever; a learner who asks for them goes on with one.
    torch.set_num_threads = torch.set_num_interop_threads = lambda *_: None
    for name in ("matplotlib.pyplot", "dlcv.checking", *preload):
        with contextlib.suppress(Exception):
            importlib.import_module(name)
    importlib.import_module("dlcv.checking.rehearsal").rehearse()
    gc.collect()
    gc.freeze()
    use_large_pages()


@dataclass(frozen=True)
class Warm:
    """The warm interpreter before any learner's code runs: its process, bytes of addresses and of memory."""

    process: int
    addresses: int
    memory: int


def _trouble(build: Callable, *arguments: Any) -> str:
    """Try a wall once, in a process that is thrown away; return why it does not stand, or nothing."""
    child = os.fork()
    if child == 0:
        status = 255
        try:
            build(*arguments)
            status = 0
        except OSError as error:
            status = error.errno if error.errno and error.errno < 255 else 255
        finally:
            os._exit(status)
    status = os.waitpid(child, 0)[1]
    number = os.WEXITSTATUS(status) if os.WIFEXITED(status) else 255
    return "" if status == 0 else os.strerror(number) if number < 255 else "it failed"


def _filtered() -> None:
    if not refuse_calls():
        raise OSError(errno.ENOSYS, "no filter here")


def guard(descriptors: list[int], plan: _Plan, warm: Warm, meter: Meter) -> None:
    """Start the learner's process of one run, watch it, and leave nothing of it behind."""
    os.setsid()
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    trusted, talk, *others = (socket.socket(fileno=descriptor) for descriptor in descriptors)
    channel = Channel(trusted)
    wake, bell = socket.socketpair()
    for end in (wake, bell):
        end.setblocking(False)
    signal.set_wakeup_fd(bell.fileno(), warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    job = channel.receive(timeout=60.0)
    folder = tempfile.mkdtemp(dir=plan.scratch)
    guardian = os.getpid()
    student = os.fork()
    if student == 0:
        offer_first(meter.proc)
        os.close(meter.proc)
        own = _Own(talk, others, folder, guardian)
        _and_leave(_learner, job, own, (trusted, wake, bell), plan, warm)
    for sock in (talk, *others):
        sock.close()
    try:
        _watch(channel, wake, student, meter, plan.limits.widest)
    finally:
        kill_descendants()
        shutil.rmtree(folder, ignore_errors=True)


def _watch(channel: Channel, wake: socket.socket, student: int, meter: Meter, limits: Limits) -> None:
    """Report the end of the learner's process; return when the trusted side has no more use for this run."""
    look = time.monotonic() + WATCH_EVERY
    while True:
        ready, _, _ = select.select([channel.socket, wake], [], [], max(0.0, look - time.monotonic()))
        if time.monotonic() >= look:  # not at each process that ends: a run has a dozen
            if trouble := meter.trouble(limits):
                channel.send_json(trouble, timeout=5.0)
                kill_descendants()
            look = time.monotonic() + WATCH_EVERY
        if wake in ready:
            with contextlib.suppress(BlockingIOError):
                wake.recv(4096)
            for pid, status in _reap():
                if pid == student:
                    channel.send_json(_how(status), timeout=5.0)
        if channel.socket in ready:
            try:
                channel.receive(timeout=5.0)
            except WireError:
                return
            with contextlib.suppress(ProcessLookupError):
                os.kill(student, signal.SIGKILL)


def _reap() -> list[tuple[int, int]]:
    ended = []
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            ended.append((pid, status))
    return ended


def _how(status: int) -> dict:
    return {"signal": os.WTERMSIG(status)} if os.WIFSIGNALED(status) else {"code": os.WEXITSTATUS(status)}


@dataclass(frozen=True)
class _Own:
    """What a learner's process has: its sockets, its folder, and the process that watches it."""

    talk: socket.socket
    answers: list[socket.socket]
    folder: str
    guardian: int


def _learner(job: dict, own: _Own, not_its: tuple, plan: _Plan, warm: Warm) -> None:
    """Become the learner's process: no descriptor but its own sockets, no environment but its own, limits."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != own.guardian:  # it died before the line above
        return
    os.setsid()
    for sock in not_its:
        sock.close()
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nothing, standard)
    os.close(nothing)
    os.chdir(own.folder)
    for name in ("HOME", "TMPDIR", "MPLCONFIGDIR", "XDG_CACHE_HOME"):
        os.environ[name] = own.folder
    tempfile.tempdir = None
    sys.path.insert(0, "")
    answers = dict(zip(job["exercises"], own.answers, strict=True))
    watches = _watches(job["watches"])
    most = plan.limits.widest
    others = 0 if plan.nested else processes_of_user()
    confine(plan.limits, warm.addresses, others=others, widest=most)
    plan.leave_nothing_else(own.folder)
    drop_capabilities()
    refuse_calls(names_of_files=not plan.read_only)

    from .student import run_notebook

    def bind(name: str) -> int:
        """Let the process that answers an exercise have what that exercise may; return its longest message."""
        limits = plan.limits.of(name)
        confine(limits, warm.addresses, others=others)
        return limits.message

    run_notebook(job, Channel(own.talk, most.message), answers, watches, bind)


def _watches(described: dict[str, dict]) -> dict:
    from dlcv.checking.forbidden import Watch

    return {name: Watch.from_data(data) for name, data in described.items()}


def _and_leave(work: Callable, *arguments: Any) -> None:
    """Do `work` in a forked child and end it there, whatever happens: no handler of the parent may run."""
    status = 1
    try:
        work(*arguments)
        status = 0
    finally:
        os._exit(status)


def kill_descendants() -> None:
    """Kill all children, and what they leave behind as it is adopted, until nothing is left."""
    while True:
        # Process 1 of a namespace kills everybody in it at one stroke.
        for child in [-1] if os.getpid() == 1 else _children():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(child, signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _children() -> list[int]:
    own = os.getpid()
    try:
        with open(f"/proc/self/task/{own}/children", encoding="ascii") as file:
            return [int(pid) for pid in file.read().split()]
    except OSError:
        return [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if _parent(pid) == own]


def _parent(pid: int) -> int | None:
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return int(file.read().rpartition(")")[2].split()[1])
    except (OSError, ValueError, IndexError):
        return None


def _prctl(option: int, value: int) -> None:
    ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)
