"""nbgrader's formgrader, started for real, shows what our grader wrote."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

from autograder.grade import grade
from autograder.sandbox import Limits


@pytest.fixture
def formgrader(small_course):
    """A server on a graded class; a function that fetches a path below /formgrader."""
    small_course.submit("ada", small_course.answered())
    small_course.submit("bob", small_course.empty())
    grade(small_course.course, small_course.assignment, jobs=1, limits=Limits(cell=3.0))
    folder = small_course.course.folder
    (folder / "nbgrader_config.py").write_text(
        f"c = get_config()\nc.CourseDirectory.root = {str(folder)!r}\n"
    )
    with contextlib.closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    own = {
        f"JUPYTER_{what}_DIR": str(folder / f"jupyter-{what.lower()}")
        for what in ("CONFIG", "DATA", "RUNTIME")
    }
    server = subprocess.Popen(
        [
            sys.executable, "-m", "jupyter_server", f"--ServerApp.port={port}", "--ServerApp.port_retries=0",
            "--ServerApp.ip=127.0.0.1", "--IdentityProvider.token=", "--allow-root", "--no-browser",
            "--ServerApp.jpserver_extensions={'nbgrader.server_extensions.formgrader': True}",
        ],
        cwd=folder, env={**os.environ, **own, "PYTHONWARNINGS": "ignore"},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip

    def fetch(path: str) -> str:
        for _ in range(200):
            if server.poll() is not None:
                break
            try:
                with urllib.request.urlopen(
                    f"http://127.0.0.1:{port}/formgrader/{path}", timeout=20
                ) as answer:
                    return answer.read().decode()
            except (ConnectionError, urllib.error.URLError) as error:
                if isinstance(error, urllib.error.HTTPError):
                    raise
                time.sleep(0.1)
        raise AssertionError("the server did not start")

    yield fetch
    server.terminate()
    server.wait(timeout=20)


@pytest.mark.slow
def test_formgrader_shows_scores_and_notebooks(formgrader, small_course):
    name = small_course.assignment
    rows = {row["student"]: row for row in json.loads(formgrader(f"api/submissions/{name}"))}
    assert (rows["ada"]["score"], rows["bob"]["score"]) == (4, 0)
    assert rows["ada"]["max_score"] == 7
    assert rows["ada"]["needs_manual_grade"]
    assert rows["ada"]["autograded"]
    assert not rows["bob"]["needs_manual_grade"]
    (assignment,) = json.loads(formgrader("api/assignments"))
    assert assignment["name"] == name
    assert assignment["average_score"] == 2
    notebooks = json.loads(formgrader(f"api/submitted_notebooks/{name}/{name}"))
    (ada,) = [row for row in notebooks if row["student"] == "ada"]
    page = formgrader(f"submissions/{ada['id']}/")
    assert "def</span>" in page
    assert "all 16 cases" in page or "16 of 16 cases" in page
    assert "Transposing swaps the roles" in page
