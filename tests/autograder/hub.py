"""People of one JupyterHub: an instructor whose folder is a clone of the course, students whose folders are homes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ANSWER = """\
def stretch(image, low, high):
    return ((image - low) / (high - low)).clamp(0, 1)
"""


class Hub:
    """Runs `python -m <command>` as a person; `settings` is what /etc/jupyter/nbgrader_config.py says to everybody."""

    def __init__(self, root: Path, folder: Path, settings: str, packages: Path | None = None):
        self.root, self.homes = root, folder / "homes"
        self.importable = os.pathsep.join(str(path) for path in (root, packages) if path)
        self.settings = folder / "settings"
        self.settings.mkdir()
        (self.settings / "nbgrader_config.py").write_text(f"c = get_config()\n{settings}")

    @property
    def assignment(self) -> str:
        (name,) = (path.parent.name for path in self.root.glob("notebooks/*/*.ipynb"))
        return name

    def home(self, name: str) -> Path:
        """Where a student's files lie."""
        (self.homes / name).mkdir(parents=True, exist_ok=True)
        return self.homes / name

    def instructor(self, *command: str, name: str = "") -> str:
        return self.run(self.root, name, *command)

    def student(self, *command: str, name: str = "") -> str:
        return self.run(self.home(name or "student"), name, *command, "--course", "trial")

    def answers(self, name: str = "") -> Path:
        """Put the right answer into a student's notebook, and return its place."""
        notebook = self.home(name or "student") / self.assignment / f"{self.assignment}.ipynb"
        content = json.loads(notebook.read_text())
        (cell,) = [cell for cell in content["cells"] if cell["id"] == "stretch"]
        cell["source"] = ANSWER
        notebook.write_text(json.dumps(content))
        return notebook

    def run(self, folder: Path, name: str, *command: str) -> str:
        """Run as the user `name` of the hub, or as nobody of a hub; return what was said."""
        kept = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "DLCV_SEED")}
        own = {
            "JUPYTER_CONFIG_PATH": str(self.settings),
            "JUPYTER_DATA_DIR": str(self.home(name or "student") / ".data"),
            "PYTHONPATH": self.importable,
            "PYTHONWARNINGS": "ignore",
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        }
        if name:  # what a hub sets in a user's container
            own |= {"JUPYTERHUB_USER": name, "JUPYTERHUB_API_TOKEN": name}
        done = subprocess.run(
            [sys.executable, "-m", *command], cwd=folder, env=kept | own, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr
