"""Compare what came back with what is expected, and say how they differ."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from dlcv.checking import values
from dlcv.checking.verdict import WRONG_SHAPE, WRONG_VALUES

_GRADIENTS = " in the gradients of"
_PICTURE_SIDE = 64


@dataclass(frozen=True)
class Difference:
    """Why one returned value is not the expected one."""

    kind: str
    message: str
    error: float = float("inf")
    picture: dict | None = None


def compare(
    expected: Any, got: Any, tolerance: float, *, numpy: bool = False, path: str = ""
) -> Difference | None:
    """Return None if `got` is as good as `expected`, else the difference.

    Numbers agree within `tolerance` relative to the largest expected magnitude; NaN agrees with NaN and infinities
    with themselves. Floating-point answers may come in another precision, whole numbers in another width; a list
    may stand for a tuple; with `numpy`, an array for a tensor.
    """
    if isinstance(got, values.Unsupported):
        return Difference(WRONG_SHAPE, f"you returned {got.kind}{path}; expected {values.in_words(expected)}")
    if got is None and expected is not None and path.startswith(_GRADIENTS):
        return Difference(WRONG_VALUES, f"no gradient flows back{path.replace(_GRADIENTS, ' to the', 1)}")
    if isinstance(expected, (torch.Tensor, np.ndarray)):
        return _compare_arrays(expected, got, tolerance, numpy, path)
    if isinstance(expected, bool) or expected is None or isinstance(expected, str):
        same = type(expected) is type(_plain(got)) and expected == _plain(got)
        return None if same else Difference(WRONG_VALUES, f"{_yours(got)}, expected {expected!r}{path}")
    if isinstance(expected, (int, float)):
        return _compare_numbers(expected, got, tolerance, path)
    if isinstance(expected, (list, tuple)):
        if not isinstance(got, (list, tuple)) or len(got) != len(expected):
            return Difference(
                WRONG_SHAPE,
                f"you returned {values.in_words(got)}{path}; expected {values.in_words(expected)}",
            )
        for place, (wanted, given) in enumerate(zip(expected, got, strict=True), start=1):
            where = f"{path}, part {place}" if path else f" in part {place} of {len(expected)} of your answer"
            found = compare(wanted, given, tolerance, numpy=numpy, path=where)
            if found:
                return found
        return None
    if isinstance(expected, dict):
        return _compare_dicts(expected, got, tolerance, numpy, path)
    return None if expected == got else Difference(WRONG_VALUES, f"{_yours(got)}, expected {expected}{path}")


def _compare_dicts(expected: dict, got: Any, tolerance: float, numpy: bool, path: str) -> Difference | None:
    if "parameters" in expected:
        if not isinstance(got, dict) or not _are_shapes(got.get("parameters"), got.get("count")):
            return Difference(WRONG_SHAPE, f"you made {values.in_words(got)}; expected an nn.Module")
        if found := _compare_parameters(expected, got):
            return found
    if "output" in expected and not isinstance(got, dict):
        found = compare(expected["output"], got, tolerance, numpy=numpy, path=path)
        return found or _gradients_lost(expected, got)
    if not isinstance(got, dict) or set(got) != set(expected):
        missing = sorted(map(str, set(expected) - set(got))) if isinstance(got, dict) else []
        more = f" (missing: {', '.join(missing)})" if missing else ""
        return Difference(
            WRONG_SHAPE,
            f"you returned {values.in_words(got)}{path}; expected {values.in_words(expected)}{more}",
        )
    for key in expected:
        if key in ("parameters", "count"):
            continue
        where = (
            ""
            if key == "output"
            else f"{path} in {key!r}"
            if not key.startswith("gradient")
            else f" in the {key}"
        )
        found = compare(expected[key], got[key], tolerance, numpy=numpy, path=where)
        if found:
            return found
    return None


def _gradients_lost(expected: dict, got: Any) -> Difference | None:
    """A plain number may be the right one; where gradients are compared, too, it has none."""
    gradients = (value for key, value in expected.items() if key.startswith("gradient"))
    if not any(value is not None for value in itertools.chain.from_iterable(gradients)):
        return None
    return Difference(
        WRONG_VALUES,
        f"no gradient flows back: you returned {values.in_words(got)}, and only a tensor that was computed from the "
        "inputs has one",
    )


def _are_shapes(shapes: Any, count: Any) -> bool:
    """Is it what a module's parameters look like? A stranger may have sent it."""
    lists = isinstance(shapes, list) and all(isinstance(shape, (tuple, list)) for shape in shapes)
    return lists and all(type(size) is int for size in [count, *(size for shape in shapes for size in shape)])


def _compare_parameters(expected: dict, got: dict) -> Difference | None:
    wanted, given = sorted(map(tuple, expected["parameters"])), sorted(map(tuple, got["parameters"]))
    if wanted == given:
        return None
    missing, extra = list(wanted), []
    for shape in given:
        missing.remove(shape) if shape in missing else extra.append(shape)
    parts = [f"missing {', '.join(map(str, missing[:4]))}"] if missing else []
    parts += [f"not expected {', '.join(map(str, extra[:4]))}"] if extra else []
    same = got["count"] == expected["count"]
    counts = f", expected {expected['count']:,}" if not same else " as expected, in other shapes"
    return Difference(
        WRONG_SHAPE, f"your module has {got['count']:,} parameters{counts}\nshapes: {'; '.join(parts)}"
    )


