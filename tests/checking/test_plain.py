"""Which answers may run without the hook: those that can reach nothing that only the hook would see."""

import functools
import math
import sys

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from dlcv import transposed_convolution as tc
from dlcv.checking import CONVOLUTION, MATMUL, UNFOLD
from dlcv.checking.forbidden import watch_for
from dlcv.checking.plain import Reach

WATCH = watch_for((CONVOLUTION, MATMUL, UNFOLD), allowed=("dlcv.transposed_convolution.output_size",))
FACTOR = 2.0
TABLE = {"weights": [torch.ones(2), (1, "two")]}
DEEP = functools.reduce(lambda inner, _: [inner], range(5_000), np.dot)
WORSE_TABLE = {"weights": [torch.ones(2), (1, np.dot)]}
renamed = torch.stack
renamed_view = torch.as_strided
renamed_product = torch.Tensor.matmul


def is_plain(answer, watch):
    return Reach(answer, watch).plain


def helper(x):
    return x * FACTOR


def helper_with_numpy(x):
    return np.asarray(x)


def output_size(x):
    """Called like the reference that may be used, and not plain."""
    return np.asarray(x)


def calls_itself(n):
    return n if n < 1 else calls_itself(n - 1)


class Layer(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        self.norm = nn.BatchNorm2d(channels)

    @property
    def channels(self):
        return self.norm.num_features

    def forward(self, x):
        return helper(F.relu(self.norm(x))) + self.channels


class SecretLayer(Layer):
    def forward(self, x):
        return self.__dict__["run"](x)


def imports_torch(x):
    import torch.nn.functional as G
    from torch import zeros

    return G.pad(x, (1, 1)) + zeros(1)


def loops(x, stride=1):
    canvas = x.new_zeros(len(x) * stride)
    for i, value in enumerate(x):
        canvas[i * stride : i * stride + 1] += value
    return canvas.sum().item() if canvas.any() else math.sqrt(max(1, *map(int, x.shape)))


PLAIN = {
    "loops": loops,
    "helper": lambda x: helper(x),
    "recursion": calls_itself,
    "table": lambda x: TABLE["weights"][0] + x,
    "alias": lambda x: renamed([x, x]),
    "class": Layer,
    "class as a helper": lambda x: Layer(2)(x),
    "import of torch": imports_torch,
    "reduce": lambda x: functools.reduce(lambda a, b: a + b, x),
    "raises": lambda x: (_ for _ in ()).throw(ValueError("no")) if False else x,
    "allowed reference": lambda x: tc.output_size(3, 2),
}


@pytest.mark.parametrize("name", PLAIN)
def test_ordinary_answers_are_plain(name):
    assert is_plain(PLAIN[name], WATCH)


def imports_numpy(x):
    import numpy as other

    return other.asarray(x)


def imports_by_name(x):
    from importlib import import_module

    return import_module("numpy")


def walks_frames(x):
    return (lambda: (yield))().gi_frame.f_globals


def catches(x):
    try:
        return x.missing
    except AttributeError as error:
        return error.__traceback__


def with_hidden_helper(x):
    return with_hidden_helper.tool(x)


with_hidden_helper.tool = np.dot

NOT_PLAIN = {
    "numpy": lambda x: np.asarray(x),
    "numpy in a helper": lambda x: helper_with_numpy(x),
    "numpy in a table": lambda x: WORSE_TABLE["weights"],
    "numpy inside": imports_numpy,
    "importlib": imports_by_name,
    "to numpy": lambda x: x.numpy(),
    "another reference": lambda x: tc.conv_transpose1d(x, x),
    "forbidden by name": lambda x: F.conv1d(x, x),
    "forbidden method": lambda x: x.matmul(x),
    "getattr": lambda x: getattr(x, "sum")(),  # noqa: B009
    "dict of a module": lambda x: torch.__dict__["relu"](x),
    "private parts of torch": lambda x: torch._C,
    "torch.ops": lambda x: torch.ops.aten.relu(x),
    "torch.jit": lambda x: torch.jit.script(helper)(x),
    "another module through torch": lambda x: torch.sys.modules,
    "eval": lambda x: eval("x"),
    "globals": lambda x: globals()["F"],
    "import": lambda x: __import__("math").sqrt(2),
    "open": lambda x: open,
    "alias of as_strided": lambda x: renamed_view(x, (1,), (1,)),
    "alias of a method": lambda x: renamed_product(x, x),
    "deep table": lambda x: DEEP,
    "frames": walks_frames,
    "traceback": catches,
    "attribute of a function": with_hidden_helper,
    "class with a way out": SecretLayer,
    "no function": functools.partial(helper, 1),
    "builtin": torch.relu,
    "library's function": F.relu,
    "library's class": nn.ReLU,
    "as_strided": lambda x: x.as_strided((1,), (1,)),
    "own function called like a reference": lambda x: output_size(x),
    "system": lambda x: sys.settrace,
}


@pytest.mark.parametrize("name", NOT_PLAIN)
def test_what_could_hide_something_is_not(name):
    assert not is_plain(NOT_PLAIN[name], WATCH)


def test_a_builtin_under_another_name_is_looked_at(monkeypatch):
    monkeypatch.setitem(globals(), "len", np.dot)
    assert not is_plain(lambda x: len(x), WATCH)


def test_a_changed_builtin_is_noticed(monkeypatch):
    import builtins

    monkeypatch.setattr(builtins, "divmod", np.dot)
    assert not is_plain(lambda x: divmod(x, 2), WATCH)


def test_a_changed_method_of_torchs_is_noticed(monkeypatch):
    monkeypatch.setattr(torch.Tensor, "double", np.asarray)
    assert not is_plain(loops, WATCH)


def test_a_new_method_of_torchs_is_noticed(monkeypatch):
    monkeypatch.setattr(torch.Tensor, "as_array", np.asarray, raising=False)
    assert not is_plain(loops, WATCH)


def test_a_changed_layer_of_torchs_is_looked_into(monkeypatch):
    monkeypatch.setattr(nn.BatchNorm2d, "forward", lambda self, x: np.asarray(x))
    assert not is_plain(Layer, WATCH)


def test_a_changed_function_of_torchs_is_looked_into(monkeypatch):
    monkeypatch.setattr(F, "relu", lambda x: np.asarray(x))
    assert not is_plain(Layer, WATCH)


def test_what_is_forbidden_elsewhere_may_be_named_here():
    assert is_plain(lambda x: F.conv1d(x, x), watch_for((MATMUL,)))
