"""From replies to a verdict.

A `Judge` holds what may not be where learner's code runs: the cases of one seed, what the reference and each slip
return for them. It asks for one reply a case, compares, and says in one `Verdict` what a learner should read.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from dlcv.checking import values
from dlcv.checking.answer import Answer, Reply, Request
from dlcv.checking.compare import Difference, compare
from dlcv.checking.exercise import PUBLISHED_SEED, Case, Draw, Exercise, ModuleCase
from dlcv.checking.forbidden import ESCAPE, NUMPY, Violation
from dlcv.checking.modules import build, weights_of
from dlcv.checking.probes import find
from dlcv.checking.scan import scan_source
from dlcv.checking.verdict import (
    CHANGED,
    CRASHED,
    FORBIDDEN,
    NOT_ATTEMPTED,
    RIGHT,
    SLIP,
    TOO_SLOW,
    WRONG_SHAPE,
    WRONG_VALUES,
    EngineError,
    Verdict,
    engine_error,
)

_SHOWN_ARGUMENTS = 14


class LearnerGone(Exception):
    """The learner's process does not answer any more. `reason`: "timeout", "killed", "memory", "bad message", ..."""

    def __init__(self, reason: str, detail: str = ""):
        super().__init__(reason, detail)
        self.reason, self.detail = reason, detail


