"""nbgrader's preprocessors as this course uses them: by `build` and, through nbgrader_config.py, by nbgrader.

Both take the same list, so `nbgrader generate_assignment` gives the notebooks that `build` gives.
"""

from __future__ import annotations

from nbgrader import preprocessors as nbgrader

from .source import PICTURE_ROLES

__all__ = ["CLEAN", "FINISH", "RELEASE", "KeepFigures", "NamedStubs"]


class NamedStubs(nbgrader.ClearSolutions):
    """Puts a stub that names its exercise in the place of a solution; the steps above it stay."""

    def preprocess_cell(self, cell, resources, cell_index):
        name = cell.metadata.get("nbgrader", {}).get("grade_id", "")
        self.code_stub = {"python": f'raise NotImplementedError("{name}: replace this line with your code")'}
        self.text_stub = "*Write your answer here.*"
        return super().preprocess_cell(cell, resources, cell_index)


class KeepFigures(nbgrader.ClearOutput):
    """Clears outputs, except the stored pictures that show what a cell draws before it is run."""

    def preprocess_cell(self, cell, resources, cell_index):
        kept = []
        if cell.metadata.get("dlcv", {}).get("role") in PICTURE_ROLES:
            kept = [output for output in cell.get("outputs", ()) if output.output_type == "display_data"]
        cell, resources = super().preprocess_cell(cell, resources, cell_index)
        if kept:
            cell.outputs = kept
        return cell, resources


CLEAN = [
    nbgrader.IncludeHeaderFooter,
    nbgrader.LockCells,
    NamedStubs,
    KeepFigures,
    nbgrader.CheckCellMetadata,
    nbgrader.ComputeChecksums,
]
# Between the two, nbgrader saves the cells, hidden tests included, in its gradebook.
FINISH = [
    nbgrader.ClearHiddenTests,
    nbgrader.ClearMarkScheme,
    nbgrader.ComputeChecksums,
    nbgrader.CheckCellMetadata,
]
RELEASE = [*CLEAN, nbgrader.SaveCells, *FINISH]
