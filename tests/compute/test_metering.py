"""What machines that are on are counted for, day by day."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from jupyter_aml.compute import metering

MIDNIGHT = 20_000 * 86_400_000  # 2024-10-04T00:00Z
HOUR = 3_600_000


def rows(*spans: tuple[int, int, float]) -> list[sa.Row[tuple[int, int, float]]]:
    """Times of use from the first number of milliseconds to the second, at dollars an hour."""
    selects = [
        sa.select(
            sa.literal(start).label("started_at"),
            sa.literal(end).label("ended_at"),
            sa.literal(price).label("price"),
        )
        for start, end, price in spans
    ]
    with sa.create_engine("sqlite://").connect() as connection:
        return list(connection.execute(sa.union_all(*selects)).all())


def test_a_night_counts_on_both_days() -> None:
    first, second = metering.daily(rows((MIDNIGHT - HOUR, MIDNIGHT + 3 * HOUR, 2.0)))
    assert (first.day, first.seconds, first.cost) == ("2024-10-03", 3600, 2.0)
    assert (second.day, second.seconds, second.cost) == ("2024-10-04", 3 * 3600, 6.0)


def test_nodes_that_are_on_together_count_each_and_days_off_are_left_out() -> None:
    day = 24 * HOUR
    found = metering.daily(
        rows(
            (MIDNIGHT, MIDNIGHT + HOUR, 1.0),
            (MIDNIGHT, MIDNIGHT + HOUR, 0.2),
            (MIDNIGHT + 3 * day, MIDNIGHT + 3 * day + HOUR, 1.0),
        )
    )
    assert [(item.day, item.seconds) for item in found] == [("2024-10-04", 7200), ("2024-10-07", 3600)]
    assert found[0].cost == pytest.approx(1.2)


def test_a_use_of_whole_days_counts_each_once() -> None:
    found = metering.daily(rows((MIDNIGHT, MIDNIGHT + 48 * HOUR, 1.0)))
    assert [item.seconds for item in found] == [86400, 86400]
