"""A submission's cells, recognised as the cells of the release whatever an editor did to them.

Editors drop metadata and ids, copies double them, learners delete and move cells. Each cell of the release is
looked for by the surest mark that is left: nbgrader's grade_id, the cell's id, its text, the name that it must
define, and at last its likeness to what stands between two neighbours already recognised. Test cells are ours,
whatever came back. What was guessed, put back or replaced is said in a flag.
"""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from .release import SHOWN, Release, Slot
from .submission import Cell

__all__ = ["Placed", "Restored", "restore"]

LIKENESS = 0.5
NEEDED = ("setup", "given", "solution", "test", "essay")


@dataclass
class Placed:
    """One cell of the restored notebook and the slot of the release that it fills, if it fills one."""

    source: str
    kind: str
    slot: Slot | None = None
    submitted: Cell | None = None  # None: put back from the release
    copy: bool = False  # an earlier one of several cells for the same slot

    @property
    def is_judged_here(self) -> bool:
        return self.slot is not None and self.slot.role == "test" and not self.copy

    @property
    def is_as_given(self) -> bool:
        """The release's own text stands in it."""
        return self.slot is not None and _bare(self.source) == _bare(self.slot.source)

    @property
    def runs(self) -> bool:
        """A graded run executes the learner's code, not our tests, and not our pictures."""
        if self.kind != "code" or (self.slot is not None and self.slot.role == "test"):
            return False
        if self.slot is None or self.slot.role not in SHOWN:
            return True
        # A learner may have put a definition into a picture's cell; an experiment trains, and grading never does.
        return self.slot.role != "experiment" and bool(defined(self.source) - defined(self.slot.source))


@dataclass
class Restored:
    """The notebook to grade, in the learner's order, and what a human should know about how it was made."""

    cells: list[Placed]
    flags: list[str] = field(default_factory=list)

    def answer_source(self, exercise: str) -> str | None:
        """The learner's text for `exercise`: the last cell above its test that defines it, else its own cell."""
        found = None
        for placed in self.cells:
            if placed.is_judged_here and placed.slot.exercise == exercise:
                break
            own = (
                placed.slot is not None
                and placed.slot.role == "solution"
                and placed.slot.exercise == exercise
            )
            if placed.kind == "code" and (exercise in defined(placed.source) or (own and found is None)):
                found = placed.source
        return found


def restore(cells: list[Cell], release: Release) -> Restored:
    """Return the notebook to grade, made of a submission's `cells` and what the release has to add."""
    matches = _Matches(cells, release)
    for look in (_by_grade_id, _by_id, _by_text, _by_definition, _by_neighbours):
        look(matches)
    flags = matches.flags()
    placed = _keep_copies_apart(matches, flags)
    _use_our_text(placed, flags)
    _put_back(placed, release, flags)
    _tests_after_answers(placed, flags)
    _tell_of_second_definitions(placed, release, flags)
    return Restored(placed, flags)


# Looking for the release's cells


class _Matches:
    """Which slot each submitted cell fills; several cells may fill one slot, the last one counts."""

    def __init__(self, cells: list[Cell], release: Release):
        self.cells, self.release = cells, release
        self.slot_of: dict[int, Slot] = {}
        self.how: Counter[str] = Counter()
        self.guesses: dict[str, list[str]] = {}

    def add(self, position: int, slot: Slot, how: str) -> None:
        self.slot_of[position] = slot
        if slot.role != "prose":
            self.how[how] += 1

    def guess(self, position: int, slot: Slot, why: str) -> None:
        self.add(position, slot, why)
        self.guesses.setdefault(why, []).append(f"{slot.words} (cell {position + 1})")

    def open_cells(self) -> list[int]:
        return [position for position in range(len(self.cells)) if position not in self.slot_of]

    def open_slots(self) -> list[Slot]:
        filled = {slot.index for slot in self.slot_of.values()}
        return [slot for slot in self.release.slots if slot.index not in filled]

    def flags(self) -> list[str]:
        """One line for the whole notebook when marks were missing, one for each kind of guess."""
        ways = [(way, count) for way, count in self.how.items() if way not in ("grade_id", "id")]
        if not ways:
            return []
        listed = ", ".join(f"{count} by {way}" for way, count in ways)
        guesses = [f"guessed by {why}: {', '.join(cells)}" for why, cells in self.guesses.items()]
        return [f"cells had lost their metadata and were recognised otherwise: {listed}", *guesses]


