"""Bringing pickled variables to life in another process.

A notebook's function carries its globals in its pickle, by default as a private copy: a cell that sets
``threshold`` and calls the function would still get the old value, silently. Here the place of the
notebook's globals is taken by a marker, and the marker is read as the run's own namespace; so every
function, method and closure sees the run's globals from the moment it exists.
"""

from __future__ import annotations

import functools
import io
import pickle
from collections.abc import Callable
from typing import Any

_CLOUDPICKLE = "cloudpickle.cloudpickle"


class _Namespace:
    """Stands for the globals of the notebook in a pickle."""

    def __reduce__(self) -> str:
        return "NAMESPACE"


NAMESPACE = _Namespace()


def cached(function: Callable[..., Any], maxsize: int | None, typed: bool) -> Callable[..., Any]:
    """``function`` with a new, empty cache, as `functools.lru_cache` makes it."""
    return functools.lru_cache(maxsize, typed)(function)


def cached_attribute(function: Callable[[Any], Any], name: str | None) -> functools.cached_property[Any]:
    """`functools.cached_property`, which in Python 3.11 holds a lock and cannot be pickled."""
    made = functools.cached_property(function)
    if name is not None:
        made.__set_name__(object, name)
    return made


class Loader(pickle.Unpickler):
    """Loads what `jupyter_aml.cells.pickling.CellPickler` has written.

    Args:
        file: the pickles.
        namespace: what the functions of the notebook get as globals; None where there are none such.
    """

    def __init__(self, file: io.BufferedIOBase, namespace: dict[str, Any] | None) -> None:
        super().__init__(file)
        self._namespace = namespace
        self._known: list[type] = []

    def find_class(self, module: str, name: str) -> Any:
        """As the unpickler's, but for the marker, and for classes that are here already."""
        if module == __name__ and name == "NAMESPACE":
            if self._namespace is None:
                raise pickle.UnpicklingError("it needs the variables of a notebook")
            return self._namespace
        found = super().find_class(module, name)
        if module == _CLOUDPICKLE and name.startswith("_make_skeleton_"):
            return functools.partial(self._make_class, found)
        if module == _CLOUDPICKLE and name == "_class_setstate":
            return functools.partial(self._fill_class, found)
        return found

    def _make_class(self, make: Callable[..., type], *arguments: Any) -> type:
        """cloudpickle's new class, or the one this process made the pickled one from."""
        from cloudpickle import cloudpickle

        identity = arguments[
            -2
        ]  # cloudpickle's mark of a class, the last but one of either function's arguments
        known = identity in cloudpickle._DYNAMIC_CLASS_TRACKER_BY_ID
        made = make(*arguments)
        if known:
            self._known.append(made)
        return made

    def _fill_class(self, fill: Callable[[type, Any], type], cls: type, state: Any) -> type:
        """Fill a new class; one that the user holds already stays as it is."""
        return cls if cls in self._known else fill(cls, state)
