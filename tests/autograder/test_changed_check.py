"""A test is mended in its file: the same command runs that exercise for everybody, and nothing else."""

import json

import pytest

from dlcv.checking import load_exercises

from .conftest import ASSIGNMENT, SmallCourse

PAINT, SIZE = "conv_transpose1d", "output_size"
SLIP = load_exercises("transposed_convolution")[SIZE].slips[0]


@pytest.fixture(scope="module")
def repository(copy_of_repository, tmp_path_factory):
    """A copy of the code with a class of two, graded once; `.grade()` runs the command and returns its lines."""
    copy = copy_of_repository()
    copy.small = SmallCourse(tmp_path_factory.mktemp("changed") / "course")
    (copy.root / "course.toml").write_text(
        'name = "trial"\ntitle = "A trial"\n\n'
        '[[chapters]]\nnumber = 1\nname = "transposed_convolution"\ntitle = "Transposed convolution"\n'
    )
    copy.small.submit("ada", copy.small.answered())
    copy.small.submit(
        "bob", copy.small.answered(output_size=SLIP.source.replace("def _", "def output_size", 1))
    )

    def grade() -> dict:
        done = copy.run(
            "autograder", "grade", "--json", "--jobs", "1", "--course", str(copy.small.course.folder),
            "--assignment", ASSIGNMENT,
        )  # fmt: skip
        return {line["student"]: line for line in map(json.loads, done.stdout.splitlines())}

    copy.grade = grade
    copy.first = grade()
    return copy


def edit(repository, name: str, old: str, new: str) -> None:
    path = repository.root / "dlcv" / "transposed_convolution" / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


@pytest.mark.slow
def test_the_changed_exercise_is_run_again_for_everybody(repository):
    assert {student: line["ran"] for student, line in repository.first.items()} == {
        "ada": [PAINT, SIZE],
        "bob": [PAINT, SIZE],
    }
    # A remark in the file, and a slip of one exercise that is told in other words.
    edit(
        repository,
        "exercises.py",
        "from __future__ import annotations\n",
        "from __future__ import annotations  # why\n",
    )
    assert repository.first["bob"]["exercises"][SIZE]["slip"] == SLIP.name
    edit(repository, "exercises.py", f'"{SLIP.name}"', '"another name"')
    again = repository.grade()
    assert {student: (line["status"], line["ran"]) for student, line in again.items()} == {
        "ada": ("graded", [SIZE]),
        "bob": ("graded", [SIZE]),
    }
    assert again["bob"]["exercises"][SIZE]["slip"] == "another name"
    assert again["bob"]["exercises"][PAINT] == repository.first["bob"]["exercises"][PAINT]
    assert {line["points"] for line in again.values()} == {
        line["points"] for line in repository.first.values()
    }
    assert {line["status"] for line in repository.grade().values()} == {"kept"}