def _by_grade_id(matches: _Matches) -> None:
    for position, cell in enumerate(matches.cells):
        slot = matches.release.by_grade_id.get(cell.grade_id or "")
        if slot is not None:
            matches.add(position, slot, "grade_id")


def _by_id(matches: _Matches) -> None:
    filled = {slot.index for slot in matches.slot_of.values()}
    for position in matches.open_cells():
        slot = matches.release.by_id.get(matches.cells[position].id or "")
        if slot is not None and slot.index not in filled and slot.kind == matches.cells[position].kind:
            matches.add(position, slot, "id")


def _by_text(matches: _Matches) -> None:
    waiting: dict[str, list[Slot]] = {}
    for slot in matches.open_slots():
        waiting.setdefault(_bare(slot.source), []).append(slot)
    for position in matches.open_cells():
        same = waiting.get(_bare(matches.cells[position].source))
        if same and _bare(matches.cells[position].source):
            matches.add(position, same.pop(0), "text")


def _by_definition(matches: _Matches) -> None:
    for slot in matches.open_slots():
        if slot.role != "solution":
            continue
        for position in matches.open_cells():
            cell = matches.cells[position]
            if cell.kind == "code" and slot.exercise in defined(cell.source):
                matches.guess(position, slot, "the name defined")


def _by_neighbours(matches: _Matches) -> None:
    """Fill a slot with the cell most like it among those between the slot's recognised neighbours."""
    for slot in matches.open_slots():
        if slot.role not in NEEDED or (slot.role == "solution" and _is_defined(matches, slot.exercise)):
            continue
        between = [p for p in _gap(matches, slot) if matches.cells[p].kind == slot.kind]
        scored = [(_likeness(matches.cells[p].source, slot.source), p) for p in between]
        likeness, position = max(scored, default=(0.0, -1))
        # An answered essay may share no word with its question, but nothing else stands in its place.
        alone = slot.role == "essay" and len(between) == 1
        if likeness >= LIKENESS or alone:
            matches.guess(position, slot, "place and likeness")


def _gap(matches: _Matches, slot: Slot) -> Iterable[int]:
    before = [p for p, other in matches.slot_of.items() if other.index < slot.index]
    after = [p for p, other in matches.slot_of.items() if other.index > slot.index]
    start = max(before, default=-1)
    end = min((p for p in after if p > start), default=len(matches.cells))
    return [p for p in range(start + 1, end) if p not in matches.slot_of]


def _is_defined(matches: _Matches, name: str) -> bool:
    return any(cell.kind == "code" and name in defined(cell.source) for cell in matches.cells)


def _likeness(a: str, b: str) -> float:
    return difflib.SequenceMatcher(None, _bare(a)[:4000], _bare(b)[:4000]).ratio()


def _bare(source: str) -> str:
    return "\n".join(line.rstrip() for line in source.strip().split("\n"))


_DEFINITION = re.compile(r"^(?:async\s+def|def|class)\s+(\w+)|^(\w+)\s*(?::[^=\n]+)?=(?!=)", re.MULTILINE)


def defined(source: str) -> set[str]:
    """Names that a cell's text binds at its top level, also when the text is no valid Python.

    >>> sorted(defined("def paint(x):\\n    y = x\\n\\nfast = paint"))
    ['fast', 'paint']
    """
    return {first or second for first, second in _DEFINITION.findall(source)}


# Making the notebook


