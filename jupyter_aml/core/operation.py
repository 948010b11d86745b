"""One definition for each operation.

A function decorated by an `Operations` table is, from that one place, the REST route, its OpenAPI entry,
what the client calls by name, and the rule of access. The decorator demands an action and a resource, so
a route that names none cannot be registered. Functions take the `Context` first, then the path, query and
body parameters FastAPI finds in their annotations.
"""

from __future__ import annotations

import inspect
import threading
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from jupyter_aml.core.access import Action, Principal, Resource, Rule
from jupyter_aml.core.blobs import BlobStore
from jupyter_aml.core.database import Database
from jupyter_aml.core.loopback import Loopback
from jupyter_aml.core.paths import WorkspaceFolder

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
F = TypeVar("F", bound=Callable[..., Any])


class Signals:
    """Wakes the service's loops and tells listeners what changed; all methods are thread-safe."""

    def __init__(self) -> None:
        self._listeners: list[Callable[[dict[str, Any]], object]] = []
        self._lock = threading.Lock()
        self.work = threading.Event()

    def wake(self) -> None:
        """There is work for the loops."""
        self.work.set()

    def publish(self, event: dict[str, Any]) -> None:
        """Tell every listener that something changed (ids and states only)."""
        with self._lock:
            listeners = list(self._listeners)
        for listener in listeners:
            listener(event)

    def listen(self, listener: Callable[[dict[str, Any]], object]) -> Callable[[], None]:
        """Add a listener (called in the publisher's thread, so it must be quick); returns its removal."""
        with self._lock:
            self._listeners.append(listener)

        def remove() -> None:
            with self._lock:
                self._listeners.remove(listener)

        return remove


@dataclass(frozen=True)
class Store:
    """A workspace as its service holds it."""

    folder: WorkspaceFolder
    database: Database
    blobs: BlobStore
    workspace_id: str
    secret: bytes
    loopback: Loopback
    signals: Signals = field(default_factory=Signals)


@dataclass(frozen=True)
class Context:
    """What an operation works with: the store, and who calls."""

    store: Store
    principal: Principal

    @property
    def database(self) -> Database:
        """The workspace's database."""
        return self.store.database


@dataclass(frozen=True)
class Operation:
    """A registered operation."""

    name: str
    method: Method
    path: str
    rule: Rule
    function: Callable[..., Any]
    status: int
    raw_body: bool

    def parameters(self) -> dict[str, inspect.Parameter]:
        """The parameters with their annotations resolved, the context left out."""
        hints = typing.get_type_hints(self.function, include_extras=True)
        found = inspect.signature(self.function).parameters
        return {
            name: parameter.replace(annotation=hints[name])
            for name, parameter in found.items()
            if name != "context"
        }


class Operations:
    """The operations of one room."""

    def __init__(self) -> None:
        self._operations: dict[str, Operation] = {}

    def __iter__(self) -> Iterator[Operation]:
        return iter(self._operations.values())

    def add(
        self,
        method: Method,
        path: str,
        *,
        action: Action,
        resource: Resource,
        own_run: bool = False,
        status: int = 200,
        raw_body: bool = False,
    ) -> Callable[[F], F]:
        """Register the decorated function under its own name.

        Args:
            method, path: of the REST route, below ``/api/v1``.
            action, resource, own_run: the rule of access, see `jupyter_aml.core.access`.
            status: the HTTP status of success.
            raw_body: the body is bytes, streamed by the function itself.
        """
        if not path.startswith("/"):
            raise ValueError(f"the path of an operation begins with '/': {path!r}")
        rule = Rule(action, resource, own_run)

        def register(function: F) -> F:
            name = function.__name__
            if name in self._operations:
                raise ValueError(f"operation {name} is registered twice")
            self._operations[name] = Operation(name, method, path, rule, function, status, raw_body)
            return function

        return register
