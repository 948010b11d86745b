"""Lengths of time as people write them."""

from __future__ import annotations

import re

from jupyter_aml.errors import InvalidError

_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)(s|m|h|d)?", re.ASCII)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, None: 1}


def duration(text: str | float | None) -> float | None:
    """Seconds for ``90``, ``"90s"``, ``"30m"``, ``"2h"`` or ``"1d"``."""
    if text is None or isinstance(text, int | float):
        return text
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise InvalidError(f"{text!r} is no duration.", hint="Write 90s, 30m, 2h or 1d.")
    return float(match[1]) * _SECONDS[match[2]]
