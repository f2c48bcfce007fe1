"""Machines that lack something: with the grader's own code and the kernel's help, not with stand-ins.

`machine` makes this one look so to the interpreters that are started in it: bubblewrap cannot be found, system calls
are refused by a filter, as on a kernel that is too old or set up to forbid them.
"""

from __future__ import annotations

import shutil
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from autograder.bubblewrap import bubblewrap

ROOT = Path(__file__).resolve().parents[2]
# Numbers of the calls on x86-64 and ARM64.
NAMESPACES = {"unshare": (272, 97)}
LANDLOCK = {"landlock_create_ruleset": (444, 444)}
LACKING = """#!{python} -I
import os, platform, sys
sys.path.insert(0, {root!r})
from autograder import seccomp
if not seccomp.install(seccomp.program(platform.machine(), {calls!r})):
    sys.exit("no filter of system calls here")
os.execv({python!r}, [{python!r}, *sys.argv[1:]])
"""


@contextmanager
def machine(folder: Path, *, bubblewrap_there: bool = False, lacking: dict | None = None) -> Iterator[None]:
    """Inside, a `Sandbox` that is started finds no bubblewrap, and its interpreter cannot make some system calls."""
    with pytest.MonkeyPatch.context() as patch:
        if not bubblewrap_there:
            which = shutil.which
            patch.setattr(
                shutil, "which", lambda name, *more: None if name == "bwrap" else which(name, *more)
            )
        if lacking:
            program = folder / "python"
            program.write_text(
                LACKING.format(python=sys.executable, root=str(ROOT), calls=lacking), encoding="utf-8"
            )
            program.chmod(program.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
            patch.setattr(sys, "executable", str(program))
        bubblewrap.cache_clear()
        try:
            yield
        finally:
            bubblewrap.cache_clear()
