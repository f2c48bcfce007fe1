"""Answers that resemble each other: pairs for a human to look at. Likeness proves nothing.

Each answer is brought into its normal form (`normalise`). Every run of `GRAM` words within a statement is hashed, and
winnowing (Schleimer, Wilkerson, Aiken: *Winnowing: local algorithms for document fingerprinting*, SIGMOD 2003) keeps
the least hash of each window of `WINDOW` as a fingerprint. An inverted index from fingerprint to answers finds the
pairs that share many, without comparing all with all; only these are compared in full.

What everybody has does not count: the text that was given out, what the course's own answers hold as well, and runs
of words that many different answers hold. So an answer of a few lines, of which there is one natural form, has
nothing left to be listed for.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import chain

from .normalise import Normal, normalise

__all__ = ["COURSE", "Answer", "Likeness", "Pair", "fingerprints", "likeness"]

GRAM, WINDOW = 6, 4
# What two answers must have in common to be listed: a share of the shorter one, and so many words.
AT_LEAST, LEAST_WORDS = 0.7, 40
# Who follows the steps of the stub comes near the course's own answer: more is wanted there.
AT_LEAST_OF_COURSE, LEAST_WORDS_OF_COURSE = 0.9, 60
# A run of words in more answers than this share of the class, and than this many, is common ground.
COMMON_SHARE, COMMON_COUNT = 0.05, 5
# Of the fingerprints of the shorter one; winnowing loses some at every change.
WORTH_COMPARING = 0.5
COURSE = "the course's own answer"


@dataclass(frozen=True)
class Answer:
    """One form of an answer: all who handed it in, with their texts. `course` marks the course's own."""

    people: tuple[str, ...]
    normals: tuple[Normal, ...]
    course: bool = False

    @property
    def normal(self) -> Normal:
        return self.normals[0]


@dataclass(frozen=True)
class Pair:
    """Two answers that resemble each other.

    Attributes
    ----------
    share : float
        The part of one's own words that the other holds, too; the larger of the two parts.
    words : int
        How many words are alike.
    names : tuple of int
        How many of the names that they chose are the same in both, and how many there are.
    lines : pair of sets of int
        The lines that are alike, counted from 1, of the one and of the other.
    """

    one: Answer
    other: Answer
    share: float
    words: int
    names: tuple[int, int]
    lines: tuple[frozenset[int], frozenset[int]]

    @property
    def with_course(self) -> bool:
        return self.one.course or self.other.course


@dataclass
class Likeness:
    """What was found in one exercise.

    Attributes
    ----------
    pairs : list of Pair
        Answers that are alike, most alike first.
    groups : list of Answer
        Answers of several people with the same normal form.
    common : list of Answer
        The same, of so many people that it is a natural form and tells nothing.
    answers, unread, compared : int
        How many answers there were, how many were no Python, how many pairs were compared in full.
    """

    exercise: str
    pairs: list[Pair] = field(default_factory=list)
    groups: list[Answer] = field(default_factory=list)
    common: list[Answer] = field(default_factory=list)
    answers: int = 0
    unread: int = 0
    compared: int = 0


def likeness(
    exercise: str,
    answers: Mapping[str, str],
    given: Iterable[str] = (),
    course: Iterable[str] = (),
    at_least: float = AT_LEAST,
) -> Likeness:
    """Compare the answers to one exercise.

    Parameters
    ----------
    exercise : str
        Its name.
    answers : mapping
        The text of each student's answer.
    given : iterable of str
        Code that everybody was given: stubs, other cells.
    course : iterable of str
        The course's own answers: reference, solution.
    at_least : float
        The share in common from which a pair is listed, above 0 and at most 1.
    """
    if not 0 < at_least <= 1:
        raise ValueError(f"at_least must be above 0 and at most 1; got {at_least}")
    forms, unread = _forms(answers)
    own = [Answer((COURSE,), (normal,), True) for text in course if (normal := normalise(text))]
    shared = {gram for text in given if (normal := normalise(text)) for gram, _, _ in _grams(normal)}
    limit = max(COMMON_COUNT, COMMON_SHARE * len(answers))
    documents = [_Document(answer, shared) for answer in [*own, *forms]]
    reference = {gram for document in documents if document.answer.course for gram in document.own}

    found = Likeness(exercise, answers=len(answers), unread=unread)
    found.common = [d.answer for d in documents if len(d.answer.people) > limit and _is_long(d, reference)]
    _take_out_common_ground(documents, limit)
    found.groups = [d.answer for d in documents if len(d.answer.people) > 1 and _is_long(d, reference)]
    for one, other in _candidates(documents):
        found.compared += 1
        if pair := _compared(one, other, reference, at_least):
            found.pairs.append(pair)
    found.pairs.sort(key=lambda pair: (-pair.share, -pair.words, pair.one.people, pair.other.people))
    for groups in (found.groups, found.common):
        groups.sort(key=lambda answer: (-len(answer.people), answer.people))
    return found


