"""Exercises without references: the published cases, and what right answers return for them, in two files.

`written` makes them where the references are; `exercises_of` reads them in a package that comes without. An answer is
then compared with stored results instead of with a program. Wrong programs are not stored, so no slip is recognised.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch

from dlcv.checking import values
from dlcv.checking.answer import Request
from dlcv.checking.derivation import Derivation
from dlcv.checking.exercise import PUBLISHED_SEED, Case, Draw, Exercise, Exercises, ModuleCase
from dlcv.checking.forbidden import Forbidden
from dlcv.checking.judge import Judge

__all__ = ["FILES", "Results", "exercises_of", "written"]

FILES = ("stored.json", "stored.safetensors")
_MODULE = "dlcv.checking.modules:module"
_PLAIN = ("name", "kind", "title", "points", "difficulty", "minutes", "loops", "numpy", "tolerance", "limit")
_LISTS = ("hints", "allowed", "parameters")
# What the child is asked in a derivation does not depend on a seed.
_OF_DERIVATION = ("names", "unknown", "domain")

Milestones = Mapping[str, Sequence[tuple[str, Callable]]]


@dataclass(frozen=True)
class Results:
    """The published cases of one exercise, as requests, and what the reference returns for each."""

    cases: tuple[Case, ...]
    requests: tuple[Request, ...]
    expected: tuple[Any, ...]
    parameters: tuple[str, ...]

    def of(self, seed: str) -> tuple[list[Case], list[Request], list[Any]]:
        """Return them if `seed` is the published one; raise `LookupError` for another."""
        if seed != PUBLISHED_SEED:
            raise LookupError("this copy of the package has the results of the published cases only")
        return list(self.cases), list(self.requests), list(self.expected)


def written(exercises: Exercises) -> dict[str, bytes]:
    """Return the content of `FILES` for the exercises of a chapter."""
    tensors: dict[str, Any] = {}
    told = [_told(exercise, tensors) for exercise in exercises.values()]
    text = json.dumps({"exercises": told}, indent=1, ensure_ascii=False, allow_nan=False)
    if '"unsupported"' in text:
        raise ValueError(f"a case of {exercises.chapter} holds what is not data, so it cannot be stored")
    return dict(zip(FILES, (text.encode(), safetensors.torch.save(tensors)), strict=True))


def _told(exercise: Exercise, tensors: dict) -> dict:
    judge = Judge(exercise)
    told = {key: getattr(exercise, key) for key in _PLAIN} | {
        key: list(getattr(exercise, key)) for key in _LISTS
    }
    told["forbidden"] = [
        {"name": group.name, "aten": group.aten, "names": group.names} for group in exercise.forbidden
    ]
    told["cases"] = [
        {
            **{key: getattr(case, key) for key in ("words", "share", "smoke")},
            "probe": request.probe,
            "args": values.to_tree(request.args, tensors),
            "kwargs": values.to_tree(request.kwargs, tensors),
            # A derivation is judged by its question; the lines that answer it stay here.
            "expected": None if exercise.derivation else values.to_tree(expected, tensors),
        }
        for case, request, expected in zip(judge.cases, judge.requests, judge.expected, strict=True)
    ]
    if exercise.derivation:
        told["derivation"] = _told_of_derivation(exercise.derivation, tensors)
    return told


def _told_of_derivation(plan: Derivation, tensors: dict) -> dict:
    told = {key: getattr(plan, key) for key in _OF_DERIVATION}
    told["question"] = values.to_tree(plan.model()[0], tensors)
    stored = _Question(plan.model()[0], told, ())
    if plan.unknown and not stored.same_line(stored.model()[-1], plan.model()[-1], Draw("", "", 0)):
        raise ValueError(f"the question {plan.model()[0]} is not solved for {plan.unknown} by the last line")
    return told


def exercises_of(module: str, milestones: Milestones) -> Exercises:
    """Return the exercises whose files stand beside `module`, the chapter's ``exercises``.

    `milestones` are the tests of derivations, by exercise: programs, which a file of data cannot hold.
    """
    chapter = module.split(".")[-2]
    folder = Path(__file__).parents[1] / chapter
    tensors = safetensors.torch.load((folder / FILES[1]).read_bytes())
    exercises = Exercises(chapter)
    for told in json.loads((folder / FILES[0]).read_text(encoding="utf-8"))["exercises"]:
        exercises.add(_exercise(chapter, told, tensors, milestones.get(told["name"], ())))
    return exercises


def _exercise(chapter: str, told: dict, tensors: dict, milestones: Sequence) -> Exercise:
    cases, requests, expected = [], [], []
    for case in told["cases"]:
        args, kwargs = (values.from_tree(case[key], tensors) for key in ("args", "kwargs"))
        requests.append(Request(case["probe"], args, kwargs, told["limit"]))
        cases.append(_case(case, args, kwargs))
        expected.append(values.from_tree(case["expected"], tensors))
    results = Results(tuple(cases), tuple(requests), tuple(expected), tuple(told["parameters"]))
    plan = None
    if "derivation" in told:
        question = values.from_tree(told["derivation"]["question"], tensors)
        plan = _Question(question, told["derivation"], milestones)
    return Exercise(
        **{key: told[key] for key in _PLAIN},
        chapter=chapter,
        reference=_not_here,
        forbidden=tuple(
            Forbidden(group["name"], tuple(group["aten"]), tuple(group["names"]))
            for group in told["forbidden"]
        ),
        hints=tuple(told["hints"]),
        allowed=tuple(told["allowed"]),
        derivation=plan,
        stored=results,
    )


def _case(told: dict, args: tuple, kwargs: dict) -> Case:
    about = {key: told[key] for key in ("words", "share", "smoke")}
    if told["probe"] == _MODULE:
        return ModuleCase(*args[0], inputs=args[2], training=args[4], gradient=args[5], **about, **args[1])
    return Case(*args, probe=told["probe"], **about, **kwargs)


def _not_here(*_: Any, **__: Any) -> None:
    raise LookupError("this copy of the package has stored results in place of the reference")


class _Question(Derivation):
    """A derivation of which only the question is known; for an equation, what solves it is found by solving it."""

    def __init__(self, question: Any, told: dict, milestones: Sequence):
        domain = {name: tuple(interval) for name, interval in told["domain"].items()}
        super().__init__(
            _not_here, symbols=told["names"], milestones=milestones, unknown=told["unknown"], domain=domain
        )
        self.question = question

    def model(self) -> list:
        return [self.question, *self._solution]

    @functools.cached_property
    def _solution(self) -> list:
        import sympy

        if self.unknown is None:
            return []
        unknown = sympy.Symbol(self.unknown)
        return [
            sympy.Eq(unknown, solution, evaluate=False) for solution in sympy.solve(self.question, unknown)
        ]
