"""The command line, `python -m autograder`: one thin function a command, its work is done elsewhere."""

from __future__ import annotations

import gc
import sys
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import click

from .clock import moment
from .course import Chapter, Course, CourseError
from .linux import POSIX, require_linux

__all__ = ["main"]

course_option = click.option(
    "--course",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Course folder in nbgrader's layout (source, submitted, ...). Default: course/ in the repository.",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="dlcv", message="dlcv and its autograder, version %(version)s")
def main() -> None:
    """Build the course's notebooks, grade what learners hand in, report.

    Run it inside the course's repository. Exit code 0: done; 1: something is wrong with the course or a
    submission, the message says what; 2: the command was not understood.
    """
    # nbformat imports jsonschema, which builds grammars of web addresses where this package is installed, at each
    # start for a second. No notebook's schema asks for them, and jsonschema goes without.
    sys.modules.setdefault("rfc3987_syntax", None)


# making the course


@main.command()
@click.argument("chapters", nargs=-1, metavar="[CHAPTER]...")
@click.option("--check", is_flag=True, help="Write nothing; fail when a notebook differs from its source.")
@click.option("--allow-missing-figures", is_flag=True, help="Build although a figure is not stored yet.")
@click.option("--replace", is_flag=True, help="Also replace notebooks that somebody has worked in.")
@course_option
def build(
    chapters: tuple[str, ...], check: bool, allow_missing_figures: bool, replace: bool, folder: Path | None
) -> None:
    """Make notebooks from solutions/: the students' and nbgrader's.

    CHAPTER is a chapter's name, folder or number; none means all. Writes
    notebooks/NN_chapter/NN_chapter.ipynb for learners and the same under course/source for nbgrader. A notebook
    that somebody has worked in stays as it is.
    """
    with plain_errors():
        from . import build as builder

        course, chosen = opened(folder, chapters)
        broken = []
        for chapter in chosen:
            try:
                built = builder.build(course, chapter, allow_missing_figures=allow_missing_figures)
            except CourseError as error:
                broken.append(str(error))
                continue
            if not check:
                kept = None if replace else built.kept()
                for path in built.write(replace=replace):
                    click.echo(shown(course, path))
                if kept:
                    click.echo(
                        f"{shown(course, kept)} stays: somebody has worked in it. "
                        f"A fresh one in its place: autograder build --replace {chapter}"
                    )
            elif not built.is_committed():
                broken.append(
                    f"{shown(course, course.notebook(chapter))} is not what its source gives; "
                    f"run: python -m autograder build {chapter}"
                )
        if broken:
            raise CourseError("\n".join(broken))
        if check:
            click.echo(f"{len(chosen)} notebooks equal their sources")


@main.command()
@click.argument("chapters", nargs=-1, metavar="[CHAPTER]...")
@click.option("--timeout", default=600, show_default=True, help="Seconds that one cell may take.")
def figures(chapters: tuple[str, ...], timeout: int) -> None:
    """Run solution notebooks and store their figures.

    The pictures of figure, widget and experiment cells go to solutions/NN_chapter/figures/<cell>.png, from
    where `build` puts them into the notebooks, so that a notebook shows its figures before it is run. Commit
    them. Set DLCV_SCALE to choose how much experiments compute.
    """
    with plain_errors():
        from . import figures as maker

        course, chosen = opened(None, chapters)
        for chapter in chosen:
            for path in maker.store_figures(course, chapter, timeout=timeout):
                click.echo(f"{shown(course, path)}  {path.stat().st_size / 1024:.0f} KB")


@main.command("new-chapter")
@click.argument("name")
@click.option("--title", help="As readers see it. Default: the name in words.")
@click.option("--number", type=click.IntRange(0, 99), help="Its place. Default: after the last one.")
def new_chapter(name: str, title: str | None, number: int | None) -> None:
    """Start a chapter called NAME: its folder, source and tests.

    What it writes is a small complete chapter that builds, runs and passes its tests; put yours in its place.
    """
    with plain_errors():
        from . import scaffold

        course = Course.open()
        chapter, files = scaffold.new_chapter(course, name, title=title, number=number)
        click.echo(scaffold.guide(course, chapter, files))


@main.command("links")
def list_links() -> None:
    """List the addresses that the course's texts lead to, for somebody to open them.

    Each with the files that it is in. Links within the repository are followed: exit code 1 if one is dead.
    """
    with plain_errors():
        from .links import dead, links

        course = Course.open()
        found = links(course.root)
        for address in sorted({link.target for link in found if link.is_address}):
            pages = [link.page for link in found if link.target == address]
            click.echo("\n    ".join([address, *pages]))
        wrong = list(filter(None, (dead(course.root, link) for link in found)))
        if wrong:
            raise CourseError("\n".join(wrong))


# giving out


json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead.")


@main.command()
@click.argument("chapters", nargs=-1, metavar="[CHAPTER]...")
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the zips go. Default: dist/ in the repository.",
)
@click.option(
    "--withhold", is_flag=True, help="Leave the answers of chapters that are not due yet out of the wheel."
)
@click.option(
    "--now", metavar="TIME", help="For --withhold: take this for the current time, as 2026-10-01T23:59."
)
@json_option
@course_option
def release(
    chapters: tuple[str, ...],
    output: Path | None,
    withhold: bool,
    now: str | None,
    as_json: bool,
    folder: Path | None,
) -> None:
    """Pack what learners get: a zip for each CHAPTER.

    CHAPTER is a chapter's name, folder or number; none means all. A zip holds the notebook, the wheel of dlcv, the
    data that course.toml lists, the licences and START-HERE.md. The same notebook goes to release/ in the course
    folder, where `grade` and nbgrader look for what was handed out. The same course gives the same bytes, so a zip
    that was deleted can be made again.

    With --withhold, the wheel lacks references and known mistakes of all chapters whose due date in course.toml is
    still to come. Checks there compare with stored results instead; everything else works as before.
    """
    with plain_errors():
        from .paperwork import release as run

        course, chosen = opened(folder, chapters)
        if now and not withhold:
            raise click.UsageError("--now says which answers to withhold; it goes with --withhold")
        time = _time(now, course) if withhold else None
        run(course, chosen, output or course.root / "dist", time, as_json=as_json)


