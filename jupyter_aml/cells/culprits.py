"""Which part of a value is it that cannot be pickled?"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from itertools import islice
from types import FunctionType, MethodType
from typing import Any

from jupyter_aml.cells.flow import global_names
from jupyter_aml.cells.namespace import is_own
from jupyter_aml.cells.pickling import UnpicklableError, refusal, type_reason

_DEPTH = 12
_PARTS = 1_000
_REASON_LENGTH = 200


def explain(name: str, namespace: Mapping[str, Any], error: Exception, limit: int) -> str:
    """A line on why the variable ``name`` cannot be pickled: ``net (Net): net.pool is a Lock: ...``."""
    value = namespace[name]
    path, part, error = _deepest(name, value, namespace, error, limit)
    reason = str(error) if isinstance(error, UnpicklableError) else f"{type(error).__name__}: {error}"
    reason = " ".join(reason.split())
    if len(reason) > _REASON_LENGTH:
        reason = reason[: _REASON_LENGTH - 1] + "…"
    if path == name:
        return f"{name} ({type_name(value)}): {reason}"
    return f"{name} ({type_name(value)}), because of {path} ({type_name(part)}): {reason}"


def type_name(value: object) -> str:
    """The type's name as people write it: ``DataFrame``, ``Lock``, ``list``."""
    return type(value).__name__


def _deepest(
    path: str, value: object, namespace: Mapping[str, Any], error: Exception, limit: int
) -> tuple[str, object, Exception]:
    """The innermost part of ``value`` that fails by itself, with the way to it and its error."""
    seen = {id(value)}
    for _ in range(_DEPTH):
        if type_reason(type(value)) is not None:
            break
        for inner_path, part in islice(_parts(path, value, namespace), _PARTS):
            if id(part) in seen:
                continue
            seen.add(id(part))
            inner_error = refusal(part, namespace, limit)
            if inner_error is not None:
                path, value, error = inner_path, part, inner_error
                break
        else:
            break
    return path, value, error


def _parts(path: str, value: object, namespace: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    """What ``value`` is made of, with the way to each part as one would write it."""
    if isinstance(value, FunctionType):
        yield from _function_parts(path, value, namespace)
    elif isinstance(value, MethodType):
        yield f"{path}.__self__", value.__self__
    elif isinstance(value, functools.partial):
        yield f"{path}.func", value.func
        yield from _parts(f"{path}.args", value.args, namespace)
        yield from _parts(f"{path}.keywords", value.keywords, namespace)
    elif isinstance(value, dict):
        yield from ((f"{path}[{_short(key)}]", part) for key, part in value.items())
    elif isinstance(value, (list, tuple)):
        yield from ((f"{path}[{index}]", part) for index, part in enumerate(value))
    elif isinstance(value, (set, frozenset)):
        yield from ((f"an item of {path}", part) for part in value)
    else:
        attributes = getattr(value, "__dict__", None)
        if attributes is not None:
            yield from ((f"{path}.{name}", part) for name, part in dict(attributes).items())


def _function_parts(
    path: str, function: FunctionType, namespace: Mapping[str, Any]
) -> Iterator[tuple[str, object]]:
    for name in sorted(global_names(function.__code__)):
        if name in function.__globals__ and not is_own(name, function.__globals__[name]):
            yield (
                (name if function.__globals__ is namespace else f"{name} in {path}()"),
                function.__globals__[name],
            )
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=False):
        try:
            yield f"{name} in {path}()", cell.cell_contents
        except ValueError:  # a closure over a name that has no value yet
            continue
    for default in (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()):
        yield f"a default of {path}()", default


def _short(key: object) -> str:
    text = repr(key) if isinstance(key, (str, int, float, bool, tuple)) else type_name(key)
    return text if len(text) <= 40 else text[:39] + "…"
