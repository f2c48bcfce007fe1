"""A class on one JupyterHub: nbgrader's exchange carries notebooks both ways, our grader does what lies between."""

from __future__ import annotations

import getpass
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from autograder.exchange import let_through, put_beside

ANSWER = """\
def stretch(image, low, high):
    return ((image - low) / (high - low)).clamp(0, 1)
"""


class Hub:
    """A place for the exchange, an instructor with a course, and a student with a home."""

    def __init__(self, root: Path, folder: Path):
        self.root, self.home = root, folder / "student"
        self.exchange = folder / "exchange"
        self.exchange.mkdir(mode=0o777)
        self.exchange.chmod(0o777)
        self.home.mkdir()
        self.settings = folder / "settings"
        self.settings.mkdir()
        config = f"c = get_config()\nc.Exchange.root = {str(self.exchange)!r}\n"
        (self.settings / "nbgrader_config.py").write_text(config)

    def run(self, folder: Path, *command: str) -> str:
        kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "DLCV_SEED")}
        own = {
            "JUPYTER_CONFIG_PATH": str(self.settings),  # where a hub has what holds for everybody
            "JUPYTER_DATA_DIR": str(self.home / ".data"),
            "PYTHONPATH": str(self.root),
            "PYTHONWARNINGS": "ignore",
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        }
        done = subprocess.run(
            [sys.executable, "-m", *command], cwd=folder, env=kept | own, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def instructor(self, *command: str) -> str:
        return self.run(self.root, *command)

    def student(self, *command: str) -> str:
        return self.run(self.home, *command, "--course", "trial")


@pytest.mark.slow
def test_a_class_on_a_hub_from_release_to_feedback(new_chapter, tmp_path):
    hub = Hub(shutil.copytree(new_chapter.root, tmp_path / "repository"), tmp_path)
    (name,) = (path.parent.name for path in hub.root.glob("notebooks/*/*.ipynb"))
    hub.instructor("nbgrader", "generate_assignment", name, "--force")
    hub.instructor("nbgrader", "release_assignment", name)

    hub.student("nbgrader", "fetch_assignment", name)
    notebook = hub.home / name / f"{name}.ipynb"
    content = json.loads(notebook.read_text())
    (cell,) = [cell for cell in content["cells"] if cell["id"] == "stretch"]
    cell["source"] = ANSWER
    notebook.write_text(json.dumps(content))
    hub.student("nbgrader", "submit", name)

    hub.instructor("nbgrader", "collect", name)
    by_mail = hub.root / "course/submitted/aaron" / name  # before all others in the alphabet
    by_mail.mkdir(parents=True)
    shutil.copy(notebook, by_mail)
    hub.instructor("autograder", "grade", "--assignment", name, "--jobs", "1")
    hub.instructor("nbgrader", "release_feedback", name)

    hub.student("nbgrader", "fetch_feedback", name)
    (page,) = hub.home.glob(f"{name}/feedback/*/{name}.html")
    me = getpass.getuser()
    assert page.read_text() == (hub.root / "course/feedback" / me / name / f"{name}.html").read_text()
    assert "stretch" in page.read_text().lower()


def test_only_small_files_of_the_submission_itself_are_put_beside_a_page(small_course, tmp_path):
    course, name = small_course.course, small_course.assignment
    place = small_course.submit("ada", small_course.empty()).parent
    (place / "timestamp.txt").write_text("2026-03-01 12:00:00 UTC")
    (tmp_path / "secret").write_text("the grader's own")
    (place / "submission_secret.txt").symlink_to(tmp_path / "secret")
    put_beside(course, "ada", name)
    beside = course.feedback("ada", name)
    assert [path.name for path in beside.iterdir()] == ["timestamp.txt"]
    (place / "submission_secret.txt").unlink()
    (place / "submission_secret.txt").write_text("x" * 2000)
    put_beside(course, "ada", name)
    assert [path.name for path in beside.iterdir()] == ["timestamp.txt"]
    shutil.rmtree(place)
    put_beside(course, "ada", name)


def test_who_came_by_another_way_does_not_keep_pages_from_the_others(small_course):
    course, name = small_course.course, small_course.assignment
    for student in ("ada", "emmy"):
        (course.feedback(student, name)).mkdir(parents=True)
        (course.feedback(student, name) / f"{name}.html").write_text("a page")
    let_through(course, name)
    assert len(list(course.feedback("ada", name).iterdir())) == 1  # nobody came by the exchange
    (course.feedback("emmy", name) / "submission_secret.txt").write_text("hers")
    (course.feedback("emmy", name) / "timestamp.txt").write_text("2026-03-01 12:00:00 UTC")
    let_through(course, name)
    made = (course.feedback("ada", name) / "submission_secret.txt").read_text()
    assert len(made) == 64
    assert (course.feedback("ada", name) / "timestamp.txt").read_text() == "unknown"
    let_through(course, name)
    assert (course.feedback("ada", name) / "submission_secret.txt").read_text() == made
    assert (course.feedback("emmy", name) / "submission_secret.txt").read_text() == "hers"