def _plain(value: Any) -> Any:
    """Return the Python number of a 0-dimensional tensor or array, anything else as it is."""
    if isinstance(value, (torch.Tensor, np.ndarray)) and value.ndim == 0:
        return value.item()
    return value


def _yours(value: Any) -> str:
    return f"yours is {values.in_words(value)}"


def _in_full(number: float) -> str:
    """Whole numbers with all their digits, so that two which are close can be told apart."""
    return f"{number}" if isinstance(number, int) else f"{number:.6g}"


def _compare_numbers(expected: float, got: Any, tolerance: float, path: str) -> Difference | None:
    number = _plain(got)
    if isinstance(number, bool) or not isinstance(number, (int, float)):
        return Difference(WRONG_SHAPE, f"you returned {values.in_words(got)}{path}; expected a number")
    exact = isinstance(expected, int)
    if exact and number == expected:
        return None
    if not exact and _close(np.asarray(expected, float), np.asarray(float(number)), tolerance).all():
        return None
    return Difference(
        WRONG_VALUES,
        f"yours {_in_full(number)}, expected {_in_full(expected)}{path}",
        abs(float(number) - expected),
    )


def _close(expected: np.ndarray, got: np.ndarray, tolerance: float) -> np.ndarray:
    """Return elementwise agreement, relative to the largest finite expected magnitude and never finer than 1."""
    finite = np.abs(expected[np.isfinite(expected)])
    scale = max(1.0, float(finite.max())) if finite.size else 1.0
    with np.errstate(invalid="ignore", over="ignore"):
        near = np.abs(expected - got) <= tolerance * scale
    return near | (expected == got) | (np.isnan(expected) & np.isnan(got))


def _compare_arrays(expected: Any, got: Any, tolerance: float, numpy: bool, path: str) -> Difference | None:
    if expected.ndim == 0 and isinstance(got, (int, float)) and not isinstance(got, bool):
        got = torch.tensor(got)
    if isinstance(expected, torch.Tensor) and isinstance(got, np.ndarray) and numpy:
        got = torch.from_numpy(np.atleast_1d(got).reshape(got.shape))
    if type(got) is not type(expected):
        return Difference(
            WRONG_SHAPE, f"you returned {values.in_words(got)}{path}; expected {values.in_words(expected)}"
        )
    if tuple(got.shape) != tuple(expected.shape):
        message = f"yours has shape {tuple(got.shape)}{path}, expected {tuple(expected.shape)}"
        return Difference(WRONG_SHAPE, message, picture=_picture(expected, got))
    wanted, given = torch.as_tensor(expected), torch.as_tensor(got)
    if _number_kind(wanted) != _number_kind(given):
        message = f"yours has dtype {_dtype(given)}{path}, expected {_dtype(wanted)}"
        return Difference(WRONG_SHAPE, message)
    wide_wanted, wide_given = wanted.double().numpy(), given.double().numpy()
    agreed = _close(wide_wanted, wide_given, tolerance if wanted.is_floating_point() else 0.0)
    if agreed.all():
        return None
    return _worst(wide_wanted, wide_given, agreed, path)


def _number_kind(tensor: torch.Tensor) -> str:
    return "float" if tensor.is_floating_point() else "bool" if tensor.dtype == torch.bool else "int"


def _dtype(tensor: torch.Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _worst(expected: np.ndarray, got: np.ndarray, agreed: np.ndarray, path: str) -> Difference:
    with np.errstate(invalid="ignore", over="ignore"):
        errors = np.where(agreed, -1.0, np.abs(expected - got))
    errors = np.where(np.isnan(errors), np.inf, errors)
    place = np.unravel_index(int(errors.argmax()), errors.shape) if errors.ndim else ()
    error, wrong = float(errors[place]), int((~agreed).sum())
    at = f" at [{', '.join(map(str, place))}]" if place else ""
    size = f"largest error {error:.4g}" if np.isfinite(error) else "not the same"
    message = (
        f"{size}{at}{path}: yours {got[place]:.6g}, expected {expected[place]:.6g}"
        f"\n{wrong} of {agreed.size} values differ"
    )
    return Difference(WRONG_VALUES, message, error, _picture(expected, got))


def _picture(expected: Any, got: Any) -> dict | None:
    """Return what a report draws, for maps that fit: the last two dimensions of the first plane, or a row."""
    planes = [_plane(value) for value in (expected, got)]
    if any(plane is None for plane in planes):
        return None
    return {"expected": planes[0], "yours": planes[1]}


def _plane(value: Any) -> list | None:
    array = np.asarray(value, dtype=float) if not isinstance(value, torch.Tensor) else value.double().numpy()
    if array.ndim == 0 or array.size == 0:
        return None
    array = array.reshape(1, -1) if array.ndim == 1 else array.reshape(-1, *array.shape[-2:])[0]
    if max(array.shape) > _PICTURE_SIDE or array.size < 2:
        return None
    return [
        [float(f"{number:.6g}") if np.isfinite(number) else str(number) for number in row] for row in array
    ]
