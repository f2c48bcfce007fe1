"""The pictures that a notebook shows before it is run: made once from the solution notebook, then committed.

Executing a notebook gives slightly different bytes on each machine; a stored PNG does not. So `build` never
runs anything, it takes these files.
"""

from __future__ import annotations

import base64
import io
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from PIL import Image

from .build import source_notebook
from .course import Chapter, Course, CourseError
from .source import PICTURE_ROLES

__all__ = ["run_notebook", "store_figures"]

MOST_BYTES = 160 * 1024


def store_figures(course: Course, chapter: Chapter, *, timeout: int = 600) -> list[Path]:
    """Run the chapter's solution notebook; keep what its figure, widget and experiment cells drew."""
    notebook = run_notebook(
        source_notebook(course, chapter, allow_missing_figures=True), course.root, timeout=timeout
    )
    folder = course.figures(chapter)
    folder.mkdir(parents=True, exist_ok=True)
    pictures = dict(_pictures(notebook))
    for stale in set(folder.glob("*.png")) - {folder / name for name in pictures}:
        stale.unlink()
    for name, png in pictures.items():
        (folder / name).write_bytes(small_png(png, folder / name))
    return [folder / name for name in pictures]


def run_notebook(
    notebook: nbformat.NotebookNode,
    root: Path,
    *,
    scale: str = "",
    timeout: int = 600,
    allow_errors: bool = False,
) -> nbformat.NotebookNode:
    """Run every cell, experiments too, in a folder that is thrown away; return the notebook with outputs.

    `scale` says how much experiments compute, see `dlcv.device.scale`; without it, the environment does.
    """
    settings = {"PYTHONPATH": str(root), "DLCV_PROGRESS": ""} | ({"DLCV_SCALE": scale} if scale else {})
    with tempfile.TemporaryDirectory(prefix="notebook-") as folder:
        client = NotebookClient(
            notebook,
            timeout=timeout,
            kernel_name="python3",
            allow_errors=allow_errors,
            skip_cells_with_tag="",
            extra_arguments=["--IPKernelApp.log_level=40"],
            resources={"metadata": {"path": folder}},
        )
        try:
            return client.execute(env={**os.environ, **settings})
        except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
            raise CourseError(f"the notebook does not run to its end: {error}") from None


def small_png(png: bytes, path: Path) -> bytes:
    """The picture as it is where that is small enough, else with a palette of its own, which is far smaller.

    A palette of 256 colours is as good for plots, but bands a shaded picture and can lose a small thing's colour.
    Equal pixels give equal bytes, so a figure that did not change does not show up as a change.
    """
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    for colours in (None, 256, 128, 64):
        buffer = io.BytesIO()
        fewer = picture.quantize(colours, dither=Image.Dither.NONE) if colours else picture
        fewer.save(buffer, "png", optimize=True)
        if buffer.tell() <= MOST_BYTES:
            return buffer.getvalue()
    raise CourseError(
        f"{path.name} takes {buffer.tell() // 1024} KB, at most {MOST_BYTES // 1024} are stored; "
        f"draw it smaller than {picture.width} x {picture.height} pixels"
    )


def _pictures(notebook: nbformat.NotebookNode) -> Iterator[tuple[str, bytes]]:
    for cell in notebook.cells:
        label = cell.metadata.get("dlcv", {})
        if label.get("role") in PICTURE_ROLES:
            pngs = [
                output.data["image/png"] for output in cell.outputs if "image/png" in output.get("data", {})
            ]
            for number, png in enumerate(pngs, 1):
                yield f"{label['name']}{f'-{number}' if number > 1 else ''}.png", base64.b64decode(png)
            if not pngs and label["role"] != "experiment":
                raise CourseError(
                    f"{label['role']} cell {label['name']!r} drew nothing; it is to show a picture"
                )
