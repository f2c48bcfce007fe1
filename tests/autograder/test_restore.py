"""A submission's cells are recognised whatever an editor did to them, and every guess is told."""

import copy
import json

import pytest

from autograder.restore import defined, restore
from autograder.submission import read_cells

DOUBLE = "def conv_transpose1d(x, weight, stride=1):\n    return 'mine'"


def restored(small_course, notebook):
    return restore(read_cells(json.dumps(notebook).encode()), small_course.release)


def order(found):
    return [cell.slot.id if cell.slot and not cell.copy else "-" for cell in found.cells]


def without_marks(notebook, *, ids=True):
    """What an editor that keeps neither metadata nor ids hands back: nbformat 4.0."""
    for cell in notebook["cells"]:
        cell["metadata"] = {}
        if ids:
            cell.pop("id")
    return {**notebook, "nbformat_minor": 0, "metadata": {}}


@pytest.fixture
def release_order(small_course):
    return [slot.id for slot in small_course.release.slots]


def test_an_honest_submission_is_what_it_was(small_course, release_order):
    found = restored(small_course, small_course.answered())
    assert found.flags == []
    assert order(found) == release_order
    assert (
        found.answer_source("output_size")
        == small_course.cell(small_course.answered(), "output_size")["source"]
    )


def test_pictures_experiments_and_tests_do_not_run(small_course):
    found = restored(small_course, small_course.answered())
    assert [cell.slot.id for cell in found.cells if cell.runs] == ["setup", "conv_transpose1d", "output_size"]
    assert [cell.slot.exercise for cell in found.cells if cell.is_judged_here] == [
        "conv_transpose1d",
        "output_size",
    ]


def test_a_definition_in_a_picture_cell_runs(small_course):
    found = restored(small_course, small_course.answered(figure="def helper():\n    return 1"))
    assert "figure" in [cell.slot.id for cell in found.cells if cell.runs]
    found = restored(small_course, small_course.answered(experiment="def helper():\n    return 1"))
    assert "experiment" not in [cell.slot.id for cell in found.cells if cell.runs]


def test_by_metadata_alone(small_course, release_order):
    notebook = small_course.answered()
    for cell in notebook["cells"]:
        cell.pop("id")
    found = restored(small_course, notebook)
    assert order(found)[3] == release_order[3] == "conv_transpose1d"
    assert order(found) == release_order


def test_by_id_alone(small_course, release_order):
    found = restored(small_course, without_marks(small_course.answered(), ids=False))
    assert order(found) == release_order
    assert found.flags == []


def test_colab_keeps_the_id_in_the_metadata(small_course, release_order):
    notebook = small_course.answered()
    for cell in notebook["cells"]:
        cell["metadata"] = {"id": cell.pop("id")}
    assert order(restored(small_course, notebook)) == release_order


def test_by_text_and_names(small_course, release_order):
    found = restored(small_course, without_marks(small_course.answered()))
    assert order(found) == release_order
    assert found.flags[0].startswith("cells had lost their metadata and were recognised otherwise")
    assert found.flags[1:] == [
        "guessed by the name defined: the answer cell of conv_transpose1d (cell 4), "
        "the answer cell of output_size (cell 7)",
        "guessed by place and likeness: the essay cell why (cell 11)",
    ]


def test_an_answer_that_does_not_parse_is_found_by_its_name(small_course):
    broken = "def conv_transpose1d(x, weight, stride=1):\n    return (x"
    found = restored(small_course, without_marks(small_course.answered(conv_transpose1d=broken)))
    assert found.answer_source("conv_transpose1d") == broken


def test_by_place_where_nothing_else_is_left(small_course):
    """The name was misspelt as well: only what stands between two known neighbours tells."""
    stub = "".join(small_course.cell(small_course.empty(), "conv_transpose1d")["source"])
    misspelt = stub.replace("def conv_transpose1d", "def conv_transposed_1d")
    found = restored(small_course, without_marks(small_course.answered(conv_transpose1d=misspelt)))
    (answer,) = [cell for cell in found.cells if cell.slot and cell.slot.id == "conv_transpose1d"]
    assert answer.source == misspelt
    assert any("place and likeness: the answer cell of conv_transpose1d" in flag for flag in found.flags)


def test_an_edited_test_is_replaced_by_ours(small_course):
    notebook = small_course.answered()
    small_course.cell(notebook, "test-output_size")["source"] = "2.0"
    found = restored(small_course, notebook)
    assert "the test cell of output_size had been edited: graded with ours" in found.flags
    (test,) = [cell for cell in found.cells if cell.slot and cell.slot.id == "test-output_size"]
    assert test.source == 'check("output_size", output_size)'


def test_a_deleted_test_is_put_back_below_its_answer(small_course, release_order):
    notebook = small_course.answered()
    notebook["cells"] = [cell for cell in notebook["cells"] if not cell["id"].startswith("test-")]
    found = restored(small_course, notebook)
    assert order(found) == release_order
    assert "the test cell of conv_transpose1d was missing: put back" in found.flags


