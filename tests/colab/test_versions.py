"""Every notebook with the oldest versions that are allowed and with the newest, on each Python that is here.

Set-up and first exercise are run as a learner does, then the notebooks are graded with what an instructor installs.
The versions are fetched from the index, which takes minutes: `make test-versions`. torch is linked from here where the
Python is the same. For others, and for its oldest and newest version, it is fetched where `DLCV_FETCH_TORCH=1` asks for
it: on Linux the index has it with gigabytes of CUDA.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from autograder.course import Course
from autograder.wheel import build_wheel
from dlcv.checking import load_exercises

from . import environment, notebooks, pythons

COURSE = Course.open(root=environment.ROOT)
OLDEST = Path(__file__).with_name("oldest.txt")
FETCH_TORCH = os.environ.get("DLCV_FETCH_TORCH") == "1"


def oldest(python: str) -> dict[str, str]:
    """The oldest version of each package on a Python."""
    lines = [Requirement(line) for line in OLDEST.read_text("utf-8").splitlines() if line[0] != "#"]
    here = {"python_version": python}
    return {
        line.name: str(line.specifier).removeprefix("==")
        for line in lines
        if not line.marker or line.marker.evaluate(here)
    }


def test_the_oldest_are_those_that_pyproject_allows():
    bounds = [Requirement(line) for line in environment.PROJECT["dependencies"]]
    wanted = {each.name: str(each.specifier).removeprefix(">=") for each in bounds}
    listed = oldest("3.10")
    assert set(listed) == set(wanted) - set(environment.ABSENT)
    assert [
        name for name in listed if not Requirement(f"{name}=={wanted[name]}").specifier.contains(listed[name])
    ] == []
    for version in pythons.VERSIONS:
        assert set(oldest(version)) == set(listed)
        assert all(
            Requirement(str(each)).specifier.contains(oldest(version)[each.name])
            for each in bounds
            if each.name in listed
        )


@pytest.fixture(scope="module")
def answered():
    """By chapter: the exercise that is answered, and the notebook."""
    return {chapter.name: notebooks.answered(COURSE, chapter) for chapter in COURSE.chapters}


@pytest.mark.versions
@pytest.mark.parametrize("age", ["oldest", "newest"])
@pytest.mark.parametrize("version", pythons.VERSIONS)
def test_the_course_runs_and_is_graded(version, age, answered, tmp_path):
    python = made(pythons.find_or_skip(version), version, age, tmp_path / "environment")
    content, index = tmp_path / "content", tmp_path / "index"
    build_wheel(COURSE, COURSE.root / "dlcv", content)
    if version == pythons.HERE:
        environment.packed_again(environment.ABSENT, index)
    else:  # other releases of them are made for other Pythons
        names = [name for name in environment.ABSENT if name in environment.PROJECT_NAMES]
        subprocess.run([python, "-m", "pip", "download", "-q", "-d", index, *names], check=True)

    jobs = {
        chapter.name: notebooks.cells_to_run(COURSE, chapter, *reversed(answered[chapter.name]))
        for chapter in COURSE.chapters
    }
    variables = environment.without_network(index)
    results = run(python, "session.py", jobs, content, variables)
    assert {name: result["error"] for name, result in results.items()} == dict.fromkeys(jobs, "")
    for name, result in results.items():
        first = next(iter(load_exercises(name).values()))
        assert result["value"] == first.points, result["said"]

    fetch(python, *extra("grading", version))
    submissions = {name: notebook for name, (_, notebook) in answered.items()}
    kinds = run(python, "grading.py", submissions, content, variables | {"PYTHONPATH": str(environment.ROOT)})
    for name, (exercise, _) in answered.items():
        others = dict.fromkeys(set(kinds[name]) - {exercise}, "not attempted")
        assert kinds[name] == {exercise: "right", **others}, name


def run(python: Path, script: str, jobs: dict, folder: Path, variables: dict[str, str]) -> dict:
    """Run a script of this folder in an environment; what it writes."""
    (folder / "jobs.json").write_text(json.dumps(jobs), encoding="utf-8")
    command = [python, Path(__file__).with_name(script), "jobs.json", "results.json"]
    done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads((folder / "results.json").read_text(encoding="utf-8"))


def made(python: Path, version: str, age: str, folder: Path) -> Path:
    """An environment with the oldest or the newest versions; skip where they, or a torch, are not to be had."""
    wanted = {name: f"{name}=={number}" for name, number in oldest(version).items()}
    if age == "newest":
        wanted = {name: name for name in wanted}
    subprocess.run([python, "-m", "venv", "--without-pip", folder], check=True)
    if not FETCH_TORCH:
        if version != pythons.HERE:
            pytest.skip(f"torch for Python {version} is fetched where DLCV_FETCH_TORCH=1 asks for it")
        del wanted["torch"]
    fetch(folder / "bin" / "python", "pip", "setuptools", *wanted.values())
    if not FETCH_TORCH:
        environment.link(["torch"], folder)
    return folder / "bin" / "python"


def fetch(python: Path, *packages: str) -> None:
    """Install into an environment, which keeps what it has where that will do; skip where the index has it not."""
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "-q", "--only-binary", ":all:"]
    done = subprocess.run([*pip, *packages], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"pip could not fetch the versions: {done.stderr.strip().splitlines()[-1]}")


def extra(name: str, python: str) -> list[str]:
    """What pyproject.toml asks for beside the dependencies, on a Python."""
    here = {"python_version": python}
    wanted = [Requirement(line) for line in environment.PROJECT["optional-dependencies"][name]]
    return [
        f"{each.name}{each.specifier}" for each in wanted if not each.marker or each.marker.evaluate(here)
    ]
