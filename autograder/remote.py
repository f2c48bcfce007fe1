"""What a cluster's worker does with a job: it hands it to a warm sandbox on its own machine.

The worker is trusted code: it restores, asks and judges as a worker of one machine does, and a learner's code runs
behind the walls of its own machine, never in the worker's process. Sandbox and judges are made when the first job
comes and kept for those that follow, one of each a process.

A cluster's scheduler imports this file, too, and has no use for torch: what is heavy is imported where it is needed.
"""

from __future__ import annotations

import functools
import hashlib
import pickle
import platform
import socket
import threading
import traceback
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from .grader import Grader
    from .plan import Plan

__all__ = ["Answer", "Order", "attempt", "leave", "pack", "software", "unpack"]


class Order(NamedTuple):
    """What all jobs of a batch have in common: the plan, and how a worker's machine has to wall them in."""

    plan: Plan
    private: tuple[Path, ...] = ()
    unsafe: bool = False


class Answer(NamedTuple):
    """What became of a job. `kind` is "graded" (`content` is the packed result), "failed" or "refused" (it says why).

    A job that failed is that job's trouble; a worker that refuses would refuse all of them.
    """

    kind: str
    content: Any


def pack(thing: Any) -> bytes:
    """Plain data of ours as bytes, so that no log of a cluster shows a learner's text or the seed in it."""
    return zlib.compress(pickle.dumps(thing), 1)


def unpack(packed: bytes) -> Any:
    """The inverse of `pack`; for what trusted processes sent, and nothing else."""
    return pickle.loads(zlib.decompress(packed))


@functools.cache
def software() -> dict[str, str]:
    """What must be the same wherever a class is graded, by its name."""
    import torch

    return {
        "dlcv and autograder": _digest_of_code(),
        "torch": torch.__version__.partition("+")[0],
        "Python": ".".join(platform.python_version_tuple()[:2]),
    }


def _digest_of_code() -> str:
    import dlcv

    found = hashlib.sha256()
    for package in (Path(dlcv.__file__).parent, Path(__file__).parent):
        files = [path for path in package.rglob("*") if path.suffix in (".py", ".j2")]
        for path in sorted(files):
            found.update(
                path.relative_to(package.parent).as_posix().encode() + b"\0" + path.read_bytes() + b"\0"
            )
    return found.hexdigest()[:12]


# One job at a time in a process, whatever number of threads its worker has.
_LOCK = threading.Lock()
_KEPT: dict[str, Grader] = {}


def attempt(theirs: dict[str, str], order: bytes, job: bytes) -> Answer:
    """Grade one submission on this machine.

    Parameters
    ----------
    theirs : dict
        The `software` of whoever asks: looked at before anything is unpacked.
    order, job : bytes
        A packed `Order` and a packed `Job`.
    """
    try:
        differing = _differences(theirs)
        if differing:
            return Answer("refused", f"{differing}; install the same there")
        with _LOCK:
            from .course import CourseError

            try:
                grader = _grader(order)
            except CourseError as error:
                return Answer("refused", f"{_name()} cannot grade: {error}")
            return Answer("graded", pack(grader.grade(unpack(job))))
    except Exception:
        return Answer("failed", traceback.format_exc(limit=-3))


def _differences(theirs: dict[str, str]) -> str:
    ours = software()
    found = [
        f"{name} {ours.get(name)}, not {wanted}"
        for name, wanted in theirs.items()
        if ours.get(name) != wanted
    ]
    return f"{_name()} has {', '.join(found)}" if found else ""


def _name() -> str:
    return f"the worker on {socket.gethostname()}"


def _key(order: bytes) -> str:
    return hashlib.sha256(order).hexdigest()


def _grader(packed: bytes) -> Grader:
    """The grader kept for this order; a new one takes the place of another order's."""
    from .grader import Grader
    from .preload import preloads
    from .sandbox import Sandbox

    key = _key(packed)
    if key not in _KEPT:
        _close()
        order = unpack(packed)
        sandbox = None
        if order.plan.judged != ():
            modules, limits = preloads(order.plan.release), order.plan.limits
            sandbox = Sandbox(modules, limits, private=order.private, unsafe=order.unsafe)
        try:
            grader = Grader.prepare(order.plan, sandbox)
            if sandbox is not None:
                sandbox.wait_until_warm()
        except BaseException:
            if sandbox is not None:
                sandbox.close()
            raise
        _KEPT[key] = grader
    return _KEPT[key]


def _close() -> None:
    for grader in _KEPT.values():
        grader.leave()
    _KEPT.clear()


def leave(order: bytes) -> None:
    """End what is kept for this order, unless a job is under way."""
    if _LOCK.acquire(blocking=False):
        try:
            if _key(order) in _KEPT:
                _close()
        finally:
            _LOCK.release()
