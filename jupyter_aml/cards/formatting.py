"""Numbers, times, sizes and states as people read them; the labextension writes them the same way.

Times are absolute, in the local time of the process that writes them: "2 minutes ago" would be wrong in
every saved notebook. A state is a symbol and a word, never a colour alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from typing import Any, NamedTuple

NONE = "–"  # noqa: RUF001 - the dash that stands for "no value"


class StatusLook(NamedTuple):
    """How a state is shown: ``color`` for HTML (holds on light and dark ground), ``style`` for rich."""

    symbol: str
    word: str
    color: str
    style: str
    is_final: bool = False


_GREY, _BLUE, _GREEN, _RED, _AMBER = "#7d8590", "#3b82d0", "#2a9d5c", "#d9485a", "#c0780c"
_STATUSES = {
    "NotStarted": StatusLook("○", "Not started", _GREY, "dim"),
    "Queued": StatusLook("○", "Queued", _GREY, "blue"),
    "Preparing": StatusLook("◔", "Preparing", _BLUE, "cyan"),
    "Starting": StatusLook("◔", "Starting", _BLUE, "cyan"),
    "Running": StatusLook("●", "Running", _BLUE, "cyan"),
    "Finalizing": StatusLook("◕", "Finalizing", _BLUE, "cyan"),
    "CancelRequested": StatusLook("◒", "Canceling", _AMBER, "yellow"),
    "Completed": StatusLook("✓", "Completed", _GREEN, "green", True),
    "Failed": StatusLook("✗", "Failed", _RED, "red", True),
    "Canceled": StatusLook("⊘", "Canceled", _AMBER, "yellow", True),
}


def status_look(status: object) -> StatusLook:
    """How a state is shown; one this version does not know is shown by its name."""
    known = _STATUSES.get(str(status))
    return known or StatusLook("?", str(status), _GREY, "dim")


def number(value: object) -> float | None:
    """A metric's value however it travelled (``"NaN"``, ``"Infinity"``...), None where it is no number."""
    if isinstance(value, str):
        return float(value) if value in ("NaN", "Infinity", "-Infinity") else None
    if isinstance(value, int | float):
        try:
            return float(value)
        except OverflowError:
            return math.inf if value > 0 else -math.inf
    return None


def figure(value: object) -> str:
    """A metric in at most six significant digits: ``0.123457``, ``1.235e+08``, ``NaN``, ``∞``."""
    known = number(value)
    if known is None:
        return NONE
    if not math.isfinite(known):
        return "NaN" if math.isnan(known) else "∞" if known > 0 else "-∞"
    size = abs(known)
    if known.is_integer() and size < 1e9:
        return str(int(known))
    return f"{known:.3e}" if size >= 1e6 or size < 1e-4 else f"{known:.6g}"


def duration(milliseconds: float) -> str:
    """``3.2 s``, ``1 min 05 s``, ``2 h 03 min``, ``3 d 04 h``."""
    seconds = max(0.0, milliseconds / 1000)
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    hours = whole // 3600
    return f"{hours} h {whole // 60 % 60:02} min" if hours < 48 else f"{hours // 24} d {hours % 24:02} h"


def size(count: int) -> str:
    """Bytes: ``512 B``, ``1.5 KiB``, ``20 MiB``."""
    if count < 1024:
        return f"{count} B"
    power = min(4, (count.bit_length() - 1) // 10)
    scaled, unit = count / 1024**power, ("KiB", "MiB", "GiB", "TiB")[power - 1]
    return f"{scaled:.1f} {unit}" if scaled < 10 else f"{scaled:.0f} {unit}"


def moment(milliseconds: object, zone: tzinfo | None = None, *, exact: bool = False) -> str:
    """Milliseconds since the epoch as ``2026-08-05 14:03:12``; ``exact`` adds the offset from UTC."""
    if isinstance(milliseconds, bool) or not isinstance(milliseconds, int | float):
        return NONE
    try:
        at = datetime.fromtimestamp(milliseconds // 1000, UTC).astimezone(zone)
    except (ValueError, OverflowError, OSError):
        return NONE
    return at.strftime("%Y-%m-%d %H:%M:%S %z" if exact else "%Y-%m-%d %H:%M:%S")


def took(run: Mapping[str, Any], now: int | None = None) -> str:
    """How long a run took; of one that has not ended, how long by ``now`` (ms), if that is given."""
    started, ended = run.get("started_at"), run.get("ended_at") or now
    return NONE if started is None or ended is None else duration(ended - started)
