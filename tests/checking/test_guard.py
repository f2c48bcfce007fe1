"""A forbidden call is seen under whatever name; what is allowed goes unnoticed."""

import functools
import importlib
import operator

import numpy as np
import pytest
import scipy.ndimage
import scipy.signal
import torch
import torch.nn.functional as F
from torch import nn

from dlcv.checking import ARGMAX, CONVOLUTION, FFT, INTERPOLATION, MATMUL, POOLING, UNFOLD, Answer, Request
from dlcv.checking.forbidden import watch_for
from dlcv.checking.guard import Guard
from dlcv.checking.operators import FastNet
from dlcv.checking.scan import scan_source

x = torch.arange(6.0)
w = torch.tensor([1.0, 2.0])
alias = F.conv1d
numpy_alias = np.matmul
partial = functools.partial(np.dot, np.ones(6))
hidden = {"f": torch.ops.aten.convolution}
layer = nn.Conv1d(1, 1, 2)
view = torch.as_strided
views = [torch.Tensor.as_strided]
bound = np.ones(6).dot


class Helper:
    """A learner's own class, whose method is looked up at run time."""

    def convolve(self, x):
        return F.conv1d(x[None, None], w[None, None])

    @property
    def strided(self):
        return view


def by_default(x, f=torch.Tensor.unfold):
    return f(x, 0, 2, 1)


def in_a_closure(f):
    return lambda x: f(x, (2, 2), (1, 1))


def decorated(f):
    @functools.wraps(f)
    def inner(x):
        return f(x) + 0

    return inner


@decorated
def through_a_decorator(x):
    return torch.as_strided(x, (2,), (1,))


def scriptable(x: torch.Tensor) -> torch.Tensor:
    return torch.conv1d(x[None, None], torch.ones(1, 1, 2))


def seen(function, *groups, numpy=False, loops=False, allowed=()):
    """Return the set of groups of the forbidden calls that one run of `function(x)` makes."""
    watch = watch_for(groups, numpy=numpy, loops=loops, allowed=allowed)
    reply = Answer(function, watch).reply(Request("dlcv.checking.probes:call", (x,), {}))
    assert reply.crash is None, reply.crash
    return {violation.group for violation in reply.violations}


