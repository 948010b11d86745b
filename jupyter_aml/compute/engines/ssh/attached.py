"""The attached machines as the service's loop sees them: whether one can take a run, and when one is gone."""

from __future__ import annotations

import shutil
from functools import partial
from typing import Any

import sqlalchemy as sa

from jupyter_aml.compute import records
from jupyter_aml.compute.engines.ssh.connection import TargetFolder
from jupyter_aml.compute.tables import computes
from jupyter_aml.core.faults import Faults
from jupyter_aml.core.operation import Store


class Attached:
    """The machines of a workspace that are reached by SSH."""

    courier = "jupyter_aml.compute.engines.ssh.courier"

    def __init__(self, store: Store) -> None:
        self._store = store

    def step(self, now: int) -> bool:
        """Remove those that are to go and that no run is on any more; whether some are still to go."""
        leaving = sa.select(computes).where(computes.c.kind == "ssh", computes.c.state == "Deleting")
        with self._store.database.read() as connection:
            rows = connection.execute(leaving).all()
            active = {row.number: records.active_runs(connection, row.name) for row in rows}
        faults = Faults()
        for row in rows:
            with faults.kept():
                self._remove(row, has_runs=bool(active[row.number]))
        faults.raise_first()
        return bool(rows)

    def _remove(self, row: sa.Row[Any], *, has_runs: bool) -> None:
        folder = self.folder(row.name)
        if has_runs:
            if folder.root.is_dir():
                folder.given_up.touch()  # a run of it that cannot be reached is waited for no more
            return
        shutil.rmtree(folder.root, ignore_errors=True)
        gone = sa.delete(computes).where(computes.c.number == row.number)
        self._store.database.write(partial(_execute, gone))
        self._store.signals.publish({"compute": row.name, "state": "Deleted"})

    def folder(self, name: str) -> TargetFolder:
        """What is kept of a machine."""
        return TargetFolder(self._store.folder.computes / name)

    def has_slot(self, connection: sa.Connection, compute: sa.Row[Any], run: sa.Row[Any]) -> bool:
        """Whether it takes one more run now."""
        others = [o for o in records.active_runs(connection, compute.name) if o.number != run.number]
        return compute.state == "Running" and len(others) < int(compute.spec["max_runs"])

    def claim(
        self, connection: sa.Connection, compute: sa.Row[Any], run: sa.Row[Any]
    ) -> list[dict[str, Any]] | None:
        """No slices of this machine, where it has room for the run."""
        return [] if self.has_slot(connection, compute, run) else None


def _execute(statement: sa.Delete, connection: sa.Connection) -> None:
    connection.execute(statement)
