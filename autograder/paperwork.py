"""What instructors' commands do around their work: show progress, print a table or JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from .course import Chapter, Course
from .people import roster_of
from .places import near
from .terminal import named_bar

if TYPE_CHECKING:  # each command loads what it needs: some of it imports torch
    from .collect import Collected, Row
    from .export import Export
    from .packing import Packed

__all__ = ["collect", "export", "release"]


def release(
    course: Course, chapters: Sequence[Chapter], output: Path, now: datetime | None, *, as_json: bool
) -> list[Packed]:
    """Pack and tell: one JSON object, or a line for each zip; with `now`, answers not due then are withheld."""
    from .packing import in_words, not_due, pack

    withheld = not_due(course, now) if now else ()
    made = []
    for packed in pack(course, chapters, output, withheld):
        made.append(packed)
        if not as_json:
            click.echo(f"{near(packed.path)}  {packed.size / 1024:,.0f} KB")
    if as_json:
        click.echo(json.dumps({"released": [packed.to_dict() for packed in made]}, indent=1))
        return made
    click.echo(f"{'each ' if len(made) > 1 else ''}with {made[0].wheel}")
    if now:
        click.echo(
            f"withheld in it: {', '.join(f'{chapter} until {in_words(chapter.due)}' for chapter in withheld) or '-'}"
        )
        always = [str(chapter) for chapter in course.chapters if chapter.due is None]
        if always:
            click.echo(f"with those of {', '.join(always)}, which have no due date")
    return made


def collect(
    course: Course,
    assignment: str,
    sources: Sequence[Path],
    roster: Path | None,
    *,
    replace: bool,
    as_json: bool,
) -> Collected:
    """Collect and tell: one JSON object, or a table of what is worth a look."""
    from .collect import IGNORED, TAKEN, UNCHANGED
    from .collect import collect as collect_files

    people = roster_of(course, roster)
    with named_bar(Console(stderr=True), "collecting") as advance:
        done = collect_files(course, assignment, sources, people, replace=replace, progress=advance)
    if as_json:
        click.echo(json.dumps(done.to_dict(), indent=1))
        return done
    console = paper()
    told = [row for row in done.rows if row.look or (row.notes and row.status != IGNORED)]
    if told:
        console.print(table_of(told))
        console.print()
    console.print(f"[bold]{summary(done)}[/bold]", highlight=False)
    for words in _afterwards(done):
        console.print(words, highlight=False, soft_wrap=True)
    taken = len(done.having(TAKEN))
    said = f"{taken} written, {len(done.having(UNCHANGED))} were there already"
    console.print(f"{said}; next: autograder grade --assignment {assignment}", highlight=False)
    return done


def _afterwards(done: Collected) -> Iterator[str]:
    if done.missing:
        yield f"on the roster, but nothing from them: {', '.join(done.missing)}"
    if done.strangers:
        yield f"not on the roster, but in submitted/: {', '.join(done.strangers)}"
        yield "they are graded as well; remove the folders of those who were collected before the roster was there"
    if done.late_by_what:
        yield f"nobody knows how late {', '.join(sorted(done.late_by_what))}: grading takes nothing off"
        yield f"unless you write the time into submitted/<student>/{done.assignment}/timestamp.txt"


def export(
    course: Course,
    assignment: str,
    kind: str,
    roster: Path | None,
    *,
    column: str | None,
    output: Path | None,
    as_json: bool,
) -> Export:
    """Export and tell: where the file is, and what the instructor should know; ``-`` prints the file itself."""
    from .export import export as make_export
    from .records import some
    from .writing import write

    made = make_export(course, assignment, kind, roster_of(course, roster), column=column)
    name = assignment if kind == "csv" else f"{assignment}-{kind}"
    path = output or course.folder / "export" / f"{name}.csv"
    encoding = "utf-8-sig" if kind == "csv" else "utf-8"  # spreadsheets want the mark, importers do not
    if str(path) == "-":
        click.echo(made.text, nl=False)
    else:
        write(path, made.text.encode(encoding))
    if as_json:
        remarks = [{"about": words, "students": students} for words, students in made.remarks]
        about = {"assignment": assignment, "format": kind, "file": str(path), "grades": made.graded}
        click.echo(json.dumps({**about, "remarks": remarks}, indent=1), err=str(path) == "-")
        return made
    for words, students in made.remarks:
        click.echo(f"{words}: {some(students, ' (--json names all)')}" if students else words, err=True)
    if str(path) != "-":
        click.echo(f"{made.graded} grades in {near(path)}")
    return made


def table_of(rows: Sequence[Row]) -> Table:
    """One line a student and file, with what became of it and why; what a human should settle stands first."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column("student", overflow="fold", min_width=12)
    table.add_column("what", no_wrap=True)
    table.add_column("notes", overflow="fold")
    for row in sorted(rows, key=lambda row: not row.look):
        what = f"[yellow]{row.status}[/yellow]" if row.look else row.status
        notes = [escape(note) for note in row.notes]
        notes[0:0] = [f"[dim]{escape(row.file)}[/dim]"] if row.look or row.status != "collected" else []
        table.add_row(escape(row.student or "?"), what, "\n".join(notes))
    return table


def summary(done: Collected) -> str:
    """The line under the table: ``312 files · 305 students · 4 late · 6 earlier kept``."""
    words = {"earlier": "earlier kept", "extra": "not needed", "ignored": "ignored"}
    counts = [f"{len(done.rows)} files", f"{len(done.students)} students"]
    counts += [f"{len(done.late)} late"] if done.late else []
    counts += [f"{len(rows)} {words[status]}" for status in words if (rows := done.having(status))]
    to_settle = sum(row.look for row in done.rows)
    return " · ".join([*counts, f"{to_settle} for you to settle"] if to_settle else counts)


def paper() -> Console:
    """A terminal, or a wide page: a log wraps long lines by itself."""
    console = Console()
    return console if console.is_terminal else Console(width=140)
