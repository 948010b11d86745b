"""The end of a run: everything it said and left is taken in, then its final state is set.

The order is what makes it safe to be cut off anywhere: journals first, then the logs into blobs and
artifacts, then the state by compare-and-swap, then the live folder goes. Whoever comes back after a crash
starts over and finds either a run that is not final yet, or only a folder left to remove.
"""

from __future__ import annotations

import shutil
from typing import Any

import sqlalchemy as sa

from jupyter_aml.core.failpoints import failpoint
from jupyter_aml.core.operation import Store
from jupyter_aml.core.paths import check_logical_path
from jupyter_aml.errors import InvalidError
from jupyter_aml.tracking import states
from jupyter_aml.tracking.ingest import ingest_run, note_problem
from jupyter_aml.tracking.model import Status
from jupyter_aml.tracking.records import add_artifact


def finalize_run(
    store: Store,
    run: sa.Row[Any],
    status: Status,
    error: dict[str, Any] | None,
    *,
    at: int | None = None,
    reason: str | None = None,
) -> bool:
    """Bring ``run`` (its row) to the final ``status``; False when it had ended before."""
    ingest_run(store, run.id)
    logs = collect_logs(store, run.id)
    failpoint("finalize.logs")

    def write(connection: sa.Connection) -> bool:
        if not states.move(connection, run.number, run.attempt, status, at=at, error=error, reason=reason):
            return False
        for log in logs:
            try:
                add_artifact(connection, run.number, log)
            except InvalidError as problem:
                note_problem(connection, run.number, str(problem))
        return True

    done = store.database.write(write)
    failpoint("finalize.moved")
    discard_live_folder(store, run.id)
    return done


def collect_logs(store: Store, run_id: str) -> list[dict[str, Any]]:
    """Store the live logs of a run as blobs; what to record as its artifacts (``user_logs/std_log.txt``)."""
    folder = store.folder.run_folder(run_id).logs
    records = []
    for path in sorted(folder.rglob("*")) if folder.is_dir() else []:
        if path.is_symlink() or not path.is_file():
            continue
        name = check_logical_path(path.relative_to(folder).as_posix())
        blob = store.blobs.put_file(path)
        records.append({"path": name, "digest": blob.digest, "size": blob.size})
    return records


def discard_live_folder(store: Store, run_id: str) -> None:
    """Remove the live folder of a run that has ended."""
    shutil.rmtree(store.folder.run_folder(run_id).root, ignore_errors=True)
    failpoint("folder.removed")
