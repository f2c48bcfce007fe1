"""The autograded notebook: the restored cells, and under each test what was found.

nbgrader reads a test cell's points from its outputs, so each gets them as its result. The other cells keep what
the learner's own kernel had shown, as far as it is plain text or a picture and not too large: this file is opened
in an instructor's browser, which must not execute what a learner put into an output.
"""

from __future__ import annotations

import base64
import binascii
import copy
import json
from collections.abc import Mapping
from typing import Any

from dlcv.checking import Verdict

from .release import Release
from .restore import Placed, Restored
from .submission import text

__all__ = ["autograded_notebook"]

LONGEST_TEXT = 20_000
LARGEST_PICTURE = 2**20
LARGEST_NOTEBOOK = 8 * 2**20
PICTURES = ("image/png", "image/jpeg")


def autograded_notebook(
    restored: Restored, release: Release, verdicts: Mapping[str, Verdict]
) -> tuple[dict, list[str]]:
    """Return the notebook as JSON-ready data, and a flag when outputs had to be cut."""
    budget = _Budget()
    taken: set[str] = set()
    cells = [_cell(placed, number, verdicts, budget, taken) for number, placed in enumerate(restored.cells)]
    notebook = {"cells": cells, "metadata": dict(release.metadata), "nbformat": 4, "nbformat_minor": 5}
    flags = [f"outputs of {budget.dropped / 2**20:.1f} MB were cut"] if budget.dropped > 100_000 else []
    return notebook, flags


def _cell(
    placed: Placed, number: int, verdicts: Mapping[str, Verdict], budget: _Budget, taken: set[str]
) -> dict:
    own = placed.slot is not None and not placed.copy
    cell: dict[str, Any] = {
        "cell_type": placed.kind,
        "id": placed.slot.id if own and placed.slot.id not in taken else f"added-{number}",
        "metadata": _metadata(placed) if own else {},
        "source": placed.source,
    }
    taken.add(cell["id"])
    if placed.kind != "code":
        return cell
    cell["execution_count"] = None
    if placed.is_judged_here and placed.slot.exercise in verdicts:
        cell["outputs"] = verdict_outputs(verdicts[placed.slot.exercise])
    else:
        cell["outputs"] = [] if placed.submitted is None else kept_outputs(placed.submitted.outputs, budget)
    return cell


def _metadata(placed: Placed) -> dict:
    metadata: dict[str, Any] = {"dlcv": {"role": placed.slot.role}}
    if placed.slot.nbgrader:
        metadata["nbgrader"] = copy.deepcopy(dict(placed.slot.nbgrader))
    return metadata


def verdict_outputs(verdict: Verdict) -> list[dict]:
    """The verdict as outputs of a test cell: shown in words, and its points as the cell's result."""
    shown = {"text/plain": verdict.text(), "text/html": verdict.html()}
    points = repr(float(min(max(verdict.points, 0.0), verdict.max_points)))
    return [
        {"output_type": "display_data", "data": shown, "metadata": {}},
        {
            "output_type": "execute_result",
            "data": {"text/plain": points},
            "metadata": {},
            "execution_count": None,
        },
    ]


class _Budget:
    """How much of a notebook's outputs may still be kept."""

    def __init__(self) -> None:
        self.left = LARGEST_NOTEBOOK
        self.dropped = 0

    def take(self, size: int, kept: int) -> bool:
        """Book `kept` of `size` bytes; False when there is no room for them."""
        if kept > self.left:
            self.dropped += size
            return False
        self.left -= kept
        self.dropped += size - kept
        return True


def kept_outputs(outputs: list[dict], budget: _Budget) -> list[dict]:
    """Return what is kept of a cell's outputs."""
    kept = [_output(output, budget) for output in outputs]
    return [output for output in kept if output is not None]


def _output(output: dict, budget: _Budget) -> dict | None:
    kind = output.get("output_type")
    if kind == "stream":
        # Not as stderr: nbgrader takes that for a failed test.
        return _stream(text(output.get("text")), budget)
    if kind == "error":
        lines = output.get("traceback")
        lines = [line for line in lines if isinstance(line, str)] if isinstance(lines, list) else []
        return _stream("\n".join(lines), budget)
    data = output.get("data")
    if kind not in ("display_data", "execute_result") or not isinstance(data, dict):
        budget.take(len(json.dumps(output)), 0)
        return None
    return _display(data, budget)


def _stream(whole: str, budget: _Budget) -> dict | None:
    shown = _cut(whole)
    if not shown or not budget.take(len(whole), len(shown)):
        return None
    return {"output_type": "stream", "name": "stdout", "text": shown}


def _display(data: dict, budget: _Budget) -> dict | None:
    kept = {}
    for kind in PICTURES:
        picture = text(data.get(kind)).replace("\n", "")
        if picture and not _is_base64(picture):
            budget.take(len(picture), 0)
        elif picture and budget.take(len(picture), len(picture)):
            kept[kind] = picture
    plain = text(data.get("text/plain"))
    if plain and budget.take(len(plain), len(_cut(plain))):
        kept["text/plain"] = _cut(plain)
    for kind in data.keys() - {*PICTURES, "text/plain"}:
        budget.take(len(text(data[kind])), 0)
    return {"output_type": "display_data", "data": kept, "metadata": {}} if kept else None


def _is_base64(picture: str) -> bool:
    if len(picture) > LARGEST_PICTURE:
        return False
    try:
        base64.b64decode(picture, validate=True)
    except (binascii.Error, ValueError):
        return False
    return True


def _cut(whole: str) -> str:
    if len(whole) <= LONGEST_TEXT:
        return whole
    half = LONGEST_TEXT // 2
    return f"{whole[:half]}\n... {len(whole) - 2 * half:,} characters left out ...\n{whole[-half:]}"
