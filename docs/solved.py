"""A solution notebook as its page shows it: run from top to bottom, with the pictures that are stored.

Trainings are run at the smallest scale, in seconds: what comes after them may need their networks. Nobody is to take
what such a network does for a result, so all pictures are those that learners see before they run anything, and of an
experiment that has a picture nothing else is shown.
"""

from __future__ import annotations

import copy
from pathlib import Path

from nbformat import NotebookNode

from autograder.figures import run_notebook
from autograder.source import PICTURE_ROLES

LONGEST = 600
"""Seconds that one cell may take."""


def solved(notebook: NotebookNode, root: Path) -> NotebookNode:
    """Run a notebook of the course in `root`; return it with its outputs and its stored pictures."""
    ran = run_notebook(copy.deepcopy(notebook), root, scale="smoke", timeout=LONGEST)
    for cell, before in zip(ran.cells, notebook.cells, strict=True):
        role = cell.metadata.get("dlcv", {}).get("role")
        if role == "experiment":
            cell.outputs = before.outputs
        elif role in PICTURE_ROLES and before.outputs:
            said = [output for output in cell.outputs if not is_picture(output)]
            cell.outputs = [*said, *before.outputs]
    return ran


def is_picture(output: NotebookNode) -> bool:
    """Whether this is a picture, or the sliders of one, which need a kernel."""
    kinds = output.get("data", {})
    return "image/png" in kinds or "application/vnd.jupyter.widget-view+json" in kinds
