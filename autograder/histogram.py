"""The distribution of scores as one inline SVG in the page's own colours."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from markupsafe import Markup

__all__ = ["bins_of", "histogram"]

WIDTHS = (0.5, 1.0, 2.0, 2.5, 5.0, 10.0, 20.0, 25.0, 50.0, 100.0)
WIDE, BASE, TOP, SIDE = 720, 180, 30, 10  # of the drawing, in its own units


def bins_of(totals: Sequence[float], whole: float) -> list[tuple[float, float, int]]:
    """Scores in bins of a round width: from, to, how many. Only the last bin holds its upper end.

    >>> bins_of([0, 1.5, 5, 10], 10)[:2], len(bins_of([], 24))
    ([(0.0, 1.0, 1), (1.0, 2.0, 1)], 12)
    """
    whole = whole if whole > 0 else 1.0
    most = 28 if len(totals) >= 100 else 14
    width = next((width for width in WIDTHS if whole / width <= most), whole / most)
    counts = [0] * math.ceil(whole / width - 1e-9)
    for total in totals:
        counts[min(len(counts) - 1, max(0, int(total / width + 1e-9)))] += 1
    return [(place * width, min(whole, (place + 1) * width), count) for place, count in enumerate(counts)]


def histogram(totals: Sequence[float], whole: float) -> Markup:
    """Return the drawing, with a text that says the same for those who do not see it."""
    bins = bins_of(totals, whole)
    step = (WIDE - 2 * SIDE) / len(bins)
    tallest = max(count for *_, count in bins) or 1
    parts = [
        f'<svg viewBox="0 0 {WIDE} {BASE + 62}" role="img" aria-label="{_in_words(bins, totals)}">',
        *_bars(bins, step, tallest),
        f'<line x1="{SIDE}" x2="{WIDE - SIDE}" y1="{BASE}" y2="{BASE}" class="axis"/>',
        *_ticks(bins, step),
        *_marks(totals, whole),
    ]
    return Markup("".join(parts) + "</svg>")


def _bars(bins: list, step: float, tallest: int) -> list[str]:
    parts, gap = [], min(3.0, step / 8)
    for place, (low, high, count) in enumerate(bins):
        x, height = SIDE + place * step, (BASE - TOP) * count / tallest
        parts.append(
            f'<rect x="{x + gap:.1f}" y="{BASE - height:.1f}" width="{step - 2 * gap:.1f}" height="{height:.1f}" '
            f'rx="2" class="bin"><title>{low:g} to {high:g} points: {count}</title></rect>'
        )
        if count:
            parts.append(
                f'<text x="{x + step / 2:.1f}" y="{BASE - height - 6:.1f}" class="count">{count}</text>'
            )
    return parts


def _ticks(bins: list, step: float) -> list[str]:
    """The bounds of the bins; only as many as can be read."""
    bounds = [low for low, *_ in bins] + [bins[-1][1]]
    every = math.ceil(len(bounds) / 15)
    ticks = [
        f'<text x="{SIDE + place * step:.1f}" y="{BASE + 18}" class="tick">{bound:g}</text>'
        for place, bound in enumerate(bounds[:-1])
        if place % every == 0 and len(bins) - place > every / 2
    ]
    return [*ticks, f'<text x="{WIDE - SIDE}" y="{BASE + 18}" class="tick">{bounds[-1]:g}</text>']


def _marks(totals: Sequence[float], whole: float) -> list[str]:
    """The mean, and the box from the first to the third quartile with the median in it."""
    if not totals:
        return []

    def x(value: float) -> float:
        return SIDE + (WIDE - 2 * SIDE) * min(max(value / (whole or 1.0), 0.0), 1.0)

    mean, median = statistics.fmean(totals), statistics.median(totals)
    parts = []
    if len(totals) > 3:
        low, _, high = statistics.quantiles(totals, n=4, method="inclusive")
        parts.append(
            f'<rect x="{x(low):.1f}" y="{BASE + 30}" width="{x(high) - x(low):.1f}" height="14" rx="3" class="box">'
            f"<title>the middle half: {low:.1f} to {high:.1f}</title></rect>"
        )
    parts.append(
        f'<path d="M{x(median):.1f} {BASE + 27} v20" class="median"><title>median {median:.1f}</title></path>'
    )
    parts.append(
        f'<path d="M{x(mean):.1f} {BASE + 31} l6 6 l-6 6 l-6 -6 z" class="mean"><title>mean {mean:.1f}</title></path>'
    )
    return parts


def _in_words(bins: list, totals: Sequence[float]) -> str:
    if not totals:
        return "No scores"
    counts = "; ".join(f"{low:g} to {high:g} points: {count}" for low, high, count in bins if count)
    return f"Distribution of {len(totals)} scores. Mean {statistics.fmean(totals):.1f}. {counts}."
