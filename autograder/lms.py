"""How learning platforms name what they hand over: whose a file is, and what it was called.

Canvas (Download Submissions), a flat zip::

    lovelaceada_12345_67890_02_upsampling.ipynb          person, their number, the file's number, the file
    lovelaceada_LATE_12345_67890_02_upsampling-1.ipynb   late; handed in again under the same name
    anon_ab12c_67890_02_upsampling.ipynb                 graded anonymously
    lovelaceada_12345_text.html                          text in a box, or an address: no file

Moodle (Download all submissions), folders or, by a setting, files; the number is the participant's in this assignment::

    Ada Lovelace_12345_assignsubmission_file/02_upsampling.ipynb     older versions: ..._file_/
    Ada Lovelace_12345_assignsubmission_file_02_upsampling.ipynb
    Ada Lovelace_12345_assignsubmission_onlinetext/onlinetext.html

Gradescope (Export Submissions): `submission_67890/02_upsampling.ipynb`, and beside the folders
`submission_metadata.yml`, see `gradescope`.

Neither Canvas nor Moodle says when a file was handed in: the dates in their zips are those of the download.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath

from .clock import UTC

__all__ = ["Claim", "canvas", "moodle", "original_name", "stamp"]

_CANVAS = re.compile(r"(?P<name>.+?)(?P<late>_LATE)?_(?P<id>\d+)_(?P<number>\d+)_(?P<file>.+)", re.DOTALL)
_CANVAS_ANONYMOUS = re.compile(
    r"(?P<late>LATE_)?anon_(?P<id>[^\W_]+)_(?P<number>\d+)_(?P<file>.+)", re.DOTALL
)
_CANVAS_TEXT = re.compile(
    r"(?P<name>.+?)(?P<late>_LATE)?_(?P<id>\d+)_(?P<file>(text|link)(-\d+)?\.html)", re.DOTALL
)
_MOODLE = re.compile(
    r"(?P<name>.+?)(_(?P<id>\d+))?_assignsubmission_(?P<kind>file|onlinetext)(_(?P<file>.*))?", re.DOTALL
)


@dataclass(frozen=True)
class Claim:
    """What a path says: whose file this is and how it was handed in.

    `id` is the person's number there, `name` the name as it is written there, `file` what the person called it. `late`
    is what the platform says; None: nothing. `stamp` is the time of handing in as nbgrader writes it. `number` grows
    with each upload. `why_not` says why nobody can be named.
    """

    platform: str
    file: str
    id: str = ""
    name: str = ""
    email: str = ""
    late: bool | None = None
    stamp: str = ""
    number: int = 0
    why_not: str = ""

    @property
    def who(self) -> str:
        """The person in words, for a message."""
        named = " ".join(
            filter(None, [self.name, self.email and f"<{self.email}>", self.id and f"({self.id})"])
        )
        return f"{self.platform}: {named}"


def canvas(file: str) -> Claim | None:
    """What a file name in a zip of Canvas says; None where it is no such name.

    >>> claim = canvas("lovelaceada_LATE_12345_67890_my_work-1.ipynb")
    >>> claim.name, claim.id, claim.number, claim.late, claim.file
    ('lovelaceada', '12345', 67890, True, 'my_work-1.ipynb')
    """
    if found := _CANVAS_ANONYMOUS.fullmatch(file):
        return Claim(
            "Canvas",
            found["file"],
            found["id"],
            late=bool(found["late"]),
            number=int(found["number"]),
            why_not=f"it was handed in anonymously, as {found['id']}",
        )
    if found := _CANVAS_TEXT.fullmatch(file):
        return Claim("Canvas", found["file"], found["id"], found["name"], late=bool(found["late"]))
    if found := _CANVAS.fullmatch(file):
        given = {"late": bool(found["late"]), "number": int(found["number"])}
        return Claim("Canvas", found["file"], found["id"], found["name"], **given)
    return None


def moodle(path: PurePosixPath) -> Claim | None:
    """What a path in a zip of Moodle says; None where it is no such path.

    >>> claim = moodle(PurePosixPath("Ada Lovelace_12345_assignsubmission_file/part/work.ipynb"))
    >>> claim.name, claim.id, claim.file
    ('Ada Lovelace', '12345', 'work.ipynb')
    """
    for part in path.parts:
        if found := _MOODLE.fullmatch(part):
            file = path.name if part != path.name else found["file"] or part
            why_not = "" if found["id"] else "it was handed in by a group without a number"
            return Claim("Moodle", file, found["id"] or "", found["name"], why_not=why_not)
    return None


def stamp(moment: datetime) -> str:
    """A point in time as nbgrader writes it into `timestamp.txt`.

    >>> stamp(datetime(2026, 10, 1, 23, 59, tzinfo=UTC))
    '2026-10-01 23:59:00.000000 UTC'
    """
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f} UTC"


def original_name(file: str) -> str:
    """The name without what platforms, browsers and Colab add to copies.

    >>> [original_name(f"{name}.ipynb") for name in ("hw-1", "hw (3)", "Copy of hw", "hw-Copy1", "hw")]
    ['hw.ipynb', 'hw.ipynb', 'hw.ipynb', 'hw.ipynb', 'hw.ipynb']
    """
    stem, dot, suffix = file.rpartition(".")
    stem = re.sub(r"^(Copy of )+", "", stem)
    stem = re.sub(r"(-Copy\d+|-\d+| ?\(\d+\))+$", "", stem)
    return f"{stem}{dot}{suffix.lower()}"
