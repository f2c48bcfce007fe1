"""Downloads from a server on this machine that breaks off, lies, or is not there."""

import hashlib
import http.server
import os
import tarfile
import threading
from io import BytesIO

import pytest

from dlcv.data.public import ChecksumError, NotReachable, cache_folder, download
from dlcv.data.public.archive import unpack
from dlcv.data.public.remote import CHUNK, Remote

CONTENT = os.urandom(3 * CHUNK + 1234)


class Server(http.server.ThreadingHTTPServer):
    """Gives CONTENT; breaks off after each number of bytes in `breaks`; notes the ranges that were asked for."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.breaks, self.ranges, self.content, self.knows_ranges = [], [], CONTENT, True
        self.url = f"http://127.0.0.1:{self.server_port}/file.bin"

    def handle_error(self, request, client_address):
        """Say nothing of connections that were cut."""


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        server, asked = self.server, self.headers.get("Range")
        server.ranges.append(asked)
        begin = int(asked.removeprefix("bytes=").rstrip("-")) if asked and server.knows_ranges else 0
        if begin and begin >= len(server.content):
            return self.send_error(416)
        rest = server.content[begin:]
        self.send_response(206 if begin else 200)
        self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        self.wfile.write(rest[: server.breaks.pop(0)] if server.breaks else rest)
        return None

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def remote(server, content=CONTENT):
    return Remote(server.url, f"sha256:{hashlib.sha256(content).hexdigest()}", len(content))


def fetch(server, folder, **options):
    return download(remote(server), folder, show=False, timeout=5, **options)


def test_a_file_comes_once(server, tmp_path):
    path = fetch(server, tmp_path / "new")
    assert path.read_bytes() == CONTENT
    assert [file.name for file in path.parent.iterdir()] == ["file.bin"]
    assert fetch(server, tmp_path / "new") == path
    assert len(server.ranges) == 1


def test_what_broke_off_goes_on_in_the_same_call(server, tmp_path):
    server.breaks = [CHUNK + 5, CHUNK]
    assert fetch(server, tmp_path).read_bytes() == CONTENT
    assert server.ranges == [None, f"bytes={CHUNK + 5}-", f"bytes={2 * CHUNK + 5}-"]


def test_what_broke_off_for_good_goes_on_in_the_next_call(server, tmp_path):
    server.breaks = [CHUNK, 0]
    with pytest.raises(
        NotReachable, match=r"The first 0\.3 MB are kept, and the next try goes on from there"
    ):
        fetch(server, tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["file.bin.part"]
    assert fetch(server, tmp_path).read_bytes() == CONTENT
    assert server.ranges[-1] == f"bytes={CHUNK}-"


def test_an_interruption_keeps_what_came(server, tmp_path, monkeypatch):
    from tqdm import tqdm

    def interrupt(self, n=1):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(tqdm, "update", interrupt)
        with pytest.raises(KeyboardInterrupt):
            fetch(server, tmp_path)
    kept = (tmp_path / "file.bin.part").stat().st_size
    assert 0 < kept < len(CONTENT)
    assert fetch(server, tmp_path).read_bytes() == CONTENT
    assert server.ranges[-1] == f"bytes={kept}-"


def test_a_server_that_knows_no_ranges_begins_again(server, tmp_path):
    server.knows_ranges = False
    (tmp_path / "file.bin.part").write_bytes(CONTENT[:1000])
    assert fetch(server, tmp_path).read_bytes() == CONTENT


def test_a_whole_part_is_only_checked(server, tmp_path):
    (tmp_path / "file.bin.part").write_bytes(CONTENT)
    assert fetch(server, tmp_path).read_bytes() == CONTENT
    assert server.ranges == []


def test_nothing_behind_the_part_and_a_size_that_was_wrong(server, tmp_path):
    (tmp_path / "file.bin.part").write_bytes(CONTENT)
    right = remote(server)
    path = download(Remote(right.url, right.checksum, right.size + 9), tmp_path, show=False)
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize("content", [b"<html>please log in</html>", CONTENT[:-1] + b"x"])
def test_another_file_is_told_and_deleted(server, tmp_path, content):
    server.content = content
    with pytest.raises(ChecksumError, match=r"gave another file.*wanted .* It was deleted"):
        fetch(server, tmp_path)
    assert list(tmp_path.iterdir()) == []
    server.content = CONTENT
    assert fetch(server, tmp_path).read_bytes() == CONTENT


def test_a_rotten_part_does_not_pass(server, tmp_path):
    (tmp_path / "file.bin.part").write_bytes(b"rotten")
    with pytest.raises(ChecksumError):
        fetch(server, tmp_path)
    assert fetch(server, tmp_path).read_bytes() == CONTENT


def test_without_a_network_the_message_says_what_to_do(tmp_path):
    with Server() as closed:
        pass
    with pytest.raises(NotReachable) as caught:
        fetch(closed, tmp_path)
    message = str(caught.value)
    assert f"file.bin is not in {tmp_path} yet, and {closed.url} cannot be reached" in message
    assert "put the file there by hand" in message
    assert "are kept" not in message


def test_a_missing_file_is_told_with_the_servers_word(server, tmp_path):
    server.RequestHandlerClass = type("Gone", (Handler,), {"do_GET": lambda self: self.send_error(404)})
    with pytest.raises(NotReachable, match="cannot be reached"):
        fetch(server, tmp_path)


def test_a_full_disk_is_not_taken_for_the_network(server, tmp_path, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("dlcv.data.public.remote._append", full)
    with pytest.raises(OSError, match="No space left"):
        fetch(server, tmp_path)


def test_where_things_are_kept(monkeypatch, tmp_path):
    monkeypatch.setenv("DLCV_DATA", str(tmp_path / "mine"))
    assert cache_folder() == tmp_path / "mine"
    monkeypatch.delenv("DLCV_DATA")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "dlcv"


def archive(path, **members):
    with tarfile.open(path, "w:gz") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, BytesIO(content))
    return path


def test_archives_become_a_folder(tmp_path):
    first = archive(tmp_path / "a.tar.gz", **{"x/one.txt": b"1", "x/._one.txt": b"junk"})
    second = archive(tmp_path / "b.tar.gz", **{"y/two.txt": b"2"})
    folder = unpack([first, second], tmp_path / "set", keep=lambda name: "._" not in name, show=False)
    found = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.txt"))
    assert found == [os.path.join("x", "one.txt"), os.path.join("y", "two.txt")]
    assert unpack([], folder) == folder  # it is there already


@pytest.mark.parametrize("name", ["../outside.txt", "/outside.txt"])
def test_nothing_lands_outside_and_nothing_half_done_stays(tmp_path, name):
    bad = archive(tmp_path / "bad.tar.gz", **{"fine.txt": b"1", name: b"2"})
    with pytest.raises(ValueError, match="not a plain file inside"):
        unpack([bad], tmp_path / "set", show=False)
    assert [path.name for path in tmp_path.iterdir()] == ["bad.tar.gz"]


def test_a_broken_archive_leaves_nothing(tmp_path):
    whole = archive(tmp_path / "a.tar.gz", **{"one.bin": os.urandom(200_000)}).read_bytes()
    (tmp_path / "a.tar.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises((EOFError, tarfile.ReadError)):
        unpack([tmp_path / "a.tar.gz"], tmp_path / "set", show=False)
    assert not (tmp_path / "set").exists()