CONVOLUTIONS = {
    "F": lambda x: F.conv1d(x[None, None], w[None, None]),
    "torch": lambda x: torch.conv1d(x[None, None], w[None, None]),
    "alias": lambda x: alias(x[None, None], w[None, None]),
    "getattr": lambda x: getattr(F, "conv" + "1d")(x[None, None], w[None, None]),
    "aten": lambda x: torch.ops.aten.conv1d(x[None, None], w[None, None]),
    "aten.convolution": lambda x: hidden["f"](
        x[None, None], w[None, None], None, [1], [0], [1], False, [0], 1
    ),
    "module": lambda x: layer(x[None, None]),
    "transposed": lambda x: F.conv_transpose1d(x[None, None], w[None, None]),
    "importlib": lambda x: importlib.import_module("torch.nn.functional").conv1d(
        x[None, None], w[None, None]
    ),
    "vjp": lambda x: torch.func.vjp(lambda z: F.conv1d(z, w[None, None]), torch.zeros(1, 1, 7))[1](
        x[None, None]
    ),
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_torch_convolution_under_any_name(name):
    assert CONVOLUTION.name in seen(CONVOLUTIONS[name], CONVOLUTION)


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_the_net_that_plain_answers_have_sees_it_under_any_name(name):
    guard = Guard(watch_for((CONVOLUTION,)), plain=True)
    with guard.active():
        CONVOLUTIONS[name](x)
    assert {violation.group for violation in guard.violations} == {CONVOLUTION.name}


NUMPY_CALLS = {
    "np.convolve": (lambda x: np.convolve(np.array(x.tolist()), [1, 2]), CONVOLUTION),
    "np.correlate": (lambda x: np.correlate(np.array(x.tolist()), [1, 2]), CONVOLUTION),
    "np.polymul": (lambda x: np.polymul(np.array(x.tolist()), [1, 2]), CONVOLUTION),
    "scipy.signal": (lambda x: scipy.signal.convolve(np.array(x.tolist()), [1, 2]), CONVOLUTION),
    "scipy.ndimage": (lambda x: scipy.ndimage.correlate1d(np.array(x.tolist()), [1, 2]), CONVOLUTION),
    "np.dot": (lambda x: np.dot(np.array(x.tolist()), np.ones(6)), MATMUL),
    "alias of np.matmul": (lambda x: numpy_alias(np.array(x.tolist()), np.ones(6)), MATMUL),
    "partial": (lambda x: partial(np.ones(6)), MATMUL),
    "getattr np": (lambda x: getattr(np, "mat" + "mul")(np.ones(6), np.ones(6)), MATMUL),
    "array.dot": (lambda x: np.ones(6).dot(np.ones(6)), MATMUL),
    "np.einsum": (lambda x: np.einsum("i,i->", np.ones(6), np.ones(6)), MATMUL),
    "np.tensordot": (lambda x: np.tensordot(np.ones(6), np.ones(6), 1), MATMUL),
    "operator.matmul": (lambda x: operator.matmul(np.ones(6), np.ones(6)), MATMUL),
    "np.fft": (lambda x: np.fft.fft(np.ones(6)), FFT),
    "sliding_window_view": (lambda x: np.lib.stride_tricks.sliding_window_view(np.ones(6), 2), UNFOLD),
    "np.interp": (lambda x: np.interp([0.5], [0, 1], [2, 3]), INTERPOLATION),
    "zoom": (lambda x: scipy.ndimage.zoom(np.ones((3, 3)), 2), INTERPOLATION),
    "bound method": (lambda x: bound(np.ones(6)) + np.ones(6).dot(np.ones(6)), MATMUL),
    "map": (lambda x: list(map(np.dot, np.ones((2, 2)), np.ones((2, 2)))), MATMUL),
    "methodcaller": (lambda x: operator.methodcaller("convolve", x)(Helper()), CONVOLUTION),
    "import inside": (lambda x: __import__("numpy").convolve([1, 2], [1, 2]), CONVOLUTION),
    "getattr of a method": (lambda x: getattr(np.ones(6), "d" + "ot")(np.ones(6)), MATMUL),
}


@pytest.mark.parametrize("name", NUMPY_CALLS)
def test_numpy_and_scipy_under_any_name(name):
    function, group = NUMPY_CALLS[name]
    assert group.name in seen(function, group, numpy=True)


@pytest.mark.parametrize(
    ("function", "group"),
    [
        (lambda x: x @ x, MATMUL),
        (lambda x: torch.einsum("i,j->ij", x, x) @ x, MATMUL),
        (lambda x: torch.linalg.multi_dot([x[None], x[:, None]]), MATMUL),
        (lambda x: torch.tensordot(x, x, 1), MATMUL),
        (lambda x: torch.fft.rfft(x), FFT),
        (lambda x: x.unfold(0, 2, 1), UNFOLD),
        (lambda x: F.unfold(x.reshape(1, 1, 2, 3), 2), UNFOLD),
        (lambda x: F.interpolate(x[None, None], scale_factor=2.0), INTERPOLATION),
        (
            lambda x: F.grid_sample(x.reshape(1, 1, 2, 3), torch.zeros(1, 1, 1, 2), align_corners=False),
            INTERPOLATION,
        ),
        (lambda x: F.max_pool1d(x[None], 2), POOLING),
        (lambda x: nn.AdaptiveAvgPool1d(2)(x[None]), POOLING),
    ],
)
def test_other_groups(function, group):
    assert group.name in seen(function, group)


VIEWS = {
    "torch": lambda x: torch.as_strided(x, (2,), (1,)),
    "method": lambda x: x.as_strided((2,), (1,)),
    "alias": lambda x: view(x, (2,), (1,)),
    "in a list": lambda x: views[0](x, (2,), (1,)),
    "ops": lambda x: torch.ops.aten.as_strided(x, (2,), (1,)),
    "getattr": lambda x: getattr(torch, "as_" + "strided")(x, (2,), (1,)),
    "map": lambda x: next(map(torch.as_strided, [x], [(2,)], [(1,)])),
    "map of an alias": lambda x: next(map(view, [x], [(2,)], [(1,)])),
    "partial": lambda x: functools.partial(torch.as_strided, size=(2,), stride=(1,))(x),
    "methodcaller": lambda x: operator.methodcaller("as_strided", (2,), (1,))(x),
    "property": lambda x: Helper().strided(x, (2,), (1,)),
    "closure": in_a_closure(torch.as_strided),
    "closure of an alias": lambda x: in_a_closure(view)(x),
    "default": by_default,
    "decorator": through_a_decorator,
    "partial as the answer": functools.partial(view, size=(2,), stride=(1,)),
    "sorted": lambda x: sorted([x, x], key=lambda z: float(torch.as_strided(z, (1,), (1,)))),
    "inference mode": lambda x: torch.inference_mode()(lambda: x.unfold(0, 2, 1))(),
    "vmap": lambda x: torch.vmap(lambda z: z.unfold(0, 2, 1))(x[None]),
}


@pytest.mark.parametrize("name", VIEWS)
def test_an_unfold_under_any_name(name):
    """Nearly every view calls `as_strided` by itself, so one of the nets leaves it out."""
    assert UNFOLD.name in seen(VIEWS[name], UNFOLD)


def test_what_torch_calls_by_itself_is_not_the_learners():
    def honest(x):
        diagonal = x.reshape(2, 3).t().diagonal().expand(2, 2)
        return diagonal + torch.cdist(x[:, None], x[:, None]).sum() + x[0] + x.median()

    assert seen(honest, CONVOLUTION, MATMUL, FFT, UNFOLD, ARGMAX) == set()


def test_a_method_put_into_torch_is_seen(monkeypatch):
    monkeypatch.setattr(torch.Tensor, "double", lambda self: np.dot(np.ones(6), np.array(self.tolist())))
    assert MATMUL.name in seen(lambda x: x.double(), MATMUL)


def test_a_function_put_into_torch_is_seen(monkeypatch):
    monkeypatch.setattr(torch, "relu", np.dot)
    assert MATMUL.name in seen(lambda x: torch.relu(x.tolist(), x.tolist()), MATMUL)


def test_nets_are_taken_down_when_an_answer_raises():
    def raises(x):
        raise ValueError("no")

    before = torch._C._dispatch_tls_local_include_set()
    reply = Answer(raises, watch_for((CONVOLUTION,))).reply(Request("dlcv.checking.probes:call", (x,), {}))
    assert reply.crash.type == "ValueError"
    assert torch._C._dispatch_tls_local_include_set() == before
    assert F.conv1d(x[None, None], w[None, None]).shape == (1, 1, 5)


def test_gradients_flow_through_what_the_net_sees():
    z = x.clone().requires_grad_(True)
    guard = Guard(watch_for((CONVOLUTION,)), plain=True)
    with guard.active():
        F.conv1d(z[None, None], w[None, None]).sum().backward()
    assert z.grad.tolist() == [1, 3, 3, 3, 3, 2]


def test_an_exercise_that_forbids_less_is_not_told_what_another_forbids():
    """The net is one for the process; what it tells depends on who asks."""
    with Guard(watch_for((MATMUL, CONVOLUTION)), plain=True).active():
        pass
    assert seen(lambda x: x @ x, CONVOLUTION) == set()
    assert MATMUL.name in seen(lambda x: x @ x, MATMUL)


def test_without_the_fast_net_the_complete_one_is_used(monkeypatch):
    monkeypatch.setattr(FastNet, "lay", lambda: None)
    assert MATMUL.name in seen(lambda x: x @ x, MATMUL)
    assert seen(lambda x: x + x, MATMUL) == set()


@pytest.mark.parametrize("function", [lambda x: x.numpy(), lambda x: np.asarray(x), lambda x: np.add(x, 1)])
def test_numpy_where_torch_is_asked_for(function):
    assert seen(function) == {"numpy arrays, where the exercise asks for torch"}
    assert seen(function, numpy=True) == set()


@pytest.mark.parametrize(
    "function",
    [
        lambda x: eval("x + 1"),
        lambda x: exec("y = 1") or x,
        lambda x: __import__("torch").relu(x),
        lambda x: __import__("threading").Thread(target=print).start(),
        lambda x: __import__("sys").setprofile(None),
    ],
)
def test_steps_around_the_check(function):
    assert "code that steps around the check" in seen(function)


def test_a_scripted_answer_is_seen():
    scripted = torch.jit.script(scriptable)
    assert seen(scripted, CONVOLUTION)


def test_a_pool_of_threads_is_seen():
    from concurrent.futures import ThreadPoolExecutor

    def threaded(x):
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(lambda: F.conv1d(x[None, None], w[None, None])).result()

    assert "code that steps around the check" in seen(threaded, CONVOLUTION)


def test_a_hook_that_is_gone_is_noticed():
    def removes(x):
        list(map(__import__("sys").setprofile, [None]))
        return x

    assert "code that steps around the check" in seen(removes)


def test_switching_the_operator_watch_off_is_seen():
    from torch.utils._python_dispatch import _disable_current_modes

    def sneaky(x):
        with _disable_current_modes():
            return F.conv1d(x[None, None], w[None, None])

    assert seen(sneaky, CONVOLUTION)


def test_the_courses_own_reference_is_seen_and_may_be_allowed():
    from dlcv.transposed_convolution import output_size

    def calls_reference(x):
        return output_size(3, 2)

    assert seen(calls_reference) == {"the course's own reference"}
    assert seen(calls_reference, allowed=("dlcv.transposed_convolution.output_size",)) == set()


def test_allowed_work_goes_unnoticed():
    def honest(x):
        out = torch.zeros(8)
        for i in range(6):
            out[i : i + 2] += x[i] * w
        windows = torch.stack([x[i : i + 5] for i in range(2)])
        return (
            out.sum()
            + (windows * w[:, None]).sum(0).max()
            + torch.cat([x, x]).sort().values[0]
            + len(x.tolist())
        )

    assert seen(honest, CONVOLUTION, MATMUL, FFT, UNFOLD, INTERPOLATION, POOLING, loops=True) == set()


def test_line_of_the_call_is_named():
    def second_line(x):
        return F.conv1d(x[None, None], w[None, None])

    watch = watch_for((CONVOLUTION,))
    reply = Answer(second_line, watch).reply(Request("dlcv.checking.probes:call", (x,), {}))
    assert reply.violations[0].line == second_line.__code__.co_firstlineno + 1
    assert reply.violations[0].call == "torch.conv1d"


def test_numpy_is_as_it_was_after_a_check():
    before = np.matmul
    seen(lambda x: np.matmul(np.ones(2), np.ones(2)), MATMUL)
    assert np.matmul is before


def test_profiler_of_the_caller_is_put_back():
    import sys

    def mine(*_):
        return None

    sys.setprofile(mine)
    try:
        seen(lambda x: x)
        assert sys.getprofile() is mine
    finally:
        sys.setprofile(None)


SOURCE = """
import torch.nn.functional as G
from torch.nn.functional import conv2d as c
import numpy as np

def helper(x):
    return np.asarray(x) @ x

def other(x):
    return G.conv1d(x, x)

def answer(x):
    "mentions F.conv1d in words"
    # G.conv1d in a comment
    return {body}
"""


@pytest.mark.parametrize(
    ("body", "calls"),
    [
        ("G.conv1d(x, x)", ["torch.conv1d"]),
        ("c(x, x)", ["torch.nn.functional.conv2d"]),
        ("helper(x)", ["the operator @"]),
        ("torch.ops.aten.convolution(x)", ["torch.convolution"]),
        ("x + 1", []),
        ("answer.conv1d(x)", []),
    ],
)
def test_source_is_read(body, calls):
    found = scan_source(SOURCE.format(body=body), "answer", watch_for((CONVOLUTION, MATMUL)))
    assert [violation.call for violation in found] == calls


def test_a_line_that_begins_like_a_magic_hides_nothing():
    source = "half = (9\n% 2)\ndef answer(x):\n    return x @ x\n"
    (found,) = scan_source(source, "answer", watch_for((MATMUL,)))
    assert found.line == 4


def test_source_that_does_not_parse_has_no_forbidden_calls():
    assert scan_source("def answer(x:\n", "answer", watch_for((CONVOLUTION,))) == []
    assert (
        scan_source("%matplotlib inline\n!ls\ndef answer(x):\n    return x\n", "answer", watch_for((MATMUL,)))
        == []
    )


def test_own_function_of_a_forbidden_name_may_be_called():
    """The exercise is called conv1d, so the learner's own conv1d is no shortcut."""
    source = "def conv1d(x):\n    return x\n\ndef answer(x):\n    return conv1d(x)\n"
    assert scan_source(source, "answer", watch_for((CONVOLUTION,))) == []
