"""How long grading takes: stock nbgrader and this autograder, on the same submissions and the same cores.

    python benchmarks/grading.py [--submissions 40] [--quick] [--scale 50,2000]

A class of honest submissions is graded by ``nbgrader autograde`` and ``nbgrader generate_feedback``, and by
``python -m autograder grade`` before and after, which is averaged. Both write autograded notebooks, gradebook and
feedback pages. Time is given by the clock, and of processors: the second is what a busy machine changes least.
The lower bound is the learners' own code alone (`own_code.py`).

Where otter-grader is installed, it grades the class as a second peer (`otter_peer.py`).

``--scale`` grades classes of these sizes by ours alone: the cost of one more submission, and the memory of the
processes at the start and at the end.

The last line is a JSON object: ``speedup`` (submissions an hour, ours over stock's), ``speedup_cpu`` (the same in
processor time), ``of_limit`` (our processor time over the lower bound's), ``same_points``.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from honest_class import hand_in, honest_class
from kept import about, keep
from measured import Cost, measured
from nbgrader.api import Gradebook
from otter_peer import grade_by_otter, is_installed
from processes import Memory

from autograder.build import build, text_of
from autograder.course import Course

ROOT = Path(__file__).resolve().parent.parent
ASSIGNMENT = "01_transposed_convolution"
QUICK = 4


class Bench:
    """Courses made of one class, graded in this folder."""

    def __init__(self, folder: Path, assignment: str):
        self.folder, self.assignment = folder, assignment
        self.environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            # Both draw the same cases.
            "DLCV_SEED": "the benchmark's",
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
        }

    def course(self, name: str, submissions: int) -> Course:
        """A new course folder with its class in it."""
        folder = self.folder / name
        shutil.rmtree(folder, ignore_errors=True)
        course = replace(Course.open(root=ROOT), folder=folder)
        chapter = course.chapter(self.assignment)
        built = build(course, chapter, allow_missing_figures=True)
        for place, notebook in ((course.source, built.source), (course.release, built.student)):
            path = place(chapter.folder) / f"{chapter.folder}.ipynb"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text_of(notebook), encoding="utf-8", newline="\n")
        hand_in(course, self.assignment, honest_class(course, self.assignment, submissions))
        return course

    def ours(self, course: Course, told=lambda line: None) -> Cost:
        command = [sys.executable, "-m", "autograder", "grade", "--json", "--assignment", self.assignment]
        return measured([*command, "--course", str(course.folder)], ROOT, self.environment, told)

    def stock(self, course: Course) -> dict[str, Cost]:
        """nbgrader's two commands; the assignment is made known to it before, which is not counted."""
        shutil.rmtree(course.release(self.assignment))
        self._nbgrader("generate_assignment", course)
        return {command: self._nbgrader(command, course) for command in ("autograde", "generate_feedback")}

    def _nbgrader(self, command: str, course: Course) -> Cost:
        words = [sys.executable, "-m", "nbgrader", command, self.assignment]
        place = [f"--CourseDirectory.root={course.folder}", f"--CourseDirectory.db_url={course.db_url}"]
        return measured([*words, *place], ROOT, self.environment)

    def otter(self, course: Course) -> Cost:
        """otter-grader, where it is installed."""
        return grade_by_otter(course, self.assignment, self.folder / "otter", self.environment)

    def limit(self, course: Course) -> Cost:
        """The learners' own code alone."""
        lines: list[str] = []
        command = [sys.executable, str(ROOT / "benchmarks" / "own_code.py")]
        measured([*command, str(course.folder), self.assignment], ROOT, self.environment, lines.append)
        found = json.loads(lines[-1])
        return Cost(found["wall"], found["cpu"])

    def points(self, course: Course) -> dict[str, dict[str, float | None]]:
        """What the gradebook holds: for each student the points of each cell that is graded by program."""
        with Gradebook(course.db_url) as book:
            return {
                submission.student_id: {
                    grade.name: grade.auto_score
                    for grade in notebook.grades
                    if grade.cell.cell_type == "code"
                }
                for submission in book.assignment_submissions(self.assignment)
                for notebook in submission.notebooks
            }

    def written(self, course: Course) -> tuple[int, int]:
        """How many autograded notebooks and feedback pages there are."""
        places = (("autograded", "ipynb"), ("feedback", "html"))
        return tuple(
            len(list((course.folder / place).glob(f"*/{self.assignment}/*.{kind}"))) for place, kind in places
        )


def differences(stock: Mapping, ours: Mapping) -> list[str]:
    """Where two gradebooks differ, in words."""
    found = [f"only one of the two has graded {student}" for student in stock.keys() ^ ours.keys()]
    for student in sorted(stock.keys() & ours.keys()):
        for cell in sorted(stock[student].keys() | ours[student].keys()):
            theirs, mine = stock[student].get(cell), ours[student].get(cell)
            if theirs != mine and (theirs is None or mine is None or abs(theirs - mine) > 1e-6):
                found.append(f"{student}, {cell}: stock {theirs}, ours {mine}")
    return found


