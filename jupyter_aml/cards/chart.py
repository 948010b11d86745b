"""Charts for the comparison of runs: lines over steps, and bars for single values.

A line is told by its letter, its dashes and its colour; the letters and the numbers are all the text there is
in a chart, what they stand for is written in HTML beside it. The colours hold on light and dark ground.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from jupyter_aml.cards.axes import padded, ticks
from jupyter_aml.cards.formatting import figure
from jupyter_aml.cards.markup import Html, element, image, joined
from jupyter_aml.cards.series import Extent, Point, extent_of, pieces, thinned

_COLORS = ("#3b82d0", "#d9730d", "#2a9d5c", "#a065d6", "#d9485a", "#1594a6", "#a07a3c", "#808a94")
_DASHES = (None, "7 3", "2 3", "9 3 2 3", "5 2", "12 4", "1 4", "6 2 2 2 2 2")
LINES_MAX = len(_COLORS)

CHART_WIDTH = 360
_HEIGHT = 200
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 26, 8, 34
_INK = "#777777"
_POINTS = 400
_ROW, _BAR = 22, 14


class Line(NamedTuple):
    """One series of a chart: its run's place among the runs, and its points."""

    run: int
    points: list[Point]


def letter(index: int) -> str:
    """What the run at ``index`` is called in charts: A, B, ... Z, A1, B1..."""
    again, place = divmod(index, 26)
    return f"{chr(ord('A') + place)}{again or ''}"


def color(index: int) -> str:
    """The colour of the run at ``index``."""
    return _COLORS[index % len(_COLORS)]


def swatch(index: int) -> Html:
    """A sample of the line of the run at ``index``, for a legend; nothing of one that gets no line."""
    line = _stroke("M1 6L27 6", index, 2.5) if index < LINES_MAX else Html("")
    return image(line, width=28, height=12, alt="")


def line_chart(lines: Sequence[Line], *, alt: str) -> Html:
    """Lines over steps, with a gap where a value is no finite number; a lone point is a dot."""
    shown = [Line(line.run, thinned(line.points, _POINTS)) for line in lines]
    finite = [point for line in shown for point in line.points if math.isfinite(point.y)]
    across = extent_of([point.x for point in finite])
    up = extent_of([point.y for point in finite])
    if across is None or up is None:
        return Html("")
    plot = _Plot(across, padded(up))
    drawn = (plot.line(line) for line in shown)
    shapes = (plot.axes(), *drawn, plot.letters(shown))
    return image(*shapes, width=CHART_WIDTH, height=_HEIGHT, alt=alt, shrinks=True)


def bar_chart(values: Sequence[tuple[int, float]], *, alt: str) -> Html:
    """One bar a run, from zero, with its value; what is no finite number has its word and no bar."""
    extent = extent_of([0.0, *(value for _, value in values)]) or Extent(0.0, 0.0)
    height = len(values) * _ROW + 6
    rows = (_bar(row, index, value, extent) for row, (index, value) in enumerate(values))
    zero = _bar_x(0.0, extent)
    base = element("path", d=f"M{zero} 2V{height - 2}", stroke=_INK, stroke_width=1)
    return image(*rows, base, width=CHART_WIDTH, height=height, alt=alt, shrinks=True)


