"""The learner's process: runs the cells of one submission as a kernel would, and answers calls.

Everything here runs beside code that strangers wrote, so nothing that it says is believed: the trusted side takes
numbers from it and judges them elsewhere. It imports no nbgrader, no judge and no expected value.

At the place of each test cell the process forks: the copy keeps the namespace as the kernel would have it there
and answers the calls of that one exercise, while the original goes on to the next cell. So a later cell cannot
change an earlier verdict, and an answer that crashes or never ends costs its own exercise only.
"""

from __future__ import annotations

import ast
import builtins
import contextlib
import linecache
import os
import random
import signal
import socket
import sys
import time
import traceback
import types
from collections.abc import Callable
from typing import Any

from .magics import plain_python
from .wire import Channel, WireError

LONGEST_MESSAGE = 500


class CellTooSlow(BaseException):
    """Raised inside a cell that has used up its time. No `Exception`: a learner's `except Exception` lets it pass."""


def run_notebook(
    job: dict,
    talk: Channel,
    answers: dict[str, socket.socket],
    watches: dict[str, Any],
    bind: Callable[[str], int],
) -> None:
    """Run the steps of `job` in order, telling `talk` about each.

    Parameters
    ----------
    job : dict
        ``steps``: ``{"cell": number, "source": text}`` or ``{"judge": exercise}``; ``cell_limit``: seconds.
    talk : Channel
        Gets ``{"ready": true}``; ``{"start": cell}`` and ``{"end": cell, "error": ...}`` for each cell;
        ``{"judge": exercise, "defined": bool}`` for each test; ``{"finished": true}``.
    answers : dict
        The socket on which each exercise's calls will come.
    watches : dict
        What the guard looks for in each exercise, prepared before any of the learner's code ran.
    bind : callable
        Called in the process that answers an exercise: gives it that exercise's limits, returns its longest message.
    """
    namespace = fresh_namespace()
    talk.send_json({"ready": True})
    for step in job["steps"]:
        if "judge" in step:
            name = step["judge"]
            there = name in namespace
            if there:
                leave_answering_copy(name, namespace[name], answers, watches[name], talk, bind)
            talk.send_json({"judge": name, "defined": there})
        else:
            talk.send_json({"start": step["cell"]})
            error = run_cell(step["source"], step["cell"], namespace, job["cell_limit"])
            talk.send_json({"end": step["cell"], "error": error})
    talk.send_json({"finished": True})


def fresh_namespace() -> dict:
    """Return the namespace of a new `__main__` with the two names that a notebook's kernel adds."""
    main = types.ModuleType("__main__")
    sys.modules["__main__"] = main
    main.__dict__.update(__builtins__=builtins, display=lambda *_, **__: None, get_ipython=_Shell)
    with contextlib.suppress(Exception):
        import numpy
        import torch

        torch.manual_seed(0)
        numpy.random.seed(0)
    random.seed(0)
    return main.__dict__


class _Shell:
    """Stands for IPython's shell: whatever is asked of it does nothing."""

    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: None


def run_cell(source: str, number: int, namespace: dict, limit: float) -> dict | None:
    """Execute one cell; return None, or what went wrong: ``type``, ``message``, ``line`` of the cell."""
    filename = f"<cell {number + 1}>"
    source = plain_python(source)
    # So that tracebacks and `inspect` find the learner's own lines.
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    signal.signal(signal.SIGALRM, _ring)
    try:
        signal.setitimer(signal.ITIMER_REAL, limit)
        error = _execute(source, filename, namespace)
    except BaseException as raised:  # SystemExit is the learner's, too, and the next cell runs all the same
        error = raised
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return None if error is None else _described(error, filename, limit)


def _execute(source: str, filename: str, namespace: dict) -> BaseException | None:
    """Execute a cell. A statement that calls a withheld reference is left out; return the first such error.

    Learners compare with the reference, above a definition too; that must not cost them the definition.
    """
    from dlcv.checking.withheld import Withheld

    program, first, body = source, None, None
    while True:
        try:
            exec(compile(program, filename, "exec", dont_inherit=True), namespace)
            return first
        except Withheld as error:
            first = first or error
            line = next(
                (at.lineno for at in traceback.extract_tb(error.__traceback__) if at.filename == filename), 0
            )
            body = ast.parse(source).body if body is None else body
            body = body[next((i for i, node in enumerate(body) if node.end_lineno >= line), len(body)) + 1 :]
            program = ast.Module(body, type_ignores=[])


def _ring(number: int, frame: Any) -> None:
    raise CellTooSlow


def _described(error: BaseException, filename: str, limit: float) -> dict:
    line = None
    if isinstance(error, SyntaxError) and error.filename == filename:
        line = error.lineno
    else:
        own = [at.lineno for at in traceback.extract_tb(error.__traceback__) if at.filename == filename]
        line = own[-1] if own else None
    if isinstance(error, CellTooSlow):
        return {"type": "CellTooSlow", "message": f"still running after {limit:g} seconds", "line": line}
    try:
        message = str(error.msg if isinstance(error, SyntaxError) else error)
    except BaseException:  # the learner's own exceptions say what they like, or leave
        message = "(its message could not be made)"
    return {"type": type(error).__name__, "message": message[:LONGEST_MESSAGE], "line": line}


def leave_answering_copy(
    name: str,
    subject: Any,
    answers: dict[str, socket.socket],
    watch: Any,
    talk: Channel,
    bind: Callable[[str], int],
) -> None:
    """Fork a copy of this process that answers the calls of exercise `name` until it is asked no more."""
    if os.fork():
        answers.pop(name).close()
        return
    status = 1
    try:
        talk.close()
        channel = Channel(answers.pop(name), bind(name))
        for other in answers.values():
            other.close()
        answer_calls(channel, subject, watch)
        status = 0
    finally:
        os._exit(status)


def answer_calls(channel: Channel, subject: Any, watch: Any) -> None:
    """Reply to each request with what the learner's object gives, until the other side hangs up."""
    from dlcv.checking import Answer, Request
    from dlcv.checking.withheld import grant

    answer = Answer(subject, watch)
    while True:
        try:
            message = channel.receive()
        except WireError:
            return
        if isinstance(message, dict):
            grant(message["grant"])
            continue
        start = time.perf_counter()
        reply = answer.reply(Request.from_bytes(message)).to_bytes()
        if len(reply) > channel.largest:
            channel.send_json({"oversize": len(reply), "seconds": time.perf_counter() - start})
        else:
            channel.send_bytes(reply)
