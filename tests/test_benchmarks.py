"""The benchmark of grading does what it says: both graders finish the class and give it the same points.

How fast either is, no test asks: that depends on what else the machine does.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="grading needs Linux"),
    pytest.mark.skipif(shutil.which("bwrap") is None, reason="needs bubblewrap"),
]


def result(*options: str) -> dict:
    """Run the benchmark and return its last line."""
    command = [sys.executable, str(ROOT / "benchmarks" / "grading.py"), *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_both_graders_finish_the_class_with_the_same_points():
    found = result("--quick")
    assert found["same_points"] is True
    assert found["speedup"] > 0 and found["speedup_cpu"] > 0 and found["of_limit"] > 0


def test_memory_of_every_process_is_told():
    found = result("--scale", "2,8")["scale"]
    assert set(found) == {"2", "8"}
    # A class of two may be through before anybody has looked at its workers.
    assert any("worker 1" in sample for sample in found["8"]["memory"].values())
    for row in found.values():
        for sample in row["memory"].values():
            assert {"grader", "warm interpreter"} <= set(sample)
            assert all(rss >= pss > 0 for rss, pss in sample.values())