def compare(bench: Bench, submissions: int) -> dict:
    """Grade one class by both; print what it cost."""
    bench.ours(bench.course("warm", 1))  # fills caches on disk
    first, second = (bench.course(f"ours-{number}", submissions) for number in (1, 2))
    course = bench.course("stock", submissions)
    before = bench.ours(first)
    parts = bench.stock(course)
    ours = (before + bench.ours(second)) / 2
    stock = parts["autograde"] + parts["generate_feedback"]
    limit = bench.limit(first)
    start = bench.ours(bench.course("one", 1))
    otter = bench.otter(first) if is_installed() else None
    print(f"{submissions} submissions of {bench.assignment}: seconds for one of them")
    print(f"{'':44}{'clock':>10}{'processor':>12}")
    for name, cost in {
        "nbgrader autograde": parts["autograde"],
        "nbgrader generate_feedback": parts["generate_feedback"],
        "nbgrader, both": stock,
        "python -m autograder grade": ours,
        "the learners' own code, one core": limit,
        **({"otter run": otter} if otter else {}),
    }.items():
        print(f"{name:44}{cost.wall / submissions:>10.3f}{cost.cpu / submissions:>12.3f}")
    print(f"{'a class of one, by ours: start and end':44}{start.wall:>10.3f}{start.cpu:>12.3f}")
    print(
        f"submissions an hour: stock {3600 * submissions / stock.wall:.0f}, ours {3600 * submissions / ours.wall:.0f}"
    )
    found = differences(bench.points(course), bench.points(first))
    for difference in found:
        print(f"different points: {difference}")
    written = {name: bench.written(made) for name, made in (("stock", course), ("ours", first))}
    print(f"notebooks and pages written: {written}")
    complete = all(counts == (submissions, submissions) for counts in written.values())
    return {
        "submissions": submissions,
        "speedup": round(stock.wall / ours.wall, 2),
        "speedup_cpu": round(stock.cpu / ours.cpu, 2),
        "of_limit": round(ours.cpu / limit.cpu, 2),
        "same_points": not found and complete,
        "otter_speedup": round(otter.wall / ours.wall, 2) if otter else None,
        "seconds": {
            name: {"wall": round(cost.wall, 3), "cpu": round(cost.cpu, 3)}
            for name, cost in {
                **parts,
                "ours": ours,
                "limit": limit,
                "class of one": start,
                "otter": otter,
            }.items()
            if cost
        },
    }


def scale(bench: Bench, sizes: list[int]) -> dict:
    """Grade classes of several sizes by ours; print the cost of one submission and the memory of each process."""
    start = bench.ours(bench.course("one", 1))
    rows = {}
    for size in sizes:
        memory = Memory(size)
        cost = bench.ours(bench.course(f"scale-{size}", size), memory.told)
        shutil.rmtree(bench.folder / f"scale-{size}")
        each = Cost((cost.wall - start.wall) / (size - 1), (cost.cpu - start.cpu) / (size - 1))
        print(
            f"{size} submissions: {each.wall:.3f} s by the clock, {each.cpu:.3f} s of processors for one more"
        )
        for line in memory.lines():
            print(f"  {line}")
        rows[size] = {"wall": round(each.wall, 4), "cpu": round(each.cpu, 4), "memory": memory.rows()}
    least, most = rows[min(sizes)], rows[max(sizes)]
    return {"scale": rows, "flat": round(most["cpu"] / least["cpu"], 3)}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--submissions", type=int, default=40)
    parser.add_argument("--quick", action="store_true", help=f"only {QUICK} submissions: shows that it works")
    parser.add_argument("--scale", metavar="SIZES", help="sizes of classes, as in 50,2000; ours alone")
    parser.add_argument("--assignment", default=ASSIGNMENT)
    parser.add_argument("--keep", action="store_true", help="write the result to benchmarks/results/")
    options = parser.parse_args()
    where = about() | {"cores": len(os.sched_getaffinity(0)), "nbgrader": version("nbgrader")}
    print(", ".join(f"{name} {value}" for name, value in where.items()))
    with tempfile.TemporaryDirectory(prefix="grading-") as folder:
        bench = Bench(Path(folder), options.assignment)
        if options.scale:
            result = scale(bench, [int(size) for size in options.scale.split(",")])
        else:
            result = compare(bench, QUICK if options.quick else options.submissions)
    result |= {**where, "load_at_the_end": round(os.getloadavg()[0], 1)}
    if options.keep:
        keep("grading_scale" if options.scale else "grading", result)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
