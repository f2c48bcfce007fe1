"""Reading what was handed in: any file, never more than a problem of its own."""

import json
import os

import pytest

from autograder.submission import read_cells, read_submission


def notebook(*sources: str) -> bytes:
    cells = [{"cell_type": "code", "metadata": {}, "source": source, "outputs": []} for source in sources]
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 0}).encode()


@pytest.fixture
def folder(tmp_path):
    return tmp_path


def test_the_one_with_the_right_name(folder):
    (folder / "hw.ipynb").write_bytes(notebook("x"))
    found = read_submission(folder, "hw")
    assert (found.flags, found.problem, found.cells[0].source) == ([], None, "x")


def test_a_renamed_file_is_flagged(folder):
    (folder / "hw (3).ipynb").write_bytes(notebook("x"))
    found = read_submission(folder, "hw")
    assert found.flags == ["file is called hw (3).ipynb, not hw.ipynb"]
    assert len(found.cells) == 1


def test_of_several_the_named_one_else_the_newest(folder):
    for age, name in enumerate(("b", "a", "c")):
        (folder / f"{name}.ipynb").write_bytes(notebook(name))
        os.utime(folder / f"{name}.ipynb", (1000 - age, 1000 - age))
    assert read_submission(folder, "hw").cells[0].source == "b"
    assert "3 notebooks were handed in; graded the newest" in read_submission(folder, "hw").flags[0]
    (folder / "hw.ipynb").write_bytes(notebook("named"))
    assert read_submission(folder, "hw").cells[0].source == "named"


def test_nothing_handed_in(folder):
    (folder / "readme.txt").write_text("sorry")
    (folder / ".ipynb_checkpoints").mkdir()
    (folder / ".ipynb_checkpoints" / "hw.ipynb").write_bytes(notebook("x"))
    assert read_submission(folder, "hw").problem == "No notebook (.ipynb) was handed in."


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "broken JSON at line 1, column 1"),
        (notebook("x")[:-20], "broken JSON"),
        (b"\x89PNG\r\n", "it is no UTF-8 text"),
        (b"[1, 2]", "its JSON is no object"),
        (b"{}", "it has no list of cells"),
        (b'{"cells": 3}', "it has no list of cells"),
        (b'{"cells": ' + b"[" * 100_000, "lists too deep"),
        (b'{"cells": ' + b"1" * 10_000 + b"}", "numbers too long"),
    ],
)
def test_what_is_no_notebook_says_why(folder, content, words):
    (folder / "hw.ipynb").write_bytes(content)
    found = read_submission(folder, "hw")
    assert words in found.problem
    assert found.cells == []


def test_too_large_a_file_is_not_read(folder, monkeypatch):
    monkeypatch.setattr("autograder.submission.LARGEST_FILE", 100)
    (folder / "hw.ipynb").write_bytes(notebook("x" * 200))
    assert "at most" in read_submission(folder, "hw").problem


def test_an_unreadable_file_is_a_problem(folder, monkeypatch):
    (folder / "hw.ipynb").write_bytes(notebook("x"))

    def refuse(self):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.read_bytes", refuse)
    assert read_submission(folder, "hw").problem == "The file could not be read: Permission denied."


def test_cells_of_any_shape():
    cells = [
        7,
        {"cell_type": "code", "source": ["a\n", "b", 3], "metadata": None, "outputs": "no"},
        {"cell_type": "nonsense", "source": None},
        {"cell_type": "markdown", "source": "x\r\ny \ud800", "metadata": {"nbgrader": 3}, "id": 5},
        {"cell_type": "code", "source": "", "metadata": {"id": "abc", "nbgrader": {"grade_id": "g"}}},
    ]
    read = read_cells(json.dumps({"cells": cells}).encode())
    assert [cell.source for cell in read] == ["a\nb", "", "x\ny ?", ""]
    assert [cell.kind for cell in read] == ["code", "raw", "markdown", "code"]
    assert (read[3].id, read[3].grade_id) == ("abc", "g")


def test_a_byte_order_mark_and_the_old_format_are_read():
    assert len(read_cells(b"\xef\xbb\xbf" + notebook("x"))) == 1
    old = {"nbformat": 3, "worksheets": [{"cells": [{"cell_type": "code", "input": "x = 1"}]}, 3]}
    assert read_cells(json.dumps(old).encode())[0].source == "x = 1"


def test_links_are_not_followed(folder, tmp_path_factory):
    """A link leads to the solution, or to a neighbour's answers."""
    solution = tmp_path_factory.mktemp("elsewhere") / "solution.ipynb"
    solution.write_bytes(notebook("x"))
    (folder / "hw.ipynb").symlink_to(solution)
    found = read_submission(folder, "hw")
    assert (found.cells, found.flags) == ([], ["hw.ipynb is a link, not a file; left out"])
    (folder / "mine.ipynb").write_bytes(notebook("y"))
    assert read_submission(folder, "hw").cells[0].source == "y"
    link = folder / "link"
    link.symlink_to(solution.parent)
    assert "link" in read_submission(link, "hw").problem


def test_a_cell_of_megabytes_is_left_out(folder):
    (folder / "hw.ipynb").write_bytes(notebook("x = 1", "y = " + "1+" * 200_000 + "1"))
    found = read_submission(folder, "hw")
    assert [cell.source for cell in found.cells] == ["x = 1", ""]
    assert "cell 2 is too long to be graded" in found.flags[0]
