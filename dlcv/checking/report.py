"""What a learner sees of a verdict: plain text anywhere, a table and a picture in a notebook."""

from __future__ import annotations

import base64
import html as _html
import io
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from dlcv.checking.verdict import Verdict

_INK = {"right": "#1b7f4b", "not attempted": "#5f6b7a", "engine error": "#5f6b7a"}
_WRONG_INK = "#b3401a"
_LABEL_WIDTH = 16


def _mark(verdict: Verdict) -> str:
    return {"right": "✓", "not attempted": "○", "engine error": "!"}.get(verdict.kind, "✗")


def _number(points: float) -> str:
    return f"{points:g}"


def headline(verdict: Verdict) -> list[str]:
    """Return the parts of the first line: name, cases passed, points."""
    if verdict.kind == "forbidden call":
        return [verdict.exercise, "not counted", f"0 of {_number(verdict.max_points)} points"]
    if verdict.kind in ("not attempted", "engine error"):
        return [verdict.exercise, verdict.kind]
    cases = f"{verdict.passed} of {verdict.total} cases" if verdict.marks else "no case passed"
    return [verdict.exercise, cases, f"{_number(verdict.points)} of {_number(verdict.max_points)} points"]


def rows(verdict: Verdict) -> list[tuple[str, str]]:
    """Return label and text of each further line."""
    if verdict.kind == "right":
        return []
    if verdict.kind in ("not attempted", "engine error"):
        return [("", line) for line in (verdict.message, *verdict.detail)]
    found = verdict.kind if verdict.kind != "slip" else "wrong answer"
    lines = [(found, verdict.case)] if verdict.case else []
    lines += [("" if lines else found, verdict.message)]
    lines += [("", line) for line in verdict.detail]
    if verdict.diagnosis:
        lines.append(("this looks like", verdict.diagnosis))
    return lines


def text(verdict: Verdict) -> str:
    """Return a verdict as plain text."""
    lines = [f"{_mark(verdict)} {'    '.join(headline(verdict))}"]
    lines += [f"  {label:<{_LABEL_WIDTH}}{line}".rstrip() for label, line in rows(verdict)]
    if verdict.hint:
        lines.append("  hints: check(..., hints=True)")
    return "\n".join(lines)


def html(verdict: Verdict) -> str:
    """Return a verdict as an HTML fragment; readable on light and on dark pages."""
    ink = _INK.get(verdict.kind, _WRONG_INK)
    name, *rest = (_html.escape(part) for part in headline(verdict))
    parts = [
        f'<div class="dlcv-verdict" role="status" style="border-left:4px solid {ink};padding:.4em 1em;margin:.3em 0;'
        'max-width:60em;line-height:1.45">',
        f'<div><span style="color:{ink};font-weight:700">{_mark(verdict)}</span> '
        f'<code style="font-weight:700">{name}</code>'
        + "".join(f'<span style="margin-left:1.5em;opacity:.8">{part}</span>' for part in rest)
        + "</div>",
    ]
    if lines := rows(verdict):
        parts.append(_table(lines))
    if verdict.picture:
        parts.append(_image(verdict))
    if verdict.marks and verdict.kind != "right":
        parts.append(_case_list(verdict))
    parts.append("</div>")
    return "".join(parts)


def _table(lines: list[tuple[str, str]]) -> str:
    cell = "padding:.1em 1em .1em 0;text-align:left;vertical-align:top;background:transparent;border:0"
    body = "".join(
        '<tr style="background:transparent">'
        f'<th style="{cell};font-weight:600;white-space:nowrap">{_html.escape(label)}</th>'
        f'<td style="{cell};white-space:pre-wrap">{_code_words(line)}</td></tr>'
        for label, line in lines
    )
    return f'<table style="border:0;border-collapse:collapse;margin:.3em 0;font-size:inherit">{body}</table>'


def _code_words(line: str) -> str:
    """Escape a line and set its `backticked` words as code."""
    pieces = _html.escape(line).split("`")
    return "".join(f"<code>{piece}</code>" if i % 2 else piece for i, piece in enumerate(pieces))


