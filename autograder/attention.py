"""Who needs a human, and why: the flags of a class, those of one kind together, the pressing ones first."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from .record import Result

__all__ = ["Reason", "for_a_human", "for_the_learner", "is_essay"]

# A kind of flag: what it is called, what to do, and the words by which its flags are known.
KINDS = (
    ("Not graded", "An error of ours or of the course's; grade these again when it is mended.",
     r"^NOT GRADED|the check itself failed|could not be (graded|written)|not graded anew"),
    ("Cannot be read", "Ask for another file.", r"The file |No notebook|^this is not a notebook"),
    ("Forbidden calls", "The answer counts nothing; see whether you agree.", r"uses what the exercise forbids"),
    ("Around the check", "What earns points and may not is counted as forbidden; talk to the person.",
     r"steps around the check|wrote into the channel"),
    ("Stopped or left out", "A cell crashed, hung or was too long.",
     r"was left out|left out$|used up|not tried|it crashed|was ended by|ended the process|more memory"),
    ("Time of handing in", "Nothing was taken off; see what the time should be.", r"^timestamp\.txt"),
    ("Changed notebooks", "Graded with our cells; a look tells whether the right text was taken.",
     r"\bcells?\b|metadata"),
    ("Files and outputs", "Seldom more than a name.", r"file is called|notebooks were handed in|is a link|outputs of"),
)  # fmt: skip
OTHER = ("Other remarks", "", "")
# What helps the learner, too: how the notebook came in and ran. The rest is told by verdicts or concerns teachers.
TOLD_TO_LEARNERS = ("Stopped or left out", "Changed notebooks", "Files and outputs")


@dataclass
class Reason:
    """One kind of flag and all who have it, each with the flags."""

    title: str
    advice: str
    students: dict[str, list[str]] = field(default_factory=dict)


def for_a_human(results: Sequence[Result]) -> list[Reason]:
    """The flags of a class by kind, the pressing kinds first; essays are told elsewhere."""
    reasons = {title: Reason(title, advice) for title, advice, _ in (*KINDS, OTHER)}
    for result in results:
        for flag in result.remarks:
            if not is_essay(flag):
                reasons[_kind(flag, result)].students.setdefault(result.student, []).append(flag)
    return [reason for reason in reasons.values() if reason.students]


def for_the_learner(result: Result) -> list[str]:
    """The flags that tell a learner how the notebook came in and ran, and nothing of what went wrong on our side."""
    return [flag for flag in result.flags if not is_essay(flag) and _kind(flag, result) in TOLD_TO_LEARNERS]


def is_essay(flag: str) -> bool:
    """Does the flag only say that an essay waits for its reader?"""
    return flag.startswith("essay to grade")


def _kind(flag: str, result: Result) -> str:
    if flag == result.problem:
        return KINDS[1][0]
    return next((title for title, _, words in KINDS if re.search(words, flag)), OTHER[0])
