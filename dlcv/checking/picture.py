"""The picture in a verdict: expected in blue, yours in orange, and the difference."""

from __future__ import annotations

import numpy as np

_NUMBERS_UP_TO = 9  # cells a side that still hold a readable number
_ROW_UP_TO = 16


def draw(picture: dict):
    """Return the figure for ``{"expected": rows, "yours": rows}``; maps of two shapes have no difference panel."""
    from dlcv.plotting import new_figure

    expected, yours = (np.array(picture[key], dtype=float) for key in ("expected", "yours"))
    panels = [(f"expected {_size(expected)}", expected, "Blues"), (f"yours {_size(yours)}", yours, "Oranges")]
    if expected.shape == yours.shape:
        panels.append(("yours − expected", yours - expected, "PuOr"))
    as_rows = max(plane.shape[0] for _, plane, _ in panels) == 1
    rows, columns = (len(panels), 1) if as_rows else (1, len(panels))
    width = min(0.55 * expected.shape[1] + 0.4, 8.0) if as_rows else 2.9 * columns
    figure, axes = new_figure(rows, columns, width=width, height=0.85 * rows if as_rows else 3.1)
    limits = _limits(expected, yours)
    for axis, (title, plane, cmap) in zip(axes, panels, strict=True):
        reach = _largest(plane) if cmap == "PuOr" else None
        _panel(axis, plane, title, cmap, (-reach, reach) if reach else limits)
    return figure


def png(picture: dict) -> bytes:
    """Return `draw(picture)` as a PNG."""
    return draw(picture)._repr_png_()


def _size(plane: np.ndarray) -> str:
    return f"({plane.shape[1]})" if plane.shape[0] == 1 else f"({plane.shape[0]} × {plane.shape[1]})"


def _limits(*planes: np.ndarray) -> tuple[float, float]:
    finite = np.concatenate([plane[np.isfinite(plane)] for plane in planes])
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    return (low, high) if high > low else (low - 0.5, low + 0.5)


def _largest(plane: np.ndarray) -> float:
    finite = np.abs(plane[np.isfinite(plane)])
    return float(finite.max()) if finite.size and finite.max() > 0 else 1.0


def _panel(axis, plane: np.ndarray, title: str, cmap: str, limits: tuple[float, float]) -> None:
    from dlcv.plotting import bare, number_grid

    widest = _ROW_UP_TO if plane.shape[0] == 1 else _NUMBERS_UP_TO
    if plane.shape[0] <= _NUMBERS_UP_TO and plane.shape[1] <= widest:
        wrong = np.argwhere(~(np.abs(plane) <= 1e-6 * limits[1])) if cmap == "PuOr" else ()
        size = 10 if max(plane.shape) <= 5 else 8
        number_grid(axis, plane, title, limits=limits, cmap=cmap, size=size, mark=map(tuple, wrong[:1]))
    else:
        axis.imshow(plane, cmap=cmap, vmin=limits[0], vmax=limits[1])
        bare(axis, title)
