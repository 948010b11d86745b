"""Sparklines: the course of a metric in one small line, as an image or as a row of block characters."""

from __future__ import annotations

import math
from collections.abc import Sequence

from jupyter_aml.cards.formatting import figure, number
from jupyter_aml.cards.markup import Html, element, image
from jupyter_aml.cards.series import Extent, Point, extent_of, pieces, thinned

_WIDTH, _HEIGHT, _PAD = 96, 22, 3
_BLOCKS = "▁▂▃▄▅▆▇█"
_COLOR = "#3b82d0"


def sparkline(values: Sequence[object]) -> Html:
    """An ``<img>`` with the course of ``values``; empty when there are not two finite ones.

    Values that are no finite number leave a gap. The last one is marked with a dot.
    """
    points = thinned([Point(i, y) for i, y in enumerate(_numbers(values))], 160)
    extent = extent_of([point.y for point in points])
    drawn = pieces(points)
    if extent is None or sum(map(len, drawn)) < 2:
        return Html("")
    across = Extent(points[0].x, points[-1].x)
    placed = [[_place(point, across, extent) for point in piece] for piece in drawn]
    ends = {"stroke_linejoin": "round", "stroke_linecap": "round"}
    line = element("path", d=_path(placed), fill="none", stroke=_COLOR, stroke_width=1.5, **ends)
    x, y = placed[-1][-1]
    dot = element("circle", cx=x, cy=y, r=2.2, fill=_COLOR)
    return image(line, dot, width=_WIDTH, height=_HEIGHT, alt=spark_text(values))


def spark_text(values: Sequence[object], width: int = 16) -> str:
    """The course of ``values`` in at most ``width`` block characters; blank where none is finite."""
    columns = _columns(_numbers(values), width)
    extent = extent_of(columns)
    if extent is None:
        return ""
    return "".join(
        _BLOCKS[round(extent.place(value) * (len(_BLOCKS) - 1))] if math.isfinite(value) else " "
        for value in columns
    )


def course(values: Sequence[object]) -> str:
    """A course in words: its first, least, greatest and last value, and how many there are."""
    known = _numbers(values)
    extent = extent_of(known)
    if extent is None:
        return "no finite values"
    ends = f"{figure(known[0])} to {figure(known[-1])}" if len(known) > 1 else figure(known[0])
    return f"{ends}, lowest {figure(extent.low)}, highest {figure(extent.high)}, {len(known)} points"


def _numbers(values: Sequence[object]) -> list[float]:
    return [math.nan if known is None else known for known in map(number, values)]


def _columns(values: Sequence[float], width: int) -> list[float]:
    if len(values) <= width:
        return list(values)
    buckets = (values[i * len(values) // width : (i + 1) * len(values) // width] for i in range(width))
    return [_mean([value for value in bucket if math.isfinite(value)]) for bucket in buckets]


def _mean(values: Sequence[float]) -> float:
    return sum(value / len(values) for value in values) if values else math.nan


def _place(point: Point, across: Extent, extent: Extent) -> tuple[str, str]:
    x = _PAD + across.place(point.x) * (_WIDTH - 2 * _PAD)
    y = _HEIGHT - _PAD - extent.place(point.y) * (_HEIGHT - 2 * _PAD)
    return f"{x:.1f}", f"{y:.1f}"


def _path(placed: Sequence[Sequence[tuple[str, str]]]) -> str:
    # A line of no length shows a lone point, as a dot, thanks to its round ends.
    return "".join(
        f"M{' '.join(piece[0])}" + "".join(f"L{x} {y}" for x, y in (piece[1:] or piece)) for piece in placed
    )
