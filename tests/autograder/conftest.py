"""A copy of the repository with one small chapter in it, for tests that build, grade or break something."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CODE = ("autograder", "dlcv", "nbgrader_config.py", "pyproject.toml")
COURSE = 'name = "trial"\ntitle = "A trial"\n'


class Copy:
    """The repository's code at `root`, with an own course.toml; commands run in it as a user's would."""

    def __init__(self, root: Path):
        self.root = root
        for name in CODE:
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(ROOT / name, root)
        (root / "course.toml").write_text(COURSE)

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess:
        """Run `python -m <command>` from the copy's root, with nothing of this process's course around it."""
        kept = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "DLCV_SEED")}
        environment = {**kept, "DLCV_SCALE": "smoke", "JUPYTER_NO_CONFIG": "1", "PYTHONWARNINGS": "ignore"}
        done = subprocess.run(
            [sys.executable, "-m", *command], cwd=self.root, env=environment, capture_output=True, text=True
        )
        if check:
            assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
        return done


@pytest.fixture(scope="session")
def copy_of_repository(tmp_path_factory):
    """A function that makes a fresh copy with no chapter listed."""
    return lambda: Copy(tmp_path_factory.mktemp("repository"))


@pytest.fixture(scope="session")
def new_chapter(copy_of_repository) -> Copy:
    """A copy in which the chapter `contrast` was scaffolded, its figures stored and its notebooks built."""
    copy = copy_of_repository()
    copy.started = copy.run("autograder", "new-chapter", "contrast", "--title", "Contrast")
    copy.run("autograder", "figures", "contrast")
    copy.run("autograder", "build", "contrast")
    return copy