class Judge:
    """Judges answers to one exercise with the cases of one seed; made once, used for any number of learners.

    Parameters
    ----------
    exercise : Exercise
        What is judged.
    seed : str
        ``PUBLISHED_SEED`` in notebooks; a secret text in grading.
    """

    def __init__(self, exercise: Exercise, seed: str = PUBLISHED_SEED):
        self.exercise, self.seed, self.published = exercise, seed, seed == PUBLISHED_SEED
        if exercise.stored:
            self.cases, self.requests, self.expected = exercise.stored.of(seed)
        else:
            self.cases = exercise.make_cases(seed)
            self.requests = [self._request(case) for case in self.cases]
            self.expected = [self._expect(request) for request in self.requests]
        if not self.cases:
            raise EngineError(f"exercise {exercise.name!r} made no cases")
        self._slips: dict[str, list[Reply]] = {}

    def _request(self, case: Case) -> Request:
        args = case.args
        if isinstance(case, ModuleCase):  # the weights that both sides load are the reference's own
            args = (*args[:3], self._weights(case), *args[4:])
        return Request(case.probe, args, case.kwargs, self.exercise.limit)

    def _weights(self, case: Case) -> dict:
        draw = Draw(self.seed, self.exercise.name, 0)

        def uneven(tensor: torch.Tensor) -> torch.Tensor:
            # A module that forgets a bias agrees with the reference while biases are zero.
            constant = tensor.numel() and bool((tensor == tensor.flatten()[0]).all())
            return (
                tensor + draw.uniform(tuple(tensor.shape), 0.05, 0.25).to(tensor.dtype)
                if constant
                else tensor
            )

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(draw.integer(0, 2**31 - 1))
            built = self.exercise.reference(*build(case.args[0]), **build(case.args[1]))
        return weights_of(built, case.args[2], uneven)

    def _expect(self, request: Request) -> Any:
        reply = Answer(self.exercise.reference).reply(request)
        if reply.crash:
            crash = reply.crash
            raise EngineError(f"the reference of {self.exercise.name!r} raised {crash.type}: {crash.message}")
        return reply.value

    def verdict(self, ask: Callable[[Request], Reply], source: str | None = None) -> Verdict:
        """Ask for a reply to each case and return the verdict.

        Parameters
        ----------
        ask : callable
            ``ask(request) -> Reply``; may raise `LearnerGone`.
        source : str, optional
            The learner's source text, to be read for forbidden calls.
        """
        try:
            if self.exercise.kind == "derivation":
                return self._derivation_verdict(ask)
            return self._verdict(ask, source)
        except (LearnerGone, KeyboardInterrupt):
            raise
        except Exception as error:
            return engine_error(self.exercise, error)

    def _verdict(self, ask: Callable[[Request], Reply], source: str | None) -> Verdict:
        verdict = self._blank()
        scanned = scan_source(source, self.exercise.name, self.exercise.watch) if source else []
        replies: list[Reply | None] = []
        differences: list[Difference | None] = []
        for request, expected in zip(self.requests, self.expected, strict=True):
            try:
                reply = ask(request)
            except LearnerGone as gone:
                differences.append(_gone(gone, request.limit))
                replies.append(None)
                break
            replies.append(reply)
            verdict.seconds += reply.seconds
            if reply.crash and reply.crash.type == "NotImplementedError" and len(replies) == 1:
                return self._not_attempted()
            if reply.violations:
                return self._forbidden(verdict, list(reply.violations))
            differences.append(self._difference(reply, expected, request.limit))
            if reply.timed_out:
                break
        if scanned:
            return self._forbidden(verdict, scanned)
        differences += [differences[-1]] * (len(self.cases) - len(differences))
        return self._explain(verdict, replies, differences)

    def _blank(self) -> Verdict:
        return Verdict(self.exercise.name, RIGHT, 0.0, self.exercise.points, 0, len(self.cases))

    def _not_attempted(self) -> Verdict:
        verdict = self._blank()
        verdict.kind = NOT_ATTEMPTED
        verdict.message = (
            f"{self.exercise.name} still raises NotImplementedError: write it, then run this cell again"
        )
        return verdict

    def _forbidden(self, verdict: Verdict, violations: list[Violation]) -> Verdict:
        first = violations[0]
        where = f", line {first.line} of your cell" if first.line else ""
        verdict.kind, verdict.message = FORBIDDEN, f"{first.call}{where}"
        if first.group == ESCAPE.name:
            verdict.detail.append(
                "An answer may not use this here: it steps around the check. Plain torch and Python will do."
            )
        elif first.group == NUMPY.name:
            verdict.detail.append(
                "This exercise asks for torch from beginning to end: a numpy array has left it, and its gradients."
            )
        else:
            verdict.detail.append(f"It is {first.group}. This exercise asks you to build that part yourself.")
        return verdict

    def stepped_around(self, what: str) -> Verdict:
        """The verdict on an answer that would earn points in a notebook that steps around the watch: see `escapes`."""
        verdict = self._blank()
        verdict.kind, verdict.message = FORBIDDEN, what
        verdict.detail.append(
            "A notebook may not use this: it steps around the check. Plain torch and Python will do."
        )
        return verdict

    def _difference(self, reply: Reply, expected: Any, limit: float) -> Difference | None:
        if trouble := self._trouble(reply, limit):
            return trouble
        found = compare(expected, reply.value, self.exercise.tolerance, numpy=self.exercise.numpy)
        if found is None and reply.changed:
            names = ", ".join(self._argument_name(place) for place in reply.changed)
            return Difference(
                CHANGED, f"the values of {names} are not what they were before the call: work on a copy"
            )
        return found

    def _trouble(self, reply: Reply, limit: float) -> Difference | None:
        if reply.timed_out:
            return Difference(TOO_SLOW, f"no answer after {limit:g} seconds")
        return self._crashed(reply) if reply.crash else None

    def _crashed(self, reply: Reply) -> Difference:
        crash = reply.crash
        if not crash.in_answer:
            return Difference(
                WRONG_VALUES, f"what you returned cannot be used: {crash.type}: {crash.message}"
            )
        where = f"\nline {crash.line} of your cell: {crash.code}" if crash.line else ""
        return Difference(CRASHED, f"{crash.type}: {crash.message}{where}")

    def _argument_name(self, place: str) -> str:
        kind, _, rest = place.partition(".")
        key = rest.partition(".")[0]
        if kind == "1":
            return key
        names = self.exercise.parameters
        return names[int(key)] if key.isdigit() and int(key) < len(names) else "an argument"

    def _explain(self, verdict: Verdict, replies: list, differences: list[Difference | None]) -> Verdict:
        passes = [difference is None for difference in differences]
        verdict.marks = [(self._words(case), ok) for case, ok in zip(self.cases, passes, strict=True)]
        verdict.passed = sum(passes)
        verdict.points = self._score(passes)
        if all(passes):
            verdict.message = f"all {verdict.total} cases"
            return verdict
        worst = self._most_telling(differences)
        difference = differences[worst]
        verdict.kind, verdict.picture = difference.kind, difference.picture
        verdict.case = self._words(self.cases[worst])
        verdict.message, *more = difference.message.split("\n")
        verdict.detail += more
        if self.published and (shown := self._arguments(self.cases[worst])):
            verdict.detail.append(shown)
        slip = self._slip(replies, differences)
        if slip:
            verdict.kind, verdict.slip, verdict.diagnosis = SLIP, slip.name, slip.diagnosis
        verdict.hint = self.exercise.hints[0] if self.exercise.hints else ""
        return verdict

    def _score(self, passes: list[bool]) -> float:
        earned = sum(case.share for case, ok in zip(self.cases, passes, strict=True) if ok)
        total = sum(case.share for case in self.cases)
        real = [
            i for i, (case, ok) in enumerate(zip(self.cases, passes, strict=True)) if ok and not case.smoke
        ]
        return round(self.exercise.points * earned / total, 2) if real and not self._constant(real) else 0.0

    def _constant(self, passed: list[int]) -> bool:
        """True if the passed cases all expect one value that can be guessed, and others do not."""
        first = self.expected[passed[0]]
        if not guessable(first):
            return False

        def is_first(expected: Any) -> bool:
            return compare(first, expected, self.exercise.tolerance) is None

        return all(is_first(self.expected[i]) for i in passed) and not all(map(is_first, self.expected))

    @staticmethod
    def _most_telling(differences: list[Difference | None]) -> int:
        """Return the case to show: a crash before a wrong shape before wrong values; the first of its kind."""
        order = (TOO_SLOW, CRASHED, CHANGED, WRONG_SHAPE, WRONG_VALUES)
        failed = [index for index, difference in enumerate(differences) if difference is not None]
        return min(failed, key=lambda index: order.index(differences[index].kind))

    def _slip(self, replies: list[Reply | None], differences: list[Difference | None]) -> Any:
        """Return the slip whose program returns what the learner's did, in every case that failed; else None."""
        failed = [i for i, difference in enumerate(differences) if difference is not None]
        if any(i >= len(replies) or replies[i] is None or replies[i].timed_out for i in failed):
            return None
        best, agreement = None, -1
        for slip in self.exercise.slips:
            wrong = self.slip_replies(slip)
            same = [self._same(replies[i], wrong[i], self.expected[i]) for i in range(len(replies))]
            if all(same[i] for i in failed) and sum(same) > agreement and self._tells(replies, wrong, failed):
                best, agreement = slip, sum(same)
        return best

    @staticmethod
    def _tells(replies: list[Reply | None], wrong: list[Reply], failed: list[int]) -> bool:
        """True if one failed case has a value, or raised in the same words: two crashes alone are no likeness."""
        return any(not replies[i].crash or replies[i].crash.message == wrong[i].crash.message for i in failed)

    def _same(self, reply: Reply, slip: Reply, expected: Any) -> bool:
        if reply.crash or slip.crash:
            return bool(reply.crash and slip.crash and reply.crash.type == slip.crash.type)
        if bool(reply.changed) != bool(slip.changed):
            return False
        return compare(slip.value, reply.value, self.exercise.tolerance, numpy=True) is None

    def slip_replies(self, slip: Any) -> list[Reply]:
        """Return what a slip's program answers to each case; made at first need and kept."""
        if slip.name not in self._slips:
            answer = Answer(slip.program)
            self._slips[slip.name] = [answer.reply(request) for request in self.requests]
        return self._slips[slip.name]

    def _words(self, case: Case) -> str:
        return case.words or _call_in_words(self.exercise, case)

    def _arguments(self, case: Case) -> str:
        """Return a published case's call, where it is small enough to be read."""
        shown = _call_in_words(self.exercise, case, with_values=True)
        how = "called as" if case.probe.startswith("dlcv.checking.") else "tried as"
        return f"{how} {shown}" if shown and len(shown) <= 240 else ""

    def _derivation_verdict(self, ask: Callable[[Request], Reply]) -> Verdict:
        plan, verdict = self.exercise.derivation, self._blank()
        verdict.total, verdict.unit = len(plan.milestones), "goals"
        try:
            reply = ask(self.requests[0])
        except LearnerGone as gone:
            difference = _gone(gone, self.requests[0].limit)
            verdict.kind, verdict.message = difference.kind, difference.message
            return verdict
        verdict.seconds = reply.seconds
        if reply.crash and reply.crash.type == "NotImplementedError":
            return self._not_attempted()
        if trouble := self._trouble(reply, self.requests[0].limit):
            verdict.kind, (verdict.message, *verdict.detail) = trouble.kind, trouble.message.split("\n")
            return verdict
        if reply.violations:
            return self._forbidden(verdict, list(reply.violations))
        if not isinstance(reply.value, (list, tuple)) or not reply.value:
            verdict.kind = WRONG_SHAPE
            verdict.message = (
                f"you returned {values.in_words(reply.value)}; wanted is a list of lines, the question first"
            )
            return verdict
        return self._judge_lines(verdict, list(reply.value))

    def _judge_lines(self, verdict: Verdict, lines: list) -> Verdict:
        plan = self.exercise.derivation
        draw = Draw(self.seed, self.exercise.name, 0)
        progress = plan.judge(lines, draw)
        verdict.passed = progress.reached
        verdict.marks = [
            (milestone.words, i < progress.reached) for i, milestone in enumerate(plan.milestones)
        ]
        verdict.points = round(self.exercise.points * progress.reached / len(plan.milestones), 2)
        if progress.wrong is None and progress.reached == len(plan.milestones):
            verdict.message = f"all {len(lines)} lines follow"
            return verdict
        verdict.kind = WRONG_VALUES
        verdict.hint = self.exercise.hints[0] if self.exercise.hints else ""
        if progress.wrong is None:
            which = "the last one has not this form" if progress.left else "none has this form yet"
            verdict.message = f"every line follows, but {which}: {plan.milestones[progress.reached].words}"
            return verdict
        line = lines[progress.wrong]
        before = f"line {progress.wrong}" if progress.wrong else "the question"
        why = progress.why.replace("the line before", before)
        foreign = isinstance(line, values.Unsupported)
        verdict.message = (
            f"line {progress.wrong + 1} does not follow: {f'it is {line.kind}' if foreign else why}"
        )
        if not foreign:
            verdict.detail.append(f"line {progress.wrong + 1}: {str(line)[:300]}")
        for slip in self.exercise.slips:
            if self._slip_line(slip, line, draw):
                verdict.kind, verdict.slip, verdict.diagnosis = SLIP, slip.name, slip.diagnosis
                break
        return verdict

    def _slip_line(self, slip: Any, line: Any, draw: Draw) -> bool:
        """True if `line` is the first wrong line of the slip's derivation."""
        plan = self.exercise.derivation
        wrong = self.slip_replies(slip)[0]
        if wrong.crash or not isinstance(wrong.value, (list, tuple)):
            return False
        progress = plan.judge(list(wrong.value), draw)
        return progress.wrong is not None and plan.same_line(wrong.value[progress.wrong], line, draw)


def guessable(expected: Any) -> bool:
    """True for values that a constant answer may hit by luck: whole numbers, truth values, words, and few of them.

    A loss or a share of exactly 0 or 1 is one of them, too.
    """
    if isinstance(expected, (list, tuple)):
        return all(map(guessable, expected))
    if isinstance(expected, torch.Tensor) and expected.ndim == 0:
        return guessable(expected.item())
    if isinstance(expected, float):
        return not math.isfinite(expected) or expected.is_integer()
    return expected is None or isinstance(expected, (bool, int, str))


def _gone(gone: LearnerGone, limit: float) -> Difference:
    if gone.reason == "timeout":
        return Difference(TOO_SLOW, f"no answer after {limit:g} seconds")
    words = {
        "memory": "your code used more memory than it may",
        "killed": "your code ended its own process",
        "bad message": "your code wrote into the channel that answers go through",
    }
    detail = f" ({gone.detail})" if gone.detail else ""
    return Difference(CRASHED, words.get(gone.reason, gone.reason) + detail)


def _call_in_words(exercise: Exercise, case: Case, with_values: bool = False) -> str:
    """Return a case's call: ``conv(x of (2, 3), stride=2)``, or with the values of small arguments written out."""
    if isinstance(case, ModuleCase):
        arguments, keywords = case.args[0], case.args[1]
    else:
        arguments, keywords = case.args, case.kwargs
    names = _parameters(exercise, case)
    names += [f"argument {i}" for i in range(len(names), len(arguments))]
    pairs = [*zip(names, arguments, strict=False), *keywords.items()]
    parts = [f"{name}={_shown(value, with_values)}" for name, value in pairs]
    return f"{exercise.name}({', '.join(parts)})"


