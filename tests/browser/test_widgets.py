"""Every control of every widget of every chapter changes its picture, by the keyboard alone."""

import json

import pytest

from .lab import ROOT

NEEDED = {"ask-a-pixel": ["scene"]}  # what has to run before a widget, beside the set-up


def widgets():
    for path in sorted((ROOT / "notebooks").glob("*/*.ipynb")):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            if cell["metadata"].get("dlcv", {}).get("role") == "widget":
                yield path.stem, cell["id"]


@pytest.mark.parametrize(("chapter", "widget"), list(widgets()))
def test_every_control_changes_the_picture(open_notebook, chapter, widget):
    lab = open_notebook(chapter)
    for name in ["setup", *NEEDED.get(widget, []), widget]:
        lab.run(name)
    controls = lab.controls(widget)
    assert controls
    for control in controls:
        before = lab.pictures(widget)
        lab.slide(widget, control)
        other = lab.changed(widget, before)
        assert other, f"{control} leaves the picture as it is"
    assert lab.said == []


def test_there_are_widgets():
    assert len(list(widgets())) >= 6