def test_a_deleted_answer_and_set_up_are_put_back(small_course, release_order):
    notebook = small_course.answered()
    notebook["cells"] = [
        cell for cell in notebook["cells"] if cell["id"] not in ("conv_transpose1d", "setup", "why")
    ]
    found = restored(small_course, notebook)
    assert order(found) == release_order
    assert {
        "the answer cell of conv_transpose1d was missing: put back",
        "the setup cell setup was missing: put back",
        "the essay cell why was missing: put back",
    } == set(found.flags)


def test_an_empty_notebook_becomes_the_release(small_course):
    found = restored(small_course, {"cells": []})
    needed = [
        slot.id for slot in small_course.release.slots if slot.role not in ("prose", "figure", "experiment")
    ]
    assert order(found) == needed


def test_of_doubled_cells_the_last_one_counts(small_course):
    notebook = small_course.answered()
    copied = copy.deepcopy(small_course.cell(notebook, "conv_transpose1d"))
    copied["source"], copied["id"] = DOUBLE, "copy"
    notebook["cells"].insert(4, copied)
    found = restored(small_course, notebook)
    assert found.flags == ["the answer cell of conv_transpose1d occurs 2 times; the last one counts"]
    assert found.answer_source("conv_transpose1d") == DOUBLE
    assert [cell.copy for cell in found.cells[3:5]] == [True, False]
    assert all(cell.runs for cell in found.cells[3:5])


def test_a_doubled_test_is_judged_once_at_its_last_place(small_course):
    notebook = small_course.answered()
    pair = copy.deepcopy(notebook["cells"][3:5])
    pair[0]["source"] = DOUBLE
    for cell in pair:
        cell["id"] += "-again"
    notebook["cells"] += pair
    found = restored(small_course, notebook)
    assert order(found).count("test-conv_transpose1d") == 1
    assert order(found)[-1] == "test-conv_transpose1d"
    assert found.answer_source("conv_transpose1d") == DOUBLE


def test_an_answered_essay_is_not_lost_to_an_empty_copy(small_course):
    notebook = small_course.answered()
    notebook["cells"].append({**small_course.cell(small_course.empty(), "why"), "id": "copy"})
    found = restored(small_course, notebook)
    (essay,) = [cell for cell in found.cells if cell.slot and cell.slot.id == "why" and not cell.copy]
    assert "Transposing" in essay.source


def test_a_later_definition_does_not_reach_an_earlier_test(small_course):
    notebook = small_course.answered()
    notebook["cells"].append({"cell_type": "code", "metadata": {}, "source": DOUBLE, "id": "later"})
    found = restored(small_course, notebook)
    assert found.answer_source("conv_transpose1d") != DOUBLE
    assert found.flags == ["conv_transpose1d is defined in 2 cells; the last one above its test counts"]


def test_a_test_above_its_answer_is_moved_below(small_course):
    notebook = small_course.answered()
    cells = notebook["cells"]
    cells[3], cells[4] = cells[4], cells[3]
    found = restored(small_course, notebook)
    assert order(found)[3:5] == ["conv_transpose1d", "test-conv_transpose1d"]
    assert "the test cell of conv_transpose1d stood above its answer: judged below it" in found.flags


def test_an_answer_made_markdown_by_accident_is_code_again(small_course):
    notebook = small_course.answered()
    small_course.cell(notebook, "output_size")["cell_type"] = "markdown"
    found = restored(small_course, notebook)
    assert "the answer cell of output_size had been made a markdown cell; taken as code" in found.flags
    assert [cell.kind for cell in found.cells if cell.slot and cell.slot.id == "output_size"] == ["code"]


def test_answers_merged_into_one_cell(small_course):
    notebook = small_course.answered()
    second = small_course.cell(notebook, "output_size")
    small_course.cell(notebook, "conv_transpose1d")["source"] += "\n" + second["source"]
    notebook["cells"].remove(second)
    found = restored(small_course, notebook)
    assert "output_size" not in order(found)
    assert found.answer_source("output_size") == small_course.cell(notebook, "conv_transpose1d")["source"]


def test_foreign_cells_stay_where_they_are(small_course):
    notebook = small_course.answered()
    notebook["cells"].insert(2, {"cell_type": "code", "metadata": {}, "source": "scratch = 1", "id": "mine"})
    found = restored(small_course, notebook)
    assert (found.cells[2].source, found.cells[2].slot, found.flags) == ("scratch = 1", None, [])


def test_names_that_a_text_binds():
    source = "class A:\n    b = 1\nasync def c():\n    pass\nd: int = 3\ne == 4\n  f = 5\ng = h = 6"
    assert defined(source) == {"A", "c", "d", "g"}
