"""Only data crosses, and whatever bytes arrive do no more than fail."""

import json
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dlcv.checking import BadMessage
from dlcv.checking.values import Unsupported, in_words, pack, plain, unpack


def same(a, b):
    if isinstance(a, torch.Tensor):
        return isinstance(b, torch.Tensor) and a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, np.ndarray):
        return isinstance(b, np.ndarray) and a.dtype == b.dtype and np.array_equal(a, b)
    if isinstance(a, (list, tuple)):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    return a == b and type(a) is type(b)


@pytest.mark.parametrize(
    "value",
    [
        None, True, 3, -1.5, float("inf"), "text", (), [], (1, [2, (3,)]), {"a": 1, 2: (None,)}, 2**62,
        torch.arange(6.0).reshape(2, 3), torch.tensor(3), torch.zeros(0, 4, dtype=torch.bool), torch.ones(2).half(),
        np.arange(4).reshape(2, 2), np.zeros(()), [torch.ones(2), np.ones(2, bool)],
    ],
)  # fmt: skip
def test_round_trip(value):
    assert same(unpack(pack(value)), value)


def test_nan_stays_nan():
    assert np.isnan(unpack(pack(float("nan"))))


numbers = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()


@given(
    st.recursive(
        numbers, lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner)
    )
)
def test_any_tree_survives(tree):
    assert same(unpack(pack(tree)), tree) or "unsupported" in repr(unpack(pack(tree))).lower()


def test_views_and_transposes_arrive_whole():
    x = torch.arange(12.0).reshape(3, 4)
    assert same(unpack(pack((x.T, x[:, ::2], x[0].expand(2, 4)))), (x.T, x[:, ::2], x[0].expand(2, 4)))


def test_subclass_cannot_answer_for_its_contents():
    class Liar(torch.Tensor):
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            return torch.full((2,), 7.0)

    crossed = unpack(pack(torch.zeros(2).as_subclass(Liar)))
    assert type(crossed) is torch.Tensor and torch.equal(crossed, torch.zeros(2))


def test_array_subclass_becomes_plain():
    class Odd(np.ndarray):
        def __eq__(self, other):
            return True

    assert type(unpack(pack(np.zeros(3).view(Odd)))) is np.ndarray


@pytest.mark.parametrize(
    "value", [{1, 2}, object(), lambda: 0, torch.zeros(2, 2).to_sparse(), 1j, np.array([object()])]
)
def test_what_cannot_cross_is_named(value):
    crossed = unpack(pack([value]))[0]
    assert isinstance(crossed, Unsupported) and crossed.kind


class Hashable(list):
    __hash__ = object.__hash__


class Silent(float):
    def __float__(self):
        raise ValueError


def pairs_of_pairs(depth):
    return [pairs_of_pairs(depth - 1)] * 2 if depth else 0


@pytest.mark.parametrize(
    "value", [list(range(300_000)), pairs_of_pairs(50), {Hashable(): 1}, Silent(1.0), [Silent(1.0)]]
)
def test_objects_that_fail_when_they_are_read_are_named(value):
    crossed = plain(value)
    assert isinstance(crossed, Unsupported) and type(value).__name__ in crossed.kind


def test_endless_nesting_is_cut():
    loop = []
    loop.append(loop)
    assert "deep" in repr(unpack(pack(loop)))


def header(tree, rest=b""):
    body = json.dumps(tree).encode()
    return len(body).to_bytes(8, "little") + body + rest


EMPTY = pack(None)[8 + 4 :]


@pytest.mark.parametrize(
    "message",
    [
        b"", b"\x00" * 7, b"\xff" * 40, pickle.dumps([1, 2]), header(None), header({"tensor": "0"}, EMPTY),
        header({"pickle": "x"}, EMPTY), header({"tensor": ["a"]}, EMPTY), header({"list": 3}, EMPTY),
        header([1], EMPTY),
        header({"float": "1e999999x"}, EMPTY), header({"dict": [[{"list": []}, 1]]}, EMPTY),
        header({"expression": ["eval", "1"]}, EMPTY), (10**15).to_bytes(8, "little") + b"{}", header(1.5, EMPTY),
    ],
)  # fmt: skip
def test_malformed_messages_are_refused(message):
    with pytest.raises(BadMessage):
        unpack(message)


@given(st.binary(max_size=200))
def test_random_bytes_never_do_more_than_fail(message):
    with pytest.raises(BadMessage):
        unpack(message)


def test_cut_message_is_refused():
    message = pack(torch.ones(100))
    for end in (4, 20, len(message) - 3):
        with pytest.raises(BadMessage):
            unpack(message[:end])


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (torch.zeros(2, 3), "a float32 tensor of shape (2, 3)"),
        (np.zeros(2), "a numpy array of float64 with shape (2,)"),
        ((1, 2), "a tuple of 2"),
        (None, "None"),
        (3, "the int 3"),
        (Unsupported("a set"), "a set"),
    ],
)
def test_in_words(value, words):
    assert in_words(value) == words


@pytest.mark.parametrize("number", [2**63, -(2**63), 10**40, -(10**4000)])
def test_integers_that_no_tensor_holds_do_not_cross(number):
    assert unpack(pack([number])) == [Unsupported("an integer beyond 64 bits")]
    tree = json.dumps({"list": [number]}).encode()
    with pytest.raises(BadMessage, match="beyond 64 bits"):
        unpack(len(tree).to_bytes(8, "little") + tree + (2).to_bytes(8, "little") + b"{}")