def _parameters(exercise: Exercise, case: Case) -> list[str]:
    """Names of what a case's arguments are for: the answer's own, or those of the chapter's probe that uses it."""
    if case.probe.startswith("dlcv.checking."):
        return list(exercise.parameters)
    try:
        own = inspect.signature(find(case.probe)).parameters.values()
    except (TypeError, ValueError):
        return []
    names = [p.name for p in own if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)][1:]
    rest = any(p.kind is p.VAR_POSITIONAL for p in own)  # handed on to the answer as they come
    return names + (list(exercise.parameters)[len(names) :] if rest else [])


def _shown(value: Any, with_values: bool) -> str:
    if isinstance(value, (torch.Tensor, np.ndarray)):
        if (
            with_values
            and (value.numel() if isinstance(value, torch.Tensor) else value.size) <= _SHOWN_ARGUMENTS
        ):
            return _written(value.tolist())
        return f"<{'×'.join(map(str, value.shape)) or 'scalar'}>"
    if isinstance(value, dict) and "made by" in value:
        parts = [*map(repr, value["args"]), *(f"{key}={item!r}" for key, item in value["kwargs"].items())]
        return f"{value['made by'].rpartition(':')[2]}({', '.join(parts)})"
    if isinstance(value, (list, tuple)):
        parts = ", ".join(_shown(part, with_values) for part in value)
        return f"[{parts}]" if isinstance(value, list) else f"({parts}{',' * (len(value) == 1)})"
    return repr(value)


def _written(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_written, value))}]"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