def _keep_copies_apart(matches: _Matches, flags: list[str]) -> list[Placed]:
    """Place the submission's cells in their order; of several for one slot the last one fills it."""
    winner: dict[int, int] = {}
    for position, slot in sorted(matches.slot_of.items()):
        best = winner.get(slot.index)
        untouched = _bare(matches.cells[position].source) == _bare(slot.source)
        # An answered essay is not given up for an empty copy below it; code follows the kernel: the last one wins.
        if best is None or not (slot.role == "essay" and untouched):
            winner[slot.index] = position
    placed = []
    for position, cell in enumerate(matches.cells):
        slot = matches.slot_of.get(position)
        copy = slot is not None and winner[slot.index] != position
        placed.append(Placed(cell.source, cell.kind, slot, cell, copy))
    counts = Counter(slot.index for slot in matches.slot_of.values() if slot.role != "prose")
    for slot in matches.release.slots:
        if counts[slot.index] > 1:
            flags.append(f"{slot.words} occurs {counts[slot.index]} times; the last one counts")
    return placed


def _use_our_text(placed: list[Placed], flags: list[str]) -> None:
    """Put the release's text into cells that learners may not change, and cells of the wrong type right."""
    for cell in placed:
        if cell.slot is None or cell.copy:
            continue
        if cell.kind != cell.slot.kind:
            flags.append(f"{cell.slot.words} had been made a {cell.kind} cell; taken as {cell.slot.kind}")
            cell.kind = cell.slot.kind
        edited = _bare(cell.source) != _bare(cell.slot.source)
        if cell.slot.role == "test" and edited:
            flags.append(f"{cell.slot.words} had been edited: graded with ours")
        elif cell.slot.locked and edited:
            flags.append(f"{cell.slot.words} had been edited: ours was used")
        if cell.slot.role == "test" or cell.slot.locked:
            cell.source = cell.slot.source
    # A copy of a test cell would run nothing and say nothing.
    placed[:] = [cell for cell in placed if not (cell.copy and cell.slot.role == "test")]


def _put_back(placed: list[Placed], release: Release, flags: list[str]) -> None:
    """Put cells that grading needs back to where the release has them: after the nearest cell above that is there."""
    everything = set().union(*(defined(cell.source) for cell in placed if cell.kind == "code"))
    for slot in release.slots:
        if slot.role not in NEEDED or any(cell.slot is slot and not cell.copy for cell in placed):
            continue
        if slot.role == "solution" and slot.exercise in everything:
            continue
        flags.append(f"{slot.words} was missing: put back")
        above = [i for i, cell in enumerate(placed) if cell.slot is not None and cell.slot.index < slot.index]
        below = [i for i, cell in enumerate(placed) if cell.slot is not None and cell.slot.index > slot.index]
        nearest = max(above, key=lambda i: placed[i].slot.index, default=None)
        place = min(below, default=len(placed)) if nearest is None else nearest + 1
        placed.insert(place, Placed(slot.source, slot.kind, slot))


def _tests_after_answers(placed: list[Placed], flags: list[str]) -> None:
    """Move a test below its answer where all definitions of the answer stand below the test."""
    for test in [cell for cell in placed if cell.is_judged_here]:
        name = test.slot.exercise
        here = placed.index(test)
        answers = [
            i
            for i, cell in enumerate(placed)
            if cell.kind == "code" and cell.runs and name in defined(cell.source)
        ]
        if answers and min(answers) > here:
            placed.insert(max(answers) + 1, test)
            del placed[here]
            flags.append(f"{test.slot.words} stood above its answer: judged below it")


def _tell_of_second_definitions(placed: list[Placed], release: Release, flags: list[str]) -> None:
    for name in release.tests:
        where = [cell for cell in placed if cell.runs and name in defined(cell.source)]
        strangers = [cell for cell in where if cell.slot is None or cell.slot.exercise != name]
        if strangers and len(where) > 1:
            flags.append(f"{name} is defined in {len(where)} cells; the last one above its test counts")
