"""What a learner sees of a verdict: plain text anywhere, a table and a picture in a notebook."""

from __future__ import annotations

import html as _html
from typing import TYPE_CHECKING

from dlcv.checking import picture

if TYPE_CHECKING:
    from dlcv.checking.verdict import Verdict

_INK = {"right": "#1b7f4b", "not attempted": "#5f6b7a", "engine error": "#5f6b7a"}
_WRONG_INK = "#b3401a"
_LABEL_WIDTH = 16
_HOW_TO_HINTS = "hints: `check(..., hints=True)`"


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
    cases = f"{verdict.passed} of {verdict.total} {verdict.unit}" if verdict.marks else "no case passed"
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
        lines.append(f"  {_HOW_TO_HINTS.replace('`', '')}")
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
        parts.append(picture.html(verdict.picture))
    if verdict.marks and verdict.kind != "right":
        parts.append(_case_list(verdict))
    if verdict.hint:
        parts.append(f'<div style="opacity:.8">{_code_words(_HOW_TO_HINTS)}</div>')
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
        '<details style="margin:.3em 0"><summary style="cursor:pointer">'
        f"all {len(verdict.marks)} {verdict.unit}</summary>"
        f'<ul style="margin:.3em 0;padding-left:.5em">{items}</ul></details>'
    )


def hints_text(exercise) -> str:
    """Return an exercise's hints, mild to strong, as plain text."""
    if not exercise.hints:
        return "  (this exercise has no hints)"
    hints = [f"  hint {number}: {hint}" for number, hint in enumerate(exercise.hints, 1)]
    return "\n".join([*hints, f"  {_how_to_reveal(exercise)}"])


def hints_html(exercise) -> str:
    """Return an exercise's hints folded one inside the other: opening a stronger one is a decision."""
    folded = f'<div style="margin-left:1em;opacity:.8">{_code_words(_how_to_reveal(exercise))}</div>'
    for number, hint in reversed(list(enumerate(exercise.hints, 1))):
        folded = (
            '<details style="margin:.2em 0 .2em 1em"><summary style="cursor:pointer">'
            f"hint {number} of {len(exercise.hints)}</summary><div>{_code_words(hint)}</div>{folded}</details>"
        )
    return folded if exercise.hints else "<div>This exercise has no hints.</div>"


def _how_to_reveal(exercise) -> str:
    return f'after a try of your own, `check.reveal("{exercise.name}")` shows the reference'


def source_html(exercise, source: str) -> str:
    """Return a reference's source, which says at its top what it does, in colours."""
    from IPython.display import Code

    name = _html.escape(exercise.title or exercise.name)
    return f'<div style="font-weight:600">{name}: the reference</div>{Code(source, language="python")._repr_html_()}'


def remark_html(words: str) -> str:
    """Return a plain remark, with its `backticked` words set as code."""
    return f'<div role="status" style="max-width:60em">{_code_words(words)}</div>'


def progress_text(chapters: list[tuple[str, float, float, str]]) -> str:
    """Return a line a chapter: points reached, points in all, what comes next."""
    width = max(len(name) for name, *_ in chapters)
    return "\n".join(
        f"{name:<{width}}  {_number(round(best, 2))} of {_number(points)} points  {remark}"
        for name, best, points, remark in chapters
    )


def progress_html(chapters: list[tuple[str, float, float, str]]) -> str:
    """Return a table with a bar a chapter."""
    return f'<div class="dlcv-progress">{"".join(_bar(*row) for row in chapters)}</div>'


def _bar(name: str, best: float, points: float, remark: str) -> str:
    share = best / points if points else 0.0
    return (
        '<div style="display:flex;flex-wrap:wrap;gap:.3em 1em;align-items:center;max-width:60em;margin:.2em 0">'
        f'<code style="min-width:16em">{_html.escape(name)}</code>'
        f'<span role="img" aria-label="{share:.0%}" style="width:10em;height:.7em;border:1px solid {_INK["right"]};'
        f'background:linear-gradient(to right,{_INK["right"]} {share:.0%},transparent {share:.0%})"></span>'
        f"<span>{_number(round(best, 2))} of {_number(points)} points</span>"
        f'<span style="opacity:.8">{_html.escape(remark)}</span></div>'
    )