def _case_list(verdict: Verdict) -> str:
    items = "".join(
        f'<li style="list-style:none;color:{_INK["right"] if ok else _WRONG_INK}">{"✓" if ok else "✗"} '
        f'<span style="opacity:.9">{_html.escape(words)}</span></li>'
        for words, ok in verdict.marks
    )
    return (
        f'<details style="margin:.3em 0"><summary style="cursor:pointer">all {len(verdict.marks)} cases</summary>'
        f'<ul style="margin:.3em 0;padding-left:.5em">{items}</ul></details>'
    )


def _image(verdict: Verdict) -> str:
    data = base64.b64encode(picture_png(verdict.picture)).decode()
    alt = "Three maps side by side: expected, yours, and their difference."
    style = "max-width:100%;background:#fff;border-radius:4px"
    return f'<img alt="{alt}" style="{style}" src="data:image/png;base64,{data}">'


def picture_png(picture: dict) -> bytes:
    """Return expected, yours and difference as a PNG. Shapes may differ; then there is no difference panel."""
    from matplotlib.figure import Figure

    expected, yours = (np.array(picture[key], dtype=float) for key in ("expected", "yours"))
    panels = [("expected", expected), ("yours", yours)]
    if expected.shape == yours.shape:
        panels.append(("yours − expected", yours - expected))
    row = max(plane.shape[0] for _, plane in panels) == 1
    width, height = (6.4, 0.75 * len(panels)) if row else (2.5 * len(panels), 2.6)
    figure = Figure(figsize=(width, height), dpi=96, layout="constrained")
    axes = figure.subplots(len(panels), 1) if row else figure.subplots(1, len(panels))
    finite = np.concatenate([plane[np.isfinite(plane)] for plane in (expected, yours)] or [np.zeros(1)])
    low, high = (finite.min(), finite.max()) if finite.size else (0.0, 1.0)
    for axis, (title, plane) in zip(axes, panels, strict=True):
        if title.startswith("yours −"):
            reach = np.nanmax(np.abs(plane[np.isfinite(plane)]), initial=0.0) or 1.0
            axis.imshow(plane, cmap="PuOr_r", vmin=-reach, vmax=reach)
        else:
            axis.imshow(plane, cmap="viridis", vmin=low, vmax=high if high > low else low + 1)
        axis.set_title(title, fontsize=9, loc="left")
        axis.set_xticks([]), axis.set_yticks([])
        _write_numbers(axis, plane)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _write_numbers(axis, plane: np.ndarray) -> None:
    if plane.shape[0] > 9 or plane.shape[1] > (16 if plane.shape[0] == 1 else 9):
        return
    _low, _high = axis.images[0].get_clim()
    for (i, j), number in np.ndenumerate(plane):
        shade = axis.images[0].cmap(axis.images[0].norm(number)) if np.isfinite(number) else (1, 1, 1, 1)
        bright = 0.299 * shade[0] + 0.587 * shade[1] + 0.114 * shade[2] > 0.55
        axis.text(
            j, i, f"{number:.3g}", ha="center", va="center", fontsize=7, color="black" if bright else "white"
        )


def hints_text(exercise) -> str:
    """Return an exercise's hints, mild to strong, as plain text."""
    if not exercise.hints:
        return "  (this exercise has no hints)"
    return "\n".join(f"  hint {number}: {hint}" for number, hint in enumerate(exercise.hints, 1))


def hints_html(exercise) -> str:
    """Return an exercise's hints folded one inside the other: opening a stronger one is a decision."""
    folded = ""
    for number, hint in reversed(list(enumerate(exercise.hints, 1))):
        folded = (
            '<details style="margin:.2em 0 .2em 1em"><summary style="cursor:pointer">'
            f"hint {number} of {len(exercise.hints)}</summary><div>{_code_words(hint)}</div>{folded}</details>"
        )
    return folded or "<div>This exercise has no hints.</div>"
