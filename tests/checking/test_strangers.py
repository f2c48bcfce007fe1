"""Replies that no answer of ours would send: whatever a stranger's bytes hold, it is no error of ours and no point."""

from __future__ import annotations

import copy
import json
import random

import pytest
import safetensors.torch
import torch

from dlcv.checking import Answer, BadMessage, Judge, LearnerGone, Reply

from .toy import make

KINDS = ("paint", "Block", "expand")
TENSORS = {
    "none": torch.zeros(()),
    "empty": torch.zeros(0, 5),
    "nan": torch.full((5,), float("nan")),
    "inf": torch.full((2, 2), float("inf"), dtype=torch.float64),
    "deep": torch.ones((1,) * 60),
    "bool": torch.tensor([True]),
    "int8": torch.zeros(3, dtype=torch.int8),
    "half": torch.ones(4, 4, 4, 4, dtype=torch.float16),
    "bfloat16": torch.zeros(2, 3, dtype=torch.bfloat16),
}
LEAVES = [
    None, True, 0, -1, 2**62, 10**400, "", "x" * 5000, "\0\ud800", {}, [], {"unknown": 1}, {"tensor": "missing"},
    *({"float": text} for text in ("nan", "-inf", "1e400", 1e308, None, [])),
    *({"unsupported": text} for text in ("<script>", None, ["x"])),
    *({"expression": tree} for tree in ({"s": "x"}, 3, ["Add"], ["Pow", ["Symbol", "x"], 10**18])),
    *({kind: name} for kind in ("tensor", "array") for name in TENSORS),
]  # fmt: skip
VALUE = ("dict", 0, 1)  # where a reply's tree has what the answer returned
WRAPS = [
    lambda leaf: leaf,
    lambda leaf: {"list": [leaf]},
    lambda leaf: {"tuple": [leaf] * 3},
    lambda leaf: {"dict": [["output", leaf]]},
    lambda leaf: {"dict": [[leaf, leaf]]},
    lambda leaf: {"list": [{"list": [leaf]}] * 40},
]


def message(tree: dict, tensors: dict) -> bytes:
    text = json.dumps(tree).encode()
    return len(text).to_bytes(8, "little") + text + safetensors.torch.save({**TENSORS, **tensors})


def forged(value: object) -> bytes:
    fields = {"value": value, "crash": None, "violations": {"list": []}, "changed": {"list": []}}
    fields |= {"seconds": {"float": 0.1}, "timed_out": False}
    return message({"dict": [[name, field] for name, field in fields.items()]}, {})


@pytest.fixture(scope="module")
def judges() -> dict:
    exercises = make()
    return {name: Judge(exercises[name], seed="secret") for name in KINDS}


@pytest.mark.parametrize("name", KINDS)
def test_one_reply_to_all_questions_earns_nothing(judges, name):
    for leaf in LEAVES:
        for wrap in WRAPS:
            try:
                reply = Reply.from_bytes(forged(wrap(leaf)))
            except BadMessage:
                continue
            verdict = judges[name].verdict(lambda request, reply=reply: reply)
            assert verdict.kind != "engine error", (leaf, verdict.detail)
            assert verdict.points == 0, leaf
            json.dumps(verdict.to_dict(), allow_nan=False)
            verdict.html(), verdict.text()


def places(tree: object, path: tuple = ()) -> list[tuple]:
    """The paths of all parts of a tree."""
    below = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    return [path, *(place for key, part in below for place in places(part, (*path, key)))]


def spoilt(tree: object, dice: random.Random) -> object:
    """A copy with something else in one place."""
    tree = copy.deepcopy(tree)
    inside = [place for place in places(tree)[1:] if place[:3] == VALUE]
    *above, last = dice.choice(inside if dice.random() < 0.8 else places(tree)[1:])
    part = tree
    for key in above:
        part = part[key]
    part[last] = dice.choice(WRAPS)(dice.choice(LEAVES))
    return tree


@pytest.mark.parametrize("name", KINDS)
def test_a_right_reply_with_one_thing_changed_is_never_our_error(judges, name):
    judge, dice, read = judges[name], random.Random(7), []
    answer = Answer(judge.exercise.reference, judge.exercise.watch)
    honest = {request.to_bytes(): answer.reply(request).to_bytes() for request in judge.requests}

    def ask(request):
        sent = honest[request.to_bytes()]
        size = int.from_bytes(sent[:8], "little")
        tree, tensors = json.loads(sent[8 : 8 + size]), safetensors.torch.load(sent[8 + size :])
        try:
            read.append(Reply.from_bytes(message(spoilt(tree, dice), tensors)))
        except BadMessage:
            raise LearnerGone("bad message") from None
        return read[-1]

    for _ in range(1_000):  # most of them cannot even be read
        if len(read) > 40:
            break
        verdict = judge.verdict(ask)
        assert verdict.kind != "engine error", verdict.detail
        json.dumps(verdict.to_dict(), allow_nan=False)
        verdict.html(), verdict.text()
    assert len(read) > 40
