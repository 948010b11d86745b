"""What a comparison compares: the metrics of several runs, with the extremes marked.

Whether more or less of a metric is better is not known, so both its highest and its lowest value are marked.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from jupyter_aml.cards.facts import Histories, Run, metrics_in
from jupyter_aml.cards.formatting import number
from jupyter_aml.cards.series import Point, extent_of, points_of

HIGHEST, LOWEST = "▲", "▼"
MARKS = f"{HIGHEST} highest, {LOWEST} lowest of the metric"


class Metric(NamedTuple):
    """One metric of all runs.

    Attributes:
        last: each run's last value, None where it has none.
        points: each run's course, empty where it is not known.
    """

    name: str
    last: list[float | None]
    points: list[list[Point]]

    @property
    def is_series(self) -> bool:
        """Whether any run has a course to draw, rather than one value."""
        return any(len(points) > 1 for points in self.points)

    @property
    def gaps(self) -> int:
        """How many points are no finite number."""
        return sum(not math.isfinite(point.y) for points in self.points for point in points)

    @property
    def marks(self) -> list[str]:
        """Of each last value whether it is the highest or lowest finite one; nothing where all are equal."""
        known = extent_of([value for value in self.last if value is not None])
        if known is None or known.low == known.high:
            return [""] * len(self.last)
        signs = {known.high: HIGHEST, known.low: LOWEST}
        return ["" if value is None else signs.get(value, "") for value in self.last]


def metrics_of(runs: Sequence[Run], histories: Sequence[Histories]) -> list[Metric]:
    """The metrics of the runs, those that differ first."""
    return [
        Metric(
            key,
            [number((run.get("metrics") or {}).get(key)) for run in runs],
            [points_of(history.get(key)) for history in histories],
        )
        for key in metrics_in(runs)
    ]
