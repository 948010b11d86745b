"""The parameters of a request, read by MLflow's rules.

JSON bodies and query strings read alike. Numbers may come as text (protobuf's JSON writes 64-bit integers
so), null and unknown names count as not given, and what is missing or of another type is refused in the
words MLflow's own server uses.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from jupyter_aml.mlflow.errors import MissingValueError, WrongValueError

_INTEGER = re.compile(r"[+-]?[0-9]{1,19}", re.ASCII)
_WORDS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


class Fields:
    """The parameters of one request, or of an object inside it."""

    def __init__(self, given: Mapping[str, Any], within: str = "") -> None:
        self._given = given
        self._within = within

    def text(self, name: str) -> str | None:
        """A text; None where it is not given."""
        value = self._given.get(name)
        if value is None or isinstance(value, str):
            return value
        raise WrongValueError(self._within + name, value, "Value was not a string.")

    def needed(self, name: str) -> str:
        """A text that must be given and not be empty."""
        value = self.text(name)
        if not value:
            raise MissingValueError(self._within + name)
        return value

    def value(self, name: str) -> str:
        """A text that must be given; it may be empty."""
        value = self.text(name)
        if value is None:
            raise MissingValueError(self._within + name)
        return value

    def integer(self, name: str, default: int | None = None) -> int | None:
        """A 64-bit integer, written as a number or as text."""
        value = self._given.get(name)
        if value is None:
            return default
        return whole(value, self._within + name)

    def count(self, name: str, default: int, most: int) -> int:
        """How many a page may have: 1 to ``most``."""
        value = self.integer(name, default)
        assert value is not None
        if not 1 <= value <= most:
            raise WrongValueError(self._within + name, value, f"It must be from 1 to {most:,}.")
        return value

    def number(self, name: str) -> float:
        """A number that must be given; NaN and the infinities come as words."""
        value = self._given.get(name)
        if value is None:
            raise MissingValueError(self._within + name)
        return real(value, self._within + name)

    def flag(self, name: str, *, default: bool = False) -> bool:
        """True or false."""
        value = self._given.get(name)
        if value is None:
            return default
        if isinstance(value, bool):
            return value
        if value in ("true", "false"):
            return bool(value == "true")
        raise WrongValueError(self._within + name, value, "Value was not a boolean.")

    def texts(self, name: str) -> list[str]:
        """A list of texts; a query string may name one alone."""
        value = self._given.get(name)
        if isinstance(value, str):
            return [value]
        if not isinstance(value or [], list) or any(not isinstance(item, str) for item in value or []):
            raise WrongValueError(self._within + name, value, "Value was not a list of strings.")
        return list(value or [])

    def items(self, name: str) -> list[dict[str, Any]]:
        """A list of JSON objects, as they came."""
        value = self._given.get(name)
        if value is None:
            return []
        if not isinstance(value, list) or any(not isinstance(item, dict) for item in value):
            raise WrongValueError(self._within + name, value, "Value was not a list of objects.")
        return value

    def objects(self, name: str) -> list[Fields]:
        """A list of JSON objects, to be read like a request."""
        return [Fields(item, f"{self._within}{name}[{n}].") for n, item in enumerate(self.items(name))]

    def object(self, name: str) -> Fields:
        """A JSON object that must be given."""
        value = self._given.get(name)
        if value is None:
            raise MissingValueError(self._within + name)
        if not isinstance(value, dict):
            raise WrongValueError(self._within + name, value, "Value was not an object.")
        return Fields(value, f"{self._within}{name}.")

    def pairs(self, name: str) -> dict[str, str]:
        """A list of ``{key, value}`` objects as a mapping; the last value of a key counts."""
        return {item.needed("key"): item.text("value") or "" for item in self.objects(name)}

    def run_id(self) -> str:
        """The run the request is about: ``run_id``, or ``run_uuid`` as it was called before."""
        found = self.text("run_id") or self.text("run_uuid")
        if not found:
            raise MissingValueError("run_id")
        return found


def whole(value: Any, name: str) -> int:
    """``value`` as an integer of 64 bits."""
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        value = int(value)
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**63:
        value = int(value)
    if type(value) is int and -(2**63) <= value < 2**63:
        return value
    raise WrongValueError(name, value, "Value was not a 64-bit integer.")


def real(value: Any, name: str) -> float:
    """``value`` as a float."""
    if type(value) in (float, int):
        try:
            return float(value)
        except OverflowError:
            raise WrongValueError(name, str(value)[:20], "The number is out of range.") from None
    if isinstance(value, str):
        if value in _WORDS:
            return _WORDS[value]
        try:
            found = float(value)
        except ValueError:
            pass
        else:
            if math.isfinite(found) and value.isascii() and "_" not in value:
                return found
    raise WrongValueError(name, value, "Value was not a number.")


def shown(value: float) -> float | str:
    """A float as JSON can carry it."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
