"""What kernels and terminals ask of the service: the way into an instance, and that it stays on."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa

from jupyter_aml.compute import records
from jupyter_aml.compute.engines.local.machines import Machines
from jupyter_aml.compute.kernels.folder import InstanceFolder
from jupyter_aml.compute.model import EnteredModel
from jupyter_aml.compute.operations import ComputeName
from jupyter_aml.compute.tables import computes
from jupyter_aml.core.durable import write_durably
from jupyter_aml.core.operation import Context, Operations
from jupyter_aml.core.paths import make_private
from jupyter_aml.errors import ConflictError, InvalidError, UnavailableError
from jupyter_aml.tracking import states

operations = Operations()
ON = ("Running", "JobRunning")
_SOON = ("Creating", "Starting", "Restarting")
_WORDS = {
    "Creating": "is still being created",
    "Starting": "is starting",
    "Restarting": "is restarting",
    "Stopping": "is being stopped",
    "Stopped": "is stopped",
    "Deleting": "is being deleted",
    "CreateFailed": "could not be created",
    "Unusable": "is unusable",
}


@operations.add("POST", "/computes/{name}/enter", action="execute", resource="aml.compute")
def enter_compute(context: Context, name: ComputeName) -> EnteredModel:
    """Let a process of this account in: its slice is made, and described in the instance's folder.

    Refused where the instance is not on. Its idle time begins anew.
    """
    row = _look(context, name)
    machines = Machines(context.store.workspace_id)
    try:
        made = machines.ensure(row.name, records.size_from(row.spec), row.spec.get("gpus") or ())
    except OSError as error:
        raise UnavailableError(f"{row.name} cannot be entered: {error}.") from error
    folder = InstanceFolder(context.store.folder, row.name)
    make_private(folder.root)
    write_durably(folder.slice, json.dumps(made.to_json()).encode())
    try:
        _note(context, name)
    except ConflictError:
        machines.end(row.name)  # it was stopped meanwhile, and the slice was made once more
        raise
    return EnteredModel(name=row.name, details=row.spec.get("details", []))


@operations.add("POST", "/computes/{name}/activity", action="execute", resource="aml.compute", status=204)
def touch_compute(context: Context, name: ComputeName) -> None:
    """Somebody uses an instance that is on: its idle time begins anew."""
    _note(context, name)
    context.store.signals.wake()  # who was warned of a stop sees at once that it is not coming


def _look(context: Context, name: str) -> sa.Row[Any]:
    with context.database.read() as connection:
        row = records.compute_row(connection, name)
    check_on(row)
    return row


def _note(context: Context, name: str) -> None:
    def write(connection: sa.Connection) -> None:
        row = records.compute_row(connection, name)
        check_on(row)
        used = sa.update(computes).where(computes.c.number == row.number).values(last_used_at=states.now())
        connection.execute(used)

    context.database.write(write)


def check_on(row: sa.Row[Any]) -> None:
    """Raise unless the compute is an instance that is on; the sentence is what Jupyter shows its user."""
    if row.kind != "instance":
        raise InvalidError(
            f"{row.name} is a {row.kind}: only an instance takes kernels and terminals.",
            hint=f"Send it jobs: %%aml submit --compute {row.name}",
        )
    if row.state in ON:
        return
    why = (row.error or {}).get("message")
    raise ConflictError(
        f"The compute instance {row.name} {_WORDS.get(row.state, 'is ' + row.state)}"
        + (f": {why}." if why else "."),
        hint="Try again in a moment."
        if row.state in _SOON
        else f"Start it on the Compute page, or with: aml compute start -n {row.name}",
    )
