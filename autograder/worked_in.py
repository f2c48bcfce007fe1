"""Whether somebody has worked in a notebook, so that building anew would take an evening's answers away."""

from __future__ import annotations

from pathlib import Path

import nbformat

__all__ = ["worked_in"]

BUILT = {"file_extension", "mimetype", "name"}
"""What a built notebook says of its language. Whoever saves a notebook with a kernel adds that kernel's version."""


def worked_in(path: Path) -> bool:
    """Was this notebook saved by Jupyter, Colab or an editor with a kernel, or any of its cells run?

    A file that is no notebook, for instance one with the marks of a merge in it, holds nobody's work.
    """
    try:
        notebook = nbformat.read(path, as_version=4)
    except (OSError, ValueError, nbformat.ValidationError):
        return False
    run = any(cell.get("execution_count") for cell in notebook.cells)
    return run or bool(set(notebook.metadata.get("language_info", {})) - BUILT)
