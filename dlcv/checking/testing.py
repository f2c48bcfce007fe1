"""What a chapter's tests ask of its exercises: every slip dies with its own diagnosis, every right variant passes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from dlcv.checking.answer import Answer
from dlcv.checking.exercise import PUBLISHED_SEED, Exercise, own_globals, source_of
from dlcv.checking.judge import Judge, guessable
from dlcv.checking.verdict import Verdict

SEEDS = (PUBLISHED_SEED, "one secret", "another secret")


def verdict_of(exercise: Exercise, answer: Any, seed: str = PUBLISHED_SEED) -> Verdict:
    """Return the verdict on `answer`, watched as a learner's."""
    return _judged(Judge(exercise, seed), answer)


def _judged(judge: Judge, answer: Any) -> Verdict:
    return judge.verdict(Answer(answer, judge.exercise.watch).reply)


def in_a_cell(program: Any, source: str | None = None) -> Any:
    """Return `program` made anew from its source, as if a learner had written it in a notebook's cell.

    The watch takes code in dlcv's own files for the course's; a slip or a variant kept there is not watched before
    it has gone through here. Names that the source uses are those of the file it comes from.
    """
    source = source or source_of(program)
    namespace = {**own_globals(program), "__name__": "__main__"}
    exec(compile(source, "<cell 1>", "exec"), namespace)
    return namespace["_"]


def assert_right(exercise: Exercise, answer: Any, seeds: tuple[str, ...] = SEEDS) -> None:
    """Assert that `answer` earns all points with each seed."""
    for seed in seeds:
        verdict = verdict_of(exercise, answer, seed)
        assert verdict.right, f"a right answer fails with seed {seed!r}:\n{verdict.text()}"
        assert verdict.points == exercise.points


def assert_slips_die(exercise: Exercise, at_least: int = 3) -> None:
    """Assert that each slip fails and is told apart from the others, and that there are enough of them."""
    assert len(exercise.slips) >= at_least, (
        f"{exercise.name} knows {len(exercise.slips)} slips; wanted {at_least}"
    )
    for seed in SEEDS:
        judge = Judge(exercise, seed)
        for slip in exercise.slips:
            verdict = _judged(judge, in_a_cell(slip.program, slip.source))
            assert not verdict.right, f"the slip {slip.name!r} of {exercise.name} passes with seed {seed!r}"
            assert verdict.points < exercise.points
            assert verdict.slip == slip.name, (
                f"{slip.name!r} is diagnosed as {verdict.slip!r}:\n{verdict.text()}"
            )


def trivial_answers(exercise: Exercise) -> dict[str, Callable]:
    """Return programs that know nothing but the shape wanted: none of them may earn a point."""
    answer = Answer(exercise.reference)

    def like_expected(fill: Callable[[Any], Any]) -> Callable:
        return lambda *args, **kwargs: fill(answer.run(exercise.reference, *args, **kwargs))

    return {
        "zeros": like_expected(lambda value: _filled(value, 0)),
        "ones": like_expected(lambda value: _filled(value, 1)),
        "nothing": lambda *args, **kwargs: None,
        "first argument": lambda *args, **kwargs: args[0] if args else next(iter(kwargs.values())),
        "last argument": lambda *args, **kwargs: (*args, *kwargs.values())[-1],
        "nan": like_expected(lambda value: _filled(value, float("nan"))),
    }


def assert_trivial_answers_earn_nothing(exercise: Exercise) -> None:
    """Assert that a program which only knows the shape of the answer gets no point."""
    for seed in SEEDS:
        judge = Judge(exercise, seed)
        constants = {f"always {value!r:.60}": _always(value) for value in judge.expected if guessable(value)}
        for name, program in (trivial_answers(exercise) | constants).items():
            # Without the watch: the trivial programs ask the reference for the shape.
            verdict = judge.verdict(Answer(program).reply)
            assert verdict.points == 0, (
                f"the trivial answer {name!r} to {exercise.name} earns points:\n{verdict.text()}"
            )


def _always(value: Any) -> Callable:
    return lambda *args, **kwargs: value


def _filled(value: Any, number: float) -> Any:
    if isinstance(value, torch.Tensor):
        return torch.full_like(value, number) if value.is_floating_point() or number == number else value * 0
    if isinstance(value, (list, tuple)):
        return type(value)(_filled(item, number) for item in value)
    if isinstance(value, dict):
        return {key: _filled(item, number) for key, item in value.items()}
    return type(value)(number) if isinstance(value, (int, float)) and number == number else number
