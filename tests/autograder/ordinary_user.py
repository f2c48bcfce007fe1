"""Run a command as a user without rights, from tests that run as root, as they do in many a container.

Run as a program it needs root: it opens, in a mount namespace of its own, the closed folders above what Python and
the repository are made of, `/root` above all, to nobody but this command. What else lies in them is hidden.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
UID = 61234  # nobody's number; another one than that of learners' code under root
SEARCH = 0o001


def as_user(home: Path, *command: str) -> list[str]:
    """Return the command that runs `command` as an ordinary user whose home is the folder `home`."""
    if shutil.which("unshare") is None:
        return []
    needed = [str(path) for path in (ROOT, home, Path(sys.prefix), Path(sys.base_prefix))]
    told = json.dumps({"needed": needed, "home": str(home)})
    namespace = ["unshare", "--mount", "--propagation", "private"]
    return [*namespace, sys.executable, "-I", str(Path(__file__).resolve()), told, *command]


def why_not(home: Path) -> str:
    """Try it: can such a user import what tests need, and write to its home? Else the last words of it."""
    look = "import pathlib, torch, nbgrader, pytest; pathlib.Path('tried').touch()"
    command = as_user(home, sys.executable, "-c", look)
    if not command:
        return "no program `unshare` here"
    done = subprocess.run(command, capture_output=True, text=True)
    return (
        (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1] if done.returncode else ""
    )


def closed(path: str) -> str | None:
    """The highest folder above `path` that others may not pass through."""
    above = (str(folder) for folder in reversed(Path(path).parents))
    return next((folder for folder in above if not os.stat(folder).st_mode & SEARCH), None)


def open_to_all(needed: Iterable[str], kept: Path) -> None:
    """Put each path that lies below a closed folder into a new, open one in its place; for this namespace alone."""
    below: dict[str, dict[str, Path]] = {}
    for number, path in enumerate(dict.fromkeys(needed)):
        if folder := closed(path):
            place = kept / str(number)
            place.mkdir(exist_ok=True)
            _mount("--bind", path, str(place))
            below.setdefault(folder, {})[path] = place
    for folder, paths in below.items():
        _mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", folder)
        for path, place in sorted(paths.items()):
            Path(path).mkdir(parents=True, exist_ok=True)
            _mount("--bind", str(place), path)


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)


def main(told: dict, command: list[str]) -> None:
    kept = Path(told["home"]) / "kept"
    kept.mkdir(exist_ok=True)
    open_to_all(told["needed"], kept)
    os.setgroups([])
    os.setresgid(UID, UID, UID)
    os.setresuid(UID, UID, UID)
    os.chdir(told["home"])
    # Nothing of root's environment but where programs are.
    own = {"HOME": told["home"], "TMPDIR": told["home"], "PYTHONDONTWRITEBYTECODE": "1", "LANG": "C.UTF-8"}
    own |= {"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"], "OMP_NUM_THREADS": "1"}
    os.execve(command[0], command, own)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]), sys.argv[2:])