def _time(text: str | None, course: Course) -> datetime:
    if text is None:
        return datetime.now(course.timezone)
    try:
        return moment(text, course.timezone)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--now") from None


# taking in


assignment_option = click.option(
    "--assignment",
    required=True,
    help="A chapter's name, folder or number, for instance 01_transposed_convolution.",
)
roster_option = click.option(
    "--roster",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="CSV with the class: Canvas' exported gradebook, Moodle's grading worksheet, Gradescope's roster, nbgrader's "
    "students, or your own with a column `student`. Default: roster.csv in the course folder, where there is one.",
)


@main.command()
@click.argument(
    "sources", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path), metavar="SOURCE..."
)
@assignment_option
@roster_option
@click.option(
    "--replace", is_flag=True, help="Also replace notebooks in submitted/ that came there by other means."
)
@json_option
@course_option
@click.pass_context
def collect(
    context: click.Context,
    sources: tuple[Path, ...],
    assignment: str,
    roster: Path | None,
    replace: bool,
    as_json: bool,
    folder: Path | None,
) -> None:
    """Put what was handed in where `grade` looks for it.

    SOURCE is a bulk download of Canvas, Moodle or Gradescope, zipped or not, or a folder with a folder for each
    student. Several are taken together, and the newest notebook of a student wins. Nothing in them is changed, a second
    run changes nothing, and what could not be used is listed with the reason.

    Exit code 1: something was listed that you should settle.
    """
    with plain_errors():
        from .paperwork import collect as run

        course = Course.open(folder)
        name = course.chapter(assignment).folder
        done = run(course, name, sources, roster, replace=replace, as_json=as_json)
    context.exit(1 if any(row.look for row in done.rows) else 0)


# grading


student_option = click.option(
    "--student", "students", multiple=True, help="Only this student; may be repeated."
)


unsafe_option = click.option(
    "--unsafe",
    is_flag=True,
    help="Run learners' code although a wall around it is missing here. Each result says so.",
)


@main.command()
@assignment_option
@student_option
@click.option(
    "--exercise",
    "exercises",
    multiple=True,
    help="Only this exercise, the others keep their points; may be repeated.",
)
@click.option("--again", "--force", "again", is_flag=True, help="Grade also what has not changed.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a submission, one a line.")
@click.option("--jobs", type=click.IntRange(min=1), help="Submissions at the same time. Default: one a core.")
@click.option(
    "--cluster",
    metavar="ADDRESS",
    help="Let a Dask cluster's workers do it: its scheduler's address (tcp://host:8786) or scheduler file.",
)
@click.option("--wait", is_flag=True, help="Wait while another grader is at work on this course.")
@unsafe_option
@course_option
def grade(
    assignment: str,
    students: tuple[str, ...],
    exercises: tuple[str, ...],
    again: bool,
    as_json: bool,
    jobs: int | None,
    cluster: str | None,
    wait: bool,
    unsafe: bool,
    folder: Path | None,
) -> None:
    """Grade the submissions of one assignment.

    Reads submitted/<student>/<assignment>/*.ipynb; writes autograded notebooks, nbgrader's gradebook,
    feedback pages and the class report. With --json, one line a submission as it is finished.

    What was graded and has not changed is kept: after an interruption the same command goes on where it
    was, after a change of one exercise's cases only that exercise is run. Scores and comments that people
    gave are never touched. Exit code 1: something could not be graded or written, the message says what.

    Learners' code runs behind walls; where this machine cannot raise them, nothing is graded.
    """
    if jobs and cluster is not None:
        raise click.UsageError(
            "--jobs is for this machine; a cluster does as many at a time as it has workers"
        )
    with plain_errors():
        if cluster is None:
            require_linux()
        gc.disable()  # imports leave next to nothing to collect, and millions of objects to look at
        from .commands import grade as run

        gc.enable()
        course = Course.open(folder)
        run(
            course,
            course.chapter(assignment).folder,
            students=students or None,
            exercises=exercises or None,
            again=again,
            jobs=jobs,
            cluster=cluster,
            wait=wait,
            unsafe=unsafe,
            as_json=as_json,
        )


