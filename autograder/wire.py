"""Messages over a socket between the side that is trusted and the side that is not.

A message is one letter (J: JSON, B: bytes), its length in four bytes, its body. The receiver states how long
a body it will take and until when it will wait; whatever breaks these rules is an error of the other side.
"""

from __future__ import annotations

import json
import socket
import time
from typing import Any

JSON, BYTES = b"J", b"B"
HEADER = 5
LARGEST = 64 * 2**20


class WireError(Exception):
    """The other side did not keep to the protocol."""


class Gone(WireError):
    """The other side closed the connection (its process ended)."""


class TimeUp(WireError):
    """Nothing, or not all of it, came in time."""


class Malformed(WireError):
    """What came is not a message: unknown letter, oversize, not JSON."""


class Channel:
    """One end of a connected stream socket.

    Parameters
    ----------
    sock : socket.socket
        The channel owns it from now on.
    largest : int
        The longest body, in bytes, that `receive` takes.
    """

    def __init__(self, sock: socket.socket, largest: int = LARGEST):
        self.socket = sock
        self.largest = largest
        self._begun = bytearray()  # what has come of the next message

    def send_json(self, value: Any, timeout: float | None = None) -> None:
        self._send(JSON, json.dumps(value).encode(), timeout)

    def send_bytes(self, body: bytes, timeout: float | None = None) -> None:
        self._send(BYTES, body, timeout)

    def receive(self, timeout: float | None = None) -> Any:
        """Return the next message, a JSON value or bytes; raise `Gone`, `TimeUp` or `Malformed`.

        After `TimeUp` what came so far is kept: the next call goes on with the same message.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        self._gather(HEADER, deadline)
        letter, length = bytes(self._begun[:1]), int.from_bytes(self._begun[1:HEADER], "big")
        if letter not in (JSON, BYTES):
            raise Malformed(f"a message starts with {letter!r}")
        if length > self.largest:
            raise Malformed(f"a message of {length} bytes; at most {self.largest} are taken")
        self._gather(HEADER + length, deadline)
        body = bytes(self._begun[HEADER:])
        self._begun.clear()
        if letter == BYTES:
            return body
        try:
            return json.loads(body)
        except (ValueError, RecursionError) as error:
            raise Malformed(f"a message that is not JSON: {type(error).__name__}") from None

    def close(self) -> None:
        self.socket.close()

    def _send(self, letter: bytes, body: bytes, timeout: float | None) -> None:
        if len(body) > self.largest:
            raise Malformed(f"a message of {len(body)} bytes; at most {self.largest} are sent")
        self.socket.settimeout(timeout)
        try:
            self.socket.sendall(letter + len(body).to_bytes(HEADER - 1, "big") + body)
        except TimeoutError:
            raise TimeUp("the other side does not read") from None
        except OSError as error:
            raise Gone(str(error)) from None

    def _gather(self, length: int, deadline: float | None) -> None:
        """Read until `length` bytes of the message are there."""
        while (missing := length - len(self._begun)) > 0:
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                raise TimeUp(f"{len(self._begun)} of {length} bytes came in time")
            self.socket.settimeout(left)
            try:
                chunk = self.socket.recv(min(missing, 2**20))
            except TimeoutError:
                continue
            except OSError as error:
                raise Gone(str(error)) from None
            if not chunk:
                raise Gone("the connection was closed")
            self._begun += chunk
