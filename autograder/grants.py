"""What an answer gets of the course's own programs while it is asked, and in which order exercises are asked.

Where answers are graded the package holds names only (see `graded_package`). What an exercise allows its answer to
call, and what asking takes (probes, makers of arguments), is sent as source text to the process that answers it, with
its first question. Some of that is the answer to another exercise: by then that one has been judged.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import dlcv

from .course import CourseError
from .excerpts import Text, bound
from .package import chapters_of

__all__ = ["Grants", "programs_asked_for"]

Name = tuple[str, str]  # a module, and what it defines


@dataclass(frozen=True)
class Grants:
    """Source texts as ``(module, source)`` by exercise, and the order of asking."""

    sources: Mapping[str, list[Name]]
    order: tuple[str, ...]

    @classmethod
    def of(cls, judges: Mapping, package: Path | None = None) -> Grants:
        """Return them for judges by exercise.

        Raises
        ------
        CourseError
            Exercises allow each other's answers, or one its own.
        """
        package = package or Path(dlcv.__file__).resolve().parent
        texts: dict[str, Text] = {}
        excerpts = {name: _Excerpts(package, judge, texts) for name, judge in judges.items()}
        answers = {name: _answer(judge.exercise) for name, judge in judges.items()}
        before = {
            name: {other for other, answer in answers.items() if answer in excerpt.defined}
            for name, excerpt in excerpts.items()
        }
        sources = {name: excerpt.sources for name, excerpt in excerpts.items()}
        return cls(sources, tuple(_in_order(before)))


def _answer(exercise) -> Name:
    return exercise.reference.__module__, exercise.reference.__qualname__


def _in_order(before: Mapping[str, set[str]]) -> Iterator[str]:
    """Exercises in their own order, but those whose answers others get first."""
    waiting = list(before)
    while waiting:
        ready = next((name for name in waiting if not before[name] & set(waiting)), None)
        if ready is None:
            raise CourseError(
                f"of the exercises {', '.join(waiting)}, each allows an answer to another one of them, or its own; "
                "then no order of judging keeps answers apart: change what one of them allows"
            )
        waiting.remove(ready)
        yield ready


class _Excerpts:
    """The parts of chapters' modules that one exercise's answering process needs."""

    def __init__(self, package: Path, judge, texts: dict[str, Text]):
        self.package, self.chapters, self.texts = package, set(chapters_of(package)), texts
        self.names: dict[str, set[str]] = {}
        for module, name in [*self._allowed(judge.exercise), *sorted(programs_asked_for(judge.requests))]:
            self._need(module, name)

    def _allowed(self, exercise) -> Iterator[Name]:
        for full in sorted(exercise.watch.allowed):
            module, _, name = full.rpartition(".")
            yield module, name

    def _need(self, module: str, name: str) -> None:
        if not self._is_of_a_chapter(module):
            return
        module, name = self._text(module).home(name)
        if not self._is_of_a_chapter(module) or name in self.names.get(module, ()):
            return
        self.names.setdefault(module, set()).add(name)
        for needed in self._imported(self._text(module), self._text(module).needed([name])):
            self._need(*needed)

    def _is_of_a_chapter(self, module: str) -> bool:
        parts = module.split(".")
        return len(parts) > 1 and parts[0] == self.package.name and parts[1] in self.chapters

    def _text(self, module: str) -> Text:
        return self.texts.get(module) or Text(self.package, module, self.texts)

    def _imported(self, text: Text, statements: Iterable[ast.stmt]) -> Iterator[Name]:
        """What statements of a module use of other modules of ours."""
        statements = list(statements)
        for statement in statements:
            if isinstance(statement, ast.ImportFrom) and text.source(statement).startswith(self.package.name):
                for alias in statement.names:
                    own = alias.asname or alias.name
                    module, name = text.home(own)
                    if name:
                        yield module, name
                    else:
                        yield from ((module, attribute) for attribute in _attributes(statements, own))

    @property
    def defined(self) -> set[Name]:
        """All that these excerpts define."""
        return {
            (module, name)
            for module, names in self.names.items()
            for statement in self._text(module).needed(names)
            for name in bound(statement)
        }

    @property
    def sources(self) -> list[Name]:
        """What is used first comes first."""
        return [
            (module, "\n".join(map(ast.unparse, self._text(module).needed(names))))
            for module, names in reversed(self.names.items())
        ]


def _attributes(statements: Iterable[ast.stmt], name: str) -> set[str]:
    return {
        node.attr
        for statement in statements
        for node in ast.walk(statement)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == name
    }


def programs_asked_for(requests: Iterable) -> set[tuple[str, str]]:
    """The programs of ours, as (module, name), that replying to requests takes: probes, and makers of arguments."""
    found: set[tuple[str, str]] = set()

    def look(value: object) -> None:
        if isinstance(value, dict):
            if set(value) == {"made by", "args", "kwargs"}:
                found.add(tuple(value["made by"].split(":")))
            for item in value.values():
                look(item)
        elif isinstance(value, (list, tuple)):
            for item in value:
                look(item)

    for request in requests:
        found.add(tuple(request.probe.split(":")))
        look((request.args, request.kwargs))
    return found
