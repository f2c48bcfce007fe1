"""Sizes, steps and paddings, as all references take them."""

from numbers import Real

import numpy as np
import pytest
import torch

from dlcv.arguments import check_at_least, check_tensors, check_whole, every, pair, per_axis, several


def test_one_number_stands_for_every_axis():
    assert per_axis("stride", 3, axes=1) == (3,)
    assert pair("stride", 3) == pair("stride", (3,)) == pair("stride", [3, 3]) == (3, 3)
    assert pair("size", torch.zeros(2, 5).shape) == (2, 5)
    assert pair("size", np.int64(4)) == (4, 4)
    assert pair("scale", (1.5, 2), Real) == (1.5, 2)
    assert several("rates", range(2)) == (0, 1) and several("sizes", [0.5], Real) == (0.5,)
    assert (
        several("sizes", torch.tensor([8.0, 16]), Real)
        == several("sizes", np.array([8.0, 16]), Real)
        == (8, 16)
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: per_axis("stride", (1, 2), axes=1), r"^stride must be an int; got \(1, 2\)$"),
        (lambda: per_axis("stride", (1, 2), axes=3), r"^stride must be an int or 3 ints; got \(1, 2\)$"),
        (lambda: pair("padding", ()), r"^padding must be an int or a pair of ints; got \(\)$"),
        (lambda: pair("padding", 1.0), "got 1.0"),
        (lambda: pair("padding", "12"), "got '12'"),
        (lambda: pair("padding", None), "got None"),
        (lambda: pair("scale", float("nan"), Real), "^scale must be a number or a pair of numbers; got nan$"),
        (lambda: several("rates", []), r"^rates must be a sequence of ints; got \[\]$"),
        (lambda: several("rates", (1, 1.5)), r"^rates must be a sequence of ints; got \(1, 1.5\)$"),
        (lambda: several("sizes", "12", Real), "^sizes must be a sequence of numbers; got '12'$"),
        (lambda: check_at_least(1, kernel_size=1, stride=(1, 0)), "^stride must be at least 1; got 0$"),
        (lambda: check_at_least(0, scale=float("nan")), "^scale must be at least 0; got nan$"),
        (lambda: check_whole(1, size=2, stride=0), "^stride must be at least 1; got 0$"),
        (lambda: check_whole(0, size=2.0), r"^size must be an int; got 2\.0$"),
        (lambda: check_whole(0, size="2"), "^size must be an int; got '2'$"),
    ],
)
def test_what_is_wrong_is_said(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(("step", "start", "count"), [(1, 0, 4), (3, 2, 3), (5, 1, 1), (2, 0, 0)])
def test_every_picks_pixels_that_lie_a_step_apart(step, start, count):
    assert list(range(20))[every(step, start, count)] == [start + step * n for n in range(count)]


def test_lists_and_arrays_are_no_tensors():
    check_tensors(boxes=torch.zeros(2, 4), scores=torch.zeros(2))
    with pytest.raises(TypeError, match=r"^scores must be a torch.Tensor; got ndarray$"):
        check_tensors(boxes=torch.zeros(2, 4), scores=np.zeros(2))
