"""What a runner is told of a job's data inputs: where the bytes are, by digest or by datastore."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from jupyter_aml.core.operation import Store
from jupyter_aml.data import records, store_records
from jupyter_aml.data.tables import data_files, data_versions, run_data


def keep_inputs(connection: sa.Connection, run: int, inputs: Mapping[str, tuple[int, str]]) -> None:
    """Keep which versions a run takes as inputs: name to (version, mode)."""
    rows = [
        {"run": run, "name": name, "version": version, "mode": mode}
        for name, (version, mode) in inputs.items()
    ]
    if rows:
        connection.execute(sa.insert(run_data), rows)


def assigned_inputs(connection: sa.Connection, store: Store, run: int) -> list[dict[str, Any]]:
    """The data inputs of a run, each with its files or its place. No credential is among this."""
    u, d, f = run_data.c, data_versions.c, data_files.c
    rows = connection.execute(
        sa.select(u.name.label("input"), u.mode, data_versions)
        .join(data_versions, d.number == u.version)
        .where(u.run == run)
    ).all()
    found = []
    for row in rows:
        shown = records.model(row, None)
        files = connection.execute(sa.select(f.path, f.digest, f.size).where(f.version == row.number))
        datastore = None
        if shown.location is not None:
            datastore = store_records.find(store, connection, shown.location.datastore).settings
        found.append(
            {
                "name": row.input,
                "mode": row.mode,
                "reference": f"{shown.name}:{shown.version}",
                "type": shown.type,
                "files": [dict(file._mapping) for file in files],
                "location": None if shown.location is None else shown.location.model_dump(mode="json"),
                "datastore": datastore,
            }
        )
    return found
