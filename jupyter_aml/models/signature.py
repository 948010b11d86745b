"""The signature of a model from a sample of its input: names and types, seen in the user's own process."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from jupyter_aml.errors import InvalidError


def signature_from(sample: Any) -> dict[str, Any]:
    """What a model that takes ``sample`` takes, in the form the service keeps.

    Args:
        sample: a data frame (pandas, polars), a pyarrow table, an array, a dictionary of columns, a list of
            dictionaries or of values, or one value.
    """
    return {"inputs": list(_columns(sample)), "source": "sample"}


def _columns(sample: Any) -> Iterable[dict[str, Any]]:
    if isinstance(sample, Mapping):
        return [_named(name, value) for name, value in sample.items()]
    if hasattr(sample, "columns") and hasattr(sample, "dtypes"):
        return [_column(name, dtype) for name, dtype in zip(sample.columns, sample.dtypes, strict=True)]
    if hasattr(sample, "schema") and hasattr(sample.schema, "types"):  # a pyarrow table
        return [_column(*pair) for pair in zip(sample.schema.names, sample.schema.types, strict=True)]
    if hasattr(sample, "dtype"):
        return [_array(getattr(sample, "name", None), sample)]
    if isinstance(sample, list | tuple):
        if sample and isinstance(sample[0], Mapping):
            return _columns(sample[0])
        return [{"name": None, "type": f"list of {_type(sample[0])}" if sample else "list"}]
    if sample is None:
        raise InvalidError("A sample of the input may not be None.", hint="Give some rows, such as X[:5].")
    return [{"name": None, "type": _type(sample)}]


def _named(name: object, value: Any) -> dict[str, Any]:
    if hasattr(value, "dtype"):
        return _array(name, value)
    first = value[0] if isinstance(value, list | tuple) and value else value
    return _column(name, _type(first))


def _array(name: object, value: Any) -> dict[str, Any]:
    """An array: its first axis, the rows, has any length."""
    shape = [-1, *(int(length) for length in getattr(value, "shape", ())[1:])]
    return {**_column(name, value.dtype), "shape": shape}


def _column(name: object, dtype: object) -> dict[str, Any]:
    return {"name": None if name is None else str(name)[:250], "type": str(dtype)[:100]}


def _type(value: object) -> str:
    return type(value).__name__
