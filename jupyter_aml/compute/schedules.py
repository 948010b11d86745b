"""When schedules of an instance are due: cron expressions and weekly times, in their own time zones."""

from __future__ import annotations

import datetime
import zoneinfo
from collections.abc import Iterator, Sequence

from cronsim import CronSim, CronSimError

from jupyter_aml.compute.model import Schedule
from jupyter_aml.errors import InvalidError

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def check_schedule(schedule: Schedule) -> Schedule:
    """``schedule`` if it can be followed."""
    next(times_of(schedule, datetime.datetime.now(datetime.UTC)))
    return schedule


def times_of(schedule: Schedule, after: datetime.datetime) -> Iterator[datetime.datetime]:
    """The times the schedule is due after ``after`` (an aware time), the earliest first."""
    try:
        zone = zoneinfo.ZoneInfo(schedule.time_zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidError(
            f"There is no time zone {schedule.time_zone[:60]!r}.", hint="Write a name such as Europe/Berlin."
        ) from None
    expression = _cron(schedule)
    try:
        times = CronSim(expression, after.astimezone(zone))
        yield from times
    except CronSimError as error:
        raise InvalidError(
            f"{expression[:60]!r} is no cron expression: {error}.",
            hint="Five fields: minute, hour, day, month, day of the week, such as '0 18 * * 1-5'.",
        ) from None


def due(schedules: Sequence[Schedule], since_ms: int, now_ms: int) -> str | None:
    """The action of the latest schedule that came due after ``since_ms`` and not after ``now_ms``.

    A machine that slept misses no action and repeats none: of several the last counts.
    """
    latest: tuple[datetime.datetime, str] | None = None
    since, now = _time(since_ms), _time(now_ms)
    for schedule in schedules:
        if not schedule.enabled:
            continue
        for moment in times_of(schedule, since):
            if moment > now:
                break
            if latest is None or moment >= latest[0]:
                latest = (moment, schedule.action)
    return None if latest is None else latest[1]


def next_actions(schedules: Sequence[Schedule], now_ms: int) -> list[dict[str, object]]:
    """When each enabled schedule is due next: ``action``, ``at`` (milliseconds), earliest first."""
    found = [
        {"action": schedule.action, "at": int(next(times_of(schedule, _time(now_ms))).timestamp() * 1000)}
        for schedule in schedules
        if schedule.enabled
    ]
    return sorted(found, key=lambda item: item["at"])  # type: ignore[arg-type, return-value]


def _cron(schedule: Schedule) -> str:
    if schedule.cron is not None:
        if schedule.days is not None or schedule.at is not None:
            raise InvalidError("A schedule is either a cron expression, or days and a time.")
        return schedule.cron
    if schedule.at is None:
        raise InvalidError("A schedule needs a cron expression, or a time such as at='18:00'.")
    hour, minute = schedule.at.split(":")
    days = ",".join(str(_DAYS.index(day) + 1) for day in schedule.days or _DAYS)
    return f"{int(minute)} {int(hour)} * * {days}"


def _time(milliseconds: int) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(milliseconds / 1000, datetime.UTC)