class _Plot:
    """The area between the axes."""

    def __init__(self, across: Extent, up: Extent) -> None:
        self._across, self._up = across, up

    def x(self, value: float) -> str:
        return f"{_LEFT + self._across.place(value) * (CHART_WIDTH - _LEFT - _RIGHT):.1f}"

    def y(self, value: float) -> str:
        return f"{self._height(value):.1f}"

    def axes(self) -> Html:
        """The frame's two sides, a faint line a tick, and the numbers."""
        foot, end = _HEIGHT - _BOTTOM, CHART_WIDTH - _RIGHT
        parts = []
        for value, text in ticks(self._up, 5):
            y = self.y(value)
            parts.append(element("path", d=f"M{_LEFT} {y}H{end}", stroke=_INK, stroke_opacity=0.25))
            parts.append(element("text", text, x=_LEFT - 6, y=y, dy="0.35em", text_anchor="end", fill=_INK))
        for value, text in ticks(self._across, 6):
            x = self.x(value)
            parts.append(element("path", d=f"M{x} {foot}v4", stroke=_INK))
            parts.append(element("text", text, x=x, y=foot + 15, text_anchor="middle", fill=_INK))
        parts.append(element("path", d=f"M{_LEFT} {_TOP}V{foot}H{end}", stroke=_INK, fill="none"))
        middle = (_LEFT + end) / 2
        parts.append(element("text", "step", x=middle, y=_HEIGHT - 5, text_anchor="middle", fill=_INK))
        return joined(*parts)

    def line(self, line: Line) -> Html:
        drawn = pieces(line.points)
        dots = [
            element("circle", cx=self.x(piece[0].x), cy=self.y(piece[0].y), r=2.5, fill=color(line.run))
            for piece in drawn
            if len(piece) == 1
        ]
        path = "".join(
            "M" + "L".join(f"{self.x(point.x)} {self.y(point.y)}" for point in piece)
            for piece in drawn
            if len(piece) > 1
        )
        return joined(_stroke(path, line.run, 1.8) if path else None, *dots)

    def letters(self, lines: Sequence[Line]) -> Html:
        """Each line's letter at its end, moved apart where they would lie on each other."""
        ends = sorted((self._height(last.y), line.run, self.x(last.x)) for line, last in _last_points(lines))
        heights = _apart([height for height, _, _ in ends], gap=11, high=_HEIGHT - _BOTTOM)
        return joined(
            *(_letter(run, float(x) + 5, height) for height, (_, run, x) in zip(heights, ends, strict=True))
        )

    def _height(self, value: float) -> float:
        foot = _HEIGHT - _BOTTOM
        return foot - self._up.place(value) * (foot - _TOP)


def _apart(heights: Sequence[float], *, gap: float, high: float) -> list[float]:
    """Ascending ``heights`` moved until all are ``gap`` apart: down first, then up from below ``high``."""
    moved: list[float] = []
    for height in heights:
        moved.append(max(height, moved[-1] + gap) if moved else height)
    limit = high
    for place in range(len(moved) - 1, -1, -1):
        moved[place] = min(moved[place], limit)
        limit = moved[place] - gap
    return moved


def _last_points(lines: Sequence[Line]) -> list[tuple[Line, Point]]:
    drawn = ((line, pieces(line.points)) for line in lines)
    return [(line, found[-1][-1]) for line, found in drawn if found]


def _stroke(path: str, index: int, width: float) -> Html:
    dashes = _DASHES[index % len(_DASHES)]
    return element(
        "path", d=path, fill="none", stroke=color(index), stroke_width=width, stroke_dasharray=dashes
    )


def _letter(index: int, x: float, y: float) -> Html:
    place = {"x": f"{x:.1f}", "y": f"{y:.1f}", "dy": "0.35em"}
    return element("text", letter(index), font_weight="bold", fill=color(index), **place)


def _bar(row: int, index: int, value: float, extent: Extent) -> Html:
    top = row * _ROW + 5
    middle = top + _BAR / 2
    start = end = _bar_x(0.0, extent)
    rectangle = None
    if math.isfinite(value) and value:
        start, end = sorted((start, _bar_x(value, extent)))
        width = round(max(end - start, 1), 1)
        rectangle = element("rect", x=start, y=top, width=width, height=_BAR, rx=2, fill=color(index))
    written = element("text", figure(value), x=end + 5, y=middle, dy="0.35em", fill=_INK)
    return joined(_letter(index, 4, middle), rectangle, written)


def _bar_x(value: float, extent: Extent) -> float:
    left, right = 28, 80
    share = extent.place(value) if extent.high > extent.low else 0.0
    return round(left + share * (CHART_WIDTH - left - right), 1)
