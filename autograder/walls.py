"""Which walls stand around learners' code, and whether they are enough: decided here and nowhere else.

Three walls are necessary. Each may be raised in more than one way, so what counts is what cannot be done:

files
    Nothing is read but Python and its packages, nothing written but scratch files: by bubblewrap, or by Landlock
    with read-only mounts or, for what Landlock does not know, the filter on system calls.
network
    No address is reached, nor a service of this machine: by bubblewrap, or by the filter, which leaves no socket.
processes
    Nobody else's process is seen, stopped or changed: by a namespace for each submission, or by Landlock from
    version 6 on together with the filter.

Limits (see `limits`) stand always.
"""

from __future__ import annotations

from dataclasses import dataclass

from .course import CourseError
from .landlock import SCOPES_SIGNALS
from .limits import MIB, Limits

__all__ = ["UNSAFE", "Unwalled", "Walls"]

# How the words on a run begin in which a necessary wall was missing.
UNSAFE = "UNSAFE"
COULD = {
    "files": "read and change whatever you can: gradebook, solutions, other submissions, the seed, your home folder",
    "network": "reach the network, and services of this machine",
    "processes": "end or change other processes of yours: the grader, and whoever is graded at the same time",
}
HOW = {
    "files": "install bubblewrap, or use a kernel that has Landlock (Linux 5.13 or newer, `landlock` in its list lsm=)",
    "network": "install bubblewrap; the filter on system calls that would do instead is for x86-64 and ARM64 alone",
    "processes": (
        "allow user namespaces (sysctl user.max_user_namespaces; on Ubuntu kernel.apparmor_restrict_unprivileged_userns"
        "=0; in a container, see its seccomp profile), or use Linux 6.12 or newer with Landlock"
    ),
}


class Unwalled(CourseError):
    """A necessary wall does not stand on this machine."""


@dataclass(frozen=True)
class Walls:
    """What stands around learners' code.

    Attributes
    ----------
    bubblewrap : bool
        The warm interpreter runs behind it.
    namespaces : bool
        Without bubblewrap: it has no network and mounts that are read-only.
    nested : bool
        Each submission has process numbers, shared memory and scratch files of its own.
    landlock : int
        The version that binds learners' processes; 0: none does.
    filtered : bool
        Their system calls are filtered.
    nobody : bool
        They run as a user without rights, although the grader is root.
    exposed : tuple of str
        Sentences on secrets that lie where learners' code has to read.
    readable : tuple of str
        Installed copies of the whole package, which nothing but bubblewrap can hide.
    troubles : tuple of str
        Why a wall that was tried does not stand.
    """

    bubblewrap: bool = False
    namespaces: bool = False
    nested: bool = False
    landlock: int = 0
    filtered: bool = False
    nobody: bool = False
    exposed: tuple[str, ...] = ()
    readable: tuple[str, ...] = ()
    troubles: tuple[str, ...] = ()

    @property
    def missing(self) -> tuple[str, ...]:
        """The necessary walls that do not stand."""
        files = self.bubblewrap or (self.landlock > 0 and (self.namespaces or self.filtered))
        network = self.bubblewrap or self.filtered
        processes = self.nested or (self.landlock >= SCOPES_SIGNALS and self.filtered)
        stands = {"files": files and not self.exposed, "network": network, "processes": processes}
        return tuple(wall for wall, there in stands.items() if not there)

    def require(self) -> None:
        """Raise `Unwalled` where a necessary wall is missing; the message says which and how to get it."""
        if not self.missing:
            return
        lines = ["walls around learners' code are missing here; nothing was run. Without them it could"]
        for wall in self.missing:
            how = HOW[wall]
            if wall == "files" and self.exposed:
                how = f"move it: {'; '.join(self.exposed)}, which their Python has to read"
            lines += [f"- {COULD[wall]} ({wall}).", f"  To get this wall: {how}."]
        lines += [f"Tried: {trouble}." for trouble in self.troubles]
        lines += ["With --unsafe it is run all the same, and each result says so."]
        raise Unwalled("\n".join(lines))

    def in_words(self, limits: Limits) -> str:
        """What stood, for records and the report; plain words first where a necessary wall did not."""
        unsafe = f"{UNSAFE}: no wall around {' and '.join(self.missing)}" if self.missing else ""
        standing = [
            unsafe,
            "bubblewrap, no network, no files but the interpreter's" if self.bubblewrap else "",
            f"Landlock {self.landlock}, no files but the interpreter's" if self.landlock else "",
            "no network, read-only mounts" if self.namespaces else "",
            "a user without rights" if self.nobody else "",
            f"own {'namespaces' if self.nested else 'processes'} for each submission",
            "a filter on system calls" if self.filtered else "",
            f"{limits.memory // MIB} MB",
            f"{limits.cpu} s of processor time",
            *(f"the references can be read in {place}" for place in self.readable),
        ]
        return ", ".join(filter(None, standing))
