"""Messages between the trusted side and the other one: what is sent arrives, what is not a message is refused."""

import socket
import threading
import time

import pytest

from autograder.wire import Channel, Gone, Malformed, TimeUp, WireError


@pytest.fixture
def pair():
    ours, theirs = socket.socketpair()
    yield Channel(ours, largest=10_000), theirs
    ours.close()
    theirs.close()


def test_round_trip(pair):
    channel, theirs = pair
    other = Channel(theirs)
    for value in ({"a": [1, "ü", None]}, "text", 3.5, []):
        other.send_json(value)
        assert channel.receive(timeout=1) == value
    other.send_bytes(b"\0\xff" * 100)
    assert channel.receive(timeout=1) == b"\0\xff" * 100


def test_a_body_may_be_empty(pair):
    channel, theirs = pair
    theirs.sendall(b"B" + bytes(4))
    assert channel.receive(timeout=1) == b""


@pytest.mark.parametrize(
    "bytes_sent",
    [
        b"X" + bytes(4),
        b"J" + (10_001).to_bytes(4, "big"),
        b"J" + b"\xff" * 4,
        b"J" + (3).to_bytes(4, "big") + b"{a:",
        b"J" + (2).to_bytes(4, "big") + b"\xff\xfe",
        b"J" + (9_000).to_bytes(4, "big") + b"[" * 9_000,
    ],
)
def test_what_is_no_message_is_refused(pair, bytes_sent):
    channel, theirs = pair
    theirs.sendall(bytes_sent)
    with pytest.raises(Malformed):
        channel.receive(timeout=1)


def test_a_closed_connection_is_told_from_silence(pair):
    channel, theirs = pair
    with pytest.raises(TimeUp):
        channel.receive(timeout=0.05)
    theirs.sendall(b"J" + (10).to_bytes(4, "big") + b"12")
    with pytest.raises(TimeUp, match="7 of 15 bytes"):
        channel.receive(timeout=0.05)
    theirs.close()
    with pytest.raises(Gone):
        channel.receive(timeout=1)


@pytest.mark.parametrize("before", [1, 4, 5, 7, 14])
def test_a_message_that_came_in_part_is_not_lost(pair, before):
    """Whoever waits only a moment, and again, gets each message whole and in order."""
    channel, theirs = pair
    first = b"J" + (10).to_bytes(4, "big") + b'"01234567"'
    theirs.sendall(first[:before])
    for _ in range(2):
        with pytest.raises(TimeUp):
            channel.receive(timeout=0.01)
    theirs.sendall(first[before:] + b"B" + (2).to_bytes(4, "big") + b"ab")
    assert channel.receive(timeout=1) == "01234567"
    assert channel.receive(timeout=1) == b"ab"


def test_after_what_is_no_message_nothing_is_believed(pair):
    channel, theirs = pair
    theirs.sendall(b"X" + bytes(4) + b"J" + (2).to_bytes(4, "big") + b"{}")
    for _ in range(2):
        with pytest.raises(Malformed):
            channel.receive(timeout=1)


def test_dripping_does_not_extend_the_time(pair):
    channel, theirs = pair
    theirs.sendall(b"J" + (1000).to_bytes(4, "big"))

    def drip():
        try:
            for _ in range(100):
                theirs.sendall(b" ")
                time.sleep(0.02)
        except OSError:
            pass

    thread = threading.Thread(target=drip)
    thread.start()
    start = time.monotonic()
    with pytest.raises(TimeUp):
        channel.receive(timeout=0.2)
    assert time.monotonic() - start < 1
    channel.close()
    thread.join()


def test_sending_to_somebody_who_does_not_read(pair):
    channel, _ = pair

    def send_much():
        for _ in range(10_000):
            channel.send_bytes(bytes(9_000), timeout=0.05)

    with pytest.raises(WireError):
        send_much()


def test_too_long_a_message_is_not_sent(pair):
    channel, _ = pair
    with pytest.raises(Malformed, match="at most 10000"):
        channel.send_bytes(bytes(10_001))
