"""The walls where the grader is an ordinary user. Tests that run as root run some of their number as such a user.

Where the tests are run by an ordinary user, all of them say it, and there is nothing to add here.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from .ordinary_user import ROOT, UID, as_user, why_not

HERE = "tests/autograder"
# What root is exempt from, what another user's rights decide, and what each wall is for.
ATTACKS = (
    "processes-fork-bomb", "processes-kill-all", "processes-left-behind", "processes-new-namespace",
    "processes-memory-together", "processes-graders-memory", "processes-raised-limits", "files-seed",
    "files-solution", "files-outside", "files-disk", "files-network", "files-local-socket", "messages-own-answering",
    "numbers-equal-to-everything",
)  # fmt: skip
ALL_TOGETHER = "honest or process_is_left or scratch_is_left or originals or calls_home"


@pytest.fixture(scope="module")
def home():
    """A folder of that user's own, in none that is closed to others."""
    if os.geteuid() != 0:
        pytest.skip("these tests are run by an ordinary user already")
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        os.chown(folder, UID, UID)
        if trouble := why_not(Path(folder)):
            pytest.skip(f"an ordinary user cannot run Python here: {trouble}")
        yield Path(folder)


def passed(home: Path, file: str, *options: str) -> set[str]:
    """Run a file's tests as that user; return the names of those that passed."""
    command = [sys.executable, "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider", "-p", "no:randomly"]
    done = subprocess.run(
        as_user(home, *command, "--rootdir", str(ROOT), str(ROOT / HERE / file), *options),
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout[-6000:]}\n{done.stderr[-2000:]}"
    return set(re.findall(r"^PASSED \S+?::(\S.*)$", done.stdout, re.MULTILINE))


@pytest.mark.slow
def test_the_walls_stand_for_an_ordinary_user(home):
    done = passed(home, "test_walls.py")
    for name in (
        "test_there_is_no_network",
        "test_a_fork_bomb_stops_at_the_limit",
        "test_a_file_has_a_limit",
    ):
        assert {test for test in done if test.startswith(name)}, sorted(done)


@pytest.mark.slow
def test_attacks_gain_nothing_from_an_ordinary_user(home):
    done = passed(home, "attacks/test_attacks.py", "-k", " or ".join([*ATTACKS, ALL_TOGETHER]))
    assert {f"test_an_attack_gains_nothing[{name}]" for name in ATTACKS} <= done
    assert "test_the_honest_keep_their_points" in done and "test_no_process_is_left" in done
