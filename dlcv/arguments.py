"""Sizes, steps and paddings: given once for both axes or once for each, and checked; tensors in computable precision.

Every reference of the course takes such arguments, and says in the same words what is wrong with them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import isfinite
from numbers import Integral
from typing import Any

import torch
from torch import Tensor

__all__ = [
    "HALF",
    "check_at_least",
    "check_tensors",
    "check_whole",
    "every",
    "pair",
    "per_axis",
    "precise",
    "several",
]

HALF = (torch.float16, torch.bfloat16)
"""Types with too few digits to add up in: whoever sums up computes in float32 and rounds once, at the end."""


def per_axis(
    name: str, value: float | Sequence[float], axes: int, kind: type = Integral
) -> tuple[int, ...] | tuple[float, ...]:
    """One number an axis, from one for all axes or one for each.

    Parameters
    ----------
    name : str
        What the argument is called, for the message.
    value : number, or sequence of 1 or `axes` numbers
    axes : int
    kind : type
        `numbers.Integral`: whole numbers are wanted. `numbers.Real`: any finite ones.

    Returns
    -------
    tuple of `axes` numbers

    Raises
    ------
    ValueError
        If there are more or fewer, or one is of another kind.

    Examples
    --------
    >>> per_axis("stride", 2, axes=2), per_axis("stride", (2, 1), axes=2)
    ((2, 2), (2, 1))
    >>> per_axis("stride", 0.5, axes=2)
    Traceback (most recent call last):
    ValueError: stride must be an int or a pair of ints; got 0.5
    """
    values = tuple(value) if isinstance(value, Sequence) else (value,)
    if len(values) == 1:
        values *= axes
    if len(values) != axes or not all(isinstance(item, kind) and isfinite(item) for item in values):
        one, several = ("an int", "ints") if kind is Integral else ("a number", "numbers")
        wanted = one if axes == 1 else f"{one} or {'a pair of' if axes == 2 else axes} {several}"
        raise ValueError(f"{name} must be {wanted}; got {value!r}")
    return values


def pair(name: str, value: float | Sequence[float], kind: type = Integral) -> tuple[int, int]:
    """Down and across: `per_axis` for the two axes of a map.

    Examples
    --------
    >>> from numbers import Real
    >>> pair("kernel_size", 3)
    (3, 3)
    >>> pair("scale", (2, 1.5), Real)
    (2, 1.5)
    """
    return per_axis(name, value, 2, kind)


def several(name: str, values: Sequence[float], kind: type = Integral) -> tuple[float, ...]:
    """One number or more, in a sequence; none, or a number by itself, is an error.

    Examples
    --------
    >>> several("rates", [6, 12])
    (6, 12)
    >>> several("rates", 6)
    Traceback (most recent call last):
    ValueError: rates must be a sequence of ints; got 6
    """
    values = values.tolist() if hasattr(values, "tolist") else values  # tensors, arrays
    items = tuple(values) if isinstance(values, Iterable) and not isinstance(values, str) else ()
    if not items or not all(isinstance(item, kind) for item in items):
        wanted = "ints" if kind is Integral else "numbers"
        raise ValueError(f"{name} must be a sequence of {wanted}; got {values!r}")
    return items


def check_at_least(least: float, **values: float | Sequence[float]) -> None:
    """Raise a ValueError that names the first argument that is, or holds, a number below `least`.

    Examples
    --------
    >>> check_at_least(1, kernel_size=3, stride=(2, 1))
    >>> check_at_least(1, kernel_size=3, stride=(2, 0))
    Traceback (most recent call last):
    ValueError: stride must be at least 1; got 0
    """
    for name, value in values.items():
        lowest = min(value) if isinstance(value, Sequence) else value
        if not lowest >= least:  # NaN is not, either
            raise ValueError(f"{name} must be at least {least}; got {lowest}")


def check_whole(least: int, **values: int) -> None:
    """Raise a ValueError that names the first argument that is no whole number, or one below `least`.

    Examples
    --------
    >>> check_whole(1, size=4, kernel_size=2.5)
    Traceback (most recent call last):
    ValueError: kernel_size must be an int; got 2.5
    """
    for name, value in values.items():
        if not isinstance(value, Integral):
            raise ValueError(f"{name} must be an int; got {value!r}")
    check_at_least(least, **values)


def check_tensors(**values: Any) -> None:
    """Raise a TypeError that names the first argument that is no tensor: a list, say, or a NumPy array.

    Examples
    --------
    >>> check_tensors(boxes=[[0.0, 0.0, 4.0, 4.0]])
    Traceback (most recent call last):
    TypeError: boxes must be a torch.Tensor; got list
    """
    for name, value in values.items():
        if not isinstance(value, Tensor):
            raise TypeError(f"{name} must be a torch.Tensor; got {type(value).__name__}")


def every(step: int, start: int, count: int) -> slice:
    """Pick `count` pixels of an axis, `step` apart, the first at `start`.

    Examples
    --------
    >>> list(range(10))[every(step=3, start=1, count=3)]
    [1, 4, 7]
    """
    return slice(start, start + count * step, step)


def precise(x: Tensor) -> Tensor:
    """Numbers to compute with: double precision stays, anything else, whole numbers included, becomes float32.

    Examples
    --------
    >>> precise(torch.ones(1, dtype=torch.float16)).dtype, precise(torch.ones(1).double()).dtype
    (torch.float32, torch.float64)
    """
    return x if x.dtype == torch.float64 else x.float()
