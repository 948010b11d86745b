"""The service's own operations: who it is, what it can do, how to stop it, and the stream of events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import sqlalchemy as sa
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

import jupyter_aml
from jupyter_aml import limits
from jupyter_aml.core.durable import why_not_writable
from jupyter_aml.core.operation import Context, Operation, Operations
from jupyter_aml.core.workspace import read_workspace
from jupyter_aml.service.fsck import check_store
from jupyter_aml.tracking.reading import unfinished
from jupyter_aml.tracking.tables import experiments, runs

PROTOCOL = 1
operations = Operations()


class OperationModel(BaseModel):
    """How a client calls an operation: what is named in path or query goes there, the rest in the body."""

    method: str
    path: str
    query: list[str]
    keyed: bool


class Handshake(BaseModel):
    """Which service this is, and its operations by name."""

    version: str
    protocol: int
    workspace_id: str
    idle: bool
    operations: dict[str, OperationModel]


class WorkspaceModel(BaseModel):
    """The workspace: its attributes, and how much is in it."""

    id: str
    name: str
    version: str
    attributes: dict[str, Any]
    counts: dict[str, int]


def handshake_table(all_operations: list[Operation]) -> dict[str, OperationModel]:
    """The operations as a client needs to know them."""
    table = {}
    for operation in all_operations:
        parameters = operation.parameters()
        in_path = {name for name in parameters if "{" + name in operation.path}
        body = parameters.get("body")
        fields = getattr(body.annotation, "model_fields", {}) if body else {}
        table[operation.name] = OperationModel(
            method=operation.method,
            path=operation.path,
            query=[name for name in parameters if name not in in_path | {"body", "request"}],
            keyed="key" in fields,
        )
    return table


_table: dict[str, OperationModel] = {}


def serve_operations(all_operations: list[Operation]) -> list[Operation]:
    """Remember every operation of the service for `handshake`; returns them."""
    _table.clear()
    _table.update(handshake_table(all_operations))
    return all_operations


@operations.add("GET", "/handshake", action="read", resource="aml.workspace")
def handshake(context: Context) -> Handshake:
    """Who answers, whether it is idle (no run is unfinished), and what it can be asked."""
    with context.database.read() as connection:
        idle = not unfinished(connection)
    return Handshake(
        version=jupyter_aml.__version__,
        protocol=PROTOCOL,
        workspace_id=context.store.workspace_id,
        idle=idle,
        operations=_table,
    )


@operations.add("GET", "/health", action="read", resource="aml.workspace")
def health(context: Context) -> dict[str, str]:
    """Whether the database answers."""
    with context.database.read() as connection:
        connection.execute(sa.select(1))
    folder = context.store.folder
    for place in (folder.root, folder.blobs, folder.runs):
        reason = why_not_writable(place)
        if reason is not None:
            return {"status": "degraded", "reason": reason}
    return {"status": "ok"}


@operations.add("GET", "/workspace", action="read", resource="aml.workspace")
def get_workspace(context: Context) -> WorkspaceModel:
    """The workspace's attributes and counts."""
    attributes = read_workspace(context.store.folder.root)
    with context.database.read() as connection:
        counts = {
            "experiments": connection.execute(
                sa.select(sa.func.count()).select_from(experiments)
            ).scalar_one(),
            "runs": connection.execute(sa.select(sa.func.count()).select_from(runs)).scalar_one(),
            "unfinished_runs": len(unfinished(connection)),
        }
    return WorkspaceModel(
        id=attributes.pop("id"),
        name=attributes.pop("name"),
        version=jupyter_aml.__version__,
        attributes=attributes,
        counts=counts,
    )


@operations.add("GET", "/fsck", action="execute", resource="aml.service")
def check_workspace(context: Context, full: bool = True) -> dict[str, list[str]]:
    """Everything that is wrong with the workspace, a sentence each; ``full`` reads every blob."""
    return {"problems": check_store(context.store, full=full)}


@operations.add("POST", "/service/stop", action="execute", resource="aml.service", status=202)
def stop_service(context: Context) -> dict[str, str]:
    """Stop the service; runs that are under way go on, and the next client starts it again."""
    context.store.signals.publish({"stop": True})
    return {"status": "stopping"}


@operations.add("GET", "/events", action="read", resource="aml.runs")
async def events(context: Context) -> StreamingResponse:
    """Server-sent events: ids, states and progress of runs, names and states of computes, as they change.

    Missed ones are not repeated.
    """
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue(limits.EVENT_QUEUE_LENGTH)

    def offer(event: dict[str, Any]) -> None:
        if not queue.full():
            queue.put_nowait(event)

    remove = context.store.signals.listen(lambda event: loop.call_soon_threadsafe(offer, event))

    async def stream() -> AsyncIterator[str]:
        try:
            yield ": welcome\n\n"
            while True:
                try:
                    event = await asyncio.wait_for(queue.get(), 15)
                except TimeoutError:
                    yield ": still here\n\n"
                    continue
                if "stop" in event:
                    return
                if "run_id" not in event and "compute" not in event:
                    continue
                yield f"data: {json.dumps(event)}\n\n"
        finally:
            remove()

    return StreamingResponse(stream(), media_type="text/event-stream")
