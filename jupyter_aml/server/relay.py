"""The service's events, given out again as Jupyter events: ids, states and progress, nothing logged.

What happens to runs and what happens to computes have a schema each.

One task in the server's event loop reads the service's stream. It starts the service once, when the Jupyter
server has come up, and again when the service was killed (its announcement is still there). A service that
was stopped on purpose or left for idleness is not dragged back: the relay waits until somebody needs it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jupyter_aml.errors import AmlError
from jupyter_aml.server.upstream import Service

SCHEMA_ID = "https://schema.jupyter-aml.org/run/v1"
COMPUTE_SCHEMA_ID = "https://schema.jupyter-aml.org/compute/v1"
_SCHEMAS = Path(__file__).parent / "event_schemas"
SCHEMA_FILES = (_SCHEMAS / "run" / "v1.yaml", _SCHEMAS / "compute" / "v1.yaml")
_FIRST_DELAY = 0.25
_LAST_DELAY = 30.0
_LOOK_SECONDS = 1.0
_RUN_FIELDS = ("run_id", "experiment", "status", "progress")
_COMPUTE_FIELDS = ("compute", "state", "message")


class EventRelay:
    """See the module."""

    def __init__(
        self, service: Service, emit: Callable[[str, dict[str, Any]], Any], log: logging.Logger
    ) -> None:
        """``emit`` takes a schema's id and the data of one event; it may raise where they do not fit."""
        self._service = service
        self._emit = emit
        self._log = log
        self._task: asyncio.Task[None] | None = None
        self._said = ""

    def start(self) -> None:
        """Start reading, in the running event loop; nothing where it has been started already."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="aml-events")

    async def stop(self) -> None:
        """Stop reading."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        delay = _FIRST_DELAY
        while True:
            try:
                async for event in self._service.events():
                    delay = _FIRST_DELAY
                    self._relay(event)
            except AmlError as error:
                self._say(error)
            self._service.forget()
            await asyncio.sleep(delay)
            delay = min(2 * delay, _LAST_DELAY)
            await self._until_announced()

    async def _until_announced(self) -> None:
        while True:
            if await asyncio.to_thread(self._service.is_announced):
                return
            await asyncio.sleep(_LOOK_SECONDS)

    def _relay(self, event: Mapping[str, Any]) -> None:
        schema, fields = (
            (COMPUTE_SCHEMA_ID, _COMPUTE_FIELDS) if "compute" in event else (SCHEMA_ID, _RUN_FIELDS)
        )
        try:
            self._emit(schema, {name: event.get(name) for name in fields})
        # Another extension's modifier, or an event of a newer service, must not end the relay.
        except Exception:  # noqa: BLE001
            self._log.warning("The event of %s could not be given out", event.get(fields[0]), exc_info=True)

    def _say(self, error: AmlError) -> None:
        """Log why there are no events, once for each reason."""
        if str(error) != self._said:
            self._said = str(error)
            self._log.warning("jupyter_aml: %s", error)
