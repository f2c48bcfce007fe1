"""Values as data: all that may cross between a learner's process and the one that judges.

A message is eight bytes (the length of the JSON part, little endian), a JSON tree, and the tensors of that tree
as safetensors. Reading one builds numbers, strings, containers, tensors, arrays and sympy trees of allowed nodes,
and nothing else: no pickle, no ``eval``, no class looked up by name.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import safetensors.torch
import torch

from dlcv.checking import expressions

MAX_NODES = 200_000
MAX_DEPTH = 60
LARGEST = 2**63  # what no tensor holds, no answer needs
_HEADER = 8
_DTYPES = {
    torch.float64, torch.float32, torch.float16, torch.bfloat16,
    torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool,
}  # fmt: skip


class BadMessage(ValueError):
    """The bytes are not a message of ours: cut off, oversize, malformed, or with an unknown node."""


@dataclass(frozen=True)
class Unsupported:
    """Stands for a value that cannot cross; `kind` says in words what it was."""

    kind: str


def pack(value: Any) -> bytes:
    """Return `value` as one message. What cannot cross becomes `Unsupported`."""
    tensors: dict[str, torch.Tensor] = {}
    tree = json.dumps(to_tree(value, tensors), allow_nan=False).encode()
    return len(tree).to_bytes(_HEADER, "little") + tree + safetensors.torch.save(tensors)


def to_tree(value: Any, tensors: dict[str, torch.Tensor]) -> Any:
    """Return `value` as a JSON tree, and add the tensors in it to `tensors`."""
    return _Encoder(tensors).encode(value, depth=0)


def from_tree(tree: Any, tensors: dict[str, torch.Tensor]) -> Any:
    """Return the value of a tree of `to_tree` that is one of ours; what a stranger sent goes through `unpack`."""
    return _Decoder(tensors).decode(tree, depth=0)


def unpack(message: bytes) -> Any:
    """Return the value of one message of `pack`; raise `BadMessage` for anything else."""
    try:
        size = int.from_bytes(message[:_HEADER], "little")
        if len(message) < _HEADER + size:
            raise BadMessage(f"a message of {_HEADER + size} bytes or more was announced; got {len(message)}")
        tree = json.loads(message[_HEADER : _HEADER + size])
        tensors = safetensors.torch.load(bytes(message[_HEADER + size :]))
        if any(tensor.dtype not in _DTYPES for tensor in tensors.values()):
            raise BadMessage("a tensor of a type that no answer has")
        return from_tree(tree, tensors)
    except BadMessage:
        raise
    except Exception as error:  # whatever a stranger's bytes raise, they are at fault
        raise BadMessage(f"not a message: {type(error).__name__}: {error}"[:300]) from None


def plain(value: Any) -> Any:
    """Return `value` as it looks on the other side: what `unpack` makes of `pack`, with no bytes between them.

    A learner's object may have any number of parts, and methods of its own that raise: it becomes `Unsupported`.
    """
    tensors: dict[str, torch.Tensor] = {}
    try:
        return _Decoder(tensors).decode(_Encoder(tensors).encode(value, depth=0), depth=0)
    except BadMessage:
        return Unsupported(f"{_article(type(value).__name__)} with more than {MAX_NODES:,} parts")
    except Exception:
        return Unsupported(f"{_article(type(value).__name__)} that cannot be read")


class _Encoder:
    def __init__(self, tensors: dict[str, torch.Tensor]):
        self.tensors = tensors
        self.nodes = 0

    def encode(self, value: Any, depth: int) -> Any:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise BadMessage("a value with too many parts")
        if depth > MAX_DEPTH:
            return {"unsupported": "a value nested too deep"}
        if value is None or type(value) in (bool, str):
            return value
        if isinstance(value, torch.Tensor):
            return self._tensor(value, "tensor")
        if isinstance(value, np.ndarray):
            return self._array(value)
        if isinstance(value, (bool, np.bool_)):
            return bool(value)
        if isinstance(value, (int, np.integer)):
            return int(value) if abs(int(value)) < LARGEST else {"unsupported": "an integer beyond 64 bits"}
        if isinstance(value, (float, np.floating)):
            number = float(value)
            return {"float": number if math.isfinite(number) else str(number)}
        if isinstance(value, str):
            return str(value)
        for kind in (tuple, list):
            if isinstance(value, kind):
                return {kind.__name__: [self.encode(item, depth + 1) for item in value]}
        if isinstance(value, dict):
            items = [
                [self.encode(key, depth + 1), self.encode(item, depth + 1)] for key, item in value.items()
            ]
            return {"dict": items}
        if isinstance(value, Unsupported):
            return {"unsupported": value.kind}
        if expressions.is_expression(value):
            try:
                return {"expression": expressions.encode(value)}
            except expressions.NotAllowed as error:
                return {"unsupported": str(error)}
        return {"unsupported": f"{_article(type(value).__name__)}"}

    def _tensor(self, value: torch.Tensor, kind: str) -> Any:
        with torch._C.DisableTorchFunctionSubclass():  # a subclass must not answer for its own contents
            if value.layout != torch.strided or value.device.type == "meta" or value.dtype not in _DTYPES:
                return {"unsupported": f"a {value.layout} tensor of {value.dtype} on {value.device.type}"}
            plain = value.detach().as_subclass(torch.Tensor)
            key = str(len(self.tensors))
            self.tensors[key] = plain.cpu().resolve_neg().clone(memory_format=torch.contiguous_format)
        return {kind: key}

    def _array(self, value: np.ndarray) -> Any:
        plain = np.array(value, copy=True, order="C", subok=False)
        try:
            return self._tensor(torch.from_numpy(plain), "array")
        except TypeError:
            return {"unsupported": f"a numpy array of {plain.dtype}"}


class _Decoder:
    def __init__(self, tensors: dict[str, torch.Tensor]):
        self.tensors = tensors
        self.nodes = 0

    def decode(self, tree: Any, depth: int) -> Any:
        self.nodes += 1
        if self.nodes > MAX_NODES or depth > MAX_DEPTH + 2:
            raise BadMessage("a value with too many parts")
        if isinstance(tree, int) and abs(tree) >= LARGEST:
            raise BadMessage("an integer beyond 64 bits")
        if tree is None or isinstance(tree, (bool, int, str)):
            return tree
        if not isinstance(tree, dict) or len(tree) != 1:
            raise BadMessage("an unknown node")
        ((kind, body),) = tree.items()
        if kind == "float":
            return float(body)
        if kind == "tensor":
            return self.tensors[body]
        if kind == "array":
            return self.tensors[body].numpy()
        if kind == "list":
            return [self.decode(item, depth + 1) for item in body]
        if kind == "tuple":
            return tuple(self.decode(item, depth + 1) for item in body)
        if kind == "dict":
            return {self.decode(key, depth + 1): self.decode(item, depth + 1) for key, item in body}
        if kind == "expression":
            return expressions.decode(body)
        if kind == "unsupported":
            return Unsupported(str(body)[:200])
        raise BadMessage(f"an unknown node {kind[:40]!r}")


def _article(noun: str) -> str:
    vowel = noun[:1].lower() in "aeiou" and not noun.startswith("uint")  # said "you-int"
    return f"{'an' if vowel else 'a'} {noun}"


def in_words(value: Any) -> str:
    """Say what `value` is, as a verdict does: ``a float32 tensor of shape (2, 3)``, ``a tuple of 2``."""
    if isinstance(value, Unsupported):
        return value.kind
    if value is None:
        return "None"
    if isinstance(value, torch.Tensor):
        return _article(f"{str(value.dtype).removeprefix('torch.')} tensor of shape {tuple(value.shape)}")
    if isinstance(value, np.ndarray):
        return f"a numpy array of {value.dtype} with shape {value.shape}"
    if isinstance(value, (tuple, list)):
        return f"a {type(value).__name__} of {len(value)}"
    if isinstance(value, dict):
        return f"a dict with keys {', '.join(map(str, list(value)[:6]))}"
    if isinstance(value, (bool, int, float)):
        return f"the {type(value).__name__} {value}"
    if isinstance(value, str):
        return f"the text {value[:40]!r}"
    return _article(type(value).__name__)
