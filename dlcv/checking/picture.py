"""The picture in a verdict: expected in blue, yours in orange, and the difference.

Small maps are tables of coloured cells with their numbers in them, larger ones images. No figure is drawn: that
takes a plotting library longer than a check may take, and a class of hundreds longer than grading it.
"""

from __future__ import annotations

import base64
import io
from functools import lru_cache

import numpy as np

_WRITTEN = {"rows": 9, "columns": 9, "columns of a row": 16}
_COLOURS = {"expected": "Blues", "yours": "Oranges", "yours − expected": "PuOr"}
_NOT_A_NUMBER = (200, 40, 40)
_STRONGEST = 0.75  # of a colour map: beyond, black and white numbers are hard to read next to each other


def html(picture: dict) -> str:
    """Return the panels of ``{"expected": rows, "yours": rows}``; nothing where it does not hold two planes.

    Maps of two shapes have no difference panel.
    """
    try:
        planes = {key: np.array(picture[key], dtype=float) for key in ("expected", "yours")}
    except (KeyError, TypeError, ValueError):
        return ""
    if any(plane.ndim != 2 or not plane.size for plane in planes.values()):
        return ""
    finite = np.concatenate([plane[np.isfinite(plane)] for plane in planes.values()])
    limits = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    panels = [_panel(title, plane, limits) for title, plane in planes.items()]
    if planes["expected"].shape == planes["yours"].shape:
        with np.errstate(invalid="ignore"):
            difference = planes["yours"] - planes["expected"]
        reach = float(np.abs(difference[np.isfinite(difference)]).max(initial=0.0)) or 1.0
        panels.append(_panel("yours − expected", difference, (-reach, reach)))
    direction = "column" if all(plane.shape[0] == 1 for plane in planes.values()) else "row"
    style = f"display:flex;flex-flow:{direction} wrap;gap:.4em 1.2em;margin:.4em 0"
    return f'<div class="dlcv-maps" style="{style}">{"".join(panels)}</div>'


def _panel(title: str, plane: np.ndarray, limits: tuple[float, float]) -> str:
    rows, columns = plane.shape
    colours = _coloured(plane, _COLOURS[title], limits)
    widest = _WRITTEN["columns of a row"] if rows == 1 else _WRITTEN["columns"]
    body = (
        _table(plane, colours) if rows <= _WRITTEN["rows"] and columns <= widest else _image(title, colours)
    )
    size = f"{columns} numbers" if rows == 1 else f"{rows} × {columns}"
    caption = (
        f'<figcaption style="font-size:90%">{title} <span style="opacity:.7">({size})</span></figcaption>'
    )
    return f'<figure style="margin:0">{caption}{body}</figure>'


def _coloured(plane: np.ndarray, name: str, limits: tuple[float, float]) -> np.ndarray:
    low, high = limits
    share = (np.nan_to_num(plane, nan=low, posinf=high, neginf=low) - low) / ((high - low) or 1.0)
    colours = _palette(name)[np.clip(share * 255, 0, 255).astype(np.uint8)]
    colours[~np.isfinite(plane)] = _NOT_A_NUMBER
    return colours


@lru_cache
def _palette(name: str) -> np.ndarray:
    import matplotlib

    ends = (1 - _STRONGEST, _STRONGEST) if name == "PuOr" else (0.03, _STRONGEST)
    return (matplotlib.colormaps[name](np.linspace(*ends, 256))[:, :3] * 255).round().astype(np.uint8)


def _table(plane: np.ndarray, colours: np.ndarray) -> str:
    lines = "".join(
        f'<tr style="background:none">{"".join(map(_number, numbers, row))}</tr>'
        for numbers, row in zip(plane, colours, strict=True)
    )
    return f'<table style="border-collapse:collapse;margin:0;font-size:90%">{lines}</table>'


def _number(value: float, colour: np.ndarray) -> str:
    ink = "#111" if colour @ (0.299, 0.587, 0.114) > 140 else "#fff"
    paper = "#{:02x}{:02x}{:02x}".format(*colour)
    style = f"background:{paper};color:{ink};border:1px solid #8884;padding:.25em .5em;text-align:center"
    return f'<td style="{style}">{f"{value:.3g}".replace("-", "−")}</td>'


def _image(title: str, colours: np.ndarray) -> str:
    from matplotlib.image import imsave

    rows, columns = colours.shape[:2]
    buffer = io.BytesIO()
    imsave(buffer, colours, format="png")
    width = 200 if columns >= rows else max(24, round(200 * columns / rows))
    style = f"width:{width}px;min-height:8px;image-rendering:pixelated"
    source = base64.b64encode(buffer.getvalue()).decode("ascii")
    alt = f"map of {rows} by {columns} values: {title}"
    return f'<img alt="{alt}" style="{style}" src="data:image/png;base64,{source}">'
