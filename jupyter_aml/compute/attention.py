"""What the service notices of an instance that is on: whether it is used, and what its user should know.

Idle time is measured by a clock that nobody sets, so a jump of the wall clock stops nothing. Before an
instance is stopped by itself its user is warned, so that there is time to say that it is still needed.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from jupyter_aml.cards.formatting import duration
from jupyter_aml.compute.engines.local.machines import Machines
from jupyter_aml.compute.model import Schedule
from jupyter_aml.compute.schedules import next_actions
from jupyter_aml.compute.sizes import show_memory

_USED_CPU = 0.02  # of one core: less than this over the time between two looks is idle
_LOOK_SECONDS = 5.0
_LEAD_SECONDS = 300.0  # of warnings, at most
_LEAST_LEAD_SECONDS = 60.0


@dataclass(frozen=True)
class Stop:
    """That an instance is about to be stopped by itself: when (milliseconds), and why in a sentence."""

    at: int
    message: str


def lead_seconds(idle_seconds: float) -> float:
    """How long before an idle instance is stopped its user is warned.

    The last minute or the last tenth of the idle time, at most five minutes and at most half of it.
    """
    return min(_LEAD_SECONDS, max(_LEAST_LEAD_SECONDS, idle_seconds / 10), idle_seconds / 2)


class Attention:
    """What was seen of the instances of a workspace from one step of the loop to the next."""

    def __init__(self, machines: Machines) -> None:
        self._machines = machines
        self._looked: dict[int, tuple[float, float]] = {}
        self._used: dict[int, tuple[int | None, float]] = {}
        self._kills: dict[int, int] = {}

    def has_worked(self, row: sa.Row[Any]) -> bool:
        """Whether what is on the instance has used the processor since the last look."""
        spent, now = self._machines.cpu_seconds(row.name), time.monotonic()
        since, before = self._looked.setdefault(row.number, (now, spent))
        if now - since < _LOOK_SECONDS:
            return False
        self._looked[row.number] = (now, spent)
        return spent - before > _USED_CPU * (now - since)

    def idle_seconds(self, row: sa.Row[Any]) -> float:
        """Seconds since the last use that was noted."""
        noted, since = self._used.setdefault(row.number, (row.last_used_at, time.monotonic()))
        if noted != row.last_used_at:
            since = time.monotonic()
            self._used[row.number] = (row.last_used_at, since)
        return time.monotonic() - since

    def memory_end(self, row: sa.Row[Any]) -> str | None:
        """What to tell when a process was ended for want of memory since the last look."""
        kills = self._machines.memory_kills(row.name)
        before = self._kills.setdefault(row.number, kills)
        self._kills[row.number] = kills
        if kills <= before:  # a slice that was made anew counts from 0
            return None
        return (
            f"A kernel or another process on {row.name} needed more than its "
            f"{show_memory(row.spec['size']['memory'])} of memory, and was ended."
        )

    def forget(self, row: sa.Row[Any]) -> None:
        """The instance is off: what was seen of it says nothing about the next time."""
        for seen in (self._looked, self._used, self._kills):
            seen.pop(row.number, None)

    def stop_ahead(self, row: sa.Row[Any], now: int, *, active: bool) -> Stop | None:
        """The stop that its user is to be warned of now; ``active``: a run is on it, so it is not idle."""
        ahead = []
        limit = row.spec.get("idle_seconds")
        if limit is not None and not active:
            left = limit - self.idle_seconds(row)
            if left <= lead_seconds(limit):
                ahead.append(Stop(now + int(left * 1000), _in(row.name, left, "because it is idle")))
        schedules = [Schedule.model_validate(item) for item in row.spec.get("schedules", [])]
        stop_at = _next_stop(schedules, now)
        if stop_at is not None and stop_at - now <= _LEAD_SECONDS * 1000:
            ahead.append(Stop(stop_at, _in(row.name, (stop_at - now) / 1000, "by its schedule")))
        return min(ahead, key=lambda stop: stop.at, default=None)


def with_time(message: str, now: int) -> str:
    """A message with when it came up, for who reads it later."""
    when = datetime.datetime.fromtimestamp(now / 1000, datetime.UTC)
    return f"{when:%Y-%m-%d %H:%M} UTC: {message}"


def _next_stop(schedules: Sequence[Schedule], now: int) -> int | None:
    stops = [schedule for schedule in schedules if schedule.action == "stop"]
    found = next_actions(stops, now) if stops else []
    return int(str(found[0]["at"])) if found else None


def _in(name: str, seconds: float, why: str) -> str:
    return f"{name} will be stopped in {duration(max(1.0, seconds) * 1000)} {why}."
