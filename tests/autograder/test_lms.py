"""The names that learning platforms give to files."""

from datetime import datetime, timezone
from pathlib import PurePosixPath

import pytest

from autograder.gradescope import folder_of, read_metadata
from autograder.lms import canvas, moodle, original_name


@pytest.mark.parametrize(
    ("name", "person", "id", "number", "late", "file"),
    [
        ("lovelaceada_101_7001_hw.ipynb", "lovelaceada", "101", 7001, False, "hw.ipynb"),
        ("lovelaceada_LATE_101_7001_hw-1.ipynb", "lovelaceada", "101", 7001, True, "hw-1.ipynb"),
        ("núñezjosé_101_7001_my_final_2_.ipynb", "núñezjosé", "101", 7001, False, "my_final_2_.ipynb"),
        ("a_b_101_7001_01_up.ipynb", "a_b", "101", 7001, False, "01_up.ipynb"),
        ("team7_101_7001_1_2_3.ipynb", "team7", "101", 7001, False, "1_2_3.ipynb"),
    ],
)
def test_canvas_names(name, person, id, number, late, file):
    claim = canvas(name)
    assert (claim.name, claim.id, claim.number, claim.late, claim.file) == (person, id, number, late, file)
    assert not claim.why_not


@pytest.mark.parametrize(
    "name", ["hw.ipynb", "01_up.ipynb", "ada_1.ipynb", "_1_2_x.ipynb", "ada_x_2_hw.ipynb"]
)
def test_what_canvas_did_not_name(name):
    assert canvas(name) is None


def test_canvas_text_and_anonymous_work():
    text = canvas("lovelaceada_LATE_101_text.html")
    assert (text.name, text.id, text.late) == ("lovelaceada", "101", True)
    assert canvas("lovelaceada_101_link.html").id == "101"
    anonymous = canvas("LATE_anon_ab12c_7001_hw.ipynb")
    assert anonymous.late and anonymous.number == 7001 and anonymous.file == "hw.ipynb"
    assert "anonymously, as ab12c" in anonymous.why_not


@pytest.mark.parametrize(
    ("path", "file"),
    [
        ("Ada Lovelace_9001_assignsubmission_file/hw.ipynb", "hw.ipynb"),
        ("Ada Lovelace_9001_assignsubmission_file_/hw.ipynb", "hw.ipynb"),
        ("Ada Lovelace_9001_assignsubmission_file_/part/hw.ipynb", "hw.ipynb"),
        ("download/Ada Lovelace_9001_assignsubmission_file_/hw.ipynb", "hw.ipynb"),
        ("Ada Lovelace_9001_assignsubmission_file_hw_2.ipynb", "hw_2.ipynb"),
        ("Ada Lovelace_9001_assignsubmission_onlinetext/onlinetext.html", "onlinetext.html"),
    ],
)
def test_moodle_paths(path, file):
    claim = moodle(PurePosixPath(path))
    assert (claim.platform, claim.name, claim.id, claim.file) == ("Moodle", "Ada Lovelace", "9001", file)


def test_moodle_groups_without_a_number_and_other_paths():
    assert "group" in moodle(PurePosixPath("Default group_assignsubmission_file/hw.ipynb")).why_not
    assert moodle(PurePosixPath("ada/hw.ipynb")) is None


@pytest.mark.parametrize(
    ("name", "original"),
    [
        ("01_up-1.ipynb", "01_up.ipynb"),
        ("01_up (12).ipynb", "01_up.ipynb"),
        ("Copy of Copy of 01_up(1).ipynb", "01_up.ipynb"),
        ("01_up-Copy1-2.ipynb", "01_up.ipynb"),
        ("01_up.IPYNB", "01_up.ipynb"),
        ("solution 1.ipynb", "solution 1.ipynb"),
    ],
)
def test_copies_have_the_name_of_the_original(name, original):
    assert original_name(name) == original


# Gradescope

EXPORT = b"""---
submission_1:
  :submitters:
  - :name: Ada Lovelace
    :sid: '0042'
    :email: ada@example.org
  :created_at: 2026-10-01 17:34:00.861687000 Z
  :score: 2.0
  :results: !ruby/hash:ActiveSupport::HashWithIndifferentAccess
    output: 'ends in a quote at the margin

'
    more: !ruby/object:Anything {a: 1}
  :id: 1
...
submission_2:
  :submitters:
  - :sid: 333
  - :name: Emmy Noether
    :email: emmy@example.org
  :created_at: 2026-10-01 10:34:00 -07:00
submission_3:
  :submitters: []
note: 1
"""


def test_gradescopes_metadata():
    found = read_metadata(EXPORT)
    (ada,) = found["submission_1"]
    assert (ada.id, ada.name, ada.email, ada.number) == ("0042", "Ada Lovelace", "ada@example.org", 1)
    assert ada.stamp == "2026-10-01 17:34:00.861687 UTC"
    pair = found["submission_2"]
    assert [(person.id, person.email) for person in pair] == [("333", ""), ("", "emmy@example.org")]
    assert pair[0].stamp == "2026-10-01 17:34:00.000000 UTC"
    assert found["submission_3"] == [] and "note" not in found


@pytest.mark.parametrize("content", [b"- a\n- list\n", b"a: [", b"\xff\xfe\x00", b"text"])
def test_metadata_that_are_none(content):
    with pytest.raises(ValueError, match=r"submission_metadata.yml cannot be read"):
        read_metadata(content)


def test_metadata_make_no_objects(tmp_path):
    content = (
        b"submission_1:\n  :id: !!python/object/apply:os.mkdir ['%s']\n" % str(tmp_path / "made").encode()
    )
    assert read_metadata(content) == {"submission_1": []}
    assert not (tmp_path / "made").exists()


def test_the_folder_of_a_file_in_an_export():
    export = PurePosixPath("assignment_5_export")
    assert folder_of(export / "submission_1" / "deep" / "hw.ipynb", export) == "submission_1"
    assert folder_of(export / "readme.txt", export) is None
    assert folder_of(PurePosixPath("other/hw.ipynb"), export) is None


def test_a_time_is_written_as_nbgrader_reads_it():
    from nbgrader.utils import parse_utc

    (ada,) = read_metadata(EXPORT)["submission_1"]
    wanted = datetime(2026, 10, 1, 17, 34, 0, 861687, tzinfo=timezone.utc)
    assert parse_utc(ada.stamp).replace(tzinfo=timezone.utc) == wanted
