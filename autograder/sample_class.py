"""A class of sample submissions of chapter 01: everything that a night of grading brings, each with what it deserves.

Nothing is stored: each submission is made from the chapter's own notebook by a recipe, its wrong answers are the
exercises' own slips, so the class follows the chapter wherever it goes.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from dlcv.checking import load_exercises

from .build import source_notebook, student_notebook, text_of
from .course import Course

__all__ = ["CHAPTER", "Sample", "hand_in", "sample_class"]

CHAPTER = "transposed_convolution"
PAINT, SIZE = "conv_transpose1d", "output_size"
PAINT_2D, MATRIX = "conv_transpose2d_naive", "convolution_matrix"
_HEAD = "def conv_transpose1d(x, weight, stride=1):\n"


@dataclass(frozen=True)
class Sample:
    """One submission.

    `verdicts` names the exercises that are not right and their verdict; `earns` is "all", "none" or "some" of the
    points of these. `files` are the files that are handed in, by name.
    """

    student: str
    reason: str
    files: Mapping[str, bytes]
    verdicts: Mapping[str, str] = field(default_factory=dict)
    earns: str = "none"
    flags: tuple[str, ...] = ()  # words that must occur in the flags


class Workbook:
    """A notebook with all answers right, to be spoilt by a recipe."""

    def __init__(self, release: Mapping, answers: Mapping[str, str]):
        self.notebook = copy.deepcopy(dict(release))
        for id, source in answers.items():
            self.cell(id)["source"] = source

    @property
    def cells(self) -> list[dict]:
        return self.notebook["cells"]

    def cell(self, id: str) -> dict:
        (found,) = [cell for cell in self.cells if cell["id"] == id]
        return found

    def place(self, id: str) -> int:
        return self.cells.index(self.cell(id))

    def text(self, id: str) -> str:
        return "".join(self.cell(id)["source"])

    def to_bytes(self) -> bytes:
        return json.dumps(self.notebook, indent=1).encode()


def sample_class(course: Course) -> list[Sample]:
    """Return the class for the chapter as it is in `course` now."""
    chapter = course.chapter(CHAPTER)
    source = source_notebook(course, chapter, allow_missing_figures=True)
    release = json.loads(text_of(student_notebook(source)))
    return _Recipes(chapter.folder, release, right_answers(source), load_exercises(CHAPTER)).samples()


def right_answers(source: Mapping) -> dict[str, str]:
    """Return the answer of each solution and essay cell of a source notebook, without the markers around it."""
    answers = {}
    for cell in source["cells"]:
        if cell["metadata"].get("dlcv", {}).get("role") in ("solution", "essay"):
            kept = [line for line in cell["source"].split("\n") if not _MARKER.match(line)]
            answers[cell["id"]] = "\n".join(kept)
    return answers


_MARKER = re.compile(r"^\s*(###|<!--) (BEGIN|END) (SOLUTION|MARK SCHEME)")


class _Recipes:
    def __init__(self, assignment: str, release: Mapping, answers: Mapping[str, str], exercises: Mapping):
        self.assignment, self.release, self.answers, self.exercises = assignment, release, answers, exercises
        self.file = f"{assignment}.ipynb"

    def samples(self) -> list[Sample]:
        return [*self.honest(), *self.slips(), *self.broken_answers(), *self.broken_notebooks()]

    def workbook(self, **cells: str) -> Workbook:
        return Workbook(self.release, {**self.answers, **cells})

    def sample(
        self,
        student: str,
        reason: str,
        spoil: Callable[[Workbook], None] | None = None,
        *,
        name: str = "",
        **more,
    ) -> Sample:
        workbook = self.workbook()
        if spoil:
            spoil(workbook)
        return Sample(student, reason, {name or self.file: workbook.to_bytes()}, **more)

    def answering(
        self, student: str, reason: str, exercise: str, source: str, verdict: str, **more
    ) -> Sample:
        """A sample in which one exercise has another answer."""
        files = {self.file: self.workbook(**{exercise: source}).to_bytes()}
        return Sample(student, reason, files, {exercise: verdict}, **more)

    # Who did what was asked

    def honest(self) -> Iterable[Sample]:
        everything = {name: "not attempted" for name in self.exercises}
        yield self.sample("perfect", "Every answer is the chapter's own.")
        yield Sample(
            "empty",
            "Handed in as it was given out.",
            {self.file: Workbook(self.release, {}).to_bytes()},
            everything,
        )
        first = {PAINT: self.answers[PAINT], SIZE: self.answers[SIZE]}
        yield Sample(
            "started",
            "The first two answers are right, the others were not begun.",
            {self.file: Workbook(self.release, first).to_bytes()},
            {name: kind for name, kind in everything.items() if name not in first},
        )
        doubled = self.answers[PAINT].replace("def conv_transpose1d", "def painted") + _IN_DOUBLE_PRECISION
        yield Sample(
            "double_precision",
            "Right, in another precision.",
            {self.file: self.workbook(**{PAINT: doubled}).to_bytes()},
        )

    # Who made a known mistake: the first one of each exercise, and one more

    def slips(self) -> Iterable[Sample]:
        for name, exercise in self.exercises.items():
            for number, slip in enumerate(exercise.slips[: 2 if name == PAINT else 1], 1):
                reason = f"{exercise.title}: {slip.name}."
                student = f"slip_{name}" + (f"_{number}" if number > 1 else "")
                answer = re.sub(r"^(def|class) _\b", rf"\1 {name}", slip.source)
                yield self.answering(student, reason, name, answer, "slip", earns="some")

    # Whose answer does something else

    def broken_answers(self) -> Iterable[Sample]:
        yield from self.stopping_answers()
        yield from self.ending_notebooks()
        yield self.forbidden()
        yield self.changes_inputs()
        yield from self.odd_results()
        noisy = "for line in range(3_000):\n    print('x' * 1_000)\n\n" + self.answers[PAINT]
        yield self.sample(
            "megabytes", "Right, and three megabytes of output.", _prints(noisy), flags=("were cut",)
        )

    def painting(self, student: str, reason: str, source: str, verdict: str, **more) -> Sample:
        return self.answering(student, reason, PAINT, source, verdict, **more)

    def stopping_answers(self) -> Iterable[Sample]:
        """The answer does not come back, or not with a result."""
        for student, reason, body, verdict in (
            ("crash", "The answer asks for a pixel beyond the end.", "    return x[len(x)]\n", "crashed"),
            ("syntax_error", "The cell does not parse.", "    return (x\n", "crashed"),
            ("endless_answer", "The answer never returns.", "    while True:\n        pass\n", "too slow"),
            ("exit", "The answer leaves the program.", "    import os\n\n    os._exit(0)\n", "crashed"),
            ("hungry", "The answer asks for 40 GB.", "    return torch.zeros(10**10)\n", "crashed"),
        ):
            yield self.painting(student, reason, _HEAD + body, verdict)

    def ending_notebooks(self) -> Iterable[Sample]:
        """The cell itself does not come to its end, above a test that goes on all the same."""
        yield self.painting(
            "endless_cell",
            "The cell never ends.",
            "total = 0\nwhile True:\n    total += 1\n",
            "too slow",
            flags=("cell", "still running"),
        )
        yield self.painting(
            "segmentation_fault",
            "The cell kills its own kernel.",
            "import os\nimport signal\n\nos.kill(os.getpid(), signal.SIGSEGV)\n",
            "crashed",
            flags=("segmentation fault",),
        )

    def forbidden(self) -> Sample:
        return self.answering(
            "forbidden",
            "Torch's own operator, under another name.",
            PAINT_2D,
            "from torch.nn import functional as tools\n\npaint = tools.conv_transpose2d\n\n\n"
            "def conv_transpose2d_naive(x, weight, stride=1, padding=0):\n"
            "    return paint(x[None, None], weight[None, None], stride=stride, padding=padding)[0, 0]\n",
            "forbidden call",
            flags=("forbids", "conv_transpose2d"),
        )

    def changes_inputs(self) -> Sample:
        written = self.answers[MATRIX].replace(f"def {MATRIX}", "def written_out")
        return self.answering(
            "changes_inputs",
            "Right numbers, but the filter is not what it was.",
            MATRIX,
            f"{written}\n\ndef {MATRIX}(weight, input_shape, stride=1, padding=0):\n"
            "    matrix = written_out(weight, input_shape, stride, padding).clone()\n"
            "    weight.detach().mul_(2)\n    return matrix\n",
            "changed its inputs",
        )

    def odd_results(self) -> Iterable[Sample]:
        """What comes back is no line of numbers."""
        right = self.answers[PAINT].replace("def conv_transpose1d", "def painted")
        batched = f"{right}\n\n{_HEAD}    return painted(x, weight, stride)[None]\n"
        yield self.painting("wrong_shape", "A batch axis that nobody asked for.", batched, "wrong shape")
        word = _HEAD + '    return "done"\n'
        yield self.painting("returns_text", "A word instead of numbers.", word, "wrong shape")

    # Whose notebook came back changed

    def broken_notebooks(self) -> Iterable[Sample]:
        unread = {name: "crashed" for name in self.exercises}
        yield self.sample(
            "metadata_stripped",
            "An editor dropped all metadata and ids.",
            _strip,
            flags=("lost their metadata",),
        )
        yield self.sample("through_colab", "Ids moved into the metadata, as Colab does.", _through_colab)
        yield self.sample(
            "doubled_cell",
            "A first attempt was left above a copy of its cell; the copy is right.",
            _double,
            flags=("occurs 2 times",),
        )
        yield self.sample(
            "edited_test",
            "A wrong answer above a test that says 2.0 whatever comes.",
            _edit_test,
            verdicts={PAINT: "crashed"},
            flags=("had been edited",),
        )
        yield self.sample(
            "deleted_test", "A test cell was deleted.", _delete_test, flags=("missing: put back",)
        )
        yield self.sample(
            "renamed",
            "The file has another name.",
            name=f"{self.assignment} (3).ipynb",
            flags=("file is called",),
        )
        yield Sample(
            "two_files",
            "An empty copy lies beside the right file.",
            {
                self.file: self.workbook().to_bytes(),
                f"{self.assignment}-old.ipynb": Workbook(self.release, {}).to_bytes(),
            },
            flags=("2 notebooks",),
        )
        yield Sample(
            "broken_json",
            "The upload stopped half way.",
            {self.file: self.workbook().to_bytes()[:20_000]},
            unread,
            flags=("broken JSON",),
        )
        yield Sample(
            "screenshot",
            "A picture called notebook.",
            {self.file: b"\x89PNG\r\n\x1a\n"},
            unread,
            flags=("not a notebook",),
        )
        yield Sample("nothing", "An empty folder.", {}, unread, flags=("No notebook",))


_IN_DOUBLE_PRECISION = """

