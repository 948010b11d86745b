"""Numbers, times, courses and axes."""

from __future__ import annotations

import math
from datetime import timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_aml.cards import spark_text, sparkline
from jupyter_aml.cards.axes import padded, ticks
from jupyter_aml.cards.formatting import NONE, duration, figure, moment, size, status_look
from jupyter_aml.cards.series import Extent, Point, points_of, thinned

FINITE = st.floats(allow_nan=False, allow_infinity=False)


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (0, "0.0 s"), (3210, "3.2 s"), (42_900, "42 s"), (65_000, "1 min 05 s"), (3_599_000, "59 min 59 s"),
        (7_380_000, "2 h 03 min"), (273_600_000, "3 d 04 h"), (-5, "0.0 s"),
    ],
)  # fmt: skip
def test_durations(milliseconds: int, text: str) -> None:
    assert duration(milliseconds) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.1234567, "0.123457"), (3.0, "3"), (123456789, "123456789"), (1.5e9, "1.500e+09"),
        (1e-5, "1.000e-05"), (-0.25, "-0.25"), (0, "0"), ("NaN", "NaN"), ("Infinity", "∞"), (-math.inf, "-∞"),
        (True, "1"), (10**400, "∞"), (None, NONE), ("0.5", NONE),
    ],
)  # fmt: skip
def test_figures(value: object, text: str) -> None:
    assert figure(value) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (20 << 20, "20 MiB"), (5 << 50, "5120 TiB")],
)
def test_sizes(count: int, text: str) -> None:
    assert size(count) == text


def test_moments_are_absolute_and_local() -> None:
    zone = timezone(timedelta(hours=2))
    assert moment(1_785_931_392_999, zone) == "2026-08-05 14:03:12"
    assert moment(1_785_931_392_999, zone, exact=True) == "2026-08-05 14:03:12 +0200"
    assert [moment(value) for value in (None, True, "x", 10**20)] == [NONE] * 4


def test_every_state_has_its_own_word_and_a_symbol() -> None:
    states = (
        "NotStarted Queued Preparing Starting Running Finalizing CancelRequested Completed Failed Canceled"
    ).split()
    looks = [status_look(state) for state in states]
    assert len({look.word for look in looks}) == len(states)
    assert all(look.symbol and look.color for look in looks)
    assert len({look.symbol for look in looks if look.is_final}) == 3


def test_sparklines() -> None:
    assert spark_text([1, 2, 3, 4, 5, 6, 7, 8]) == "▁▂▃▄▅▆▇█"
    assert spark_text([0, "NaN", 1]) == "▁ █"
    assert spark_text([5, 5]) == "▅▅"
    assert spark_text(["NaN"]) == ""
    assert len(spark_text(list(range(1000)))) == 16
    assert sparkline([1]) == ""
    assert sparkline([1, 2]).startswith('<img src="data:image/svg+xml;base64,')


def test_points_are_sorted_and_have_a_place_without_a_step() -> None:
    history = {"steps": [2, None, 0], "values": [1.0, "NaN", 3.0]}
    assert [point.x for point in points_of(history)] == [0.0, 1.0, 2.0]
    assert points_of(None) == []


@given(st.lists(st.floats(), min_size=3, max_size=400), st.integers(10, 60))
def test_thinning_keeps_ends_and_extremes(values: list[float], limit: int) -> None:
    points = [Point(float(i), value) for i, value in enumerate(values)]
    kept = thinned(points, limit)
    assert len(kept) <= max(limit, 3)
    assert (kept[0].x, kept[-1].x) == (0.0, float(len(values) - 1))
    assert [point.x for point in kept] == sorted(point.x for point in kept)
    known = [value for value in values if math.isfinite(value)]
    if known:
        left = [point.y for point in kept if math.isfinite(point.y)]
        assert (min(left), max(left)) == (min(known), max(known))


@given(FINITE, FINITE, st.integers(3, 8))
def test_ticks_are_few_ascending_and_inside(one: float, other: float, count: int) -> None:
    extent = Extent(min(one, other), max(one, other))
    found = ticks(extent, count)
    values = [value for value, _ in found]
    assert 1 <= len(found) <= count + 2
    assert values == sorted(set(values))
    air = (extent.high / 2 - extent.low / 2) * 1e-6
    assert all(extent.low - air <= value <= extent.high + air for value in values)


@pytest.mark.parametrize(
    ("low", "high", "texts"),
    [
        (0.0, 1.0, ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        (0.0, 59.0, ["0", "20", "40"]),
        (-1.0, 1.0, ["-1.0", "-0.5", "0.0", "0.5", "1.0"]),
        (0.0, 4e7, ["0", "1e+07", "2e+07", "3e+07", "4e+07"]),
    ],
)
def test_ticks_are_round(low: float, high: float, texts: list[str]) -> None:
    assert [text for _, text in ticks(Extent(low, high), 5)] == texts


@given(FINITE, FINITE)
def test_padding_leaves_room(one: float, other: float) -> None:
    extent = Extent(min(one, other), max(one, other))
    wide = padded(extent)
    assert wide.low <= extent.low <= extent.high <= wide.high
    assert math.isfinite(wide.low)
    assert math.isfinite(wide.high)
    assert wide.low < wide.high
