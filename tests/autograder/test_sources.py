"""Files from folders and zips that strangers filled."""

import os
import stat
import zipfile
from pathlib import Path

import pytest

from autograder import sources
from autograder.course import CourseError
from autograder.sources import Unreadable, opened


def by_path(source: Path) -> dict:
    with opened(source) as found:
        return {str(file.path): outcome(file) for file in found}


def outcome(file):
    try:
        return file.read()
    except Unreadable as error:
        return str(error)


def zip_of(tmp_path, **members: bytes) -> Path:
    path = tmp_path / "all.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def test_a_folder_a_zip_and_a_single_file(tmp_path):
    (tmp_path / "in" / "ada").mkdir(parents=True)
    (tmp_path / "in" / "ada" / "hw.ipynb").write_bytes(b"{}")
    (tmp_path / "in" / "notes.txt").write_bytes(b"x")
    assert by_path(tmp_path / "in") == {"ada/hw.ipynb": b"{}", "notes.txt": b"x"}
    assert by_path(tmp_path / "in" / "notes.txt") == {"notes.txt": b"x"}
    assert by_path(zip_of(tmp_path, **{"ada/hw.ipynb": b"{}", "ada/": b""})) == {"ada/hw.ipynb": b"{}"}


def test_links_and_odd_files_in_folders_are_named_and_not_followed(tmp_path):
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "seed").write_text("s")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "file.ipynb").symlink_to(tmp_path / "secret" / "seed")
    (tmp_path / "in" / "folder").symlink_to(tmp_path / "secret")
    os.mkfifo(tmp_path / "in" / "pipe.ipynb")
    link = "a link, which could lead anywhere"
    assert by_path(tmp_path / "in") == {"file.ipynb": link, "folder": link, "pipe.ipynb": "no file"}


def test_paths_that_lead_out_links_and_backslashes_in_zips(tmp_path):
    path = zip_of(
        tmp_path, **{"../up.ipynb": b"1", "/abs.ipynb": b"2", "C:\\x.ipynb": b"3", "ada\\hw.ipynb": b"4"}
    )
    with zipfile.ZipFile(path, "a") as archive:
        link = zipfile.ZipInfo("link.ipynb")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    found = by_path(path)
    out = "its path leads out of the archive"
    assert found["ada/hw.ipynb"] == b"4"
    assert [found[name] for name in ("../up.ipynb", "/abs.ipynb", "C:/x.ipynb")] == [out] * 3
    assert found["link.ipynb"] == "a link, which could lead anywhere"


def test_two_members_of_one_name_are_two_files(tmp_path):
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr("hw.ipynb", b"first")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("hw.ipynb", b"second")
    with opened(tmp_path / "all.zip") as found:
        assert [file.read() for file in found] == [b"first", b"second"]


def test_what_is_too_large_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "LARGEST_FILE", 1000)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "big.ipynb").write_bytes(b"x" * 1001)
    assert by_path(tmp_path / "in")["big.ipynb"].startswith("too large")
    found = by_path(zip_of(tmp_path, bomb=b"\0" * 1_000_000, small=b"x" * 1000))
    assert found["bomb"].startswith("too large") and found["small"] == b"x" * 1000


def test_a_member_that_lies_about_its_size(tmp_path, monkeypatch):
    path = zip_of(tmp_path, bomb=b"\0" * 1_000_000)
    monkeypatch.setattr(sources, "LARGEST_FILE", 1000)
    content = path.read_bytes()
    size = (1_000_000).to_bytes(4, "little")
    assert content.count(size) == 2
    path.write_bytes(content.replace(size, (10).to_bytes(4, "little")))
    assert by_path(path)["bomb"].startswith("it cannot be unpacked")


def test_all_members_together_have_a_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "MOST_BYTES", 25)
    found = by_path(zip_of(tmp_path, a=b"x" * 10, b=b"x" * 10, c=b"x" * 10))
    assert [type(found[name]) for name in "abc"] == [bytes, bytes, str]
    monkeypatch.setattr(sources, "MOST_MEMBERS", 2)
    with pytest.raises(CourseError, match="has 3 members; at most 2"):
        by_path(tmp_path / "all.zip")


def test_encrypted_and_damaged_members(tmp_path):
    path = zip_of(tmp_path, a=os.urandom(400), b=b"fine")
    content = bytearray(path.read_bytes())
    content[100] ^= 255  # inside the first member
    path.write_bytes(content)
    found = by_path(path)
    assert found["a"].startswith("it cannot be unpacked") and found["b"] == b"fine"
    content = bytearray(zip_of(tmp_path, a=b"secret").read_bytes())
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    assert by_path(path)["a"] == "it is encrypted"


def test_a_zip_that_is_none_is_one_line(tmp_path):
    (tmp_path / "all.zip").write_bytes(b"PK, but no zip")
    with pytest.raises(CourseError, match=r"all.zip is no zip that can be read"):
        by_path(tmp_path / "all.zip")


def test_names_that_are_none(tmp_path):
    path = zip_of(tmp_path, **{"é.ipynb": b"x", "b": b"fine"})
    content = path.read_bytes()
    path.write_bytes(content.replace("é".encode(), b"\xff\xff", 1))  # where the member itself stands
    found = by_path(path)
    assert found["é.ipynb"].startswith("it cannot be unpacked") and found["b"] == b"fine"
    path.write_bytes(content.replace("é".encode(), b"\xff\xff"))  # in the list of members, too
    with pytest.raises(CourseError, match=r"all\.zip is no zip that can be read"):
        by_path(path)
    path = zip_of(tmp_path, a=b"x", b=b"fine")
    path.write_bytes(path.read_bytes().replace(b"a", b"\0", 2))  # a name ends at its first zero
    assert by_path(path) == {".": "it has no name", "b": b"fine"}


def test_a_date_that_does_not_exist_is_no_error(tmp_path):
    path = zip_of(tmp_path, a=b"x")
    content = bytearray(path.read_bytes())
    for start in (10, content.index(b"PK\x01\x02") + 12):
        content[start : start + 4] = b"\0\0\0\0"  # the 0th of month 0
    path.write_bytes(content)
    with opened(path) as (file,):
        assert file.modified == 0.0


def test_a_folder_that_cannot_be_opened_is_named(tmp_path, monkeypatch):
    (tmp_path / "ada").mkdir()
    (tmp_path / "bob").mkdir()
    (tmp_path / "bob" / "hw.ipynb").write_bytes(b"{}")
    scan = os.scandir

    def refusing(folder):
        if Path(folder).name == "ada":
            raise PermissionError(13, "Permission denied")
        return scan(folder)

    monkeypatch.setattr(sources.os, "scandir", refusing)
    assert by_path(tmp_path) == {
        "ada": "the folder cannot be opened: Permission denied",
        "bob/hw.ipynb": b"{}",
    }
