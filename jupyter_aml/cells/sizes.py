"""How large values are, before they are pickled and as people read it."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from types import ModuleType
from typing import Any

_DEPTH = 4
_VALUES = 10_000


def human(size: int) -> str:
    """``38 MB``, ``1.2 GB``, ``740 bytes``."""
    if size < 1_000:
        return f"{size} bytes"
    amount = float(size)
    units = iter(("kB", "MB", "GB", "TB"))
    unit, amount = next(units), amount / 1_000
    while amount >= 999.5 and unit != "TB":
        unit, amount = next(units), amount / 1_000
    return f"{amount:.1f} {unit}" if amount < 9.95 and unit in ("GB", "TB") else f"{amount:.0f} {unit}"


def least_bytes(values: Iterable[object]) -> int:
    """What ``values`` take at least when they are pickled together; found without copying anything."""
    seen: set[int] = set()
    return sum(_least(value, seen, _DEPTH) for value in values)


def _least(value: object, seen: set[int], depth: int) -> int:
    if id(value) in seen:
        return 0
    seen.add(id(value))
    if isinstance(value, (str, bytes, bytearray)):
        return len(value)
    array = _array_bytes(value)
    if array is not None:
        return array
    if depth == 0:
        return 0
    total = 0
    for part in _parts(value):
        if len(seen) > _VALUES:
            break
        total += _least(part, seen, depth - 1)
    return total


def _parts(value: object) -> Iterable[object]:
    if type(value) is dict:
        return list(value.values())
    if type(value) in (list, tuple, set, frozenset):
        return list(value)  # type: ignore[call-overload, no-any-return]
    if isinstance(value, ModuleType):
        return ()
    attributes = getattr(value, "__dict__", None)
    return list(attributes.values()) if type(attributes) is dict else ()


def _array_bytes(value: object) -> int | None:
    """The bytes of an array or frame, those in Python objects left out; None for anything else."""
    numpy: Any = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, getattr(numpy, "ndarray", ())):
        return 0 if value.dtype.hasobject else int(value.nbytes)  # type: ignore[attr-defined]
    pandas: Any = sys.modules.get("pandas")
    if pandas is not None and isinstance(value, getattr(pandas, "DataFrame", ())):
        plain = value.select_dtypes(exclude="object")  # type: ignore[attr-defined]
        return int(plain.memory_usage(index=False).sum())
    if pandas is not None and isinstance(
        value, (getattr(pandas, "Series", ()), getattr(pandas, "Index", ()))
    ):
        return 0 if value.dtype == object else int(value.nbytes)  # type: ignore[attr-defined]
    return None


def largest(sizes: Mapping[str, int], count: int = 3) -> str:
    """``df 3.1 GB, X 400 MB``: the largest of ``sizes``."""
    ordered = sorted(sizes.items(), key=lambda item: -item[1])[:count]
    return ", ".join(f"{name} {human(size)}" for name, size in ordered)
