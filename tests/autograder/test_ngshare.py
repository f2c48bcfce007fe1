"""A class on a hub whose users share no file system: ngshare carries notebooks both ways, our grader does the rest.

ngshare and its half in nbgrader are fetched from the index: `make test-versions`. The service runs in an environment
of its own, as on a hub, and asks the hub who sends a token; the hub here is a few lines that believe the token.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from datetime import datetime
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from urllib.request import urlopen

import pytest

from autograder.clock import UTC
from autograder.late import read_timestamp

from .hub import Hub

PREFIX = "/services/ngshare/"
pytestmark = pytest.mark.versions


class Users(BaseHTTPRequestHandler):
    """The hub: a token is the name of the user that it belongs to."""

    def do_GET(self):
        name = self.headers.get("Authorization", "").removeprefix("token ")
        self.send_response(200 if name else 403)
        self.end_headers()
        self.wfile.write(json.dumps({"name": name}).encode())

    def log_message(self, *words):
        pass


@pytest.fixture(scope="module")
def packages(tmp_path_factory) -> Path:
    """A folder with ngshare_exchange and nothing that it needs: see docs/jupyterhub.md."""
    folder = tmp_path_factory.mktemp("packages")
    fetch("--target", str(folder), "--no-deps", "ngshare_exchange")
    return folder


@pytest.fixture(scope="module")
def service_python(tmp_path_factory) -> Path:
    """An environment with the service, which says that it released with a younger SQLAlchemy and stores nothing."""
    folder = tmp_path_factory.mktemp("service")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    fetch("ngshare", "SQLAlchemy<2", python=folder / "bin" / "python")
    return folder / "bin" / "python"


def fetch(*what: str, python: Path | None = None) -> None:
    pip = [sys.executable, "-m", "pip", *(["--python", str(python)] if python else []), "install", "-q"]
    done = subprocess.run([*pip, *what], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"pip could not fetch ngshare: {done.stderr.strip().splitlines()[-1]}")


@pytest.fixture
def ngshare(service_python, tmp_path):
    """The address of the service, of which `teacher` is the administrator."""
    users = HTTPServer(("127.0.0.1", 0), Users)
    Thread(target=users.serve_forever, daemon=True).start()
    port = free_port()
    options = {
        "--host": "127.0.0.1",
        "--port": str(port),
        "--database": f"sqlite:///{tmp_path}/ngshare.db",
        "--storage": str(tmp_path / "storage"),
        "--admins": "teacher",
    }
    of_the_hub = {
        "JUPYTERHUB_API_URL": f"http://127.0.0.1:{users.server_port}/hub/api",
        "JUPYTERHUB_API_TOKEN": "the service's own",
        "JUPYTERHUB_CLIENT_ID": "service-ngshare",
        "JUPYTERHUB_SERVICE_PREFIX": PREFIX,
    }
    # --vngshare: it listens on this machine only.
    command = [
        service_python,
        "-m",
        "ngshare",
        "--vngshare",
        *(word for pair in options.items() for word in pair),
    ]
    with open(tmp_path / "log", "w") as log:
        service = subprocess.Popen(command, env=os.environ | of_the_hub, stdout=log, stderr=log, cwd=tmp_path)
    try:
        wait_for(port, service, tmp_path / "log")
        yield f"http://127.0.0.1:{port}{PREFIX.rstrip('/')}"
    finally:
        service.terminate()
        service.wait()
        users.shutdown()


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def wait_for(port: int, service: subprocess.Popen, log: Path) -> None:
    while service.poll() is None:
        try:
            urlopen(f"http://127.0.0.1:{port}/healthz").close()
            return
        except OSError:
            time.sleep(0.2)
    pytest.fail(f"the service did not start:\n{log.read_text()}")


@pytest.fixture
def hub(new_chapter, packages, ngshare, tmp_path):
    root = shutil.copytree(new_chapter.root, tmp_path / "repository")
    settings = f"from ngshare_exchange import configureExchange\nconfigureExchange(c, {ngshare!r})\n"
    hub = Hub(root, tmp_path, settings, packages)
    manage = partial(hub.instructor, "ngshare_exchange.course_management", name="teacher")
    manage("create_course", "trial", "teacher")
    for name in ("ada", "bob"):
        manage("add_student", "trial", name)
    return hub


def test_a_class_from_release_to_feedback(hub):
    name = hub.assignment
    teacher = partial(hub.instructor, name="teacher")
    students = {who: partial(hub.student, name=who) for who in ("ada", "bob")}
    teacher("nbgrader", "generate_assignment", name, "--force")
    teacher("nbgrader", "release_assignment", name)

    for student in students.values():
        student("nbgrader", "fetch_assignment", name)
    notebook = hub.answers("ada")
    before = datetime.now(UTC)
    for student in students.values():
        student("nbgrader", "submit", name)

    teacher("nbgrader", "collect", name)
    came = (hub.root / "course/submitted/ada" / name / "timestamp.txt").read_text()
    assert before < read_timestamp(came, UTC)[0] < datetime.now(UTC)
    by_mail = hub.root / "course/submitted/aaron" / name
    by_mail.mkdir(parents=True)
    shutil.copy(notebook, by_mail)
    teacher("autograder", "grade", "--assignment", name, "--jobs", "1")
    teacher("nbgrader", "release_feedback", name, "--CourseDirectory.student_id_exclude=aaron")

    for student in students.values():
        student("nbgrader", "fetch_feedback", name)
    pages = {who: hub.home(who).glob(f"{name}/feedback/*/{name}.html") for who in students}
    for who, (page,) in pages.items():
        assert page.read_text() == (hub.root / "course/feedback" / who / name / f"{name}.html").read_text()
