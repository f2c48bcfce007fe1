"""What an instructor sees in the terminal: a progress bar while grading, then a table and a few lines."""

from __future__ import annotations

import logging
import statistics
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

if TYPE_CHECKING:  # these import torch, which not every command needs
    from .grade import Progress as Reporter
    from .record import Result

__all__ = ["in_words", "named_bar", "progress_bar", "remarks_on", "results_table", "summary"]

MOST_NAMED = 2
LONGEST = 160
_STATUS = {"graded": "", "kept": "[dim]kept[/dim] · ", "failed": "[red]failed[/red] · "}


@contextmanager
def named_bar(console: Console, doing: str, at_first: str = "") -> Iterator[Callable[[int, int, str], None]]:
    """A bar that goes away when the work is done, and none where nobody looks; it is told ``(done, total, name)``."""
    columns = (TextColumn(doing), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(
        *columns,
        TextColumn("{task.description}"),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as bar:
        task = bar.add_task(at_first, total=None)

        def advance(done: int, total: int, name: str) -> None:
            bar.update(task, completed=done, total=total, description=escape(name))

        yield advance


@contextmanager
def progress_bar(console: Console) -> Iterator[Reporter]:
    """The bar of `grade`; yields a `Progress` of it."""
    with named_bar(console, "grading", "warming up") as advance:
        yield lambda done, total, result: advance(done, total, result.student)


@contextmanager
def remarks_on(console: Console) -> Iterator[None]:
    """Show what this package has to remark while it works, above the bar."""
    log, handler = logging.getLogger("autograder"), _Remarks(console)
    before = log.level, log.propagate
    log.setLevel(logging.INFO)
    log.propagate = False
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(before[0])
        log.propagate = before[1]


class _Remarks(logging.Handler):
    def __init__(self, console: Console):
        super().__init__()
        self.console = console

    def emit(self, record: logging.LogRecord) -> None:
        self.console.print(record.getMessage(), highlight=False, markup=False, soft_wrap=True)


def results_table(results: Sequence[Result], root: Path | None = None) -> Table:
    """One line a student: points, what was found, what a human should look at."""
    from .attention import is_essay

    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column("student", no_wrap=True)
    table.add_column("points", justify="right", no_wrap=True)
    table.add_column("what was found", overflow="fold")
    for result in results:
        points = f"{result.points:g} [dim]of {result.max_points:g}[/dim]"
        found = _STATUS[result.status] + escape(_short(in_words(result)))
        if result.failure:
            found += f"\n[red]{escape(_short(result.failure))}[/red]"
        if result.penalty:
            found += f"\n[cyan]{result.late.status}: {result.penalty:g} of these points are taken off[/cyan]"
        flags = [flag for flag in result.remarks if not is_essay(flag) and flag != result.problem]
        found += "".join(f"\n[yellow]{escape(_short(flag))}[/yellow]" for flag in flags)
        table.add_row(escape(result.student), points, found)
    return table


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def in_words(result: Result) -> str:
    """What was found, in a line: ``conv_transpose1d: slip (filter flipped)``."""
    if result.problem:
        return result.problem
    wrong = [verdict for verdict in result.verdicts.values() if not verdict.right]
    if not wrong:
        return "everything right"
    if all(verdict.kind == "not attempted" for verdict in result.verdicts.values()):
        return "nothing attempted"
    named = [
        f"{verdict.exercise}: {verdict.kind}"
        + (f" ({verdict.slip})" if verdict.slip else f", {verdict.message}")
        for verdict in wrong[:MOST_NAMED]
    ]
    more = len(wrong) - MOST_NAMED
    return "; ".join(named) + (f"; and {more} more" if more > 0 else "")


def summary(results: Sequence[Result]) -> str:
    """The line under the table: mean, and how many a human should look at."""
    if not results:
        return "nothing graded"
    from .attention import is_essay

    mean = statistics.fmean(result.points - result.penalty for result in results)
    essays = sum(is_essay(flag) for result in results for flag in result.flags)
    waiting = sum(any(not is_essay(flag) for flag in result.remarks) for result in results)
    whole = max(result.max_points for result in results)
    counts = Counter(result.status for result in results)
    done = " · ".join(f"{counts[status]} {status}" for status in _STATUS if counts[status])
    late = sum(result.late is not None and result.late.is_late for result in results)
    done += f" · {late} late" if late else ""
    needs, plural = "needs" if waiting == 1 else "need", "" if essays == 1 else "s"
    return (
        f"{done} · mean {mean:.1f} of {whole:g} · {waiting} {needs} a human · {essays} essay{plural} to grade"
    )
