"""A file from the network: resumed where it broke off, checked, and put in place in one step."""

from __future__ import annotations

import hashlib
import http.client
import os
import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

CHUNK = 1 << 18
TRIES = 4
"""Times that a download which gets on is taken up again in one call."""


BROKEN = (urllib.error.URLError, ConnectionError, TimeoutError, ssl.SSLError, http.client.HTTPException)
"""What the network does. Errors of the disk are OSErrors, too, and are none of these."""


class NotReachable(ConnectionError):
    """The network, or the server, did not give the file."""


class ChecksumError(ValueError):
    """What came is not the file that was meant."""


@dataclass(frozen=True)
class Remote:
    """A file in the network.

    Attributes
    ----------
    url : str
    checksum : str
        ``algorithm:digits``, the algorithm as hashlib calls it.
    size : int
        Bytes.
    """

    url: str
    checksum: str
    size: int

    @property
    def name(self) -> str:
        """The file's name, without its address."""
        return self.url.rsplit("/", 1)[-1]


def cache_folder() -> Path:
    """Return where data sets are kept: the folder in DLCV_DATA, else ``dlcv`` in the user's cache."""
    if asked := os.environ.get("DLCV_DATA"):
        return Path(asked).expanduser()
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "dlcv"


def download(remote: Remote, folder: Path, *, show: bool = True, timeout: float = 20.0) -> Path:
    """Return the path of a file, after loading it if it is not in the folder yet.

    What has come is written to ``NAME.part``. A download that breaks off, or is interrupted, goes on from there the
    next time. Only a whole file with the right checksum gets its name, in one step: what has the name is right.

    Parameters
    ----------
    remote : Remote
    folder : Path
        Made if it is not there.
    show : bool
        Show a progress bar.
    timeout : float
        Seconds without a byte before a connection is given up.

    Raises
    ------
    NotReachable
        If the file could not be loaded; what came so far is kept.
    ChecksumError
        If the file is another one; it is deleted.
    """
    path = folder / remote.name
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    with tqdm(total=remote.size, unit="B", unit_scale=True, desc=remote.name, disable=not show) as bar:
        _load(remote, part, path, bar, timeout)
    _check(remote, part)
    os.replace(part, path)
    return path


def _load(remote: Remote, part: Path, path: Path, bar: tqdm, timeout: float) -> None:
    """Append to `part` until it has the file's size or the server says that there is no more."""
    for left in reversed(range(TRIES)):
        begin = _length(part)
        if begin >= remote.size:
            return
        try:
            _append(remote.url, part, begin, bar, timeout)
            return
        except BROKEN as error:
            if begin and getattr(error, "code", None) == 416:  # nothing lies behind what is here
                return
            if not left or _length(part) <= begin:  # nothing came: trying again at once is of no use
                raise NotReachable(_unreachable(remote, path, error)) from error


def _append(url: str, part: Path, begin: int, bar: tqdm, timeout: float) -> None:
    request = urllib.request.Request(url, headers={"Range": f"bytes={begin}-"} if begin else {})
    with urllib.request.urlopen(request, timeout=timeout) as answer:
        if answer.status != 206:  # the server sends the whole file, whatever was asked for
            begin = 0
        wanted = answer.headers.get("Content-Length")
        bar.n = begin
        with part.open("ab" if begin else "wb") as file:
            while chunk := answer.read(CHUNK):
                file.write(chunk)
                bar.update(len(chunk))
    if wanted is not None and _length(part) < begin + int(wanted):
        raise http.client.IncompleteRead(b"", begin + int(wanted) - _length(part))


def _check(remote: Remote, part: Path) -> None:
    algorithm, _, wanted = remote.checksum.partition(":")
    with part.open("rb") as file:
        digest = hashlib.new(algorithm, usedforsecurity=False)
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    if digest.hexdigest() != wanted:
        size = _length(part)
        part.unlink()
        raise ChecksumError(
            f"{remote.url} gave another file: {size} bytes with {algorithm} {digest.hexdigest()}; wanted "
            f"{remote.size} bytes with {wanted}. It was deleted. Try again; if it happens again, the file has changed."
        )


def _unreachable(remote: Remote, path: Path, error: Exception) -> str:
    reason = getattr(error, "reason", None) or str(error) or type(error).__name__
    kept = _length(path.with_name(f"{path.name}.part"))
    have = f" The first {kept / 1e6:.1f} MB are kept, and the next try goes on from there." if kept else ""
    return (
        f"{remote.name} is not in {path.parent} yet, and {remote.url} cannot be reached ({reason}).{have} Connect to "
        f"the network and try again, or put the file there by hand ({remote.size / 1e6:.0f} MB, {remote.checksum})."
    )


def _length(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
