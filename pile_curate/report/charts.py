"""Draw the report's inline SVG: the flow of records, the recall of copies, and bits per byte before and after.

Colours are CSS classes, so that light and dark follow the page. Geometry is rounded, so that the
same figures give the same bytes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from pile_curate.report.duplicates import Search
from pile_curate.report.format import percent, short


@dataclass(frozen=True, slots=True)
class Loss:
    """What leaves the flow between two stations."""

    label: str
    value: int
    css: str


@dataclass(frozen=True, slots=True)
class Station:
    """A place in the flow; its losses leave after it. ``fresh`` starts a new scale (another unit)."""

    label: str
    value: int
    losses: tuple[Loss, ...] = ()
    fresh: bool = False


_WIDTH, _TOP, _HEIGHT, _DRAIN, _BAR = 1000, 74, 150, 292, 9
_THIN = 2.0


def _f(value: float) -> str:
    return f"{value:.1f}".rstrip("0").rstrip(".")


def flow(stations: Sequence[Station]) -> Markup:
    """Return the flow as a river: its width is what is still in, branches are what left and why.

    The width starts again at full height at a ``fresh`` station, because one document may be many records.
    """
    count = len(stations)
    step = (_WIDTH - 120) / max(1, count - 1)
    xs = [index * step for index in range(count)]
    out: list[str] = []
    texts: list[str] = []
    height = float(_HEIGHT)
    for index, station in enumerate(stations):
        if station.fresh:
            height = float(_HEIGHT)
        x = xs[index]
        texts.append(_station_text(x, station))
        out.append(
            f'<rect class="river-bar" x="{_f(x)}" y="{_TOP}" width="{_BAR}" height="{_f(height)}" rx="2"/>'
        )
        if index + 1 == count:
            break
        lost = sum(loss.value for loss in station.losses)
        scale = height / station.value if station.value else 0.0
        going = max(height - lost * scale, _THIN if station.value > lost else 0.0)
        following = stations[index + 1]
        target = float(_HEIGHT) if following.fresh and following.value else going
        out.append(_band(x + _BAR, xs[index + 1], going, target))
        shown = [loss for loss in station.losses if loss.value]
        # The branch that leaves last lies on top, so that branches never cross.
        y = _TOP + going
        for number, loss in reversed(list(enumerate(shown))):
            first, spread = (0.25, 0.42) if len(shown) < 3 else (0.12, 0.7)  # labels must not touch
            part = 0.45 if len(shown) == 1 else first + spread * number / (len(shown) - 1)
            drain = x + _BAR + step * part
            thick = max(loss.value * scale, _THIN)
            out.append(_branch(x + _BAR, y, thick, drain, loss.css))
            texts.append(_loss_text(drain, loss, station.value))
            y += thick
        height = going
    title = "; ".join(f"{s.label}: {s.value:,}" for s in stations)
    return Markup(
        f'<svg class="river" viewBox="-2 0 {_WIDTH} 352" role="img" aria-label="{escape(title)}">'
        + '<defs><linearGradient id="fade" x1="0" x2="0" y1="0" y2="1"><stop offset=".35" stop-color="#fff"/>'
        '<stop offset="1" stop-color="#fff" stop-opacity=".12"/></linearGradient>'
        f'<mask id="drain" maskUnits="userSpaceOnUse" x="-2" y="0" width="{_WIDTH}" height="352">'
        f'<rect x="-2" y="{_TOP}" width="{_WIDTH}" height="{_DRAIN - _TOP}" fill="url(#fade)"/></mask></defs>'
        + "".join(out)
        + "".join(texts)
        + "</svg>"
    )


def _band(x0: float, x1: float, h0: float, h1: float) -> str:
    if not h0:
        return ""
    # A new scale flares out late, behind the branches.
    turn = x1 - 0.24 * (x1 - x0)
    middle = (turn + x1) / 2
    bottom0, bottom1 = _TOP + h0, _TOP + h1
    path = (
        f"M{_f(x0)} {_TOP}H{_f(x1)}V{_f(bottom1)}"
        f"C{_f(middle)} {_f(bottom1)} {_f(middle)} {_f(bottom0)} {_f(turn)} {_f(bottom0)}H{_f(x0)}Z"
    )
    return f'<path class="river-main" d="{path}"/>'


def _branch(x: float, y: float, thick: float, drain: float, css: str) -> str:
    wide = min(thick, 44.0)
    left, right, bottom = drain - wide / 2, drain + wide / 2, y + thick
    path = (
        f"M{_f(x)} {_f(y)}C{_f(right)} {_f(y)} {_f(right)} {_f(y)} {_f(right)} {_DRAIN}"
        f"H{_f(left)}C{_f(left)} {_f(bottom)} {_f(left)} {_f(bottom)} {_f(x)} {_f(bottom)}Z"
    )
    return f'<path class="river-loss {css}" mask="url(#drain)" d="{path}"/>'


def _station_text(x: float, station: Station) -> str:
    return (
        f'<text class="river-number" x="{_f(x)}" y="30">{short(station.value)}</text>'
        f'<text class="river-label" x="{_f(x)}" y="54">{escape(station.label)}</text>'
    )


def _loss_text(x: float, loss: Loss, whole: int) -> str:
    return (
        f'<text class="loss-number" text-anchor="middle" x="{_f(x)}" y="{_DRAIN + 20}">{short(loss.value)}'
        f"<title>{loss.value:,} of {whole:,}</title></text>"
        f'<text class="loss-label" text-anchor="middle" x="{_f(x)}" y="{_DRAIN + 37}">'
        f"{escape(loss.label)}</text>"
        f'<text class="loss-label" text-anchor="middle" x="{_f(x)}" y="{_DRAIN + 53}">'
        f"{percent(loss.value, whole)}</text>"
    )


def dumbbells(rows: Sequence[tuple[str, float | None, float | None]], before: str, after: str) -> Markup:
    """Return one line a row, from the earlier value (ring) to the later one (dot), on one scale from zero."""
    values = [value for _, a, b in rows for value in (a, b) if value is not None]
    top = _nice(max(values, default=1.0))
    left, right, pitch, head = 190.0, 960.0, 34, 34
    height = head + pitch * len(rows) + 26

    def place(value: float) -> float:
        return left + (right - left) * value / top

    out = []
    for tick in range(5):
        mark = top * tick / 4
        at = _f(place(mark))
        out.append(f'<line class="grid" x1="{at}" x2="{at}" y1="{head - 8}" y2="{height - 22}"/>')
        out.append(f'<text class="tick" text-anchor="middle" x="{at}" y="{height - 6}">{mark:g}</text>')
    for number, (name, first, last) in enumerate(rows):
        y = head + pitch * number + 12
        css = "name total" if number + 1 == len(rows) else "name"
        out.append(
            f'<text class="{css}" text-anchor="end" x="{left - 16:.0f}" y="{y + 5}">{escape(name)}</text>'
        )
        if first is not None and last is not None:
            a, b = place(first), place(last)
            worse = " worse" if last > first else ""
            out.append(f'<line class="move{worse}" x1="{_f(a)}" x2="{_f(b)}" y1="{y}" y2="{y}"/>')
        # Labels stand outside the two marks, whichever way the change went.
        swap = first is not None and last is not None and first < last
        for value, kind, leftwards in ((first, "ring", swap), (last, "dot", not swap)):
            if value is None:
                continue
            x = place(value)
            anchor, shift = ("end", -11) if leftwards else ("start", 11)
            out.append(f'<circle class="{kind}" cx="{_f(x)}" cy="{y}" r="5.5"/>')
            out.append(
                f'<text class="value {kind}" text-anchor="{anchor}" x="{_f(x + shift)}" y="{y + 4.5}">'
                f"{value:.3f}</text>"
            )
    label = f"bits per byte, {before} and {after}"
    return Markup(
        f'<svg class="dumbbells" viewBox="0 0 1040 {height}" role="img" aria-label="{escape(label)}">'
        f"{''.join(out)}</svg>"
    )


def recall(search: Search) -> Markup:
    """Return the S-curve, and on it what was found of planted copies; nothing if neither was measured.

    The dashed line is a shared band alone, the full one a candidate. Dots are planted copies found, rings what
    the curve promises for just these.
    """
    if not search.curve and not search.tested:
        return Markup("")
    left, right, top, bottom, least = 52.0, 500.0, 34.0, 280.0, 0.5

    def at(jaccard: float, share: float) -> tuple[str, str]:
        x = left + (right - left) * (min(max(jaccard, least), 1.0) - least) / (1 - least)
        return _f(x), _f(bottom - (bottom - top) * min(max(share, 0.0), 1.0))

    out = []
    for tick in range(5):
        (x0, y), (x1, _) = at(least, tick / 4), at(1, tick / 4)
        out.append(f'<line class="grid" x1="{x0}" x2="{x1}" y1="{y}" y2="{y}"/>')
        out.append(
            f'<text class="tick" text-anchor="end" x="{_f(left - 8)}" y="{_f(float(y) + 4)}">{25 * tick} %</text>'
        )
    for tick in range(5, 11):
        x, y = at(tick / 10, 0)
        out.append(
            f'<text class="tick" text-anchor="middle" x="{x}" y="{_f(bottom + 20)}">{tick / 10}</text>'
        )
    if search.threshold is not None and least <= search.threshold <= 1:
        x, y = at(search.threshold, 0)
        out.append(f'<line class="threshold" x1="{x}" x2="{x}" y1="{_f(top)}" y2="{y}"/>')
        out.append(
            f'<text class="tick" text-anchor="middle" x="{x}" y="{_f(top - 16)}">threshold {search.threshold:g}</text>'
        )
    for css, column in (("curve-band", 1), ("curve", 2)):
        # Equal sets agree everywhere, so every curve ends at (1, 1).
        points = [at(row[0], row[column]) for row in search.curve] + [at(1, 1)]
        if search.curve:
            out.append(f'<path class="{css}" d="M{"L".join(f"{x} {y}" for x, y in points)}"/>')
    for row in search.tested:
        middle = (row.low + row.high) / 2 if row.mean_jaccard is None else row.mean_jaccard
        promised = "" if row.expected is None else f", {percent(row.expected, 1)} promised"
        if row.expected is not None:
            x, y = at(middle, row.expected)
            out.append(f'<circle class="ring" cx="{x}" cy="{y}" r="6.5"/>')
        x, y = at(middle, row.recall or 0.0)
        title = f"{row.found:,} of {row.pairs:,} found{promised}"
        out.append(f'<circle class="dot" cx="{x}" cy="{y}" r="4"><title>{title}</title></circle>')
    label = "share of pairs found, by Jaccard: " + ", ".join(
        f"{row.low:.2f} {percent(row.recall or 0.0, 1)}" for row in search.tested
    )
    return Markup(
        f'<svg class="recall" viewBox="0 0 520 310" role="img" aria-label="{escape(label.rstrip(": "))}">'
        f"{''.join(out)}</svg>"
    )


def _nice(value: float) -> float:
    """Return the next round number above, four ticks of which are round too."""
    if not value > 0 or math.isinf(value):
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 4, 6, 8, 10) if step * power >= value)
