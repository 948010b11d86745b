"""Writing and reading metric series in SQL.

Writing takes points in the order they were logged, keeps each series' summary (count, last, least and
greatest value) current in the same transaction, and gives a point without a step the next one. Reading
can thin a long series to a number of points, keeping the least and greatest of each bucket and both ends.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import sqlalchemy as sa

from jupyter_aml.core.journal import Scalar
from jupyter_aml.tracking.tables import SEQUENCE_BITS, metric_points, metric_series

_INSERT_POINTS = "INSERT INTO metric_points (id, value, step, time) VALUES (?, ?, ?, ?)"
_REPLACE_POINTS = _INSERT_POINTS.replace("INSERT", "INSERT OR REPLACE")
_LAST = 2**63 - 1  # the greatest integer SQLite holds


@dataclass
class Series:
    """A series' row, in memory while a batch is written."""

    number: int
    name: str
    kind: str
    count: int = 0
    first_time: int = 0
    last_step: int = -1
    last_time: int = 0
    last_value: float | None = None
    min_value: float | None = None
    max_value: float | None = None
    ordered: bool = True

    def place(self, step: int | None, time: int) -> tuple[int, int]:
        """Take one more point in; its sequence and step."""
        sequence = self.count
        if sequence == 0:
            self.first_time = time
        if step is None:
            step = self.last_step + 1
        if sequence and step < self.last_step:
            self.ordered = False
        self.count = sequence + 1
        self.last_step = step
        self.last_time = time
        return sequence, step


def load_series(connection: sa.Connection, run: int) -> dict[str, Series]:
    """The series a run has so far, by name."""
    c = metric_series.c
    rows = connection.execute(
        sa.select(
            c.number, c.name, c.kind, c.count, c.first_time, c.last_step, c.last_time,
            c.last_value, c.min_value, c.max_value, c.ordered,
        ).where(c.run == run)
    )  # fmt: skip
    return {row.name: Series(*row) for row in rows}


def open_series(
    connection: sa.Connection, known: dict[str, Series], run: int, name: str, kind: str
) -> Series:
    """The series ``name``, made when it is new. A name keeps the kind of its first value."""
    series = known.get(name)
    if series is None:
        result = connection.execute(
            sa.insert(metric_series).values(
                run=run, name=name, kind=kind, count=0, first_time=0, last_step=-1, last_time=0, ordered=True
            )
        )
        (number,) = result.inserted_primary_key or (0,)
        series = known[name] = Series(number, name, kind)
    return series


def add_scalars(
    connection: sa.Connection, known: dict[str, Series], run: int, points: Iterable[Scalar]
) -> None:
    """Add scalar points to their series."""
    by_name: dict[str, list[Scalar]] = {}
    for point in points:
        found = by_name.get(point[0])
        if found is None:
            found = by_name[point[0]] = []
        found.append(point)
    for name, own in by_name.items():
        series = open_series(connection, known, run, name, "scalar")
        rows = _rows(series, own)
        try:
            connection.exec_driver_sql(_INSERT_POINTS, rows)
        except OverflowError:  # a step or a time beyond 64 bits is kept as the last one within
            connection.exec_driver_sql(
                _REPLACE_POINTS, [(row, value, _held(step), _held(time)) for row, value, step, time in rows]
            )
            series.last_step = min(series.last_step, _LAST)
        _summarise(series, [point[1] for point in own])
        save_series(connection, series)


def _rows(series: Series, points: list[Scalar]) -> list[tuple[int, float, int | None, int]]:
    """The rows of ``points``, taken into the series one after the other (many times `Series.place`)."""
    if series.count == 0:
        series.first_time = points[0][3]
    sequence, last, first_time = series.count, series.last_step, series.first_time
    row = (series.number << SEQUENCE_BITS) + sequence
    ordered = series.ordered
    rows: list[tuple[int, float, int | None, int]] = []
    append = rows.append
    for _, value, given, time in points:
        step = last + 1 if given is None else given
        if step < last and sequence:
            ordered = False
        append((row, value, None if step == sequence else step, time - first_time))
        last = step
        sequence += 1
        row += 1
    series.count, series.last_step, series.last_time, series.ordered = sequence, last, points[-1][3], ordered
    return rows


def _held(number: int | None) -> int | None:
    return None if number is None else max(-_LAST, min(number, _LAST))


def _summarise(series: Series, values: list[float]) -> None:
    last = values[-1]
    series.last_value = None if math.isnan(last) else last
    real = [value for value in values if not math.isnan(value)]
    if real:
        least, greatest = min(real), max(real)
        series.min_value = least if series.min_value is None else min(least, series.min_value)
        series.max_value = greatest if series.max_value is None else max(greatest, series.max_value)


def save_series(connection: sa.Connection, series: Series) -> None:
    """Write a series' summary back."""
    connection.execute(
        sa.update(metric_series)
        .where(metric_series.c.number == series.number)
        .values(
            count=series.count,
            first_time=series.first_time,
            last_step=series.last_step,
            last_time=series.last_time,
            last_value=series.last_value,
            min_value=series.min_value,
            max_value=series.max_value,
            ordered=series.ordered,
        )
    )


class History(NamedTuple):
    """Points of a series: steps, times (ms since the epoch) and values (NaN where none), in order of step."""

    total: int
    thinned: bool
    steps: Sequence[int]
    times: Sequence[int]
    values: Sequence[float]


def read_history(connection: sa.Connection, series: Series, max_points: int | None) -> History:
    """The series' points, thinned to about ``max_points`` where there are more."""
    thinned = max_points is not None and series.count > max_points
    statement = _thinned(series, max_points or 0) if thinned else _all(series)
    # Straight from the driver: a hundred thousand rows are read in half the time.
    cursor = connection.execute(statement).cursor
    rows = [] if cursor is None else cursor.fetchall()
    if not series.ordered:
        rows = sorted(rows, key=lambda row: (row[1], row[0]))
    _, steps, times, values = zip(*rows, strict=True) if rows else ((), (), (), ())
    first, nan = series.first_time, math.nan
    return History(
        series.count,
        thinned,
        steps,
        [time + first for time in times],
        [nan if value is None else value for value in values],
    )


def _bounds(series: Series) -> tuple[int, int]:
    first = series.number << SEQUENCE_BITS
    return first, first + series.count


def _all(series: Series) -> sa.Select[Any]:
    p = metric_points.c
    first, end = _bounds(series)
    sequence = p.id - first
    return (
        sa.select(sequence, sa.func.coalesce(p.step, sequence), p.time, p.value)
        .where(p.id >= first, p.id < end)
        .order_by(p.id)
    )


def _thinned(series: Series, max_points: int) -> sa.Select[Any]:
    """The least and the greatest point of each of ``max_points / 2`` buckets, and the first and last point.

    SQLite gives the other columns of a ``min()`` or ``max()`` query from the row that holds the extreme.
    """
    p = metric_points.c
    first, end = _bounds(series)
    buckets = max(1, (max_points - 2) // 2)
    bucket = (p.id - first) * buckets // series.count
    inside = sa.and_(p.id >= first, p.id < end)
    extremes = [
        sa.select(p.id, extreme(p.value).label("value")).where(inside).group_by(bucket)
        for extreme in (sa.func.min, sa.func.max)
    ]
    ends = sa.select(p.id, p.value).where(p.id.in_([first, end - 1]))
    chosen = sa.union(*extremes, ends).subquery()
    sequence = p.id - first
    return (
        sa.select(sequence, sa.func.coalesce(p.step, sequence), p.time, p.value)
        .where(p.id.in_(sa.select(chosen.c.id)))
        .order_by(p.id)
    )
