"""What all pages share: templates, code with colours, lines of text with code words in them."""

from __future__ import annotations

import html
import re
from collections.abc import Collection
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path

import jinja2
from markupsafe import Markup

__all__ = ["code_css", "code_words", "duration", "highlighted", "moment", "share", "templates"]

LONGEST = 40_000  # characters of code on a page
MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip


@lru_cache
def templates() -> jinja2.Environment:
    """The pages' templates; everything is escaped unless a template says otherwise."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters.update(breakable=breakable, tight=tight, code_words=code_words, moment=moment)
    environment.globals.update(points=lambda value: f"{round(value, 2):g}", share=share, duration=duration)
    return environment


def code_words(line: str) -> Markup:
    """Escape a line and set its `backticked` words as code."""
    pieces = html.escape(line).split("`")
    if len(pieces) % 2 == 0:  # a single backtick is no pair
        return Markup(html.escape(line))
    return Markup("".join(f"<code>{piece}</code>" if i % 2 else piece for i, piece in enumerate(pieces)))


def breakable(name: str) -> Markup:
    """A long name that may be broken after its underscores.

    >>> breakable("a_b")
    Markup('a_<wbr>b')
    """
    return Markup(html.escape(name).replace("_", "_<wbr>"))


def tight(sentence: str) -> str:
    """No line ends between a number and its per cent."""
    return sentence.replace(" %", "\u00a0%")


def moment(iso: str) -> str:
    """A point in time in words.

    >>> moment("2026-10-01T23:59:00+02:00")
    '1 October 2026, 23:59 (UTC+2)'
    """
    time = datetime.fromisoformat(iso)
    hours = (time.utcoffset() or timedelta()).total_seconds() / 3600
    zone = f"UTC{hours:+g}" if hours else "UTC"
    return f"{time.day} {MONTHS[time.month - 1]} {time.year}, {time:%H:%M} ({zone})"


def duration(milliseconds: float) -> str:
    """A time in words; a dash where there is none.

    >>> duration(3.21), duration(246.4), duration(5012.0), duration(float("nan"))
    ('3 ms', '246 ms', '5.0 s', '–')
    """
    if milliseconds != milliseconds:
        return "–"
    return f"{milliseconds:.0f} ms" if milliseconds < 1000 else f"{milliseconds / 1000:.1f} s"


def share(value: float, whole: float) -> float:
    """`value` in per cent of `whole`, between 0 and 100."""
    return round(100 * min(max(value / whole, 0.0), 1.0), 1) if whole else 0.0


def highlighted(source: str, lines: Collection[int] = ()) -> Markup:
    """Code as HTML with line numbers; `lines`, counted from 1, stand out."""
    return Markup(_highlighted(source[:LONGEST], tuple(sorted(lines))))


@lru_cache(maxsize=512)
def _highlighted(source: str, lines: tuple[int, ...]) -> str:
    from pygments import highlight
    from pygments.lexers import PythonLexer

    # A lexer that strips would move the lines.
    lexer = PythonLexer(stripnl=False)
    return highlight(source, lexer, _formatter()(cssclass="code", linenos="inline", hl_lines=lines))


@lru_cache
def code_css() -> str:
    """The colours of code, for light and dark."""
    light = _formatter()(style="friendly", nobackground=True).get_style_defs(".code")
    dark = _formatter()(style="github-dark", nobackground=True).get_style_defs(".code")
    keep = [
        [rule for rule in css.splitlines() if re.match(r"\.code \.[a-z0-9]+ \{", rule) and ".hll" not in rule]
        for css in (light, dark)
    ]
    return (
        "\n".join(keep[0])
        + "\n@media screen and (prefers-color-scheme: dark) {\n"
        + "\n".join(keep[1])
        + "\n}"
    )


def _formatter():
    from pygments.formatters import HtmlFormatter

    return HtmlFormatter
