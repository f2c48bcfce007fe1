"""Every control of every widget of every chapter changes its picture, by the keyboard alone."""

import ast
import json

import pytest

from .lab import ROOT


def code_cells(chapter):
    notebook = json.loads((ROOT / "notebooks" / chapter / f"{chapter}.ipynb").read_text(encoding="utf-8"))
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def widgets():
    for path in sorted((ROOT / "notebooks").glob("*/*.ipynb")):
        for cell in code_cells(path.stem):
            if cell["metadata"].get("dlcv", {}).get("role") == "widget":
                yield path.stem, cell["id"]


def names(cell, context):
    """The names that a cell reads (`ast.Load`) or makes (`ast.Store`)."""
    nodes = ast.walk(ast.parse("".join(cell["source"])))
    return {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, context)}


def before(chapter, widget):
    """The cells that have to run before a widget: the set-up, and those above that make what it reads."""
    cells = code_cells(chapter)
    place = next(number for number, cell in enumerate(cells) if cell["id"] == widget)
    wanted, found = names(cells[place], ast.Load), []
    for cell in reversed(cells[1:place]):
        if names(cell, ast.Store) & wanted:
            wanted |= names(cell, ast.Load)
            found.append(cell["id"])
    return ["setup", *reversed(found)]


@pytest.mark.parametrize(("chapter", "widget"), list(widgets()))
def test_every_control_changes_the_picture(open_notebook, chapter, widget):
    lab = open_notebook(chapter)
    for name in [*before(chapter, widget), widget]:
        lab.run(name)
    controls = lab.controls(widget)
    assert controls
    assert lab.cut_off(widget) == []
    for control in controls:
        seen = lab.moves(widget, control)
        assert seen, f"{control} leaves the picture as it is"
        assert lab.cut_off(widget) == []  # its new value may be longer
    assert lab.said == []
    assert lab.said.outside == []


def test_there_are_widgets():
    assert len(list(widgets())) >= 6


def test_what_a_widget_needs_is_found():
    assert before("00_orientation", "ask-a-pixel") == ["setup", "scene"]
    assert before("04_roi_align", "drag") == ["setup"]
