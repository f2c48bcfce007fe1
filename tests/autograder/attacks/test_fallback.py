"""The attacks that walls have to stop, on a machine without bubblewrap: Landlock, namespaces and the filter do it."""

from __future__ import annotations

import pytest

from . import files, processes
from .graded import HONEST, class_of, fingerprints, gains_nothing

# What no wall stops is stopped by time, which passes the same way here.
ATTACKS = [
    attack for attack in (*files.ATTACKS, *processes.ATTACKS) if attack.wall or attack.paint[0] != "too slow"
]


@pytest.fixture(scope="module")
def graded(small_class, machine, tmp_path_factory):
    folders = [tmp_path_factory.mktemp(name) for name in ("outside", "scratch")]
    with machine(tmp_path_factory.mktemp("machine")), class_of(small_class, ATTACKS, *folders) as found:
        yield found


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_an_attack_gains_nothing_without_bubblewrap(graded, attack):
    gains_nothing(graded, attack)


def test_nothing_is_left_and_the_honest_keep_their_points(graded):
    assert "bubblewrap" not in graded.results[HONEST[0]].walls
    assert (graded.left, graded.scratch, graded.contacts) == ([], [], 0)
    assert fingerprints(graded.course.folder / "submitted") == graded.before
    assert {student: graded.results[student].points for student in HONEST} == dict.fromkeys(HONEST, 4.0)
