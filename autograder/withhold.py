"""A copy of the package `dlcv` for learners in which chapters that are not due yet have no right answers.

Where a reference was, names, signatures and docstrings are left; where exercises were, the published cases and their
stored results. `check` compares with these. All else is as it was, so a figure that needs the reference ends in a
sentence and the picture that was saved.
"""

from __future__ import annotations

import ast
import base64
import json
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

from dlcv.checking.withheld import PICTURES, fingerprint
from dlcv.lookups import looked_up

from .course import CourseError
from .excerpts import Text, bound
from .grants import programs_asked_for
from .names_only import imported_names, names_only
from .package import chapters_of, copy_package

__all__ = ["withhold"]


def withhold(
    package: Path, target: Path, chapters: Collection[str], notebooks: Iterable[Mapping] = ()
) -> None:
    """Write a copy of the package in which some chapters' references and slips are withheld.

    Parameters
    ----------
    package : Path
        The folder of `dlcv` as it is imported here.
    target : Path
        The folder to make; its last part is ``dlcv``.
    chapters : collection of str
        Names of chapters, such as ``"roi_align"``.
    notebooks : iterable of notebooks, optional
        As they are given out. Where a cell of theirs needs what is withheld, its saved pictures are shown.

    Raises
    ------
    CourseError
        A chapter does not exist, or another `dlcv` is imported than the one in `package`.
    """
    unknown = sorted(set(chapters) - set(chapters_of(package)))
    if unknown:
        raise CourseError(
            f"{package} has no chapter {', '.join(unknown)}; it has {', '.join(chapters_of(package))}"
        )
    copy_package(package, target)
    wanted = imported_names(package)
    for chapter in sorted(chapters):
        exercises = _exercises(package, chapter)
        keep = _given_in_clear(package, exercises)
        for module in _reference_modules(package, chapter, exercises):
            text = Text(package, module)
            left = names_only(
                text, answers=exercises, keep=keep.get(module, ()), wanted=wanted.get(module, ())
            )
            (target / text.path.relative_to(package)).write_text(left, encoding="utf-8")
        for name, content in _stored(package, exercises).items():
            (target / chapter / name).write_bytes(content)
    _save_pictures(target / PICTURES, notebooks)


def _exercises(package: Path, chapter: str):
    from dlcv.checking import load_exercises

    exercises = load_exercises(chapter)
    there = Path(sys.modules[f"dlcv.{chapter}"].__file__).resolve()
    if not there.is_relative_to(package.resolve()):
        raise CourseError(f"dlcv.{chapter} is imported from {there.parent}, not from {package}")
    return exercises


def _reference_modules(package: Path, chapter: str, exercises: Mapping) -> list[str]:
    """The chapter's face, its exercises' references, and what these import of the chapter."""
    own = f"dlcv.{chapter}"
    functions = [exercise.reference for exercise in exercises.values() if not exercise.derivation]
    waiting = [own, *(function.__module__ for function in functions)]
    found: set[str] = set()
    while waiting:
        module = waiting.pop()
        if (
            module in found
            or module == f"{own}.exercises"
            or not (module == own or module.startswith(f"{own}."))
        ):
            continue
        found.add(module)
        text = Text(package, module)
        for statement in text.imports:
            if isinstance(statement, ast.ImportFrom):
                waiting += [text.home(alias.asname or alias.name)[0] for alias in statement.names]
    return sorted(found)


def _given_in_clear(package: Path, exercises: Mapping) -> dict[str, set[str]]:
    """What answers may call, and is no exercise's answer: by module, the names that it needs with it."""
    secret = {
        (exercise.reference.__module__, exercise.reference.__qualname__) for exercise in exercises.values()
    }
    clear: dict[str, set[str]] = {}
    for full in {name for exercise in exercises.values() for name in exercise.watch.allowed}:
        home = Text(package, full.rpartition(".")[0]).home(full.rpartition(".")[2])
        text = Text(package, home[0])
        names = {name for node in text.needed([home[1]]) for name in bound(node)}
        if not secret & {text.home(name) for name in names}:
            clear.setdefault(home[0], set()).update(names)
    return clear


def _stored(package: Path, exercises) -> dict[str, bytes]:
    """The files in the place of a chapter's exercises: data, and the few programs that asking needs."""
    from dlcv.checking import Judge
    from dlcv.checking.stored import written

    text = Text(package, f"dlcv.{exercises.chapter}.exercises")
    programs = set().union(*(programs_asked_for(Judge(exercise).requests) for exercise in exercises.values()))
    kept = {name for module, name in programs if module == text.name}
    milestones = {name: node for name, node in _milestones(text.tree)}
    for node in milestones.values():
        kept |= looked_up(node) & text.statement_of.keys()
    lines = [ast.unparse(node) for node in text.needed(kept)]
    lines.insert(bool(lines), "from dlcv.checking.stored import exercises_of")
    listed = ", ".join(f"{name!r}: {ast.unparse(node)}" for name, node in milestones.items())
    lines += [f"exercises = exercises_of(__name__, {{{listed}}})", "check = exercises.check"]
    doc = ast.get_docstring(text.tree) or f"What {exercises.chapter} asks."
    head = f'"""{doc.splitlines()[0]}\n\nAnswers are compared with stored results.\n"""\n'
    return {"exercises.py": (head + "\n".join(lines) + "\n").encode(), **written(exercises)}


def _milestones(tree: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    """The tests of each derivation: programs, but no answers."""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "derivation"
        ):
            given = {keyword.arg: keyword.value for keyword in node.keywords}
            name = node.args[0] if node.args else given.get("name")
            if isinstance(name, ast.Constant) and "milestones" in given:
                yield name.value, given["milestones"]


def _save_pictures(folder: Path, notebooks: Iterable[Mapping]) -> None:
    listed: dict[str, list[tuple[str, str]]] = {}
    for notebook in notebooks:
        for cell in notebook["cells"]:
            source = cell["source"] if isinstance(cell["source"], str) else "".join(cell["source"])
            pictures = [output for output in cell.get("outputs", []) if "image/png" in output.get("data", {})]
            for number, output in enumerate(pictures):
                key = fingerprint(source)
                name = f"{key}-{number}.png"
                folder.mkdir(exist_ok=True)
                (folder / name).write_bytes(base64.b64decode("".join(output["data"]["image/png"])))
                alt = output.get("metadata", {}).get("image/png", {}).get("alt", "")
                listed.setdefault(key, []).append((name, alt))
    if listed:
        (folder / "cells.json").write_text(json.dumps(listed, indent=1, ensure_ascii=False), encoding="utf-8")
