"""How long a learner waits for a check, and what of it the watch on forbidden calls costs.

For each exercise of each chapter: the reference is checked as a learner's answer would be, with and without the
watch, in turns, in one process. Run it as ``python benchmarks/checks.py [chapter ...]``.

The last line is a JSON object: ``slowest`` is the longest check as a share of half a second, ``watch`` the median
ratio of watched to unwatched time, ``first`` the very first check of a fresh process as a share of half a second.
"""

from __future__ import annotations

import inspect
import json
import statistics
import sys
import time
import types
from pathlib import Path

import torch

from dlcv.checking import Answer, Exercise, Judge, load_exercises

HALF_A_SECOND = 0.5
TURNS = 5


def as_a_learners(reference: object) -> object:
    """Return `reference` from its module's text run anew, as if a learner had written it in a cell."""
    home = inspect.getmodule(reference)
    module = types.ModuleType("learner")
    sys.modules["learner"] = module
    exec(compile(Path(home.__file__).read_text(), "<cell 1>", "exec"), module.__dict__)
    return getattr(module, reference.__name__)


def measure(exercise: Exercise) -> tuple[float, float, float] | None:
    """Return the seconds to make a judge, and the medians of watched and unwatched verdicts.

    None where the reference itself uses what the exercise forbids: its check would end at the first case.
    """
    start = time.perf_counter()
    judge = Judge(exercise)
    made = time.perf_counter() - start
    subject = as_a_learners(exercise.reference)
    columns: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(TURNS):
        for watched, column in columns.items():
            answer = Answer(subject, exercise.watch if watched else None)
            start = time.perf_counter()
            verdict = judge.verdict(answer.reply)
            column.append(time.perf_counter() - start)
            if not verdict.right:
                return None
    return made, statistics.median(columns[True]), statistics.median(columns[False])


def chapters() -> list[str]:
    package = Path(__file__).resolve().parent.parent / "dlcv"
    return sorted(path.parent.name for path in package.glob("*/exercises.py"))


def main(names: list[str]) -> None:
    torch.set_num_threads(1)
    rows = []
    print(f"torch {torch.__version__}, Python {sys.version.split()[0]}, one thread, median of {TURNS}")
    print(f"{'exercise':<65}{'cases made':>12}{'check':>10}{'unwatched':>12}   milliseconds")
    for chapter in names or chapters():
        for name, exercise in load_exercises(chapter).items():
            times = measure(exercise)
            if times is None:
                print(f"{chapter + '.' + name:<65}the reference takes a shortcut that learners may not")
                continue
            made, watched, plain = times
            rows.append((made + watched, watched / plain))
            print(f"{chapter + '.' + name:<65}{made * 1e3:>12.1f}{watched * 1e3:>10.1f}{plain * 1e3:>12.1f}")
    result = {
        "first": round(rows[0][0] / HALF_A_SECOND, 3),
        "slowest": round(max(total for total, _ in rows) / HALF_A_SECOND, 3),
        "watch": round(statistics.median(ratio for _, ratio in rows), 2),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main(sys.argv[1:])