@main.command()
@assignment_option
@student_option
@course_option
def feedback(assignment: str, students: tuple[str, ...], folder: Path | None) -> None:
    """Write feedback pages again, after manual grading.

    They hold the points and comments that the gradebook has now; nobody's code is run.
    """
    with plain_errors():
        from .commands import aloud
        from .feedback import feedback as run

        course = Course.open(folder)
        with aloud():
            pages = run(course, course.chapter(assignment).folder, students or None)
        click.echo(f"{len(pages)} pages under {shown(course, course.folder / 'feedback')}")


@main.command()
@assignment_option
@course_option
def report(assignment: str, folder: Path | None) -> None:
    """Write the class report again, after manual grading."""
    with plain_errors():
        from .commands import aloud
        from .report import report as run

        course = Course.open(folder)
        with aloud():
            page = run(course, course.chapter(assignment).folder)
        click.echo(shown(course, page))


@main.command()
@assignment_option
@click.option(
    "--at-least",
    type=click.IntRange(1, 100),
    default=70,
    show_default=True,
    help="Per cent that two answers must have in common to be listed.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a pair, one a line.")
@course_option
def similar(assignment: str, at_least: int, as_json: bool, folder: Path | None) -> None:
    """List answers that resemble each other, for a human to read side by side.

    Compares graded answers without names, numbers, comments, layout and order of statements, leaves out
    what everybody has, and writes report/ASSIGNMENT-similar.html. Likeness proves nothing.
    """
    with plain_errors():
        from .commands import similar as run

        course = Course.open(folder)
        run(course, course.chapter(assignment).folder, at_least / 100, as_json=as_json)


@main.command()
@click.option(
    "--keep", is_flag=True, help="Grade the class as it is in course/demo instead of making it anew."
)
@unsafe_option
def demo(keep: bool, unsafe: bool) -> None:
    """Grade a bundled class of sample submissions and show what an instructor sees."""
    with plain_errors():
        require_linux()
        from .demo import main as run

        run(keep=keep, unsafe=unsafe)


@main.command()
@assignment_option
@click.option(
    "--format",
    "kind",
    type=click.Choice(["canvas", "moodle", "csv"]),
    default="csv",
    show_default=True,
    help="What Canvas imports, what Moodle imports, or one row a student with a column for each exercise.",
)
@roster_option
@click.option("--column", help="Canvas: the assignment's column there, for instance 'Upsampling (4711)'.")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    help="The file to write; - prints it. Default: export/<assignment>-<format>.csv in the course folder.",
)
@json_option
@course_option
@click.pass_context
def export(
    context: click.Context,
    assignment: str,
    kind: str,
    roster: Path | None,
    column: str | None,
    output: Path | None,
    as_json: bool,
    folder: Path | None,
) -> None:
    """Write grades for Canvas, for Moodle or for a spreadsheet.

    They come from the gradebook as it is now: points and comments from formgrader count, and what lateness costs is
    taken off. The roster says under which number another system knows a student; who has none there is named and left
    out.

    Exit code 1: something about the file is worth knowing before you import it, and was said.
    """
    with plain_errors():
        from .paperwork import export as run

        course = Course.open(folder)
        name = course.chapter(assignment).folder
        done = run(course, name, kind, roster, column=column, output=output, as_json=as_json)
    context.exit(1 if done.remarks else 0)


# shared by the commands


@contextmanager
def plain_errors():
    """A mistake in the course or on the command line ends in one line, never in a traceback."""
    try:
        yield
    except CourseError as error:
        raise click.ClickException(str(error)) from None
    except ModuleNotFoundError as error:
        if error.name not in POSIX:
            raise
        raise click.ClickException(
            f"this command needs Linux: here Python has no module {error.name!r}; use Linux or a container"
        ) from None


def opened(folder: Path | None, names: tuple[str, ...]) -> tuple[Course, tuple[Chapter, ...]]:
    course = Course.open(folder)
    course.make_importable()
    return course, tuple(course.chapter(name) for name in names) or course.chapters


def shown(course: Course, path: Path) -> str:
    return str(path.relative_to(course.root)) if path.is_relative_to(course.root) else str(path)


if __name__ == "__main__":
    sys.exit(main())