def conv_transpose1d(x, weight, stride=1):
    return painted(x.double(), weight.double(), stride).double()
"""


def _prints(source: str) -> Callable[[Workbook], None]:
    def spoil(workbook: Workbook) -> None:
        workbook.cell(PAINT)["source"] = source
        printed = ("x" * 1_000 + "\n") * 3_000
        workbook.cell(PAINT)["outputs"] = [{"output_type": "stream", "name": "stdout", "text": printed}]

    return spoil


def _strip(workbook: Workbook) -> None:
    workbook.notebook["nbformat_minor"] = 0
    workbook.notebook["metadata"] = {}
    for cell in workbook.cells:
        cell["metadata"] = {}
        del cell["id"]


def _through_colab(workbook: Workbook) -> None:
    workbook.notebook["nbformat_minor"] = 0
    workbook.notebook["metadata"] = {"colab": {"provenance": []}}
    for cell in workbook.cells:
        cell["metadata"] = {"id": cell.pop("id")}


def _double(workbook: Workbook) -> None:
    first = workbook.cell(PAINT)
    place = workbook.place(PAINT)
    workbook.cells.insert(place + 1, {**copy.deepcopy(first), "id": "a-copy"})
    first["source"] = "def conv_transpose1d(x, weight, stride=1):\n    return x\n"


def _edit_test(workbook: Workbook) -> None:
    workbook.cell(PAINT)["source"] = "def conv_transpose1d(x, weight, stride=1):\n    return x.nothing\n"
    workbook.cell(f"test-{PAINT}")["source"] = "2.0"


def _delete_test(workbook: Workbook) -> None:
    workbook.cells.remove(workbook.cell(f"test-{PAINT}"))


def hand_in(course: Course, samples: Iterable[Sample]) -> None:
    """Write the samples into `submitted` of a course folder."""
    assignment = course.chapter(CHAPTER).folder
    for sample in samples:
        folder = course.submitted(sample.student, assignment)
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in sample.files.items():
            (folder / name).write_bytes(content)
