"""A filter on system calls: no sockets, no namespaces, no mounts, nothing done to others, no memory hidden.

The kernel runs this program of its own little language before each system call of the process and its children;
it cannot be taken away again. Ordinary work, torch's included, uses none of the calls that it refuses.
"""

from __future__ import annotations

import ctypes
import errno
import platform

__all__ = ["install", "program", "refuse_calls"]

# Number of each call on x86-64 and on ARM64; None where a processor has no such call.
_CALLS = {
    # other processes
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "pidfd_getfd": (438, 438),
    # namespaces and mounts
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsmount": (432, 432),
    "mount_setattr": (442, 442),
    "open_by_handle_at": (304, 265),
    # the network, and services of this machine that listen on sockets
    "socket": (41, 198),
    "connect": (42, 203),
    "bind": (49, 200),
    # memory that belongs to no process, or to one that does not show it
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "shmget": (29, 194),
    "msgget": (68, 186),
    "semget": (64, 190),
    "mq_open": (240, 180),
    # ways around what else looks at a process
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "truncate": (76, 45),  # older versions of Landlock do not know it
}
# Rights, owners and times of files by their names, which Landlock does not guard.
_OF_OTHERS_FILES = {
    "chmod": (90, None),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "chown": (92, None),
    "lchown": (94, None),
    "fchownat": (260, 54),
    "utime": (132, None),
    "utimes": (235, None),
    "futimesat": (261, None),
    "utimensat": (280, 88),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "removexattr": (197, 14),
    "lremovexattr": (198, 15),
    "setxattrat": (463, 463),
    "removexattrat": (466, 466),
}
_CLONE, _CLONE3, _MMAP, _PRLIMIT = (56, 220), (435, 435), (9, 222), (302, 261)
_SOCKETPAIR = (53, 199)
_ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
# CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET
_NEW_NAMESPACES = 0x00020000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x10000000 | 0x20000000 | 0x40000000
_SHARED_AND_NAMELESS = 0x01 | 0x20  # MAP_SHARED, MAP_ANONYMOUS
_KIND, _STREAM, _SEQPACKET = 0xF, 1, 5  # of sockets
_X32 = 0x40000000  # a second set of numbers for the same calls, on x86-64

_LOAD, _AND, _JUMP_EQUAL, _JUMP_AT_LEAST, _JUMP_ANY_BIT, _RETURN = 0x20, 0x54, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCHITECTURE = 0, 4  # places in what the kernel shows the filter
_ARGUMENTS = [16 + 8 * place for place in range(6)]  # their lower halves
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _FILTER_MODE = 38, 22, 2


class _Instruction(ctypes.Structure):
    _fields_ = (
        ("code", ctypes.c_ushort),
        ("yes", ctypes.c_ubyte),
        ("no", ctypes.c_ubyte),
        ("k", ctypes.c_uint),
    )


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.POINTER(_Instruction)))


def refuse_calls(*, names_of_files: bool = False) -> bool:
    """Put the filter on this process and all it will start; False where this processor or kernel has none.

    `names_of_files`: refuse, too, what changes rights and owners of files. For where they are not read-only.
    """
    calls = {**_CALLS, **(_OF_OTHERS_FILES if names_of_files else {})}
    return install(program(platform.machine(), calls))


def install(steps: list[tuple[int, int, int, int]]) -> bool:
    """Have the kernel run a program before each system call; False where there is none, or it cannot."""
    if not steps:
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    instructions = (_Instruction * len(steps))(*steps)
    filter_ = _Program(len(steps), instructions)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    return libc.prctl(_PR_SET_SECCOMP, _FILTER_MODE, ctypes.byref(filter_), 0, 0) == 0


def program(machine: str, calls: dict[str, tuple[int | None, ...]]) -> list[tuple[int, int, int, int]]:
    """The filter as instructions (code, steps to skip if true, if false, value); empty for an unknown processor."""
    if machine not in _ARCHITECTURES:
        return []
    column, architecture = _ARCHITECTURES[machine]
    refuse, allow = (_RETURN, 0, 0, _REFUSE | errno.EPERM), (_RETURN, 0, 0, _ALLOW)
    steps = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_JUMP_EQUAL, 1, 0, architecture),
        refuse,  # calls by another processor's numbers
        (_LOAD, 0, 0, _NUMBER),
        (_JUMP_AT_LEAST, 0, 1, _X32),
        refuse,
    ]
    for numbers in calls.values():
        if numbers[column] is not None:
            steps += [(_JUMP_EQUAL, 0, 1, numbers[column]), refuse]
    # libc goes back to clone, whose flags a filter can read, where clone3 does not exist.
    steps += [(_JUMP_EQUAL, 0, 1, _CLONE3[column]), (_RETURN, 0, 0, _REFUSE | errno.ENOSYS)]
    by_argument = (
        (_CLONE, 0, [(_JUMP_ANY_BIT, 0, 1, _NEW_NAMESPACES)]),
        # Only its own limits: those of the grader, of the same user, could be lowered until it dies.
        (_PRLIMIT, 0, [(_JUMP_EQUAL, 1, 0, 0)]),
        # Shared by fork and then let go, such memory is counted nowhere.
        (_MMAP, 3, [(_AND, 0, 0, _SHARED_AND_NAMELESS), (_JUMP_EQUAL, 0, 1, _SHARED_AND_NAMELESS)]),
        # The third kind, datagrams, may be sent to others than the other end.
        (_SOCKETPAIR, 1, [(_AND, 0, 0, _KIND), (_JUMP_EQUAL, 2, 0, _STREAM), (_JUMP_EQUAL, 1, 0, _SEQPACKET)]),
    )  # fmt: skip
    for numbers, place, test in by_argument:
        # The test jumps over `refuse` where the call may pass.
        block = [(_LOAD, 0, 0, _ARGUMENTS[place]), *test, refuse, allow]
        steps += [(_JUMP_EQUAL, 0, len(block), numbers[column]), *block]
    return [*steps, allow]
