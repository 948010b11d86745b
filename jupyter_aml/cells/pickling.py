"""Pickling a notebook's variables, and saying why one cannot be pickled in words that help."""

from __future__ import annotations

import functools
import io
import pickle
import sys
from collections.abc import Mapping
from types import FunctionType
from typing import Any

import cloudpickle

from jupyter_aml.cells.flow import global_names
from jupyter_aml.cells.loading import NAMESPACE, cached, cached_attribute
from jupyter_aml.cells.namespace import is_own

_Cached: type = functools._lru_cache_wrapper
_PROCESS = "belongs to the process that made it"
# Types that cannot go along, or would arrive as something else. What a subclass says for itself counts more.
_REASONS = {
    "_thread.lock": f"a lock {_PROCESS}",
    "_thread.RLock": f"a lock {_PROCESS}",
    "threading.Thread": f"a thread {_PROCESS}",
    "_io.FileIO": f"an open file {_PROCESS}",
    "_io.BufferedReader": f"an open file {_PROCESS}",
    "_io.BufferedWriter": f"an open file {_PROCESS}",
    "_io.BufferedRandom": f"an open file {_PROCESS}",
    "_io.TextIOWrapper": f"an open file {_PROCESS}",
    "socket.socket": f"a socket {_PROCESS}",
    "subprocess.Popen": f"a child process {_PROCESS}",
    "concurrent.futures._base.Executor": f"a pool of workers {_PROCESS}",
    "multiprocessing.pool.Pool": f"a pool of workers {_PROCESS}",
    "sqlite3.Connection": f"a database connection {_PROCESS}",
    "_asyncio.Future": "it waits in an event loop of this process",
    "_asyncio.Task": "it waits in an event loop of this process",
    "builtins.generator": "a generator is half-way through its code, and that cannot be saved",
    "builtins.coroutine": "a coroutine is half-way through its code, and that cannot be saved",
    "builtins.async_generator": "a generator is half-way through its code, and that cannot be saved",
    "builtins.frame": "it is a part of running code",
    "builtins.traceback": "it is a part of running code",
    "ipywidgets.widgets.widget.Widget": "a widget lives in this kernel and its front end",
}


class UnpicklableError(pickle.PicklingError):
    """A value that cannot be pickled, with the reason as its message."""


class SizeError(Exception):
    """More has been pickled than is allowed."""


class Sink:
    """Takes pickled bytes up to a limit, or only counts them."""

    def __init__(self, limit: int, *, keep: bool) -> None:
        self._limit = limit
        self._buffer = io.BytesIO() if keep else None
        self.size = 0

    def write(self, data: Any) -> int:
        """Take ``data``; raises `SizeError` beyond the limit."""
        size = memoryview(data).nbytes
        self.size += size
        if self.size > self._limit:
            raise SizeError
        if self._buffer is not None:
            self._buffer.write(data)
        return size

    def value(self) -> bytes:
        """What was taken."""
        assert self._buffer is not None
        return self._buffer.getvalue()


class CellPickler(cloudpickle.Pickler):  # type: ignore[misc]
    """cloudpickle's pickler, but functions of ``namespace`` keep their tie to it.

    Args:
        file: takes the bytes.
        namespace: the globals of the notebook (or of the run, for what it returns).
        tied: whether whoever loads has a namespace for the functions; otherwise they bring a private copy of
            the globals they read.

    Attributes:
        brought: the global names that pickled functions read and that were pickled with them.
    """

    def __init__(self, file: Sink, namespace: Mapping[str, Any], *, tied: bool) -> None:
        super().__init__(file, protocol=5)
        self._namespace = namespace
        self._reasons: dict[type, str | None] = {}
        self.brought: set[str] = set()
        if tied:
            self.globals_ref[id(namespace)] = NAMESPACE

    def reducer_override(self, obj: Any) -> Any:
        """Refuse what would not arrive; help what cloudpickle cannot do."""
        kind: type = type(obj)
        if kind is FunctionType or isinstance(obj, type):
            return super().reducer_override(obj)
        if obj is sys.stdout or obj is sys.stderr:
            return getattr, (sys, "stdout" if obj is sys.stdout else "stderr")
        if kind not in self._reasons:
            self._reasons[kind] = type_reason(kind)
        if (reason := self._reasons[kind]) is not None:
            raise UnpicklableError(reason)
        if kind is _Cached and not _is_importable(obj):
            parameters = obj.cache_parameters()
            return cached, (obj.__wrapped__, parameters["maxsize"], parameters["typed"])
        if kind is functools.cached_property:
            return cached_attribute, (obj.func, obj.attrname)
        return NotImplemented

    def _dynamic_function_reduce(self, func: FunctionType) -> Any:
        """As cloudpickle's, without the globals that are IPython's: the run has its own."""
        reduced = super()._dynamic_function_reduce(func)
        if func.__globals__ is self._namespace:
            brought = reduced[2][1]["__globals__"]
            for name in [name for name in brought if is_own(name, brought[name])]:
                del brought[name]
            self.brought |= global_names(func.__code__) & brought.keys()
        return reduced


def type_reason(kind: type) -> str | None:
    """Why no value of this type can go along, as far as the type tells."""
    for cls in kind.__mro__:
        if (reason := _REASONS.get(f"{cls.__module__}.{cls.__qualname__}")) is not None:
            return reason
        if cls is not object and not {"__reduce__", "__reduce_ex__", "__getstate__"}.isdisjoint(vars(cls)):
            return None
    return None


def _is_importable(obj: Any) -> bool:
    module = sys.modules.get(obj.__module__)
    return obj.__module__ != "__main__" and getattr(module, obj.__qualname__, None) is obj


def refusal(
    value: object, namespace: Mapping[str, Any], limit: int, *, tied: bool = True
) -> Exception | None:
    """Why ``value`` cannot be pickled within ``limit`` bytes; None if it can."""
    try:
        CellPickler(Sink(limit, keep=False), namespace, tied=tied).dump(value)
    except Exception as error:  # noqa: BLE001 - the code of any class may run here, and fail in its own way
        return error
    return None