def _forms(answers: Mapping[str, str]) -> tuple[list[Answer], int]:
    """One answer for each normal form, and how many texts have none."""
    forms: dict[tuple, list[tuple[str, Normal]]] = defaultdict(list)
    unread = 0
    for student, text in sorted(answers.items()):
        normal = normalise(text)
        if normal is None:
            unread += 1
        elif normal.statements:
            forms[normal.key].append((student, normal))
    return [Answer(*map(tuple, zip(*people, strict=True))) for people in forms.values()], unread


class _Document:
    """An answer with its runs of words; `own` are those that are neither given nor common ground."""

    def __init__(self, answer: Answer, given: set[int]):
        self.answer = answer
        self.places: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for gram, statement, word in _grams(answer.normal):
            self.places[gram].append((statement, word))
        self.own = set(self.places) - given

    def covered(self, grams: set[int]) -> set[tuple[int, int]]:
        """The words that these runs hold, as (statement, place in it)."""
        statements = self.answer.normal.statements
        return {
            (statement, place)
            for gram in grams
            for statement, word in self.places[gram]
            for place in range(word, min(word + GRAM, len(statements[statement].words)))
        }

    def count(self, grams: set[int]) -> int:
        return len(self.covered(grams))

    def lines(self, grams: set[int]) -> frozenset[int]:
        statements = self.answer.normal.statements
        return frozenset(statements[statement].lines[place] for statement, place in self.covered(grams))


def _is_long(document: _Document, reference: set[int]) -> bool:
    """Is there enough in it, beyond what the course's own answer holds, to be no accident?"""
    return document.count(document.own - reference) >= LEAST_WORDS


def _take_out_common_ground(documents: Sequence[_Document], limit: float) -> None:
    """Leave out what many forms hold, and what a form holds that many people chose: it is a natural one."""
    held = Counter(chain.from_iterable(document.own for document in documents))
    common = {gram for gram, count in held.items() if count > limit}
    for document in documents:
        if len(document.answer.people) > limit:
            common |= document.own
    for document in documents:
        document.own -= common


def _candidates(documents: Sequence[_Document]) -> Iterator[tuple[_Document, _Document]]:
    """Pairs that share so many fingerprints that they are worth comparing, by an inverted index."""
    index: dict[int, list[int]] = defaultdict(list)
    sizes: list[int] = []
    for number, document in enumerate(documents):
        prints = fingerprints(document.answer.normal) & document.own
        shared = Counter(chain.from_iterable(index[print_] for print_ in prints))
        for other, count in shared.items():
            if count >= WORTH_COMPARING * min(len(prints), sizes[other]):
                yield documents[other], document
        for print_ in prints:
            index[print_].append(number)
        sizes.append(len(prints))


def _compared(one: _Document, other: _Document, reference: set[int], at_least: float) -> Pair | None:
    courses = one.answer.course + other.answer.course
    if courses == 2:
        return None
    # What two people share with the course's own answer is told in their pairs with it.
    explained: set[int] = set() if courses else reference
    both = (one.own & other.own) - explained
    words = min(one.count(both), other.count(both))
    if words < (LEAST_WORDS_OF_COURSE if courses else LEAST_WORDS):
        return None
    share = max(document.count(both) / document.count(document.own - explained) for document in (one, other))
    if share < (max(at_least, AT_LEAST_OF_COURSE) if courses else at_least):
        return None
    mine, theirs = one.answer.normal.names, other.answer.normal.names
    names = (len(mine & theirs), len(mine | theirs))
    return Pair(one.answer, other.answer, share, words, names, (one.lines(both), other.lines(both)))


# Fingerprints


def _grams(normal: Normal) -> Iterator[tuple[int, int, int]]:
    """Each run of `GRAM` words of a statement, or the whole of a shorter one: hash, statement, first word."""
    for number, statement in enumerate(normal.statements):
        words = statement.words
        for start in range(max(1, len(words) - GRAM + 1)):
            yield _hash(words[start : start + GRAM]), number, start


def _hash(words: Sequence[str]) -> int:
    return int.from_bytes(blake2b("\x1f".join(words).encode(), digest_size=8).digest(), "big")


def fingerprints(normal: Normal) -> set[int]:
    """The winnowed hashes of a text: the least of every window of `WINDOW` neighbours within a statement."""
    rows: dict[int, list[int]] = defaultdict(list)
    for gram, statement, _ in _grams(normal):
        rows[statement].append(gram)
    return {
        min(row[start : start + WINDOW])
        for row in rows.values()
        for start in range(max(1, len(row) - WINDOW + 1))
    }
