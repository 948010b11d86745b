"""Metering: each second a machine is on, priced by its size, by compute, user and month."""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from jupyter_aml.compute.model import DayModel, UsageModel
from jupyter_aml.compute.sizes import LOW_PRIORITY_FACTOR, Size
from jupyter_aml.compute.tables import usage


def begin(
    connection: sa.Connection,
    *,
    compute: str,
    kind: str,
    user: str,
    size: Size,
    node: str,
    now: int,
    low_priority: bool = False,
) -> None:
    """``node`` is on from now."""
    price = size.price * (LOW_PRIORITY_FACTOR if low_priority else 1.0)
    connection.execute(
        sa.insert(usage).values(
            compute=compute, kind=kind, user=user, size=size.name, price=price, node=node,
            started_at=now, ended_at=now, open=True,
        )
    )  # fmt: skip


def tick(connection: sa.Connection, now: int) -> None:
    """Everything that is on was on until now."""
    later = sa.func.max(usage.c.ended_at, now)
    connection.execute(sa.update(usage).where(usage.c.open).values(ended_at=later))


def end(connection: sa.Connection, node: str, now: int) -> None:
    """``node`` is off from now."""
    later = sa.func.max(usage.c.ended_at, now)
    connection.execute(
        sa.update(usage).where(usage.c.open, usage.c.node == node).values(ended_at=later, open=False)
    )


def summary(rows: Iterable[sa.Row[Any]]) -> list[UsageModel]:
    """Usage by compute, kind, user, month (UTC) and size; what spans two months counts in both."""
    sums: defaultdict[tuple[str, ...], list[float]] = defaultdict(lambda: [0.0, 0.0])
    for row in rows:
        for month, seconds in _by_month(row.started_at / 1000, row.ended_at / 1000):
            total = sums[(row.compute, row.kind, row.user, month, row.size)]
            total[0] += seconds
            total[1] += seconds / 3600 * row.price
    return [
        UsageModel(
            compute=compute, kind=kind, user=user, month=month, size=size,
            seconds=round(seconds, 3), cost=round(cost, 6),
        )
        for (compute, kind, user, month, size), (seconds, cost) in sorted(sums.items())
    ]  # fmt: skip


def daily(rows: Iterable[sa.Row[Any]]) -> list[DayModel]:
    """Usage by day (UTC), the earliest first; days on which nothing was on are left out."""
    sums: defaultdict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for row in rows:
        for day, seconds in _by_day(row.started_at / 1000, row.ended_at / 1000):
            sums[day][0] += seconds
            sums[day][1] += seconds / 3600 * row.price
    return [
        DayModel(day=day, seconds=round(seconds, 3), cost=round(cost, 6))
        for day, (seconds, cost) in sorted(sums.items())
    ]


def _by_day(start: float, end: float) -> Iterable[tuple[str, float]]:
    while True:
        until = min(end, (start // 86400 + 1) * 86400)
        yield f"{datetime.datetime.fromtimestamp(start, datetime.UTC):%Y-%m-%d}", max(0.0, until - start)
        if until >= end:
            return
        start = until


def _by_month(start: float, end: float) -> Iterable[tuple[str, float]]:
    while True:
        day = datetime.datetime.fromtimestamp(start, datetime.UTC)
        following = (
            day.replace(day=1, hour=0, minute=0, second=0, microsecond=0) + datetime.timedelta(32)
        ).replace(day=1)
        until = min(end, following.timestamp())
        yield f"{day:%Y-%m}", max(0.0, until - start)
        if until >= end:
            return
        start = until
