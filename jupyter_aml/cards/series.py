"""A metric's history as points to draw: in order, few enough, with gaps where there is no finite number."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any, NamedTuple

from jupyter_aml.cards.formatting import number


class Point(NamedTuple):
    """One logged value; ``y`` may be NaN or infinite."""

    x: float
    y: float


class Extent(NamedTuple):
    """The least and the greatest of some numbers."""

    low: float
    high: float

    def place(self, value: float) -> float:
        """Where ``value`` lies between the two, from 0 to 1; in the middle when both are the same."""
        # Halved, because the span of two doubles may not be a double.
        span = self.high / 2 - self.low / 2
        return (value / 2 - self.low / 2) / span if span > 0 else 0.5


def points_of(history: Mapping[str, Any] | None) -> list[Point]:
    """The points of ``{"steps", "values"}`` by step; a point without a step stands at its index."""
    if not history:
        return []
    steps: Sequence[Any] = history.get("steps") or ()
    values = (number(value) for value in history.get("values") or ())
    found = [
        Point(float(index) if step is None else float(step), value)
        for index, (step, value) in enumerate(zip_longest(steps, values))
        if value is not None
    ]
    return sorted(found, key=lambda point: point.x)


def extent_of(numbers: Sequence[float]) -> Extent | None:
    """The extent of the finite ones of ``numbers``; None where there are none."""
    finite = [value for value in numbers if math.isfinite(value)]
    return Extent(min(finite), max(finite)) if finite else None


def pieces(points: Sequence[Point]) -> list[list[Point]]:
    """The runs of finite points between the gaps."""
    found: list[list[Point]] = [[]]
    for point in points:
        if math.isfinite(point.y):
            found[-1].append(point)
        elif found[-1]:
            found.append([])
    return [piece for piece in found if piece]


def thinned(points: Sequence[Point], limit: int) -> list[Point]:
    """At most ``limit`` points that look the same: the first, the last, and the extremes of each bucket.

    A bucket without a finite point stays a gap; a gap narrower than its bucket is not seen any more.
    """
    if len(points) <= limit:
        return list(points)
    inner, buckets = points[1:-1], max(1, (limit - 2) // 2)
    kept = [points[0]]
    for index in range(buckets):
        bucket = inner[index * len(inner) // buckets : (index + 1) * len(inner) // buckets]
        finite = [point for point in bucket if math.isfinite(point.y)]
        if finite:
            ends = {min(finite, key=_height), max(finite, key=_height)}
            kept += sorted(ends)
        else:
            kept += bucket[:1]
    return [*kept, points[-1]]


def _height(point: Point) -> float:
    return point.y
